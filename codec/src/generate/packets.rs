//! The 15 Control Packets.

use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::{Error, Result, Unstructured};

use super::number::{list_length, number, one_in, packet_identifier};
use super::properties::{with_properties, with_property};
use super::speaker::{Speaker, VALID};
use super::text::{binary, plain_topic_filter, text, topic_filter, topic_name};
use crate::framing::Frame;
use crate::{
    Auth, Binary, ConnAck, Connect, Delivery, Disconnect, Packet, PacketType, PayloadFormat,
    PropertyIdentifier, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish, Qos, ReasonCode,
    ReasonCodes, RetainHandling, SubAck, Subscribe, Subscription, SubscriptionOptions,
    Subscriptions, Text, TopicFilter, TopicFilters, TopicName, UnsubAck, UnsubAckReasonCodes,
    Unsubscribe, Will,
};

/// A packet of this type, which the speaker may send.
pub(super) fn frame(
    packet_type: PacketType,
    speaker: Speaker,
    source: &mut Unstructured<'_>,
) -> Result<Frame> {
    macro_rules! acknowledgement {
        ($name:ident) => {{
            let packet_identifier = packet_identifier(source)?;
            let reason_code = reason_code(packet_type, speaker, source)?;
            with_properties(speaker, source, |properties, _| {
                Ok(speaker.encoded($name {
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
            with_properties(speaker, source, |properties, source| {
                let codes = reason_codes(packet_type, speaker, source)?;
                Ok(speaker.encoded($name {
                    packet_identifier,
                    properties,
                    reason_codes: ReasonCodes::new(&codes).expect(VALID),
                }))
            })
        }};
    }
    match packet_type {
        PacketType::Connect => connect(speaker, source),
        PacketType::ConnAck => {
            let reason_code = reason_code(packet_type, speaker, source)?;
            let session_present = reason_code == ReasonCode::Success && source.arbitrary()?;
            with_properties(speaker, source, |properties, _| {
                Ok(speaker.encoded(ConnAck {
                    session_present,
                    reason_code,
                    properties,
                }))
            })
        }
        PacketType::Publish => publish(speaker, source),
        PacketType::PubAck => acknowledgement!(PubAck),
        PacketType::PubRec => acknowledgement!(PubRec),
        PacketType::PubRel => acknowledgement!(PubRel),
        PacketType::PubComp => acknowledgement!(PubComp),
        PacketType::Subscribe => subscribe(speaker, source),
        PacketType::SubAck => subscription_acknowledgement!(SubAck),
        PacketType::Unsubscribe => unsubscribe(speaker, source),
        PacketType::UnsubAck if speaker.speaks_v3() => {
            let packet_identifier = packet_identifier(source)?;
            let none = UnsubAckReasonCodes::NONE;
            Ok(speaker.encoded(UnsubAck::new(packet_identifier, none)))
        }
        PacketType::UnsubAck => subscription_acknowledgement!(UnsubAck),
        PacketType::PingReq => Ok(speaker.encoded(Packet::PingReq)),
        PacketType::PingResp => Ok(speaker.encoded(Packet::PingResp)),
        PacketType::Disconnect => {
            let reason_code = reason_code(packet_type, speaker, source)?;
            with_properties(speaker, source, |properties, _| {
                Ok(speaker.encoded(Disconnect {
                    reason_code,
                    properties,
                }))
            })
        }
        PacketType::Auth => {
            let reason_code = reason_code(packet_type, speaker, source)?;
            with_properties(speaker, source, |properties, _| {
                Ok(speaker.encoded(Auth {
                    reason_code,
                    properties,
                }))
            })
        }
    }
}

fn connect(speaker: Speaker, source: &mut Unstructured<'_>) -> Result<Frame> {
    let is_v3 = speaker.speaks_v3();
    let mut clean_start = source.arbitrary()?;
    let keep_alive = number(source)? as u16;
    let client_identifier = text(source)?;
    clean_start |= is_v3 && client_identifier.is_empty();
    let user_name = optional(text, source)?;
    let password = match user_name {
        None if is_v3 => None,
        _ => optional(binary, source)?,
    };
    with_properties(speaker, source, |properties, source| {
        let connect = Connect {
            version: speaker.version(),
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
            return Ok(speaker.encoded(connect));
        }
        let qos = qos(source)?;
        let retain = source.arbitrary()?;
        let topic = topic_name(source)?;
        with_properties(speaker, source, |properties, source| {
            let format = properties.payload_format_indicator();
            let payload = payload(format, binary, source)?;
            Ok(speaker.encoded(Connect {
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

fn publish(speaker: Speaker, source: &mut Unstructured<'_>) -> Result<Frame> {
    let mut publish = Publish {
        delivery: delivery(source)?,
        retain: source.arbitrary()?,
        ..Publish::default()
    };
    if !speaker.speaks_v3() && one_in(8, source)? {
        let alias = PropertyIdentifier::TopicAlias;
        return with_property(alias, speaker, source, |properties, source| {
            publish_with_payload(
                speaker,
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
    with_properties(speaker, source, |properties, source| {
        publish_with_payload(
            speaker,
            Publish {
                properties,
                ..publish
            },
            source,
        )
    })
}

fn publish_with_payload(
    speaker: Speaker,
    publish: Publish<'_>,
    source: &mut Unstructured<'_>,
) -> Result<Frame> {
    let format = publish.properties.payload_format_indicator();
    let payload = payload(format, long_binary, source)?;
    Ok(speaker.encoded(Publish {
        payload: &payload,
        ..publish
    }))
}

fn subscribe(speaker: Speaker, source: &mut Unstructured<'_>) -> Result<Frame> {
    let packet_identifier = packet_identifier(source)?;
    let filters = filters(speaker, source)?;
    with_properties(speaker, source, |properties, source| {
        let mut list = Vec::new();
        for filter in &filters {
            let filter = speaker.topic_filter(filter);
            let options = options(speaker, filter, source)?;
            list.push(Subscription { filter, options });
        }
        Ok(speaker.encoded(Subscribe {
            packet_identifier,
            properties,
            subscriptions: Subscriptions::new(&list).expect(VALID),
        }))
    })
}

fn unsubscribe(speaker: Speaker, source: &mut Unstructured<'_>) -> Result<Frame> {
    let packet_identifier = packet_identifier(source)?;
    let filters = filters(speaker, source)?;
    with_properties(speaker, source, |properties, _| {
        let filters = filters.iter();
        let list: Vec<_> = filters.map(|filter| speaker.topic_filter(filter)).collect();
        Ok(speaker.encoded(Unsubscribe {
            packet_identifier,
            properties,
            filters: TopicFilters::new(&list).expect(VALID),
        }))
    })
}

fn options(
    speaker: Speaker,
    filter: TopicFilter<'_>,
    source: &mut Unstructured<'_>,
) -> Result<SubscriptionOptions> {
    let options = SubscriptionOptions {
        maximum_qos: qos(source)?,
        ..SubscriptionOptions::default()
    };
    if speaker.speaks_v3() {
        return Ok(options);
    }
    Ok(SubscriptionOptions {
        no_local: source.arbitrary::<bool>()? && !filter.is_shared(),
        retain_as_published: source.arbitrary()?,
        retain_handling: *source.choose(&[
            RetainHandling::Send,
            RetainHandling::SendIfNew,
            RetainHandling::DoNotSend,
        ])?,
        ..options
    })
}

fn filters(speaker: Speaker, source: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let filter = match speaker.version() {
        ProtocolVersion::V3_1_1 => plain_topic_filter,
        ProtocolVersion::V5_0 => topic_filter,
    };
    let length = list_length(source)?;
    (0..length).map(|_| filter(source)).collect()
}

fn reason_codes(
    packet_type: PacketType,
    speaker: Speaker,
    source: &mut Unstructured<'_>,
) -> Result<Vec<ReasonCode>> {
    let length = list_length(source)?;
    let code = |_| reason_code(packet_type, speaker, source);
    (0..length).map(code).collect()
}

fn reason_code(
    packet_type: PacketType,
    speaker: Speaker,
    source: &mut Unstructured<'_>,
) -> Result<ReasonCode> {
    let codes = ReasonCode::ALL.iter().copied();
    let codes: Vec<_> = codes
        .filter(|code| speaker.says(packet_type, *code))
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
