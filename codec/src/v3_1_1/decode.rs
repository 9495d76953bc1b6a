//! From the bytes of MQTT 3.1.1 to packets.

use super::{V3, connect_return_code, is_granted_or_failure};
use crate::framing::{FixedHeader, RawPacket};
use crate::topic::{NameRules, checked_plain_topic_filter, topic_name};
use crate::v5::packet::decode::{Parse, decode_as, packet_identifier};
use crate::v5::packet::{Ping, connect_acknowledge_flags, delivery, is_retained, only_on_success};
use crate::wire::{Fault, Parsed, byte};
use crate::{
    ConnAck, Connect, DecodeError, Disconnect, Packet, PacketType, Properties, ProtocolVersion,
    PubAck, PubComp, PubRec, PubRel, Publish, Qos, ReasonCode, ReasonCodes, SubAck,
    SubAckReasonCodes, Subscribe, Subscriptions, TopicFilters, UnsubAck, UnsubAckReasonCodes,
    Unsubscribe, Violation,
};

/// A Topic Name is never empty: there are no aliases [MQTT3-4.7.3-1].
const PUBLISH_TOPIC: NameRules = NameRules {
    may_be_empty: false,
    wildcard: Violation::PublishTopicWildcard,
};

/// Bytes that are to be one packet.
#[inline(never)]
pub(crate) fn decode_whole(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    match RawPacket::whole(bytes) {
        Ok(packet) => decode(packet.header(), packet.body()),
        Err(error) => Err(error.in_version(ProtocolVersion::V3_1_1)),
    }
}

/// A whole packet.
#[inline]
pub(crate) fn decode(header: FixedHeader, body: &[u8]) -> Result<Packet<'_>, DecodeError> {
    match header.packet_type() {
        // It speaks for itself.
        PacketType::Connect => decode_as::<Connect<'_>>(header, body),
        PacketType::ConnAck => decode_as::<V3<ConnAck<'_>>>(header, body),
        PacketType::Publish => decode_as::<V3<Publish<'_>>>(header, body),
        PacketType::PubAck => decode_as::<V3<PubAck<'_>>>(header, body),
        PacketType::PubRec => decode_as::<V3<PubRec<'_>>>(header, body),
        PacketType::PubRel => decode_as::<V3<PubRel<'_>>>(header, body),
        PacketType::PubComp => decode_as::<V3<PubComp<'_>>>(header, body),
        PacketType::Subscribe => decode_as::<V3<Subscribe<'_>>>(header, body),
        PacketType::SubAck => decode_as::<V3<SubAck<'_>>>(header, body),
        PacketType::Unsubscribe => decode_as::<V3<Unsubscribe<'_>>>(header, body),
        PacketType::UnsubAck => decode_as::<V3<UnsubAck<'_>>>(header, body),
        PacketType::PingReq | PacketType::PingResp => decode_as::<V3<Ping>>(header, body),
        PacketType::Disconnect => decode_as::<V3<Disconnect<'_>>>(header, body),
        PacketType::Auth => {
            Err(
                DecodeError::new(Violation::PacketNotInVersion, Some(header.packet_type()), 0)
                    .in_version(ProtocolVersion::V3_1_1),
            )
        }
    }
}

impl<'a, T: Into<Packet<'a>>> From<V3<T>> for Packet<'a> {
    #[inline]
    fn from(packet: V3<T>) -> Self {
        packet.0.into()
    }
}

impl<'a> Parse<'a> for V3<Ping> {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    fn parse(header: FixedHeader, body: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, ping) = Ping::parse(header, body)?;
        Ok((rest, V3(ping)))
    }
}

impl<'a> Parse<'a> for V3<ConnAck<'a>> {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (at_code, session_present) = connect_acknowledge_flags(input)?;
        let (rest, number) = byte(at_code)?;
        let Some(reason_code) = connect_return_code(number) else {
            return Err(Fault::at(at_code, Violation::ReasonCodeNotAllowed));
        };
        let judgement = only_on_success(session_present, reason_code);
        Fault::place(fault!("MQTT3-3.2.2-4", judgement, Ok(())), input)?;
        let packet = ConnAck {
            session_present,
            ..ConnAck::new(reason_code)
        };
        Ok((rest, V3(packet)))
    }
}

impl<'a> Parse<'a> for V3<Publish<'a>> {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    #[inline]
    fn parse(header: FixedHeader, body: &'a [u8]) -> Parsed<'a, Self> {
        let (payload, head) = parse_publish_head(header.first_byte(), body)?;
        Ok((&[], V3(Publish { payload, ..head })))
    }
}

/// Everything before the payload (section 3.3.2).
#[inline]
pub(crate) fn parse_publish_head(first_byte: u8, input: &[u8]) -> Parsed<'_, Publish<'_>> {
    // [MQTT3-3.3.2-1]
    let (rest, topic) = fault!(
        "MQTT-3.3.2-1",
        topic_name(input, &PUBLISH_TOPIC),
        crate::faults::unchecked_topic_name(input)
    )?;
    let (rest, delivery) = delivery(first_byte, rest)?;
    Ok((
        rest,
        Publish {
            delivery,
            retain: is_retained(first_byte),
            topic,
            properties: Properties::EMPTY,
            payload: &[],
        },
    ))
}

macro_rules! acknowledgement {
    ($name:ident) => {
        impl<'a> Parse<'a> for V3<$name<'a>> {
            const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

            #[inline]
            fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
                let (rest, packet_identifier) = packet_identifier(input)?;
                Ok((rest, V3($name::new(packet_identifier, ReasonCode::Success))))
            }
        }
    };
}

acknowledgement!(PubAck);
acknowledgement!(PubRec);
acknowledgement!(PubRel);
acknowledgement!(PubComp);

impl<'a> Parse<'a> for V3<Subscribe<'a>> {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (list, packet_identifier) = packet_identifier(input)?;
        let any = fault!("MQTT3-3.8.3-3", Subscriptions::check_any(list), Ok(()));
        Fault::place(any, list)?;
        let (mut rest, mut broken_in_v5) = (list, None);
        while !rest.is_empty() {
            // [MQTT3-3.8.3-1]
            let (at_qos, broken) = fault!(
                "MQTT-3.8.3-1",
                checked_plain_topic_filter(rest),
                crate::faults::unchecked_topic_filter(rest)
            )?;
            let (after, qos) = byte(at_qos)?;
            Fault::place(requested_qos(qos), at_qos)?;
            broken_in_v5 = broken_in_v5.or(broken);
            rest = after;
        }
        let subscriptions = Subscriptions::from_v3(list, broken_in_v5);
        Ok((rest, V3(Subscribe::new(packet_identifier, subscriptions))))
    }
}

/// Requested QoS (section 3.8.3).
#[inline]
fn requested_qos(byte: u8) -> Result<(), Violation> {
    match byte {
        3 => Err(Violation::SubscriptionQos3),
        byte if Qos::from_bits(byte).is_none() && !fault!("MQTT3-3.8.3-4") => {
            Err(Violation::SubscriptionOptionsReserved)
        }
        _ => Ok(()),
    }
}

impl<'a> Parse<'a> for V3<Unsubscribe<'a>> {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (list, packet_identifier) = packet_identifier(input)?;
        let any = fault!("MQTT3-3.10.3-2", TopicFilters::check_any(list), Ok(()));
        Fault::place(any, list)?;
        let (mut rest, mut broken_in_v5) = (list, None);
        while !rest.is_empty() {
            let broken;
            (rest, broken) = fault!(
                "MQTT-3.10.3-1",
                checked_plain_topic_filter(rest),
                crate::faults::unchecked_topic_filter(rest)
            )?;
            broken_in_v5 = broken_in_v5.or(broken);
        }
        let filters = TopicFilters::from_v3(list, broken_in_v5);
        Ok((rest, V3(Unsubscribe::new(packet_identifier, filters))))
    }
}

impl<'a> Parse<'a> for V3<SubAck<'a>> {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (codes, packet_identifier) = packet_identifier(input)?;
        Fault::place(SubAckReasonCodes::check_any(codes), codes)?;
        let refused = |&byte: &u8| !is_granted_or_failure(byte) && !fault!("MQTT3-3.9.3-2");
        if let Some(at) = codes.iter().position(refused) {
            return Err(Fault::at(&codes[at..], Violation::ReasonCodeNotAllowed));
        }
        let reason_codes = ReasonCodes::from_wire(codes);
        Ok((&[], V3(SubAck::new(packet_identifier, reason_codes))))
    }
}

impl<'a> Parse<'a> for V3<UnsubAck<'a>> {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, packet_identifier) = packet_identifier(input)?;
        let reason_codes = UnsubAckReasonCodes::NONE;
        Ok((rest, V3(UnsubAck::new(packet_identifier, reason_codes))))
    }
}

impl<'a> Parse<'a> for V3<Disconnect<'a>> {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let packet = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
        Ok((input, V3(packet)))
    }
}
