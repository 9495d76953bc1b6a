//! Verdicts about `mqtt-proto`.

use mqtt5_codec::Packet;

use super::{Right, Verdict, accepts, is_auth_without_properties, is_disconnect_8c};

const PEER: &str = "mqtt-proto";

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
        when: accepts!(
            MaximumPacketSizeZero
                | ReceiveMaximumZero
                | SubscriptionIdentifierZero
                | TopicAliasZero
        ),
        right: Right::Ours,
        reference: "3.1.2.11.3, 3.1.2.11.4, 3.3.2.3.8, MQTT-3.3.2-8",
        because: "accepts properties that are 0 and must not be",
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
        when: accepts!(WillRetainWithoutWill),
        right: Right::Ours,
        reference: "MQTT-3.1.2-13",
        because: "accepts Will Retain without a Will",
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
        when: accepts!(SingleLevelWildcard),
        right: Right::Ours,
        reference: "MQTT-4.7.1-2",
        because: "accepts `+` with something behind it in the level",
        example: "82 08 00 0A 00 00 02 2B 61 00",
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
        when: accepts!(AuthenticationDataWithoutMethod),
        right: Right::Ours,
        reference: "3.1.2.11.10",
        because: "accepts Authentication Data in a CONNECT without Authentication Method",
        example: "10 13 00 04 4D 51 54 54 05 02 00 3C 04 16 00 01 64 00 02 63 31",
    },
    Verdict {
        peer: PEER,
        when: accepts!(ReasonCodesMissing),
        right: Right::Ours,
        reference: "MQTT-3.8.4-6, MQTT-3.11.3-2",
        because: "accepts a SUBACK or UNSUBACK without Reason Codes",
        example: "90 03 00 0A 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(matches_several),
        right: Right::Ours,
        reference: "3.3.2.3.8",
        because: "refuses a PUBLISH with several Subscription Identifiers",
        example: "31 10 00 00 0C 0B FF FF 03 23 FF A1 0B 80 BB 80 01 51",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(payload_is_not_text),
        right: Right::Either,
        reference: "3.1.3.2.3, 3.3.2.3.2",
        because: "checks the payload against the Payload Format Indicator, as a receiver may",
        example: "30 0A 00 03 61 2F 62 02 01 01 FF FE",
    },
];

fn payload_is_not_text(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::Connect(packet) => packet
            .will
            .is_some_and(|will| !will.payload_format_is_right()),
        Packet::Publish(packet) => !packet.payload_format_is_right(),
        _ => false,
    }
}

fn matches_several(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Publish(packet)
        if packet.properties.subscription_identifiers().count() > 1)
}
