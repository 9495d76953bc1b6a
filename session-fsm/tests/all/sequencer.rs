//! Sequence numbers in a User Property.

use std::fmt::Debug;
use std::hash::Hash;

use mqtt5_session_fsm::codec::bytes::BytesMut;
use mqtt5_session_fsm::codec::{
    EncodeError, Message, Packet, Properties, Property, ProtocolVersion, Publish, Text, TopicName,
    UserProperty, Violation,
};
use mqtt5_session_fsm::ordering::{
    Numbering, Sequencer, SequencerError, SequencerSettings, Stamp, StampError,
};

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

fn sequencer(settings: SequencerSettings<'_>) -> Sequencer {
    Sequencer::new(Text::new("pump 7").unwrap(), 3, settings).unwrap()
}

fn number(message: &Message) -> u64 {
    let publish = message.publish();
    let stamp = Stamp::of(&publish, "sequence").unwrap();
    assert_eq!((stamp.epoch, stamp.publisher), (3, "pump 7"));
    stamp.number
}

#[test]
fn it_is_a_value() {
    fn value<T: Clone + Eq + Hash + Debug + Send + Sync>() {}
    value::<Sequencer>();
    value::<SequencerSettings<'_>>();
    value::<Stamp<'_>>();
}

#[test]
fn each_topic_counts_from_zero() {
    let mut sequencer = sequencer(SequencerSettings::default());
    let mut numbers = Vec::new();
    for name in ["a", "b", "a", "a", "b"] {
        let message = sequencer.message(&Publish::new(topic(name), b"x")).unwrap();
        assert_eq!(message.topic(), topic(name));
        numbers.push(number(&message));
    }
    assert_eq!(numbers, [0, 0, 1, 2, 1]);
    assert_eq!(sequencer.next_number(topic("a")), 3);
    assert_eq!(sequencer.next_number(topic("c")), 0);
    assert_eq!(Vec::from_iter(sequencer.numbers()), [("a", 3), ("b", 2)]);
}

#[test]
fn everything_else_in_the_message_stays() {
    let list = [
        Property::MessageExpiryInterval(60),
        Property::UserProperty(UserProperty::new("unit", "K").unwrap()),
    ];
    let listed = Publish {
        retain: true,
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(topic("a"), b"payload")
    };
    let received = Message::new(&listed).unwrap();
    let mut sequencer = sequencer(SequencerSettings::default());
    let mut buffer = BytesMut::new();
    for (expected, publish) in [listed, received.publish()].iter().enumerate() {
        let message = sequencer.message_in(&mut buffer, publish).unwrap();
        let stamped = message.publish();
        assert_eq!(number(&message), expected as u64);
        assert!(stamped.retain);
        assert_eq!(stamped.payload, b"payload");
        let mut expected: Vec<_> = publish.properties.iter().collect();
        let text = format!("{} 3 pump 7", number(&message));
        expected.push(Property::UserProperty(
            UserProperty::new("sequence", &text).unwrap(),
        ));
        assert_eq!(Vec::from_iter(stamped.properties.iter()), expected);
    }
}

#[test]
fn a_received_stamp_is_replaced_and_a_topic_alias_left_out() {
    // A PUBLISH with Topic Alias 5, two stamps and one other User Property.
    let mut packet = vec![0x30, 0, 0, 1, b'a', 0];
    packet.extend(b"\x23\0\x05");
    for (name, value) in [("sequence", "9 9 x"), ("unit", "K"), ("sequence", "8 8 y")] {
        packet.extend([0x26, 0, name.len() as u8]);
        packet.extend(name.bytes());
        packet.extend([0, value.len() as u8]);
        packet.extend(value.bytes());
    }
    packet[1] = packet.len() as u8 - 2;
    packet[5] = packet.len() as u8 - 6;
    let Ok(Packet::Publish(publish)) = Packet::decode(ProtocolVersion::V5_0, &packet) else {
        panic!("not a PUBLISH");
    };
    assert_eq!(Stamp::of(&publish, "sequence").unwrap().publisher, "y");
    let message = sequencer(SequencerSettings::default())
        .message(&publish)
        .unwrap();
    let expected = [
        Property::UserProperty(UserProperty::new("unit", "K").unwrap()),
        Property::UserProperty(UserProperty::new("sequence", "0 3 pump 7").unwrap()),
    ];
    assert_eq!(
        Vec::from_iter(message.publish().properties.iter()),
        expected
    );
}

#[test]
fn a_stamp_is_replaced_where_it_is_the_only_property() {
    let publish = Publish::new(topic("a"), b"x");
    let mut other = Sequencer::new(Text::new("other").unwrap(), 9, Default::default()).unwrap();
    let received = other.message(&publish).unwrap();
    let message = sequencer(SequencerSettings::default())
        .message(&received.publish())
        .unwrap();
    let expected = UserProperty::new("sequence", "0 3 pump 7").unwrap();
    assert_eq!(
        Vec::from_iter(message.publish().properties.iter()),
        [Property::UserProperty(expected)]
    );
}

#[test]
fn a_stamp_to_be_put_in_by_hand_uses_a_number() {
    let mut sequencer = sequencer(SequencerSettings::default());
    for expected in ["0 3 pump 7", "1 3 pump 7"] {
        let expected = UserProperty::new("sequence", expected).unwrap();
        assert_eq!(sequencer.stamp(topic("a")), Ok(expected));
    }
    let message = sequencer.message(&Publish::new(topic("a"), b"")).unwrap();
    assert_eq!(number(&message), 2);
}

#[test]
fn what_cannot_be_built_uses_no_number() {
    let mut sequencer = sequencer(SequencerSettings::default());
    let before = sequencer.next_number(topic("a"));
    let no_topic = Publish {
        topic: None,
        ..Publish::new(topic("a"), b"")
    };
    assert_eq!(
        sequencer.message(&no_topic),
        Err(SequencerError::Invalid(EncodeError::Value(
            Violation::TopicMissing
        )))
    );
    let too_long = vec![0; 268_435_455];
    let result = sequencer.message(&Publish::new(topic("a"), &too_long));
    assert!(matches!(result, Err(SequencerError::Invalid(_))));
    assert_eq!(sequencer.next_number(topic("a")), before);
    assert_eq!(sequencer.numbers().count(), 0);
}

#[test]
fn the_last_number_can_be_taken_back() {
    let mut sequencer = sequencer(SequencerSettings::default());
    let publish = Publish::new(topic("a"), b"");
    let first = sequencer.message(&publish).unwrap();
    let second = sequencer.message(&publish).unwrap();
    assert!(!sequencer.take_back(&first));
    assert!(sequencer.take_back(&second));
    assert!(!sequencer.take_back(&second));
    assert!(sequencer.take_back(&first));
    assert_eq!(number(&sequencer.message(&publish).unwrap()), 0);
    // A message of somebody else, of another epoch, of another topic, or without a stamp.
    let mut other = Sequencer::new(Text::new("other").unwrap(), 3, Default::default()).unwrap();
    assert!(!sequencer.take_back(&other.message(&publish).unwrap()));
    sequencer.restart(4);
    sequencer.message(&publish).unwrap();
    assert!(!sequencer.take_back(&first));
    assert!(!sequencer.take_back(&Message::new(&publish).unwrap()));
}

#[test]
fn after_the_last_number_comes_zero() {
    let mut sequencer = sequencer(SequencerSettings {
        numbering: Numbering {
            last_number: 2,
            ..Numbering::default()
        },
        ..SequencerSettings::default()
    });
    let publish = Publish::new(topic("a"), b"");
    let messages = Vec::from_iter((0..5).map(|_| sequencer.message(&publish).unwrap()));
    assert_eq!(Vec::from_iter(messages.iter().map(number)), [0, 1, 2, 0, 1]);
    // Back over the end.
    for message in messages.iter().rev() {
        assert!(sequencer.take_back(message));
    }
    sequencer.set_next_number(topic("a"), 2).unwrap();
    assert_eq!(number(&sequencer.message(&publish).unwrap()), 2);
    sequencer.set_next_number(topic("a"), 3).unwrap();
    assert_eq!(number(&sequencer.message(&publish).unwrap()), 0);
    let mut largest = self::sequencer(SequencerSettings::default());
    largest.set_next_number(topic("a"), u64::MAX).unwrap();
    assert_eq!(number(&largest.message(&publish).unwrap()), u64::MAX);
    assert_eq!(number(&largest.message(&publish).unwrap()), 0);
}

#[test]
fn the_limits_refuse_new_topics_only() {
    for (topics, topic_bytes) in [(2, usize::MAX), (usize::MAX, 4)] {
        let mut sequencer = sequencer(SequencerSettings {
            topics,
            topic_bytes,
            ..SequencerSettings::default()
        });
        for _ in 0..3 {
            for name in ["aa", "bb"] {
                sequencer.message(&Publish::new(topic(name), b"")).unwrap();
            }
            let third = sequencer.message(&Publish::new(topic("c"), b""));
            assert_eq!(third, Err(SequencerError::TooManyTopics));
            assert!(sequencer.stamp(topic("c")).is_err());
            assert!(sequencer.set_next_number(topic("c"), 1).is_err());
            assert_eq!(sequencer.numbers().count(), 2);
        }
        sequencer.restart(4);
        assert_eq!(sequencer.epoch(), 4);
        let message = sequencer.message(&Publish::new(topic("c"), b"")).unwrap();
        let publish = message.publish();
        let stamp = Stamp::of(&publish, "sequence").unwrap();
        assert_eq!((stamp.number, stamp.epoch), (0, 4));
    }
}

#[test]
fn the_longest_name_leaves_room_for_the_largest_numbers() {
    let longest = "p".repeat(Sequencer::MAXIMUM_PUBLISHER_LENGTH);
    let mut sequencer =
        Sequencer::new(Text::new(&longest).unwrap(), u64::MAX, Default::default()).unwrap();
    sequencer.set_next_number(topic("a"), u64::MAX).unwrap();
    let message = sequencer.message(&Publish::new(topic("a"), b"")).unwrap();
    let publish = message.publish();
    let stamp = Stamp::of(&publish, "sequence").unwrap();
    assert_eq!((stamp.number, stamp.publisher), (u64::MAX, &*longest));
    let too_long = longest + "p";
    let result = Sequencer::new(Text::new(&too_long).unwrap(), 0, Default::default());
    assert_eq!(result, Err(Violation::StringTooLong));
}

#[test]
fn stamps_are_read_as_they_are_written() {
    for (text, number, epoch, publisher) in [
        ("0", 0, 0, ""),
        ("007", 7, 0, ""),
        ("1 2", 1, 2, ""),
        ("1 2 ", 1, 2, ""),
        ("1 2 three four", 1, 2, "three four"),
        ("1 2  x", 1, 2, " x"),
        ("18446744073709551615 1 x", u64::MAX, 1, "x"),
    ] {
        let stamp = Stamp {
            number,
            epoch,
            publisher,
        };
        assert_eq!(Stamp::parse(text), Some(stamp), "{text}");
        assert_eq!(Stamp::parse(&stamp.to_string()), Some(stamp), "{text}");
    }
    for text in [
        "",
        " ",
        "x",
        "-1",
        "+1",
        "1.5",
        "1,2",
        " 1",
        "1 ",
        "1  x",
        "1 -2",
        "1 x",
        "０",
        "18446744073709551616",
        "1 18446744073709551616",
    ] {
        assert_eq!(Stamp::parse(text), None, "{text:?}");
    }
}

#[test]
fn the_name_of_the_property_can_be_chosen() {
    let mut sequencer = sequencer(SequencerSettings {
        numbering: Numbering {
            property_name: Text::new("n").unwrap(),
            ..Numbering::default()
        },
        ..SequencerSettings::default()
    });
    let message = sequencer.message(&Publish::new(topic("a"), b"")).unwrap();
    let publish = message.publish();
    assert_eq!(Stamp::of(&publish, "sequence"), Err(StampError::Missing));
    assert_eq!(Stamp::of(&publish, "n").unwrap().number, 0);
}
