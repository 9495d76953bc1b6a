//! The published codecs of MQTT 3.1.1: those of MQTT 5 that read the older version, too, each by another
//! module of its crate. What their documentation says of the module for MQTT 5 holds here as well.

use std::fmt::Debug;

use bytes::BytesMut;

use crate::contender::{self, BoxedRun, Contender, Publish, RoundTrip, used};

mod flowsdk;
mod mqtt_proto;
mod mqtt_protocol_core;
mod mqute_codec;
mod rmqtt_codec;
mod rumqttc;

/// All of them.
pub(super) const ALL: [Contender; 6] = [
    contender::<rumqttc::Rumqttc>(),
    contender::<rmqtt_codec::RmqttCodec>(),
    contender::<mqtt_proto::MqttProto>(),
    contender::<mqute_codec::MquteCodec>(),
    contender::<mqtt_protocol_core::MqttProtocolCore>(),
    contender::<flowsdk::Flowsdk>(),
];

const fn contender<C: Codec>() -> Contender {
    Contender {
        name: C::NAME,
        unchecked: "what the verdicts of the fuzz target `differential` list",
        accepts: Some(|bytes| C::decode(bytes).is_ok()),
        decode: Some(C::decode_again),
        encode: Some(|bytes| C::encode_again(decode::<C>(bytes), bytes)),
        stream: Some(C::stream),
        round_trip: Some(|bytes| {
            let packet = decode::<C>(bytes);
            let mut buffer = C::Buffer::default();
            C::encode(&packet, &mut buffer);
            RoundTrip {
                encoded: buffer.as_ref().to_vec(),
                publish: C::publish(&packet),
            }
        }),
    }
}

fn decode<C: Codec>(bytes: &[u8]) -> C::Packet {
    C::decode(bytes).expect("packet decodes")
}

/// What differs between the codecs.
trait Codec {
    const NAME: &'static str;
    type Packet: 'static;
    type Error: Debug;
    type Buffer: Buffer;

    /// Decodes one whole packet.
    fn decode(bytes: &[u8]) -> Result<Self::Packet, Self::Error>;

    /// Decodes the packet over and over, in the fastest way.
    fn decode_again(bytes: &'static [u8]) -> BoxedRun;

    /// Decodes the packets of a stream, in the fastest way.
    fn stream(bytes: &'static [u8]) -> BoxedRun;

    /// Appends the packet.
    fn encode(packet: &Self::Packet, buffer: &mut Self::Buffer);

    /// What stands in a PUBLISH.
    fn publish(packet: &Self::Packet) -> Option<Publish>;

    /// Encodes the packet over and over, in the fastest way.
    fn encode_again(packet: Self::Packet, bytes: &'static [u8]) -> BoxedRun {
        let mut buffer = Self::Buffer::with_room(bytes.len());
        contender::repeat(bytes.len(), move || {
            buffer.empty();
            Self::encode(&packet, &mut buffer);
            used(&buffer);
        })
    }
}

/// What a codec appends to.
trait Buffer: AsRef<[u8]> + Default + 'static {
    fn with_room(len: usize) -> Self;

    fn empty(&mut self);
}

impl Buffer for Vec<u8> {
    fn with_room(len: usize) -> Self {
        Vec::with_capacity(len)
    }

    #[inline(always)]
    fn empty(&mut self) {
        self.clear();
    }
}

impl Buffer for BytesMut {
    fn with_room(len: usize) -> Self {
        BytesMut::with_capacity(len)
    }

    #[inline(always)]
    fn empty(&mut self) {
        self.clear();
    }
}

/// Reads a stream with `take`, which takes a whole packet off the front of the buffer and passes it to
/// [`used`], or says that there is none.
fn stream_buffer(
    bytes: &'static [u8],
    mut take: impl FnMut(&mut BytesMut) -> bool + 'static,
) -> BoxedRun {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    contender::read_stream(bytes, move |chunk| {
        buffer.extend_from_slice(chunk);
        let mut packets = 0;
        while take(&mut buffer) {
            packets += 1;
        }
        packets
    })
}
