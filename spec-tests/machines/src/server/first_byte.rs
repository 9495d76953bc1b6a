//! What the first byte of a packet shows is not waited for (sections 2.1.2, 3.1, 3.1.2.11.9, 4.13), and how much
//! a Server takes of a Client that it has not accepted (section 3.1.4).

use mqtt5_session_fsm::codec::{
    Binary, Connect, Packet, PacketType, Property, ProtocolVersion, Qos, ReasonCode, Role, Text,
    Violation,
};
use mqtt5_session_fsm::{Limits, ServerConfig};

use super::driver::Driver;
use super::make::{Hello, auth, config, text};
use crate::session::driver::{Lines, close_of, packets};
use crate::session::make;

crate::check::checks! { "first_byte":
    server {
        Domain before_the_connect,
        Domain during_the_authentication,
        Domain while_connected,
        Example a_message_that_is_not_supported,
        Example the_largest_connect,
        Example the_largest_auth_before_the_connack,
        Example nothing_is_kept_of_what_is_refused,
    }
}

/// A Remaining Length of 268,435,455, of which nothing has come yet.
const ENDLESS: &[u8] = b"\xFF\xFF\xFF\x7F";

/// The two ways in which a packet may begin to come: its first byte alone, and its whole fixed header.
fn beginnings(first_byte: u8) -> [Vec<u8>; 2] {
    let mut long = vec![first_byte];
    long.extend_from_slice(ENDLESS);
    [vec![first_byte], long]
}

/// Offers what has begun to come, of which a part may be left.
fn offer(driver: &mut Driver, mut begun: &[u8]) -> Lines {
    driver.offer(&mut begun)
}

/// Whether the flags of a first byte are right (Table 2-2), and whether a Client sends the type (Table 2-1).
fn is_of_a_client(first_byte: u8) -> Option<PacketType> {
    let packet_type = PacketType::from_number(first_byte >> 4)?;
    let flags = match packet_type {
        PacketType::Publish => first_byte & 0b0110 != 0b0110 && first_byte & 0b1110 != 0b1000,
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => {
            first_byte & 0xF == 0b0010
        }
        _ => first_byte & 0xF == 0,
    };
    (flags && packet_type.sent_by(ProtocolVersion::V5_0, Role::Client)).then_some(packet_type)
}

/// What a packet that breaks a rule by its first byte breaks.
fn violation_of(first_byte: u8) -> Violation {
    let bytes = [first_byte, 0];
    let error = Packet::decode_from(ProtocolVersion::V5_0, Role::Client, &bytes);
    error.expect_err("not from a Client").violation()
}

/// [MQTT-3.1.0-1]: only a CONNECT is worth waiting for; the connection ends without a word.
fn before_the_connect() -> u64 {
    for first_byte in 0..=255 {
        for begun in beginnings(first_byte) {
            let said = offer(&mut Driver::serving(config()), &begun);
            match is_of_a_client(first_byte) {
                Some(PacketType::Connect) if begun.len() == 1 => {
                    assert_eq!(said, Lines::new());
                    continue;
                }
                // It is larger than any CONNECT may be.
                Some(PacketType::Connect) => continue,
                Some(_) => {
                    assert_eq!(
                        close_of(&said),
                        Some("ConnectExpected"),
                        "{first_byte:#04x}"
                    );
                }
                None => {
                    let close = close_of(&said).expect("the end");
                    let rule = format!("{:?}", violation_of(first_byte));
                    assert_eq!(close, rule, "{first_byte:#04x}: {said:?}");
                }
            }
            // Reserved flags in a CONNECT or AUTH may be answered.
            if !matches!(first_byte >> 4, 1 | 15) {
                assert!(packets(&said).is_empty(), "{first_byte:#04x}");
            }
        }
    }
    512
}

fn with_method() -> Hello {
    Hello::new().with(Property::AuthenticationMethod(text("m")))
}

/// It is the Client's turn.
fn authenticating(config: ServerConfig) -> Driver {
    let mut driver = Driver::deciding(config, &with_method());
    driver.authenticate(&[]).expect("its turn");
    driver
}

/// [MQTT-3.1.2-30]: AUTH and DISCONNECT alone.
fn during_the_authentication() -> u64 {
    for first_byte in 0..=255 {
        for begun in beginnings(first_byte) {
            let said = offer(&mut authenticating(config()), &begun);
            let expected = match is_of_a_client(first_byte) {
                Some(PacketType::Auth | PacketType::Disconnect) => continue,
                Some(PacketType::Connect) => "SecondConnect".to_owned(),
                Some(_) => "BeforeConnAck".to_owned(),
                None => format!("{:?}", violation_of(first_byte)),
            };
            assert_eq!(close_of(&said), Some(&expected[..]), "{first_byte:#04x}");
        }
    }
    512
}

/// [MQTT-3.1.0-2], Table 2-1: a second CONNECT, and what a Server alone sends. The whole packet gets the same error.
fn while_connected() -> u64 {
    for first_byte in 0..=255 {
        for begun in beginnings(first_byte) {
            let said = offer(&mut Driver::lasting(), &begun);
            match is_of_a_client(first_byte) {
                Some(PacketType::Connect) => {
                    assert_eq!(close_of(&said), Some("SecondConnect"));
                    assert_eq!(Driver::lasting().feed(&Hello::new().bytes()), said);
                }
                Some(_) => assert_eq!(said, Lines::new(), "{first_byte:#04x}"),
                None => {
                    let violation = violation_of(first_byte);
                    let sent = PacketType::from_number(first_byte >> 4)
                        .filter(|packet_type| {
                            !packet_type.sent_by(ProtocolVersion::V5_0, Role::Client)
                        })
                        .filter(|packet_type| packet_type.first_byte() == first_byte);
                    if sent.is_some() {
                        assert_eq!(violation, Violation::PacketFromWrongSide);
                    }
                    let code = violation.reason_code();
                    let expected = [
                        format!("> DISCONNECT {code:?}"),
                        format!("close {violation:?}"),
                    ];
                    assert_eq!(said, expected, "{first_byte:#04x}");
                }
            }
        }
    }
    512
}

/// Sections 3.2.2.3.4 and 3.2.2.3.5: QoS and RETAIN are in the first byte.
fn a_message_that_is_not_supported() -> u64 {
    let limits = Limits {
        maximum_qos: Qos::AtLeastOnce,
        retain_available: false,
        ..Limits::NONE
    };
    let config = ServerConfig { limits, ..config() };
    for (first_byte, expected) in [
        (0x30, None),
        (0x32, None),
        (0x31, Some("RetainNotSupported")),
        (0x34, Some("QosNotSupported")),
        (0x3D, Some("QosNotSupported")),
    ] {
        for begun in beginnings(first_byte) {
            let said = offer(&mut Driver::with(config, &Hello::new()), &begun);
            assert_eq!(close_of(&said), expected, "{first_byte:#04x}");
        }
    }
    10
}

/// A CONNECT of exactly this size.
fn connect_of(size: usize) -> Vec<u8> {
    let padded = |padding: usize| {
        let password = vec![b'p'; padding];
        let connect = Connect {
            client_identifier: Text::new("c").expect("text"),
            password: Some(Binary::new(&password).expect("short")),
            ..Connect::default()
        };
        make::bytes(connect)
    };
    let least = padded(size - 64).len();
    let packet = padded(size - 64 + (size - least));
    assert_eq!(packet.len(), size);
    packet
}

fn is_too_large(said: &[String]) {
    assert_eq!(packets(said), ["CONNACK PacketTooLarge"]);
    assert!(close_of(said).is_some(), "{said:?}");
}

/// Section 3.2.2.2, 0x95: refused once its Protocol Version is there, however much the Server takes later. Without an answer if
/// it is not of MQTT 5 [MQTT3-3.1.4-1].
fn the_largest_connect() -> u64 {
    let default = ServerConfig::default();
    assert_eq!(default.maximum_connect_size, 65_536);
    let announced = |maximum_packet_size, maximum_connect_size| ServerConfig {
        limits: Limits {
            maximum_packet_size,
            ..Limits::NONE
        },
        maximum_connect_size,
        ..default
    };
    for (config, largest) in [
        (default, 65_536),
        (announced(1 << 20, 300), 300),
        (announced(200, 300), 200),
    ] {
        let said = Driver::serving(config).feed(&connect_of(largest));
        assert_eq!(said, ["connect \"c\""]);
        let larger = connect_of(largest + 1);
        let largest_of_all = b"\x10\xFF\xFF\xFF\x7F\x00\x04MQTT\x05";
        for begun in [&larger[..], &larger[..11], largest_of_all] {
            is_too_large(&offer(&mut Driver::serving(config), begun));
            let mut driver = Driver::serving(config);
            let mut said = Lines::new();
            for length in 1..=begun.len().min(12) {
                said.extend(offer(&mut driver, &begun[..length]));
            }
            is_too_large(&said);
        }
        assert_eq!(
            close_of(&offer(&mut Driver::serving(config), &largest_of_all[..11])),
            None
        );
        for other in [
            &b"\x10\xFF\xFF\xFF\x7F\x00\x04MQTT\x04"[..],
            b"\x10\xFF\xFF\xFF\x7F\x00\x04MQTX\x05",
            b"\x10\xFF\xFF\xFF\x7F\x00\x06MQIsdp",
            b"\x10\xFF\xFF\xFF\x7F\xFF\xFFMQTT\x05",
            &[&[0x10, 0x82, 0x80, 0x04], &b"\x00\x04MQTT\x03"[..]].concat(),
        ] {
            let said = offer(&mut Driver::serving(config), other);
            assert_eq!(packets(&said), Lines::new(), "{other:02x?}");
            assert!(close_of(&said).is_some(), "{other:02x?}");
        }
    }
    // Too small for any.
    for size in 1..7_u8 {
        let config = announced(u32::from(size), 1);
        let said = offer(
            &mut Driver::serving(config),
            &[&[0x10, size][..], &[0; 6][..usize::from(size)]].concat(),
        );
        assert!(close_of(&said).is_some(), "{size}: {said:?}");
        assert_eq!(packets(&said), Lines::new(), "{size}");
    }
    // What comes after the CONNACK may be as large as was announced.
    let mut driver = Driver::with(announced(1 << 20, 300), &Hello::new());
    let said = driver.feed(&make::publish(0, 0, "a", &"x".repeat(1_000)));
    assert_eq!(close_of(&said), None);
    49
}

/// Section 4.12: whoever is not accepted yet sends no larger AUTH, either.
fn the_largest_auth_before_the_connack() {
    let config = ServerConfig {
        maximum_connect_size: 100,
        ..config()
    };
    let large = auth(ReasonCode::ContinueAuthentication, "m", &[7; 100]);
    let mut driver = authenticating(config);
    let mut accepted = driver.clone();
    is_too_large(&offer(&mut driver, &large[..3]));
    let small = auth(ReasonCode::ContinueAuthentication, "m", b"d");
    assert_eq!(close_of(&accepted.feed(&small)), None);
    accepted.accept_client(&[]).expect("a good CONNECT");
    let large = auth(ReasonCode::ReAuthenticate, "m", &[7; 100]);
    assert_eq!(close_of(&accepted.feed(&large)), None);
}

/// The bytes are gone, and so are those that follow.
fn nothing_is_kept_of_what_is_refused() {
    let mut driver = Driver::serving(config());
    let said = driver.feed(b"\x30");
    assert!(close_of(&said).is_some());
    assert_eq!(driver.feed(&Hello::new().bytes()), Lines::new());
}
