//! Verdicts about `mqute-codec`.

use mqtt5_codec::Packet;

use super::{Right, Verdict, accepts, is_auth_without_properties, is_disconnect_8c};

const PEER: &str = "mqute-codec";

pub(super) static VERDICTS: &[Verdict] = &[
    Verdict {
        peer: PEER,
        when: accepts!(AuthenticationMethodMissing),
        right: Right::Either,
        reference: "3.15.2.1, 3.15.2.2.2",
        because: "accepts an AUTH that writes out that it has no properties; one section grants that, another forbids it, and we accept only that they are left out",
        example: "F0 02 00 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(is_auth_without_properties),
        right: Right::Either,
        reference: "3.15.2.1, 3.15.2.2.2",
        because: "waits for the Property Length that an AUTH leaves out; whether it may is not said",
        example: "F0 01 18",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(is_disconnect_8c),
        right: Right::Either,
        reference: "2.4, 3.14.2.1",
        because: "refuses DISCONNECT 0x8C, which Table 2-6 has and Table 3-10 has not",
        example: "E0 01 8C",
    },
    Verdict {
        peer: PEER,
        when: accepts!(NullCharacter),
        right: Right::Ours,
        reference: "MQTT-1.5.4-2, MQTT-4.7.3-2",
        because: "looks for U+0000 only in topics",
        example: "10 10 00 04 4D 51 54 54 05 02 00 3C 00 00 03 78 00 79",
    },
    Verdict {
        peer: PEER,
        when: accepts!(BytesLeftOver),
        right: Right::Ours,
        reference: "2.1.4",
        because: "does not look at what is left after the last field",
        example: "10 0F 00 04 4D 51 54 54 05 02 AB 00 00 00 00 01 23",
    },
    Verdict {
        peer: PEER,
        when: accepts!(SubscriptionIdentifierZero | TopicAliasZero | PayloadFormatIndicatorValue),
        right: Right::Ours,
        reference: "3.3.2.3.2, 3.3.2.3.8, MQTT-3.3.2-8",
        because: "accepts values out of range",
        example: "30 09 00 03 61 2F 62 03 23 00 00",
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
        when: accepts!(WillQosWithoutWill | WillRetainWithoutWill),
        right: Right::Ours,
        reference: "MQTT-3.1.2-11, MQTT-3.1.2-13",
        because: "accepts Will QoS and Will Retain without a Will",
        example: "10 0F 00 04 4D 51 54 54 05 22 00 3C 00 00 02 63 31",
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
        when: accepts!(TopicNameEmpty),
        right: Right::Ours,
        reference: "MQTT-4.7.3-1",
        because: "accepts an empty Response Topic",
        example: "30 0B 00 03 61 2F 62 03 08 00 00 68 69",
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
        when: accepts!(FieldTruncated),
        right: Right::Ours,
        reference: "MQTT-3.1.2-19",
        because: "accepts a CONNECT whose Password Flag is set but whose Password is missing",
        example: "10 0D 00 04 4D 51 54 54 05 42 FF FF 00 00 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(is_short_form),
        right: Right::Ours,
        reference: "3.4.2.2.1, 3.14.2.2.1",
        because: "waits for the Property Length that PUBACK, PUBREC, PUBREL, PUBCOMP and DISCONNECT may leave out",
        example: "40 03 00 0A 10",
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
        when: |case| case.lost(has_password_only),
        right: Right::Ours,
        reference: "3.1.2.9",
        because: "reads no Password if there is no User Name",
        example: "10 0F 00 04 4D 51 54 54 05 40 79 99 00 00 00 00 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(has_no_topic),
        right: Right::Ours,
        reference: "3.3.2.3.4",
        because: "refuses a Topic Alias in place of the Topic Name",
        example: "30 06 00 00 03 23 00 01",
    },
];

/// Reason Code, but no Property Length.
fn is_short_form(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::PubAck(packet) => packet.properties.is_empty(),
        Packet::PubRec(packet) => packet.properties.is_empty(),
        Packet::PubRel(packet) => packet.properties.is_empty(),
        Packet::PubComp(packet) => packet.properties.is_empty(),
        Packet::Disconnect(packet) => packet.properties.is_empty(),
        _ => false,
    }
}

fn has_no_topic(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Publish(packet) if packet.topic.is_none())
}

fn has_binary_password(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.password.is_some_and(|password| std::str::from_utf8(&password).is_err()))
}

fn has_password_only(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.user_name.is_none() && packet.password.is_some())
}
