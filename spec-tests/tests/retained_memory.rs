//! The memory of retained messages: sizes that limits count are upper estimates, nothing is allocated for a message
//! that is delivered or replaced, and nothing stays of messages that are gone.
//!
//! Counted is what was asked of the allocator. `cargo test -p mqtt5-spec-tests --test retained_memory -- --nocapture`
//! prints the table.

use std::hint::black_box;

use allocation_counter::measure;
use mqtt5_codec::{Message, Qos, TopicFilter, TopicName};
use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::retained::{Cursor, RetainedLimits, RetainedStore, Step};

const NOW: Instant = Instant::ORIGIN;
const COUNT: usize = 10_000;

fn empty() -> RetainedStore {
    RetainedStore::new(RetainedLimits::default())
}

fn message(topic: &str, payload: &[u8]) -> Message {
    Message::of(topic, payload).expect("a topic")
}

fn retain(store: &mut RetainedStore, message: Message, expires_at: Instant) {
    let changes = store.retain(
        NOW,
        message,
        Qos::AtLeastOnce,
        expires_at,
        None,
        Some("sensor-0123456789abcdef"),
    );
    let _ = black_box(changes.expect("within the limits"));
}

/// Something of each number below `COUNT`.
type Each<T> = fn(usize) -> T;

/// All numbers, up, down, or in no order.
const ORDERS: [(&str, Each<usize>); 3] = [
    ("ascending", |number| number),
    ("descending", |number| COUNT - 1 - number),
    ("scattered", |number| number * 7_919 % COUNT),
];

const TOPICS: [(&str, Each<String>); 2] = [
    ("short", |number| format!("{number:05}")),
    ("long", |number| {
        format!("plant/{number:05}/device/temperature")
    }),
];

fn never(_: usize) -> Instant {
    Instant::NEVER
}

fn sooner_or_later(number: usize) -> Instant {
    Instant::from_millis(1 + number as u64 * 7_919 % 1_000)
}

/// After messages are stored, most of them are removed in steps until one of these many is left. So nodes of trees are
/// at their emptiest.
const LEFT: [usize; 4] = [1, 2, 4, 16];

/// Bytes that each message takes, and what is charged for it, at each step.
fn bytes_each(
    nth: Each<usize>,
    topic: Each<String>,
    expires_at: Each<Instant>,
) -> [(f64, f64); LEFT.len()] {
    let mut store = empty();
    let mut bytes = 0;
    LEFT.map(|left| {
        let counted = measure(|| {
            for number in (0..COUNT).map(nth) {
                let topic = topic(number);
                if left == 1 {
                    retain(&mut store, message(&topic, b"21.5"), expires_at(number));
                } else if number % left != 0 {
                    store.remove(TopicName::new(&topic).expect("a topic"));
                }
            }
        });
        bytes += counted.bytes_current;
        assert_eq!(store.len(), COUNT / left);
        let each = |bytes: f64| bytes / store.len() as f64;
        (each(bytes as f64), each(store.bytes() as f64))
    })
}

#[test]
fn limits_count_at_least_what_is_allocated() {
    println!(
        "order, topics, one of ... left: bytes each (charged); if they expire: bytes each (charged)"
    );
    for (order, nth) in ORDERS {
        for (length, topic) in TOPICS {
            let plain = bytes_each(nth, topic, never);
            let expiring = bytes_each(nth, topic, sooner_or_later);
            for (left, (plain, expiring)) in LEFT.into_iter().zip(plain.into_iter().zip(expiring)) {
                println!(
                    "{order}, {length}, {left}: {:.0} ({:.0}); {:.0} ({:.0})",
                    plain.0, plain.1, expiring.0, expiring.1
                );
                assert!(plain.0 <= plain.1);
                // What expires takes more, and that is charged apart.
                assert!(expiring.0 - plain.0 <= expiring.1 - plain.1);
            }
        }
    }
}

#[test]
fn nothing_stays_of_messages_that_are_gone() {
    let mut store = empty();
    let counted = measure(|| {
        for number in 0..COUNT {
            let topic = format!("level/{number}");
            let expires_at = match number % 3 {
                0 => Instant::NEVER,
                _ => Instant::from_millis(1),
            };
            retain(&mut store, message(&topic, b"x"), expires_at);
        }
        for number in (0..COUNT).step_by(3) {
            retain(
                &mut store,
                message(&format!("level/{number}"), b""),
                Instant::NEVER,
            );
        }
        let mut budget = u32::MAX;
        while store
            .handle_timeout(Instant::from_millis(1), &mut budget)
            .is_some()
        {}
    });
    assert!(store.is_empty());
    // A tree that was in use keeps one empty node.
    assert!(counted.count_current <= 2);
    assert!(counted.bytes_current <= 2_048);
    let dropped = measure(|| drop(store));
    assert_eq!(counted.bytes_current + dropped.bytes_current, 0);
}

/// A store with topics of equal length, so that a cursor that found one has room for all.
fn plants() -> RetainedStore {
    let mut store = empty();
    for number in 0..COUNT {
        let topic = format!(
            "plant/{:03}/dev/{}/{}",
            number / 100,
            number / 10 % 10,
            number % 10
        );
        retain(&mut store, message(&topic, b"x"), Instant::NEVER);
    }
    store
}

fn walk(store: &RetainedStore, cursor: &mut Cursor) -> usize {
    let mut found = 0;
    while !cursor.has_ended() {
        let mut budget = 7;
        while let Step::Found(retained) = store.next(NOW, cursor, &mut budget) {
            black_box(retained);
            found += 1;
        }
    }
    found
}

#[test]
fn a_walk_allocates_its_cursor_and_nothing_per_message() {
    let store = plants();
    for (filter, hits) in [
        ("#", COUNT),
        ("plant/+/dev/5/+", COUNT / 10),
        ("plant/+/dev/+/5", COUNT / 10),
        ("plant/050/#", 100),
        ("+/+/+/+/5", COUNT / 10),
        ("+/+/+/+/5x", 0),
        ("plant/001/dev/0/0", 1),
    ] {
        let filter = TopicFilter::new(filter).expect("a filter");
        let mut cursor = None;
        let made = measure(|| cursor = Some(store.cursor(filter)));
        assert_eq!(made.count_total, 2, "{}", filter.as_str());
        let mut cursor = cursor.expect("was made");
        // The first look makes room for a key.
        let mut found = match store.next(NOW, &mut cursor, &mut 1) {
            Step::Found(_) => 1,
            _ => 0,
        };
        let counted = measure(|| found += walk(&store, &mut cursor));
        assert_eq!(found, hits, "{}", filter.as_str());
        assert_eq!(counted.count_total, 0, "{}", filter.as_str());
    }
}

#[test]
fn replacing_removing_and_reading_allocate_nothing() {
    let mut store = plants();
    let topic = "plant/050/dev/5/5";
    let messages: Vec<Message> = (0..100).map(|_| message(topic, b"y")).collect();
    let cleared = message(topic, b"");
    let name = TopicName::new(topic).expect("a topic");
    let counted = measure(|| {
        for message in messages {
            retain(&mut store, message, Instant::NEVER);
            black_box(store.get(NOW, name));
            black_box(store.next_timeout());
        }
        retain(&mut store, cleared, Instant::NEVER);
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(store.len(), COUNT - 1);
}
