//! PUBLISH (section 3.3).

mod layout;

use core::fmt;

pub(crate) use layout::{
    PACKET_IDENTIFIER_LENGTH, PublishLayout, has_packet_identifier, is_retained,
};

use self::layout::{flag, is_duplicate, qos_of};
use super::decode::{Parse, packet_identifier};
use super::{PacketIdentifier, Qos};
use crate::encode::{self, Body, encodable};
use crate::framing::{FixedHeader, RawPacket};
use crate::sink::Sink;
use crate::topic::{PUBLISH_TOPIC, topic_name};
use crate::v3_1_1::V3;
use crate::v5::property::{Contains, PayloadFormat, Properties, property_set_and_seen, scope};
use crate::wire::{Fault, Parsed};
use crate::{EncodeError, PacketType, PropertyIdentifier, ProtocolVersion, TopicName, Violation};

/// The properties of a PUBLISH.
pub type PublishProperties<'a> = Properties<'a, scope::Publish>;

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
    /// The delivery with this QoS. The identifier is not used at QoS 0.
    #[must_use]
    pub const fn new(qos: Qos, packet_identifier: PacketIdentifier, duplicate: bool) -> Self {
        match qos {
            Qos::AtMostOnce => Delivery::AtMostOnce,
            Qos::AtLeastOnce => Delivery::AtLeastOnce {
                packet_identifier,
                duplicate,
            },
            Qos::ExactlyOnce => Delivery::ExactlyOnce {
                packet_identifier,
                duplicate,
            },
        }
    }

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
///
/// The default has QoS 0 and no topic, so it cannot be sent as it is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Publish<'a> {
    /// QoS, Packet Identifier and DUP.
    pub delivery: Delivery,
    /// RETAIN (section 3.3.1.3).
    pub retain: bool,
    /// The Topic Name; `None` if the field is empty and a Topic Alias stands for it (section
    /// 3.3.2.1), which is not in MQTT 3.1.1.
    pub topic: Option<TopicName<'a>>,
    /// Properties (section 3.3.2.3). Not in MQTT 3.1.1.
    pub properties: PublishProperties<'a>,
    /// The Application Message; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// A message with QoS 0, without properties.
    #[must_use]
    pub const fn new(topic: TopicName<'a>, payload: &'a [u8]) -> Self {
        Publish {
            delivery: Delivery::AtMostOnce,
            retain: false,
            topic: Some(topic),
            properties: Properties::EMPTY,
            payload,
        }
    }

    /// As [`Publish::encode_head`], for a payload that is given here in place of `payload`, and returned: it
    /// keeps its own lifetime. So a packet that is changed on its way can be built on the stack, and what it
    /// carries is handed out.
    ///
    /// ```
    /// use mqtt5_codec::{EncodeError, Properties, Property, ProtocolVersion, Publish};
    ///
    /// /// Writes the head of a message that waited, and returns what has to follow.
    /// fn relay<'r>(
    ///     received: Publish<'r>,
    ///     seconds_left: u32,
    ///     head: &mut Vec<u8>,
    /// ) -> Result<&'r [u8], EncodeError> {
    ///     let list = [Property::MessageExpiryInterval(seconds_left)];
    ///     let properties = Properties::new(&list)?;
    ///     Publish { properties, ..received }.encode_head_for(ProtocolVersion::V5_0, received.payload, head)
    /// }
    /// ```
    ///
    /// For a payload that is not at hand there is
    /// [`LargePublish::encode_head`](crate::framing::LargePublish::encode_head).
    ///
    /// # Errors
    ///
    /// As [`Publish::encode`].
    pub fn encode_head_for<'p, B: crate::Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        payload: &'p [u8],
        out: &mut B,
    ) -> Result<&'p [u8], EncodeError> {
        self.encode_head_of(version, payload.len(), out)?;
        Ok(payload)
    }

    /// As [`Publish::encode`], but writes only what comes before the payload and returns the
    /// payload, uncopied: for a vectored write. **The caller must write it next.**
    ///
    /// # Errors
    ///
    /// As [`Publish::encode`].
    #[inline]
    pub fn encode_head<B: crate::Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        out: &mut B,
    ) -> Result<&'a [u8], EncodeError> {
        match version {
            ProtocolVersion::V3_1_1 => encode::encode_head(&V3(self), out),
            ProtocolVersion::V5_0 => encode::encode_head(self, out),
        }
    }

    /// Writes what comes before a payload of this length.
    pub(crate) fn encode_head_of<B: crate::Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        payload_length: usize,
        out: &mut B,
    ) -> Result<(), EncodeError> {
        match version {
            ProtocolVersion::V3_1_1 => encode::encode_head_for(&V3(self), payload_length, out),
            ProtocolVersion::V5_0 => encode::encode_head_for(self, payload_length, out),
        }
    }

    #[inline]
    pub(crate) fn first_byte_of(delivery: Delivery, retain: bool) -> u8 {
        let duplicate =
            // [MQTT3-4.3.1-1]
            delivery.duplicate() || fault!("MQTT-4.3.1-1") && delivery == Delivery::AtMostOnce;
        let duplicate = if duplicate { flag::DUPLICATE } else { 0 };
        PacketType::Publish.first_byte()
            | duplicate
            | (delivery.qos() as u8) << flag::QOS_SHIFT
            | if retain { flag::RETAIN } else { 0 }
    }

    /// Whether the payload is what the Payload Format Indicator says: with 1 it must be UTF-8
    /// (section 3.3.2.3.2). The sender must ensure it. A receiver may check it and answer 0x99.
    /// Decoding and encoding do not, because it takes time in the payload's length.
    #[must_use]
    pub fn payload_format_is_right(&self) -> bool {
        payload_format_is_right(self.properties.payload_format_indicator(), self.payload)
    }
}

impl<'a> Parse<'a> for Publish<'a> {
    #[inline]
    fn parse(header: FixedHeader, body: &'a [u8]) -> Parsed<'a, Self> {
        let (payload, head) = parse_head(header.first_byte(), body)?;
        Ok((&[], Publish { payload, ..head }))
    }
}

/// Decodes a PUBLISH without properties, which both sides may send: the shortest way for the most frequent
/// packet. `None` for everything else, and for what is wrong: [`RawPacket::decode_from`] says why.
#[must_use]
#[inline]
pub fn decode_plain_publish<'a>(
    version: ProtocolVersion,
    packet: &RawPacket<'a>,
) -> Option<Publish<'a>> {
    if packet.packet_type() != PacketType::Publish {
        return None;
    }
    let (first_byte, body) = (packet.header().first_byte(), packet.body());
    let property_length = match version {
        ProtocolVersion::V3_1_1 => 0,
        ProtocolVersion::V5_0 => {
            let properties_at = PublishLayout::of(first_byte, body)?.properties_at;
            (*body.get(properties_at)? == 0).then_some(1)?
        }
    };
    let topic_name = fault!(
        "MQTT-3.3.2-1",
        topic_name(body, &PUBLISH_TOPIC),
        crate::faults::unchecked_topic_name(body)
    );
    let (rest, topic) = topic_name.ok()?;
    let (rest, delivery) = delivery(first_byte, rest).ok()?;
    Some(Publish {
        delivery,
        retain: is_retained(first_byte),
        // There is no Topic Alias that could stand for it.
        topic: Some(topic?),
        properties: Properties::EMPTY,
        payload: rest.get(property_length..)?,
    })
}

pub(super) fn payload_format_is_right(format: Option<PayloadFormat>, payload: &[u8]) -> bool {
    format != Some(PayloadFormat::Utf8Text) || core::str::from_utf8(payload).is_ok()
}

/// A PUBLISH without a Topic Name has a Topic Alias (section 3.3.2.1).
#[inline]
fn topic_or_alias(
    topic: Option<TopicName<'_>>,
    properties: &impl Contains,
) -> Result<(), Violation> {
    if topic.is_none() && !properties.contains(PropertyIdentifier::TopicAlias) {
        return Err(Violation::TopicMissing);
    }
    Ok(())
}

/// QoS and DUP out of the first byte, and the Packet Identifier that stands here at QoS 1 and 2.
#[inline(always)]
pub(crate) fn delivery(first_byte: u8, input: &[u8]) -> Parsed<'_, Delivery> {
    let qos = qos_of(first_byte);
    // [MQTT3-2.3.1-5]
    if qos == Qos::AtMostOnce && !fault!("MQTT-2.2.1-2") {
        return Ok((input, Delivery::AtMostOnce));
    }
    let (rest, packet_identifier) = packet_identifier(input)?;
    let delivery = Delivery::new(qos, packet_identifier, is_duplicate(first_byte));
    Ok((rest, delivery))
}

/// Everything before the payload.
#[inline]
pub(crate) fn parse_head(first_byte: u8, input: &[u8]) -> Parsed<'_, Publish<'_>> {
    let (rest, topic) = fault!(
        "MQTT-3.3.2-1",
        topic_name(input, &PUBLISH_TOPIC),
        crate::faults::unchecked_topic_name(input)
    )?;
    let (rest, delivery) = delivery(first_byte, rest)?;
    let (rest, (properties, seen)) = property_set_and_seen(rest)?;
    Fault::place(topic_or_alias(topic, &seen), input)?;
    Ok((
        rest,
        Publish {
            delivery,
            retain: is_retained(first_byte),
            topic,
            properties,
            payload: &[],
        },
    ))
}

impl fmt::Debug for Publish<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Publish")
            .field("delivery", &self.delivery)
            .field("retain", &self.retain)
            .field("topic", &self.topic)
            .field("properties", &self.properties)
            .field(
                "payload",
                &format_args!("b\"{}\"", self.payload.escape_ascii()),
            )
            .finish()
    }
}

impl<'a> Body<'a> for Publish<'a> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Publish
    }

    #[inline]
    fn first_byte(&self) -> u8 {
        Publish::first_byte_of(self.delivery, self.retain)
    }

    #[inline]
    fn check(&self) -> Result<(), Violation> {
        topic_or_alias(self.topic, &self.properties)
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

    #[inline]
    fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

encodable!(Publish);
