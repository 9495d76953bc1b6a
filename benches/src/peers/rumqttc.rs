//! `rumqttc`: the packets of its `v5` module.
//!
//! `Packet::read` takes a packet off a `BytesMut`; topic and payload share its
//! memory, every other string is copied.

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::{
    Error,
    v5::{Packet, Publish},
};

use crate::contender::{self, BoxedRun, Contender, RoundTrip, decoded, used};

pub(super) const CONTENDER: Contender = Contender {
    name: "rumqttc",
    unchecked: "topics are not checked at all, not even to be UTF-8, nor are reserved flags, U+0000, \
                repeated properties, the values of most properties, where properties end, topic \
                filters, subscription options, identifiers of 0 outside PUBLISH, and what is left \
                over at the end; AUTH is not decoded",
    accepts: Some(|packet| Packet::read(&mut BytesMut::from(packet), None).is_ok()),
    decode: Some(|packet| {
        contender::decode_buffer(packet, |buffer| decoded(&Packet::read(buffer, None)))
    }),
    encode: Some(|bytes| {
        let packet = decode(bytes);
        let mut buffer = BytesMut::with_capacity(packet.size());
        contender::repeat(bytes.len(), move || {
            buffer.clear();
            packet.write(&mut buffer, None).expect("packet encodes");
            used(&buffer);
        })
    }),
    stream: Some(stream),
    round_trip: Some(round_trip),
};

fn decode(packet: &[u8]) -> Packet {
    Packet::read(&mut BytesMut::from(packet), None).expect("packet decodes")
}

fn stream(bytes: &'static [u8]) -> BoxedRun {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    contender::read_stream(bytes, move |chunk| {
        buffer.extend_from_slice(chunk);
        let mut packets = 0;
        loop {
            match &Packet::read(&mut buffer, None) {
                Ok(packet) => used(packet),
                Err(Error::InsufficientBytes(_)) => return packets,
                Err(error) => panic!("stream decodes: {error}"),
            }
            packets += 1;
        }
    })
}

fn round_trip(packet: &[u8]) -> RoundTrip {
    let packet = decode(packet);
    let mut encoded = BytesMut::new();
    packet.write(&mut encoded, None).expect("packet encodes");
    let publish = match &packet {
        Packet::Publish(Publish {
            topic,
            pkid,
            payload,
            ..
        }) => {
            let topic = str::from_utf8(topic).expect("topic is UTF-8");
            Some(contender::Publish::new(topic, *pkid, payload))
        }
        _ => None,
    };
    RoundTrip {
        encoded: encoded.to_vec(),
        publish,
    }
}
