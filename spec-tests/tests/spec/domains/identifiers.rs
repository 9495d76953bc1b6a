//! All 65,536 Packet Identifiers, in each packet that has one.

use mqtt5_codec::{Packet, ProtocolVersion};

use super::{agree, domain};
use crate::check::{Check, Outcome};
use crate::packets::packet;
use crate::verdict::{Verdict, encode, of_packet, protocol_error};

/// Name, first byte, and what stands before and after the identifier.
const PACKETS: [(&str, u8, &[u8], &[u8]); 13] = [
    ("publish_qos_1", 0x32, b"\x00\x01a", b"\x00hi"),
    ("publish_qos_1_dup", 0x3A, b"\x00\x01a", b"\x00hi"),
    ("publish_qos_2", 0x34, b"\x00\x01a", b"\x00hi"),
    ("publish_qos_2_dup", 0x3C, b"\x00\x01a", b"\x00hi"),
    ("puback", 0x40, b"", b""),
    ("pubrec", 0x50, b"", b""),
    ("pubrel", 0x62, b"", b""),
    ("pubcomp", 0x70, b"", b""),
    (
        "puback_with_properties",
        0x40,
        b"",
        b"\x10\x04\x1F\x00\x01r",
    ),
    ("subscribe", 0x82, b"", b"\x00\x00\x01a\x01"),
    ("suback", 0x90, b"", b"\x00\x01"),
    ("unsubscribe", 0xA2, b"", b"\x00\x00\x01a"),
    ("unsuback", 0xB0, b"", b"\x00\x11"),
];

pub(super) fn checks() -> Vec<Check> {
    let check = |row: (&'static str, u8, &'static [u8], &'static [u8])| {
        let name = format!("packet_identifier::every_value_in_{}", row.0);
        domain(&name, move || every_value(row))
    };
    let mut checks: Vec<Check> = PACKETS.into_iter().map(check).collect();
    checks.push(domain("packet_identifier::none_at_qos_0", none_at_qos_0));
    checks
}

fn every_value((name, first_byte, before, after): (&str, u8, &[u8], &[u8])) -> Outcome {
    for identifier in 0..=u16::MAX {
        let body = [before, &identifier.to_be_bytes(), after].concat();
        let bytes = packet(first_byte, &body);
        let standard = if identifier == 0 {
            protocol_error(2 + before.len())
        } else {
            Verdict::Accept
        };
        agree(of_packet(&bytes, None), standard, || {
            format!("{name} with identifier {identifier}")
        })?;
        if let Ok(decoded) = Packet::decode(ProtocolVersion::V5_0, &bytes) {
            let read = decoded.packet_identifier().map(u16::from);
            if read != Some(identifier) || encode(&decoded) != bytes {
                return Err(format!("{name} with identifier {identifier}: {decoded:?}"));
            }
        }
    }
    Ok(65_536)
}

/// Without QoS there is no identifier: what would be one is the Property Length and payload.
fn none_at_qos_0() -> Outcome {
    for second in 0..=255 {
        let bytes = packet(0x30, &[0, 1, b'a', 0, second]);
        match Packet::decode(ProtocolVersion::V5_0, &bytes) {
            Ok(Packet::Publish(publish)) => {
                assert_eq!(publish.delivery.packet_identifier(), None);
                assert_eq!(publish.payload, [second]);
                assert_eq!(encode(&Packet::Publish(publish)), bytes);
            }
            other => return Err(format!("{bytes:02X?}: {other:?}")),
        }
    }
    Ok(256)
}
