//! What a Server does about Malformed Packets and Protocol Errors (section 4.13; tables T18.2 to T18.4).

use mqtt5_codec::{Disconnect, Packet, Qos, ReasonCode, Role};
use mqtt5_session_fsm::{Cause, Instant, Limits, SessionViolation};

use super::driver::{Driver, Report};
use super::make::{
    Hello, PINGREQ, config, limited, manual, publication, publish_1, publish_2, subscribe,
};
use crate::check::Outcome;
use crate::packets::{packet, with_properties};

super::listed! { "errors":
    Domain malformed_packets_of_a_connected_client,
    Domain malformed_connects,
    Domain protocol_errors_of_a_connected_client,
    Domain protocol_errors_of_a_connect,
    Domain every_first_byte,
    Example what_came_before_the_error_counts,
    Example what_waits_is_not_lost,
    Example other_connections_are_not_affected,
    Domain every_violation_has_a_code_that_may_be_sent,
    Example an_error_in_a_part_of_a_packet,
    Example rejected_after_the_end,
}

/// DISCONNECT with this code, then the end, and nothing more.
fn is_answered(name: &str, driver: &mut Driver, report: &Report, code: ReasonCode) {
    let packets = report.packets();
    let Some(Packet::Disconnect(disconnect)) = packets.last() else {
        panic!("{name}: {report:?}");
    };
    assert_eq!(disconnect.reason_code, code, "{name}");
    let Some(Cause::PeerError(error)) = report.close() else {
        panic!("{name}: {report:?}");
    };
    assert_eq!(error.reason_code(), code, "{name}");
    assert!(driver.send(PINGREQ).is_empty(), "{name}");
    assert!(!driver.server.is_connected());
}

/// CONNACK with this code, or nothing, then the end.
fn is_refused(name: &str, bytes: &[u8], code: ReasonCode) {
    let mut driver = Driver::new(Instant::ORIGIN, config());
    let report = driver.send(bytes);
    match report.packets()[..] {
        [] => {}
        [Packet::ConnAck(connack)] => assert_eq!(connack.reason_code, code, "{name}"),
        ref other => panic!("{name}: {other:?}"),
    }
    assert!(
        matches!(report.close(), Some(Cause::PeerError(_))),
        "{name}: {report:?}"
    );
    assert_eq!(report.events().len(), 1, "{name}: {report:?}");
    assert!(driver.send(&Hello::new().bytes()).is_empty(), "{name}");
}

/// T18.3, [MQTT-4.13.1-1]: DISCONNECT 0x81.
fn malformed_packets_of_a_connected_client() -> Outcome {
    let cases: [(&str, &[u8]); 20] = [
        ("MAL-01 topic", b"\x30\x04\x00\x01\xFF\x00"),
        ("MAL-01 surrogate", b"\x30\x06\x00\x03\xED\xA0\x80\x00"),
        ("MAL-01 filter", b"\x82\x07\x00\x01\x00\x00\x01\xC0\x00"),
        ("MAL-02", b"\x30\x04\x00\x01\x00\x00"),
        ("MAL-04", b"\x30\x0A\x00\x01a\x06\x26\x00\x01\xFF\x00\x00"),
        ("MAL-05 Remaining Length", b"\x30\xFF\xFF\xFF\xFF\x7F"),
        (
            "MAL-05 Property Length",
            b"\x30\x08\x00\x01a\xFF\xFF\xFF\xFF\x7F",
        ),
        ("MAL-06 PUBREL", b"\x60\x02\x00\x01"),
        ("MAL-06 SUBSCRIBE", b"\x80\x07\x00\x01\x00\x00\x01a\x00"),
        ("MAL-06 PINGREQ", b"\xC1\x00"),
        ("MAL-06 DISCONNECT", b"\xE8\x00"),
        ("MAL-06 PUBACK", b"\x42\x02\x00\x01"),
        ("MAL-07 unknown", b"\x30\x06\x00\x01a\x02\x7F\x00"),
        (
            "MAL-07 other packet",
            b"\x30\x09\x00\x01a\x05\x11\x00\x00\x00\x01",
        ),
        ("MAL-11", b"\x36\x06\x00\x01a\x00\x01\x00"),
        ("MAL-12", b"\x82\x07\x00\x01\x00\x00\x01a\x40"),
        ("MAL-13 type 0", b"\x00\x00"),
        ("MAL-13 truncated", b"\x30\x02\x00\x05"),
        ("MAL-13 left over", b"\xC0\x01\x00"),
        ("MAL-13 DUP at QoS 0", b"\x38\x04\x00\x01a\x00"),
    ];
    for (name, bytes) in cases {
        let mut driver = Driver::connected(config(), &Hello::lasting());
        let report = driver.send(bytes);
        assert_eq!(report.packets().len(), 1, "{name}");
        is_answered(name, &mut driver, &report, ReasonCode::MalformedPacket);
    }
    Ok(20)
}

/// T18.3, [MQTT-3.1.4-1]: CONNACK 0x81, or nothing.
fn malformed_connects() -> Outcome {
    let good = Hello::new().bytes();
    assert_eq!(good[9], 0, "Connect Flags");
    let with_flags = |flags: u8, rest: &[u8]| {
        let body = [
            b"\x00\x04MQTT\x05",
            &[flags][..],
            b"\x00\x00\x00\x00\x02c1",
            rest,
        ]
        .concat();
        packet(0x10, &body)
    };
    let mut cases = vec![
        (
            "MAL-01",
            packet(0x10, b"\x00\x04MQTT\x05\x00\x00\x00\x00\x00\x01\xFF"),
        ),
        (
            "MAL-02",
            packet(0x10, b"\x00\x04MQTT\x05\x00\x00\x00\x00\x00\x01\x00"),
        ),
        ("MAL-06", [&[0x11], &good[1..]].concat()),
        ("MAL-07", with_properties("CONNECT", b"\x23\x00\x01").bytes),
        ("MAL-08", with_properties("CONNECT", b"\x21\x00").bytes),
        ("MAL-09", with_flags(1, b"")),
        ("MAL-10", with_flags(0x1C, b"\x00\x00\x01w\x00\x00")),
        ("Will flags without Will", with_flags(0x20, b"")),
        ("no password", with_flags(0x40, b"")),
        ("left over", with_flags(0, b"x")),
    ];
    // Every cut of a CONNECT, with the Remaining Length that fits.
    for length in 0..good.len() - 2 {
        cases.push(("cut", packet(0x10, &good[2..2 + length])));
    }
    for (name, bytes) in &cases {
        is_refused(name, bytes, ReasonCode::MalformedPacket);
    }
    Ok(cases.len() as u64)
}

/// T18.4, [MQTT-4.13.1-1]: every row that a connected Client can break, each with its code.
fn protocol_errors_of_a_connected_client() -> Outcome {
    let limits = Limits {
        receive_maximum: 1,
        topic_alias_maximum: 3,
        maximum_packet_size: 60,
        maximum_qos: Qos::AtLeastOnce,
        retain_available: false,
        wildcard_subscription_available: false,
        subscription_identifier_available: false,
        shared_subscription_available: false,
        ..Limits::NONE
    };
    let large = packet(0x30, &[&b"\x00\x01t\x00"[..], &[b'x'; 60]].concat());
    let two = [publish_1(1), publish_1(2)].concat();
    let connect = Hello::new().bytes();
    let reading = "a reading of T19.4";
    let cases: [(&str, &[u8], u8); 33] = [
        ("PER-01", &connect, 0x82),
        (
            "PER-02 PUBLISH",
            b"\x30\x0E\x00\x01t\x0A\x02\x00\x00\x00\x01\x02\x00\x00\x00\x01",
            0x82,
        ),
        (
            "PER-02 PUBACK",
            b"\x40\x0A\x00\x01\x00\x06\x1F\x00\x00\x1F\x00\x00",
            0x82,
        ),
        ("PER-13", &large, 0x95),
        ("PER-15", b"\x34\x06\x00\x01t\x00\x01\x00", 0x9B),
        ("PER-16", b"\x31\x04\x00\x01t\x00", 0x9A),
        ("PER-17", b"\x82\x07\x00\x01\x00\x00\x01#\x00", 0xA2),
        ("PER-18", b"\x82\x09\x00\x01\x02\x0B\x01\x00\x01a\x00", 0xA1),
        (
            "PER-19",
            b"\x82\x10\x00\x01\x00\x00\x0A$share/s/a\x00",
            0x9E,
        ),
        ("PER-20", b"\x30\x03\x00\x00\x00", 0x82),
        ("PER-21 0", b"\x30\x07\x00\x01t\x03\x23\x00\x00", 0x94),
        ("PER-21 4", b"\x30\x07\x00\x01t\x03\x23\x00\x04", 0x94),
        ("PER-22", b"\x30\x06\x00\x00\x03\x23\x00\x02", 0x82),
        (
            "PER-23 SUBSCRIBE",
            b"\x82\x09\x00\x01\x02\x0B\x00\x00\x01a\x00",
            0x82,
        ),
        ("PER-23 PUBLISH", b"\x30\x06\x00\x01t\x02\x0B\x00", 0x82),
        ("PER-24", b"\x30\x06\x00\x01t\x02\x0B\x01", 0x82),
        ("PER-25", &two, 0x93),
        ("PER-26", b"\x82\x03\x00\x01\x00", 0x82),
        ("PER-27", b"\x82\x07\x00\x01\x00\x00\x01a\x03", 0x82),
        (
            "PER-28",
            b"\x82\x10\x00\x01\x00\x00\x0A$share/s/a\x04",
            0x82,
        ),
        ("PER-29", b"\x82\x07\x00\x01\x00\x00\x01a\x30", 0x82),
        ("PER-30", b"\xA2\x03\x00\x01\x00", 0x82),
        ("PER-31", b"\xE0\x07\x00\x05\x11\x00\x00\x00\x01", 0x82),
        ("PER-32", b"\xF0\x06\x19\x04\x15\x00\x01m", 0x82),
        ("PER-33", b"\xF0\x00", 0x82),
        (reading, b"\x32\x06\x00\x01t\x00\x00\x00", 0x82),
        (reading, b"\x82\x07\x00\x00\x00\x00\x01a\x00", 0x82),
        (reading, b"\x40\x03\x00\x01\x10", 0x82),
        (reading, b"\x40\x03\x00\x01\x92", 0x82),
        (reading, b"\x30\x06\x00\x01t\x02\x01\x02", 0x82),
        (reading, b"\xE0\x06\x00\x04\x1C\x00\x01x", 0x82),
        (reading, b"\xD0\x00", 0x82),
        (reading, b"\x20\x03\x00\x00\x00", 0x82),
    ];
    let config = mqtt5_session_fsm::ServerConfig {
        session: manual().session,
        ..limited(limits)
    };
    for (name, bytes, code) in cases {
        let mut driver = Driver::connected(config, &Hello::new());
        let report = driver.send(bytes);
        let code = ReasonCode::from_byte(code).expect("a Reason Code");
        // PER-28 with Shared Subscriptions that are not available either may say so.
        if name == "PER-28"
            && report.last_word() == Some(ReasonCode::SharedSubscriptionsNotSupported)
        {
            continue;
        }
        is_answered(name, &mut driver, &report, code);
    }
    Ok(33)
}

/// T18.4: every row that a CONNECT can break: CONNACK with the code, or nothing.
fn protocol_errors_of_a_connect() -> Outcome {
    let mut cases: Vec<(&str, Vec<u8>)> = Vec::new();
    let once: [(&str, &[u8]); 8] = [
        ("PER-02 0x11", b"\x11\x00\x00\x00\x05"),
        ("PER-02 0x21", b"\x21\x00\x05"),
        ("PER-02 0x27", b"\x27\x00\x00\x01\x00"),
        ("PER-02 0x22", b"\x22\x00\x05"),
        ("PER-02 0x19", b"\x19\x01"),
        ("PER-02 0x17", b"\x17\x01"),
        ("PER-02 0x15", b"\x15\x00\x01m"),
        ("PER-02 0x16", b"\x16\x00\x01d"),
    ];
    for (name, property) in once {
        let mut properties = property.repeat(2);
        if property[0] == 0x16 {
            properties.extend_from_slice(b"\x15\x00\x01m");
        }
        cases.push((name, with_properties("CONNECT", &properties).bytes));
    }
    let wrong: [(&str, &[u8]); 5] = [
        ("PER-03", b"\x21\x00\x00"),
        ("PER-04", b"\x27\x00\x00\x00\x00"),
        ("PER-05", b"\x19\x02"),
        ("PER-06", b"\x17\xFF"),
        ("PER-07", b"\x16\x00\x01d"),
    ];
    for (name, properties) in wrong {
        cases.push((name, with_properties("CONNECT", properties).bytes));
    }
    let will: [(&str, &[u8]); 2] = [
        ("PER-02 Will", b"\x18\x00\x00\x00\x01\x18\x00\x00\x00\x01"),
        ("Payload Format Indicator", b"\x01\x02"),
    ];
    for (name, properties) in will {
        cases.push((name, with_properties("Will", properties).bytes));
    }
    for (name, bytes) in &cases {
        is_refused(name, bytes, ReasonCode::ProtocolError);
    }
    Ok(cases.len() as u64)
}

/// Sections 2.1.2, 2.1.3: no first byte with an empty body does harm, in no phase.
fn every_first_byte() -> Outcome {
    for first in 0..=u8::MAX {
        let bytes = [first, 0];
        let mut driver = Driver::connected(config(), &Hello::lasting());
        let report = driver.send(&bytes);
        match first {
            0xC0 => assert_eq!(report.packet(), Packet::PingResp),
            0xE0 => {
                let cause = Cause::PeerDisconnected(ReasonCode::Success);
                assert_eq!(report.close(), Some(cause));
            }
            _ => {
                let code = report.last_word().expect("a DISCONNECT");
                let expected = [ReasonCode::MalformedPacket, ReasonCode::ProtocolError];
                assert!(expected.contains(&code), "{first:#04X}: {code}");
                is_answered("first byte", &mut driver, &report, code);
            }
        }
        let mut driver = Driver::new(Instant::ORIGIN, config());
        let report = driver.send(&bytes);
        assert!(
            matches!(report.close(), Some(Cause::PeerError(_))),
            "{first:#04X}"
        );
        assert!(
            report
                .packets()
                .iter()
                .all(|packet| matches!(packet, Packet::ConnAck(_)))
        );
    }
    Ok(512)
}

/// Section 4.13: packets before the wrong one were handled, and their answers are sent.
fn what_came_before_the_error_counts() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    let sent = [
        publish_1(1),
        publish_2(2),
        PINGREQ.to_vec(),
        vec![0, 0],
        publish_1(3),
    ]
    .concat();
    let report = driver.send(&sent);
    assert_eq!(report.payloads().len(), 2);
    assert_eq!(report.packets().len(), 4);
    is_answered(
        "behind good ones",
        &mut driver,
        &report,
        ReasonCode::MalformedPacket,
    );
    Ok(1)
}

/// Section 4.1: an error of the Client ends the connection, not the Session.
fn what_waits_is_not_lost() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    driver
        .publish(publication(Qos::AtLeastOnce, b"x"))
        .expect("room");
    driver.send(&publish_2(2));
    driver.send(b"\x00\x00");
    let (keeper, _) = driver.part();
    let (_, report) = Driver::resumed(keeper.now, config(), &Hello::new(), Some(keeper.session));
    let Packet::ConnAck(connack) = report.packets()[0] else {
        return Err("no CONNACK".to_owned());
    };
    assert!(connack.session_present);
    assert_eq!(report.packets().len(), 2);
    Ok(1)
}

/// Section 4.13.1: there are no consequences for other Sessions.
fn other_connections_are_not_affected() -> Outcome {
    let mut one = Driver::connected(config(), &Hello::lasting());
    let mut other = Driver::connected(config(), &Hello::lasting().id("c2"));
    let before = other.server.clone();
    one.send(b"\x00\x00");
    assert!(other.server == before);
    assert_eq!(other.send(PINGREQ).packet(), Packet::PingResp);
    Ok(1)
}

/// Table 3-10, section 4.13.1: what is found between packets has a code of 0x80 or above for a DISCONNECT.
fn every_violation_has_a_code_that_may_be_sent() -> Outcome {
    for violation in SessionViolation::ALL {
        let code = violation.reason_code();
        assert!(code.is_error(), "{violation}");
        let packet_type = mqtt5_codec::PacketType::Disconnect;
        assert!(
            code.allowed_from(packet_type, mqtt5_codec::Role::Server),
            "{violation}"
        );
    }
    Ok(SessionViolation::ALL.len() as u64)
}

/// A packet is judged when it is whole, in whatever pieces it comes; the Remaining Length as soon as it is
/// there.
fn an_error_in_a_part_of_a_packet() -> Outcome {
    let mut bytes = subscribe(1, &["a"]);
    let last = bytes.len() - 1;
    bytes[last] = 0xFF;
    let mut driver = Driver::connected(config(), &Hello::new());
    assert!(driver.send(&bytes[..last]).is_empty());
    let report = driver.send(&bytes[last..]);
    is_answered(
        "in pieces",
        &mut driver,
        &report,
        ReasonCode::MalformedPacket,
    );
    Ok(1)
}

/// [MQTT-3.14.4-1]: what another splitter found after the end has no DISCONNECT, nor a second Close.
fn rejected_after_the_end() -> Outcome {
    let error = Packet::decode_from(Role::Client, b"\x40\x01\x00").expect_err("cut short");
    let code = ReasonCode::ServerShuttingDown;
    let mut driver = Driver::connected(config(), &Hello::lasting());
    let now = driver.now;
    let result = driver.server.disconnect(now, code, &[]);
    result.expect("connected");
    driver.server.reject(now, error);
    let report = driver.pump();
    assert_eq!(report.packet(), Disconnect::new(code).into());
    assert_eq!(report.close(), Some(Cause::Disconnected(code)));
    driver.server.reject(now, error);
    assert!(driver.pump().is_empty());
    Ok(2)
}
