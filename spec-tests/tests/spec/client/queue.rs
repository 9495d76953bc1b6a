//! Messages that wait in the Client: limits, policies, back-pressure.

use mqtt5_session_fsm::codec::Property;
use mqtt5_session_fsm::{Output, PublishError, SessionConfig, WaitingLimits, WhenFull};

use super::driver::{Driver, KEEPS, Lines, publication};
use super::make;

crate::check::checks! { "queue":
    client {
        Example busy_and_room,
        Example room_is_told_once,
        Example a_limit_in_bytes,
        Example oldest_qos0_is_dropped,
        Example oldest_is_dropped,
        Example a_message_larger_than_all_room,
        Example room_is_room_for_what_was_refused,
        Example what_waits_survives_connections,
        Example a_slow_network_holds_back,
        Example persisted_before_it_is_written,
    }
}

fn limited(messages: u32, bytes: usize, when_full: WhenFull) -> Driver {
    Driver::configured(SessionConfig {
        waiting: WaitingLimits {
            messages,
            bytes,
            when_full,
        },
        ..SessionConfig::default()
    })
}

fn accept(driver: &mut Driver, qos: u8, payload: &str) -> Result<(), PublishError> {
    driver.accept(publication(qos, "a", payload, &[]))
}

/// As many as may wait; one more is refused; room is told when there is some.
fn busy_and_room() {
    let mut driver = limited(3, usize::MAX, WhenFull::Refuse);
    for n in 0..3 {
        assert_eq!(accept(&mut driver, n, "x"), Ok(()));
    }
    for qos in 0..3 {
        assert_eq!(accept(&mut driver, qos, "x"), Err(PublishError::Busy));
    }
    assert_eq!(driver.settle(), Lines::new());
    assert_eq!(driver.machine.session().waiting(), 3);
    let said = driver.reconnect(KEEPS, false, &[]);
    assert!(said.contains(&"room".into()), "{said:?}");
    assert_eq!(accept(&mut driver, 1, "x"), Ok(()));
    // The refused ones have no outcome, the accepted ones have.
    assert_eq!(driver.settle().len(), 1);
}

/// One refusal, one event; no refusal, none.
fn room_is_told_once() {
    let one = [Property::ReceiveMaximum(1.try_into().unwrap())];
    let mut driver = limited(1, usize::MAX, WhenFull::Refuse).go(KEEPS, false, &one);
    let _ = driver.publish(1, "a", "in flight");
    let _ = driver.publish(1, "a", "waits");
    assert_eq!(accept(&mut driver, 1, ""), Err(PublishError::Busy));
    assert_eq!(accept(&mut driver, 1, ""), Err(PublishError::Busy));
    let said = driver.feed(&make::puback(1));
    assert_eq!(
        said.iter().filter(|line| *line == "room").count(),
        1,
        "{said:?}"
    );
    let _ = driver.publish(1, "a", "again");
    let said = driver.feed(&make::puback(2));
    assert!(!said.contains(&"room".into()), "{said:?}");
}

/// Bytes count as well as messages.
fn a_limit_in_bytes() {
    let size = publication(1, "a", &"p".repeat(80), &[]).message.size();
    let mut driver = limited(100, 3 * size + size / 2, WhenFull::Refuse);
    for _ in 0..3 {
        assert_eq!(accept(&mut driver, 1, &"p".repeat(80)), Ok(()));
    }
    assert_eq!(driver.machine.session().waiting_bytes(), 3 * size);
    assert_eq!(
        accept(&mut driver, 1, &"p".repeat(80)),
        Err(PublishError::Busy)
    );
    assert_eq!(accept(&mut driver, 1, "small"), Ok(()));
    let _ = driver.reconnect(KEEPS, false, &[]);
    assert_eq!(driver.machine.session().waiting_bytes(), 0);
}

/// The oldest messages with QoS 0 give way, no others; each drop is an outcome.
fn oldest_qos0_is_dropped() {
    let mut driver = limited(3, usize::MAX, WhenFull::DropOldestQos0);
    for (qos, payload) in [(1, "1"), (0, "2"), (0, "3")] {
        assert_eq!(accept(&mut driver, qos, payload), Ok(()));
    }
    assert_eq!(driver.publish(1, "a", "4"), ["t2 Dropped"]);
    assert_eq!(driver.publish(0, "a", "5"), ["t3 Dropped"]);
    assert_eq!(driver.publish(2, "a", "6"), ["t5 Dropped"]);
    assert_eq!(accept(&mut driver, 1, "7"), Err(PublishError::Busy));
    assert_eq!(
        driver
            .reconnect(KEEPS, false, &[])
            .iter()
            .filter(|line| line.starts_with('>'))
            .count(),
        3
    );
}

/// QoS 0 first, then the oldest of the others.
fn oldest_is_dropped() {
    let mut driver = limited(3, usize::MAX, WhenFull::DropOldest);
    for (qos, payload) in [(1, "1"), (2, "2"), (0, "3")] {
        assert_eq!(accept(&mut driver, qos, payload), Ok(()));
    }
    assert_eq!(driver.publish(1, "a", "4"), ["t3 Dropped"]);
    assert_eq!(driver.publish(1, "a", "5"), ["t1 Dropped"]);
    assert_eq!(driver.publish(1, "a", "6"), ["t2 Dropped"]);
    assert_eq!(
        driver.reconnect(KEEPS, false, &[]),
        [
            "> PUBLISH q1 #1 a \"4\"",
            "> PUBLISH q1 #2 a \"5\"",
            "> PUBLISH q1 #3 a \"6\""
        ]
    );
}

/// Nothing is dropped for what has no room anyway.
fn a_message_larger_than_all_room() {
    for when_full in [
        WhenFull::Refuse,
        WhenFull::DropOldestQos0,
        WhenFull::DropOldest,
    ] {
        let mut driver = limited(10, 60, when_full);
        assert_eq!(accept(&mut driver, 0, "0"), Ok(()));
        assert_eq!(accept(&mut driver, 1, "1"), Ok(()));
        let large = "p".repeat(100);
        assert_eq!(accept(&mut driver, 1, &large), Err(PublishError::TooLarge));
        assert_eq!(driver.settle(), Lines::new());
        assert_eq!(driver.machine.session().waiting(), 2);
    }
}

/// A caller that tries again when it is told of room is not refused again for nothing.
fn room_is_room_for_what_was_refused() {
    let size = publication(1, "a", &"p".repeat(50), &[]).message.size();
    let one = [Property::ReceiveMaximum(1.try_into().unwrap())];
    let mut driver = limited(100, 2 * size + size / 2, WhenFull::Refuse).go(KEEPS, false, &one);
    for _ in 0..3 {
        let _ = driver.publish(1, "a", &"p".repeat(50));
    }
    // One is in flight, two wait; there is room for half of a third.
    let large = "p".repeat(50);
    assert_eq!(accept(&mut driver, 1, &large), Err(PublishError::Busy));
    assert_eq!(driver.settle(), Lines::new(), "nothing has changed");
    let said = driver.feed(&make::puback(1));
    assert!(said.contains(&"room".into()), "{said:?}");
    assert_eq!(accept(&mut driver, 1, &large), Ok(()));
}

/// Section 4.1, MQTT-4.3.2-1: accepted is accepted, over failed attempts and a lost Session.
fn what_waits_survives_connections() {
    let mut driver = Driver::new();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(0, "a", "0");
    for _ in 0..3 {
        let _ = driver.connect(&super::driver::connect_with(&[]));
        assert_eq!(driver.lose(), Lines::new());
    }
    assert_eq!(
        driver.reconnect(KEEPS, false, &[]),
        ["> PUBLISH q1 #1 a \"1\"", "> PUBLISH q0 a \"0\"", "t2 Sent"]
    );
}

/// While nobody polls, messages wait, within the limits; polling makes room.
fn a_slow_network_holds_back() {
    let mut driver = limited(5, usize::MAX, WhenFull::Refuse).go(KEEPS, false, &[]);
    let mut accepted = 0;
    for _ in 0..100_000 {
        match accept(&mut driver, 0, "x") {
            Ok(()) => accepted += 1,
            Err(error) => {
                assert_eq!(error, PublishError::Busy);
                break;
            }
        }
    }
    assert_eq!(accepted, 5);
    let said = driver.settle();
    assert!(said.contains(&"room".into()), "{said:?}");
    // A buffer without room is filled as far as it goes.
    let _ = accept(&mut driver, 0, "x");
    let _ = accept(&mut driver, 0, "y");
    let now = driver.now;
    let mut buffer = [0_u8; 10];
    let mut room = &mut buffer[..];
    let mut needs = None;
    while let Some(output) = driver.machine.poll(now, &mut room) {
        if let Output::NeedsRoom(bytes) = output {
            needs = Some(bytes);
            break;
        }
    }
    assert_eq!(needs, Some(7), "the second of 7 bytes does not fit into 10");
    let said = driver.settle();
    assert_eq!(said[0], "> PUBLISH q0 a \"y\"");
}

/// The contract: what has to survive a crash is announced before the packet that depends on it.
fn persisted_before_it_is_written() {
    let config = SessionConfig {
        persistent: true,
        ..SessionConfig::default()
    };
    let mut driver = Driver::configured(config);
    let said = driver.connect(&super::driver::connect_with(KEEPS));
    assert!(said.last().unwrap().starts_with("> CONNECT"), "{said:?}");
    let said = driver.feed(&make::connack(
        false,
        mqtt5_session_fsm::codec::ReasonCode::Success,
        &[],
    ));
    assert!(
        said.iter()
            .any(|line| line.starts_with("persist Connected")),
        "{said:?}"
    );
    let before = |said: &[String], change: &str, packet: &str| {
        let at = |wanted: &str| said.iter().position(|line| line.starts_with(wanted));
        let (Some(change), Some(packet)) = (at(change), at(packet)) else {
            panic!("{change}, {packet}: {said:?}");
        };
        assert!(change < packet, "{said:?}");
    };
    before(
        &driver.publish(1, "a", ""),
        "persist Accepted",
        "> PUBLISH q1 #1",
    );
    before(
        &driver.publish(2, "a", ""),
        "persist Sent",
        "> PUBLISH q2 #2",
    );
    before(
        &driver.feed(&make::pubrec(2)),
        "persist Released",
        "> PUBREL #2",
    );
    let said = driver.feed(&make::pubcomp(2));
    assert!(
        said.iter().any(|line| line.starts_with("persist Finished")),
        "{said:?}"
    );
    before(
        &driver.feed(&make::publish(2, 9, "a", "")),
        "persist Received",
        "> PUBREC #9",
    );
    before(
        &driver.feed(&make::pubrel(9)),
        "persist Completed",
        "> PUBCOMP #9",
    );
}
