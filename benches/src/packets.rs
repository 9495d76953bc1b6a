//! The packets that are decoded and encoded, as raw bytes.
//!
//! Nothing here comes out of a codec: a few helpers write the fields of
//! section 2 and 3 of the standard in order, of MQTT 5.0 here, of MQTT 3.1.1 in
//! [`v3_1_1`]. Optional values differ
//! from their defaults, so that no codec leaves one out when it encodes the
//! packet again.

use std::sync::LazyLock;

use mqtt5_codec::ProtocolVersion;

pub mod v3_1_1;

/// One packet to measure with.
#[derive(Debug)]
pub struct Row {
    /// Short name, as used for benchmark groups and on the command line.
    pub id: &'static str,
    /// What the packet is, for the reader of a table.
    pub title: &'static str,
    /// The whole packet, fixed header included.
    pub bytes: Vec<u8>,
}

/// All rows of this version, small ones first within a packet type.
pub fn rows(version: ProtocolVersion) -> &'static [Row] {
    match version {
        ProtocolVersion::V3_1_1 => v3_1_1::rows(),
        _ => rows_of_v5(),
    }
}

fn rows_of_v5() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let row = |id, title, bytes| Row { id, title, bytes };
        vec![
            row(
                "publish-64B",
                "PUBLISH QoS 0, 64 B",
                publish(TOPIC, &payload(64)),
            ),
            row(
                "publish-7-properties",
                "PUBLISH QoS 1, 7 properties, 256 B",
                publish_with_properties(TOPIC, 0x1234, &payload(256)),
            ),
            row(
                "publish-16KiB",
                "PUBLISH QoS 0, 16 KiB",
                publish(TOPIC, &payload(16 << 10)),
            ),
            row(
                "publish-1MiB",
                "PUBLISH QoS 0, 1 MiB",
                publish(TOPIC, &payload(1 << 20)),
            ),
            row(
                "connect",
                "CONNECT, will, 5 properties, user name, password",
                connect(),
            ),
            row("connack", "CONNACK, 16 properties", connack()),
            row("subscribe", "SUBSCRIBE, 8 filters", subscribe(0x0102)),
            row("suback", "SUBACK, 8 reason codes", suback(0x0102)),
            row("puback", "PUBACK, 4 B", acknowledgement(0x40, 0x1234)),
            row(
                "disconnect",
                "DISCONNECT, reason code and string",
                disconnect(),
            ),
        ]
    });
    &ROWS
}

/// The row of this version with the given [`Row::id`].
///
/// # Panics
///
/// Panics if there is none.
pub fn row(version: ProtocolVersion, id: &str) -> &'static Row {
    rows(version)
        .iter()
        .find(|row| row.id == id)
        .unwrap_or_else(|| panic!("no packet is called {id}"))
}

/// A topic of 34 bytes.
pub const TOPIC: &str = "factory/line-7/robot-12/axis/3/pos";

/// The eight topic filters of [`subscribe`].
pub const FILTERS: [&str; 8] = [
    "factory/line-7/robot-12/axis/3/pos",
    "factory/+/robot-12/state",
    "factory/line-7/#",
    "building/4/floor/2/room/17/temperature",
    "building/+/floor/+/room/+/humidity",
    "fleet/truck/0042/position",
    "alerts/critical",
    "metrics/gateway/eu-west/#",
];

/// Printable text of `len` bytes, so that a payload format indicator of 1 tells
/// the truth.
pub fn payload(len: usize) -> Vec<u8> {
    br#"{"t":1718000000,"v":[12.5,-3.25,0.0],"ok":true}"#
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}

/// A QoS 0 PUBLISH without properties.
pub fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let body = Fields::default().string(topic).block(Fields::default());
    body.raw(payload).packet(0x30)
}

/// A QoS 1 PUBLISH with seven properties.
pub fn publish_with_properties(topic: &str, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    let properties = message_properties()
        .byte(0x26)
        .pair("trace-id", "4bf92f3577b34da6a3ce929d0e0e4736")
        .byte(0x26)
        .pair("schema", "telemetry.v2");
    let body = Fields::default().string(topic).u16(packet_id);
    body.block(properties).raw(payload).packet(0x32)
}

/// The five properties that a PUBLISH and a will share here: payload format
/// indicator, message expiry interval, content type, response topic and
/// correlation data.
fn message_properties() -> Fields {
    Fields::default()
        .raw(&[0x01, 1])
        .byte(0x02)
        .u32(3600)
        .byte(0x03)
        .string("application/json")
        .byte(0x08)
        .string("factory/line-7/robot-12/reply")
        .byte(0x09)
        .string("req-000042-4bf92f35")
}

/// A CONNECT with everything but enhanced authentication.
pub fn connect() -> Vec<u8> {
    let properties = Fields::default()
        .byte(0x11)
        .u32(86_400)
        .byte(0x21)
        .u16(100)
        .byte(0x27)
        .u32(1 << 20)
        .byte(0x22)
        .u16(16)
        .byte(0x26)
        .pair("firmware", "2.14.3");
    let will_properties = Fields::default()
        .byte(0x18)
        .u32(30)
        .raw(&message_properties().0);
    Fields::default()
        .string("MQTT")
        .byte(5)
        .byte(0b1110_1110) // user name, password, will retain, will QoS 1, will, clean start
        .u16(60)
        .block(properties)
        .string("robot-12-controller")
        .block(will_properties)
        .string("factory/line-7/robot-12/state")
        .string(r#"{"state":"offline"}"#)
        .string("robot-12")
        .string("correct horse battery staple")
        .packet(0x10)
}

/// A CONNACK with sixteen properties.
pub fn connack() -> Vec<u8> {
    let properties = Fields::default()
        .byte(0x11)
        .u32(3600)
        .byte(0x21)
        .u16(32)
        .raw(&[0x24, 1, 0x25, 0])
        .byte(0x27)
        .u32(1 << 18)
        .byte(0x12)
        .string("auto-7f3a9c52-18d4")
        .byte(0x22)
        .u16(64)
        .byte(0x1F)
        .string("welcome back")
        .byte(0x26)
        .pair("region", "eu-west-1")
        .raw(&[0x28, 0, 0x29, 0, 0x2A, 0])
        .byte(0x13)
        .u16(120)
        .byte(0x1A)
        .string("reply/robot-12")
        .byte(0x15)
        .string("SCRAM-SHA-256")
        .byte(0x16)
        .string("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
    Fields::default()
        .raw(&[1, 0])
        .block(properties)
        .packet(0x20)
}

/// A SUBSCRIBE with the eight [`FILTERS`] and all kinds of options.
pub fn subscribe(packet_id: u16) -> Vec<u8> {
    let body = Fields::default().u16(packet_id).block(Fields::default());
    FILTERS
        .iter()
        .zip([0x00, 0x01, 0x02, 0x05, 0x09, 0x11, 0x22, 0x2E])
        .fold(body, |body, (filter, options)| {
            body.string(filter).byte(options)
        })
        .packet(0x82)
}

/// A SUBACK with eight reason codes.
pub fn suback(packet_id: u16) -> Vec<u8> {
    Fields::default()
        .u16(packet_id)
        .block(Fields::default())
        .raw(&[0x00, 0x01, 0x02, 0x00, 0x87, 0x8F, 0x01, 0x9E])
        .packet(0x90)
}

/// A PUBACK, PUBREC, PUBREL or PUBCOMP of four bytes: success, and nothing more
/// to say.
pub fn acknowledgement(first_byte: u8, packet_id: u16) -> Vec<u8> {
    Fields::default().u16(packet_id).packet(first_byte)
}

/// A PINGREQ or PINGRESP.
pub fn ping(first_byte: u8) -> Vec<u8> {
    Fields::default().packet(first_byte)
}

/// A DISCONNECT with a reason code and a reason string.
pub fn disconnect() -> Vec<u8> {
    let properties = Fields::default()
        .byte(0x1F)
        .string("keep alive of 60 s exceeded twice");
    Fields::default().byte(0x8D).block(properties).packet(0xE0)
}

/// Fields of a packet, written one after the other.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn byte(self, value: u8) -> Self {
        self.raw(&[value])
    }

    fn u16(self, value: u16) -> Self {
        self.raw(&value.to_be_bytes())
    }

    fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// A string or binary data: two bytes of length, then the bytes.
    fn string(self, value: &str) -> Self {
        let len = u16::try_from(value.len()).expect("a field is at most 65,535 bytes");
        self.u16(len).raw(value.as_bytes())
    }

    fn pair(self, name: &str, value: &str) -> Self {
        self.string(name).string(value)
    }

    /// Properties: their length as a variable byte integer, then the fields.
    fn block(self, properties: Self) -> Self {
        self.raw(&variable_byte_integer(properties.0.len()))
            .raw(&properties.0)
    }

    /// The fixed header, then the fields.
    fn packet(self, first_byte: u8) -> Vec<u8> {
        Self::default().byte(first_byte).block(self).0
    }
}

fn variable_byte_integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let digit = (value % 128) as u8;
        value /= 128;
        if value == 0 {
            bytes.push(digit);
            return bytes;
        }
        bytes.push(digit | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_promised() {
        assert_eq!(TOPIC.len(), 34);
        let row = |id| &row(ProtocolVersion::V5_0, id).bytes;
        assert_eq!(row("publish-64B").len(), 2 + 2 + 34 + 1 + 64);
        assert_eq!(row("puback")[..], [0x40, 2, 0x12, 0x34]);
        assert_eq!(row("publish-16KiB")[1..4], [0xA5, 0x80, 0x01]);
        assert_eq!(ping(0xC0), [0xC0, 0]);
    }
}
