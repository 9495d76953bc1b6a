//! `mqtt5-codec`, in the way it is meant to be used when speed counts.
//!
//! A decoded packet borrows its fields from the bytes; all of them are checked
//! when [`Packet::decode`] returns, but properties, filters and reason codes stay
//! encoded until they are asked for. Encoded again, such a packet would only be
//! copied. Neither would be a fair picture by itself, so there are variants:
//!
//! * [`codec`] encodes packets whose properties, filters and reason codes
//!   are lists, as an application builds them;
//! * [`all_read`] decodes a packet and then reads every field of it;
//! * [`forwarded`] encodes packets as they were decoded;
//! * [`appended`] appends packets to a `Vec` and [`appended_shared`] to a [`BytesMut`], while the others write to
//!   the start of a slice, which is the fastest way that the public API offers;
//! * [`SHARED`] takes packets off the buffer with [`Splitter`], so that a packet
//!   or a part of it can be kept without copying it, while the others look at
//!   the buffer with [`split`].

use bytes::{Buf, BufMut, BytesMut};
use mqtt5_codec::framing::{LARGEST_PACKET, Split, Splitter, SplitterOutput, split};
use mqtt5_codec::property::Scope;
use mqtt5_codec::{
    DecodeError, Packet, Properties, Property, ProtocolVersion, ReasonCodes, Subscriptions,
};

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};
use crate::version::{V5, Version};

/// The name of [`codec`].
pub const NAME: &str = "mqtt5-codec";

/// Our codec, of MQTT 5.
pub const CONTENDER: Contender = codec::<V5>();

/// Our codec.
pub const fn codec<V: Version>() -> Contender {
    Contender {
        name: NAME,
        unchecked: "nothing that the standard makes a packet malformed by; whether a payload is \
                    UTF-8 is left to a method",
        accepts: Some(|packet| Packet::decode(V::VERSION, packet).is_ok()),
        decode: Some(|packet| {
            contender::decode_slices(packet, |packet| {
                decoded(&Packet::decode(V::VERSION, packet))
            })
        }),
        encode: Some(|packet| encode_again::<V>(built(decode::<V>(packet)), packet.len())),
        stream: Some(stream::<V>),
        round_trip: Some(|packet| round_trip::<V>(built(decode::<V>(packet)))),
    }
}

/// Somebody who does nothing.
const fn nobody<V: Version>(name: &'static str) -> Contender {
    Contender {
        name,
        accepts: None,
        decode: None,
        encode: None,
        stream: None,
        round_trip: None,
        ..codec::<V>()
    }
}

/// Our codec, with every field of a packet read after it is decoded.
pub const fn all_read<V: Version>() -> Contender {
    Contender {
        decode: Some(|packet| {
            contender::decode_slices(packet, |packet| read(&Packet::decode(V::VERSION, packet)))
        }),
        ..nobody::<V>("ours, all read")
    }
}

/// Our codec, with packets that are encoded as they were decoded.
pub const fn forwarded<V: Version>() -> Contender {
    Contender {
        encode: Some(|packet| encode_again::<V>(decode::<V>(packet), packet.len())),
        round_trip: Some(|packet| round_trip::<V>(decode::<V>(packet))),
        ..nobody::<V>("ours, forwarded")
    }
}

/// Our codec, with packets that are appended to a `Vec`.
pub const fn appended<V: Version>() -> Contender {
    Contender {
        encode: Some(|packet| {
            let buffer = Vec::with_capacity(packet.len());
            let built = built(decode::<V>(packet));
            append_again::<V, _>(built, packet.len(), buffer, Vec::clear)
        }),
        round_trip: Some(|packet| round_trip::<V>(built(decode::<V>(packet)))),
        ..nobody::<V>("ours, appended")
    }
}

/// Our codec, with packets that are appended to a [`BytesMut`].
pub const fn appended_shared<V: Version>() -> Contender {
    Contender {
        name: "ours, to BytesMut",
        encode: Some(|packet| {
            let buffer = BytesMut::with_capacity(packet.len());
            let built = built(decode::<V>(packet));
            append_again::<V, _>(built, packet.len(), buffer, BytesMut::clear)
        }),
        ..appended::<V>()
    }
}

/// Our codec, with packets that share the memory of the receive buffer. Of MQTT 5 alone.
pub const SHARED: Contender = Contender {
    decode: Some(|packet| {
        contender::decode_buffer(packet, |buffer| match &SPLITTER.next(buffer) {
            Ok(SplitterOutput::Ready(frame)) => decoded(&frame.decode(ProtocolVersion::V5_0)),
            other => panic!("a whole packet: {other:?}"),
        })
    }),
    stream: Some(shared_stream),
    ..nobody::<V5>("ours, shared")
};

const SPLITTER: Splitter = Splitter::new(LARGEST_PACKET);

fn decode<V: Version>(packet: &[u8]) -> Packet<'_> {
    Packet::decode(V::VERSION, packet).expect("packet decodes")
}

fn encode_again<V: Version>(packet: Packet<'static>, len: usize) -> BoxedRun {
    let mut buffer = vec![0; len];
    contender::repeat(len, move || {
        let written = V::encode_to_slice(&packet, &mut buffer);
        used(&buffer[..written.expect("packet encodes")]);
    })
}

fn append_again<V: Version, B: BufMut + 'static>(
    packet: Packet<'static>,
    len: usize,
    mut buffer: B,
    clear: impl Fn(&mut B) + 'static,
) -> BoxedRun {
    contender::repeat(len, move || {
        clear(&mut buffer);
        let written = V::encode(&packet, &mut buffer);
        written.expect("packet encodes");
        used(&buffer);
    })
}

fn stream<V: Version>(bytes: &'static [u8]) -> BoxedRun {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    contender::read_stream(bytes, move |chunk| {
        buffer.extend_from_slice(chunk);
        let mut packets = 0;
        let mut input = &buffer[..];
        while let Split::Packet { packet, rest } =
            split(input, LARGEST_PACKET).expect("stream decodes")
        {
            decoded(&packet.decode(V::VERSION));
            packets += 1;
            input = rest;
        }
        let read = buffer.len() - input.len();
        buffer.advance(read);
        packets
    })
}

fn shared_stream(bytes: &'static [u8]) -> BoxedRun {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    contender::read_stream(bytes, move |chunk| {
        buffer.extend_from_slice(chunk);
        let mut packets = 0;
        while let SplitterOutput::Ready(frame) = SPLITTER.next(&mut buffer).expect("stream decodes")
        {
            decoded(&frame.decode(ProtocolVersion::V5_0));
            packets += 1;
        }
        packets
    })
}

/// Reads all that stands in a packet.
#[inline(always)]
fn read(packet: &Result<Packet<'_>, DecodeError>) {
    decoded(packet);
    match packet {
        Ok(Packet::Connect(connect)) => {
            each_used(connect.properties.iter());
            if let Some(will) = &connect.will {
                each_used(will.properties.iter());
            }
        }
        Ok(Packet::ConnAck(connack)) => each_used(connack.properties.iter()),
        Ok(Packet::Publish(publish)) => each_used(publish.properties.iter()),
        Ok(Packet::PubAck(puback)) => each_used(puback.properties.iter()),
        Ok(Packet::Subscribe(subscribe)) => {
            each_used(subscribe.properties.iter());
            each_used(subscribe.subscriptions.iter());
        }
        Ok(Packet::SubAck(suback)) => {
            each_used(suback.properties.iter());
            each_used(suback.reason_codes.iter());
        }
        Ok(Packet::Disconnect(disconnect)) => each_used(disconnect.properties.iter()),
        other => unreachable!("no row is {other:?}"),
    }
}

#[inline(always)]
fn each_used<T>(elements: impl Iterator<Item = T>) {
    for element in elements {
        used(&element);
    }
}

/// The same packet as an application would build it: from lists.
fn built(packet: Packet<'static>) -> Packet<'static> {
    match packet {
        Packet::Connect(mut connect) => {
            connect.properties = listed(connect.properties);
            if let Some(will) = &mut connect.will {
                will.properties = listed(will.properties);
            }
            Packet::Connect(connect)
        }
        Packet::ConnAck(mut connack) => {
            connack.properties = listed(connack.properties);
            Packet::ConnAck(connack)
        }
        Packet::Publish(mut publish) => {
            publish.properties = listed(publish.properties);
            Packet::Publish(publish)
        }
        Packet::Subscribe(mut subscribe) => {
            subscribe.properties = listed(subscribe.properties);
            let list = leaked(subscribe.subscriptions.iter());
            subscribe.subscriptions = Subscriptions::new(list).expect("list is valid");
            Packet::Subscribe(subscribe)
        }
        Packet::SubAck(mut suback) => {
            suback.properties = listed(suback.properties);
            let list = leaked(suback.reason_codes.iter());
            suback.reason_codes = ReasonCodes::new(list).expect("list is valid");
            Packet::SubAck(suback)
        }
        Packet::Disconnect(mut disconnect) => {
            disconnect.properties = listed(disconnect.properties);
            Packet::Disconnect(disconnect)
        }
        packet => packet,
    }
}

fn listed<S: Scope>(properties: Properties<'static, S>) -> Properties<'static, S> {
    let list: &[Property<'_>] = leaked(properties.iter());
    Properties::new(list).expect("list is valid")
}

/// A list for the rest of the program: rows are few, and lists are short.
fn leaked<T>(elements: impl Iterator<Item = T>) -> &'static [T] {
    elements.collect::<Vec<_>>().leak()
}

fn round_trip<V: Version>(packet: Packet<'_>) -> RoundTrip {
    let mut encoded = Vec::new();
    let written = V::encode(&packet, &mut encoded);
    written.expect("packet encodes");
    let publish = match packet {
        Packet::Publish(publish) => {
            let topic = publish.topic.map_or("", |topic| topic.as_str());
            let packet_id = publish.delivery.packet_identifier().map_or(0, u16::from);
            Some(Publish::new(topic, packet_id, publish.payload))
        }
        _ => None,
    };
    RoundTrip { encoded, publish }
}
