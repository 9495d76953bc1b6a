//! `mqtt-protocol-core`: the parsers of its `v5_0` module.
//!
//! They are meant to be called by a `Connection`, which also keeps the session;
//! only the parsers are measured. A PUBLISH is parsed from an `Arc<[u8]>`, which
//! is made before the clock runs, and shares its payload with it; everything
//! else is copied. The stream goes through `PacketBuilder`, which copies each
//! body first. Packets encode to a list of `IoSlice`s, which is collected here
//! in the reused buffer, or to a new `Vec`, which takes longer. (A socket could
//! take the `IoSlice`s as they are.)

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder, PacketData};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, decoded, used};
use crate::framing;

pub(super) const CONTENDER: Contender = Contender {
    name: "mqtt-protocol-core",
    unchecked: "the parsers leave U+0000, wildcards in topics, missing topics, topic filters, the \
                identifier of a PUBLISH, DUP with QoS 0, reserved flags, will flags without a \
                will, and lengths in more bytes than needed unchecked; some of that is done by \
                the connection that calls them",
    accepts: Some(|packet| parse(packet[0], &body(packet)).is_ok()),
    decode: Some(|packet| {
        let header = framing::fixed_header(packet).expect("a whole packet");
        let body = body(packet);
        contender::repeat(packet.len(), move || {
            decoded(&parse(header.first_byte, &body))
        })
    }),
    encode: Some(|bytes| {
        let packet = decode(bytes);
        let mut buffer = Vec::with_capacity(bytes.len());
        contender::repeat(bytes.len(), move || {
            buffer.clear();
            encode(&packet, &mut buffer);
            used(&buffer);
        })
    }),
    stream: Some(|bytes| stream(bytes, parse)),
    round_trip: Some(round_trip),
};

/// The body of a packet the way `PacketBuilder` hands it out.
pub(super) fn body(packet: &[u8]) -> PacketData {
    let header = framing::fixed_header(packet).expect("a whole packet");
    let body = &packet[header.len..];
    match header.first_byte >> 4 {
        3 => PacketData::Publish(body.into()),
        _ => PacketData::Normal(body.into()),
    }
}

fn parse(first_byte: u8, body: &PacketData) -> Result<Packet, MqttError> {
    let bytes = body.as_slice();
    let end = bytes.len();
    match (first_byte >> 4, body) {
        (1, _) => whole(v5_0::Connect::parse(bytes), end),
        (2, _) => whole(v5_0::Connack::parse(bytes), end),
        (3, PacketData::Publish(body)) => {
            whole(v5_0::Publish::parse(first_byte & 0x0F, body.clone()), end)
        }
        (4, _) => whole(v5_0::Puback::parse(bytes), end),
        (5, _) => whole(v5_0::Pubrec::parse(bytes), end),
        (6, _) => whole(v5_0::Pubrel::parse(bytes), end),
        (7, _) => whole(v5_0::Pubcomp::parse(bytes), end),
        (8, _) => whole(v5_0::Subscribe::parse(bytes), end),
        (9, _) => whole(v5_0::Suback::parse(bytes), end),
        (12, _) => whole(v5_0::Pingreq::parse(bytes), end),
        (13, _) => whole(v5_0::Pingresp::parse(bytes), end),
        (14, _) => whole(v5_0::Disconnect::parse(bytes), end),
        _ => Err(MqttError::MalformedPacket),
    }
}

/// Checks, as `Connection` does, that the packet takes up its whole body.
pub(super) fn whole<P: Into<Packet>>(
    parsed: Result<(P, usize), MqttError>,
    end: usize,
) -> Result<Packet, MqttError> {
    match parsed? {
        (packet, len) if len == end => Ok(packet.into()),
        _ => Err(MqttError::MalformedPacket),
    }
}

fn decode(packet: &[u8]) -> Packet {
    parse(packet[0], &body(packet)).expect("packet decodes")
}

pub(super) fn encode(packet: &Packet, buffer: &mut Vec<u8>) {
    for slice in packet.to_buffers() {
        buffer.extend_from_slice(&slice);
    }
}

/// With the parsers of one version.
pub(super) fn stream(
    bytes: &'static [u8],
    parse: impl Fn(u8, &PacketData) -> Result<Packet, MqttError> + 'static,
) -> BoxedRun {
    let mut builder = PacketBuilder::new();
    contender::read_stream(bytes, move |chunk| {
        let mut cursor = Cursor::new(chunk);
        let mut packets = 0;
        loop {
            match builder.feed(&mut cursor) {
                PacketBuildResult::Complete(raw) => {
                    decoded(&parse(raw.packet_type() << 4 | raw.flags(), &raw.data));
                }
                PacketBuildResult::Incomplete => return packets,
                PacketBuildResult::Error(error) => panic!("stream decodes: {error:?}"),
            }
            packets += 1;
        }
    })
}

fn round_trip(packet: &[u8]) -> RoundTrip {
    let packet = decode(packet);
    let mut encoded = Vec::new();
    encode(&packet, &mut encoded);
    let publish = match &packet {
        Packet::V5_0Publish(publish) => Some(Publish::new(
            publish.topic_name(),
            publish.packet_id().unwrap_or_default(),
            publish.payload().as_slice(),
        )),
        _ => None,
    };
    RoundTrip { encoded, publish }
}
