//! Time as an argument.

use core::fmt;
use core::ops::{Add, AddAssign};
use core::time::Duration;

/// A point in time: milliseconds since an origin that the caller chooses once for all calls.
///
/// Machines have no clock: calls bring the time. The clock should not go backwards. If it does,
/// nothing fails, and no deadline is further away than its interval. The last instant, after 584
/// million years, means "never"; sums stop there.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::Instant;
///
/// let now = Instant::from_millis(5_000);
/// assert_eq!(now + Duration::from_secs(2), Instant::from_millis(7_000));
/// assert_eq!(now.until(Instant::from_millis(6_500)), Duration::from_millis(1_500));
/// assert_eq!(now.until(Instant::ORIGIN), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ORIGIN: Instant = Instant(0);
    /// The instant that is never reached.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// Returns the instant that is this many milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Instant(milliseconds)
    }

    /// Returns the milliseconds since the origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the time from here to `later`; zero if `later` is past.
    #[must_use]
    pub const fn until(self, later: Instant) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }

    /// As [`Instant::until`], in milliseconds.
    #[must_use]
    pub(crate) const fn millis_until(self, later: Instant) -> u64 {
        later.0.saturating_sub(self.0)
    }

    /// The instant that is this many milliseconds later.
    #[must_use]
    pub(crate) const fn plus_millis(self, milliseconds: u64) -> Self {
        Instant(self.0.saturating_add(milliseconds))
    }

    /// The instant this many seconds later.
    #[must_use]
    pub(crate) const fn plus_seconds(self, seconds: u32) -> Self {
        Instant(self.0.saturating_add(seconds as u64 * 1000))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Parts of a millisecond are rounded up, so that no timer fires early.
    fn add(self, duration: Duration) -> Instant {
        let milliseconds = duration.as_nanos().div_ceil(1_000_000);
        Instant(
            self.0
                .saturating_add(u64::try_from(milliseconds).unwrap_or(u64::MAX)),
        )
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Instant::NEVER => formatter.write_str("never"),
            Instant(milliseconds) => write!(formatter, "{milliseconds} ms"),
        }
    }
}
