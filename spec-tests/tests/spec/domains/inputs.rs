//! Whole inputs: all of up to three bytes, all first bytes, all Protocol Versions.

use mqtt5_codec::{Packet, ProtocolVersion};

use super::{agree, domain};
use crate::check::{Check, Outcome};
use crate::packets::{packet, prefixed};
use crate::reference::short_packets::Judge;
use crate::reference::tables;
use crate::verdict::{SENDERS, Verdict, decode_raw, encode, malformed, of_packet, protocol_error};
use mqtt5_codec::Role;
use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};

pub(super) fn checks() -> Vec<Check> {
    vec![
        domain("inputs::up_to_two_bytes", up_to_two_bytes),
        domain("inputs::three_bytes", three_bytes),
        domain("fixed_header::every_first_byte", every_first_byte),
        domain("protocol::every_version", every_version),
        domain("protocol::every_byte_of_the_name", every_byte_of_the_name),
    ]
}

/// As [`crate::verdict::read_stream`], but without keeping the packets.
fn verdict_of(input: &[u8], sender: Option<Role>) -> Verdict {
    let mut rest = input;
    loop {
        let start = input.len() - rest.len();
        if rest.is_empty() && start > 0 {
            return Verdict::Accept;
        }
        match split(rest, LARGEST_PACKET) {
            Ok(Split::Incomplete { needed }) => return Verdict::Incomplete { needed },
            Ok(Split::Packet {
                packet,
                rest: after,
            }) => {
                if let Err(error) = decode_raw(&packet, sender) {
                    return Verdict::of_error(error, start);
                }
                rest = after;
            }
            Err(error) => return Verdict::of_error(error, start),
        }
    }
}

fn up_to_two_bytes() -> Outcome {
    let mut states = 0;
    for sender in SENDERS {
        let judge = Judge::new(sender);
        let mut check = |input: &[u8]| {
            states += 1;
            agree(verdict_of(input, sender), judge.judge(input), || {
                format!("{input:02X?} from {sender:?}")
            })
        };
        check(&[])?;
        for first in 0..=255 {
            check(&[first])?;
            for second in 0..=255 {
                check(&[first, second])?;
            }
        }
    }
    Ok(states)
}

fn three_bytes() -> Outcome {
    let mut states = 0;
    for sender in SENDERS {
        let judge = Judge::new(sender);
        for bits in 0..1_u32 << 24 {
            let [_, input @ ..] = bits.to_be_bytes();
            states += 1;
            agree(verdict_of(&input, sender), judge.judge(&input), || {
                format!("{input:02X?} from {sender:?}")
            })?;
        }
    }
    Ok(states)
}

/// A body that is right for the type and, of a PUBLISH, for the QoS.
fn right_body(first_byte: u8) -> &'static [u8] {
    match first_byte >> 4 {
        1 => b"\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x02c1",
        2 => b"\x00\x00\x00",
        3 if first_byte & 0b0110 == 0 => b"\x00\x01a\x00hi",
        3 => b"\x00\x01a\x00\x0A\x00hi",
        4..=7 => b"\x00\x0A",
        8 => b"\x00\x0A\x00\x00\x01a\x01",
        10 => b"\x00\x0A\x00\x00\x01a",
        9 | 11 => b"\x00\x0A\x00\x00",
        15 => b"\x18",
        _ => b"",
    }
}

fn every_first_byte() -> Outcome {
    let mut states = 0;
    for first_byte in 0..=255_u8 {
        let bytes = packet(first_byte, right_body(first_byte));
        for sender in SENDERS {
            states += 1;
            let standard = if !tables::first_byte_is_valid(first_byte) {
                malformed(0)
            } else if first_byte >> 4 != 0
                && !tables::packets()[usize::from(first_byte >> 4) - 1]
                    .1
                    .include(sender)
            {
                protocol_error(0)
            } else {
                Verdict::Accept
            };
            agree(of_packet(&bytes, sender), standard, || {
                format!("{bytes:02X?} from {sender:?}")
            })?;
        }
        // DUP, QoS and RETAIN are not lost.
        if let Ok(decoded) = Packet::decode(ProtocolVersion::V5_0, &bytes) {
            assert_eq!(encode(&decoded), bytes);
        }
    }
    Ok(states)
}

/// Any version but 5 is answered with 0x84, and the offset is that of the byte.
fn every_version() -> Outcome {
    for version in 0..=255_u8 {
        let body = [
            &prefixed(b"MQTT")[..],
            &[version],
            b"\x02\x00\x3C\x00\x00\x00",
        ]
        .concat();
        let standard = if version == 5 {
            Verdict::Accept
        } else {
            unsupported(8)
        };
        agree(of_packet(&packet(0x10, &body), None), standard, || {
            format!("Protocol Version {version}")
        })?;
    }
    Ok(256)
}

/// Each byte of the name replaced by each other one, and the name cut or lengthened.
fn every_byte_of_the_name() -> Outcome {
    let mut names = vec![
        b"".to_vec(),
        b"M".to_vec(),
        b"MQT".to_vec(),
        b"MQIsdp".to_vec(),
    ];
    for at in 0..4 {
        for byte in 0..=255 {
            let mut name = b"MQTT".to_vec();
            name[at] = byte;
            names.push(name);
        }
    }
    for byte in 0..=255 {
        names.push([b"MQTT", &[byte][..]].concat());
    }
    for name in &names {
        let body = [&prefixed(name)[..], b"\x05\x02\x00\x3C\x00\x00\x00"].concat();
        let standard = if name == b"MQTT" {
            Verdict::Accept
        } else {
            unsupported(2)
        };
        agree(of_packet(&packet(0x10, &body), None), standard, || {
            format!("Protocol Name {:?}", name.escape_ascii().to_string())
        })?;
    }
    Ok(names.len() as u64)
}

fn unsupported(offset: usize) -> Verdict {
    match protocol_error(offset) {
        Verdict::Reject(rejection) => Verdict::Reject(crate::verdict::Rejection {
            reason_code: 0x84,
            ..rejection
        }),
        other => other,
    }
}
