//! The packets of MQTT 5 that peers disagree about.

use mqtt5_codec::{Packet, PacketType, PropertyIdentifier, ReasonCode, Violation};

use crate::differential::{Case, Disagreement};

/// DISCONNECT 0x8C: Table 2-6 has it, Table 3-10 has not.
pub(super) fn is_disconnect_8c(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Disconnect(packet)
        if packet.reason_code == ReasonCode::BadAuthenticationMethod)
}

/// An AUTH without properties: section 3.15.2.1 grants it, section 3.15.2.2.2 forbids it.
pub(super) fn is_auth_without_properties(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Auth(packet) if packet.properties.is_empty())
}

/// The peer writes out what an AUTH leaves out, which makes it one that we refuse.
pub(super) fn writes_auth_out(case: &Case<'_>) -> bool {
    case.disagreement == Disagreement::Encodes(Violation::AuthenticationMethodMissing)
        && case.about(is_auth_without_properties)
}

pub(super) fn has_empty_credential(packet: &Packet<'_>) -> bool {
    let Packet::Connect(packet) = packet else {
        return false;
    };
    packet.user_name.is_some_and(|name| name.is_empty())
        || packet.password.is_some_and(|password| password.is_empty())
        || packet.will.is_some_and(|will| will.payload.is_empty())
}

pub(super) fn assigns_nothing(packet: &Packet<'_>) -> bool {
    let Packet::ConnAck(packet) = packet else {
        return false;
    };
    let assigned = packet.properties.assigned_client_identifier();
    assigned.is_some_and(|identifier| identifier.is_empty())
}

pub(super) fn payload_is_not_text(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::Connect(packet) => packet
            .will
            .is_some_and(|will| !will.payload_format_is_right()),
        Packet::Publish(packet) => !packet.payload_format_is_right(),
        _ => false,
    }
}

pub(super) fn matches_several(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Publish(packet)
        if packet.properties.subscription_identifiers().count() > 1)
}

/// Reason Code, but no Property Length.
pub(super) fn is_short_form(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::PubAck(packet) => packet.properties.is_empty(),
        Packet::PubRec(packet) => packet.properties.is_empty(),
        Packet::PubRel(packet) => packet.properties.is_empty(),
        Packet::PubComp(packet) => packet.properties.is_empty(),
        Packet::Disconnect(packet) => packet.properties.is_empty(),
        _ => false,
    }
}

pub(super) fn has_no_topic(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Publish(packet) if packet.topic.is_none())
}

pub(super) fn has_binary_password(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.password.is_some_and(|password| std::str::from_utf8(&password).is_err()))
}

pub(super) fn has_password_only(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.user_name.is_none() && packet.password.is_some())
}

pub(super) fn assigns_client_identifier(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.client_identifier.is_empty() && !packet.clean_start)
}

pub(super) fn expires_at_once(packet: &Packet<'_>) -> bool {
    let expiry = match packet {
        Packet::Connect(packet) => packet
            .will
            .and_then(|will| will.properties.message_expiry_interval()),
        Packet::Publish(packet) => packet.properties.message_expiry_interval(),
        _ => None,
    };
    expiry == Some(0)
}

/// Whether a Subscription Identifier can be among bytes that we reject.
pub(super) fn may_miscount(case: &Case<'_>) -> bool {
    let packet_type = PacketType::from_number(case.bytes[0] >> 4);
    matches!(
        packet_type,
        Some(PacketType::Publish | PacketType::Subscribe)
    ) && case
        .bytes
        .contains(&(PropertyIdentifier::SubscriptionIdentifier as u8))
}

pub(super) fn is_auth(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Auth(_))
}

pub(super) fn is_bare_disconnect(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Disconnect(packet) if packet.properties.is_empty())
}

pub(super) fn has_empty_password(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.password.is_some_and(|password| password.is_empty())
            || packet.user_name.is_some_and(|name| name.is_empty()))
}

pub(super) fn has_subscription_identifier(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::Publish(packet) => packet
            .properties
            .contains(PropertyIdentifier::SubscriptionIdentifier),
        Packet::Subscribe(packet) => packet.properties.subscription_identifier().is_some(),
        _ => false,
    }
}
