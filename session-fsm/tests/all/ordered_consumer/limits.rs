//! Every limit, and what happens at it.

use super::*;

#[test]
fn without_room_the_own_stream_does_not_wait_any_longer() {
    for (messages, bytes) in [(3, usize::MAX), (usize::MAX, 2 + 2 + 3)] {
        let mut consumer = Consumer::new(OrderedConsumerSettings {
            messages,
            bytes,
            ..settings()
        });
        let _ = show(&mut consumer, at(0), "b", stamp(5));
        let _ = show(&mut consumer, at(1), "a", stamp(2));
        let _ = show(&mut consumer, at(1), "a", stamp(4));
        assert_eq!(consumer.held(), 3);
        // The first gap is given up for it, not the one of the other stream.
        let arrival = consumer.receive_stamped(at(1), topic("a"), stamp(6), 1, || 6);
        assert_eq!(arrival, Ok(Kept));
        assert_eq!(polled_gaps(&mut consumer), [(Some((0, 1)), 2)]);
        // What comes before all that wait is handed over itself.
        let arrival = consumer.receive_stamped(at(1), topic("b"), stamp(3), 1, || 3);
        let Ok(InOrder(Some(gap))) = arrival else {
            panic!("{arrival:?}");
        };
        assert_eq!((gap.first, gap.last), (0, 2));
        assert_eq!(consumer.held(), 3);
        // And what is next after that needs no room.
        let arrival = consumer.receive_stamped(at(1), topic("a"), stamp(3), 1, || 3);
        assert_eq!(arrival, Ok(InOrder(None)));
        assert_eq!(polled(&mut consumer), [4]);
        assert_eq!(consumer.counts().missing, 5);
    }
}

#[test]
fn giving_up_gaps_may_bring_the_turn_of_the_message_itself() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        messages: 1,
        ..settings()
    });
    let _ = show(&mut consumer, at(0), "a", stamp(1));
    let arrival = consumer.receive_stamped(at(0), topic("a"), stamp(2), 1, || 2);
    assert_eq!(arrival, Ok(Kept));
    assert_eq!(consumer.held(), 2); // one more than the limit
    assert_eq!(polled_gaps(&mut consumer), [(Some((0, 0)), 1), (None, 2)]);
    assert_eq!(show(&mut consumer, at(0), "a", stamp(3)).0, InOrder(None));
}

#[test]
fn a_message_larger_than_all_room_is_handed_over_in_its_order() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        bytes: 10,
        ..settings()
    });
    let _ = show(&mut consumer, at(0), "a", stamp(1));
    let _ = show(&mut consumer, at(0), "a", stamp(3));
    let _ = show(&mut consumer, at(0), "a", stamp(7));
    let arrival = consumer.receive_stamped(at(0), topic("a"), stamp(5), usize::MAX, || 5);
    assert_eq!(arrival, Ok(Kept));
    assert_eq!(
        polled_gaps(&mut consumer),
        [(Some((0, 0)), 1), (Some((2, 2)), 3), (Some((4, 4)), 5)]
    );
    assert_eq!(consumer.held(), 1);
    let arrival = consumer.receive_stamped(at(0), topic("a"), stamp(9), usize::MAX, || 9);
    assert_eq!(arrival, Ok(Kept));
    assert_eq!(
        polled_gaps(&mut consumer),
        [(Some((6, 6)), 7), (Some((8, 8)), 9)]
    );
}

#[test]
fn the_largest_limits_do_not_overflow() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        bytes: usize::MAX,
        ..settings()
    });
    let size = usize::MAX - 2;
    let arrival = consumer.receive_stamped(at(0), topic("a"), stamp(2), size, || 2);
    assert_eq!((arrival, consumer.bytes()), (Ok(Kept), usize::MAX));
    let arrival = consumer.receive_stamped(at(0), topic("a"), stamp(4), 1, || 4);
    assert_eq!(arrival, Ok(Kept));
    assert_eq!(polled_gaps(&mut consumer), [(Some((0, 1)), 2)]);
    let arrival = consumer.receive_stamped(at(0), topic("a"), stamp(6), size, || 6);
    assert_eq!(arrival, Ok(Kept));
    assert_eq!(polled_gaps(&mut consumer), [(Some((3, 3)), 4)]);
    // It makes room for the name of another stream.
    let arrival = consumer.receive_stamped(at(0), topic("b"), stamp(2), size, || 8);
    assert_eq!((arrival, consumer.streams()), (Ok(Kept), 1));
    assert_eq!(polled_gaps(&mut consumer), [(Some((5, 5)), 6)]);
}

#[test]
fn without_any_room_order_is_reported_and_not_made() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        messages: 0,
        ..settings()
    });
    assert_eq!(show(&mut consumer, at(0), "a", stamp(0)).0, InOrder(None));
    let arrival = consumer.receive_stamped(at(0), topic("a"), stamp(2), 1, || 2);
    assert!(matches!(arrival, Ok(InOrder(Some(_)))));
    assert_eq!(show(&mut consumer, at(0), "a", stamp(1)).0, Late);
    for (bytes, streams) in [(1, 100), (100, 0)] {
        let mut consumer = Consumer::new(OrderedConsumerSettings {
            bytes,
            streams,
            ..settings()
        });
        assert_eq!(show(&mut consumer, at(0), "a", stamp(0)).0, NoRoom);
        assert_eq!((consumer.streams(), consumer.counts().no_room), (0, 1));
    }
}

#[test]
fn a_stream_is_followed_whose_names_take_all_the_room() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        bytes: 2,
        ..settings()
    });
    assert_eq!(show(&mut consumer, at(0), "a", stamp(0)).0, InOrder(None));
    assert_eq!((consumer.streams(), consumer.bytes()), (1, 2));
}

#[test]
fn the_stream_that_was_silent_for_the_longest_time_makes_room() {
    // Names take two bytes each.
    for (streams, bytes) in [(2, usize::MAX), (u16::MAX, 2 + 2 + 1)] {
        let mut consumer = Consumer::new(OrderedConsumerSettings {
            streams,
            bytes,
            start: Start::AtFirstSeen,
            ..settings()
        });
        let _ = show(&mut consumer, at(0), "a", stamp(10));
        let _ = show(&mut consumer, at(0), "b", stamp(10));
        let _ = show(&mut consumer, at(1), "a", stamp(11));
        let _ = show(&mut consumer, at(2), "b", stamp(12));
        let _ = show(&mut consumer, at(3), "a", stamp(12));
        // "b" makes room, and what waits in it is handed over.
        let arrival = consumer.receive_stamped(at(4), topic("c"), stamp(10), 1, || 10);
        assert_eq!(arrival, Ok(Kept));
        assert_eq!(
            polled_gaps(&mut consumer),
            [(Some((11, 11)), 12), (None, 10)]
        );
        assert_eq!((consumer.streams(), consumer.bytes()), (2, 4));
        assert_eq!(consumer.counts().forgotten_streams, 1);
        assert_eq!(show(&mut consumer, at(4), "a", stamp(12)).0, Repeated);
        assert_eq!(show(&mut consumer, at(4), "b", stamp(12)).0, InOrder(None));
        assert_eq!(consumer.counts().forgotten_streams, 2);
    }
}

/// What a value holds is what it shows.
#[test]
fn what_is_held_does_not_grow_with_the_number_of_topics_and_publishers() {
    let mut consumer = Consumer::new(OrderedConsumerSettings {
        streams: 3,
        messages: 2,
        ..settings()
    });
    let mut shown = Vec::new();
    for round in 0..4_000_u64 {
        let name = format!("{}", 1_000 + round % 3_000);
        let publisher = format!("{}", 1_000 + round % 7);
        for number in [1, 3, 5, 7] {
            let stamp = Stamp {
                number,
                epoch: 0,
                publisher: &publisher,
            };
            let _ = consumer.receive_stamped(at(0), topic(&name), stamp, 1, || number);
            while consumer.poll().is_some() {}
        }
        shown.push(format!("{consumer:?}").len());
    }
    // But for the digits of counters.
    let most = shown[..100].iter().max().unwrap();
    assert!(shown.iter().all(|length| *length < most + 60), "{shown:?}");
}
