//! Every packet in every phase of a Network Connection, and what the standard says to it.

use mqtt5_session_fsm::codec::{Binary, PacketType, Property, ReasonCode, Text};

use super::driver::{Driver, KEEPS, Lines, connect_with};
use super::make;

crate::check::checks! { "phases":
    client {
        Domain every_packet_in_every_phase,
        Domain every_packet_after_the_end,
        Domain every_packet_without_a_connection,
        Domain every_request_after_the_end,
        Example a_new_connection_works_after_each_end,
    }
}

fn method() -> Property<'static> {
    Property::AuthenticationMethod(Text::new("m").unwrap())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    ConnectSent,
    ConnectSentWithMethod,
    Connected,
    ConnectedWithMethod,
    ReAuthenticating,
}

impl Phase {
    const ALL: [Phase; 5] = [
        Phase::ConnectSent,
        Phase::ConnectSentWithMethod,
        Phase::Connected,
        Phase::ConnectedWithMethod,
        Phase::ReAuthenticating,
    ];

    fn driver(self) -> Driver {
        let with_method = [KEEPS[0], method()];
        let mut driver = Driver::new();
        match self {
            Phase::ConnectSent => drop(driver.connect(&connect_with(KEEPS))),
            Phase::ConnectSentWithMethod => drop(driver.connect(&connect_with(&with_method))),
            Phase::Connected => return driver.go(KEEPS, false, &[]),
            Phase::ConnectedWithMethod => return driver.go(&with_method, false, &[method()]),
            Phase::ReAuthenticating => {
                driver = driver.go(&with_method, false, &[method()]);
                driver.machine.re_authenticate(&[]).unwrap();
                assert_eq!(driver.settle().len(), 1);
            }
        }
        driver
    }

    fn has_connack(self) -> bool {
        !matches!(self, Phase::ConnectSent | Phase::ConnectSentWithMethod)
    }
}

#[derive(Clone, Copy, Debug)]
enum Came {
    Accepted,
    Refused,
    Publish(u8),
    Ack(PacketType),
    SubAck,
    UnsubAck,
    PingResp,
    Disconnect,
    Auth(ReasonCode),
    /// A packet that only a Client may send.
    Wrong(&'static [u8]),
}

const CAME: [Came; 20] = [
    Came::Accepted,
    Came::Refused,
    Came::Publish(0),
    Came::Publish(1),
    Came::Publish(2),
    Came::Ack(PacketType::PubAck),
    Came::Ack(PacketType::PubRec),
    Came::Ack(PacketType::PubRel),
    Came::Ack(PacketType::PubComp),
    Came::SubAck,
    Came::UnsubAck,
    Came::PingResp,
    Came::Disconnect,
    Came::Auth(ReasonCode::ContinueAuthentication),
    Came::Auth(ReasonCode::Success),
    // CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, AUTH with 0x19.
    Came::Wrong(b"\x10\x0D\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00"),
    Came::Wrong(b"\x82\x07\x00\x01\x00\x00\x01a\x00"),
    Came::Wrong(b"\xA2\x06\x00\x01\x00\x00\x01a"),
    Came::Wrong(b"\xC0\x00"),
    Came::Wrong(b"\xF0\x06\x19\x04\x15\x00\x01m"),
];

impl Came {
    fn bytes(self, phase: Phase) -> Vec<u8> {
        let has_method = !matches!(phase, Phase::ConnectSent | Phase::Connected);
        match self {
            Came::Accepted if has_method => make::connack(false, ReasonCode::Success, &[method()]),
            Came::Accepted => make::connack(false, ReasonCode::Success, &[]),
            Came::Refused => make::connack(false, ReasonCode::NotAuthorized, &[]),
            Came::Publish(qos) => make::publish(qos, 1, "a", ""),
            Came::Ack(packet_type) => make::ack(packet_type, 1, ReasonCode::Success),
            Came::SubAck => make::suback(1, &[ReasonCode::Success]),
            Came::UnsubAck => make::unsuback(1, &[ReasonCode::Success]),
            Came::PingResp => make::PINGRESP.to_vec(),
            Came::Disconnect => make::disconnect(ReasonCode::ServerShuttingDown, &[]),
            Came::Auth(code) => make::auth(code, &[method()]),
            Came::Wrong(bytes) => bytes.to_vec(),
        }
    }

    /// How what is said begins, by the standard; `None`: a Protocol Error.
    fn expected(self, phase: Phase) -> Option<&'static [&'static str]> {
        let waits = !phase.has_connack();
        Some(match self {
            // MQTT-3.2.0-2
            Came::Accepted | Came::Refused if !waits => return None,
            Came::Accepted => &["connected"],
            Came::Refused => &["refused NotAuthorized", "close Refused(NotAuthorized)"],
            // MQTT-4.12.0-2: before the CONNACK only 0x18; section 4.12.1: 0x18, or 0x00 at the end.
            Came::Auth(code) => match phase {
                Phase::ConnectSentWithMethod | Phase::ReAuthenticating
                    if code == ReasonCode::ContinueAuthentication =>
                {
                    &["authentication ContinueAuthentication"]
                }
                Phase::ReAuthenticating => &["authentication Success"],
                _ => return None,
            },
            // MQTT-3.2.0-1
            _ if waits => return None,
            Came::Publish(0) => &["message q0"],
            Came::Publish(1) => &["message q1", "> PUBACK #1"],
            Came::Publish(_) => &["message q2", "> PUBREC #1"],
            Came::Ack(PacketType::PubRec) => {
                &["unknown PubRec #1", "> PUBREL #1 PacketIdentifierNotFound"]
            }
            Came::Ack(PacketType::PubRel) => {
                &["unknown PubRel #1", "> PUBCOMP #1 PacketIdentifierNotFound"]
            }
            Came::Ack(PacketType::PubAck) => &["unknown PubAck #1"],
            Came::Ack(_) => &["unknown PubComp #1"],
            Came::SubAck => &["unknown SubAck #1"],
            Came::UnsubAck => &["unknown UnsubAck #1"],
            Came::PingResp => &[],
            Came::Disconnect => &[
                "disconnect ServerShuttingDown",
                "close PeerDisconnected(ServerShuttingDown)",
            ],
            Came::Wrong(_) => return None,
        })
    }
}

/// MQTT-3.2.0-1, MQTT-3.2.0-2, MQTT-3.14.0-1, MQTT-4.12.0-2, -6, MQTT-4.13.2-1.
fn every_packet_in_every_phase() -> u64 {
    for phase in Phase::ALL {
        for came in CAME {
            let mut driver = phase.driver();
            let said = driver.feed(&came.bytes(phase));
            let what = format!("{came:?} in {phase:?}: {said:?}");
            match came.expected(phase) {
                Some(expected) => {
                    assert_eq!(said.len(), expected.len(), "{what}");
                    for (line, expected) in said.iter().zip(expected) {
                        assert!(line.starts_with(expected), "{what}");
                    }
                }
                None => {
                    // Section 4.13.1: SHOULD be told why; closed in any case.
                    assert!(said.last().unwrap().starts_with("close "), "{what}");
                    assert_eq!(said[0], "> DISCONNECT ProtocolError", "{what}");
                    assert_eq!(said.len(), 2, "{what}");
                }
            }
            if said.iter().any(|line| line.starts_with("close")) {
                driver.assert_dead();
            } else {
                let is_connected = phase.has_connack() || matches!(came, Came::Accepted);
                assert_eq!(driver.machine.is_connected(), is_connected, "{what}");
            }
        }
    }
    (Phase::ALL.len() * CAME.len()) as u64
}

/// How a connection can end.
const ENDS: [fn(&mut Driver) -> Lines; 7] = [
    |driver| driver.feed(&[0x00, 0x00]),
    |driver| driver.feed(&make::connack(false, ReasonCode::Success, &[])),
    |driver| driver.feed(&[0xC0, 0x00]),
    |driver| driver.feed(&make::disconnect(ReasonCode::Success, &[])),
    |driver| driver.disconnect(ReasonCode::Success, &[]),
    |driver| driver.disconnect(ReasonCode::DisconnectWithWillMessage, &[]),
    |driver| {
        let mut said = driver.tick(60_000);
        said.extend(driver.tick(10_000));
        said
    },
];

fn ended(end: fn(&mut Driver) -> Lines) -> Driver {
    let connack = [Property::ServerKeepAlive(60)];
    let mut driver = Driver::new().go(KEEPS, false, &connack);
    let _ = driver.publish(1, "a", "1");
    let _ = driver.subscribe(&["a"]);
    let said = end(&mut driver);
    assert!(
        said.iter().any(|line| line.starts_with("close")),
        "{said:?}"
    );
    driver
}

/// MQTT-3.14.4-1, section 4.13: after the end nothing is read and nothing is written.
fn every_packet_after_the_end() -> u64 {
    let mut judged = 0;
    for end in ENDS {
        for came in CAME {
            let mut driver = ended(end);
            assert_eq!(driver.feed(&came.bytes(Phase::Connected)), Lines::new());
            driver.assert_dead();
            judged += 1;
        }
        // Nor what was in the same read.
        let mut driver = Driver::connected();
        let mut bytes = vec![0x00, 0x00];
        bytes.extend(make::publish(1, 1, "a", ""));
        assert_eq!(driver.feed(&bytes).len(), 2);
    }
    judged
}

/// Section 4.2: without a Network Connection there are no packets.
fn every_packet_without_a_connection() -> u64 {
    for came in CAME {
        let mut driver = Driver::new();
        assert_eq!(
            driver.feed(&came.bytes(Phase::Connected)),
            Lines::new(),
            "{came:?}"
        );
        let mut driver = Driver::connected();
        let _ = driver.lose();
        assert_eq!(
            driver.feed(&came.bytes(Phase::Connected)),
            Lines::new(),
            "{came:?}"
        );
    }
    2 * CAME.len() as u64
}

/// MQTT-3.14.4-1: nor is anything written because the application asks for it.
fn every_request_after_the_end() -> u64 {
    let requests: [fn(&mut Driver); 8] = [
        |driver| drop(driver.publish(0, "a", "")),
        |driver| drop(driver.publish(1, "a", "")),
        |driver| drop(driver.publish(2, "a", "")),
        |driver| assert!(driver.try_subscribe(&["a"], &[]).is_err()),
        |driver| assert!(driver.try_unsubscribe(&["a"], &[]).is_err()),
        |driver| assert!(driver.machine.authenticate(&[]).is_err()),
        |driver| assert!(driver.machine.re_authenticate(&[]).is_err()),
        |driver| {
            let now = driver.now;
            assert!(
                driver
                    .machine
                    .disconnect(now, ReasonCode::Success, &[])
                    .is_err()
            );
        },
    ];
    let mut judged = 0;
    for end in ENDS {
        for request in requests {
            let mut driver = ended(end);
            let before = driver.wire.len();
            request(&mut driver);
            let _ = driver.settle();
            assert_eq!(driver.wire.len(), before);
            judged += 1;
        }
    }
    judged
}

/// Section 4.13: the connection has ended, not the machine; nothing of the old one is left.
fn a_new_connection_works_after_each_end() {
    for end in ENDS {
        let mut driver = ended(end);
        // SUBSCRIBE has no answer any more, at the latest when the connection is gone.
        let _ = driver.lose();
        let _ = driver.publish(1, "a", "2");
        let said = driver.reconnect(KEEPS, true, &[]);
        assert_eq!(said[0], "> PUBLISH q1 #1 dup a \"1\"");
        assert!(
            said[1].starts_with("> PUBLISH q1 #") && said.len() == 2,
            "{said:?}"
        );
        assert!(
            said[1].ends_with(" a \"2\"") && !said[1].contains("dup"),
            "{said:?}"
        );
        assert_eq!(driver.feed(&make::publish(0, 0, "a", "")).len(), 1);
        assert_eq!(driver.deadline(), None, "no Keep Alive, no PINGRESP");
        // The method of an earlier connection is forgotten.
        let data = [Property::AuthenticationData(Binary::new(b"x").unwrap())];
        assert!(driver.machine.re_authenticate(&data).is_err());
    }
}
