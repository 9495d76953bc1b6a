//! The packets of MQTT 3.1.1 that peers disagree about.

use mqtt5_codec::{Packet, ReasonCode, TopicFilter};

/// A ClientID that the Server would have to assign, and a Session to be kept: the answer is return code 2.
pub(super) fn keeps_session_of_nobody(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.client_identifier.is_empty() && !packet.clean_start)
}

/// Whether a filter begins like that of a Shared Subscription of MQTT 5, and goes on as none.
pub(super) fn has_half_a_share(packet: &Packet<'_>) -> bool {
    let is_half = |filter: TopicFilter<'_>| filter.has_share_prefix() && !filter.is_shared();
    match packet {
        Packet::Subscribe(packet) => {
            let mut filters = packet.subscriptions.iter().map(|it| it.filter);
            filters.any(is_half)
        }
        Packet::Unsubscribe(packet) => packet.filters.iter().any(is_half),
        _ => false,
    }
}

pub(super) fn refuses_a_filter(packet: &Packet<'_>) -> bool {
    let failure = |code| code == ReasonCode::UnspecifiedError;
    matches!(packet, Packet::SubAck(packet) if packet.reason_codes.iter().any(failure))
}
