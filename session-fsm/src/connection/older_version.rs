//! How this side treats a peer that speaks MQTT 3.1.1: one function for each difference. The sections are those of MQTT
//! 3.1.1.

use mqtt5_codec::{ProtocolVersion, ReasonCode};

use crate::Limits;

/// The limits that a Client of MQTT 3.1.1 must keep to. A CONNACK cannot announce any, so only the one that protects
/// memory is enforced.
pub(crate) const fn limits(own: &Limits) -> Limits {
    Limits {
        maximum_packet_size: own.maximum_packet_size,
        ..Limits::NONE
    }
}

/// The Reason Code of a CONNACK that refuses, which has to be one with a Connect Return code (section
/// 3.2.2.3). `None` if nothing fits: the connection is closed without a CONNACK [MQTT3-3.2.2-6].
pub(crate) const fn refusal(
    version: ProtocolVersion,
    reason_code: ReasonCode,
) -> Option<ReasonCode> {
    if let ProtocolVersion::V5_0 = version {
        return Some(reason_code);
    }
    Some(match reason_code {
        ReasonCode::UnsupportedProtocolVersion
        | ReasonCode::ClientIdentifierNotValid
        | ReasonCode::ServerUnavailable
        | ReasonCode::BadUserNameOrPassword
        | ReasonCode::NotAuthorized => reason_code,
        ReasonCode::ServerBusy
        | ReasonCode::QuotaExceeded
        | ReasonCode::ConnectionRateExceeded
        | ReasonCode::UseAnotherServer
        | ReasonCode::ServerMoved => ReasonCode::ServerUnavailable,
        ReasonCode::Banned | ReasonCode::BadAuthenticationMethod | ReasonCode::TopicNameInvalid => {
            ReasonCode::NotAuthorized
        }
        _ => return None,
    })
}

/// The Reason Code of a PUBACK, PUBREC, PUBREL or PUBCOMP: they have none (sections 3.4 to 3.7).
#[inline]
pub(crate) const fn acknowledgement(
    version: ProtocolVersion,
    reason_code: ReasonCode,
) -> ReasonCode {
    match version {
        ProtocolVersion::V3_1_1 => ReasonCode::Success,
        _ => reason_code,
    }
}

/// A Reason Code of a SUBACK: there is one failure (section 3.9.3).
pub(crate) const fn granted(version: ProtocolVersion, reason_code: ReasonCode) -> ReasonCode {
    match version {
        ProtocolVersion::V3_1_1 if reason_code.is_error() => ReasonCode::UnspecifiedError,
        _ => reason_code,
    }
}
