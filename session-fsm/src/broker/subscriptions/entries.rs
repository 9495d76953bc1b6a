//! The subscriptions of one filter, side by side.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::Subscriber;
use crate::memory::growth_step;

/// One subscription of a filter: the subscriber, and the owner's value.
///
/// With a value of 4 bytes it takes 12 bytes.
#[derive(Clone, Debug)]
pub struct Subscription<V> {
    subscriber: Subscriber,
    /// Its place in the subscriber's own list.
    pub(super) place: u32,
    pub(super) value: V,
}

impl<V> Subscription<V> {
    pub(super) const fn new(subscriber: Subscriber, value: V, place: u32) -> Self {
        Subscription {
            subscriber,
            place,
            value,
        }
    }

    /// Returns whose subscription it is.
    #[must_use]
    #[inline]
    pub const fn subscriber(&self) -> Subscriber {
        self.subscriber
    }

    /// Returns the owner's value.
    #[must_use]
    #[inline]
    pub const fn value(&self) -> &V {
        &self.value
    }
}

/// The list of a filter. Most filters have one subscriber, who needs no allocation.
#[derive(Clone, Debug)]
pub(super) enum Entries<V> {
    None,
    One(Subscription<V>),
    /// Two or more.
    Many(Box<List<Subscription<V>>>),
}

/// A `Vec` that gives memory back as it gets shorter.
#[derive(Clone, Debug)]
pub(super) struct List<T>(Vec<T>);

impl<T> List<T> {
    pub(super) fn of_two(first: T, second: T) -> Self {
        List(vec![first, second])
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[T] {
        &self.0
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    pub(super) fn push(&mut self, element: T) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(growth_step(self.0.len()));
        }
        self.0.push(element);
    }

    /// Takes an element out; the last one takes its place.
    pub(super) fn take(&mut self, place: usize) -> Option<T> {
        if place >= self.0.len() {
            return None;
        }
        let taken = self.0.swap_remove(place);
        if self.0.capacity() / 2 > self.0.len() {
            self.0.shrink_to(self.0.len() + growth_step(self.0.len()));
        }
        Some(taken)
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.take(self.0.len().checked_sub(1)?)
    }

    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    pub(super) fn allocated(&self) -> usize {
        self.0.capacity() * size_of::<T>()
    }
}

impl<V> Entries<V> {
    #[inline]
    pub(super) fn as_slice(&self) -> &[Subscription<V>] {
        match self {
            Entries::None => &[],
            Entries::One(entry) => core::slice::from_ref(entry),
            Entries::Many(list) => list.as_slice(),
        }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [Subscription<V>] {
        match self {
            Entries::None => &mut [],
            Entries::One(entry) => core::slice::from_mut(entry),
            Entries::Many(list) => list.as_mut_slice(),
        }
    }

    pub(super) fn push(&mut self, entry: Subscription<V>) {
        *self = match core::mem::replace(self, Entries::None) {
            Entries::None => Entries::One(entry),
            Entries::One(first) => Entries::Many(Box::new(List::of_two(first, entry))),
            Entries::Many(mut list) => {
                list.push(entry);
                Entries::Many(list)
            }
        };
    }

    /// Takes an entry out; the last one takes its place.
    pub(super) fn take(&mut self, place: usize) -> Option<Subscription<V>> {
        let Entries::Many(list) = self else {
            return match (place, core::mem::replace(self, Entries::None)) {
                (0, Entries::One(entry)) => Some(entry),
                (_, entries) => {
                    *self = entries;
                    None
                }
            };
        };
        let taken = list.take(place)?;
        if list.as_slice().len() == 1 {
            *self = list.pop().map_or(Entries::None, Entries::One);
        }
        Some(taken)
    }

    pub(super) fn shrink(&mut self) {
        if let Entries::Many(list) = self {
            list.shrink();
        }
    }

    /// The bytes that it has allocated.
    pub(super) fn allocated(&self) -> usize {
        match self {
            Entries::None | Entries::One(_) => 0,
            Entries::Many(list) => size_of::<List<Subscription<V>>>() + list.allocated(),
        }
    }
}
