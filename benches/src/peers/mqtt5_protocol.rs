//! `mqtt5-protocol`.
//!
//! `Packet::decode_from_body` decodes a body from any `Buf`. Given a `Bytes`
//! split off the receive buffer it shares the payload and the properties with it,
//! which pays for packets that have much of them; the others are faster to decode
//! from a slice. Strings are copied either way. For PUBLISH there is an encoder that needs no
//! temporary buffers, which is used; the others build the body in a `Vec` first.

use bytes::{Buf, BytesMut};
use mqtt5_protocol::Result;
use mqtt5_protocol::packet::{FixedHeader, MqttPacket, Packet, PacketType};

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};
use crate::framing;

pub(super) const CONTENDER: Contender = Contender {
    name: "mqtt5-protocol",
    unchecked: "whether a property belongs to the packet, the values of properties, wildcards in topics, \
                missing topics, topic filters, identifiers of 0, lengths in more bytes than \
                needed, and what is left over at the end of a packet are not checked",
    accepts: Some(|packet| read(&mut BytesMut::from(packet)).is_ok()),
    decode: Some(|packet| {
        contender::decode_buffer(packet, |buffer| {
            decoded(&read(buffer));
        })
    }),
    encode: Some(|bytes| {
        let packet = decode(bytes);
        let mut buffer = BytesMut::with_capacity(bytes.len());
        contender::repeat(bytes.len(), move || {
            buffer.clear();
            encode(&packet, &mut buffer);
            used(&buffer);
        })
    }),
    stream: Some(stream),
    round_trip: Some(round_trip),
};

fn read(buffer: &mut BytesMut) -> Result<Packet> {
    read_body(FixedHeader::decode(buffer)?, buffer)
}

fn read_body(header: FixedHeader, buffer: &mut BytesMut) -> Result<Packet> {
    let len = header.remaining_length as usize;
    match header.packet_type {
        PacketType::Connect | PacketType::ConnAck | PacketType::Publish => {
            let mut body = buffer.split_to(len).freeze();
            Packet::decode_from_body(header.packet_type, &header, &mut body)
        }
        _ => {
            let mut body = &buffer[..len];
            let packet = Packet::decode_from_body(header.packet_type, &header, &mut body);
            buffer.advance(len);
            packet
        }
    }
}

fn decode(packet: &[u8]) -> Packet {
    read(&mut BytesMut::from(packet)).expect("packet decodes")
}

fn encode(packet: &Packet, buffer: &mut BytesMut) {
    match packet {
        Packet::Publish(packet) => {
            let len = packet.body_encoded_size() as u32;
            FixedHeader::new(PacketType::Publish, packet.flags(), len)
                .encode(buffer)
                .and_then(|()| packet.encode_body_direct(buffer))
        }
        Packet::Connect(packet) => packet.encode(buffer),
        Packet::ConnAck(packet) => packet.encode(buffer),
        Packet::PubAck(packet) => packet.encode(buffer),
        Packet::Subscribe(packet) => packet.encode(buffer),
        Packet::SubAck(packet) => packet.encode(buffer),
        Packet::Disconnect(packet) => packet.encode(buffer),
        _ => unreachable!("no row encodes {packet:?}"),
    }
    .expect("packet encodes");
}

fn stream(bytes: &'static [u8]) -> BoxedRun {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    contender::read_stream(bytes, move |chunk| {
        buffer.extend_from_slice(chunk);
        let mut packets = 0;
        while let Some(header) = framing::fixed_header(&buffer)
            && header.len + header.remaining_len <= buffer.len()
        {
            let packet_type = PacketType::from_u8(header.first_byte >> 4).expect("a packet type");
            let flags = header.first_byte & 0x0F;
            buffer.advance(header.len);
            let header = FixedHeader::new(packet_type, flags, header.remaining_len as u32);
            decoded(&read_body(header, &mut buffer));
            packets += 1;
        }
        packets
    })
}

fn round_trip(packet: &[u8]) -> RoundTrip {
    let packet = decode(packet);
    let mut encoded = BytesMut::new();
    encode(&packet, &mut encoded);
    let publish = match &packet {
        Packet::Publish(publish) => {
            let packet_id = publish.packet_id.unwrap_or_default();
            let topic = &publish.topic_name;
            Some(Publish::new(topic, packet_id, &publish.payload))
        }
        _ => None,
    };
    RoundTrip {
        encoded: encoded.to_vec(),
        publish,
    }
}
