//! What the first byte of a packet shows is not waited for (sections 2.1.2, 3.1, 3.1.2.11.9, 4.13), and how much
//! a Server takes of a Client that it has not accepted (section 3.1.4).

use mqtt5_codec::{Connect, Packet, PacketType, Property, ReasonCode, Role, Text, Violation};
use mqtt5_session_fsm::{Cause, Instant, Limits, PeerError, ServerConfig, SessionViolation};

use super::driver::{Driver, Report};
use super::make::{Hello, auth, bytes, config, text};
use crate::check::Outcome;

super::listed! { "first_byte":
    Domain before_the_connect,
    Domain during_the_authentication,
    Domain while_connected,
    Example a_message_that_is_not_supported,
    Example the_largest_connect,
    Example the_largest_auth_before_the_connack,
    Example nothing_is_kept_of_what_is_refused,
}

/// A Remaining Length of 268,435,455, of which nothing has come yet.
const ENDLESS: &[u8] = b"\xFF\xFF\xFF\x7F";

/// The two ways in which a packet may begin to come: its first byte alone, and its whole fixed header.
fn beginnings(first_byte: u8) -> [Vec<u8>; 2] {
    let mut long = vec![first_byte];
    long.extend_from_slice(ENDLESS);
    [vec![first_byte], long]
}

fn error_of(report: &Report) -> Option<PeerError> {
    match report.close() {
        Some(Cause::PeerError(error)) => Some(error),
        _ => None,
    }
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
    (flags && packet_type.sent_by(Role::Client)).then_some(packet_type)
}

/// [MQTT-3.1.0-1]: only a CONNECT is worth waiting for; the connection ends without a word.
fn before_the_connect() -> Outcome {
    for first_byte in 0..=255 {
        for begun in beginnings(first_byte) {
            let mut driver = Driver::new(Instant::ORIGIN, config());
            let report = driver.send(&begun);
            match is_of_a_client(first_byte) {
                Some(PacketType::Connect) if begun.len() == 1 => {
                    assert!(report.is_empty());
                    continue;
                }
                // It is larger than any CONNECT may be.
                Some(PacketType::Connect) => continue,
                Some(_) => assert_eq!(
                    error_of(&report),
                    Some(SessionViolation::ConnectExpected.into()),
                    "{first_byte:#04x}"
                ),
                None => assert!(
                    matches!(error_of(&report), Some(PeerError::Packet(_))),
                    "{first_byte:#04x}: {report:?}"
                ),
            }
            // Reserved flags in a CONNECT or AUTH may be answered.
            if !matches!(first_byte >> 4, 1 | 15) {
                assert!(report.wire.is_empty(), "{first_byte:#04x}");
            }
        }
    }
    Ok(512)
}

fn with_method() -> Hello {
    Hello::new().with(Property::AuthenticationMethod(text("m")))
}

/// [MQTT-3.1.2-30]: AUTH and DISCONNECT alone.
fn during_the_authentication() -> Outcome {
    for first_byte in 0..=255 {
        for begun in beginnings(first_byte) {
            let mut driver = Driver::deciding(Instant::ORIGIN, config(), &with_method());
            driver.authenticate(&[]).expect("its turn");
            let report = driver.send(&begun);
            let expected = match is_of_a_client(first_byte) {
                Some(PacketType::Auth | PacketType::Disconnect) => continue,
                Some(PacketType::Connect) => SessionViolation::SecondConnect,
                Some(_) => SessionViolation::BeforeConnAck,
                None => {
                    let error = error_of(&report);
                    assert!(matches!(error, Some(PeerError::Packet(_))), "{report:?}");
                    continue;
                }
            };
            assert_eq!(
                error_of(&report),
                Some(expected.into()),
                "{first_byte:#04x}"
            );
        }
    }
    Ok(512)
}

/// [MQTT-3.1.0-2], Table 2-1: a second CONNECT, and what a Server alone sends. The whole packet gets the same error.
fn while_connected() -> Outcome {
    for first_byte in 0..=255 {
        for begun in beginnings(first_byte) {
            let mut driver = Driver::connected(config(), &Hello::new());
            let report = driver.send(&begun);
            match is_of_a_client(first_byte) {
                Some(PacketType::Connect) => {
                    assert_eq!(
                        error_of(&report),
                        Some(SessionViolation::SecondConnect.into())
                    );
                    let mut driver = Driver::connected(config(), &Hello::new());
                    let whole = driver.send(&Hello::new().bytes());
                    assert_eq!(error_of(&whole), error_of(&report));
                }
                Some(_) => assert!(report.is_empty(), "{first_byte:#04x}: {report:?}"),
                None => {
                    let Some(PeerError::Packet(error)) = error_of(&report) else {
                        return Err(format!("{first_byte:#04x}: {report:?}"));
                    };
                    assert_eq!(error.offset(), 0, "{first_byte:#04x}");
                    let sent = PacketType::from_number(first_byte >> 4)
                        .filter(|packet_type| !packet_type.sent_by(Role::Client))
                        .filter(|packet_type| packet_type.first_byte() == first_byte);
                    if sent.is_some() {
                        assert_eq!(error.violation(), Violation::PacketFromWrongSide);
                    }
                    let packets = report.packets();
                    let [Packet::Disconnect(disconnect)] = packets[..] else {
                        return Err(format!("{first_byte:#04x}: {packets:?}"));
                    };
                    assert_eq!(disconnect.reason_code, error.reason_code());
                }
            }
        }
    }
    Ok(512)
}

/// Sections 3.2.2.3.4 and 3.2.2.3.5: QoS and RETAIN are in the first byte.
fn a_message_that_is_not_supported() -> Outcome {
    let limits = Limits {
        maximum_qos: mqtt5_codec::Qos::AtLeastOnce,
        retain_available: false,
        ..Limits::NONE
    };
    let config = ServerConfig { limits, ..config() };
    for (first_byte, expected) in [
        (0x30, None),
        (0x32, None),
        (0x31, Some(SessionViolation::RetainNotSupported)),
        (0x34, Some(SessionViolation::QosNotSupported)),
        (0x3D, Some(SessionViolation::QosNotSupported)),
    ] {
        for begun in beginnings(first_byte) {
            let mut driver = Driver::connected(config, &Hello::new());
            let error = error_of(&driver.send(&begun));
            assert_eq!(error, expected.map(PeerError::from), "{first_byte:#04x}");
        }
    }
    Ok(10)
}

/// A CONNECT of exactly this size.
fn connect_of(size: usize) -> Vec<u8> {
    let padded = |padding: usize| {
        let password = vec![b'p'; padding];
        let connect = Connect {
            client_identifier: Text::new("c").expect("text"),
            password: Some(mqtt5_codec::Binary::new(&password).expect("short")),
            ..Connect::default()
        };
        bytes(connect)
    };
    let least = padded(size - 64).len();
    let packet = padded(size - 64 + (size - least));
    assert_eq!(packet.len(), size);
    packet
}

/// Section 3.2.2.2, 0x95: refused once its fixed header is there, however much the Server takes later.
fn the_largest_connect() -> Outcome {
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
        let report = Driver::new(Instant::ORIGIN, config).send(&connect_of(largest));
        assert_eq!(report.close(), None, "{report:?}");
        let larger = connect_of(largest + 1);
        for begun in [&larger[..], &larger[..5], b"\x10\xFF\xFF\xFF\x7F"] {
            let report = Driver::new(Instant::ORIGIN, config).send(begun);
            let packets = report.packets();
            let [Packet::ConnAck(connack)] = packets[..] else {
                return Err(format!("{packets:?}"));
            };
            assert_eq!(connack.reason_code, ReasonCode::PacketTooLarge);
            assert!(error_of(&report).is_some());
        }
    }
    // What comes after the CONNACK may be as large as was announced.
    let mut driver = Driver::connected(announced(1 << 20, 300), &Hello::new());
    let payload = "x".repeat(1_000);
    let topic = mqtt5_codec::TopicName::new("a").expect("a name");
    let publish = bytes(mqtt5_codec::Publish::new(topic, payload.as_bytes()));
    assert_eq!(driver.send(&publish).close(), None);
    Ok(16)
}

/// Section 4.12: whoever is not accepted yet sends no larger AUTH, either.
fn the_largest_auth_before_the_connack() -> Outcome {
    let config = ServerConfig {
        maximum_connect_size: 100,
        ..config()
    };
    let large = auth(ReasonCode::ContinueAuthentication, "m", &[7; 100]);
    let mut driver = Driver::deciding(Instant::ORIGIN, config, &with_method());
    driver.authenticate(&[]).expect("its turn");
    let mut accepted = driver.clone();
    let report = driver.send(&large[..3]);
    let packets = report.packets();
    let [Packet::ConnAck(connack)] = packets[..] else {
        return Err(format!("{packets:?}"));
    };
    assert_eq!(connack.reason_code, ReasonCode::PacketTooLarge);
    let small = auth(ReasonCode::ContinueAuthentication, "m", b"d");
    assert_eq!(accepted.send(&small).close(), None);
    accepted.accept(None, &[]).expect("a good CONNECT");
    let large = auth(ReasonCode::ReAuthenticate, "m", &[7; 100]);
    assert_eq!(accepted.send(&large).close(), None);
    Ok(3)
}

/// The bytes are gone, and so are those that follow.
fn nothing_is_kept_of_what_is_refused() -> Outcome {
    let mut driver = Driver::new(Instant::ORIGIN, config());
    let _ = driver.send(b"\x30");
    assert!(driver.input.is_empty());
    assert!(driver.send(&Hello::new().bytes()).is_empty());
    assert!(driver.input.is_empty());
    Ok(1)
}
