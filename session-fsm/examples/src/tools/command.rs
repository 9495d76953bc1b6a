//! Commands that answer requests.

use std::ffi::OsString;
use std::io;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The environment variable with the topic of a request.
pub const TOPIC_VARIABLE: &str = "MQTT_TOPIC";

/// What a command has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its standard output.
    pub payload: Vec<u8>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// Runs a command with a payload on its standard input.
pub async fn answer(command: &[OsString], topic: &str, payload: &[u8]) -> Answer {
    match run(command, topic, payload).await {
        Ok(output) => Answer {
            payload: output.stdout,
            error: (!output.status.success()).then(|| output.status.to_string()),
        },
        Err(error) => Answer {
            payload: Vec::new(),
            error: Some(format!("it cannot be run: {error}")),
        },
    }
}

async fn run(command: &[OsString], topic: &str, payload: &[u8]) -> io::Result<Output> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .env(TOPIC_VARIABLE, topic)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdin = child.stdin.take();
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A command need not read its input.
            let _ = stdin.write_all(payload).await;
        }
    };
    // Both at once: a pipe holds little.
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    output
}
