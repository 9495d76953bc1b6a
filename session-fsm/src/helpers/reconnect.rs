//! Decides when and where to connect again.

mod backoff;
mod failure;
mod outcome;
mod server_reference;
mod servers;

use core::time::Duration;

use self::servers::{Redirected, Servers};
use crate::Instant;

pub use self::backoff::Backoff;
pub use self::failure::{ConnectionFailure, RetryAdvice};
pub use self::outcome::{Attempt, GiveUp, ReconnectError, Reconnection};
pub use self::server_reference::{ServerName, ServerReference};

/// How often in a row a redirection is followed without delay.
const REDIRECTIONS_AT_ONCE: u8 = 3;

/// How a [`ReconnectPolicy`] behaves.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::reconnect::ReconnectSettings;
///
/// let patient = ReconnectSettings {
///     maximum_delay: Duration::from_secs(3600),
///     ..ReconnectSettings::default()
/// };
/// assert_eq!(patient.growth_percent, 200);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReconnectSettings {
    /// The most that the first delay can be; see [`Backoff`]. Default: 1 second.
    pub initial_delay: Duration,
    /// The most that any delay can be. Default: 2 minutes.
    pub maximum_delay: Duration,
    /// By how many hundredths the delay is multiplied when each server has had its turn. Default:
    /// 200, which doubles it.
    pub growth_percent: u32,
    /// How long a connection must last to be stable. Failures before a stable connection no longer
    /// count. Default: 1 minute.
    pub stable_after: Duration,
    /// Give up at the failure with this number, if there was no stable connection since the first;
    /// the end of a connection counts. Default: `None`, never.
    pub give_up_after: Option<u32>,
    /// Whether a server that does not speak the version of MQTT that it was offered is offered the
    /// other one, 3.1.1 after 5 and 5 after 3.1.1, at once. [`Attempt::version`] names it, and what
    /// was found is kept for each server. Only a CONNACK with 0x84 counts, or the
    /// same in the form of the other version, which [`Event::Refused`](crate::Event::Refused)
    /// translates: no other Reason Code, no timeout, and no connection that is closed without an
    /// answer. A server that refuses both versions ends it. Make the CONNECT with
    /// [`Connect::for_version`](mqtt5_codec::Connect::for_version), which tells what the version
    /// cannot say. Default: `false`.
    pub fall_back: bool,
}

impl Default for ReconnectSettings {
    fn default() -> Self {
        ReconnectSettings {
            initial_delay: Duration::from_secs(1),
            maximum_delay: Duration::from_secs(120),
            growth_percent: 200,
            stable_after: Duration::from_secs(60),
            give_up_after: None,
            fall_back: false,
        }
    }
}

/// Decides when a Client connects again, and to which Server.
///
/// # Contract
///
/// Connect when [`next_attempt`](Self::next_attempt) is due, or the attempt that
/// [`choose_attempt`](Self::choose_attempt) returns. Report a CONNACK with Success to
/// [`connected`](Self::connected), and every failure, including the end of the connection, to
/// [`failed`](Self::failed). If the Client disconnects on purpose, report nothing.
///
/// * **Delay.** Exponential back-off with full jitter: [`Backoff`]. With several servers, the delay
///   grows when each has had its turn, so that a Server that is alive is found soon.
/// * **Turns.** After a failed attempt, or a connection that was not stable, it is the next
///   server's turn. After a stable connection the same Server is tried first: it has the Session.
/// * **0x9C, Use another server** (section 4.11): the servers in the Server Reference are tried in
///   turn, at once. When a stable connection to one of them ends, the Server that sent the Client
///   away is tried again; when all of them failed, the next one of the configured servers. Without
///   a Server Reference it is the next server's turn.
/// * **0x9D, Server moved**: the servers in the Server Reference take the place of the one that
///   sent it, and [`Reconnection::Moved`] tells. Without a Server Reference the Server is only
///   removed.
/// * The fourth redirection in a row and all after it are followed with a delay: servers may send
///   Clients to each other.
/// * **Versions of MQTT**: see [`ReconnectSettings::fall_back`].
/// * **Giving up**: see [`GiveUp`]. [`resume`](Self::resume) makes a new start.
///
/// It stores no more than [`MAXIMUM_SERVERS`](Self::MAXIMUM_SERVERS) servers, and as many of a
/// redirection for the time being, and allocates only when it takes over their references; further
/// ones are [counted](Self::ignored_references) and ignored.
///
/// ```
/// use mqtt5_session_fsm::codec::{ConnAck, ReasonCode};
/// use mqtt5_session_fsm::reconnect::{ConnectionFailure, GiveUp, ReconnectPolicy, ReconnectSettings, Reconnection};
/// use mqtt5_session_fsm::Instant;
///
/// let servers = ["broker-1.example:8883", "broker-2.example:8883"];
/// let mut policy = ReconnectPolicy::new(ReconnectSettings::default(), servers)?;
///
/// let attempt = policy.next_attempt().expect("due at once");
/// assert_eq!(attempt.server.as_str(), "broker-1.example:8883");
///
/// # fn random() -> u32 { u32::MAX / 2 }
/// let now = Instant::from_millis(10_000);
/// // `random` takes a new number from the host's random source each time.
/// match policy.failed(now, ConnectionFailure::Network, random()) {
///     Reconnection::Attempt(attempt) => {
///         // Half of the first second.
///         assert_eq!(attempt.at, Instant::from_millis(10_500));
///         assert_eq!(attempt.server.as_str(), "broker-2.example:8883");
///     }
///     other => panic!("{other:?}"),
/// }
///
/// let refusal = ConnAck::new(ReasonCode::BadUserNameOrPassword);
/// let next = policy.failed(now, &refusal, random());
/// assert_eq!(next, Reconnection::GiveUp(GiveUp::Refused(ReasonCode::BadUserNameOrPassword)));
/// # Ok::<(), mqtt5_session_fsm::reconnect::ReconnectError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReconnectPolicy {
    settings: ReconnectSettings,
    servers: Servers,
    backoff: Backoff,
    state: State,
    /// Since the last stable connection.
    failures: u32,
    /// In a row.
    redirections: u8,
    /// Which of the candidates gets the attempt, instead of the one whose turn it is.
    chosen: usize,
    /// The turns began anew because servers were passed over.
    round_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Waiting { until: Instant },
    Connected { since: Instant },
    GaveUp,
}

impl ReconnectPolicy {
    /// The most servers that can be configured, and the most that are taken from a Server
    /// Reference.
    pub const MAXIMUM_SERVERS: usize = 16;

    /// Creates a policy whose first attempt is due at once, at the first server. The servers are
    /// texts in the format of a [`ServerReference`], or in any other that the host understands.
    ///
    /// # Errors
    ///
    /// [`ReconnectError::NumberOfServers`].
    pub fn new<S: AsRef<str>>(
        settings: ReconnectSettings,
        servers: impl IntoIterator<Item = S>,
    ) -> Result<Self, ReconnectError> {
        let servers = Servers::new(servers, Self::MAXIMUM_SERVERS);
        Ok(ReconnectPolicy {
            settings,
            servers: servers.ok_or(ReconnectError::NumberOfServers)?,
            backoff: Backoff::new(
                settings.initial_delay,
                settings.maximum_delay,
                settings.growth_percent,
            ),
            state: State::Waiting {
                until: Instant::ORIGIN,
            },
            failures: 0,
            redirections: 0,
            chosen: 0,
            round_ended: false,
        })
    }

    /// Returns the attempt that is due or being made; `None` while connected and after giving up.
    /// Changes only by calls that take `&mut self`.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Attempt<'_>> {
        match self.state {
            State::Waiting { until } => Some(self.servers.attempt(self.chosen, until)),
            State::Connected { .. } | State::GaveUp => None,
        }
    }

    /// Returns the earliest attempt, given from when on each server may be tried. `not_before`
    /// returns that instant: [`Instant::ORIGIN`] for a server that may be tried at any time, and
    /// [`CircuitBreaker::retry_at`](crate::circuit_breaker::CircuitBreaker::retry_at) for one that
    /// has a breaker.
    ///
    /// A server that may not be tried yet is passed over in favor of one that may. Among those that
    /// may be tried equally early, the first in the order of turns is chosen. The choice replaces
    /// the one before; it holds for [`next_attempt`](Self::next_attempt) and for the next report,
    /// so choose again when a breaker has changed. The delay of the policy applies to every server.
    /// A choice changes neither the delay nor the order of turns until the attempt is reported.
    ///
    /// Returns `None` while connected and after giving up. Allocates nothing.
    ///
    /// ```
    /// use mqtt5_session_fsm::reconnect::{ReconnectPolicy, ReconnectSettings};
    /// use mqtt5_session_fsm::Instant;
    ///
    /// let servers = ["broker-1.example", "broker-2.example"];
    /// let mut policy = ReconnectPolicy::new(ReconnectSettings::default(), servers)?;
    /// let open_until = Instant::from_millis(60_000);
    /// let attempt = policy.choose_attempt(|server| match server.as_str() {
    ///     "broker-1.example" => open_until,
    ///     _ => Instant::ORIGIN,
    /// });
    /// let attempt = attempt.expect("waiting to connect");
    /// assert_eq!((attempt.at, attempt.server.as_str()), (Instant::ORIGIN, "broker-2.example"));
    /// # Ok::<(), mqtt5_session_fsm::reconnect::ReconnectError>(())
    /// ```
    pub fn choose_attempt(
        &mut self,
        mut not_before: impl FnMut(ServerReference<'_>) -> Instant,
    ) -> Option<Attempt<'_>> {
        let State::Waiting { until } = self.state else {
            return None;
        };
        let instants = self
            .servers
            .candidates()
            .map(|server| not_before(server.reference()).max(until));
        // The first of those that are equal.
        let (position, at) = instants.enumerate().min_by_key(|&(_, at)| at)?;
        self.chosen = position;
        Some(self.servers.attempt(position, at))
    }

    /// Returns the configured servers, as redirections for good have changed them.
    pub fn servers(&self) -> impl Iterator<Item = ServerReference<'_>> {
        self.servers.configured()
    }

    /// Returns how many references in Server References were ignored because there were too many.
    #[must_use]
    pub const fn ignored_references(&self) -> u64 {
        self.servers.ignored()
    }

    /// Returns how many failures there were since the last stable connection.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Reports a CONNACK with Success. Failures before it still count until the connection was
    /// stable, see [`ReconnectSettings::stable_after`].
    pub fn connected(&mut self, now: Instant) {
        self.take_turn();
        self.servers.version_accepted();
        self.state = State::Connected { since: now };
    }

    /// Reports that an attempt failed, or that the connection ended against the Client's will.
    /// Takes a `&ConnAck`, a `&Disconnect` or a [`ConnectionFailure`], and a random number for the
    /// delay as [`Backoff`] wants it: evenly distributed, or [`Backoff::WITHOUT_JITTER`].
    pub fn failed<'f>(
        &mut self,
        now: Instant,
        failure: impl Into<ConnectionFailure<'f>>,
        random: u32,
    ) -> Reconnection<'_> {
        let failure = failure.into();
        self.take_turn();
        let was_stable = matches!(self.state, State::Connected { since }
            if since.until(now) >= self.settings.stable_after);
        if was_stable {
            self.backoff.reset();
            self.failures = 0;
            self.redirections = 0;
        } else if self.round_ended {
            self.backoff.grow();
        }
        self.round_ended = false;
        self.failures = self.failures.saturating_add(1);

        // Before a redirection, so that none is followed without `Moved` telling.
        let advice = failure.advice();
        let falls_back =
            self.settings.fall_back && failure.refuses_version() && self.servers.version_refused();
        let advice = match falls_back {
            true => RetryAdvice::BackOff,
            false => advice,
        };
        if let (RetryAdvice::ChangeFirst, Some(reason_code)) = (advice, failure.reason_code()) {
            return self.give_up(GiveUp::Refused(reason_code));
        }
        if self
            .settings
            .give_up_after
            .is_some_and(|limit| self.failures >= limit)
        {
            return self.give_up(GiveUp::TooManyFailures(self.failures));
        }
        let reference = failure.server_reference();
        let redirected = match advice {
            RetryAdvice::UseAnotherServer => match self.servers.use_another(reference) {
                Redirected::Nowhere => None,
                elsewhere => Some(elsewhere),
            },
            RetryAdvice::ServerMoved => match self.servers.moved(reference) {
                Redirected::Nowhere => return self.give_up(GiveUp::ServerMoved),
                elsewhere => Some(elsewhere),
            },
            RetryAdvice::BackOff | RetryAdvice::ChangeFirst => None,
        };

        let delay = if falls_back {
            Duration::ZERO
        } else if redirected.is_some() && self.redirections < REDIRECTIONS_AT_ONCE {
            self.redirections += 1;
            Duration::ZERO
        } else if redirected.is_some() {
            self.backoff.next_delay(random)
        } else {
            self.redirections = 0;
            let delay = self.backoff.delay(random);
            if was_stable {
                self.servers.end_detour();
            } else if self.servers.advance() {
                self.backoff.grow();
            }
            delay
        };
        let until = now + delay;
        self.state = State::Waiting { until };
        let attempt = self.servers.attempt(self.chosen, until);
        match redirected {
            Some(Redirected::ElsewhereForGood) => Reconnection::Moved(attempt),
            _ => Reconnection::Attempt(attempt),
        }
    }

    /// Delays the next attempt until then, whichever server it is for, because the network is known
    /// to be down. If only some of the servers must not be tried, use
    /// [`choose_attempt`](Self::choose_attempt). Does nothing while connected and after giving up.
    pub fn postpone(&mut self, until: Instant) {
        if let State::Waiting { until: planned } = &mut self.state {
            *planned = until.max(*planned);
        }
    }

    /// Starts again: the next attempt is due now, at the server whose turn it is, and past failures
    /// no longer count. Call it when the cause of giving up was removed, the network is back, or
    /// the Client had disconnected on purpose.
    pub fn resume(&mut self, now: Instant) -> Attempt<'_> {
        self.backoff.reset();
        self.failures = 0;
        self.redirections = 0;
        self.chosen = 0;
        self.round_ended = false;
        self.state = State::Waiting { until: now };
        self.servers.forget_refusals();
        self.servers.attempt(self.chosen, now)
    }

    /// The attempt that was chosen was made.
    fn take_turn(&mut self) {
        let position = core::mem::take(&mut self.chosen);
        self.round_ended |= self.servers.take_turn(position);
    }

    fn give_up(&mut self, reason: GiveUp) -> Reconnection<'static> {
        self.state = State::GaveUp;
        Reconnection::GiveUp(reason)
    }
}
