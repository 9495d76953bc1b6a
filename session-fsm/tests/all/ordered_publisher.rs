//! The messages of each topic, one after the other.

mod model;

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use mqtt5_session_fsm::codec::{
    Connect, EncodeError, Message, Properties, Publish, Qos, ReasonCode, TopicName, Violation,
};
use mqtt5_session_fsm::ordered_publisher::{
    AfterFailure, FullBecause, OrderedPublisher, OrderedPublisherSettings, Progress, Verdict,
};
use mqtt5_session_fsm::reconnect::Backoff;
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, LimitExceeded, Outcome, Output, Publication,
    PublishError, Session, SessionConfig, Token,
};

const WITHOUT_JITTER: u32 = Backoff::WITHOUT_JITTER;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn token(number: u64) -> Token {
    Token::from_number(number)
}

fn settings() -> OrderedPublisherSettings {
    OrderedPublisherSettings {
        attempts: 3,
        retry_delay: Duration::from_secs(2),
        maximum_retry_delay: Duration::from_secs(3),
        ..OrderedPublisherSettings::default()
    }
}

fn with(topics: &[(&str, u32)], settings: OrderedPublisherSettings) -> OrderedPublisher<u32> {
    let mut publisher = OrderedPublisher::new(settings);
    for &(topic, value) in topics {
        publisher.push_value(topic, 10, value).unwrap();
    }
    publisher
}

/// Gives everything that may go to a machine that accepts it.
fn publish(publisher: &mut OrderedPublisher<u32>, now: Instant, first_token: u64) -> Vec<u32> {
    let mut published = Vec::new();
    while let Some(&value) = publisher.next(now) {
        assert!(publisher.accepted(token(first_token + published.len() as u64)));
        published.push(value);
        assert!(published.len() < 100, "one of each topic at a time");
    }
    published
}

#[test]
fn it_is_a_value() {
    fn value<T: Clone + Eq + Hash + Debug + Send + Sync>() {}
    value::<OrderedPublisher>();
    value::<OrderedPublisherSettings>();
    value::<Progress<Publication>>();
}

/// Each topic sends its next message only after the one before.
#[test]
fn of_each_topic_one_is_in_flight() {
    let topics = [("a", 1), ("a", 2), ("b", 3), ("a", 4), ("c", 5), ("b", 6)];
    let mut publisher = with(&topics, settings());
    assert_eq!(publish(&mut publisher, at(0), 1), [1, 3, 5]);
    assert_eq!((publisher.held(), publisher.in_flight()), (6, 3));
    // Whatever the order of the outcomes.
    let ended = publisher.ended(at(0), token(2), Verdict::Delivered, 0);
    assert_eq!(ended, Progress::Delivered(3));
    let ended = publisher.ended(at(0), token(1), Verdict::Delivered, 0);
    assert_eq!(ended, Progress::Delivered(1));
    assert_eq!(publish(&mut publisher, at(0), 4), [6, 2]);
    let ended = publisher.ended(at(0), token(5), Verdict::Delivered, 0);
    assert_eq!(ended, Progress::Delivered(2));
    assert_eq!(publish(&mut publisher, at(0), 6), [4]);
    for (number, value) in [(3, 5), (4, 6), (6, 4)] {
        let ended = publisher.ended(at(0), token(number), Verdict::Delivered, 0);
        assert_eq!(ended, Progress::Delivered(value));
        // An outcome counts once.
        let again = publisher.ended(at(0), token(number), Verdict::Delivered, 0);
        assert_eq!(again, Progress::Unknown);
    }
    assert_eq!((publisher.held(), publisher.bytes()), (0, 0));
    assert_eq!(publisher.next(at(0)), None);
}

#[test]
fn a_publication_that_was_not_accepted_stays_the_first() {
    let mut publisher = with(&[("a", 1), ("b", 2)], settings());
    assert!(!publisher.accepted(token(1)));
    for error in [
        PublishError::Busy,
        PublishError::NoSession,
        PublishError::NotConnected,
    ] {
        assert_eq!(publisher.next(at(0)), Some(&1));
        assert_eq!(publisher.refused(at(0), error, 0), None);
    }
    assert_eq!(publisher.next(at(0)), Some(&1));
    assert!(publisher.accepted(token(1)));
    assert!(!publisher.accepted(token(2)));
    assert_eq!(publisher.next(at(0)), Some(&2));
    // A token that is in flight already.
    assert!(!publisher.accepted(token(1)));
    assert_eq!(publisher.next(at(0)), Some(&2));
    assert!(publisher.accepted(token(2)));
}

#[test]
fn a_publication_that_the_machine_never_takes_does_not_block_the_others() {
    let invalid = PublishError::Invalid(EncodeError::Value(Violation::TopicMissing));
    let forbidden = PublishError::Forbidden(LimitExceeded::MaximumPacketSize);
    for error in [invalid, forbidden] {
        let mut publisher = with(&[("a", 1), ("b", 2), ("a", 3)], settings());
        assert_eq!(publisher.refused(at(0), error, 0), None); // nothing was offered
        let _ = publisher.next(at(0));
        let refused = publisher.refused(at(0), error, 0);
        assert_eq!(refused, Some(Progress::Skipped(1)));
        assert_eq!(publish(&mut publisher, at(0), 1), [2, 3]);
    }
    let mut publisher = with(&[("a", 1), ("b", 2)], settings());
    for (now, delay) in [(0, 2), (10, 3)] {
        let _ = publisher.next(at(now));
        let refused = publisher.refused(at(now), PublishError::TooLarge, WITHOUT_JITTER);
        let expected = Progress::Retry {
            at: at(now + delay),
        };
        assert_eq!(refused, Some(expected));
        if now == 0 {
            assert_eq!(publish(&mut publisher, at(now), 1), [2]);
        }
    }
    let _ = publisher.next(at(20));
    let refused = publisher.refused(at(20), PublishError::TooLarge, WITHOUT_JITTER);
    assert_eq!(refused, Some(Progress::Skipped(1)));
}

#[test]
fn what_failed_is_tried_again_after_a_delay_and_nothing_overtakes_it() {
    let mut publisher = with(&[("a", 1), ("a", 2), ("b", 3)], settings());
    assert_eq!(publish(&mut publisher, at(0), 1), [1, 3]);
    // Half of two seconds, then the whole of three.
    let ended = publisher.ended(at(10), token(1), Verdict::TryAgain, u32::MAX / 2);
    assert_eq!(ended, Progress::Retry { at: at(11) });
    assert_eq!(publisher.next_timeout(), at(11));
    assert_eq!(publisher.next(Instant::from_millis(10_999)), None);
    assert_eq!(publish(&mut publisher, at(11), 10), [1]);
    assert_eq!(publisher.next_timeout(), Instant::NEVER);
    let ended = publisher.ended(at(12), token(10), Verdict::TryAgain, WITHOUT_JITTER);
    assert_eq!(ended, Progress::Retry { at: at(15) });
    assert_eq!(publish(&mut publisher, at(20), 11), [1]);
    let ended = publisher.ended(at(21), token(11), Verdict::TryAgain, WITHOUT_JITTER);
    assert_eq!(ended, Progress::Skipped(1));
    // The next one has its attempts and its delays from the start.
    assert_eq!(publish(&mut publisher, at(21), 12), [2]);
    let ended = publisher.ended(at(22), token(12), Verdict::TryAgain, WITHOUT_JITTER);
    assert_eq!(ended, Progress::Retry { at: at(24) });
}

#[test]
fn no_attempts_are_one() {
    for attempts in [0, 1] {
        let settings = OrderedPublisherSettings {
            attempts,
            ..settings()
        };
        let mut publisher = with(&[("a", 1)], settings);
        assert_eq!(publish(&mut publisher, at(0), 1), [1]);
        let ended = publisher.ended(at(0), token(1), Verdict::TryAgain, 0);
        assert_eq!(ended, Progress::Skipped(1));
    }
}

#[test]
fn what_is_hopeless_is_not_tried_again() {
    let mut publisher = with(&[("a", 1), ("a", 2)], settings());
    assert_eq!(publish(&mut publisher, at(0), 1), [1]);
    let ended = publisher.ended(at(0), token(1), Verdict::Hopeless, 0);
    assert_eq!(ended, Progress::Skipped(1));
    assert_eq!(publish(&mut publisher, at(0), 2), [2]);
}

#[test]
fn a_topic_can_be_stopped_until_the_application_decides() {
    let settings = OrderedPublisherSettings {
        attempts: 2,
        after_failure: AfterFailure::StopTopic,
        ..settings()
    };
    let mut publisher = with(&[("a", 1), ("a", 2), ("b", 3)], settings);
    assert_eq!(publish(&mut publisher, at(0), 1), [1, 3]);
    assert!(!publisher.resume("a"));
    let _ = publisher.ended(at(0), token(1), Verdict::TryAgain, WITHOUT_JITTER);
    assert_eq!(publish(&mut publisher, at(2), 10), [1]);
    let stopped = Progress::Stopped { topic: "a".into() };
    let ended = publisher.ended(at(2), token(10), Verdict::TryAgain, 0);
    assert_eq!(ended, stopped);
    assert_eq!(Vec::from_iter(publisher.stopped()), ["a"]);
    publisher.push_value("a", 10, 4).unwrap();
    assert_eq!(publisher.next(at(1000)), None);
    assert_eq!(publisher.next_timeout(), Instant::NEVER);
    // The other topic goes on.
    let ended = publisher.ended(at(2), token(2), Verdict::Delivered, 0);
    assert_eq!(ended, Progress::Delivered(3));

    // It is resumed with all its attempts and its delays.
    assert!(publisher.resume("a"));
    assert_eq!(publisher.stopped().count(), 0);
    assert_eq!(publish(&mut publisher, at(3), 20), [1]);
    let ended = publisher.ended(at(3), token(20), Verdict::TryAgain, WITHOUT_JITTER);
    assert_eq!(ended, Progress::Retry { at: at(5) });
    assert_eq!(publish(&mut publisher, at(5), 21), [1]);
    let ended = publisher.ended(at(5), token(21), Verdict::Hopeless, 0);
    assert_eq!(ended, stopped);

    // Or it is cleared.
    assert_eq!(publisher.clear("a"), [1, 2, 4]);
    assert_eq!((publisher.held(), publisher.bytes()), (0, 0));
    assert_eq!(publisher.stopped().count(), 0);
    publisher.push_value("a", 10, 5).unwrap();
    assert_eq!(publish(&mut publisher, at(6), 30), [5]);
}

#[test]
fn clearing_leaves_what_is_in_flight() {
    let mut publisher = with(&[("a", 1), ("a", 2), ("b", 3)], settings());
    assert_eq!(publisher.clear("c"), []);
    assert_eq!(publish(&mut publisher, at(0), 1), [1, 3]);
    assert_eq!(publisher.clear("a"), [2]);
    assert_eq!((publisher.held(), publisher.in_flight()), (2, 2));
    assert_eq!(publisher.bytes(), 22);
    assert_eq!(publisher.clear("a"), []);
    // What waits for its next attempt is not in flight.
    let _ = publisher.ended(at(0), token(1), Verdict::TryAgain, 0);
    assert_eq!(publisher.clear("a"), [1]);
    assert_eq!(publisher.next_timeout(), Instant::NEVER);
    // Neither is what was only offered.
    publisher.push_value("c", 10, 4).unwrap();
    assert_eq!(publisher.next(at(0)), Some(&4));
    assert_eq!(publisher.clear("c"), [4]);
    publisher.push_value("c", 10, 5).unwrap();
    assert!(!publisher.accepted(token(9)));
    assert_eq!(publisher.next(at(0)), Some(&5));
}

#[test]
fn each_limit_hands_the_publication_back() {
    let unlimited = OrderedPublisherSettings {
        messages_per_topic: usize::MAX,
        messages: usize::MAX,
        bytes: usize::MAX,
        ..settings()
    };
    for (settings, because) in [
        (
            OrderedPublisherSettings {
                messages_per_topic: 2,
                ..unlimited
            },
            FullBecause::Topic,
        ),
        (
            OrderedPublisherSettings {
                messages: 3,
                ..unlimited
            },
            FullBecause::Messages,
        ),
        (
            // Three of 10 bytes, and names of 3.
            OrderedPublisherSettings {
                bytes: 36,
                ..unlimited
            },
            FullBecause::Bytes,
        ),
    ] {
        let mut publisher = with(&[("aaa", 1), ("bbb", 2), ("aaa", 3)], settings);
        assert_eq!(publish(&mut publisher, at(0), 1), [1, 2]);
        let before = publisher.clone();
        let full = publisher.push_value("aaa", 10, 4).unwrap_err();
        assert_eq!((full.because, full.publication), (because, 4));
        assert_eq!(publisher, before);
        // What is in flight counts until it has ended.
        let _ = publisher.ended(at(0), token(1), Verdict::Delivered, 0);
        publisher.push_value("aaa", 10, 4).unwrap();
        assert!(publisher.push_value("aaa", 10, 5).is_err());
    }
    let mut publisher = with(&[], unlimited);
    publisher.push_value("a", usize::MAX - 1, 1).unwrap();
    let full = publisher.push_value("a", 1, 2).unwrap_err();
    assert_eq!(full.because, FullBecause::Bytes);
}

/// What a value holds is what it shows.
#[test]
fn what_is_held_does_not_grow_with_the_number_of_topics() {
    let mut publisher = with(&[], settings());
    let empty = format!("{publisher:?}").len();
    for round in 0..3_000 {
        let name = format!("{round}");
        for value in 0..3 {
            publisher.push_value(&name, 10, value).unwrap();
        }
        assert_eq!(publish(&mut publisher, at(round), round), [0]);
        let verdict = match round % 3 {
            0 => Verdict::Delivered,
            1 => Verdict::TryAgain,
            _ => Verdict::Hopeless,
        };
        let _ = publisher.ended(at(round), token(round), verdict, 0);
        publisher.clear(&name);
        assert_eq!((publisher.held(), publisher.bytes()), (0, 0));
    }
    // But for the digits of counters.
    assert!(format!("{publisher:?}").len() < empty + 60, "{publisher:?}");
}

#[test]
fn what_a_restored_session_holds_is_waited_for() {
    let mut publisher = with(&[], settings());
    publisher.adopt("a", 10, 1, token(7)).unwrap();
    publisher.push_value("a", 10, 2).unwrap();
    publisher.push_value("b", 10, 3).unwrap();
    for (topic, number) in [("a", 8), ("b", 8), ("c", 7)] {
        let refused = publisher.adopt(topic, 10, 4, token(number)).unwrap_err();
        assert_eq!(refused.because, FullBecause::NotFirst);
    }
    assert_eq!(publish(&mut publisher, at(0), 20), [3]);
    // It has been tried once.
    let ended = publisher.ended(at(0), token(7), Verdict::TryAgain, WITHOUT_JITTER);
    assert_eq!(ended, Progress::Retry { at: at(2) });
    assert_eq!(publish(&mut publisher, at(2), 21), [1]);
    let _ = publisher.ended(at(2), token(21), Verdict::TryAgain, 0);
    assert_eq!(publish(&mut publisher, at(9), 22), [1]);
    let ended = publisher.ended(at(9), token(22), Verdict::TryAgain, 0);
    assert_eq!(ended, Progress::Skipped(1));
    let full = OrderedPublisherSettings {
        messages: 0,
        ..settings()
    };
    let refused = with(&[], full).adopt("a", 10, 1, token(7)).unwrap_err();
    assert_eq!(
        (refused.because, refused.publication),
        (FullBecause::Messages, 1)
    );
}

#[test]
fn every_outcome_has_a_verdict() {
    use Verdict::{Delivered, Hopeless, TryAgain};
    let puback = |code| Outcome::PubAck(code, Properties::EMPTY);
    let pubrec = |code| Outcome::PubRec(code, Properties::EMPTY);
    for (outcome, verdict) in [
        (Outcome::Sent, Delivered),
        (puback(ReasonCode::Success), Delivered),
        (puback(ReasonCode::NoMatchingSubscribers), Delivered),
        (
            Outcome::PubComp(ReasonCode::Success, Properties::EMPTY),
            Delivered,
        ),
        (
            Outcome::PubComp(ReasonCode::PacketIdentifierNotFound, Properties::EMPTY),
            Delivered,
        ),
        (Outcome::Dropped, TryAgain),
        (Outcome::NotSent, TryAgain),
        (Outcome::Indeterminate, TryAgain),
        (Outcome::Expired, Hopeless),
        (Outcome::TimedOut, Hopeless),
        (Outcome::Withdrawn, Hopeless),
        (Outcome::Forbidden(LimitExceeded::MaximumQos), Hopeless),
    ] {
        assert_eq!(Verdict::of(&outcome), verdict, "{outcome:?}");
    }
    // The error codes that PUBACK and PUBREC can have (tables 3-4 and 3-5).
    for (code, verdict) in [
        (ReasonCode::UnspecifiedError, TryAgain),
        (ReasonCode::ImplementationSpecificError, TryAgain),
        (ReasonCode::NotAuthorized, Hopeless),
        (ReasonCode::TopicNameInvalid, Hopeless),
        (ReasonCode::PacketIdentifierInUse, TryAgain),
        (ReasonCode::QuotaExceeded, TryAgain),
        (ReasonCode::PayloadFormatInvalid, Hopeless),
    ] {
        assert_eq!(Verdict::of(&puback(code)), verdict, "{code}");
        assert_eq!(Verdict::of(&pubrec(code)), verdict, "{code}");
    }
}

/// With a Client that has a window of two: what the machine refuses is published later, and all of it is in order.
#[test]
fn a_client_publishes_each_topic_in_order() {
    let config = SessionConfig {
        in_flight: 2,
        waiting: mqtt5_session_fsm::WaitingLimits {
            messages: 1,
            ..Default::default()
        },
        ..SessionConfig::default()
    };
    let mut client = Client::new(ClientConfig::default(), Session::of_client(config));
    client.connect(at(0), &Connect::default()).unwrap();
    let mut wire = Vec::new();
    while client.poll(at(0), &mut wire).is_some() {}
    let mut connack = &b"\x20\x06\x00\x00\x03\x12\x00\x00"[..];
    assert!(matches!(
        client.receive(at(0), &mut connack),
        Some(Event::Connected(_))
    ));
    wire.clear();

    let mut publisher = OrderedPublisher::new(OrderedPublisherSettings {
        messages_per_topic: 10,
        ..settings()
    });
    for number in 0..10_u8 {
        for topic in ["a", "b", "c", "d"] {
            let topic = TopicName::new(topic).unwrap();
            let message = Message::new(&Publish::new(topic, &[number])).unwrap();
            publisher
                .push(Publication::new(Qos::AtLeastOnce, message))
                .unwrap();
        }
    }
    let mut delivered = [0_u8; 4];
    let mut received = 0;
    let mut refusals = 0;
    for _ in 0..1_000 {
        while let Some(publication) = publisher.next(at(0)) {
            match client.publish(at(0), publication.clone()) {
                Ok(token) => assert!(publisher.accepted(token)),
                Err(_) => {
                    refusals += 1;
                    break;
                }
            }
        }
        while let Some(output) = client.poll(at(0), &mut wire) {
            assert_eq!(output, Output::Event(Event::Room));
        }
        // A server that answers each PUBLISH as it comes: all have 9 bytes.
        for packet in wire.chunks(9) {
            assert_eq!(packet[0], 0x32, "{packet:?}");
            let topic = usize::from(packet[4] - b'a');
            assert_eq!(packet[8], delivered[topic], "out of order");
            delivered[topic] += 1;
            received += 1;
            let mut puback = &[0x40, 2, packet[5], packet[6]][..];
            let Some(Event::Outcome(token, outcome)) = client.receive(at(0), &mut puback) else {
                panic!("no outcome");
            };
            let ended = publisher.ended(at(0), token, Verdict::of(&outcome), 0);
            assert!(matches!(ended, Progress::Delivered(_)), "{ended:?}");
        }
        wire.clear();
    }
    assert_eq!((received, publisher.held()), (40, 0));
    assert!(refusals > 0);
}
