//! What MQTT 3.1.1 lacks (sections 3.1 to 3.14): no properties, no Reason Codes but those of CONNACK and SUBACK, no
//! options of a subscription but its QoS, no AUTH.

use mqtt5_codec::{Packet, ReasonCode, Violation};

/// Everything that MQTT 3.1.1 cannot say of a packet.
pub(super) fn unsayable(packet: &Packet<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut note = |is_there: bool, violation| {
        if is_there {
            found.push(violation);
        }
    };
    let not_success = |code: ReasonCode| code.to_byte() != 0;
    macro_rules! acknowledgement {
        ($packet:expr) => {{
            note(
                !$packet.properties.is_empty(),
                Violation::PropertiesNotInVersion,
            );
            note(
                not_success($packet.reason_code),
                Violation::ReasonCodeNotInVersion,
            );
        }};
    }
    match packet {
        Packet::Connect(connect) => {
            let mut others = connect.properties.iter().map(|it| it.identifier() as u32);
            let will = connect.will.map(|will| !will.properties.is_empty());
            note(
                others.any(|identifier| identifier != 0x11) || will == Some(true),
                Violation::PropertiesNotInVersion,
            );
            let said = if connect.clean_start { 0 } else { u32::MAX };
            let expiry = connect.properties.session_expiry_interval();
            note(
                expiry.is_some_and(|expiry| expiry != said),
                Violation::SessionExpiryNotInVersion,
            );
            note(
                connect.password.is_some() && connect.user_name.is_none(),
                Violation::PasswordWithoutUserName,
            );
            note(
                connect.client_identifier.is_empty() && !connect.clean_start,
                Violation::ClientIdentifierEmptyWithoutCleanSession,
            );
        }
        Packet::ConnAck(connack) => {
            let code = connack.reason_code.to_byte();
            note(
                !connack.properties.is_empty(),
                Violation::PropertiesNotInVersion,
            );
            note(
                !matches!(code, 0 | 0x84..=0x88),
                Violation::ReasonCodeNotInVersion,
            );
            note(
                code != 0 && connack.session_present,
                Violation::SessionPresentOnRefusal,
            );
        }
        Packet::Publish(publish) => {
            note(
                !publish.properties.is_empty(),
                Violation::PropertiesNotInVersion,
            );
            note(publish.topic.is_none(), Violation::TopicNameEmpty);
        }
        Packet::PubAck(packet) => acknowledgement!(packet),
        Packet::PubRec(packet) => acknowledgement!(packet),
        Packet::PubRel(packet) => acknowledgement!(packet),
        Packet::PubComp(packet) => acknowledgement!(packet),
        Packet::Disconnect(packet) => acknowledgement!(packet),
        Packet::Subscribe(subscribe) => {
            note(
                !subscribe.properties.is_empty(),
                Violation::PropertiesNotInVersion,
            );
            let mut options = subscribe.subscriptions.iter().map(|it| it.options);
            note(
                options.any(|it| {
                    it.no_local || it.retain_as_published || it.retain_handling as u8 != 0
                }),
                Violation::SubscriptionOptionsNotInVersion,
            );
        }
        Packet::SubAck(suback) => {
            note(
                !suback.properties.is_empty(),
                Violation::PropertiesNotInVersion,
            );
            let mut codes = suback.reason_codes.iter().map(ReasonCode::to_byte);
            note(
                codes.any(|code| !matches!(code, 0..=2 | 0x80)),
                Violation::ReasonCodeNotInVersion,
            );
        }
        Packet::Unsubscribe(unsubscribe) => {
            note(
                !unsubscribe.properties.is_empty(),
                Violation::PropertiesNotInVersion,
            );
        }
        Packet::UnsubAck(unsuback) => {
            note(
                !unsuback.properties.is_empty(),
                Violation::PropertiesNotInVersion,
            );
            note(
                !unsuback.reason_codes.is_empty(),
                Violation::ReasonCodeNotInVersion,
            );
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Auth(_) => note(true, Violation::PacketNotInVersion),
    }
    found
}
