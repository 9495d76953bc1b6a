//! Every rule of the standard that this crate judges, in one table.

use core::fmt;

use crate::{ProtocolVersion, ReasonCode, v3_1_1};

/// How the standard classes a broken rule (section 1.2 and 4.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ViolationClass {
    /// *Malformed Packet*: the bytes cannot be parsed.
    Malformed,
    /// *Protocol Error*: the bytes can be parsed, but say something that the protocol forbids.
    Protocol,
}

impl fmt::Display for ViolationClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ViolationClass::Malformed => "Malformed Packet",
            ViolationClass::Protocol => "Protocol Error",
        })
    }
}

macro_rules! violations {
    ($($name:ident: $class:ident, $reason_code:ident, $statement:expr, $section:literal, $message:literal;)*) => {
        /// A rule of the standard that some bytes, or a value to be sent, break.
        ///
        /// One byte, `Copy`, no allocation. [`Violation::class`], [`Violation::reason_code`],
        /// [`Violation::section`] and [`Violation::message`] tell what the standard says about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Violation {
            $(
                #[doc = concat!($message, " (section ", $section, ").")]
                $name,
            )*
        }

        impl Violation {
            /// Every violation, in the order of the table.
            pub const ALL: &'static [Violation] = &[$(Violation::$name),*];

            /// Whether the packet is malformed or breaks the protocol. MQTT 3.1.1 does not define
            /// these classes; its packets have those of the like rule of MQTT 5.
            #[must_use]
            pub const fn class(self, version: ProtocolVersion) -> ViolationClass {
                match self.rule_of_3_1_1(version) {
                    Some(rule) => rule.class,
                    None => match self { $(Violation::$name => ViolationClass::$class),* },
                }
            }

            /// The Reason Code of MQTT 5 that says what was wrong: for a DISCONNECT, or a CONNACK while
            /// connecting. Not every code may stand in both;
            /// [`DecodeError::answer`](crate::DecodeError::answer) knows.
            #[must_use]
            pub const fn reason_code(self) -> ReasonCode {
                match self { $(Violation::$name => ReasonCode::$reason_code),* }
            }

            /// The identifier of the normative statement that is violated, where the standard
            /// numbers one for all packets: `MQTT-3.1.2-1` is one of MQTT 5, `MQTT3-3.1.2-1` one of
            /// MQTT 3.1.1, whose text calls it MQTT-3.1.2-1, too.
            /// [`DecodeError::statement`](crate::DecodeError::statement) knows the packet, and so
            /// names more.
            #[must_use]
            pub const fn statement(self, version: ProtocolVersion) -> Option<&'static str> {
                match (version, self.rule_of_3_1_1(version)) {
                    (_, Some(rule)) => rule.statement,
                    (ProtocolVersion::V3_1_1, None) => None,
                    (ProtocolVersion::V5_0, None) => {
                        match self { $(Violation::$name => $statement),* }
                    }
                }
            }

            /// The section of the standard that states the rule. A rule that only the other version
            /// has gives the section there.
            #[must_use]
            pub const fn section(self, version: ProtocolVersion) -> &'static str {
                match self.rule_of_3_1_1(version) {
                    Some(rule) => rule.section,
                    None => match self { $(Violation::$name => $section),* },
                }
            }

            const fn rule_of_3_1_1(self, version: ProtocolVersion) -> Option<v3_1_1::Rule> {
                match version {
                    ProtocolVersion::V3_1_1 => v3_1_1::rule(self),
                    ProtocolVersion::V5_0 => None,
                }
            }

            /// What is wrong, in one clause.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Violation::$name => $message),* }
            }
        }
    };
}

violations! {
    // Fixed header
    ReservedPacketType: Malformed, MalformedPacket, None, "2.1.2", "Control Packet type 0 is reserved";
    FixedHeaderFlags: Malformed, MalformedPacket, Some("MQTT-2.1.3-1"), "2.1.3", "a reserved flag of the fixed header has the wrong value";
    PublishQos3: Malformed, MalformedPacket, Some("MQTT-3.3.1-4"), "3.3.1.2", "both QoS bits of the PUBLISH are set";
    DuplicateAtQos0: Malformed, MalformedPacket, Some("MQTT-3.3.1-2"), "3.3.1.1", "DUP is set on a PUBLISH with QoS 0";
    PacketTooLarge: Protocol, PacketTooLarge, None, "3.1.2.11.4, 3.2.2.3.6", "the packet is larger than the receiver's Maximum Packet Size";

    BufferLimit: Protocol, QuotaExceeded, None, "3.14.2.1", "the packet does not fit into the receiver's buffer limit";

    // Data types
    VariableByteIntegerTooLong: Malformed, MalformedPacket, None, "1.5.5", "a Variable Byte Integer is longer than four bytes";
    VariableByteIntegerNotMinimal: Malformed, MalformedPacket, Some("MQTT-1.5.5-1"), "1.5.5", "a Variable Byte Integer has more bytes than its value needs";
    IllFormedUtf8: Malformed, MalformedPacket, Some("MQTT-1.5.4-1"), "1.5.4", "a string is not well-formed UTF-8";
    NullCharacter: Malformed, MalformedPacket, Some("MQTT-1.5.4-2"), "1.5.4", "a string contains the null character U+0000";
    FieldTruncated: Malformed, MalformedPacket, None, "2.1.4", "a field runs past the end of the packet";
    BytesLeftOver: Malformed, MalformedPacket, None, "2.1.4", "bytes are left over after the last field of the packet";
    StringTooLong: Malformed, MalformedPacket, None, "1.5.4", "a string is longer than 65,535 bytes";
    BinaryTooLong: Malformed, MalformedPacket, None, "1.5.6", "binary data is longer than 65,535 bytes";
    PacketTooLong: Malformed, MalformedPacket, None, "2.1.4", "the packet is longer than a Remaining Length of 268,435,455 bytes can say";
    PacketIdentifierZero: Protocol, ProtocolError, None, "2.2.1", "the Packet Identifier is 0";

    // Property sets
    PropertyUnknown: Malformed, MalformedPacket, None, "2.2.2.2", "no property has this identifier";
    PropertyNotAllowed: Malformed, MalformedPacket, None, "2.2.2.2", "the property is not allowed in this packet";
    PropertyRepeated: Protocol, ProtocolError, None, "2.2.2.2", "the property is given more than once";
    PropertyTruncated: Malformed, MalformedPacket, None, "2.2.2.1", "a property runs past the end of its Property Length";
    PropertyLengthMissing: Malformed, MalformedPacket, Some("MQTT-2.2.2-1"), "2.2.2.1", "the Property Length is missing";
    PropertySetTruncated: Malformed, MalformedPacket, None, "2.2.2.1", "the Property Length runs past the end of the packet";
    PropertyListGiven: Protocol, ProtocolError, None, "2.2.2", "a list of properties was added to the set before";
    PayloadFormatIndicatorValue: Protocol, ProtocolError, None, "3.1.3.2.3, 3.3.2.3.2", "Payload Format Indicator is neither 0 nor 1";
    SubscriptionIdentifierZero: Protocol, ProtocolError, None, "3.3.2.3.8, 3.8.2.1.2", "Subscription Identifier is 0";
    SubscriptionIdentifierTooLarge: Protocol, ProtocolError, None, "3.8.2.1.2", "Subscription Identifier is above 268,435,455";
    RequestProblemInformationValue: Protocol, ProtocolError, None, "3.1.2.11.7", "Request Problem Information is neither 0 nor 1";
    RequestResponseInformationValue: Protocol, ProtocolError, None, "3.1.2.11.6", "Request Response Information is neither 0 nor 1";
    ReceiveMaximumZero: Protocol, ProtocolError, None, "3.1.2.11.3, 3.2.2.3.3", "Receive Maximum is 0";
    MaximumPacketSizeZero: Protocol, ProtocolError, None, "3.1.2.11.4, 3.2.2.3.6", "Maximum Packet Size is 0";
    TopicAliasZero: Protocol, TopicAliasInvalid, Some("MQTT-3.3.2-8"), "3.3.2.3.4", "Topic Alias is 0";
    MaximumQosValue: Protocol, ProtocolError, None, "3.2.2.3.4", "Maximum QoS is neither 0 nor 1";
    RetainAvailableValue: Protocol, ProtocolError, None, "3.2.2.3.5", "Retain Available is neither 0 nor 1";
    WildcardSubscriptionAvailableValue: Protocol, ProtocolError, None, "3.2.2.3.11", "Wildcard Subscription Available is neither 0 nor 1";
    SubscriptionIdentifierAvailableValue: Protocol, ProtocolError, None, "3.2.2.3.12", "Subscription Identifier Available is neither 0 nor 1";
    SharedSubscriptionAvailableValue: Protocol, ProtocolError, None, "3.2.2.3.13", "Shared Subscription Available is neither 0 nor 1";
    AuthenticationDataWithoutMethod: Protocol, ProtocolError, None, "3.1.2.11.10", "Authentication Data is given without an Authentication Method";
    AuthenticationMethodMissing: Protocol, ProtocolError, None, "3.15.2.2.2", "the AUTH has no Authentication Method";

    // Topics
    TopicNameEmpty: Malformed, MalformedPacket, Some("MQTT-4.7.3-1"), "4.7.3", "a Topic Name is empty";
    TopicNameWildcard: Malformed, MalformedPacket, Some("MQTT-4.7.0-1"), "4.7.1", "a Topic Name contains a wildcard character";
    PublishTopicWildcard: Malformed, MalformedPacket, Some("MQTT-3.3.2-2"), "3.3.2.1", "the Topic Name of the PUBLISH contains a wildcard character";
    ResponseTopicWildcard: Malformed, MalformedPacket, Some("MQTT-3.3.2-14"), "3.1.3.2.6, 3.3.2.3.5", "the Response Topic contains a wildcard character";
    TopicFilterEmpty: Malformed, MalformedPacket, Some("MQTT-4.7.3-1"), "4.7.3", "a Topic Filter is empty";
    MultiLevelWildcard: Malformed, MalformedPacket, Some("MQTT-4.7.1-1"), "4.7.1.2", "`#` is not the last level of the Topic Filter or does not fill it";
    SingleLevelWildcard: Malformed, MalformedPacket, Some("MQTT-4.7.1-2"), "4.7.1.3", "`+` does not fill a whole level of the Topic Filter";
    ShareNameEmpty: Malformed, MalformedPacket, Some("MQTT-4.8.2-1"), "4.8.2", "the ShareName of a Shared Subscription is empty";
    ShareNameWildcard: Malformed, MalformedPacket, Some("MQTT-4.8.2-2"), "4.8.2", "the ShareName of a Shared Subscription contains a wildcard character";
    ShareFilterMissing: Malformed, MalformedPacket, Some("MQTT-4.8.2-2"), "4.8.2", "the ShareName of a Shared Subscription is not followed by `/` and a Topic Filter";

    // CONNECT and CONNACK
    ProtocolName: Protocol, UnsupportedProtocolVersion, Some("MQTT-3.1.2-1"), "3.1.2.1", "the Protocol Name is not `MQTT`";
    ProtocolNameOfMqtt31: Protocol, UnsupportedProtocolVersion, Some("MQTT-3.1.2-1"), "3.1.2.1", "the CONNECT is one of MQTT 3.1";
    ProtocolVersion: Protocol, UnsupportedProtocolVersion, Some("MQTT-3.1.2-2"), "3.1.2.2", "the Protocol Version is above 5";
    ProtocolLevel: Protocol, UnsupportedProtocolVersion, Some("MQTT-3.1.2-2"), "3.1.2.2", "the Protocol Level is below 4, or above 127 as that of a bridge";
    ConnectFlagReserved: Malformed, MalformedPacket, Some("MQTT-3.1.2-3"), "3.1.2.3", "the reserved bit of the Connect Flags is set";
    WillQos3: Malformed, MalformedPacket, Some("MQTT-3.1.2-12"), "3.1.2.6", "Will QoS is 3";
    WillQosWithoutWill: Malformed, MalformedPacket, Some("MQTT-3.1.2-11"), "3.1.2.6", "Will QoS is not 0 although the Will Flag is 0";
    WillRetainWithoutWill: Malformed, MalformedPacket, Some("MQTT-3.1.2-13"), "3.1.2.7", "Will Retain is set although the Will Flag is 0";
    ConnectAcknowledgeFlags: Malformed, MalformedPacket, Some("MQTT-3.2.2-1"), "3.2.2.1", "a reserved bit of the Connect Acknowledge Flags is set";
    SessionPresentOnRefusal: Protocol, ProtocolError, Some("MQTT-3.2.2-6"), "3.2.2.1.1", "Session Present is set in a CONNACK that refuses the connection";

    // Other packets
    ReasonCodeNotAllowed: Protocol, ProtocolError, None, "2.4", "the Reason Code is not one of this packet's";
    TopicMissing: Protocol, ProtocolError, None, "3.3.2.1", "the PUBLISH has neither a Topic Name nor a Topic Alias";
    SubscribeWithoutFilter: Protocol, ProtocolError, Some("MQTT-3.8.3-2"), "3.8.3", "the SUBSCRIBE has no Topic Filter";
    SubscriptionOptionsReserved: Malformed, MalformedPacket, Some("MQTT-3.8.3-5"), "3.8.3.1", "a reserved bit of the Subscription Options is set";
    SubscriptionQos3: Protocol, ProtocolError, None, "3.8.3.1", "the Maximum QoS of the Subscription Options is 3";
    RetainHandling3: Protocol, ProtocolError, None, "3.8.3.1", "the Retain Handling of the Subscription Options is 3";
    NoLocalOnSharedSubscription: Protocol, ProtocolError, Some("MQTT-3.8.3-4"), "3.8.3.1", "No Local is set on a Shared Subscription";
    UnsubscribeWithoutFilter: Protocol, ProtocolError, Some("MQTT-3.10.3-2"), "3.10.3", "the UNSUBSCRIBE has no Topic Filter";
    ReasonCodesMissing: Protocol, ProtocolError, None, "3.9.3, 3.11.3", "the acknowledgement has no Reason Code for any Topic Filter";

    // What MQTT 3.1.1 does not have. The sections are its own.
    PacketNotInVersion: Malformed, MalformedPacket, None, "2.2.1", "MQTT 3.1.1 has no such packet";
    PropertiesNotInVersion: Protocol, ProtocolError, None, "2.3", "MQTT 3.1.1 has no properties";
    ReasonCodeNotInVersion: Protocol, ProtocolError, None, "3.2.2.3, 3.9.3", "MQTT 3.1.1 has no counterpart to the Reason Code in this packet";
    SubscriptionOptionsNotInVersion: Protocol, ProtocolError, None, "3.8.3", "MQTT 3.1.1 has no options of a subscription but its QoS";
    SessionExpiryNotInVersion: Protocol, ProtocolError, None, "3.1.2.4", "a Session of MQTT 3.1.1 ends with the connection if it began with it, and else never expires";
    PasswordWithoutUserName: Malformed, MalformedPacket, None, "3.1.2.9", "MQTT 3.1.1 has no password without a User Name";
    ClientIdentifierEmptyWithoutCleanSession: Protocol, ClientIdentifierNotValid, None, "3.1.3.1", "the ClientID is empty although Clean Session is 0";

    // Direction
    PacketFromWrongSide: Protocol, ProtocolError, None, "2.1.2", "this side never sends such a packet";
    ReasonCodeFromWrongSide: Protocol, ProtocolError, None, "2.4", "this side never sends such a Reason Code";
    SubscriptionIdentifierFromClient: Protocol, ProtocolError, Some("MQTT-3.3.4-6"), "3.3.4", "the Client's PUBLISH has a Subscription Identifier";
    SessionExpiryIntervalFromServer: Protocol, ProtocolError, Some("MQTT-3.14.2-2"), "3.14.2.2.2", "the Server's DISCONNECT has a Session Expiry Interval";
    ServerReferenceFromClient: Protocol, ProtocolError, None, "3.14.2.2.5", "the Client's DISCONNECT has a Server Reference";
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = self.section(ProtocolVersion::V5_0);
        write!(formatter, "{} (section {section})", self.message())
    }
}

impl core::error::Error for Violation {}
