//! Numbers that crowd at borders, and how often something happens.

use arbitrary::{Result, Unstructured};

use crate::{PacketIdentifier, SubscriptionIdentifier};

/// Where something changes: the length of a Variable Byte Integer, the sign, the end of a range.
const BORDERS: [u32; 20] = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x100,
    16_383,
    16_384,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x1_0000,
    2_097_151,
    2_097_152,
    268_435_454,
    268_435_455,
    0x8000_0000,
    0xFFFF_FFFF,
];

pub(super) fn number(source: &mut Unstructured<'_>) -> Result<u32> {
    if one_in(4, source)? {
        source.arbitrary()
    } else {
        source.choose(&BORDERS).copied()
    }
}

pub(super) fn packet_identifier(source: &mut Unstructured<'_>) -> Result<PacketIdentifier> {
    let number = number(source)? as u16;
    Ok(PacketIdentifier::new(number).unwrap_or(PacketIdentifier::MIN))
}

pub(super) fn subscription_identifier(number: u32) -> SubscriptionIdentifier {
    let number = number & SubscriptionIdentifier::MAX.get();
    SubscriptionIdentifier::new(number.max(1)).unwrap_or(SubscriptionIdentifier::MAX)
}

/// True once in this many times, and never when the source is exhausted.
pub(super) fn one_in(times: u8, source: &mut Unstructured<'_>) -> Result<bool> {
    Ok(source.int_in_range(1..=times)? == times)
}

/// How long a list is that needs at least one element: short as a rule, very long now and then.
pub(super) fn list_length(source: &mut Unstructured<'_>) -> Result<usize> {
    let length = source.int_in_range(1..=5)?;
    if length == 5 && one_in(16, source)? {
        source.int_in_range(6..=300)
    } else {
        Ok(length)
    }
}
