//! What is small enough to be asked of every peer completely: Reason Codes, properties, flags.

use mqtt5_codec::PacketType;
use mqtt5_fuzz::differential;

fn agreed(first_byte: u8, body: &[&[u8]]) {
    let body = body.concat();
    assert!(body.len() < 128, "one byte of Remaining Length");
    differential::check(&[&[first_byte, body.len() as u8], &body[..]].concat());
}

#[test]
fn every_reason_code_in_every_packet_that_has_one() {
    for code in 0..=0xFF {
        let method = b"\x04\x15\x00\x01m";
        agreed(0x20, &[&[0, code, 0]]);
        for acknowledgement in [0x40, 0x50, 0x62, 0x70] {
            agreed(acknowledgement, &[&[0, 10, code]]);
            agreed(acknowledgement, &[&[0, 10, code, 0]]);
        }
        for acknowledgement in [0x90, 0xB0] {
            agreed(acknowledgement, &[&[0, 10, 0, code]]);
            agreed(acknowledgement, &[&[0, 10, 0, 0, code]]);
        }
        agreed(0xE0, &[&[code]]);
        agreed(0xE0, &[&[code, 0]]);
        agreed(0xF0, &[&[code], method]);
        agreed(0xF0, &[&[code]]);
    }
}

#[test]
fn every_property_in_every_packet_once_and_twice() {
    for identifier in 0..=0xFF {
        // Whatever the type of the value: enough bytes for each, and what is too much for one is
        // the start of another property.
        for value in [
            &b"\x00"[..],
            b"\x01",
            b"\x02",
            b"\x00\x00",
            b"\x00\x01",
            b"\x00\x01a",
            b"\x00\x00\x00\x00",
            b"\x00\x00\x00\x01",
            b"\x00\x01a\x00\x01b",
        ] {
            let property = [&[identifier], value].concat();
            for set in [property.clone(), property.repeat(2)] {
                let set = [&[set.len() as u8], &set[..]].concat();
                everywhere(&set);
            }
        }
    }
}

/// The property set in each place where one can stand.
fn everywhere(set: &[u8]) {
    let connect = b"\x00\x04MQTT\x05";
    agreed(0x10, &[connect, b"\x02\x00\x3C", set, b"\x00\x01c"]);
    let will = [set, b"\x00\x01w\x00\x01p"].concat();
    agreed(0x10, &[connect, b"\x06\x00\x3C\x00\x00\x01c", &will]);
    agreed(0x20, &[b"\x00\x00", set]);
    agreed(0x30, &[b"\x00\x01t", set, b"payload"]);
    agreed(0x32, &[b"\x00\x00\x00\x0A", set]);
    for acknowledgement in [0x40, 0x50, 0x62, 0x70] {
        agreed(acknowledgement, &[b"\x00\x0A\x00", set]);
    }
    agreed(0x82, &[b"\x00\x0A", set, b"\x00\x01f\x00"]);
    agreed(0x90, &[b"\x00\x0A", set, b"\x00"]);
    agreed(0xA2, &[b"\x00\x0A", set, b"\x00\x01f"]);
    agreed(0xB0, &[b"\x00\x0A", set, b"\x00"]);
    agreed(0xE0, &[b"\x00", set]);
    agreed(0xF0, &[b"\x18", set]);
}

#[test]
fn every_first_byte_and_every_flag() {
    for byte in 0x10..=0xFF {
        let body: &[u8] = match PacketType::from_number(byte >> 4) {
            Some(PacketType::Connect) => b"\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x01c",
            Some(PacketType::ConnAck) => b"\x00\x00\x00",
            Some(PacketType::Publish) if byte & 0b0110 != 0 => b"\x00\x01t\x00\x0A\x00",
            Some(PacketType::Publish) => b"\x00\x01t\x00",
            Some(PacketType::Subscribe) => b"\x00\x0A\x00\x00\x01f\x00",
            Some(PacketType::Unsubscribe) => b"\x00\x0A\x00\x00\x01f",
            Some(PacketType::SubAck | PacketType::UnsubAck) => b"\x00\x0A\x00\x00",
            Some(PacketType::PingReq | PacketType::PingResp) => b"",
            Some(PacketType::Disconnect | PacketType::Auth) => b"",
            _ => b"\x00\x0A",
        };
        agreed(byte, &[body]);
    }
    for flags in 0..=0xFF {
        for (version, properties) in [(4, &b""[..]), (5, b"\x00")] {
            let head = [&b"\x00\x04MQTT"[..], &[version, flags, 0, 0x3C], properties];
            let mut body = [&head.concat()[..], b"\x00\x01c"].concat();
            let parts: [(u8, &[u8]); 3] = [
                (0x04, &[properties, b"\x00\x01w\x00\x01p"].concat()),
                (0x80, b"\x00\x01u"),
                (0x40, b"\x00\x01s"),
            ];
            for (flag, part) in parts {
                if flags & flag != 0 {
                    body.extend(part);
                }
            }
            agreed(0x10, &[&body]);
        }
        agreed(0x20, &[&[flags, 0, 0]]);
        agreed(0x82, &[b"\x00\x0A\x00\x00\x01f", &[flags]]);
        agreed(0x82, &[b"\x00\x0A\x00\x00\x0A$share/g/f", &[flags]]);
    }
}

/// What only MQTT 3.1.1 has in this form: no property follows.
#[test]
fn every_code_and_every_requested_qos_of_mqtt_3_1_1() {
    for byte in 0..=0xFF {
        agreed(0x20, &[&[0, byte]]);
        agreed(0x20, &[&[1, byte]]);
        agreed(0x20, &[&[byte, 0]]);
        agreed(0x90, &[b"\x00\x0A", &[byte]]);
        agreed(0x90, &[b"\x00\x0A\x00", &[byte]]);
        agreed(0x82, &[b"\x00\x0A\x00\x01f", &[byte]]);
        agreed(0x82, &[b"\x00\x0A\x00\x0A$share/g/f", &[byte]]);
        agreed(0x10, &[b"\x00\x04MQTT", &[byte], b"\x02\x00\x3C\x00\x01c"]);
        agreed(
            0x10,
            &[b"\x00\x06MQIsdp", &[byte], b"\x02\x00\x3C\x00\x01c"],
        );
    }
    for acknowledgement in [0x40, 0x50, 0x62, 0x70, 0xB0] {
        agreed(acknowledgement, &[b"\x00\x0A"]);
    }
    agreed(0x30, &[b"\x00\x01t"]);
    agreed(0x32, &[b"\x00\x01t\x00\x0A"]);
    agreed(0xA2, &[b"\x00\x0A\x00\x01f"]);
}
