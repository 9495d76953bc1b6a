//! Verdicts about `rmqtt-codec`.

use mqtt5_codec::Packet;

use super::{Right, Verdict, accepts, writes_auth_out};

const PEER: &str = "rmqtt-codec";

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
        when: writes_auth_out,
        right: Right::Either,
        reference: "3.15.2.1, 3.15.2.2.2",
        because: "writes out that an AUTH has no properties; one section grants that, another forbids it",
        example: "F0 00",
    },
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
        example: "C0 01 38",
    },
    Verdict {
        peer: PEER,
        when: accepts!(MaximumPacketSizeZero | MaximumQosValue),
        right: Right::Ours,
        reference: "3.2.2.3.4, 3.2.2.3.6",
        because: "accepts values out of range in a CONNACK",
        example: "20 05 00 00 02 24 02",
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
        when: |case| case.differs_by_defaults(),
        right: Right::Either,
        reference: "3.1.2.11.2, 3.2.2.3.5, 3.3.2.3.2 and others",
        because: "drops properties that say what their absence says",
        example: "20 05 01 00 02 25 01",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(assigns_client_identifier),
        right: Right::Ours,
        reference: "MQTT-3.1.3-6",
        because: "refuses an empty ClientID if Clean Start is 0, a rule of MQTT 3.1.1",
        example: "10 0D 00 04 4D 51 54 54 05 00 00 3C 00 00 00",
    },
    Verdict {
        peer: PEER,
        when: |case| case.rejected(expires_at_once),
        right: Right::Ours,
        reference: "3.3.2.3.3",
        because: "refuses Message Expiry Interval 0",
        example: "30 0B 00 01 2A 05 02 00 00 00 00 80 89",
    },
];

fn assigns_client_identifier(packet: &Packet<'_>) -> bool {
    matches!(packet, Packet::Connect(packet)
        if packet.client_identifier.is_empty() && !packet.clean_start)
}

fn expires_at_once(packet: &Packet<'_>) -> bool {
    let expiry = match packet {
        Packet::Connect(packet) => packet
            .will
            .and_then(|will| will.properties.message_expiry_interval()),
        Packet::Publish(packet) => packet.properties.message_expiry_interval(),
        _ => None,
    };
    expiry == Some(0)
}
