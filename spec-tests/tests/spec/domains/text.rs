//! UTF-8 Encoded Strings: all byte sequences of up to three bytes, all code points, all positions.

use mqtt5_codec::{Packet, ProtocolVersion, Text};

use super::domain;
use crate::check::{Check, Outcome};
use crate::packets::{packet, prefixed, property_set};
use crate::reference::unicode::{Fault, first_fault, forced_encoding};
use crate::verdict::encode;

pub(super) fn checks() -> Vec<Check> {
    vec![
        domain("utf8::all_sequences_of_up_to_two_bytes", up_to_two_bytes),
        domain("utf8::all_sequences_of_three_bytes", three_bytes),
        domain("utf8::all_code_points", all_code_points),
        domain(
            "utf8::all_pairs_at_all_positions",
            all_pairs_at_all_positions,
        ),
        domain(
            "utf8::null_and_ill_formed_at_all_positions_of_all_fields",
            all_fields,
        ),
        domain("utf8::byte_order_mark_is_kept", byte_order_mark_is_kept),
        domain(
            "utf8::disallowed_code_points_are_pointed_out",
            disallowed_code_points,
        ),
    ]
}

/// A PUBACK whose Reason String is the text under test: the field begins at this offset.
struct Carrier {
    bytes: Vec<u8>,
}

const TEXT_AT: usize = 9;

impl Carrier {
    fn new(length: usize) -> Self {
        let reason_string = [&[0x1F][..], &prefixed(&vec![b'a'; length])].concat();
        let body = [&[0, 10, 0x10][..], &property_set(&reason_string)].concat();
        let bytes = packet(0x40, &body);
        assert_eq!(bytes.len(), TEXT_AT + length);
        Carrier { bytes }
    }

    /// Puts this text into the packet and compares what the codec says with the reference.
    fn check(&mut self, text: &[u8]) -> Result<(), String> {
        self.bytes[TEXT_AT..].copy_from_slice(text);
        let right = match (
            Packet::decode(ProtocolVersion::V5_0, &self.bytes),
            first_fault(text),
        ) {
            (Ok(_), None) => true,
            (Err(error), Some((at, fault))) => {
                let statement = match fault {
                    Fault::IllFormed => "MQTT-1.5.4-1",
                    Fault::Null => "MQTT-1.5.4-2",
                };
                error.reason_code().to_byte() == 0x81
                    && error.statement() == Some(statement)
                    && error.offset() == TEXT_AT + at
            }
            _ => false,
        };
        if right {
            Ok(())
        } else {
            let standard = first_fault(text);
            let codec = Packet::decode(ProtocolVersion::V5_0, &self.bytes);
            Err(format!(
                "{text:02X?}: codec {codec:?}, standard {standard:?}"
            ))
        }
    }

    /// The text as the codec reads it.
    fn text(&self) -> Option<String> {
        match Packet::decode(ProtocolVersion::V5_0, &self.bytes) {
            Ok(Packet::PubAck(puback)) => puback
                .properties
                .reason_string()
                .map(|text| text.to_string()),
            _ => None,
        }
    }
}

fn up_to_two_bytes() -> Outcome {
    let mut one = Carrier::new(1);
    let mut two = Carrier::new(2);
    for first in 0..=255 {
        one.check(&[first])?;
        for second in 0..=255 {
            two.check(&[first, second])?;
        }
    }
    Carrier::new(0).check(&[])?;
    Ok(1 + 256 + 65_536)
}

fn three_bytes() -> Outcome {
    let mut carrier = Carrier::new(3);
    for bits in 0..1_u32 << 24 {
        let [_, text @ ..] = bits.to_be_bytes();
        // The reference is checked against the standard library on the way.
        let fault = first_fault(&text).map(|(_, fault)| fault);
        let is_utf8 = core::str::from_utf8(&text).is_ok();
        let is_right = is_utf8 && !text.contains(&0);
        if fault.is_none() != is_right || (is_utf8 && fault == Some(Fault::IllFormed)) {
            return Err(format!("the reference is wrong about {text:02X?}"));
        }
        carrier.check(&text)?;
    }
    Ok(1 << 24)
}

/// Every number that four bytes can hold, in every length that can hold it: overlong forms,
/// surrogates and numbers above U+10FFFF among them.
fn all_code_points() -> Outcome {
    let mut states = 0;
    for length in 1..=4 {
        let mut carrier = Carrier::new(length);
        for number in 0..0x20_0000 {
            let Some(text) = forced_encoding(number, length) else {
                break;
            };
            states += 1;
            carrier.check(&text)?;
            let character = char::from_u32(number).filter(|&character| character != '\0');
            let is_shortest = character.is_some_and(|character| character.len_utf8() == length);
            if Packet::decode(ProtocolVersion::V5_0, &carrier.bytes).is_ok() != is_shortest {
                return Err(format!("U+{number:04X} in {length} bytes"));
            }
        }
    }
    Ok(states)
}

/// Every pair of bytes at every position of strings of up to 19 bytes: looking at several bytes at
/// a time must not make a difference.
fn all_pairs_at_all_positions() -> Outcome {
    let mut states = 0;
    for length in 2..=19 {
        let mut carrier = Carrier::new(length);
        for position in 0..=length - 2 {
            let mut text = vec![b'a'; length];
            for pair in 0..=u16::MAX {
                text[position..position + 2].copy_from_slice(&pair.to_be_bytes());
                states += 1;
                carrier.check(&text)?;
            }
        }
    }
    Ok(states)
}

/// Packets with a string of this content in each field that has the type, and where it begins.
fn fields(text: &[u8]) -> Vec<(&'static str, Vec<u8>, usize)> {
    let field = prefixed(text);
    let mut packets = Vec::new();
    let mut add = |name, first_byte, before: &[u8], after: &[u8]| {
        let bytes = packet(first_byte, &[before, &field, after].concat());
        let at = bytes.len() - after.len() - text.len();
        packets.push((name, bytes, at));
    };
    let connect = |flags: u8| [b"\x00\x04MQTT\x05", &[flags][..], b"\x00\x3C\x00"].concat();
    add("ClientID", 0x10, &connect(0x02), b"");
    add(
        "User Name",
        0x10,
        &[&connect(0x82)[..], b"\x00\x00"].concat(),
        b"",
    );
    add(
        "Will Topic",
        0x10,
        &[&connect(0x06)[..], b"\x00\x00\x00"].concat(),
        b"\x00\x00",
    );
    add("Topic Name", 0x30, b"", b"\x00hi");
    add("Topic Filter of SUBSCRIBE", 0x82, b"\x00\x0A\x00", b"\x01");
    add("Topic Filter of UNSUBSCRIBE", 0xA2, b"\x00\x0A\x00", b"");
    let mut add_property = |name, place, identifier: &[u8], after: &[u8]| {
        let built = crate::packets::with_properties(place, &[identifier, &field, after].concat());
        let at = built.properties_at + identifier.len() + 2;
        packets.push((name, built.bytes, at));
    };
    add_property("Content Type", "PUBLISH", &[0x03], b"");
    add_property("Response Topic", "PUBLISH", &[0x08], b"");
    add_property("Content Type of the Will", "Will", &[0x03], b"");
    add_property("Response Topic of the Will", "Will", &[0x08], b"");
    add_property("Assigned Client Identifier", "CONNACK", &[0x12], b"");
    add_property("Authentication Method", "AUTH", &[0x15], b"");
    add_property("Response Information", "CONNACK", &[0x1A], b"");
    add_property("Server Reference", "DISCONNECT", &[0x1C], b"");
    add_property("Reason String", "SUBACK", &[0x1F], b"");
    add_property("name of a User Property", "UNSUBACK", &[0x26], b"\x00\x01v");
    add_property(
        "value of a User Property",
        "UNSUBACK",
        b"\x26\x00\x01n",
        b"",
    );
    packets
}

/// What is wrong in one string is wrong in all of them.
fn all_fields() -> Outcome {
    const WRONG: [&[u8]; 9] = [
        b"\x00",
        b"\x80",
        b"\xFF",
        b"\xC0\x80",
        b"\xED\xA0\x80",
        b"\xED\xBF\xBF",
        b"\xF4\x90\x80\x80",
        b"\xE2\x82",
        b"\xF0\x9F\x92",
    ];
    let mut states = 0;
    for length in 0..=17 {
        for (name, bytes, _) in fields(&vec![b'a'; length]) {
            states += 1;
            let may_be_empty = !name.contains("Topic");
            if Packet::decode(ProtocolVersion::V5_0, &bytes).is_err()
                && (length > 0 || may_be_empty)
            {
                return Err(format!("{name} of {length} bytes is refused"));
            }
        }
        for (position, wrong) in (0..=length).flat_map(|at| WRONG.map(|wrong| (at, wrong))) {
            let mut text = vec![b'a'; length];
            text.splice(position..position, wrong.iter().copied());
            for (name, bytes, at) in fields(&text) {
                states += 1;
                let statement = if wrong == b"\x00" {
                    "MQTT-1.5.4-2"
                } else {
                    "MQTT-1.5.4-1"
                };
                let found = Packet::decode(ProtocolVersion::V5_0, &bytes).map_err(|error| {
                    (
                        error.reason_code().to_byte(),
                        error.offset(),
                        error.statement(),
                    )
                });
                if found != Err((0x81, at + position, Some(statement))) {
                    return Err(format!("{name} with {text:02X?}: {found:?}"));
                }
            }
        }
    }
    Ok(states)
}

/// EF BB BF is U+FEFF wherever it stands, and stays.
fn byte_order_mark_is_kept() -> Outcome {
    let mut states = 0;
    for length in 0..=12 {
        for position in 0..=length {
            let mut text = "a".repeat(length);
            text.insert(position, '\u{FEFF}');
            let mut carrier = Carrier::new(text.len());
            carrier.check(text.as_bytes())?;
            assert_eq!(carrier.text().as_deref(), Some(text.as_str()));
            let decoded =
                Packet::decode(ProtocolVersion::V5_0, &carrier.bytes).expect("well-formed text");
            assert_eq!(encode(&decoded), carrier.bytes);
            for (name, bytes, _) in fields(text.as_bytes()) {
                let decoded = Packet::decode(ProtocolVersion::V5_0, &bytes)
                    .map_err(|error| format!("{name}: {error}"))?;
                assert_eq!(encode(&decoded), bytes, "{name}");
                states += 1;
            }
        }
    }
    Ok(states)
}

/// Control characters and noncharacters are accepted, and found when asked for.
fn disallowed_code_points() -> Outcome {
    let mut states = 0;
    let mut found = 0;
    for character in '\u{1}'..=char::MAX {
        let mut buffer = [0; 4];
        let text = Text::new(character.encode_utf8(&mut buffer)).expect("a character");
        let number = u32::from(character);
        let is_control = matches!(number, 0x01..=0x1F | 0x7F..=0x9F);
        let is_noncharacter =
            (0xFDD0..=0xFDEF).contains(&number) || matches!(number % 0x1_0000, 0xFFFE | 0xFFFF);
        let disallowed = is_control || is_noncharacter;
        if text.disallowed_code_point() != disallowed.then_some((0, character)) {
            return Err(format!("U+{number:04X}"));
        }
        states += 1;
        found += u64::from(disallowed);
    }
    // 31 and 33 control characters, 66 noncharacters.
    assert_eq!(found, 31 + 33 + 66);
    Ok(states)
}
