//! The numbers of slots in an arena: 32 bits, of which the largest value is none.

use slab::Slab;

use crate::memory::growth_step;

/// How many slots an arena may have, and how many elements a list.
pub(super) const MOST: usize = if cfg!(test) { 5000 } else { u32::MAX as usize };

/// The number of a slot, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(u32);

impl Link {
    pub(super) const NONE: Link = Link(u32::MAX);

    #[inline]
    pub(super) const fn new(number: u32) -> Self {
        Link(number)
    }

    #[inline]
    pub(super) const fn is_none(self) -> bool {
        self.0 == u32::MAX
    }

    #[inline]
    pub(super) const fn number(self) -> u32 {
        self.0
    }

    /// The index in the arena; of none, one that no arena has.
    #[inline]
    pub(super) const fn slot(self) -> usize {
        self.0 as usize
    }
}

/// Puts a value into an arena with less than [`MOST`] slots. Returns its number.
///
/// Takes less memory in advance than a `Vec` would by itself.
pub(super) fn insert<T>(slots: &mut Slab<T>, value: T) -> u32 {
    if slots.len() == slots.capacity() {
        slots.reserve_exact(growth_step(slots.len()));
    }
    slots.insert(value) as u32
}
