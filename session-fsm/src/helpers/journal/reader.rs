//! Reads a journal, and tells an unfinished write from damage.

use core::num::NonZeroU64;

use mqtt5_codec::Message;

use super::{HEADER, Header, Journal, JournalError, StoredRecord, TRAILER};
use crate::Change;
use crate::error::RestoreError;
use crate::session::persistence::{format, record};

/// Reads a journal, batch by batch.
#[derive(Clone, Copy, Debug)]
pub struct JournalReader<'a> {
    number: u64,
    bytes: &'a [u8],
    /// Where the next batch begins.
    position: usize,
}

/// A record of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record<'a> {
    /// A change, for [`Session::apply`](crate::Session::apply).
    Change(Change),
    /// Bytes of the application.
    Data(&'a [u8]),
}

/// The records of a batch, in their order.
///
/// The checksum was right, so an error means that no [`Journal`] wrote the batch.
#[derive(Clone, Copy, Debug)]
#[must_use = "the records of the batch"]
pub struct Records<'a> {
    body: &'a [u8],
}

/// What begins at a position.
enum Found<'a> {
    Batch {
        body: &'a [u8],
        end: usize,
    },
    Other(u64),
    Version(u8),
    /// A good header, and a wrong checksum of as many bytes.
    Damaged(u64),
    Nothing,
}

impl<'a> JournalReader<'a> {
    /// Creates a reader of the journal with this number. `bytes` is the whole file.
    #[must_use]
    pub const fn new(number: u64, bytes: &'a [u8]) -> Self {
        JournalReader {
            number,
            bytes,
            position: 0,
        }
    }

    /// Returns how many bytes were read.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position as u64
    }

    /// Returns the records of the next batch; `None` at the end. Takes time in proportion to the
    /// bytes that are left, at most.
    ///
    /// # Errors
    ///
    /// [`JournalError`]; the reader stays where it is.
    pub fn next_batch(&mut self) -> Result<Option<Records<'a>>, JournalError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        match self.at(self.position) {
            Found::Batch { body, end } => {
                self.position = end;
                Ok(Some(Records { body }))
            }
            Found::Version(version) => Err(JournalError::Version(version)),
            // Behind good batches it is what a recycled file had before.
            Found::Other(number) if self.position == 0 => Err(JournalError::Other(number)),
            Found::Other(_) | Found::Damaged(_) | Found::Nothing => Err(
                match fault!("damage is an unfinished write", self.good_batch(), None,) {
                    Some(next) => JournalError::Damaged {
                        at: self.position(),
                        next: next as u64,
                    },
                    None if self.position == 0 && !self.resembles_batch(rest) => {
                        JournalError::Alien
                    }
                    None => JournalError::Unfinished {
                        at: self.position(),
                    },
                },
            ),
        }
    }

    /// Skips a damaged batch, and goes on with the good one that follows. Returns `false` if none
    /// follows.
    ///
    /// The records of the batch are lost: a message may be delivered twice or never. A later change
    /// may not fit any more ([`RestoreError::Inconsistent`]); then start a new Session.
    pub fn skip_damaged(&mut self) -> bool {
        if matches!(self.at(self.position), Found::Batch { .. }) {
            return false;
        }
        let next = self.good_batch();
        self.position = next.unwrap_or(self.position);
        next.is_some()
    }

    /// Returns a journal that goes on behind the batches that were read. Cut off the rest of the
    /// file first.
    #[must_use]
    pub const fn into_journal(self) -> Journal {
        Journal::behind(self.number, self.position as u64)
    }

    /// What begins here.
    fn at(&self, position: usize) -> Found<'a> {
        let rest = self.bytes.get(position..).unwrap_or_default();
        let Some(header) = Header::read(rest) else {
            return Found::Nothing;
        };
        if header.position != position as u64 {
            return Found::Nothing;
        }
        if header.number != self.number {
            return Found::Other(header.number);
        }
        if header.version != format::VERSION {
            return Found::Version(header.version);
        }
        let end = usize::try_from(header.length)
            .ok()
            .and_then(|length| HEADER.checked_add(length));
        let Some((sealed, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
            return fault!(
                "batch read in part",
                Found::Nothing,
                Found::Batch {
                    body: rest.get(HEADER..).unwrap_or_default(),
                    end: self.bytes.len(),
                },
            );
        };
        let (Some(sum), Some(body)) = (after.first_chunk::<TRAILER>(), sealed.get(HEADER..)) else {
            return Found::Nothing;
        };
        if format::CRC.checksum(sealed) != u32::from_le_bytes(*sum) {
            return Found::Damaged(sealed.len() as u64);
        }
        Found::Batch {
            body,
            end: position + sealed.len() + TRAILER,
        }
    }

    /// Where the first good batch behind this position begins.
    fn good_batch(&self) -> Option<usize> {
        let mut work = format::Work::new(self.bytes.len());
        let candidates = format::find_all(self.bytes, self.position + 1, &Header::MAGIC);
        for candidate in candidates {
            match self.at(candidate) {
                Found::Batch { .. } | Found::Version(_) => return Some(candidate),
                Found::Damaged(length) if !work.spend(length) => return Some(candidate),
                Found::Damaged(_) | Found::Other(_) | Found::Nothing => {}
            }
        }
        None
    }

    /// Whether this may be what is left of the first batch of this journal.
    fn resembles_batch(&self, rest: &[u8]) -> bool {
        let written = Header {
            version: format::VERSION,
            number: self.number,
            position: 0,
            length: 0,
        };
        let expected = written.to_bytes();
        // Magic, version, number, position, as far as they are there; zero bytes and 0xFF were
        // never written.
        let known = rest.iter().zip(&expected).take(20);
        let wrong = known
            .filter(|(byte, expected)| !matches!(byte, 0 | 0xFF) && byte != expected)
            .count();
        wrong <= 1
    }
}

impl<'a> Records<'a> {
    /// The records, also those of [`Journal::change_without_body`]: `find` returns the message that
    /// is stored under a number. It is shared, not copied. The error is
    /// [`RestoreError::BodyMissing`] if `find` returns `None`.
    pub fn with_bodies(
        mut self,
        mut find: impl FnMut(NonZeroU64) -> Option<Message>,
    ) -> impl Iterator<Item = Result<Record<'a>, RestoreError>> {
        core::iter::from_fn(move || self.read(&mut find))
    }

    fn read(&mut self, find: &mut format::Find<'_>) -> Option<Result<Record<'a>, RestoreError>> {
        if self.body.is_empty() {
            return None;
        }
        let Ok((record, rest)) = postcard::take_from_bytes::<StoredRecord<'a>>(self.body) else {
            self.body = &[];
            return Some(Err(RestoreError::Damaged));
        };
        self.body = rest;
        Some(match record {
            StoredRecord::Change(change) => record::read(&change, find).map(Record::Change),
            StoredRecord::Data(data) => Ok(Record::Data(data)),
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read(&mut format::find_none)
    }
}
