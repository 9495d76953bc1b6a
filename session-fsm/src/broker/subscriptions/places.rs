//! The subscriptions of one subscriber: where each of them is.

use alloc::boxed::Box;

use hashbrown::HashTable;

use super::entries::List;
use super::hashing::{Hashing, spread};

/// A list that is longer has a table beside it, so that a filter is found without a search.
const SEARCHED: usize = 16;

/// A table goes again when its list is no longer than this.
const UNINDEXED: usize = 8;

/// Where a subscription is: the filter's number, and the place in its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) filter: u32,
    pub(super) entry: u32,
}

/// A subscriber's own list. One subscription needs no allocation.
#[derive(Clone, Debug, Default)]
pub(super) enum Places {
    #[default]
    None,
    One(Place),
    /// Two or more.
    Many(Box<Indexed>),
}

/// A list, and, if it is long, where in it each filter is.
#[derive(Clone, Debug)]
pub(super) struct Indexed {
    list: List<Place>,
    /// Positions in the list, by the filters' numbers.
    table: Option<Box<HashTable<u32>>>,
}

impl Places {
    #[inline]
    pub(super) fn as_slice(&self) -> &[Place] {
        match self {
            Places::None => &[],
            Places::One(place) => core::slice::from_ref(place),
            Places::Many(many) => many.list.as_slice(),
        }
    }

    pub(super) fn get_mut(&mut self, position: u32) -> Option<&mut Place> {
        let places = match self {
            Places::None => &mut [],
            Places::One(place) => core::slice::from_mut(place),
            Places::Many(many) => many.list.as_mut_slice(),
        };
        places.get_mut(position as usize)
    }

    /// The position at which a filter is, in constant time.
    pub(super) fn find(&self, hashing: &Hashing, filter: u32) -> Option<u32> {
        let places = self.as_slice();
        let is_it =
            |position: u32| (places.get(position as usize)).is_some_and(|it| it.filter == filter);
        if let Places::Many(many) = self {
            if let Some(table) = &many.table {
                let hash = spread(hashing.number(filter));
                return table.find(hash, |position| is_it(*position)).copied();
            }
        }
        (0..).take(places.len()).find(|position| is_it(*position))
    }

    pub(super) fn push(&mut self, hashing: &Hashing, place: Place) {
        *self = match core::mem::take(self) {
            Places::None => Places::One(place),
            Places::One(first) => Places::Many(Box::new(Indexed {
                list: List::of_two(first, place),
                table: None,
            })),
            Places::Many(mut many) => {
                many.push(hashing, place);
                Places::Many(many)
            }
        };
    }

    /// Takes the place at a position out; the last one takes its position.
    pub(super) fn take(&mut self, hashing: &Hashing, position: u32) -> Option<Place> {
        let Places::Many(many) = self else {
            return match (position, core::mem::take(self)) {
                (0, Places::One(place)) => Some(place),
                (_, places) => {
                    *self = places;
                    None
                }
            };
        };
        let taken = many.take(hashing, position)?;
        if many.list.as_slice().len() == 1 {
            *self = many.list.pop().map_or(Places::None, Places::One);
        }
        Some(taken)
    }

    /// A filter has another number now.
    pub(super) fn renumber(&mut self, hashing: &Hashing, position: u32, filter: u32) {
        let Some(place) = self.get_mut(position) else {
            return;
        };
        let before = core::mem::replace(&mut place.filter, filter);
        if let Places::Many(many) = self {
            many.forget(hashing, before, position);
            many.note(hashing, filter, position);
        }
    }

    pub(super) fn shrink(&mut self, hashing: &Hashing) {
        if let Places::Many(many) = self {
            many.list.shrink();
            let Indexed { list, table } = &mut **many;
            if let Some(table) = table {
                table.shrink_to_fit(hash_of(list.as_slice(), hashing));
            }
        }
    }

    /// The bytes that it has allocated.
    pub(super) fn allocated(&self) -> usize {
        let Places::Many(many) = self else {
            return 0;
        };
        let table = many.table.as_ref().map_or(0, |table| {
            size_of::<HashTable<u32>>() + table.allocation_size()
        });
        size_of::<Indexed>() + many.list.allocated() + table
    }
}

impl Indexed {
    fn push(&mut self, hashing: &Hashing, place: Place) {
        let position = self.list.as_slice().len() as u32;
        self.list.push(place);
        if self.table.is_some() {
            self.note(hashing, place.filter, position);
        } else if self.list.as_slice().len() > SEARCHED {
            let places = self.list.as_slice();
            let mut table = HashTable::with_capacity(places.len());
            for (position, place) in (0..).zip(places) {
                let hash = spread(hashing.number(place.filter));
                table.insert_unique(hash, position, hash_of(places, hashing));
            }
            self.table = Some(Box::new(table));
        }
    }

    fn take(&mut self, hashing: &Hashing, position: u32) -> Option<Place> {
        let last = (self.list.as_slice().len() as u32).checked_sub(1)?;
        let taken = self.list.take(position as usize)?;
        self.forget(hashing, taken.filter, position);
        if self.list.as_slice().len() <= UNINDEXED {
            self.table = None;
        }
        if let Some(moved) = self.list.as_slice().get(position as usize).copied() {
            self.forget(hashing, moved.filter, last);
            self.note(hashing, moved.filter, position);
        }
        Some(taken)
    }

    fn note(&mut self, hashing: &Hashing, filter: u32, position: u32) {
        let Indexed { list, table } = self;
        if let Some(table) = table {
            let hash = spread(hashing.number(filter));
            table.insert_unique(hash, position, hash_of(list.as_slice(), hashing));
        }
    }

    fn forget(&mut self, hashing: &Hashing, filter: u32, position: u32) {
        if let Some(table) = &mut self.table {
            let hash = spread(hashing.number(filter));
            if let Ok(entry) = table.find_entry(hash, |it| *it == position) {
                entry.remove();
            }
        }
    }
}

/// The hash of what is at a position.
fn hash_of<'l>(places: &'l [Place], hashing: &'l Hashing) -> impl Fn(&u32) -> u64 + use<'l> {
    |position| {
        let place = places.get(*position as usize);
        place.map_or(0, |place| spread(hashing.number(place.filter)))
    }
}
