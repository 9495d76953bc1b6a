//! Errors of the caller. Errors of the peer are events:
//! [`Cause::PeerError`](crate::Cause::PeerError).

use core::fmt;
use core::num::NonZeroU64;

use mqtt5_codec::{EncodeError, PropertyIdentifier, Violation};

use crate::LimitExceeded;

/// A message was not accepted; it has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no room for it now: the limits for stored or waiting messages are reached, or
    /// `poll` must be called first. [`Event::Room`](crate::Event::Room) follows when there is room.
    /// From `publish_now`: something else must be written first; no event follows.
    Busy,
    /// It is larger than the whole room for messages; or it would have to wait for a Network
    /// Connection, and is larger than the whole room for waiting messages.
    TooLarge,
    /// It exceeds a limit that the peer announced for this Network Connection.
    Forbidden(LimitExceeded),
    /// There is no Session.
    NoSession,
    /// There is no Network Connection.
    NotConnected,
    /// The message breaks a rule.
    Invalid(EncodeError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::Busy => formatter.write_str("there is no room for another message now"),
            PublishError::TooLarge => {
                formatter.write_str("larger than all the room that there is for messages")
            }
            PublishError::Forbidden(limit) => limit.fmt(formatter),
            PublishError::NoSession => formatter.write_str("there is no Session"),
            PublishError::NotConnected => formatter.write_str("not connected"),
            PublishError::Invalid(error) => error.fmt(formatter),
        }
    }
}

impl core::error::Error for PublishError {}

impl From<EncodeError> for PublishError {
    fn from(error: EncodeError) -> Self {
        PublishError::Invalid(error)
    }
}

impl From<Violation> for PublishError {
    fn from(violation: Violation) -> Self {
        PublishError::Invalid(EncodeError::Value(violation))
    }
}

impl From<LimitExceeded> for PublishError {
    fn from(limit: LimitExceeded) -> Self {
        PublishError::Forbidden(limit)
    }
}

/// A packet was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// There is no Network Connection.
    NotConnected,
    /// This packet is not expected now: there is no request to answer, or no authentication under
    /// way.
    NotExpected,
    /// The [`Receipt`](crate::Receipt) is no longer valid: its message was acknowledged, or its
    /// Network Connection or Session has ended.
    Stale,
    /// It exceeds a limit that the peer announced for this Network Connection.
    Forbidden(LimitExceeded),
    /// All Packet Identifiers are in use.
    NoIdentifier,
    /// The limit of requests that wait for the CONNACK is reached, or `poll` must be called first.
    Busy,
    /// Too many PINGREQs are unanswered.
    TooManyPings,
    /// The packet would break a rule.
    Invalid(EncodeError),
    /// The Session belongs to another ClientID.
    ClientIdentifierDiffers,
    /// This property is missing.
    PropertyMissing(PropertyIdentifier),
    /// This property is not allowed now.
    PropertyUnwanted(PropertyIdentifier),
    /// The number of Reason Codes differs from the number of Topic Filters.
    ReasonCodeCount,
    /// The peer speaks MQTT 3.1.1, which cannot say this.
    NotInVersion,
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::NotConnected => formatter.write_str("not connected"),
            SendError::NotExpected => formatter.write_str("nothing of this kind is to be sent now"),
            SendError::Stale => formatter.write_str("the receipt is void"),
            SendError::Forbidden(limit) => limit.fmt(formatter),
            SendError::Busy => formatter.write_str("too many requests wait to be sent"),
            SendError::NoIdentifier => formatter.write_str("all Packet Identifiers are in use"),
            SendError::TooManyPings => formatter.write_str("too many PINGREQs are unanswered"),
            SendError::Invalid(error) => error.fmt(formatter),
            SendError::ClientIdentifierDiffers => {
                formatter.write_str("the Session belongs to another ClientID")
            }
            SendError::PropertyMissing(identifier) => {
                write!(formatter, "the property {} is needed", identifier.name())
            }
            SendError::PropertyUnwanted(identifier) => {
                write!(
                    formatter,
                    "the property {} must not be given",
                    identifier.name()
                )
            }
            SendError::NotInVersion => formatter.write_str("MQTT 3.1.1 cannot say this"),
            SendError::ReasonCodeCount => {
                formatter.write_str("there are more or fewer Reason Codes than Topic Filters")
            }
        }
    }
}

impl core::error::Error for SendError {}

impl From<EncodeError> for SendError {
    fn from(error: EncodeError) -> Self {
        SendError::Invalid(error)
    }
}

impl From<Violation> for SendError {
    fn from(violation: Violation) -> Self {
        SendError::Invalid(EncodeError::Value(violation))
    }
}

impl From<LimitExceeded> for SendError {
    fn from(limit: LimitExceeded) -> Self {
        SendError::Forbidden(limit)
    }
}

/// A packet was not taken. Offer it again, before the packets that came after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotTaken {
    /// A CONNECT, or an AUTH before the CONNACK, waits for the caller's decision. Call
    /// [`Server::accept`](crate::Server::accept), [`Server::refuse`](crate::Server::refuse) or
    /// [`Server::authenticate`](crate::Server::authenticate) first.
    Undecided,
    /// Events from before this Network Connection, such as the end of an earlier Session, wait to
    /// be reported. Call `poll` until it returns `None` first.
    EventsFirst,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            NotTaken::Undecided => "the CONNECT must be accepted or refused first",
            NotTaken::EventsFirst => "`poll` must return earlier events first",
        })
    }
}

impl core::error::Error for NotTaken {}

/// Stored bytes cannot be restored, or a change cannot be applied. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes are not an exported Session or a change.
    Alien,
    /// A later version of this library stored them.
    Version(u8),
    /// Bytes are missing at the end. In a log: the last record is an unfinished write.
    Truncated,
    /// Bytes were changed or are left over. In a log: a record that is not the last is damaged.
    Damaged,
    /// The parts contradict each other, or a change does not fit the Session.
    Inconsistent,
    /// A message is named by this number of its body, and no message with it was found.
    BodyMissing(NonZeroU64),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Alien => formatter.write_str("not a stored Session or change"),
            RestoreError::Version(version) => {
                write!(formatter, "stored in the unknown format {version}")
            }
            RestoreError::Truncated => formatter.write_str("the end of what was stored is missing"),
            RestoreError::Damaged => formatter.write_str("what was stored is damaged"),
            RestoreError::Inconsistent => {
                formatter.write_str("the parts of what was stored contradict each other")
            }
            RestoreError::BodyMissing(body) => {
                write!(formatter, "there is no message with the body number {body}")
            }
        }
    }
}

impl core::error::Error for RestoreError {}
