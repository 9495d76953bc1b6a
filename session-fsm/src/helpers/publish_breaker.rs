//! A circuit breaker around publishing.
//!
//! When several messages in a row cannot be delivered, it stops publishing for a time. Then single
//! messages probe whether publishing works again, and only several successes resume it.

use alloc::collections::BTreeMap;
use core::fmt;
use core::time::Duration;

use crate::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings, CircuitState, Pass};
use crate::{Instant, Outcome, PublishError, Token};

/// How a [`PublishBreaker`] works.
///
/// ```
/// use mqtt5_session_fsm::publish_breaker::PublishBreakerSettings;
///
/// let settings = PublishBreakerSettings::default();
/// assert_eq!((settings.breaker.failures_to_open, settings.breaker.successes_to_close), (5, 3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublishBreakerSettings {
    /// When it opens and closes. Default: it opens after 5 failures in a row, for one minute, and
    /// closes after 3 successes; all other values are those of [`CircuitBreakerSettings::default`].
    pub breaker: CircuitBreakerSettings,
    /// How long a message may wait for its outcome. After that it counts as a failure, and its
    /// outcome no longer counts. Less than a millisecond counts as one, [`Duration::MAX`] means
    /// never. Default: 10 seconds.
    pub publish_timeout: Duration,
    /// How many messages may wait for their outcome; at least 1. Each takes about a hundred bytes.
    /// Default: 1,000.
    pub messages: usize,
}

impl Default for PublishBreakerSettings {
    fn default() -> Self {
        PublishBreakerSettings {
            breaker: CircuitBreakerSettings {
                successes_to_close: 3,
                ..CircuitBreakerSettings::default()
            },
            publish_timeout: Duration::from_secs(10),
            messages: 1_000,
        }
    }
}

/// A [`CircuitBreaker`] that follows messages from [`publish`](crate::Client::publish) to their
/// [`Outcome`], by their [`Token`].
///
/// # Contract
///
/// * Ask [`pass`](Self::pass) before each message. Report what `publish` returned to
///   [`published`](Self::published) or [`refused`](Self::refused), and every
///   [`Event::Outcome`](crate::Event::Outcome) to [`outcome`](Self::outcome); other tokens are
///   ignored. Ask [`next_timeout`](Self::next_timeout) after each of these, and when it is due,
///   call [`handle_timeout`](Self::handle_timeout).
/// * **A success** is an [`Outcome`] of which [`is_success`](Outcome::is_success) is `true`.
/// * **A failure** is an outcome by which the message was refused, expired, timed out, was not
///   sent, or is unknown; an outcome that does not come in time; and a `publish` that is refused
///   because messages pile up, or because there is no connection or Session.
/// * **Neither** is a message that breaks a rule or a limit of the peer, that was dropped for a
///   newer one, or that was withdrawn: it says nothing about the other side.
/// * After a restart, the breaker starts anew: earlier tokens are ignored.
///
/// All calls take logarithmic time in the number of messages that wait for their outcome.
///
/// ```
/// use mqtt5_session_fsm::codec::Qos;
/// use mqtt5_session_fsm::publish_breaker::{PublishBreaker, PublishBreakerSettings};
/// use mqtt5_session_fsm::circuit_breaker::CircuitState;
/// use mqtt5_session_fsm::{Client, ClientConfig, Instant, Publication, Session, SessionConfig};
///
/// # let session = Session::of_client(SessionConfig::default());
/// # let mut client = Client::new(ClientConfig::default(), session);
/// let mut breaker = PublishBreaker::new(PublishBreakerSettings::default());
/// let mut now = Instant::ORIGIN;
/// for _ in 0..5 {
///     let pass = breaker.pass(now)?;
///     match client.publish(now, Publication::of("valve/7", b"close", Qos::AtLeastOnce)?) {
///         Ok(token) => breaker.published(now, pass, token),
///         Err(refused) => {
///             breaker.refused(now, pass, &refused.error);
///         }
///     }
/// }
/// // No outcome comes.
/// now = breaker.next_timeout();
/// breaker.handle_timeout(now);
/// assert!(matches!(breaker.state(now), CircuitState::Open { .. }));
/// assert_eq!(breaker.counts().timed_out, 5);
/// assert!(breaker.pass(now).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublishBreaker {
    breaker: CircuitBreaker,
    timeout: Duration,
    limit: usize,
    /// Tokens and deadlines both ascend.
    waiting: BTreeMap<Token, Waiting>,
    counts: PublishCounts,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    pass: Pass,
    deadline: Instant,
}

/// The outcomes of the messages of a [`PublishBreaker`].
///
/// ```
/// use mqtt5_session_fsm::publish_breaker::{PublishBreaker, PublishBreakerSettings};
///
/// let breaker = PublishBreaker::new(PublishBreakerSettings::default());
/// let counts = breaker.counts();
/// assert_eq!((counts.succeeded, counts.failed, counts.held_back), (0, 0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PublishCounts {
    /// Messages that succeeded.
    pub succeeded: u64,
    /// Messages that failed, without those that timed out.
    pub failed: u64,
    /// Messages whose outcome did not come in time.
    pub timed_out: u64,
    /// Messages whose outcome says nothing about the other side.
    pub neutral: u64,
    /// Messages that the breaker did not let pass.
    pub held_back: u64,
}

/// The breaker does not let a message pass.
///
/// ```
/// use mqtt5_session_fsm::Instant;
/// use mqtt5_session_fsm::publish_breaker::HeldBack;
///
/// let error = HeldBack::Open { retry_at: Instant::from_millis(60_000) };
/// assert_eq!(error.to_string(), "nothing is published before 60000 ms, because publishing failed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldBack {
    /// It is open, or a probe is on its way.
    Open {
        /// When to ask again. While a probe is on its way, this is when the probe times out; its
        /// outcome may come earlier.
        retry_at: Instant,
    },
    /// The limit of messages that wait for their outcome is reached.
    TooMany,
}

impl PublishBreaker {
    /// Creates a closed breaker.
    #[must_use]
    pub fn new(settings: PublishBreakerSettings) -> Self {
        PublishBreaker {
            breaker: CircuitBreaker::new(settings.breaker),
            timeout: settings.publish_timeout.max(Duration::from_millis(1)),
            limit: settings.messages.max(1),
            waiting: BTreeMap::new(),
            counts: PublishCounts::default(),
        }
    }

    /// Asks for permission to publish a message.
    ///
    /// # Errors
    ///
    /// [`HeldBack`].
    pub fn pass(&mut self, now: Instant) -> Result<Pass, HeldBack> {
        let result = if self.waiting.len() >= self.limit {
            Err(HeldBack::TooMany)
        } else {
            self.breaker.pass(now).map_err(|open| HeldBack::Open {
                retry_at: open.retry_at,
            })
        };
        if result.is_err() {
            add(&mut self.counts.held_back);
        }
        result
    }

    /// Reports that the message was accepted, with the token of its outcome. Messages above the
    /// limit are not followed.
    pub fn published(&mut self, now: Instant, pass: Pass, token: Token) {
        if self.waiting.len() < self.limit {
            let deadline = now + self.timeout;
            self.waiting.insert(token, Waiting { pass, deadline });
        }
    }

    /// Reports that the message was not accepted. Returns the new state.
    pub fn refused(&mut self, now: Instant, pass: Pass, error: &PublishError) -> CircuitState {
        match error {
            PublishError::Busy | PublishError::NoSession | PublishError::NotConnected => {
                add(&mut self.counts.failed);
                self.breaker.failed(now, pass)
            }
            _ => {
                add(&mut self.counts.neutral);
                self.breaker.withdraw(pass);
                self.breaker.state(now)
            }
        }
    }

    /// Reports an outcome. Returns the new state.
    pub fn outcome(&mut self, now: Instant, token: Token, outcome: &Outcome<'_>) -> CircuitState {
        let Some(Waiting { pass, .. }) = self.waiting.remove(&token) else {
            return self.breaker.state(now);
        };
        match outcome {
            outcome if outcome.is_success() => {
                add(&mut self.counts.succeeded);
                self.breaker.succeeded(now, pass)
            }
            Outcome::Dropped | Outcome::Withdrawn | Outcome::Forbidden(_) => {
                add(&mut self.counts.neutral);
                self.breaker.withdraw(pass);
                self.breaker.state(now)
            }
            _ => {
                add(&mut self.counts.failed);
                self.breaker.failed(now, pass)
            }
        }
    }

    /// Returns when the next message times out; [`Instant::NEVER`] if none does. Every other call
    /// may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        let first = self.waiting.first_key_value();
        first.map_or(Instant::NEVER, |(_, waiting)| waiting.deadline)
    }

    /// Counts the messages whose outcome is overdue as failures. Returns the new state.
    pub fn handle_timeout(&mut self, now: Instant) -> CircuitState {
        while let Some(first) = self.waiting.first_entry() {
            if first.get().deadline > now {
                break;
            }
            let Waiting { pass, .. } = first.remove();
            add(&mut self.counts.timed_out);
            self.breaker.failed(now, pass);
        }
        self.breaker.state(now)
    }

    /// Returns the state at this time.
    #[must_use]
    pub const fn state(&self, now: Instant) -> CircuitState {
        self.breaker.state(now)
    }

    /// Returns the counts of outcomes.
    #[must_use]
    pub const fn counts(&self) -> PublishCounts {
        self.counts
    }

    /// Returns the breaker, which counts failures and successes in a row.
    #[must_use]
    pub const fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// Returns how many messages wait for their outcome.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Closes the breaker and forgets all failures, because the cause is known to be gone. Messages
    /// that still wait no longer count.
    pub fn reset(&mut self) {
        self.breaker.reset();
    }
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl fmt::Display for HeldBack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeldBack::Open { retry_at } => write!(
                formatter,
                "nothing is published before {retry_at:?}, because publishing failed"
            ),
            HeldBack::TooMany => formatter.write_str("too many messages wait for their outcome"),
        }
    }
}

impl core::error::Error for HeldBack {}
