//! The records of one call, one behind the other.

use alloc::vec::Vec;
use core::fmt;

use crate::session::persistence::format::CRC;

const MAGIC: [u8; 4] = *b"M5B\x01";
/// Magic, number, count, length.
const FIELDS: usize = 20;
const HEADER: usize = FIELDS + SUM;
const SUM: usize = 4;
/// Two lengths.
const PREFIX: usize = 8;
/// In place of the length of a value.
const REMOVED: u32 = u32::MAX;

/// A key with its value, or the removal of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number: one more than that of the record before.
    pub number: u64,
    /// The key.
    pub key: &'a [u8],
    /// The value; `None` removes the key.
    pub value: Option<&'a [u8]>,
}

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// The end is missing: an unfinished write, if nothing follows.
    Truncated,
    /// The bytes are damaged, or are no batch.
    Damaged,
    /// A later version of this library wrote them.
    UnknownVersion,
}

impl fmt::Display for BatchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            BatchError::Truncated => "the end of the batch is missing",
            BatchError::Damaged => "the batch is damaged",
            BatchError::UnknownVersion => "the batch has a version that is not known",
        })
    }
}

impl core::error::Error for BatchError {}

/// The records of one call of the broker, as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    first: u64,
    count: u32,
    records: &'a [u8],
    bytes: &'a [u8],
}

fn number<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*number)
}

/// The number of the first record, how many there are, and where they end.
fn header(log: &[u8]) -> Result<(u64, u32, usize), BatchError> {
    let Some(header) = log.get(..HEADER) else {
        return Err(BatchError::Truncated);
    };
    let (mut fields, sum) = header.split_at(FIELDS);
    if CRC.checksum(fields).to_le_bytes() != sum {
        return Err(BatchError::Damaged);
    }
    if number(&mut fields) != Some(MAGIC) {
        return Err(BatchError::UnknownVersion);
    }
    let first = number(&mut fields).map_or(0, u64::from_le_bytes);
    let count = number(&mut fields).map_or(0, u32::from_le_bytes);
    let length = number(&mut fields).map_or(0, u32::from_le_bytes) as usize;
    Ok((first, count, HEADER + length))
}

/// Where the last header may begin.
fn last_magic(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MAGIC.len()).rposition(|it| it == MAGIC)
}

impl<'a> Batch<'a> {
    /// Takes a batch off the front of a file of batches; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`BatchError`]; `log` begins with the batch then. If [`Batch::is_last`], a write was not finished: nothing that
    /// depends on it has left, so the file may be cut there.
    pub fn take(log: &mut &'a [u8]) -> Result<Option<Self>, BatchError> {
        if log.is_empty() {
            return Ok(None);
        }
        let (first, count, end) = header(log)?;
        let (Some(sealed), Some(sum)) = (log.get(..end), log.get(end..end + SUM)) else {
            return Err(BatchError::Truncated);
        };
        if CRC.checksum(sealed).to_le_bytes() != sum {
            return Err(BatchError::Damaged);
        }
        let (bytes, rest) = log.split_at(end + SUM);
        *log = rest;
        Ok(Some(Batch {
            first,
            count,
            records: sealed.get(HEADER..).unwrap_or_default(),
            bytes,
        }))
    }

    /// Returns whether no other batch follows the one at the front of `log`, damaged as it may be: where its header
    /// says that it ends, or anywhere if its header is damaged. If each write is one batch and is synced before the
    /// next one, only the last one of a file can be unfinished; a damaged one before it is a damaged file.
    #[must_use]
    pub fn is_last(log: &[u8]) -> bool {
        match header(log) {
            Ok((_, _, end)) => end + SUM >= log.len(),
            Err(_) => (1..log.len()).all(|start| {
                let rest = log.get(start..).unwrap_or_default();
                !rest.starts_with(&MAGIC) || header(rest).is_err()
            }),
        }
    }

    /// Skips a damaged batch at the front of `log`, to the next one from which batch follows batch up
    /// to the end of `log`. Returns the bytes that were skipped; `None` if there is no such batch.
    ///
    /// This is the repair of a damaged file: the records of the damaged batch are lost, and no others.
    /// The number before the damage and [`first`](Self::first) of the next batch say which. What is
    /// missing for the others is named by [`Restoring::finish`](super::Restoring::finish). Bytes that
    /// look like a batch, in a payload, are not taken for one, because no batch begins where they end.
    ///
    /// Takes time in proportion to the bytes, and 8 bytes of memory for each batch.
    pub fn skip_damaged(log: &mut &'a [u8]) -> Option<&'a [u8]> {
        // What begins a batch from which others lead to the end, the last one first.
        let mut starts = alloc::vec![log.len()];
        let mut unread = log.len();
        while let Some(start) = log.get(1..unread).and_then(last_magic) {
            let start = start + 1;
            unread = start + MAGIC.len() - 1;
            let Ok((_, _, end)) = header(log.get(start..)?) else {
                continue;
            };
            let end = start.saturating_add(end).saturating_add(SUM);
            if starts.binary_search_by(|it| end.cmp(it)).is_ok() {
                starts.push(start);
            }
        }
        // The end itself is no batch.
        let start = *starts.last().filter(|_| starts.len() > 1)?;
        let (skipped, rest) = log.split_at_checked(start)?;
        *log = rest;
        Some(skipped)
    }

    /// Returns the number of its first record.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Returns the number of its last record.
    #[must_use]
    pub const fn last(&self) -> u64 {
        (self.first + self.count as u64).saturating_sub(1)
    }

    /// Returns its records, in their order.
    #[must_use]
    pub const fn records(&self) -> Records<'a> {
        Records {
            number: self.first,
            left: self.count,
            rest: self.records,
        }
    }

    /// Returns its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The records of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    number: u64,
    left: u32,
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        let key_length = u32::from_le_bytes(number(&mut self.rest)?) as usize;
        let value_length = u32::from_le_bytes(number(&mut self.rest)?);
        let (key, rest) = self.rest.split_at_checked(key_length)?;
        let (value, rest) = match value_length {
            REMOVED => (None, rest),
            length => {
                let (value, rest) = rest.split_at_checked(length as usize)?;
                (Some(value), rest)
            }
        };
        self.rest = rest;
        let number = self.number;
        self.number += 1;
        Some(Record { number, key, value })
    }
}

/// Collects the records of a call.
#[derive(Clone, Debug)]
pub(in crate::broker) struct Writer {
    /// Room for the header, and the records.
    bytes: Vec<u8>,
    count: u32,
    /// Of the next record.
    next: u64,
}

impl Writer {
    /// The first record will have this number.
    pub(in crate::broker) const fn new(next: u64) -> Self {
        Writer {
            bytes: Vec::new(),
            count: 0,
            next,
        }
    }

    /// The number of the last record; 0 if there was none.
    pub(in crate::broker) const fn last(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    pub(in crate::broker) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes wait to be taken.
    pub(in crate::broker) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record whose value `write` appends.
    pub(in crate::broker) fn put(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let prefix = self.begin(key);
        let value = self.bytes.len();
        write(&mut self.bytes);
        let length = (self.bytes.len() - value) as u32;
        self.set_value_length(prefix, length);
    }

    /// Adds a record whose value `write` appends, or the removal of the key if it returns `false`.
    pub(in crate::broker) fn put_or_remove(
        &mut self,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) {
        let prefix = self.begin(key);
        let value = self.bytes.len();
        let length = match write(&mut self.bytes) {
            true => (self.bytes.len() - value) as u32,
            false => {
                self.bytes.truncate(value);
                REMOVED
            }
        };
        self.set_value_length(prefix, length);
    }

    /// Adds the removal of a key.
    pub(in crate::broker) fn remove(&mut self, key: &[u8]) {
        let prefix = self.begin(key);
        self.set_value_length(prefix, REMOVED);
    }

    fn begin(&mut self, key: &[u8]) -> usize {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER, 0);
        }
        self.count += 1;
        self.next += 1;
        let prefix = self.bytes.len();
        self.bytes
            .extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&[0; PREFIX - 4]);
        self.bytes.extend_from_slice(key);
        prefix
    }

    fn set_value_length(&mut self, prefix: usize, length: u32) {
        if let Some(place) = self.bytes.get_mut(prefix + 4..prefix + PREFIX) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// Puts the batch in place of what is in `into`, whose memory is used for the next one. Returns the number of its
    /// last record; `None` if there is none.
    pub(in crate::broker) fn take(&mut self, into: &mut Vec<u8>) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        let first = self.next - u64::from(self.count);
        let length = (self.bytes.len() - HEADER) as u32;
        let mut header = [0; HEADER];
        let fields = MAGIC
            .into_iter()
            .chain(first.to_le_bytes())
            .chain(self.count.to_le_bytes())
            .chain(length.to_le_bytes());
        for (place, byte) in header.iter_mut().zip(fields) {
            *place = byte;
        }
        let (fields, sum) = header.split_at_mut(FIELDS);
        sum.copy_from_slice(&CRC.checksum(fields).to_le_bytes());
        if let Some(place) = self.bytes.get_mut(..HEADER) {
            place.copy_from_slice(&header);
        }
        let sum = CRC.checksum(&self.bytes);
        self.bytes.extend_from_slice(&sum.to_le_bytes());
        core::mem::swap(&mut self.bytes, into);
        self.bytes.clear();
        self.count = 0;
        Some(self.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (Writer, Vec<u8>) {
        let (mut writer, mut bytes) = (Writer::new(7), Vec::new());
        writer.put(b"a", |value| value.extend_from_slice(b"first"));
        writer.remove(b"");
        writer.put(b"bc", |_| {});
        assert_eq!(writer.take(&mut bytes), Some(9));
        (writer, bytes)
    }

    #[test]
    fn what_is_written_is_read() {
        let (mut writer, mut bytes) = written();
        let mut more = b"old".to_vec();
        assert_eq!(writer.take(&mut more), None);
        writer.remove(b"d");
        assert_eq!(writer.take(&mut more), Some(10));
        bytes.extend(more);
        let mut log = &bytes[..];
        let batch = Batch::take(&mut log).unwrap().unwrap();
        assert_eq!((batch.first(), batch.last()), (7, 9));
        let records: Vec<_> = batch
            .records()
            .map(|it| (it.number, it.key, it.value))
            .collect();
        assert_eq!(
            records,
            [
                (7, &b"a"[..], Some(&b"first"[..])),
                (8, b"", None),
                (9, b"bc", Some(b""))
            ]
        );
        let batch = Batch::take(&mut log).unwrap().unwrap();
        assert_eq!((batch.first(), batch.last()), (10, 10));
        assert_eq!(Batch::take(&mut log), Ok(None));
    }

    #[test]
    fn only_the_last_batch_can_be_unfinished() {
        let (mut writer, bytes) = written();
        let (mut two, mut second) = (bytes.clone(), Vec::new());
        writer.remove(b"d");
        writer.take(&mut second);
        two.extend_from_slice(&second);
        for at in 0..bytes.len() {
            let mut damaged = two.clone();
            damaged[at] ^= 1;
            // A damaged length may point anywhere, but then the sum of the header does not fit.
            assert!(!Batch::is_last(&damaged), "{at}");
            assert!(Batch::is_last(&damaged[..bytes.len()]), "{at}");
            assert!(Batch::is_last(&bytes[..at]), "{at}");
        }
        // What a crash may leave of a write: the right length, and nothing in it.
        assert!(Batch::is_last(&[0; 100]));
    }

    #[test]
    fn damage_in_the_middle_costs_one_batch() {
        let (mut writer, first) = written();
        let mut log = first.clone();
        let mut ends = alloc::vec![log.len()];
        let mut forged = Vec::new();
        let mut forger = Writer::new(90);
        forger.put(b"x", |_| {});
        forger.take(&mut forged);
        for number in 0..4 {
            // The payload of a message contains what looks like a batch, or three.
            writer.put(b"e", |value| value.extend(forged.repeat(number)));
            let mut batch = Vec::new();
            writer.take(&mut batch);
            log.extend(batch);
            ends.push(log.len());
        }
        for (index, end) in ends.iter().enumerate() {
            let begin = index.checked_sub(1).map_or(0, |before| ends[before]);
            for at in begin..*end {
                let mut damaged = log.clone();
                damaged[at] ^= 1;
                let mut rest = &damaged[begin..];
                assert!(Batch::take(&mut rest).is_err(), "{at}");
                let skipped = Batch::skip_damaged(&mut rest);
                if index == ends.len() - 1 {
                    assert_eq!(skipped, None, "{at}");
                    continue;
                }
                assert_eq!(skipped.map(<[u8]>::len), Some(end - begin), "{at}");
                assert_eq!(rest, &log[*end..]);
            }
        }
        assert_eq!(Batch::skip_damaged(&mut &[][..]), None);
        assert_eq!(Batch::skip_damaged(&mut &MAGIC[..]), None);
    }

    #[test]
    fn unfinished_or_damaged_it_is_no_batch() {
        let (_, bytes) = written();
        for end in 1..bytes.len() {
            assert_eq!(Batch::take(&mut &bytes[..end]), Err(BatchError::Truncated));
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(Batch::take(&mut &damaged[..]).is_err(), "{at} {bit}");
            }
        }
    }
}
