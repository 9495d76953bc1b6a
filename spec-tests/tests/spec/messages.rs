//! Messages that are kept: what is stored is what was given, and each sending is what a PUBLISH with the
//! same fields would be (section 3.3).

use std::num::NonZeroU16;

use mqtt5_codec::bytes::{Bytes, BytesMut};
use mqtt5_codec::framing::Frame;
use mqtt5_codec::{
    Delivery, EncodeError, Message, PacketIdentifier, Property, ProtocolVersion, Publish,
    PublishProperties, TopicName, Violation,
};

use crate::check::{Check, Kind, Outcome};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new(
            Kind::Domain,
            "messages::each_sending_is_that_of_a_publish",
            each_sending_is_that_of_a_publish,
        ),
        Check::new(
            Kind::Example,
            "messages::an_alias_is_not_kept",
            an_alias_is_not_kept,
        ),
        Check::new(
            Kind::Example,
            "messages::a_buffer_in_use_is_left_alone",
            a_buffer_in_use_is_left_alone,
        ),
        Check::new(
            Kind::Example,
            "messages::what_is_no_message_is_refused",
            what_is_no_message_is_refused,
        ),
    ]
}

fn deliveries() -> [Delivery; 5] {
    let packet_identifier = PacketIdentifier::new(0xABCD).expect("not 0");
    let [once, again] = [false, true];
    let at_least_once = |duplicate| Delivery::AtLeastOnce {
        packet_identifier,
        duplicate,
    };
    let exactly_once = |duplicate| Delivery::ExactlyOnce {
        packet_identifier,
        duplicate,
    };
    [
        Delivery::AtMostOnce,
        at_least_once(once),
        at_least_once(again),
        exactly_once(once),
        exactly_once(again),
    ]
}

fn sent(publish: &Publish<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    publish
        .encode(ProtocolVersion::V5_0, &mut wire)
        .expect("a good PUBLISH");
    wire
}

/// Sizes around each length of the Remaining Length, topics around each of its own field: kept in either way,
/// out of a packet with any delivery, a message is sent with any delivery as if it were given anew.
fn each_sending_is_that_of_a_publish() -> Outcome {
    let list = [
        Property::MessageExpiryInterval(60),
        Property::TopicAlias(NonZeroU16::MIN),
    ];
    let kept = &list[..1];
    let mut judged = 0;
    for topic in [1, 2, 5, 63, 64, 65, 123, 124, 125, 126, 255, 256, 65_535] {
        let topic = "t".repeat(topic);
        for whole in [
            0, 2, 121, 122, 123, 124, 125, 126, 127, 128, 129, 16_380, 16_384, 16_390,
        ] {
            // What is left for the payload.
            let payload = vec![0xA5; usize::saturating_sub(whole, topic.len() + 3)];
            for properties in [&[], kept, &list] {
                let expected_list = &properties[..properties.len().min(1)];
                let mut buffer = BytesMut::with_capacity(64);
                for (retain, given) in [(false, deliveries()[0]), (true, deliveries()[2])] {
                    let publish = Publish {
                        delivery: given,
                        retain,
                        properties: PublishProperties::new(properties).expect("good"),
                        ..Publish::new(TopicName::new(&topic).expect("good"), &payload)
                    };
                    if properties.len() > 1 {
                        // A Topic Alias that was added is refused: see `an_alias_is_not_kept`.
                        assert!(Message::new(&publish).is_err());
                        assert!(Message::new_in(&mut buffer, &publish).is_err());
                        assert!(buffer.is_empty());
                        continue;
                    }
                    let message = Message::new(&publish).expect("a message");
                    let in_buffer = Message::new_in(&mut buffer, &publish).expect("a message");
                    assert!(buffer.is_empty());
                    assert_eq!(message, in_buffer, "{} {}", topic.len(), payload.len());
                    assert_eq!(message.topic().as_str(), topic);
                    assert_eq!(message.retain(), retain);
                    assert_eq!(message.has_properties(), !expected_list.is_empty());
                    let bytes = message.as_bytes().clone();
                    assert_eq!(Message::from_bytes(bytes).as_ref(), Ok(&message));
                    for delivery in deliveries() {
                        let expected = sent(&Publish {
                            delivery,
                            ..publish
                        });
                        let mut wire = Vec::new();
                        message
                            .encode(ProtocolVersion::V5_0, delivery, retain, &mut wire)
                            .expect("room");
                        assert_eq!(wire, expected);
                        assert_eq!(
                            message.encoded_len(ProtocolVersion::V5_0, delivery),
                            expected.len()
                        );
                        let mut short = &mut vec![0; expected.len() - 1][..];
                        let needed = expected.len();
                        let no_room =
                            message.encode(ProtocolVersion::V5_0, delivery, retain, &mut short);
                        assert_eq!(no_room, Err(EncodeError::NoRoom { needed }));
                        assert_eq!(short.len(), needed - 1, "nothing was written");
                        // A received packet is kept as it came.
                        let frame = Frame::new(Bytes::from(expected)).expect("a packet");
                        let received =
                            Message::from_frame(ProtocolVersion::V5_0, &frame).expect("a message");
                        let mut wire = Vec::new();
                        received
                            .encode(ProtocolVersion::V5_0, delivery, !retain, &mut wire)
                            .expect("room");
                        let other = Publish {
                            delivery,
                            retain: !retain,
                            ..publish
                        };
                        assert_eq!(wire, sent(&other));
                        judged += 1;
                    }
                }
            }
        }
    }
    Ok(judged)
}

/// Section 3.3.2.3.4: an alias is of one connection: one that was received is left out, one that is given is
/// an error.
fn an_alias_is_not_kept() -> Outcome {
    let received = b"\x30\x0B\x00\x01a\x05\x23\x00\x07\x01\x01xy";
    let mut packet = received.to_vec();
    packet[1] = (packet.len() - 2) as u8;
    let frame = Frame::new(Bytes::from(packet)).expect("a packet");
    assert_eq!(Message::from_frame(ProtocolVersion::V5_0, &frame), None);
    let Ok(mqtt5_codec::Packet::Publish(publish)) = frame.decode(ProtocolVersion::V5_0) else {
        return Err("not a PUBLISH".into());
    };
    let message = Message::new(&publish).map_err(|error| error.to_string())?;
    assert_eq!(&message.as_bytes()[..], b"\x30\x08\x00\x01a\x02\x01\x01xy");
    let mut buffer = BytesMut::new();
    assert_eq!(Message::new_in(&mut buffer, &publish), Ok(message));

    let alias = [Property::TopicAlias(NonZeroU16::MIN)];
    let given = Publish {
        properties: PublishProperties::new(&alias).expect("good"),
        ..Publish::new(TopicName::new("a").expect("good"), b"")
    };
    let refused = Err(EncodeError::Value(Violation::PropertyNotAllowed));
    assert_eq!(Message::new(&given), refused);
    assert_eq!(Message::new_in(&mut buffer, &given), refused);
    Ok(4)
}

/// A buffer that holds something else keeps it.
fn a_buffer_in_use_is_left_alone() -> Outcome {
    let publish = Publish::new(TopicName::new("a").expect("good"), b"x");
    let mut buffer = BytesMut::from(&b"kept"[..]);
    let message = Message::new_in(&mut buffer, &publish);
    assert_eq!(message, Message::new(&publish));
    assert_eq!(&buffer[..], b"kept");
    Ok(1)
}

/// Without a Topic Name there is no message; other bytes are none, either.
fn what_is_no_message_is_refused() -> Outcome {
    let missing = Err(EncodeError::Value(Violation::TopicMissing));
    assert_eq!(Message::new(&Publish::default()), missing);
    assert_eq!(
        Message::new_in(&mut BytesMut::new(), &Publish::default()),
        missing
    );
    for bytes in [
        &b""[..],
        b"\xC0\x00",
        b"\x30\x03\x00\x01",
        b"\x30\x04\x00\x01a\x00\x00",
        b"\x30\x06\x00\x00\x03\x23\x00\x07",
    ] {
        let refused = Message::from_bytes(Bytes::copy_from_slice(bytes));
        assert!(refused.is_err(), "{bytes:02X?}: {refused:?}");
    }
    Ok(7)
}
