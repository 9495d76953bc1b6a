//! How much is stored: in flight and waiting together, in messages and in bytes.

use mqtt5_session_fsm::codec::Property;
use mqtt5_session_fsm::{
    Client, ClientConfig, PublishError, Session, SessionConfig, StoredLimits, WaitingLimits,
    WhenFull,
};

use super::driver::{Driver, Lines, publication};
use super::machine::Machine;
use super::make;

crate::check::checks! { "stored":
    both {
        Example messages_in_flight_count,
        Example bytes_in_flight_count_until_the_message_is_forgotten,
        Example what_is_in_flight_is_never_dropped,
        Example nothing_is_dropped_in_vain_in_bytes,
        Example nothing_is_dropped_in_vain_in_messages,
        Example no_message_waits,
        Example no_message_waits_without_a_connection,
        Example room_for_each_kind_of_message,
        Example larger_than_everything,
        Example outcomes_that_nobody_asks_for,
        Example changes_that_nobody_asks_for,
    }
    client {
        Example a_restart_counts_what_is_in_flight,
    }
}

const PLENTY: (u32, usize) = (1_000, 1 << 20);

pub(crate) fn session(
    stored: (u32, usize),
    waiting: (u32, usize),
    when_full: WhenFull,
) -> SessionConfig {
    SessionConfig {
        stored: StoredLimits {
            messages: stored.0,
            bytes: stored.1,
        },
        waiting: WaitingLimits {
            messages: waiting.0,
            bytes: waiting.1,
            when_full,
        },
        ..SessionConfig::default()
    }
}

/// The peer has this Receive Maximum.
fn online<M: Machine>(config: SessionConfig, receive_maximum: u16) -> Driver<M> {
    let maximum = [Property::ReceiveMaximum(
        receive_maximum.try_into().expect("not 0"),
    )];
    Driver::<M>::configured(config).open(&[], &maximum)
}

/// The connection is lost.
fn offline<M: Machine>(config: SessionConfig) -> Driver<M> {
    let mut driver = Driver::<M>::configured(config).open(&[], &[]);
    let _ = driver.lose();
    driver
}

/// A payload that makes a message with the Topic Name `a` this large.
fn sized(size: usize) -> String {
    let empty = publication(1, "a", "", &[]).message.size();
    // A Remaining Length above 127 takes another byte.
    let long = usize::from(size > 129);
    "p".repeat(size - empty - long)
}

fn accept<M: Machine>(driver: &mut Driver<M>, qos: u8, size: usize) -> Result<(), PublishError> {
    let publication = publication(qos, "a", &sized(size), &[]);
    assert_eq!(publication.message.size(), size);
    driver.accept(publication)
}

fn room(lines: &Lines) -> usize {
    lines.iter().filter(|line| *line == "room").count()
}

/// A message in flight takes its place until its exchange is over.
fn messages_in_flight_count<M: Machine>() {
    let mut driver = online::<M>(session((2, 1 << 20), PLENTY, WhenFull::Refuse), 10);
    assert_eq!(accept(&mut driver, 1, 10), Ok(()));
    assert_eq!(accept(&mut driver, 2, 10), Ok(()));
    let _ = driver.settle();
    assert_eq!(driver.session().in_flight(), 2);
    for qos in 0..3 {
        assert_eq!(accept(&mut driver, qos, 10), Err(PublishError::Busy));
    }
    // After PUBREC the Packet Identifier is still in use.
    assert_eq!(room(&driver.feed(&make::pubrec(2))), 0);
    assert_eq!(room(&driver.feed(&make::pubcomp(2))), 1);
    assert_eq!(accept(&mut driver, 1, 10), Ok(()));
}

/// Its bytes count until PUBACK, or PUBREC: then the message is forgotten.
fn bytes_in_flight_count_until_the_message_is_forgotten<M: Machine>() {
    for (qos, answer) in [(1, make::puback(1)), (2, make::pubrec(1))] {
        let mut driver = online::<M>(session((100, 100), PLENTY, WhenFull::Refuse), 10);
        assert_eq!(accept(&mut driver, qos, 60), Ok(()));
        let _ = driver.settle();
        assert_eq!(driver.session().stored_bytes(), 60);
        assert_eq!(accept(&mut driver, 1, 41), Err(PublishError::Busy));
        assert_eq!(accept(&mut driver, 0, 41), Err(PublishError::Busy));
        assert_eq!(accept(&mut driver, 1, 40), Ok(()));
        // A lost connection forgets nothing, and neither does a resumption.
        let said = driver.resume();
        assert_eq!(room(&said), 0, "{said:?}");
        assert_eq!(driver.session().stored_bytes(), 100);
        let said = driver.feed(&answer);
        assert_eq!(room(&said), 1, "{said:?}");
        assert_eq!(driver.session().stored_bytes(), 40);
        assert_eq!(accept(&mut driver, 1, 60), Ok(()));
    }
}

/// With any policy a message in flight stays; what waits may go.
fn what_is_in_flight_is_never_dropped<M: Machine>() {
    for when_full in [WhenFull::DropOldestQos0, WhenFull::DropOldest] {
        let mut driver = online::<M>(session((100, 100), PLENTY, when_full), 1);
        assert_eq!(accept(&mut driver, 1, 60), Ok(()));
        let _ = driver.settle();
        // It is not polled, so it waits.
        assert_eq!(accept(&mut driver, 0, 30), Ok(()));
        // There is room for 70 only without the message in flight.
        assert_eq!(accept(&mut driver, 1, 70), Err(PublishError::Busy));
        assert_eq!(driver.session().waiting(), 1, "nothing is dropped");
        assert_eq!(accept(&mut driver, 1, 35), Ok(()));
        let said = driver.settle();
        assert_eq!(said, ["t2 Dropped"]);
        assert_eq!(driver.session().stored_bytes(), 95);
        // The one of 35 is in flight now, which leaves too little for one of 70.
        assert_eq!(room(&driver.feed(&make::puback(1))), 0);
        assert_eq!(room(&driver.feed(&make::puback(2))), 1);
    }
}

/// Dropping does not help: nothing is dropped. Dropping helps: no more is dropped than is needed.
fn nothing_is_dropped_in_vain_in_bytes<M: Machine>() {
    for when_full in [WhenFull::DropOldestQos0, WhenFull::DropOldest] {
        let mut driver = offline::<M>(session(PLENTY, (100, 200), when_full));
        for (qos, size) in [(1, 126), (0, 26), (0, 26)] {
            assert_eq!(accept(&mut driver, qos, size), Ok(()));
        }
        if when_full == WhenFull::DropOldestQos0 {
            assert_eq!(accept(&mut driver, 1, 106), Err(PublishError::Busy));
            assert_eq!(driver.settle(), Lines::new());
            assert_eq!(driver.session().waiting(), 3);
        }
        assert_eq!(accept(&mut driver, 1, 204), Err(PublishError::TooLarge));
        assert_eq!(driver.settle(), Lines::new());
        assert_eq!(accept(&mut driver, 1, 40), Ok(()));
        assert_eq!(driver.settle(), ["t2 Dropped"]);
        assert_eq!(accept(&mut driver, 2, 30), Ok(()));
        assert_eq!(driver.settle(), ["t3 Dropped"]);
    }
}

/// As well for a limit in messages: one that messages in flight have used up cannot be met by dropping.
fn nothing_is_dropped_in_vain_in_messages<M: Machine>() {
    for when_full in [WhenFull::DropOldestQos0, WhenFull::DropOldest] {
        let config = session((100, 1 << 20), (3, 1 << 20), when_full);
        let mut driver = offline::<M>(config);
        for qos in [1, 0, 2] {
            assert_eq!(accept(&mut driver, qos, 10), Ok(()));
        }
        assert_eq!(accept(&mut driver, 1, 10), Ok(()));
        assert_eq!(driver.settle(), ["t2 Dropped"]);
        if when_full == WhenFull::DropOldestQos0 {
            assert_eq!(accept(&mut driver, 0, 10), Err(PublishError::Busy));
            assert_eq!(driver.settle(), Lines::new());
        } else {
            assert_eq!(accept(&mut driver, 0, 10), Ok(()));
            assert_eq!(driver.settle(), ["t1 Dropped"]);
        }

        // One message in flight, and as many bytes with it as may be stored; one waits.
        let mut driver = online::<M>(session((2, 1 << 20), PLENTY, when_full), 2);
        assert_eq!(accept(&mut driver, 1, 10), Ok(()));
        assert_eq!(accept(&mut driver, 2, 10), Ok(()));
        let _ = driver.settle();
        assert_eq!(accept(&mut driver, 1, 10), Err(PublishError::Busy));
        assert_eq!(driver.settle(), Lines::new());
    }
}

/// With no room to wait, a message is sent at once, or refused until it can be.
fn no_message_waits<M: Machine>() {
    for bytes in [0, 1 << 20] {
        let mut driver = online::<M>(session(PLENTY, (0, bytes), WhenFull::Refuse), 1);
        let said = driver.publish(1, "a", "first");
        assert_eq!(said, ["> PUBLISH q1 #1 a \"first\""]);
        assert_eq!(accept(&mut driver, 1, 10), Err(PublishError::Busy));
        assert_eq!(accept(&mut driver, 2, 10), Err(PublishError::Busy));
        assert_eq!(driver.settle(), Lines::new(), "the window is still full");
        // Nothing is in the way of QoS 0.
        assert_eq!(
            driver.publish(0, "a", "zero"),
            ["> PUBLISH q0 a \"zero\"", "t2 Sent"]
        );
        let said = driver.feed(&make::puback(1));
        assert_eq!(room(&said), 1, "{said:?}");
        assert_eq!(
            driver.publish(2, "a", "second"),
            ["> PUBLISH q2 #2 a \"second\""]
        );
        // QoS 0 that nobody has written yet is in the way of more.
        assert_eq!(accept(&mut driver, 0, 10), Ok(()));
        assert_eq!(accept(&mut driver, 0, 10), Err(PublishError::Busy));
        let said = driver.settle();
        assert_eq!(room(&said), 1, "{said:?}");
        assert_eq!(accept(&mut driver, 0, 10), Ok(()));
    }
}

/// Without a connection there is nothing but waiting; the connection brings the room.
fn no_message_waits_without_a_connection<M: Machine>() {
    for qos in 0..3 {
        let mut driver = offline::<M>(session(PLENTY, (0, 0), WhenFull::Refuse));
        assert_eq!(accept(&mut driver, qos, 10), Err(PublishError::Busy));
        assert_eq!(driver.settle(), Lines::new());
        let said = driver.reopen(&[], true, &[]);
        assert_eq!(room(&said), 1, "{said:?}");
        assert_eq!(accept(&mut driver, qos, 10), Ok(()));
    }
}

/// QoS 0 waits for other things than QoS 1 and 2: each has an event for its own room.
fn room_for_each_kind_of_message<M: Machine>() {
    let mut driver = online::<M>(session(PLENTY, (0, 0), WhenFull::Refuse), 1);
    let _ = driver.publish(1, "a", "in flight");
    assert_eq!(accept(&mut driver, 0, 10), Ok(()));
    assert_eq!(accept(&mut driver, 0, 10), Err(PublishError::Busy));
    assert_eq!(accept(&mut driver, 1, 10), Err(PublishError::Busy));
    let said = driver.settle();
    assert_eq!(room(&said), 1, "QoS 0: {said:?}");
    assert_eq!(accept(&mut driver, 1, 10), Err(PublishError::Busy));
    let said = driver.settle();
    assert_eq!(room(&said), 0, "{said:?}");
    let said = driver.feed(&make::puback(1));
    assert_eq!(room(&said), 1, "QoS 1: {said:?}");
}

/// No event could ever follow.
fn larger_than_everything<M: Machine>() {
    for when_full in [
        WhenFull::Refuse,
        WhenFull::DropOldestQos0,
        WhenFull::DropOldest,
    ] {
        let mut driver = online::<M>(session((10, 100), PLENTY, when_full), 10);
        for qos in 0..3 {
            assert_eq!(accept(&mut driver, qos, 101), Err(PublishError::TooLarge));
        }
        assert_eq!(accept(&mut driver, 1, 100), Ok(()));
    }
}

/// Dropped messages leave outcomes. A caller that never polls does not collect them without end.
fn outcomes_that_nobody_asks_for<M: Machine>() {
    let mut driver = offline::<M>(session((4, 1 << 20), (2, 1 << 20), WhenFull::DropOldest));
    let accepted = (0..10_000)
        .take_while(|_| accept(&mut driver, 0, 10) == Ok(()))
        .count();
    assert!((2..100).contains(&accepted), "{accepted}");
    let said = driver.settle();
    assert_eq!(said.len(), accepted - 2 + 1, "as many outcomes, and room");
    assert_eq!(room(&said), 1);
    assert_eq!(accept(&mut driver, 0, 10), Ok(()));
}

/// Nor changes, which hold the messages themselves.
fn changes_that_nobody_asks_for<M: Machine>() {
    let config = SessionConfig {
        persistent: true,
        ..session((1_000_000, 100), (100, 100), WhenFull::DropOldest)
    };
    let mut driver = offline::<M>(config);
    let accepted = (0..10_000)
        .take_while(|_| accept(&mut driver, 1, 40) == Ok(()))
        .count();
    assert_eq!(accepted, 2, "as many bytes again as may be stored");
    let said = driver.settle();
    assert_eq!(room(&said), 1, "{said:?}");
    assert_eq!(accept(&mut driver, 1, 40), Ok(()));
    assert!(driver.settle().contains(&"t1 Dropped".into()));
}

/// What was restored is in flight, and counts.
fn a_restart_counts_what_is_in_flight() {
    let config = session((100, 100), PLENTY, WhenFull::Refuse);
    let mut driver = online::<Client>(config, 10);
    assert_eq!(accept(&mut driver, 1, 60), Ok(()));
    let _ = driver.settle();
    let stored = driver.session().export();
    let session = Session::restore(driver.now, &stored, config).expect("whole");
    assert_eq!(session.stored_bytes(), 60);
    let mut driver = Driver::<Client>::with(ClientConfig::default(), session);
    assert_eq!(accept(&mut driver, 1, 41), Err(PublishError::Busy));
    assert_eq!(accept(&mut driver, 1, 40), Ok(()));
}
