//! Records: gapless, in any order, repeatedly, damaged, left over; and QoS 2 over an end at each of them (sections 4.1, 4.3.3).

use std::collections::BTreeMap;

use mqtt5_session_fsm::broker::journal::{Batch, Restoring};
use mqtt5_session_fsm::codec::{
    Delivery, Packet, Properties, Property, Publish, Qos, TopicFilter, TopicName,
};
use mqtt5_session_fsm::{Instant, WhenFull};

use crate::broker::place::{Gone, Place, WILL, Who, encode, id, persistent, up_to, who};

crate::check::checks! {
    "records":
    broker {
        Example any_suffix_again,
        Example any_order,
        Example an_end_after_each_batch,
        Example damaged_and_missing_records,
        Example another_clock,
        Example exactly_once_over_an_end_at_each_step,
        Example a_message_goes_with_its_record,
    }
}

/// A broker with something of everything.
fn rich() -> Place {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher").lasting(1000));
    let one = place.connect(&Who {
        receive_maximum: Some(2),
        ..who("one").lasting(1000)
    });
    let will = Gone {
        delay: Some(50),
        ..WILL
    };
    let away = place.connect(&who("away").lasting(1000).with_will(will));
    place.subscribe_as(one, "a/#", up_to(Qos::ExactlyOnce), Some(7));
    place.subscribe(one, "$share/g/s", Qos::AtLeastOnce);
    place.subscribe(away, "+/b", Qos::ExactlyOnce);
    place.subscribe(away, "$share/h/s", Qos::ExactlyOnce);
    for number in 0..3 {
        place.retain(publisher, &format!("r/{number}"), "kept");
    }
    place.wire(one).answers = false;
    place.cut(away);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for topic in ["a/b", "s"] {
            place.publish(publisher, topic, "hi", qos);
        }
    }
    place.subscribe(one, "r/#", Qos::AtLeastOnce);
    place.retain(publisher, "r/1", "");
    place.unsubscribe(one, "nothing");
    place
}

/// What each Client gets of it, once all have come again.
fn outcome(place: &mut Place) -> Vec<Vec<String>> {
    let names = ["one", "away", "publisher"];
    let mut all = Vec::new();
    for name in names {
        let wire = place.resume(&who(name).lasting(1000));
        let got = place.take(wire).into_iter();
        let mut got: Vec<_> = got
            .map(|it| {
                format!(
                    "{} {} {:?} {} {} {:?}",
                    it.topic, it.payload, it.qos, it.retain, it.duplicate, it.identifiers
                )
            })
            .collect();
        got.sort();
        all.push(got);
    }
    all
}

/// The map, the whole journal in its order, and the journal applied again from any record on, make the same broker.
fn any_suffix_again() {
    let mut place = rich();
    let config = place.config;
    let now = place.now;
    let log = place.log.clone();
    place.restart();
    let expected = outcome(&mut place);
    assert!(
        expected[0].len() > 4 && expected[1].len() > 3,
        "{expected:?}"
    );
    for from in 0..=log.len() {
        let mut restoring = Restoring::new(config);
        for mut bytes in log.iter().chain(&log[from..]).map(|it| &it[..]) {
            let batch = Batch::take(&mut bytes).unwrap().unwrap();
            for record in batch.records() {
                restoring.record(record.key, record.value);
            }
        }
        let mut again = rich();
        again.broker = restoring.finish(now).unwrap();
        let last = again.log.len();
        let mut other = Place::new(config);
        other.now = now;
        other.adopt(again.broker, &log[..last]);
        assert_eq!(outcome(&mut other), expected, "from {from}");
    }
}

/// The order of the records of a map does not matter.
fn any_order() {
    let mut place = rich();
    let map: Vec<_> = place.map.clone().into_iter().collect();
    let (config, now, log) = (place.config, place.now, place.log.clone());
    place.restart();
    let expected = outcome(&mut place);
    for shift in 0..map.len() {
        let mut restoring = Restoring::new(config);
        for (key, value) in map[shift..].iter().chain(&map[..shift]).rev() {
            restoring.record(key, Some(value));
        }
        let broker = restoring.finish(now).unwrap();
        let mut other = Place::new(config);
        other.now = now;
        other.adopt(broker, &log);
        assert_eq!(outcome(&mut other), expected, "{shift}");
    }
}

/// After each batch the broker may end: a broker can be made of what is stored, the numbers go on without a gap, and when all
/// has ended, only the head is left.
fn an_end_after_each_batch() {
    let place = rich();
    let (config, now, log) = (place.config, place.now, place.log);
    for last in 0..=log.len() {
        let mut map = BTreeMap::new();
        for mut bytes in log[..last].iter().map(|it| &it[..]) {
            let batch = Batch::take(&mut bytes).unwrap().unwrap();
            for record in batch.records() {
                match record.value {
                    Some(value) => drop(map.insert(record.key.to_vec(), value.to_vec())),
                    None => drop(map.remove(record.key)),
                }
            }
        }
        let mut restoring = Restoring::new(config);
        for (key, value) in &map {
            restoring.record(key, Some(value));
        }
        let mut other = Place::new(config);
        other.now = now;
        other.map = map;
        let broker = restoring
            .finish(now)
            .unwrap_or_else(|error| panic!("{last}: {error}"));
        other.adopt(broker, &log[..last]);
        other.pass(1_000_000);
        let janitor = other.connect(&who("janitor"));
        for number in 0..3 {
            other.retain(janitor, &format!("r/{number}"), "");
        }
        other.cut(janitor);
        let left: Vec<_> = other.map.keys().filter(|it| it[0] != 0).collect();
        assert!(left.is_empty(), "{last}: {left:?}");
    }
}

/// A record that is damaged, cut off or missing: an error that names a key, or a broker; never a panic. Without the record that
/// is named, a broker can be made, perhaps after some more.
fn damaged_and_missing_records() {
    let place = rich();
    let (config, now) = (place.config, place.now);
    for (key, value) in &place.map {
        for damage in 0..4 {
            let mut map = place.map.clone();
            match damage {
                0 => drop(map.remove(key)),
                1 => drop(map.insert(key.clone(), Vec::new())),
                2 => drop(map.insert(key.clone(), value[..value.len() - 1].to_vec())),
                _ => drop(map.insert(key.clone(), vec![0xFF; value.len()])),
            }
            let mut rounds = 0;
            loop {
                let mut restoring = Restoring::new(config);
                for (key, value) in &map {
                    restoring.record(key, Some(value));
                }
                match restoring.finish(now) {
                    Ok(mut broker) => {
                        while broker.next_timeout() <= now {
                            broker.handle_timeout(now, &mut 10);
                        }
                        while broker.work(now, &mut 10) {}
                        break;
                    }
                    Err(error) => {
                        assert!(
                            map.remove(&error.key[..]).is_some(),
                            "{error} names no record, {key:?} {damage}"
                        );
                    }
                }
                rounds += 1;
                assert!(rounds < 20);
            }
        }
    }
}

/// A clock that has gone back: the broker goes on from the latest time it knows, and nothing ends early or never.
fn another_clock() {
    for shift in [-500_000_i64, -2_000, 2_000] {
        let mut place = Place::new(persistent());
        let it = who("it").lasting(100);
        let wire = place.connect(&it);
        place.cut(wire);
        place.now = Instant::from_millis((place.now.as_millis() as i64 + shift) as u64);
        place.restart();
        place.pass(90_000);
        let wire = place.resume(&it);
        place.cut(wire);
        place.pass(700_000);
        let wire = place.open();
        place.send(wire, &it.clone().resuming().bytes());
        assert_eq!(place.connack(wire).map(|it| it.1), Some(false), "{shift}");
    }
}

fn publish(number: u16, payload: &str, duplicate: bool) -> Vec<u8> {
    encode(&Packet::Publish(Publish {
        delivery: Delivery::new(Qos::ExactlyOnce, id(number), duplicate),
        ..Publish::new(TopicName::new("t").unwrap(), payload.as_bytes())
    }))
}

/// QoS 2 from a publisher to a subscriber that keep their state: the broker, or both connections, may end at each step. Exactly
/// one copy arrives.
fn exactly_once_over_an_end_at_each_step() {
    for restarts in [false, true] {
        for end_at in 0..12 {
            let mut place = Place::new(persistent());
            let (from, to) = (who("from").lasting(1000), who("to").lasting(1000));
            let mut wires = (place.connect(&from), place.connect(&to));
            place.subscribe(wires.1, "t", Qos::ExactlyOnce);
            for wire in [wires.0, wires.1] {
                place.wire(wire).answers = false;
            }
            // What the publisher does next: 0 PUBLISH, 1 PUBREL, 2 nothing.
            let (mut state, mut sent) = (0, false);
            let mut seen: Vec<std::num::NonZeroU16> = Vec::new();
            let mut copies = 0;
            let mut ended = false;
            for step in 0..40 {
                if step == end_at {
                    if restarts {
                        place.restart();
                    }
                    for wire in [wires.0, wires.1] {
                        if place.is_open(wire) {
                            place.cut(wire);
                        }
                    }
                    let both = [from.clone(), to.clone()].map(|it| {
                        let wire = place.open();
                        place.wire(wire).answers = false;
                        place.send(wire, &it.resuming().bytes());
                        assert_eq!(place.connack(wire).map(|it| it.1), Some(true));
                        wire
                    });
                    wires = (both[0], both[1]);
                    sent = false;
                    ended = true;
                }
                // One packet of each side in a step.
                match (state, sent) {
                    (0, false) => place.send(wires.0, &publish(1, "hi", ended)),
                    (1, false) => place.send(wires.0, &[0x62, 2, 0, 1]),
                    _ => {}
                }
                sent = true;
                if step % 2 == 0 {
                    let answered = place.find(wires.0, |packet| match packet {
                        Packet::PubRec(it) => Some((1, it.reason_code.is_error())),
                        Packet::PubComp(_) => Some((2, false)),
                        _ => None,
                    });
                    if let Some((next, is_error)) = answered {
                        assert!(!is_error);
                        if next > state {
                            state = next;
                            sent = false;
                        }
                    }
                }
                let message = place.find(wires.1, |packet| match packet {
                    Packet::Publish(it) => match it.delivery {
                        Delivery::ExactlyOnce {
                            packet_identifier, ..
                        } => Some(packet_identifier),
                        _ => None,
                    },
                    _ => None,
                });
                if let Some(number) = message {
                    if !seen.contains(&number) {
                        seen.push(number);
                        copies += 1;
                    }
                    let [high, low] = number.get().to_be_bytes();
                    place.send(wires.1, &[0x50, 2, high, low]);
                    continue;
                }
                let release = place.find(wires.1, |packet| match packet {
                    Packet::PubRel(it) => Some(it.packet_identifier),
                    _ => None,
                });
                if let Some(number) = release {
                    seen.retain(|it| *it != number);
                    let [high, low] = number.get().to_be_bytes();
                    place.send(wires.1, &[0x70, 2, high, low]);
                }
            }
            assert_eq!((copies, state), (1, 2), "restarts {restarts}, at {end_at}");
            assert_eq!(seen, []);
            let busy = place
                .map
                .keys()
                .filter(|it| it[0] == 2 || (it[0] == 1 && it[9] > 1 && it[9] < 16));
            assert_eq!(busy.count(), 0, "{:?}", place.map);
        }
    }
}

/// A message goes with the record that names it, however it ends while its client is there but slow: it expires, a newer
/// one takes its place, or the right to it is withdrawn.
fn a_message_goes_with_its_record() {
    for end in ["it expires", "a newer one comes", "it is withdrawn"] {
        let mut config = persistent();
        config.server.session.waiting.messages = 1;
        config.server.session.waiting.when_full = WhenFull::DropOldest;
        let mut place = Place::new(config);
        let publisher = place.connect(&who("publisher"));
        let one = place.connect(&Who {
            receive_maximum: Some(1),
            ..who("one").lasting(100)
        });
        place.subscribe(one, "a", Qos::AtLeastOnce);
        place.wire(one).answers = false;
        place.publish(publisher, "a", "in flight", Qos::AtLeastOnce);
        let expiry = [Property::MessageExpiryInterval(5)];
        let waits = Publish {
            properties: Properties::new(&expiry).unwrap(),
            ..Publish::new(TopicName::new("a").unwrap(), b"waits")
        };
        place.publish_as(publisher, waits, Qos::AtLeastOnce);
        place.stores = false;
        match end {
            "it expires" => place.pass(6_000),
            "a newer one comes" => {
                // Its PUBACK waits for the record.
                place.publish(publisher, "a", "newer", Qos::AtLeastOnce);
            }
            _ => {
                let filter = TopicFilter::new("a").unwrap();
                assert!(place.broker.withdraw(place.now, "one", filter));
                place.settle();
            }
        }
        let mut batches = 0;
        while place.store() {
            batches += 1;
            let restored = place.restoring().finish(place.now);
            assert!(restored.is_ok(), "{end}, {batches}: {:?}", restored.err());
        }
        assert!(batches > 0, "{end}");
    }
}
