//! `mqtt-proto`: its `v5` module.
//!
//! `Packet::decode` runs an asynchronous decoder on a slice. The synchronous
//! decoder that its `PollPacket` uses, `PollHeader::decode_buffer`, is public
//! and faster, so that is what is measured, with the fixed header read by hand.
//! In the same way `Packet::encode` returns a new `Vec`, while `Encodable`
//! writes a body to a buffer that is reused. Strings and payloads are copied.

use std::fmt::Debug;

use mqtt_proto::v5::{ErrorV5, Header, Packet};
use mqtt_proto::{Encodable, PollHeader};

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};
use crate::framing::{self, FixedHeader};

pub(super) const CONTENDER: Contender = Contender {
    name: "mqtt-proto",
    unchecked: "U+0000 outside topics and filters, missing topics, integers that must not be 0, DUP \
                with QoS 0, and what is left over at the end of a packet are not checked; it is \
                the only one that checks whether a payload that says to be UTF-8 is",
    accepts: Some(|packet| decode(packet).is_ok()),
    decode: Some(|packet| contender::decode_slices(packet, |packet| decoded(&decode(packet)))),
    encode: Some(|bytes| {
        let packet = decode(bytes).expect("packet decodes");
        let mut buffer = Vec::with_capacity(bytes.len());
        contender::repeat(bytes.len(), move || {
            encode(bytes[0], &packet, &mut buffer);
            used(&buffer);
        })
    }),
    stream: Some(stream::<Header>),
    round_trip: Some(round_trip),
};

fn decode(packet: &[u8]) -> Result<Packet, ErrorV5> {
    let header = framing::fixed_header(packet).expect("a whole packet");
    decode_body::<Header>(header, packet)
}

/// In the version that the type of the header belongs to.
#[inline(always)]
pub(super) fn decode_body<H: PollHeader>(
    header: FixedHeader,
    packet: &[u8],
) -> Result<H::Packet, H::Error> {
    let parsed = H::new_with(
        header.first_byte,
        header.remaining_len as u32,
        packet.len() as u32,
    )?;
    match parsed.build_empty_packet() {
        Some(packet) => Ok(packet),
        None => parsed.decode_buffer(&packet[header.len..], &mut 0),
    }
}

/// In the version that the type of the header belongs to.
pub(super) fn stream<H: PollHeader>(bytes: &'static [u8]) -> BoxedRun
where
    H::Error: Debug,
{
    contender::read_stream(
        bytes,
        framing::reader(|header, packet| decoded(&decode_body::<H>(header, packet))),
    )
}

fn encode(first_byte: u8, packet: &Packet, buffer: &mut Vec<u8>) {
    match packet {
        Packet::Connect(packet) => encode_body(first_byte, packet, buffer),
        Packet::Connack(packet) => encode_body(first_byte, packet, buffer),
        Packet::Publish(packet) => encode_body(first_byte, packet, buffer),
        Packet::Puback(packet) => encode_body(first_byte, packet, buffer),
        Packet::Subscribe(packet) => encode_body(first_byte, packet, buffer),
        Packet::Suback(packet) => encode_body(first_byte, packet, buffer),
        Packet::Disconnect(packet) => encode_body(first_byte, packet, buffer),
        _ => unreachable!("no row encodes {packet:?}"),
    }
}

pub(super) fn encode_body(first_byte: u8, body: &impl Encodable, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.push(first_byte);
    let mut rest = body.encode_len();
    while rest > 0x7F {
        buffer.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    buffer.push(rest as u8);
    body.encode(buffer).expect("packet encodes");
}

fn round_trip(bytes: &[u8]) -> RoundTrip {
    let packet = decode(bytes).expect("packet decodes");
    let mut encoded = Vec::new();
    encode(bytes[0], &packet, &mut encoded);
    let publish = match &packet {
        Packet::Publish(publish) => {
            let packet_id = publish.qos_pid.pid().map_or(0, |pid| pid.value());
            let topic = &publish.topic_name;
            Some(Publish::new(topic, packet_id, &publish.payload))
        }
        _ => None,
    };
    RoundTrip { encoded, publish }
}
