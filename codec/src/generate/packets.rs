//! The 15 Control Packets.

use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::{Error, Result, Unstructured};

use super::number::{list_length, number, one_in, packet_identifier};
use super::properties::{with_properties, with_property};
use super::text::{binary, text, topic_filter, topic_name};
use crate::framing::Frame;
use crate::{
    Auth, Binary, ConnAck, Connect, Delivery, Disconnect, Packet, PacketType, PayloadFormat,
    PropertyIdentifier, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish, Qos, ReasonCode,
    ReasonCodes, RetainHandling, Role, SubAck, Subscribe, Subscription, SubscriptionOptions,
    Subscriptions, Text, TopicFilter, TopicFilters, TopicName, UnsubAck, Unsubscribe, Will,
};

/// What went wrong if a value that was generated is refused: the generator, or the codec.
pub(super) const VALID: &str = "what is generated is valid";

/// A packet of this type, which this side may send.
pub(super) fn frame(
    packet_type: PacketType,
    sender: Role,
    source: &mut Unstructured<'_>,
) -> Result<Frame> {
    macro_rules! acknowledgement {
        ($name:ident) => {{
            let packet_identifier = packet_identifier(source)?;
            let reason_code = reason_code(packet_type, sender, source)?;
            with_properties(sender, source, |properties, _| {
                Ok(encoded($name {
                    packet_identifier,
                    reason_code,
                    properties,
                }))
            })
        }};
    }
    macro_rules! subscription_acknowledgement {
        ($name:ident) => {{
            let packet_identifier = packet_identifier(source)?;
            with_properties(sender, source, |properties, source| {
                let codes = reason_codes(packet_type, sender, source)?;
                Ok(encoded($name {
                    packet_identifier,
                    properties,
                    reason_codes: ReasonCodes::new(&codes).expect(VALID),
                }))
            })
        }};
    }
    match packet_type {
        PacketType::Connect => connect(source),
        PacketType::ConnAck => {
            let reason_code = reason_code(packet_type, sender, source)?;
            let session_present = reason_code == ReasonCode::Success && source.arbitrary()?;
            with_properties(sender, source, |properties, _| {
                Ok(encoded(ConnAck {
                    session_present,
                    reason_code,
                    properties,
                }))
            })
        }
        PacketType::Publish => publish(sender, source),
        PacketType::PubAck => acknowledgement!(PubAck),
        PacketType::PubRec => acknowledgement!(PubRec),
        PacketType::PubRel => acknowledgement!(PubRel),
        PacketType::PubComp => acknowledgement!(PubComp),
        PacketType::Subscribe => subscribe(source),
        PacketType::SubAck => subscription_acknowledgement!(SubAck),
        PacketType::Unsubscribe => unsubscribe(source),
        PacketType::UnsubAck => subscription_acknowledgement!(UnsubAck),
        PacketType::PingReq => Ok(encoded(Packet::PingReq)),
        PacketType::PingResp => Ok(encoded(Packet::PingResp)),
        PacketType::Disconnect => {
            let reason_code = reason_code(packet_type, sender, source)?;
            with_properties(sender, source, |properties, _| {
                Ok(encoded(Disconnect {
                    reason_code,
                    properties,
                }))
            })
        }
        PacketType::Auth => {
            let reason_code = reason_code(packet_type, sender, source)?;
            with_properties(sender, source, |properties, _| {
                Ok(encoded(Auth {
                    reason_code,
                    properties,
                }))
            })
        }
    }
}

fn encoded<'a>(packet: impl Into<Packet<'a>>) -> Frame {
    let packet = packet.into();
    let mut bytes = Vec::with_capacity(packet.encoded_len(ProtocolVersion::V5_0).expect(VALID));
    packet
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .expect(VALID);
    Frame::new(bytes.into()).expect(VALID)
}

fn connect(source: &mut Unstructured<'_>) -> Result<Frame> {
    let sender = Role::Client;
    let clean_start = source.arbitrary()?;
    let keep_alive = number(source)? as u16;
    let client_identifier = text(source)?;
    let user_name = optional(text, source)?;
    let password = optional(binary, source)?;
    with_properties(sender, source, |properties, source| {
        let connect = Connect {
            version: ProtocolVersion::V5_0,
            clean_start,
            keep_alive,
            properties,
            client_identifier: Text::new(&client_identifier).expect(VALID),
            will: None,
            user_name: user_name
                .as_deref()
                .map(|name| Text::new(name).expect(VALID)),
            password: password
                .as_deref()
                .map(|password| Binary::new(password).expect(VALID)),
        };
        if !source.arbitrary()? {
            return Ok(encoded(connect));
        }
        let qos = qos(source)?;
        let retain = source.arbitrary()?;
        let topic = topic_name(source)?;
        with_properties(sender, source, |properties, source| {
            let format = properties.payload_format_indicator();
            let payload = payload(format, binary, source)?;
            Ok(encoded(Connect {
                will: Some(Will {
                    qos,
                    retain,
                    properties,
                    topic: TopicName::new(&topic).expect(VALID),
                    payload: Binary::new(&payload).expect(VALID),
                }),
                ..connect
            }))
        })
    })
}

fn publish(sender: Role, source: &mut Unstructured<'_>) -> Result<Frame> {
    let mut publish = Publish {
        delivery: delivery(source)?,
        retain: source.arbitrary()?,
        ..Publish::default()
    };
    if one_in(8, source)? {
        let alias = PropertyIdentifier::TopicAlias;
        return with_property(alias, sender, source, |properties, source| {
            publish_with_payload(
                Publish {
                    properties,
                    ..publish
                },
                source,
            )
        });
    }
    let topic = topic_name(source)?;
    publish.topic = Some(TopicName::new(&topic).expect(VALID));
    with_properties(sender, source, |properties, source| {
        publish_with_payload(
            Publish {
                properties,
                ..publish
            },
            source,
        )
    })
}

fn publish_with_payload(publish: Publish<'_>, source: &mut Unstructured<'_>) -> Result<Frame> {
    let format = publish.properties.payload_format_indicator();
    let payload = payload(format, long_binary, source)?;
    Ok(encoded(Publish {
        payload: &payload,
        ..publish
    }))
}

fn subscribe(source: &mut Unstructured<'_>) -> Result<Frame> {
    let packet_identifier = packet_identifier(source)?;
    let filters = filters(source)?;
    with_properties(Role::Client, source, |properties, source| {
        let mut list = Vec::new();
        for filter in &filters {
            let filter = TopicFilter::new(filter).expect(VALID);
            let options = SubscriptionOptions {
                maximum_qos: qos(source)?,
                no_local: source.arbitrary::<bool>()? && !filter.is_shared(),
                retain_as_published: source.arbitrary()?,
                retain_handling: *source.choose(&[
                    RetainHandling::Send,
                    RetainHandling::SendIfNew,
                    RetainHandling::DoNotSend,
                ])?,
            };
            list.push(Subscription { filter, options });
        }
        Ok(encoded(Subscribe {
            packet_identifier,
            properties,
            subscriptions: Subscriptions::new(&list).expect(VALID),
        }))
    })
}

fn unsubscribe(source: &mut Unstructured<'_>) -> Result<Frame> {
    let packet_identifier = packet_identifier(source)?;
    let filters = filters(source)?;
    with_properties(Role::Client, source, |properties, _| {
        let filters = filters.iter();
        let list: Vec<_> = filters
            .map(|filter| TopicFilter::new(filter).expect(VALID))
            .collect();
        Ok(encoded(Unsubscribe {
            packet_identifier,
            properties,
            filters: TopicFilters::new(&list).expect(VALID),
        }))
    })
}

fn filters(source: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let length = list_length(source)?;
    (0..length).map(|_| topic_filter(source)).collect()
}

fn reason_codes(
    packet_type: PacketType,
    sender: Role,
    source: &mut Unstructured<'_>,
) -> Result<Vec<ReasonCode>> {
    let length = list_length(source)?;
    let code = |_| reason_code(packet_type, sender, source);
    (0..length).map(code).collect()
}

fn reason_code(
    packet_type: PacketType,
    sender: Role,
    source: &mut Unstructured<'_>,
) -> Result<ReasonCode> {
    let codes = ReasonCode::ALL.iter().copied();
    let codes: Vec<_> = codes
        .filter(|code| code.allowed_from(packet_type, sender))
        .collect();
    // The first is the one that may be left out.
    if source.arbitrary()? {
        source.choose(&codes).copied()
    } else {
        codes.first().copied().ok_or(Error::EmptyChoose)
    }
}

fn qos(source: &mut Unstructured<'_>) -> Result<Qos> {
    let all = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
    source.choose(&all).copied()
}

fn delivery(source: &mut Unstructured<'_>) -> Result<Delivery> {
    Ok(match qos(source)? {
        Qos::AtMostOnce => Delivery::AtMostOnce,
        Qos::AtLeastOnce => Delivery::AtLeastOnce {
            packet_identifier: packet_identifier(source)?,
            duplicate: source.arbitrary()?,
        },
        Qos::ExactlyOnce => Delivery::ExactlyOnce {
            packet_identifier: packet_identifier(source)?,
            duplicate: source.arbitrary()?,
        },
    })
}

/// What the Payload Format Indicator promises: UTF-8, or any bytes.
fn payload(
    format: Option<PayloadFormat>,
    bytes: fn(&mut Unstructured<'_>) -> Result<Vec<u8>>,
    source: &mut Unstructured<'_>,
) -> Result<Vec<u8>> {
    match format {
        Some(PayloadFormat::Utf8Text) => text(source).map(String::into_bytes),
        _ => bytes(source),
    }
}

/// The payload of a PUBLISH may be longer than Binary Data.
fn long_binary(source: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut bytes = binary(source)?;
    if one_in(64, source)? {
        let times = source.int_in_range(1..=8)?;
        bytes = bytes.repeat(times);
    }
    Ok(bytes)
}

fn optional<T>(
    generate: fn(&mut Unstructured<'_>) -> Result<T>,
    source: &mut Unstructured<'_>,
) -> Result<Option<T>> {
    if source.arbitrary()? {
        generate(source).map(Some)
    } else {
        Ok(None)
    }
}
