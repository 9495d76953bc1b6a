//! The process ends after each batch, with batches stored late: Shared Subscriptions, messages for many, snapshots.

use mqtt5_session_fsm::broker::journal::{Batch, Restoring};
use mqtt5_session_fsm::broker::{Broker, BrokerConfig, Overlap};
use mqtt5_session_fsm::codec::{
    Delivery, Packet, Publish, Qos, RetainHandling, SubscriptionOptions, TopicName,
};

use crate::broker::place::{Place, WILL, Who, encode, id, persistent, up_to, who};

crate::check::checks! {
    "crashes":
    broker {
        Example answers_wait_for_their_records,
        Example what_writes_no_message,
        Example a_group_over_an_end_at_each_record,
        Example a_job_with_a_group,
        Example a_job_with_overlap,
        Example subscriptions_made_in_the_middle_of_a_retained_job,
        Example a_snapshot_while_running,
        Example a_snapshot_in_the_middle_of_a_message,
        Example a_publisher_that_ends_in_the_middle_of_its_message,
        Example small_buffers,
        Example a_will_after_a_restart,
    }
}

fn sliced() -> BrokerConfig {
    BrokerConfig {
        fan_out_slice: 1,
        ..persistent()
    }
}

fn publish(number: u16, qos: Qos, retain: bool, duplicate: bool) -> Vec<u8> {
    encode(&Packet::Publish(Publish {
        delivery: Delivery::new(qos, id(number), duplicate),
        retain,
        ..Publish::new(TopicName::new("t").unwrap(), b"hi")
    }))
}

/// Each answer that promises something waits for its record: CONNACK of a Session that lasts, SUBACK, UNSUBACK, PUBACK, PUBREC,
/// PUBCOMP.
fn answers_wait_for_their_records() {
    let mut place = Place::new(persistent());
    let other = place.connect(&who("other").lasting(100));
    place.subscribe(other, "t", Qos::ExactlyOnce);
    place.wire(other).answers = false;
    place.stores = false;
    let wire = place.open();
    let steps: [(&str, Vec<u8>); 6] = [
        ("CONNACK", who("it").lasting(100).bytes()),
        ("SUBACK", vec![0x82, 7, 0, 9, 0, 0, 1, b'a', 1]),
        ("UNSUBACK", vec![0xA2, 5, 0, 10, 0, 0, 1]),
        ("PUBACK", publish(1, Qos::AtLeastOnce, false, false)),
        ("PUBREC", publish(2, Qos::ExactlyOnce, false, false)),
        ("PUBCOMP", vec![0x62, 2, 0, 2]),
    ];
    place.wire(wire).answers = false;
    for (answer, mut bytes) in steps {
        if answer == "UNSUBACK" {
            bytes = vec![0xA2, 6, 0, 10, 0, 0, 1, b'a'];
        }
        place.send(wire, &bytes);
        assert!(place.packets(wire).is_empty(), "{answer} is early");
        while place.store() {}
        place.settle();
        assert_eq!(place.packets(wire).len(), 1, "{answer}");
    }
    assert_eq!(place.take(other).len(), 2);
}

/// QoS 0 and Sessions that end with their connection write no messages.
fn what_writes_no_message() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher").lasting(100));
    let brief = place.connect(&Who {
        receive_maximum: Some(1),
        ..who("brief")
    });
    let lasting = place.connect(&who("lasting").lasting(100));
    place.subscribe(brief, "t", Qos::ExactlyOnce);
    place.subscribe(lasting, "t", Qos::AtMostOnce);
    place.wire(brief).answers = false;
    let before = place.log.len();
    for _ in 0..3 {
        place.publish(publisher, "t", "hi", Qos::AtLeastOnce);
        place.publish(publisher, "t", "hi", Qos::AtMostOnce);
    }
    assert_eq!(place.log.len(), before, "{:?}", place.map.keys());
}

/// A group of two, the process lost after each batch that is stored: each message is delivered, at QoS 2 once in all.
fn a_group_over_an_end_at_each_record() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for away in [false, true] {
            let mut lost_at = 0;
            loop {
                let mut place = Place::new(persistent());
                let publisher = who("publisher").lasting(1000);
                let wire = place.connect(&publisher);
                let names = ["one", "two"];
                let members = names.map(|it| place.connect(&who(it).lasting(1000)));
                for member in members {
                    place.subscribe(member, "$share/g/t", Qos::ExactlyOnce);
                    if away {
                        place.cut(member);
                    }
                }
                place.stores = false;
                for number in 1..=3 {
                    place.send(wire, &publish(number, qos, false, false));
                }
                let mut stored = 0;
                while stored < lost_at && place.store() {
                    place.settle();
                    stored += 1;
                }
                let mut got = 0;
                for member in members {
                    got += place.take(member).len();
                }
                let mut done = Vec::new();
                while let Some(number) = place.find(wire, |packet| match packet {
                    Packet::PubAck(it) => Some(it.packet_identifier),
                    Packet::PubRec(it) => Some(it.packet_identifier),
                    _ => None,
                }) {
                    done.push(number.get());
                }
                place.stores = true;
                place.restart();
                let wire = place.resume(&publisher);
                for number in 1..=3 {
                    if !done.contains(&number) {
                        place.send(wire, &publish(number, qos, false, true));
                    }
                }
                let before = got;
                for name in names {
                    let member = place.resume(&who(name).lasting(1000));
                    // A QoS 2 message that comes again with DUP is the one that was there.
                    got += place.take(member).iter().filter(|it| !it.duplicate).count();
                }
                let what = format!(
                    "{qos:?} away {away} at {lost_at}: {before} of {got}, acknowledged {done:?}"
                );
                assert!(got >= 3 || before + 3 > got, "{what}");
                if qos == Qos::ExactlyOnce {
                    assert!(got <= 3, "{what}");
                }
                if stored < lost_at {
                    assert_eq!(got, 3, "{what}");
                    break;
                }
                lost_at += 1;
            }
            assert!(lost_at > 2);
        }
    }
}

/// A message for many and for a group: after an end in each slice the group got it once.
fn a_job_with_a_group() {
    for stop_at in 0..8 {
        let mut place = Place::new(sliced());
        let publisher = place.connect(&who("publisher").lasting(1000));
        let names = ["a", "b", "c", "d", "e"];
        let members = names.map(|it| place.connect(&who(it).lasting(1000)));
        for member in members {
            place.subscribe_as(member, "t", up_to(Qos::ExactlyOnce), Some(1));
            place.subscribe_as(member, "$share/g/t", up_to(Qos::ExactlyOnce), Some(2));
        }
        place.works = false;
        place.send(publisher, &publish(1, Qos::ExactlyOnce, false, false));
        for _ in 0..stop_at {
            place.broker.work(place.now, &mut 1);
            place.settle();
        }
        let mut got = Vec::new();
        for member in members {
            got.extend(place.take(member));
        }
        place.restart();
        place.works = true;
        for name in names {
            let member = place.resume(&who(name).lasting(1000));
            got.extend(place.take(member));
        }
        let of_group = got.iter().filter(|it| it.identifiers == [2]).count();
        assert_eq!((got.len(), of_group), (6, 1), "{stop_at}");
    }
}

/// Both copies of overlapping subscriptions, each once, after an end in each slice.
fn a_job_with_overlap() {
    for overlap in [Overlap::OneCopy, Overlap::OnePerSubscription] {
        for stop_at in 0..8 {
            let mut place = Place::new(BrokerConfig {
                overlap,
                ..sliced()
            });
            let publisher = place.connect(&who("publisher").lasting(1000));
            let names = ["a", "b", "c"];
            let members = names.map(|it| place.connect(&who(it).lasting(1000)));
            for member in members {
                place.subscribe_as(member, "t", up_to(Qos::ExactlyOnce), Some(1));
                place.subscribe_as(member, "+", up_to(Qos::ExactlyOnce), Some(2));
            }
            place.works = false;
            place.send(publisher, &publish(1, Qos::ExactlyOnce, false, false));
            for _ in 0..stop_at {
                place.broker.work(place.now, &mut 1);
                place.settle();
            }
            let mut got = members.map(|it| place.take(it).len());
            place.restart();
            place.works = true;
            for (name, got) in names.iter().zip(&mut got) {
                let member = place.resume(&who(name).lasting(1000));
                *got += place.take(member).len();
            }
            let each = if overlap == Overlap::OneCopy { 1 } else { 2 };
            assert_eq!(got, [each; 3], "{overlap:?} {stop_at}");
        }
    }
}

/// Who subscribes anew in the middle of it gets a retained one as retained, and the message itself not, also after an end;
/// who had it does not get it again.
fn subscriptions_made_in_the_middle_of_a_retained_job() {
    for restarts in [false, true] {
        for stop_at in 0..6 {
            let mut place = Place::new(sliced());
            let publisher = place.connect(&who("publisher").lasting(1000));
            let names = ["a", "b", "c", "d"];
            let members = names.map(|it| place.connect(&who(it).lasting(1000)));
            for member in members {
                place.subscribe(member, "t", Qos::ExactlyOnce);
            }
            let late = place.connect(&who("late").lasting(1000));
            place.works = false;
            place.send(publisher, &publish(1, Qos::ExactlyOnce, true, false));
            for _ in 0..stop_at {
                place.broker.work(place.now, &mut 1);
                place.settle();
            }
            place.subscribe(late, "#", Qos::ExactlyOnce);
            let again = SubscriptionOptions {
                retain_handling: RetainHandling::DoNotSend,
                ..up_to(Qos::ExactlyOnce)
            };
            let mut got = members.map(|it| place.take(it).len());
            place.unsubscribe(members[1], "t");
            place.subscribe_as(members[1], "t", again, None);
            place.subscribe_as(members[2], "t", again, None);
            for (member, got) in members.iter().zip(&mut got) {
                *got += place.take(*member).len();
            }
            let mut got_late = place.take(late);
            place.works = true;
            if restarts {
                place.restart();
            } else {
                for wire in members.iter().chain([&late]) {
                    place.cut(*wire);
                }
            }
            for (member, got) in members.iter().zip(&mut got) {
                *got += place.take(*member).len();
            }
            got_late.extend(place.take(late));
            for (name, got) in names.iter().zip(&mut got) {
                let member = place.resume(&who(name).lasting(1000));
                *got += place.take(member).len();
            }
            let late = place.resume(&who("late").lasting(1000));
            got_late.extend(place.take(late));
            let what = format!("restarts {restarts}, after {stop_at}: {got:?} {got_late:?}");
            assert_eq!((got[0], got[2], got[3]), (1, 1, 1), "{what}");
            assert!(got[1] <= 1, "{what}");
            assert_eq!(got_late.len(), 1, "{what}");
            assert!(got_late[0].retain, "{what}");
        }
    }
}

/// A snapshot that is written while the broker runs, with all records since it began, is the same broker.
fn a_snapshot_while_running() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher").lasting(1000));
    let names = ["a", "b", "c", "d", "e"];
    let wires = names.map(|it| place.connect(&who(it).lasting(1000)));
    for wire in wires {
        place.subscribe(wire, "t/#", Qos::ExactlyOnce);
        place.subscribe(wire, "$share/g/s", Qos::ExactlyOnce);
    }
    place.cut(wires[0]);
    place.cut(wires[1]);
    let mut number = 0;
    let mut act = |place: &mut Place| {
        number += 1;
        place.publish(publisher, &format!("t/{number}"), "hi", Qos::ExactlyOnce);
        place.publish(publisher, "s", "hi", Qos::AtLeastOnce);
        place.retain(
            publisher,
            &format!("r/{}", number % 7),
            if number % 3 == 0 { "" } else { "kept" },
        );
        match number % 4 {
            0 => drop(place.subscribe(publisher, &format!("x/{number}"), Qos::AtLeastOnce)),
            1 => drop(place.unsubscribe(publisher, &format!("x/{}", number - 5))),
            2 if place.is_open(wires[4]) => place.cut(wires[4]),
            _ => {}
        }
    };
    for _ in 0..10 {
        act(&mut place);
    }
    let since = place.log.len();
    let mut snapshot = place.broker.snapshot();
    let (mut slices, mut bytes) = (Vec::new(), Vec::new());
    while place
        .broker
        .snapshot_slice(&mut snapshot, &mut 1, &mut bytes)
    {
        slices.push(bytes.clone());
        act(&mut place);
    }
    assert!(slices.len() > 5, "{}", slices.len());
    let mut restoring = Restoring::new(place.config);
    for mut bytes in slices.iter().chain(&place.log[since..]).map(|it| &it[..]) {
        let Some(batch) = Batch::take(&mut bytes).unwrap() else {
            continue;
        };
        for record in batch.records() {
            restoring.record(record.key, record.value);
        }
    }
    let from_snapshot: Broker = restoring.finish(place.now).unwrap();
    let from_map = place.restoring().finish(place.now).unwrap();
    assert_eq!(from_snapshot, from_map);
}

/// A broker made of a snapshot alone, written while a message was on its way: nobody gets it twice, though its publisher
/// repeats it.
fn a_snapshot_in_the_middle_of_a_message() {
    for stop_at in 0..5 {
        let mut place = Place::new(sliced());
        let publisher = who("publisher").lasting(1000);
        let wire = place.connect(&publisher);
        let names = ["a", "b", "c"];
        let members = names.map(|it| place.connect(&who(it).lasting(1000)));
        for member in members {
            place.subscribe(member, "t", Qos::ExactlyOnce);
        }
        place.works = false;
        place.send(wire, &publish(1, Qos::ExactlyOnce, false, false));
        for _ in 0..stop_at {
            place.broker.work(place.now, &mut 1);
            place.settle();
        }
        let mut got = members.map(|it| place.take(it).len());
        place.map = place.snapshot();
        place.restart();
        place.works = true;
        let wire = place.resume(&publisher);
        if stop_at < names.len() {
            place.send(wire, &publish(1, Qos::ExactlyOnce, false, true));
        }
        for (name, got) in names.iter().zip(&mut got) {
            let member = place.resume(&who(name).lasting(1000));
            *got += place.take(member).len();
        }
        assert_eq!(got, [1; 3], "after {stop_at}");
    }
}

/// Its Session ends while its message is on its way: nothing is left of what was stored for it.
fn a_publisher_that_ends_in_the_middle_of_its_message() {
    for works_first in [false, true] {
        let mut place = Place::new(sliced());
        for name in ["a", "b", "c"] {
            let member = place.connect(&who(name));
            place.subscribe(member, "t", Qos::ExactlyOnce);
        }
        let publisher = place.connect(&who("publisher").lasting(1000));
        let before = place.map.len();
        place.works = false;
        place.send(publisher, &publish(1, Qos::ExactlyOnce, false, false));
        if works_first {
            place.broker.work(place.now, &mut 1);
            place.settle();
        }
        let publisher = place.connect(&who("publisher").lasting(1000));
        place.works = true;
        place.settle();
        assert_eq!(place.map.len(), before, "{:?}", place.map);
        assert!(place.is_open(publisher));
    }
}

/// The bytes are written into buffers as small as may be: the same packets.
fn small_buffers() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let wire = place.connect(&who("it").lasting(100));
    place.subscribe(wire, "t", Qos::ExactlyOnce);
    place.room = 5;
    for number in 0..5 {
        place.publish(publisher, "t", &"x".repeat(number * 20), Qos::ExactlyOnce);
    }
    assert_eq!(place.take(wire).len(), 5);
}

/// A Will of a Session that was lost with the process goes to a group, is retained, and obeys the budget.
fn a_will_after_a_restart() {
    let mut place = Place::new(persistent());
    let watcher = who("watcher").lasting(1000);
    let wire = place.connect(&watcher);
    place.subscribe(wire, "$share/g/will", Qos::ExactlyOnce);
    let mut will = WILL;
    will.retain = true;
    place.connect(&who("it").with_will(will));
    place.restart();
    place.pass(0);
    let wire = place.resume(&watcher);
    assert_eq!(place.payloads(wire), ["gone"]);
    place.subscribe(wire, "will", Qos::AtLeastOnce);
    assert_eq!(place.payloads(wire), ["gone"]);
}
