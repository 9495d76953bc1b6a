//! Finding the borders of packets: only the fixed header is looked at (section 2.1).

use crate::wire::leading_variable_byte_integer;
use crate::{DecodeError, PacketType, Violation};

/// The size of the largest packet that the protocol allows, in bytes: a fixed header of 5 and a
/// Remaining Length of 268,435,455 (section 2.1.4).
pub const LARGEST_PACKET: u32 = 268_435_460;

// Lengths of packets are used as lengths of slices.
const _: () = assert!(usize::BITS >= 32);

/// The first two to five bytes of a packet, checked (section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FixedHeader {
    remaining_length: u32,
    first_byte: u8,
    length: u8,
    packet_type: PacketType,
}

impl FixedHeader {
    /// Reads the fixed header at the start of `input`. `Ok(None)` if `input` ends inside it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the type is reserved, a flag is wrong, or the Remaining Length is not a
    /// Variable Byte Integer in its shortest form.
    #[inline(always)]
    pub fn peek(input: &[u8]) -> Result<Option<Self>, DecodeError> {
        let [first_byte, rest @ ..] = input else {
            return Ok(None);
        };
        let packet_type = match PacketType::of_first_byte(*first_byte) {
            Ok(packet_type) => packet_type,
            Err(violation) => return Err(wrong_first_byte(violation, *first_byte)),
        };
        let (remaining_length, bytes) = match rest {
            [byte, ..] if *byte < 0x80 => (u32::from(*byte), 1),
            _ => match leading_variable_byte_integer(rest) {
                Ok(Some(length)) => length,
                Ok(None) => return Ok(None),
                Err(violation) => {
                    return Err(DecodeError::new(violation, Some(packet_type), 1));
                }
            },
        };
        Ok(Some(FixedHeader {
            remaining_length,
            first_byte: *first_byte,
            length: 1 + bytes as u8,
            packet_type,
        }))
    }

    /// The type of the packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// The first byte: type and flags.
    #[must_use]
    pub const fn first_byte(&self) -> u8 {
        self.first_byte
    }

    /// How many bytes follow the fixed header (section 2.1.4).
    #[must_use]
    pub const fn remaining_length(&self) -> usize {
        self.remaining_length as usize
    }

    /// The length of the fixed header itself, in bytes: 2 to 5.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length as usize
    }

    /// The size of the whole packet, in bytes.
    #[must_use]
    pub const fn packet_size(&self) -> usize {
        self.length() + self.remaining_length()
    }

    /// # Errors
    ///
    /// [`Violation::PacketTooLarge`] if the packet is larger than this many bytes.
    #[inline(always)]
    pub(crate) const fn check_size(&self, maximum_packet_size: u32) -> Result<(), DecodeError> {
        if self.packet_size() > maximum_packet_size as usize {
            return Err(DecodeError::new(
                Violation::PacketTooLarge,
                Some(self.packet_type),
                1,
            ));
        }
        Ok(())
    }
}

#[cold]
fn wrong_first_byte(violation: Violation, first_byte: u8) -> DecodeError {
    DecodeError::new(violation, PacketType::from_number(first_byte >> 4), 0)
}

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
    #[inline(always)]
    pub fn whole(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match FixedHeader::peek(bytes)? {
            Some(header) if header.packet_size() == bytes.len() => Ok(RawPacket { bytes, header }),
            header => Err(wrong_length(bytes, header)),
        }
    }

    /// The type of the packet.
    #[must_use]
    #[inline(always)]
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type()
    }

    /// The fixed header.
    #[must_use]
    #[inline(always)]
    pub const fn header(&self) -> FixedHeader {
        self.header
    }

    /// The whole packet.
    #[must_use]
    #[inline(always)]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the fixed header.
    #[must_use]
    #[inline(always)]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.header.length()..]
    }

    /// Wraps a whole packet whose header was read from it.
    #[inline(always)]
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
        /// How many more bytes are needed at least: all that are missing once the fixed header is
        /// there, else those that it takes at least. A peer chose this number: do not reserve so
        /// much before it has sent it.
        needed: usize,
    },
}

/// Splits the first packet off `input`, without copying, counting or keeping anything.
///
/// The cheapest way through a buffer that holds several packets. It looks at no more than the fixed
/// header, so asking again when more bytes have arrived costs nothing extra. Over a growing buffer
/// with shared ownership use [`Splitter`](crate::Splitter).
///
/// `maximum_packet_size` is in bytes, fixed header included; a larger packet is an error as soon as
/// its fixed header is there. Pass the Maximum Packet Size that was announced to the peer, or
/// [`LARGEST_PACKET`] if none was. No packet is smaller than 2 bytes.
///
/// # Errors
///
/// [`DecodeError`] if the fixed header breaks a rule: no byte after it can mend that.
///
/// ```
/// use mqtt5_codec::{LARGEST_PACKET, Packet, Split, split};
///
/// let received = [0xC0, 0x00, 0xD0, 0x00, 0x40, 0x02, 0x00];
/// let mut input = &received[..];
/// let mut packets = Vec::new();
/// let missing = loop {
///     match split(input, LARGEST_PACKET)? {
///         Split::Packet { packet, rest } => {
///             packets.push(packet.decode()?);
///             input = rest;
///         }
///         Split::Incomplete { needed } => break needed,
///     }
/// };
/// assert_eq!(packets, [Packet::PingReq, Packet::PingResp]);
/// assert_eq!(missing, 1);
/// # Ok::<(), mqtt5_codec::DecodeError>(())
/// ```
#[inline(always)]
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

/// How many more bytes a fixed header needs at least.
pub(crate) const fn needed_for_header(input: &[u8]) -> usize {
    if input.is_empty() { 2 } else { 1 }
}
