//! `flowsdk`: its packets of MQTT 3.1.1.

use flowsdk::mqtt_serde::control_packet::{MqttControlPacket, MqttPacket};
use flowsdk::mqtt_serde::parser::{ParseError, ParseOk};

use super::Codec;
use crate::contender::{self, BoxedRun, Publish, decoded};
use crate::peers::flowsdk as of_v5;

const MQTT_3_1_1: u8 = 4;

pub(super) struct Flowsdk;

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

    fn stream(bytes: &'static [u8]) -> BoxedRun {
        of_v5::stream(bytes, MQTT_3_1_1)
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
