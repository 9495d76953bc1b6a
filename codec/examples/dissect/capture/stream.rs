//! What one end of a connection sent, as far as it was recorded.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

/// When something was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// The number of the frame. Of two moments in one recording, the smaller number is earlier,
    /// whatever the clock said.
    pub(crate) frame: usize,
    /// The time since the start of the recording.
    pub(crate) at: Duration,
}

/// The bytes that one end of a connection sent, and where some are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream<'a> {
    /// All of it, in order and without overlaps. The moments do not decrease.
    pub(crate) pieces: Vec<Piece<'a>>,
    /// The positions at which the sender began or ended a unit of transport, such as a TCP segment.
    /// Most packets begin and end there, though no rule says so.
    pub(crate) borders: BTreeSet<u64>,
    /// The length of the longest unit of transport. Whatever is longer is sent in units of this
    /// length and a last one.
    pub(crate) longest_unit: u64,
    /// Whether the recording shows that the sender closed the connection.
    pub(crate) is_closed: bool,
}

/// A part of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// When this part and everything before it had been seen.
    pub(crate) seen: Moment,
    /// How many bytes of the stream are before it. Those whose number is unknown are not counted.
    pub(crate) position: u64,
    /// The part itself.
    pub(crate) content: Content<'a>,
}

/// What a part of a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// Bytes, at least one.
    Bytes(Cow<'a, [u8]>),
    /// Bytes that were not recorded, and how many of them, if that is known.
    Missing(Option<u64>),
}

impl Content<'_> {
    /// How many bytes it stands for, as far as that is known.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Missing(length) => length.unwrap_or(0),
        }
    }
}

impl<'a> Stream<'a> {
    /// When all of it had been seen.
    pub(crate) fn end(&self) -> Moment {
        let last = self.pieces.last().map(|piece| piece.seen);
        last.unwrap_or_default()
    }

    /// The number of the bytes that were recorded.
    pub(crate) fn recorded(&self) -> u64 {
        self.bytes().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// The parts that were recorded, with their positions.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pieces.iter().filter_map(|piece| match &piece.content {
            Content::Bytes(bytes) => Some((piece.position, &bytes[..])),
            Content::Missing(_) => None,
        })
    }

    /// Whether the first byte that was sent is there.
    pub(crate) fn is_complete_at_start(&self) -> bool {
        matches!(
            self.pieces.first(),
            Some(Piece {
                content: Content::Bytes(_),
                ..
            })
        )
    }

    /// Up to `limit` bytes that were recorded without a gap, from the first one that was recorded.
    pub(crate) fn head(&self, limit: usize) -> Cow<'_, [u8]> {
        let first = self.pieces.iter().position(|piece| {
            matches!(piece.content, Content::Bytes(_)) // After a gap, perhaps.
        });
        first.map_or(Cow::Borrowed(&[]), |index| self.window(index, 0, limit))
    }

    /// Up to `limit` bytes that were recorded without a gap, from `offset` bytes after the start of a
    /// piece on.
    pub(crate) fn window(&self, piece: usize, offset: usize, limit: usize) -> Cow<'_, [u8]> {
        let mut skipped = 0;
        let mut window: Cow<'_, [u8]> = Cow::Borrowed(&[]);
        for piece in self.pieces.get(piece..).unwrap_or_default() {
            let Content::Bytes(bytes) = &piece.content else {
                break;
            };
            let here = (offset - skipped).min(bytes.len());
            skipped += here;
            let news = &bytes[here..];
            let news = &news[..news.len().min(limit - window.len())];
            if window.is_empty() {
                window = Cow::Borrowed(news);
            } else if !news.is_empty() {
                window.to_mut().extend_from_slice(news);
            }
            if window.len() >= limit {
                break;
            }
        }
        window
    }

    /// Whether what begins at a position may be the last part of something longer: the unit before
    /// it is as long as units can be, or was not recorded.
    pub(crate) fn may_go_on_at(&self, position: u64) -> bool {
        let before = self.borders.range(..position).next_back();
        before.is_some_and(|before| position - before >= self.longest_unit)
    }

    /// The stream without its first bytes, which were recorded without a gap.
    pub(crate) fn without_start(&self, length: usize) -> Stream<'a> {
        let mut left = length;
        let mut stream = Stream {
            pieces: Vec::new(),
            borders: self.borders.clone(),
            longest_unit: self.longest_unit,
            is_closed: self.is_closed,
        };
        for piece in &self.pieces {
            let here = match &piece.content {
                Content::Bytes(bytes) => left.min(bytes.len()),
                Content::Missing(_) => 0,
            };
            left -= here;
            let position = piece.position + here as u64;
            let content = match &piece.content {
                Content::Bytes(bytes) if here == bytes.len() => continue,
                Content::Bytes(Cow::Borrowed(bytes)) => {
                    Content::Bytes(Cow::Borrowed(&bytes[here..]))
                }
                Content::Bytes(Cow::Owned(bytes)) => Content::Bytes(bytes[here..].to_vec().into()),
                Content::Missing(length) => Content::Missing(*length),
            };
            stream.pieces.push(Piece {
                seen: piece.seen,
                position,
                content,
            });
        }
        stream
    }

    /// Takes the start of what was recorded for the start of the stream, although nobody knows
    /// whether something was sent before it.
    pub(crate) fn forget_unknown_start(&mut self) {
        if let Some(Piece {
            content: Content::Missing(None),
            ..
        }) = self.pieces.first()
        {
            self.pieces.remove(0);
        }
    }
}
