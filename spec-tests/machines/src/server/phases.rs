//! Every packet type in every phase of a Network Connection (sections 3.1, 3.1.2.11.9, 3.14, 4.12, 4.13).

use mqtt5_session_fsm::codec::{PacketType, Property, ProtocolVersion, ReasonCode, Role};

use super::driver::Driver;
use super::make::{Hello, PINGREQ, auth, config, text};
use crate::session::driver::{Lines, close_of, packets};
use crate::session::make;

crate::check::checks! { "phases":
    server {
        Domain before_the_connect,
        Domain while_the_host_decides,
        Domain during_the_authentication,
        Domain while_connected,
        Domain after_the_close,
    }
}

/// A good packet of each type.
fn packet(packet_type: PacketType) -> Vec<u8> {
    match packet_type {
        PacketType::Connect => Hello::new().bytes(),
        PacketType::ConnAck => make::connack(false, ReasonCode::Success, &[]),
        PacketType::Publish => make::publish(1, 9, "a", "x"),
        PacketType::PubAck => make::puback(9),
        PacketType::PubRec => make::pubrec(9),
        PacketType::PubRel => make::pubrel(9),
        PacketType::PubComp => make::pubcomp(9),
        PacketType::Subscribe => make::subscribe(9, &["a"]),
        PacketType::SubAck => make::suback(9, &[ReasonCode::Success]),
        PacketType::Unsubscribe => make::unsubscribe(9, &["a"]),
        PacketType::UnsubAck => make::unsuback(9, &[ReasonCode::Success]),
        PacketType::PingReq => PINGREQ.to_vec(),
        PacketType::PingResp => make::PINGRESP.to_vec(),
        PacketType::Disconnect => make::disconnect(ReasonCode::Success, &[]),
        PacketType::Auth => auth(ReasonCode::ContinueAuthentication, "m", b"d"),
    }
}

fn types() -> impl Iterator<Item = PacketType> {
    (1..=15).filter_map(PacketType::from_number)
}

/// [MQTT-3.1.0-1], [MQTT-3.14.0-1]: all but a CONNECT ends the connection without a word.
fn before_the_connect() -> u64 {
    for packet_type in types() {
        let mut driver = Driver::serving(config());
        let said = driver.feed(&packet(packet_type));
        assert_eq!(said.len(), 1, "{packet_type:?}: {said:?}");
        if packet_type == PacketType::Connect {
            assert_eq!(said, ["connect \"c1\""]);
            continue;
        }
        assert!(close_of(&said).is_some(), "{packet_type:?}: {said:?}");
        assert!(driver.machine.session().is_none());
        assert_eq!(driver.feed(&Hello::new().bytes()), Lines::new());
    }
    15
}

/// [MQTT-3.1.4-6], section 3.1.4: whatever it is, it waits.
fn while_the_host_decides() -> u64 {
    for packet_type in types() {
        let mut driver = Driver::deciding(config(), &Hello::new());
        let packet = packet(packet_type);
        let mut input = &packet[..];
        let said = driver.offer(&mut input);
        assert_eq!(said, Lines::new(), "{packet_type:?}");
        let (mut refused, mut rest) = (driver.clone(), input);
        let said = refused.refuse_client(ReasonCode::Banned, &[]);
        assert_eq!(said.unwrap(), ["> CONNACK Banned", "close Refused(Banned)"]);
        assert_eq!(refused.offer(&mut rest), Lines::new(), "{packet_type:?}");
        assert_eq!(driver.accept_client(&[]).unwrap(), ["> CONNACK"]);
        let said = driver.offer(&mut input);
        assert!(!said.is_empty(), "{packet_type:?} is lost");
    }
    15
}

/// [MQTT-3.1.2-30]: AUTH and DISCONNECT only; all else ends the connection, and not by a DISCONNECT.
fn during_the_authentication() -> u64 {
    for packet_type in types() {
        let hello = Hello::new().with(Property::AuthenticationMethod(text("m")));
        let mut driver = Driver::deciding(config(), &hello);
        driver.authenticate(&[]).expect("there is a method");
        let said = driver.feed(&packet(packet_type));
        match packet_type {
            PacketType::Auth => {
                assert_eq!(said.len(), 1);
                assert!(said[0].starts_with("authentication Continue"), "{said:?}");
            }
            PacketType::Disconnect => assert_eq!(
                said,
                ["disconnect Success", "close PeerDisconnected(Success)"]
            ),
            _ => {
                let (close, rest) = said.split_last().expect("the end");
                assert!(close.starts_with("close "), "{packet_type:?}: {said:?}");
                assert!(rest.len() <= 1, "{packet_type:?}: {said:?}");
                for line in rest {
                    assert!(line.starts_with("> CONNACK "), "{packet_type:?}: {said:?}");
                }
            }
        }
    }
    15
}

/// Sections 2.1.2, 4.13.1: what only a Server sends, and what has no place here, is a Protocol Error.
fn while_connected() -> u64 {
    for packet_type in types() {
        let mut driver = Driver::with(config(), &Hello::lasting());
        let said = driver.feed(&packet(packet_type));
        let expected = match packet_type {
            PacketType::Publish => "PUBACK #9",
            PacketType::PubRec => "PUBREL #9 PacketIdentifierNotFound",
            PacketType::PubRel => "PUBCOMP #9 PacketIdentifierNotFound",
            PacketType::PingReq => "PINGRESP",
            PacketType::PubAck | PacketType::PubComp => "",
            PacketType::Subscribe | PacketType::Unsubscribe => "",
            PacketType::Disconnect => {
                assert_eq!(close_of(&said), Some("PeerDisconnected(Success)"));
                assert_eq!(packets(&said), [""; 0]);
                continue;
            }
            _ => {
                let here = matches!(packet_type, PacketType::Connect | PacketType::Auth);
                assert!(here || !packet_type.sent_by(ProtocolVersion::V5_0, Role::Client));
                driver.assert_ended(&said, ReasonCode::ProtocolError, "no place here");
                continue;
            }
        };
        assert_eq!(packets(&said).concat(), expected, "{packet_type:?}");
        assert_eq!(close_of(&said), None, "{packet_type:?}");
    }
    15
}

/// [MQTT-3.14.4-1], [MQTT-3.14.4-2], section 4.13: of a connection that ends nothing more is read.
fn after_the_close() -> u64 {
    type End = fn(&mut Driver) -> Lines;
    let ends: [(bool, End); 4] = [
        (true, |driver| {
            driver.disconnect(ReasonCode::ServerBusy, &[])
        }),
        (true, |driver| driver.feed(&packet(PacketType::Disconnect))),
        (true, |driver| driver.feed(b"\x00\x00")),
        (false, |driver| driver.feed(PINGREQ)),
    ];
    let mut dead = Vec::new();
    for (connected, end) in ends {
        let mut driver = match connected {
            true => Driver::lasting(),
            false => Driver::serving(config()),
        };
        assert!(close_of(&end(&mut driver)).is_some());
        dead.push(driver);
    }
    let mut driver = Driver::lasting();
    let _ = driver.lose();
    dead.push(driver);
    let mut driver = Driver::deciding(config(), &Hello::new());
    driver
        .refuse_client(ReasonCode::Banned, &[])
        .expect("a refusal");
    dead.push(driver);
    let count = dead.len() as u64;
    for driver in dead {
        for packet_type in types() {
            let mut driver = driver.clone();
            let said = driver.feed(&packet(packet_type));
            assert_eq!(said, Lines::new(), "{packet_type:?}");
            assert!(!driver.machine.is_connected());
        }
    }
    15 * count
}
