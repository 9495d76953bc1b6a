//! What goes on over a takeover, and what does not (sections 3.1.2.11.2, 3.1.4, 4.1).

use mqtt5_session_fsm::broker::{Admission, Verdict};
use mqtt5_session_fsm::codec::{Qos, ReasonCode};

use crate::broker::place::{Gone, Place, WILL, Who, persistent, who};

crate::check::checks! {
    "takeovers":
    broker {
        Example a_takeover_loses_nothing,
        Example a_session_that_ends_with_its_connection,
        Example before_the_connack_is_written,
        Example the_end_of_the_old_connection_comes_late,
        Example takeover,
        Example takeover_only_after_authentication,
    }
}

/// [MQTT-3.1.4-3], section 4.1: subscriptions, what is in flight, and what waits go on in the order in which they came; what comes
/// while the older connection has not heard of it yet goes on, too.
fn a_takeover_loses_nothing() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let it = Who {
            receive_maximum: Some(1),
            ..who("it").lasting(100)
        };
        let old = place.connect(&it);
        place.wire(old).answers = false;
        place.subscribe(old, "a", Qos::ExactlyOnce);
        for payload in ["1", "2", "3"] {
            place.publish(publisher, "a", payload, qos);
        }
        assert_eq!(place.payloads(old), ["1"]);
        let new = place.resume(&it);
        assert_eq!(place.disconnect(old), Some(ReasonCode::SessionTakenOver));
        place.publish(publisher, "a", "4", qos);
        assert_eq!(place.payloads(new), ["1", "2", "3", "4"], "{qos:?}");
        assert_eq!(place.broker.statistics().dropped, 0);
    }
}

/// A Session with an interval of 0 ends when its connection is closed, by a takeover, too: the new connection gets a new one,
/// and the Will is published, whatever its delay [MQTT-3.1.2-8].
fn a_session_that_ends_with_its_connection() {
    for delay in [None, Some(10)] {
        let mut place = Place::new(persistent());
        let watcher = place.connect(&who("watcher"));
        place.subscribe(watcher, "will", Qos::AtLeastOnce);
        let it = who("it");
        let old = place.connect(&it.clone().with_will(Gone { delay, ..WILL }));
        place.subscribe(old, "a", Qos::AtLeastOnce);
        let new = place.open();
        place.send(new, &it.resuming().bytes());
        assert_eq!(
            place.connack(new),
            Some((ReasonCode::Success, false)),
            "{delay:?}"
        );
        assert_eq!(place.disconnect(old), Some(ReasonCode::SessionTakenOver));
        place.publish(watcher, "a", "hi", Qos::AtLeastOnce);
        assert_eq!(place.take(new), [], "its subscriptions have ended");
        assert_eq!(place.take(watcher).len(), 1, "the Will, {delay:?}");
    }
}

/// [MQTT-3.14.0-1]: a connection that is taken over before its CONNACK was written gets no DISCONNECT without one.
fn before_the_connack_is_written() {
    let mut place = Place::new(persistent());
    place.decides = false;
    let it = who("it").lasting(100);
    let wires = [place.open(), place.open()];
    for wire in wires {
        place.send(wire, &it.bytes());
    }
    let questions = core::mem::take(&mut place.questions);
    let now = place.now;
    for question in &questions {
        let verdict = Verdict::Accept(Admission::of("somebody"));
        place
            .broker
            .answer_connect(now, question, &verdict)
            .unwrap();
    }
    place.settle();
    let packets = place.packets(wires[0]);
    assert!(
        packets.is_empty() || (packets.len() == 2 && packets[0].starts_with("ConnAck")),
        "{packets:?}"
    );
    assert!(!place.is_open(wires[0]));
    assert_eq!(
        place.connack(wires[1]).map(|it| it.0),
        Some(ReasonCode::Success)
    );
}

/// The host takes the DISCONNECT of the older connection late, or its time limits come up: the new connection, its Session
/// and its Will are untouched.
fn the_end_of_the_old_connection_comes_late() {
    let mut place = Place::new(persistent());
    let watcher = place.connect(&who("watcher"));
    place.subscribe(watcher, "will", Qos::AtLeastOnce);
    let mut it = who("it").lasting(100).with_will(Gone {
        delay: Some(10),
        ..WILL
    });
    it.keep_alive = 10;
    let old = place.connect(&it);
    place.subscribe(old, "a", Qos::AtLeastOnce);
    place.pass(14_000);
    it.keep_alive = 0;
    let new = place.resume(&it);
    place.pass(1_000_000);
    assert_eq!(place.take(watcher), []);
    assert!(place.is_open(new));
    place.publish(watcher, "a", "hi", Qos::AtLeastOnce);
    assert_eq!(place.payloads(new), ["hi"]);
    place.cut(new);
    place.pass(10_000);
    assert_eq!(place.take(watcher).len(), 1);
}

/// [MQTT-3.1.4-3]: takeover in each state of the older connection; a stale key is refused, and touches nothing.
fn takeover() {
    let mut place = Place::new(persistent());
    let it = who("it").lasting(100);
    let first = place.connect(&it);
    let stale = place.wire(first).key.unwrap();
    place.subscribe(first, "a", Qos::ExactlyOnce);
    let second = place.resume(&it);
    assert_eq!(place.disconnect(first), Some(ReasonCode::SessionTakenOver));
    assert!(!place.is_open(first));
    assert!(place.broker.lost(place.now, stale).is_err());
    assert!(
        place
            .broker
            .transmit(place.now, stale, &mut Vec::new())
            .is_err()
    );
    let mut input = &[0xC0, 0][..];
    let taken = place
        .broker
        .receive(place.now, stale, &mut input, |_| unreachable!());
    assert!(taken.is_err());
    place.publish(second, "a", "hi", Qos::ExactlyOnce);
    assert_eq!(place.payloads(second), ["hi"]);
    let third = place.open();
    assert_ne!(
        place.wire(third).key,
        Some(stale),
        "a slot that is used again has another key"
    );
    assert!(place.broker.lost(place.now, stale).is_err());
    let bytes = who("another").bytes();
    let mut input = &bytes[..];
    let taken = place
        .broker
        .receive(place.now, stale, &mut input, |_| unreachable!());
    assert!(taken.is_err(), "a stale key finds nobody");
    place.send(third, &who("third").bytes());
    assert_eq!(place.connack(third), Some((ReasonCode::Success, false)));
    place.cut(third);
    place.publish(second, "a", "hi", Qos::ExactlyOnce);
    assert_eq!(place.payloads(second), ["hi"]);
}

/// Two CONNECT packets of one ClientID wait for their answers; only one that is accepted takes over, and a refused one leaves the
/// connection that is there alone.
fn takeover_only_after_authentication() {
    let mut place = Place::new(persistent());
    let it = who("it").lasting(100);
    let first = place.connect(&it);
    place.subscribe(first, "a", Qos::AtLeastOnce);
    place.decides = false;
    let wires = [place.open(), place.open(), place.open()];
    for wire in wires {
        place.send(wire, &it.clone().resuming().bytes());
    }
    let questions = core::mem::take(&mut place.questions);
    assert_eq!(questions.len(), 3);
    assert!(place.is_open(first), "nobody was accepted yet");
    let verdict = Verdict::Refuse(ReasonCode::NotAuthorized, &[]);
    let now = place.now;
    place
        .broker
        .answer_connect(now, &questions[0], &verdict)
        .unwrap();
    place.settle();
    assert_eq!(
        place.connack(wires[0]),
        Some((ReasonCode::NotAuthorized, false))
    );
    assert!(place.is_open(first) && !place.is_open(wires[0]));
    place.decide(&questions[2]);
    place.settle();
    assert_eq!(place.connack(wires[2]), Some((ReasonCode::Success, true)));
    assert_eq!(place.disconnect(first), Some(ReasonCode::SessionTakenOver));
    place.decide(&questions[1]);
    place.settle();
    assert_eq!(place.connack(wires[1]), Some((ReasonCode::Success, true)));
    assert_eq!(
        place.disconnect(wires[2]),
        Some(ReasonCode::SessionTakenOver)
    );
    place.publish(wires[1], "a", "hi", Qos::AtLeastOnce);
    assert_eq!(
        place.payloads(wires[1]),
        ["hi"],
        "the subscription is there"
    );
}
