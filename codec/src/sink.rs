//! Where encoding walks to: one walk, into a counter or into the output.

use core::mem::take;

use crate::Wire;
use crate::sequence::Element;
use crate::wire::variable_byte_integer_length;

/// The same walk runs into [`Count`], [`Put`] and [`Fill`], so the announced length and the bytes
/// cannot disagree.
///
/// Each call costs more than the bytes that it writes, so fields of fixed size that stand side by side are
/// written as one array.
pub(crate) trait Sink: Sized {
    /// Whether bytes that were counted by a walk before may be [skipped](Sink::skip): a list counts
    /// its elements when it is made.
    const ONLY_COUNTS: bool;

    fn bytes(&mut self, bytes: &[u8]);

    fn array<const N: usize>(&mut self, bytes: &[u8; N]);

    /// The elements of a list, one after the other. One copy for all packets that have a list of this type.
    #[inline(never)]
    fn elements<'a, T: Element<'a>>(&mut self, list: &[T]) {
        T::write_all(list, self);
    }

    /// Takes note of this many bytes; only if the sink [only counts](Sink::ONLY_COUNTS).
    fn skip(&mut self, length: usize);

    #[inline]
    fn byte(&mut self, value: u8) {
        self.array(&[value]);
    }

    #[inline]
    fn two_byte_integer(&mut self, value: u16) {
        self.array(&value.to_be_bytes());
    }

    /// Binary Data or a UTF-8 Encoded String of at most 65,535 bytes.
    #[inline]
    fn length_prefixed(&mut self, content: &[u8]) {
        self.two_byte_integer(content.len() as u16);
        self.bytes(content);
    }

    /// A value of at most 268,435,455.
    #[inline]
    fn variable_byte_integer(&mut self, value: usize) {
        if Self::ONLY_COUNTS {
            return self.skip(variable_byte_integer_length(value));
        }
        // Seven bits of each byte are data, the eighth says that another byte follows.
        let more = |shift: u32| (value >> shift) as u8 | 0x80;
        let last = |shift: u32| (value >> shift) as u8;
        match variable_byte_integer_length(value) {
            1 => self.array(&[last(0)]),
            2 => self.array(&[more(0), last(7)]),
            3 => self.array(&[more(0), more(7), last(14)]),
            _ => self.array(&[more(0), more(7), more(14), last(21)]),
        }
    }
}

/// Counts what is written. 64 bits hold the sum of any list that fits into memory.
pub(crate) struct Count(pub(crate) u64);

impl Sink for Count {
    const ONLY_COUNTS: bool = true;

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.skip(bytes.len());
    }

    #[inline]
    fn array<const N: usize>(&mut self, _: &[u8; N]) {
        self.skip(N);
    }

    #[inline]
    fn skip(&mut self, length: usize) {
        self.0 += length as u64;
    }
}

/// Appends what is written to a buffer that was checked to have room.
pub(crate) struct Put<'b, B: Wire + ?Sized>(pub(crate) &'b mut B);

impl<B: Wire + ?Sized> Sink for Put<'_, B> {
    const ONLY_COUNTS: bool = false;

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.put(bytes);
    }

    #[inline]
    fn array<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.0.put(bytes);
    }

    fn skip(&mut self, _: usize) {}
}

/// Fills a slice that was checked to have room.
pub(crate) struct Fill<'b>(pub(crate) &'b mut [u8]);

impl Sink for Fill<'_> {
    const ONLY_COUNTS: bool = false;

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        match take(&mut self.0).split_at_mut_checked(bytes.len()) {
            Some((room, rest)) => {
                copy(room, bytes);
                self.0 = rest;
            }
            None => debug_assert!(false, "the room was checked"),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self, bytes: &[u8; N]) {
        match take(&mut self.0).split_first_chunk_mut() {
            Some((room, rest)) => {
                *room = *bytes;
                self.0 = rest;
            }
            None => debug_assert!(false, "the room was checked"),
        }
    }

    #[inline]
    fn elements<'a, T: Element<'a>>(&mut self, list: &[T]) {
        self.0 = fill_elements(take(&mut self.0), list);
    }

    fn skip(&mut self, _: usize) {}
}

/// [`Sink::elements`] that takes the slice by value, which keeps it in registers.
#[inline(never)]
fn fill_elements<'a, 'b, T: Element<'a>>(room: &'b mut [u8], list: &[T]) -> &'b mut [u8] {
    let mut fill = Fill(room);
    T::write_all(list, &mut fill);
    fill.0
}

/// Copies between slices of the same length; most are short, and a call would take longer.
#[inline]
fn copy(room: &mut [u8], bytes: &[u8]) {
    if bytes.len() >= 16 {
        match bytes.len() {
            16..=32 => copy_ends::<16>(room, bytes),
            33..=64 => copy_ends::<32>(room, bytes),
            _ => room.copy_from_slice(bytes),
        }
    } else if bytes.len() >= 8 {
        copy_ends::<8>(room, bytes);
    } else if bytes.len() >= 4 {
        copy_ends::<4>(room, bytes);
    } else {
        for (room, byte) in room.iter_mut().zip(bytes) {
            *room = *byte;
        }
    }
}

/// Copies the first and the last `N` bytes, which may overlap.
#[inline]
fn copy_ends<const N: usize>(room: &mut [u8], bytes: &[u8]) {
    if let (Some(from), Some(last_from)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        if let Some(to) = room.first_chunk_mut::<N>() {
            *to = *from;
        }
        if let Some(to) = room.last_chunk_mut::<N>() {
            *to = *last_from;
        }
    }
}
