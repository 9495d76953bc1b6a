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
            None => dispatch(self.header(), self.body()),
        }
    }

    /// Decodes the packet, knowing who sent it: see [`Packet::decode_from`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    #[inline]
    pub fn decode_from(&self, sender: Role) -> Result<Packet<'a>, DecodeError> {
        // Both sides send them.
        match short_acknowledgement(self.as_bytes()) {
            Some(packet) => Ok(packet),
            None => self.decode_long_from(sender),
        }
    }

    #[inline(never)]
    fn decode_long_from(&self, sender: Role) -> Result<Packet<'a>, DecodeError> {
        let packet_type = self.packet_type();
        if !packet_type.sent_by(sender) {
            return Err(
                DecodeError::new(Violation::PacketFromWrongSide, Some(packet_type), 0)
                    .sent_by(sender),
            );
        }
        // Not moved once it is there: it is the largest thing around.
        let decoded = dispatch(self.header(), self.body());
        match &decoded {
            Ok(packet) => match packet.wrong_side(sender) {
                None => decoded,
                Some((violation, offset)) => Err(DecodeError::new(
                    violation,
                    Some(packet_type),
                    self.header().length() + offset,
                )
                .sent_by(sender)),
            },
            Err(error) => Err(error.sent_by(sender)),
        }
    }
}

#[inline(never)]
fn decode_any(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let packet = RawPacket::whole(bytes)?;
    dispatch(packet.header(), packet.body())
}

#[inline(always)]
fn dispatch(header: FixedHeader, body: &[u8]) -> Result<Packet<'_>, DecodeError> {
    match header.packet_type() {
        PacketType::Connect => decode_as::<Connect<'_>>(header, body),
        PacketType::ConnAck => decode_as::<ConnAck<'_>>(header, body),
        PacketType::Publish => decode_as::<Publish<'_>>(header, body),
        PacketType::PubAck => decode_as::<PubAck<'_>>(header, body),
        PacketType::PubRec => decode_as::<PubRec<'_>>(header, body),
        PacketType::PubRel => decode_as::<PubRel<'_>>(header, body),
        PacketType::PubComp => decode_as::<PubComp<'_>>(header, body),
        PacketType::Subscribe => decode_as::<Subscribe<'_>>(header, body),
        PacketType::SubAck => decode_as::<SubAck<'_>>(header, body),
        PacketType::Unsubscribe => decode_as::<Unsubscribe<'_>>(header, body),
        PacketType::UnsubAck => decode_as::<UnsubAck<'_>>(header, body),
        PacketType::PingReq | PacketType::PingResp => decode_as::<Ping>(header, body),
        PacketType::Disconnect => decode_as::<Disconnect<'_>>(header, body),
        PacketType::Auth => decode_as::<Auth<'_>>(header, body),
    }
}

/// Each packet type has its own copy, which writes its own fields and nothing else: a common one
/// would move the largest packet around for the smallest.
#[inline(never)]
fn decode_as<'a, T: Parse<'a> + Into<Packet<'a>>>(
    header: FixedHeader,
    body: &'a [u8],
) -> Result<Packet<'a>, DecodeError> {
    match T::parse(header, body) {
        Ok(([], packet)) => Ok(packet.into()),
        Ok((rest, _)) => Err(blame(
            header,
            body,
            Fault::at(rest, Violation::BytesLeftOver),
        )),
        Err(error) => Err(blame(header, body, error)),
    }
}

#[cold]
fn blame(header: FixedHeader, body: &[u8], error: nom::Err<Fault>) -> DecodeError {
    let fault = fault_of(error);
    DecodeError::new(
        fault.violation,
        Some(header.packet_type()),
        header.length() + fault.offset_in(body.len()),
    )
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
