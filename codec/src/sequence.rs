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
}

/// Elements that are still encoded, followed by elements that are not yet.
///
/// A decoded packet has only the former, a packet that is built only the latter, and a packet that
/// is changed on its way has both. None of them owns or allocates anything.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a, T> {
    wire: &'a [u8],
    list: &'a [T],
    /// How many bytes the list takes on the wire, counted once.
    list_len: u32,
}

impl<'a, T: Element<'a>> Sequence<'a, T> {
    pub(crate) const EMPTY: Self = Self::from_wire(&[]);

    #[inline(always)]
    pub(crate) const fn from_wire(wire: &'a [u8]) -> Self {
        Sequence {
            wire,
            list: &[],
            list_len: 0,
        }
    }

    /// # Errors
    ///
    /// [`Violation::PacketTooLong`] if no packet has room for the elements.
    pub(crate) fn from_list(list: &'a [T]) -> Result<Self, Violation> {
        Self::EMPTY.and(list)
    }

    /// The elements on the wire, followed by another list in place of the present one.
    ///
    /// # Errors
    ///
    /// [`Violation::PacketTooLong`] if no packet has room for the elements.
    pub(crate) fn and(self, list: &'a [T]) -> Result<Self, Violation> {
        let mut count = Count(self.wire.len());
        for element in list {
            element.write(&mut count);
        }
        if count.0 > VARIABLE_BYTE_INTEGER_MAX as usize {
            return Err(Violation::PacketTooLong);
        }
        Ok(Sequence {
            list,
            list_len: (count.0 - self.wire.len()) as u32,
            ..self
        })
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.wire.is_empty() && self.list.is_empty()
    }

    /// The elements that are still encoded.
    #[inline(always)]
    pub(crate) const fn wire(&self) -> &'a [u8] {
        self.wire
    }

    /// The elements that are not encoded yet.
    #[inline(always)]
    pub(crate) const fn list(&self) -> &'a [T] {
        self.list
    }

    #[inline(always)]
    pub(crate) fn iter(&self) -> Iter<'a, T> {
        Iter {
            wire: self.wire,
            list: self.list.iter(),
        }
    }

    /// How many bytes the elements take on the wire.
    #[inline(always)]
    pub(crate) const fn encoded_len(&self) -> usize {
        self.wire.len() + self.list_len as usize
    }

    #[inline(always)]
    pub(crate) fn write<S: Sink>(&self, sink: &mut S) {
        if S::ONLY_COUNTS {
            return sink.skip(self.encoded_len());
        }
        if !self.wire.is_empty() {
            sink.bytes(self.wire);
        }
        for element in self.list {
            element.write(sink);
        }
    }
}

/// Iterator over the elements of a list inside a packet.
#[derive(Clone, Debug)]
pub struct Iter<'a, T> {
    wire: &'a [u8],
    list: core::slice::Iter<'a, T>,
}

#[allow(private_bounds)]
impl<'a, T: Element<'a>> Iterator for Iter<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        T::read(&mut self.wire).or_else(|| self.list.next().copied())
    }
}

impl<'a, T: Element<'a>> core::iter::FusedIterator for Iter<'a, T> {}

impl<'a, T: Element<'a> + PartialEq> PartialEq for Sequence<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        if self.list.is_empty() && other.list.is_empty() {
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
    }
}

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for Sequence<'a, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
