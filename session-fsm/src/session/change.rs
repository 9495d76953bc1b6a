//! The changes of a Session that must survive a crash.

use alloc::boxed::Box;

use mqtt5_codec::PacketIdentifier;

use super::{Deadline, QueuedMessage};
use crate::event::WillMessage;
use crate::{Instant, Token};

/// A change of a Session. Store it before the packets that depend on it go to the network.
///
/// [`Session::apply`](crate::Session::apply) applies changes, in their order, to the Session that
/// was exported before them. The result is the Session that goes on after a crash.
///
/// An event comes before its changes: a message before [`Change::Received`], an outcome before
/// [`Change::Finished`] or [`Change::Lost`], a Will before [`Change::WillRemoved`]. A crash between
/// the two repeats the event. So store what the event makes you do and the change in one
/// transaction, as a [`Journal`](crate::journal::Journal) does: then nothing is lost, and nothing
/// is done twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// A message with QoS 1 or 2 was accepted; from now on it has an outcome.
    Accepted {
        /// The message, with its token.
        message: QueuedMessage,
        /// The deadline of its exchange.
        deadline: Option<Deadline>,
    },
    /// It got a Packet Identifier; its PUBLISH follows.
    Sent {
        /// The message.
        token: Token,
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// QoS 2: the peer has the message; PUBREL follows, and the message is never sent again.
    Released {
        /// Its identifier.
        packet_identifier: PacketIdentifier,
    },
    /// The exchange is over; the identifier is free.
    Finished {
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// QoS 2: the message was given up after it was sent, because this Network Connection does not
    /// let it be sent again. The peer may have it, so its identifier is not used again before the
    /// Session ends.
    Lost {
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// The deadline of a message in flight has passed, and this was reported.
    Overdue {
        /// The message.
        token: Token,
    },
    /// A message that waited is gone: expired, timed out, withdrawn, dropped, or not allowed by the
    /// peer.
    Dropped {
        /// The message.
        token: Token,
    },
    /// QoS 2: a message of the peer was accepted; PUBREC follows.
    Received {
        /// The peer's identifier.
        packet_identifier: PacketIdentifier,
    },
    /// QoS 2: the peer released its message; PUBCOMP follows.
    Completed {
        /// The peer's identifier.
        packet_identifier: PacketIdentifier,
    },
    /// A Network Connection began: there is a Session from now on. A Server's Will Message of an
    /// earlier one is gone; the CONNACK follows.
    Connected {
        /// The ClientID.
        client_identifier: Box<str>,
        /// The Session Expiry Interval in seconds.
        expiry_interval: u32,
    },
    /// Server: the Network Connection that began has a Will Message.
    WillStored {
        /// The Will Message.
        will: WillMessage,
        /// Will Delay Interval in seconds.
        delay: u32,
    },
    /// Server: the Will Message was published, or deleted by a DISCONNECT.
    WillRemoved,
    /// The Network Connection ended.
    Disconnected {
        /// When the Session ends if no other follows.
        ends_at: Instant,
        /// The Session Expiry Interval in seconds that led to `ends_at`. A DISCONNECT may have
        /// changed it.
        expiry_interval: u32,
        /// When the Will Message is due, if there is one.
        will_due_at: Instant,
    },
    /// Client: the Server had the Session before this side knew of it, as
    /// [`Session::is_adopted`](crate::Session::is_adopted) tells.
    Adopted {
        /// How many Packet Identifiers the Server has released, from 1 on. Only these are used.
        identifiers: u16,
    },
    /// The Session ended. Everything is forgotten, except a Client's messages that wait to be sent.
    Ended,
}

impl Change {
    /// The bytes of the message that it holds.
    #[inline]
    pub(super) fn message_size(&self) -> usize {
        match self {
            Change::Accepted { message, .. } => message.size(),
            Change::WillStored { will, .. } => will.message.size(),
            _ => 0,
        }
    }
}
