//! Small packets that are to be written next, in order.

use mqtt5_codec::{Packet, PacketIdentifier, PubAck, PubComp, PubRec, PubRel, ReasonCode};

/// A packet that waits for `poll`: eight bytes, so that a burst of them takes little memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    PubAck {
        packet_identifier: PacketIdentifier,
        reason_code: ReasonCode,
        /// Once it is written, its message no longer counts against our Receive Maximum.
        counts: bool,
    },
    PubRec {
        packet_identifier: PacketIdentifier,
        reason_code: ReasonCode,
        counts: bool,
    },
    PubRel {
        packet_identifier: PacketIdentifier,
        reason_code: ReasonCode,
    },
    PubComp {
        packet_identifier: PacketIdentifier,
        reason_code: ReasonCode,
        counts: bool,
    },
    PingReq,
    PingResp,
    /// The next of the packets that were encoded before.
    Packet {
        counts: bool,
    },
}

impl Answer {
    /// Whether its message no longer counts once it is written.
    #[inline]
    pub(super) const fn counts(self) -> bool {
        match self {
            Answer::PubAck { counts, .. }
            | Answer::PubRec { counts, .. }
            | Answer::PubComp { counts, .. }
            | Answer::Packet { counts } => counts,
            Answer::PubRel { .. } | Answer::PingReq | Answer::PingResp => false,
        }
    }

    /// The packet; `None` if it was encoded before.
    #[inline]
    pub(super) const fn packet(self) -> Option<Packet<'static>> {
        Some(match self {
            Answer::PubAck {
                packet_identifier,
                reason_code,
                ..
            } => Packet::PubAck(PubAck::new(packet_identifier, reason_code)),
            Answer::PubRec {
                packet_identifier,
                reason_code,
                ..
            } => Packet::PubRec(PubRec::new(packet_identifier, reason_code)),
            Answer::PubRel {
                packet_identifier,
                reason_code,
            } => Packet::PubRel(PubRel::new(packet_identifier, reason_code)),
            Answer::PubComp {
                packet_identifier,
                reason_code,
                ..
            } => Packet::PubComp(PubComp::new(packet_identifier, reason_code)),
            Answer::PingReq => Packet::PingReq,
            Answer::PingResp => Packet::PingResp,
            Answer::Packet { .. } => return None,
        })
    }
}
