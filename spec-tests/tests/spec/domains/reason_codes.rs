//! All bytes as Reason Code, in all packets that have one, from all sides.

use mqtt5_codec::{DecodeError, Packet, ProtocolVersion, ReasonCode, Role, ViolationClass};

use super::{agree, domain};
use crate::check::{Check, Outcome};
use crate::packets::{packet, property, property_set};
use crate::reference::tables::{REASON_CODE_PACKETS, reason_codes, senders_of_packet};
use crate::verdict::{SENDERS, Verdict, encode, of_packet, protocol_error};

/// The statement that binds the codes of each packet, and how many codes it has (Tables 3-1, 3-4 to
/// 3-11; one more for DISCONNECT by a reading).
const COLUMNS: [(&str, &str, usize); 9] = [
    ("CONNACK", "MQTT-3.2.2-8", 22),
    ("PUBACK", "MQTT-3.4.2-1", 9),
    ("PUBREC", "MQTT-3.5.2-1", 9),
    ("PUBREL", "MQTT-3.6.2-1", 2),
    ("PUBCOMP", "MQTT-3.7.2-1", 2),
    ("SUBACK", "MQTT-3.9.3-2", 12),
    ("UNSUBACK", "MQTT-3.11.3-2", 7),
    ("DISCONNECT", "MQTT-3.14.2-1", 29 + 1),
    ("AUTH", "MQTT-3.15.2-1", 3),
];

pub(super) fn checks() -> Vec<Check> {
    let check = |(name, statement, count): (&'static str, &'static str, usize)| {
        let trial = format!("reason_codes::every_byte_in_{}", name.to_lowercase());
        domain(&trial, move || every_byte(name, statement, count))
    };
    let mut checks: Vec<Check> = COLUMNS.into_iter().map(check).collect();
    checks.push(domain(
        "reason_codes::the_api_says_the_same",
        the_api_says_the_same,
    ));
    checks
}

/// Packets with this Reason Code, and where it stands: the short form and the one with properties.
fn forms(name: &str, code: u8) -> Vec<(Vec<u8>, usize)> {
    let reason = property_set(&property(0x1F));
    let method = property_set(&property(0x15));
    match name {
        "CONNACK" => vec![
            (packet(0x20, &[0, code, 0]), 3),
            (packet(0x20, &[&[0, code][..], &reason].concat()), 3),
        ],
        "PUBACK" | "PUBREC" | "PUBREL" | "PUBCOMP" => {
            let first_byte = match name {
                "PUBACK" => 0x40,
                "PUBREC" => 0x50,
                "PUBREL" => 0x62,
                _ => 0x70,
            };
            vec![
                (packet(first_byte, &[0, 10, code]), 4),
                (packet(first_byte, &[0, 10, code, 0]), 4),
                (
                    packet(first_byte, &[&[0, 10, code][..], &reason].concat()),
                    4,
                ),
            ]
        }
        "SUBACK" | "UNSUBACK" => {
            let first_byte = if name == "SUBACK" { 0x90 } else { 0xB0 };
            vec![
                (packet(first_byte, &[0, 10, 0, code]), 5),
                // Not the first code, and not the last.
                (packet(first_byte, &[0, 10, 0, 0, 0, code, 0]), 7),
            ]
        }
        "DISCONNECT" => vec![
            (packet(0xE0, &[code]), 2),
            (packet(0xE0, &[code, 0]), 2),
            (packet(0xE0, &[&[code][..], &reason].concat()), 2),
        ],
        "AUTH" => vec![
            (packet(0xF0, &[code]), 2),
            (packet(0xF0, &[&[code][..], &method].concat()), 2),
        ],
        other => panic!("`{other}` has no Reason Code"),
    }
}

fn error_of(bytes: &[u8], sender: Option<Role>) -> Option<DecodeError> {
    match sender {
        None => Packet::decode(ProtocolVersion::V5_0, bytes).err(),
        Some(sender) => Packet::decode_from(ProtocolVersion::V5_0, sender, bytes).err(),
    }
}

fn every_byte(name: &str, statement: &str, count: usize) -> Outcome {
    let table = reason_codes(name);
    assert_eq!(
        table.iter().filter(|senders| senders.include(None)).count(),
        count
    );
    let mut states = 0;
    for code in 0..=255_u8 {
        for (bytes, at) in forms(name, code) {
            for sender in SENDERS {
                states += 1;
                let wrong_packet = !senders_of_packet(name).include(sender);
                let standard = if wrong_packet {
                    protocol_error(0)
                } else if table[usize::from(code)].include(sender) {
                    Verdict::Accept
                } else {
                    protocol_error(at)
                };
                agree(of_packet(&bytes, sender), standard, || {
                    format!("{bytes:02X?} from {sender:?}")
                })?;
                if let Some(error) = error_of(&bytes, sender).filter(|_| !wrong_packet) {
                    assert_eq!(error.statement(), Some(statement), "{bytes:02X?}");
                    assert_eq!(error.class(), ViolationClass::Protocol);
                }
            }
            if let Ok(decoded) = Packet::decode(ProtocolVersion::V5_0, &bytes) {
                // The code is still there after a round trip.
                let again = encode(&decoded);
                assert_eq!(
                    Packet::decode(ProtocolVersion::V5_0, &again),
                    Ok(decoded),
                    "{bytes:02X?}"
                );
            }
        }
    }
    Ok(states)
}

/// `ReasonCode::allowed_in` and `allowed_from` answer from the same tables.
fn the_api_says_the_same() -> Outcome {
    let mut states = 0;
    for name in REASON_CODE_PACKETS {
        let table = reason_codes(name);
        let packet_type = mqtt5_codec::PacketType::ALL
            .into_iter()
            .find(|packet_type| packet_type.name() == name)
            .expect("a packet");
        for (byte, senders) in (0..=255_u8).zip(table) {
            let code = ReasonCode::from_byte(byte);
            let allowed = code.is_some_and(|code| code.allowed_in(packet_type));
            assert_eq!(allowed, senders.include(None), "{name} {byte:#04X}");
            for role in [Role::Client, Role::Server] {
                let allowed = code.is_some_and(|code| code.allowed_from(packet_type, role));
                assert_eq!(
                    allowed,
                    senders.include(Some(role)),
                    "{name} {byte:#04X} {role}"
                );
            }
            states += 1;
        }
    }
    Ok(states)
}
