//! Application Messages that outlive the packet in which they came.

pub(crate) mod pool;

use bytes::{Bytes, BytesMut};

use crate::encode::{encode_into_empty, encode_with_payload};
use crate::framing::{FixedHeader, Frame};
use crate::sink::{Put, Sink};
use crate::v3_1_1::V3;
use crate::v5::packet::{
    PACKET_IDENTIFIER_LENGTH, PublishLayout, has_packet_identifier, is_retained,
};
use crate::wire::{
    VARIABLE_BYTE_INTEGER_MAX, leading_variable_byte_integer, variable_byte_integer_length,
};
use crate::{
    Delivery, EncodeError, Packet, PacketIdentifier, PacketType, PropertyIdentifier,
    ProtocolVersion, Publish, Qos, TopicName, Violation, Wire,
};

/// An Application Message that is kept and sent, perhaps many times: Topic Name, properties, payload
/// and RETAIN, encoded once, in memory that is shared. It has no QoS, no Packet Identifier and no
/// Topic Alias of its own; each sending gives it these.
///
/// 32 bytes. Cloning shares the bytes, it copies and allocates nothing.
///
/// ```
/// use mqtt5_codec::{Delivery, Message, PacketIdentifier, ProtocolVersion};
///
/// let message = Message::of("a/b", b"hi")?;
/// let delivery = Delivery::AtLeastOnce {
///     packet_identifier: PacketIdentifier::MIN,
///     duplicate: false,
/// };
/// let mut out = Vec::new();
/// message.encode(ProtocolVersion::V5_0, delivery, message.retain(), &mut out)?;
/// assert_eq!(out, b"\x32\x0A\x00\x03a/b\x00\x01\x00hi");
/// # Ok::<(), mqtt5_codec::EncodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// A PUBLISH with a Topic Name and without a Topic Alias.
    pub(crate) packet: Bytes,
}

/// Encodes what is stored of a message into an empty buffer that has room for `limit` bytes. The error says
/// how many bytes are needed; the buffer is still empty then.
pub(crate) fn store_in(
    publish: &Publish<'_>,
    buffer: &mut BytesMut,
    limit: usize,
) -> Result<(), EncodeError> {
    let publish = storable(publish)?;
    let needed = publish.encoded_len(KEPT)?;
    if needed > limit {
        return Err(EncodeError::NoRoom { needed });
    }
    encode_into_empty(&publish, buffer)
}

/// The version in whose form messages are kept, whichever connection they came from.
const KEPT: ProtocolVersion = ProtocolVersion::V5_0;

/// The parts of the packet that are the same at every sending.
struct Parts<'a> {
    first_byte: u8,
    topic_field: &'a [u8],
    /// Properties and payload.
    rest: &'a [u8],
}

impl Message {
    /// A message without properties and without RETAIN: the usual case. One allocation.
    ///
    /// ```
    /// use mqtt5_codec::{Message, Publish, TopicName};
    ///
    /// let message = Message::of("a/b", b"hi")?;
    /// assert_eq!(message, Message::new(&Publish::new(TopicName::new("a/b")?, b"hi"))?);
    /// # Ok::<(), mqtt5_codec::EncodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the topic is not a Topic Name, as [`TopicName::new`] says, or if the packet would
    /// be too long.
    pub fn of(topic: &str, payload: &[u8]) -> Result<Self, EncodeError> {
        Message::new(&Publish::new(TopicName::new(topic)?, payload))
    }

    /// Copies a message into memory of its own: one allocation. `delivery` is not looked at, and a
    /// Topic Alias that the message was received with is left out.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if there is no Topic Name, if a Topic Alias was added to the properties, or
    /// as [`Publish::encode`].
    pub fn new(publish: &Publish<'_>) -> Result<Self, EncodeError> {
        let publish = storable(publish)?;
        let mut packet = alloc::vec![0; publish.encoded_len(KEPT)?];
        publish.encode_to_slice(KEPT, &mut packet)?;
        Ok(Message {
            packet: packet.into(),
        })
    }

    /// As [`Message::new`], in memory that is taken off an empty `buffer`, so that many messages share one
    /// allocation. A buffer that is not empty is left alone.
    ///
    /// The memory of a buffer is a block, of which each message takes the next part. When the block is used
    /// up, there are two cases:
    ///
    /// * All messages that came out of it are gone: the block is used again, and nothing is allocated.
    /// * One of them is still there: a new block is allocated. The old one is freed when the last of its
    ///   messages is gone, so that a single message that is kept keeps the whole block.
    ///
    /// While some messages are in flight at any time, the second case is the rule: then there are few
    /// allocations, but they do not end. A message that is dropped unsent has used its part of the block,
    /// too. To allocate nothing at all, use a [`MessagePool`](crate::MessagePool).
    ///
    /// # Errors
    ///
    /// As [`Message::new`].
    #[inline]
    pub fn new_in(buffer: &mut BytesMut, publish: &Publish<'_>) -> Result<Self, EncodeError> {
        // Put together once, and by the caller: see "Whole writes" in `encode.rs`.
        let packet = if buffer.is_empty() {
            append(publish, buffer)?;
            buffer.split().freeze()
        } else {
            Message::new(publish)?.packet
        };
        Ok(Message { packet })
    }

    /// Shares the bytes of a received packet: nothing is copied. `None` if it is not a PUBLISH, or
    /// one that has to be copied by [`Message::new`] because a Topic Alias is in it, or because it is
    /// one of MQTT 3.1.1: messages are kept in the form of MQTT 5.
    #[must_use]
    pub fn from_frame(version: ProtocolVersion, frame: &Frame) -> Option<Self> {
        if version != KEPT {
            return None;
        }
        match frame.decode(version) {
            Ok(Packet::Publish(publish))
                if publish.topic.is_some()
                    && !publish.properties.contains(PropertyIdentifier::TopicAlias) =>
            {
                Some(Message {
                    packet: frame.bytes().clone(),
                })
            }
            _ => None,
        }
    }

    /// The message as a packet, with QoS 0. It is decoded anew by each call.
    #[must_use]
    pub fn publish(&self) -> Publish<'_> {
        match Packet::decode(KEPT, &self.packet) {
            Ok(Packet::Publish(publish)) => Publish {
                delivery: Delivery::AtMostOnce,
                ..publish
            },
            // It was encoded or decoded before.
            _ => Publish::default(),
        }
    }

    /// The Topic Name; found without decoding the rest.
    #[must_use]
    pub fn topic(&self) -> TopicName<'_> {
        TopicName::trusted(self.parts().topic_field.get(2..).unwrap_or_default())
    }

    /// The payload; found without decoding the properties.
    ///
    /// ```
    /// use mqtt5_codec::Message;
    ///
    /// let message = Message::of("a/b", b"hi")?;
    /// assert_eq!(message.payload(), b"hi");
    /// # Ok::<(), mqtt5_codec::EncodeError>(())
    /// ```
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        after_properties(self.parts().rest)
    }

    /// RETAIN.
    #[must_use]
    #[inline]
    pub fn retain(&self) -> bool {
        self.packet
            .first()
            .is_some_and(|&first_byte| is_retained(first_byte))
    }

    /// Whether there are any properties; found without decoding.
    #[must_use]
    #[inline]
    pub fn has_properties(&self) -> bool {
        self.parts()
            .rest
            .first()
            .is_some_and(|&property_length| property_length != 0)
    }

    /// How many bytes of memory the message takes.
    #[must_use]
    #[inline]
    pub fn size(&self) -> usize {
        self.packet.len()
    }

    /// The length of the PUBLISH in bytes, fixed header included, when it is sent with this QoS.
    #[must_use]
    pub fn encoded_len(&self, version: ProtocolVersion, delivery: Delivery) -> usize {
        let remaining_length = remaining_length(&self.parts_in(version), delivery);
        1 + variable_byte_integer_length(remaining_length) + remaining_length
    }

    /// Appends a PUBLISH with this message to `out`. No field of the message is looked at again:
    /// the time is that of copying it. In MQTT 3.1.1 its properties are left out.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` has too little room, [`Violation::PacketTooLong`] if the
    /// Packet Identifier makes the packet longer than the standard allows; nothing is written then.
    #[inline]
    pub fn encode<B: Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        delivery: Delivery,
        retain: bool,
        out: &mut B,
    ) -> Result<(), EncodeError> {
        let packet_identifier = delivery.packet_identifier();
        // With QoS 0, MQTT 5 has all bytes as they are kept.
        if packet_identifier.is_some() || version == ProtocolVersion::V3_1_1 {
            if let Some((topic, rest)) = self.short(version) {
                let identifier = packet_identifier.map_or(0, PacketIdentifier::get);
                let identifier_length = packet_identifier.map_or(0, |_| PACKET_IDENTIFIER_LENGTH);
                let head_end = topic.len() + identifier_length;
                let needed = head_end + rest.len();
                if out.room() < needed {
                    return Err(EncodeError::NoRoom { needed });
                }
                let mut head = match self.packet.first_chunk() {
                    Some(start) => *start,
                    None => padded(topic),
                };
                head[0] = Publish::first_byte_of(delivery, retain);
                head[1] = (needed - SHORT_HEADER) as u8;
                head[topic.len()..topic.len() + PACKET_IDENTIFIER_LENGTH]
                    .copy_from_slice(&identifier.to_be_bytes());
                out.put(&head[..head_end]);
                out.put(rest);
                return Ok(());
            }
        }
        self.encode_parts(version, delivery, retain, out)
    }

    /// Appends a PUBLISH with the payload of this message, and with everything else of `head`:
    /// other properties, or a Topic Alias in place of the Topic Name.
    ///
    /// ```
    /// use mqtt5_codec::{Message, Properties, Property, ProtocolVersion, Publish};
    ///
    /// let message = Message::of("a/b", b"hi")?;
    /// let expiry = [Property::MessageExpiryInterval(60)];
    /// let head = Publish { properties: Properties::new(&expiry)?, ..message.publish() };
    /// let mut out = Vec::new();
    /// message.encode_changed(ProtocolVersion::V5_0, &head, &mut out)?;
    /// assert_eq!(out, b"\x30\x0D\x00\x03a/b\x05\x02\x00\x00\x00\x3Chi");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Publish::encode`].
    #[inline]
    pub fn encode_changed<B: Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        head: &Publish<'_>,
        out: &mut B,
    ) -> Result<(), EncodeError> {
        let payload = self.payload().len();
        match version {
            ProtocolVersion::V3_1_1 => encode_with_payload(&V3(head), &self.packet, payload, out),
            ProtocolVersion::V5_0 => encode_with_payload(head, &self.packet, payload, out),
        }
    }

    #[inline(never)]
    fn encode_parts<B: Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        delivery: Delivery,
        retain: bool,
        out: &mut B,
    ) -> Result<(), EncodeError> {
        let parts = self.parts_in(version);
        let remaining_length = remaining_length(&parts, delivery);
        if remaining_length > VARIABLE_BYTE_INTEGER_MAX as usize {
            return Err(EncodeError::Invalid {
                packet_type: PacketType::Publish,
                violation: Violation::PacketTooLong,
            });
        }
        let needed = 1 + variable_byte_integer_length(remaining_length) + remaining_length;
        if out.room() < needed {
            return Err(EncodeError::NoRoom { needed });
        }
        let first_byte = Publish::first_byte_of(delivery, retain);
        if self.packet.len() == needed
            && parts.first_byte == first_byte
            && delivery.qos() == Qos::AtMostOnce
        {
            out.put_shared(&self.packet, 0);
            return Ok(());
        }
        let mut sink = Put(out);
        sink.byte(first_byte);
        sink.variable_byte_integer(remaining_length);
        out.put(parts.topic_field);
        if let Some(packet_identifier) = delivery.packet_identifier() {
            out.put(&packet_identifier.get().to_be_bytes());
        }
        out.put_shared(&self.packet, self.packet.len() - parts.rest.len());
        Ok(())
    }

    /// The bytes that are kept: those of a PUBLISH packet. [`Message::from_bytes`] takes them again.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.packet
    }

    /// A message out of the bytes of [`Message::as_bytes`], which are shared.
    ///
    /// # Errors
    ///
    /// [`Violation`] if they are not those of a PUBLISH with a Topic Name and without Topic Alias.
    pub fn from_bytes(packet: Bytes) -> Result<Self, Violation> {
        let frame = Frame::new(packet).map_err(crate::DecodeError::violation)?;
        frame.decode(KEPT).map_err(crate::DecodeError::violation)?;
        Message::from_frame(KEPT, &frame).ok_or(Violation::TopicMissing)
    }

    /// Everything up to the end of the Topic Name, and what comes after a Packet Identifier, if they are put
    /// together on the stack, in two pieces, because that is faster than writing four.
    #[inline]
    fn short(&self, version: ProtocolVersion) -> Option<(&[u8], &[u8])> {
        let [first_byte, 0..SHORT, body @ ..] = &self.packet[..] else {
            return None;
        };
        let topic_end = SHORT_HEADER + PublishLayout::of(*first_byte, body)?.topic_end;
        let fits = topic_end + PACKET_IDENTIFIER_LENGTH <= SHORT_HEAD;
        if has_packet_identifier(*first_byte) || !fits {
            return None;
        }
        let (topic, rest) = self.packet.split_at_checked(topic_end)?;
        Some((topic, rest_in(version, rest)))
    }

    #[inline]
    fn parts_in(&self, version: ProtocolVersion) -> Parts<'_> {
        let parts = self.parts();
        Parts {
            rest: rest_in(version, parts.rest),
            ..parts
        }
    }

    #[inline]
    fn parts(&self) -> Parts<'_> {
        let (first_byte, body) = match &self.packet[..] {
            // Fast path: the Remaining Length takes one byte.
            [first_byte, 0..0x80, body @ ..] => (*first_byte, body),
            packet => after_long_header(packet),
        };
        let (topic_field, rest) = match PublishLayout::of(first_byte, body) {
            Some(layout) => (
                body.get(..layout.topic_end).unwrap_or(body),
                body.get(layout.properties_at..).unwrap_or_default(),
            ),
            // It was encoded or decoded before, so it has a topic.
            None => (body, Default::default()),
        };
        Parts {
            first_byte,
            topic_field,
            rest,
        }
    }
}

/// What follows Topic Name and Packet Identifier: MQTT 3.1.1 has no properties.
#[inline]
fn rest_in(version: ProtocolVersion, rest: &[u8]) -> &[u8] {
    match version {
        ProtocolVersion::V3_1_1 => after_properties(rest),
        ProtocolVersion::V5_0 => rest,
    }
}

#[inline]
fn after_properties(rest: &[u8]) -> &[u8] {
    match rest {
        // Fast path: there are none.
        [0, payload @ ..] => payload,
        // They were encoded or decoded before.
        _ => match leading_variable_byte_integer(rest) {
            Ok(Some((length, bytes))) => rest.get(bytes + length as usize..).unwrap_or_default(),
            _ => &[],
        },
    }
}

/// The length of a fixed header whose Remaining Length takes one byte.
const SHORT_HEADER: usize = 2;

/// A Remaining Length below this takes one byte even with a Packet Identifier.
const SHORT: u8 = 0x7E;

/// What comes before the properties is put together first if it takes no more than this.
const SHORT_HEAD: usize = 64;

#[inline(never)]
fn padded(topic: &[u8]) -> [u8; SHORT_HEAD] {
    let mut head = [0; SHORT_HEAD];
    for (to, from) in head.iter_mut().zip(topic) {
        *to = *from;
    }
    head
}

/// The first byte, and what follows the fixed header.
#[inline(never)]
fn after_long_header(packet: &[u8]) -> (u8, &[u8]) {
    match FixedHeader::peek(packet) {
        Ok(Some(header)) => (
            header.first_byte(),
            packet.get(header.length()..).unwrap_or_default(),
        ),
        _ => (0, &[]),
    }
}

#[inline]
fn remaining_length(parts: &Parts<'_>, delivery: Delivery) -> usize {
    let identifier = delivery
        .packet_identifier()
        .map_or(0, |_| PACKET_IDENTIFIER_LENGTH);
    parts.topic_field.len() + identifier + parts.rest.len()
}

/// Appends what is stored of a message to an empty buffer.
#[inline(never)]
fn append(publish: &Publish<'_>, buffer: &mut BytesMut) -> Result<(), EncodeError> {
    if !append_short(publish, buffer) {
        encode_into_empty(&storable(publish)?, buffer)?;
    }
    Ok(())
}

/// Appends a message without properties whose Remaining Length takes one byte, as most are. In few
/// pieces: each of them costs more than it copies. Without this, a small message takes 405 instructions in
/// place of 227.
#[inline]
fn append_short(publish: &Publish<'_>, buffer: &mut BytesMut) -> bool {
    let Some(topic) = publish.topic.filter(|_| publish.properties.is_empty()) else {
        return false;
    };
    let topic = topic.as_bytes();
    let remaining_length = 2 + topic.len() + 1 + publish.payload.len();
    if remaining_length > 0x7F {
        return false;
    }
    buffer.reserve(2 + remaining_length);
    let first_byte = Publish::first_byte_of(Delivery::AtMostOnce, publish.retain);
    // The topic's length fits into one byte, too.
    buffer.extend_from_slice(&[first_byte, remaining_length as u8, 0, topic.len() as u8]);
    buffer.extend_from_slice(topic);
    buffer.extend_from_slice(&[0]);
    buffer.extend_from_slice(publish.payload);
    true
}

/// What is stored of a message.
#[inline(never)]
fn storable<'a>(publish: &Publish<'a>) -> Result<Publish<'a>, EncodeError> {
    if publish.topic.is_none() {
        return Err(EncodeError::Value(Violation::TopicMissing));
    }
    if publish.properties.is_empty() || fault!("alias forwarded") {
        return Ok(Publish {
            delivery: Delivery::AtMostOnce,
            ..*publish
        });
    }
    let properties = publish
        .properties
        .without(&[PropertyIdentifier::TopicAlias]);
    if properties.contains(PropertyIdentifier::TopicAlias) {
        return Err(EncodeError::Value(Violation::PropertyNotAllowed));
    }
    Ok(Publish {
        delivery: Delivery::AtMostOnce,
        properties,
        ..*publish
    })
}
