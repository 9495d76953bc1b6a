//! What the caller did wrong, or cannot have now. Errors of the peer are events:
//! [`Cause::PeerError`](crate::Cause::PeerError).

use core::fmt;

use mqtt5_codec::{EncodeError, PropertyIdentifier, Violation};

use crate::LimitExceeded;

/// A message was not accepted; it has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no room for it now: as much is stored, or waits, as may, or `poll` has to be called first.
    /// [`Event::Room`](crate::Event::Room) follows when there is room. From `publish_now`: something waits to be
    /// written first; no event follows.
    Busy,
    /// It is larger than all the room that there is for messages; or it would have to wait for a Network Connection,
    /// and is larger than all the room that waiting messages have.
    TooLarge,
    /// The peer does not take such a message on this Network Connection.
    Forbidden(LimitExceeded),
    /// There is no Session to take it.
    NoSession,
    /// There is no Network Connection to write it to.
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

/// A packet that the caller asked for is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// There is no Network Connection, or not yet, or no more.
    NotConnected,
    /// Nothing of this kind is to be sent now: there is no request to be answered, or no
    /// authentication under way.
    NotExpected,
    /// A Receipt that is void: its message was acknowledged before, or its Network Connection or
    /// Session is gone.
    Stale,
    /// The peer does not take such a packet on this Network Connection.
    Forbidden(LimitExceeded),
    /// All Packet Identifiers are in use.
    NoIdentifier,
    /// As many requests wait for the CONNACK as may, or so much waits to be written that `poll` has to be called
    /// first.
    Busy,
    /// As many PINGREQs as may be unanswered are.
    TooManyPings,
    /// The packet would break a rule.
    Invalid(EncodeError),
    /// The Session belongs to another ClientID.
    ClientIdentifierDiffers,
    /// This property has to be given now.
    PropertyMissing(PropertyIdentifier),
    /// This property must not be given now.
    PropertyUnwanted(PropertyIdentifier),
    /// There are more or fewer Reason Codes than Topic Filters.
    ReasonCodeCount,
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

/// A packet was not taken: it is to be offered again, before the packets that came after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotTaken {
    /// A CONNECT, or an AUTH before the CONNACK, waits for the caller's decision: after
    /// [`Server::accept`](crate::Server::accept), [`Server::refuse`](crate::Server::refuse) or
    /// [`Server::authenticate`](crate::Server::authenticate) the packet can be taken.
    Undecided,
    /// What happened before this Network Connection, such as the end of an earlier Session, is to be reported first:
    /// once `poll` has returned those events, the packet can be taken.
    EventsFirst,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            NotTaken::Undecided => "the CONNECT has to be decided about first",
            NotTaken::EventsFirst => "earlier events have to be taken from `poll` first",
        })
    }
}

impl core::error::Error for NotTaken {}

/// Stored bytes are not a Session, or a change does not fit to it. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes do not begin as an exported Session, or a change, does.
    Alien,
    /// They were stored by a version of this library that this one does not know.
    Version(u8),
    /// Bytes are missing at the end. In a log: the last record is an unfinished write.
    Truncated,
    /// Bytes were changed or are left over. In a log: a record before a good one.
    Damaged,
    /// The parts contradict each other, or a change does not fit to the Session.
    Inconsistent,
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
        }
    }
}

impl core::error::Error for RestoreError {}
