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
//! The types here are the bodies, and are used for nothing else, so that the format does not change
//! with the machines. A new version has new types beside these, and the types of earlier versions
//! stay readable.

pub(crate) mod version_1;

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU64};
use core::time::Duration;

use mqtt5_codec::bytes::Bytes;
use mqtt5_codec::{Message, PacketIdentifier, Qos, SubscriptionIdentifier};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::RestoreError;
use crate::event::WillMessage;
use crate::session::{Deadline, Life, Publication, QueuedMessage};
use crate::{Instant, Token};

pub(crate) const VERSION: u8 = 2;
const FIELDS: usize = 10;
const HEADER: usize = FIELDS + 2;
/// Behind the body.
const SUM: usize = 4;

pub(crate) static CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// A body, whose form depends on the version.
pub(crate) trait Body<'a>: Deserialize<'a> {
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
pub(crate) enum Kind {
    Session = b'S' as isize,
    Change = b'C' as isize,
}

/// A Session.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredSession<'a> {
    pub(crate) server: bool,
    pub(crate) client_identifier: &'a str,
    pub(crate) life: StoredLife,
    #[serde(borrow)]
    pub(crate) will: Option<StoredWill<'a>>,
    pub(crate) last_token: u64,
    /// Packet Identifiers and messages, in the order of their first sending.
    pub(crate) in_flight: Vec<(u16, StoredMessage<'a>)>,
    /// Packet Identifiers and tokens, in the order in which PUBREC came.
    pub(crate) released: Vec<(u16, u64)>,
    /// Packet Identifiers that are not used again before the Session ends, ascending.
    pub(crate) lost: Vec<u16>,
    /// Packet Identifiers of the peer, ascending.
    pub(crate) received: Vec<u16>,
    /// In the order in which they were accepted.
    pub(crate) waiting: Vec<StoredMessage<'a>>,
    /// By their tokens, which ascend.
    pub(crate) deadlines: Vec<(u64, StoredDeadline)>,
}

/// The deadline of a publication.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct StoredDeadline {
    at: u64,
    /// Seconds and nanoseconds.
    within: (u64, u32),
}

/// Whether there is a Session, and for how long.
#[derive(Serialize, Deserialize)]
pub(crate) enum StoredLife {
    None,
    Connected {
        expiry_interval: u32,
    },
    Away {
        ends_at: Option<u64>,
        expiry_interval: u32,
    },
    /// The Server had the Session first. It has released the Packet Identifiers up to `identifiers`.
    AdoptedConnected {
        expiry_interval: u32,
        identifiers: u16,
    },
    AdoptedAway {
        ends_at: Option<u64>,
        expiry_interval: u32,
        identifiers: u16,
    },
}

/// A message with QoS 1 or 2 that was accepted. Without bytes, it is the one that its owner stores
/// under the number of its body.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredMessage<'a> {
    token: u64,
    qos: u8,
    retain: bool,
    expires_at: Option<u64>,
    topic_alias: u16,
    subscription_identifiers: Vec<u32>,
    body: Option<u64>,
    #[serde(borrow, serialize_with = "as_bytes")]
    message: &'a [u8],
}

/// A Will Message.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredWill<'a> {
    qos: u8,
    /// Seconds.
    pub(crate) delay: u32,
    /// While there is no Network Connection.
    pub(crate) due_at: Option<u64>,
    #[serde(borrow, serialize_with = "as_bytes")]
    message: &'a [u8],
}

/// A change of a Session.
#[derive(Serialize, Deserialize)]
pub(crate) enum StoredChange<'a> {
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
    Adopted {
        identifiers: u16,
    },
}

impl StoredLife {
    pub(crate) fn new(life: Life, adopted: Option<u16>) -> Self {
        match (life, adopted) {
            (Life::None, _) => StoredLife::None,
            (Life::Connected(expiry_interval), None) => StoredLife::Connected { expiry_interval },
            (Life::Connected(expiry_interval), Some(identifiers)) => StoredLife::AdoptedConnected {
                expiry_interval,
                identifiers,
            },
            (Life::Away(absence) | Life::Resuming(absence), None) => StoredLife::Away {
                ends_at: from_instant(absence.ends_at),
                expiry_interval: absence.expiry_interval,
            },
            (Life::Away(absence) | Life::Resuming(absence), Some(identifiers)) => {
                StoredLife::AdoptedAway {
                    ends_at: from_instant(absence.ends_at),
                    expiry_interval: absence.expiry_interval,
                    identifiers,
                }
            }
        }
    }

    /// How many Packet Identifiers the Server has released, if it had the Session first.
    pub(crate) const fn adopted(&self) -> Option<u16> {
        match self {
            StoredLife::None | StoredLife::Connected { .. } | StoredLife::Away { .. } => None,
            StoredLife::AdoptedConnected { identifiers, .. }
            | StoredLife::AdoptedAway { identifiers, .. } => Some(*identifiers),
        }
    }
}

impl StoredDeadline {
    pub(crate) fn new(deadline: Deadline) -> Self {
        StoredDeadline {
            at: deadline.at.as_millis(),
            within: (deadline.within.as_secs(), deadline.within.subsec_nanos()),
        }
    }

    pub(crate) fn read(self) -> Result<Deadline, RestoreError> {
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

/// How messages are stored that have a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// With their bytes.
    Repeated,
    /// By the number alone.
    Named,
}

/// Finds the message that its owner stores under a number.
pub(crate) type Find<'f> = dyn FnMut(NonZeroU64) -> Option<Message> + 'f;

/// For records in which every message has its bytes.
pub(crate) fn find_none(_: NonZeroU64) -> Option<Message> {
    None
}

impl<'a> StoredMessage<'a> {
    pub(crate) fn new(queued: &'a QueuedMessage, bodies: Bodies) -> Self {
        StoredMessage {
            token: queued.token.number(),
            qos: queued.qos as u8,
            retain: queued.retain,
            expires_at: from_instant(queued.expires_at),
            topic_alias: queued.topic_alias.map_or(0, NonZeroU16::get),
            subscription_identifiers: queued
                .subscription_identifiers()
                .map(SubscriptionIdentifier::get)
                .collect(),
            body: queued.body.map(NonZeroU64::get),
            message: match bodies {
                Bodies::Named if queued.body.is_some() => &[],
                _ => queued.message.as_bytes(),
            },
        }
    }

    pub(super) const fn token(&self) -> u64 {
        self.token
    }

    /// The message, copied, or the one that its number names.
    pub(crate) fn read(&self, find: &mut Find<'_>) -> Result<QueuedMessage, RestoreError> {
        let qos = to_qos(self.qos)?;
        let body = self.body.map(to_body).transpose()?;
        let message = match body {
            Some(body) if self.message.is_empty() => {
                find(body).ok_or(RestoreError::BodyMissing(body))?
            }
            _ => to_message(self.message)?,
        };
        if qos == Qos::AtMostOnce {
            return Err(RestoreError::Inconsistent);
        }
        let publication = Publication {
            retain: self.retain,
            expires_at: Some(to_instant(self.expires_at)),
            body,
            subscription_identifiers: self
                .subscription_identifiers
                .iter()
                .map(|&value| SubscriptionIdentifier::new(value))
                .collect::<Result<_, _>>()
                .map_err(|_| RestoreError::Inconsistent)?,
            topic_alias: NonZeroU16::new(self.topic_alias),
            ..Publication::new(qos, message)
        };
        Ok(QueuedMessage::new(to_token(self.token)?, publication))
    }
}

impl<'a> StoredWill<'a> {
    pub(crate) fn new(will: &'a WillMessage, delay: u32, due_at: Instant) -> Self {
        StoredWill {
            qos: will.qos as u8,
            delay,
            due_at: from_instant(due_at),
            message: will.message.as_bytes(),
        }
    }

    /// The message, copied.
    pub(crate) fn read(&self) -> Result<WillMessage, RestoreError> {
        Ok(WillMessage {
            message: to_message(self.message)?,
            qos: to_qos(self.qos)?,
        })
    }
}

/// Puts a body into an envelope.
pub(crate) fn seal<T: Serialize>(kind: Kind, body: &T) -> Vec<u8> {
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
pub(crate) fn open<'a, T: Body<'a>>(
    kind: Kind,
    input: &'a [u8],
) -> Result<(T, &'a [u8]), RestoreError> {
    let (version, body, rest) = unseal(kind, input)?;
    let body = match version {
        1 => whole::<T::Version1>(body)?.into(),
        _ => whole(body)?,
    };
    Ok((body, rest))
}

/// As [`open`], for a log: a last record that is damaged anywhere, or whose place has something
/// else, was not finished. Only if a good one follows is it damage.
pub(crate) fn open_in_log<'a, T: Body<'a>>(
    kind: Kind,
    log: &'a [u8],
) -> Result<(T, &'a [u8]), RestoreError> {
    match unseal(kind, log) {
        Err(RestoreError::Damaged | RestoreError::Alien) if is_followed(kind, log) => {
            Err(RestoreError::Damaged)
        }
        Err(RestoreError::Damaged) if fault!("unfinished record is damage") => open(kind, log),
        Err(RestoreError::Damaged) => Err(RestoreError::Truncated),
        Err(RestoreError::Alien) if resembles_record(kind, log) => Err(RestoreError::Truncated),
        _ => open(kind, log),
    }
}

/// Whether a good record begins behind the first byte.
fn is_followed(kind: Kind, log: &[u8]) -> bool {
    // A payload may contain records, too: where the end of this one is known, the search begins
    // there.
    let end = header_at(kind, log).map_or(1, |(_, length)| {
        let body = usize::try_from(length).unwrap_or(usize::MAX);
        body.saturating_add(HEADER + SUM)
    });
    let mut work = Work::new(log.len());
    for candidate in find_all(log, end, &magic(kind)) {
        let record = log.get(candidate..).unwrap_or_default();
        match unseal(kind, record) {
            Ok(_) | Err(RestoreError::Version(_)) => return true,
            Err(_) => {
                let length = header_at(kind, record).map_or(0, |(_, length)| length);
                if !work.spend(length) {
                    return true;
                }
            }
        }
    }
    false
}

/// Whether something that does not begin as a record may be what is left of one: where nothing was
/// written there are zero bytes or 0xFF, and a checksum that is right is that of a record.
fn resembles_record(kind: Kind, log: &[u8]) -> bool {
    let mut corrected = log.first_chunk::<HEADER>().copied();
    if let Some(place) = corrected.as_mut().and_then(|it| it.first_chunk_mut()) {
        *place = magic(kind);
    }
    let is_record = corrected.is_some_and(|header| header_at(kind, &header).is_some());
    is_record || partly_written(kind, log)
}

/// Whether the first byte that is not that of a record was never written.
fn partly_written(kind: Kind, log: &[u8]) -> bool {
    let magic = magic(kind);
    let written = log.iter().zip(&magic).take_while(|(a, b)| a == b).count();
    matches!(log.get(written), Some(0 | 0xFF))
}

/// Positions at which these bytes are, from one position on.
pub(crate) fn find_all<'a>(
    bytes: &'a [u8],
    from: usize,
    pattern: &'a [u8; 3],
) -> impl Iterator<Item = usize> + 'a {
    let windows = bytes.get(from..).unwrap_or_default().windows(pattern.len());
    windows
        .enumerate()
        .filter(move |(_, window)| window == pattern)
        .map(move |(position, _)| from + position)
}

/// How many bytes may be looked at in search of something good: several times all of them. Whoever
/// writes records into payloads cannot make it take longer; then it is damage.
pub(crate) struct Work(u64);

impl Work {
    pub(crate) const fn new(length: usize) -> Self {
        Work((length as u64).saturating_mul(8))
    }

    /// Whether there was enough left.
    pub(crate) const fn spend(&mut self, bytes: u64) -> bool {
        let enough = self.0 >= bytes;
        self.0 = self.0.saturating_sub(bytes);
        enough
    }
}

/// Version and length in the header at the front, if its checksum is right.
fn header_at(kind: Kind, input: &[u8]) -> Option<(u8, u64)> {
    let header = input.first_chunk::<HEADER>()?;
    let [_, _, _, version, l0, l1, l2, l3, l4, l5, _, _] = *header;
    let length = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, 0, 0]);
    (*header == header_for(kind, version, length)).then_some((version, length))
}

/// The version and the body of the envelope at the front, and what follows.
fn unseal(kind: Kind, input: &[u8]) -> Result<(u8, &[u8], &[u8]), RestoreError> {
    let magic = magic(kind);
    let known = input.len().min(magic.len());
    if input.get(..known) != magic.get(..known) {
        return Err(RestoreError::Alien);
    }
    let header = input.get(..HEADER).ok_or(RestoreError::Truncated)?;
    let (version, length) = header_at(kind, header).ok_or(RestoreError::Damaged)?;
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
    Ok((version, body, rest))
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
pub(crate) fn as_bytes<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

pub(crate) fn from_instant(instant: Instant) -> Option<u64> {
    (instant != Instant::NEVER).then_some(instant.as_millis())
}

pub(crate) fn to_instant(stored: Option<u64>) -> Instant {
    stored.map_or(Instant::NEVER, Instant::from_millis)
}

pub(crate) fn to_token(number: u64) -> Result<Token, RestoreError> {
    match number {
        // After the last one there have to be others.
        0 | Token::TOO_HIGH.. => Err(RestoreError::Inconsistent),
        _ => Ok(Token::from_number(number)),
    }
}

pub(crate) fn to_identifier(number: u16) -> Result<PacketIdentifier, RestoreError> {
    PacketIdentifier::new(number).ok_or(RestoreError::Inconsistent)
}

fn to_body(number: u64) -> Result<NonZeroU64, RestoreError> {
    NonZeroU64::new(number).ok_or(RestoreError::Inconsistent)
}

fn to_qos(bits: u8) -> Result<Qos, RestoreError> {
    Qos::from_bits(bits).ok_or(RestoreError::Inconsistent)
}

fn to_message(packet: &[u8]) -> Result<Message, RestoreError> {
    Message::from_bytes(Bytes::copy_from_slice(packet)).map_err(|_| RestoreError::Inconsistent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_no_session_has_is_refused() {
        let never = Instant::NEVER.as_millis();
        for (at, nanoseconds, is_good) in [
            (never - 1, 999_999_999, true),
            (never, 0, false),
            (0, 1_000_000_000, false),
        ] {
            let within = (1, nanoseconds);
            let deadline = StoredDeadline { at, within }.read();
            assert_eq!(deadline.is_ok(), is_good, "{at}, {nanoseconds}");
        }
    }
}
