//! Sessions: resume, takeover, ends, whose they are (sections 3.1.2.4, 3.1.2.11.2, 3.1.3.1, 3.1.4, 4.1).

use mqtt5_session_fsm::broker::{
    Admission, AnswerError, BrokerConfig, BrokerLimits, DropReason, Notice, Recipient, Verdict,
};
use mqtt5_session_fsm::codec::{Packet, Qos, ReasonCode};

use crate::broker::place::{Place, Who, persistent, who};

crate::check::checks! {
    "sessions":
    broker {
        Example clean_start_and_session_present,
        Example a_session_belongs_to_its_principal,
        Example assigned_client_identifiers,
        Example expiry,
        Example a_connect_just_after_the_end,
        Example expiry_over_several_restarts,
        Example disconnect_changes_the_expiry,
        Example each_connection_has_its_own_expiry,
        Example messages_of_a_session_that_ends,
        Example the_limit_of_sessions,
        Example the_limit_of_connections,
        Example messages_wait_for_an_absent_client,
    }
}

fn ended(place: &mut Place, name: &str) -> usize {
    let is_it = |it: &Notice| matches!(it, Notice::SessionEnded { client_identifier } if &**client_identifier == name);
    let count = place.notices.iter().filter(|it| is_it(it)).count();
    place.notices.retain(|it| !is_it(it));
    count
}

/// [MQTT-3.1.2-4] to [MQTT-3.1.2-6], [MQTT-3.2.2-2], [MQTT-3.2.2-3].
fn clean_start_and_session_present() {
    for restarts in [false, true] {
        let mut place = Place::new(persistent());
        let it = who("it").lasting(100);
        let wire = place.open();
        place.send(wire, &it.clone().resuming().bytes());
        assert_eq!(place.connack(wire), Some((ReasonCode::Success, false)));
        place.subscribe(wire, "a", Qos::AtLeastOnce);
        if restarts {
            place.restart();
        }
        let wire = place.resume(&it);
        place.publish(wire, "a", "hi", Qos::AtLeastOnce);
        assert_eq!(place.take(wire).len(), 1);
        let wire = place.connect(&it);
        assert_eq!(ended(&mut place, "it"), 1);
        place.publish(wire, "a", "hi", Qos::AtLeastOnce);
        assert_eq!(place.take(wire), []);
    }
}

/// A Session is never resumed by another principal, nor ended by one: 0x85; not after a restart either.
fn a_session_belongs_to_its_principal() {
    for resumes in [false, true] {
        for connected in [false, true] {
            let mut place = Place::new(persistent());
            let alice = Who {
                principal: "alice",
                ..who("it").lasting(100)
            };
            let bob = Who {
                principal: "bob",
                resumes,
                ..alice.clone()
            };
            let mut wire = place.connect(&alice);
            place.subscribe(wire, "a", Qos::AtLeastOnce);
            if !connected {
                place.cut(wire);
                place.restart();
            }
            let other = place.open();
            place.send(other, &bob.bytes());
            let code = Some((ReasonCode::ClientIdentifierNotValid, false));
            assert_eq!(place.connack(other), code, "{resumes} {connected}");
            assert_eq!(ended(&mut place, "it"), 0);
            if !connected {
                wire = place.resume(&alice);
            }
            place.publish(wire, "a", "hi", Qos::AtLeastOnce);
            assert_eq!(place.take(wire).len(), 1, "{resumes} {connected}");
            place.cut(wire);
            place.pass(100_000);
            let other = place.open();
            place.send(other, &bob.bytes());
            assert_eq!(
                place.connack(other),
                Some((ReasonCode::Success, false)),
                "it has ended"
            );
        }
    }
}

/// [MQTT-3.1.3-6], [MQTT-3.1.3-7], [MQTT-3.2.2-16]: an empty ClientID gets one that nobody has.
fn assigned_client_identifiers() {
    let mut place = Place::new(persistent());
    let taken = place.connect(&who("taken").lasting(100));
    place.decides = false;
    let wire = place.open();
    place.send(wire, &who("").lasting(100).bytes());
    let question = place.questions.pop().unwrap();
    let now = place.now;
    for assigned in [None, Some("")] {
        let admission = Admission {
            assigned,
            ..Admission::of("somebody")
        };
        let answered = place
            .broker
            .answer_connect(now, &question, &Verdict::Accept(admission));
        assert!(answered.is_err(), "{assigned:?}");
        place.settle();
        assert!(
            place.packets(wire).is_empty(),
            "it still waits for an answer"
        );
    }
    let admission = Admission {
        assigned: Some("fresh"),
        ..Admission::of("somebody")
    };
    place
        .broker
        .answer_connect(now, &question, &Verdict::Accept(admission))
        .unwrap();
    place.settle();
    let assigned = place.find(wire, |packet| match packet {
        Packet::ConnAck(it) => it
            .properties
            .assigned_client_identifier()
            .map(|it| it.to_string()),
        _ => None,
    });
    assert_eq!(assigned.as_deref(), Some("fresh"));
    let other = place.open();
    place.send(other, &who("").lasting(100).bytes());
    let question = place.questions.pop().unwrap();
    let admission = Admission {
        assigned: Some("taken"),
        ..Admission::of("somebody")
    };
    let answered = place
        .broker
        .answer_connect(now, &question, &Verdict::Accept(admission));
    assert_eq!(answered, Err(AnswerError::ClientIdentifierExists));
    place.settle();
    assert!(place.is_open(taken));
    // The host chooses again.
    let admission = Admission {
        assigned: Some("free"),
        ..admission
    };
    place
        .broker
        .answer_connect(now, &question, &Verdict::Accept(admission))
        .unwrap();
    place.settle();
    assert_eq!(place.connack(other), Some((ReasonCode::Success, false)));
    place.decides = true;
    place.subscribe(wire, "a", Qos::AtLeastOnce);
    place.cut(wire);
    place.restart();
    let wire = place.resume(&who("fresh").lasting(100));
    place.publish(wire, "a", "hi", Qos::AtLeastOnce);
    assert_eq!(place.take(wire).len(), 1);
}

/// Section 3.1.2.11.2: the Session ends when its interval has passed without a connection, not before; 0xFFFFFFFF never.
fn expiry() {
    for restarts in [false, true] {
        for (expiry, pause, lives) in [
            (10, 9_999, true),
            (10, 10_000, false),
            (u32::MAX, 10_000_000_000, true),
        ] {
            let mut place = Place::new(persistent());
            let it = who("it").lasting(expiry);
            let wire = place.connect(&it);
            place.pass(100_000);
            place.cut(wire);
            if restarts {
                place.restart();
            }
            place.pass(pause);
            assert_eq!(ended(&mut place, "it"), usize::from(!lives));
            let wire = place.open();
            place.send(wire, &it.clone().resuming().bytes());
            assert_eq!(
                place.connack(wire),
                Some((ReasonCode::Success, lives)),
                "{expiry} {restarts}"
            );
        }
    }
}

/// The Session has ended although nobody has called `handle_timeout` yet: the CONNECT comes first.
fn a_connect_just_after_the_end() {
    let mut place = Place::new(persistent());
    let it = who("it").lasting(10);
    let wire = place.connect(&it);
    place.cut(wire);
    place.now = mqtt5_session_fsm::Instant::from_millis(place.now.as_millis() + 10_000);
    let wire = place.open();
    place.send(wire, &it.clone().resuming().bytes());
    assert_eq!(place.connack(wire), Some((ReasonCode::Success, false)));
    assert_eq!(ended(&mut place, "it"), 1);
}

/// The interval goes on over several restarts: the first one is when the connection was lost.
fn expiry_over_several_restarts() {
    let mut place = Place::new(persistent());
    place.connect(&who("it").lasting(100));
    for _ in 0..3 {
        place.restart();
        place.pass(40_000);
    }
    assert_eq!(ended(&mut place, "it"), 1);
}

/// [MQTT-3.14.2-2]: a DISCONNECT changes the interval, but not from 0 (Protocol Error).
fn disconnect_changes_the_expiry() {
    const FIVE: [u8; 9] = [0xE0, 7, 0, 5, 0x11, 0, 0, 0, 5];
    const ZERO: [u8; 9] = [0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0];
    for (before, bytes, after) in [
        (100, FIVE, Some(5)),
        (100, ZERO, Some(0)),
        (0, FIVE, None),
        (0, ZERO, Some(0)),
    ] {
        for restarts in [false, true] {
            let mut place = Place::new(persistent());
            let it = who("it").lasting(before);
            let wire = place.connect(&it);
            place.send(wire, &bytes);
            assert!(!place.is_open(wire));
            let Some(after) = after else {
                assert_eq!(place.disconnect(wire), Some(ReasonCode::ProtocolError));
                continue;
            };
            if after > 0 {
                place.pass(after * 1000 - 1);
                assert_eq!(ended(&mut place, "it"), 0);
                if restarts {
                    place.restart();
                }
                place.pass(1);
            }
            assert_eq!(ended(&mut place, "it"), 1, "{before} {after}");
            assert_eq!(place.map.keys().filter(|it| it[0] == 1).count(), 0);
        }
    }
}

/// Each connection has its own interval: it may be longer or shorter than that of the one before.
fn each_connection_has_its_own_expiry() {
    let mut place = Place::new(persistent());
    let wire = place.connect(&who("it").lasting(10));
    place.cut(wire);
    let wire = place.resume(&who("it").lasting(1000));
    place.cut(wire);
    place.pass(999_000);
    let wire = place.resume(&who("it"));
    place.cut(wire);
    assert_eq!(ended(&mut place, "it"), 1);
}

/// The Session ends with messages in flight and waiting: each is counted and said.
fn messages_of_a_session_that_ends() {
    for expires in [false, true] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let it = Who {
            receive_maximum: Some(1),
            ..who("it").lasting(10)
        };
        let wire = place.connect(&it);
        place.subscribe(wire, "a", Qos::ExactlyOnce);
        place.wire(wire).answers = false;
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::AtLeastOnce] {
            place.publish(publisher, "a", "hi", qos);
        }
        place.cut(wire);
        if expires {
            place.pass(10_000);
        } else {
            place.connect(&it);
        }
        let dropped = place.notices.iter().filter(|it| {
            matches!(
                it,
                Notice::Dropped {
                    recipient: Recipient::Client(name),
                    reason: DropReason::SessionEnded
                } if &**name == "it"
            )
        });
        assert_eq!(dropped.count(), 3, "{expires}: {:?}", place.notices);
        assert_eq!(place.broker.statistics().dropped, 3);
        assert_eq!(
            place.map.keys().filter(|it| it[0] == 2).count(),
            0,
            "bodies"
        );
    }
}

/// The limit of Sessions does not count the one that is taken over or resumed; at the limit a new one is refused with 0x97.
fn the_limit_of_sessions() {
    let config = BrokerConfig {
        limits: BrokerLimits {
            sessions: 2,
            ..BrokerLimits::default()
        },
        ..persistent()
    };
    let mut place = Place::new(config);
    let one = who("one").lasting(100);
    let wire = place.connect(&one);
    place.connect(&who("two"));
    place.resume(&one);
    let again = place.connect(&one);
    place.cut(wire);
    let refused = place.open();
    place.send(refused, &who("three").bytes());
    assert_eq!(
        place.connack(refused),
        Some((ReasonCode::QuotaExceeded, false))
    );
    let told = place.notices.iter().any(|it| {
        matches!(it, Notice::Refused { client_identifier, reason_code: ReasonCode::QuotaExceeded } if &**client_identifier == "three")
    });
    assert!(told);
    place.cut(again);
    place.pass(100_000);
    place.connect(&who("three"));
}

/// The limit of connections: `connected` refuses with 0x97; one that is over frees its place.
fn the_limit_of_connections() {
    let config = BrokerConfig {
        limits: BrokerLimits {
            connections: 2,
            ..BrokerLimits::default()
        },
        ..BrokerConfig::default()
    };
    let mut place = Place::new(config);
    let wires = [place.open(), place.open()];
    assert_eq!(
        place.broker.connected(place.now),
        Err(ReasonCode::QuotaExceeded)
    );
    place.cut(wires[0]);
    place.open();
    place.pass(11_000);
    assert!(!place.is_open(wires[1]), "no CONNECT came");
    place.open();
}

/// [MQTT-4.5.0-1]: what comes while a client is away waits for it at QoS 1 and 2, until its Session ends.
fn messages_wait_for_an_absent_client() {
    let mut place = Place::new(persistent());
    let one = place.connect(&who("one"));
    let it = who("it").lasting(100);
    let other = place.connect(&it);
    place.subscribe(other, "a", Qos::ExactlyOnce);
    place.cut(other);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        place.publish(one, "a", "hi", qos);
    }
    let other = place.resume(&it);
    let got: Vec<_> = place.take(other).into_iter().map(|it| it.qos).collect();
    assert_eq!(got, [Qos::AtLeastOnce, Qos::ExactlyOnce]);
    place.cut(other);
    place.publish(one, "a", "hi", Qos::AtLeastOnce);
    place.pass(100_000);
    let other = place.open();
    place.send(other, &it.resuming().bytes());
    assert_eq!(place.connack(other), Some((ReasonCode::Success, false)));
    place.publish(one, "a", "hi", Qos::AtLeastOnce);
    assert_eq!(place.take(other), [], "its subscriptions have ended, too");
}
