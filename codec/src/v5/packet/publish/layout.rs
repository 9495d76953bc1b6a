//! Where the parts of a PUBLISH stand (sections 3.3.1, 3.3.2): the only place that knows.

use crate::Qos;

/// Flags of the fixed header (section 3.3.1).
pub(super) mod flag {
    pub(in super::super) const RETAIN: u8 = 1;
    pub(in super::super) const QOS_SHIFT: u8 = 1;
    pub(in super::super) const QOS: u8 = 0b11 << QOS_SHIFT;
    pub(in super::super) const DUPLICATE: u8 = 1 << 3;
}

/// Whether RETAIN is set in this first byte.
pub(crate) const fn is_retained(first_byte: u8) -> bool {
    first_byte & flag::RETAIN != 0
}

/// Whether DUP is set in this first byte.
pub(super) const fn is_duplicate(first_byte: u8) -> bool {
    first_byte & flag::DUPLICATE != 0
}

/// The QoS in this first byte, which was checked: it is not 3.
#[inline]
pub(super) const fn qos_of(first_byte: u8) -> Qos {
    match (first_byte & flag::QOS) >> flag::QOS_SHIFT {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        _ => Qos::ExactlyOnce,
    }
}

/// Whether a PUBLISH with this first byte has a Packet Identifier: at QoS 1 and 2 (section 3.3.2.2).
pub(crate) const fn has_packet_identifier(first_byte: u8) -> bool {
    first_byte & flag::QOS != 0
}

/// The length of the Packet Identifier.
pub(crate) const PACKET_IDENTIFIER_LENGTH: usize = 2;

/// The borders between the fields of a PUBLISH, counted from the end of its fixed header:
///
/// | from | to | field |
/// | --- | --- | --- |
/// | 0 | `topic_end` | Topic Name, with its two bytes of length |
/// | `topic_end` | `properties_at` | Packet Identifier, at QoS 1 and 2 |
/// | `properties_at` | | Property Length, properties, payload |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublishLayout {
    pub(crate) topic_end: usize,
    pub(crate) properties_at: usize,
}

impl PublishLayout {
    /// The layout of a packet with this first byte and a Topic Name of this many bytes.
    #[inline]
    pub(crate) const fn new(first_byte: u8, topic_length: usize) -> Self {
        let topic_end = 2 + topic_length;
        let properties_at = if has_packet_identifier(first_byte) {
            topic_end + PACKET_IDENTIFIER_LENGTH
        } else {
            topic_end
        };
        PublishLayout {
            topic_end,
            properties_at,
        }
    }

    /// The layout of a packet of which this follows the fixed header. Only the length of the Topic Name
    /// is looked at, so the fields may run past the end. `None` if even that is missing.
    #[inline]
    pub(crate) fn of(first_byte: u8, body: &[u8]) -> Option<Self> {
        let topic_length = u16::from_be_bytes(*body.first_chunk()?);
        Some(Self::new(first_byte, usize::from(topic_length)))
    }
}
