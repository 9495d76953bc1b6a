//! `flowsdk`: its MQTT 5.0 packets, with the `strict-protocol-compliance` that
//! is on by default.
//!
//! Packets are decoded from a slice and copied in full. The stream goes through
//! its `MqttParser`.

use flowsdk::mqtt_serde::control_packet::{MqttControlPacket, MqttPacket};
use flowsdk::mqtt_serde::parser::ParseOk;
use flowsdk::mqtt_serde::parser::stream::MqttParser;

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};

const MQTT_5: u8 = 5;

pub(super) const CONTENDER: Contender = Contender {
    name: "flowsdk",
    unchecked: "nothing was found; an empty user name, password or will payload is refused although it \
                is valid",
    accepts: Some(|packet| MqttPacket::from_bytes_v5(packet).is_ok()),
    decode: Some(|packet| {
        contender::decode_slices(packet, |packet| {
            decoded(&MqttPacket::from_bytes_v5(packet));
        })
    }),
    encode: Some(|bytes| {
        let packet = decode(bytes);
        let mut buffer = Vec::with_capacity(bytes.len());
        contender::repeat(bytes.len(), move || {
            buffer.clear();
            encode(&packet, &mut buffer);
            used(&buffer);
        })
    }),
    stream: Some(|bytes| stream(bytes, MQTT_5)),
    round_trip: Some(round_trip),
};

fn decode(packet: &[u8]) -> MqttPacket {
    match MqttPacket::from_bytes_v5(packet) {
        Ok(ParseOk::Packet(packet, _)) => packet,
        other => panic!("packet decodes: {other:?}"),
    }
}

fn encode(packet: &MqttPacket, buffer: &mut Vec<u8>) {
    match packet {
        MqttPacket::Connect5(packet) => packet.encode_to_buffer(buffer),
        MqttPacket::ConnAck5(packet) => packet.encode_to_buffer(buffer),
        MqttPacket::Publish5(packet) => packet.encode_to_buffer(buffer),
        MqttPacket::PubAck5(packet) => packet.encode_to_buffer(buffer),
        MqttPacket::Subscribe5(packet) => packet.encode_to_buffer(buffer),
        MqttPacket::SubAck5(packet) => packet.encode_to_buffer(buffer),
        MqttPacket::Disconnect5(packet) => packet.encode_to_buffer(buffer),
        _ => unreachable!("no row encodes {packet:?}"),
    }
    .expect("packet encodes");
}

/// In the version that the CONNECT names so.
pub(super) fn stream(bytes: &'static [u8], version: u8) -> BoxedRun {
    let mut parser = MqttParser::new(16 << 10, version);
    contender::read_stream(bytes, move |chunk| {
        parser.feed(chunk);
        let mut packets = 0;
        loop {
            match &parser.next_packet() {
                Ok(Some(packet)) => used(packet),
                Ok(None) => return packets,
                Err(error) => panic!("stream decodes: {error}"),
            }
            packets += 1;
        }
    })
}

fn round_trip(packet: &[u8]) -> RoundTrip {
    let packet = decode(packet);
    let mut encoded = Vec::new();
    encode(&packet, &mut encoded);
    let publish = match &packet {
        MqttPacket::Publish5(publish) => Some(Publish::new(
            &publish.topic_name,
            publish.packet_id.unwrap_or_default(),
            &publish.payload,
        )),
        _ => None,
    };
    RoundTrip { encoded, publish }
}
