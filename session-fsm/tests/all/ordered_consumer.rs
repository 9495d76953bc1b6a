//! Messages in the order of their numbers.

mod limits;
mod model;

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::{Message, Properties, Property, Publish, TopicName, UserProperty};
use mqtt5_session_fsm::ordering::Arrival::{
    InOrder, Kept, Late, Malformed, NoRoom, Repeated, Replaced, TooOld, Unnumbered,
};
use mqtt5_session_fsm::ordering::{
    Arrival, Gap, Numbering, OrderedConsumer, OrderedConsumerSettings, OrderingCounts, PollFirst,
    Stamp, Start,
};

type Consumer = OrderedConsumer<u64>;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

fn settings() -> OrderedConsumerSettings<'static> {
    OrderedConsumerSettings {
        start: Start::AtZero,
        gap_timeout: Duration::from_secs(10),
        ..OrderedConsumerSettings::default()
    }
}

fn stamp(number: u64) -> Stamp<'static> {
    Stamp {
        number,
        epoch: 0,
        publisher: "p",
    }
}

/// Shows a message of one byte, and polls. What is handed over comes as numbers.
fn show(
    consumer: &mut Consumer,
    now: Instant,
    name: &str,
    stamp: Stamp<'_>,
) -> (Arrival<u64>, Vec<u64>) {
    let arrival = consumer
        .receive_stamped(now, topic(name), stamp, 1, || stamp.number)
        .unwrap();
    let mut numbers = Vec::new();
    if let InOrder(gap) = &arrival {
        assert_eq!(*gap, None);
        numbers.push(stamp.number);
    }
    numbers.extend(polled(consumer));
    (arrival, numbers)
}

/// Where nothing is missing.
fn polled(consumer: &mut Consumer) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(ordered) = consumer.poll() {
        assert_eq!(ordered.gap, None);
        numbers.push(ordered.message);
    }
    numbers
}

/// What is handed over, each with what is missing before it.
fn polled_gaps(consumer: &mut Consumer) -> Vec<(Option<(u64, u64)>, u64)> {
    let mut handed_over = Vec::new();
    while let Some(ordered) = consumer.poll() {
        handed_over.push((
            ordered.gap.map(|gap| (gap.first, gap.last)),
            ordered.message,
        ));
    }
    handed_over
}

#[test]
fn it_is_a_value() {
    fn value<T: Clone + Eq + Hash + Debug + Send + Sync>() {}
    value::<OrderedConsumer<Message>>();
    value::<OrderedConsumerSettings<'_>>();
    value::<Gap>();
}

/// A message that comes early waits; a late repetition is not processed again.
#[test]
fn what_comes_early_waits_for_its_turn() {
    let mut consumer = Consumer::new(settings());
    let mut processed = Vec::new();
    for (number, arrival) in [
        (0, InOrder(None)),
        (2, Kept),
        (4, Kept),
        (3, Kept),
        (2, Replaced(2)),
        (1, InOrder(None)),
        (1, Repeated),
        (5, InOrder(None)),
    ] {
        let (actual, numbers) = show(&mut consumer, at(0), "a", stamp(number));
        assert_eq!(actual, arrival, "{number}");
        processed.extend(numbers);
    }
    assert_eq!(processed, [0, 1, 2, 3, 4, 5]);
    assert_eq!(consumer.held(), 0);
    let expected = OrderingCounts {
        in_order: 3,
        kept: 3,
        repeated: 2,
        ..OrderingCounts::default()
    };
    assert_eq!(consumer.counts(), expected);
}

#[test]
fn each_publisher_to_each_topic_has_an_order_of_its_own() {
    let mut consumer = Consumer::new(settings());
    let mut streams = 0;
    for name in ["a", "b"] {
        for publisher in ["", "p", "q"] {
            let stamp = |number| Stamp {
                number,
                epoch: 0,
                publisher,
            };
            assert_eq!(show(&mut consumer, at(0), name, stamp(1)), (Kept, vec![]));
            let (arrival, numbers) = show(&mut consumer, at(0), name, stamp(0));
            assert_eq!((arrival, numbers), (InOrder(None), vec![0, 1]));
            streams += 1;
            assert_eq!(consumer.streams(), streams);
        }
    }
}

#[test]
fn no_message_waits_longer_than_the_gap_timeout() {
    let mut consumer = Consumer::new(settings());
    let _ = show(&mut consumer, at(0), "a", stamp(0));
    assert_eq!(consumer.next_timeout(), Instant::NEVER);
    assert_eq!(show(&mut consumer, at(1), "a", stamp(6)), (Kept, vec![]));
    assert_eq!(show(&mut consumer, at(4), "a", stamp(3)), (Kept, vec![]));
    assert_eq!(show(&mut consumer, at(5), "a", stamp(7)), (Kept, vec![]));
    assert_eq!(show(&mut consumer, at(6), "a", stamp(9)), (Kept, vec![]));
    assert_eq!(consumer.next_timeout(), at(11));
    consumer.handle_timeout(Instant::from_millis(10_999));
    assert_eq!(consumer.poll(), None);
    // The gap before 3 is given up with the one before 6, which was noticed first; 7 follows at once.
    consumer.handle_timeout(at(11));
    assert_eq!(
        polled_gaps(&mut consumer),
        [(Some((1, 2)), 3), (Some((4, 5)), 6), (None, 7)]
    );
    assert_eq!(consumer.next_timeout(), at(16));
    consumer.handle_timeout(at(16));
    assert_eq!(polled_gaps(&mut consumer), [(Some((8, 8)), 9)]);
    assert_eq!(consumer.next_timeout(), Instant::NEVER);
    assert_eq!(consumer.counts().missing, 5);
}

#[test]
fn a_gap_that_is_filled_has_no_deadline() {
    let mut consumer = Consumer::new(settings());
    let _ = show(&mut consumer, at(0), "a", stamp(1));
    let _ = show(&mut consumer, at(9), "a", stamp(0));
    assert_eq!(consumer.next_timeout(), Instant::NEVER);
    consumer.handle_timeout(at(100));
    assert_eq!(consumer.poll(), None);
}

#[test]
fn a_gap_says_what_is_missing_and_of_whom() {
    let mut consumer = Consumer::new(settings());
    let stamp = Stamp {
        number: 2,
        epoch: 9,
        publisher: "pump",
    };
    let _ = show(&mut consumer, at(0), "valves/3", stamp);
    consumer.flush();
    let gap = consumer.poll().unwrap().gap.unwrap();
    assert_eq!((&*gap.topic, &*gap.publisher), ("valves/3", "pump"));
    assert_eq!((gap.epoch, gap.first, gap.last, gap.missing), (9, 0, 1, 2));
    assert_eq!(
        gap.to_string(),
        "2 messages of pump to valves/3 are missing: 0 to 1"
    );
    let one = Gap {
        publisher: "".into(),
        first: 1,
        missing: 1,
        ..gap
    };
    assert_eq!(one.to_string(), "1 message to valves/3 is missing: 1");
}

#[test]
fn what_was_given_up_is_late_once_and_then_repeated() {
    let mut consumer = Consumer::new(settings());
    let _ = show(&mut consumer, at(0), "a", stamp(5));
    consumer.flush();
    assert_eq!(polled_gaps(&mut consumer), [(Some((0, 4)), 5)]);
    for number in [2, 0, 4, 1, 3] {
        assert_eq!(show(&mut consumer, at(0), "a", stamp(number)).0, Late);
        assert_eq!(show(&mut consumer, at(0), "a", stamp(number)).0, Repeated);
    }
    assert_eq!(show(&mut consumer, at(0), "a", stamp(5)).0, Repeated);
    assert_eq!(consumer.counts().late, 5);
}

#[test]
fn of_more_than_sixteen_gaps_the_oldest_are_not_known() {
    let mut consumer = Consumer::new(settings());
    for gap in 0..17 {
        // 0, 2, 4, … are missing.
        let _ = show(&mut consumer, at(0), "a", stamp(2 * gap + 1));
        consumer.flush();
        while consumer.poll().is_some() {}
    }
    assert_eq!(show(&mut consumer, at(0), "a", stamp(0)).0, TooOld);
    assert_eq!(show(&mut consumer, at(0), "a", stamp(1)).0, Repeated);
    assert_eq!(show(&mut consumer, at(0), "a", stamp(2)).0, Late);
    // One in the middle of a gap makes two of it.
    let _ = show(&mut consumer, at(0), "b", stamp(100));
    consumer.flush();
    while consumer.poll().is_some() {}
    for number in (1..=32).step_by(2) {
        assert_eq!(show(&mut consumer, at(0), "b", stamp(number)).0, Late);
    }
    assert_eq!(show(&mut consumer, at(0), "b", stamp(0)).0, TooOld);
    assert_eq!(show(&mut consumer, at(0), "b", stamp(99)).0, Late);
}

/// A gap that is filled from its end stays one gap.
#[test]
fn the_last_of_a_gap_comes_late_and_no_other_gap_is_forgotten() {
    let mut consumer = Consumer::new(settings());
    for number in [1, 40] {
        let _ = show(&mut consumer, at(0), "a", stamp(number));
        consumer.flush();
        while consumer.poll().is_some() {}
    }
    for number in (2..40).rev() {
        assert_eq!(show(&mut consumer, at(0), "a", stamp(number)).0, Late);
    }
    assert_eq!(show(&mut consumer, at(0), "a", stamp(0)).0, Late);
}

#[test]
fn a_higher_epoch_starts_again_and_an_earlier_one_is_too_old() {
    let mut consumer = Consumer::new(settings());
    let epoch = |epoch, number| Stamp {
        number,
        epoch,
        publisher: "p",
    };
    let _ = show(&mut consumer, at(0), "a", epoch(1, 0));
    let _ = show(&mut consumer, at(0), "a", epoch(1, 2));
    // What waits of the epoch before comes first.
    let arrival = consumer
        .receive_stamped(at(1), topic("a"), epoch(5, 0), 1, || 1000)
        .unwrap();
    assert_eq!(arrival, Kept);
    assert_eq!(
        polled_gaps(&mut consumer),
        [(Some((1, 1)), 2), (None, 1000)]
    );
    assert_eq!(show(&mut consumer, at(1), "a", epoch(1, 3)).0, TooOld);
    assert_eq!(show(&mut consumer, at(1), "a", epoch(4, 0)).0, TooOld);
    assert_eq!(show(&mut consumer, at(1), "a", epoch(5, 0)).0, Repeated);
    // A new epoch begins with 0, whenever its first message comes.
    assert_eq!(show(&mut consumer, at(1), "a", epoch(6, 2)).0, Kept);
    consumer.handle_timeout(at(11));
    assert_eq!(polled_gaps(&mut consumer), [(Some((0, 1)), 2)]);
    assert_eq!(consumer.counts().restarts, 2);
    // The same publisher's numbers in another topic are not concerned.
    assert_eq!(
        show(&mut consumer, at(1), "b", epoch(1, 0)).0,
        InOrder(None)
    );
}

#[test]
fn a_subscriber_that_joins_later_begins_with_what_it_sees() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        start: Start::AtFirstSeen,
        ..settings()
    });
    assert_eq!(show(&mut consumer, at(0), "a", stamp(70)).0, InOrder(None));
    assert_eq!(show(&mut consumer, at(0), "a", stamp(69)).0, TooOld);
    assert_eq!(show(&mut consumer, at(0), "a", stamp(72)).0, Kept);
    let (_, numbers) = show(&mut consumer, at(0), "a", stamp(71));
    assert_eq!(numbers, [71, 72]);
}

#[test]
fn numbers_wrap_around() {
    for (last_number, first) in [
        (7, 6),
        (255, 250),
        (65_535, 65_530),
        (u64::MAX, u64::MAX - 2),
    ] {
        let mut consumer = Consumer::new(OrderedConsumerSettings {
            numbering: Numbering {
                last_number,
                ..Numbering::default()
            },
            start: Start::AtFirstSeen,
            ..settings()
        });
        let mut number = first;
        let following = |number: u64| if number == last_number { 0 } else { number + 1 };
        let _ = show(&mut consumer, at(0), "a", stamp(number));
        for _ in 0..20 {
            let skipped = following(number);
            number = following(skipped);
            assert_eq!(
                show(&mut consumer, at(0), "a", stamp(number)),
                (Kept, vec![])
            );
            let (_, numbers) = show(&mut consumer, at(0), "a", stamp(skipped));
            assert_eq!(numbers, [skipped, number], "of {last_number}");
            assert_eq!(show(&mut consumer, at(0), "a", stamp(skipped)).0, Repeated);
        }
    }
}

/// As many as may be: half as many as there are numbers.
#[test]
fn messages_on_their_way_come_in_any_order() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        numbering: Numbering {
            last_number: 7,
            ..Numbering::default()
        },
        ..settings()
    });
    let _ = show(&mut consumer, at(0), "a", stamp(0));
    for round in 0..10 {
        let on_their_way = [1, 2, 3, 4].map(|ahead| (4 * round + ahead) % 8);
        for number in on_their_way[1..].iter().rev() {
            let shown = show(&mut consumer, at(0), "a", stamp(*number));
            assert_eq!(shown, (Kept, vec![]), "{number}");
        }
        let (_, numbers) = show(&mut consumer, at(0), "a", stamp(on_their_way[0]));
        assert_eq!(numbers, on_their_way);
    }
}

#[test]
fn a_gap_may_reach_over_the_wrap() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        numbering: Numbering {
            last_number: 9,
            ..Numbering::default()
        },
        start: Start::AtFirstSeen,
        ..settings()
    });
    let _ = show(&mut consumer, at(0), "a", stamp(7));
    let _ = show(&mut consumer, at(0), "a", stamp(1));
    consumer.flush();
    let gap = consumer.poll().unwrap().gap.unwrap();
    assert_eq!((gap.first, gap.last, gap.missing), (8, 0, 3));
    assert_eq!(show(&mut consumer, at(0), "a", stamp(9)).0, Late);
    assert_eq!(show(&mut consumer, at(0), "a", stamp(1)).0, Repeated);
}

#[test]
fn a_stream_that_begins_in_the_far_half_of_the_numbers_is_followed() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        numbering: Numbering {
            last_number: 65_535,
            ..Numbering::default()
        },
        ..settings()
    });
    for number in [40_000, 40_001, 39_999] {
        assert_eq!(show(&mut consumer, at(0), "a", stamp(number)).0, Kept);
    }
    consumer.handle_timeout(at(10));
    assert_eq!(
        polled_gaps(&mut consumer),
        [(Some((0, 39_998)), 39_999), (None, 40_000), (None, 40_001)]
    );
}

#[test]
fn the_largest_jumps_do_no_harm() {
    let mut consumer = Consumer::new(settings());
    let mut number = 0_u64;
    for _ in 0..10 {
        let _ = consumer.receive_stamped(at(0), topic("a"), stamp(number), 1, || number);
        consumer.flush();
        while consumer.poll().is_some() {}
        number = number.wrapping_add(u64::MAX / 2);
    }
    let _ = show(&mut consumer, at(0), "b", stamp(u64::MAX));
    consumer.flush();
    let gap = consumer.poll().unwrap().gap.unwrap();
    assert_eq!((gap.first, gap.last), (0, u64::MAX - 1));
    assert_eq!(gap.missing, u64::MAX);
    assert_eq!(consumer.counts().missing, u64::MAX);
}

#[test]
fn messages_without_a_number_or_with_a_bad_one_are_named() {
    let mut consumer = OrderedConsumer::<u64>::new(OrderedConsumerSettings {
        numbering: Numbering {
            last_number: 99,
            ..Numbering::default()
        },
        ..settings()
    });
    for (name, value, arrival) in [
        ("other", "1", Unnumbered),
        ("sequence", "", Malformed),
        ("sequence", "one", Malformed),
        ("sequence", "0 x", Malformed),
        ("sequence", "100", Malformed),
        ("sequence", "0", InOrder(None)),
    ] {
        let list = [Property::UserProperty(
            UserProperty::new(name, value).unwrap(),
        )];
        let publish = Publish {
            properties: Properties::new(&list).unwrap(),
            ..Publish::new(topic("a"), b"")
        };
        let actual = consumer.receive(at(0), &publish, |_| unreachable!("it need not wait"));
        assert_eq!(actual, Ok(arrival), "{name}: {value}");
    }
    let counts = consumer.counts();
    assert_eq!(
        (counts.unnumbered, counts.malformed, counts.in_order),
        (1, 4, 1)
    );
    assert_eq!(consumer.streams(), 1);
}

#[test]
fn a_message_is_kept_in_the_form_of_the_caller() {
    let mut consumer = OrderedConsumer::<Vec<u8>>::new(settings());
    for (value, payload) in [("1", b"one"), ("0", b"nil")] {
        let list = [Property::UserProperty(
            UserProperty::new("sequence", value).unwrap(),
        )];
        let publish = Publish {
            properties: Properties::new(&list).unwrap(),
            ..Publish::new(topic("ab"), payload)
        };
        let _ = consumer.receive(at(0), &publish, |publish| publish.payload.to_vec());
    }
    assert_eq!(consumer.poll().unwrap().message, b"one");
}

#[test]
fn what_waits_is_replaced_when_it_comes_again() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        bytes: 2 + 10,
        ..settings()
    });
    let mut show = |now, number, size, value| {
        let arrival = consumer.receive_stamped(at(now), topic("a"), stamp(number), size, || value);
        (arrival.unwrap(), consumer.bytes(), consumer.next_timeout())
    };
    assert_eq!(show(0, 1, 4, 100), (Kept, 2 + 4, at(10)));
    // It waits no longer for that.
    assert_eq!(show(5, 1, 10, 101), (Replaced(100), 2 + 10, at(10)));
    // Not if it is larger than the room.
    assert_eq!(show(6, 1, 11, 102), (NoRoom, 2 + 10, at(10)));
    assert_eq!(show(6, 1, usize::MAX, 102), (NoRoom, 2 + 10, at(10)));
    assert_eq!(show(6, 1, 1, 103), (Replaced(101), 2 + 1, at(10)));
    consumer.handle_timeout(at(10));
    assert_eq!(polled_gaps(&mut consumer), [(Some((0, 0)), 103)]);
    assert_eq!((consumer.bytes(), consumer.counts().repeated), (2, 2));
}

#[test]
fn what_is_shown_before_polling_leaves_no_trace() {
    let mut consumer = Consumer::new(settings());
    let _ = show(&mut consumer, at(0), "a", stamp(1));
    let arrival = consumer.receive_stamped(at(0), topic("a"), stamp(0), 1, || 0);
    assert_eq!(arrival, Ok(InOrder(None)));
    let before = consumer.clone();
    for name in ["a", "b"] {
        let arrival = consumer.receive_stamped(at(0), topic(name), stamp(2), 1, || 2);
        assert_eq!(arrival, Err(PollFirst));
        let arrival = consumer.receive(at(0), &Publish::new(topic(name), b""), |_| 2);
        assert_eq!(arrival, Err(PollFirst));
    }
    assert_eq!(consumer, before);
    assert_eq!(polled(&mut consumer), [1]);
    assert_eq!(show(&mut consumer, at(0), "a", stamp(2)).0, InOrder(None));
}

#[test]
fn a_stream_can_be_forgotten() {
    let mut consumer = Consumer::new(settings());
    let _ = show(&mut consumer, at(0), "a", stamp(0));
    let _ = show(&mut consumer, at(0), "a", stamp(2));
    assert!(!consumer.forget(topic("a"), "other"));
    assert!(!consumer.forget(topic("b"), "p"));
    assert!(consumer.forget(topic("a"), "p"));
    assert_eq!(polled_gaps(&mut consumer), [(Some((1, 1)), 2)]);
    assert_eq!(
        (consumer.streams(), consumer.bytes(), consumer.held()),
        (0, 0, 0)
    );
    assert_eq!(show(&mut consumer, at(0), "a", stamp(0)).0, InOrder(None));
}
