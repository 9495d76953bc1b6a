//! Keep Alive as the Server watches it (sections 3.1.2.10, 3.2.2.3.14, 3.12; table T14.4).

use mqtt5_codec::{Packet, Property, Qos, ReasonCode};
use mqtt5_session_fsm::{Awaited, Cause, Instant};

use super::driver::{Driver, Report};
use super::make::{
    Hello, PINGREQ, auth, config, puback, pubcomp, publication, publish, publish_1, publish_2,
    pubrec, pubrel, subscribe, text, unsubscribe,
};
use crate::check::Outcome;

super::listed! { "keep_alive":
    Domain one_and_a_half_times_to_the_millisecond,
    Example off_is_off,
    Domain the_server_keep_alive_counts,
    Domain every_packet_counts,
    Example what_the_server_sends_does_not_count,
    Example the_deadline_follows_the_last_packet,
    Example a_pingreq_has_its_pingresp,
    Example the_session_lives_on,
    Example a_timer_that_fires_early_does_no_harm,
    Example a_resumed_session_is_watched_too,
    Example the_connack_still_comes_first,
}

/// The connection ends as the standard wants it: without a word or with DISCONNECT 0x8D.
fn is_the_end(report: &Report) {
    assert_eq!(report.close(), Some(Cause::TimedOut(Awaited::KeepAlive)));
    match report.packets()[..] {
        [] => {}
        [Packet::Disconnect(disconnect)] => {
            assert_eq!(disconnect.reason_code, ReasonCode::KeepAliveTimeout);
        }
        ref other => panic!("{other:?}"),
    }
}

/// [MQTT-3.1.2-22], [MQTT-3.2.2-22]: some values and the border of each.
fn one_and_a_half_times_to_the_millisecond() -> Outcome {
    let mut values: Vec<u16> = (1..=1_000).collect();
    values.extend([32_767, 32_768, 43_690, 43_691, 65_534, 65_535]);
    for &seconds in &values {
        let mut driver = Driver::connected(config(), &Hello::new().keep_alive(seconds));
        assert_eq!(driver.server.keep_alive(), seconds);
        let time = u64::from(seconds) * 1_500;
        let due = driver.now.as_millis() + time;
        assert_eq!(driver.server.next_timeout().as_millis(), due);
        assert!(driver.wait(time - 1).is_empty(), "{seconds}");
        is_the_end(&driver.wait(1));
        assert!(driver.send(PINGREQ).is_empty());
    }
    Ok(values.len() as u64)
}

/// Section 3.1.2.10: 0 turns it off.
fn off_is_off() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::new());
    assert_eq!(driver.server.next_timeout(), Instant::NEVER);
    assert!(driver.wait(1 << 50).is_empty());
    assert!(driver.server.is_connected());
    Ok(1)
}

/// [MQTT-3.2.2-21], section 3.2.2.3.14: a Server Keep Alive replaces the Client's, 0 among them.
fn the_server_keep_alive_counts() -> Outcome {
    let values = [0, 1, 10, 60, u16::MAX];
    for asked in values {
        for granted in values {
            let hello = Hello::new().keep_alive(asked);
            let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
            let report = driver.accept(None, &[Property::ServerKeepAlive(granted)]);
            let report = report.expect("a good property");
            let Packet::ConnAck(connack) = report.packet() else {
                return Err("no CONNACK".to_owned());
            };
            assert_eq!(connack.properties.server_keep_alive(), Some(granted));
            assert_eq!(driver.server.keep_alive(), granted);
            if granted == 0 {
                assert!(driver.wait(1 << 40).is_empty());
                continue;
            }
            assert!(driver.wait(u64::from(granted) * 1_500 - 1).is_empty());
            is_the_end(&driver.wait(1));
        }
    }
    Ok(25)
}

/// Section 3.1.2.10: any MQTT Control Packet of the Client, whatever the Server makes of it.
fn every_packet_counts() -> Outcome {
    let packets = [
        PINGREQ.to_vec(),
        publish(Qos::AtMostOnce, 1, false, b"x"),
        publish_1(1),
        publish_2(1),
        puback(1, ReasonCode::Success),
        pubrec(1, ReasonCode::Success),
        pubrel(1, ReasonCode::Success),
        pubcomp(1, ReasonCode::Success),
        subscribe(1, &["a"]),
        unsubscribe(1, &["a"]),
        auth(ReasonCode::ReAuthenticate, "m", b""),
    ];
    for packet in &packets {
        let hello = Hello::new().keep_alive(10);
        let hello = hello.with(Property::AuthenticationMethod(text("m")));
        let mut driver = Driver::connected(config(), &hello);
        driver.wait(14_999);
        assert_eq!(driver.send(packet).close(), None);
        assert_eq!(driver.wait(14_999).close(), None, "{packet:?}");
        is_the_end(&driver.wait(1));
    }
    Ok(packets.len() as u64)
}

/// Section 3.1.2.10: only what the Client sends keeps the connection alive.
fn what_the_server_sends_does_not_count() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::new().keep_alive(10));
    for _ in 0..14 {
        driver.wait(1_000);
        driver
            .publish(publication(Qos::AtMostOnce, b"x"))
            .expect("room");
    }
    assert_eq!(driver.wait(999).close(), None);
    is_the_end(&driver.wait(1));
    Ok(1)
}

/// [MQTT-3.1.2-22]: the time runs from the last packet.
fn the_deadline_follows_the_last_packet() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::new().keep_alive(2));
    for time in [0, 1, 1_500, 2_000, 2_999] {
        assert_eq!(driver.wait(time).close(), None);
        driver.send(PINGREQ);
        let expected = driver.now.as_millis() + 3_000;
        assert_eq!(driver.server.next_timeout().as_millis(), expected);
    }
    is_the_end(&driver.wait(3_000));
    Ok(5)
}

/// [MQTT-3.12.4-1]: each PINGREQ has a PINGRESP, with Keep Alive or without.
fn a_pingreq_has_its_pingresp() -> Outcome {
    for keep_alive in [0, 10] {
        let mut driver = Driver::connected(config(), &Hello::new().keep_alive(keep_alive));
        assert_eq!(driver.send(PINGREQ).packet(), Packet::PingResp);
        let report = driver.send(&PINGREQ.repeat(5));
        assert_eq!(report.packets(), [Packet::PingResp; 5]);
        assert!(driver.send(&PINGREQ[..1]).is_empty());
        assert_eq!(driver.send(&PINGREQ[1..]).packet(), Packet::PingResp);
    }
    Ok(14)
}

/// [MQTT-3.1.2-22], [MQTT-3.1.2-23]: as after a network failure: the Session is kept.
fn the_session_lives_on() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting().keep_alive(10));
    driver
        .publish(publication(Qos::AtLeastOnce, b"1"))
        .expect("room");
    is_the_end(&driver.wait(15_000));
    let (keeper, _) = driver.part();
    let (_, report) = Driver::resumed(keeper.now, config(), &Hello::new(), Some(keeper.session));
    assert_eq!(report.packets().len(), 2);
    Ok(1)
}

/// A deadline that a packet has moved: the old timer does nothing.
fn a_timer_that_fires_early_does_no_harm() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::new().keep_alive(10));
    driver.wait(10_000);
    driver.send(PINGREQ);
    assert!(driver.wait(5_000).is_empty());
    assert!(driver.wait(0).is_empty());
    Ok(1)
}

/// [MQTT-3.1.2-22]: Keep Alive belongs to the CONNECT of each connection.
fn a_resumed_session_is_watched_too() -> Outcome {
    let (keeper, _) = Driver::connected(config(), &Hello::lasting().keep_alive(10)).part();
    let hello = Hello::lasting().keep_alive(4);
    let (mut driver, _) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
    assert!(driver.wait(5_999).is_empty());
    is_the_end(&driver.wait(1));
    Ok(1)
}

/// [MQTT-3.2.0-1], [MQTT-3.14.0-1]: a CONNACK that waits for the network is not overtaken by a DISCONNECT; the Client
/// cannot be blamed while it waits.
fn the_connack_still_comes_first() -> Outcome {
    let hello = Hello::new().keep_alive(1);
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
    let result = driver.server.accept(driver.now, None, &[]);
    result.expect("a good CONNECT");
    let report = driver.wait(1_500);
    assert!(matches!(report.packet(), Packet::ConnAck(_)));
    assert_eq!(report.close(), None);
    is_the_end(&driver.wait(0));
    Ok(1)
}
