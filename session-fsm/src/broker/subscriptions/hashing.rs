//! Hashes, from a seed of the owner.
//!
//! Each hash is kept in 32 bits beside what it is the hash of. So a table grows without reading the
//! texts, and nearly every other text is refused without being compared.

use core::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// The hash functions of one index.
#[derive(Clone, Debug)]
pub(in crate::broker) struct Hashing {
    seed: u64,
    shared: SharedSeed,
}

impl Hashing {
    pub(in crate::broker) const fn new(seed: u64) -> Self {
        Hashing {
            seed,
            shared: SharedSeed::from_u64(seed),
        }
    }

    #[inline]
    fn hasher(&self) -> FoldHasher<'_> {
        FoldHasher::with_seed(self.seed, &self.shared)
    }

    /// The hash of a whole filter or Topic Name.
    #[inline]
    pub(in crate::broker) fn filter(&self, text: &str) -> u32 {
        narrow(self.level(text.as_bytes()))
    }

    /// The hash of one level, which [`Hashing::edge`] needs.
    #[inline]
    pub(in crate::broker) fn level(&self, text: &[u8]) -> u64 {
        let mut hasher = self.hasher();
        hasher.write(text);
        hasher.finish()
    }

    /// The hash of the edge from a node to its child for a level.
    #[inline]
    pub(in crate::broker) fn edge(&self, parent: u32, level: u64) -> u32 {
        let mut hasher = self.hasher();
        hasher.write_u32(parent);
        hasher.write_u64(level);
        narrow(hasher.finish())
    }
    /// The hash of a slot's number.
    pub(in crate::broker) fn number(&self, number: u32) -> u32 {
        self.edge(number, 0)
    }
}

/// In the tests of this crate there are only four hashes, so that every comparison counts.
#[inline]
const fn narrow(hash: u64) -> u32 {
    let narrow = (hash ^ (hash >> 32)) as u32;
    if cfg!(test) { narrow % 4 } else { narrow }
}

/// Returns what a table is given: it takes the place from the low bits, and a mark from the highest.
#[inline]
pub(in crate::broker) const fn spread(hash: u32) -> u64 {
    // The odd integer that is nearest to 2^64 divided by the golden ratio.
    (hash as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
