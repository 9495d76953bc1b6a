//! One message for many receivers: each PUBLISH has RETAIN, Subscription Identifiers and what is left of the expiry
//! of its own, and the bytes are shared.

use std::num::NonZeroU64;

use mqtt5_session_fsm::codec::framing::{Split, split};
use mqtt5_session_fsm::codec::{
    Connect, Message, Packet, Properties, Property, ProtocolVersion, Publish, Qos,
    SubscriptionIdentifier, TopicName,
};
use mqtt5_session_fsm::{
    Change, Event, Instant, Outcome, Output, Publication, PublishError, Server, ServerConfig,
    Session, SessionConfig, StoredLimits, SubscriptionIdentifiers, TopicAliases,
};

use super::{EVERY_QOS, at, client, config, connect, message};

fn identifier(value: u32) -> SubscriptionIdentifier {
    SubscriptionIdentifier::new(value).unwrap()
}

fn identifiers(values: &[u32]) -> SubscriptionIdentifiers {
    values.iter().map(|&value| identifier(value)).collect()
}

/// A Server whose Client has connected with these properties of its CONNECT, going on with a Session.
fn server_with(
    config: ServerConfig,
    session: Option<Session>,
    properties: &[u8],
    now: Instant,
) -> Server {
    let mut server = Server::new(now, config);
    let mut packet = vec![0x10, 0, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0];
    packet.push(u8::try_from(properties.len()).unwrap());
    packet.extend(properties);
    packet.extend([0, 1, b'c']);
    packet[1] = u8::try_from(packet.len() - 2).unwrap();
    let mut input = &packet[..];
    assert!(matches!(
        server.receive(now, &mut input),
        Some(Event::Connect(_))
    ));
    server.accept(now, session, &[]).unwrap();
    assert!(!written(&mut server, now).is_empty(), "a CONNACK");
    server
}

/// Session Expiry Interval 1,000 s.
const STAYS: [u8; 5] = [0x11, 0, 0, 3, 0xE8];

fn server() -> Server {
    server_with(server_config(), None, &STAYS, at(0))
}

fn server_config() -> ServerConfig {
    ServerConfig {
        session: config(),
        ..ServerConfig::default()
    }
}

/// What `poll` writes.
fn written(server: &mut Server, now: Instant) -> Vec<u8> {
    let mut wire = Vec::new();
    while server.poll(now, &mut wire).is_some() {}
    wire
}

/// A PUBLISH as a receiver sees it.
#[derive(Debug, PartialEq)]
struct Seen {
    retain: bool,
    duplicate: bool,
    topic: String,
    identifiers: Vec<u32>,
    expiry: Option<u32>,
    payload: Vec<u8>,
}

fn seen(wire: &[u8]) -> Seen {
    let Ok(Split::Packet { packet, rest: [] }) = split(wire, u32::MAX) else {
        panic!("not one packet: {wire:02X?}");
    };
    let Ok(Packet::Publish(publish)) = packet.decode(ProtocolVersion::V5_0) else {
        panic!("not a PUBLISH: {wire:02X?}");
    };
    let of_identifier = |property| match property {
        Property::SubscriptionIdentifier(identifier) => Some(identifier.get()),
        _ => None,
    };
    Seen {
        retain: publish.retain,
        duplicate: publish.delivery.duplicate(),
        topic: publish
            .topic
            .map_or(String::new(), |topic| topic.as_str().into()),
        identifiers: publish
            .properties
            .iter()
            .filter_map(of_identifier)
            .collect(),
        expiry: publish.properties.message_expiry_interval(),
        payload: publish.payload.to_vec(),
    }
}

fn plain() -> Seen {
    Seen {
        retain: false,
        duplicate: false,
        topic: "a".into(),
        identifiers: vec![],
        expiry: None,
        payload: b"x".to_vec(),
    }
}

fn with_retain(retain: bool) -> Message {
    let publish = Publish {
        retain,
        ..Publish::new(TopicName::new("a").unwrap(), b"x")
    };
    Message::new(&publish).unwrap()
}

/// Section 3.3.1.3: RETAIN of what a Server sends does not depend on what it received. It is 1 for a retained message
/// [MQTT-3.3.1-8], and 0 for an established subscription without Retain As Published [MQTT-3.3.1-12].
#[test]
fn retain_is_that_of_the_publication() {
    for qos in EVERY_QOS {
        for kept in [false, true] {
            assert_eq!(Publication::new(qos, with_retain(kept)).retain, kept);
            for retain in [false, true] {
                let mut server = server();
                let publication = Publication {
                    retain,
                    ..Publication::new(qos, with_retain(kept))
                };
                server.publish(at(0), publication).unwrap();
                let expected = Seen { retain, ..plain() };
                assert_eq!(
                    seen(&written(&mut server, at(0))),
                    expected,
                    "{qos:?} {kept}"
                );
                if qos == Qos::AtMostOnce {
                    continue;
                }
                // It is the same when it is sent again.
                let stored = server.take_session(at(3)).unwrap().export();
                let restored = Session::restore(at(3), &stored, config()).unwrap();
                let expected = Seen {
                    duplicate: true,
                    ..expected
                };
                assert_eq!(seen(&resumed(restored)), expected);
            }
        }
    }
}

/// What a Server writes behind its CONNACK when a Client goes on with this Session.
fn resumed(session: Session) -> Vec<u8> {
    let now = at(4);
    let mut server = Server::new(now, server_config());
    let mut packet = b"\x10\x13\x00\x04MQTT\x05\x00\x00\x00\x05".to_vec();
    packet.extend(STAYS);
    packet.extend([0, 1, b'c']);
    let mut input = &packet[..];
    assert!(matches!(
        server.receive(now, &mut input),
        Some(Event::Connect(_))
    ));
    server.accept(now, Some(session), &[]).unwrap();
    let wire = written(&mut server, now);
    let Ok(Split::Packet { rest, .. }) = split(&wire, u32::MAX) else {
        panic!("no CONNACK")
    };
    rest.to_vec()
}

/// Of a Client's Server that does not take retained messages it is the RETAIN that is sent that counts
/// [MQTT-3.2.2-14].
#[test]
fn retain_available_is_asked_for_what_is_sent() {
    let mut client = client();
    client.connect(at(0), &Connect::default()).unwrap();
    while client.poll(at(0), &mut Vec::new()).is_some() {}
    // Retain Available 0, and an Assigned Client Identifier.
    let connack = *b"\x20\x09\x00\x00\x06\x25\x00\x12\x00\x01c";
    let event = client.receive(at(0), &mut &connack[..]);
    assert!(matches!(event, Some(Event::Connected(_))), "{event:?}");
    let of = |kept, retain| Publication {
        retain,
        ..Publication::new(Qos::AtLeastOnce, with_retain(kept))
    };
    assert!(client.publish(at(3), of(true, false)).is_ok());
    let refused = client.publish(at(3), of(false, true)).unwrap_err();
    assert!(
        matches!(refused.error, PublishError::Forbidden(_)),
        "{refused}"
    );
    assert!(refused.publication.retain);
}

/// [MQTT-3.3.4-3], [MQTT-3.3.4-4]: all of them, and with several, in any order; here in the order given.
#[test]
fn subscription_identifiers_are_in_the_packet() {
    let lists: [&[u32]; 6] = [
        &[],
        &[1],
        &[7, 7],
        &[268_435_455, 1, 128],
        &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        &[16_384; 40],
    ];
    for qos in EVERY_QOS {
        for list in lists {
            for aliases in [
                TopicAliases::Off,
                TopicAliases::Automatic(std::num::NonZeroU16::MIN),
            ] {
                let config = ServerConfig {
                    topic_aliases: aliases,
                    ..server_config()
                };
                // The Client takes one Topic Alias.
                let properties = [&STAYS[..], &[0x22, 0, 1]].concat();
                let mut server = server_with(config, None, &properties, at(0));
                let publication = Publication {
                    subscription_identifiers: identifiers(list),
                    ..Publication::new(qos, message(b"x"))
                };
                assert_eq!(publication.subscription_identifiers.len(), list.len());
                server.publish(at(0), publication).unwrap();
                let expected = Seen {
                    identifiers: list.to_vec(),
                    ..plain()
                };
                assert_eq!(seen(&written(&mut server, at(0))), expected, "{qos:?}");
            }
        }
    }
}

/// They survive a restart, as the message does, and so does the number of the body.
#[test]
fn what_a_publication_has_of_its_own_is_stored() {
    let mut server = server();
    let publication = Publication {
        retain: true,
        subscription_identifiers: identifiers(&[3, 300]),
        expires_at: Some(at(90_000)),
        body: NonZeroU64::new(42),
        ..Publication::new(Qos::ExactlyOnce, message(b"x"))
    };
    let token = server.publish(at(0), publication.clone()).unwrap();
    let mut changes = Vec::new();
    let mut wire = Vec::new();
    while let Some(output) = server.poll(at(0), &mut wire) {
        if let Output::Persist(change) = output {
            changes.push(Change::from_bytes(&change.to_bytes()).unwrap());
        }
    }
    let accepted = changes.iter().find_map(|change| match change {
        Change::Accepted { message, .. } => Some(message),
        _ => None,
    });
    let accepted = accepted.expect("it is announced");
    assert_eq!(
        (accepted.token, accepted.body),
        (token, NonZeroU64::new(42))
    );
    assert!(
        accepted
            .subscription_identifiers()
            .eq([identifier(3), identifier(300)])
    );
    assert_eq!((accepted.expires_at, accepted.retain), (at(90_000), true));

    let mut replayed = Session::of_server("c", config());
    replayed
        .apply(
            at(1),
            &Change::Connected {
                client_identifier: "c".into(),
                expiry_interval: 1000,
            },
        )
        .unwrap();
    for change in &changes {
        replayed.apply(at(1), change).unwrap();
    }
    let restored = Session::restore(at(1), &replayed.export(), config()).unwrap();
    for session in [replayed, restored] {
        let expected = Seen {
            retain: true,
            duplicate: true,
            identifiers: vec![3, 300],
            expiry: Some(90),
            ..plain()
        };
        assert_eq!(seen(&resumed(session)), expected);
    }
}

/// [MQTT-3.3.4-6].
#[test]
fn a_client_sends_no_subscription_identifiers() {
    let mut client = client();
    connect(&mut client, at(0), 10);
    for qos in EVERY_QOS {
        let publication = Publication {
            subscription_identifiers: identifiers(&[1]),
            ..Publication::new(qos, message(b"x"))
        };
        let refused = client.publish(at(0), publication.clone()).unwrap_err();
        assert!(
            matches!(refused.error, PublishError::Invalid(_)),
            "{refused}"
        );
        assert_eq!(refused.publication, publication);
    }
    let change = Change::Accepted {
        message: mqtt5_session_fsm::QueuedMessage::new(
            mqtt5_session_fsm::Token::from_number(1),
            Publication {
                subscription_identifiers: identifiers(&[1]),
                ..Publication::new(Qos::AtLeastOnce, message(b"x"))
            },
        ),
        deadline: None,
    };
    let mut session = Session::of_client(config());
    assert!(
        session.apply(at(0), &change).is_err(),
        "nor does it restore any"
    );
}

/// A time that the owner gives takes the place of the interval, with and without a Message Expiry Interval in the
/// message; without a time, the interval runs from the acceptance [MQTT-3.3.2-6].
#[test]
fn the_owner_knows_when_a_message_expires() {
    let list = [Property::MessageExpiryInterval(60)];
    let publish = Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(TopicName::new("a").unwrap(), b"x")
    };
    let with_interval = Message::new(&publish).unwrap();
    for qos in EVERY_QOS {
        for (message, given, left) in [
            (&with_interval, None, Some(60)),
            (&with_interval, Some(at(45_500)), Some(36)),
            (&message(b"x"), Some(at(45_500)), Some(36)),
            (&message(b"x"), None, None),
        ] {
            let mut server = server();
            let of_given = |qos| Publication {
                expires_at: given,
                ..Publication::new(qos, message.clone())
            };
            server.publish(at(10_000), of_given(qos)).unwrap();
            let expected = Seen {
                expiry: left,
                ..plain()
            };
            assert_eq!(seen(&written(&mut server, at(10_000))), expected);
        }
        // It expires before it is sent.
        let mut server = server();
        let publication = Publication {
            expires_at: Some(at(20_000)),
            ..Publication::new(qos, message(b"x"))
        };
        let token = server.publish(at(10_000), publication).unwrap();
        let mut outcome = None;
        while let Some(output) = server.poll(at(20_000), &mut Vec::new()) {
            if let Output::Event(Event::Outcome(of, ended)) = output {
                assert_eq!(of, token);
                outcome = Some(ended == Outcome::Expired);
            }
        }
        assert_eq!(outcome, Some(true), "{qos:?}");
    }
}

/// [MQTT-3.1.2-25]: a PUBLISH that its identifiers make too large for the peer is not sent, and counts as sent.
#[test]
fn identifiers_count_for_the_maximum_packet_size() {
    for (list, fits) in [
        (&[1][..], true),
        (&[268_435_455, 268_435_455, 268_435_455], false),
    ] {
        for qos in EVERY_QOS {
            // Maximum Packet Size 16.
            let properties = [&STAYS[..], &[0x27, 0, 0, 0, 16]].concat();
            let mut server = server_with(server_config(), None, &properties, at(0));
            let publication = Publication {
                subscription_identifiers: identifiers(list),
                ..Publication::new(qos, message(b"x"))
            };
            server.publish(at(0), publication).unwrap();
            let wire = written(&mut server, at(0));
            assert_eq!(!wire.is_empty(), fits, "{qos:?}");
        }
    }
}

/// Several identifiers take memory, which counts against the limits in bytes.
#[test]
fn identifiers_count_against_limits_in_bytes() {
    let size = message(b"x").size();
    let limits = StoredLimits {
        bytes: size + 3 * 4,
        ..StoredLimits::default()
    };
    let config = SessionConfig {
        stored: limits,
        ..config()
    };
    let config = ServerConfig {
        session: config,
        ..ServerConfig::default()
    };
    for (number, accepted) in [(1, true), (4, true), (5, false)] {
        let mut server = server_with(config, None, &STAYS, at(0));
        let publication = Publication {
            subscription_identifiers: (1..=number).map(identifier).collect(),
            ..Publication::new(Qos::AtLeastOnce, message(b"x"))
        };
        assert_eq!(
            server.publish(at(0), publication).is_ok(),
            accepted,
            "{number}"
        );
    }
}
