//! `mqtt-protocol-core`: the parsers of its module `v3_1_1`.

use mqtt_protocol_core::mqtt::connection::PacketData;
use mqtt_protocol_core::mqtt::packet::{Packet, v3_1_1};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use super::Codec;
use crate::contender::{self, BoxedRun, Publish, decoded};
use crate::peers::mqtt_protocol_core as of_v5;

pub(super) struct MqttProtocolCore;

impl Codec for MqttProtocolCore {
    const NAME: &'static str = "mqtt-protocol-core";
    type Packet = Packet;
    type Error = MqttError;
    type Buffer = Vec<u8>;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, MqttError> {
        parse(bytes[0], &of_v5::body(bytes))
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        let body = of_v5::body(bytes);
        contender::repeat(bytes.len(), move || decoded(&parse(bytes[0], &body)))
    }

    fn stream(bytes: &'static [u8]) -> BoxedRun {
        of_v5::stream(bytes, parse)
    }

    #[inline(always)]
    fn encode(packet: &Self::Packet, buffer: &mut Vec<u8>) {
        of_v5::encode(packet, buffer);
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

fn parse(first_byte: u8, body: &PacketData) -> Result<Packet, MqttError> {
    let bytes = body.as_slice();
    let end = bytes.len();
    match (first_byte >> 4, body) {
        (1, _) => of_v5::whole(v3_1_1::Connect::parse(bytes), end),
        (2, _) => of_v5::whole(v3_1_1::Connack::parse(bytes), end),
        (3, PacketData::Publish(body)) => {
            let flags = first_byte & 0x0F;
            of_v5::whole(v3_1_1::Publish::parse(flags, body.clone()), end)
        }
        (4, _) => of_v5::whole(v3_1_1::Puback::parse(bytes), end),
        (5, _) => of_v5::whole(v3_1_1::Pubrec::parse(bytes), end),
        (6, _) => of_v5::whole(v3_1_1::Pubrel::parse(bytes), end),
        (7, _) => of_v5::whole(v3_1_1::Pubcomp::parse(bytes), end),
        (8, _) => of_v5::whole(v3_1_1::Subscribe::parse(bytes), end),
        (9, _) => of_v5::whole(v3_1_1::Suback::parse(bytes), end),
        (12, _) => of_v5::whole(v3_1_1::Pingreq::parse(bytes), end),
        (13, _) => of_v5::whole(v3_1_1::Pingresp::parse(bytes), end),
        (14, _) => of_v5::whole(v3_1_1::Disconnect::parse(bytes), end),
        _ => Err(MqttError::MalformedPacket),
    }
}
