//! Each received message is processed once, under a limit of messages at a time, and again after a failure.

mod model;
mod statistics;

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use mqtt5_session_fsm::codec::{Connect, Properties, Property, ReasonCode, Text};
use mqtt5_session_fsm::deduplicate::Deduplicator;
use mqtt5_session_fsm::processing::{
    Failure, Finished, Intake, Processor, ProcessorSettings, ProcessorStatistics, Share, Step,
    TaskId,
};
use mqtt5_session_fsm::reconnect::Backoff;
use mqtt5_session_fsm::{
    Acknowledgement, Client, ClientConfig, Event, Instant, Receipt, Session, SessionConfig,
};

/// Messages and receipts are numbers.
type Numbers = Processor<u32, u32>;

const WITHOUT_JITTER: u32 = Backoff::WITHOUT_JITTER;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn seen() -> Deduplicator {
    Deduplicator::new(100, Duration::from_secs(1000), [7; 16])
}

fn settings() -> ProcessorSettings {
    ProcessorSettings {
        messages: 10,
        concurrency: 2,
        attempts: 3,
        retry_delay: Duration::from_secs(2),
        maximum_retry_delay: Duration::from_secs(3),
        delay_alarm: Duration::from_secs(1000),
        ..ProcessorSettings::default()
    }
}

/// A message of ten bytes without a key.
fn show(processor: &mut Numbers, now: Instant, value: u32) -> Intake<u32> {
    processor.receive(now, None, 10, || value, Some(value))
}

fn show_with_key(processor: &mut Numbers, now: Instant, key: &str, value: u32) -> Intake<u32> {
    processor.receive(now, Some(key.as_bytes()), 10, || value, Some(value))
}

/// The next step, which is to process something.
fn process(processor: &mut Numbers, now: Instant) -> (TaskId, u32, u32) {
    match processor.poll(now) {
        Some(Step::Process(task)) => (task.id, *task.message, task.attempt),
        other => panic!("{other:?}"),
    }
}

/// The next step, with which a message is finished: its value, its receipts, its Reason Code.
fn finish(processor: &mut Numbers, now: Instant) -> (u32, Vec<u32>, ReasonCode) {
    match processor.poll(now) {
        Some(Step::Finished(finished)) => (
            finished.message,
            finished.receipts().collect(),
            finished.reason_code,
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_a_value() {
    fn value<T: Clone + Eq + Hash + Debug + Send + Sync>() {}
    value::<Processor<Vec<u8>>>();
    value::<ProcessorSettings>();
    value::<ProcessorStatistics>();
    value::<Finished<Vec<u8>>>();
}

#[test]
fn what_was_processed_is_acknowledged_with_success() {
    let mut processor = Numbers::new(settings(), seen());
    assert_eq!(show(&mut processor, at(0), 1), Intake::Taken);
    let (task, value, attempt) = process(&mut processor, at(0));
    assert_eq!((value, attempt), (1, 1));
    assert_eq!(processor.poll(at(0)), None);
    assert!(processor.succeeded(at(0), task));
    let finished = finish(&mut processor, at(0));
    assert_eq!(finished, (1, vec![1], ReasonCode::Success));
    assert_eq!(processor.poll(at(0)), None);
    assert_eq!((processor.held(), processor.bytes()), (0, 0));
    assert_eq!(processor.next_timeout(), Instant::NEVER);
}

/// A common subscriber: three attempts, then an error.
#[test]
fn what_fails_is_tried_again_and_then_given_up() {
    let mut processor = Numbers::new(settings(), seen());
    let _ = show(&mut processor, at(0), 1);
    let (first, ..) = process(&mut processor, at(0));
    // Half of two seconds, then the whole of three.
    assert!(processor.failed(at(1), first, Failure::TryAgain, u32::MAX / 2));
    assert_eq!(processor.next_timeout(), at(2));
    assert_eq!(processor.poll(Instant::from_millis(1_999)), None);
    let (second, value, attempt) = process(&mut processor, at(2));
    assert_eq!((value, attempt), (1, 2));
    assert_ne!(second, first);
    assert!(processor.failed(at(2), second, Failure::TryAgain, WITHOUT_JITTER));
    assert_eq!(processor.next_timeout(), at(5));
    let (third, _, attempt) = process(&mut processor, at(9));
    assert_eq!(attempt, 3);
    assert!(processor.failed(at(9), third, Failure::TryAgain, WITHOUT_JITTER));
    let Some(Step::Finished(finished)) = processor.poll(at(9)) else {
        panic!("not finished");
    };
    assert_eq!(
        finished.reason_code,
        ReasonCode::ImplementationSpecificError
    );
    assert_eq!((finished.message, finished.attempts), (1, 3));
    assert!(!finished.is_success());
    let statistics = processor.statistics();
    assert_eq!((statistics.errors, statistics.retries), (1, 2));
    assert_eq!((statistics.processed, statistics.received), (0, 1));
}

#[test]
fn a_hopeless_failure_ends_at_once_with_its_reason() {
    let mut processor = Numbers::new(settings(), seen());
    let _ = show(&mut processor, at(0), 1);
    let (task, ..) = process(&mut processor, at(0));
    let failure = Failure::Hopeless(ReasonCode::PayloadFormatInvalid);
    assert!(processor.failed(at(0), task, failure, 0));
    let finished = finish(&mut processor, at(0));
    assert_eq!(finished, (1, vec![1], ReasonCode::PayloadFormatInvalid));
    assert_eq!(processor.statistics().errors, 1);
}

#[test]
fn no_attempts_are_one_and_no_places_are_one() {
    for (attempts, concurrency) in [(0, 0), (1, 1)] {
        let settings = ProcessorSettings {
            attempts,
            concurrency,
            give_up_reason_code: ReasonCode::QuotaExceeded,
            ..settings()
        };
        let mut processor = Numbers::new(settings, seen());
        let _ = show(&mut processor, at(0), 1);
        let _ = show(&mut processor, at(0), 2);
        let (task, ..) = process(&mut processor, at(0));
        assert_eq!(processor.poll(at(0)), None);
        assert!(processor.failed(at(0), task, Failure::TryAgain, 0));
        let finished = finish(&mut processor, at(0));
        assert_eq!(finished, (1, vec![1], ReasonCode::QuotaExceeded));
        assert_eq!(process(&mut processor, at(0)).1, 2);
    }
}

#[test]
fn a_report_counts_once_and_for_its_attempt() {
    let mut processor = Numbers::new(settings(), seen());
    let _ = show(&mut processor, at(0), 1);
    let (first, ..) = process(&mut processor, at(0));
    assert!(processor.failed(at(0), first, Failure::TryAgain, 0));
    assert!(!processor.failed(at(0), first, Failure::TryAgain, 0));
    assert!(!processor.succeeded(at(0), first));
    let (second, ..) = process(&mut processor, at(2));
    assert!(!processor.succeeded(at(2), first));
    assert!(!processor.failed(at(2), first, Failure::TryAgain, 0));
    assert!(processor.succeeded(at(2), second));
    assert!(!processor.succeeded(at(2), second));
    let _ = finish(&mut processor, at(2));
    assert!(!processor.succeeded(at(2), second));
    assert_eq!(processor.running(), 0);
}

#[test]
fn no_more_are_processed_than_there_are_places() {
    let mut processor = Numbers::new(settings(), seen());
    for value in 1..=4 {
        let _ = show(&mut processor, at(0), value);
    }
    let (one, ..) = process(&mut processor, at(0));
    let (two, ..) = process(&mut processor, at(0));
    assert_eq!(processor.poll(at(0)), None);
    assert_eq!((processor.running(), processor.waiting()), (2, 2));
    // One that waits for its next attempt gives its place to another, and takes the next that is free.
    assert!(processor.failed(at(0), one, Failure::TryAgain, WITHOUT_JITTER));
    assert_eq!(process(&mut processor, at(0)).1, 3);
    assert_eq!(processor.poll(at(2)), None);
    assert_eq!(processor.waiting(), 2);
    assert!(processor.succeeded(at(2), two));
    assert_eq!(finish(&mut processor, at(2)).0, 2);
    let (four, value, _) = process(&mut processor, at(2));
    assert_eq!(value, 4); // it has waited longer
    assert_eq!(processor.next_timeout(), at(1002));
    assert!(processor.succeeded(at(2), four));
    assert_eq!(finish(&mut processor, at(2)).0, 4);
    assert_eq!(process(&mut processor, at(2)).1, 1);
}

/// As in a subscriber whose thread sleeps between two attempts.
#[test]
fn a_message_that_holds_its_place_is_not_overtaken() {
    let settings = ProcessorSettings {
        concurrency: 1,
        hold_place: true,
        ..settings()
    };
    let mut processor = Numbers::new(settings, seen());
    let _ = show(&mut processor, at(0), 1);
    let _ = show(&mut processor, at(0), 2);
    for (now, attempt) in [(0, 1), (2, 2), (5, 3)] {
        let (task, value, actual) = process(&mut processor, at(now));
        assert_eq!((value, actual), (1, attempt));
        assert_eq!(processor.poll(at(now)), None);
        assert!(processor.failed(at(now), task, Failure::TryAgain, WITHOUT_JITTER));
        assert_eq!(processor.running(), usize::from(attempt < 3));
    }
    assert_eq!(finish(&mut processor, at(5)).0, 1);
    assert_eq!(process(&mut processor, at(5)).1, 2);
}

#[test]
fn a_duplicate_of_a_processed_message_is_acknowledged_at_once() {
    let mut processor = Numbers::new(settings(), seen());
    let _ = show_with_key(&mut processor, at(0), "a", 1);
    let (task, ..) = process(&mut processor, at(0));
    assert!(processor.succeeded(at(0), task));
    // Whether or not the end of the first has been polled.
    let intake = show_with_key(&mut processor, at(0), "a", 2);
    assert_eq!(intake, Intake::Duplicate(Some(2)));
    let _ = finish(&mut processor, at(0));
    let intake = show_with_key(&mut processor, at(999), "a", 3);
    assert_eq!(intake, Intake::Duplicate(Some(3)));
    // Seeing it made it the last that was seen.
    assert!(processor.deduplicator().is_known(at(1998), b"a"));
    assert_eq!(processor.deduplicator().duplicates(), 2);
    assert_eq!(processor.statistics().duplicates, 2);
    // After the window, it is a new one.
    assert_eq!(
        show_with_key(&mut processor, at(1999), "a", 4),
        Intake::Taken
    );
}

#[test]
fn a_duplicate_of_a_message_in_progress_is_acknowledged_with_it() {
    let mut processor = Numbers::new(settings(), seen());
    let _ = show_with_key(&mut processor, at(0), "a", 1);
    let next = |processor: &mut Numbers, value| show_with_key(processor, at(0), "a", value);
    assert_eq!(next(&mut processor, 2), Intake::InProgress); // while it waits
    let (task, ..) = process(&mut processor, at(0));
    assert_eq!(next(&mut processor, 3), Intake::InProgress); // while it is processed
    assert!(processor.failed(at(0), task, Failure::TryAgain, 0));
    assert_eq!(next(&mut processor, 4), Intake::InProgress); // between two attempts
    let without = processor.receive(at(0), Some(b"a"), 10, || 5, None);
    assert_eq!(without, Intake::InProgress);
    assert_eq!(processor.held(), 4);
    let (task, value, _) = process(&mut processor, at(2));
    assert_eq!(value, 1);
    assert!(processor.succeeded(at(2), task));
    let finished = finish(&mut processor, at(2));
    assert_eq!(finished, (1, vec![1, 2, 3, 4], ReasonCode::Success));
    assert_eq!(processor.held(), 0);
    assert_eq!(processor.statistics().duplicates, 4);
}

#[test]
fn a_message_that_was_given_up_may_come_again() {
    let mut processor = Numbers::new(settings(), seen());
    let _ = show_with_key(&mut processor, at(0), "a", 1);
    let (task, ..) = process(&mut processor, at(0));
    let failure = Failure::Hopeless(ReasonCode::UnspecifiedError);
    assert!(processor.failed(at(0), task, failure, 0));
    assert_eq!(show_with_key(&mut processor, at(0), "a", 2), Intake::Taken);
    assert_eq!(finish(&mut processor, at(0)).0, 1);
    let (task, value, attempt) = process(&mut processor, at(0));
    assert_eq!((value, attempt), (2, 1));
    assert!(processor.succeeded(at(0), task));
    assert_eq!(
        show_with_key(&mut processor, at(0), "a", 3),
        Intake::Duplicate(Some(3))
    );
}

#[test]
fn messages_without_a_key_are_no_duplicates() {
    let mut processor = Numbers::new(settings(), seen());
    for _ in 0..3 {
        assert_eq!(show(&mut processor, at(0), 1), Intake::Taken);
    }
    assert_eq!(processor.statistics().duplicates, 0);
}

#[test]
fn what_finds_no_room_is_dropped_and_its_receipt_comes_back() {
    for settings in [
        ProcessorSettings {
            messages: 3,
            ..settings()
        },
        ProcessorSettings {
            bytes: 35,
            ..settings()
        },
    ] {
        let mut processor = Numbers::new(settings, seen());
        for value in 1..=3 {
            assert!(processor.has_room(10));
            assert_eq!(show(&mut processor, at(0), value), Intake::Taken);
        }
        let (task, ..) = process(&mut processor, at(0));
        let _ = process(&mut processor, at(0));
        assert!(processor.succeeded(at(0), task));
        // Until its end has been polled, it is held.
        assert!(!processor.has_room(10));
        let dropped =
            processor.receive(at(0), Some(b"k"), 10, || unreachable!("not kept"), Some(9));
        assert_eq!(dropped, Intake::Dropped(Some(9)));
        assert_eq!((processor.held(), processor.bytes()), (3, 30));
        let _ = finish(&mut processor, at(0));
        assert_eq!(show_with_key(&mut processor, at(0), "k", 4), Intake::Taken);
        let statistics = processor.statistics();
        assert_eq!((statistics.dropped, statistics.received), (1, 5));
    }
}

/// What a value holds is what it shows.
#[test]
fn what_is_held_does_not_grow_with_the_number_of_messages() {
    let seen = Deduplicator::new(0, Duration::MAX, [7; 16]);
    let mut processor = Numbers::new(settings(), seen);
    let empty = format!("{processor:?}").len();
    for round in 0..3_000 {
        let key = format!("{round}");
        for value in 0..3 {
            let _ = show_with_key(&mut processor, at(0), &key, value);
        }
        let (task, ..) = process(&mut processor, at(0));
        match round % 2 {
            0 => assert!(processor.succeeded(at(0), task)),
            _ => {
                let failure = Failure::Hopeless(ReasonCode::UnspecifiedError);
                assert!(processor.failed(at(0), task, failure, 0));
            }
        }
        assert_eq!(finish(&mut processor, at(0)).1, [0, 1, 2]);
        assert_eq!((processor.held(), processor.bytes()), (0, 0));
    }
    // But for the digits of counters, and the average.
    assert!(
        format!("{processor:?}").len() < empty + 100,
        "{processor:?}"
    );
}

#[test]
fn receipts_of_duplicates_take_room() {
    let settings = ProcessorSettings {
        messages: 3,
        ..settings()
    };
    let mut processor = Numbers::new(settings, seen());
    let _ = show_with_key(&mut processor, at(0), "a", 1);
    for value in [2, 3] {
        let intake = show_with_key(&mut processor, at(0), "a", value);
        assert_eq!(intake, Intake::InProgress);
    }
    let intake = show_with_key(&mut processor, at(0), "a", 4);
    assert_eq!(intake, Intake::Dropped(Some(4)));
    // Without a receipt there is nothing to hold.
    let intake = processor.receive(at(0), Some(b"a"), 10, || 5, None);
    assert_eq!(intake, Intake::InProgress);
    assert_eq!(processor.held(), 3);
    assert!(!processor.has_room(0));
}

#[test]
fn the_largest_sizes_do_not_overflow() {
    let settings = ProcessorSettings {
        bytes: usize::MAX,
        ..settings()
    };
    let mut processor = Numbers::new(settings, seen());
    let intake = processor.receive(at(0), None, usize::MAX, || 1, None);
    assert_eq!(intake, Intake::Taken);
    assert_eq!(show(&mut processor, at(0), 2), Intake::Dropped(Some(2)));
}

#[test]
fn the_alarm_is_raised_once_until_the_queue_has_caught_up() {
    let settings = ProcessorSettings {
        concurrency: 1,
        delay_alarm: Duration::from_secs(5),
        ..settings()
    };
    let mut processor = Numbers::new(settings, seen());
    let _ = show(&mut processor, at(0), 1);
    let (one, ..) = process(&mut processor, at(0));
    for (now, value) in [(1, 2), (2, 3), (10, 4)] {
        let _ = show(&mut processor, at(now), value);
    }
    assert_eq!(processor.next_timeout(), at(6));
    assert_eq!(processor.poll(Instant::from_millis(5_999)), None);
    let waited = Duration::from_secs(5);
    assert_eq!(processor.poll(at(6)), Some(Step::Delayed { waited }));
    assert_eq!(processor.poll(at(10)), None);
    assert_eq!(processor.next_timeout(), Instant::NEVER);
    // Two more begin late, without another alarm.
    assert!(processor.succeeded(at(10), one));
    let _ = finish(&mut processor, at(10));
    let (two, ..) = process(&mut processor, at(10));
    assert!(processor.succeeded(at(11), two));
    let _ = finish(&mut processor, at(11));
    let (three, ..) = process(&mut processor, at(11));
    assert_eq!(processor.next_timeout(), Instant::NEVER);
    assert!(processor.succeeded(at(12), three));
    let _ = finish(&mut processor, at(12));
    // This one is in time, and the next delay raises the alarm again.
    let (four, ..) = process(&mut processor, at(12));
    let _ = show(&mut processor, at(12), 5);
    assert_eq!(processor.next_timeout(), at(17));
    let waited = Duration::from_secs(8);
    assert_eq!(processor.poll(at(20)), Some(Step::Delayed { waited }));
    assert!(processor.succeeded(at(20), four));
    let _ = finish(&mut processor, at(20));
    let _ = process(&mut processor, at(20));
    let statistics = processor.statistics();
    assert_eq!(statistics.delayed, 3);
    assert_eq!(statistics.longest_queue_delay, Duration::from_secs(9));
}

#[test]
fn the_wait_of_another_attempt_counts_from_when_it_is_due() {
    for hold_place in [false, true] {
        let settings = ProcessorSettings {
            hold_place,
            ..settings()
        };
        let mut processor = Numbers::new(settings, seen());
        let _ = show(&mut processor, at(0), 1);
        let (task, ..) = process(&mut processor, at(0));
        assert!(processor.failed(at(0), task, Failure::TryAgain, WITHOUT_JITTER));
        match processor.poll(at(5)) {
            Some(Step::Process(task)) => assert_eq!(task.waited, Duration::from_secs(3)),
            other => panic!("{other:?}"),
        }
        let longest = processor.statistics().longest_queue_delay;
        assert_eq!(longest, Duration::from_secs(3));
    }
}

/// With a Client that acknowledges manually: what fails for good is refused, and a message that comes again on a
/// new connection is acknowledged on that one.
#[test]
fn a_client_acknowledges_what_the_processor_says() {
    let config = SessionConfig {
        acknowledgement: Acknowledgement::Manual,
        ..SessionConfig::default()
    };
    let mut client = Client::new(ClientConfig::default(), Session::of_client(config));
    let mut processor = Processor::<Vec<u8>>::new(settings(), seen());
    let expiry = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        client_identifier: Text::new("subscriber").unwrap(),
        clean_start: false,
        properties: Properties::new(&expiry).unwrap(),
        ..Connect::default()
    };
    for session_present in [0, 1] {
        connected(&mut client, &connect, session_present);
        // Two messages with QoS 1, Packet Identifiers 1 and 2.
        for (identifier, payload) in [(1, b'A'), (2, b'B')] {
            let mut publish = &[0x32, 7, 0, 1, b't', 0, identifier, 0, payload][..];
            let Some(Event::Message(delivered)) = client.receive(at(0), &mut publish) else {
                panic!("no message");
            };
            let payload = delivered.publish.payload;
            let receipt = delivered.receipt;
            let intake = processor.receive(at(0), Some(payload), 1, || payload.to_vec(), receipt);
            let again = session_present == 1;
            assert_eq!(intake == Intake::InProgress, again, "{intake:?}");
        }
        if session_present == 0 {
            client.connection_lost(at(0));
            while client.poll(at(0), &mut Vec::new()).is_some() {}
        }
    }
    let mut tasks = Vec::new();
    while let Some(Step::Process(task)) = processor.poll(at(0)) {
        tasks.push((task.id, task.message.clone()));
    }
    for (task, payload) in tasks {
        if payload == b"A" {
            let failure = Failure::Hopeless(ReasonCode::PayloadFormatInvalid);
            assert!(processor.failed(at(0), task, failure, 0));
        } else {
            assert!(processor.succeeded(at(0), task));
        }
    }
    let mut acknowledged = 0;
    while let Some(Step::Finished(finished)) = processor.poll(at(0)) {
        for receipt in finished.receipts() {
            if client
                .acknowledge_with(receipt, finished.reason_code, &[])
                .is_ok()
            {
                acknowledged += 1;
            }
        }
    }
    assert_eq!(acknowledged, 2); // the two receipts of the first connection are void
    let mut wire = Vec::new();
    while client.poll(at(0), &mut wire).is_some() {}
    assert_eq!(wire, [0x40, 3, 0, 1, 0x99, 0x40, 2, 0, 2]);
}

fn connected(client: &mut Client, connect: &Connect<'_>, session_present: u8) {
    client.connect(at(0), connect).unwrap();
    while client.poll(at(0), &mut Vec::new()).is_some() {}
    let mut connack = &[0x20, 3, session_present, 0, 0][..];
    assert!(matches!(
        client.receive(at(0), &mut connack),
        Some(Event::Connected(_))
    ));
}

#[test]
fn the_default_receipt_is_that_of_the_machines() {
    fn takes(_: fn(Instant, Option<Receipt>) -> Intake) {}
    takes(|now, receipt| {
        Processor::<u8>::new(ProcessorSettings::default(), seen()).receive(
            now,
            None,
            1,
            || 1,
            receipt,
        )
    });
}
