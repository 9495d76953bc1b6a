//! Verdicts about `rumqttc`, the most used client.

use mqtt5_codec::{Packet, PacketType, PropertyIdentifier};

use super::{Right, Verdict, accepts, is_disconnect_8c};
use crate::differential::{Case, Disagreement};

const PEER: &str = "rumqttc";

pub(super) static VERDICTS: &[Verdict] = &[
    Verdict {
        peer: PEER,
        when: accepts!(NullCharacter),
        right: Right::Ours,
        reference: "MQTT-1.5.4-2, MQTT-4.7.3-2",
        because: "does not look for U+0000",
        example: "30 09 00 04 61 00 2F 62 00 68 69",
    },
    Verdict {
        peer: PEER,
        when: accepts!(IllFormedUtf8),
        right: Right::Ours,
        reference: "MQTT-1.5.4-1",
        because: "takes topics as bytes, whatever they are",
        example: "30 06 00 01 FF 00 68 69",
    },
    Verdict {
        peer: PEER,
        when: accepts!(VariableByteIntegerNotMinimal),
        right: Right::Ours,
        reference: "MQTT-1.5.5-1",
        because: "accepts Variable Byte Integers with more bytes than they need",
        example: "10 10 00 04 4D 51 54 54 05 02 00 3C 80 00 00 02 63 31",
    },
    Verdict {
        peer: PEER,
        when: accepts!(BytesLeftOver),
        right: Right::Ours,
        reference: "2.1.4",
        because: "does not look at what is left after the last field",
        example: "E0 03 00 00 33",
    },
    Verdict {
        peer: PEER,
        when: accepts!(FixedHeaderFlags),
        right: Right::Ours,
        reference: "MQTT-2.1.3-1",
        because: "does not look at reserved flags",
        example: "60 02 00 01",
    },
    Verdict {
        peer: PEER,
        when: accepts!(PropertyRepeated | PropertyTruncated),
        right: Right::Ours,
        reference: "2.2.2.1, 2.2.2.2",
        because: "accepts repeated properties and reads past the Property Length",
        example: "10 13 00 04 4D 51 54 54 05 02 00 3C 04 19 01 19 01 00 02 63 31",
    },
    Verdict {
        peer: PEER,
        when: accepts!(
            PayloadFormatIndicatorValue
                | RequestProblemInformationValue
                | RequestResponseInformationValue
                | MaximumQosValue
                | RetainAvailableValue
                | WildcardSubscriptionAvailableValue
                | SubscriptionIdentifierAvailableValue
                | SharedSubscriptionAvailableValue
                | MaximumPacketSizeZero
                | ReceiveMaximumZero
                | SubscriptionIdentifierZero
                | TopicAliasZero
        ),
        right: Right::Ours,
        reference: "3.1.2.11, 3.2.2.3, 3.3.2.3",
        because: "checks no value",
        example: "20 05 00 00 02 25 02",
    },
    Verdict {
        peer: PEER,
        when: accepts!(AuthenticationDataWithoutMethod),
        right: Right::Ours,
        reference: "3.1.2.11.10",
        because: "accepts Authentication Data in a CONNECT without Authentication Method",
        example: "10 13 00 04 4D 51 54 54 05 02 00 3C 04 16 00 01 64 00 02 63 31",
    },
    Verdict {
        peer: PEER,
        when: accepts!(DuplicateAtQos0),
        right: Right::Ours,
        reference: "MQTT-3.3.1-2",
        because: "accepts DUP at QoS 0",
        example: "38 08 00 03 61 2F 62 00 68 69",
    },
    Verdict {
        peer: PEER,
        when: accepts!(SessionPresentOnRefusal),
        right: Right::Ours,
        reference: "MQTT-3.2.2-6",
        because: "accepts Session Present in a CONNACK that refuses",
        example: "20 03 01 87 00",
    },
    Verdict {
        peer: PEER,
        when: accepts!(ConnectFlagReserved),
        right: Right::Ours,
        reference: "MQTT-3.1.2-3",
        because: "accepts the reserved Connect Flag",
        example: "10 0F 00 04 4D 51 54 54 05 03 00 3C 00 00 02 63 31",
    },
    Verdict {
        peer: PEER,
        when: accepts!(ConnectAcknowledgeFlags),
        right: Right::Ours,
        reference: "MQTT-3.2.2-1",
        because: "accepts reserved Connect Acknowledge Flags",
        example: "20 03 02 00 00",
    },
    Verdict {
        peer: PEER,
        when: accepts!(ResponseTopicWildcard),
        right: Right::Ours,
        reference: "MQTT-3.3.2-14",
        because: "accepts wildcards in the Response Topic",
        example: "30 0C 00 03 61 2F 62 04 08 00 01 23 68 69",
    },
    Verdict {
        peer: PEER,
        when: accepts!(TopicMissing),
        right: Right::Ours,
        reference: "3.3.2.1",
        because: "accepts an empty Topic Name without Topic Alias",
        example: "30 06 00 00 00 01 2F 00",
    },
    Verdict {
        peer: PEER,
        when: accepts!(TopicNameEmpty),
        right: Right::Ours,
        reference: "MQTT-4.7.3-1",
        because: "accepts an empty Will Topic or Response Topic",
        example: "30 0B 00 03 61 2F 62 03 08 00 00 68 69",
    },
    Verdict {
        peer: PEER,
        when: accepts!(PublishTopicWildcard | TopicNameWildcard),
        right: Right::Ours,
        reference: "MQTT-3.3.2-2, MQTT-4.7.0-1",
        because: "accepts wildcards in Topic Names",
        example: "30 07 00 03 61 2F 23 00 68",
    },
    Verdict {
        peer: PEER,
        when: accepts!(MultiLevelWildcard | SingleLevelWildcard | TopicFilterEmpty),
        right: Right::Ours,
        reference: "MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1",
        because: "does not look into Topic Filters",
        example: "82 08 00 0A 00 00 02 61 23 00",
    },
    Verdict {
        peer: PEER,
        when: accepts!(ShareNameEmpty | ShareNameWildcard | ShareFilterMissing),
        right: Right::Ours,
        reference: "MQTT-4.8.2-1, MQTT-4.8.2-2",
        because: "does not look into the Topic Filters of Shared Subscriptions",
        example: "82 0E 00 0A 00 00 08 24 73 68 61 72 65 2F 67 00",
    },
    Verdict {
        peer: PEER,
        when: accepts!(NoLocalOnSharedSubscription),
        right: Right::Ours,
        reference: "MQTT-3.8.3-4",
        because: "accepts No Local on a Shared Subscription",
        example: "82 10 00 0A 00 00 0A 24 73 68 61 72 65 2F 67 2F 61 04",
    },
    Verdict {
        peer: PEER,
        when: accepts!(PacketIdentifierZero),
        right: Right::Ours,
        reference: "MQTT-2.2.1-3 to MQTT-2.2.1-6",
        because: "accepts Packet Identifier 0 in packets other than PUBLISH",
        example: "40 02 00 00",
    },
    Verdict {
        peer: PEER,
        when: accepts!(SubscriptionOptionsReserved),
        right: Right::Ours,
        reference: "MQTT-3.8.3-5",
        because: "accepts reserved bits of the Subscription Options",
        example: "82 08 00 0A 00 00 02 61 62 40",
    },
    Verdict {
        peer: PEER,
        when: accepts!(UnsubscribeWithoutFilter),
        right: Right::Ours,
        reference: "MQTT-3.10.3-2",
        because: "accepts an UNSUBSCRIBE without Topic Filters",
        example: "A2 03 00 0A 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(is_auth),
        right: Right::Ours,
        reference: "3.15",
        because: "does not decode AUTH",
        example: "F0 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(is_bare_disconnect),
        right: Right::Ours,
        reference: "3.14.2.1, 3.14.2.2.1",
        because: "refuses a DISCONNECT that leaves out Reason Code or Property Length",
        example: "E0 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(is_disconnect_8c),
        right: Right::Either,
        reference: "2.4, 3.14.2.1",
        because: "refuses DISCONNECT 0x8C, which Table 2-6 has and Table 3-10 has not",
        example: "E0 05 8C 03 1F 00 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(has_binary_password),
        right: Right::Ours,
        reference: "3.1.3.6",
        because: "takes the Password for a string",
        example: "10 14 00 04 4D 51 54 54 05 C0 FF FF 00 00 01 61 00 01 5A 00 01 FA",
    },
    Verdict {
        peer: PEER,
        when: |case| case.lost(has_empty_password),
        right: Right::Ours,
        reference: "MQTT-3.1.2-19, 3.1.3.6",
        because: "drops an empty Password or User Name",
        example: "10 0F 00 04 4D 51 54 54 05 42 00 FF 00 00 00 00 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.lost(is_bare_disconnect),
        right: Right::Ours,
        reference: "2.1.4",
        because: "encodes a DISCONNECT without properties with a Remaining Length that is too short",
        example: "E0 02 8E 00",
    },
    Verdict {
        peer: PEER,
        when: |case| matches!(case.disagreement, Disagreement::Accepts(_)) && may_miscount(case),
        right: Right::Ours,
        reference: "2.2.2.1",
        because: "counts Subscription Identifiers as longer than they are, and so reads on past or stops before the end of the properties",
        example: "82 0B 00 0A 03 0B 07 00 03 61 2F 62 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.lost(has_subscription_identifier),
        right: Right::Ours,
        reference: "2.2.2.1",
        because: "counts Subscription Identifiers as longer than they are, and takes the properties after them for payload",
        example: "32 13 00 00 0C C7 0D 23 FF FF 0B 80 01 0B D5 B1 BF 15 0B 01 6C",
    },
];

/// Whether a Subscription Identifier can be among bytes that we reject.
fn may_miscount(case: &Case<'_>) -> bool {
    let packet_type = PacketType::from_number(case.bytes[0] >> 4);
    matches!(
        packet_type,
        Some(PacketType::Publish | PacketType::Subscribe)
    ) && case
        .bytes
        .contains(&(PropertyIdentifier::SubscriptionIdentifier as u8))
}

fn is_auth(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Auth(_))
}

fn is_bare_disconnect(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Disconnect(packet) if packet.properties.is_empty())
}

fn has_binary_password(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.password.is_some_and(|password| std::str::from_utf8(&password).is_err()))
}

fn has_empty_password(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.password.is_some_and(|password| password.is_empty())
            || packet.user_name.is_some_and(|name| name.is_empty()))
}

fn has_subscription_identifier(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::Publish(packet) => packet
            .properties
            .contains(PropertyIdentifier::SubscriptionIdentifier),
        Packet::Subscribe(packet) => packet.properties.subscription_identifier().is_some(),
        _ => false,
    }
}
