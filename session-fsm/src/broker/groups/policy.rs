//! Which member gets a message.

/// Which of its ready members a group chooses. The Server chooses freely for each message (section
/// 4.8.2). Each choice takes constant time, however many members there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// One after the other, whoever published the message. Between two messages for the same
    /// member, each member that was ready all the time gets one. A member that becomes ready is the
    /// last one in turn.
    #[default]
    RoundRobin,
    /// One at random, each with the same probability.
    Random,
    /// The same one until it cannot take a message; then the one that has been ready for the
    /// longest time.
    Sticky,
    /// The one with the fewest messages in flight, of the
    /// [`EXAMINED`](Policy::EXAMINED) that are next in turn. The one behind it is the next in turn,
    /// so all are looked at, and members with equally many get one after the other.
    LeastInFlight,
}

impl Policy {
    /// How many ready members [`Policy::LeastInFlight`] compares.
    pub const EXAMINED: u32 = 8;

    /// The policy, as it is stored.
    #[cfg(feature = "persistence")]
    pub(in crate::broker) const fn code(self) -> u8 {
        match self {
            Policy::RoundRobin => 0,
            Policy::Random => 1,
            Policy::Sticky => 2,
            Policy::LeastInFlight => 3,
        }
    }

    /// What was stored; `None` if it never was.
    #[cfg(feature = "persistence")]
    pub(in crate::broker) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Policy::RoundRobin),
            1 => Some(Policy::Random),
            2 => Some(Policy::Sticky),
            3 => Some(Policy::LeastInFlight),
            _ => None,
        }
    }

    pub(super) const fn examined(self) -> u32 {
        match self {
            Policy::LeastInFlight => Self::EXAMINED,
            _ => 1,
        }
    }
}

/// The random numbers of [`Policy::Random`]: the generator SplitMix64, all of whose state is one
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Generator(pub(super) u64);

impl Generator {
    /// A number that is less than `end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        ((u128::from(mix(self.0)) * u128::from(end)) >> 64) as u32
    }
}

/// Spreads what two numbers differ in over all bits.
pub(super) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Generator, mix};

    /// The first numbers of the published generator for the seed 1234567.
    #[test]
    fn the_generator_is_the_published_one() {
        let mut state = Generator(1_234_567);
        let numbers = [(); 3].map(|()| {
            state.below(1);
            mix(state.0)
        });
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn numbers_are_in_range_and_spread() {
        let mut state = Generator(7);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[state.below(10) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)));
    }
}
