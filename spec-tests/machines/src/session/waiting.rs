//! Messages that wait to be sent: limits, policies, back-pressure.

use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode, Role};
use mqtt5_session_fsm::{
    Client, Output, PublishError, Server, SessionConfig, WaitingLimits, WhenFull,
};

use super::driver::{Driver, Lines, connect_with, publication};
use super::machine::Machine;
use super::make;

crate::check::checks! { "waiting":
    both {
        Example busy_and_room,
        Example room_is_told_once,
        Example a_limit_in_bytes,
        Example oldest_qos0_is_dropped,
        Example oldest_is_dropped,
        Example a_message_larger_than_all_room,
        Example room_is_room_for_what_was_refused,
        Example what_waits_for_a_connection_is_sent_in_order,
        Domain every_message_has_one_outcome,
        Example a_slow_network_holds_back,
        Example persisted_before_it_is_written,
    }
    client {
        Example what_waits_survives_connections,
        Example a_connection_is_persisted,
    }
    server {
        Domain every_message_has_one_outcome_after_a_take_over,
    }
}

/// What may wait; there is no connection.
fn limited<M: Machine>(messages: u32, bytes: usize, when_full: WhenFull) -> Driver<M> {
    let mut driver = connected(messages, bytes, when_full, &[]);
    assert_eq!(driver.lose(), Lines::new());
    driver
}

fn connected<M: Machine>(
    messages: u32,
    bytes: usize,
    when_full: WhenFull,
    peer: &[Property<'_>],
) -> Driver<M> {
    let driver = Driver::<M>::configured(SessionConfig {
        waiting: WaitingLimits {
            messages,
            bytes,
            when_full,
        },
        ..SessionConfig::default()
    });
    driver.open(&[], peer)
}

fn accept<M: Machine>(driver: &mut Driver<M>, qos: u8, payload: &str) -> Result<(), PublishError> {
    driver.accept(publication(qos, "a", payload, &[]))
}

/// As many as may wait; one more is refused; an event reports room when there is some.
fn busy_and_room<M: Machine>() {
    let mut driver = limited::<M>(3, usize::MAX, WhenFull::Refuse);
    for n in 0..3 {
        assert_eq!(accept(&mut driver, n, "x"), Ok(()));
    }
    for qos in 0..3 {
        assert_eq!(accept(&mut driver, qos, "x"), Err(PublishError::Busy));
    }
    assert_eq!(driver.settle(), Lines::new());
    assert_eq!(driver.session().waiting(), 3);
    let said = driver.reopen(&[], true, &[]);
    assert!(said.contains(&"room".into()), "{said:?}");
    assert_eq!(accept(&mut driver, 1, "x"), Ok(()));
    // The refused ones have no outcome, the accepted ones have.
    assert_eq!(driver.settle().len(), 1);
}

/// One refusal, one event; no refusal, none.
fn room_is_told_once<M: Machine>() {
    let one = [Property::ReceiveMaximum(1.try_into().unwrap())];
    let mut driver = connected::<M>(1, usize::MAX, WhenFull::Refuse, &one);
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
fn a_limit_in_bytes<M: Machine>() {
    let size = publication(1, "a", &"p".repeat(80), &[]).message.size();
    let mut driver = limited::<M>(100, 3 * size + size / 2, WhenFull::Refuse);
    for _ in 0..3 {
        assert_eq!(accept(&mut driver, 1, &"p".repeat(80)), Ok(()));
    }
    assert_eq!(driver.session().waiting_bytes(), 3 * size);
    assert_eq!(
        accept(&mut driver, 1, &"p".repeat(80)),
        Err(PublishError::Busy)
    );
    assert_eq!(accept(&mut driver, 1, "small"), Ok(()));
    let _ = driver.reopen(&[], true, &[]);
    assert_eq!(driver.session().waiting_bytes(), 0);
}

/// The oldest messages with QoS 0 give way, no others; each drop is an outcome.
fn oldest_qos0_is_dropped<M: Machine>() {
    let mut driver = limited::<M>(3, usize::MAX, WhenFull::DropOldestQos0);
    for (qos, payload) in [(1, "1"), (0, "2"), (0, "3")] {
        assert_eq!(accept(&mut driver, qos, payload), Ok(()));
    }
    assert_eq!(driver.publish(1, "a", "4"), ["t2 Dropped"]);
    assert_eq!(driver.publish(0, "a", "5"), ["t3 Dropped"]);
    assert_eq!(driver.publish(2, "a", "6"), ["t5 Dropped"]);
    assert_eq!(accept(&mut driver, 1, "7"), Err(PublishError::Busy));
    assert_eq!(
        driver
            .reopen(&[], true, &[])
            .iter()
            .filter(|line| line.starts_with('>'))
            .count(),
        3
    );
}

/// QoS 0 first, then the oldest of the others.
fn oldest_is_dropped<M: Machine>() {
    let mut driver = limited::<M>(3, usize::MAX, WhenFull::DropOldest);
    for (qos, payload) in [(1, "1"), (2, "2"), (0, "3")] {
        assert_eq!(accept(&mut driver, qos, payload), Ok(()));
    }
    assert_eq!(driver.publish(1, "a", "4"), ["t3 Dropped"]);
    assert_eq!(driver.publish(1, "a", "5"), ["t1 Dropped"]);
    assert_eq!(driver.publish(1, "a", "6"), ["t2 Dropped"]);
    assert_eq!(
        driver.reopen(&[], true, &[]),
        [
            "> PUBLISH q1 #1 a \"4\"",
            "> PUBLISH q1 #2 a \"5\"",
            "> PUBLISH q1 #3 a \"6\""
        ]
    );
}

/// Nothing is dropped for what has no room anyway.
fn a_message_larger_than_all_room<M: Machine>() {
    for when_full in [
        WhenFull::Refuse,
        WhenFull::DropOldestQos0,
        WhenFull::DropOldest,
    ] {
        let mut driver = limited::<M>(10, 60, when_full);
        assert_eq!(accept(&mut driver, 0, "0"), Ok(()));
        assert_eq!(accept(&mut driver, 1, "1"), Ok(()));
        let large = "p".repeat(100);
        assert_eq!(accept(&mut driver, 1, &large), Err(PublishError::TooLarge));
        assert_eq!(driver.settle(), Lines::new());
        assert_eq!(driver.session().waiting(), 2);
    }
}

/// A caller that tries again after the event of room is not refused without a reason.
fn room_is_room_for_what_was_refused<M: Machine>() {
    let size = publication(1, "a", &"p".repeat(50), &[]).message.size();
    let one = [Property::ReceiveMaximum(1.try_into().unwrap())];
    let mut driver = connected::<M>(100, 2 * size + size / 2, WhenFull::Refuse, &one);
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

/// Section 4.1: what is accepted while there is no connection is sent on the next one, in its order, with DUP 0.
fn what_waits_for_a_connection_is_sent_in_order<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(driver.lose(), Lines::new());
    for n in 1..=50 {
        let _ = driver.publish(1 + n % 2, "a", &n.to_string());
    }
    assert_eq!(driver.tick(1 << 40), Lines::new());
    let said = driver.reopen(&[], true, &[]);
    let expected = (1..=50).map(|n| format!("> PUBLISH q{} #{n} a \"{n}\"", 1 + n % 2));
    assert_eq!(said, expected.collect::<Vec<_>>());
}

/// Nine messages, of which some are sent, to a peer with a Receive Maximum of 2, in a Session that lives for 5 seconds.
fn nine<M: Machine>() -> (Driver<M>, Lines) {
    let two = [Property::ReceiveMaximum(2.try_into().unwrap())];
    let mut driver = Driver::<M>::new().open_for(5, &two);
    let mut said = Lines::new();
    for n in 0..9 {
        said.extend(driver.publish(n % 3, "a", "x"));
    }
    (driver, said)
}

fn each_has_one_outcome(said: &[String]) -> u64 {
    for n in 1..=9 {
        let of = |line: &&String| line.starts_with(&format!("t{n} "));
        assert_eq!(said.iter().filter(of).count(), 1, "t{n}: {said:?}");
    }
    9
}

/// Whatever was accepted has exactly one outcome, however the Session ends: by its time, or by the next connection. What only
/// waited in a Client is sent in the next Session.
fn every_message_has_one_outcome<M: Machine>() -> u64 {
    let mut judged = 0;
    for waits in [0, 5_000] {
        let (mut driver, mut said) = nine::<M>();
        said.extend(driver.lose());
        said.extend(driver.tick(waits));
        assert_eq!(said.contains(&"session ended".into()), waits > 0);
        said.extend(driver.reopen(&[], false, &[]));
        for (qos, n) in [(1, 1), (2, 2), (1, 3), (2, 4)] {
            if said.contains(&format!("> PUBLISH q{qos} #{n} a \"x\"")) && M::ROLE == Role::Client {
                let packet_type = match qos {
                    1 => PacketType::PubAck,
                    _ => PacketType::PubRec,
                };
                let answer = make::ack(packet_type, n, ReasonCode::QuotaExceeded);
                said.extend(driver.feed(&answer));
            }
        }
        judged += each_has_one_outcome(&said);
    }
    judged
}

/// The same if another connection of the Client takes the Session over.
fn every_message_has_one_outcome_after_a_take_over() -> u64 {
    let (mut driver, mut said) = nine::<Server>();
    let session = driver.machine.take_over(driver.now);
    said.extend(driver.settle());
    driver.keep(session.expect("a Session"));
    said.extend(driver.settle());
    said.extend(driver.tick(5_000));
    each_has_one_outcome(&said)
}

/// While nobody polls, messages wait, within the limits; polling makes room.
fn a_slow_network_holds_back<M: Machine>() {
    let mut driver = connected::<M>(5, usize::MAX, WhenFull::Refuse, &[]);
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
fn persisted_before_it_is_written<M: Machine>() {
    let config = SessionConfig {
        persistent: true,
        ..SessionConfig::default()
    };
    let mut driver = Driver::<M>::configured(config).open(&[], &[]);
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

/// Section 4.1, MQTT-4.3.2-1: accepted is accepted, over failed attempts and a lost Session.
fn what_waits_survives_connections() {
    let mut driver = Driver::<Client>::new();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(0, "a", "0");
    for _ in 0..3 {
        let _ = driver.connect(&connect_with(&[]));
        assert_eq!(driver.lose(), Lines::new());
    }
    assert_eq!(
        driver.reopen(&[], false, &[]),
        ["> PUBLISH q1 #1 a \"1\"", "> PUBLISH q0 a \"0\"", "t2 Sent"]
    );
}

/// The contract: a connection with a Session is announced, too.
fn a_connection_is_persisted() {
    let config = SessionConfig {
        persistent: true,
        ..SessionConfig::default()
    };
    let mut driver = Driver::<Client>::configured(config);
    let said = driver.connect(&connect_with(&[Property::SessionExpiryInterval(u32::MAX)]));
    assert!(said.last().unwrap().starts_with("> CONNECT"), "{said:?}");
    let said = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
    let persisted = |line: &String| line.starts_with("persist Connected");
    assert!(said.iter().any(persisted), "{said:?}");
}
