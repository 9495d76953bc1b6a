//! What a session has to know about the next packet, found at the price of its bytes.

use super::split::{RawPacket, Split, split};
use crate::v5::packet::{plain_publish, split_acknowledgement};
use crate::{DecodeError, PacketIdentifier, PacketType, Publish};

/// The next packet, as far as it can be told without building a [`Packet`](crate::Packet): that is
/// large, and nine of ten packets of a busy connection are one of the first two kinds.
///
/// Both sides may send these two, so nothing is left to be checked about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A PUBACK, PUBREC, PUBREL or PUBCOMP in its shortest form, which says Success (section 3.4.2.1).
    Acknowledgement(PacketType, PacketIdentifier),
    /// A PUBLISH without properties.
    Publish(Publish<'a>),
    /// Everything else, right or wrong: [`RawPacket::decode_from`] says which.
    Other(RawPacket<'a>),
}

impl<'a> Incoming<'a> {
    /// Takes the first packet off `input`: what it is, and what follows it. `None` if `input` ends
    /// inside it.
    ///
    /// The answer is the one of [`split`] and [`RawPacket::decode_from`] together, in one look.
    /// `maximum_packet_size` is in bytes, fixed header included.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as [`split`]: if the fixed header breaks a rule, or announces a packet that is
    /// larger than `maximum_packet_size`.
    ///
    /// ```
    /// use mqtt5_codec::framing::{Incoming, LARGEST_PACKET};
    /// use mqtt5_codec::{PacketIdentifier, PacketType};
    ///
    /// let input = [0x40, 0x02, 0x00, 0x01, 0xD0];
    /// let acknowledgement = Incoming::Acknowledgement(PacketType::PubAck, PacketIdentifier::MIN);
    /// assert_eq!(Incoming::split(&input, LARGEST_PACKET), Ok(Some((acknowledgement, &input[4..]))));
    /// assert_eq!(Incoming::split(&input[4..], LARGEST_PACKET), Ok(None));
    /// ```
    #[inline]
    pub fn split(
        input: &'a [u8],
        maximum_packet_size: u32,
    ) -> Result<Option<(Self, &'a [u8])>, DecodeError> {
        if maximum_packet_size as usize >= ACKNOWLEDGEMENT_LENGTH {
            if let Some((packet_type, packet_identifier, rest)) = split_acknowledgement(input) {
                let incoming = Incoming::Acknowledgement(packet_type, packet_identifier);
                return Ok(Some((incoming, rest)));
            }
        }
        let (packet, rest) = match split(input, maximum_packet_size)? {
            Split::Packet { packet, rest } => (packet, rest),
            Split::Incomplete { .. } => return Ok(None),
        };
        let publish = match packet.packet_type() {
            PacketType::Publish => plain_publish(packet.header().first_byte(), packet.body()),
            _ => None,
        };
        Ok(Some(match publish {
            Some(publish) => (Incoming::Publish(publish), rest),
            None => (Incoming::Other(packet), rest),
        }))
    }
}

/// The length of an acknowledgement in its shortest form.
const ACKNOWLEDGEMENT_LENGTH: usize = 4;
