//! What the host decides, and its answers.

use alloc::vec::Vec;
use core::fmt;

use mqtt5_codec::framing::Frame;
use mqtt5_codec::{Packet, Property, ProtocolVersion, Qos, ReasonCode};

use super::config::ClientLimits;
use super::{ConnectionKey, Gone};
use crate::{Limits, SendError};

/// A packet of a client about which the host decides, now or later: a CONNECT, an AUTH, or a
/// SUBSCRIBE. It is answered once, by the method that takes its kind of answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "the client waits for the answer"]
pub struct Question {
    pub(super) connection: ConnectionKey,
    pub(super) version: ProtocolVersion,
    pub(super) frame: Frame,
}

impl Question {
    /// Returns the connection on which the packet came.
    #[must_use]
    pub const fn connection(&self) -> ConnectionKey {
        self.connection
    }

    /// Returns the version that the client speaks.
    #[must_use]
    pub const fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Returns the packet: [`Packet::Connect`], [`Packet::Auth`] or [`Packet::Subscribe`].
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        // It was encoded from a packet of the same version.
        self.frame.decode(self.version).unwrap_or(Packet::PingReq)
    }
}

/// The answer to a CONNECT, or to an AUTH before the CONNACK.
#[derive(Clone, Debug)]
pub enum Verdict<'a> {
    /// The client is who it says, and may connect. Its Will, if it has one, may be published.
    Accept(Admission<'a>),
    /// Another step of enhanced authentication follows: an AUTH with these properties, such as
    /// Authentication Data (section 4.12).
    Continue(&'a [Property<'a>]),
    /// It may not. The CONNACK has this Reason Code, and these properties.
    Refuse(ReasonCode, &'a [Property<'a>]),
}

/// How a client may connect.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// Whose Session it is. A Session is resumed only for the principal that made it; another one
    /// is refused with 0x85.
    pub principal: &'a str,
    /// Lower limits for this client, announced in the CONNACK. Default: those of the configuration.
    pub limits: Option<Limits>,
    /// What it may have. Default: that of the configuration.
    pub client: Option<ClientLimits>,
    /// The ClientID that it gets; required if its own is empty. It must be one that nobody can
    /// guess, such as 128 random bits. One that exists is an error:
    /// [`AnswerError::ClientIdentifierExists`].
    pub assigned: Option<&'a str>,
    /// Further properties of the CONNACK: Server Keep Alive, Session Expiry Interval, Response
    /// Information, Authentication Data, Reason String, User Properties. A client that speaks MQTT 3.1.1
    /// gets none of them. Of what they change, only a shorter Session Expiry Interval holds for it.
    pub properties: &'a [Property<'a>],
}

impl<'a> Admission<'a> {
    /// Admits a principal as the configuration says.
    #[must_use]
    pub const fn of(principal: &'a str) -> Self {
        Admission {
            principal,
            limits: None,
            client: None,
            assigned: None,
            properties: &[],
        }
    }
}

/// Why an answer was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnswerError {
    /// The connection is over.
    Gone,
    /// A Session has this [assigned](Admission::assigned) ClientID already: choose another one. The
    /// client still waits for an answer.
    ClientIdentifierExists,
    /// This answer cannot be sent.
    Send(SendError),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerError::Gone => Gone.fmt(formatter),
            AnswerError::ClientIdentifierExists => {
                formatter.write_str("the assigned ClientID is that of another Session")
            }
            AnswerError::Send(error) => error.fmt(formatter),
        }
    }
}

impl core::error::Error for AnswerError {}

/// The answer to one Topic Filter of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// At most this QoS is granted.
    UpTo(Qos),
    /// The subscription is refused with this Reason Code.
    Refuse(ReasonCode),
}

/// Whether a message may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// It may.
    Publish,
    /// It is acknowledged with this Reason Code, such as 0x87, and goes to nobody; at QoS 0 it is
    /// dropped.
    Refuse(ReasonCode),
    /// The connection is closed with this Reason Code.
    Disconnect(ReasonCode),
}

pub(super) type Codes = Vec<ReasonCode>;
