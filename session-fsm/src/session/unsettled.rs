//! Messages and requests without an outcome, and how to withdraw them.

use core::fmt;

use mqtt5_codec::{Message, PacketIdentifier, Qos};

use super::{Ending, Notice, Session};
use crate::Token;

/// A message or a request that was accepted and has no [`Outcome`](crate::Outcome) yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unsettled<'s> {
    /// The token of its outcome.
    pub token: Token,
    /// Its kind and its state.
    pub kind: UnsettledKind<'s>,
}

/// The kind of something unsettled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnsettledKind<'s> {
    /// A message.
    Message {
        /// Its QoS.
        qos: Qos,
        /// The message; `None` if it is released: the peer has it, and it is not stored any more.
        message: Option<&'s Message>,
        /// Its state.
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

/// The state of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// It waits for a Network Connection, for the peer's Receive Maximum, or, with QoS 0, for
    /// `poll`.
    Waiting,
    /// It has a Packet Identifier, and its PUBLISH is not acknowledged.
    InFlight {
        /// The identifier.
        packet_identifier: PacketIdentifier,
        /// Whether its PUBLISH may have been written, on this Network Connection or an earlier one.
        /// If not, it can be withdrawn.
        sent: bool,
    },
    /// QoS 2: the PUBREC came, so the peer has the message. The PUBCOMP is missing.
    Released {
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
}

/// A message could not be withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithdrawError {
    /// It may have been sent, so it cannot be taken back. Its outcome is still to come.
    Sent,
    /// The Session has no message with this token: it was never accepted, its outcome is decided,
    /// or the token belongs to a SUBSCRIBE or UNSUBSCRIBE.
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
    /// Returns everything that was accepted and has no outcome yet: released messages, messages in
    /// flight, SUBSCRIBE and UNSUBSCRIBE, waiting messages with QoS 1 and 2, waiting messages with
    /// QoS 0; each group in its order. After a restart, it shows which tokens are still under way.
    ///
    /// Outcomes that are decided but not reported are not included. Requests that wait for the
    /// CONNACK are kept by the [`Client`](crate::Client): see
    /// [`Client::unsettled`](crate::Client::unsettled).
    pub fn unsettled(&self) -> impl Iterator<Item = Unsettled<'_>> {
        self.sender.unsettled().chain(self.waiting.unsettled())
    }

    /// Takes back a message that was not sent. `poll` returns its
    /// [`Outcome::Withdrawn`](crate::Outcome::Withdrawn).
    ///
    /// Takes time in proportion to the messages that were given a Packet Identifier and not written
    /// yet, and, for an error, to those in flight. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`WithdrawError::Sent`] if its PUBLISH may have been written, [`WithdrawError::Unknown`] if
    /// there is no such message. After an error, nothing was changed.
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
            if !self.sender.take_back(packet_identifier, &mut self.untold) {
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
