//! Messages on their way, and what becomes of them.

use std::time::Duration;

use mqtt5_tokio::fsm::Publication;
use mqtt5_tokio::{Client, PendingOutcome, PublishFailure, Published};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::{Failure, note};

/// How many messages may be on their way.
const IN_FLIGHT: usize = 1_000;

/// Sends messages, many at once.
#[derive(Debug)]
pub struct Outgoing {
    client: Client,
    within: Option<Duration>,
    waiting: mpsc::Sender<Waiting>,
    sent: u64,
}

/// The outcomes of messages, in their order.
#[derive(Debug)]
pub struct Outcomes {
    waiting: mpsc::Receiver<Waiting>,
    verbose: bool,
}

/// A message that has no outcome yet.
#[derive(Debug)]
struct Waiting {
    number: u64,
    sending: PendingOutcome,
    until: Option<Instant>,
}

/// Makes both ends. Each message has its outcome `within` this time, or has failed.
#[must_use]
pub fn outgoing(client: Client, within: Option<Duration>, verbose: bool) -> (Outgoing, Outcomes) {
    let (sender, waiting) = mpsc::channel(IN_FLIGHT);
    let outgoing = Outgoing {
        client,
        within,
        waiting: sender,
        sent: 0,
    };
    (outgoing, Outcomes { waiting, verbose })
}

impl Outgoing {
    /// Hands over a message. Waits while too many others are on their way.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub async fn send(&mut self, mut publication: Publication) -> Result<(), Failure> {
        // What was not sent in time shall not be sent later.
        publication.deadline = self.within;
        // A place first: otherwise the number of messages on their way has no limit.
        let place = self.waiting.reserve().await.map_err(Failure::local)?;
        let until = self.within.map(|within| Instant::now() + within);
        let sending = self.client.send(publication).await?;
        self.sent += 1;
        place.send(Waiting {
            number: self.sent,
            sending,
            until,
        });
        Ok(())
    }
}

impl Outcomes {
    /// Waits for all outcomes.
    ///
    /// # Errors
    ///
    /// A message was not published. The status is that of the first one.
    pub async fn all(mut self) -> Result<(), Failure> {
        let (mut first, mut failures, mut total) = (None, 0_u64, 0_u64);
        while let Some(waiting) = self.waiting.recv().await {
            total += 1;
            let number = waiting.number;
            if let Err(failure) = waiting.outcome().await {
                let failure = Failure::from(failure);
                if self.verbose {
                    note(format_args!(
                        "Message {number} was not published: {failure}"
                    ));
                }
                failures += 1;
                first.get_or_insert((number, failure));
            }
        }
        match first {
            None => Ok(()),
            Some((_, failure)) if total == 1 => Err(failure.about("The message was not published")),
            Some((number, failure)) => Err(failure.about(&format!(
                "{failures} of {total} messages were not published, the first of them being number {number}"
            ))),
        }
    }
}

impl Waiting {
    async fn outcome(self) -> Result<Published, PublishFailure> {
        match self.until {
            None => self.sending.await,
            Some(until) => match timeout_at(until, self.sending).await {
                Ok(outcome) => outcome,
                Err(_) => Err(PublishFailure::TimedOut),
            },
        }
    }
}
