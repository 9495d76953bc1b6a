//! Delays that grow.

use core::time::Duration;

/// Delays that grow by a ratio up to a maximum, with jitter: each is a random part of a ceiling,
/// and the ceiling grows. It keeps many clients that lost the same Server from coming back in step.
///
/// The randomness is an argument: a new number in `0..=u32::MAX` each time, evenly distributed. It
/// is the fraction of the ceiling, so that [`Backoff::WITHOUT_JITTER`], the largest, is the whole
/// of it. A fraction below one sixteenth counts as one sixteenth more. So the delays grow whatever
/// the numbers are: even a caller that always passes 0 does not connect in a hot loop. Allocates
/// nothing.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::reconnect::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5), 200);
/// assert_eq!(backoff.next_delay(Backoff::WITHOUT_JITTER), Duration::from_secs(1));
/// assert_eq!(backoff.next_delay(u32::MAX / 2), Duration::from_secs(1)); // half of two seconds
/// assert_eq!(backoff.next_delay(Backoff::WITHOUT_JITTER), Duration::from_secs(4));
/// assert_eq!(backoff.next_delay(Backoff::WITHOUT_JITTER), Duration::from_secs(5));
/// backoff.reset();
/// assert_eq!(backoff.next_delay(Backoff::WITHOUT_JITTER), Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Backoff {
    initial: Duration,
    maximum: Duration,
    growth_percent: u32,
    ceiling: Duration,
}

impl Backoff {
    /// The random number that yields the whole delay: for those without a random source, and for
    /// tests.
    pub const WITHOUT_JITTER: u32 = u32::MAX;

    /// Starts with the ceiling `initial` and multiplies it by `growth_percent` hundredths up to
    /// `maximum`: 200 doubles it, 100 leaves it.
    ///
    /// No values are refused, and none leads to a loop without delay: an `initial` of less than one
    /// millisecond counts as one, a `maximum` below `initial` as `initial`, a growth below 100 as
    /// 100.
    #[must_use]
    pub fn new(initial: Duration, maximum: Duration, growth_percent: u32) -> Self {
        let initial = initial.max(Duration::from_millis(1));
        Backoff {
            initial,
            maximum: maximum.max(initial),
            growth_percent: growth_percent.max(100),
            ceiling: initial,
        }
    }

    /// Returns the next delay: at least a sixteenth of the [`ceiling`](Self::ceiling), at most all
    /// of it. Raises the ceiling.
    #[must_use = "the ceiling has been raised for it"]
    pub fn next_delay(&mut self, random: u32) -> Duration {
        let delay = self.delay(random);
        self.grow();
        delay
    }

    /// Returns the most that the next delay can be.
    #[must_use]
    pub const fn ceiling(&self) -> Duration {
        self.ceiling
    }

    /// Starts again with the initial ceiling.
    pub fn reset(&mut self) {
        self.ceiling = self.initial;
    }

    /// The delay for a random number, without raising the ceiling.
    pub(crate) fn delay(&self, random: u32) -> Duration {
        let random = if random < LEAST {
            random + LEAST
        } else {
            random
        };
        // Below 2^96 times 2^32.
        let product = self.ceiling.as_nanos() * (u128::from(random) + 1);
        duration(product.div_ceil(1 << 32))
    }

    pub(crate) fn grow(&mut self) {
        let grown = self.ceiling.as_nanos() * u128::from(self.growth_percent) / 100;
        self.ceiling = duration(grown).min(self.maximum);
    }
}

/// A sixteenth of the range of random numbers.
const LEAST: u32 = 1 << 28;

/// As long as a [`Duration`] can be, at most.
fn duration(nanoseconds: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let below_a_second = u32::try_from(nanoseconds % SECOND).unwrap_or(0);
    u64::try_from(nanoseconds / SECOND).map_or(Duration::MAX, |seconds| {
        Duration::new(seconds, below_a_second)
    })
}
