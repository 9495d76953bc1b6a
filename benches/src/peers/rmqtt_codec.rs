//! `rmqtt-codec`: its `v5` module.
//!
//! The codec implements `Decoder` and `Encoder` of `tokio-util`. Strings and
//! payload share the memory of the `BytesMut`. The encoder takes packets by
//! value, so the clones to encode are made before the clock runs.

use bytes::BytesMut;
use rmqtt_codec::v5::{Codec, Packet};
use tokio_util::codec::{Decoder, Encoder};

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};

pub(super) const CONTENDER: Contender = Contender {
    name: "rmqtt-codec",
    unchecked: "U+0000, wildcards in topics, missing topics, topic filters, DUP with QoS 0, lengths in \
                more bytes than needed, will flags without a will, and what is left over at the \
                end of a CONNECT are not checked; a message expiry interval of 0 is refused \
                although it is valid",
    accepts: Some(|packet| Codec::default().decode(&mut BytesMut::from(packet)).is_ok()),
    decode: Some(|packet| {
        let mut codec = Codec::default();
        contender::decode_buffer(packet, move |buffer| decoded(&codec.decode(buffer)))
    }),
    encode: Some(|packet| {
        let mut codec = Codec::default();
        let mut buffer = BytesMut::with_capacity(packet.len());
        contender::encode_owned(packet.len(), decode(packet), move |packet| {
            buffer.clear();
            codec.encode(packet, &mut buffer).expect("packet encodes");
            used(&buffer);
        })
    }),
    stream: Some(stream),
    round_trip: Some(round_trip),
};

fn decode(packet: &[u8]) -> Packet {
    let packet = Codec::default().decode(&mut BytesMut::from(packet));
    packet.expect("packet decodes").expect("a whole packet").0
}

fn stream(bytes: &'static [u8]) -> BoxedRun {
    let mut codec = Codec::default();
    let mut buffer = BytesMut::with_capacity(16 << 10);
    contender::read_stream(bytes, move |chunk| {
        buffer.extend_from_slice(chunk);
        let mut packets = 0;
        loop {
            match &codec.decode(&mut buffer) {
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
    let publish = match &packet {
        Packet::Publish(publish) => {
            let packet_id = publish.packet_id.map_or(0, Into::into);
            Some(Publish::new(&publish.topic, packet_id, &publish.payload))
        }
        _ => None,
    };
    let mut encoded = BytesMut::new();
    let mut codec = Codec::default();
    codec.encode(packet, &mut encoded).expect("packet encodes");
    RoundTrip {
        encoded: encoded.to_vec(),
        publish,
    }
}
