//! What the owner of a Session has not taken yet: changes, and the numbers of messages that were let go.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;

use super::Change;

/// Takes little memory in a Session that is not persistent, and whose owner takes the numbers after each call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Untold {
    /// The first of the numbers; there are no others without it.
    first_body: Option<NonZeroU64>,
    rest: Option<Box<Rest>>,
}

#[derive(Clone, Debug, Default)]
struct Rest {
    other_bodies: VecDeque<NonZeroU64>,
    changes: VecDeque<Change>,
    /// Those of the messages in `changes`.
    bytes: usize,
}

impl Untold {
    /// A message is let go that may have a number.
    #[inline]
    pub(crate) fn forget_body(&mut self, body: Option<NonZeroU64>) {
        if self.first_body.is_none() {
            self.first_body = body;
        } else if let Some(body) = body {
            self.forget_another(body);
        }
    }

    #[inline(never)]
    fn forget_another(&mut self, body: NonZeroU64) {
        let rest = self.rest.get_or_insert_default();
        rest.other_bodies.push_back(body);
    }

    #[inline]
    pub(super) fn take_body(&mut self) -> Option<NonZeroU64> {
        let first = self.first_body.take()?;
        if let Some(rest) = &mut self.rest {
            self.first_body = rest.other_bodies.pop_front();
        }
        Some(first)
    }

    #[inline]
    pub(super) const fn has_bodies(&self) -> bool {
        self.first_body.is_some()
    }

    #[inline]
    pub(super) fn bodies(&self) -> usize {
        let others = self.rest.as_ref().map_or(0, |rest| rest.other_bodies.len());
        usize::from(self.has_bodies()) + others
    }

    pub(super) fn clear_bodies(&mut self) {
        self.first_body = None;
        if let Some(rest) = &mut self.rest {
            rest.other_bodies.clear();
        }
    }

    pub(super) fn push_change(&mut self, change: Change) {
        let rest = self.rest.get_or_insert_default();
        rest.bytes += change.message_size();
        rest.changes.push_back(change);
    }

    #[inline]
    pub(super) fn take_change(&mut self) -> Option<Change> {
        let rest = self.rest.as_mut()?;
        let change = rest.changes.pop_front()?;
        rest.bytes -= change.message_size();
        Some(change)
    }

    /// The change that is taken next.
    #[cfg(feature = "persistence")]
    pub(super) fn next_change(&self) -> Option<&Change> {
        self.rest.as_ref()?.changes.front()
    }

    /// How many changes there are.
    #[inline]
    pub(super) fn changes(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.changes.len())
    }

    /// The bytes of the messages in the changes.
    #[inline]
    pub(super) fn change_bytes(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.bytes)
    }

    /// Gives back memory that is not in use.
    pub(super) fn shrink(&mut self) {
        let Some(rest) = &mut self.rest else {
            return;
        };
        if rest.other_bodies.is_empty() && rest.changes.is_empty() {
            self.rest = None;
            return;
        }
        rest.other_bodies.shrink_to_fit();
        rest.changes.shrink_to_fit();
    }

    fn other_bodies(&self) -> impl Iterator<Item = &NonZeroU64> {
        self.rest.iter().flat_map(|rest| rest.other_bodies.iter())
    }

    fn all_changes(&self) -> impl Iterator<Item = &Change> {
        self.rest.iter().flat_map(|rest| rest.changes.iter())
    }
}

// Memory that was kept does not matter, and the bytes follow from the changes.

impl PartialEq for Untold {
    fn eq(&self, other: &Self) -> bool {
        self.first_body == other.first_body
            && self.other_bodies().eq(other.other_bodies())
            && self.all_changes().eq(other.all_changes())
    }
}

impl Eq for Untold {}

impl Hash for Untold {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.bodies(), self.changes()).hash(hasher);
        self.first_body.hash(hasher);
        self.other_bodies().for_each(|it| it.hash(hasher));
        self.all_changes().for_each(|it| it.hash(hasher));
    }
}
