//! Clean Start and Session Present (sections 3.1.2.4, 3.2.2.1.1; table T8.2).

use mqtt5_codec::{ConnAck, Delivery, Packet, Property, PubComp, PubRec, Publish, Qos, ReasonCode};
use mqtt5_session_fsm::{Instant, SendError, Session, SessionConfig};

use super::driver::{Driver, Keeper, Seen};
use super::make::{
    Hello, Testament, config, id, manual, publication, publish, publish_2, pubrel, topic,
};
use crate::check::Outcome;

super::listed! { "clean_start":
    Domain every_row_of_the_table,
    Domain a_refusal_never_has_session_present,
    Example a_session_that_never_was_is_not_present,
    Example an_expired_session_is_not_present,
    Example a_resumed_session_goes_on_sending,
    Example a_resumed_session_goes_on_receiving,
    Example a_discarded_session_sends_nothing,
    Example a_discarded_session_has_received_nothing,
    Example a_discarded_session_says_what_became_of_its_messages,
    Example the_will_of_a_discarded_session_is_published,
    Example a_session_of_another_client_is_not_taken,
    Example an_empty_session_is_a_session,
}

/// The Session of a Client that was connected and is away; nothing is in it.
fn empty() -> Keeper {
    Driver::connected(config(), &Hello::lasting()).part().0
}

/// One message with QoS 1 and one with QoS 2 in flight, one QoS 2 message received.
fn busy() -> Keeper {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    driver
        .publish(publication(Qos::AtLeastOnce, b"1"))
        .expect("room");
    driver
        .publish(publication(Qos::ExactlyOnce, b"2"))
        .expect("room");
    driver.send(&publish_2(7));
    driver.part().0
}

/// [MQTT-3.1.2-4], [MQTT-3.1.2-5], [MQTT-3.1.2-6], [MQTT-3.2.2-2], [MQTT-3.2.2-3], [MQTT-3.1.4-4]: Clean
/// Start × state of the Server.
fn every_row_of_the_table() -> Outcome {
    let mut rows = 0;
    for make in [|| None, || Some(empty()), || Some(busy())] as [fn() -> Option<Keeper>; 3] {
        for clean_start in [false, true] {
            for expiry in [None, Some(0), Some(5), Some(u32::MAX)] {
                let keeper = make();
                let had_session = keeper.is_some();
                let session = keeper.map(|keeper| keeper.session);
                let mut hello = Hello::new().clean(clean_start);
                hello
                    .properties
                    .extend(expiry.map(Property::SessionExpiryInterval));
                let (driver, report) =
                    Driver::resumed(Instant::from_millis(2_000), config(), &hello, session);
                let expected = ConnAck {
                    session_present: had_session && !clean_start,
                    ..ConnAck::new(ReasonCode::Success)
                };
                assert_eq!(report.packets()[0], expected.into());
                assert!(driver.server.session().is_some_and(Session::exists));
                rows += 1;
            }
        }
    }
    Ok(rows)
}

/// [MQTT-3.2.2-6]: a CONNACK that refuses has Session Present 0.
fn a_refusal_never_has_session_present() -> Outcome {
    for clean_start in [false, true] {
        let hello = Hello::lasting().clean(clean_start);
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
        let report = driver
            .refuse(ReasonCode::QuotaExceeded, &[])
            .expect("a refusal");
        assert_eq!(
            report.packet(),
            ConnAck::new(ReasonCode::QuotaExceeded).into()
        );
    }
    Ok(2)
}

/// [MQTT-3.2.2-3]: Session State comes into being with a connection, not with the host's value.
fn a_session_that_never_was_is_not_present() -> Outcome {
    let session = Session::of_server("c1", SessionConfig::default());
    assert!(!session.exists());
    let (_, report) = Driver::resumed(Instant::ORIGIN, config(), &Hello::new(), Some(session));
    assert_eq!(report.packet(), ConnAck::new(ReasonCode::Success).into());
    Ok(1)
}

/// [MQTT-4.1.0-2], [MQTT-3.1.2-6]: once its interval has passed a Session is no more, even if nobody has
/// looked at the clock; a millisecond before, it still is.
fn an_expired_session_is_not_present() -> Outcome {
    for (waited, present) in [
        (4_999, true),
        (5_000, false),
        (5_001, false),
        (1 << 40, false),
    ] {
        for looked in [true, false] {
            let hello = Hello::new().with(Property::SessionExpiryInterval(5));
            let mut driver = Driver::connected(config(), &hello);
            driver
                .publish(publication(Qos::AtLeastOnce, b"1"))
                .expect("room");
            let (mut keeper, _) = driver.part();
            let now = Instant::from_millis(keeper.now.as_millis() + waited);
            if looked {
                keeper.wait(waited);
            }
            let (_, report) = Driver::resumed(now, config(), &hello, Some(keeper.session));
            let Packet::ConnAck(connack) = report.packets()[0] else {
                return Err("no CONNACK".to_owned());
            };
            assert_eq!(
                connack.session_present, present,
                "{waited} ms, looked: {looked}"
            );
            assert_eq!(report.packets().len(), if present { 2 } else { 1 });
        }
    }
    Ok(8)
}

/// [MQTT-3.1.2-5]: what was in flight is sent again.
fn a_resumed_session_goes_on_sending() -> Outcome {
    let keeper = busy();
    let (_, report) = Driver::resumed(keeper.now, config(), &Hello::new(), Some(keeper.session));
    let again = |qos, number, payload| {
        Packet::from(Publish {
            delivery: Delivery::new(qos, id(number), true),
            ..Publish::new(topic("t"), payload)
        })
    };
    assert_eq!(
        report.packets()[1..],
        [
            again(Qos::AtLeastOnce, 1, b"1"),
            again(Qos::ExactlyOnce, 2, b"2")
        ]
    );
    Ok(1)
}

/// [MQTT-3.1.2-5]: a QoS 2 message that was received is remembered.
fn a_resumed_session_goes_on_receiving() -> Outcome {
    let keeper = busy();
    let (mut driver, _) =
        Driver::resumed(keeper.now, config(), &Hello::new(), Some(keeper.session));
    let report = driver.send(&publish(Qos::ExactlyOnce, 7, true, b"two"));
    assert_eq!(
        report.packet(),
        PubRec::new(id(7), ReasonCode::Success).into()
    );
    assert!(report.payloads().is_empty());
    let report = driver.send(&pubrel(7, ReasonCode::Success));
    assert_eq!(
        report.packet(),
        PubComp::new(id(7), ReasonCode::Success).into()
    );
    Ok(1)
}

/// [MQTT-3.1.2-4]: with Clean Start 1 nothing of the old Session is sent, and the Packet Identifiers are free.
fn a_discarded_session_sends_nothing() -> Outcome {
    let keeper = busy();
    let hello = Hello::lasting().clean(true);
    let (mut driver, report) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
    assert_eq!(report.packet(), ConnAck::new(ReasonCode::Success).into());
    assert_eq!(driver.server.session().map(Session::in_flight), Some(0));
    let (_, report) = driver
        .publish(publication(Qos::AtLeastOnce, b"new"))
        .expect("room");
    let Packet::Publish(publish) = report.packet() else {
        return Err("no PUBLISH".to_owned());
    };
    assert!(!publish.delivery.duplicate() && publish.payload == b"new");
    Ok(1)
}

/// [MQTT-3.1.2-4]: with Clean Start 1 a QoS 2 message that was received is forgotten.
fn a_discarded_session_has_received_nothing() -> Outcome {
    let keeper = busy();
    let hello = Hello::lasting().clean(true);
    let (mut driver, _) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
    let report = driver
        .clone()
        .send(&publish(Qos::ExactlyOnce, 7, true, b"two"));
    assert_eq!(report.payloads(), [b"two"]);
    let report = driver.send(&pubrel(7, ReasonCode::Success));
    let expected = PubComp::new(id(7), ReasonCode::PacketIdentifierNotFound);
    assert_eq!(report.packet(), expected.into());
    Ok(1)
}

/// Section 3.1.2.4: each message of the discarded Session has its outcome, and the end of it is told.
fn a_discarded_session_says_what_became_of_its_messages() -> Outcome {
    let mut driver = Driver::connected(manual(), &Hello::lasting());
    let (one, _) = driver
        .publish(publication(Qos::AtLeastOnce, b"1"))
        .expect("room");
    let (two, _) = driver
        .publish(publication(Qos::ExactlyOnce, b"2"))
        .expect("room");
    let (mut keeper, _) = driver.part();
    let late = keeper
        .session
        .publish(keeper.now, publication(Qos::AtLeastOnce, b"3"));
    let late = late.expect("room");
    keeper.pump();
    let hello = Hello::new().clean(true);
    let (_, report) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
    assert!(report.saw(&Seen::Outcome(one, "indeterminate", None)));
    assert!(report.saw(&Seen::Outcome(two, "indeterminate", None)));
    assert!(report.saw(&Seen::Outcome(late, "not sent", None)));
    assert!(report.saw(&Seen::SessionEnded));
    assert_eq!(report.events().len(), 4);
    Ok(4)
}

/// Section 3.1.3.2.2: the end of a Session publishes its Will, however long it was to be delayed.
fn the_will_of_a_discarded_session_is_published() -> Outcome {
    let hello = Hello::lasting().and_will(Testament::new(Some(1_000)));
    for clean_start in [false, true] {
        let (keeper, report) = Driver::connected(config(), &hello).part();
        assert!(report.wills().is_empty());
        let hello = Hello::lasting().clean(clean_start);
        let (_, report) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
        assert_eq!(report.wills().len(), usize::from(clean_start));
    }
    Ok(2)
}

/// [MQTT-3.1.3-2]: state is found by the ClientID; letters are compared as they are.
fn a_session_of_another_client_is_not_taken() -> Outcome {
    for other in ["c2", "C1", "c1 ", "c", "c11"] {
        for clean_start in [false, true] {
            let hello = Hello::new().clean(clean_start);
            let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
            let session = Driver::connected(config(), &Hello::lasting().id(other))
                .part()
                .0;
            let result = driver.accept(Some(session.session), &[]);
            assert_eq!(result.map(|_| ()), Err(SendError::ClientIdentifierDiffers));
            assert!(driver.pump().is_empty());
            let right = Session::of_server("c1", SessionConfig::default());
            assert!(driver.accept(Some(right), &[]).is_ok());
        }
    }
    Ok(10)
}

/// Section 4.1: the existence of a Session is Session State, even if the rest of it is empty.
fn an_empty_session_is_a_session() -> Outcome {
    let mut keeper = empty();
    assert!(keeper.session.exists());
    keeper.wait(1 << 40);
    let (_, report) = Driver::resumed(keeper.now, config(), &Hello::new(), Some(keeper.session));
    let expected = ConnAck {
        session_present: true,
        ..ConnAck::new(ReasonCode::Success)
    };
    assert_eq!(report.packet(), expected.into());
    Ok(1)
}
