//! MQTT 3.1.1: the same packets by the rules of the older standard. Sections here are those of MQTT 3.1.1.
//!
//! It has no properties, no Reason Codes but those of CONNACK and SUBACK, no AUTH, no options of a
//! subscription but its QoS, and no DISCONNECT from a Server. What a packet of MQTT 5 has beyond that is
//! empty after decoding, and an error when it is to be encoded. CONNECT is read in
//! `v5/packet/connect.rs`: it names its version itself.

mod decode;
mod encode;
mod rules;

pub(crate) use decode::{decode, decode_whole, parse_publish_head};
pub(crate) use rules::{Rule, rule, statement};

use crate::ReasonCode;

/// A packet by the rules of MQTT 3.1.1.
pub(crate) struct V3<T>(pub(crate) T);

/// The Connect Return codes (section 3.2.2.3), one for each number, as Reason Codes.
const CONNECT_RETURN_CODES: [ReasonCode; 6] = [
    ReasonCode::Success,
    ReasonCode::UnsupportedProtocolVersion,
    ReasonCode::ClientIdentifierNotValid,
    ReasonCode::ServerUnavailable,
    ReasonCode::BadUserNameOrPassword,
    ReasonCode::NotAuthorized,
];

/// The Reason Code that a Connect Return code stands for.
pub(crate) fn connect_return_code(number: u8) -> Option<ReasonCode> {
    CONNECT_RETURN_CODES.get(usize::from(number)).copied()
}

/// The number of a Connect Return code.
fn connect_return_number(reason_code: ReasonCode) -> Option<u8> {
    let number = CONNECT_RETURN_CODES
        .iter()
        .position(|it| *it == reason_code)?;
    u8::try_from(number).ok()
}

/// Whether a SUBACK may say so (section 3.9.3): 0, 1, 2 or 0x80.
const fn is_granted_or_failure(byte: u8) -> bool {
    matches!(byte, 0..=2 | 0x80)
}
