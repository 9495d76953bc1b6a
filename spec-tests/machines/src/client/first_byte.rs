//! What the first byte of a packet shows is not waited for (sections 2.1.2, 3.2, 4.13).

use mqtt5_session_fsm::codec::{Connect, PacketType, Property, ProtocolVersion, Role, Text};

use super::driver::{Driver, KEEPS, Lines, connect_with};
use super::make;

crate::check::checks! { "first_byte":
    client {
        Domain before_the_connack,
        Domain while_connected,
        Example the_whole_packet_gets_the_same_error,
    }
}

/// The two ways in which a packet may begin to come: its first byte alone, and a whole fixed header.
fn beginnings(first_byte: u8) -> [Vec<u8>; 2] {
    [vec![first_byte], vec![first_byte, 0xFF, 0xFF, 0xFF, 0x7F]]
}

/// What the Client says to the beginning of a packet: nothing if it waits for the rest.
fn offer(driver: &mut Driver, begun: &[u8]) -> Lines {
    let mut input = begun;
    assert_eq!(driver.machine.receive(driver.now, &mut input), None);
    let said = driver.settle();
    // Either all of it waits, or nothing is kept of it.
    assert_eq!(input.is_empty(), !said.is_empty());
    said
}

/// Whether the flags of a first byte are right (Table 2-2), and whether a Server sends the type (Table 2-1).
fn is_of_a_server(first_byte: u8) -> Option<PacketType> {
    let packet_type = PacketType::from_number(first_byte >> 4)?;
    let flags = match packet_type {
        PacketType::Publish => first_byte & 0b0110 != 0b0110 && first_byte & 0b1110 != 0b1000,
        _ => first_byte == packet_type.first_byte(),
    };
    (flags && packet_type.sent_by(ProtocolVersion::V5_0, Role::Server)).then_some(packet_type)
}

/// [MQTT-3.2.0-1]: CONNACK and AUTH alone are worth waiting for.
fn before_the_connack() -> u64 {
    let method = [
        KEEPS[0],
        Property::AuthenticationMethod(Text::new("m").unwrap()),
    ];
    for properties in [KEEPS, &method] {
        for first_byte in 0..=255 {
            for begun in beginnings(first_byte) {
                let mut driver = Driver::new();
                let _ = driver.connect(&connect_with(properties));
                let said = offer(&mut driver, &begun);
                match is_of_a_server(first_byte) {
                    Some(PacketType::ConnAck | PacketType::Auth) => {
                        assert!(said.is_empty(), "{first_byte:#04x}: {said:?}");
                    }
                    Some(_) => assert_eq!(
                        said,
                        ["> DISCONNECT ProtocolError", "close ConnAckExpected"],
                        "{first_byte:#04x}"
                    ),
                    None => {
                        let last = said.last().expect("the end");
                        assert!(last.starts_with("close "), "{first_byte:#04x}: {said:?}");
                    }
                }
            }
        }
    }
    1_024
}

/// [MQTT-3.2.0-2], Table 2-1.
fn while_connected() -> u64 {
    for first_byte in 0..=255 {
        for begun in beginnings(first_byte) {
            let mut driver = Driver::connected();
            let said = offer(&mut driver, &begun);
            match is_of_a_server(first_byte) {
                Some(PacketType::ConnAck) => {
                    assert_eq!(said, ["> DISCONNECT ProtocolError", "close SecondConnAck"]);
                }
                Some(_) => assert!(said.is_empty(), "{first_byte:#04x}: {said:?}"),
                None => {
                    let last = said.last().expect("the end");
                    assert!(last.starts_with("close "), "{first_byte:#04x}: {said:?}");
                }
            }
        }
    }
    512
}

/// However it comes: in one piece, or byte by byte.
fn the_whole_packet_gets_the_same_error() {
    let mut connect = Vec::new();
    let hello = Connect {
        client_identifier: Text::new("c").unwrap(),
        ..Connect::default()
    };
    hello.encode(ProtocolVersion::V5_0, &mut connect).unwrap();
    for packet in [
        &connect[..],
        &make::publish(0, 0, "a", "x"),
        &make::puback(1),
        b"\x82\x07\x00\x09\x00\x00\x01a\x00",
        b"\xC0\x00",
        b"\xD0\x00",
        b"\xE0\x00",
        // It would also be malformed.
        b"\x30\x02\x00\x09",
    ] {
        let begun = || {
            let mut driver = Driver::new();
            let _ = driver.connect(&connect_with(KEEPS));
            driver
        };
        assert_eq!(begun().feed(packet), offer(&mut begun(), &packet[..1]));
        assert_eq!(begun().feed(packet).len(), 2);
    }
}
