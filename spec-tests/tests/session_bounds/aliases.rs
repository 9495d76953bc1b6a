//! Topic Aliases, both ways.

use std::num::NonZeroU16;

use allocation_counter::measure;
use mqtt5_codec::{Properties, Property, ProtocolVersion, Publish, Qos, ReasonCode, TopicName};
use mqtt5_session_fsm::{Cause, Limits, PeerError, ServerConfig, SessionViolation, TopicAliases};

use crate::{KIB, MIB, NOW, end_of, message, peak, publication, server};

pub(crate) fn aliases_of_the_peer() {
    let config = ServerConfig {
        limits: Limits {
            topic_alias_maximum: u16::MAX,
            ..Limits::NONE
        },
        ..ServerConfig::default()
    };
    let mut server = server(config, &[]);
    let topic = "t".repeat(60_000);
    let mut packet = Vec::with_capacity(61_000);
    let used = peak(|| {
        for number in (1..=u16::MAX).filter_map(NonZeroU16::new) {
            set(&mut packet, number, &topic);
            if server.receive(NOW, &mut &packet[..]).is_none() {
                break;
            }
        }
    });
    assert!(used <= 4 * MIB + 2 * MIB, "{used}");
    let (cause, told) = end_of(&mut server);
    let expected = PeerError::Session(SessionViolation::TopicAliasBytesExceeded);
    assert_eq!(cause, Some(Cause::PeerError(expected)));
    assert_eq!(told, Some(ReasonCode::QuotaExceeded));
    replaced_aliases_of_the_peer();
}

/// A Topic Name that is replaced by a short one gives its memory back.
fn replaced_aliases_of_the_peer() {
    let config = ServerConfig {
        limits: Limits {
            topic_alias_maximum: u16::MAX,
            ..Limits::NONE
        },
        topic_alias_bytes: 1 << 16,
        ..ServerConfig::default()
    };
    let mut server = server(config, &[]);
    let topic = "t".repeat(60_000);
    let mut packet = Vec::with_capacity(61_000);
    let used = peak(|| {
        for number in (1..100).filter_map(NonZeroU16::new) {
            for topic in [&topic, "t"] {
                set(&mut packet, number, topic);
                let event = server.receive(NOW, &mut &packet[..]);
                assert!(event.is_some(), "{number} is set");
            }
        }
    });
    assert!(used <= 64 * KIB + 24 * KIB, "{used}");
    // By one of its length it is replaced in place.
    let topics = ["a".repeat(200), "b".repeat(200)];
    let mut replace = |topic| {
        set(&mut packet, NonZeroU16::MIN, topic);
        let event = server.receive(NOW, &mut &packet[..]);
        assert!(event.is_some(), "it is set");
    };
    replace(&topics[0]);
    let counted = measure(|| topics.iter().for_each(|topic| replace(topic)));
    assert_eq!(counted.count_total, 0);
}

/// A PUBLISH that sets an alias.
fn set(packet: &mut Vec<u8>, number: NonZeroU16, topic: &str) {
    let list = [Property::TopicAlias(number)];
    let publish = Publish {
        properties: Properties::new(&list).expect("properties"),
        ..Publish::new(TopicName::new(topic).expect("a name"), b"")
    };
    packet.clear();
    publish
        .encode(ProtocolVersion::V5_0, packet)
        .expect("a good PUBLISH");
}

/// Other Clients choose the Topic Names, and the Client how many aliases it takes.
pub(crate) fn aliases_of_this_side() {
    let config = ServerConfig {
        topic_aliases: TopicAliases::Automatic(NonZeroU16::MAX),
        topic_alias_bytes: 1 << 16,
        ..ServerConfig::default()
    };
    let mut server = server(config, &[Property::TopicAliasMaximum(u16::MAX)]);
    let mut wire = Vec::with_capacity(2_000);
    let used = peak(|| {
        for number in 0..5_000 {
            let topic = format!("{number:0>1000}");
            let message = message(&topic, 1);
            let accepted = server.publish(NOW, publication(Qos::AtMostOnce, message));
            accepted.expect("room");
            wire.clear();
            while server.poll(NOW, &mut wire).is_some() {}
            assert!(wire.len() > 1_000, "the Topic Name is there");
        }
    });
    assert!(used <= 64 * KIB + 16 * KIB, "{used}");
}
