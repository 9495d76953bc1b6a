//! A queue that is empty in nearly all Sessions at nearly all times.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};

/// A queue that takes memory with its first entry. A `VecDeque` alone would take 32 bytes in every
/// Session, and this takes 8.
#[allow(clippy::box_collection)]
#[derive(Clone, Debug)]
pub(crate) struct RareQueue<T>(Option<Box<VecDeque<T>>>);

impl<T> RareQueue<T> {
    pub(crate) const EMPTY: Self = RareQueue(None);

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |entries| entries.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(crate) fn push_back(&mut self, entry: T) {
        self.0.get_or_insert_default().push_back(entry);
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.iter().next()
    }

    pub(crate) fn get_mut(&mut self, position: usize) -> Option<&mut T> {
        self.0.as_mut()?.get_mut(position)
    }

    pub(crate) fn remove(&mut self, position: usize) -> Option<T> {
        self.0.as_mut()?.remove(position)
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.0.as_mut()?.pop_front()
    }

    /// Discards everything, and gives back the memory.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Gives back memory that is not in use.
    pub(crate) fn shrink(&mut self) {
        match &mut self.0 {
            Some(entries) if !entries.is_empty() => entries.shrink_to_fit(),
            _ => self.0 = None,
        }
    }

    /// Discards the entries that `keep` refuses, and gives back the memory if none is left.
    #[cfg(feature = "persistence")]
    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        if let Some(entries) = &mut self.0 {
            entries.retain(keep);
            if entries.is_empty() {
                self.0 = None;
            }
        }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flat_map(|entries| entries.iter_mut())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|entries| entries.iter())
    }
}

impl<T> Default for RareQueue<T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

// Memory that was kept does not matter.

impl<T: PartialEq> PartialEq for RareQueue<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for RareQueue<T> {}

impl<T: Hash> Hash for RareQueue<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.len().hash(hasher);
        self.iter().for_each(|entry| entry.hash(hasher));
    }
}
