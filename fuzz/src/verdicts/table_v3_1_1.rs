//! The verdicts about MQTT 3.1.1, one row for each kind of disagreement, laid out as those about MQTT 5.

use super::packets::{has_binary_password, has_empty_password};
use super::packets_v3_1_1::*;
use super::{Right, Verdict, accepts, verdicts};
use crate::differential::Disagreement;

verdicts! { V3_1_1:
    // Data types and the fixed header (sections 1.5, 2.2, 2.3)
    "does not look at reserved flags"
        ["rumqttc"] Ours "MQTT3-2.2.2-1, MQTT3-3.6.1-1 and others"
        when accepts!(FixedHeaderFlags), as in "60 02 00 0C";
    "looks for U+0000 only in topics"
        ["mqtt-proto", "mqute-codec"] Ours "MQTT3-1.5.3-2"
        when accepts!(NullCharacter), as in "10 0F 00 04 4D 51 54 54 04 02 00 3C 00 03 78 00 79";
    "does not look for U+0000"
        ["rmqtt-codec", "rumqttc"] Ours "MQTT3-1.5.3-2"
        when accepts!(NullCharacter), as in "30 06 00 04 61 00 2F 62";
    "accepts a Remaining Length with more bytes than it needs, which no statement of this version forbids"
        ["mqtt-proto", "rmqtt-codec", "rumqttc"] Either "2.2.3"
        when accepts!(VariableByteIntegerNotMinimal), as in "C0 80 00";
    "does not look at what is left after the last field"
        ["mqtt-proto", "mqute-codec", "rmqtt-codec", "rumqttc"] Ours "2.2.3"
        when accepts!(BytesLeftOver), as in "10 0D 00 04 4D 51 54 54 04 02 00 3C 00 00 00";
    "accepts Packet Identifier 0 in packets other than PUBLISH"
        ["mqute-codec", "rumqttc"] Ours "MQTT3-2.3.1-1, MQTT3-2.3.1-6, MQTT3-2.3.1-7"
        when accepts!(PacketIdentifierZero), as in "90 03 00 00 00";
    // CONNECT and CONNACK (sections 3.1, 3.2)
    "reads MQTT 3.1, too, which is another standard"
        ["flowsdk", "mqtt-proto", "rmqtt-codec"] Either "MQTT3-3.1.2-1"
        when accepts!(ProtocolNameOfMqtt31), as in "10 10 00 06 4D 51 49 73 64 70 03 02 00 3C 00 02 63 31";
    "does not look whether Protocol Name and Protocol Level belong together"
        ["rmqtt-codec"] Ours "MQTT3-3.1.2-1, MQTT3-3.1.2-2"
        when accepts!(ProtocolName | ProtocolLevel), as in "10 0E 00 04 4D 51 54 54 03 02 00 3C 00 02 63 31";
    "accepts the reserved Connect Flag"
        ["mqute-codec", "rumqttc"] Ours "MQTT3-3.1.2-3"
        when accepts!(ConnectFlagReserved), as in "10 0C 00 04 4D 51 54 54 04 03 00 3C 00 00";
    "accepts Will QoS and Will Retain without a Will"
        ["mqute-codec"] Ours "MQTT3-3.1.2-13, MQTT3-3.1.2-15"
        when accepts!(WillQosWithoutWill | WillRetainWithoutWill),
            as in "10 0E 00 04 4D 51 54 54 04 0A 00 3C 00 02 63 31";
    "accepts Will Retain without a Will"
        ["mqtt-proto"] Ours "MQTT3-3.1.2-15"
        when accepts!(WillRetainWithoutWill), as in "10 0E 00 04 4D 51 54 54 04 22 00 3C 00 02 63 31";
    "accepts a Password without a User Name, as only MQTT 5 has it"
        ["mqtt-proto", "mqute-codec", "rmqtt-codec", "rumqttc"] Ours "MQTT3-3.1.2-22"
        when accepts!(PasswordWithoutUserName),
            as in "10 14 00 04 4D 51 54 54 04 42 00 3C 00 02 63 31 00 04 70 61 73 73";
    "takes the Password for a string"
        ["mqute-codec", "rumqttc"] Ours "3.1.3.5"
        when |case| case.rejected(has_binary_password),
            as in "10 11 00 04 4D 51 54 54 04 C2 00 00 00 00 00 00 00 01 E4";
    "drops an empty Password or User Name"
        ["rumqttc"] Ours "MQTT3-3.1.2-19, MQTT3-3.1.2-21"
        when |case| case.lost(has_empty_password), as in "10 0E 00 04 4D 51 54 54 04 82 00 3C 00 00 00 00";
    "refuses an empty ClientID with Clean Session 0, so that a Server cannot answer it with return code 2"
        ["rmqtt-codec"] Ours "MQTT3-3.1.3-8"
        when |case| case.rejected(keeps_session_of_nobody), as in "10 0C 00 04 4D 51 54 54 04 00 00 3C 00 00";
    "accepts reserved Connect Acknowledge Flags"
        ["mqute-codec", "rumqttc"] Ours "3.2.2.1"
        when accepts!(ConnectAcknowledgeFlags), as in "20 02 80 00";
    "accepts Session Present in a CONNACK that refuses"
        ["mqtt-proto", "mqute-codec", "rmqtt-codec", "rumqttc"] Ours "MQTT3-3.2.2-4"
        when accepts!(SessionPresentOnRefusal), as in "20 02 01 03";
    "takes 6, which is reserved, for a Connect Return code"
        ["rmqtt-codec"] Ours "3.2.2.3"
        when accepts!(ReasonCodeNotAllowed), as in "20 02 00 06";
    // PUBLISH (section 3.3)
    "accepts DUP at QoS 0"
        ["mqtt-proto", "mqute-codec", "rmqtt-codec", "rumqttc"] Ours "MQTT3-3.3.1-2"
        when accepts!(DuplicateAtQos0), as in "38 07 00 03 61 2F 62 68 69";
    "accepts wildcards in Topic Names"
        ["rmqtt-codec", "rumqttc"] Ours "MQTT3-3.3.2-2, MQTT3-4.7.1-1"
        when accepts!(PublishTopicWildcard | TopicNameWildcard), as in "30 05 00 01 2B 68 69";
    "accepts an empty Topic Name or Will Topic"
        ["mqtt-proto", "rumqttc"] Ours "MQTT3-4.7.3-1"
        when accepts!(TopicNameEmpty), as in "30 02 00 00";
    "accepts an empty Will Topic"
        ["rmqtt-codec"] Ours "MQTT3-4.7.3-1"
        when accepts!(TopicNameEmpty),
            as in "10 15 00 04 4D 51 54 54 04 06 00 3C 00 02 63 31 00 00 00 03 62 79 65";
    // SUBSCRIBE, UNSUBSCRIBE and their answers (sections 3.8 to 3.11, 4.7)
    "does not look into Topic Filters"
        ["rmqtt-codec", "rumqttc"] Ours "MQTT3-4.7.1-2, MQTT3-4.7.1-3"
        when accepts!(MultiLevelWildcard | SingleLevelWildcard), as in "82 07 00 0A 00 02 23 2F 00";
    "accepts an empty Topic Filter"
        ["rumqttc"] Ours "MQTT3-4.7.3-1"
        when accepts!(TopicFilterEmpty), as in "82 05 00 0A 00 00 00";
    "accepts `+` with something behind it in the level"
        ["mqtt-proto"] Ours "MQTT3-4.7.1-3"
        when accepts!(SingleLevelWildcard), as in "82 07 00 0A 00 02 2B 61 00";
    "holds filters to the rules of Shared Subscriptions, which this version does not have"
        ["mqtt-proto"] Ours "4.7"
        when |case| case.rejected(has_half_a_share), as in "A2 0B 00 0A 00 07 24 73 68 61 72 65 2F";
    "accepts reserved bits beside the requested QoS"
        ["rmqtt-codec", "rumqttc"] Ours "MQTT3-3.8.3-4"
        when accepts!(SubscriptionOptionsReserved), as in "82 06 00 0A 00 01 2F 28";
    "accepts an UNSUBSCRIBE without Topic Filters"
        ["rumqttc"] Ours "MQTT3-3.10.3-2"
        when accepts!(UnsubscribeWithoutFilter), as in "A2 02 00 0A";
    "accepts a SUBACK without return codes"
        ["mqtt-proto", "rmqtt-codec"] Ours "MQTT3-3.8.4-5"
        when accepts!(ReasonCodesMissing), as in "90 02 00 0A";
    "encodes the return code 0x80 as a number that is reserved"
        ["mqtt-proto"] Ours "MQTT3-3.9.3-2"
        when |case| case.lost(refuses_a_filter), as in "90 03 00 0B 80";
}
