//! Published codecs, behind one question: what do you make of these bytes?

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use bytes::BytesMut;
use flowsdk::mqtt_serde::control_packet::MqttPacket;
use flowsdk::mqtt_serde::parser::{ParseError, ParseOk};
use tokio_util::codec::{Decoder, Encoder};

/// What a peer makes of the bytes of one whole packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A packet; its bytes as the peer encodes it again.
    Accepted(Vec<u8>),
    /// A packet that the peer cannot encode again, or panics when it tries.
    CannotEncode,
    /// An error.
    Refused,
    /// "Need more bytes."
    Waits,
    /// A panic while decoding.
    Panicked,
}

/// A published codec.
pub struct Peer {
    /// The name of its crate.
    pub name: &'static str,
    decode: fn(&[u8]) -> Decoded,
}

/// What decoding gives: the answer, or the packet as something that can be encoded.
type Decoded = Result<Box<dyn FnOnce() -> Option<Vec<u8>>>, Answer>;

/// All peers.
pub const ALL: [Peer; 5] = [
    Peer {
        name: "flowsdk",
        decode: flowsdk,
    },
    Peer {
        name: "mqtt-proto",
        decode: mqtt_proto,
    },
    Peer {
        name: "mqute-codec",
        decode: mqute_codec,
    },
    Peer {
        name: "rmqtt-codec",
        decode: rmqtt_codec,
    },
    Peer {
        name: "rumqttc",
        decode: rumqttc,
    },
];

impl Peer {
    /// Asks the peer. Its panics stay inside.
    #[must_use]
    pub fn answer(&self, bytes: &[u8]) -> Answer {
        match caught(|| (self.decode)(bytes)) {
            None => Answer::Panicked,
            Some(Err(answer)) => answer,
            Some(Ok(encode)) => match caught(encode).flatten() {
                Some(again) => Answer::Accepted(again),
                None => Answer::CannotEncode,
            },
        }
    }
}

thread_local! {
    static PEER_IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Runs foreign code whose panics mean nothing to us. The panic hook of libFuzzer would abort.
fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !PEER_IS_RUNNING.get() {
                hook(info);
            }
        }));
    });
    PEER_IS_RUNNING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    PEER_IS_RUNNING.set(false);
    result.ok()
}

fn flowsdk(bytes: &[u8]) -> Decoded {
    match MqttPacket::from_bytes_v5(bytes) {
        Ok(ParseOk::Packet(packet, _)) => Ok(Box::new(move || packet.to_bytes().ok())),
        Ok(_) | Err(ParseError::More(..)) => Err(Answer::Waits),
        Err(_) => Err(Answer::Refused),
    }
}

fn mqtt_proto(bytes: &[u8]) -> Decoded {
    match mqtt_proto::v5::Packet::decode(bytes) {
        Ok(Some(packet)) => Ok(Box::new(move || {
            let bytes = packet.encode().ok()?;
            Some(bytes.as_ref().to_vec())
        })),
        Ok(None) => Err(Answer::Waits),
        Err(_) => Err(Answer::Refused),
    }
}

fn mqute_codec(bytes: &[u8]) -> Decoded {
    use mqute_codec::{Error, codec::PacketCodec, protocol::v5::Packet};

    let mut buffer = BytesMut::from(bytes);
    match PacketCodec::new(None, None).try_decode(&mut buffer) {
        Ok(raw) => match Packet::decode(raw) {
            Ok(packet) => Ok(Box::new(move || {
                let mut bytes = BytesMut::new();
                packet.encode(&mut bytes).ok()?;
                Some(bytes.to_vec())
            })),
            Err(Error::NotEnoughBytes(_)) => Err(Answer::Waits),
            Err(_) => Err(Answer::Refused),
        },
        Err(Error::NotEnoughBytes(_)) => Err(Answer::Waits),
        Err(_) => Err(Answer::Refused),
    }
}

fn rmqtt_codec(bytes: &[u8]) -> Decoded {
    let mut codec = rmqtt_codec::v5::Codec::default();
    match codec.decode(&mut BytesMut::from(bytes)) {
        Ok(Some((packet, _))) => Ok(Box::new(move || {
            let mut bytes = BytesMut::new();
            codec.encode(packet, &mut bytes).ok()?;
            Some(bytes.to_vec())
        })),
        Ok(None) => Err(Answer::Waits),
        Err(_) => Err(Answer::Refused),
    }
}

fn rumqttc(bytes: &[u8]) -> Decoded {
    use rumqttc::v5::mqttbytes::{Error, v5::Packet};

    match Packet::read(&mut BytesMut::from(bytes), None) {
        Ok(packet) => Ok(Box::new(move || {
            let mut bytes = BytesMut::new();
            packet.write(&mut bytes, None).ok()?;
            Some(bytes.to_vec())
        })),
        Err(Error::InsufficientBytes(_)) => Err(Answer::Waits),
        Err(_) => Err(Answer::Refused),
    }
}
