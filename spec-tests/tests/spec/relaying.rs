//! What a Server or a gateway does with what it received: properties changed on their way, heads of
//! large messages written again, errors answered.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use mqtt5_codec::framing::{LARGEST_PACKET, LargePublish, Split, split};
use mqtt5_codec::{
    Packet, PacketType, Property, PropertyIdentifier, ProtocolVersion, PublishProperties,
    ReasonCode, Role, Violation, strategies,
};
use mqtt5_spec_tests::vectors::{Case, VectorFile};
use proptest::prelude::*;

use crate::check::{Check, Kind, Outcome};
use crate::random::property;
use crate::verdict::{decode_by, encode};

pub(crate) fn checks(
    files: &Arc<Vec<VectorFile>>,
    files_of_3_1_1: &Arc<Vec<VectorFile>>,
) -> Vec<Check> {
    let files = [Arc::clone(files), Arc::clone(files_of_3_1_1)];
    vec![
        property(
            "relaying::properties_are_left_out_and_added",
            20_000,
            (
                strategies::frame_of(ProtocolVersion::V5_0, PacketType::Publish),
                any::<u32>(),
            ),
            |(frame, choice)| {
                let Packet::Publish(publish) = frame.decode(ProtocolVersion::V5_0)? else {
                    unreachable!("a PUBLISH was asked for")
                };
                properties_are_changed(publish.properties, choice)
            },
        ),
        property(
            "relaying::a_head_is_written_without_its_payload",
            5_000,
            strategies::frame_of(ProtocolVersion::V5_0, PacketType::Publish),
            |frame| {
                let Packet::Publish(publish) = frame.decode(ProtocolVersion::V5_0)? else {
                    unreachable!("a PUBLISH was asked for")
                };
                let mut head = Vec::new();
                let without_payload = mqtt5_codec::Publish {
                    payload: &[],
                    ..publish
                };
                let payload = without_payload
                    .encode_head_for(ProtocolVersion::V5_0, publish.payload, &mut head)
                    .expect("a received packet can be encoded");
                prop_assert_eq!(payload.as_ptr(), publish.payload.as_ptr());
                prop_assert_eq!([&head, payload].concat(), encode(&publish.into()));
                let too_long = LargePublish {
                    delivery: publish.delivery,
                    retain: publish.retain,
                    topic: publish.topic,
                    properties: publish.properties,
                    payload_length: LARGEST_PACKET as usize,
                };
                prop_assert!(
                    too_long
                        .encode_head(ProtocolVersion::V5_0, &mut head)
                        .is_err()
                );
                Ok(())
            },
        ),
        Check::new(Kind::Example, "relaying::one_list_can_be_added", one_list),
        Check::new(
            Kind::Example,
            "relaying::generosity_is_for_receivers",
            generosity_is_for_receivers,
        ),
        Check::new(
            Kind::Example,
            "relaying::errors_have_an_answer",
            move || {
                let mut answers = 0;
                let files = files.iter().flat_map(|files| files.iter());
                for case in files.flat_map(|file| &file.cases) {
                    answers += answers_can_be_sent(case)?;
                }
                if answers == 0 {
                    return Err("no error was answered".to_owned());
                }
                Ok(answers)
            },
        ),
    ]
}

/// Leaves some of the identifiers out, and adds them again.
fn properties_are_changed(
    received: PublishProperties<'_>,
    choice: u32,
) -> Result<(), TestCaseError> {
    let chosen: Vec<PropertyIdentifier> = PropertyIdentifier::ALL
        .iter()
        .enumerate()
        .filter(|(index, _)| choice >> index & 1 == 1)
        .map(|(_, &identifier)| identifier)
        .collect();
    let is_chosen = |property: &Property<'_>| chosen.contains(&property.identifier());
    let (left_out, kept): (Vec<_>, Vec<_>) = received.iter().partition(is_chosen);

    let fewer = received.without(&chosen);
    let expected = PublishProperties::new(&kept).expect("a part of what is allowed");
    prop_assert_eq!(fewer.iter().collect::<Vec<_>>(), kept.clone());
    prop_assert_eq!(fewer, expected);
    prop_assert_eq!(fewer.is_empty(), kept.is_empty());
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    prop_assert_eq!(hasher.hash_one(fewer), hasher.hash_one(expected));
    for identifier in PropertyIdentifier::ALL {
        prop_assert_eq!(fewer.contains(*identifier), expected.contains(*identifier));
    }
    prop_assert_eq!(fewer.topic_alias(), expected.topic_alias());
    prop_assert_eq!(fewer.response_topic(), expected.response_topic());
    prop_assert_eq!(written(fewer), written(expected));

    let again = fewer.and(&left_out).expect("what was there before");
    let in_order: Vec<_> = kept.iter().chain(&left_out).copied().collect();
    let expected = PublishProperties::new(&in_order).expect("what was there before");
    prop_assert_eq!(again, expected);
    prop_assert_eq!(written(again), written(expected));
    Ok(())
}

fn written(properties: PublishProperties<'_>) -> Vec<u8> {
    let topic = mqtt5_codec::TopicName::new("t").expect("valid");
    encode(&Packet::Publish(mqtt5_codec::Publish {
        properties,
        ..mqtt5_codec::Publish::new(topic, b"")
    }))
}

fn one_list() -> Outcome {
    let one = [Property::MessageExpiryInterval(1)];
    let other = [Property::ContentType(mqtt5_codec::Text::EMPTY)];
    let set = PublishProperties::new(&one).map_err(|error| error.to_string())?;
    assert_eq!(set.and(&other), Err(Violation::PropertyListGiven));
    assert_eq!(set.and(&[]), Ok(set));
    assert_eq!(PublishProperties::EMPTY.and(&one), Ok(set));
    Ok(3)
}

/// What is accepted only because the standard contradicts itself is not to be sent.
fn generosity_is_for_receivers() -> Outcome {
    let tolerated: [&[u8]; 3] = [&[0xF0, 0x00], &[0xF0, 0x01, 0x18], &[0xE0, 0x01, 0x8C]];
    for bytes in tolerated {
        let packet = Packet::decode_from(ProtocolVersion::V5_0, Role::Server, bytes)
            .map_err(|error| error.to_string())?;
        assert_eq!(encode(&packet), bytes);
        assert!(
            packet
                .check_before_sending(ProtocolVersion::V5_0, Role::Server)
                .is_err()
        );
    }
    let auth = b"\xF0\x06\x18\x04\x15\x00\x01m";
    let packet = Packet::decode(ProtocolVersion::V5_0, auth).map_err(|error| error.to_string())?;
    assert_eq!(
        packet.check_before_sending(ProtocolVersion::V5_0, Role::Client),
        Ok(())
    );
    assert_eq!(
        Packet::PingResp.check_before_sending(ProtocolVersion::V5_0, Role::Client),
        Err(Violation::PacketFromWrongSide)
    );
    Ok(5)
}

/// Whatever is wrong with a packet, the answer can be sent, and is one that the standard grants. In MQTT 3.1.1 only a
/// CONNECT of another version is answered.
fn answers_can_be_sent(case: &Case) -> Outcome {
    let mut input = &case.bytes[..];
    let error = loop {
        match split(input, LARGEST_PACKET) {
            Ok(Split::Packet { packet, rest }) => {
                match decode_by(case.version, &packet, case.sender) {
                    Ok(_) => input = rest,
                    Err(error) => break error,
                }
            }
            Ok(Split::Incomplete { .. }) => return Ok(0),
            Err(error) => break error.in_version(case.version),
        }
    };
    let mut answers = 0;
    for receiver in [Role::Client, Role::Server] {
        for connected in [false, true] {
            let answer = error.answer(receiver, connected);
            if let Some(packet) = &answer {
                answers += 1;
                let version = error.version();
                assert_eq!(
                    packet.check_sent_by(version, receiver),
                    Ok(()),
                    "{}",
                    case.name
                );
                let mut bytes = Vec::new();
                packet.encode(version, &mut bytes).unwrap();
                assert_eq!(
                    Packet::decode_from(version, receiver, &bytes).as_ref(),
                    Ok(packet)
                );
            }
            // The sender of an unknown Protocol Name understands no CONNACK.
            let refuses = matches!(
                error.packet_type(),
                Some(PacketType::Connect | PacketType::Auth)
            ) && error.violation() != Violation::ProtocolName;
            let is_other_version = error.reason_code() == ReasonCode::UnsupportedProtocolVersion;
            // Nor does one that may be of MQTT 3.1.1, where the level is not known [MQTT3-3.1.4-1].
            let has_level = error.offset() >= 9 || is_other_version;
            let is_unknown = error.packet_type() == Some(PacketType::Connect)
                && !has_level
                && receiver == Role::Server
                && !connected;
            let answers_nothing = is_unknown
                || error.version() == ProtocolVersion::V3_1_1
                    && !(receiver == Role::Server && !connected && is_other_version)
                || error.violation() == Violation::ProtocolName;
            match answer {
                // A Server sends no DISCONNECT before a CONNACK that accepts [MQTT-3.14.0-1].
                Some(Packet::ConnAck(connack)) => {
                    assert!(receiver == Role::Server && !connected && refuses);
                    assert!(!answers_nothing, "{}", case.name);
                    assert!(connack.reason_code.is_error() && !connack.session_present);
                }
                Some(Packet::Disconnect(disconnect)) => {
                    assert!(receiver == Role::Client || connected);
                    assert!(!answers_nothing, "{}", case.name);
                    assert!(disconnect.reason_code.is_error());
                    assert_ne!(
                        disconnect.reason_code,
                        ReasonCode::UnsupportedProtocolVersion
                    );
                }
                None => {
                    let too_early = receiver == Role::Server && !connected && !refuses;
                    assert!(answers_nothing || too_early, "{}", case.name);
                }
                Some(other) => panic!("{}: {other:?} is no answer", case.name),
            }
        }
    }
    Ok(answers)
}
