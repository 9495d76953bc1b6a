//! Complete domains of MQTT 3.1.1: single bytes and small packets, all of them.

use mqtt5_codec::{
    ConnAck, Packet, PacketIdentifier, PubAck, PubComp, PubRec, PubRel, ReasonCode, ReasonCodes,
    RetainHandling, Subscribe, Subscription, SubscriptionOptions, Subscriptions, TopicFilter,
    UnsubAck,
};
use proptest::test_runner::TestCaseError;

use super::damage::judged_alike;
use super::sayable::unsayable;
use super::{V3_1_1, V5_0, reference};
use crate::check::{Check, Kind, Outcome};
use crate::packets::{packet, prefixed};
use crate::reference::tables;

pub(super) fn checks() -> Vec<Check> {
    let domain = |name, run: fn() -> Outcome| Check::new(Kind::Domain, name, run);
    vec![
        domain("v3_1_1::every_first_byte_with_two_bytes", two_bytes),
        domain("v3_1_1::every_first_byte_with_small_bodies", small_bodies),
        domain("v3_1_1::every_connect_flags", every_connect_flags),
        domain("v3_1_1::every_connack", every_connack),
        domain("v3_1_1::every_code_of_suback", every_code_of_suback),
        domain("v3_1_1::every_requested_qos", every_requested_qos),
        domain("v3_1_1::every_first_byte_of_publish", every_publish),
        domain("v3_1_1::every_packet_identifier", every_packet_identifier),
        domain(
            "v3_1_1::every_reason_code_is_sent_or_refused",
            every_reason_code,
        ),
        domain("v3_1_1::every_option_is_sent_or_refused", every_option),
    ]
}

fn judge(bytes: &[u8]) -> Result<(), String> {
    judged_alike(bytes).map_err(|error: TestCaseError| format!("{bytes:02X?}: {error}"))
}

/// All bodies of at most two bytes.
fn two_bytes() -> Outcome {
    let mut judged = 0;
    for first_byte in (0..=255).filter(|byte| tables::first_byte_is_valid(*byte)) {
        judge(&[first_byte, 0])?;
        for one in 0..=255 {
            judge(&[first_byte, 1, one])?;
            for two in 0..=255 {
                judge(&[first_byte, 2, one, two])?;
                judged += 1;
            }
            judged += 1;
        }
        judged += 1;
    }
    // And the others, which no body makes good.
    for first_byte in (0..=255).filter(|byte| !tables::first_byte_is_valid(*byte)) {
        for body in [
            &b""[..],
            b"\x00\x0A",
            b"\x00\x01a",
            b"\x00\x0A\x00\x01a\x00",
        ] {
            judge(&packet(first_byte, body))?;
            judged += 1;
        }
    }
    Ok(judged)
}

/// What bodies are made of: lengths, identifiers, codes, and characters that mean something.
const ALPHABET: [u8; 7] = [0, 1, 2, b'a', b'#', b'/', 0x80];

/// All bodies of up to six such bytes.
fn small_bodies() -> Outcome {
    let mut judged = 0;
    let first_bytes: Vec<u8> = (0..=255)
        .filter(|byte| tables::first_byte_is_valid(*byte))
        .collect();
    for length in 3..=6_u32 {
        for number in 0..ALPHABET.len().pow(length) {
            let mut rest = number;
            let body: Vec<u8> = (0..length)
                .map(|_| {
                    let byte = ALPHABET[rest % ALPHABET.len()];
                    rest /= ALPHABET.len();
                    byte
                })
                .collect();
            for &first_byte in &first_bytes {
                // DUP, RETAIN and one more QoS change nothing in the body.
                if (0x34..=0x3F).contains(&first_byte) || first_byte == 0x31 {
                    continue;
                }
                judge(&packet(first_byte, &body))?;
                judged += 1;
            }
        }
    }
    Ok(judged)
}

/// Every Connect Flags byte with every set of fields.
fn every_connect_flags() -> Outcome {
    let mut judged = 0;
    let fields: [&[u8]; 5] = [
        b"\x00\x01w\x00\x03bye",
        b"\x00\x04user",
        b"\x00\x04pass",
        b"\x00\x00",
        b"\x00",
    ];
    for flags in 0..=255_u8 {
        for client_identifier in [&b"\x00\x00"[..], b"\x00\x02c1", b"\x00", b""] {
            for shape in 0..32 {
                let mut body = b"\x00\x04MQTT\x04".to_vec();
                body.extend([flags, 0, 60]);
                body.extend(client_identifier);
                for (at, field) in fields.iter().enumerate() {
                    if shape >> at & 1 == 1 {
                        body.extend(*field);
                    }
                }
                judge(&packet(0x10, &body))?;
                judged += 1;
            }
        }
        // The flags are judged before Keep Alive is missing.
        for cut in 0..2 {
            let keep_alive = &[0; 2][..cut];
            let body = [&b"\x00\x04MQTT\x04"[..], &[flags], keep_alive].concat();
            judge(&packet(0x10, &body))?;
            judged += 1;
        }
    }
    Ok(judged)
}

/// Both bytes, and what return codes mean (section 3.2.2.3).
fn every_connack() -> Outcome {
    let meanings = [0x00, 0x84, 0x85, 0x88, 0x86, 0x87];
    for flags in 0..=255_u8 {
        for code in 0..=255_u8 {
            let bytes = [0x20, 2, flags, code];
            judge(&bytes)?;
            if let Ok(Packet::ConnAck(connack)) = Packet::decode(V3_1_1, &bytes) {
                assert_eq!(connack.session_present, flags == 1);
                assert_eq!(connack.reason_code.to_byte(), meanings[usize::from(code)]);
                assert!(connack.properties.is_empty());
            }
        }
    }
    Ok(1 << 16)
}

/// Each code alone, behind a good one and before one.
fn every_code_of_suback() -> Outcome {
    for code in 0..=255_u8 {
        for codes in [&[code][..], &[0, code], &[0x80, code, 2]] {
            let bytes = packet(0x90, &[b"\x00\x0A", codes].concat());
            judge(&bytes)?;
            if let Ok(Packet::SubAck(suback)) = Packet::decode(V3_1_1, &bytes) {
                let found = suback.reason_codes.iter().map(ReasonCode::to_byte);
                assert_eq!(found.collect::<Vec<_>>(), codes);
            }
        }
    }
    Ok(256 * 3)
}

fn every_requested_qos() -> Outcome {
    let mut judged = 0;
    let filters = [
        "a",
        "sport/+",
        "$share",
        "$share//x",
        "$share/+/x",
        "$share/g/a",
    ];
    for filter in filters {
        for options in 0..=255_u8 {
            let entry = [&prefixed(filter.as_bytes())[..], &[options]].concat();
            let plain: &[u8] = b"\x00\x01x\x01";
            let bytes = packet(0x82, &[b"\x00\x0A", plain, &entry, plain].concat());
            judge(&bytes)?;
            judged += 1;
            let Ok(Packet::Subscribe(subscribe)) = Packet::decode(V3_1_1, &bytes) else {
                assert!(options > 2, "{bytes:02X?}");
                continue;
            };
            let read = subscribe.subscriptions.iter().nth(1).ok_or("two")?;
            assert_eq!(read.filter.as_str(), filter);
            assert_eq!(read.options.maximum_qos as u8, options);
            assert_eq!(read.options.to_byte(), options);
        }
    }
    Ok(judged)
}

/// DUP, QoS and RETAIN, with and without Packet Identifier and payload.
fn every_publish() -> Outcome {
    let mut judged = 0;
    for first_byte in 0x30..=0x3F_u8 {
        for topic in [
            &b""[..],
            b"a",
            b"a/b",
            b"+",
            b"a/#",
            b"\x00",
            b"\xFF",
            b"$share/g/a",
        ] {
            for identifier in [&b""[..], b"\x00", b"\x00\x00", b"\x00\x01", b"\xFF\xFF"] {
                for payload in [&b""[..], b"\x00", b"\x00hi", b"\x03\x23\x00\x01"] {
                    let body = [&prefixed(topic), identifier, payload].concat();
                    let bytes = packet(first_byte, &body);
                    judge(&bytes)?;
                    judged += 1;
                    let Ok(Packet::Publish(publish)) = Packet::decode(V3_1_1, &bytes) else {
                        continue;
                    };
                    let qos = first_byte >> 1 & 0b11;
                    assert_eq!(publish.delivery.qos() as u8, qos);
                    assert_eq!(publish.retain, first_byte & 1 == 1);
                    assert_eq!(publish.delivery.duplicate(), first_byte & 8 == 8);
                    assert!(publish.properties.is_empty());
                    let behind = &body[2 + topic.len() + if qos == 0 { 0 } else { 2 }..];
                    assert_eq!(publish.payload, behind);
                }
            }
        }
    }
    Ok(judged)
}

/// Each in every packet that has one, and what it is in 5.0.
fn every_packet_identifier() -> Outcome {
    let mut judged = 0;
    for identifier in 0..=u16::MAX {
        for first_byte in [0x40, 0x50, 0x62, 0x70, 0xB0] {
            let [high, low] = identifier.to_be_bytes();
            let bytes = [first_byte, 2, high, low];
            judge(&bytes)?;
            if let Ok(packet) = Packet::decode(V3_1_1, &bytes) {
                let found = packet.packet_identifier().map(PacketIdentifier::get);
                assert_eq!(found, Some(identifier));
                if first_byte != 0xB0 {
                    assert_eq!(Packet::decode(V5_0, &bytes), Ok(packet));
                }
            }
            judged += 1;
        }
    }
    Ok(judged)
}

/// The second writer's bytes, or one of the reasons why there are none.
fn sent_or_refused(packet: &Packet<'_>) -> Result<(), String> {
    let mut written = Vec::new();
    let reasons = unsayable(packet);
    let right = match packet.encode(V3_1_1, &mut written) {
        Ok(()) => reasons.is_empty() && reference::write(packet).as_deref() == Some(&written[..]),
        Err(error) => error.violation().is_some_and(|it| reasons.contains(&it)),
    };
    match right {
        true => Ok(()),
        false => Err(format!("{packet:?}: {written:02X?}, {reasons:?}")),
    }
}

/// All Reason Codes in all packets that have one.
fn every_reason_code() -> Outcome {
    let mut judged = 0;
    let identifier = PacketIdentifier::MIN;
    for code in (0..=255).filter_map(ReasonCode::from_byte) {
        let codes = [code];
        let mut packets: Vec<Packet<'_>> = vec![
            PubAck::new(identifier, code).into(),
            PubRec::new(identifier, code).into(),
            PubRel::new(identifier, code).into(),
            PubComp::new(identifier, code).into(),
            mqtt5_codec::Disconnect::new(code).into(),
            mqtt5_codec::Auth {
                reason_code: code,
                properties: mqtt5_codec::Properties::EMPTY,
            }
            .into(),
        ];
        for session_present in [false, true] {
            packets.push(Packet::ConnAck(ConnAck {
                session_present,
                ..ConnAck::new(code)
            }));
        }
        if let Ok(codes) = ReasonCodes::new(&codes) {
            packets.push(mqtt5_codec::SubAck::new(identifier, codes).into());
        }
        if let Ok(codes) = ReasonCodes::new(&codes) {
            packets.push(UnsubAck::new(identifier, codes).into());
        }
        for packet in &packets {
            sent_or_refused(packet)?;
            judged += 1;
        }
    }
    sent_or_refused(&UnsubAck::new(identifier, ReasonCodes::NONE).into())?;
    Ok(judged + 1)
}

/// No Local, Retain As Published and Retain Handling, in the first subscription or the second.
fn every_option() -> Outcome {
    let mut judged = 0;
    let filter = TopicFilter::new("a").map_err(|error| error.to_string())?;
    for options in (0..=255).filter_map(|byte: u8| {
        Some(SubscriptionOptions {
            maximum_qos: mqtt5_codec::Qos::from_bits(byte & 0b11)?,
            no_local: byte & 4 != 0,
            retain_as_published: byte & 8 != 0,
            retain_handling: match byte >> 4 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return None,
            },
        })
    }) {
        let plain = Subscription {
            filter,
            options: SubscriptionOptions::default(),
        };
        let other = Subscription { filter, options };
        for list in [&[other][..], &[other, plain], &[plain, other]] {
            let subscriptions = Subscriptions::new(list).map_err(|error| error.to_string())?;
            let subscribe = Subscribe::new(PacketIdentifier::MIN, subscriptions);
            sent_or_refused(&subscribe.into())?;
            judged += 1;
        }
    }
    Ok(judged)
}
