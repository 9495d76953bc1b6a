//! Sessions allocate nothing per message in the steady state: counted over whole exchanges through
//! a Client and a Server, bytes in between.
//!
//! The counter is the allocator of this program, which is why it is one of its own.

mod pair;

use std::collections::VecDeque;
use std::num::{NonZeroU16, NonZeroU64};

use allocation_counter::measure;
use bytes::{Buf, BytesMut};
use mqtt5_codec::{
    Message, MessagePool, PoolError, ProtocolVersion, Publish, Qos, ReasonCode, Segments, TopicName,
};
use mqtt5_session_fsm::{
    Acknowledgement, ClientConfig, Event, Limits, Publication, ServerConfig, SessionConfig,
    TopicAliases,
};

use pair::{EVERY_QOS, NOW, Pair, Seen, Settings};

/// Messages of each measurement.
const MESSAGES: usize = 10_000;
const WINDOWS: [usize; 2] = [1, 100];

#[track_caller]
fn allocations(what: &str, expected: u64, action: impl FnOnce()) {
    let counted = measure(action);
    println!(
        "{what:<66}{:>8} allocations{:>10} bytes",
        counted.count_total, counted.bytes_total
    );
    assert_eq!(counted.count_total, expected, "allocations: {what}");
}

#[track_caller]
fn allocates_nothing(what: &str, action: impl FnOnce()) {
    allocations(what, 0, action);
}

fn message(topic: &str) -> Message {
    let topic = TopicName::new(topic).expect("a name");
    Message::new(&Publish::new(topic, &[7; 64])).expect("a message")
}

/// Both directions, once warm; all messages arrive, and all outcomes are successes.
#[track_caller]
fn exchanges(what: &str, pair: &mut Pair, messages: &[Message]) {
    for qos in EVERY_QOS {
        for window in WINDOWS {
            let round = |pair: &mut Pair, count: usize| {
                for index in 0..count / window {
                    let message = &messages[index % messages.len()];
                    if index % 2 == 0 {
                        pair.up(qos, message, window);
                    } else {
                        pair.down(qos, message, window);
                    }
                }
            };
            round(pair, 20 * window.max(messages.len()));
            pair.seen = Seen::default();
            let what = format!("{what}, {qos:?}, window {window}");
            allocates_nothing(&what, || round(pair, MESSAGES));
            let expected = Seen {
                messages: MESSAGES,
                outcomes: MESSAGES,
                successes: MESSAGES,
                bodies: if pair.body.is_some() { MESSAGES } else { 0 },
                ..Seen::default()
            };
            assert_eq!(pair.seen, expected, "{what}");
        }
    }
}

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!((counted.count_total, counted.bytes_total), (1, 100));
}

#[test]
fn exchanges_of_every_kind() {
    let mut pair = Pair::new(&Settings::default());
    exchanges("plain", &mut pair, &[message("greenhouse/3/temperature")]);
}

#[test]
fn messages_whose_owner_counts() {
    let mut pair = Pair::new(&Settings::default());
    pair.body = NonZeroU64::new(7);
    exchanges(
        "with a number",
        &mut pair,
        &[message("greenhouse/3/temperature")],
    );
}

/// Large payloads that are shared: a head is copied, and the list of what waits has its memory already. The network takes
/// a part at a time, and the buffer is seldom empty.
#[test]
fn messages_into_segments() {
    let message = {
        let topic = TopicName::new("greenhouse/3/temperature").expect("a name");
        Message::new(&Publish::new(topic, &[7; 10_000])).expect("a message")
    };
    let mut client = Pair::new(&Settings::default()).client;
    let mut segments = Segments::new();
    let mut round = |messages: usize| {
        for index in 0..messages {
            let publication = Publication::new(Qos::AtMostOnce, message.clone());
            client.publish(NOW, publication).expect("room");
            while client.poll(NOW, &mut segments).is_some() {}
            // Two messages wait at most.
            let count = if index % 100 == 99 { usize::MAX } else { 9_990 };
            segments.advance(count.min(segments.remaining()));
        }
    };
    round(1_000);
    allocates_nothing("large payloads into segments", || round(MESSAGES));
    assert!(segments.is_empty());
}

fn with_aliases(own: u16, peer: u16) -> Settings {
    let topic_aliases = TopicAliases::Automatic(NonZeroU16::new(own).expect("not zero"));
    Settings {
        client: ClientConfig {
            topic_aliases,
            ..ClientConfig::default()
        },
        server: ServerConfig {
            topic_aliases,
            limits: Limits {
                topic_alias_maximum: peer,
                ..Limits::NONE
            },
            ..ServerConfig::default()
        },
        topic_alias_maximum: peer,
        ..Settings::default()
    }
}

#[test]
fn automatic_topic_aliases() {
    let topics: Vec<Message> = (0..7)
        .map(|number| message(&format!("greenhouse/{number}/temperature")))
        .collect();
    // All topics have an alias; then there are fewer aliases than topics, and each message
    // replaces one.
    for (name, own, peer) in [("aliases for all", 16, 10), ("aliases replaced", 16, 3)] {
        let mut pair = Pair::new(&with_aliases(own, peer));
        exchanges(name, &mut pair, &topics);
    }
}

#[test]
fn messages_of_topic_and_payload() {
    for aliases in [false, true] {
        let settings = if aliases {
            with_aliases(16, 16)
        } else {
            Settings::default()
        };
        let mut pair = Pair::new(&settings);
        for qos in EVERY_QOS {
            for window in WINDOWS {
                // One for each message that may be in flight: its memory is free again once the
                // message is gone.
                let mut buffers = vec![BytesMut::new(); window];
                let topics = ["greenhouse/3/temperature", "greenhouse/4/temperature"];
                let mut round = |pair: &mut Pair, count: usize| {
                    for index in 0..count / window {
                        pair.made(&mut buffers, qos, topics[index % 2]);
                    }
                };
                round(&mut pair, 20 * window);
                let name = format!("made in a buffer, aliases {aliases}, {qos:?}, window {window}");
                allocates_nothing(&name, || round(&mut pair, MESSAGES));
            }
        }
    }
}

/// Windows that never run empty, of messages out of a pool with as many slots: the oldest is answered, and the
/// next one takes its slot. What finds no room is not built, and a clone that is dropped takes nothing.
#[test]
fn messages_of_a_pool() {
    const TOPIC: &str = "greenhouse/3/temperature";
    let publish = Publish::new(TopicName::new(TOPIC).expect("a name"), &[7; 64]);
    let size = publish
        .encoded_len(ProtocolVersion::V5_0)
        .expect("a good message");
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for window in 1..=24_usize {
            let mut client = Pair::new(&Settings::default()).client;
            let mut pool = MessagePool::new(window, size);
            let mut in_flight = VecDeque::with_capacity(window + 1);
            let mut up = Vec::with_capacity(window * (size + 4));
            let mut answered = 0;
            let mut round = |messages: usize| {
                for _ in 0..messages {
                    while client.check_room(qos, size).is_ok() && pool.has_room() {
                        let message = pool.message(&publish).expect("a slot is free");
                        drop(message.clone());
                        let publication = Publication::new(qos, message);
                        client.publish(NOW, publication).expect("room");
                        up.clear();
                        assert_eq!(client.poll(NOW, &mut up), None);
                        let at = 4 + TOPIC.len();
                        in_flight.push_back([up[at], up[at + 1]]);
                    }
                    assert_eq!(in_flight.len(), window);
                    assert_eq!(pool.message(&publish), Err(PoolError::Full));
                    let [high, low] = in_flight.pop_front().expect("one is in flight");
                    let answers: &[u8] = match qos {
                        Qos::AtLeastOnce => &[0x40],
                        _ => &[0x50, 0x70],
                    };
                    for first in answers {
                        let answer = [*first, 2, high, low];
                        let event = client.receive(NOW, &mut &answer[..]);
                        answered += usize::from(matches!(event, Some(Event::Outcome(..))));
                        assert_eq!(client.poll(NOW, &mut up), None);
                    }
                }
            };
            round(20 * window);
            let what = format!("out of a pool, never empty, {qos:?}, window {window}");
            allocates_nothing(&what, || round(MESSAGES));
            assert_eq!(answered, 20 * window + MESSAGES);
        }
    }
}

/// More messages than the Receive Maximum: most of them wait.
#[test]
fn waiting_messages() {
    let settings = Settings {
        session: SessionConfig {
            in_flight: 10,
            ..SessionConfig::default()
        },
        ..Settings::default()
    };
    let mut pair = Pair::new(&settings);
    exchanges("ten in flight, others wait", &mut pair, &[message("a/b")]);
}

/// A peer that uses one identifier after the other: nothing remains of those that are over.
#[test]
fn all_received_identifiers() {
    let mut pair = Pair::new(&Settings::default());
    let mut out = Vec::with_capacity(64);
    let mut all = |first: u8, answers: &[u8], follow: Option<u8>| {
        for identifier in 1..=u16::MAX {
            let [high, low] = identifier.to_be_bytes();
            let publish = [first, 6, 0, 1, b'a', high, low, 0];
            assert!(matches!(
                pair.server.receive(NOW, &mut &publish[..]),
                Some(Event::Message(_))
            ));
            assert_eq!(pair.server.poll(NOW, &mut out), None);
            if let Some(first) = follow {
                let pubrel = [first, 2, high, low];
                assert!(pair.server.receive(NOW, &mut &pubrel[..]).is_none());
                assert_eq!(pair.server.poll(NOW, &mut out), None);
            }
            for (packet, first) in out.chunks(4).zip(answers) {
                assert_eq!(packet, [*first, 2, high, low]);
            }
            assert_eq!(out.len(), 4 * answers.len());
            out.clear();
        }
    };
    all(0x34, &[0x50, 0x70], Some(0x62));
    for _ in 0..2 {
        allocates_nothing("QoS 1 received with each identifier", || {
            all(0x32, &[0x40], None)
        });
        allocates_nothing("QoS 2 received with each identifier", || {
            all(0x34, &[0x50, 0x70], Some(0x62));
        });
    }
}

/// All of this side's identifiers in use, again and again.
#[test]
fn all_sent_identifiers() {
    let mut pair = Pair::new(&Settings::default());
    let message = message("a");
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for _ in 0..2 {
            pair.up(qos, &message, 65_535);
        }
        pair.seen = Seen::default();
        let what = format!("{qos:?}, window 65,535");
        allocates_nothing(&what, || pair.up(qos, &message, 65_535));
        assert_eq!((pair.seen.messages, pair.seen.successes), (65_535, 65_535));
    }
}

#[test]
fn decisions_of_the_application() {
    let settings = Settings {
        session: SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        },
        ..Settings::default()
    };
    let mut pair = Pair::new(&settings);
    let mut out = Vec::with_capacity(4096);
    let mut receipts = Vec::with_capacity(100);
    for (qos, first) in [(Qos::AtLeastOnce, 0x32), (Qos::ExactlyOnce, 0x34)] {
        for window in [1, 100_u16] {
            let mut round = |count: usize| {
                for _ in 0..count / usize::from(window) {
                    for identifier in 1..=window {
                        let [high, low] = identifier.to_be_bytes();
                        let publish = [first, 6, 0, 1, b'a', high, low, 0];
                        let event = pair.server.receive(NOW, &mut &publish[..]);
                        let Some(Event::Message(delivered)) = event else {
                            panic!("no message: {event:?}");
                        };
                        receipts.push(delivered.receipt.expect("a receipt"));
                    }
                    // In the wrong order, and refused.
                    while let Some(receipt) = receipts.pop() {
                        let code = ReasonCode::QuotaExceeded;
                        pair.server
                            .acknowledge_with(receipt, code, &[])
                            .expect("in time");
                        assert_eq!(pair.server.poll(NOW, &mut out), None);
                    }
                    assert_eq!(out.len(), 5 * usize::from(window));
                    out.clear();
                }
            };
            round(1_000);
            let what = format!("decided by the application, {qos:?}, window {window}");
            allocates_nothing(&what, || round(MESSAGES));
        }
    }
}

/// A peer may send many PINGREQs at once: what waits is not moved at each of them.
#[test]
fn pingreqs_in_one_piece() {
    let mut pair = Pair::new(&Settings::default());
    let pingreqs = [0xC0, 0].repeat(MESSAGES);
    let counted = measure(|| {
        let mut input = &pingreqs[..];
        assert_eq!(pair.server.receive(NOW, &mut input), None);
        assert!(input.is_empty());
    });
    println!(
        "{MESSAGES} PINGREQs in one piece: {} allocations, {} bytes",
        counted.count_total, counted.bytes_total
    );
    // A queue that doubles.
    assert!(counted.count_total <= 20, "{}", counted.count_total);
    let mut out = Vec::new();
    assert_eq!(pair.server.poll(NOW, &mut out), None);
    assert_eq!(out, [0xD0, 0].repeat(MESSAGES));
}

/// What is to be stored is told without an allocation, too: messages are shared, not copied.
#[test]
fn persistence() {
    let settings = Settings {
        session: SessionConfig {
            persistent: true,
            ..SessionConfig::default()
        },
        ..Settings::default()
    };
    let mut pair = Pair::new(&settings);
    let message = message("greenhouse/3/temperature");
    for (qos, changes) in EVERY_QOS.into_iter().zip([0, 3, 6]) {
        for window in WINDOWS {
            let round = |pair: &mut Pair, count: usize| {
                for index in 0..count / window {
                    if index % 2 == 0 {
                        pair.up(qos, &message, window);
                    } else {
                        pair.down(qos, &message, window);
                    }
                }
            };
            round(&mut pair, 20 * window);
            pair.seen = Seen::default();
            let what = format!("persistent, {qos:?}, window {window}");
            allocates_nothing(&what, || round(&mut pair, MESSAGES));
            assert_eq!(pair.seen.messages, MESSAGES);
            assert_eq!(pair.seen.changes, changes * MESSAGES, "{what}");
        }
    }
}

/// A connection is lost and another goes on with the Session: messages that are sent again cost
/// nothing, but the collections of the new connection grow, and so does the memory of received
/// identifiers, of which a lost connection gives back what it can.
#[test]
fn resumption() {
    let mut counts = Vec::new();
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for in_flight in [0, 1, 1_000, 65_535] {
            let mut pair = Pair::new(&Settings::default());
            let message = message("greenhouse/3/temperature");
            // Twice, so that all is warm.
            let mut counted = None;
            for _ in 0..2 {
                // Fill the window, and lose what was on the way.
                pair.fill(qos, &message, in_flight);
                pair.lose();
                pair.seen = Seen::default();
                let now = measure(|| pair.connect());
                assert_eq!(
                    (pair.seen.messages, pair.seen.successes),
                    (in_flight, in_flight)
                );
                counted = Some(now);
            }
            let counted = counted.expect("measured");
            println!(
                "resumed with {in_flight} {qos:?}: {} allocations, {} bytes",
                counted.count_total, counted.bytes_total
            );
            counts.push(counted.count_total);
        }
    }
    // A handshake of both sides.
    assert!(counts[..5].iter().all(|&count| count <= 20), "{counts:?}");
    // What doubles.
    assert!(counts[5..].iter().all(|&count| count <= 50), "{counts:?}");
}
