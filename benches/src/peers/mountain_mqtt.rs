//! `mountain-mqtt`: its packets, which borrow from the bytes and need no
//! allocator.
//!
//! A packet has room for a fixed number of properties, chosen by its user, and so
//! have lists of filters and reason codes. The less room, the faster, because
//! packets are moved: so CONNACK is decoded with room for its 16 properties, and
//! everything else with what the largest of the other rows needs. It has no
//! framing for bytes at hand, so the stream is framed by hand.

use mountain_mqtt::codec::mqtt_reader::{self, MqttBufReader};
use mountain_mqtt::codec::mqtt_writer::{self, MqttBufWriter};
use mountain_mqtt::codec::{read::Read, write::Write};
use mountain_mqtt::data::packet_identifier::PublishPacketIdentifier;
use mountain_mqtt::packets::packet_generic::PacketGeneric;

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};
use crate::framing;

/// Any packet, with room for `P` properties, 6 of a will, and 7 filters or reason
/// codes after the first.
type Packet<'a, const P: usize> = PacketGeneric<'a, P, 6, 7>;

/// How many properties a CONNACK has.
const CONNACK: usize = 16;

/// How many properties any other packet has.
const OTHER: usize = 7;

pub(super) const CONTENDER: Contender = Contender {
    name: "mountain-mqtt",
    unchecked: "wildcards in topics, missing topics, topic filters, DUP with QoS 0, reserved flags, \
                repeated properties, the values of properties, where properties end, identifiers \
                of 0, and lengths in more bytes than needed are not checked; QoS 2 is read as \
                QoS 1",
    accepts: Some(|packet| decode::<OTHER>(packet).is_ok()),
    decode: Some(|packet| match is_connack(packet) {
        true => contender::decode_slices(packet, |packet| decoded(&decode::<CONNACK>(packet))),
        false => contender::decode_slices(packet, |packet| decoded(&decode::<OTHER>(packet))),
    }),
    encode: Some(|packet| match is_connack(packet) {
        true => encode_again::<CONNACK>(packet),
        false => encode_again::<OTHER>(packet),
    }),
    stream: Some(|bytes| {
        contender::read_stream(
            bytes,
            framing::reader(|_, packet| decoded(&decode::<OTHER>(packet))),
        )
    }),
    round_trip: Some(|packet| match is_connack(packet) {
        true => round_trip::<CONNACK>(packet),
        false => round_trip::<OTHER>(packet),
    }),
};

fn is_connack(packet: &[u8]) -> bool {
    packet[0] == 0x20
}

fn decode<const P: usize>(packet: &[u8]) -> mqtt_reader::Result<Packet<'_, P>> {
    Packet::read(&mut MqttBufReader::new(packet))
}

fn encode_again<const P: usize>(bytes: &'static [u8]) -> BoxedRun {
    let packet = decode::<P>(bytes).expect("packet decodes");
    let mut buffer = vec![0; bytes.len()];
    contender::repeat(bytes.len(), move || {
        encode(&packet, &mut buffer);
        used(&buffer);
    })
}

/// Returns how many bytes were written.
fn encode<const P: usize>(packet: &Packet<'_, P>, buffer: &mut [u8]) -> usize {
    let mut writer = MqttBufWriter::new(buffer);
    write(packet, &mut writer).expect("packet encodes");
    writer.position()
}

fn write<const P: usize>(
    packet: &Packet<'_, P>,
    writer: &mut MqttBufWriter<'_>,
) -> mqtt_writer::Result<()> {
    match packet {
        Packet::Connect(packet) => packet.write(writer),
        Packet::Connack(packet) => packet.write(writer),
        Packet::Publish(packet) => packet.write(writer),
        Packet::Puback(packet) => packet.write(writer),
        Packet::Subscribe(packet) => packet.write(writer),
        Packet::Suback(packet) => packet.write(writer),
        Packet::Disconnect(packet) => packet.write(writer),
        _ => unreachable!("no row encodes {packet:?}"),
    }
}

fn round_trip<const P: usize>(bytes: &[u8]) -> RoundTrip {
    let packet = decode::<P>(bytes).expect("packet decodes");
    let mut encoded = vec![0; 2 * bytes.len()];
    let len = encode(&packet, &mut encoded);
    encoded.truncate(len);
    let publish = match &packet {
        Packet::Publish(publish) => {
            let packet_id = match publish.publish_packet_identifier() {
                PublishPacketIdentifier::None => 0,
                PublishPacketIdentifier::Qos1(id) | PublishPacketIdentifier::Qos2(id) => id.0,
            };
            let topic = publish.topic_name();
            Some(Publish::new(topic, packet_id, publish.payload()))
        }
        _ => None,
    };
    RoundTrip { encoded, publish }
}
