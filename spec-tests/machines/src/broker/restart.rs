//! A broker that is made of its records (sections 4.1, 4.4), in the middle of anything.

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::journal::{Batch, Restoring};
use mqtt5_session_fsm::broker::{BrokerConfig, BrokerLimits, Notice, Step};
use mqtt5_session_fsm::codec::{Delivery, Packet, Publish, Qos, ReasonCode, TopicName};

use crate::broker::place::{Gone, Place, WILL, Who, encode, id, persistent, up_to, who};

crate::check::checks! {
    "restart":
    broker {
        Example a_slice_of_a_snapshot_may_be_empty,
        Example a_full_batch_waits_for_the_host,
        Example a_restored_broker_knows_the_time,
        Example restarts_prolong_no_session,
        Example in_flight_and_waiting,
        Example a_restart_loses_nothing,
    }
}

/// A snapshot in the smallest slices, some of which find nothing: it ends when it says so, and not before.
fn a_slice_of_a_snapshot_may_be_empty() {
    let mut place = Place::new(persistent());
    for name in ["a", "b", "c", "d"] {
        let wire = place.connect(&who(name).lasting(100));
        place.subscribe(wire, name, Qos::AtLeastOnce);
    }
    // Two that are no more, behind which there is one.
    for name in ["b", "c"] {
        let wire = place.resume(&who(name).lasting(0));
        place.cut(wire);
    }
    let mut snapshot = place.broker.snapshot();
    let (mut bytes, mut restoring) = (b"old".to_vec(), Restoring::new(place.config));
    while (place.broker).snapshot_slice(&mut snapshot, &mut 1, &mut bytes) {
        let mut log = &bytes[..];
        while let Some(batch) = Batch::take(&mut log).unwrap() {
            for record in batch.records() {
                restoring.record(record.key, record.value);
            }
        }
    }
    assert!(bytes.is_empty());
    let restored = restoring.finish(place.now).unwrap();
    assert!(
        restored
            .session_of("d")
            .is_some_and(|it| it.subscriptions().count() == 1)
    );
    assert_eq!(restored.sessions().count(), 2);
    assert!(restored.last_record() >= place.broker.last_record());
}

/// As long as the host has a batch to take, nothing asks to be called in vain.
fn a_full_batch_waits_for_the_host() {
    let limits = BrokerLimits {
        batch_bytes: 1,
        ..BrokerLimits::default()
    };
    let mut place = Place::new(BrokerConfig {
        limits,
        ..persistent()
    });
    let one = place.connect(&who("one").lasting(100));
    place.subscribe(one, "a", Qos::AtLeastOnce);
    let key = place.wire(one).key.unwrap();
    let publish = |number| {
        encode(&Packet::Publish(Publish {
            delivery: Delivery::new(Qos::AtLeastOnce, id(number), false),
            ..Publish::new(TopicName::new("a").unwrap(), b"")
        }))
    };
    let both = [publish(7), publish(8)].concat();
    let mut input = &both[..];
    let (now, policy) = (place.now, place.policy);
    let broker = &mut place.broker;
    assert_eq!(broker.receive(now, key, &mut input, policy), Ok(Step::Wait));
    assert!(!input.is_empty());
    while let Some(notice) = broker.poll() {
        assert_ne!(notice, Notice::Readable(key));
    }
    assert_eq!(broker.next_timeout(), Instant::NEVER);
    let mut draining = broker.clone();
    draining.drain(now, ReasonCode::ServerShuttingDown, None);
    assert!(!draining.work(now, &mut 1));
    let _ = draining.take_batch(&mut Vec::new());
    assert!(draining.work(now, &mut 0));
    assert_eq!(
        broker.take_batch(&mut Vec::new()),
        Some(broker.last_record())
    );
    assert_ne!(broker.next_timeout(), Instant::NEVER);
    assert_eq!(broker.poll(), Some(Notice::Readable(key)));
    let _ = broker.receive(now, key, &mut input, policy).unwrap();
    assert!(input.is_empty());
}

/// The clock of the restart is behind: the broker says from when it goes on.
fn a_restored_broker_knows_the_time() {
    let mut place = Place::new(persistent());
    let wire = place.connect(&who("one").lasting(100));
    place.pass(5_000);
    place.subscribe(wire, "a", Qos::AtLeastOnce);
    let (last, now) = (place.broker.last_record(), place.now);
    assert_eq!(place.broker.now(), now);
    for (clock, expected) in [
        (Instant::ORIGIN, now),
        (
            Instant::from_millis(now.as_millis() + 1),
            Instant::from_millis(now.as_millis() + 1),
        ),
    ] {
        let restored = place.restoring().finish(clock).unwrap();
        assert_eq!(restored.now(), expected);
        assert!(restored.last_record() >= last);
    }
}

/// A Session that had a connection when the broker was lost is away from then on (section 3.1.2.11.2), and its Will
/// Delay Interval runs (section 3.1.3.2.2). Further restarts prolong neither.
fn restarts_prolong_no_session() {
    let mut place = Place::new(persistent());
    let will = Gone {
        delay: Some(8),
        ..WILL
    };
    place.connect(&who("one").lasting(10).with_will(will));
    for passed in [3, 6, 9, 12] {
        place.restart();
        place.pass(3_000);
        let published = place.broker.statistics().published;
        assert_eq!(published, u64::from(passed == 9), "{passed} s");
        let lives = place.broker.session_of("one").is_some();
        assert_eq!(lives, passed < 10, "{passed} s");
    }
}

/// Messages in flight, acknowledged in part, and waiting, when the connection breaks and the broker is made anew: each arrives
/// once.
fn in_flight_and_waiting() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for offline in 0..3 {
            for acknowledged in 0..8 {
                for resumed in [false, true] {
                    let mut place = Place::new(persistent());
                    let publisher = place.connect(&who("publisher"));
                    let it = Who {
                        receive_maximum: Some(2),
                        ..who("one").lasting(100)
                    };
                    let mut one = place.connect(&it);
                    place.subscribe(one, "a", Qos::ExactlyOnce);
                    if resumed {
                        place.cut(one);
                        one = place.resume(&it);
                    }
                    place.wire(one).answers = false;
                    for number in 0..7 - offline {
                        place.publish(publisher, "a", &number.to_string(), qos);
                    }
                    let mut got = Vec::new();
                    for _ in 0..acknowledged {
                        for message in place.take(one).into_iter().take(2) {
                            let number = message.packet_identifier.unwrap().get();
                            let [high, low] = number.to_be_bytes();
                            if qos == Qos::AtLeastOnce {
                                place.send(one, &[0x40, 2, high, low]);
                            } else {
                                place.send(one, &[0x50, 2, high, low, 0x70, 2, high, low]);
                            }
                            got.push(message.payload);
                        }
                    }
                    let in_flight = place.take(one);
                    place.cut(one);
                    for number in 7 - offline..7 {
                        place.publish(publisher, "a", &number.to_string(), qos);
                    }
                    place.restart();
                    let one = place.resume(&it);
                    let what = format!("{qos:?} {offline} {acknowledged} {resumed}");
                    let rest = place.take(one);
                    for (index, message) in rest.iter().enumerate() {
                        // [MQTT-4.4.0-1]: again, with the same Packet Identifier, and DUP [MQTT-3.3.1-1].
                        let identifier = in_flight.get(index).map(|it| it.packet_identifier);
                        let is_known = identifier == Some(message.packet_identifier);
                        assert_eq!(
                            (message.duplicate, is_known),
                            (identifier.is_some(), identifier.is_some()),
                            "{what}"
                        );
                    }
                    got.extend(rest.into_iter().map(|it| it.payload));
                    assert_eq!(got, ["0", "1", "2", "3", "4", "5", "6"], "{what}");
                }
            }
        }
    }
}

/// Sections 4.1, 4.3: what was acknowledged to a publisher survives the end of the Server's process, and so do
/// subscriptions and retained messages; what the subscriber has acknowledged does not come again.
fn a_restart_loses_nothing() {
    let mut place = Place::new(persistent());
    let one = place.connect(&who("one"));
    let it = who("it").lasting(100);
    let other = place.connect(&it);
    place.subscribe_as(other, "a/#", up_to(Qos::ExactlyOnce), Some(7));
    place.cut(other);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        place.publish(one, "a/b", "hi", qos);
    }
    place.retain(one, "r", "kept");
    place.restart();
    let other = place.resume(&it);
    let got: Vec<_> = place
        .take(other)
        .into_iter()
        .map(|it| (it.qos, it.identifiers))
        .collect();
    assert_eq!(
        got,
        [(Qos::AtLeastOnce, vec![7]), (Qos::ExactlyOnce, vec![7])]
    );
    let one = place.connect(&who("one"));
    place.subscribe(one, "r", Qos::ExactlyOnce);
    assert_eq!(place.payloads(one), ["kept"], "the retained message");
    place.publish(one, "a/c", "new", Qos::ExactlyOnce);
    assert_eq!(place.payloads(other), ["new"], "the subscription");
    place.restart();
    let other = place.resume(&it);
    assert_eq!(place.take(other), []);
}
