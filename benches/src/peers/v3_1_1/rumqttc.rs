//! `rumqttc`: its module `mqttbytes::v4`.
//!
//! The Topic Name is copied here; the payload is not.

use bytes::BytesMut;
use rumqttc::mqttbytes::{Error, v4};

use super::{Codec, stream_buffer};
use crate::contender::{self, BoxedRun, Publish, decoded, used};

pub(super) struct Rumqttc;

impl Codec for Rumqttc {
    const NAME: &'static str = "rumqttc";
    type Packet = v4::Packet;
    type Error = Error;
    type Buffer = BytesMut;

    fn decode(bytes: &[u8]) -> Result<Self::Packet, Self::Error> {
        Self::Packet::read(&mut BytesMut::from(bytes), usize::MAX)
    }

    fn decode_again(bytes: &'static [u8]) -> BoxedRun {
        contender::decode_buffer(bytes, |buffer| {
            decoded(&Self::Packet::read(buffer, usize::MAX));
        })
    }

    fn stream(bytes: &'static [u8]) -> BoxedRun {
        stream_buffer(bytes, |buffer| {
            match &Self::Packet::read(buffer, usize::MAX) {
                Ok(packet) => used(packet),
                Err(Error::InsufficientBytes(_)) => return false,
                Err(error) => panic!("stream decodes: {error}"),
            }
            true
        })
    }

    #[inline(always)]
    fn encode(packet: &Self::Packet, buffer: &mut BytesMut) {
        packet.write(buffer, usize::MAX).expect("packet encodes");
    }

    fn publish(packet: &Self::Packet) -> Option<Publish> {
        match packet {
            Self::Packet::Publish(publish) => {
                Some(Publish::new(&publish.topic, publish.pkid, &publish.payload))
            }
            _ => None,
        }
    }
}
