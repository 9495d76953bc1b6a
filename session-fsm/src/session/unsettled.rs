//! What of the application's is in a Session, and how to take it back.

use core::fmt;

use mqtt5_codec::{Message, PacketIdentifier, Qos};

use super::{Ending, Notice, Session};
use crate::Token;

/// Something that a Session accepted and that has no [`Outcome`](crate::Outcome) yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unsettled<'s> {
    /// Its outcome comes with this token.
    pub token: Token,
    /// What it is, and how far it is.
    pub kind: UnsettledKind<'s>,
}

/// What is unsettled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnsettledKind<'s> {
    /// A message.
    Message {
        /// Its QoS.
        qos: Qos,
        /// The message; `None` if it is released: the peer has it then, and it is not stored any more.
        message: Option<&'s Message>,
        /// How far it is.
        state: MessageState,
    },
    /// A SUBSCRIBE that is not answered.
    Subscribe {
        /// Its Packet Identifier; `None` while it waits for the CONNACK.
        packet_identifier: Option<PacketIdentifier>,
        /// How many Topic Filters it has.
        filters: u32,
    },
    /// An UNSUBSCRIBE that is not answered.
    Unsubscribe {
        /// Its Packet Identifier; `None` while it waits for the CONNACK.
        packet_identifier: Option<PacketIdentifier>,
        /// How many Topic Filters it has.
        filters: u32,
    },
}

/// How far a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// It waits for a Network Connection, for the peer's Receive Maximum, or, with QoS 0, for `poll`.
    Waiting,
    /// It has a Packet Identifier, and its PUBLISH is not acknowledged.
    InFlight {
        /// The identifier.
        packet_identifier: PacketIdentifier,
        /// Whether its PUBLISH may have been written, on this Network Connection or an earlier one. If not, it can be
        /// withdrawn.
        sent: bool,
    },
    /// QoS 2: the peer has the message, its PUBREC came, and PUBCOMP did not.
    Released {
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
}

/// A message was not withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithdrawError {
    /// It may have been sent: nobody can take it back. Its outcome is still to come.
    Sent,
    /// The Session has no message with this token: it was never accepted, its outcome was already decided, or the
    /// token is that of a SUBSCRIBE or UNSUBSCRIBE.
    Unknown,
}

impl fmt::Display for WithdrawError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            WithdrawError::Sent => "the message may have been sent already",
            WithdrawError::Unknown => "no message of the Session has this token",
        })
    }
}

impl core::error::Error for WithdrawError {}

impl Session {
    /// Everything that was accepted and has no outcome yet: messages that are released, messages that are in flight,
    /// SUBSCRIBE and UNSUBSCRIBE, messages with QoS 1 and 2 that wait, messages with QoS 0 that wait; each in the order
    /// in which it goes on. After a restart it tells the application which of its tokens are still under way.
    ///
    /// What `poll` has not reported yet, but was decided, is not part of it. What was asked for since a CONNECT and waits for
    /// its CONNACK is with the [`Client`](crate::Client): see [`Client::unsettled`](crate::Client::unsettled).
    pub fn unsettled(&self) -> impl Iterator<Item = Unsettled<'_>> {
        self.sender.unsettled().chain(self.waiting.unsettled())
    }

    /// Takes back a message that was not sent. [`Outcome::Withdrawn`](crate::Outcome::Withdrawn) comes out of `poll`.
    ///
    /// Takes time in proportion to the messages that were given a Packet Identifier and not written yet, and, for an
    /// error, to those in flight. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`WithdrawError::Sent`] if its PUBLISH may have been written, [`WithdrawError::Unknown`] if there is no such
    /// message. Nothing changes then.
    pub fn withdraw(&mut self, token: Token) -> Result<(), WithdrawError> {
        let packet_identifier = self.sender.unsent_publish(token);
        if self.take_back(token, packet_identifier, Ending::Withdrawn) {
            return Ok(());
        }
        let is_message = |it: &Unsettled<'_>| {
            it.token == token && matches!(it.kind, UnsettledKind::Message { .. })
        };
        if self.sender.unsettled().any(|it| is_message(&it)) {
            Err(WithdrawError::Sent)
        } else {
            Err(WithdrawError::Unknown)
        }
    }

    /// Ends a message that was not sent; `false` if it was, or if there is none.
    pub(super) fn take_back(
        &mut self,
        token: Token,
        packet_identifier: Option<PacketIdentifier>,
        ending: Ending,
    ) -> bool {
        if let Some(packet_identifier) = packet_identifier {
            if !self.sender.take_back(packet_identifier) {
                return false;
            }
            self.finished(packet_identifier, Some(token));
            self.notice(Notice::Outcome(token, ending));
            return true;
        }
        let Some(waiting) = self.waiting.remove(token) else {
            return false;
        };
        self.waiting_ended(&waiting, ending);
        true
    }
}
