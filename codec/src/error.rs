//! Errors, shaped by who is to blame: the peer ([`DecodeError`]) or the caller ([`EncodeError`]).

use core::fmt;

use crate::{Class, PacketType, ReasonCode, Role, Violation};

/// Received bytes break a rule of the standard.
///
/// Eight bytes, `Copy`, no allocation. It tells what to answer ([`reason_code`](Self::reason_code)),
/// where the rule was broken ([`offset`](Self::offset)) and which rule it is
/// ([`violation`](Self::violation), [`statement`](Self::statement)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecodeError {
    offset: u32,
    violation: Violation,
    packet_type: Option<PacketType>,
    sender: Option<Role>,
}

impl DecodeError {
    #[cold]
    pub(crate) const fn new(
        violation: Violation,
        packet_type: Option<PacketType>,
        offset: usize,
    ) -> Self {
        DecodeError {
            // A packet has at most 268,435,460 bytes.
            offset: offset as u32,
            violation,
            packet_type,
            sender: None,
        }
    }

    pub(crate) const fn sent_by(mut self, sender: Role) -> Self {
        self.sender = Some(sender);
        self
    }

    /// The rule that is broken.
    #[must_use]
    pub const fn violation(self) -> Violation {
        self.violation
    }

    /// Whether the packet is malformed or breaks the protocol.
    #[must_use]
    pub const fn class(self) -> Class {
        self.violation.class()
    }

    /// The Reason Code to answer with: in a CONNACK if the packet is a CONNECT, in a DISCONNECT
    /// otherwise (section 4.13). The standard lets a Server close without an answer.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        self.violation.reason_code()
    }

    /// Where the rule is broken, in bytes from the start of the packet's first byte: the wrong
    /// byte, the start of a wrong value, the start of a field that does not fit, or the end of the
    /// packet if something is missing.
    #[must_use]
    pub const fn offset(self) -> usize {
        self.offset as usize
    }

    /// The type of the packet, unless its first byte is what is wrong with it.
    #[must_use]
    pub const fn packet_type(self) -> Option<PacketType> {
        self.packet_type
    }

    /// The normative statement that is violated, such as `MQTT-3.3.2-2`. Many rules of the
    /// standard have no number.
    #[must_use]
    pub const fn statement(self) -> Option<&'static str> {
        let Some(packet_type) = self.packet_type else {
            return self.violation.statement();
        };
        match self.violation {
            Violation::FixedHeaderFlags => Some(match packet_type {
                PacketType::PubRel => "MQTT-3.6.1-1",
                PacketType::Subscribe => "MQTT-3.8.1-1",
                PacketType::Unsubscribe => "MQTT-3.10.1-1",
                PacketType::Disconnect => "MQTT-3.14.1-1",
                PacketType::Auth => "MQTT-3.15.1-1",
                _ => "MQTT-2.1.3-1",
            }),
            Violation::ReasonCodeNotAllowed | Violation::ReasonCodeFromWrongSide => {
                ReasonCode::statement(packet_type)
            }
            Violation::ReasonCodesMissing => match packet_type {
                PacketType::SubAck => Some("MQTT-3.8.4-6"),
                _ => Some("MQTT-3.11.3-2"),
            },
            Violation::PacketIdentifierZero => match (packet_type, self.sender) {
                (PacketType::Subscribe | PacketType::Unsubscribe, _) => Some("MQTT-2.2.1-3"),
                (PacketType::Publish, Some(Role::Server)) => Some("MQTT-2.2.1-4"),
                (PacketType::Publish, _) => Some("MQTT-2.2.1-3"),
                (PacketType::SubAck | PacketType::UnsubAck, _) => Some("MQTT-2.2.1-6"),
                _ => Some("MQTT-2.2.1-5"),
            },
            Violation::PacketTooLarge => match self.sender {
                Some(Role::Client) => Some("MQTT-3.2.2-15"),
                Some(Role::Server) => Some("MQTT-3.1.2-24"),
                None => None,
            },
            violation => violation.statement(),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.class())?;
        if let Some(packet_type) = self.packet_type {
            write!(formatter, " in {packet_type}")?;
        }
        write!(formatter, " at byte {}: {}", self.offset, self.violation)?;
        if let Some(statement) = self.statement() {
            write!(formatter, " [{statement}]")?;
        }
        Ok(())
    }
}

impl core::error::Error for DecodeError {}

/// A packet could not be encoded. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EncodeError {
    /// The packet would break a rule of the standard.
    Invalid {
        /// The type of the packet.
        packet_type: PacketType,
        /// The rule that it would break.
        violation: Violation,
    },
    /// The output has less room than the packet needs.
    NoRoom {
        /// The length of the encoded packet, in bytes.
        needed: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Invalid {
                packet_type,
                violation,
            } => write!(formatter, "{packet_type} cannot be sent: {violation}"),
            EncodeError::NoRoom { needed } => {
                write!(formatter, "the packet needs {needed} bytes of room")
            }
        }
    }
}

impl core::error::Error for EncodeError {}
