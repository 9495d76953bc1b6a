//! What a Client alone finds wrong, and how it says so (section 4.13).

use mqtt5_session_fsm::codec::{
    Packet, Property, ProtocolVersion, ReasonCode, Role, Text, UserProperty,
};

use super::driver::{Driver, KEEPS, Lines};
use super::make;

crate::check::checks! { "errors":
    client {
        Domain values_of_the_connack,
        Domain repeated_properties,
        Domain problem_information_that_was_declined,
        Example problem_information_where_it_is_allowed,
        Example subscription_identifier_0,
        Example rejected_before_the_beginning,
    }
}

fn connack(properties: &[u8]) -> Vec<u8> {
    let length = u8::try_from(properties.len()).unwrap();
    let mut bytes = vec![0x20, length + 3, 0, 0, length];
    bytes.extend(properties);
    bytes
}

fn handshake(bytes: &[u8]) -> (Driver, Lines) {
    let mut driver = Driver::new();
    let _ = driver.connect(&super::driver::connect_with(KEEPS));
    let said = driver.feed(bytes);
    (driver, said)
}

/// Section 3.2.2.3: every value of a byte, and 0 where it is forbidden.
fn values_of_the_connack() -> u64 {
    let mut judged = 0;
    for identifier in [0x24, 0x25, 0x28, 0x29, 0x2A] {
        for value in 0..=u8::MAX {
            let (mut driver, said) = handshake(&connack(&[identifier, value]));
            if value < 2 {
                assert!(driver.machine.is_connected());
            } else {
                driver.assert_ended(&said, ReasonCode::ProtocolError, "value");
            }
            judged += 1;
        }
    }
    for bytes in [&[0x21, 0, 0][..], &[0x27, 0, 0, 0, 0]] {
        let (mut driver, said) = handshake(&connack(bytes));
        driver.assert_ended(&said, ReasonCode::ProtocolError, "0");
        judged += 1;
    }
    judged
}

/// Section 2.2.2: each property of the Server's packets twice, but User Property, and Subscription Identifier
/// in PUBLISH.
fn repeated_properties() -> u64 {
    let connack: [&[u8]; 15] = [
        b"\x11\0\0\0\x01",
        b"\x21\0\x01",
        b"\x24\x01",
        b"\x25\x01",
        b"\x27\0\0\0\x09",
        b"\x12\0\x01x",
        b"\x22\0\x01",
        b"\x1F\0\x01x",
        b"\x28\x01",
        b"\x29\x01",
        b"\x2A\x01",
        b"\x13\0\x01",
        b"\x1A\0\x01x",
        b"\x1C\0\x01x",
        b"\x15\0\x01x",
    ];
    let publish: [&[u8]; 6] = [
        b"\x01\0",
        b"\x02\0\0\0\x01",
        b"\x23\0\x01",
        b"\x08\0\x01x",
        b"\x09\0\x01x",
        b"\x03\0\x01x",
    ];
    let reason: &[u8] = b"\x1F\0\x01x";
    let mut cases: Vec<(Vec<u8>, &[u8])> = Vec::new();
    cases.extend(connack.map(|property| (vec![0x20, 0, 0, 0], property)));
    cases.extend(publish.map(|property| (vec![0x30, 0, 0, 1, b'a'], property)));
    for first_byte in [0x40, 0x50, 0x62, 0x70] {
        cases.push((vec![first_byte, 0, 0, 1, 0], reason));
    }
    for first_byte in [0x90, 0xB0] {
        cases.push((vec![first_byte, 0, 0, 1], reason));
    }
    cases.push((vec![0xE0, 0, 0], reason));
    cases.push((vec![0xE0, 0, 0], b"\x1C\0\x01x"));
    cases.push((vec![0xF0, 0, 0x18], b"\x15\0\x01x"));
    let judged = cases.len() as u64;
    for (mut bytes, property) in cases {
        bytes.push(2 * property.len() as u8);
        bytes.extend(property);
        bytes.extend(property);
        if matches!(bytes[0], 0x90 | 0xB0) {
            bytes.push(0);
        }
        bytes[1] = bytes.len() as u8 - 2;
        let (mut driver, said) = match bytes[0] {
            0x20 => handshake(&bytes),
            _ => {
                let mut driver = Driver::connected();
                let said = driver.feed(&bytes);
                (driver, said)
            }
        };
        assert_eq!(
            said.last().unwrap(),
            "close PropertyRepeated",
            "{bytes:02x?}"
        );
        driver.assert_ended(&said, ReasonCode::ProtocolError, "repeated");
    }
    judged
}

/// MQTT-3.1.2-29: on each packet type where it is forbidden, either property.
fn problem_information_that_was_declined() -> u64 {
    let connect = [
        KEEPS[0],
        Property::RequestProblemInformation(false),
        Property::AuthenticationMethod(Text::new("m").unwrap()),
    ];
    let accepted = [Property::AuthenticationMethod(Text::new("m").unwrap())];
    let reason: &[u8] = b"\x1F\0\x01x";
    let user: &[u8] = b"\x26\0\x01k\0\x01v";
    let mut judged = 0;
    for property in [reason, user, b""] {
        for packet_type in [0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xF0] {
            let mut driver = Driver::new().go(&connect, false, &accepted);
            let mut bytes = vec![packet_type, 0];
            match packet_type {
                0x40 => drop(driver.publish(1, "a", "")),
                0x50 | 0x70 => drop(driver.publish(2, "a", "")),
                0x90 => drop(driver.subscribe(&["a"])),
                0xB0 => drop(driver.unsubscribe(&["a"])),
                0xF0 => {
                    driver.machine.re_authenticate(&[]).unwrap();
                    let _ = driver.settle();
                }
                _ => drop(driver.feed(&make::publish(2, 1, "a", ""))),
            }
            if packet_type == 0x70 {
                let _ = driver.feed(&make::pubrec(1));
            }
            match packet_type {
                0xF0 => bytes.extend([0x18, property.len() as u8 + 4, 0x15, 0, 1, b'm']),
                0x90 | 0xB0 => bytes.extend([0, 1, property.len() as u8]),
                _ => bytes.extend([0, 1, 0, property.len() as u8]),
            }
            bytes.extend(property);
            if matches!(packet_type, 0x90 | 0xB0) {
                bytes.push(0);
            }
            bytes[1] = bytes.len() as u8 - 2;
            let said = driver.feed(&bytes);
            if property.is_empty() {
                assert!(driver.machine.is_connected(), "{said:?}");
            } else {
                let end = said.len() - 2;
                assert_eq!(said[end + 1], "close ProblemInformationUnexpected");
                driver.assert_ended(&said[end..], ReasonCode::ProtocolError, "problem");
            }
            judged += 1;
        }
    }
    judged
}

/// MQTT-3.1.2-29: PUBLISH, CONNACK and DISCONNECT may have them.
fn problem_information_where_it_is_allowed() {
    let connect = [KEEPS[0], Property::RequestProblemInformation(false)];
    let user = Property::UserProperty(UserProperty::new("k", "v").unwrap());
    let both = [Property::ReasonString(Text::new("x").unwrap()), user];
    let mut driver = Driver::new().go(&connect, false, &both);
    let said = driver.feed(&make::publish_with(1, 1, false, "a", "", &[user]));
    assert_eq!(said.len(), 2);
    let said = driver.feed(&make::disconnect(ReasonCode::ServerBusy, &both));
    assert!(
        said[0].starts_with("disconnect ServerBusy ReasonString"),
        "{said:?}"
    );
}

/// Section 3.3.2.3.8: Subscription Identifier 0; others are taken, any number of them.
fn subscription_identifier_0() {
    let mut driver = Driver::connected();
    let said = driver.feed(b"\x30\x0C\x00\x01a\x08\x0B\x01\x0B\x01\x0B\xFF\xFF\x03");
    assert_eq!(said.len(), 1);
    let said = driver.feed(b"\x30\x06\x00\x01a\x02\x0B\x00");
    driver.assert_ended(&said, ReasonCode::ProtocolError, "identifier 0");
}

/// MQTT-3.14.4-1: nor is anything said about it before there is a connection.
fn rejected_before_the_beginning() {
    let mut driver = Driver::new();
    let bad =
        Packet::decode_from(ProtocolVersion::V5_0, Role::Server, b"\x40\x01\x00").unwrap_err();
    driver.machine.reject(driver.now, bad);
    assert_eq!(driver.settle(), Lines::new());
}
