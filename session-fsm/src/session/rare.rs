//! A part of a Session that is blank in most of them at most times.

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, DerefMut};

/// What can be blank.
pub(crate) trait Blank: Sized + 'static {
    /// As it is at first.
    const BLANK: Self;
    /// The same, to look at.
    const REFERENCE: &'static Self;

    /// Whether it is as it was at first.
    fn is_blank(&self) -> bool;

    /// Gives back memory that is not in use.
    fn shrink(&mut self);
}

/// A value that takes memory of its own once it is changed. It is looked at and changed like the value itself, but a change
/// that does nothing to a blank one must go by way of [`Rare::used`], or it takes the memory.
#[derive(Clone, Debug)]
pub(crate) struct Rare<T>(Option<Box<T>>);

impl<T: Blank> Rare<T> {
    /// The value, unless it is blank.
    #[inline]
    pub(crate) fn used(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    #[cold]
    #[inline(never)]
    fn begin(&mut self) -> &mut T {
        self.0.insert(Box::new(T::BLANK))
    }

    /// Gives back memory that is not in use: all of it, if it is blank.
    pub(crate) fn shrink(&mut self) {
        if let Some(value) = &mut self.0 {
            value.shrink();
        }
        self.shrink_if_blank();
    }

    /// Gives back the memory if it is blank.
    pub(crate) fn shrink_if_blank(&mut self) {
        self.0.take_if(|value| value.is_blank());
    }
}

impl<T: Blank> Deref for Rare<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::REFERENCE)
    }
}

impl<T: Blank> DerefMut for Rare<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        match self.0 {
            Some(ref mut value) => value,
            None => self.begin(),
        }
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Rare(None)
    }
}

// Memory that was kept does not matter.

impl<T: Blank + PartialEq> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Blank + Eq> Eq for Rare<T> {}

impl<T: Blank + Hash> Hash for Rare<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (**self).hash(hasher);
    }
}
