//! Large PUBLISH packets in pieces: the head first, then the payload as it arrives.

use bytes::{Bytes, BytesMut};

use super::splitter::{Frame, SplitterOutput, next_header, share, take_frame};
use crate::framing::FixedHeader;
use crate::v5::packet::{PublishLayout, parse_publish_head};
use crate::wire::{fault_of, leading_variable_byte_integer};
use crate::{
    DecodeError, Delivery, EncodeError, PacketType, ProtocolVersion, Publish, PublishProperties,
    Role, TopicName, Violation, v3_1_1,
};

/// A [`Splitter`](crate::framing::Splitter) that hands out large PUBLISH packets in pieces, so that no
/// packet needs more memory than you say.
///
/// Packets of at most `buffer_limit` bytes arrive whole. Of a larger PUBLISH comes first the head
/// (topic and properties), then its payload in chunks, as the buffer has them. Other packets of
/// more than `buffer_limit` bytes, and heads of more than that, are refused with 0x97 Quota exceeded:
/// the limit must leave room for the largest CONNECT or SUBSCRIBE that you accept.
///
/// Each Network Connection needs a splitter of its own: in the middle of a payload the next bytes
/// are taken for more of it. An error stays, as with [`Splitter`](crate::framing::Splitter).
///
/// **A message has been received when its last chunk is there, and must not be acknowledged earlier.** A
/// `Client` or `Server` of `mqtt5-session-fsm` acknowledges in time if `handle_piece` is given each piece.
///
/// To pass a message on while it arrives, write its head with [`LargePublish::encode_head`] and then each
/// chunk. What belongs to one Network Connection has to be replaced: QoS and Packet Identifier, and a Topic
/// Alias.
///
/// ```
/// use bytes::BytesMut;
/// use mqtt5_codec::{Delivery, PropertyIdentifier, ProtocolVersion};
/// use mqtt5_codec::framing::{LARGEST_PACKET, LargePublish, Piece, SplitterOutput, StreamSplitter};
///
/// let mut splitter = StreamSplitter::new(LARGEST_PACKET, 8);
/// let mut buffer = BytesMut::from(&b"\x30\x0A\x00\x03a/b\x00pay"[..]);
/// let SplitterOutput::Ready(Piece::Head(head)) = splitter.next(ProtocolVersion::V5_0, &mut buffer)? else { panic!() };
/// assert_eq!(head.decode(ProtocolVersion::V5_0)?.topic.as_deref(), Some("a/b"));
/// assert_eq!(head.payload_length(), 4);
///
/// let SplitterOutput::Ready(Piece::Payload(chunk)) = splitter.next(ProtocolVersion::V5_0, &mut buffer)? else { panic!() };
/// assert_eq!((&chunk.bytes[..], chunk.remaining), (&b"pay"[..], 1));
/// assert_eq!(splitter.next(ProtocolVersion::V5_0, &mut buffer)?, SplitterOutput::Incomplete { needed: 1 });
///
/// let mut relayed = Vec::new();
/// let received = head.decode(ProtocolVersion::V5_0)?;
/// let passed_on = LargePublish {
///     delivery: Delivery::AtMostOnce,
///     properties: received.properties.without(&[PropertyIdentifier::TopicAlias]),
///     ..received
/// };
/// passed_on.encode_head(ProtocolVersion::V5_0, &mut relayed)?;
/// assert_eq!(relayed, *b"\x30\x0A\x00\x03a/b\x00");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamSplitter {
    maximum_packet_size: u32,
    buffer_limit: usize,
    payload_left: usize,
}

/// What [`StreamSplitter::next`] takes off the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A whole packet.
    Frame(Frame),
    /// What stands before the payload of a large PUBLISH. Its payload follows.
    Head(PublishHead),
    /// The next part of the payload. The last one has nothing remaining.
    Payload(PayloadChunk),
}

/// A part of the payload of a large PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadChunk {
    /// The bytes; never empty. They share the memory of the buffer.
    pub bytes: Bytes,
    /// How many bytes of the payload are still to come.
    pub remaining: usize,
}

impl StreamSplitter {
    /// A splitter that refuses packets of more than `maximum_packet_size` bytes, and hands out in
    /// pieces what has more than `buffer_limit` bytes.
    #[must_use]
    pub const fn new(maximum_packet_size: u32, buffer_limit: usize) -> Self {
        StreamSplitter {
            maximum_packet_size,
            buffer_limit,
            payload_left: 0,
        }
    }

    /// Takes one piece off the front of the buffer, uncopied. Only the version tells where the payload
    /// of a large PUBLISH begins; a CONNECT is never large, so that any version will do until it has come.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as [`Splitter::next`](crate::framing::Splitter::next), and if the head of a large
    /// PUBLISH does not fit into its packet.
    pub fn next(
        &mut self,
        version: ProtocolVersion,
        buffer: &mut BytesMut,
    ) -> Result<SplitterOutput<Piece>, DecodeError> {
        if self.payload_left > 0 {
            return Ok(self.next_chunk(buffer));
        }
        let header = next_header(buffer, self.maximum_packet_size);
        let header = match header.map_err(|error| error.in_version(version))? {
            SplitterOutput::Ready(header) => header,
            SplitterOutput::Incomplete { needed } => {
                return Ok(SplitterOutput::Incomplete { needed });
            }
        };
        if header.packet_size() > self.buffer_limit {
            return self.next_head(version, header, buffer);
        }
        Ok(match take_frame(buffer, header) {
            SplitterOutput::Ready(frame) => SplitterOutput::Ready(Piece::Frame(frame)),
            SplitterOutput::Incomplete { needed } => SplitterOutput::Incomplete { needed },
        })
    }

    /// How many bytes of the present payload are still to come; more than 0 at the end of a
    /// connection means that the message was cut.
    #[must_use]
    pub const fn payload_remaining(&self) -> usize {
        self.payload_left
    }

    fn next_chunk(&mut self, buffer: &mut BytesMut) -> SplitterOutput<Piece> {
        if buffer.is_empty() {
            return SplitterOutput::Incomplete { needed: 1 };
        }
        let bytes = buffer
            .split_to(buffer.len().min(self.payload_left))
            .freeze();
        self.payload_left -= bytes.len();
        SplitterOutput::Ready(Piece::Payload(PayloadChunk {
            bytes,
            remaining: self.payload_left,
        }))
    }

    fn next_head(
        &mut self,
        version: ProtocolVersion,
        header: FixedHeader,
        buffer: &mut BytesMut,
    ) -> Result<SplitterOutput<Piece>, DecodeError> {
        let error = |violation, offset| {
            let packet_type = Some(header.packet_type());
            Err(DecodeError::new(violation, packet_type, offset).in_version(version))
        };
        if header.packet_type() != PacketType::Publish {
            return error(Violation::BufferLimit, 1);
        }
        let length = match head_length(version, header, buffer) {
            Ok(length) => length,
            Err((violation, offset)) => return error(violation, offset),
        };
        if length > self.buffer_limit {
            return error(Violation::BufferLimit, 1);
        }
        if buffer.len() < length {
            return Ok(SplitterOutput::Incomplete {
                needed: length - buffer.len(),
            });
        }
        self.payload_left = header.packet_size() - length;
        Ok(SplitterOutput::Ready(Piece::Head(PublishHead {
            bytes: buffer.split_to(length).freeze(),
            header,
        })))
    }
}

/// The length of everything before the payload of a PUBLISH, fixed header included. While that is
/// not known, a lower limit that is above the length of `input`.
fn head_length(
    version: ProtocolVersion,
    header: FixedHeader,
    input: &[u8],
) -> Result<usize, (Violation, usize)> {
    let fits = |length: usize, violation, offset| {
        if length > header.packet_size() {
            Err((violation, offset))
        } else {
            Ok(length)
        }
    };
    let topic_at = header.length();
    let body = input.get(topic_at..).unwrap_or(&[]);
    let Some(layout) = PublishLayout::of(header.first_byte(), body) else {
        return fits(topic_at + 2, Violation::FieldTruncated, topic_at);
    };
    let topic_end = topic_at + layout.topic_end;
    fits(topic_end, Violation::FieldTruncated, topic_at)?;
    let set_at = topic_at + layout.properties_at;
    fits(set_at, Violation::FieldTruncated, topic_end)?;
    if version == ProtocolVersion::V3_1_1 {
        return Ok(set_at);
    }
    let property_length = match leading_variable_byte_integer(input.get(set_at..).unwrap_or(&[])) {
        Ok(property_length) => property_length,
        Err(violation) => return Err((violation, set_at)),
    };
    match property_length {
        Some((length, bytes)) => fits(
            set_at + bytes + length as usize,
            Violation::PropertySetTruncated,
            set_at,
        ),
        None => fits(
            input.len().max(set_at) + 1,
            Violation::PropertyLengthMissing,
            set_at,
        ),
    }
}

/// A PUBLISH whose payload is not at hand. It is not a [`Publish`], so it cannot be mistaken for a message that
/// is complete.
///
/// ```
/// use bytes::BytesMut;
/// use mqtt5_codec::ProtocolVersion;
/// use mqtt5_codec::framing::{LARGEST_PACKET, Piece, SplitterOutput, StreamSplitter};
///
/// let mut buffer = BytesMut::from(&b"\x30\x0A\x00\x03a/b\x00payl"[..]);
/// let mut splitter = StreamSplitter::new(LARGEST_PACKET, 8);
/// let SplitterOutput::Ready(Piece::Head(head)) = splitter.next(ProtocolVersion::V5_0, &mut buffer)? else { panic!() };
/// let SplitterOutput::Ready(Piece::Payload(chunk)) = splitter.next(ProtocolVersion::V5_0, &mut buffer)? else { panic!() };
///
/// let large = head.decode(ProtocolVersion::V5_0)?;
/// assert_eq!((large.topic.as_deref(), large.payload_length), (Some("a/b"), 4));
/// let publish = large.with_payload(&chunk.bytes).expect("all of it");
/// assert_eq!(publish.payload, b"payl");
/// # Ok::<(), mqtt5_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LargePublish<'a> {
    /// QoS, Packet Identifier and DUP.
    pub delivery: Delivery,
    /// RETAIN (section 3.3.1.3).
    pub retain: bool,
    /// The Topic Name; `None` if the field is empty and a Topic Alias stands for it (section 3.3.2.1).
    pub topic: Option<TopicName<'a>>,
    /// Properties (section 3.3.2.3).
    pub properties: PublishProperties<'a>,
    /// How many bytes the payload has.
    pub payload_length: usize,
}

impl<'a> LargePublish<'a> {
    /// Appends what comes before the payload. The caller must write exactly
    /// [`payload_length`](Self::payload_length) bytes next.
    ///
    /// # Errors
    ///
    /// As [`Publish::encode`].
    pub fn encode_head<B: crate::Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        out: &mut B,
    ) -> Result<(), EncodeError> {
        self.head()
            .encode_head_of(version, self.payload_length, out)
    }

    /// The whole message, once its payload has been put together; `None` if that has another length.
    #[must_use]
    pub fn with_payload(self, payload: &'a [u8]) -> Option<Publish<'a>> {
        (payload.len() == self.payload_length).then_some(Publish {
            payload,
            ..self.head()
        })
    }

    fn head(&self) -> Publish<'a> {
        Publish {
            delivery: self.delivery,
            retain: self.retain,
            topic: self.topic,
            properties: self.properties,
            payload: &[],
        }
    }
}

/// A large PUBLISH up to its payload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublishHead {
    bytes: Bytes,
    header: FixedHeader,
}

impl PublishHead {
    /// Decodes the head.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    pub fn decode(&self, version: ProtocolVersion) -> Result<LargePublish<'_>, DecodeError> {
        let first_byte = self.header.first_byte();
        let head = &self.bytes[self.header.length()..];
        let parsed = match version {
            ProtocolVersion::V3_1_1 => v3_1_1::parse_publish_head(first_byte, head),
            ProtocolVersion::V5_0 => parse_publish_head(first_byte, head),
        };
        match parsed {
            Ok((_, publish)) => Ok(LargePublish {
                delivery: publish.delivery,
                retain: publish.retain,
                topic: publish.topic,
                properties: publish.properties,
                payload_length: self.payload_length(),
            }),
            Err(error) => {
                let fault = fault_of(error);
                let offset = fault.offset_in(self.bytes.len());
                let packet_type = Some(PacketType::Publish);
                Err(DecodeError::new(fault.violation, packet_type, offset).in_version(version))
            }
        }
    }

    /// Decodes the head of a packet from this side.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    pub fn decode_from(
        &self,
        version: ProtocolVersion,
        sender: Role,
    ) -> Result<LargePublish<'_>, DecodeError> {
        let publish = self
            .decode(version)
            .map_err(|error| error.sent_by(sender))?;
        match crate::Packet::Publish(publish.head()).wrong_side(sender) {
            None => Ok(publish),
            Some((violation, offset)) => {
                let offset = self.header.length() + offset;
                Err(
                    DecodeError::new(violation, Some(PacketType::Publish), offset)
                        .in_version(version)
                        .sent_by(sender),
                )
            }
        }
    }

    /// How many bytes of payload follow. Never 0: the head alone is not larger than the buffer limit.
    #[must_use]
    pub fn payload_length(&self) -> usize {
        self.header.packet_size() - self.bytes.len()
    }

    /// The fixed header of the whole packet.
    #[must_use]
    pub const fn header(&self) -> FixedHeader {
        self.header
    }

    /// The packet up to its payload.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The packet up to its payload.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Shared ownership of a part of the head: see [`Frame::share`].
    #[must_use]
    pub fn share(&self, part: &[u8]) -> Bytes {
        share(&self.bytes, part)
    }
}
