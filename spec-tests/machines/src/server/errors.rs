//! What a Server alone finds wrong (section 4.13).

use mqtt5_session_fsm::codec::{PacketType, Qos, ReasonCode, Role};
use mqtt5_session_fsm::{Limits, ServerConfig, SessionViolation};

use super::driver::Driver;
use super::make::{Hello, config, limited, manual};
use crate::session::driver::{Lines, close_of, packets};
use crate::session::make;

crate::check::checks! { "errors":
    server {
        Domain malformed_connects,
        Domain protocol_errors_of_a_connected_client,
        Domain protocol_errors_of_a_connect,
        Domain every_first_byte,
        Domain every_violation_has_a_code_that_may_be_sent,
    }
}

/// A short packet.
fn packet(first_byte: u8, body: &[u8]) -> Vec<u8> {
    [&[first_byte, short_length(body)], body].concat()
}

/// CONNECT with these properties.
fn connect_bytes(properties: &[u8]) -> Vec<u8> {
    let head = b"\x00\x04MQTT\x05\x02\x00\x3C";
    let length = [short_length(properties)];
    packet(
        0x10,
        &[head, &length[..], properties, b"\x00\x02c1"].concat(),
    )
}

/// CONNECT with a Will that has these properties.
fn connect_bytes_with_will(properties: &[u8]) -> Vec<u8> {
    let head = b"\x00\x04MQTT\x05\x06\x00\x3C\x00\x00\x02c1";
    let length = [short_length(properties)];
    let will = b"\x00\x01w\x00\x01x";
    packet(0x10, &[head, &length[..], properties, will].concat())
}

/// As a Variable Byte Integer of one byte.
fn short_length(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len())
        .ok()
        .filter(|&length| length < 0x80)
        .expect("less than 128 bytes")
}

/// CONNACK with this code, or nothing, then the end.
fn is_refused(name: &str, bytes: &[u8], code: ReasonCode) {
    let mut driver = Driver::serving(config());
    let said = driver.feed(bytes);
    match &packets(&said)[..] {
        [] => {}
        [connack] => assert_eq!(*connack, format!("CONNACK {code:?}"), "{name}"),
        other => panic!("{name}: {other:?}"),
    }
    assert!(
        said.last().unwrap().starts_with("close "),
        "{name}: {said:?}"
    );
    assert_eq!(driver.feed(&Hello::new().bytes()), Lines::new(), "{name}");
}

/// [MQTT-3.1.4-1]: CONNACK 0x81, or nothing.
fn malformed_connects() -> u64 {
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
            "another byte in a string",
            packet(0x10, b"\x00\x04MQTT\x05\x00\x00\x00\x00\x00\x01\xFF"),
        ),
        (
            "a null character",
            packet(0x10, b"\x00\x04MQTT\x05\x00\x00\x00\x00\x00\x01\x00"),
        ),
        ("flags", [&[0x11], &good[1..]].concat()),
        (
            "a property of another packet",
            connect_bytes(b"\x23\x00\x01"),
        ),
        ("a property cut short", connect_bytes(b"\x21\x00")),
        ("reserved Connect Flag", with_flags(1, b"")),
        ("Will QoS 3", with_flags(0x1C, b"\x00\x00\x01w\x00\x00")),
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
    cases.len() as u64
}

/// [MQTT-4.13.1-1]: every row that a connected Client can break, each with its code.
fn protocol_errors_of_a_connected_client() -> u64 {
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
    let two = [1, 2].map(|n| make::publish(1, n, "t", "one")).concat();
    let connect = Hello::new().bytes();
    const NO_LOCAL: &str = "No Local with a Shared Subscription";
    let reading = "a reading of the standard";
    let cases: [(&str, &[u8], u8); 33] = [
        ("a second CONNECT", &connect, 0x82),
        (
            "a property twice in PUBLISH",
            b"\x30\x0E\x00\x01t\x0A\x02\x00\x00\x00\x01\x02\x00\x00\x00\x01",
            0x82,
        ),
        (
            "a property twice in PUBACK",
            b"\x40\x0A\x00\x01\x00\x06\x1F\x00\x00\x1F\x00\x00",
            0x82,
        ),
        ("too large", &large, 0x95),
        (
            "QoS above the Maximum QoS",
            b"\x34\x06\x00\x01t\x00\x01\x00",
            0x9B,
        ),
        ("RETAIN", b"\x31\x04\x00\x01t\x00", 0x9A),
        ("a wildcard", b"\x82\x07\x00\x01\x00\x00\x01#\x00", 0xA2),
        (
            "a Subscription Identifier",
            b"\x82\x09\x00\x01\x02\x0B\x01\x00\x01a\x00",
            0xA1,
        ),
        (
            "a Shared Subscription",
            b"\x82\x10\x00\x01\x00\x00\x0A$share/s/a\x00",
            0x9E,
        ),
        ("neither topic nor alias", b"\x30\x03\x00\x00\x00", 0x82),
        ("alias 0", b"\x30\x07\x00\x01t\x03\x23\x00\x00", 0x94),
        (
            "alias above the maximum",
            b"\x30\x07\x00\x01t\x03\x23\x00\x04",
            0x94,
        ),
        (
            "an alias without topic",
            b"\x30\x06\x00\x00\x03\x23\x00\x02",
            0x82,
        ),
        (
            "Subscription Identifier 0 in SUBSCRIBE",
            b"\x82\x09\x00\x01\x02\x0B\x00\x00\x01a\x00",
            0x82,
        ),
        (
            "Subscription Identifier 0 in PUBLISH",
            b"\x30\x06\x00\x01t\x02\x0B\x00",
            0x82,
        ),
        (
            "a Subscription Identifier of a Client",
            b"\x30\x06\x00\x01t\x02\x0B\x01",
            0x82,
        ),
        ("above the Receive Maximum", &two, 0x93),
        ("SUBSCRIBE without filters", b"\x82\x03\x00\x01\x00", 0x82),
        (
            "QoS 3 asked for",
            b"\x82\x07\x00\x01\x00\x00\x01a\x03",
            0x82,
        ),
        (
            NO_LOCAL,
            b"\x82\x10\x00\x01\x00\x00\x0A$share/s/a\x04",
            0x82,
        ),
        (
            "Retain Handling 3",
            b"\x82\x07\x00\x01\x00\x00\x01a\x30",
            0x82,
        ),
        ("UNSUBSCRIBE without filters", b"\xA2\x03\x00\x01\x00", 0x82),
        (
            "Session Expiry Interval raised from 0",
            b"\xE0\x07\x00\x05\x11\x00\x00\x00\x01",
            0x82,
        ),
        (
            "AUTH without a method in the CONNECT",
            b"\xF0\x06\x19\x04\x15\x00\x01m",
            0x82,
        ),
        ("AUTH without a method", b"\xF0\x00", 0x82),
        (reading, b"\x32\x06\x00\x01t\x00\x00\x00", 0x82),
        (reading, b"\x82\x07\x00\x00\x00\x00\x01a\x00", 0x82),
        (reading, b"\x40\x03\x00\x01\x10", 0x82),
        (reading, b"\x40\x03\x00\x01\x92", 0x82),
        (reading, b"\x30\x06\x00\x01t\x02\x01\x02", 0x82),
        (reading, b"\xE0\x06\x00\x04\x1C\x00\x01x", 0x82),
        (reading, b"\xD0\x00", 0x82),
        (reading, b"\x20\x03\x00\x00\x00", 0x82),
    ];
    let config = ServerConfig {
        session: manual().session,
        ..limited(limits)
    };
    for (name, bytes, code) in cases {
        let mut driver = Driver::with(config, &Hello::new());
        let said = driver.feed(bytes);
        let code = ReasonCode::from_byte(code).expect("a Reason Code");
        // Shared Subscriptions are not available either, and it may say so.
        let other = ReasonCode::SharedSubscriptionsNotSupported;
        if name == NO_LOCAL && said[0] == format!("> DISCONNECT {other:?}") {
            continue;
        }
        let answers = said
            .iter()
            .position(|line| line.starts_with("> DISCONNECT"));
        driver.assert_ended(&said[answers.expect("an answer")..], code, name);
    }
    33
}

/// every row that a CONNECT can break: CONNACK with the code, or nothing.
fn protocol_errors_of_a_connect() -> u64 {
    let mut cases: Vec<(&str, Vec<u8>)> = Vec::new();
    let once: [(&str, &[u8]); 8] = [
        ("property 0x11 twice", b"\x11\x00\x00\x00\x05"),
        ("property 0x21 twice", b"\x21\x00\x05"),
        ("property 0x27 twice", b"\x27\x00\x00\x01\x00"),
        ("property 0x22 twice", b"\x22\x00\x05"),
        ("property 0x19 twice", b"\x19\x01"),
        ("property 0x17 twice", b"\x17\x01"),
        ("property 0x15 twice", b"\x15\x00\x01m"),
        ("property 0x16 twice", b"\x16\x00\x01d"),
    ];
    for (name, property) in once {
        let mut properties = property.repeat(2);
        if property[0] == 0x16 {
            properties.extend_from_slice(b"\x15\x00\x01m");
        }
        cases.push((name, connect_bytes(&properties)));
    }
    let wrong: [(&str, &[u8]); 5] = [
        ("Receive Maximum 0", b"\x21\x00\x00"),
        ("Maximum Packet Size 0", b"\x27\x00\x00\x00\x00"),
        ("Request Response Information 2", b"\x19\x02"),
        ("Request Problem Information 255", b"\x17\xFF"),
        ("data without a method", b"\x16\x00\x01d"),
    ];
    for (name, properties) in wrong {
        cases.push((name, connect_bytes(properties)));
    }
    let will: [(&str, &[u8]); 2] = [
        (
            "a Will property twice",
            b"\x18\x00\x00\x00\x01\x18\x00\x00\x00\x01",
        ),
        ("Payload Format Indicator", b"\x01\x02"),
    ];
    for (name, properties) in will {
        cases.push((name, connect_bytes_with_will(properties)));
    }
    for (name, bytes) in &cases {
        is_refused(name, bytes, ReasonCode::ProtocolError);
    }
    cases.len() as u64
}

/// Sections 2.1.2, 2.1.3: no first byte with an empty body does harm, in no phase.
fn every_first_byte() -> u64 {
    for first in 0..=u8::MAX {
        let bytes = [first, 0];
        let mut driver = Driver::lasting();
        let said = driver.feed(&bytes);
        match first {
            0xC0 => assert_eq!(said, ["> PINGRESP"]),
            0xE0 => assert_eq!(close_of(&said), Some("PeerDisconnected(Success)")),
            _ => {
                let codes = [ReasonCode::MalformedPacket, ReasonCode::ProtocolError];
                let code = codes
                    .into_iter()
                    .find(|code| said[0].ends_with(&format!(" {code:?}")));
                driver.assert_ended(&said, code.expect("one of them"), "first byte");
            }
        }
        let said = Driver::serving(config()).feed(&bytes);
        assert!(close_of(&said).is_some(), "{first:#04X}: {said:?}");
        let packets = packets(&said);
        assert!(packets.iter().all(|packet| packet.starts_with("CONNACK")));
    }
    512
}

/// Table 3-10, section 4.13.1: what is found between packets has a code of 0x80 or above for a DISCONNECT.
fn every_violation_has_a_code_that_may_be_sent() -> u64 {
    for violation in SessionViolation::ALL {
        let code = violation.reason_code();
        assert!(code.is_error(), "{violation}");
        let packet_type = PacketType::Disconnect;
        assert!(code.allowed_from(packet_type, Role::Server), "{violation}");
    }
    SessionViolation::ALL.len() as u64
}
