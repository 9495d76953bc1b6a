//! Topic Names and Topic Filters where they stand in packets: all short ones, and all pairs of
//! special characters at all positions of longer ones.

use mqtt5_codec::{Packet, ProtocolVersion};

use super::domain;
use crate::check::{Check, Outcome};
use crate::packets::{packet, prefixed, with_properties};
use crate::verdict::{Rejection, Verdict, encode, of_packet};
use mqtt5_spec_tests::matching::{is_filter, is_name};

pub(super) fn checks() -> Vec<Check> {
    vec![
        domain(
            "topic_fields::all_short_strings_in_every_field",
            all_short_strings,
        ),
        domain(
            "topic_fields::special_pairs_at_all_positions",
            special_pairs,
        ),
    ]
}

/// A packet with this string in one of its fields.
type Carrier = fn(&[u8]) -> Vec<u8>;

/// Field, carrier, and whether it holds a filter instead of a name.
const FIELDS: [(&str, Carrier, bool); 9] = [
    ("PUBLISH", |text| publish(text, b"\x00"), false),
    (
        "PUBLISH with alias",
        |text| publish(text, b"\x03\x23\x00\x01"),
        false,
    ),
    (
        "Response Topic",
        |text| response_topic("PUBLISH", text),
        false,
    ),
    (
        "Response Topic of the Will",
        |text| response_topic("Will", text),
        false,
    ),
    ("Will Topic", will_topic, false),
    ("SUBSCRIBE", |text| subscribe(b"", text), true),
    (
        "second filter of SUBSCRIBE",
        |text| subscribe(b"\x00\x01a\x00", text),
        true,
    ),
    ("UNSUBSCRIBE", |text| unsubscribe(b"", text), true),
    (
        "second filter of UNSUBSCRIBE",
        |text| unsubscribe(b"\x00\x01a", text),
        true,
    ),
];

fn publish(topic: &[u8], properties: &[u8]) -> Vec<u8> {
    packet(0x30, &[&prefixed(topic), properties, b"hi"].concat())
}

fn response_topic(place: &str, topic: &[u8]) -> Vec<u8> {
    with_properties(place, &[&[0x08], &prefixed(topic)[..]].concat()).bytes
}

fn will_topic(topic: &[u8]) -> Vec<u8> {
    let before = b"\x00\x04MQTT\x05\x06\x00\x3C\x00\x00\x02c1\x00";
    packet(0x10, &[before, &prefixed(topic)[..], b"\x00\x01x"].concat())
}

fn subscribe(first: &[u8], filter: &[u8]) -> Vec<u8> {
    let before = b"\x00\x0A\x00";
    packet(0x82, &[before, first, &prefixed(filter), b"\x01"].concat())
}

fn unsubscribe(first: &[u8], filter: &[u8]) -> Vec<u8> {
    packet(0xA2, &[b"\x00\x0A\x00", first, &prefixed(filter)].concat())
}

fn check(text: &str, states: &mut u64) -> Result<(), String> {
    for (field, carrier, holds_filter) in FIELDS {
        let right = match field {
            // A Topic Alias stands for the name (section 3.3.2.1).
            "PUBLISH with alias" => text.is_empty() || is_name(text),
            _ if holds_filter => is_filter(text),
            _ => is_name(text),
        };
        let bytes = carrier(text.as_bytes());
        *states += 1;
        let verdict = of_packet(&bytes, None);
        let agrees = match verdict {
            Verdict::Accept => {
                let packet = Packet::decode(ProtocolVersion::V5_0, &bytes)
                    .map_err(|error| error.to_string())?;
                right && encode(&packet) == bytes
            }
            // Neither name nor alias is the one fault that can be parsed.
            Verdict::Reject(Rejection { reason_code, .. }) => {
                let missing = field == "PUBLISH" && text.is_empty();
                !right && reason_code == if missing { 0x82 } else { 0x81 }
            }
            Verdict::Incomplete { .. } => false,
        };
        if !agrees {
            return Err(format!("{text:?} in {field}: {verdict:?}"));
        }
    }
    Ok(())
}

fn all_short_strings() -> Outcome {
    let mut states = 0;
    for text in crate::topics::all_strings(&['a', '/', '+', '#', '$', '\0', '\u{E9}'], 5) {
        check(&text, &mut states)?;
        if text.chars().count() <= 4 {
            check(&format!("$share/{text}"), &mut states)?;
        }
    }
    Ok(states)
}

/// Looking at several bytes at a time must not make a difference.
fn special_pairs() -> Outcome {
    const SPECIAL: [char; 10] = ['a', '/', '+', '#', '$', '\0', '*', '\'', '\u{E9}', '\u{2B}'];
    let mut states = 0;
    for length in 0..=21 {
        for position in 0..=length {
            for pair in SPECIAL
                .into_iter()
                .flat_map(|one| SPECIAL.map(|two| [one, two]))
            {
                for filler in ["a", "/"] {
                    let mut text = filler.repeat(length);
                    text.insert_str(position, &String::from_iter(pair));
                    check(&text, &mut states)?;
                }
            }
        }
    }
    Ok(states)
}
