//! Lists inside packets: read from the wire or given by the caller, one type for both.

use core::fmt;
use core::hash::{Hash, Hasher};

use crate::Violation;
use crate::sink::{Count, Sink};
use crate::wire::VARIABLE_BYTE_INTEGER_MAX;

/// Something that a list inside a packet is made of.
pub(crate) trait Element<'a>: Copy {
    /// Reads one element off the front of bytes that were checked when they were decoded; `None`
    /// at the end.
    fn read(wire: &mut &'a [u8]) -> Option<Self>;

    /// Writes the element as [`Element::read`] reads it.
    fn write<S: Sink>(&self, sink: &mut S);

    /// Writes one element after the other.
    #[inline(always)]
    fn write_all<S: Sink>(list: &[Self], sink: &mut S) {
        for element in list {
            element.write(sink);
        }
    }

    /// Whether the element is one of those that a mask names.
    #[inline]
    fn is_in(&self, _mask: u32) -> bool {
        false
    }
}

/// Encoded elements, followed by elements that are not encoded yet.
///
/// A decoded packet has only the former, a packet that is built only the latter, and a packet that
/// is changed on its way has both. A sequence owns and allocates nothing.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a, T> {
    wire: &'a [u8],
    list: &'a [T],
    /// How many bytes all elements take when they are written, counted once.
    length: u32,
    /// Which elements on the wire to leave out.
    hidden: u32,
}

impl<'a, T: Element<'a>> Sequence<'a, T> {
    pub(crate) const EMPTY: Self = Self::from_wire(&[]);

    #[inline]
    pub(crate) const fn from_wire(wire: &'a [u8]) -> Self {
        Sequence {
            wire,
            list: &[],
            // A packet has at most 268,435,460 bytes.
            length: wire.len() as u32,
            hidden: 0,
        }
    }

    /// A list, of which each element is checked and counted in one walk.
    ///
    /// # Errors
    ///
    /// What `check` says, [`Violation::PacketTooLong`] if no packet has room for the elements.
    pub(crate) fn from_list(
        list: &'a [T],
        check: impl FnMut(&T) -> Result<(), Violation>,
    ) -> Result<Self, Violation> {
        Self::EMPTY.and(list, check)
    }

    /// The elements of this sequence, which has no list, followed by a list.
    ///
    /// # Errors
    ///
    /// As [`Sequence::from_list`].
    pub(crate) fn and(
        self,
        list: &'a [T],
        mut check: impl FnMut(&T) -> Result<(), Violation>,
    ) -> Result<Self, Violation> {
        let mut count = Count(u64::from(self.length));
        for element in list {
            check(element)?;
            element.write(&mut count);
        }
        if count.0 > u64::from(VARIABLE_BYTE_INTEGER_MAX) {
            return Err(Violation::PacketTooLong);
        }
        Ok(Sequence {
            list,
            length: count.0 as u32,
            ..self
        })
    }

    /// The same without those elements on the wire that the mask names.
    pub(crate) fn without(self, mask: u32) -> Self {
        let mut less = Sequence {
            hidden: self.hidden | mask,
            ..self
        };
        less.length = self.length - self.visible_len() + less.visible_len();
        less
    }

    /// Which elements on the wire are left out.
    #[inline]
    pub(crate) const fn hidden(&self) -> u32 {
        self.hidden
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The elements that are still encoded.
    #[inline]
    pub(crate) const fn wire(&self) -> &'a [u8] {
        self.wire
    }

    /// The elements that are not encoded yet.
    #[inline]
    pub(crate) const fn list(&self) -> &'a [T] {
        self.list
    }

    #[inline]
    pub(crate) fn iter(&self) -> ListIter<'a, T> {
        ListIter {
            wire: self.wire,
            hidden: self.hidden,
            list: self.list.iter(),
        }
    }

    /// How many bytes the elements take when they are written.
    #[inline]
    pub(crate) const fn encoded_len(&self) -> usize {
        self.length as usize
    }

    /// How many bytes are written of the elements on the wire.
    fn visible_len(&self) -> u32 {
        if self.hidden == 0 {
            return self.wire.len() as u32;
        }
        let mut count = Count(0);
        self.write_visible(&mut count);
        count.0 as u32
    }

    fn on_the_wire(&self) -> ListIter<'a, T> {
        ListIter {
            list: [].iter(),
            ..self.iter()
        }
    }

    fn write_visible<S: Sink>(&self, sink: &mut S) {
        for element in self.on_the_wire() {
            element.write(sink);
        }
    }

    /// Whether all elements fit.
    #[inline]
    pub(crate) fn all(&self, fits: impl Fn(&T) -> bool) -> bool {
        // Without a branch for each element: nearly always all of them do.
        let list = self.list.iter().fold(true, |all, it| all & fits(it));
        list && self.on_the_wire().all(|it| fits(&it))
    }

    #[inline(always)]
    pub(crate) fn write<S: Sink>(&self, sink: &mut S) {
        if S::ONLY_COUNTS {
            return sink.skip(self.encoded_len());
        }
        if self.hidden != 0 {
            self.write_visible(sink);
        } else if !self.wire.is_empty() {
            sink.bytes(self.wire);
        }
        if !self.list.is_empty() {
            sink.elements(self.list);
        }
    }
}

/// Lets a list inside a packet be iterated over, by value and by reference.
macro_rules! iterable {
    ($list:ty => $element:ty $(, $scope:ident)?) => {
        impl<'a $(, $scope: $crate::v5::property::Scope)?> IntoIterator for $list {
            type Item = $element;
            type IntoIter = $crate::ListIter<'a, $element>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }

        impl<'a $(, $scope: $crate::v5::property::Scope)?> IntoIterator for &$list {
            type Item = $element;
            type IntoIter = $crate::ListIter<'a, $element>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }
    };
}

/// A list whose place in a packet is a type parameter: what `derive` would ask of that type, nothing needs.
macro_rules! scoped_list {
    ($name:ident of $element:ty) => {
        impl<'a, S: Scope> $name<'a, S> {
            const fn from_sequence(sequence: Sequence<'a, $element>) -> Self {
                $name {
                    sequence,
                    scope: PhantomData,
                }
            }
        }

        impl<S> Clone for $name<'_, S> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<S> Copy for $name<'_, S> {}

        impl<S: Scope> PartialEq for $name<'_, S> {
            fn eq(&self, other: &Self) -> bool {
                self.sequence == other.sequence
            }
        }

        impl<S: Scope> Eq for $name<'_, S> {}

        impl<S: Scope> Hash for $name<'_, S> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.sequence.hash(state);
            }
        }

        impl<S: Scope> fmt::Debug for $name<'_, S> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.sequence.fmt(formatter)
            }
        }

        $crate::sequence::iterable!($name<'a, S> => $element, S);
    };
}

pub(crate) use {iterable, scoped_list};

/// Iterator over the elements of a list inside a packet.
#[derive(Clone, Debug)]
pub struct ListIter<'a, T> {
    wire: &'a [u8],
    hidden: u32,
    list: core::slice::Iter<'a, T>,
}

#[allow(private_bounds)]
impl<'a, T: Element<'a>> Iterator for ListIter<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        while let Some(element) = T::read(&mut self.wire) {
            if self.hidden == 0 || !element.is_in(self.hidden) {
                return Some(element);
            }
        }
        self.list.next().copied()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Each element takes at least one byte.
        let list = self.list.len();
        (list, Some(list + self.wire.len()))
    }
}

impl<'a, T: Element<'a>> core::iter::FusedIterator for ListIter<'a, T> {}

impl<'a, T: Element<'a> + PartialEq> PartialEq for Sequence<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        let only_wire = |sequence: &Self| sequence.list.is_empty() && sequence.hidden == 0;
        if only_wire(self) && only_wire(other) {
            // Values have one encoding each, so equal bytes are equal elements.
            self.wire == other.wire
        } else {
            self.iter().eq(other.iter())
        }
    }
}

impl<'a, T: Element<'a> + Eq> Eq for Sequence<'a, T> {}

impl<'a, T: Element<'a> + Hash> Hash for Sequence<'a, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for element in self.iter() {
            element.hash(state);
        }
        // What follows in a packet must not be taken for another element.
        state.write_u8(0xFF);
    }
}

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for Sequence<'a, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
