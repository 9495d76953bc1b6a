//! Deliberate faults that take more than a line, or are in a table that is a constant.

use crate::text::{Text, text};
use crate::topic::{TopicName, checked_plain_topic_filter};
use crate::v5::packet::flag;
use crate::wire::{Fault, Parsed, length_prefixed};
use crate::{PacketType, Violation};

/// The type of a packet whose flags are wrong, if they are to pass.
pub(crate) fn passing_flags(byte: u8) -> Option<PacketType> {
    let packet_type = PacketType::from_number(byte >> 4)?;
    let passes = match packet_type {
        PacketType::Publish if byte & 0b0110 == 0b0110 => fault!("MQTT-3.3.1-4"),
        PacketType::Publish if byte & 0b1110 == 0b1000 => fault!("MQTT-3.3.1-2"),
        PacketType::Publish => false,
        PacketType::PubRel => fault!("MQTT-3.6.1-1"),
        PacketType::Subscribe => fault!("MQTT-3.8.1-1"),
        PacketType::Unsubscribe => fault!("MQTT-3.10.1-1"),
        PacketType::Disconnect => fault!("MQTT-3.14.1-1"),
        PacketType::Auth => fault!("MQTT-3.15.1-1"),
        _ => fault!("MQTT-2.1.3-1"),
    };
    passes.then_some(packet_type)
}

/// Whether a Reason Code that a packet of this type may not have is to pass.
pub(crate) fn passes_reason_code(packet_type: PacketType) -> bool {
    match packet_type {
        PacketType::ConnAck => fault!("MQTT-3.2.2-8"),
        PacketType::PubAck => fault!("MQTT-3.4.2-1"),
        PacketType::PubRec => fault!("MQTT-3.5.2-1"),
        PacketType::PubRel => fault!("MQTT-3.6.2-1"),
        PacketType::PubComp => fault!("MQTT-3.7.2-1"),
        PacketType::SubAck => fault!("MQTT-3.9.3-2"),
        PacketType::UnsubAck => fault!("MQTT-3.11.3-2"),
        PacketType::Disconnect => fault!("MQTT-3.14.2-1"),
        PacketType::Auth => fault!("MQTT-3.15.2-1"),
        _ => false,
    }
}

/// The Connect Flags, with which a User Name or Password passes that is there, or missing, against them.
pub(crate) fn mistaken_flags(rest: &[u8], flags: u8) -> u8 {
    let mut flags = flags;
    if !rest.is_empty() && fault!("MQTT-3.1.2-16") {
        flags |= flag::USER_NAME;
    }
    if !rest.is_empty() && fault!("MQTT-3.1.2-18") {
        flags |= flag::PASSWORD;
    }
    if rest.is_empty() && fault!("MQTT-3.1.2-17") {
        flags &= !flag::USER_NAME;
    }
    if rest.is_empty() && fault!("MQTT-3.1.2-19") {
        flags &= !flag::PASSWORD;
    }
    flags
}

/// A field whose only fault is that it is no UTF-8 Encoded String passes.
pub(crate) fn ill_formed_passes<'a>(
    input: &'a [u8],
    checked: Parsed<'a, &'a [u8]>,
) -> Parsed<'a, &'a [u8]> {
    match checked {
        Err(nom::Err::Error(Fault {
            violation: Violation::IllFormedUtf8 | Violation::NullCharacter,
            ..
        })) => length_prefixed(input),
        checked => checked,
    }
}

/// As [`text`], but what is no UTF-8 Encoded String is read as an empty one.
pub(crate) fn unchecked_text(input: &[u8]) -> Parsed<'_, Text<'_>> {
    text(input).or_else(|_| {
        let (rest, bytes) = length_prefixed(input)?;
        Ok((rest, Text::trusted(bytes)))
    })
}

/// A Topic Name of which nothing is checked.
pub(crate) fn unchecked_topic_name(input: &[u8]) -> Parsed<'_, Option<TopicName<'_>>> {
    let (rest, bytes) = length_prefixed(input)?;
    let name = TopicName::trusted(bytes);
    Ok((rest, (!bytes.is_empty()).then_some(name)))
}

/// What is no UTF-8 encoded string is read as another filter.
pub(crate) fn unchecked_topic_filter(input: &[u8]) -> Parsed<'_, Option<Violation>> {
    checked_plain_topic_filter(input).or_else(|_| {
        let (rest, _) = length_prefixed(input)?;
        Ok((rest, None))
    })
}

impl Text<'_> {
    /// The text without a character that is taken for a byte order mark.
    pub(crate) fn without_byte_order_mark(self) -> Self {
        let text = self.as_str();
        Text::new(text.strip_prefix('\u{FEFF}').unwrap_or(text)).unwrap_or(self)
    }
}
