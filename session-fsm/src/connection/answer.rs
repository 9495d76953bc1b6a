//! Small packets that are to be written next, in order.

use mqtt5_codec::bytes::BufMut;
use mqtt5_codec::{
    EncodeError, Packet, PacketIdentifier, PacketType, PubAck, PubComp, PubRec, PubRel, ReasonCode,
};

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

    /// No packet of these is larger.
    pub(super) const LARGEST: u32 = 6;

    /// The length of the packet; 0 if it was encoded, and so checked, before.
    pub(super) const fn encoded_len(self) -> u32 {
        match self {
            Answer::PubAck { reason_code, .. }
            | Answer::PubRec { reason_code, .. }
            | Answer::PubRel { reason_code, .. }
            | Answer::PubComp { reason_code, .. } => match reason_code {
                ReasonCode::Success => 4,
                _ => 5,
            },
            Answer::PingReq | Answer::PingResp => 2,
            Answer::Packet { .. } => 0,
        }
    }

    pub(super) const fn packet_type(self) -> PacketType {
        match self {
            Answer::PubAck { .. } => PacketType::PubAck,
            Answer::PubRec { .. } => PacketType::PubRec,
            Answer::PubRel { .. } | Answer::Packet { .. } => PacketType::PubRel,
            Answer::PubComp { .. } => PacketType::PubComp,
            Answer::PingReq => PacketType::PingReq,
            Answer::PingResp => PacketType::PingResp,
        }
    }

    /// Writes the packet, unless it was encoded before.
    #[inline(always)]
    pub(super) fn encode<B: BufMut + ?Sized>(self, wire: &mut B) -> Result<(), EncodeError> {
        let mut packet = [0; Answer::LARGEST as usize];
        let needed = self.encode_to_slice(&mut packet)?;
        if wire.remaining_mut() < needed {
            return Err(EncodeError::NoRoom { needed });
        }
        match (packet, needed) {
            // Success and no more: what is appended most often, and faster with its length known.
            ([first_byte, length, high, low, ..], 4) => {
                wire.put_slice(&[first_byte, length, high, low]);
            }
            _ => wire.put_slice(packet.get(..needed).unwrap_or_default()),
        }
        Ok(())
    }

    #[inline(always)]
    fn encode_to_slice(self, packet: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            Answer::PubAck {
                packet_identifier,
                reason_code,
                ..
            } => PubAck::new(packet_identifier, reason_code).encode_to_slice(packet),
            Answer::PubRec {
                packet_identifier,
                reason_code,
                ..
            } => PubRec::new(packet_identifier, reason_code).encode_to_slice(packet),
            Answer::PubRel {
                packet_identifier,
                reason_code,
            } => PubRel::new(packet_identifier, reason_code).encode_to_slice(packet),
            Answer::PubComp {
                packet_identifier,
                reason_code,
                ..
            } => PubComp::new(packet_identifier, reason_code).encode_to_slice(packet),
            Answer::PingReq => Packet::PingReq.encode_to_slice(packet),
            Answer::PingResp => Packet::PingResp.encode_to_slice(packet),
            Answer::Packet { .. } => Ok(0),
        }
    }
}
