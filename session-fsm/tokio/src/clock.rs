//! The time of the machines.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mqtt5_session_fsm::Instant;

/// Unix time at the start, so that what is stored keeps its meaning, and from then on a clock that does not go back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    start: tokio::time::Instant,
}

impl Clock {
    /// A clock that is not behind `least`: what is stored may be ahead of the clock of the system.
    pub(crate) fn new(least: Instant) -> Self {
        Clock {
            origin: unix_time().max(least),
            start: tokio::time::Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Instant {
        self.origin + self.start.elapsed()
    }

    /// Waits until then. [`Instant::NEVER`] is too far away for tokio, which then waits as long as it can.
    pub(crate) async fn sleep_until(self, then: Instant) {
        tokio::time::sleep(self.now().until(then)).await;
    }
}

pub(crate) fn unix_time() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Instant::ORIGIN + since.unwrap_or(Duration::ZERO)
}
