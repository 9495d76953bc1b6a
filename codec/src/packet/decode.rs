//! From one whole packet to its fields.

use super::{
    Auth, ConnAck, Connect, Disconnect, Packet, PacketIdentifier, Ping, PubAck, PubComp, PubRec,
    PubRel, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
};
use crate::split::{FixedHeader, RawPacket};
use crate::wire::{Fault, Parsed, fault_of, two_byte_integer};
use crate::{DecodeError, PacketType, ReasonCode, Role, Violation};

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
        match short_acknowledgement(bytes) {
            Some(packet) => Ok(packet),
            None => decode_any(bytes),
        }
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
        match short_acknowledgement(self.as_bytes()) {
            Some(packet) => Ok(packet),
            None => self.decode_long(),
        }
    }

    #[inline(never)]
    fn decode_long(&self) -> Result<Packet<'a>, DecodeError> {
        match self.packet_type() {
            PacketType::Connect => self.decode_as::<Connect<'a>>(),
            PacketType::ConnAck => self.decode_as::<ConnAck<'a>>(),
            PacketType::Publish => self.decode_as::<Publish<'a>>(),
            PacketType::PubAck => self.decode_as::<PubAck<'a>>(),
            PacketType::PubRec => self.decode_as::<PubRec<'a>>(),
            PacketType::PubRel => self.decode_as::<PubRel<'a>>(),
            PacketType::PubComp => self.decode_as::<PubComp<'a>>(),
            PacketType::Subscribe => self.decode_as::<Subscribe<'a>>(),
            PacketType::SubAck => self.decode_as::<SubAck<'a>>(),
            PacketType::Unsubscribe => self.decode_as::<Unsubscribe<'a>>(),
            PacketType::UnsubAck => self.decode_as::<UnsubAck<'a>>(),
            PacketType::PingReq | PacketType::PingResp => self.decode_as::<Ping>(),
            PacketType::Disconnect => self.decode_as::<Disconnect<'a>>(),
            PacketType::Auth => self.decode_as::<Auth<'a>>(),
        }
    }

    /// Each packet type has its own copy, which writes its own fields and nothing else: a common
    /// one would move the largest packet around for the smallest.
    #[inline(never)]
    fn decode_as<T: Parse<'a> + Into<Packet<'a>>>(&self) -> Result<Packet<'a>, DecodeError> {
        match T::parse(self.header(), self.body()) {
            Ok(([], packet)) => Ok(packet.into()),
            Ok((rest, _)) => Err(self.blame(Fault::at(rest, Violation::BytesLeftOver))),
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

#[inline(never)]
fn decode_any(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    RawPacket::whole(bytes)?.decode_long()
}

/// The acknowledgement of a PUBLISH in its shortest form: every second packet of a busy connection,
/// and so small that finding out what it is takes most of the time.
#[inline(always)]
fn short_acknowledgement(bytes: &[u8]) -> Option<Packet<'_>> {
    let &[first_byte, 2, high, low] = bytes else {
        return None;
    };
    let packet_identifier = PacketIdentifier::new(u16::from_be_bytes([high, low]))?;
    let success = ReasonCode::Success;
    const PUBACK: u8 = PacketType::PubAck.first_byte();
    const PUBREC: u8 = PacketType::PubRec.first_byte();
    const PUBREL: u8 = PacketType::PubRel.first_byte();
    const PUBCOMP: u8 = PacketType::PubComp.first_byte();
    Some(match first_byte {
        PUBACK => Packet::PubAck(PubAck::new(packet_identifier, success)),
        PUBREC => Packet::PubRec(PubRec::new(packet_identifier, success)),
        PUBREL => Packet::PubRel(PubRel::new(packet_identifier, success)),
        PUBCOMP => Packet::PubComp(PubComp::new(packet_identifier, success)),
        _ => return None,
    })
}

/// A packet, read from what follows its fixed header.
pub(super) trait Parse<'a>: Sized {
    fn parse(header: FixedHeader, body: &'a [u8]) -> Parsed<'a, Self>;
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
