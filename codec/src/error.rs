//! Errors, shaped by who is to blame: the peer ([`DecodeError`]) or the caller ([`EncodeError`]).

use core::fmt;

use crate::{
    ConnAck, Disconnect, Packet, PacketType, ProtocolVersion, ReasonCode, Role, Violation,
    ViolationClass, v3_1_1,
};

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
    version: ProtocolVersion,
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
            version: ProtocolVersion::V5_0,
        }
    }

    /// The same error by the rules of this version. The fixed header is the same in both, so that
    /// [`split`](crate::framing::split) and its like need no version; their errors name the rules of
    /// MQTT 5. Whatever takes a version sets it.
    #[must_use]
    pub const fn in_version(mut self, version: ProtocolVersion) -> Self {
        self.version = version;
        self
    }

    /// The version by whose rules the packet was judged, and in whose form it is
    /// [answered](Self::answer). A CONNECT is judged by the version that it names. One that names
    /// neither is answered in the form that its sender knows.
    #[must_use]
    pub const fn version(self) -> ProtocolVersion {
        self.version
    }

    /// The same error with the side that sent the packet: some rules have a statement for each side.
    /// [`Packet::decode_from`] sets it.
    #[must_use]
    pub const fn sent_by(mut self, sender: Role) -> Self {
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
    pub const fn class(self) -> ViolationClass {
        self.violation.class(self.version)
    }

    /// The Reason Code of MQTT 5 that says what was wrong (section 4.13.1). What to send, and whether to send
    /// anything at all, depends on the connection, too: [`DecodeError::answer`].
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        self.violation.reason_code()
    }

    /// Where the rule is broken, in bytes from the start of the packet's first byte: the wrong
    /// byte, the start of a wrong value, or the start of a field that does not fit. If something is
    /// missing, the place where it is known to be: the end of the packet or of the property set, or
    /// the start of an empty Topic Name.
    #[must_use]
    pub const fn offset(self) -> usize {
        self.offset as usize
    }

    /// The type that the packet's first byte announces; `None` if that is the reserved type 0, or
    /// if there is no first byte.
    #[must_use]
    pub const fn packet_type(self) -> Option<PacketType> {
        self.packet_type
    }

    /// The normative statement that is violated, such as `MQTT-3.3.2-2`. Many rules of the
    /// standard have no number, and some have one for each side: see [`DecodeError::sent_by`].
    #[must_use]
    pub const fn statement(self) -> Option<&'static str> {
        let version = self.version;
        let Some(packet_type) = self.packet_type else {
            return self.violation.statement(version);
        };
        if let ProtocolVersion::V3_1_1 = version {
            return v3_1_1::statement(self.violation, packet_type);
        }
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
                (PacketType::Publish, Some(Role::Client)) => Some("MQTT-2.2.1-3"),
                (PacketType::Publish, None) => None,
                (PacketType::SubAck | PacketType::UnsubAck, _) => Some("MQTT-2.2.1-6"),
                _ => Some("MQTT-2.2.1-5"),
            },
            // The Will's Response Topic is not bound by the statement about the PUBLISH's.
            Violation::ResponseTopicWildcard => match packet_type {
                PacketType::Connect => Violation::TopicNameWildcard.statement(version),
                _ => Violation::ResponseTopicWildcard.statement(version),
            },
            Violation::PacketTooLarge => match self.sender {
                Some(Role::Client) => Some("MQTT-3.2.2-15"),
                Some(Role::Server) => Some("MQTT-3.1.2-24"),
                None => None,
            },
            violation => violation.statement(version),
        }
    }
}

/// The first byte behind the Protocol Level of a CONNECT. A longer fixed header does not matter: a
/// packet that ends before its Protocol Level has one of two bytes, and one that is long enough can
/// be wrong before it in the length of the Protocol Name only, which begins at byte 5 at most.
const CONNECT_FLAGS: u32 = 9;

/// What to send before closing the Network Connection.
impl DecodeError {
    /// The packet to answer with, from the side that received the bad one; `None` if the standard
    /// wants the connection closed without a word (sections 3.14, 4.12, 4.13). Write it in the form of
    /// [`DecodeError::version`].
    ///
    /// In MQTT 3.1.1 only a CONNECT with another Protocol Level is answered, with the Connect Return
    /// code 1 (section 3.1.2.2 there). A CONNECT with an unknown Protocol Name is not: its sender
    /// knows neither form. Nor is one that is wrong before its Protocol Level, or too large: MQTT
    /// 3.1.1 forbids an answer, and MQTT 5 does not ask for one ([MQTT3-3.1.4-1], [MQTT-3.1.4-1]).
    /// Where a CONNECT is too large, [`Protocol::peek`](crate::Protocol::peek) may tell which it is.
    ///
    /// `connected` says whether a CONNACK with Success has been sent or received. Until then a
    /// Server answers only a CONNECT or an AUTH, with a CONNACK that refuses the connection. The Reason Code is
    /// [`reason_code`](Self::reason_code) where the answer may carry it, or else Malformed Packet or
    /// Protocol Error. The standard lets a Server close without an answer in any case.
    ///
    /// ```
    /// use mqtt5_codec::{Disconnect, Packet, ProtocolVersion, ReasonCode, Role};
    ///
    /// let error = Packet::decode(ProtocolVersion::V5_0, &[0x36, 0x00]).unwrap_err();
    /// let answer = Packet::from(Disconnect::new(ReasonCode::MalformedPacket));
    /// assert_eq!(error.answer(Role::Server, true), Some(answer));
    /// assert_eq!(error.answer(Role::Server, false), None);
    /// ```
    #[must_use]
    pub fn answer(self, receiver: Role, connected: bool) -> Option<Packet<'static>> {
        let reason_code = |packet_type| {
            let reason_code = self.reason_code();
            if reason_code.allowed_from(packet_type, receiver) {
                return reason_code;
            }
            match self.class() {
                ViolationClass::Malformed => ReasonCode::MalformedPacket,
                ViolationClass::Protocol => ReasonCode::ProtocolError,
            }
        };
        let is_other_version = matches!(
            self.violation,
            Violation::ProtocolVersion | Violation::ProtocolLevel | Violation::ProtocolNameOfMqtt31
        );
        if self.violation == Violation::ProtocolName
            || self.version == ProtocolVersion::V3_1_1
                && (connected || receiver == Role::Client || !is_other_version)
        {
            return None;
        }
        if connected || receiver == Role::Client {
            let reason_code = reason_code(PacketType::Disconnect);
            return Some(Packet::Disconnect(Disconnect::new(reason_code)));
        }
        let has_version = is_other_version || self.offset >= CONNECT_FLAGS;
        match self.packet_type {
            Some(PacketType::Connect) if !has_version => None,
            Some(PacketType::Connect | PacketType::Auth) => {
                let reason_code = reason_code(PacketType::ConnAck);
                Some(Packet::ConnAck(ConnAck::new(reason_code)))
            }
            _ => None,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.class())?;
        if let Some(packet_type) = self.packet_type {
            write!(formatter, " in {packet_type}")?;
        }
        let (violation, version) = (self.violation, self.version);
        let (message, section) = (violation.message(), violation.section(version));
        write!(
            formatter,
            " at byte {}: {message} (section {section}",
            self.offset
        )?;
        match version {
            ProtocolVersion::V5_0 => formatter.write_str(")")?,
            version => write!(formatter, " of {version})")?,
        }
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
    /// The output has too little room.
    NoRoom {
        /// How many bytes the call would have written.
        needed: usize,
    },
    /// A value that the packet was to be built from breaks a rule.
    Value(Violation),
}

impl EncodeError {
    /// The rule that the packet or a value for it would break.
    #[must_use]
    pub const fn violation(self) -> Option<Violation> {
        match self {
            EncodeError::Invalid { violation, .. } | EncodeError::Value(violation) => {
                Some(violation)
            }
            EncodeError::NoRoom { .. } => None,
        }
    }
}

/// So that building and encoding a packet can share a `?`.
impl From<Violation> for EncodeError {
    fn from(violation: Violation) -> Self {
        EncodeError::Value(violation)
    }
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
            EncodeError::Value(violation) => violation.fmt(formatter),
        }
    }
}

impl core::error::Error for EncodeError {}
