//! What MQTT 3.1.1 cannot say of a packet of 5.0 is refused, with what it is (table of what it lacks: sections 3.1 to
//! 3.14).

use mqtt5_codec::property::Scope;
use mqtt5_codec::{
    ConnAck, Connect, Disconnect, EncodeError, Packet, Properties, PubAck, PubComp, PubRec, PubRel,
    Publish, ReasonCode, ReasonCodes, SubAck, Subscribe, Subscription, SubscriptionOptions,
    Subscriptions, UnsubAck, Unsubscribe, Will,
};
use proptest::prelude::*;

use super::sayable::unsayable;
use super::{V3_1_1, V5_0, reference};
use crate::check::Check;
use crate::random::property;
use crate::verdict::encode_by;

pub(super) fn checks() -> Vec<Check> {
    vec![
        property(
            "v3_1_1::what_5_0_says_is_encoded_exactly_if_it_can_be_said",
            30_000,
            (mqtt5_codec::strategies::frame(V5_0), any::<u8>()),
            |(frame, left_out)| {
                let packet = frame.decode(V5_0).expect("valid");
                let lists = Lists::of(&packet);
                lowered(&lists.reduced(packet, left_out))
            },
        ),
        property(
            "v3_1_1::a_connect_is_written_by_the_version_that_it_names",
            10_000,
            mqtt5_codec::strategies::frame_of(V5_0, mqtt5_codec::PacketType::Connect),
            |frame| {
                let packet = frame.decode(V5_0).expect("valid");
                prop_assert_eq!(&encode_by(V3_1_1, &packet), frame.bytes());
                prop_assert_eq!(Packet::decode(V3_1_1, frame.bytes())?, packet);
                Ok(())
            },
        ),
        property(
            "v3_1_1::a_payload_like_a_property_set_is_payload",
            20_000,
            (
                mqtt5_codec::strategies::frame_of(V5_0, mqtt5_codec::PacketType::Publish),
                like_a_property_set(),
            ),
            |(frame, payload)| {
                let Packet::Publish(publish) = frame.decode(V5_0).expect("valid") else {
                    unreachable!("a PUBLISH was asked for")
                };
                let publish = Publish {
                    properties: Properties::EMPTY,
                    payload: &payload,
                    ..publish
                };
                payload_is_kept(publish)
            },
        ),
    ]
}

/// What a decoder of 5.0 would take for properties.
fn like_a_property_set() -> impl Strategy<Value = Vec<u8>> {
    let sets: Vec<&[u8]> = vec![
        b"",
        b"\x00",
        b"\x02\x01\x01",
        b"\x03\x23\x00\x01",
        b"\x05\x02\x00\x00\x00\x09",
        b"\x07\x26\x00\x01n\x00\x01v",
        b"\x80",
        b"\x80\x00",
        b"\xFF\xFF\xFF\x7F",
        b"\x05",
    ];
    let tail = prop::collection::vec(any::<u8>(), 0..12);
    (prop::sample::select(sets), tail).prop_map(|(set, tail)| [set, &tail].concat())
}

/// Owned lists with fewer options and codes.
struct Lists<'a> {
    subscriptions: Vec<Subscription<'a>>,
    codes: Vec<ReasonCode>,
}

fn drop_if<'a, S: Scope>(left_out: bool, properties: Properties<'a, S>) -> Properties<'a, S> {
    match left_out {
        true => Properties::EMPTY,
        false => properties,
    }
}

impl<'a> Lists<'a> {
    fn of(packet: &Packet<'a>) -> Self {
        let plain = |it: Subscription<'a>| Subscription {
            filter: it.filter,
            options: SubscriptionOptions {
                maximum_qos: it.options.maximum_qos,
                ..SubscriptionOptions::default()
            },
        };
        let known = |code: ReasonCode| match code.to_byte() {
            0..=2 => code,
            _ => ReasonCode::UnspecifiedError,
        };
        Lists {
            subscriptions: match packet {
                Packet::Subscribe(subscribe) => subscribe.subscriptions.iter().map(plain).collect(),
                _ => Vec::new(),
            },
            codes: match packet {
                Packet::SubAck(suback) => suback.reason_codes.iter().map(known).collect(),
                _ => Vec::new(),
            },
        }
    }

    /// The packet without some of what MQTT 3.1.1 lacks. A CONNECT names MQTT 3.1.1.
    fn reduced<'l>(&'l self, packet: Packet<'l>, left_out: u8) -> Packet<'l> {
        let without_properties = left_out & 0b11 != 0;
        let without_rest = left_out & 0b1100 != 0;
        let other = left_out & 0b1_0000 != 0;
        macro_rules! acknowledgement {
            ($name:ident, $packet:expr) => {
                $name {
                    properties: drop_if(without_properties, $packet.properties),
                    reason_code: match without_rest {
                        true => ReasonCode::Success,
                        false => $packet.reason_code,
                    },
                    ..$packet
                }
                .into()
            };
        }
        match packet {
            Packet::Connect(connect) => {
                let will = connect.will.map(|will| Will {
                    properties: drop_if(without_rest, will.properties),
                    ..will
                });
                let properties = match (without_properties, connect.clean_start) {
                    (true, false) if other => Properties::new(&super::NEVER).expect("good"),
                    _ => drop_if(without_properties, connect.properties),
                };
                Packet::Connect(Connect {
                    version: V3_1_1,
                    properties,
                    will,
                    ..connect
                })
            }
            Packet::ConnAck(connack) => acknowledgement!(ConnAck, connack),
            Packet::Publish(publish) => Publish {
                properties: drop_if(without_properties, publish.properties),
                ..publish
            }
            .into(),
            Packet::PubAck(packet) => acknowledgement!(PubAck, packet),
            Packet::PubRec(packet) => acknowledgement!(PubRec, packet),
            Packet::PubRel(packet) => acknowledgement!(PubRel, packet),
            Packet::PubComp(packet) => acknowledgement!(PubComp, packet),
            Packet::Disconnect(packet) => Disconnect {
                properties: drop_if(without_properties, packet.properties),
                reason_code: match without_rest {
                    true => ReasonCode::Success,
                    false => packet.reason_code,
                },
            }
            .into(),
            Packet::Subscribe(subscribe) => Subscribe {
                properties: drop_if(without_properties, subscribe.properties),
                subscriptions: match without_rest {
                    true => Subscriptions::new(&self.subscriptions).expect("good filters"),
                    false => subscribe.subscriptions,
                },
                ..subscribe
            }
            .into(),
            Packet::SubAck(suback) => SubAck {
                properties: drop_if(without_properties, suback.properties),
                reason_codes: match without_rest {
                    true => ReasonCodes::new(&self.codes).expect("good codes"),
                    false => suback.reason_codes,
                },
                ..suback
            }
            .into(),
            Packet::Unsubscribe(unsubscribe) => Unsubscribe {
                properties: drop_if(without_properties, unsubscribe.properties),
                ..unsubscribe
            }
            .into(),
            Packet::UnsubAck(unsuback) => UnsubAck {
                properties: drop_if(without_properties, unsuback.properties),
                reason_codes: match without_rest {
                    true => ReasonCodes::NONE,
                    false => unsuback.reason_codes,
                },
                ..unsuback
            }
            .into(),
            packet => packet,
        }
    }
}

/// The bytes are those of the second writer, or the error is one of the reasons.
fn lowered(packet: &Packet<'_>) -> Result<(), TestCaseError> {
    let reasons = unsayable(packet);
    let mut written = Vec::new();
    let mut head = Vec::new();
    let first = packet.encode(V3_1_1, &mut written);
    let mut slice = vec![0; written.len()];
    let results = [
        first.map(|()| written.len()),
        packet.encoded_len(V3_1_1),
        packet.encode_to_slice(V3_1_1, &mut slice),
        packet
            .encode_head(V3_1_1, &mut head)
            .map(|payload| head.len() + payload.len()),
    ];
    for result in results {
        match result {
            Ok(length) => {
                prop_assert!(reasons.is_empty(), "{:?}: {:?}", packet, reasons);
                let expected = reference::write(packet);
                prop_assert_eq!(Some(&written), expected.as_ref());
                prop_assert_eq!(length, written.len());
            }
            Err(EncodeError::Invalid {
                packet_type,
                violation,
            }) => {
                prop_assert_eq!(packet_type, packet.packet_type());
                prop_assert!(reasons.contains(&violation), "{:?}: {}", packet, violation);
                prop_assert!(written.is_empty() && head.is_empty());
            }
            Err(other) => prop_assert!(false, "{:?}: {}", packet, other),
        }
    }
    Ok(())
}

/// No encoding holds a property: Topic Name and payload come back, whatever the payload looks like.
fn payload_is_kept(publish: Publish<'_>) -> Result<(), TestCaseError> {
    if publish.topic.is_none() {
        return Ok(());
    }
    let bytes = encode_by(V3_1_1, &publish.into());
    prop_assert_eq!(Packet::decode(V3_1_1, &bytes)?, Packet::Publish(publish));
    prop_assert!(bytes.ends_with(publish.payload));
    prop_assert_eq!(Some(bytes), reference::write(&publish.into()));
    Ok(())
}
