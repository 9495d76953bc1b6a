//! Checking a property set as it arrives (section 2.2.2).

use super::set::Properties;
use super::table::{IDENTIFIERS, Scope, TABLE, check_value};
use crate::wire::{Fault, Parsed, length_prefixed, variable_byte_integer};
use crate::{PropertyIdentifier, Violation};

/// A Property Length and the properties after it, all checked.
#[inline(always)]
pub(crate) fn property_set<S: Scope>(input: &[u8]) -> Parsed<'_, Properties<'_, S>> {
    let (rest, (properties, _)) = property_set_and_seen(input)?;
    Ok((rest, properties))
}

/// The same, and which properties there are.
#[inline(always)]
pub(crate) fn property_set_and_seen<S: Scope>(
    input: &[u8],
) -> Parsed<'_, (Properties<'_, S>, Seen)> {
    // Most packets have none.
    if let [0, rest @ ..] = input {
        return Ok((rest, (Properties::EMPTY, Seen(0))));
    }
    let (rest, (wire, seen)) = checked_set(input, S::BIT)?;
    Ok((rest, (Properties::trusted(wire), seen)))
}

/// Whether a property is given: for rules that are judged while a packet is decoded, and again before one
/// is encoded.
pub(crate) trait Contains {
    fn contains(&self, identifier: PropertyIdentifier) -> bool;
}

/// The Property Identifiers that were seen in a set: one bit each, the largest is 42.
#[derive(Clone, Copy)]
pub(crate) struct Seen(u64);

impl Contains for Seen {
    #[inline]
    fn contains(&self, identifier: PropertyIdentifier) -> bool {
        self.0 & 1 << identifier as u8 != 0
    }
}

impl<S: Scope> Contains for Properties<'_, S> {
    #[inline]
    fn contains(&self, identifier: PropertyIdentifier) -> bool {
        Properties::contains(self, identifier)
    }
}

fn checked_set(input: &[u8], scope: u16) -> Parsed<'_, (&[u8], Seen)> {
    if input.is_empty() {
        return Err(Fault::at(input, Violation::PropertyLengthMissing));
    }
    let (after_length, length) = variable_byte_integer(input)?;
    let Some((wire, rest)) = after_length.split_at_checked(length as usize) else {
        return Err(Fault::at(input, Violation::PropertySetTruncated));
    };
    match check(wire, scope) {
        Ok(seen) => Ok((rest, (wire, seen))),
        Err(error) => Err(Fault::within(error, rest)),
    }
}

/// Checks each property of a set: identifier, packet, repetition, value.
fn check(wire: &[u8], scope: u16) -> Result<Seen, nom::Err<Fault>> {
    let mut seen = 0_u64;
    let mut input = wire;
    while let [identifier, value @ ..] = input {
        let identifier = *identifier;
        if usize::from(identifier) >= IDENTIFIERS {
            return Err(unknown(input));
        }
        let row = &TABLE[usize::from(identifier)];
        let bit = 1 << identifier;
        Fault::place(row.check(scope, seen & bit != 0), input)?;
        seen |= bit;
        if fault!("MQTT-3.3.2-19") && identifier == PropertyIdentifier::ContentType as u8 {
            if let Ok((rest, _)) = length_prefixed(value) {
                input = rest;
                continue;
            }
        }
        input = match check_value(identifier, value) {
            Ok((rest, ())) => rest,
            Err(error) => return Err(truncated_property(error)),
        };
    }
    Ok(Seen(seen))
}

/// Identifiers are Variable Byte Integers. All that exist take one byte, so that a longer one is
/// unknown at best.
#[cold]
fn unknown(input: &[u8]) -> nom::Err<Fault> {
    match variable_byte_integer(input) {
        Err(nom::Err::Error(fault)) if fault.violation != Violation::FieldTruncated => {
            nom::Err::Error(fault)
        }
        _ => Fault::at(input, Violation::PropertyUnknown),
    }
}

/// What runs past the end here runs past the end of the Property Length.
#[cold]
fn truncated_property(error: nom::Err<Fault>) -> nom::Err<Fault> {
    error.map(|fault| match fault.violation {
        Violation::FieldTruncated => fault.with(Violation::PropertyTruncated),
        _ => fault,
    })
}
