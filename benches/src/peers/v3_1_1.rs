//! The published codecs of MQTT 3.1.1: those of MQTT 5 that read the older version, too, each by another
//! module of its crate. What their documentation says of the module for MQTT 5 holds here as well.

use std::fmt::Debug;

use bytes::BytesMut;
use flowsdk::mqtt_serde::control_packet::{MqttControlPacket, MqttPacket};
use flowsdk::mqtt_serde::parser::{ParseError, ParseOk};
use mqtt_protocol_core::mqtt::connection::PacketData;
use mqtt_protocol_core::mqtt::packet::{self as core_packet, v3_1_1};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use tokio_util::codec::{Decoder, Encoder};

use super::{mqtt_proto as proto, mqtt_protocol_core as protocol_core};
use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};
use crate::framing;

/// All of them.
pub(super) const ALL: [Contender; 6] = [
    contender::<Rumqttc>(),
    contender::<RmqttCodec>(),
    contender::<MqttProto>(),
    contender::<MquteCodec>(),
    contender::<MqttProtocolCore>(),
    contender::<Flowsdk>(),
];

const fn contender<C: Codec>() -> Contender {
    Contender {
        name: C::NAME,
        unchecked: "what the verdicts of the fuzz target `differential` list",
        accepts: Some(|bytes| C::decode(bytes).is_ok()),
        decode: Some(C::decode_again),
        encode: Some(|bytes| C::encode_again(decode::<C>(bytes), bytes)),
        stream: None,
        round_trip: Some(|bytes| {
            let packet = decode::<C>(bytes);
            let mut buffer = C::Buffer::default();
            C::encode(&packet, &mut buffer);
            RoundTrip {
                encoded: buffer.as_ref().to_vec(),
                publish: C::publish(&packet),
            }
        }),
    }
}

fn decode<C: Codec>(bytes: &[u8]) -> C::Packet {
    C::decode(bytes).expect("packet decodes")
}

/// What differs between the codecs.
trait Codec {
    const NAME: &'static str;
    type Packet: 'static;
    type Error: Debug;
    type Buffer: Buffer;

    /// Decodes one whole packet.
    fn decode(bytes: &[u8]) -> Result<Self::Packet, Self::Error>;

    /// Decodes the packet over and over, in the fastest way.
    fn decode_again(bytes: &'static [u8]) -> BoxedRun;

    /// Appends the packet.
    fn encode(packet: &Self::Packet, buffer: &mut Self::Buffer);

    /// What stands in a PUBLISH.
    fn publish(packet: &Self::Packet) -> Option<Publish>;

    /// Encodes the packet over and over, in the fastest way.
    fn encode_again(packet: Self::Packet, bytes: &'static [u8]) -> BoxedRun {
        let mut buffer = Self::Buffer::with_room(bytes.len());
        contender::repeat(bytes.len(), move || {
            buffer.empty();
            Self::encode(&packet, &mut buffer);
            used(&buffer);
        })
    }
}

/// What a codec appends to.
trait Buffer: AsRef<[u8]> + Default + 'static {
    fn with_room(len: usize) -> Self;

    fn empty(&mut self);
}

impl Buffer for Vec<u8> {
    fn with_room(len: usize) -> Self {
        Vec::with_capacity(len)
    }

    #[inline(always)]
    fn empty(&mut self) {
        self.clear();
    }
}

impl Buffer for BytesMut {
    fn with_room(len: usize) -> Self {
        BytesMut::with_capacity(len)
    }

    #[inline(always)]
    fn empty(&mut self) {
        self.clear();
    }
}

/// The module `mqttbytes::v4`. The Topic Name is copied here; the payload is not.
struct Rumqttc;

impl Codec for Rumqttc {
    const NAME: &'static str = "rumqttc";
    type Packet = rumqttc::mqttbytes::v4::Packet;
    type Error = rumqttc::mqttbytes::Error;
    type Buffer = BytesMut;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, Self::Error> {
        Self::Packet::read(&mut BytesMut::from(bytes), usize::MAX)
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        contender::decode_buffer(bytes, |buffer| {
            decoded(&Self::Packet::read(buffer, usize::MAX));
        })
    }

    #[inline(always)]
    fn encode(packet: &Self::Packet, buffer: &mut BytesMut) {
        packet.write(buffer, usize::MAX).expect("packet encodes");
    }

    fn publish(packet: &Self::Packet) -> Option<Publish> {
        match packet {
            Self::Packet::Publish(publish) => {
                Some(Publish::new(&publish.topic, publish.pkid, &publish.payload))
            }
            _ => None,
        }
    }
}

/// The module `v3`. Its encoder takes packets by value.
struct RmqttCodec;

impl Codec for RmqttCodec {
    const NAME: &'static str = "rmqtt-codec";
    type Packet = rmqtt_codec::v3::Packet;
    type Error = String;
    type Buffer = BytesMut;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, String> {
        let mut codec = rmqtt_codec::v3::Codec::default();
        match codec.decode(&mut BytesMut::from(bytes)) {
            Ok(Some((packet, _))) => Ok(packet),
            other => Err(format!("{other:?}")),
        }
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        let mut codec = rmqtt_codec::v3::Codec::default();
        contender::decode_buffer(bytes, move |buffer| decoded(&codec.decode(buffer)))
    }

    fn encode(packet: &Self::Packet, buffer: &mut BytesMut) {
        let written = rmqtt_codec::v3::Codec::default().encode(packet.clone(), buffer);
        written.expect("packet encodes");
    }

    fn encode_again(packet: Self::Packet, bytes: &'static [u8]) -> BoxedRun {
        let mut codec = rmqtt_codec::v3::Codec::default();
        let mut buffer = BytesMut::with_capacity(bytes.len());
        contender::encode_owned(bytes.len(), packet, move |packet| {
            buffer.clear();
            codec.encode(packet, &mut buffer).expect("packet encodes");
            used(&buffer);
        })
    }

    fn publish(packet: &Self::Packet) -> Option<Publish> {
        match packet {
            Self::Packet::Publish(publish) => Some(Publish::new(
                &publish.topic,
                publish.packet_id.map_or(0, Into::into),
                &publish.payload,
            )),
            _ => None,
        }
    }
}

/// The module `v3`. Packets of four bytes are encoded by the packet, to an array; the others as those of
/// MQTT 5.
struct MqttProto;

impl Codec for MqttProto {
    const NAME: &'static str = "mqtt-proto";
    type Packet = (u8, mqtt_proto::v3::Packet);
    type Error = mqtt_proto::Error;
    type Buffer = Vec<u8>;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, Self::Error> {
        Ok((bytes[0], decode_slice(bytes)?))
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        contender::decode_slices(bytes, |packet| decoded(&decode_slice(packet)))
    }

    #[inline(always)]
    fn encode((first_byte, packet): &Self::Packet, buffer: &mut Vec<u8>) {
        use mqtt_proto::v3::Packet;
        match packet {
            Packet::Connect(packet) => proto::encode_body(*first_byte, packet, buffer),
            Packet::Publish(packet) => proto::encode_body(*first_byte, packet, buffer),
            Packet::Subscribe(packet) => proto::encode_body(*first_byte, packet, buffer),
            Packet::Suback(packet) => proto::encode_body(*first_byte, packet, buffer),
            small => {
                let bytes = small.encode().expect("packet encodes");
                buffer.extend_from_slice(bytes.as_ref());
            }
        }
    }

    fn publish((_, packet): &Self::Packet) -> Option<Publish> {
        match packet {
            mqtt_proto::v3::Packet::Publish(publish) => Some(Publish::new(
                &publish.topic_name,
                publish.qos_pid.pid().map_or(0, |pid| pid.value()),
                &publish.payload,
            )),
            _ => None,
        }
    }
}

fn decode_slice(bytes: &[u8]) -> Result<mqtt_proto::v3::Packet, mqtt_proto::Error> {
    let header = framing::fixed_header(bytes).expect("a whole packet");
    proto::decode_body::<mqtt_proto::v3::Header>(header, bytes)
}

/// The module `v4`: the protocol level.
struct MquteCodec;

impl MquteCodec {
    fn read(
        buffer: &mut BytesMut,
    ) -> Result<mqute_codec::protocol::v4::Packet, mqute_codec::Error> {
        let raw = mqute_codec::codec::PacketCodec::new(None, None).try_decode(buffer)?;
        mqute_codec::protocol::v4::Packet::decode(raw)
    }
}

impl Codec for MquteCodec {
    const NAME: &'static str = "mqute-codec";
    type Packet = mqute_codec::protocol::v4::Packet;
    type Error = mqute_codec::Error;
    type Buffer = BytesMut;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, Self::Error> {
        Self::read(&mut BytesMut::from(bytes))
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        contender::decode_buffer(bytes, |buffer| decoded(&Self::read(buffer)))
    }

    #[inline(always)]
    fn encode(packet: &Self::Packet, buffer: &mut BytesMut) {
        packet.encode(buffer).expect("packet encodes");
    }

    fn publish(packet: &Self::Packet) -> Option<Publish> {
        match packet {
            Self::Packet::Publish(publish) => Some(Publish::new(
                &publish.topic(),
                publish.packet_id().unwrap_or_default(),
                &publish.payload(),
            )),
            _ => None,
        }
    }
}

/// The parsers of the module `v3_1_1`.
struct MqttProtocolCore;

impl Codec for MqttProtocolCore {
    const NAME: &'static str = "mqtt-protocol-core";
    type Packet = core_packet::Packet;
    type Error = MqttError;
    type Buffer = Vec<u8>;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, MqttError> {
        parse(bytes[0], &protocol_core::body(bytes))
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        let body = protocol_core::body(bytes);
        contender::repeat(bytes.len(), move || decoded(&parse(bytes[0], &body)))
    }

    #[inline(always)]
    fn encode(packet: &Self::Packet, buffer: &mut Vec<u8>) {
        protocol_core::encode(packet, buffer);
    }

    fn publish(packet: &Self::Packet) -> Option<Publish> {
        match packet {
            Self::Packet::V3_1_1Publish(publish) => Some(Publish::new(
                publish.topic_name(),
                publish.packet_id().unwrap_or_default(),
                publish.payload().as_slice(),
            )),
            _ => None,
        }
    }
}

fn parse(first_byte: u8, body: &PacketData) -> Result<core_packet::Packet, MqttError> {
    let bytes = body.as_slice();
    let end = bytes.len();
    match (first_byte >> 4, body) {
        (1, _) => protocol_core::whole(v3_1_1::Connect::parse(bytes), end),
        (2, _) => protocol_core::whole(v3_1_1::Connack::parse(bytes), end),
        (3, PacketData::Publish(body)) => {
            let flags = first_byte & 0x0F;
            protocol_core::whole(v3_1_1::Publish::parse(flags, body.clone()), end)
        }
        (4, _) => protocol_core::whole(v3_1_1::Puback::parse(bytes), end),
        (8, _) => protocol_core::whole(v3_1_1::Subscribe::parse(bytes), end),
        (9, _) => protocol_core::whole(v3_1_1::Suback::parse(bytes), end),
        _ => Err(MqttError::MalformedPacket),
    }
}

/// Its packets of MQTT 3.1.1.
struct Flowsdk;

impl Codec for Flowsdk {
    const NAME: &'static str = "flowsdk";
    type Packet = MqttPacket;
    type Error = ParseError;
    type Buffer = Vec<u8>;

    fn decode(bytes: &[u8]) -> Result<MqttPacket, ParseError> {
        match MqttPacket::from_bytes_v3(bytes)? {
            ParseOk::Packet(packet, _) => Ok(packet),
            other => panic!("a whole packet: {other:?}"),
        }
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        contender::decode_slices(bytes, |packet| decoded(&MqttPacket::from_bytes_v3(packet)))
    }

    #[inline(always)]
    fn encode(packet: &MqttPacket, buffer: &mut Vec<u8>) {
        match packet {
            MqttPacket::Connect3(packet) => packet.encode_to_buffer(buffer),
            MqttPacket::ConnAck3(packet) => packet.encode_to_buffer(buffer),
            MqttPacket::Publish3(packet) => packet.encode_to_buffer(buffer),
            MqttPacket::PubAck3(packet) => packet.encode_to_buffer(buffer),
            MqttPacket::Subscribe3(packet) => packet.encode_to_buffer(buffer),
            MqttPacket::SubAck3(packet) => packet.encode_to_buffer(buffer),
            _ => unreachable!("no row encodes {packet:?}"),
        }
        .expect("packet encodes");
    }

    fn publish(packet: &MqttPacket) -> Option<Publish> {
        match packet {
            MqttPacket::Publish3(publish) => Some(Publish::new(
                &publish.topic_name,
                publish.message_id.unwrap_or_default(),
                &publish.payload,
            )),
            _ => None,
        }
    }
}
