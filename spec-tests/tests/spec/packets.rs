//! Plain packets put together byte by byte, without the codec.

use crate::reference::variable_byte_integer;

/// A packet with a property set in it.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) bytes: Vec<u8>,
    /// Where the first property begins.
    pub(crate) properties_at: usize,
}

/// First byte, Remaining Length, body.
pub(crate) fn packet(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    bytes.extend(variable_byte_integer::write(body.len() as u64));
    bytes.extend_from_slice(body);
    bytes
}

/// A UTF-8 Encoded String or Binary Data.
pub(crate) fn prefixed(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("at most 65,535 bytes");
    [&length.to_be_bytes(), content].concat()
}

/// Property Length and properties.
pub(crate) fn property_set(properties: &[u8]) -> Vec<u8> {
    let mut set = variable_byte_integer::write(properties.len() as u64);
    set.extend_from_slice(properties);
    set
}

/// A valid packet but for the properties, which are as given. `place` is one of
/// [`PLACES`](crate::reference::tables::PLACES).
pub(crate) fn with_properties(place: &str, properties: &[u8]) -> Built {
    let (first_byte, before, after): (u8, &[u8], &[u8]) = match place {
        "CONNECT" => (0x10, b"\x00\x04MQTT\x05\x02\x00\x3C", b"\x00\x02c1"),
        "Will" => (
            0x10,
            b"\x00\x04MQTT\x05\x06\x00\x3C\x00\x00\x02c1",
            b"\x00\x01w\x00\x01x",
        ),
        "CONNACK" => (0x20, b"\x00\x00", b""),
        "PUBLISH" => (0x30, b"\x00\x01a", b"hi"),
        "PUBACK" => (0x40, b"\x00\x0A\x00", b""),
        "PUBREC" => (0x50, b"\x00\x0A\x00", b""),
        "PUBREL" => (0x62, b"\x00\x0A\x00", b""),
        "PUBCOMP" => (0x70, b"\x00\x0A\x00", b""),
        "SUBSCRIBE" => (0x82, b"\x00\x0A", b"\x00\x01a\x01"),
        "SUBACK" => (0x90, b"\x00\x0A", b"\x00"),
        "UNSUBSCRIBE" => (0xA2, b"\x00\x0A", b"\x00\x01a"),
        "UNSUBACK" => (0xB0, b"\x00\x0A", b"\x00"),
        "DISCONNECT" => (0xE0, b"\x00", b""),
        "AUTH" => (0xF0, b"\x18", b""),
        other => panic!("`{other}` has no properties"),
    };
    let set = property_set(properties);
    let bytes = packet(first_byte, &[before, &set, after].concat());
    let properties_at = bytes.len() - after.len() - properties.len();
    Built {
        bytes,
        properties_at,
    }
}

/// A valid property: identifier and some value.
pub(crate) fn property(identifier: u8) -> Vec<u8> {
    let value: &[u8] = match identifier {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => b"\x01",
        0x02 | 0x11 | 0x18 | 0x27 => b"\x00\x00\x00\x0A",
        0x0B => b"\x07",
        0x13 | 0x21 | 0x22 | 0x23 => b"\x00\x05",
        0x03 | 0x08 | 0x12 | 0x15 | 0x1A | 0x1C | 0x1F => b"\x00\x02st",
        0x09 | 0x16 => b"\x00\x02\x00\xFF",
        0x26 => b"\x00\x01n\x00\x01v",
        other => panic!("there is no property {other:#04X}"),
    };
    [&[identifier], value].concat()
}

/// What has to stand beside this property to make the packet valid: Authentication Method in every
/// AUTH, and with Authentication Data in CONNECT.
pub(crate) fn company(place: &str, identifier: u8) -> Vec<u8> {
    let method_is_missing = match place {
        "AUTH" => identifier != 0x15,
        "CONNECT" => identifier == 0x16,
        _ => false,
    };
    if method_is_missing {
        property(0x15)
    } else {
        Vec::new()
    }
}
