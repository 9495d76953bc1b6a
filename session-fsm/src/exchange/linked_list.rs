//! Lists of places in a slice, linked through the places themselves. They take constant time at
//! both ends and in the middle, and no memory of their own. Places are counted from 1, as Packet
//! Identifiers are.

/// Neighbours in the list that a place is in; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Links {
    previous: u16,
    next: u16,
}

impl Links {
    pub(crate) const NONE: Links = Links {
        previous: 0,
        next: 0,
    };

    /// Before another one.
    pub(crate) const fn to(next: u16) -> Self {
        Links { previous: 0, next }
    }

    /// The mark of a place that is in no list and never will be: in a list, no place is its own
    /// neighbour.
    pub(crate) const fn mark(place: u16) -> Self {
        Links {
            previous: place,
            next: place,
        }
    }

    /// Whether the place has this mark.
    pub(crate) const fn is_mark(self, place: u16) -> bool {
        self.previous == place && self.next == place
    }

    #[inline]
    pub(crate) const fn next(self) -> u16 {
        self.next
    }
}

/// A place with links.
pub(crate) trait Linked {
    fn links(&mut self) -> &mut Links;
    fn next(&self) -> u16;
}

impl Linked for Links {
    #[inline]
    fn links(&mut self) -> &mut Links {
        self
    }

    fn next(&self) -> u16 {
        self.next
    }
}

/// Places in the order in which they were added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct List {
    first: u16,
    last: u16,
    length: u16,
}

impl List {
    pub(crate) const EMPTY: List = List {
        first: 0,
        last: 0,
        length: 0,
    };

    pub(crate) const fn len(&self) -> u16 {
        self.length
    }

    pub(crate) const fn first(&self) -> u16 {
        self.first
    }

    #[inline]
    pub(crate) fn push<T: Linked>(&mut self, slots: &mut [T], place: u16) {
        if let Some(slot) = slot(slots, place) {
            *slot.links() = Links {
                previous: self.last,
                next: 0,
            };
        }
        match slot(slots, self.last) {
            Some(last) => last.links().next = place,
            None => self.first = place,
        }
        self.last = place;
        self.length += 1;
    }

    /// Takes the first place out.
    #[inline]
    pub(crate) fn pop<T: Linked>(&mut self, slots: &mut [T]) -> Option<u16> {
        let first = self.first;
        let Links { next, .. } = core::mem::take(slot(slots, first)?.links());
        self.first = next;
        match slot(slots, next) {
            Some(next) => next.links().previous = 0,
            None => self.last = 0,
        }
        self.length -= 1;
        Some(first)
    }

    /// Takes a place out that is in this list.
    #[inline]
    pub(crate) fn remove<T: Linked>(&mut self, slots: &mut [T], place: u16) {
        let Some(removed) = slot(slots, place) else {
            return;
        };
        let Links { previous, next } = core::mem::take(removed.links());
        match slot(slots, previous) {
            Some(previous) => previous.links().next = next,
            None => self.first = next,
        }
        match slot(slots, next) {
            Some(next) => next.links().previous = previous,
            None => self.last = previous,
        }
        self.length -= 1;
    }

    /// The places, in order.
    pub(crate) fn iter<'s, T: Linked>(
        &self,
        slots: &'s [T],
    ) -> impl Iterator<Item = u16> + use<'s, T> {
        let mut place = self.first;
        core::iter::from_fn(move || {
            let current = place;
            place = slots.get(usize::from(current).checked_sub(1)?)?.next();
            Some(current)
        })
    }
}

#[inline]
fn slot<T>(slots: &mut [T], place: u16) -> Option<&mut T> {
    slots.get_mut(usize::from(place).checked_sub(1)?)
}
