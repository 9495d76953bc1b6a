//! [`Serialize`] for packets and their parts (feature `serde`): to look at them, not to send them.

use core::fmt;

use ::serde::ser::{Serialize, SerializeStruct, SerializeTuple, Serializer};

use crate::v5::property::Scope;
use crate::{
    Auth, Binary, ConnAck, Connect, Disconnect, MaximumQos, Packet, PacketType, PayloadFormat,
    Properties, Property, PropertyIdentifier, PubAck, PubComp, PubRec, PubRel, Publish, Qos,
    ReasonCode, ReasonCodes, RetainHandling, SubAck, Subscribe, Subscription,
    SubscriptionIdentifier, SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicFilters,
    TopicName, UnsubAck, Unsubscribe, UserProperty, Will,
};

/// With the feature `serde`: an object that holds the `type` in capitals and then the fields of
/// the packet in the order of the wire. It is meant for people and for comparisons; there is no way
/// back but the bytes themselves. Nothing is allocated.
///
/// | packet | fields |
/// |---|---|
/// | CONNECT | `protocol_name`, `protocol_version`, `clean_start`, `keep_alive`, `properties`, `client_id`, `will`, `username`, `password` |
/// | CONNACK | `session_present`, `reason_code`, `properties` |
/// | PUBLISH | `dup`, `qos`, `retain`, `topic`, `packet_id`, `properties`, `payload` |
/// | PUBACK, PUBREC, PUBREL, PUBCOMP | `packet_id`, `reason_code`, `properties` |
/// | SUBSCRIBE, UNSUBSCRIBE | `packet_id`, `properties`, `filters` |
/// | SUBACK, UNSUBACK | `packet_id`, `properties`, `reason_codes` |
/// | PINGREQ, PINGRESP | |
/// | DISCONNECT, AUTH | `reason_code`, `properties` |
///
/// - `payload`, `password` and all other binary values are strings of lower-case hexadecimal digits.
/// - Reason Codes, QoS and Retain Handling are numbers.
/// - A property is a pair of its identifier and its value, `[17, 120]`, and `properties` is an array
///   of them. Properties of one byte have numbers as values, even where they mean yes or no. The
///   value of a User Property is a pair of strings: `[38, ["name", "value"]]`.
/// - `filters` has strings in an UNSUBSCRIBE; in a SUBSCRIBE it has objects of `filter`, `qos`,
///   `no_local`, `retain_as_published` and `retain_handling`.
/// - `will` is an object of `qos`, `retain`, `properties`, `topic` and `payload`.
/// - `will`, `username`, `password` and the `packet_id` of a PUBLISH are left out if the packet has
///   none. Reason Codes and properties that a short form leaves out are there, as `0` and `[]`; so
///   is an empty `topic`, as `""`.
///
/// ```
/// use mqtt5_codec::{Packet, ProtocolVersion};
///
/// let packet = Packet::decode(ProtocolVersion::V5_0, b"\x32\x0C\x00\x03a/b\x00\x01\x02\x01\x01hi")?;
/// assert_eq!(
///     serde_json::to_string(&packet)?,
///     r#"{"type":"PUBLISH","dup":false,"qos":1,"retain":false,"topic":"a/b","packet_id":1,"properties":[[1,1]],"payload":"6869"}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Serialize for Packet<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Packet::Connect(packet) => packet.serialize(serializer),
            Packet::ConnAck(packet) => packet.serialize(serializer),
            Packet::Publish(packet) => packet.serialize(serializer),
            Packet::PubAck(packet) => packet.serialize(serializer),
            Packet::PubRec(packet) => packet.serialize(serializer),
            Packet::PubRel(packet) => packet.serialize(serializer),
            Packet::PubComp(packet) => packet.serialize(serializer),
            Packet::Subscribe(packet) => packet.serialize(serializer),
            Packet::SubAck(packet) => packet.serialize(serializer),
            Packet::Unsubscribe(packet) => packet.serialize(serializer),
            Packet::UnsubAck(packet) => packet.serialize(serializer),
            Packet::PingReq | Packet::PingResp => {
                let mut object = serializer.serialize_struct("Ping", 1)?;
                object.serialize_field("type", &self.packet_type())?;
                object.end()
            }
            Packet::Disconnect(packet) => packet.serialize(serializer),
            Packet::Auth(packet) => packet.serialize(serializer),
        }
    }
}

/// Serializes as an object. `"name": value` is always there, `"name" => option` if there is a value.
macro_rules! object {
    ($type:ident $(<$lifetime:lifetime>)?, |$this:ident| {
        $($name:literal $(: $value:expr)? $(=> $option:expr)?,)*
    }) => {
        impl Serialize for $type $(<$lifetime>)? {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                let length = [$($name),*].len() $($(- usize::from($option.is_none()))?)*;
                let mut object = serializer.serialize_struct(stringify!($type), length)?;
                $(
                    $(object.serialize_field($name, &$value)?;)?
                    $(match &$option {
                        Some(value) => object.serialize_field($name, value)?,
                        None => object.skip_field($name)?,
                    })?
                )*
                object.end()
            }
        }
    };
}

object!(Connect<'_>, |packet| {
    "type": PacketType::Connect,
    "protocol_name": "MQTT",
    "protocol_version": packet.version.level(),
    "clean_start": packet.clean_start,
    "keep_alive": packet.keep_alive,
    "properties": packet.properties,
    "client_id": packet.client_identifier,
    "will" => packet.will,
    "username" => packet.user_name,
    "password" => packet.password,
});

object!(Will<'_>, |will| {
    "qos": will.qos,
    "retain": will.retain,
    "properties": will.properties,
    "topic": will.topic,
    "payload": will.payload,
});

object!(ConnAck<'_>, |packet| {
    "type": PacketType::ConnAck,
    "session_present": packet.session_present,
    "reason_code": packet.reason_code,
    "properties": packet.properties,
});

object!(Publish<'_>, |packet| {
    "type": PacketType::Publish,
    "dup": packet.delivery.duplicate(),
    "qos": packet.delivery.qos(),
    "retain": packet.retain,
    "topic": packet.topic.map_or("", TopicName::as_str),
    "packet_id" => packet.delivery.packet_identifier(),
    "properties": packet.properties,
    "payload": Hexadecimal(packet.payload),
});

macro_rules! acknowledgements {
    ($($type:ident)*) => {
        $(object!($type<'_>, |packet| {
            "type": PacketType::$type,
            "packet_id": packet.packet_identifier,
            "reason_code": packet.reason_code,
            "properties": packet.properties,
        });)*
    };
}

acknowledgements!(PubAck PubRec PubRel PubComp);

object!(Subscribe<'_>, |packet| {
    "type": PacketType::Subscribe,
    "packet_id": packet.packet_identifier,
    "properties": packet.properties,
    "filters": packet.subscriptions,
});

object!(Subscription<'_>, |subscription| {
    "filter": subscription.filter,
    "qos": subscription.options.maximum_qos,
    "no_local": subscription.options.no_local,
    "retain_as_published": subscription.options.retain_as_published,
    "retain_handling": subscription.options.retain_handling,
});

object!(SubscriptionOptions, |options| {
    "qos": options.maximum_qos,
    "no_local": options.no_local,
    "retain_as_published": options.retain_as_published,
    "retain_handling": options.retain_handling,
});

object!(Unsubscribe<'_>, |packet| {
    "type": PacketType::Unsubscribe,
    "packet_id": packet.packet_identifier,
    "properties": packet.properties,
    "filters": packet.filters,
});

macro_rules! subscription_acknowledgements {
    ($($type:ident)*) => {
        $(object!($type<'_>, |packet| {
            "type": PacketType::$type,
            "packet_id": packet.packet_identifier,
            "properties": packet.properties,
            "reason_codes": packet.reason_codes,
        });)*
    };
}

subscription_acknowledgements!(SubAck UnsubAck);

object!(Disconnect<'_>, |packet| {
    "type": PacketType::Disconnect,
    "reason_code": packet.reason_code,
    "properties": packet.properties,
});

object!(Auth<'_>, |packet| {
    "type": PacketType::Auth,
    "reason_code": packet.reason_code,
    "properties": packet.properties,
});

macro_rules! arrays {
    ($($type:ident)*) => {
        $(impl Serialize for $type<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.iter())
            }
        })*
    };
}

arrays!(Subscriptions TopicFilters);

macro_rules! arrays_in_scope {
    ($($type:ident)*) => {
        $(impl<P: Scope> Serialize for $type<'_, P> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.iter())
            }
        })*
    };
}

arrays_in_scope!(Properties ReasonCodes);

/// With the feature `serde`: a pair of identifier and value.
impl Serialize for Property<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&self.identifier())?;
        match self {
            Property::PayloadFormatIndicator(value) => pair.serialize_element(value),
            Property::MaximumQos(value) => pair.serialize_element(value),
            Property::SubscriptionIdentifier(value) => pair.serialize_element(value),
            Property::ResponseTopic(value) => pair.serialize_element(value),
            Property::UserProperty(value) => pair.serialize_element(value),
            Property::MaximumPacketSize(value) => pair.serialize_element(value),
            Property::ServerKeepAlive(value) | Property::TopicAliasMaximum(value) => {
                pair.serialize_element(value)
            }
            Property::ReceiveMaximum(value) | Property::TopicAlias(value) => {
                pair.serialize_element(value)
            }
            Property::MessageExpiryInterval(value)
            | Property::SessionExpiryInterval(value)
            | Property::WillDelayInterval(value) => pair.serialize_element(value),
            Property::CorrelationData(value) | Property::AuthenticationData(value) => {
                pair.serialize_element(value)
            }
            Property::ContentType(value)
            | Property::AssignedClientIdentifier(value)
            | Property::AuthenticationMethod(value)
            | Property::ResponseInformation(value)
            | Property::ServerReference(value)
            | Property::ReasonString(value) => pair.serialize_element(value),
            Property::RequestProblemInformation(value)
            | Property::RequestResponseInformation(value)
            | Property::RetainAvailable(value)
            | Property::WildcardSubscriptionAvailable(value)
            | Property::SubscriptionIdentifierAvailable(value)
            | Property::SharedSubscriptionAvailable(value) => {
                pair.serialize_element(&u8::from(*value))
            }
        }?;
        pair.end()
    }
}

/// With the feature `serde`: a pair of name and value.
impl Serialize for UserProperty<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.name, self.value).serialize(serializer)
    }
}

macro_rules! numbers {
    ($($type:ident)*) => {
        $(
            /// With the feature `serde`: the number on the wire.
            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_u8(*self as u8)
                }
            }
        )*
    };
}

numbers!(MaximumQos PayloadFormat PropertyIdentifier Qos ReasonCode RetainHandling);

impl Serialize for SubscriptionIdentifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.get())
    }
}

/// With the feature `serde`: the name in capitals.
impl Serialize for PacketType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

macro_rules! strings {
    ($($type:ident)*) => {
        $(impl Serialize for $type<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        })*
    };
}

strings!(Text TopicFilter TopicName);

/// With the feature `serde`: lower-case hexadecimal digits.
impl Serialize for Binary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hexadecimal(self.as_bytes()).serialize(serializer)
    }
}

/// Bytes to be written as hexadecimal digits.
struct Hexadecimal<'a>(&'a [u8]);

impl Serialize for Hexadecimal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Writing digits one by one would cost more than finding them.
        let mut digits = [[0; 2]; 32];
        for bytes in self.0.chunks(digits.len()) {
            for (pair, byte) in digits.iter_mut().zip(bytes) {
                *pair = [
                    DIGITS[usize::from(byte >> 4)],
                    DIGITS[usize::from(byte & 0xF)],
                ];
            }
            let written = digits[..bytes.len()].as_flattened();
            let written = core::str::from_utf8(written).unwrap_or_default();
            formatter.write_str(written)?;
        }
        Ok(())
    }
}
