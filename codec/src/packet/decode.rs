//! From one whole packet to its fields.

use nom::Parser;

use super::{
    Auth, ConnAck, Connect, Disconnect, Packet, PacketIdentifier, PubAck, PubComp, PubRec, PubRel,
    Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
};
use crate::split::{FixedHeader, RawPacket};
use crate::wire::{Fault, Parsed, fault_of, two_byte_integer};
use crate::{DecodeError, PacketType, Role, Violation};

impl<'a> Packet<'a> {
    /// Decodes exactly one packet, whichever side sent it. Allocates nothing; the packet borrows
    /// from `bytes`.
    ///
    /// Every rule that can be judged from the bytes is checked, so that nothing that the packet
    /// says afterwards can fail. Time does not depend on the length of a PUBLISH payload.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken, if `bytes` is shorter than the packet
    /// that its first bytes announce, or longer. To find the borders of packets in a stream, use
    /// [`split`](crate::split) or [`Splitter`](crate::Splitter) first.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        RawPacket::whole(bytes)?.decode()
    }

    /// As [`Packet::decode`], knowing who sent the packet: what that side must never send is an
    /// error, too.
    ///
    /// # Errors
    ///
    /// As [`Packet::decode`].
    pub fn decode_from(sender: Role, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        RawPacket::whole(bytes)
            .map_err(|error| error.sent_by(sender))?
            .decode_from(sender)
    }
}

impl<'a> RawPacket<'a> {
    /// Decodes the packet: see [`Packet::decode`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    #[inline]
    pub fn decode(&self) -> Result<Packet<'a>, DecodeError> {
        match parse(self.header(), self.body()) {
            Ok(packet) => Ok(packet),
            Err(error) => Err(self.blame(error)),
        }
    }

    /// Decodes the packet, knowing who sent it: see [`Packet::decode_from`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    pub fn decode_from(&self, sender: Role) -> Result<Packet<'a>, DecodeError> {
        let packet_type = self.packet_type();
        if !packet_type.sent_by(sender) {
            return Err(
                DecodeError::new(Violation::PacketFromWrongSide, Some(packet_type), 0)
                    .sent_by(sender),
            );
        }
        let packet = self.decode().map_err(|error| error.sent_by(sender))?;
        match packet.wrong_side(sender) {
            None => Ok(packet),
            Some((violation, offset)) => Err(DecodeError::new(
                violation,
                Some(packet_type),
                self.header().length() + offset,
            )
            .sent_by(sender)),
        }
    }

    #[cold]
    fn blame(&self, error: nom::Err<Fault>) -> DecodeError {
        let fault = fault_of(error);
        DecodeError::new(
            fault.violation,
            Some(self.packet_type()),
            fault.offset_in(self.as_bytes().len()),
        )
    }
}

#[inline(always)]
fn parse<'a>(header: FixedHeader, body: &'a [u8]) -> Result<Packet<'a>, nom::Err<Fault>> {
    let (rest, packet) = match header.packet_type() {
        PacketType::Publish => {
            // All that is left is the payload.
            return Publish::parse(header.first_byte(), body).map(Packet::Publish);
        }
        PacketType::PubAck => PubAck::parse.map(Packet::PubAck).parse(body)?,
        PacketType::PubRec => PubRec::parse.map(Packet::PubRec).parse(body)?,
        PacketType::PubRel => PubRel::parse.map(Packet::PubRel).parse(body)?,
        PacketType::PubComp => PubComp::parse.map(Packet::PubComp).parse(body)?,
        PacketType::Connect => Connect::parse.map(Packet::Connect).parse(body)?,
        PacketType::ConnAck => ConnAck::parse.map(Packet::ConnAck).parse(body)?,
        PacketType::Subscribe => Subscribe::parse.map(Packet::Subscribe).parse(body)?,
        PacketType::SubAck => SubAck::parse.map(Packet::SubAck).parse(body)?,
        PacketType::Unsubscribe => Unsubscribe::parse.map(Packet::Unsubscribe).parse(body)?,
        PacketType::UnsubAck => UnsubAck::parse.map(Packet::UnsubAck).parse(body)?,
        PacketType::PingReq => (body, Packet::PingReq),
        PacketType::PingResp => (body, Packet::PingResp),
        PacketType::Disconnect => Disconnect::parse.map(Packet::Disconnect).parse(body)?,
        PacketType::Auth => Auth::parse.map(Packet::Auth).parse(body)?,
    };
    if rest.is_empty() {
        Ok(packet)
    } else {
        Err(Fault::at(rest, Violation::BytesLeftOver))
    }
}

/// A Packet Identifier (section 2.2.1).
#[inline(always)]
pub(super) fn packet_identifier(input: &[u8]) -> Parsed<'_, PacketIdentifier> {
    let (rest, value) = two_byte_integer(input)?;
    match PacketIdentifier::new(value) {
        Some(identifier) => Ok((rest, identifier)),
        None => Err(Fault::at(input, Violation::PacketIdentifierZero)),
    }
}
