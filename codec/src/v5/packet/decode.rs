//! From one whole packet to its fields.
//!
//! # What is inlined
//!
//! [`decode_as`] is a function for each packet type, and everything that it calls is part of it, except what
//! only errors and rare values need. The compiler sees that by itself, with a hint (`inline`), but for the
//! checks of strings, of properties and of the data types of section 1.5: those are called from many places,
//! and are marked `inline(always)`. With the hint alone a CONNACK with 16 properties takes 26 % more
//! instructions, a PUBLISH with 7 properties 21 %, a DISCONNECT with a Reason String 15 %, a CONNECT 9 %, a
//! SUBSCRIBE 5 % (`benches --bin instructions`). New code has no attribute until that program asks for one.

use super::{
    Auth, ConnAck, Connect, Disconnect, Packet, PacketIdentifier, Ping, PubAck, PubComp, PubRec,
    PubRel, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
};
use crate::framing::{FixedHeader, RawPacket};
use crate::wire::{Fault, Parsed, fault_of, two_byte_integer};
use crate::{DecodeError, PacketType, ProtocolVersion, ReasonCode, Role, Violation, v3_1_1};

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
    /// [`split`](crate::framing::split) or [`Splitter`](crate::framing::Splitter) first.
    #[inline]
    pub fn decode(version: ProtocolVersion, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match short_packet(bytes) {
            Some(packet) => Ok(packet),
            None if version == ProtocolVersion::V3_1_1 => v3_1_1::decode_whole(bytes),
            None => decode_whole(bytes),
        }
    }

    /// As [`Packet::decode`], for a packet from this side: what the side must never send is an error,
    /// too.
    ///
    /// # Errors
    ///
    /// As [`Packet::decode`].
    pub fn decode_from(
        version: ProtocolVersion,
        sender: Role,
        bytes: &'a [u8],
    ) -> Result<Self, DecodeError> {
        RawPacket::whole(bytes)
            .map_err(|error| error.in_version(version).sent_by(sender))?
            .decode_from(version, sender)
    }
}

impl<'a> RawPacket<'a> {
    /// Decodes the packet: see [`Packet::decode`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    #[inline]
    pub fn decode(&self, version: ProtocolVersion) -> Result<Packet<'a>, DecodeError> {
        match short_packet(self.as_bytes()) {
            Some(packet) => Ok(packet),
            None if version == ProtocolVersion::V3_1_1 => {
                v3_1_1::decode(self.header(), self.body())
            }
            None => dispatch(self.header(), self.body()),
        }
    }

    /// Decodes a packet from this side: see [`Packet::decode_from`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    #[inline]
    pub fn decode_from(
        &self,
        version: ProtocolVersion,
        sender: Role,
    ) -> Result<Packet<'a>, DecodeError> {
        // Both sides send them.
        match short_packet(self.as_bytes()) {
            Some(packet) => Ok(packet),
            None => self.decode_long_from(version, sender),
        }
    }

    #[cold]
    fn wrong_side_error(
        &self,
        version: ProtocolVersion,
        sender: Role,
        fault: (Violation, usize),
    ) -> DecodeError {
        let (violation, offset) = fault;
        let packet_type = Some(self.packet_type());
        DecodeError::new(violation, packet_type, offset)
            .in_version(version)
            .sent_by(sender)
    }

    #[inline(never)]
    fn decode_long_from(
        &self,
        version: ProtocolVersion,
        sender: Role,
    ) -> Result<Packet<'a>, DecodeError> {
        let packet_type = self.packet_type();
        if !packet_type.sent_by(version, sender) {
            let fault = (Violation::PacketFromWrongSide, 0);
            return Err(self.wrong_side_error(version, sender, fault));
        }
        // Not moved: it is the largest value here.
        let decoded = match version {
            ProtocolVersion::V3_1_1 => v3_1_1::decode(self.header(), self.body()),
            ProtocolVersion::V5_0 => dispatch(self.header(), self.body()),
        };
        match &decoded {
            Ok(packet) => match packet.wrong_side(sender) {
                None => decoded,
                Some((violation, offset)) => {
                    let fault = (violation, self.header().length() + offset);
                    Err(self.wrong_side_error(version, sender, fault))
                }
            },
            Err(error) => Err(error.sent_by(sender)),
        }
    }
}

#[inline(never)]
fn decode_whole(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let packet = RawPacket::whole(bytes)?;
    dispatch(packet.header(), packet.body())
}

#[inline]
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
pub(crate) fn decode_as<'a, T: Parse<'a> + Into<Packet<'a>>>(
    header: FixedHeader,
    body: &'a [u8],
) -> Result<Packet<'a>, DecodeError> {
    match T::parse(header, body) {
        Ok(([], packet)) => Ok(packet.into()),
        Ok((rest, _)) => Err(blame(
            T::version_of(body),
            header,
            body,
            Fault::at(rest, Violation::BytesLeftOver),
        )),
        Err(error) => Err(blame(T::version_of(body), header, body, error)),
    }
}

#[cold]
fn blame(
    version: ProtocolVersion,
    header: FixedHeader,
    body: &[u8],
    error: nom::Err<Fault>,
) -> DecodeError {
    let fault = fault_of(error);
    let error = DecodeError::new(
        fault.violation,
        Some(header.packet_type()),
        header.length() + fault.offset_in(body.len()),
    );
    error.in_version(version)
}

/// Splits a PUBACK, PUBREC, PUBREL or PUBCOMP in its shortest form, which says Success (section
/// 3.4.2.1), off the front of `input`: its type, its Packet Identifier, and what follows it. That is
/// all that [`split`](crate::framing::split) and [`RawPacket::decode_from`] would find, in one look. `None` for
/// everything else.
///
/// Every second packet of a busy connection is one, and so small that finding out what it is takes
/// most of the time.
///
/// ```
/// use mqtt5_codec::internal::split_acknowledgement;
/// use mqtt5_codec::{PacketIdentifier, PacketType};
///
/// let input = [0x40, 0x02, 0x00, 0x01, 0xD0];
/// let found = (PacketType::PubAck, PacketIdentifier::MIN, &input[4..]);
/// assert_eq!(split_acknowledgement(&input), Some(found));
/// assert_eq!(split_acknowledgement(&input[4..]), None);
/// ```
#[must_use]
#[inline]
pub fn split_acknowledgement(input: &[u8]) -> Option<(PacketType, PacketIdentifier, &[u8])> {
    let (packet, rest) = input.split_first_chunk()?;
    let (packet_type, packet_identifier) = acknowledgement(*packet)?;
    Some((packet_type, packet_identifier, rest))
}

#[inline]
fn acknowledgement(
    [first_byte, length, high, low]: [u8; 4],
) -> Option<(PacketType, PacketIdentifier)> {
    const fn start(packet_type: PacketType) -> u16 {
        u16::from_be_bytes([packet_type.first_byte(), 2])
    }
    const PUBACK: u16 = start(PacketType::PubAck);
    const PUBREC: u16 = start(PacketType::PubRec);
    const PUBREL: u16 = start(PacketType::PubRel);
    const PUBCOMP: u16 = start(PacketType::PubComp);
    let packet_type = match u16::from_be_bytes([first_byte, length]) {
        PUBACK => PacketType::PubAck,
        PUBREC => PacketType::PubRec,
        PUBREL => PacketType::PubRel,
        PUBCOMP => PacketType::PubComp,
        _ => return None,
    };
    let packet_identifier = PacketIdentifier::new(u16::from_be_bytes([high, low]))?;
    Some((packet_type, packet_identifier))
}

/// A packet that is nothing but such an acknowledgement.
#[inline]
fn short_packet(bytes: &[u8]) -> Option<Packet<'_>> {
    let (packet_type, packet_identifier) = acknowledgement(bytes.try_into().ok()?)?;
    let success = ReasonCode::Success;
    Some(match packet_type {
        PacketType::PubAck => Packet::PubAck(PubAck::new(packet_identifier, success)),
        PacketType::PubRec => Packet::PubRec(PubRec::new(packet_identifier, success)),
        PacketType::PubRel => Packet::PubRel(PubRel::new(packet_identifier, success)),
        _ => Packet::PubComp(PubComp::new(packet_identifier, success)),
    })
}

/// A packet, read from what follows its fixed header.
pub(crate) trait Parse<'a>: Sized {
    /// The version by whose rules it is read.
    const VERSION: ProtocolVersion = ProtocolVersion::V5_0;

    fn parse(header: FixedHeader, body: &'a [u8]) -> Parsed<'a, Self>;

    /// As [`Parse::VERSION`], for an error in these bytes.
    #[cold]
    fn version_of(_: &[u8]) -> ProtocolVersion {
        Self::VERSION
    }
}

/// A Packet Identifier (section 2.2.1).
#[inline]
pub(crate) fn packet_identifier(input: &[u8]) -> Parsed<'_, PacketIdentifier> {
    let (rest, value) = two_byte_integer(input)?;
    match PacketIdentifier::new(value) {
        Some(identifier) => Ok((rest, identifier)),
        None if fault!("MQTT3-2.3.1-1") => Ok((rest, PacketIdentifier::MAX)),
        None => Err(Fault::at(input, Violation::PacketIdentifierZero)),
    }
}
