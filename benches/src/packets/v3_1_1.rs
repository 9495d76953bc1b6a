//! The packets of MQTT 3.1.1: the same fields as those of MQTT 5, as far as there are such.

use std::sync::LazyLock;

use super::{FILTERS, Fields, Row, TOPIC, acknowledgement, payload, ping};

/// All rows, with the names of those of MQTT 5 that say the same.
pub(super) fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let row = |id, title, bytes| Row { id, title, bytes };
        vec![
            row(
                "publish-64B",
                "PUBLISH QoS 0, 64 B",
                publish(TOPIC, &payload(64)),
            ),
            row(
                "publish-256B",
                "PUBLISH QoS 1, 256 B",
                publish_at_least_once(TOPIC, 0x1234, &payload(256)),
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
            row("connect", "CONNECT, will, user name, password", connect()),
            row("connack", "CONNACK", connack()),
            row("subscribe", "SUBSCRIBE, 8 filters", subscribe(0x0102)),
            row("suback", "SUBACK, 8 return codes", suback(0x0102)),
            row("puback", "PUBACK", acknowledgement(0x40, 0x1234)),
        ]
    });
    &ROWS
}

/// A QoS 0 PUBLISH.
pub fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    Fields::default().string(topic).raw(payload).packet(0x30)
}

/// A QoS 1 PUBLISH.
pub fn publish_at_least_once(topic: &str, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    let body = Fields::default().string(topic).u16(packet_id);
    body.raw(payload).packet(0x32)
}

/// A CONNECT with everything that there is.
fn connect() -> Vec<u8> {
    Fields::default()
        .string("MQTT")
        .byte(4)
        .byte(0b1110_1110) // user name, password, will retain, will QoS 1, will, clean session
        .u16(60)
        .string("robot-12-controller")
        .string("factory/line-7/robot-12/state")
        .string(r#"{"state":"offline"}"#)
        .string("robot-12")
        .string("correct horse battery staple")
        .packet(0x10)
}

/// A CONNACK that accepts, and has a Session.
fn connack() -> Vec<u8> {
    Fields::default().raw(&[1, 0]).packet(0x20)
}

/// A SUBSCRIBE with the eight [`FILTERS`].
pub fn subscribe(packet_id: u16) -> Vec<u8> {
    FILTERS
        .iter()
        .zip([0, 1, 2, 1, 1, 0, 2, 2])
        .fold(Fields::default().u16(packet_id), |body, (filter, qos)| {
            body.string(filter).byte(qos)
        })
        .packet(0x82)
}

/// A SUBACK with eight return codes. None of them refuses: mqtt-proto writes 0x80 as 3.
pub fn suback(packet_id: u16) -> Vec<u8> {
    Fields::default()
        .u16(packet_id)
        .raw(&[0x00, 0x01, 0x02, 0x00, 0x01, 0x01, 0x02, 0x02])
        .packet(0x90)
}

/// A DISCONNECT, which is as empty as a PINGREQ.
pub fn disconnect() -> Vec<u8> {
    ping(0xE0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_packet_has_a_property_length() {
        let row = |id| {
            let mut rows = rows().iter();
            &rows.find(|row| row.id == id).expect("a row").bytes
        };
        assert_eq!(row("publish-64B").len(), 2 + 2 + 34 + 64);
        assert_eq!(row("connack")[..], [0x20, 2, 1, 0]);
        assert_eq!(row("suback").len(), 2 + 2 + 8);
        assert_eq!(row("connect")[12..14], [0, 19]);
    }
}
