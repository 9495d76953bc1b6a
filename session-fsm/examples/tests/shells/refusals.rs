//! What the example server refuses, and that it says so.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use mqtt5_session_fsm::codec::{Packet, Property, Qos, ReasonCode, Text};

use tokio::time::timeout;

use crate::broker::Host;
use crate::simulate;
use crate::wire::{Wire, connect, decode, reason_code, server};

const LASTING: [Property<'static>; 1] = [Property::SessionExpiryInterval(600)];

fn method() -> Property<'static> {
    Property::AuthenticationMethod(Text::new("SCRAM-SHA-256").expect("a text"))
}

/// [MQTT-4.12.0-1].
#[test]
fn an_unknown_authentication_method_is_refused() {
    simulate(async {
        let host = server();
        let mut other = Wire::connect(&host, "c", 0).await;
        for name in ["c", "d", ""] {
            let mut client = Wire::open(&host);
            client.send(&connect(name, 0, &[method()])).await;
            let answers = client.rest().await;
            assert_eq!(answers.len(), 1);
            let Packet::ConnAck(connack) = decode(&answers[0]) else {
                panic!("{answers:?}");
            };
            assert_eq!(connack.reason_code, ReasonCode::BadAuthenticationMethod);
            assert!(!connack.session_present);
        }
        assert_eq!(host.accepted.get(), 1);
        // A refused client takes over nothing.
        other.ping().await;
    });
}

/// No method was agreed on: each AUTH is a Protocol Error, and the client gets a DISCONNECT that says so.
#[test]
fn an_auth_is_always_answered() {
    const METHOD: [u8; 4] = [0x15, 0, 1, b'm'];
    let auth = |code: u8| [&[0xF0, 6, code, 4][..], &METHOD].concat();
    simulate(async move {
        let host = server();
        for auth in [auth(0x18), auth(0x19), auth(0x00), vec![0xF0, 0]] {
            let mut client = Wire::connect(&host, "c", 0).await;
            client.send(&auth).await;
            let answers = client.rest().await;
            assert_eq!(answers.len(), 1);
            let Packet::Disconnect(disconnect) = decode(&answers[0]) else {
                panic!("{answers:?}");
            };
            assert_eq!(
                disconnect.reason_code,
                ReasonCode::ProtocolError,
                "{auth:?}"
            );
            // It may also come before the CONNACK.
            let mut client = Wire::open(&host);
            let early = [connect("c", 0, &[]), auth].concat();
            client.send(&early).await;
            let answers: Vec<_> = client.rest().await;
            let codes: Vec<_> = answers.iter().map(|packet| reason_code(packet)).collect();
            assert_eq!(codes, [ReasonCode::Success, ReasonCode::ProtocolError]);
        }
    });
}

/// The queue of a Client that is away has a limit. A message without a place in it is counted, and holds up nobody: the
/// publisher is not refused because of one subscriber, and the others get it.
#[test]
fn a_message_without_a_place_in_a_queue_is_counted() {
    const SIZE: usize = 1_000_000;
    for (qos, first_byte) in [(Qos::AtLeastOnce, 0x40), (Qos::ExactlyOnce, 0x50)] {
        simulate(async move {
            let host = server();
            let mut away = Wire::open(&host);
            away.send(&connect("away", 0, &LASTING)).await;
            away.packet().await;
            away.subscribe("t", Qos::AtLeastOnce).await;
            drop(away);
            let mut here = Wire::connect(&host, "here", 0).await;
            here.subscribe("t", Qos::AtMostOnce).await;

            let mut publisher = Wire::connect(&host, "publisher", 0).await;
            for number in 0..20_u8 {
                let packet = crate::wire::publish(qos, "t", &[number; SIZE]);
                publisher.send(&packet).await;
                let answer = publisher.packet().await;
                assert_eq!(answer[0], first_byte);
                assert_eq!(reason_code(&answer), ReasonCode::Success);
                if qos == Qos::ExactlyOnce {
                    publisher.send(&[0x62, 2, 0, 1]).await;
                    assert_eq!(publisher.packet().await[0], 0x70);
                }
                let message = here.packet().await;
                assert!(matches!(decode(&message), Packet::Publish(_)));
            }
            // 16 MiB.
            assert_eq!(host.refused.get(), 4);
            assert_eq!(come_back(&host, "away").await, Vec::from_iter(0..16));
        });
    }
}

/// Takes up the Session, and returns the first byte of each message that comes within a second.
async fn come_back(host: &Rc<Host>, name: &str) -> Vec<u8> {
    let mut client = Wire::open(host);
    client.send(&connect(name, 0, &LASTING)).await;
    let connack = client.packet().await;
    assert_eq!(connack[2], 1, "Session Present");
    let mut came = Vec::new();
    while let Ok(packet) = timeout(Duration::from_secs(1), client.packet()).await {
        let Packet::Publish(message) = decode(&packet) else {
            panic!("{packet:?}");
        };
        came.push(message.payload[0]);
        let id = message.delivery.packet_identifier().expect("QoS 1");
        let [high, low] = id.get().to_be_bytes();
        client.send(&[0x40, 2, high, low]).await;
    }
    came
}

/// A client that knows the ClientID of another can take over its Session.
#[test]
fn an_assigned_client_identifier_cannot_be_guessed() {
    simulate(async {
        let mut names = BTreeSet::new();
        for _ in 0..2 {
            let host = server();
            let mut clients = Vec::new();
            for number in 0..50 {
                let mut client = Wire::open(&host);
                client.send(&connect("", 0, &[])).await;
                let packet = client.packet().await;
                let Packet::ConnAck(connack) = decode(&packet) else {
                    panic!("{packet:?}");
                };
                let name = connack.properties.assigned_client_identifier();
                let name = name.expect("a ClientID").as_str().to_owned();
                assert!(host.look(|broker| broker.session_of(&name).is_some()));
                let sessions = host.look(|broker| broker.sessions().count());
                assert_eq!(sessions, number + 1, "a new one");
                names.insert(name);
                clients.push(client);
            }
            for client in &mut clients {
                client.ping().await;
            }
        }
        assert_eq!(names.len(), 100);
        // 128 random bits: no two of a hundred names agree in more than a few of their 32 digits in a row, unless
        // something counts.
        let names: Vec<_> = names.into_iter().collect();
        for pair in names.windows(2) {
            // In alphabetical order, neighbours are alike at the front; the rest differs.
            let [one, other] = [&pair[0], &pair[1]].map(|name| &name["auto-".len()..]);
            assert_eq!(one.len(), 32);
            let same = one.bytes().zip(other.bytes()).filter(|(a, b)| a == b);
            assert!(same.count() < 20, "{one} {other}");
        }
        // A client that names itself is assigned no name.
        let mut client = Wire::open(&server());
        client.send(&connect("mine", 0, &[])).await;
        let packet = client.packet().await;
        let Packet::ConnAck(connack) = decode(&packet) else {
            panic!("{packet:?}");
        };
        assert_eq!(connack.properties.assigned_client_identifier(), None);
    });
}
