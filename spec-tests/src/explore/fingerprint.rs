//! States as 128-bit fingerprints, and the set of those that have been seen.
//!
//! A state is written down as the bytes that its `Hash` produces, and those are hashed in one go
//! with XXH3-128: faster than feeding a streaming hasher with many small pieces. The encoding is
//! the same on every platform, so state numbers can be compared between machines.
//!
//! Two states with the same fingerprint would be taken for one. Among n states the chance of that
//! is about n²/2¹²⁹: 10⁻²⁴ for twenty million.

use std::hash::{Hash, Hasher};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use twox_hash::XxHash3_128;

/// The hash of a whole state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// Enough bits for a hash table, which compares the rest itself.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub(super) fn short(self) -> u64 {
        self.0 as u64
    }
}

/// Takes fingerprints. Keeps its buffer, so that it allocates only at first.
#[derive(Debug, Default)]
pub struct Fingerprinter {
    bytes: Vec<u8>,
}

impl Fingerprinter {
    /// The fingerprint of `state`.
    pub fn of(&mut self, state: &impl Hash) -> Fingerprint {
        self.bytes.clear();
        state.hash(&mut Transcript(&mut self.bytes));
        Fingerprint(XxHash3_128::oneshot(&self.bytes))
    }
}

/// Writes down what it is to hash.
struct Transcript<'a>(&'a mut Vec<u8>);

impl Hasher for Transcript<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn write_u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_u128(&mut self, value: u128) {
        self.write(&value.to_le_bytes());
    }

    /// Lengths and the discriminants of enums are most of what is hashed, and small. A first byte
    /// of 255 says that eight bytes follow, so no two values look alike, whatever comes after them.
    fn write_usize(&mut self, value: usize) {
        match u8::try_from(value) {
            Ok(small) if small < u8::MAX => self.write_u8(small),
            _ => {
                self.write_u8(u8::MAX);
                self.write_u64(value as u64);
            }
        }
    }

    fn finish(&self) -> u64 {
        Fingerprint(XxHash3_128::oneshot(self.0)).short()
    }
}

/// The states that have been seen, numbered from 0 in the order in which they came.
///
/// 16 bytes for a state, and 5 to 10 in the table that finds it.
#[derive(Debug, Default)]
pub struct StateSet {
    fingerprints: Vec<Fingerprint>,
    numbers: HashTable<u32>,
}

impl StateSet {
    /// How many states have been seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// Whether no state has been seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// The fingerprint of a state by its number.
    ///
    /// # Panics
    ///
    /// If there is no such state.
    #[must_use]
    pub fn fingerprint(&self, number: u32) -> Fingerprint {
        self.fingerprints[number as usize]
    }

    /// The number of a state that has been seen.
    #[must_use]
    pub fn find(&self, fingerprint: Fingerprint) -> Option<u32> {
        let same = |number: &u32| self.fingerprints[*number as usize] == fingerprint;
        self.numbers.find(fingerprint.short(), same).copied()
    }

    /// The number of this state, and whether it is new.
    ///
    /// # Panics
    ///
    /// If there are more than 2³² states.
    pub fn insert(&mut self, fingerprint: Fingerprint) -> (u32, bool) {
        let fingerprints = &mut self.fingerprints;
        let found = self.numbers.entry(
            fingerprint.short(),
            |number| fingerprints[*number as usize] == fingerprint,
            |number| fingerprints[*number as usize].short(),
        );
        match found {
            Entry::Occupied(number) => (*number.get(), false),
            Entry::Vacant(place) => {
                let number = u32::try_from(fingerprints.len()).expect("at most 2^32 states");
                place.insert(number);
                fingerprints.push(fingerprint);
                (number, true)
            }
        }
    }

    /// Forgets all states, but keeps the memory.
    pub fn clear(&mut self) {
        self.fingerprints.clear();
        self.numbers.clear();
    }
}
