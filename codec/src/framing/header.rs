//! The fixed header of a packet (section 2.1).

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
    #[inline]
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
    #[inline]
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

/// How many more bytes a fixed header needs at least.
pub(crate) const fn needed_for_header(input: &[u8]) -> usize {
    if input.is_empty() { 2 } else { 1 }
}
