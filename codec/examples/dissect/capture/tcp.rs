//! Puts the bytes which one end of a TCP connection sent back in order.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;

use super::stream::{Content, Moment, Piece, Stream};

/// A TCP segment, as far as reassembly needs it.
#[derive(Debug)]
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
    /// How many bytes the segment carries.
    pub(super) length: usize,
    /// Those of them that were recorded: all, or the first ones.
    pub(super) payload: &'a [u8],
}

/// A part of one direction: bytes, or their absence.
struct Run<'a> {
    length: i64,
    /// Nothing if only the length is known.
    bytes: Option<&'a [u8]>,
    seen: Moment,
}

/// One direction of a connection, in the making.
///
/// Sequence numbers count bytes modulo 2³²; positions, which count from the first byte that is known
/// of, do not wrap around.
#[derive(Default)]
pub(super) struct Half<'a> {
    /// The sequence number of position 0.
    origin: Option<u32>,
    /// Whether no byte was sent before position 0.
    origin_is_certain: bool,
    /// A position near the latest segment, to tell which round of the numbers is meant.
    latest: i64,
    /// What was recorded, without overlaps. Of bytes that were sent again the first copy counts.
    recorded: BTreeMap<i64, Run<'a>>,
    /// What was sent, but cut off when the frame was recorded; without overlaps among themselves.
    cut_off: BTreeMap<i64, Run<'a>>,
    /// Where segments begin and end.
    borders: BTreeSet<i64>,
    /// The length of the longest segment.
    longest: usize,
    /// The end of the last segment.
    extent: i64,
    /// The other end has received everything before this position.
    acknowledged: i64,
    acknowledged_at: Moment,
    /// The position at which the sender closed the stream.
    end: Option<i64>,
}

impl<'a> Half<'a> {
    /// Whether a stream that opens with this sequence number is not this one.
    pub(super) fn starts_elsewhere(&self, opening: u32) -> bool {
        self.origin
            .is_some_and(|origin| origin != opening.wrapping_add(1))
    }

    /// Takes note of a segment of this direction.
    pub(super) fn add(&mut self, segment: &Segment<'a>, now: Moment) {
        // The opening takes up one sequence number.
        let sequence = segment.sequence.wrapping_add(u32::from(segment.opens));
        if self.origin.is_none() && (segment.opens || segment.length > 0) {
            self.origin = Some(sequence);
            self.origin_is_certain = segment.opens;
        }
        let Some(position) = self.position(sequence) else {
            return;
        };
        let end = position + segment.length as i64;
        if segment.closes {
            self.end = self.end.max(Some(end));
        }
        if segment.length == 0 || self.is_probe(segment, end) {
            return;
        }
        self.latest = end;
        self.longest = self.longest.max(segment.length);
        self.extent = self.extent.max(end);
        self.borders.extend([position, end]);

        let recorded_end = position + segment.payload.len() as i64;
        for hole in holes(&self.recorded, position..recorded_end) {
            let bytes = &segment.payload[(hole.start - position) as usize..][..length(&hole)];
            self.recorded
                .insert(hole.start, Run::new(&hole, Some(bytes), now));
        }
        for hole in holes(&self.cut_off, recorded_end..end) {
            self.cut_off.insert(hole.start, Run::new(&hole, None, now));
        }
    }

    /// Whether a segment only asks whether the other end is still there (RFC 9293, 3.8.4): such a
    /// segment may carry a byte, but not one that the application sent.
    fn is_probe(&self, segment: &Segment<'a>, end: i64) -> bool {
        segment.length == 1 && end == self.extent && !self.borders.is_empty()
    }

    /// Takes note of an acknowledgment by the other end.
    ///
    /// The answer to an opening tells where the stream begins.
    pub(super) fn acknowledge(&mut self, sequence: u32, answers_opening: bool, now: Moment) {
        if answers_opening && self.origin.is_none() {
            self.origin = Some(sequence);
            self.origin_is_certain = true;
        }
        if let Some(position) = self.position(sequence)
            && position > self.acknowledged
        {
            self.acknowledged = position;
            self.acknowledged_at = now;
        }
    }

    /// Everything that was sent in this direction, in order.
    pub(super) fn finish(mut self) -> Stream<'a> {
        let first = |runs: &BTreeMap<i64, Run<'_>>| runs.first_key_value().map(|(&at, _)| at);
        let start = match (first(&self.recorded), first(&self.cut_off)) {
            _ if self.origin_is_certain => 0,
            (Some(recorded), Some(cut_off)) => recorded.min(cut_off),
            (recorded, cut_off) => recorded.or(cut_off).unwrap_or(0),
        };
        let mut pieces = Pieces::new(start);
        if !self.origin_is_certain {
            let seen = [&self.recorded, &self.cut_off]
                .into_iter()
                .filter_map(|runs| runs.first_key_value())
                .min_by_key(|(position, _)| **position)
                .map(|(_, run)| run.seen);
            if let Some(seen) = seen {
                pieces.push(Content::Missing(None), seen);
            }
        }
        for (position, run) in std::mem::take(&mut self.recorded) {
            let Some(bytes) = run.bytes else { continue };
            self.missing(&mut pieces, position, run.seen);
            // Bytes before the opening are nobody's.
            let known = usize::try_from(pieces.position - position).unwrap_or(0);
            if let Some(news @ [_, ..]) = bytes.get(known..) {
                pieces.push(Content::Bytes(Cow::Borrowed(news)), run.seen);
            }
        }
        self.missing(&mut pieces, self.extent, Moment::default());
        let sent = self.end.unwrap_or_else(|| {
            // A single byte more than was seen is the acknowledgment of the end.
            match self.acknowledged - self.extent {
                ..=1 => self.extent,
                _ => self.acknowledged,
            }
        });
        self.missing(&mut pieces, sent, self.acknowledged_at);
        Stream {
            pieces: pieces.done,
            borders: self
                .borders
                .into_iter()
                .filter_map(|border| u64::try_from(border - start).ok())
                .collect(),
            longest_unit: self.longest as u64,
            is_closed: self.end.is_some(),
        }
    }

    /// Adds what is missing before a position. What was cut off was missing when its segment was
    /// seen, anything else only when something after it was.
    fn missing(&self, pieces: &mut Pieces<'a>, until: i64, seen: Moment) {
        let from = pieces.position;
        if until <= from {
            return;
        }
        let before = self.cut_off.range(..from).next_back();
        for (&position, run) in before.into_iter().chain(self.cut_off.range(from..until)) {
            let end = until.min(position + run.length);
            for part in [position, end] {
                let length = part - pieces.position;
                if length > 0 {
                    pieces.push(Content::Missing(Some(length.cast_unsigned())), run.seen);
                }
            }
        }
        let length = until - pieces.position;
        if length > 0 {
            pieces.push(Content::Missing(Some(length.cast_unsigned())), seen);
        }
    }

    /// The position nearest to the bytes at hand that has this sequence number.
    fn position(&self, sequence: u32) -> Option<i64> {
        // Truncation is what sequence numbers do.
        let latest = self.origin?.wrapping_add(self.latest as u32);
        Some(self.latest + i64::from(sequence.wrapping_sub(latest).cast_signed()))
    }
}

impl<'a> Run<'a> {
    fn new(range: &Range<i64>, bytes: Option<&'a [u8]>, seen: Moment) -> Self {
        Run {
            length: range.end - range.start,
            bytes,
            seen,
        }
    }
}

/// Which parts of a range the runs leave free.
fn holes(runs: &BTreeMap<i64, Run<'_>>, range: Range<i64>) -> Vec<Range<i64>> {
    let mut holes = Vec::new();
    let mut free = range.start;
    if let Some((position, run)) = runs.range(..=range.start).next_back() {
        free = free.max(position + run.length);
    }
    if free < range.end {
        for (&position, run) in runs.range(free..range.end) {
            if position > free {
                holes.push(free..position);
            }
            free = position + run.length;
        }
    }
    if free < range.end {
        holes.push(free..range.end);
    }
    holes
}

fn length(range: &Range<i64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(0)
}

/// Pieces, one after the other.
struct Pieces<'a> {
    done: Vec<Piece<'a>>,
    start: i64,
    /// Where the next piece begins.
    position: i64,
    /// When all pieces so far had been seen.
    seen: Moment,
}

impl<'a> Pieces<'a> {
    fn new(start: i64) -> Self {
        Pieces {
            done: Vec::new(),
            start,
            position: start,
            seen: Moment::default(),
        }
    }

    fn push(&mut self, content: Content<'a>, seen: Moment) {
        self.seen = self.seen.max(seen);
        let length = content.length();
        self.done.push(Piece {
            seen: self.seen,
            position: (self.position - self.start).cast_unsigned(),
            content,
        });
        self.position += length.cast_signed();
    }
}
