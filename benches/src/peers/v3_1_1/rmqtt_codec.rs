//! `rmqtt-codec`: its module `v3`.
//!
//! Its encoder takes packets by value.

use bytes::BytesMut;
use rmqtt_codec::v3;
use tokio_util::codec::{Decoder, Encoder};

use super::{Codec, stream_buffer};
use crate::contender::{self, BoxedRun, Publish, decoded, used};

pub(super) struct RmqttCodec;

impl Codec for RmqttCodec {
    const NAME: &'static str = "rmqtt-codec";
    type Packet = v3::Packet;
    type Error = String;
    type Buffer = BytesMut;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, String> {
        let mut codec = v3::Codec::default();
        match codec.decode(&mut BytesMut::from(bytes)) {
            Ok(Some((packet, _))) => Ok(packet),
            other => Err(format!("{other:?}")),
        }
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        let mut codec = v3::Codec::default();
        contender::decode_buffer(bytes, move |buffer| decoded(&codec.decode(buffer)))
    }

    fn stream(bytes: &'static [u8]) -> BoxedRun {
        let mut codec = v3::Codec::default();
        stream_buffer(bytes, move |buffer| {
            match &codec.decode(buffer) {
                Ok(Some(packet)) => used(packet),
                Ok(None) => return false,
                Err(error) => panic!("stream decodes: {error}"),
            }
            true
        })
    }

    fn encode(packet: &Self::Packet, buffer: &mut BytesMut) {
        let written = v3::Codec::default().encode(packet.clone(), buffer);
        written.expect("packet encodes");
    }

    fn encode_again(packet: Self::Packet, bytes: &'static [u8]) -> BoxedRun {
        let mut codec = v3::Codec::default();
        let mut buffer = BytesMut::with_capacity(bytes.len());
        contender::encode_owned(bytes.len(), packet, move |packet| {
            buffer.clear();
            codec.encode(packet, &mut buffer).expect("packet encodes");
            used(&buffer);
        })
    }

    fn publish(packet: &Self::Packet) -> Option<Publish> {
        match packet {
            Self::Packet::Publish(publish) => Some(Publish::new(
                &publish.topic,
                publish.packet_id.map_or(0, Into::into),
                &publish.payload,
            )),
            _ => None,
        }
    }
}
