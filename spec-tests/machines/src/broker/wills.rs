//! Will Messages (sections 3.1.2.5, 3.1.3.2, 3.14.4).

use mqtt5_session_fsm::broker::{BrokerConfig, Permission};
use mqtt5_session_fsm::codec::{Qos, ReasonCode};
use mqtt5_session_fsm::{Instant, Limits, ServerConfig};

use crate::broker::place::{Gone, Place, WILL, persistent, who};

crate::check::checks! {
    "wills":
    broker {
        Example which_ends_publish_it,
        Example delay_and_the_end_of_the_session,
        Example a_new_connection_within_the_delay,
        Example takeover,
        Example the_next_connection_has_its_own,
        Example it_is_a_message_like_any_other,
        Example wills_that_the_server_does_not_support,
        Example it_was_authorized_with_the_connect,
        Example a_storm,
        Example to_itself,
        Example disconnect_changes_the_expiry,
        Example no_will_before_it_is_accepted,
        Example a_right_that_is_withdrawn,
    }
}

pub(super) fn delayed(delay: u32) -> Gone {
    Gone {
        delay: Some(delay),
        ..WILL
    }
}

pub(super) fn place(config: BrokerConfig) -> (Place, usize) {
    let mut place = Place::new(config);
    let watcher = place.connect(&who("watcher").lasting(10_000));
    place.subscribe(watcher, "will", Qos::ExactlyOnce);
    (place, watcher)
}

pub(super) fn later(place: &mut Place, milliseconds: u64) {
    place.now = Instant::from_millis(place.now.as_millis() + milliseconds);
}

/// [MQTT-3.1.2-10], [MQTT-3.14.4-3]: a DISCONNECT with 0x00 deletes it; any other end publishes it.
fn which_ends_publish_it() {
    type End = (&'static str, fn(&mut Place, usize), usize);
    let ends: [End; 8] = [
        ("DISCONNECT", |place, it| place.send(it, &[0xE0, 0]), 0),
        (
            "DISCONNECT 0x00",
            |place, it| place.send(it, &[0xE0, 1, 0]),
            0,
        ),
        (
            "DISCONNECT 0x04",
            |place, it| place.send(it, &[0xE0, 1, 4]),
            1,
        ),
        (
            "DISCONNECT 0x80",
            |place, it| place.send(it, &[0xE0, 1, 0x80]),
            1,
        ),
        ("lost", |place, it| place.cut(it), 1),
        ("malformed", |place, it| place.send(it, &[0x00, 0]), 1),
        (
            "kicked",
            |place, _| {
                place
                    .broker
                    .kick(place.now, "it", ReasonCode::AdministrativeAction, &[]);
                place.settle();
            },
            1,
        ),
        ("keep alive", |place, _| place.pass(16_000), 1),
    ];
    for (name, end, wills) in ends {
        for lasting in [0, 100] {
            let (mut place, watcher) = place(persistent());
            let mut it = who("it").lasting(lasting).with_will(WILL);
            it.keep_alive = 10;
            let wire = place.connect(&it);
            end(&mut place, wire);
            assert!(!place.is_open(wire), "{name}");
            assert_eq!(place.take(watcher).len(), wills, "{name} {lasting}");
            place.pass(200_000);
            assert_eq!(place.take(watcher), [], "{name} {lasting}: once");
            place.restart();
            let watcher = place.resume(&who("watcher").lasting(10_000));
            assert_eq!(place.take(watcher), [], "{name} {lasting}: once");
        }
    }
}

/// It is due after the delay or with the end of the Session, whichever comes first [MQTT-3.1.2-8]; never earlier.
fn delay_and_the_end_of_the_session() {
    for restarts in [false, true] {
        for (delay, expiry, due) in [
            (10, 100, 10),
            (100, 10, 10),
            (10, 10, 10),
            (10, 0, 0),
            (0, 10, 0),
        ] {
            let (mut place, mut watcher) = place(persistent());
            let wire = place.connect(&who("it").lasting(expiry).with_will(delayed(delay)));
            place.cut(wire);
            if restarts && due > 0 {
                place.restart();
                place.pass(0);
                watcher = place.resume(&who("watcher").lasting(10_000));
            }
            let what = format!("{delay} {expiry} {restarts}");
            if due > 0 {
                place.pass(due * 1000 - 1);
                assert_eq!(place.take(watcher), [], "{what}");
                place.pass(1);
            }
            assert_eq!(place.take(watcher).len(), 1, "{what}");
            place.pass(1_000_000);
            assert_eq!(place.take(watcher), [], "{what}");
        }
    }
}

/// [MQTT-3.1.3-9]: a new connection to the Session before the delay has passed: not sent. With Clean Start the Session ends,
/// which sends it.
fn a_new_connection_within_the_delay() {
    for restarts in [false, true] {
        for resumes in [false, true] {
            let (mut place, mut watcher) = place(persistent());
            let it = who("it").lasting(100);
            let wire = place.connect(&it.clone().with_will(delayed(50)));
            place.cut(wire);
            later(&mut place, 20_000);
            if restarts {
                place.restart();
                watcher = place.resume(&who("watcher").lasting(10_000));
            }
            if resumes {
                place.resume(&it);
            } else {
                place.connect(&it);
            }
            let what = format!("{restarts} {resumes}");
            assert_eq!(place.take(watcher).len(), usize::from(!resumes), "{what}");
            place.pass(80_000);
            assert_eq!(place.take(watcher), [], "{what}");
        }
    }
}

/// A takeover: the old connection is closed, so its Will is due at once without a delay; with one it is cancelled, unless the
/// Session ends (section 3.1.4, non-normative comment; [MQTT-3.1.4-3]).
fn takeover() {
    for (delay, resumes, wills) in [(0, true, 1), (0, false, 1), (10, true, 0), (10, false, 1)] {
        let (mut place, watcher) = place(persistent());
        let it = who("it").lasting(100);
        let old = place.connect(&it.clone().with_will(delayed(delay)));
        let it = it.with_will(Gone {
            payload: "gone again",
            ..WILL
        });
        let new = if resumes {
            place.resume(&it)
        } else {
            place.connect(&it)
        };
        assert_eq!(place.disconnect(old), Some(ReasonCode::SessionTakenOver));
        assert_eq!(
            place.payloads(watcher),
            vec!["gone"; wills],
            "{delay} {resumes}"
        );
        place.pass(50_000);
        assert_eq!(place.take(watcher), [], "the new connection lives");
        place.cut(new);
        assert_eq!(place.payloads(watcher), ["gone again"]);
    }
}

/// The Will of a connection replaces the one before it; a connection without one has none.
fn the_next_connection_has_its_own() {
    for (second, wills) in [(None, vec![]), (Some("second"), vec!["second"])] {
        let (mut place, watcher) = place(persistent());
        let it = who("it").lasting(100);
        let wire = place.connect(&it.clone().with_will(delayed(10)));
        place.cut(wire);
        let again = second.map_or(it.clone(), |payload| {
            it.clone().with_will(Gone { payload, ..WILL })
        });
        let wire = place.resume(&again);
        place.restart();
        place.pass(0);
        let _ = wire;
        let mut found = place.payloads(watcher);
        let watcher = place.resume(&who("watcher").lasting(10_000));
        found.extend(place.payloads(watcher));
        assert_eq!(found, wills);
        place.pass(200_000);
        assert_eq!(place.take(watcher), []);
    }
}

/// QoS, RETAIN, properties: through the same path as a PUBLISH [MQTT-3.1.2-14], [MQTT-3.1.2-15]; its Message Expiry begins
/// when it is published.
fn it_is_a_message_like_any_other() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for retain in [false, true] {
            let (mut place, watcher) = place(persistent());
            let will = Gone {
                qos,
                retain,
                expiry: Some(60),
                ..delayed(50)
            };
            let wire = place.connect(&who("it").lasting(100).with_will(will));
            place.cut(wire);
            place.pass(50_000);
            let got = place.take(watcher).remove(0);
            assert_eq!((got.qos, got.retain, got.expiry), (qos, false, Some(60)));
            assert!(
                got.properties.is_empty(),
                "no Will Delay: {:?}",
                got.properties
            );
            place.pass(20_000);
            place.restart();
            let late = place.connect(&who("late"));
            place.subscribe(late, "will", Qos::ExactlyOnce);
            let got: Vec<_> = place
                .take(late)
                .into_iter()
                .map(|it| (it.qos, it.retain, it.expiry))
                .collect();
            let expected: &[_] = if retain {
                &[(qos, true, Some(40))]
            } else {
                &[]
            };
            assert_eq!(got, expected);
        }
    }
}

/// A Will with a QoS or RETAIN that the Server does not have: 0x9B, 0x9A [MQTT-3.2.2-12], [MQTT-3.2.2-13].
fn wills_that_the_server_does_not_support() {
    let limited = |limits| BrokerConfig {
        server: ServerConfig {
            limits,
            ..ServerConfig::default()
        },
        ..BrokerConfig::default()
    };
    let no_retain = Limits {
        retain_available: false,
        ..Limits::NONE
    };
    let no_qos = Limits {
        maximum_qos: Qos::AtMostOnce,
        ..Limits::NONE
    };
    for (limits, will, code) in [
        (
            no_retain,
            Gone {
                retain: true,
                ..WILL
            },
            ReasonCode::RetainNotSupported,
        ),
        (no_qos, WILL, ReasonCode::QosNotSupported),
    ] {
        let mut place = Place::new(limited(limits));
        let wire = place.open();
        place.send(wire, &who("it").with_will(will).bytes());
        assert_eq!(place.connack(wire), Some((code, false)));
        assert!(!place.is_open(wire));
    }
}

/// The policy for messages is not asked for Wills: they were authorized with the CONNECT.
fn it_was_authorized_with_the_connect() {
    let (mut place, watcher) = place(persistent());
    place.policy = |_| Permission::Refuse(ReasonCode::NotAuthorized);
    let wire = place.connect(&who("it").with_will(WILL));
    place.cut(wire);
    assert_eq!(place.take(watcher).len(), 1);
}

/// Many Wills at once, and a small budget: all come, in the order in which they are due, before the ends of their Sessions.
fn a_storm() {
    let (mut place, watcher) = place(persistent());
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let wires: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(index, payload)| {
            let will = Gone {
                payload,
                ..delayed(40 - index as u32)
            };
            place.connect(&who(payload).lasting(40).with_will(will))
        })
        .collect();
    for wire in wires {
        place.cut(wire);
    }
    later(&mut place, 100_000);
    let mut calls = 0;
    while place.broker.next_timeout() <= place.now {
        place.broker.handle_timeout(place.now, &mut 1);
        place.settle();
        calls += 1;
        assert!(calls < 1000);
    }
    let mut expected = names.to_vec();
    expected.reverse();
    assert_eq!(place.payloads(watcher), expected);
}

/// A Will to the client's own Session, which is away: it waits there like any other message.
fn to_itself() {
    let mut place = Place::new(persistent());
    let it = who("it").lasting(100).with_will(WILL);
    let wire = place.connect(&it);
    place.subscribe(wire, "will", Qos::AtLeastOnce);
    place.cut(wire);
    let wire = place.resume(&it);
    assert_eq!(place.payloads(wire), ["gone"]);
}

/// A DISCONNECT with another Session Expiry Interval: the Will is due with the end that results.
fn disconnect_changes_the_expiry() {
    let (mut place, watcher) = place(persistent());
    let wire = place.connect(&who("it").lasting(100).with_will(delayed(50)));
    // 0x04, Session Expiry Interval 5.
    place.send(wire, &[0xE0, 7, 4, 5, 0x11, 0, 0, 0, 5]);
    assert!(!place.is_open(wire));
    place.pass(4_999);
    assert_eq!(place.take(watcher), []);
    place.pass(1);
    assert_eq!(place.take(watcher).len(), 1);
}

/// A CONNECT that is refused has no Will, nor one whose connection ends before its answer.
fn no_will_before_it_is_accepted() {
    let (mut place, watcher) = place(persistent());
    place.decides = false;
    let wire = place.open();
    place.send(wire, &who("it").with_will(WILL).bytes());
    let question = place.questions.pop().unwrap();
    place.cut(wire);
    place.decide(&question);
    place.settle();
    assert_eq!(place.take(watcher), []);
}

/// The host takes the right to a Will back: while its client is connected, and while it is delayed.
fn a_right_that_is_withdrawn() {
    for connected in [false, true] {
        for restarts in [false, true] {
            let (mut place, watcher) = place(persistent());
            let it = place.connect(&who("it").lasting(100).with_will(delayed(10)));
            if !connected {
                place.cut(it);
            }
            let now = place.now;
            assert!(!place.broker.withdraw_will(now, "watcher"), "has none");
            assert!(!place.broker.withdraw_will(now, "nobody"));
            assert!(place.broker.withdraw_will(now, "it"));
            assert!(!place.broker.withdraw_will(now, "it"), "gone already");
            if connected {
                place.cut(it);
            }
            place.settle();
            if restarts {
                place.restart();
            }
            place.pass(20_000);
            let watcher = match restarts {
                true => place.resume(&who("watcher").lasting(10_000)),
                false => watcher,
            };
            assert_eq!(place.take(watcher), []);
        }
    }
}
