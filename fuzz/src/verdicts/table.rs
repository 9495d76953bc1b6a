//! The verdicts about MQTT 5, one row for each kind of disagreement.

use super::packets::*;
use super::{Right, Verdict, accepts, verdicts};
use crate::differential::Disagreement;

// what the peers do, or why
//     [the peers] who is right, where that stands
//     when a disagreement is of this kind, as in this packet
//
// The first row that fits is the verdict, so what fits almost everything comes last.
verdicts! { V5_0:
    // Data types and the fixed header (sections 1.5, 2.1)
    "does not look at reserved flags"
        ["rumqttc"] Ours "MQTT-2.1.3-1"
        when accepts!(FixedHeaderFlags), as in "60 02 00 01";
    "looks for U+0000 only in topics"
        ["mqtt-proto", "mqute-codec"] Ours "MQTT-1.5.4-2, MQTT-4.7.3-2"
        when accepts!(NullCharacter), as in "10 10 00 04 4D 51 54 54 05 02 00 3C 00 00 03 78 00 79";
    "does not look for U+0000"
        ["rmqtt-codec", "rumqttc"] Ours "MQTT-1.5.4-2, MQTT-4.7.3-2"
        when accepts!(NullCharacter), as in "30 09 00 04 61 00 2F 62 00 68 69";
    "takes topics as bytes, whatever they are"
        ["rumqttc"] Ours "MQTT-1.5.4-1"
        when accepts!(IllFormedUtf8), as in "30 06 00 01 FF 00 68 69";
    "accepts Variable Byte Integers with more bytes than they need"
        ["mqtt-proto", "rmqtt-codec", "rumqttc"] Ours "MQTT-1.5.5-1"
        when accepts!(VariableByteIntegerNotMinimal), as in "10 10 00 04 4D 51 54 54 05 02 00 3C 80 00 00 02 63 31";
    "does not look at what is left after the last field"
        ["mqtt-proto", "mqute-codec", "rmqtt-codec", "rumqttc"] Ours "2.1.4"
        when accepts!(BytesLeftOver), as in "10 0F 00 04 4D 51 54 54 05 02 AB 00 00 00 00 01 23";
    "accepts Packet Identifier 0 in packets other than PUBLISH"
        ["mqute-codec", "rumqttc"] Ours "MQTT-2.2.1-3 to MQTT-2.2.1-6"
        when accepts!(PacketIdentifierZero), as in "40 02 00 00";
    // Properties (section 2.2.2)
    "accepts repeated properties and reads past the Property Length"
        ["rumqttc"] Ours "2.2.2.1, 2.2.2.2"
        when accepts!(PropertyRepeated | PropertyTruncated),
            as in "10 13 00 04 4D 51 54 54 05 02 00 3C 04 19 01 19 01 00 02 63 31";
    "accepts values out of range"
        ["mqute-codec"] Ours "3.3.2.3.2, 3.3.2.3.8, MQTT-3.3.2-8"
        when accepts!(SubscriptionIdentifierZero | TopicAliasZero | PayloadFormatIndicatorValue),
            as in "30 09 00 03 61 2F 62 03 23 00 00";
    "checks no value"
        ["rumqttc"] Ours "3.1.2.11, 3.2.2.3, 3.3.2.3"
        when accepts!(
            PayloadFormatIndicatorValue | RequestProblemInformationValue | RequestResponseInformationValue |
            MaximumQosValue | RetainAvailableValue | WildcardSubscriptionAvailableValue |
            SubscriptionIdentifierAvailableValue | SharedSubscriptionAvailableValue | MaximumPacketSizeZero |
            ReceiveMaximumZero | SubscriptionIdentifierZero | TopicAliasZero
        ),
            as in "20 05 00 00 02 25 02";
    "accepts properties that are 0 and must not be"
        ["mqtt-proto"] Ours "3.1.2.11.3, 3.1.2.11.4, 3.3.2.3.8, MQTT-3.3.2-8"
        when accepts!(MaximumPacketSizeZero | ReceiveMaximumZero | SubscriptionIdentifierZero | TopicAliasZero),
            as in "30 09 00 03 61 2F 62 03 23 00 00";
    "accepts values out of range in a CONNACK"
        ["rmqtt-codec"] Ours "3.2.2.3.4, 3.2.2.3.6"
        when accepts!(MaximumPacketSizeZero | MaximumQosValue), as in "20 05 00 00 02 24 02";
    "counts Subscription Identifiers as longer than they are, and takes the properties after them for payload"
        ["rumqttc"] Ours "2.2.2.1"
        when |case| case.lost(has_subscription_identifier),
            as in "32 13 00 00 0C C7 0D 23 FF FF 0B 80 01 0B D5 B1 BF 15 0B 01 6C";
    "drops properties that say what their absence says"
        ["rmqtt-codec"] Either "3.1.2.11.2, 3.2.2.3.5, 3.3.2.3.2 and others"
        when |case| case.differs_by_defaults(), as in "20 05 01 00 02 25 01";
    "accepts Authentication Data in a CONNECT without Authentication Method"
        ["mqtt-proto", "rmqtt-codec", "rumqttc"] Ours "3.1.2.11.10"
        when accepts!(AuthenticationDataWithoutMethod),
            as in "10 13 00 04 4D 51 54 54 05 02 00 3C 04 16 00 01 64 00 02 63 31";
    // CONNECT and CONNACK (sections 3.1, 3.2)
    "does not look at the Protocol Version"
        ["flowsdk"] Ours "MQTT-3.1.2-2"
        when accepts!(ProtocolVersion), as in "10 0D 00 04 4D 51 54 54 26 02 00 FF 00 00 00";
    "accepts the reserved Connect Flag"
        ["mqute-codec", "rumqttc"] Ours "MQTT-3.1.2-3"
        when accepts!(ConnectFlagReserved), as in "10 0F 00 04 4D 51 54 54 05 03 00 3C 00 00 02 63 31";
    "accepts Will QoS and Will Retain without a Will"
        ["mqute-codec", "rmqtt-codec"] Ours "MQTT-3.1.2-11, MQTT-3.1.2-13"
        when accepts!(WillQosWithoutWill | WillRetainWithoutWill),
            as in "10 0F 00 04 4D 51 54 54 05 22 00 3C 00 00 02 63 31";
    "accepts Will Retain without a Will"
        ["mqtt-proto"] Ours "MQTT-3.1.2-13"
        when accepts!(WillRetainWithoutWill), as in "10 0F 00 04 4D 51 54 54 05 22 00 3C 00 00 02 63 31";
    "accepts a CONNECT whose Password Flag is set but whose Password is missing"
        ["mqute-codec"] Ours "MQTT-3.1.2-19"
        when accepts!(FieldTruncated), as in "10 0D 00 04 4D 51 54 54 05 42 FF FF 00 00 00";
    "takes the Password for a string"
        ["mqute-codec", "rumqttc"] Ours "3.1.3.6"
        when |case| case.rejected(has_binary_password),
            as in "10 14 00 04 4D 51 54 54 05 C0 FF FF 00 00 01 61 00 01 5A 00 01 FA";
    "reads no Password if there is no User Name"
        ["mqute-codec"] Ours "3.1.2.9"
        when |case| case.lost(has_password_only), as in "10 0F 00 04 4D 51 54 54 05 40 79 99 00 00 00 00 00";
    "refuses an empty User Name, Password or Will Payload"
        ["flowsdk"] Ours "1.5.4, 1.5.6, 3.1.3.4 to 3.1.3.6"
        when |case| case.rejected(has_empty_credential), as in "10 0F 00 04 4D 51 54 54 05 40 FF FE 00 00 00 00 00";
    "drops an empty Password or User Name"
        ["rumqttc"] Ours "MQTT-3.1.2-19, 3.1.3.6"
        when |case| case.lost(has_empty_password), as in "10 0F 00 04 4D 51 54 54 05 42 00 FF 00 00 00 00 00";
    "refuses an empty ClientID if Clean Start is 0, a rule of MQTT 3.1.1"
        ["rmqtt-codec"] Ours "MQTT-3.1.3-6"
        when |case| case.rejected(assigns_client_identifier), as in "10 0D 00 04 4D 51 54 54 05 00 00 3C 00 00 00";
    "accepts reserved Connect Acknowledge Flags"
        ["mqute-codec", "rumqttc"] Ours "MQTT-3.2.2-1"
        when accepts!(ConnectAcknowledgeFlags), as in "20 03 02 00 00";
    "accepts Session Present in a CONNACK that refuses"
        ["mqtt-proto", "mqute-codec", "rmqtt-codec", "rumqttc"] Ours "MQTT-3.2.2-6"
        when accepts!(SessionPresentOnRefusal), as in "20 03 01 87 00";
    "refuses an empty Assigned Client Identifier, which the standard does not mention"
        ["flowsdk"] Either "3.2.2.3.7"
        when |case| case.rejected(assigns_nothing), as in "20 06 00 00 03 12 00 00";
    // PUBLISH and its short answers (sections 3.3 to 3.7)
    "accepts DUP at QoS 0"
        ["mqtt-proto", "mqute-codec", "rmqtt-codec", "rumqttc"] Ours "MQTT-3.3.1-2"
        when accepts!(DuplicateAtQos0), as in "38 08 00 03 61 2F 62 00 68 69";
    "accepts wildcards in Topic Names"
        ["rmqtt-codec", "rumqttc"] Ours "MQTT-3.3.2-2, MQTT-4.7.0-1"
        when accepts!(PublishTopicWildcard | TopicNameWildcard), as in "30 07 00 03 61 2F 23 00 68";
    "accepts an empty Topic Name without Topic Alias"
        ["mqtt-proto", "rmqtt-codec", "rumqttc"] Ours "3.3.2.1"
        when accepts!(TopicMissing), as in "30 06 00 00 00 01 2F 00";
    "refuses a Topic Alias in place of the Topic Name"
        ["mqute-codec"] Ours "3.3.2.3.4"
        when |case| case.rejected(has_no_topic), as in "30 06 00 00 03 23 00 01";
    "accepts an empty Will Topic or Response Topic"
        ["mqtt-proto", "rmqtt-codec", "rumqttc"] Ours "MQTT-4.7.3-1"
        when accepts!(TopicNameEmpty), as in "30 0B 00 03 61 2F 62 03 08 00 00 68 69";
    "accepts an empty Response Topic"
        ["mqute-codec"] Ours "MQTT-4.7.3-1"
        when accepts!(TopicNameEmpty), as in "30 0B 00 03 61 2F 62 03 08 00 00 68 69";
    "accepts wildcards in the Response Topic"
        ["mqute-codec", "rmqtt-codec", "rumqttc"] Ours "MQTT-3.3.2-14"
        when accepts!(ResponseTopicWildcard), as in "30 0C 00 03 61 2F 62 04 08 00 01 23 68 69";
    "refuses a PUBLISH with several Subscription Identifiers"
        ["mqtt-proto"] Ours "3.3.2.3.8"
        when |case| case.rejected(matches_several), as in "31 10 00 00 0C 0B FF FF 03 23 FF A1 0B 80 BB 80 01 51";
    "refuses Message Expiry Interval 0"
        ["rmqtt-codec"] Ours "3.3.2.3.3"
        when |case| case.rejected(expires_at_once), as in "30 0B 00 01 2A 05 02 00 00 00 00 80 89";
    "checks the payload against the Payload Format Indicator, as a receiver may"
        ["mqtt-proto"] Either "3.1.3.2.3, 3.3.2.3.2"
        when |case| case.rejected(payload_is_not_text), as in "30 0A 00 03 61 2F 62 02 01 01 FF FE";
    "waits for the Property Length that PUBACK, PUBREC, PUBREL, PUBCOMP and DISCONNECT may leave out"
        ["mqute-codec"] Ours "3.4.2.2.1, 3.14.2.2.1"
        when |case| case.rejected(is_short_form), as in "40 03 00 0A 10";
    // SUBSCRIBE, UNSUBSCRIBE and their answers (sections 3.8 to 3.11, 4.7, 4.8.2)
    "does not look into Topic Filters"
        ["rmqtt-codec", "rumqttc"] Ours "MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1"
        when accepts!(MultiLevelWildcard | SingleLevelWildcard | TopicFilterEmpty),
            as in "82 08 00 0A 00 00 02 61 23 00";
    "accepts `+` with something behind it in the level"
        ["mqtt-proto"] Ours "MQTT-4.7.1-2"
        when accepts!(SingleLevelWildcard), as in "82 08 00 0A 00 00 02 2B 61 00";
    "does not look into the Topic Filters of Shared Subscriptions"
        ["mqute-codec", "rmqtt-codec", "rumqttc"] Ours "MQTT-4.8.2-1, MQTT-4.8.2-2"
        when accepts!(ShareNameEmpty | ShareNameWildcard | ShareFilterMissing),
            as in "82 0E 00 0A 00 00 08 24 73 68 61 72 65 2F 67 00";
    "accepts reserved bits of the Subscription Options"
        ["rumqttc"] Ours "MQTT-3.8.3-5"
        when accepts!(SubscriptionOptionsReserved), as in "82 08 00 0A 00 00 02 61 62 40";
    "accepts No Local on a Shared Subscription"
        ["mqtt-proto", "mqute-codec", "rmqtt-codec", "rumqttc"] Ours "MQTT-3.8.3-4"
        when accepts!(NoLocalOnSharedSubscription), as in "82 10 00 0A 00 00 0A 24 73 68 61 72 65 2F 67 2F 61 04";
    "accepts an UNSUBSCRIBE without Topic Filters"
        ["rumqttc"] Ours "MQTT-3.10.3-2"
        when accepts!(UnsubscribeWithoutFilter), as in "A2 03 00 0A 00";
    "accepts a SUBACK or UNSUBACK without Reason Codes"
        ["mqtt-proto", "rmqtt-codec"] Ours "MQTT-3.8.4-6, MQTT-3.11.3-2"
        when accepts!(ReasonCodesMissing), as in "90 03 00 0A 00";
    // DISCONNECT and AUTH (sections 3.14, 3.15)
    "refuses a DISCONNECT that leaves out Reason Code or Property Length"
        ["rumqttc"] Ours "3.14.2.1, 3.14.2.2.1"
        when |case| case.rejected(is_bare_disconnect), as in "E0 00";
    "encodes a DISCONNECT without properties with a Remaining Length that is too short"
        ["rumqttc"] Ours "2.1.4"
        when |case| case.lost(is_bare_disconnect), as in "E0 02 8E 00";
    "refuses DISCONNECT 0x8C, which Table 2-6 has and Table 3-10 has not"
        ["flowsdk", "mqtt-proto", "mqute-codec", "rumqttc"] Either "2.4, 3.14.2.1"
        when |case| case.rejected(is_disconnect_8c), as in "E0 05 8C 03 1F 00 00";
    "does not decode AUTH"
        ["rumqttc"] Ours "3.15"
        when |case| case.rejected(is_auth), as in "F0 00";
    "accepts an AUTH that writes out that it has no properties; one section grants that, another forbids it, and we accept only that they are left out"
        ["flowsdk", "mqtt-proto", "mqute-codec", "rmqtt-codec"] Either "3.15.2.1, 3.15.2.2.2"
        when accepts!(AuthenticationMethodMissing), as in "F0 02 00 00";
    "writes out that an AUTH has no properties; one section grants that, another forbids it"
        ["flowsdk", "rmqtt-codec"] Either "3.15.2.1, 3.15.2.2.2"
        when writes_auth_out, as in "F0 00";
    "refuses an AUTH without properties; one section grants that, another forbids it"
        ["flowsdk"] Either "3.15.2.1, 3.15.2.2.2"
        when |case| case.rejected(is_auth_without_properties), as in "F0 01 18";
    "waits for the Property Length that an AUTH leaves out; whether it may is not said"
        ["mqtt-proto", "mqute-codec"] Either "3.15.2.1, 3.15.2.2.2"
        when |case| case.rejected(is_auth_without_properties), as in "F0 01 18";
    // Whatever else follows from what was said before
    "counts Subscription Identifiers as longer than they are, and so reads on past or stops before the end of the properties"
        ["rumqttc"] Ours "2.2.2.1"
        when |case| matches!(case.disagreement, Disagreement::Accepts(_)) && may_miscount(case),
            as in "82 0B 00 0A 03 0B 07 00 03 61 2F 62 00";
}
