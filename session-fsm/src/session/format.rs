//! How a Session and a change of one are stored: an envelope around a body in the
//! [postcard](https://postcard.jamesmunns.com/wire-format) format.
//!
//! | bytes | what |
//! | --- | --- |
//! | 3 | `M5S` for a Session, `M5C` for a change |
//! | 1 | version of the format |
//! | 6 | length of the body, least significant byte first |
//! | 2 | low half of the CRC-32 of these ten bytes, least significant byte first |
//! | length | body |
//! | 4 | CRC-32 (that of Ethernet and zip) of all before it, least significant byte first |
//!
//! The first twelve bytes stay as they are in every version. Their own checksum tells a length that
//! was damaged from a record whose end is missing.
//!
//! The types here are the bodies. They are nobody else's, so that the format does not follow when the
//! machines change. A new version has new types beside these, and the types of earlier versions stay readable.

mod version_1;

use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::time::Duration;

use mqtt5_codec::bytes::Bytes;
use mqtt5_codec::{Message, PacketIdentifier, Qos};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::RestoreError;
use crate::event::WillMessage;
use crate::session::{Accepted, Deadline};
use crate::{Instant, Token};

const VERSION: u8 = 2;
const FIELDS: usize = 10;
const HEADER: usize = FIELDS + 2;

static CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// A body, whose form depends on the version.
pub(super) trait Body<'a>: Deserialize<'a> {
    /// What version 1 had in its place.
    type Version1: Deserialize<'a> + Into<Self>;
}

impl<'a> Body<'a> for StoredSession<'a> {
    type Version1 = version_1::StoredSession<'a>;
}

impl<'a> Body<'a> for StoredChange<'a> {
    type Version1 = version_1::StoredChange<'a>;
}

/// What is in an envelope.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Session = b'S' as isize,
    Change = b'C' as isize,
}

/// A Session.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredSession<'a> {
    pub(super) server: bool,
    pub(super) client_identifier: &'a str,
    pub(super) life: Life,
    #[serde(borrow)]
    pub(super) will: Option<StoredWill<'a>>,
    pub(super) last_token: u64,
    /// Packet Identifiers and messages, in the order of their first sending.
    pub(super) in_flight: Vec<(u16, StoredMessage<'a>)>,
    /// Packet Identifiers and tokens, in the order in which PUBREC came.
    pub(super) released: Vec<(u16, u64)>,
    /// Packet Identifiers that are not used again before the Session ends, ascending.
    pub(super) lost: Vec<u16>,
    /// Packet Identifiers of the peer, ascending.
    pub(super) received: Vec<u16>,
    /// In the order in which they were accepted.
    pub(super) waiting: Vec<StoredMessage<'a>>,
    /// By their tokens, which ascend.
    pub(super) deadlines: Vec<(u64, StoredDeadline)>,
}

/// By when a publication is to be over.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct StoredDeadline {
    at: u64,
    /// Seconds and nanoseconds.
    within: (u64, u32),
}

/// Whether there is a Session, and for how long.
#[derive(Serialize, Deserialize)]
pub(super) enum Life {
    None,
    Connected {
        expiry_interval: u32,
    },
    Away {
        ends_at: Option<u64>,
        expiry_interval: u32,
    },
}

/// A message with QoS 1 or 2 that was accepted.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredMessage<'a> {
    token: u64,
    qos: u8,
    expires_at: Option<u64>,
    topic_alias: u16,
    #[serde(borrow, serialize_with = "as_bytes")]
    message: &'a [u8],
}

/// A Will Message.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredWill<'a> {
    qos: u8,
    /// Seconds.
    pub(super) delay: u32,
    /// While there is no Network Connection.
    pub(super) due_at: Option<u64>,
    #[serde(borrow, serialize_with = "as_bytes")]
    message: &'a [u8],
}

/// A change of a Session.
#[derive(Serialize, Deserialize)]
pub(super) enum StoredChange<'a> {
    Accepted(#[serde(borrow)] StoredMessage<'a>, Option<StoredDeadline>),
    Sent {
        token: u64,
        packet_identifier: u16,
    },
    Released {
        packet_identifier: u16,
    },
    Finished {
        packet_identifier: u16,
    },
    Lost {
        packet_identifier: u16,
    },
    Overdue {
        token: u64,
    },
    Dropped {
        token: u64,
    },
    Received {
        packet_identifier: u16,
    },
    Completed {
        packet_identifier: u16,
    },
    Connected {
        client_identifier: &'a str,
        expiry_interval: u32,
    },
    WillStored(StoredWill<'a>),
    WillRemoved,
    Disconnected {
        ends_at: Option<u64>,
        expiry_interval: u32,
        will_due_at: Option<u64>,
    },
    Ended,
}

impl StoredDeadline {
    pub(super) fn new(deadline: Deadline) -> Self {
        StoredDeadline {
            at: deadline.at.as_millis(),
            within: (deadline.within.as_secs(), deadline.within.subsec_nanos()),
        }
    }

    pub(super) fn read(self) -> Result<Deadline, RestoreError> {
        let (seconds, nanoseconds) = self.within;
        if nanoseconds >= 1_000_000_000 || self.at == Instant::NEVER.as_millis() {
            return Err(RestoreError::Inconsistent);
        }
        Ok(Deadline {
            at: Instant::from_millis(self.at),
            within: Duration::new(seconds, nanoseconds),
        })
    }
}

impl<'a> StoredMessage<'a> {
    pub(super) fn new(
        token: Token,
        qos: Qos,
        expires_at: Instant,
        topic_alias: Option<NonZeroU16>,
        message: &'a Message,
    ) -> Self {
        StoredMessage {
            token: token.number(),
            qos: qos as u8,
            expires_at: from_instant(expires_at),
            topic_alias: topic_alias.map_or(0, NonZeroU16::get),
            message: message.as_bytes(),
        }
    }

    /// The message, copied.
    pub(super) fn read(&self) -> Result<Accepted, RestoreError> {
        let qos = to_qos(self.qos)?;
        if qos == Qos::AtMostOnce {
            return Err(RestoreError::Inconsistent);
        }
        Ok(Accepted {
            message: to_message(self.message)?,
            token: to_token(self.token)?,
            expires_at: to_instant(self.expires_at),
            qos,
            topic_alias: NonZeroU16::new(self.topic_alias),
        })
    }
}

impl<'a> StoredWill<'a> {
    pub(super) fn new(will: &'a WillMessage, delay: u32, due_at: Instant) -> Self {
        StoredWill {
            qos: will.qos as u8,
            delay,
            due_at: from_instant(due_at),
            message: will.message.as_bytes(),
        }
    }

    /// The message, copied.
    pub(super) fn read(&self) -> Result<WillMessage, RestoreError> {
        Ok(WillMessage {
            message: to_message(self.message)?,
            qos: to_qos(self.qos)?,
        })
    }
}

/// Puts a body into an envelope.
pub(super) fn seal<T: Serialize>(kind: Kind, body: &T) -> Vec<u8> {
    // It fails for bodies of unknown length, which there are not.
    let mut bytes =
        postcard::to_extend(body, alloc::vec![0; HEADER]).unwrap_or(alloc::vec![0; HEADER]);
    let length = (bytes.len() - HEADER) as u64;
    if let Some(header) = bytes.first_chunk_mut() {
        *header = header_for(kind, VERSION, length);
    }
    let sum = CRC.checksum(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The body of the envelope at the front of `input`, and what follows.
pub(super) fn open<'a, T: Body<'a>>(
    kind: Kind,
    input: &'a [u8],
) -> Result<(T, &'a [u8]), RestoreError> {
    let magic = magic(kind);
    let known = input.len().min(magic.len());
    if input.get(..known) != magic.get(..known) {
        return Err(RestoreError::Alien);
    }
    let Some(header) = input.first_chunk::<HEADER>() else {
        return Err(RestoreError::Truncated);
    };
    let [_, _, _, version, l0, l1, l2, l3, l4, l5, _, _] = *header;
    let length = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, 0, 0]);
    if *header != header_for(kind, version, length) {
        return Err(RestoreError::Damaged);
    }
    if !(1..=VERSION).contains(&version) {
        return Err(RestoreError::Version(version));
    }
    let (sealed, body, after) = usize::try_from(length)
        .ok()
        .and_then(|length| input.split_at_checked(HEADER.checked_add(length)?))
        .and_then(|(sealed, after)| Some((sealed, sealed.get(HEADER..)?, after)))
        .ok_or(RestoreError::Truncated)?;
    let (sum, rest) = after.split_first_chunk().ok_or(RestoreError::Truncated)?;
    if CRC.checksum(sealed) != u32::from_le_bytes(*sum) {
        return Err(RestoreError::Damaged);
    }
    let body = match version {
        1 => whole::<T::Version1>(body)?.into(),
        _ => whole(body)?,
    };
    Ok((body, rest))
}

/// A value that takes all of the bytes.
fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, RestoreError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(RestoreError::Damaged),
    }
}

const fn magic(kind: Kind) -> [u8; 3] {
    [b'M', b'5', kind as u8]
}

fn header_for(kind: Kind, version: u8, length: u64) -> [u8; HEADER] {
    let [m0, m1, m2] = magic(kind);
    let [l0, l1, l2, l3, l4, l5, ..] = length.to_le_bytes();
    let fields: [u8; FIELDS] = [m0, m1, m2, version, l0, l1, l2, l3, l4, l5];
    let [s0, s1, ..] = CRC.checksum(&fields).to_le_bytes();
    [m0, m1, m2, version, l0, l1, l2, l3, l4, l5, s0, s1]
}

/// All at once, not byte by byte.
fn as_bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

pub(super) fn from_instant(instant: Instant) -> Option<u64> {
    (instant != Instant::NEVER).then_some(instant.as_millis())
}

pub(super) fn to_instant(stored: Option<u64>) -> Instant {
    stored.map_or(Instant::NEVER, Instant::from_millis)
}

pub(super) fn to_token(number: u64) -> Result<Token, RestoreError> {
    match number {
        // After the last one there have to be others.
        0 | Token::TOO_HIGH.. => Err(RestoreError::Inconsistent),
        _ => Ok(Token::from_number(number)),
    }
}

pub(super) fn to_identifier(number: u16) -> Result<PacketIdentifier, RestoreError> {
    PacketIdentifier::new(number).ok_or(RestoreError::Inconsistent)
}

fn to_qos(bits: u8) -> Result<Qos, RestoreError> {
    Qos::from_bits(bits).ok_or(RestoreError::Inconsistent)
}

fn to_message(packet: &[u8]) -> Result<Message, RestoreError> {
    Message::from_bytes(Bytes::copy_from_slice(packet)).map_err(|_| RestoreError::Inconsistent)
}
