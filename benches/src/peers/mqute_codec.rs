//! `mqute-codec`: its `v5` module.
//!
//! `PacketCodec` takes a raw packet off a `BytesMut`, `Packet::decode` decodes
//! it. The payload shares the memory of the buffer, strings are copied.

use bytes::BytesMut;
use mqute_codec::Error;
use mqute_codec::codec::PacketCodec;
use mqute_codec::protocol::v5::Packet;

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};

pub(super) const CONTENDER: Contender = Contender {
    name: "mqute-codec",
    unchecked: "U+0000 outside topics and filters, the values of PUBLISH properties, DUP with QoS 0, \
                identifiers of 0 outside PUBLISH, reserved CONNECT flags, will flags without a \
                will, and what is left over at the end of a packet are not checked; a PUBLISH \
                with an empty topic is refused even if it has a topic alias",
    accepts: Some(|packet| read(&mut BytesMut::from(packet)).is_ok()),
    decode: Some(|packet| contender::decode_buffer(packet, |buffer| decoded(&read(buffer)))),
    encode: Some(|bytes| {
        let packet = decode(bytes);
        let mut buffer = BytesMut::with_capacity(bytes.len());
        contender::repeat(bytes.len(), move || {
            buffer.clear();
            packet.encode(&mut buffer).expect("packet encodes");
            used(&buffer);
        })
    }),
    stream: Some(stream),
    round_trip: Some(round_trip),
};

fn codec() -> PacketCodec {
    PacketCodec::new(None, None)
}

fn read(buffer: &mut BytesMut) -> Result<Packet, Error> {
    codec().try_decode(buffer).and_then(Packet::decode)
}

fn decode(packet: &[u8]) -> Packet {
    read(&mut BytesMut::from(packet)).expect("packet decodes")
}

fn stream(bytes: &'static [u8]) -> BoxedRun {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    contender::read_stream(bytes, move |chunk| {
        buffer.extend_from_slice(chunk);
        let mut packets = 0;
        loop {
            match codec().try_decode(&mut buffer) {
                Ok(raw) => decoded(&Packet::decode(raw)),
                Err(Error::NotEnoughBytes(_)) => return packets,
                Err(error) => panic!("stream decodes: {error}"),
            }
            packets += 1;
        }
    })
}

fn round_trip(packet: &[u8]) -> RoundTrip {
    let packet = decode(packet);
    let mut encoded = BytesMut::new();
    packet.encode(&mut encoded).expect("packet encodes");
    let publish = match &packet {
        Packet::Publish(publish) => Some(Publish::new(
            &publish.topic(),
            publish.packet_id().unwrap_or_default(),
            &publish.payload(),
        )),
        _ => None,
    };
    RoundTrip {
        encoded: encoded.to_vec(),
        publish,
    }
}
