//! A journal: batches of changes of a Session and of application data, each stored as a whole or
//! not at all.
//!
//! | bytes | what |
//! | --- | --- |
//! | 3 | `M5J` |
//! | 1 | version of the format, as that of a change |
//! | 8 | number of the journal |
//! | 8 | position: how many bytes of the journal are before the batch |
//! | 8 | length of the body |
//! | 4 | CRC-32 of these 28 bytes |
//! | length | body: records in the [postcard](https://postcard.jamesmunns.com/wire-format) format |
//! | 4 | CRC-32 of all before it |
//!
//! Numbers are stored with the least significant byte first. The number and the position
//! distinguish a batch of this journal from other bytes that look like one: the old contents of a
//! recycled file, or a payload that contains a journal.

mod reader;

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

pub use reader::{JournalReader, Record, Records};

use crate::session::Change;
use crate::session::persistence::format::{self, Bodies, StoredChange};
use crate::session::persistence::record;

/// Before the checksum.
const FIELDS: usize = 28;
const HEADER: usize = FIELDS + 4;
const TRAILER: usize = 4;

#[derive(Serialize, Deserialize)]
enum StoredRecord<'a> {
    Change(#[serde(borrow)] StoredChange<'a>),
    Data(#[serde(borrow, serialize_with = "format::as_bytes")] &'a [u8]),
}

/// Collects records into batches, and seals each batch to be appended to a file.
///
/// After a crash, all records of a batch are there, or none. So put the application's data about an
/// event and the [`Change`] that follows it into one batch. Append the batch, sync the file, and
/// only then send the packets that were written since.
///
/// A killed process may have written a batch that can be read but is not on the disk yet. So sync
/// the file once after reading it, before anything else.
///
/// Choose a new number for each journal, so that batches of an older one in a recycled file are
/// never taken for its own: count the journals, or use the time of the start.
///
/// ```
/// use mqtt5_session_fsm::codec::Qos;
/// use mqtt5_session_fsm::journal::{Journal, JournalError, JournalReader, Record};
/// use mqtt5_session_fsm::{Client, ClientConfig, Instant, Output, Publication, Session, SessionConfig};
///
/// let config = SessionConfig { persistent: true, ..SessionConfig::default() };
/// let now = Instant::from_millis(1_794_000_000_000); // Unix time
/// let (snapshot, mut file) = (Session::of_client(config).export(), Vec::new()); // on a disk
///
/// // A process starts, takes a task and a message for it, and dies while it writes the next batch.
/// let mut journal = Journal::new(1);
/// let mut client = Client::new(ClientConfig::default(), Session::restore(now, &snapshot, config)?);
/// let token = client.publish(now, Publication::of("greenhouse/3", b"21.5", Qos::ExactlyOnce)?)?;
/// journal.data(b"task 17 is published");
/// while let Some(Output::Persist(change)) = client.poll(now, &mut Vec::new()) {
///     journal.change(&change);
/// }
/// file.extend(journal.seal()); // and sync
/// journal.data(b"task 18 is published");
/// file.extend(&journal.seal()[..40]);
/// file.extend([0; 500]); // what a file system may leave
///
/// // The next one.
/// let mut session = Session::restore(now, &snapshot, config)?;
/// let mut done = Vec::new();
/// let mut reader = JournalReader::new(1, &file);
/// loop {
///     match reader.next_batch() {
///         Ok(Some(records)) => {
///             for record in records {
///                 match record? {
///                     Record::Change(change) => session.apply(now, &change)?,
///                     Record::Data(data) => done.push(data.to_vec()),
///                 }
///             }
///         }
///         Ok(None) => break,
///         // Nothing that depends on it has happened: cut it off.
///         Err(JournalError::Unfinished { .. }) => break,
///         Err(damaged) => return Err(damaged.into()),
///     }
/// }
/// let mut journal = reader.into_journal();
/// file.truncate(journal.len() as usize);
/// assert_eq!(done, [b"task 17 is published"]);
/// assert_eq!(session.unsettled().next().map(|it| it.token), Some(token));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Journal {
    number: u64,
    /// Bytes of all batches that were sealed.
    length: u64,
    /// The batch: room for its header, and its records.
    batch: Vec<u8>,
    is_sealed: bool,
}

impl Journal {
    /// Creates an empty journal with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Journal::behind(number, 0)
    }

    const fn behind(number: u64, length: u64) -> Self {
        Journal {
            number,
            length,
            batch: Vec::new(),
            is_sealed: true,
        }
    }

    /// Returns the number of the journal.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns how many bytes all sealed batches have: the length of the file, and the position of
    /// the next batch.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Returns whether no batch was sealed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns whether there is a record for the next batch.
    #[must_use]
    pub const fn has_records(&self) -> bool {
        !self.is_sealed
    }

    /// Adds a change to the next batch.
    pub fn change(&mut self, change: &Change) {
        self.add(&StoredRecord::Change(record::store(
            change,
            Bodies::Repeated,
        )));
    }

    /// As [`Journal::change`], but a message that has a number,
    /// [`Publication::body`](crate::Publication::body), is named by it and its bytes are left out.
    /// The owner of the message must have stored it before, or store it in the same batch.
    pub fn change_without_body(&mut self, change: &Change) {
        self.add(&StoredRecord::Change(record::store(change, Bodies::Named)));
    }

    /// Adds bytes of the application to the next batch. The journal does not look at them.
    pub fn data(&mut self, data: &[u8]) {
        self.add(&StoredRecord::Data(data));
    }

    fn add(&mut self, record: &StoredRecord<'_>) {
        if core::mem::take(&mut self.is_sealed) {
            self.batch.resize(HEADER, 0);
        }
        let batch = core::mem::take(&mut self.batch);
        // It fails for records of unknown length, which there are not.
        self.batch = postcard::to_extend(record, batch).unwrap_or_default();
    }

    /// Returns the batch with the records since the last one; empty if there are none. Append it to
    /// the file. The next record begins another batch.
    ///
    /// Allocates nothing once a batch was as large.
    #[must_use = "to be stored"]
    pub fn seal(&mut self) -> &[u8] {
        if core::mem::replace(&mut self.is_sealed, true) {
            return &[];
        }
        let header = Header {
            version: format::VERSION,
            number: self.number,
            position: self.length,
            length: self.batch.len().saturating_sub(HEADER) as u64,
        };
        if let Some(place) = self.batch.first_chunk_mut() {
            *place = header.to_bytes();
        }
        let sum = format::CRC.checksum(&self.batch);
        self.batch.extend_from_slice(&sum.to_le_bytes());
        self.length = self.length.saturating_add(self.batch.len() as u64);
        &self.batch
    }
}

/// What a batch begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Header {
    version: u8,
    number: u64,
    position: u64,
    length: u64,
}

impl Header {
    const MAGIC: [u8; 3] = *b"M5J";

    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let fields = Self::MAGIC
            .into_iter()
            .chain([self.version])
            .chain(self.number.to_le_bytes())
            .chain(self.position.to_le_bytes())
            .chain(self.length.to_le_bytes());
        for (place, byte) in bytes.iter_mut().zip(fields) {
            *place = byte;
        }
        let (fields, sum) = bytes.split_at_mut(FIELDS);
        sum.copy_from_slice(&format::CRC.checksum(fields).to_le_bytes());
        bytes
    }

    /// The header at the front, if it is one.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&magic, rest) = bytes.split_first_chunk()?;
        let (&[version], rest) = rest.split_first_chunk()?;
        let (&number, rest) = rest.split_first_chunk()?;
        let (&position, rest) = rest.split_first_chunk()?;
        let (&length, rest) = rest.split_first_chunk()?;
        let sum = u32::from_le_bytes(*rest.first_chunk()?);
        if magic != Self::MAGIC || format::CRC.checksum(bytes.get(..FIELDS)?) != sum {
            return None;
        }
        Some(Header {
            version,
            number: u64::from_le_bytes(number),
            position: u64::from_le_bytes(position),
            length: u64::from_le_bytes(length),
        })
    }
}

/// What is wrong with a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalError {
    /// The last batch is not whole, or is followed by other bytes, such as zeros. An unfinished
    /// write leaves this, so nothing that depends on it has happened. Cut the file at this
    /// position, and go on.
    ///
    /// A last batch that was finished and damaged later looks the same.
    Unfinished {
        /// How many bytes are good.
        at: u64,
    },
    /// A batch is damaged, and a good one follows: it was finished once, and the packets that
    /// depend on it may have been sent. Restore a backup. To save what is left instead, call
    /// [`JournalReader::skip_damaged`].
    Damaged {
        /// Where it begins.
        at: u64,
        /// Where the next good batch begins.
        next: u64,
    },
    /// The batches belong to the journal with this number.
    Other(u64),
    /// The bytes are no journal.
    Alien,
    /// A later version of this library wrote it.
    Version(u8),
}

impl fmt::Display for JournalError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Unfinished { at } => {
                write!(
                    formatter,
                    "the write that begins at byte {at} was not finished"
                )
            }
            JournalError::Damaged { at, next } => write!(
                formatter,
                "the batch at byte {at} is damaged, and a good one follows at byte {next}"
            ),
            JournalError::Other(number) => {
                write!(formatter, "this is the journal with the number {number}")
            }
            JournalError::Alien => formatter.write_str("not a journal"),
            JournalError::Version(version) => {
                write!(formatter, "stored in the unknown format {version}")
            }
        }
    }
}

impl core::error::Error for JournalError {}
