//! What is generated for MQTT 3.1.1, looked at as bytes: by its own sections, not by what decodes them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use arbitrary::Unstructured;

use super::sources;
use crate::generate::{frame, frame_from, frame_of};
use crate::{Packet, PacketType, ProtocolVersion, Role};

const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

/// The body of each of many packets of this type, after its first byte.
fn bodies(packet_type: PacketType) -> Vec<(u8, Vec<u8>)> {
    let bodies = sources().take(3_000).map(|bytes| {
        let frame = frame_of(VERSION, packet_type, &mut Unstructured::new(&bytes)).unwrap();
        let first_byte = frame.header().first_byte();
        (first_byte, frame.raw().body().to_vec())
    });
    bodies.collect()
}

/// The content of a field with a length, and what follows it.
fn field(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(u16::from_be_bytes(*length).into())
}

#[test]
fn every_packet_type_comes_up_from_both_sides() {
    let mut from_any = BTreeSet::new();
    let mut from = BTreeSet::new();
    for bytes in sources().take(5_000) {
        from_any.insert(
            frame(VERSION, &mut Unstructured::new(&bytes))
                .unwrap()
                .packet_type(),
        );
        for sender in [Role::Client, Role::Server] {
            let frame = frame_from(VERSION, sender, &mut Unstructured::new(&bytes)).unwrap();
            frame.decode_from(VERSION, sender).unwrap();
            from.insert((sender == Role::Client, frame.packet_type()));
        }
    }
    assert_eq!(from_any.len(), 14);
    assert!(!from_any.contains(&PacketType::Auth));
    // Section 2.2.1: five from the Client alone, four from the Server alone, five from both.
    assert_eq!(from.iter().filter(|(client, _)| *client).count(), 10);
    assert_eq!(from.iter().filter(|(client, _)| !*client).count(), 9);
}

/// Section 3.1.2.3: all Connect Flags that make sense together.
#[test]
fn connects_with_and_without_each_field() {
    let mut flags_seen = BTreeSet::new();
    let mut empty_identifiers = 0;
    for (_, body) in bodies(PacketType::Connect) {
        assert_eq!(body[..7], *b"\x00\x04MQTT\x04");
        let flags = body[7];
        flags_seen.insert(flags);
        let (client_identifier, mut rest) = field(&body[10..]);
        if client_identifier.is_empty() {
            assert_ne!(flags & 0b10, 0, "[MQTT3-3.1.3-7]");
            empty_identifiers += 1;
        }
        for flag in [0b100, 0b100, 0x80, 0x40] {
            if flags & flag != 0 {
                (_, rest) = field(rest);
            }
        }
        assert!(rest.is_empty());
    }
    assert!(empty_identifiers > 10);
    let possible = (0..=0xFF_u8).filter(|flags| {
        let (has_will, qos) = (flags & 0b100 != 0, flags >> 3 & 0b11);
        let will = if has_will {
            qos != 3
        } else {
            flags & 0b0011_1000 == 0
        };
        let login = flags & 0xC0 != 0x40;
        will && login && flags & 1 == 0
    });
    assert!(flags_seen.into_iter().eq(possible));
}

/// Sections 3.2.2.3 and 3.9.3.
#[test]
fn every_return_code_and_no_other() {
    let connack: BTreeSet<_> = bodies(PacketType::ConnAck)
        .into_iter()
        .map(|(_, body)| (body[0], body[1]))
        .collect();
    let expected = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 0)];
    assert!(connack.into_iter().eq(expected));
    let suback: BTreeSet<_> = bodies(PacketType::SubAck)
        .into_iter()
        .flat_map(|(_, body)| body[2..].to_vec())
        .collect();
    assert!(suback.into_iter().eq([0, 1, 2, 0x80]));
}

/// Sections 3.4 to 3.7, 3.11 and 3.14: a Packet Identifier, or nothing.
#[test]
fn acknowledgements_have_no_codes() {
    let acknowledgements = [
        PacketType::PubAck,
        PacketType::PubRec,
        PacketType::PubRel,
        PacketType::PubComp,
        PacketType::UnsubAck,
    ];
    for packet_type in acknowledgements {
        assert!(bodies(packet_type).iter().all(|(_, body)| body.len() == 2));
    }
    assert!(
        bodies(PacketType::Disconnect)
            .iter()
            .all(|(_, body)| body.is_empty())
    );
}

/// Section 3.3.1: DUP, QoS and RETAIN in every combination but DUP at QoS 0.
#[test]
fn every_first_byte_of_a_publish() {
    let first: BTreeSet<_> = bodies(PacketType::Publish)
        .into_iter()
        .map(|(first_byte, _)| first_byte)
        .collect();
    let expected = [0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3A, 0x3B, 0x3C, 0x3D];
    assert!(first.into_iter().eq(expected));
}

/// Section 3.8.3, and filters that only look like Shared Subscriptions of MQTT 5.
#[test]
fn every_requested_qos_and_any_beginning_of_filters() {
    let mut qos = BTreeSet::new();
    let (mut shared, mut not_shared) = (0, 0);
    for (_, body) in bodies(PacketType::Subscribe) {
        let mut rest = &body[2..];
        while !rest.is_empty() {
            (_, rest) = field(rest);
            qos.insert(rest[0]);
            rest = &rest[1..];
        }
    }
    assert!(qos.into_iter().eq([0, 1, 2]));
    for bytes in sources().take(3_000) {
        let mut source = Unstructured::new(&bytes);
        let frame = frame_of(VERSION, PacketType::Unsubscribe, &mut source).unwrap();
        let Packet::Unsubscribe(unsubscribe) = frame.decode(VERSION).unwrap() else {
            unreachable!();
        };
        for filter in unsubscribe.filters {
            shared += u32::from(filter.is_shared());
            not_shared += u32::from(filter.starts_with("$share/") && !filter.is_shared());
        }
    }
    assert!(shared.min(not_shared) > 50, "{shared} {not_shared}");
}
