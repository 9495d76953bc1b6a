//! Finding the borders of packets: only the fixed header is looked at (section 2.1).

use super::header::{FixedHeader, needed_for_header};
use crate::{DecodeError, PacketType, Violation};

/// The bytes of one whole packet, of which only the fixed header is checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPacket<'a> {
    bytes: &'a [u8],
    header: FixedHeader,
}

impl<'a> RawPacket<'a> {
    /// Takes bytes for exactly one packet.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as [`FixedHeader::peek`]; [`Violation::FieldTruncated`] or
    /// [`Violation::BytesLeftOver`] if the length is not what the fixed header says.
    #[inline]
    pub fn whole(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match FixedHeader::peek(bytes)? {
            Some(header) if header.packet_size() == bytes.len() => Ok(RawPacket { bytes, header }),
            header => Err(wrong_length(bytes, header)),
        }
    }

    /// The type of the packet.
    #[must_use]
    #[inline]
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type()
    }

    /// The fixed header.
    #[must_use]
    #[inline]
    pub const fn header(&self) -> FixedHeader {
        self.header
    }

    /// The whole packet.
    #[must_use]
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the fixed header.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.header.length()..]
    }

    /// Wraps a whole packet whose header was read from it.
    #[inline]
    pub(crate) const fn trusted(bytes: &'a [u8], header: FixedHeader) -> Self {
        RawPacket { bytes, header }
    }
}

#[cold]
fn wrong_length(bytes: &[u8], header: Option<FixedHeader>) -> DecodeError {
    let length = bytes.len();
    let packet_type = bytes
        .first()
        .and_then(|first_byte| PacketType::from_number(first_byte >> 4));
    match header {
        Some(header) if header.packet_size() < length => {
            DecodeError::new(Violation::BytesLeftOver, packet_type, header.packet_size())
        }
        _ => DecodeError::new(Violation::FieldTruncated, packet_type, length),
    }
}

/// What [`split`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole packet.
    Packet {
        /// The packet, still to be decoded.
        packet: RawPacket<'a>,
        /// What follows it.
        rest: &'a [u8],
    },
    /// The input ends inside a packet.
    Incomplete {
        /// How many more bytes are needed at least; exact once the fixed header is complete. A peer chose
        /// this number: do not reserve memory for it.
        needed: usize,
    },
}

/// Splits the first packet off `input`, without copying, counting or keeping anything.
///
/// The cheapest way through a buffer that holds several packets. It looks at no more than the fixed
/// header, so asking again when more bytes have arrived costs nothing extra. Over a growing buffer
/// with shared ownership use [`Splitter`](crate::framing::Splitter).
///
/// `maximum_packet_size` is in bytes, fixed header included; a larger packet is an error as soon as
/// its fixed header is there. Pass the Maximum Packet Size that was announced to the peer, or
/// [`LARGEST_PACKET`](super::LARGEST_PACKET) if none was. No packet is smaller than 2 bytes.
///
/// # Errors
///
/// [`DecodeError`] if the fixed header breaks a rule: later bytes cannot repair it.
///
/// ```
/// use mqtt5_codec::{Packet, ProtocolVersion};
/// use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};
///
/// let received = [0xC0, 0x00, 0xD0, 0x00, 0x40, 0x02, 0x00];
/// let mut input = &received[..];
/// let mut packets = Vec::new();
/// let missing = loop {
///     match split(input, LARGEST_PACKET)? {
///         Split::Packet { packet, rest } => {
///             packets.push(packet.decode(ProtocolVersion::V5_0)?);
///             input = rest;
///         }
///         Split::Incomplete { needed } => break needed,
///     }
/// };
/// assert_eq!(packets, [Packet::PingReq, Packet::PingResp]);
/// assert_eq!(missing, 1);
/// # Ok::<(), mqtt5_codec::DecodeError>(())
/// ```
#[inline]
pub fn split(input: &[u8], maximum_packet_size: u32) -> Result<Split<'_>, DecodeError> {
    let Some(header) = FixedHeader::peek(input)? else {
        return Ok(Split::Incomplete {
            needed: needed_for_header(input),
        });
    };
    header.check_size(maximum_packet_size)?;
    match input.split_at_checked(header.packet_size()) {
        Some((bytes, rest)) => Ok(Split::Packet {
            packet: RawPacket::trusted(bytes, header),
            rest,
        }),
        None => Ok(Split::Incomplete {
            needed: header.packet_size() - input.len(),
        }),
    }
}
