//! Everything that can be asked of a decoded packet.

use mqtt5_codec::property::Scope;
use mqtt5_codec::{
    Binary, Packet, Properties, Property, PropertyIdentifier, ProtocolVersion, Text, TopicFilter,
    TopicName,
};

use crate::reference;

/// Holds accessors against the list of properties.
macro_rules! accessors {
    ($set:expr => $($accessor:ident $name:ident),*) => {
        $(
            let listed = $set.iter().find_map(|property| match property {
                Property::$name(value) => Some(value),
                _ => None,
            });
            assert_eq!($set.$accessor(), listed);
        )*
    };
}
/// Asks a packet that was decoded in this version everything, and holds the answers against each other and against
/// [`reference`](mod@crate::reference).
///
/// # Panics
///
/// If answers disagree.
pub fn walk(version: ProtocolVersion, packet: &Packet<'_>) {
    // Slow, and no different for long strings.
    let length = packet.encoded_len(version);
    if length.is_ok_and(|length| length < 256) {
        let _ = format!("{packet:?}");
    }
    match packet {
        Packet::Connect(packet) => {
            text(packet.client_identifier);
            packet.user_name.map(text);
            packet.password.map(binary);
            set(&packet.properties);
            accessors!(packet.properties => session_expiry_interval SessionExpiryInterval,
                receive_maximum ReceiveMaximum, maximum_packet_size MaximumPacketSize,
                topic_alias_maximum TopicAliasMaximum,
                request_response_information RequestResponseInformation,
                request_problem_information RequestProblemInformation,
                authentication_method AuthenticationMethod,
                authentication_data AuthenticationData);
            if let Some(will) = &packet.will {
                topic_name(will.topic);
                binary(will.payload);
                let _ = will.payload_format_is_right();
                set(&will.properties);
                accessors!(will.properties => payload_format_indicator PayloadFormatIndicator,
                    message_expiry_interval MessageExpiryInterval, content_type ContentType,
                    response_topic ResponseTopic, correlation_data CorrelationData,
                    will_delay_interval WillDelayInterval);
            }
        }
        Packet::ConnAck(packet) => {
            set(&packet.properties);
            accessors!(packet.properties => session_expiry_interval SessionExpiryInterval,
                receive_maximum ReceiveMaximum, maximum_qos MaximumQos,
                retain_available RetainAvailable, maximum_packet_size MaximumPacketSize,
                assigned_client_identifier AssignedClientIdentifier,
                topic_alias_maximum TopicAliasMaximum, reason_string ReasonString,
                wildcard_subscription_available WildcardSubscriptionAvailable,
                subscription_identifier_available SubscriptionIdentifierAvailable,
                shared_subscription_available SharedSubscriptionAvailable,
                server_keep_alive ServerKeepAlive, response_information ResponseInformation,
                server_reference ServerReference, authentication_method AuthenticationMethod,
                authentication_data AuthenticationData);
        }
        Packet::Publish(packet) => {
            if let Some(topic) = packet.topic {
                topic_name(topic);
            } else {
                assert!(packet.properties.topic_alias().is_some());
            }
            let _ = packet.payload_format_is_right();
            set(&packet.properties);
            accessors!(packet.properties => payload_format_indicator PayloadFormatIndicator,
                message_expiry_interval MessageExpiryInterval, content_type ContentType,
                response_topic ResponseTopic, correlation_data CorrelationData,
                topic_alias TopicAlias);
            let identifiers = packet
                .properties
                .iter()
                .filter_map(|property| match property {
                    Property::SubscriptionIdentifier(identifier) => Some(identifier),
                    _ => None,
                });
            assert!(packet.properties.subscription_identifiers().eq(identifiers));
        }
        Packet::PubAck(packet) => explained(&packet.properties, packet.properties.reason_string()),
        Packet::PubRec(packet) => explained(&packet.properties, packet.properties.reason_string()),
        Packet::PubRel(packet) => explained(&packet.properties, packet.properties.reason_string()),
        Packet::PubComp(packet) => explained(&packet.properties, packet.properties.reason_string()),
        Packet::Subscribe(packet) => {
            set(&packet.properties);
            accessors!(packet.properties => subscription_identifier SubscriptionIdentifier);
            assert!(packet.subscriptions.iter().count() > 0);
            for subscription in packet.subscriptions {
                topic_filter(version, subscription.filter);
                let no_local = subscription.options.no_local;
                assert!(!no_local || !subscription.filter.is_shared());
            }
        }
        Packet::SubAck(packet) => {
            explained(&packet.properties, packet.properties.reason_string());
            assert!(packet.reason_codes.iter().count() > 0);
        }
        Packet::Unsubscribe(packet) => {
            set(&packet.properties);
            assert!(packet.filters.iter().count() > 0);
            for filter in packet.filters {
                topic_filter(version, filter);
            }
        }
        Packet::UnsubAck(packet) => {
            explained(&packet.properties, packet.properties.reason_string());
            let has_codes = packet.reason_codes.iter().count() > 0;
            assert_eq!(has_codes, version == ProtocolVersion::V5_0);
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(packet) => {
            explained(&packet.properties, packet.properties.reason_string());
            accessors!(packet.properties => session_expiry_interval SessionExpiryInterval,
                server_reference ServerReference);
        }
        Packet::Auth(packet) => {
            explained(&packet.properties, packet.properties.reason_string());
            accessors!(packet.properties => authentication_method AuthenticationMethod,
                authentication_data AuthenticationData);
        }
    }
}

fn explained<S: Scope>(properties: &Properties<'_, S>, reason_string: Option<Text<'_>>) {
    set(properties);
    let listed = properties.iter().find_map(|property| match property {
        Property::ReasonString(value) => Some(value),
        _ => None,
    });
    assert_eq!(reason_string, listed);
}

fn set<S: Scope>(properties: &Properties<'_, S>) {
    let mut times = [0_usize; 0x2B];
    let mut pairs = properties.user_properties();
    for property in properties {
        times[property.identifier() as usize] += 1;
        match property {
            Property::ContentType(value)
            | Property::AssignedClientIdentifier(value)
            | Property::AuthenticationMethod(value)
            | Property::ResponseInformation(value)
            | Property::ServerReference(value)
            | Property::ReasonString(value) => text(value),
            Property::ResponseTopic(value) => topic_name(value),
            Property::CorrelationData(value) | Property::AuthenticationData(value) => binary(value),
            Property::UserProperty(value) => {
                text(value.name);
                text(value.value);
                assert_eq!(pairs.next(), Some(value));
            }
            _ => {}
        }
    }
    assert_eq!(pairs.next(), None);
    for &identifier in PropertyIdentifier::ALL {
        let times = times[identifier as usize];
        assert_eq!(properties.contains(identifier), times > 0);
        let may_repeat = matches!(
            identifier,
            PropertyIdentifier::UserProperty | PropertyIdentifier::SubscriptionIdentifier
        );
        assert!(times <= 1 || may_repeat, "{identifier} {times} times");
    }
    assert_eq!(properties.is_empty(), properties.iter().next().is_none());
}

fn text(value: Text<'_>) {
    assert!(reference::is_text(value.as_bytes()));
    assert_eq!(Text::new(&value), Ok(value));
    if value.len() < 256 {
        let _ = value.disallowed_code_point();
    }
}

fn binary(value: Binary<'_>) {
    assert_eq!(Binary::new(&value), Ok(value));
}

fn topic_name(value: TopicName<'_>) {
    assert!(reference::is_topic_name(value.as_bytes()));
    assert_eq!(TopicName::new(&value), Ok(value));
}

fn topic_filter(version: ProtocolVersion, value: TopicFilter<'_>) {
    assert!(reference::is_topic_filter(version, value.as_bytes()));
    let is_of_v5 = reference::is_topic_filter(ProtocolVersion::V5_0, value.as_bytes());
    assert_eq!(TopicFilter::new(&value).ok(), is_of_v5.then_some(value));
    assert_eq!(value.is_shared(), value.shared().is_some());
}
