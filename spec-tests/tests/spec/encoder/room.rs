//! Lengths that the encoder writes, and outputs that are too small.

use bytes::BufMut;
use mqtt5_codec::{
    Binary, ConnAck, Connect, EncodeError, Packet, PacketIdentifier, Properties, Property,
    ProtocolVersion, PubAck, Publish, PublishProperties, ReasonCode, ReasonCodes, SubAck,
    Subscribe, Subscription, SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicFilters,
    TopicName, UnsubAck, Unsubscribe, UserProperty, Will,
};

use crate::check::Outcome;
use crate::reference::variable_byte_integer::write;

fn topic() -> TopicName<'static> {
    TopicName::new("a").expect("a name")
}

/// Remaining Lengths up to 70,000 and around each border of the encoding.
pub(super) fn remaining_lengths() -> Outcome {
    let zeros = vec![0; 2_097_152 + 10];
    let near = |border: usize| border - 5..border + 5;
    let lengths = (4..70_000).chain(near(2_097_152));
    let mut states = 0;
    let mut head = Vec::new();
    for length in lengths {
        let payload = &zeros[..length - 4];
        let packet = Packet::from(Publish {
            topic: Some(topic()),
            payload,
            ..Publish::default()
        });
        head.clear();
        packet
            .encode_head(ProtocolVersion::V5_0, &mut head)
            .map_err(|error| error.to_string())?;
        let expected = [&[0x30][..], &write(length as u64), b"\x00\x01a\x00"].concat();
        assert_eq!(head, expected);
        assert_eq!(
            packet.encoded_len(ProtocolVersion::V5_0),
            Ok(expected.len() + payload.len())
        );
        states += 1;
    }
    Ok(states)
}

/// Property Lengths up to 70,000 and around each border of the encoding, made of Correlation Data
/// and, above 65,538, User Properties.
pub(super) fn property_lengths() -> Outcome {
    let long = "a".repeat(65_535);
    let pair = Property::UserProperty(UserProperty::new(&long, &long).expect("two strings"));
    let mut states = 0;
    let mut bytes = Vec::new();
    for pairs in 0..=16 {
        let pairs_length = pairs * (5 + 2 * 65_535);
        let data_lengths: Vec<usize> = if pairs == 0 {
            (0..=65_535).collect()
        } else {
            vec![0, 1, 65_535 - pairs, 65_535]
        };
        for data_length in data_lengths {
            let data = Binary::new(&long.as_bytes()[..data_length]).expect("not too long");
            let mut list = vec![pair; pairs];
            list.push(Property::CorrelationData(data));
            let packet = Packet::from(Publish {
                topic: Some(topic()),
                properties: PublishProperties::new(&list).expect("properties of PUBLISH"),
                ..Publish::default()
            });
            bytes.clear();
            packet
                .encode(ProtocolVersion::V5_0, &mut bytes)
                .map_err(|error| error.to_string())?;
            let expected = write((pairs_length + 3 + data_length) as u64);
            let body = 3 + expected.len() + pairs_length + 3 + data_length;
            let start = bytes.len() - body + 3;
            assert_eq!(bytes[start..start + expected.len()], expected);
            assert_eq!(bytes[1..start - 3], write(body as u64));
            assert_eq!(Packet::decode(ProtocolVersion::V5_0, &bytes), Ok(packet));
            states += 1;
        }
    }
    Ok(states)
}

/// Without properties the Property Length is written all the same, as 0 [MQTT-2.2.2-1].
pub(super) fn property_length_0() -> Outcome {
    let packet_identifier = PacketIdentifier::MIN;
    let subscriptions = [Subscription {
        filter: TopicFilter::new("a").expect("a filter"),
        options: SubscriptionOptions::default(),
    }];
    let filters = [subscriptions[0].filter];
    let codes = [ReasonCode::Success];
    let will = Will {
        qos: mqtt5_codec::Qos::AtMostOnce,
        retain: false,
        properties: Properties::EMPTY,
        topic: topic(),
        payload: Binary::EMPTY,
    };
    let packets: [(Packet<'_>, &[u8]); 8] = [
        (
            Connect::default().into(),
            b"\x10\x0D\x00\x04MQTT\x05\x00\x00\x00\x00\x00\x00",
        ),
        (
            Connect {
                will: Some(will),
                ..Connect::default()
            }
            .into(),
            b"\x10\x13\x00\x04MQTT\x05\x04\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x00",
        ),
        (
            ConnAck {
                session_present: false,
                reason_code: ReasonCode::Success,
                properties: Properties::EMPTY,
            }
            .into(),
            b"\x20\x03\x00\x00\x00",
        ),
        (
            Publish {
                topic: Some(topic()),
                ..Publish::default()
            }
            .into(),
            b"\x30\x04\x00\x01a\x00",
        ),
        (
            Subscribe {
                packet_identifier,
                properties: Properties::EMPTY,
                subscriptions: Subscriptions::new(&subscriptions).expect("one"),
            }
            .into(),
            b"\x82\x07\x00\x01\x00\x00\x01a\x00",
        ),
        (
            Unsubscribe {
                packet_identifier,
                properties: Properties::EMPTY,
                filters: TopicFilters::new(&filters).expect("one"),
            }
            .into(),
            b"\xA2\x06\x00\x01\x00\x00\x01a",
        ),
        (
            SubAck {
                packet_identifier,
                properties: Properties::EMPTY,
                reason_codes: ReasonCodes::new(&codes).expect("one code"),
            }
            .into(),
            b"\x90\x04\x00\x01\x00\x00",
        ),
        (
            UnsubAck {
                packet_identifier,
                properties: Properties::EMPTY,
                reason_codes: ReasonCodes::new(&codes).expect("one code"),
            }
            .into(),
            b"\xB0\x04\x00\x01\x00\x00",
        ),
    ];
    for (packet, expected) in &packets {
        assert_eq!(crate::verdict::encode(packet), *expected);
    }
    Ok(packets.len() as u64)
}

/// Slices of every length that is too short stay as they are, and the error tells the length that
/// would do.
pub(super) fn too_little_room() -> Outcome {
    let reason = [Property::ReasonString(
        Text::new("not today").expect("a string"),
    )];
    let puback = Packet::from(PubAck {
        properties: Properties::new(&reason).expect("a property of PUBACK"),
        ..PubAck::new(PacketIdentifier::MIN, ReasonCode::QuotaExceeded)
    });
    let payload = [b'x'; 200];
    let publish = Packet::from(Publish {
        topic: Some(topic()),
        payload: &payload,
        ..Publish::default()
    });
    let mut states = 0;
    let short = Packet::from(PubAck::new(PacketIdentifier::MAX, ReasonCode::Success));
    for packet in [puback, short, publish, Packet::PingReq] {
        let needed = packet
            .encoded_len(ProtocolVersion::V5_0)
            .map_err(|error| error.to_string())?;
        for room in 0..needed {
            let mut out = vec![0xEE; room];
            let mut slice = &mut out[..];
            assert_eq!(
                packet.encode(ProtocolVersion::V5_0, &mut slice),
                Err(EncodeError::NoRoom { needed })
            );
            assert_eq!(slice.len(), room);
            assert!(out.iter().all(|&byte| byte == 0xEE));
            // A buffer that may grow, but not far enough.
            let mut limited = Vec::new().limit(room);
            assert_eq!(
                packet.encode(ProtocolVersion::V5_0, &mut limited),
                Err(EncodeError::NoRoom { needed })
            );
            assert!(limited.get_ref().is_empty());
            let no_room = Err(EncodeError::NoRoom { needed });
            assert_eq!(
                packet.encode_to_slice(ProtocolVersion::V5_0, &mut out),
                no_room
            );
            assert!(out.iter().all(|&byte| byte == 0xEE));
            states += 3;
        }
        let mut out = vec![0xEE; needed];
        let mut slice = &mut out[..];
        assert_eq!(packet.encode(ProtocolVersion::V5_0, &mut slice), Ok(()));
        assert!(slice.is_empty());
        assert_eq!(out, crate::verdict::encode(&packet));
    }
    // The head alone needs room for itself only.
    let head_length = publish
        .encoded_len(ProtocolVersion::V5_0)
        .expect("a valid packet")
        - payload.len();
    for room in 0..=head_length {
        let mut out = vec![0xEE; room];
        let result = publish.encode_head(ProtocolVersion::V5_0, &mut &mut out[..]);
        if room == head_length {
            assert_eq!(result, Ok(&payload[..]));
        } else {
            assert_eq!(
                result,
                Err(EncodeError::NoRoom {
                    needed: head_length
                })
            );
            assert!(out.iter().all(|&byte| byte == 0xEE));
        }
        states += 1;
    }
    Ok(states)
}
