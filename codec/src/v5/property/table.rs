//! The 27 properties: identifier, name, type, packets, repetition (section 2.2.2.2, Table 2-4).
//!
//! Nothing else in this crate knows any of it.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use super::Properties;
use super::value::{MaximumQos, PayloadFormat, Shape, SubscriptionIdentifier, UserProperty, Value};
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

macro_rules! properties {
    ($(
        $identifier:literal $name:ident($type:ty) $text:literal,
        in [$($scope:ident)*], repeated in [$($repeatable:ident)*], else $wrong:ident,
        $doc:literal;
    )*) => {
        /// A property with its value. Every value is valid by its type; whether a packet may carry
        /// the property, and how often, is checked by [`Properties::new`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Property<'a> {
            $(
                #[doc = concat!("`", stringify!($identifier), "` ", $text, ". ", $doc)]
                $name($type) = $identifier,
            )*
        }

        /// The identifier of a property (section 2.2.2.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum PropertyIdentifier {
            $(
                #[doc = concat!("`", stringify!($identifier), "` ", $text)]
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
                    repeatable: 0 $(| <scope::$repeatable as sealed::Sealed>::BIT)*,
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
                $($identifier => <$type as Value<'a>>::check(input, Violation::$wrong),)*
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
                self.identifier().bit() & mask != 0
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

// `else` names the rule that a value out of range breaks; types without such values name the one
// that they would.
properties! {
    0x01 PayloadFormatIndicator(PayloadFormat) "Payload Format Indicator",
        in [Publish Will], repeated in [], else PayloadFormatIndicatorValue,
        "Whether the payload is text (sections 3.1.3.2.3, 3.3.2.3.2).";
    0x02 MessageExpiryInterval(u32) "Message Expiry Interval",
        in [Publish Will], repeated in [], else PropertyTruncated,
        "Lifetime of the message in seconds; absent: it never expires (sections 3.1.3.2.4, 3.3.2.3.3).";
    0x03 ContentType(Text<'a>) "Content Type",
        in [Publish Will], repeated in [], else PropertyTruncated,
        "What the payload is, for the applications (sections 3.1.3.2.5, 3.3.2.3.9).";
    0x08 ResponseTopic(TopicName<'a>) "Response Topic",
        in [Publish Will], repeated in [], else ResponseTopicWildcard,
        "Where to publish the answer to a request (sections 3.1.3.2.6, 3.3.2.3.5).";
    0x09 CorrelationData(Binary<'a>) "Correlation Data",
        in [Publish Will], repeated in [], else PropertyTruncated,
        "What the requester recognizes the answer by (sections 3.1.3.2.7, 3.3.2.3.6).";
    0x0B SubscriptionIdentifier(SubscriptionIdentifier) "Subscription Identifier",
        in [Publish Subscribe], repeated in [Publish], else SubscriptionIdentifierZero,
        "Which subscriptions a message matched; in a PUBLISH only from a Server (sections 3.3.2.3.8, 3.8.2.1.2).";
    0x11 SessionExpiryInterval(u32) "Session Expiry Interval",
        in [Connect ConnAck Disconnect], repeated in [], else PropertyTruncated,
        "Seconds that the Session outlives the connection; 0xFFFF_FFFF: for ever; in a DISCONNECT only from a Client (sections 3.1.2.11.2, 3.2.2.3.2, 3.14.2.2.2).";
    0x12 AssignedClientIdentifier(Text<'a>) "Assigned Client Identifier",
        in [ConnAck], repeated in [], else PropertyTruncated,
        "The ClientID that the Server chose (section 3.2.2.3.7).";
    0x13 ServerKeepAlive(u16) "Server Keep Alive",
        in [ConnAck], repeated in [], else PropertyTruncated,
        "Seconds, to be used instead of the Client's Keep Alive (section 3.2.2.3.14).";
    0x15 AuthenticationMethod(Text<'a>) "Authentication Method",
        in [Connect ConnAck Auth], repeated in [], else PropertyTruncated,
        "The method of enhanced authentication (sections 3.1.2.11.9, 3.2.2.3.17, 3.15.2.2.2).";
    0x16 AuthenticationData(Binary<'a>) "Authentication Data",
        in [Connect ConnAck Auth], repeated in [], else PropertyTruncated,
        "What the method says (sections 3.1.2.11.10, 3.2.2.3.18, 3.15.2.2.3).";
    0x17 RequestProblemInformation(bool) "Request Problem Information",
        in [Connect], repeated in [], else RequestProblemInformationValue,
        "Whether the Server may explain failures in every packet; absent: true (section 3.1.2.11.7).";
    0x18 WillDelayInterval(u32) "Will Delay Interval",
        in [Will], repeated in [], else PropertyTruncated,
        "Seconds before the Will Message is published; absent: 0 (section 3.1.3.2.2).";
    0x19 RequestResponseInformation(bool) "Request Response Information",
        in [Connect], repeated in [], else RequestResponseInformationValue,
        "Whether the Server may send Response Information; absent: false (section 3.1.2.11.6).";
    0x1A ResponseInformation(Text<'a>) "Response Information",
        in [ConnAck], repeated in [], else PropertyTruncated,
        "Basis for Response Topics (section 3.2.2.3.15).";
    0x1C ServerReference(Text<'a>) "Server Reference",
        in [ConnAck Disconnect], repeated in [], else PropertyTruncated,
        "Another Server to use; only from a Server (sections 3.2.2.3.16, 3.14.2.2.5).";
    0x1F ReasonString(Text<'a>) "Reason String",
        in [ConnAck PubAck PubRec PubRel PubComp SubAck UnsubAck Disconnect Auth], repeated in [],
        else PropertyTruncated,
        "Explanation for a person, not to be parsed (sections 3.2.2.3.9, 3.4.2.2.2 and others).";
    0x21 ReceiveMaximum(NonZeroU16) "Receive Maximum",
        in [Connect ConnAck], repeated in [], else ReceiveMaximumZero,
        "How many QoS 1 and 2 messages the sender processes at a time; absent: 65,535 (sections 3.1.2.11.3, 3.2.2.3.3).";
    0x22 TopicAliasMaximum(u16) "Topic Alias Maximum",
        in [Connect ConnAck], repeated in [], else PropertyTruncated,
        "The highest Topic Alias that the sender accepts; absent: 0, none (sections 3.1.2.11.5, 3.2.2.3.8).";
    0x23 TopicAlias(NonZeroU16) "Topic Alias",
        in [Publish], repeated in [], else TopicAliasZero,
        "A number in place of the Topic Name (section 3.3.2.3.4).";
    0x24 MaximumQos(MaximumQos) "Maximum QoS",
        in [ConnAck], repeated in [], else MaximumQosValue,
        "The highest QoS that the Server supports; absent: 2 (section 3.2.2.3.4).";
    0x25 RetainAvailable(bool) "Retain Available",
        in [ConnAck], repeated in [], else RetainAvailableValue,
        "Whether the Server supports retained messages; absent: true (section 3.2.2.3.5).";
    0x26 UserProperty(UserProperty<'a>) "User Property",
        in [Connect ConnAck Publish Will PubAck PubRec PubRel PubComp Subscribe SubAck Unsubscribe UnsubAck Disconnect Auth],
        repeated in [Connect ConnAck Publish Will PubAck PubRec PubRel PubComp Subscribe SubAck Unsubscribe UnsubAck Disconnect Auth],
        else PropertyTruncated,
        "A pair of strings for the applications; may repeat (section 3.1.2.11.8 and others).";
    0x27 MaximumPacketSize(NonZeroU32) "Maximum Packet Size",
        in [Connect ConnAck], repeated in [], else MaximumPacketSizeZero,
        "The largest packet that the sender accepts, in bytes; absent: no limit (sections 3.1.2.11.4, 3.2.2.3.6).";
    0x28 WildcardSubscriptionAvailable(bool) "Wildcard Subscription Available",
        in [ConnAck], repeated in [], else WildcardSubscriptionAvailableValue,
        "Whether the Server supports wildcards; absent: true (section 3.2.2.3.11).";
    0x29 SubscriptionIdentifierAvailable(bool) "Subscription Identifier Available",
        in [ConnAck], repeated in [], else SubscriptionIdentifierAvailableValue,
        "Whether the Server supports Subscription Identifiers; absent: true (section 3.2.2.3.12).";
    0x2A SharedSubscriptionAvailable(bool) "Shared Subscription Available",
        in [ConnAck], repeated in [], else SharedSubscriptionAvailableValue,
        "Whether the Server supports Shared Subscriptions; absent: true (section 3.2.2.3.13).";
}

macro_rules! accessors {
    ($($identifier:literal $name:ident $accessor:ident -> $type:ty;)*) => {
        /// One property each; `None` if it is absent, which the standard gives a meaning of its own.
        impl<'a, S: Scope> Properties<'a, S> {
            $(
                #[doc = concat!("The value of [`Property::", stringify!($name), "`].")]
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
            )*
        }
    };
}

accessors! {
    0x01 PayloadFormatIndicator payload_format_indicator -> PayloadFormat;
    0x02 MessageExpiryInterval message_expiry_interval -> u32;
    0x03 ContentType content_type -> Text<'a>;
    0x08 ResponseTopic response_topic -> TopicName<'a>;
    0x09 CorrelationData correlation_data -> Binary<'a>;
    0x11 SessionExpiryInterval session_expiry_interval -> u32;
    0x12 AssignedClientIdentifier assigned_client_identifier -> Text<'a>;
    0x13 ServerKeepAlive server_keep_alive -> u16;
    0x15 AuthenticationMethod authentication_method -> Text<'a>;
    0x16 AuthenticationData authentication_data -> Binary<'a>;
    0x17 RequestProblemInformation request_problem_information -> bool;
    0x18 WillDelayInterval will_delay_interval -> u32;
    0x19 RequestResponseInformation request_response_information -> bool;
    0x1A ResponseInformation response_information -> Text<'a>;
    0x1C ServerReference server_reference -> Text<'a>;
    0x1F ReasonString reason_string -> Text<'a>;
    0x21 ReceiveMaximum receive_maximum -> NonZeroU16;
    0x22 TopicAliasMaximum topic_alias_maximum -> u16;
    0x23 TopicAlias topic_alias -> NonZeroU16;
    0x24 MaximumQos maximum_qos -> MaximumQos;
    0x25 RetainAvailable retain_available -> bool;
    0x27 MaximumPacketSize maximum_packet_size -> NonZeroU32;
    0x28 WildcardSubscriptionAvailable wildcard_subscription_available -> bool;
    0x29 SubscriptionIdentifierAvailable subscription_identifier_available -> bool;
    0x2A SharedSubscriptionAvailable shared_subscription_available -> bool;
}

impl PropertyIdentifier {
    /// The identifier's bit in a set of identifiers.
    #[inline(always)]
    pub(super) fn bit(self) -> u32 {
        TABLE[usize::from(self as u8)].bit
    }
}

impl fmt::Display for PropertyIdentifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
