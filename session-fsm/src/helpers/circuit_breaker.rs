//! A circuit breaker: stops operations that fail again and again.

use alloc::collections::VecDeque;
use core::fmt;
use core::time::Duration;

use crate::Instant;
use crate::reconnect::Backoff;

/// When a [`CircuitBreaker`] opens and closes.
///
/// ```
/// use mqtt5_session_fsm::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings};
///
/// let breaker = CircuitBreaker::new(CircuitBreakerSettings {
///     successes_to_close: 3,
///     ..CircuitBreakerSettings::default()
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CircuitBreakerSettings {
    /// It opens after this many failures without a success between them; 0 counts as 1. Default: 5.
    pub failures_to_open: u8,
    /// Failures count together if no more than this lies between them. Default: 1 minute.
    pub window: Duration,
    /// How long it stays open. Less than a millisecond counts as one. Default: 1 minute.
    pub open_for: Duration,
    /// Each probe that fails doubles the time that it stays open, up to this. The time does not
    /// grow if this is equal to `open_for` or less. Default: 10 minutes.
    pub open_for_at_most: Duration,
    /// How long a probe may take. If its outcome is not reported by then, another probe may pass,
    /// and the outcome of the first no longer counts. Less than a millisecond counts as one.
    /// Default: 30 seconds.
    pub probe_timeout: Duration,
    /// It closes after this many probes in a row have succeeded; 0 counts as 1. Default: 1.
    pub successes_to_close: u8,
}

impl Default for CircuitBreakerSettings {
    fn default() -> Self {
        CircuitBreakerSettings {
            failures_to_open: 5,
            window: Duration::from_secs(60),
            open_for: Duration::from_secs(60),
            open_for_at_most: Duration::from_secs(600),
            probe_timeout: Duration::from_secs(30),
            successes_to_close: 1,
        }
    }
}

/// Lets operations pass as long as they succeed. After several failures in a row it opens, and
/// refuses operations for a time. Then one operation at a time may pass as a probe; its outcome
/// decides whether the breaker closes.
///
/// The operations may be of any kind: connects, publishes, requests. Each operation that passes
/// gets a [`Pass`], which is given back with the outcome. An outcome that comes after the state has
/// changed says nothing about the new state and does not count.
///
/// It stores an instant for each of at most 255 failures, which may allocate when one is reported.
/// All calls take constant time, except that failures outside the window are dropped when the next
/// one comes.
///
/// # With a `ReconnectPolicy`
///
/// [`ReconnectPolicy`](crate::reconnect::ReconnectPolicy) decides when one client connects again,
/// and needs no breaker. Breakers that several clients of a process share keep them all from a
/// server that is down. Each server needs a breaker of its own. Give
/// [`ReconnectPolicy::choose_attempt`](crate::reconnect::ReconnectPolicy::choose_attempt) what
/// [`retry_at`](Self::retry_at) of the breakers says: while one of them is open, the policy tries
/// the other servers.
///
/// ```
/// use std::collections::BTreeMap;
/// use mqtt5_session_fsm::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings};
/// use mqtt5_session_fsm::reconnect::{ConnectionFailure, ReconnectPolicy, ReconnectSettings};
/// use mqtt5_session_fsm::Instant;
///
/// let servers = ["broker-1.example", "broker-2.example"];
/// // Shared by all clients.
/// let mut breakers = BTreeMap::from(
///     servers.map(|server| (server, CircuitBreaker::new(CircuitBreakerSettings::default()))),
/// );
/// // One client.
/// let mut policy = ReconnectPolicy::new(ReconnectSettings::default(), servers)?;
/// # fn connect(server: &str) -> bool { server == "broker-2.example" }
/// # fn random() -> u32 { u32::MAX / 2 }
/// # let mut now = Instant::ORIGIN;
///
/// loop {
///     // A server from a redirection has no breaker here, so it may be tried.
///     let attempt = policy.choose_attempt(|server| {
///         breakers.get(server.as_str()).map_or(Instant::ORIGIN, CircuitBreaker::retry_at)
///     });
///     let Some(attempt) = attempt else { break };
///     now = now.max(attempt.at); // sleep until then
///     let server = attempt.server.as_str();
///     let Ok(pass) = breakers.get_mut(server).map(|breaker| breaker.pass(now)).transpose() else {
///         continue; // another client was faster: choose again
///     };
///     let works = connect(server);
///     if let (Some(breaker), Some(pass)) = (breakers.get_mut(server), pass) {
///         if works { breaker.succeeded(now, pass) } else { breaker.failed(now, pass) };
///     }
///     if works {
///         policy.connected(now);
///     } else {
///         // `random` takes a new number from the host's random source each time.
///         let _ = policy.failed(now, ConnectionFailure::Network, random());
///     }
/// }
/// assert_eq!(now, Instant::from_millis(500)); // after one attempt at the dead server
/// # Ok::<(), mqtt5_session_fsm::reconnect::ReconnectError>(())
/// ```
///
/// # Around an operation
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings, CircuitState};
/// use mqtt5_session_fsm::Instant;
///
/// let mut breaker = CircuitBreaker::new(CircuitBreakerSettings {
///     failures_to_open: 2,
///     open_for: Duration::from_secs(60),
///     ..CircuitBreakerSettings::default()
/// });
/// let mut now = Instant::ORIGIN;
/// for _ in 0..2 {
///     let pass = breaker.pass(now)?; // then publish, and fail
///     breaker.failed(now, pass);
/// }
/// let open = breaker.pass(now).unwrap_err();
/// assert_eq!(open.retry_at, now + Duration::from_secs(60));
///
/// now = open.retry_at;
/// let probe = breaker.pass(now)?;
/// assert!(breaker.pass(now).is_err()); // one at a time
/// breaker.succeeded(now, probe);
/// assert_eq!(breaker.state(now), CircuitState::Closed);
/// # Ok::<(), mqtt5_session_fsm::circuit_breaker::CircuitOpen>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CircuitBreaker {
    settings: CircuitBreakerSettings,
    open_for: Backoff,
    phase: Phase,
    /// Tells the passes of one phase, and each probe, from all others.
    generation: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Holds the failures that count, none further than the window before the last.
    Closed {
        failures: VecDeque<Instant>,
    },
    Open {
        until: Instant,
    },
    /// Holds when the probe that is on its way is given up.
    HalfOpen {
        successes: u8,
        probe: Option<Instant>,
    },
}

/// How a [`CircuitBreaker`] treats the next operation.
///
/// ```
/// use mqtt5_session_fsm::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings, CircuitState};
/// use mqtt5_session_fsm::Instant;
///
/// let breaker = CircuitBreaker::new(CircuitBreakerSettings::default());
/// assert_eq!(breaker.state(Instant::ORIGIN), CircuitState::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// It may pass.
    Closed,
    /// It is refused.
    Open {
        /// Until then.
        until: Instant,
    },
    /// It may pass as a probe, unless another one is on its way.
    HalfOpen,
}

/// Permission for one operation. Give it back to [`CircuitBreaker::succeeded`] or
/// [`CircuitBreaker::failed`], or to [`CircuitBreaker::withdraw`] if the operation had no
/// meaningful outcome. If the pass of a probe is dropped, no other probe may pass until the probe
/// times out.
///
/// ```
/// use mqtt5_session_fsm::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings};
/// use mqtt5_session_fsm::Instant;
///
/// let mut breaker = CircuitBreaker::new(CircuitBreakerSettings::default());
/// let pass = breaker.pass(Instant::ORIGIN)?;
/// assert!(!pass.is_probe());
/// # Ok::<(), mqtt5_session_fsm::circuit_breaker::CircuitOpen>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "report the outcome with it"]
pub struct Pass {
    generation: u64,
    probe: bool,
}

/// The operation was refused.
///
/// ```
/// use mqtt5_session_fsm::circuit_breaker::CircuitOpen;
/// use mqtt5_session_fsm::Instant;
///
/// let error = CircuitOpen { retry_at: Instant::from_millis(1_500) };
/// assert_eq!(error.to_string(), "the circuit is open, to be asked again at 1500 ms");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CircuitOpen {
    /// When to ask again. While a probe is on its way, this is when the probe times out; its
    /// outcome may come earlier.
    pub retry_at: Instant,
}

impl CircuitBreaker {
    /// Creates a closed breaker.
    #[must_use]
    pub fn new(settings: CircuitBreakerSettings) -> Self {
        CircuitBreaker {
            settings,
            open_for: Backoff::new(settings.open_for, settings.open_for_at_most, 200),
            phase: Phase::Closed {
                failures: VecDeque::new(),
            },
            generation: 0,
        }
    }

    /// Asks for permission for an operation.
    ///
    /// # Errors
    ///
    /// [`CircuitOpen`] while the breaker is open, and while a probe is on its way.
    pub fn pass(&mut self, now: Instant) -> Result<Pass, CircuitOpen> {
        let successes = match self.phase {
            Phase::Closed { .. } => {
                return Ok(Pass {
                    generation: self.generation,
                    probe: false,
                });
            }
            Phase::Open { until } if now < until => return Err(CircuitOpen { retry_at: until }),
            Phase::Open { .. } => 0,
            Phase::HalfOpen {
                probe: Some(given_up),
                ..
            } if now < given_up => return Err(CircuitOpen { retry_at: given_up }),
            Phase::HalfOpen { successes, .. } => successes,
        };
        self.generation = self.generation.wrapping_add(1);
        let timeout = self.settings.probe_timeout.max(Duration::from_millis(1));
        self.phase = Phase::HalfOpen {
            successes,
            probe: Some(now + timeout),
        };
        Ok(Pass {
            generation: self.generation,
            probe: true,
        })
    }

    /// Reports that the operation succeeded. Returns the new state.
    pub fn succeeded(&mut self, now: Instant, pass: Pass) -> CircuitState {
        if pass.generation == self.generation {
            match &mut self.phase {
                Phase::Closed { failures } => failures.clear(),
                Phase::HalfOpen {
                    successes,
                    probe: probe @ Some(_),
                } => {
                    *probe = None;
                    *successes = successes.saturating_add(1);
                    if *successes >= self.settings.successes_to_close {
                        self.reset();
                    }
                }
                _ => {}
            }
        }
        self.state(now)
    }

    /// Reports that the operation failed. Returns the new state.
    pub fn failed(&mut self, now: Instant, pass: Pass) -> CircuitState {
        if pass.generation == self.generation {
            match &mut self.phase {
                Phase::Closed { failures } => {
                    let window = self.settings.window;
                    while failures.front().is_some_and(|&first| first + window < now) {
                        failures.pop_front();
                    }
                    failures.push_back(now);
                    if failures.len() >= usize::from(self.settings.failures_to_open) {
                        self.open(now);
                    }
                }
                Phase::HalfOpen { probe: Some(_), .. } => {
                    self.open_for.grow();
                    self.open(now);
                }
                _ => {}
            }
        }
        self.state(now)
    }

    /// Reports that the operation was not made, or had no meaningful outcome. After a probe,
    /// another one may pass.
    pub fn withdraw(&mut self, pass: Pass) {
        if let Phase::HalfOpen { probe, .. } = &mut self.phase {
            if pass.generation == self.generation {
                *probe = None;
            }
        }
    }

    /// Returns how many failures count towards opening: those in a row that lie within the window
    /// before the last one. Returns 0 while the breaker is not closed.
    #[must_use]
    pub fn failures(&self) -> usize {
        match &self.phase {
            Phase::Closed { failures } => failures.len(),
            Phase::Open { .. } | Phase::HalfOpen { .. } => 0,
        }
    }

    /// Returns how many probes in a row have succeeded; 0 once the breaker is closed.
    #[must_use]
    pub const fn successes(&self) -> u8 {
        match self.phase {
            Phase::HalfOpen { successes, .. } => successes,
            Phase::Closed { .. } | Phase::Open { .. } => 0,
        }
    }

    /// Returns the state at this time.
    #[must_use]
    pub const fn state(&self, now: Instant) -> CircuitState {
        match self.phase {
            Phase::Closed { .. } => CircuitState::Closed,
            Phase::Open { until } if now.as_millis() < until.as_millis() => {
                CircuitState::Open { until }
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Returns when [`pass`](Self::pass) may let an operation pass: [`Instant::ORIGIN`] if it would
    /// now. While a probe is on its way, this is when the probe times out; its outcome may come
    /// earlier.
    #[must_use]
    pub const fn retry_at(&self) -> Instant {
        match self.phase {
            Phase::Open { until }
            | Phase::HalfOpen {
                probe: Some(until), ..
            } => until,
            Phase::Closed { .. } | Phase::HalfOpen { probe: None, .. } => Instant::ORIGIN,
        }
    }

    /// Closes the breaker and forgets all failures, because the cause is known to be gone.
    pub fn reset(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.open_for.reset();
        self.phase = Phase::Closed {
            failures: VecDeque::new(),
        };
    }

    // No outcome counts while the breaker is open, and the next probe begins a new generation.
    fn open(&mut self, now: Instant) {
        self.phase = Phase::Open {
            until: now + self.open_for.ceiling(),
        };
    }
}

impl Pass {
    /// Returns whether the operation is a probe.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.probe
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retry_at = self.retry_at;
        write!(
            formatter,
            "the circuit is open, to be asked again at {retry_at:?}"
        )
    }
}

impl core::error::Error for CircuitOpen {}
