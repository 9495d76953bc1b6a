//! Prints the messages of some topics.
//!
//! ```sh
//! cargo run --bin subscribe -- 'greenhouse/#' --format 'topic payload'
//! ```

use std::process::ExitCode;

use clap::Parser;
use mqtt5_examples::tools::{
    self, Connection, ConnectionOptions, Failure, FormatOption, Incoming, Output, STATUS_HELP,
    SubscribeOptions, Written,
};

/// Subscribes, and prints messages until it is interrupted.
#[derive(Parser)]
#[command(name = "subscribe", after_help = STATUS_HELP)]
struct Options {
    /// The Topic Filters, such as greenhouse/+/temperature or greenhouse/#.
    #[arg(value_name = "TOPIC FILTER", required = true)]
    filters: Vec<String>,
    #[command(flatten)]
    format: FormatOption,
    /// End after this many messages.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Acknowledge a message only after it was written and flushed. Otherwise it may be acknowledged before, and be lost
    /// when the program ends.
    #[arg(long)]
    manual: bool,
    #[command(flatten)]
    subscription: SubscribeOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
}

fn main() -> ExitCode {
    tools::run(subscribe)
}

async fn subscribe(mut options: Options) -> Result<(), Failure> {
    options.subscription.check(&mut options.connection)?;
    let builder = options.connection.builder("subscribe")?;
    let builder = builder.manual_acknowledgement(options.manual);
    let (connection, messages) = Connection::open(&options.connection, builder).await?;
    let incoming = Incoming::new(
        connection.client(),
        messages,
        &options.filters,
        &options.subscription,
        options.connection.verbose,
    )?;
    connection
        .run(&options.connection, print(&options, incoming))
        .await
}

async fn print(options: &Options, mut incoming: Incoming) -> Result<(), Failure> {
    let mut output = Output::new(options.format.format.clone());
    let mut left = options.count;
    let mut waiting = None;
    while left != Some(0) {
        let message = match waiting.take() {
            Some(message) => message,
            None => incoming.next().await?,
        };
        let mut written = output.write(&message).await?;
        waiting = incoming.take();
        if options.manual || waiting.is_none() {
            written = written.and(output.flush().await?);
        }
        if written == Written::NobodyReads {
            return Ok(());
        }
        // It does nothing unless it is manual.
        message.acknowledge();
        left = left.map(|left| left - 1);
    }
    // The last message may still be in the buffer.
    output.flush().await.map(|_| ())
}
