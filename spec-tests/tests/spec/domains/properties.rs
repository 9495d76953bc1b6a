//! All property identifiers in all packets, all values of one and two bytes, all repetitions.

use mqtt5_codec::{Packet, ProtocolVersion, Role};

use super::{agree, domain};
use crate::check::{Check, Outcome};
use crate::packets::{Built, company, property, with_properties};
use crate::reference::tables::{Allowance, PLACES, PropertyRow, properties, senders_of_packet};
use crate::verdict::{Rejection, SENDERS, Verdict, encode, malformed, of_packet, protocol_error};

pub(super) fn checks() -> Vec<Check> {
    vec![
        domain(
            "properties::every_identifier_in_every_packet",
            every_identifier,
        ),
        domain(
            "properties::every_two_byte_identifier_in_every_packet",
            every_two_byte_identifier,
        ),
        domain(
            "properties::every_repetition_in_every_packet",
            every_repetition,
        ),
        domain("properties::every_pair_in_every_packet", every_pair),
        domain(
            "properties::every_value_of_one_byte",
            every_value_of_one_byte,
        ),
        domain(
            "properties::every_value_of_two_bytes",
            every_value_of_two_bytes,
        ),
        domain("properties::every_cut_of_every_property", every_cut),
        domain("properties::every_property_length", every_property_length),
    ]
}

/// What the standard says about a packet whose last property, at `at`, has this allowance.
fn standard(place: &str, allowance: Option<Allowance>, sender: Option<Role>, at: usize) -> Verdict {
    if !senders_of_packet(place).include(sender) {
        return protocol_error(0);
    }
    match allowance {
        None => malformed(at),
        Some(allowance) if allowance.senders.include(sender) => Verdict::Accept,
        Some(_) => protocol_error(at),
    }
}

fn check(built: &Built, standard: Verdict, sender: Option<Role>) -> Result<(), String> {
    let bytes = &built.bytes;
    agree(of_packet(bytes, sender), standard, || {
        format!("{bytes:02X?} from {sender:?}")
    })?;
    match Packet::decode(ProtocolVersion::V5_0, bytes) {
        Ok(decoded) if encode(&decoded) != *bytes => Err(format!("{bytes:02X?}: {decoded:?}")),
        _ => Ok(()),
    }
}

fn row_of(rows: &[PropertyRow], identifier: u8) -> Option<&PropertyRow> {
    rows.iter().find(|row| row.identifier == identifier)
}

fn every_identifier() -> Outcome {
    let rows = properties();
    let mut states = 0;
    for (column, place) in PLACES.into_iter().enumerate() {
        for identifier in 0..=255_u8 {
            let row = row_of(&rows, identifier);
            let own = row.map_or_else(|| vec![identifier, 0], |_| property(identifier));
            let built = with_properties(place, &[own, company(place, identifier)].concat());
            let allowance = row.and_then(|row| row.allowed[column]);
            for sender in SENDERS {
                states += 1;
                let standard = standard(place, allowance, sender, built.properties_at);
                check(&built, standard, sender)?;
            }
        }
    }
    Ok(states)
}

/// All identifiers of the standard take one byte. In two bytes they are not minimal, and all other
/// numbers are unknown.
fn every_two_byte_identifier() -> Outcome {
    let mut states = 0;
    for place in PLACES {
        for first in 0x80..=255 {
            for second in 0..=255 {
                let own = vec![first, second, 0x01, 0, 0, 0, 0];
                let built = with_properties(place, &own);
                states += 1;
                check(&built, malformed(built.properties_at), None)?;
            }
        }
    }
    Ok(states)
}

fn every_repetition() -> Outcome {
    let mut states = 0;
    for (column, place) in PLACES.into_iter().enumerate() {
        for row in properties() {
            let Some(allowance) = row.allowed[column] else {
                continue;
            };
            let once = property(row.identifier);
            let company = company(place, row.identifier);
            // Side by side, and with the company between them.
            for between in [&[][..], &company] {
                let behind = if between.is_empty() {
                    &company[..]
                } else {
                    &[]
                };
                let set = [&once[..], between, &once, behind].concat();
                let built = with_properties(place, &set);
                let again_at = built.properties_at + once.len() + between.len();
                for sender in SENDERS {
                    states += 1;
                    let verdict = standard(place, Some(allowance), sender, built.properties_at);
                    let verdict = match verdict {
                        _ if !senders_of_packet(place).include(sender) => protocol_error(0),
                        // Seen before the side is looked at.
                        _ if !allowance.repeatable => protocol_error(again_at),
                        verdict => verdict,
                    };
                    check(&built, verdict, sender)?;
                }
            }
        }
    }
    Ok(states)
}

/// Any two different properties of a packet may stand together, in both orders; but for
/// Authentication Data without its method.
fn every_pair() -> Outcome {
    let rows = properties();
    let mut states = 0;
    for (column, place) in PLACES.into_iter().enumerate() {
        let allowed = || rows.iter().filter(|row| row.allowed[column].is_some());
        for one in allowed() {
            for other in allowed().filter(|other| other.identifier != one.identifier) {
                let mut set = [property(one.identifier), property(other.identifier)].concat();
                let has_method = one.identifier == 0x15 || other.identifier == 0x15;
                if !has_method {
                    let first = company(place, one.identifier);
                    let needed = if first.is_empty() {
                        company(place, other.identifier)
                    } else {
                        first
                    };
                    set.extend(needed);
                }
                states += 1;
                check(&with_properties(place, &set), Verdict::Accept, None)?;
            }
        }
    }
    Ok(states)
}

/// The eight properties with a byte as value: 0 and 1 are the only ones that any of them takes.
fn every_value_of_one_byte() -> Outcome {
    let mut states = 0;
    let one_byte =
        |row: &PropertyRow| property(row.identifier).len() == 2 && row.identifier != 0x0B;
    let rows: Vec<PropertyRow> = properties().into_iter().filter(one_byte).collect();
    assert_eq!(rows.len(), 8);
    for (column, place) in PLACES.into_iter().enumerate() {
        for row in rows.iter().filter(|row| row.allowed[column].is_some()) {
            for value in 0..=255 {
                let built = with_properties(place, &[row.identifier, value]);
                states += 1;
                let verdict = if value <= 1 {
                    Verdict::Accept
                } else {
                    protocol_error(built.properties_at + 1)
                };
                check(&built, verdict, None)?;
            }
        }
    }
    Ok(states)
}

/// Server Keep Alive and Topic Alias Maximum take every value, Receive Maximum and Topic Alias
/// every one but 0.
fn every_value_of_two_bytes() -> Outcome {
    let mut states = 0;
    let rows = properties();
    for (identifier, zero_code) in [
        (0x13, None),
        (0x22, None),
        (0x21, Some(0x82)),
        (0x23, Some(0x94)),
    ] {
        let row = row_of(&rows, identifier).expect("a property");
        for (column, place) in PLACES.into_iter().enumerate() {
            if row.allowed[column].is_none() {
                continue;
            }
            for value in 0..=u16::MAX {
                let own = [&[identifier][..], &value.to_be_bytes()].concat();
                let built = with_properties(place, &own);
                states += 1;
                let verdict = match (value, zero_code, protocol_error(built.properties_at + 1)) {
                    (0, Some(reason_code), Verdict::Reject(rejection)) => {
                        Verdict::Reject(Rejection {
                            reason_code,
                            ..rejection
                        })
                    }
                    _ => Verdict::Accept,
                };
                check(&built, verdict, None)?;
            }
        }
    }
    Ok(states)
}

/// A property set that ends inside a property, at every byte of it.
fn every_cut() -> Outcome {
    let mut states = 0;
    for (column, place) in PLACES.into_iter().enumerate() {
        for row in properties() {
            if row.allowed[column].is_none() {
                continue;
            }
            let whole = property(row.identifier);
            for cut in 1..whole.len() {
                let built = with_properties(place, &whole[..cut]);
                states += 1;
                match of_packet(&built.bytes, None) {
                    Verdict::Reject(Rejection {
                        reason_code: 0x81,
                        offset,
                        ..
                    }) if (built.properties_at + 1..built.bytes.len() + 1).contains(&offset) => {}
                    other => return Err(format!("{:02X?}: {other:?}", built.bytes)),
                }
            }
        }
    }
    Ok(states)
}

/// Every Property Length of one byte around sets of User Properties: only the true one is accepted
/// in a packet that ends with its properties.
fn every_property_length() -> Outcome {
    let mut states = 0;
    let ends_with_properties = [
        "CONNACK",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "DISCONNECT",
    ];
    for place in ends_with_properties {
        for count in 0..=3 {
            let set = property(0x26).repeat(count);
            let built = with_properties(place, &set);
            for length in 0..=127_u8 {
                let mut bytes = built.bytes.clone();
                bytes[built.properties_at - 1] = length;
                states += 1;
                let accepted = of_packet(&bytes, None) == Verdict::Accept;
                if accepted != (usize::from(length) == set.len()) {
                    return Err(format!("{bytes:02X?}"));
                }
            }
        }
    }
    Ok(states)
}
