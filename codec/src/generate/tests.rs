//! The generators cover what they promise, and nothing that they make is refused.

mod v3_1_1;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use arbitrary::Unstructured;

use super::*;
use crate::{
    Packet, Property, PropertyIdentifier, ProtocolVersion, ReasonCode, TopicFilter, TopicName,
};

/// Pseudo-random bytes (SplitMix64), the same in every run.
fn sources() -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0_u64;
    let mut next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    };
    core::iter::repeat_with(move || {
        let words = next() % 64;
        (0..words).flat_map(|_| next().to_le_bytes()).collect()
    })
}

#[test]
fn every_packet_type_from_every_side_is_decoded_to_the_same_bytes() {
    for &version in ProtocolVersion::ALL {
        for packet_type in PacketType::ALL {
            for sender in [Role::Client, Role::Server] {
                for bytes in sources().take(300) {
                    let mut source = Unstructured::new(&bytes);
                    let frame = frame_of_from(version, packet_type, sender, &mut source);
                    if !sends(version, packet_type, sender) {
                        assert_eq!(frame.err(), Some(Error::IncorrectFormat));
                        continue;
                    }
                    let frame = frame.unwrap();
                    let packet = frame.decode_from(version, sender).unwrap();
                    assert_eq!(packet.packet_type(), packet_type);
                    let mut again = Vec::new();
                    packet.encode(version, &mut again).unwrap();
                    assert_eq!(again, &frame.bytes()[..]);
                }
            }
        }
    }
}

/// MQTT 3.1.1 has no AUTH, and a Server that closes the connection just does it (its sections 2.2.1, 3.14).
fn sends(version: ProtocolVersion, packet_type: PacketType, sender: Role) -> bool {
    let is_newer = match packet_type {
        PacketType::Auth => true,
        PacketType::Disconnect => sender == Role::Server,
        _ => false,
    };
    packet_type.sent_by(ProtocolVersion::V5_0, sender)
        && (version == ProtocolVersion::V5_0 || !is_newer)
}

#[test]
fn no_bytes_make_the_smallest_packets() {
    for &version in ProtocolVersion::ALL {
        for packet_type in PacketType::ALL {
            let frame = frame_of(version, packet_type, &mut Unstructured::new(&[]));
            if version == ProtocolVersion::V3_1_1 && packet_type == PacketType::Auth {
                assert_eq!(frame.err(), Some(Error::IncorrectFormat));
                continue;
            }
            let frame = frame.unwrap();
            assert!(frame.bytes().len() <= 15, "{frame:?}");
        }
    }
}

#[test]
fn every_property_and_reason_code_comes_up() {
    let mut properties = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for bytes in sources().take(20_000) {
        let frame = frame(ProtocolVersion::V5_0, &mut Unstructured::new(&bytes)).unwrap();
        let mut property = |property: Property<'_>| {
            properties.insert((frame.packet_type(), property.identifier()));
        };
        let mut code = |code| {
            codes.insert((frame.packet_type(), code));
        };
        match frame.decode(ProtocolVersion::V5_0).unwrap() {
            Packet::Connect(packet) => packet.properties.iter().for_each(property),
            Packet::ConnAck(packet) => {
                code(packet.reason_code);
                packet.properties.iter().for_each(property);
            }
            Packet::Publish(packet) => packet.properties.iter().for_each(property),
            Packet::PubAck(packet) => code(packet.reason_code),
            Packet::PubRec(packet) => code(packet.reason_code),
            Packet::PubRel(packet) => code(packet.reason_code),
            Packet::PubComp(packet) => code(packet.reason_code),
            Packet::Subscribe(packet) => packet.properties.iter().for_each(&mut property),
            Packet::SubAck(packet) => packet.reason_codes.iter().for_each(code),
            Packet::UnsubAck(packet) => packet.reason_codes.iter().for_each(code),
            Packet::Disconnect(packet) => {
                code(packet.reason_code);
                packet.properties.iter().for_each(property);
            }
            Packet::Auth(packet) => {
                code(packet.reason_code);
                packet.properties.iter().for_each(property);
            }
            Packet::Unsubscribe(_) | Packet::PingReq | Packet::PingResp => {}
        }
    }
    for packet_type in PacketType::ALL {
        for &code in ReasonCode::ALL {
            let came_up = codes.contains(&(packet_type, code));
            assert_eq!(
                came_up,
                code.allowed_in(packet_type),
                "{packet_type} {code}"
            );
        }
    }
    // Table 2-4, without the Will.
    let count = |packet_type| {
        properties
            .iter()
            .filter(|(of, _)| *of == packet_type)
            .count()
    };
    assert_eq!(count(PacketType::Connect), 9);
    assert_eq!(count(PacketType::ConnAck), 17);
    assert_eq!(count(PacketType::Publish), 8);
    assert_eq!(count(PacketType::Subscribe), 2);
    assert_eq!(count(PacketType::Disconnect), 4);
    assert_eq!(count(PacketType::Auth), 4);
    assert!(properties.contains(&(
        PacketType::Publish,
        PropertyIdentifier::SubscriptionIdentifier
    )));
}

#[test]
fn names_and_filters_are_valid_and_pairs_match() {
    let (mut shared, mut wildcards, mut server_topics) = (0, 0, 0);
    for bytes in sources().take(5_000) {
        let mut source = Unstructured::new(&bytes);
        TopicName::new(&topic_name(&mut source).unwrap()).unwrap();
        TopicFilter::new(&topic_filter(&mut source).unwrap()).unwrap();
        let (name, filter) = matching_pair(&mut source).unwrap();
        let name = TopicName::new(&name).unwrap();
        let filter = TopicFilter::new(&filter).unwrap();
        assert!(filter.matches(name), "{filter:?} {name:?}");
        shared += u32::from(filter.is_shared());
        wildcards += u32::from(filter.has_wildcard());
        server_topics += u32::from(name.is_server_topic());
    }
    assert!(shared.min(wildcards).min(server_topics) > 100);
}
