//! DISCONNECT in both directions (sections 3.14, 4.13).

use mqtt5_codec::{Disconnect, Packet, PacketType, Property, Qos, ReasonCode, Role};
use mqtt5_session_fsm::{Cause, Instant, SendError, Session};

use super::driver::{Driver, Seen, explanation};
use super::make::{
    Hello, PINGREQ, config, disconnect, manual, publication, publish_1, publish_2, subscribe, text,
};
use crate::check::Outcome;

super::listed! { "disconnect":
    Domain every_reason_code_of_the_server,
    Domain every_reason_code_of_the_client,
    Example it_is_the_last_packet,
    Example nothing_is_written_after_that_of_the_client,
    Example nothing_is_read_after_that_of_the_client,
    Example its_explanations_are_sent,
    Example only_one_is_sent,
    Example what_a_server_reference_is_not_for,
    Example a_lost_connection_says_nothing,
    Example the_session_can_be_taken_at_once,
}

fn open() -> Driver {
    Driver::connected(config(), &Hello::lasting())
}

/// [MQTT-3.14.4-1], [MQTT-3.14.4-2], [MQTT-4.13.2-1], Table 3-10: all of them, and no other.
fn every_reason_code_of_the_server() -> Outcome {
    let mut sent = 0;
    for &code in ReasonCode::ALL {
        let mut driver = open();
        // Table 3-10 does not have 0x8C (T19.3).
        let may_be = code.allowed_from(PacketType::Disconnect, Role::Server)
            && code != ReasonCode::BadAuthenticationMethod;
        match driver.disconnect(code, &[]) {
            Ok(report) if may_be => {
                assert_eq!(report.packet(), Disconnect::new(code).into());
                assert_eq!(report.close(), Some(Cause::Disconnected(code)));
                assert!(!driver.server.is_connected());
                assert!(driver.send(PINGREQ).is_empty());
                sent += 1;
            }
            Err(SendError::Invalid(_)) if !may_be => {
                assert!(driver.pump().is_empty());
                assert_eq!(driver.send(PINGREQ).packet(), Packet::PingResp);
            }
            other => return Err(format!("{code}: {other:?}")),
        }
    }
    assert_eq!(sent, 28, "Table 3-10 without 0x04");
    Ok(ReasonCode::ALL.len() as u64)
}

/// Section 3.14.4, Table 3-10: the connection ends without an answer; a code of the Server's is a Protocol
/// Error.
fn every_reason_code_of_the_client() -> Outcome {
    for byte in 0..=u8::MAX {
        let mut driver = open();
        let report = driver.send(&[0xE0, 1, byte]);
        let code = ReasonCode::from_byte(byte)
            .filter(|code| code.allowed_from(PacketType::Disconnect, Role::Client));
        if let Some(code) = code {
            let expected = [
                Seen::Disconnect(code),
                Seen::Close(Cause::PeerDisconnected(code)),
            ];
            assert_eq!(report.log, expected);
        } else {
            assert_eq!(
                report.last_word(),
                Some(ReasonCode::ProtocolError),
                "{byte:#04X}"
            );
            assert!(matches!(report.close(), Some(Cause::PeerError(_))));
        }
        assert!(driver.send(PINGREQ).is_empty());
        assert!(driver.server.session().is_some_and(Session::exists));
    }
    Ok(256)
}

/// [MQTT-3.14.4-1]: neither messages nor acknowledgements, neither those that waited nor new ones.
fn it_is_the_last_packet() -> Outcome {
    let mut driver = Driver::connected(manual(), &Hello::lasting());
    let one = driver.send(&publish_1(1)).receipt();
    let two = driver.send(&publish_2(2)).receipt();
    driver.send(&subscribe(3, &["a"]));
    for qos in super::make::QOS {
        driver
            .server
            .publish(driver.now, publication(qos, b"x"))
            .expect("room");
    }
    let code = ReasonCode::ServerShuttingDown;
    let report = driver.disconnect(code, &[]).expect("connected");
    assert_eq!(report.packets().last(), Some(&Disconnect::new(code).into()));
    driver.server.acknowledge(one).ok();
    driver.server.acknowledge(two).ok();
    let granted = [ReasonCode::Success];
    let number = super::make::id(3);
    driver
        .server
        .acknowledge_subscribe(driver.now, number, &granted, &[])
        .ok();
    driver
        .server
        .publish(driver.now, publication(Qos::AtMostOnce, b"x"))
        .ok();
    assert!(driver.pump().wire.is_empty());
    assert!(driver.send(&publish_1(4)).is_empty());
    assert!(driver.wait(1 << 40).wire.is_empty());
    Ok(1)
}

/// Section 3.14.4: the receiver closes.
fn nothing_is_written_after_that_of_the_client() -> Outcome {
    let mut driver = Driver::connected(manual(), &Hello::lasting());
    let receipt = driver.send(&publish_1(1)).receipt();
    let report = driver.send(&disconnect(ReasonCode::Success));
    assert!(report.wire.is_empty());
    driver.server.acknowledge(receipt).ok();
    driver
        .server
        .publish(driver.now, publication(Qos::AtLeastOnce, b"x"))
        .ok();
    assert!(driver.disconnect(ReasonCode::ServerBusy, &[]).is_err());
    assert!(driver.pump().wire.is_empty());
    Ok(1)
}

/// [MQTT-3.14.4-1]: what comes behind a DISCONNECT, in one piece with it, is not processed.
fn nothing_is_read_after_that_of_the_client() -> Outcome {
    for behind in [
        publish_1(1),
        PINGREQ.to_vec(),
        subscribe(1, &["a"]),
        vec![0, 0],
    ] {
        let sent = [publish_1(9), disconnect(ReasonCode::Success), behind].concat();
        let report = open().send(&sent);
        assert_eq!(report.payloads(), [b"one"]);
        assert_eq!(report.events().len(), 3, "{report:?}");
        assert_eq!(report.packets().len(), 1, "the PUBACK of the first");
    }
    Ok(4)
}

/// Sections 3.14.2.2.3, 3.14.2.2.4: Reason String and User Properties.
fn its_explanations_are_sent() -> Outcome {
    let report = open()
        .disconnect(ReasonCode::ServerBusy, &explanation())
        .expect("connected");
    let Packet::Disconnect(disconnect) = report.packet() else {
        return Err("no DISCONNECT".to_owned());
    };
    assert_eq!(
        disconnect.properties.iter().collect::<Vec<_>>(),
        explanation()
    );
    Ok(1)
}

/// [MQTT-3.14.4-1]: a second one is not sent.
fn only_one_is_sent() -> Outcome {
    let mut driver = open();
    driver
        .disconnect(ReasonCode::ServerBusy, &[])
        .expect("connected");
    let result = driver.disconnect(ReasonCode::ServerBusy, &[]);
    assert_eq!(result.map(|_| ()), Err(SendError::NotConnected));
    assert!(driver.pump().is_empty());
    Ok(1)
}

/// Section 3.14.2.2: properties that a Server's DISCONNECT does not have.
fn what_a_server_reference_is_not_for() -> Outcome {
    for property in [
        Property::SessionExpiryInterval(1),
        Property::AssignedClientIdentifier(text("x")),
        Property::ServerKeepAlive(1),
        Property::AuthenticationMethod(text("m")),
    ] {
        let mut driver = open();
        assert!(
            driver
                .disconnect(ReasonCode::ServerBusy, &[property])
                .is_err()
        );
        assert!(driver.pump().is_empty());
        assert!(driver.server.is_connected());
    }
    Ok(4)
}

/// Section 4.2: a network failure is no reason to write.
fn a_lost_connection_says_nothing() -> Outcome {
    let mut driver = open();
    let report = driver.lose();
    assert!(report.wire.is_empty());
    assert!(!driver.server.is_connected());
    assert!(driver.disconnect(ReasonCode::ServerBusy, &[]).is_err());
    assert!(driver.lose().wire.is_empty());
    assert_eq!(driver.server.next_timeout(), Instant::NEVER);
    Ok(1)
}

/// [MQTT-3.1.2-23]: the Session of a connection that was disconnected goes on.
fn the_session_can_be_taken_at_once() -> Outcome {
    let mut driver = open();
    driver
        .publish(publication(Qos::AtLeastOnce, b"x"))
        .expect("room");
    driver
        .disconnect(ReasonCode::ServerBusy, &[])
        .expect("connected");
    let session = driver.server.take_session(driver.now).expect("a Session");
    let (_, report) = Driver::resumed(driver.now, config(), &Hello::new(), Some(session));
    assert_eq!(report.packets().len(), 2);
    Ok(1)
}
