//! What a packet may say depends on its sender, and on the version.

use alloc::vec::Vec;

use crate::framing::Frame;
use crate::{Packet, PacketType, ProtocolVersion, ReasonCode, Role, TopicFilter};

/// What went wrong if a value that was generated is refused: the generator, or the codec.
pub(super) const VALID: &str = "what is generated is valid";

/// The sender of a packet: its role and its version.
#[derive(Clone, Copy)]
pub(super) struct Speaker {
    version: ProtocolVersion,
    role: Role,
}

impl Speaker {
    pub(super) const fn new(version: ProtocolVersion, role: Role) -> Self {
        Speaker { version, role }
    }

    pub(super) const fn version(self) -> ProtocolVersion {
        self.version
    }

    pub(super) const fn role(self) -> Role {
        self.role
    }

    /// Whether the version is MQTT 3.1.1.
    pub(super) const fn speaks_v3(self) -> bool {
        matches!(self.version, ProtocolVersion::V3_1_1)
    }

    /// Whether it sends packets of this type. MQTT 3.1.1 has no AUTH (its section 2.2.1).
    pub(super) fn sends(self, packet_type: PacketType) -> bool {
        let exists = !self.speaks_v3() || packet_type != PacketType::Auth;
        exists && packet_type.sent_by(self.version, self.role)
    }

    /// Whether a packet of this type may say so.
    pub(super) fn says(self, packet_type: PacketType, code: ReasonCode) -> bool {
        let in_version = match (self.version, packet_type) {
            (ProtocolVersion::V5_0, _) => true,
            // The Connect Return codes, section 3.2.2.3 of MQTT 3.1.1.
            (ProtocolVersion::V3_1_1, PacketType::ConnAck) => {
                matches!(code.to_byte(), 0 | 0x84..=0x88)
            }
            // Its section 3.9.3.
            (ProtocolVersion::V3_1_1, PacketType::SubAck) => matches!(code.to_byte(), 0..=2 | 0x80),
            (ProtocolVersion::V3_1_1, _) => code == ReasonCode::Success,
        };
        in_version && code.allowed_from(packet_type, self.role)
    }

    /// The filter that the string is by the rules of the version.
    pub(super) fn topic_filter(self, filter: &str) -> TopicFilter<'_> {
        match self.version {
            // Not all of these can be made by `TopicFilter::new`.
            ProtocolVersion::V3_1_1 => TopicFilter::trusted(filter.as_bytes()),
            ProtocolVersion::V5_0 => TopicFilter::new(filter).expect(VALID),
        }
    }

    pub(super) fn encoded<'a>(self, packet: impl Into<Packet<'a>>) -> Frame {
        let packet = packet.into();
        let mut bytes = Vec::with_capacity(packet.encoded_len(self.version).expect(VALID));
        packet.encode(self.version, &mut bytes).expect(VALID);
        Frame::new(bytes.into()).expect(VALID)
    }
}
