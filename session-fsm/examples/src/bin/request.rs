//! Publishes a request, and prints the response.
//!
//! ```sh
//! cargo run --bin request -- greenhouse/status now
//! ```

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mqtt5_examples::tools::{
    self, Connection, ConnectionOptions, Failure, FormatOption, Output, STATUS_HELP, seconds,
};
use mqtt5_tokio::Client;
use mqtt5_tokio::codec::TopicName;

/// Publishes a request with QoS 1, waits for the response, and prints it. Needs a server with MQTT 5.
#[derive(Parser)]
#[command(name = "request", after_help = STATUS_HELP)]
struct Options {
    /// The Topic Name.
    topic: String,
    /// The payload.
    #[arg(default_value = "")]
    payload: String,
    /// How long to wait for the response.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    within: Duration,
    /// Where the response is to be published. Default: responses/, the ClientID, and random digits.
    #[arg(long, value_name = "TOPIC")]
    response_topic: Option<String>,
    #[command(flatten)]
    format: FormatOption,
    #[command(flatten)]
    connection: ConnectionOptions,
}

fn main() -> ExitCode {
    tools::run(request)
}

async fn request(mut options: Options) -> Result<(), Failure> {
    options
        .connection
        .needs_version_5("requests and responses")?;
    TopicName::new(&options.topic).map_err(Failure::local)?;
    let mut builder = options.connection.builder("request")?;
    if let Some(topic) = options.response_topic.as_deref() {
        builder = builder.response_topic(topic);
    }
    // Other messages than the response are of no use, but the subscriptions of an old Session may send some: without
    // `Messages` they are thrown away.
    let (connection, _) = Connection::open(&options.connection, builder).await?;
    let client = connection.client().clone();
    connection
        .run(&options.connection, respond(&options, client))
        .await
}

async fn respond(options: &Options, client: Client) -> Result<(), Failure> {
    let response = client.request(&options.topic, &options.payload, options.within);
    let response = response.await?;
    let mut output = Output::new(options.format.format.clone());
    output.write(&response).await?;
    output.flush().await.map(|_| ())
}
