//! Puts the bytes which one end of a TCP connection sent back in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A TCP segment, as far as reassembly needs it.
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// The number of the first byte, or of the opening itself.
    pub(super) sequence: u32,
    /// The number of the byte which the sender expects next from the other end.
    pub(super) acknowledged: Option<u32>,
    /// The SYN flag.
    pub(super) opens: bool,
    /// The FIN flag.
    pub(super) closes: bool,
    pub(super) payload: &'a [u8],
}

/// The bytes of one direction.
///
/// Sequence numbers count bytes modulo 2³²; positions, which count from the
/// first byte that is known of, do not wrap around.
#[derive(Default)]
pub(super) struct Stream<'a> {
    /// The sequence number of position 0.
    origin: Option<u32>,
    /// Whether bytes before position 0 may have been sent.
    origin_is_guessed: bool,
    /// The position of the first byte that has not been handed out.
    next: i64,
    /// Segments that have not been handed out, by position.
    waiting: BTreeMap<i64, &'a [u8]>,
    /// The other end has received everything before this position.
    acknowledged: i64,
    /// The position at which the sender closed the stream.
    end: i64,
}

impl<'a> Stream<'a> {
    /// Whether a stream that opens with this sequence number is not this one.
    pub(super) fn starts_elsewhere(&self, opening: u32) -> bool {
        self.origin
            .is_some_and(|origin| origin != opening.wrapping_add(1))
    }

    /// Takes note of a segment of this direction.
    pub(super) fn add(&mut self, segment: &Segment<'a>) {
        // The opening takes up one sequence number.
        let sequence = segment.sequence.wrapping_add(u32::from(segment.opens));
        if self.origin.is_none() && (segment.opens || !segment.payload.is_empty()) {
            self.origin = Some(sequence);
            self.origin_is_guessed = !segment.opens;
        }
        let Some(position) = self.position(sequence) else {
            return;
        };
        let end = position + segment.payload.len() as i64;
        if segment.closes {
            self.end = self.end.max(end);
        }
        if end > self.next && !segment.payload.is_empty() {
            let waiting = self.waiting.entry(position).or_default();
            if waiting.len() < segment.payload.len() {
                *waiting = segment.payload;
            }
        }
    }

    /// Takes note of an acknowledgment by the other end.
    ///
    /// The answer to an opening tells where the stream begins.
    pub(super) fn acknowledge(&mut self, sequence: u32, answers_opening: bool) {
        if answers_opening {
            self.origin.get_or_insert(sequence);
        }
        if let Some(position) = self.position(sequence) {
            self.acknowledged = self.acknowledged.max(position);
        }
    }

    /// Hands out bytes whose predecessors have all been handed out or will not
    /// come any more, and whether the latter is the case.
    pub(super) fn next_run(&mut self) -> Option<(&'a [u8], bool)> {
        loop {
            let (&position, _) = self.waiting.first_key_value()?;
            // Bytes that the other end has got, but the recording has not,
            // will not be sent again.
            if position > self.next.max(self.acknowledged) {
                return None;
            }
            let (_, bytes) = self.waiting.pop_first()?;
            let gap_before = position > self.next || std::mem::take(&mut self.origin_is_guessed);
            let known = usize::try_from(self.next - position).unwrap_or(0);
            let Some(news @ [_, ..]) = bytes.get(known..) else {
                continue;
            };
            self.next = self.next.max(position) + news.len() as i64;
            return Some((news, gap_before));
        }
    }

    /// Makes `next_run` hand out everything; says whether bytes are missing
    /// after that.
    pub(super) fn give_up_waiting(&mut self) -> bool {
        // An acknowledgment covers the end of the stream, too, as one byte more.
        let sent = self.end.max(self.acknowledged - 1);
        let seen = self
            .waiting
            .iter()
            .map(|(position, bytes)| position + bytes.len() as i64)
            .max();
        self.acknowledged = i64::MAX;
        sent > seen.unwrap_or(0).max(self.next)
    }

    /// The position nearest to the bytes at hand that has this sequence number.
    fn position(&self, sequence: u32) -> Option<i64> {
        // Truncation is what sequence numbers do.
        let next = self.origin?.wrapping_add(self.next as u32);
        Some(self.next + i64::from(sequence.wrapping_sub(next).cast_signed()))
    }
}
