//! Messages that wait to be sent (sections 3.3.2.3.3, 4.1, 4.3; tables T8.1, T14.2).

use std::num::NonZeroU16;

use mqtt5_codec::{Packet, Property, Qos, ReasonCode};
use mqtt5_session_fsm::{
    Instant, Publication, PublishError, ServerConfig, Session, SessionConfig, WaitingLimits,
    WhenFull,
};

use super::driver::{Driver, Keeper, Report, Seen};
use super::make::{Hello, config, message, puback, publication};
use crate::check::Outcome;

super::listed! { "waiting":
    Domain a_message_expires_to_the_millisecond,
    Domain the_remaining_interval_is_sent,
    Domain a_message_that_nobody_has_written_yet_expires,
    Example a_message_sent_at_once_keeps_its_interval,
    Example messages_wait_for_a_client_that_is_away,
    Domain a_wish_for_a_topic_alias_waits_too,
    Example a_full_queue_refuses_and_tells_of_room,
    Example the_oldest_of_qos_0_gives_way,
    Example the_oldest_gives_way,
    Example bytes_are_limited_too,
    Domain every_message_has_one_outcome,
}

fn expiring(qos: Qos, seconds: u32) -> Publication {
    let list = [Property::MessageExpiryInterval(seconds)];
    Publication::new(qos, message("t", b"x", &list))
}

/// A Client that takes one message at a time and has one.
fn blocked() -> Driver {
    let hello = Hello::lasting().with(Property::ReceiveMaximum(1.try_into().expect("not 0")));
    let mut driver = Driver::connected(config(), &hello);
    driver
        .publish(publication(Qos::AtLeastOnce, b"first"))
        .expect("room");
    driver
}

fn away() -> Keeper {
    Driver::connected(config(), &Hello::lasting()).part().0
}

/// [MQTT-3.3.2-5]: in the Server while the Client's quota is used up, and in the Session.
fn a_message_expires_to_the_millisecond() -> Outcome {
    for seconds in [1, 2, 60, 86_400, u32::MAX] {
        let time = u64::from(seconds) * 1_000;
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let mut driver = blocked();
            let (token, _) = driver.publish(expiring(qos, seconds)).expect("room");
            let due = driver.now.as_millis() + time;
            assert_eq!(driver.server.next_timeout().as_millis(), due);
            assert!(driver.wait(time - 1).is_empty());
            assert_eq!(driver.wait(1).log, [Seen::Outcome(token, "expired", None)]);
            assert!(driver.send(&puback(1, ReasonCode::Success)).wire.is_empty());
        }
        for qos in super::make::QOS {
            let mut keeper = away();
            let token = keeper
                .session
                .publish(keeper.now, expiring(qos, seconds))
                .expect("room");
            assert!(keeper.pump().is_empty());
            assert_eq!(
                keeper.session.next_timeout().as_millis(),
                keeper.now.as_millis() + time
            );
            assert!(keeper.wait(time - 1).is_empty());
            assert_eq!(keeper.wait(1).log, [Seen::Outcome(token, "expired", None)]);
        }
    }
    Ok(25)
}

/// [MQTT-3.3.2-5]: accepted, with room in the quota, but the network was too slow to write it.
fn a_message_that_nobody_has_written_yet_expires() -> Outcome {
    for qos in super::make::QOS {
        for waited in [1_999, 2_000, 5_000] {
            let mut driver = Driver::connected(config(), &Hello::lasting());
            let token = driver.server.publish(driver.now, expiring(qos, 2));
            let token = token.expect("room");
            let report = driver.wait(waited);
            if waited < 2_000 {
                assert_eq!(interval(&report), Some(1), "{qos:?}");
            } else {
                assert!(report.wire.is_empty(), "{qos:?}: {report:?}");
                assert!(
                    report.saw(&Seen::Outcome(token, "expired", None)),
                    "{qos:?}"
                );
            }
        }
    }
    Ok(9)
}

fn interval(report: &Report) -> Option<u32> {
    match report.packets().last() {
        Some(Packet::Publish(publish)) => publish.properties.message_expiry_interval(),
        other => panic!("{other:?}"),
    }
}

/// [MQTT-3.3.2-6]: what was given minus the time that it waited, never 0, never more than was given.
fn the_remaining_interval_is_sent() -> Outcome {
    let mut cases = 0;
    for waited in [0_u64, 1, 999, 1_000, 1_001, 5_000, 8_999, 9_000, 9_999] {
        for in_session in [false, true] {
            let report = if in_session {
                let mut keeper = away();
                let publication = expiring(Qos::AtLeastOnce, 10);
                keeper
                    .session
                    .publish(keeper.now, publication)
                    .expect("room");
                keeper.wait(waited);
                Driver::resumed(keeper.now, config(), &Hello::new(), Some(keeper.session)).1
            } else {
                let mut driver = blocked();
                driver
                    .publish(expiring(Qos::AtLeastOnce, 10))
                    .expect("room");
                driver.wait(waited);
                driver.send(&puback(1, ReasonCode::Success))
            };
            let sent = u64::from(interval(&report).expect("an interval"));
            assert!(sent >= 1, "{waited}: {sent}");
            let remaining = 10_000 - waited;
            assert!(
                sent == remaining / 1_000 || sent == remaining.div_ceil(1_000),
                "{waited} ms: {sent} s"
            );
            cases += 1;
        }
    }
    Ok(cases)
}

/// [MQTT-3.3.2-6]: nothing waited, nothing is subtracted; without an interval none is made up.
fn a_message_sent_at_once_keeps_its_interval() -> Outcome {
    for qos in super::make::QOS {
        for seconds in [1, 10, u32::MAX] {
            let mut driver = Driver::connected(config(), &Hello::lasting());
            let (_, report) = driver.publish(expiring(qos, seconds)).expect("room");
            assert_eq!(interval(&report), Some(seconds));
            let (_, report) = driver.publish(publication(qos, b"x")).expect("room");
            assert_eq!(interval(&report), None);
        }
    }
    Ok(9)
}

/// Section 4.1: QoS 1 and 2 wait, in their order; QoS 0 may.
fn messages_wait_for_a_client_that_is_away() -> Outcome {
    let mut keeper = away();
    for number in 0..50_u8 {
        let qos = if number % 2 == 0 {
            Qos::AtLeastOnce
        } else {
            Qos::ExactlyOnce
        };
        keeper
            .session
            .publish(keeper.now, publication(qos, &[number]))
            .expect("room");
    }
    keeper.wait(1 << 40);
    let (_, report) = Driver::resumed(keeper.now, config(), &Hello::new(), Some(keeper.session));
    let mut expected = 0..50;
    for packet in &report.packets()[1..] {
        let Packet::Publish(publish) = packet else {
            return Err(format!("{packet:?}"));
        };
        assert_eq!(Some(publish.payload[0]), expected.next());
        assert!(!publish.delivery.duplicate());
    }
    assert_eq!(expected.next(), None);
    Ok(50)
}

/// [MQTT-3.1.2-26], [MQTT-3.1.2-27], [MQTT-3.3.2-11]: the Client's maximum counts when the message is sent, also
/// for one that was sent with the alias before.
fn a_wish_for_a_topic_alias_waits_too() -> Outcome {
    for qos in super::make::QOS {
        for maximum in [None, Some(0), Some(6), Some(7)] {
            for was_sent in [false, true] {
                let before = Hello::lasting().with(Property::TopicAliasMaximum(9));
                let mut driver = Driver::connected(config(), &before);
                let wishing = Publication {
                    topic_alias: NonZeroU16::new(7),
                    ..publication(qos, b"x")
                };
                if was_sent {
                    driver.publish(wishing.clone()).expect("room");
                }
                let (mut keeper, _) = driver.part();
                if !was_sent {
                    keeper.session.publish(keeper.now, wishing).expect("room");
                }
                let mut hello = Hello::lasting();
                hello
                    .properties
                    .extend(maximum.map(Property::TopicAliasMaximum));
                let (_, report) =
                    Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
                for packet in &report.packets()[1..] {
                    let Packet::Publish(publish) = packet else {
                        return Err(format!("{packet:?}"));
                    };
                    assert!(publish.topic.is_some(), "a new connection knows no alias");
                    let alias = publish.properties.topic_alias().map_or(0, NonZeroU16::get);
                    assert!(alias <= maximum.unwrap_or(0), "{alias} of {maximum:?}");
                }
                let sent = usize::from(!was_sent || qos != Qos::AtMostOnce);
                assert_eq!(report.packets().len() - 1, sent);
            }
        }
    }
    Ok(24)
}

fn limited_to(messages: u32, bytes: usize, when_full: WhenFull) -> ServerConfig {
    let waiting = WaitingLimits {
        messages,
        bytes,
        when_full,
    };
    ServerConfig {
        session: SessionConfig {
            waiting,
            ..SessionConfig::default()
        },
        ..config()
    }
}

/// Documented: Busy, and an event when there is room; what was accepted is kept.
fn a_full_queue_refuses_and_tells_of_room() -> Outcome {
    let hello = Hello::lasting().with(Property::ReceiveMaximum(1.try_into().expect("not 0")));
    let mut driver = Driver::connected(limited_to(2, 1 << 20, WhenFull::Refuse), &hello);
    for _ in 0..3 {
        driver
            .publish(publication(Qos::AtLeastOnce, b"x"))
            .expect("room");
    }
    for _ in 0..2 {
        let result = driver.publish(publication(Qos::AtLeastOnce, b"x"));
        assert_eq!(result.map(|_| ()), Err(PublishError::Busy));
    }
    let report = driver.send(&puback(1, ReasonCode::Success));
    assert!(report.saw(&Seen::Room));
    assert_eq!(report.events().len(), 2);
    assert!(driver.publish(publication(Qos::AtLeastOnce, b"x")).is_ok());
    Ok(1)
}

fn fill(when_full: WhenFull) -> (Keeper, Vec<mqtt5_session_fsm::Token>) {
    let mut keeper = Driver::connected(limited_to(3, 1 << 20, when_full), &Hello::lasting())
        .part()
        .0;
    let qos = [Qos::AtLeastOnce, Qos::AtMostOnce, Qos::AtMostOnce];
    let tokens = qos.map(|qos| keeper.session.publish(keeper.now, publication(qos, b"x")));
    (keeper, tokens.map(|token| token.expect("room")).to_vec())
}

/// Documented: WhenFull::DropOldestQos0.
fn the_oldest_of_qos_0_gives_way() -> Outcome {
    let (mut keeper, tokens) = fill(WhenFull::DropOldestQos0);
    for dropped in &tokens[1..] {
        keeper
            .session
            .publish(keeper.now, publication(Qos::ExactlyOnce, b"y"))
            .expect("room");
        assert_eq!(
            keeper.pump().log,
            [Seen::Outcome(*dropped, "dropped", None)]
        );
    }
    let result = keeper
        .session
        .publish(keeper.now, publication(Qos::ExactlyOnce, b"y"));
    let error = result.map_err(|refused| refused.error);
    assert_eq!(error, Err(PublishError::Busy));
    assert_eq!(keeper.session.waiting(), 3);
    Ok(3)
}

/// Documented: WhenFull::DropOldest, those with QoS 0 first.
fn the_oldest_gives_way() -> Outcome {
    let (mut keeper, tokens) = fill(WhenFull::DropOldest);
    for dropped in [1, 2, 0] {
        keeper
            .session
            .publish(keeper.now, publication(Qos::ExactlyOnce, b"y"))
            .expect("room");
        let expected = Seen::Outcome(tokens[dropped], "dropped", None);
        assert_eq!(keeper.pump().log, [expected]);
    }
    assert_eq!(keeper.session.waiting(), 3);
    Ok(3)
}

/// Documented: as Message::size counts them.
fn bytes_are_limited_too() -> Outcome {
    let size = message("t", b"x", &[]).size();
    let config = limited_to(1_000, 3 * size, WhenFull::Refuse);
    let mut session = Driver::connected(config, &Hello::lasting())
        .part()
        .0
        .session;
    let now = Instant::from_millis(1_000);
    for number in 1..=3 {
        session
            .publish(now, publication(Qos::AtLeastOnce, b"x"))
            .expect("room");
        assert_eq!(session.waiting_bytes(), number * size);
    }
    let result = session.publish(now, publication(Qos::AtLeastOnce, b"x"));
    let error = result.map_err(|refused| refused.error);
    assert_eq!(error, Err(PublishError::Busy));
    Ok(4)
}

/// Documented contract: whatever was accepted has exactly one outcome, however the Session ends.
fn every_message_has_one_outcome() -> Outcome {
    let ends: [fn(Driver) -> Report; 4] = [
        |mut driver| driver.lose().and(driver.wait(5_000)),
        |mut driver| {
            let (mut keeper, report) = driver.part();
            report.and(keeper.wait(5_000))
        },
        |mut driver| {
            let (keeper, report) = driver.part();
            let hello = Hello::new().clean(true);
            let session = Some(keeper.session);
            report.and(Driver::resumed(keeper.now, config(), &hello, session).1)
        },
        |mut driver| {
            let session: Option<Session> = driver.server.take_over(driver.now);
            let report = driver.pump();
            let mut keeper = Keeper {
                session: session.expect("a Session"),
                now: driver.now,
            };
            let early = keeper.pump();
            report.and(early).and(keeper.wait(5_000))
        },
    ];
    for end in ends {
        let hello = Hello::new()
            .with(Property::SessionExpiryInterval(5))
            .with(Property::ReceiveMaximum(2.try_into().expect("not 0")));
        let mut driver = Driver::connected(config(), &hello);
        let mut tokens = Vec::new();
        let mut report = Report::default();
        for number in 0..9 {
            let qos = super::make::QOS[number % 3];
            let (token, more) = driver.publish(publication(qos, b"x")).expect("room");
            tokens.push(token);
            report = report.and(more);
        }
        report = report.and(end(driver));
        for token in tokens {
            let of = |seen: &&Seen| matches!(seen, Seen::Outcome(of, ..) if *of == token);
            assert_eq!(
                report.log.iter().filter(of).count(),
                1,
                "{token:?}: {report:?}"
            );
        }
    }
    Ok(36)
}
