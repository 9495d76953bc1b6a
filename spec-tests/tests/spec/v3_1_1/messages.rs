//! Messages are kept in the form of 5.0, and sent to a connection of MQTT 3.1.1 without their properties.

use std::num::NonZeroU16;

use mqtt5_codec::bytes::{Bytes, BytesMut};
use mqtt5_codec::framing::Frame;
use mqtt5_codec::{
    Delivery, EncodeError, Message, Packet, PacketIdentifier, PacketType, Properties, Property,
    Publish, PublishProperties, Qos, TopicName, Violation, strategies,
};
use proptest::prelude::*;

use super::{V3_1_1, V5_0, reference};
use crate::check::{Check, Kind, Outcome};
use crate::random::property;

pub(super) fn checks() -> Vec<Check> {
    vec![
        property(
            "v3_1_1::a_message_is_sent_without_its_properties",
            20_000,
            (
                strategies::frame_of(V5_0, PacketType::Publish),
                1_u16..,
                any::<bool>(),
            ),
            |(frame, identifier, flag)| without_properties(&frame, identifier, flag),
        ),
        Check::new(
            Kind::Domain,
            "v3_1_1::messages_of_all_sizes",
            messages_of_all_sizes,
        ),
        Check::new(
            Kind::Example,
            "v3_1_1::a_message_is_not_shared_with_its_frame",
            not_shared,
        ),
    ]
}

fn deliveries(identifier: u16) -> impl Iterator<Item = Delivery> {
    let identifier = PacketIdentifier::new(identifier).expect("not 0");
    [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce]
        .into_iter()
        .flat_map(move |qos| [false, true].map(|again| Delivery::new(qos, identifier, again)))
}

/// `encode`, `encoded_len` and `encode_changed` say what the second writer says of the packet, whatever properties the
/// message has.
fn is_sent_as(message: &Message, publish: Publish<'_>) -> Result<(), String> {
    let expected = reference::write(&publish.into()).ok_or("it has a Topic Name")?;
    let mut wire = Vec::new();
    let sent = message.encode(V3_1_1, publish.delivery, publish.retain, &mut wire);
    if sent != Ok(()) || wire != expected {
        return Err(format!("{publish:?}: {sent:?}, {wire:02X?}"));
    }
    let length = message.encoded_len(V3_1_1, publish.delivery);
    if length != expected.len() {
        return Err(format!("{publish:?}: {length} bytes"));
    }
    let head = Publish {
        properties: Properties::EMPTY,
        payload: &[],
        ..publish
    };
    let mut wire = BytesMut::new();
    let sent = message.encode_changed(V3_1_1, &head, &mut wire);
    if sent != Ok(()) || wire != expected {
        return Err(format!("changed {publish:?}: {sent:?}, {wire:02X?}"));
    }
    let mut short = &mut vec![0; expected.len() - 1][..];
    let needed = expected.len();
    let no_room = message.encode(V3_1_1, publish.delivery, publish.retain, &mut short);
    if no_room != Err(EncodeError::NoRoom { needed }) || short.len() != needed - 1 {
        return Err(format!("into too little room: {no_room:?}"));
    }
    Ok(())
}

fn without_properties(frame: &Frame, identifier: u16, flag: bool) -> Result<(), TestCaseError> {
    let Packet::Publish(publish) = frame.decode(V5_0)? else {
        return Err(TestCaseError::fail("not a PUBLISH"));
    };
    if publish.topic.is_none() {
        return Ok(());
    }
    let message = Message::new(&publish)?;
    let plain = Publish {
        properties: PublishProperties::EMPTY,
        ..publish
    };
    let plain_message = Message::new(&plain)?;
    for delivery in deliveries(identifier) {
        let sent = Publish {
            delivery,
            retain: flag,
            ..plain
        };
        for message in [&message, &plain_message] {
            is_sent_as(message, sent).map_err(TestCaseError::fail)?;
        }
    }
    // A head that says more than MQTT 3.1.1 can is refused.
    let mut wire = Vec::new();
    let changed = message.encode_changed(V3_1_1, &publish, &mut wire);
    prop_assert_eq!(changed.is_ok(), publish.properties.is_empty());
    prop_assert_eq!(wire.is_empty(), changed.is_err());
    Ok(())
}

/// Sizes around each length of the Remaining Length, topics around each of their own field.
fn messages_of_all_sizes() -> Outcome {
    let list = [
        Property::MessageExpiryInterval(60),
        Property::PayloadFormatIndicator(mqtt5_codec::PayloadFormat::Utf8Text),
    ];
    let mut judged = 0;
    for topic in [
        1, 2, 63, 64, 65, 120, 123, 124, 125, 126, 127, 128, 255, 256, 65_535,
    ] {
        let topic = "t".repeat(topic);
        for whole in [
            0, 2, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 16_380, 16_381, 16_382, 16_383,
            16_384, 16_390,
        ] {
            let payload = vec![0x05; usize::saturating_sub(whole, topic.len() + 2)];
            for properties in [&[][..], &list[..1], &list] {
                let publish = Publish {
                    properties: PublishProperties::new(properties).expect("good"),
                    ..Publish::new(TopicName::new(&topic).expect("good"), &payload)
                };
                let message = Message::new(&publish).map_err(|error| error.to_string())?;
                for delivery in deliveries(0xABCD) {
                    for retain in [false, true] {
                        let sent = Publish {
                            delivery,
                            retain,
                            properties: Properties::EMPTY,
                            ..publish
                        };
                        is_sent_as(&message, sent)?;
                        judged += 1;
                    }
                }
            }
        }
    }
    Ok(judged)
}

/// The bytes of a frame of MQTT 3.1.1 are not those that are kept; a copy of the packet is the same message. Nor has a
/// message a Topic Alias there.
fn not_shared() -> Outcome {
    let bytes = b"\x30\x08\x00\x03a/b\x00hi";
    let frame = Frame::new(Bytes::from_static(bytes)).map_err(|error| error.to_string())?;
    assert_eq!(Message::from_frame(V3_1_1, &frame), None);
    let Ok(Packet::Publish(publish)) = frame.decode(V3_1_1) else {
        return Err("not a PUBLISH".to_owned());
    };
    let message = Message::new(&publish).map_err(|error| error.to_string())?;
    assert_eq!(message.payload(), b"\x00hi");
    assert_eq!(message, Message::of("a/b", b"\x00hi").expect("good"));
    is_sent_as(&message, publish)?;

    let alias = [Property::TopicAlias(NonZeroU16::MIN)];
    for (topic, properties, violation) in [
        (None, &[][..], Violation::TopicNameEmpty),
        (None, &alias, Violation::PropertiesNotInVersion),
        (publish.topic, &alias, Violation::PropertiesNotInVersion),
    ] {
        let head = Publish {
            topic,
            properties: PublishProperties::new(properties).expect("good"),
            ..publish
        };
        let mut wire = Vec::new();
        let sent = message.encode_changed(V3_1_1, &head, &mut wire);
        let refused = EncodeError::Invalid {
            packet_type: PacketType::Publish,
            violation,
        };
        assert_eq!(sent, Err(refused));
        assert!(wire.is_empty());
    }
    Ok(5)
}
