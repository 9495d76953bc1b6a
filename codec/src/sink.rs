//! Where encoding walks to: one walk, into a counter or into the output.

use bytes::BufMut;

use crate::wire::variable_byte_integer_length;

/// The same walk runs into [`Count`], [`Put`] and [`Fill`], so the announced length and the bytes
/// cannot disagree.
pub(crate) trait Sink {
    /// Whether bytes that were counted by a walk before may be [skipped](Sink::skip): a list counts
    /// its elements when it is made.
    const ONLY_COUNTS: bool;

    fn bytes(&mut self, bytes: &[u8]);

    /// Takes note of this many bytes; only if the sink [only counts](Sink::ONLY_COUNTS).
    fn skip(&mut self, length: usize);

    #[inline(always)]
    fn byte(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    #[inline(always)]
    fn two_byte_integer(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Binary Data or a UTF-8 Encoded String of at most 65,535 bytes.
    #[inline(always)]
    fn length_prefixed(&mut self, content: &[u8]) {
        self.two_byte_integer(content.len() as u16);
        self.bytes(content);
    }

    /// A value of at most 268,435,455.
    #[inline(always)]
    fn variable_byte_integer(&mut self, value: usize) {
        if Self::ONLY_COUNTS {
            return self.skip(variable_byte_integer_length(value));
        }
        // Seven bits of each byte are data, the eighth says that another byte follows.
        let more = |shift: u32| (value >> shift) as u8 | 0x80;
        let last = |shift: u32| (value >> shift) as u8;
        match variable_byte_integer_length(value) {
            1 => self.byte(last(0)),
            2 => self.bytes(&[more(0), last(7)]),
            3 => self.bytes(&[more(0), more(7), last(14)]),
            _ => self.bytes(&[more(0), more(7), more(14), last(21)]),
        }
    }
}

/// Counts what is written.
pub(crate) struct Count(pub(crate) usize);

impl Sink for Count {
    const ONLY_COUNTS: bool = true;

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        self.skip(bytes.len());
    }

    #[inline(always)]
    fn skip(&mut self, length: usize) {
        self.0 = self.0.saturating_add(length);
    }
}

/// Appends what is written to a buffer that was checked to have room.
pub(crate) struct Put<'b, B: BufMut + ?Sized>(pub(crate) &'b mut B);

impl<B: BufMut + ?Sized> Sink for Put<'_, B> {
    const ONLY_COUNTS: bool = false;

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.put_slice(bytes);
    }

    fn skip(&mut self, _: usize) {}
}

/// Fills a slice that was checked to have room.
pub(crate) struct Fill<'b> {
    pub(crate) room: &'b mut [u8],
    pub(crate) filled: usize,
}

impl Sink for Fill<'_> {
    const ONLY_COUNTS: bool = false;

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        debug_assert!(end <= self.room.len(), "the room was checked");
        if let Some(room) = self.room.get_mut(self.filled..end) {
            copy(room, bytes);
            self.filled = end;
        }
    }

    fn skip(&mut self, _: usize) {}
}

/// Copies between slices of the same length; most are short, and a call would take longer.
#[inline(always)]
fn copy(room: &mut [u8], bytes: &[u8]) {
    match bytes.len() {
        0..4 => {
            for (room, byte) in room.iter_mut().zip(bytes) {
                *room = *byte;
            }
        }
        4..8 => copy_ends::<4>(room, bytes),
        8..16 => copy_ends::<8>(room, bytes),
        16..=32 => copy_ends::<16>(room, bytes),
        33..=64 => copy_ends::<32>(room, bytes),
        _ => room.copy_from_slice(bytes),
    }
}

/// Copies the first and the last `N` bytes, which may overlap.
#[inline(always)]
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
