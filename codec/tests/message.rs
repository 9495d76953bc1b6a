//! What a kept message says about itself, and in which memory it is kept.

use core::num::NonZeroU16;
use std::collections::VecDeque;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use allocation_counter::measure;
use mqtt5_codec::bytes::{Bytes, BytesMut};
use mqtt5_codec::framing::Frame;
use mqtt5_codec::{
    Delivery, EncodeError, Message, MessagePool, Packet, PacketIdentifier, PoolError, Properties,
    Property, ProtocolVersion, Publish, Qos, Text, TopicName, UserProperty, Violation,
};

fn identifier() -> PacketIdentifier {
    PacketIdentifier::try_from(7).unwrap()
}

fn publish<'a>(topic: &'a str, payload: &'a [u8]) -> Publish<'a> {
    Publish::new(TopicName::new(topic).unwrap(), payload)
}

fn frame(publish: &Publish<'_>) -> Frame {
    let mut wire = Vec::new();
    publish.encode(ProtocolVersion::V5_0, &mut wire).unwrap();
    Frame::new(Bytes::from(wire)).unwrap()
}

/// A message has no QoS, whatever the packet had from which it was taken.
#[test]
fn the_publish_of_a_message_out_of_a_frame_has_qos_0() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for duplicate in [false, true] {
            let received = Publish {
                delivery: Delivery::new(qos, identifier(), duplicate),
                retain: duplicate,
                ..publish("a/b", b"hi")
            };
            let frame = frame(&received);
            let message = Message::from_frame(ProtocolVersion::V5_0, &frame).unwrap();
            let expected = Publish {
                delivery: Delivery::AtMostOnce,
                ..received
            };
            assert_eq!(message.publish(), expected);
            let Ok(Packet::Publish(decoded)) = frame.decode(ProtocolVersion::V5_0) else {
                panic!()
            };
            assert_eq!(decoded, received);
        }
    }
}

/// A message is sent as the packet would be that has the same topic and payload, whatever the delivery of the packet
/// was from which it was taken, and wherever its topic ends.
#[test]
fn a_message_is_sent_with_the_delivery_of_each_receiver() {
    let deliveries = || {
        [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce]
            .into_iter()
            .flat_map(|qos| [3, 7].map(|it| (qos, PacketIdentifier::try_from(it).unwrap())))
            .map(|(qos, identifier)| Delivery::new(qos, identifier, false))
    };
    let topic = "t".repeat(130);
    for topic in (1..=topic.len()).map(|length| &topic[..length]) {
        for received in deliveries() {
            let publish = |delivery| Publish {
                delivery,
                ..publish(topic, b"payload")
            };
            let frame = frame(&publish(received));
            let message = Message::from_frame(ProtocolVersion::V5_0, &frame).unwrap();
            for delivery in deliveries() {
                let (mut sent, mut expected) = (Vec::new(), Vec::new());
                let version = ProtocolVersion::V5_0;
                message.encode(version, delivery, false, &mut sent).unwrap();
                publish(delivery).encode(version, &mut expected).unwrap();
                assert_eq!(sent, expected, "{received:?} {delivery:?}");
            }
        }
    }
}

/// Sections 3.3.2, 3.3.3: the payload is what follows the properties, at every length of their own length.
#[test]
fn the_payload_is_found_behind_any_properties() {
    let long = "v".repeat(20_000);
    for length in [0, 1, 118, 119, 120, 16_370, 16_376, 16_377, 16_378, 20_000] {
        let user = Property::UserProperty(UserProperty {
            name: Text::new("").unwrap(),
            value: Text::new(&long[..length]).unwrap(),
        });
        for list in [&[][..], &[user]] {
            for payload in [&b""[..], b"x", &[0x80; 300]] {
                for qos in [Qos::AtMostOnce, Qos::ExactlyOnce] {
                    let given = Publish {
                        delivery: Delivery::new(qos, identifier(), false),
                        properties: Properties::new(list).unwrap(),
                        ..publish("topic", payload)
                    };
                    let kept = Message::new(&given).unwrap();
                    assert_eq!(kept.payload(), payload);
                    assert_eq!(kept.publish().payload, payload);
                    let received =
                        Message::from_frame(ProtocolVersion::V5_0, &frame(&given)).unwrap();
                    assert_eq!(received.payload(), payload);
                }
            }
        }
    }
}

/// What `new_in` says: used up while a message is there, a block is replaced; otherwise it is used again.
#[test]
fn a_block_is_used_again_only_if_none_of_its_messages_is_left() {
    let publish = publish("a/b", &[0; 20]);
    let mut buffer = BytesMut::with_capacity(1024);
    drop(Message::new_in(&mut buffer, &publish).unwrap());
    let counted = measure(|| {
        for _ in 0..10_000 {
            drop(Message::new_in(&mut buffer, &publish).unwrap());
        }
    });
    assert_eq!(counted.count_total, 0);

    let mut window = std::collections::VecDeque::with_capacity(13);
    let counted = measure(|| {
        for _ in 0..18_000 {
            window.push_back(Message::new_in(&mut buffer, &publish).unwrap());
            if window.len() > 12 {
                window.pop_front();
            }
        }
    });
    assert!(counted.count_total > 100);
}

/// In flight, waiting, refused: whatever becomes of the messages, and in whatever order, nothing is allocated
/// after the construction of the pool.
#[test]
fn a_pool_allocates_nothing_for_windows_of_any_size() {
    let payload = [0x55; 40];
    let publish = publish("plant/line-1/pump-7", &payload);
    // What a build for checks allocates when code is reached for the first time does not count.
    fill_and_empty(
        &mut MessagePool::new(2, 100),
        &mut VecDeque::new(),
        2,
        &publish,
    );
    for window in 1..=40 {
        let mut pool = MessagePool::new(window, 100);
        let mut in_flight = VecDeque::with_capacity(window);
        let counted = measure(|| fill_and_empty(&mut pool, &mut in_flight, window, &publish));
        assert_eq!(counted.count_total, 0, "window {window}");
        assert_eq!(counted.count_current, 0, "window {window}");
        assert!(in_flight.iter().all(|message| message.payload() == payload));
    }
}

/// 2,000 messages, with up to `window` in flight: first they go in order, then in any order.
fn fill_and_empty(
    pool: &mut MessagePool,
    in_flight: &mut VecDeque<Message>,
    window: usize,
    publish: &Publish<'_>,
) {
    let mut random = 1_u64;
    for number in 0..2_000 {
        if in_flight.len() == window {
            assert!(!pool.has_room());
            assert_eq!(pool.message(publish), Err(PoolError::Full));
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let gone = if number < 1_000 {
                0
            } else {
                (random >> 33) as usize % window
            };
            in_flight.swap_remove_back(gone);
            assert_eq!(pool.free(), 1);
        }
        assert!(pool.has_room());
        let message = pool.message(publish).unwrap();
        // A clone that is refused pins nothing.
        drop(message.clone());
        in_flight.push_back(message);
    }
}

#[test]
fn a_message_of_a_pool_is_like_any_other() {
    let list = [
        Property::MessageExpiryInterval(60),
        Property::TopicAlias(NonZeroU16::MIN),
    ];
    let mut pool = MessagePool::new(3, 4_000);
    for payload in [0, 1, 110, 120, 127, 3_900] {
        let payload = vec![0xA5; payload];
        for properties in [&list[..0], &list[..1]] {
            let given = Publish {
                retain: true,
                properties: Properties::new(properties).unwrap(),
                ..publish("a/b", &payload)
            };
            let message = pool.message(&given).unwrap();
            assert_eq!(Ok(message), Message::new(&given));
        }
    }
    assert_eq!(pool.free(), 3);
}

#[test]
fn what_is_not_built_takes_no_slot() {
    let mut pool = MessagePool::new(2, 9);
    // 2 bytes of fixed header, 2 of length, 1 of Property Length, 4 of topic and payload.
    let fits = publish("ab", b"cd");
    let needed = 10;
    assert_eq!(
        pool.message(&publish("ab", b"cde")),
        Err(PoolError::TooLarge { needed })
    );
    let missing = EncodeError::Value(Violation::TopicMissing);
    assert_eq!(
        pool.message(&Publish::default()),
        Err(PoolError::Invalid(missing))
    );
    assert_eq!(pool.free(), 2);
    let one = pool.message(&fits).unwrap();
    assert_eq!(one.size(), pool.slot_size());
    assert_eq!(pool.free(), 1);

    let mut nothing = MessagePool::new(0, 100);
    assert!(!nothing.has_room());
    assert_eq!(nothing.message(&fits), Err(PoolError::Full));
    let mut empty = MessagePool::new(3, 0);
    assert_eq!((empty.slots(), empty.free()), (3, 3));
    assert_eq!(empty.message(&fits), Err(PoolError::TooLarge { needed: 9 }));
}

/// A message outlives its pool, and a clone of a pool shares nothing with it.
#[test]
fn a_pool_is_memory_and_not_state() {
    let mut pool = MessagePool::new(1, 50);
    let message = pool.message(&publish("a", b"b")).unwrap();
    let mut clone = pool.clone();
    assert_eq!(clone, pool);
    assert_ne!(clone, MessagePool::new(1, 51));
    assert_ne!(clone, MessagePool::new(2, 50));
    let hash = |pool: &MessagePool| BuildHasherDefault::<DefaultHasher>::default().hash_one(pool);
    assert_eq!(hash(&clone), hash(&pool));
    assert_ne!(hash(&clone), hash(&MessagePool::new(2, 50)));
    assert_eq!((pool.free(), clone.free()), (0, 1));
    drop(pool);
    assert_eq!(message.payload(), b"b");
    // All memory is given back.
    let counted = measure(|| drop(MessagePool::new(5, 100).message(&publish("a", b"b"))));
    assert_eq!(counted.bytes_current, 0);
}

/// Section 2.1.4: with a Packet Identifier, a message may take the largest Remaining Length, and no more. Nothing is copied:
/// the memory is asked for, and not touched.
#[test]
fn a_message_may_be_as_long_as_a_packet() {
    const LARGEST: usize = 268_435_455;
    let of = |remaining_length: usize| {
        let mut packet = vec![0; 5 + remaining_length];
        packet[0] = 0x30;
        for (place, byte) in packet[1..5].iter_mut().enumerate() {
            *byte = (remaining_length >> (7 * place)) as u8 | if place < 3 { 0x80 } else { 0 };
        }
        packet[5..8].copy_from_slice(&[0, 1, b'a']);
        Message::from_bytes(Bytes::from(packet)).unwrap()
    };
    let delivery = Delivery::new(Qos::AtLeastOnce, identifier(), false);
    let encode = |message: &Message| {
        let mut none = [0_u8; 0];
        message.encode(ProtocolVersion::V5_0, delivery, false, &mut &mut none[..])
    };
    let needed = LARGEST + 5;
    assert_eq!(
        encode(&of(LARGEST - 2)),
        Err(EncodeError::NoRoom { needed })
    );
    let too_long = encode(&of(LARGEST - 1)).unwrap_err();
    assert_eq!(too_long.violation(), Some(Violation::PacketTooLong));
}

/// Section 2.1.4: so may a PUBLISH.
#[test]
fn a_publish_may_be_as_long_as_a_packet() {
    // Besides: the length of the topic, the topic, and that of the properties.
    let payload = vec![0; 268_435_455 - 4 + 1];
    let fits = publish("a", &payload[1..]).encoded_len(ProtocolVersion::V5_0);
    assert_eq!(fits, Ok(268_435_460));
    let too_long = publish("a", &payload).encoded_len(ProtocolVersion::V5_0);
    let violation = too_long.unwrap_err().violation();
    assert_eq!(violation, Some(Violation::PacketTooLong));
}
