//! Small packets that are to be written next, in order.

use mqtt5_codec::{
    EncodeError, Packet, PacketIdentifier, PacketType, PubAck, PubComp, PubRec, PubRel, ReasonCode,
};

/// A packet that waits for `poll`: seven bytes, so that a burst of them takes little memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    bytes: [u8; Answer::LARGEST],
    /// How many of the bytes are the packet; none, if it is the next of those that were encoded before.
    length: u8,
    /// Once it is written, its message no longer counts against our Receive Maximum.
    pub(super) counts: bool,
}

impl Answer {
    /// No packet of these is larger.
    pub(super) const LARGEST: usize = 5;

    /// Stands for the next of the packets that were encoded before.
    pub(super) const fn encoded_before(counts: bool) -> Self {
        Answer {
            bytes: [0; Answer::LARGEST],
            length: 0,
            counts,
        }
    }

    #[inline]
    pub(super) fn puback(
        packet_identifier: PacketIdentifier,
        reason_code: ReasonCode,
        counts: bool,
    ) -> Self {
        let puback = PubAck::new(packet_identifier, reason_code);
        Answer::new(counts, |bytes| puback.encode_to_slice(bytes))
    }

    #[inline]
    pub(super) fn pubrec(
        packet_identifier: PacketIdentifier,
        reason_code: ReasonCode,
        counts: bool,
    ) -> Self {
        let pubrec = PubRec::new(packet_identifier, reason_code);
        Answer::new(counts, |bytes| pubrec.encode_to_slice(bytes))
    }

    #[inline]
    pub(super) fn pubrel(packet_identifier: PacketIdentifier, reason_code: ReasonCode) -> Self {
        let pubrel = PubRel::new(packet_identifier, reason_code);
        Answer::new(false, |bytes| pubrel.encode_to_slice(bytes))
    }

    #[inline]
    pub(super) fn pubcomp(
        packet_identifier: PacketIdentifier,
        reason_code: ReasonCode,
        counts: bool,
    ) -> Self {
        let pubcomp = PubComp::new(packet_identifier, reason_code);
        Answer::new(counts, |bytes| pubcomp.encode_to_slice(bytes))
    }

    /// PINGREQ or PINGRESP.
    pub(super) fn ping(packet: &Packet<'_>) -> Self {
        Answer::new(false, |bytes| packet.encode_to_slice(bytes))
    }

    #[inline(always)]
    fn new(counts: bool, encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>) -> Self {
        let mut answer = Answer::encoded_before(counts);
        // These packets break no rule, and there is room for each.
        answer.length = encode(&mut answer.bytes).unwrap_or_default() as u8;
        answer
    }

    /// The packet; empty, if it was encoded before.
    #[inline]
    pub(super) fn packet(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }

    /// The type of the packet, unless it was encoded before.
    pub(super) fn packet_type(self) -> Option<PacketType> {
        PacketType::from_number(self.packet().first()? >> 4)
    }
}
