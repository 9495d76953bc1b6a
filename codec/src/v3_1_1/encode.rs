//! From packets to the bytes of MQTT 3.1.1. What it cannot say is an error.

use super::{V3, connect_return_number, is_granted_or_failure};
use crate::encode::Body;
use crate::sink::Sink;
use crate::v5::packet::only_on_success;
use crate::v5::property::{Properties, Scope};
use crate::{
    Auth, ConnAck, Connect, Disconnect, PacketType, PubAck, PubComp, PubRec, PubRel, Publish,
    ReasonCode, SubAck, Subscribe, SubscriptionOptions, TopicName, UnsubAck, Unsubscribe,
    Violation,
};

/// There are no properties.
#[inline]
fn no_properties<S: Scope>(properties: &Properties<'_, S>) -> Result<(), Violation> {
    match properties.is_empty() {
        true => Ok(()),
        false => Err(Violation::PropertiesNotInVersion),
    }
}

/// There are no Reason Codes: everything is a success.
#[inline]
fn success(reason_code: ReasonCode) -> Result<(), Violation> {
    match reason_code {
        ReasonCode::Success => Ok(()),
        _ => Err(Violation::ReasonCodeNotInVersion),
    }
}

/// A subscription has a maximum QoS and nothing else.
#[inline]
fn has_only_qos(options: SubscriptionOptions) -> bool {
    options.to_byte() == options.maximum_qos as u8
}

/// Whether MQTT 3.1.1 can say what a CONNECT says (section 3.1).
#[cold]
#[inline(never)]
fn check_connect(connect: &Connect<'_>) -> Result<(), Violation> {
    let expiry = connect.properties.session_expiry_interval();
    let others = connect.properties.iter().count() - usize::from(expiry.is_some());
    if others > 0 {
        return Err(Violation::PropertiesNotInVersion);
    }
    // One bit stands for both [MQTT3-3.1.2-6].
    if expiry.is_some_and(|expiry| expiry != connect.session_expiry_interval()) {
        return Err(Violation::SessionExpiryNotInVersion);
    }
    if let Some(will) = &connect.will {
        no_properties(&will.properties)?;
    }
    if connect.password.is_some() && connect.user_name.is_none() {
        return Err(Violation::PasswordWithoutUserName);
    }
    // [MQTT3-3.1.3-7]
    let is_kept = !connect.clean_start && !fault!("MQTT3-3.1.3-7");
    if connect.client_identifier.is_empty() && is_kept {
        return Err(Violation::ClientIdentifierEmptyWithoutCleanSession);
    }
    Ok(())
}

impl<'a> Body<'a> for V3<&Connect<'a>> {
    fn packet_type(&self) -> PacketType {
        PacketType::Connect
    }

    fn check(&self) -> Result<(), Violation> {
        check_connect(self.0)
    }

    fn write<S: Sink>(&self, sink: &mut S) {
        self.0.write_head(sink);
        sink.length_prefixed(self.0.client_identifier.as_bytes());
        if let Some(will) = &self.0.will {
            sink.length_prefixed(will.topic.as_bytes());
            sink.length_prefixed(will.payload.as_bytes());
        }
        self.0.write_login(sink);
    }
}

impl<'a> Body<'a> for V3<&ConnAck<'a>> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::ConnAck
    }

    #[inline]
    fn check(&self) -> Result<(), Violation> {
        no_properties(&self.0.properties)?;
        if connect_return_number(self.0.reason_code).is_none() {
            return Err(Violation::ReasonCodeNotInVersion);
        }
        only_on_success(self.0.session_present, self.0.reason_code)
    }

    #[inline]
    fn write<S: Sink>(&self, sink: &mut S) {
        let number = connect_return_number(self.0.reason_code).unwrap_or_default();
        sink.array(&[u8::from(self.0.session_present), number]);
    }
}

impl<'a> Body<'a> for V3<&Publish<'a>> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Publish
    }

    #[inline]
    fn first_byte(&self) -> u8 {
        Publish::first_byte_of(self.0.delivery, self.0.retain)
    }

    #[inline]
    fn check(&self) -> Result<(), Violation> {
        no_properties(&self.0.properties)?;
        match self.0.topic {
            Some(_) => Ok(()),
            None => Err(Violation::TopicNameEmpty),
        }
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        let topic = self.0.topic.map_or("", TopicName::as_str);
        sink.length_prefixed(topic.as_bytes());
        if let Some(packet_identifier) = self.0.delivery.packet_identifier() {
            sink.two_byte_integer(packet_identifier.get());
        }
    }

    #[inline]
    fn payload(&self) -> &'a [u8] {
        self.0.payload
    }
}

macro_rules! acknowledgement {
    ($name:ident) => {
        impl<'a> Body<'a> for V3<&$name<'a>> {
            #[inline]
            fn packet_type(&self) -> PacketType {
                PacketType::$name
            }

            #[inline]
            fn short(&self) -> Option<[u8; 4]> {
                self.0.short()
            }

            fn check(&self) -> Result<(), Violation> {
                no_properties(&self.0.properties)?;
                success(self.0.reason_code)
            }

            fn write<S: Sink>(&self, sink: &mut S) {
                sink.two_byte_integer(self.0.packet_identifier.get());
            }
        }
    };
}

acknowledgement!(PubAck);
acknowledgement!(PubRec);
acknowledgement!(PubRel);
acknowledgement!(PubComp);

impl<'a> Body<'a> for V3<&Subscribe<'a>> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Subscribe
    }

    fn check(&self) -> Result<(), Violation> {
        no_properties(&self.0.properties)?;
        match self.0.subscriptions.all(has_only_qos) {
            true => Ok(()),
            false => Err(Violation::SubscriptionOptionsNotInVersion),
        }
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.two_byte_integer(self.0.packet_identifier.get());
        self.0.subscriptions.write(sink);
    }
}

impl<'a> Body<'a> for V3<&Unsubscribe<'a>> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Unsubscribe
    }

    fn check(&self) -> Result<(), Violation> {
        no_properties(&self.0.properties)
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.two_byte_integer(self.0.packet_identifier.get());
        self.0.filters.write(sink);
    }
}

impl<'a> Body<'a> for V3<&SubAck<'a>> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::SubAck
    }

    fn check(&self) -> Result<(), Violation> {
        no_properties(&self.0.properties)?;
        let codes = self.0.reason_codes;
        match codes.all(|code| is_granted_or_failure(code.to_byte())) {
            true => Ok(()),
            false => Err(Violation::ReasonCodeNotInVersion),
        }
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.two_byte_integer(self.0.packet_identifier.get());
        self.0.reason_codes.write(sink);
    }
}

impl<'a> Body<'a> for V3<&UnsubAck<'a>> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::UnsubAck
    }

    fn check(&self) -> Result<(), Violation> {
        no_properties(&self.0.properties)?;
        match self.0.reason_codes.is_empty() {
            true => Ok(()),
            false => Err(Violation::ReasonCodeNotInVersion),
        }
    }

    fn write<S: Sink>(&self, sink: &mut S) {
        sink.two_byte_integer(self.0.packet_identifier.get());
    }
}

impl<'a> Body<'a> for V3<&Disconnect<'a>> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Disconnect
    }

    fn check(&self) -> Result<(), Violation> {
        no_properties(&self.0.properties)?;
        success(self.0.reason_code)
    }

    fn write<S: Sink>(&self, _: &mut S) {}
}

impl<'a> Body<'a> for V3<&Auth<'a>> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Auth
    }

    fn check(&self) -> Result<(), Violation> {
        Err(Violation::PacketNotInVersion)
    }

    fn write<S: Sink>(&self, _: &mut S) {}
}
