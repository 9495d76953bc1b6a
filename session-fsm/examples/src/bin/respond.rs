//! Answers requests with the output of a command.
//!
//! ```sh
//! cargo run --bin respond -- greenhouse/status -- sh -c 'uptime'
//! ```

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mqtt5_examples::tools::{
    self, Answer, Connection, ConnectionOptions, Failure, Incoming, STATUS_HELP, SubscribeOptions,
    answer, note,
};
use mqtt5_tokio::codec::{self, Properties, Property, UserProperty};
use mqtt5_tokio::fsm::Publication;
use mqtt5_tokio::fsm::request_response::Reply;
use mqtt5_tokio::{Client, Message};
use tokio::task::JoinSet;

/// Answers requests. For each one a command is run: it gets the payload on its standard input and the topic in the
/// environment variable MQTT_TOPIC, and what it prints is the response. If it fails, the response has a User Property
/// `error`. A request is acknowledged once its response is published. Needs a server with MQTT 5.
#[derive(Parser)]
#[command(name = "respond", after_help = STATUS_HELP)]
struct Options {
    /// The Topic Filter of the requests; $share/NAME/FILTER shares them with others.
    #[arg(value_name = "TOPIC FILTER")]
    filter: String,
    /// The command and its arguments.
    #[arg(last = true, required_unless_present = "echo", conflicts_with = "echo")]
    command: Vec<OsString>,
    /// Answer with the payload of the request.
    #[arg(long)]
    echo: bool,
    /// How many commands may run at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = at_least_1)]
    at_once: usize,
    /// End after this many requests.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    subscription: SubscribeOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
}

fn at_least_1(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("it is a number from 1 on".to_owned()),
    }
}

fn main() -> ExitCode {
    tools::run(respond)
}

async fn respond(mut options: Options) -> Result<(), Failure> {
    options
        .connection
        .needs_version_5("requests and responses")?;
    let builder = options.connection.builder("respond")?;
    // A request that was not answered goes to another responder, or comes again.
    let builder = builder.manual_acknowledgement(true);
    let (connection, messages) = Connection::open(&options.connection, builder).await?;
    let incoming = Incoming::new(
        connection.client(),
        messages,
        std::slice::from_ref(&options.filter),
        &options.subscription,
        options.connection.verbose,
    )?;
    let client = connection.client().clone();
    connection
        .run(&options.connection, serve(&options, client, incoming))
        .await
}

/// Answers as many requests at once as it may. While all places are taken, requests wait at the server.
async fn serve(options: &Options, client: Client, mut incoming: Incoming) -> Result<(), Failure> {
    let command: Arc<[OsString]> = options.command.clone().into();
    let mut running = JoinSet::new();
    let mut left = options.count;
    while left != Some(0) {
        if running.len() >= options.at_once {
            running.join_next().await;
        }
        let request = incoming.next().await?;
        left = left.map(|left| left - 1);
        let (client, command) = (client.clone(), command.clone());
        running.spawn(async move {
            if let Err(failure) = handle(&client, &command, &request).await {
                note(format_args!("A request has no response. {failure}"));
            }
            request.acknowledge();
        });
        while running.try_join_next().is_some() {}
    }
    running.join_all().await;
    Ok(())
}

async fn handle(client: &Client, command: &[OsString], request: &Message) -> Result<(), Failure> {
    let packet = request.publish();
    let Some(reply) = Reply::to(&packet) else {
        let topic = request.topic();
        return Err(Failure::Local(format!(
            "The message to {topic:?} has no Response Topic."
        )));
    };
    let answer = match command {
        [] => Answer {
            payload: request.payload().to_vec(),
            error: None,
        },
        command => answer(command, request.topic(), request.payload()).await,
    };
    if let Some(error) = &answer.error {
        note(format_args!("A command has failed: {error}."));
    }
    let publication = Publication::new(request.qos(), response(&reply, &answer)?);
    client.send(publication).await?.await?;
    Ok(())
}

fn response(reply: &Reply<'_>, answer: &Answer) -> Result<codec::Message, Failure> {
    let mut list = reply.properties().to_vec();
    if let Some(error) = &answer.error {
        let pair = UserProperty::new("error", error).map_err(Failure::local)?;
        list.push(Property::UserProperty(pair));
    }
    let publish = codec::Publish {
        properties: Properties::new(&list).map_err(Failure::local)?,
        ..reply.publish(&answer.payload)
    };
    codec::Message::new(&publish).map_err(Failure::local)
}
