//! The 27 properties: identifier, name, type, packets, repetition, meaning (section 2.2.2.2, Table 2-4).
//!
//! This table is the only place that knows them.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use super::Properties;
use super::value::{
    MaximumQos, PayloadFormat, Restricted, Shape, SubscriptionIdentifier, Unrestricted,
    UserProperty, Value,
};
use crate::sequence::Element;
use crate::sink::Sink;
use crate::wire::Parsed;
use crate::{Binary, PacketType, Text, TopicName, Violation};

pub(super) mod sealed {
    pub trait Sealed {
        /// One bit for each place.
        const BIT: u16;
    }
}

/// A place in a packet where a property set stands; implemented by the types in [`scope`].
pub trait Scope: sealed::Sealed + Copy + Eq + core::hash::Hash + fmt::Debug + 'static {
    /// The packet.
    const PACKET_TYPE: PacketType;
}

/// Implemented for each [`Scope`] whose property sets may carry the property with this identifier.
#[diagnostic::on_unimplemented(
    message = "this packet has no such property",
    label = "not a property of `{Self}`"
)]
pub trait Carries<const IDENTIFIER: u8>: Scope {}

macro_rules! scopes {
    ($($name:ident $packet_type:ident $bit:literal $doc:literal;)*) => {
        /// The places where property sets stand: every packet that has properties, and the Will.
        pub mod scope {
            $(
                #[doc = concat!("The properties of ", $doc, ".")]
                #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
                pub enum $name {}
            )*
        }

        $(
            impl sealed::Sealed for scope::$name {
                const BIT: u16 = 1 << $bit;
            }

            impl Scope for scope::$name {
                const PACKET_TYPE: PacketType = PacketType::$packet_type;
            }
        )*
    };
}

scopes! {
    Connect Connect 0 "a CONNECT";
    ConnAck ConnAck 1 "a CONNACK";
    Publish Publish 2 "a PUBLISH";
    Will Connect 3 "the Will in a CONNECT";
    PubAck PubAck 4 "a PUBACK";
    PubRec PubRec 5 "a PUBREC";
    PubRel PubRel 6 "a PUBREL";
    PubComp PubComp 7 "a PUBCOMP";
    Subscribe Subscribe 8 "a SUBSCRIBE";
    SubAck SubAck 9 "a SUBACK";
    Unsubscribe Unsubscribe 10 "an UNSUBSCRIBE";
    UnsubAck UnsubAck 11 "an UNSUBACK";
    Disconnect Disconnect 12 "a DISCONNECT";
    Auth Auth 13 "an AUTH";
}

/// The largest identifier of a property, plus one.
pub(super) const IDENTIFIERS: usize = 0x2B;

/// What the loop over a property set needs to know about an identifier.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// Bits of the scopes that may carry the property; none for unknown identifiers.
    pub(super) allowed: u16,
    /// Bits of the scopes that may carry it more than once.
    pub(super) repeatable: u16,
    pub(super) shape: Shape,
    /// One bit for each of the 27.
    pub(super) bit: u32,
}

impl Row {
    /// Checks that a packet may carry the property, and may carry it again if it is repeated.
    #[inline(always)]
    pub(super) fn check(&self, scope: u16, is_repeated: bool) -> Result<(), Violation> {
        if self.allowed & scope != 0 && (!is_repeated || self.repeatable & scope != 0) {
            return Ok(());
        }
        Err(self.refusal(scope))
    }

    #[cold]
    fn refusal(&self, scope: u16) -> Violation {
        if self.allowed == 0 {
            Violation::PropertyUnknown
        } else if self.allowed & scope == 0 {
            Violation::PropertyNotAllowed
        } else {
            Violation::PropertyRepeated
        }
    }
}

/// Steps over a value of this type, having checked it.
macro_rules! checked {
    ($type:ty, $input:expr) => {
        <$type as Unrestricted<'a>>::check($input)
    };
    ($type:ty, $input:expr, $wrong:ident) => {
        <$type as Restricted<'a>>::check($input, Violation::$wrong)
    };
}

macro_rules! properties {
    ($(
        $identifier:literal $name:ident($type:ty) $text:literal $sections:literal
        in [$($scope:ident)*] $(repeated in [$($repeatable:ident)*])? $(else $wrong:ident)?
        $(as $accessor:ident)?: $meaning:literal, absent: $absent:literal;
    )*) => {
        /// A property with its value. Every value is valid by its type; whether a packet may carry
        /// the property, and how often, is checked by [`Properties::new`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        // The discriminant is the identifier, so that writing a property need not look it up.
        #[repr(u8)]
        pub enum Property<'a> {
            $(
                #[doc = concat!(
                    "`", stringify!($identifier), "` ", $text, ": ", $meaning, ". If it is absent, ", $absent,
                    " (section ", $sections, ")."
                )]
                $name($type) = $identifier,
            )*
        }

        /// The identifier of a property (section 2.2.2.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum PropertyIdentifier {
            $(
                #[doc = concat!("`", stringify!($identifier), "` ", $text, " (section ", $sections, ")")]
                $name = $identifier,
            )*
        }

        impl PropertyIdentifier {
            /// The 27 identifiers, in ascending order.
            pub const ALL: &'static [PropertyIdentifier] = &[$(PropertyIdentifier::$name),*];

            /// The identifier with this value, if the standard defines one.
            #[must_use]
            pub const fn from_byte(byte: u8) -> Option<PropertyIdentifier> {
                match byte {
                    $($identifier => Some(PropertyIdentifier::$name),)*
                    _ => None,
                }
            }

            /// The name that Table 2-4 gives.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(PropertyIdentifier::$name => $text),* }
            }
        }

        impl Property<'_> {
            /// The identifier.
            #[must_use]
            #[inline]
            pub const fn identifier(&self) -> PropertyIdentifier {
                match self { $(Property::$name(_) => PropertyIdentifier::$name),* }
            }
        }

        /// Each method returns the value of one property, or `None` if it is absent.
        impl<'a, S: Scope> Properties<'a, S> {
            $($(
                #[doc = concat!($text, ": ", $meaning, " (section ", $sections, ").")]
                #[doc = ""]
                #[doc = concat!("`None` if it is absent: ", $absent, ".")]
                #[must_use]
                pub fn $accessor(&self) -> Option<$type>
                where
                    S: Carries<$identifier>,
                {
                    match self.find($identifier) {
                        Some(Property::$name(value)) => Some(value),
                        _ => None,
                    }
                }
            )?)*
        }

        $($(impl Carries<$identifier> for scope::$scope {})*)*

        pub(super) static TABLE: [Row; IDENTIFIERS] = table();

        // A function because the types of the table need a lifetime.
        #[allow(clippy::extra_unused_lifetimes, reason = "the types of the table use it")]
        const fn table<'a>() -> [Row; IDENTIFIERS] {
            let unknown = Row { allowed: 0, repeatable: 0, shape: Shape::Fixed(0), bit: 0 };
            let mut table = [unknown; IDENTIFIERS];
            let mut rows = 0;
            $(
                table[$identifier] = Row {
                    allowed: 0 $(| <scope::$scope as sealed::Sealed>::BIT)*,
                    repeatable: 0 $($(| <scope::$repeatable as sealed::Sealed>::BIT)*)?,
                    shape: <$type as Value<'a>>::SHAPE,
                    bit: 1 << rows,
                };
                rows += 1;
            )*
            assert!(rows <= u32::BITS);
            table
        }

        /// Steps over the value of a property, having checked it.
        #[inline(always)]
        pub(super) fn check_value<'a>(identifier: u8, input: &'a [u8]) -> Parsed<'a, ()> {
            match identifier {
                $($identifier => checked!($type, input $(, $wrong)?),)*
                _ => Err(crate::wire::Fault::at(input, Violation::PropertyUnknown)),
            }
        }

        impl<'a> Element<'a> for Property<'a> {
            #[inline]
            fn read(wire: &mut &'a [u8]) -> Option<Self> {
                let (&identifier, rest) = wire.split_first()?;
                *wire = rest;
                match identifier {
                    $($identifier => <$type as Value<'a>>::read(wire).map(Property::$name),)*
                    _ => None,
                }
            }

            #[inline]
            fn is_in(&self, mask: u32) -> bool {
                bit_of(self.identifier() as u8) & mask != 0
            }

            #[inline(always)]
            fn write<S: Sink>(&self, sink: &mut S) {
                let value = match self {
                    $(Property::$name(value) => value.wire(),)*
                };
                value.write(self.identifier() as u8, sink);
            }
        }
    };
}

// identifier, name, type of the value, the standard's name, sections
//     in the packets that may carry it, repeated in those that may carry it more than once,
//     else the rule that a value out of range breaks, as the accessor
//     : what it says, absent: what it means if it is absent
properties! {
    0x01 PayloadFormatIndicator(PayloadFormat) "Payload Format Indicator" "3.1.3.2.3, 3.3.2.3.2"
        in [Publish Will] else PayloadFormatIndicatorValue as payload_format_indicator:
        "whether the payload is text", absent: "the payload is bytes of unspecified meaning";
    0x02 MessageExpiryInterval(u32) "Message Expiry Interval" "3.1.3.2.4, 3.3.2.3.3"
        in [Publish Will] as message_expiry_interval:
        "the lifetime of the message in seconds", absent: "the message never expires";
    0x03 ContentType(Text<'a>) "Content Type" "3.1.3.2.5, 3.3.2.3.9"
        in [Publish Will] as content_type:
        "what the payload is; only the applications understand it", absent: "nothing is said about the payload";
    0x08 ResponseTopic(TopicName<'a>) "Response Topic" "3.1.3.2.6, 3.3.2.3.5"
        in [Publish Will] else ResponseTopicWildcard as response_topic:
        "the topic to publish the response to", absent: "the message is not a request";
    0x09 CorrelationData(Binary<'a>) "Correlation Data" "3.1.3.2.7, 3.3.2.3.6"
        in [Publish Will] as correlation_data:
        "what the requester recognizes the response by", absent: "the requester needs none";
    0x0B SubscriptionIdentifier(SubscriptionIdentifier) "Subscription Identifier" "3.3.2.3.8, 3.8.2.1.2"
        in [Publish Subscribe] repeated in [Publish] else SubscriptionIdentifierZero:
        "which subscription the message matched, or which this one is to be called; in a PUBLISH only from a Server",
        absent: "the subscription has no identifier";
    0x11 SessionExpiryInterval(u32) "Session Expiry Interval" "3.1.2.11.2, 3.2.2.3.2, 3.14.2.2.2"
        in [Connect ConnAck Disconnect] as session_expiry_interval:
        "the seconds that the Session outlives the Network Connection, `0xFFFF_FFFF` for ever; in a DISCONNECT only from a Client",
        absent: "it is 0 in a CONNECT, and in a CONNACK or DISCONNECT what it was before";
    0x12 AssignedClientIdentifier(Text<'a>) "Assigned Client Identifier" "3.2.2.3.7"
        in [ConnAck] as assigned_client_identifier:
        "the ClientID that the Server chose", absent: "the Client's own ClientID holds";
    0x13 ServerKeepAlive(u16) "Server Keep Alive" "3.2.2.3.14"
        in [ConnAck] as server_keep_alive:
        "the Keep Alive in seconds that the Client must use instead of its own", absent: "the Client's Keep Alive holds";
    0x15 AuthenticationMethod(Text<'a>) "Authentication Method" "3.1.2.11.9, 3.2.2.3.17, 3.15.2.2.2"
        in [Connect ConnAck Auth] as authentication_method:
        "the method of enhanced authentication", absent: "there is no enhanced authentication";
    0x16 AuthenticationData(Binary<'a>) "Authentication Data" "3.1.2.11.10, 3.2.2.3.18, 3.15.2.2.3"
        in [Connect ConnAck Auth] as authentication_data:
        "what the method has to say", absent: "it has nothing to say";
    0x17 RequestProblemInformation(bool) "Request Problem Information" "3.1.2.11.7"
        in [Connect] else RequestProblemInformationValue as request_problem_information:
        "whether the Server may explain failures in every packet", absent: "it is true";
    0x18 WillDelayInterval(u32) "Will Delay Interval" "3.1.3.2.2"
        in [Will] as will_delay_interval:
        "the seconds that the Server waits before it publishes the Will Message", absent: "it is 0";
    0x19 RequestResponseInformation(bool) "Request Response Information" "3.1.2.11.6"
        in [Connect] else RequestResponseInformationValue as request_response_information:
        "whether the Server may send Response Information", absent: "it is false";
    0x1A ResponseInformation(Text<'a>) "Response Information" "3.2.2.3.15"
        in [ConnAck] as response_information:
        "a basis for Response Topics", absent: "the Server offers none";
    0x1C ServerReference(Text<'a>) "Server Reference" "3.2.2.3.16, 3.14.2.2.5"
        in [ConnAck Disconnect] as server_reference:
        "another Server to use; only from a Server", absent: "none is named";
    0x1F ReasonString(Text<'a>) "Reason String" "3.2.2.3.9, 3.4.2.2.2 and others"
        in [ConnAck PubAck PubRec PubRel PubComp SubAck UnsubAck Disconnect Auth] as reason_string:
        "an explanation for a person, not to be parsed", absent: "the Reason Code says everything";
    0x21 ReceiveMaximum(NonZeroU16) "Receive Maximum" "3.1.2.11.3, 3.2.2.3.3"
        in [Connect ConnAck] else ReceiveMaximumZero as receive_maximum:
        "how many QoS 1 and QoS 2 messages the sender of this packet processes at a time", absent: "it is 65,535";
    0x22 TopicAliasMaximum(u16) "Topic Alias Maximum" "3.1.2.11.5, 3.2.2.3.8"
        in [Connect ConnAck] as topic_alias_maximum:
        "the highest Topic Alias that the sender of this packet accepts", absent: "it is 0, no Topic Alias";
    0x23 TopicAlias(NonZeroU16) "Topic Alias" "3.3.2.3.4"
        in [Publish] else TopicAliasZero as topic_alias:
        "a number for the Topic Name", absent: "the Topic Name stands for itself";
    0x24 MaximumQos(MaximumQos) "Maximum QoS" "3.2.2.3.4"
        in [ConnAck] else MaximumQosValue as maximum_qos:
        "the highest QoS that the Server supports", absent: "it is 2";
    0x25 RetainAvailable(bool) "Retain Available" "3.2.2.3.5"
        in [ConnAck] else RetainAvailableValue as retain_available:
        "whether the Server supports retained messages", absent: "it is true";
    0x26 UserProperty(UserProperty<'a>) "User Property" "3.1.2.11.8, 3.3.2.3.7 and others"
        in [Connect ConnAck Publish Will PubAck PubRec PubRel PubComp Subscribe SubAck Unsubscribe UnsubAck Disconnect Auth]
        repeated in [Connect ConnAck Publish Will PubAck PubRec PubRel PubComp Subscribe SubAck Unsubscribe UnsubAck Disconnect Auth]:
        "a pair of strings that only the applications understand", absent: "there is none";
    0x27 MaximumPacketSize(NonZeroU32) "Maximum Packet Size" "3.1.2.11.4, 3.2.2.3.6"
        in [Connect ConnAck] else MaximumPacketSizeZero as maximum_packet_size:
        "the largest packet in bytes that the sender of this packet accepts", absent: "there is no limit but the protocol's own";
    0x28 WildcardSubscriptionAvailable(bool) "Wildcard Subscription Available" "3.2.2.3.11"
        in [ConnAck] else WildcardSubscriptionAvailableValue as wildcard_subscription_available:
        "whether the Server supports wildcard characters in Topic Filters", absent: "it is true";
    0x29 SubscriptionIdentifierAvailable(bool) "Subscription Identifier Available" "3.2.2.3.12"
        in [ConnAck] else SubscriptionIdentifierAvailableValue as subscription_identifier_available:
        "whether the Server supports Subscription Identifiers", absent: "it is true";
    0x2A SharedSubscriptionAvailable(bool) "Shared Subscription Available" "3.2.2.3.13"
        in [ConnAck] else SharedSubscriptionAvailableValue as shared_subscription_available:
        "whether the Server supports Shared Subscriptions", absent: "it is true";
}

/// The bit of an identifier in a set of them.
#[inline]
pub(super) fn bit_of(identifier: u8) -> u32 {
    TABLE.get(usize::from(identifier)).map_or(0, |row| row.bit)
}

impl fmt::Display for PropertyIdentifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
