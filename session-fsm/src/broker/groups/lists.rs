//! Circular lists of slots, linked through the slots themselves: constant time at both ends and in
//! the middle, and no memory of their own.

use slab::Slab;

use super::steps;

/// Neighbours in a list. Of a slot that is in no list they mean nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    pub(super) previous: u32,
    pub(super) next: u32,
}

/// A slot that can be in a list of this kind; of each kind, in one list at a time.
pub(super) trait Linked<const KIND: u8> {
    fn links(&self) -> Links;
    fn links_mut(&mut self) -> &mut Links;
}

/// A list of slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring<const KIND: u8> {
    /// Means something if there is one.
    first: u32,
    len: u32,
}

impl<const KIND: u8> Ring<KIND> {
    pub(super) const NEW: Self = Ring { first: 0, len: 0 };

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn first(&self) -> Option<u32> {
        (self.len > 0).then_some(self.first)
    }

    pub(super) fn push_back<T: Linked<KIND>>(&mut self, slots: &mut Slab<T>, slot: u32) {
        if self.len == 0 {
            self.first = slot;
            link(slots, slot, slot);
        } else {
            let last = links(slots, self.first).previous;
            link(slots, last, slot);
            link(slots, slot, self.first);
        }
        self.len += 1;
    }

    pub(super) fn push_front<T: Linked<KIND>>(&mut self, slots: &mut Slab<T>, slot: u32) {
        self.push_back(slots, slot);
        self.first = slot;
    }

    /// Adds a slot behind one that is in this list.
    pub(super) fn insert_after<T: Linked<KIND>>(
        &mut self,
        slots: &mut Slab<T>,
        before: u32,
        slot: u32,
    ) {
        let next = links(slots, before).next;
        link(slots, before, slot);
        link(slots, slot, next);
        self.len += 1;
    }

    /// Takes a slot out that is in this list.
    pub(super) fn remove<T: Linked<KIND>>(&mut self, slots: &mut Slab<T>, slot: u32) {
        let Links { previous, next } = links(slots, slot);
        link(slots, previous, next);
        if self.first == slot {
            self.first = next;
        }
        self.len -= 1;
    }

    /// The slot behind one that is in this list; the first one is behind the last one.
    #[inline]
    pub(super) fn next<T: Linked<KIND>>(&self, slots: &Slab<T>, slot: u32) -> u32 {
        links(slots, slot).next
    }

    /// Lets the list begin behind a slot that is in it.
    #[inline]
    pub(super) fn begin_after<T: Linked<KIND>>(&mut self, slots: &Slab<T>, slot: u32) {
        self.first = links(slots, slot).next;
    }

    /// The slots, in order.
    pub(super) fn iter<'s, T: Linked<KIND>>(
        &self,
        slots: &'s Slab<T>,
    ) -> impl Iterator<Item = u32> + use<'s, T, KIND> {
        let mut slot = self.first;
        (0..self.len).map(move |_| {
            let current = slot;
            slot = links(slots, current).next;
            current
        })
    }
}

#[inline]
fn links<const KIND: u8, T: Linked<KIND>>(slots: &Slab<T>, slot: u32) -> Links {
    steps::count();
    (slots.get(slot as usize)).map_or_else(Links::default, Linked::links)
}

/// Makes two slots neighbours.
#[inline]
fn link<const KIND: u8, T: Linked<KIND>>(slots: &mut Slab<T>, first: u32, second: u32) {
    steps::count();
    if let Some(first) = slots.get_mut(first as usize) {
        first.links_mut().next = second;
    }
    if let Some(second) = slots.get_mut(second as usize) {
        second.links_mut().previous = first;
    }
}
