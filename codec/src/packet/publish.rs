//! PUBLISH (section 3.3).

use super::decode::{Parse, packet_identifier};
use super::{PacketIdentifier, Qos};
use crate::encode::{self, Body, encodable};
use crate::property::{PayloadFormat, Properties, property_set_and_seen, scope};
use crate::sink::Sink;
use crate::split::FixedHeader;
use crate::topic::{PUBLISH_TOPIC, topic_name};
use crate::wire::{Fault, Parsed};
use crate::{EncodeError, PacketType, PropertyIdentifier, TopicName, Violation};

/// The properties of a PUBLISH.
pub type PublishProperties<'a> = Properties<'a, scope::Publish>;

/// Flags of the fixed header (section 3.3.1).
const RETAIN: u8 = 1;
const QOS_SHIFT: u8 = 1;
const DUPLICATE: u8 = 1 << 3;

/// How a message is delivered: QoS, and what only QoS 1 and 2 have (sections 3.3.1.1, 3.3.1.2,
/// 3.3.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// QoS 0: no Packet Identifier, no DUP.
    #[default]
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce {
        /// Packet Identifier.
        packet_identifier: PacketIdentifier,
        /// DUP: the packet is sent again.
        duplicate: bool,
    },
    /// QoS 2.
    ExactlyOnce {
        /// Packet Identifier.
        packet_identifier: PacketIdentifier,
        /// DUP: the packet is sent again.
        duplicate: bool,
    },
}

impl Delivery {
    /// The QoS.
    #[must_use]
    pub const fn qos(self) -> Qos {
        match self {
            Delivery::AtMostOnce => Qos::AtMostOnce,
            Delivery::AtLeastOnce { .. } => Qos::AtLeastOnce,
            Delivery::ExactlyOnce { .. } => Qos::ExactlyOnce,
        }
    }

    /// The Packet Identifier; `None` at QoS 0.
    #[must_use]
    pub const fn packet_identifier(self) -> Option<PacketIdentifier> {
        match self {
            Delivery::AtMostOnce => None,
            Delivery::AtLeastOnce {
                packet_identifier, ..
            }
            | Delivery::ExactlyOnce {
                packet_identifier, ..
            } => Some(packet_identifier),
        }
    }

    /// DUP; never set at QoS 0.
    #[must_use]
    pub const fn duplicate(self) -> bool {
        match self {
            Delivery::AtMostOnce => false,
            Delivery::AtLeastOnce { duplicate, .. } | Delivery::ExactlyOnce { duplicate, .. } => {
                duplicate
            }
        }
    }
}

/// A message on its way (section 3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Publish<'a> {
    /// QoS, Packet Identifier and DUP.
    pub delivery: Delivery,
    /// RETAIN (section 3.3.1.3).
    pub retain: bool,
    /// The Topic Name; `None` if the field is empty and a Topic Alias stands for it (section
    /// 3.3.2.1).
    pub topic: Option<TopicName<'a>>,
    /// Properties (section 3.3.2.3).
    pub properties: PublishProperties<'a>,
    /// The Application Message; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// As [`Publish::encode`], but writes only what comes before the payload and returns the
    /// payload: for a vectored write, uncopied.
    ///
    /// # Errors
    ///
    /// As [`Publish::encode`].
    #[inline]
    pub fn encode_head<B: bytes::BufMut + ?Sized>(
        &self,
        out: &mut B,
    ) -> Result<&'a [u8], EncodeError> {
        encode::encode_head(self, out)
    }

    /// Whether the payload is what the Payload Format Indicator says: with 1 it must be UTF-8
    /// (section 3.3.2.3.2). The sender must see to it; a receiver may check it and answer 0x99.
    /// Decoding and encoding do not: it takes time in the payload's length.
    #[must_use]
    pub fn payload_format_is_right(&self) -> bool {
        payload_format_is_right(self.properties.payload_format_indicator(), self.payload)
    }
}

impl<'a> Parse<'a> for Publish<'a> {
    #[inline(always)]
    fn parse(header: FixedHeader, body: &'a [u8]) -> Parsed<'a, Self> {
        let (payload, head) = parse_head(header.first_byte(), body)?;
        Ok((&[], Publish { payload, ..head }))
    }
}

pub(super) fn payload_format_is_right(format: Option<PayloadFormat>, payload: &[u8]) -> bool {
    format != Some(PayloadFormat::Utf8Text) || core::str::from_utf8(payload).is_ok()
}

/// Everything before the payload.
#[inline(always)]
pub(crate) fn parse_head(first_byte: u8, input: &[u8]) -> Parsed<'_, Publish<'_>> {
    let (rest, topic) = topic_name(input, &PUBLISH_TOPIC)?;
    let qos = first_byte >> QOS_SHIFT & 0b11;
    let duplicate = first_byte & DUPLICATE != 0;
    let (rest, delivery) = if qos == 0 {
        (rest, Delivery::AtMostOnce)
    } else {
        let (rest, packet_identifier) = packet_identifier(rest)?;
        // The fixed header was checked: QoS is 1 or 2.
        let delivery = if qos == 1 {
            Delivery::AtLeastOnce {
                packet_identifier,
                duplicate,
            }
        } else {
            Delivery::ExactlyOnce {
                packet_identifier,
                duplicate,
            }
        };
        (rest, delivery)
    };
    let (rest, (properties, seen)) = property_set_and_seen(rest)?;
    if topic.is_none() && !seen.contains(PropertyIdentifier::TopicAlias) {
        return Err(Fault::at(input, Violation::TopicMissing));
    }
    Ok((
        rest,
        Publish {
            delivery,
            retain: first_byte & RETAIN != 0,
            topic,
            properties,
            payload: &[],
        },
    ))
}

impl<'a> Body<'a> for Publish<'a> {
    #[inline(always)]
    fn packet_type(&self) -> PacketType {
        PacketType::Publish
    }

    #[inline(always)]
    fn first_byte(&self) -> u8 {
        let duplicate = if self.delivery.duplicate() {
            DUPLICATE
        } else {
            0
        };
        PacketType::Publish.first_byte()
            | duplicate
            | (self.delivery.qos() as u8) << QOS_SHIFT
            | u8::from(self.retain)
    }

    #[inline(always)]
    fn check(&self) -> Result<(), Violation> {
        if self.topic.is_none() && !self.properties.contains(PropertyIdentifier::TopicAlias) {
            Err(Violation::TopicMissing)
        } else {
            Ok(())
        }
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        let topic = self.topic.map_or("", TopicName::as_str);
        sink.length_prefixed(topic.as_bytes());
        if let Some(packet_identifier) = self.delivery.packet_identifier() {
            sink.two_byte_integer(packet_identifier.get());
        }
        self.properties.write(sink);
    }

    #[inline(always)]
    fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

encodable!(Publish);
