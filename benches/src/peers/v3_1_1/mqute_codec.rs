//! `mqute-codec`: its module `v4`, which is the protocol level.

use bytes::BytesMut;
use mqute_codec::Error;
use mqute_codec::codec::PacketCodec;
use mqute_codec::protocol::v4;

use super::{Codec, stream_buffer};
use crate::contender::{self, BoxedRun, Publish, decoded};

pub(super) struct MquteCodec;

impl MquteCodec {
    fn read(buffer: &mut BytesMut) -> Result<v4::Packet, Error> {
        let raw = PacketCodec::new(None, None).try_decode(buffer)?;
        v4::Packet::decode(raw)
    }
}

impl Codec for MquteCodec {
    const NAME: &'static str = "mqute-codec";
    type Packet = v4::Packet;
    type Error = Error;
    type Buffer = BytesMut;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, Self::Error> {
        Self::read(&mut BytesMut::from(bytes))
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        contender::decode_buffer(bytes, |buffer| decoded(&Self::read(buffer)))
    }

    fn stream(bytes: &'static [u8]) -> BoxedRun {
        stream_buffer(bytes, |buffer| {
            match PacketCodec::new(None, None).try_decode(buffer) {
                Ok(raw) => decoded(&v4::Packet::decode(raw)),
                Err(Error::NotEnoughBytes(_)) => return false,
                Err(error) => panic!("stream decodes: {error}"),
            }
            true
        })
    }

    #[inline(always)]
    fn encode(packet: &Self::Packet, buffer: &mut BytesMut) {
        packet.encode(buffer).expect("packet encodes");
    }

    fn publish(packet: &Self::Packet) -> Option<Publish> {
        match packet {
            Self::Packet::Publish(publish) => Some(Publish::new(
                &publish.topic(),
                publish.packet_id().unwrap_or_default(),
                &publish.payload(),
            )),
            _ => None,
        }
    }
}
