//! Hashes, from a seed of the owner.

use core::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// The hash functions of one value.
#[derive(Clone, Debug)]
pub(super) struct Hashing {
    seed: u64,
    shared: SharedSeed,
}

impl Hashing {
    pub(super) const fn new(seed: u64) -> Self {
        Hashing {
            seed,
            shared: SharedSeed::from_u64(seed),
        }
    }

    pub(super) fn text(&self, text: &str) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(text.as_bytes());
        spread(hasher.finish())
    }

    pub(super) fn pair(&self, first: u64, second: u64) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write_u64(first);
        hasher.write_u64(second);
        spread(hasher.finish())
    }
}

/// A table takes the place from the low bits, and a mark from the highest.
const fn spread(hash: u64) -> u64 {
    // The odd integer that is nearest to 2^64 divided by the golden ratio.
    hash.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
