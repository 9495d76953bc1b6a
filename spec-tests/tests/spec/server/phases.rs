//! Every packet type in every phase of a Network Connection (sections 3.1, 3.1.2.11.9, 3.14, 4.12, 4.13).

use mqtt5_codec::{Packet, PacketType, Property, ReasonCode, Role, SubAck, SubAckReasonCodes};
use mqtt5_session_fsm::{Cause, Instant};

use super::driver::{Driver, Seen};
use super::make::{
    Hello, PINGREQ, auth, bytes, config, disconnect, id, puback, pubcomp, publish_1, pubrec,
    pubrel, subscribe, text, unsubscribe,
};
use crate::check::Outcome;

super::listed! { "phases":
    Domain before_the_connect,
    Domain while_the_host_decides,
    Domain during_the_authentication,
    Domain while_connected,
    Domain after_the_close,
}

/// A good packet of each type.
fn packet(packet_type: PacketType) -> Vec<u8> {
    match packet_type {
        PacketType::Connect => Hello::new().bytes(),
        PacketType::ConnAck => b"\x20\x03\x00\x00\x00".to_vec(),
        PacketType::Publish => publish_1(9),
        PacketType::PubAck => puback(9, ReasonCode::Success),
        PacketType::PubRec => pubrec(9, ReasonCode::Success),
        PacketType::PubRel => pubrel(9, ReasonCode::Success),
        PacketType::PubComp => pubcomp(9, ReasonCode::Success),
        PacketType::Subscribe => subscribe(9, &["a"]),
        PacketType::SubAck => {
            let codes = SubAckReasonCodes::new(&[ReasonCode::Success]).expect("one");
            bytes(SubAck::new(id(9), codes))
        }
        PacketType::Unsubscribe => unsubscribe(9, &["a"]),
        PacketType::UnsubAck => b"\xB0\x04\x00\x09\x00\x00".to_vec(),
        PacketType::PingReq => PINGREQ.to_vec(),
        PacketType::PingResp => b"\xD0\x00".to_vec(),
        PacketType::Disconnect => disconnect(ReasonCode::Success),
        PacketType::Auth => auth(ReasonCode::ContinueAuthentication, "m", b"d"),
    }
}

fn types() -> impl Iterator<Item = PacketType> {
    (1..=15).filter_map(PacketType::from_number)
}

/// [MQTT-3.1.0-1], [MQTT-3.14.0-1]: all but a CONNECT ends the connection without a word.
fn before_the_connect() -> Outcome {
    for packet_type in types() {
        let mut driver = Driver::new(Instant::ORIGIN, config());
        let report = driver.send(&packet(packet_type));
        assert!(report.wire.is_empty(), "{packet_type:?}");
        if packet_type == PacketType::Connect {
            assert_eq!(report.close(), None);
            continue;
        }
        assert_eq!(report.events().len(), 1, "{packet_type:?}: {report:?}");
        assert!(
            matches!(report.close(), Some(Cause::PeerError(_))),
            "{packet_type:?}"
        );
        assert!(driver.server.session().is_none());
        assert!(driver.send(&Hello::new().bytes()).is_empty());
    }
    Ok(15)
}

/// [MQTT-3.1.4-6], section 3.1.4: whatever it is, it waits.
fn while_the_host_decides() -> Outcome {
    for packet_type in types() {
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::new());
        assert!(
            driver.send(&packet(packet_type)).is_empty(),
            "{packet_type:?}"
        );
        let mut refused = driver.clone();
        let report = refused.refuse(ReasonCode::Banned, &[]).expect("a refusal");
        assert_eq!(report.packets().len(), 1, "{packet_type:?}");
        assert_eq!(report.events().len(), 1, "{packet_type:?}");
        let report = driver.accept(None, &[]).expect("a good CONNECT");
        assert_eq!(report.packets()[0].packet_type(), PacketType::ConnAck);
        assert!(report.log.len() > 1, "{packet_type:?} is lost");
    }
    Ok(15)
}

/// [MQTT-3.1.2-30]: AUTH and DISCONNECT only; all else ends the connection, and not by a DISCONNECT.
fn during_the_authentication() -> Outcome {
    for packet_type in types() {
        let hello = Hello::new().with(Property::AuthenticationMethod(text("m")));
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
        driver.authenticate(&[]).expect("there is a method");
        let report = driver.send(&packet(packet_type));
        match packet_type {
            PacketType::Auth => {
                let expected =
                    Seen::Authentication(ReasonCode::ContinueAuthentication, b"d".to_vec());
                assert_eq!(report.log, [expected]);
            }
            PacketType::Disconnect => {
                assert!(report.wire.is_empty());
                let cause = Cause::PeerDisconnected(ReasonCode::Success);
                assert_eq!(report.close(), Some(cause));
            }
            _ => {
                if let [first, rest @ ..] = &report.packets()[..] {
                    assert!(rest.is_empty(), "{packet_type:?}");
                    let Packet::ConnAck(connack) = first else {
                        return Err(format!("{packet_type:?}: {first:?}"));
                    };
                    assert!(connack.reason_code.is_error());
                }
                assert_eq!(report.events().len(), 1, "{packet_type:?}: {report:?}");
                assert!(matches!(report.close(), Some(Cause::PeerError(_))));
            }
        }
    }
    Ok(15)
}

/// Sections 2.1.2, 4.13.1: what only a Server sends, and what has no place here, is a Protocol Error.
fn while_connected() -> Outcome {
    for packet_type in types() {
        let mut driver = Driver::connected(config(), &Hello::new());
        let report = driver.send(&packet(packet_type));
        let answers = report.packets();
        let answer = answers.first().map(Packet::packet_type);
        let expected = match packet_type {
            PacketType::Publish => Some(PacketType::PubAck),
            PacketType::PubRec => Some(PacketType::PubRel),
            PacketType::PubRel => Some(PacketType::PubComp),
            PacketType::PingReq => Some(PacketType::PingResp),
            PacketType::PubAck | PacketType::PubComp => None,
            PacketType::Subscribe | PacketType::Unsubscribe | PacketType::Disconnect => None,
            _ => Some(PacketType::Disconnect),
        };
        assert_eq!(answer, expected, "{packet_type:?}");
        assert!(answers.len() <= 1, "{packet_type:?}");
        match (packet_type, expected) {
            (_, Some(PacketType::Disconnect)) => {
                assert!(
                    !packet_type.sent_by(Role::Client)
                        || matches!(packet_type, PacketType::Connect | PacketType::Auth)
                );
                assert_eq!(report.last_word(), Some(ReasonCode::ProtocolError));
                assert!(matches!(report.close(), Some(Cause::PeerError(_))));
            }
            (PacketType::Disconnect, _) => {
                let cause = Cause::PeerDisconnected(ReasonCode::Success);
                assert_eq!(report.close(), Some(cause));
            }
            _ => assert_eq!(report.close(), None, "{packet_type:?}"),
        }
    }
    Ok(15)
}

/// [MQTT-3.14.4-1], [MQTT-3.14.4-2], section 4.13: of a connection that ends nothing more is read.
fn after_the_close() -> Outcome {
    let open = || Driver::connected(config(), &Hello::lasting());
    let mut dead = Vec::new();
    let mut driver = open();
    driver
        .disconnect(ReasonCode::ServerBusy, &[])
        .expect("connected");
    dead.push(driver);
    let mut driver = open();
    driver.send(&disconnect(ReasonCode::Success));
    dead.push(driver);
    let mut driver = open();
    driver.send(b"\x00\x00");
    dead.push(driver);
    let mut driver = open();
    driver.lose();
    dead.push(driver);
    let mut driver = Driver::new(Instant::ORIGIN, config());
    driver.send(PINGREQ);
    dead.push(driver);
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::new());
    driver.refuse(ReasonCode::Banned, &[]).expect("a refusal");
    dead.push(driver);
    let count = dead.len() as u64;
    for driver in dead {
        for packet_type in types() {
            let mut driver = driver.clone();
            assert!(
                driver.send(&packet(packet_type)).is_empty(),
                "{packet_type:?}"
            );
            assert!(!driver.server.is_connected());
        }
    }
    Ok(15 * count)
}
