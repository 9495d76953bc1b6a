//! What MQTT 3.1.1 says of each broken rule.

use crate::violation::ViolationClass::{self, Malformed, Protocol};
use crate::{PacketType, Violation};

/// A rule as MQTT 3.1.1 states it.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// The standard does not sort the rules into classes: these are those of MQTT 5, for reports.
    pub(crate) class: ViolationClass,
    /// The statement, where it numbers one for all packets.
    pub(crate) statement: Option<&'static str>,
    pub(crate) section: &'static str,
}

const fn rule_of(
    class: ViolationClass,
    statement: Option<&'static str>,
    section: &'static str,
) -> Option<Rule> {
    Some(Rule {
        class,
        statement,
        section,
    })
}

/// The rule that a packet breaks; `None` if there is no such rule, because what it is about does not exist.
pub(crate) const fn rule(violation: Violation) -> Option<Rule> {
    match violation {
        Violation::ReservedPacketType => rule_of(Malformed, None, "2.2.1"),
        Violation::PacketNotInVersion => rule_of(Malformed, None, "2.2.1"),
        Violation::FixedHeaderFlags => rule_of(Malformed, Some("MQTT3-2.2.2-1"), "2.2.2"),
        Violation::PublishQos3 => rule_of(Malformed, Some("MQTT3-3.3.1-4"), "3.3.1.2"),
        Violation::DuplicateAtQos0 => rule_of(Malformed, Some("MQTT3-3.3.1-2"), "3.3.1.1"),
        Violation::PacketTooLarge | Violation::BufferLimit => rule_of(Protocol, None, "4.8"),
        Violation::VariableByteIntegerTooLong | Violation::VariableByteIntegerNotMinimal => {
            rule_of(Malformed, None, "2.2.3")
        }
        Violation::IllFormedUtf8 => rule_of(Malformed, Some("MQTT3-1.5.3-1"), "1.5.3"),
        Violation::NullCharacter => rule_of(Malformed, Some("MQTT3-1.5.3-2"), "1.5.3"),
        Violation::FieldTruncated | Violation::BytesLeftOver | Violation::PacketTooLong => {
            rule_of(Malformed, None, "2.2.3")
        }
        Violation::StringTooLong => rule_of(Malformed, None, "1.5.3"),
        Violation::BinaryTooLong => rule_of(Malformed, None, "3.1.3.3, 3.1.3.5"),
        Violation::PacketIdentifierZero => rule_of(Protocol, None, "2.3.1"),
        Violation::TopicNameEmpty | Violation::TopicMissing | Violation::TopicFilterEmpty => {
            rule_of(Malformed, Some("MQTT3-4.7.3-1"), "4.7.3")
        }
        Violation::TopicNameWildcard => rule_of(Malformed, Some("MQTT3-4.7.1-1"), "4.7.1"),
        Violation::PublishTopicWildcard => rule_of(Malformed, Some("MQTT3-3.3.2-2"), "3.3.2.1"),
        Violation::MultiLevelWildcard => rule_of(Malformed, Some("MQTT3-4.7.1-2"), "4.7.1.2"),
        Violation::SingleLevelWildcard => rule_of(Malformed, Some("MQTT3-4.7.1-3"), "4.7.1.3"),
        Violation::ProtocolName | Violation::ProtocolNameOfMqtt31 => {
            rule_of(Protocol, Some("MQTT3-3.1.2-1"), "3.1.2.1")
        }
        Violation::ProtocolVersion | Violation::ProtocolLevel => {
            rule_of(Protocol, Some("MQTT3-3.1.2-2"), "3.1.2.2")
        }
        Violation::ConnectFlagReserved => rule_of(Malformed, Some("MQTT3-3.1.2-3"), "3.1.2.3"),
        Violation::WillQos3 => rule_of(Malformed, Some("MQTT3-3.1.2-14"), "3.1.2.6"),
        Violation::WillQosWithoutWill => rule_of(Malformed, Some("MQTT3-3.1.2-13"), "3.1.2.6"),
        Violation::WillRetainWithoutWill => rule_of(Malformed, Some("MQTT3-3.1.2-15"), "3.1.2.7"),
        Violation::PasswordWithoutUserName => rule_of(Malformed, Some("MQTT3-3.1.2-22"), "3.1.2.9"),
        Violation::ClientIdentifierEmptyWithoutCleanSession => {
            rule_of(Protocol, Some("MQTT3-3.1.3-7"), "3.1.3.1")
        }
        Violation::SessionExpiryNotInVersion => rule_of(Protocol, None, "3.1.2.4"),
        Violation::ConnectAcknowledgeFlags => rule_of(Malformed, None, "3.2.2.1"),
        Violation::SessionPresentOnRefusal => rule_of(Protocol, Some("MQTT3-3.2.2-4"), "3.2.2.2"),
        Violation::ReasonCodeNotAllowed => rule_of(Protocol, None, "3.2.2.3, 3.9.3"),
        Violation::ReasonCodeNotInVersion => rule_of(Protocol, None, "3.2.2.3, 3.9.3"),
        Violation::PropertiesNotInVersion => rule_of(Protocol, None, "2.3"),
        Violation::SubscribeWithoutFilter => rule_of(Protocol, Some("MQTT3-3.8.3-3"), "3.8.3"),
        Violation::SubscriptionOptionsReserved
        | Violation::SubscriptionQos3
        | Violation::SubscriptionOptionsNotInVersion => {
            rule_of(Malformed, Some("MQTT3-3.8.3-4"), "3.8.3")
        }
        Violation::UnsubscribeWithoutFilter => rule_of(Protocol, Some("MQTT3-3.10.3-2"), "3.10.3"),
        Violation::ReasonCodesMissing => rule_of(Protocol, Some("MQTT3-3.8.4-5"), "3.8.4"),
        Violation::PacketFromWrongSide => rule_of(Protocol, None, "2.2.1"),
        _ => None,
    }
}

/// The statement that a packet of this type violates.
pub(crate) const fn statement(
    violation: Violation,
    packet_type: PacketType,
) -> Option<&'static str> {
    match violation {
        // Whoever gets such a packet closes the Network Connection [MQTT3-2.2.2-2].
        Violation::FixedHeaderFlags => match packet_type {
            PacketType::PubRel => Some("MQTT3-3.6.1-1"),
            PacketType::Subscribe => Some("MQTT3-3.8.1-1"),
            PacketType::Unsubscribe => Some("MQTT3-3.10.1-1"),
            PacketType::Disconnect => Some("MQTT3-3.14.1-1"),
            // This type is reserved.
            PacketType::Auth => None,
            _ => Some("MQTT3-2.2.2-1"),
        },
        Violation::PacketIdentifierZero => match packet_type {
            PacketType::SubAck | PacketType::UnsubAck => Some("MQTT3-2.3.1-7"),
            PacketType::Publish | PacketType::Subscribe | PacketType::Unsubscribe => {
                Some("MQTT3-2.3.1-1")
            }
            _ => Some("MQTT3-2.3.1-6"),
        },
        Violation::ReasonCodeNotAllowed | Violation::ReasonCodeNotInVersion => match packet_type {
            PacketType::SubAck => Some("MQTT3-3.9.3-2"),
            _ => None,
        },
        violation => match rule(violation) {
            Some(rule) => rule.statement,
            None => None,
        },
    }
}
