//! A change as bytes: a record of a log.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::Message;

use super::format::{
    self, Bodies, Find, Kind, StoredChange, StoredDeadline, StoredMessage, StoredWill,
    from_instant, to_identifier, to_instant, to_token,
};
use crate::error::RestoreError;
use crate::session::Change;

impl Change {
    /// Returns the change as a record for a log, with its length and a checksum.
    #[must_use = "to be stored"]
    pub fn to_bytes(&self) -> Vec<u8> {
        format::seal(Kind::Change, &store(self, Bodies::Repeated))
    }

    /// As [`Change::to_bytes`], but a message that has a number,
    /// [`Publication::body`](crate::Publication::body), is named by it and its bytes are left out.
    /// The owner of the message must have stored it under the number before. For many receivers of
    /// one message, it is stored once.
    #[must_use = "to be stored"]
    pub fn to_bytes_without_body(&self) -> Vec<u8> {
        format::seal(Kind::Change, &store(self, Bodies::Named))
    }

    /// Returns the change that [`Change::to_bytes`] stored. Messages are copied.
    ///
    /// # Errors
    ///
    /// [`RestoreError`] if the bytes are not those of one whole change.
    pub fn from_bytes(bytes: &[u8]) -> Result<Change, RestoreError> {
        Change::from_bytes_with_body(bytes, format::find_none)
    }

    /// As [`Change::from_bytes`], also for [`Change::to_bytes_without_body`]: `find` returns the
    /// message that is stored under a number. It is shared, not copied.
    ///
    /// # Errors
    ///
    /// As [`Change::from_bytes`]; [`RestoreError::BodyMissing`] if `find` returns `None`.
    pub fn from_bytes_with_body(
        bytes: &[u8],
        mut find: impl FnMut(NonZeroU64) -> Option<Message>,
    ) -> Result<Change, RestoreError> {
        let (change, rest) = format::open(Kind::Change, bytes)?;
        if rest.is_empty() {
            read(&change, &mut find)
        } else {
            Err(RestoreError::Damaged)
        }
    }

    /// Takes the first change off a log of records; returns `None` at its end. Messages are copied.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Truncated`] if the rest is an unfinished write, as after a crash: the end of
    /// the record is missing, the record is damaged, or zero bytes or 0xFF are in its place or
    /// follow the log, and no good record follows. No packet that depends on this record was sent,
    /// so cut the log here and go on. [`RestoreError::Damaged`] if a good record follows: the log
    /// was damaged later. Every other error means that the bytes are not a record. After an error,
    /// `log` begins with the record.
    ///
    /// A [`Journal`](crate::journal::Journal) does the same for batches of changes and application
    /// data.
    pub fn take(log: &mut &[u8]) -> Result<Option<Change>, RestoreError> {
        Change::take_with_body(log, format::find_none)
    }

    /// As [`Change::take`], also for [`Change::to_bytes_without_body`]: `find` returns the message
    /// that is stored under a number. It is shared, not copied.
    ///
    /// # Errors
    ///
    /// As [`Change::take`]; [`RestoreError::BodyMissing`] if `find` returns `None`.
    pub fn take_with_body(
        log: &mut &[u8],
        mut find: impl FnMut(NonZeroU64) -> Option<Message>,
    ) -> Result<Option<Change>, RestoreError> {
        if log.is_empty() {
            return Ok(None);
        }
        let (change, rest) = format::open_in_log(Kind::Change, log)?;
        let change = read(&change, &mut find)?;
        *log = rest;
        Ok(Some(change))
    }
}

pub(crate) fn store(change: &Change, bodies: Bodies) -> StoredChange<'_> {
    match *change {
        Change::Accepted {
            ref message,
            deadline,
        } => StoredChange::Accepted(
            StoredMessage::new(message, bodies),
            deadline.map(StoredDeadline::new),
        ),
        Change::Sent {
            token,
            packet_identifier,
        } => StoredChange::Sent {
            token: token.number(),
            packet_identifier: packet_identifier.get(),
        },
        Change::Released { packet_identifier } => StoredChange::Released {
            packet_identifier: packet_identifier.get(),
        },
        Change::Finished { packet_identifier } => StoredChange::Finished {
            packet_identifier: packet_identifier.get(),
        },
        Change::Lost { packet_identifier } => StoredChange::Lost {
            packet_identifier: packet_identifier.get(),
        },
        Change::Overdue { token } => StoredChange::Overdue {
            token: token.number(),
        },
        Change::Dropped { token } => StoredChange::Dropped {
            token: token.number(),
        },
        Change::Received { packet_identifier } => StoredChange::Received {
            packet_identifier: packet_identifier.get(),
        },
        Change::Completed { packet_identifier } => StoredChange::Completed {
            packet_identifier: packet_identifier.get(),
        },
        Change::Connected {
            ref client_identifier,
            expiry_interval,
        } => StoredChange::Connected {
            client_identifier,
            expiry_interval,
        },
        Change::WillStored { ref will, delay } => {
            StoredChange::WillStored(StoredWill::new(will, delay, crate::Instant::NEVER))
        }
        Change::WillRemoved => StoredChange::WillRemoved,
        Change::Disconnected {
            ends_at,
            expiry_interval,
            will_due_at,
        } => StoredChange::Disconnected {
            ends_at: from_instant(ends_at),
            expiry_interval,
            will_due_at: from_instant(will_due_at),
        },
        Change::Adopted { identifiers } => StoredChange::Adopted { identifiers },
        Change::Ended => StoredChange::Ended,
    }
}

pub(crate) fn read(stored: &StoredChange<'_>, find: &mut Find<'_>) -> Result<Change, RestoreError> {
    Ok(match *stored {
        StoredChange::Accepted(ref message, deadline) => Change::Accepted {
            message: message.read(find)?,
            deadline: deadline.map(StoredDeadline::read).transpose()?,
        },
        StoredChange::Sent {
            token,
            packet_identifier,
        } => Change::Sent {
            token: to_token(token)?,
            packet_identifier: to_identifier(packet_identifier)?,
        },
        StoredChange::Released { packet_identifier } => Change::Released {
            packet_identifier: to_identifier(packet_identifier)?,
        },
        StoredChange::Finished { packet_identifier } => Change::Finished {
            packet_identifier: to_identifier(packet_identifier)?,
        },
        StoredChange::Lost { packet_identifier } => Change::Lost {
            packet_identifier: to_identifier(packet_identifier)?,
        },
        StoredChange::Overdue { token } => Change::Overdue {
            token: to_token(token)?,
        },
        StoredChange::Dropped { token } => Change::Dropped {
            token: to_token(token)?,
        },
        StoredChange::Received { packet_identifier } => Change::Received {
            packet_identifier: to_identifier(packet_identifier)?,
        },
        StoredChange::Completed { packet_identifier } => Change::Completed {
            packet_identifier: to_identifier(packet_identifier)?,
        },
        StoredChange::Connected {
            client_identifier,
            expiry_interval,
        } => Change::Connected {
            client_identifier: client_identifier.into(),
            expiry_interval,
        },
        StoredChange::WillStored(ref will) => Change::WillStored {
            will: will.read()?,
            delay: will.delay,
        },
        StoredChange::WillRemoved => Change::WillRemoved,
        StoredChange::Disconnected {
            ends_at,
            expiry_interval,
            will_due_at,
        } => Change::Disconnected {
            ends_at: to_instant(ends_at),
            expiry_interval,
            will_due_at: to_instant(will_due_at),
        },
        StoredChange::Adopted { identifiers } => Change::Adopted { identifiers },
        StoredChange::Ended => Change::Ended,
    })
}
