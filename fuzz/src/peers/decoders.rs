//! The peers as decoders: each has a module for each version, with the same functions in it.

use bytes::BytesMut;
use flowsdk::mqtt_serde::control_packet::MqttPacket;
use flowsdk::mqtt_serde::parser::{ParseError, ParseOk};
use mqtt5_codec::ProtocolVersion;
use tokio_util::codec::{Decoder, Encoder};

use super::{Answer, Decoded, Peer};

macro_rules! decoders {
    (
        $name:ident reads $version:ident:
        flowsdk by $from_bytes:ident,
        mqtt_proto $mqtt_proto:ident,
        mqute_codec $mqute_codec:ident,
        rmqtt_codec $rmqtt_codec:ident,
        rumqttc $($rumqttc:ident)::+ with $rumqttc_packets:ident up to $largest:expr
    ) => {
        pub(super) const $name: [Peer; 5] = {
            const fn peer(name: &'static str, decode: fn(&[u8]) -> Decoded) -> Peer {
                let version = ProtocolVersion::$version;
                Peer {
                    name,
                    version,
                    decode,
                }
            }

            fn flowsdk(bytes: &[u8]) -> Decoded {
                match MqttPacket::$from_bytes(bytes) {
                    Ok(ParseOk::Packet(packet, _)) => Ok(Box::new(move || packet.to_bytes().ok())),
                    Ok(_) | Err(ParseError::More(..)) => Err(Answer::Waits),
                    Err(_) => Err(Answer::Refused),
                }
            }

            fn mqtt_proto(bytes: &[u8]) -> Decoded {
                match mqtt_proto::$mqtt_proto::Packet::decode(bytes) {
                    Ok(Some(packet)) => Ok(Box::new(move || {
                        let bytes = packet.encode().ok()?;
                        Some(bytes.as_ref().to_vec())
                    })),
                    Ok(None) => Err(Answer::Waits),
                    Err(_) => Err(Answer::Refused),
                }
            }

            fn mqute_codec(bytes: &[u8]) -> Decoded {
                use mqute_codec::protocol::$mqute_codec::Packet;
                use mqute_codec::{Error, codec::PacketCodec};

                let mut buffer = BytesMut::from(bytes);
                let raw = PacketCodec::new(None, None).try_decode(&mut buffer);
                match raw.and_then(Packet::decode) {
                    Ok(packet) => Ok(Box::new(move || {
                        let mut bytes = BytesMut::new();
                        packet.encode(&mut bytes).ok()?;
                        Some(bytes.to_vec())
                    })),
                    Err(Error::NotEnoughBytes(_)) => Err(Answer::Waits),
                    Err(_) => Err(Answer::Refused),
                }
            }

            fn rmqtt_codec(bytes: &[u8]) -> Decoded {
                let mut codec = rmqtt_codec::$rmqtt_codec::Codec::default();
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
                use rumqttc::$($rumqttc)::+::{Error, $rumqttc_packets::Packet};

                match Packet::read(&mut BytesMut::from(bytes), $largest) {
                    Ok(packet) => Ok(Box::new(move || {
                        let mut bytes = BytesMut::new();
                        packet.write(&mut bytes, $largest).ok()?;
                        Some(bytes.to_vec())
                    })),
                    Err(Error::InsufficientBytes(_)) => Err(Answer::Waits),
                    Err(_) => Err(Answer::Refused),
                }
            }

            [
                peer("flowsdk", flowsdk),
                peer("mqtt-proto", mqtt_proto),
                peer("mqute-codec", mqute_codec),
                peer("rmqtt-codec", rmqtt_codec),
                peer("rumqttc", rumqttc),
            ]
        };
    };
}

decoders!(OF_V3_1_1 reads V3_1_1:
    flowsdk by from_bytes_v3,
    mqtt_proto v3,
    mqute_codec v4,
    rmqtt_codec v3,
    rumqttc mqttbytes with v4 up to usize::MAX);

decoders!(OF_V5_0 reads V5_0:
    flowsdk by from_bytes_v5,
    mqtt_proto v5,
    mqute_codec v5,
    rmqtt_codec v5,
    rumqttc v5::mqttbytes with v5 up to None);
