//! `mqtt-proto`: its module `v3`.
//!
//! Packets of four bytes are encoded by the packet, to an array; the others as those of MQTT 5.

use mqtt_proto::{Error, v3};

use super::Codec;
use crate::contender::{self, BoxedRun, Publish, decoded};
use crate::framing;
use crate::peers::mqtt_proto as of_v5;

pub(super) struct MqttProto;

impl Codec for MqttProto {
    const NAME: &'static str = "mqtt-proto";
    type Packet = (u8, v3::Packet);
    type Error = Error;
    type Buffer = Vec<u8>;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, Self::Error> {
        Ok((bytes[0], decode_slice(bytes)?))
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        contender::decode_slices(bytes, |packet| decoded(&decode_slice(packet)))
    }

    fn stream(bytes: &'static [u8]) -> BoxedRun {
        of_v5::stream::<v3::Header>(bytes)
    }

    #[inline(always)]
    fn encode((first_byte, packet): &Self::Packet, buffer: &mut Vec<u8>) {
        use v3::Packet;
        match packet {
            Packet::Connect(packet) => of_v5::encode_body(*first_byte, packet, buffer),
            Packet::Publish(packet) => of_v5::encode_body(*first_byte, packet, buffer),
            Packet::Subscribe(packet) => of_v5::encode_body(*first_byte, packet, buffer),
            Packet::Suback(packet) => of_v5::encode_body(*first_byte, packet, buffer),
            small => {
                let bytes = small.encode().expect("packet encodes");
                buffer.extend_from_slice(bytes.as_ref());
            }
        }
    }

    fn publish((_, packet): &Self::Packet) -> Option<Publish> {
        match packet {
            v3::Packet::Publish(publish) => Some(Publish::new(
                &publish.topic_name,
                publish.qos_pid.pid().map_or(0, |pid| pid.value()),
                &publish.payload,
            )),
            _ => None,
        }
    }
}

fn decode_slice(bytes: &[u8]) -> Result<v3::Packet, Error> {
    let header = framing::fixed_header(bytes).expect("a whole packet");
    of_v5::decode_body::<v3::Header>(header, bytes)
}
