//! Publishes messages, and says what became of them.
//!
//! ```sh
//! cargo run --bin publish -- greenhouse/window open --qos 2
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mqtt5_examples::tools::{
    self, Connection, ConnectionOptions, Failure, Outgoing, PropertyOptions, STATUS_HELP,
    interrupted, outgoing, qos, seconds,
};
use mqtt5_tokio::Qos;
use mqtt5_tokio::codec::Message;
use mqtt5_tokio::fsm::Publication;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// Publishes messages. The exit status is 0 only if the server has every one of them; with QoS 0, if all were written.
#[derive(Parser)]
#[command(name = "publish", after_help = STATUS_HELP)]
struct Options {
    /// The Topic Name.
    topic: String,
    /// The payload. Without it, and without --file and --lines, the payload is what comes from standard input.
    #[arg(conflicts_with_all = ["file", "lines"])]
    payload: Option<String>,
    /// The payload is in this file.
    #[arg(long, value_name = "FILE", conflicts_with = "lines")]
    file: Option<PathBuf>,
    /// Each line of standard input is the payload of a message, without its line break.
    #[arg(short, long)]
    lines: bool,
    /// Publish the message this many times.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        conflicts_with = "lines",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    repeat: u64,
    /// How long to wait between two messages.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    interval: Duration,
    /// The QoS.
    #[arg(short, long, default_value = "1", value_parser = qos)]
    qos: Qos,
    /// The server retains the message.
    #[arg(short, long)]
    retain: bool,
    /// How long the outcome of each message may take. Default: as long as there is a connection.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    within: Option<Duration>,
    #[command(flatten)]
    properties: PropertyOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
}

fn main() -> ExitCode {
    tools::run(publish)
}

async fn publish(mut options: Options) -> Result<(), Failure> {
    if !options.properties.is_empty() {
        let what = "properties of messages";
        options.connection.needs_version_5(what)?;
    }
    let builder = options.connection.builder("publish")?;
    // Before the connection, so that wrong options need no server.
    let message = match options.lines {
        true => options.message(b"").map(|_| None)?,
        false => Some(options.message(&options.payload().await?)?),
    };
    // Nothing is subscribed to.
    let (connection, _) = Connection::open(&options.connection, builder).await?;
    let verbose = options.connection.verbose;
    let (outgoing, outcomes) = outgoing(connection.client().clone(), options.within, verbose);
    let work = async {
        let feed = async {
            match message {
                Some(message) => options.repeated(outgoing, message).await,
                None => options.each_line(outgoing).await,
            }
        };
        let (fed, published) = tokio::join!(feed, outcomes.all());
        fed.and(published)
    };
    connection.run(&options.connection, work).await
}

impl Options {
    async fn payload(&self) -> Result<Vec<u8>, Failure> {
        if let Some(payload) = &self.payload {
            return Ok(payload.clone().into_bytes());
        }
        if let Some(file) = &self.file {
            return std::fs::read(file).map_err(|error| {
                let file = file.display();
                Failure::Local(format!("The file {file} cannot be read: {error}."))
            });
        }
        let mut payload = Vec::new();
        let mut stdin = tokio::io::stdin();
        tokio::select! {
            read = stdin.read_to_end(&mut payload) => read.map_err(unreadable)?,
            () = interrupted() => return Err(Failure::Interrupted),
        };
        Ok(payload)
    }

    fn message(&self, payload: &[u8]) -> Result<Message, Failure> {
        self.properties.message(&self.topic, payload, self.retain)
    }

    fn publication(&self, message: Message) -> Publication {
        let mut publication = Publication::new(self.qos, message);
        publication.topic_alias = self.properties.topic_alias;
        publication
    }

    async fn repeated(&self, mut outgoing: Outgoing, message: Message) -> Result<(), Failure> {
        for number in 0..self.repeat {
            if number > 0 {
                self.pause().await;
            }
            // The bytes of the message are shared.
            outgoing.send(self.publication(message.clone())).await?;
        }
        Ok(())
    }

    async fn each_line(&self, mut outgoing: Outgoing) -> Result<(), Failure> {
        let mut lines = BufReader::with_capacity(1 << 16, tokio::io::stdin());
        let mut line = Vec::new();
        let mut is_first = true;
        loop {
            line.clear();
            let read = lines.read_until(b'\n', &mut line).await;
            if read.map_err(unreadable)? == 0 {
                return Ok(());
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if !std::mem::take(&mut is_first) {
                self.pause().await;
            }
            let message = self.message(&line)?;
            outgoing.send(self.publication(message)).await?;
        }
    }

    async fn pause(&self) {
        if !self.interval.is_zero() {
            tokio::time::sleep(self.interval).await;
        }
    }
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::Local(format!("Standard input cannot be read: {error}."))
}
