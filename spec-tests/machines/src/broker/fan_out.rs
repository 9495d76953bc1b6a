//! Messages for many, in slices, with the process ending in the middle (design: the publish itself is a record).

use mqtt5_session_fsm::broker::BrokerConfig;
use mqtt5_session_fsm::codec::{
    Delivery, Message, Packet, Publish, Qos, ReasonCode, TopicFilter, TopicName,
};

use crate::broker::place::{Place, encode, id, persistent, who};

crate::check::checks! {
    "fan_out":
    broker {
        Example a_restart_in_the_middle,
        Example nothing_is_let_go_before_it_is_stored,
        Example reading_stops_only_for_the_own_job,
        Example cycles_do_not_lock,
        Example members_change_in_the_middle,
        Example the_host_publishes,
        Example the_publisher_is_gone,
        Example keep_alive_while_not_read,
        Example a_right_withdrawn_in_the_middle,
        Example a_message_for_many_goes_out_in_slices,
        Example a_place_that_is_used_again,
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn sliced() -> BrokerConfig {
    BrokerConfig {
        fan_out_slice: 1,
        ..persistent()
    }
}

fn publish_bytes(number: u16, qos: Qos, payload: &str, duplicate: bool) -> Vec<u8> {
    encode(&Packet::Publish(Publish {
        delivery: Delivery::new(qos, id(number), duplicate),
        ..Publish::new(TopicName::new("t").unwrap(), payload.as_bytes())
    }))
}

/// The broker is lost after each batch; the publisher sends again what was not acknowledged. At QoS 1 and 2 nobody is left out;
/// at QoS 2 nobody gets it twice; who subscribes later, or has left, gets nothing of it.
fn a_restart_in_the_middle() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut stop_at = 0;
        loop {
            let mut place = Place::new(sliced());
            let publisher = who("publisher").lasting(1000);
            let mut wire = place.connect(&publisher);
            let members: Vec<_> = NAMES
                .iter()
                .map(|name| place.connect(&who(name).lasting(1000)))
                .collect();
            for member in &members {
                place.subscribe(*member, "t", Qos::ExactlyOnce);
            }
            let late = place.connect(&who("late").lasting(1000));
            place.works = false;
            place.send(wire, &publish_bytes(1, qos, "hi", false));
            let slices = |place: &mut Place, most: usize| {
                let mut done = 0;
                while done < most && place.broker.work(place.now, &mut 1) {
                    place.settle();
                    done += 1;
                }
                done
            };
            let done = slices(&mut place, stop_at);
            place.subscribe(late, "t", Qos::ExactlyOnce);
            let mut got: Vec<usize> = members.iter().map(|it| place.take(*it).len()).collect();
            let mut got_late = place.take(late).len();
            let acknowledged = place.find(wire, |packet| match packet {
                Packet::PubAck(it) => Some(it.reason_code),
                Packet::PubRec(it) => Some(it.reason_code),
                _ => None,
            });
            place.restart();
            place.works = true;
            place.settle();
            wire = place.resume(&publisher);
            let is_acknowledged = acknowledged.is_some();
            if !is_acknowledged {
                place.send(wire, &publish_bytes(1, qos, "hi", true));
            }
            for (name, got) in NAMES.iter().zip(&mut got) {
                let member = place.resume(&who(name).lasting(1000));
                *got += place.take(member).len();
            }
            let late = place.resume(&who("late").lasting(1000));
            got_late += place.take(late).len();
            let what = format!(
                "{qos:?} after {done} slices: {got:?}, late {got_late}, acknowledged: {is_acknowledged}"
            );
            assert!(got.iter().all(|it| *it > 0), "left out: {what}");
            if is_acknowledged || qos == Qos::ExactlyOnce {
                assert!(got.iter().all(|it| *it == 1), "twice: {what}");
            }
            if is_acknowledged {
                assert_eq!(got_late, 0, "{what}");
            }
            if done < stop_at {
                break;
            }
            stop_at += 1;
        }
        assert!(stop_at > 3);
    }
}

/// As before, with the batches stored late: what is let go depends on records that are stored, and the rest comes again.
fn nothing_is_let_go_before_it_is_stored() {
    let mut lost_at = 0;
    loop {
        let mut place = Place::new(sliced());
        let publisher = who("publisher").lasting(1000);
        let wire = place.connect(&publisher);
        let members: Vec<_> = NAMES
            .iter()
            .map(|name| place.connect(&who(name).lasting(1000)))
            .collect();
        for member in &members {
            place.subscribe(*member, "t", Qos::ExactlyOnce);
        }
        place.stores = false;
        place.send(wire, &publish_bytes(1, Qos::ExactlyOnce, "hi", false));
        assert!(
            place.packets(wire).is_empty(),
            "the record of the publish is not stored"
        );
        let mut got = vec![0; members.len()];
        let mut stored = 0;
        while stored < lost_at && place.store() {
            place.settle();
            stored += 1;
        }
        for (member, got) in members.iter().zip(&mut got) {
            *got += place.take(*member).len();
        }
        let is_acknowledged = place
            .find(wire, |it| matches!(it, Packet::PubRec(_)).then_some(()))
            .is_some();
        place.stores = true;
        place.restart();
        let wire = place.resume(&publisher);
        if !is_acknowledged {
            place.send(wire, &publish_bytes(1, Qos::ExactlyOnce, "hi", true));
        }
        place.send(wire, &[0x62, 2, 0, 1]);
        for (name, got) in NAMES.iter().zip(&mut got) {
            let member = place.resume(&who(name).lasting(1000));
            // A QoS 2 message that was sent and is sent again, with DUP, is the same one.
            *got += place
                .take(member)
                .iter()
                .filter(|it| !it.duplicate || *got == 0)
                .count();
        }
        assert!(got.iter().all(|it| *it == 1), "{lost_at}: {got:?}");
        if stored < lost_at {
            break;
        }
        lost_at += 1;
    }
    assert!(lost_at > 3);
}

/// Jobs of one publisher go out in their order; while its job is open it is not read, but others are, and it is sent to.
fn reading_stops_only_for_the_own_job() {
    let mut place = Place::new(sliced());
    let publisher = place.connect(&who("publisher"));
    let other = place.connect(&who("other"));
    for name in NAMES {
        let member = place.connect(&who(name));
        place.subscribe(member, "t", Qos::ExactlyOnce);
    }
    place.subscribe(publisher, "x", Qos::ExactlyOnce);
    place.works = false;
    let bytes = [
        publish_bytes(1, Qos::AtLeastOnce, "1", false),
        publish_bytes(2, Qos::AtMostOnce, "2", false),
        vec![0xC0, 0],
    ];
    place.send(publisher, &bytes.concat());
    assert!(
        !place.packets(publisher).iter().any(|it| it == "PingResp"),
        "it is not read"
    );
    place.publish(other, "x", "to it", Qos::AtLeastOnce);
    assert_eq!(place.payloads(publisher), ["to it"]);
    place.works = true;
    place.settle();
    assert!(place.packets(publisher).iter().any(|it| it == "PingResp"));
}

/// A and B publish to each other and to many: no lock.
fn cycles_do_not_lock() {
    let mut place = Place::new(sliced());
    let a = place.connect(&who("a"));
    let b = place.connect(&who("b"));
    let more = place.connect(&who("more"));
    for wire in [a, b, more] {
        place.subscribe(wire, "#", Qos::ExactlyOnce);
    }
    place.works = false;
    for number in 1..=5 {
        place.send(a, &publish_bytes(number, Qos::ExactlyOnce, "a", false));
        place.send(b, &publish_bytes(number, Qos::ExactlyOnce, "b", false));
    }
    place.works = true;
    place.settle();
    for wire in [a, b, more] {
        assert_eq!(place.take(wire).len(), 10);
    }
}

/// While a job is open: a member that leaves gets nothing more, one that ends is skipped and its place is not taken over by
/// another Session, a subscription that is replaced still gets it.
fn members_change_in_the_middle() {
    let mut place = Place::new(sliced());
    let publisher = place.connect(&who("publisher"));
    let members: Vec<_> = NAMES.iter().map(|name| place.connect(&who(name))).collect();
    for member in &members {
        place.subscribe(*member, "t", Qos::ExactlyOnce);
    }
    place.works = false;
    place.send(publisher, &publish_bytes(1, Qos::AtLeastOnce, "hi", false));
    let before: Vec<_> = members.iter().map(|it| place.take(*it).len()).collect();
    assert_eq!(before.iter().sum::<usize>(), 0, "{before:?}");
    place.unsubscribe(members[3], "t");
    place.cut(members[4]);
    let fresh = place.connect(&who("fresh"));
    place.subscribe(fresh, "t", Qos::ExactlyOnce);
    place.subscribe(members[5], "t", Qos::AtMostOnce);
    place.works = true;
    place.settle();
    let got: Vec<_> = members.iter().map(|it| place.take(*it).len()).collect();
    assert_eq!((got[0], got[1], got[2], got[4]), (1, 1, 1, 0));
    assert!(got[3] <= 1);
    assert_eq!(got[5], 1, "a replacement loses nothing");
    assert_eq!(place.take(fresh), [], "who subscribes later is not in it");
}

/// The host publishes like a client: `Fanout` says to how many.
fn the_host_publishes() {
    for slice in [1, 100] {
        let mut place = Place::new(BrokerConfig {
            fan_out_slice: slice,
            ..persistent()
        });
        let members: Vec<_> = NAMES.iter().map(|name| place.connect(&who(name))).collect();
        for member in &members {
            place.subscribe(*member, "t", Qos::ExactlyOnce);
        }
        let publish = Publish::new(TopicName::new("t").unwrap(), b"hi");
        let now = place.now;
        let fanout = place
            .broker
            .publish(now, Message::new(&publish).unwrap(), Qos::ExactlyOnce);
        assert_eq!(fanout.map(|it| it.subscriptions), Ok(6), "slice {slice}");
        place.settle();
        for member in &members {
            assert_eq!(place.take(*member).len(), 1);
        }
        let publish = Publish::new(TopicName::new("nobody").unwrap(), b"hi");
        let fanout = place
            .broker
            .publish(now, Message::new(&publish).unwrap(), Qos::ExactlyOnce);
        assert_eq!(fanout.map(|it| it.subscriptions), Ok(0));
    }
}

/// The publisher is gone, or has been taken over, before its job ends: the job goes on.
fn the_publisher_is_gone() {
    for how in 0..3 {
        let mut place = Place::new(sliced());
        let publisher = place.connect(&who("publisher"));
        let members: Vec<_> = NAMES.iter().map(|name| place.connect(&who(name))).collect();
        for member in &members {
            place.subscribe(*member, "t", Qos::ExactlyOnce);
        }
        place.works = false;
        place.send(publisher, &publish_bytes(1, Qos::ExactlyOnce, "hi", false));
        let again = match how {
            0 => {
                place.cut(publisher);
                None
            }
            1 => Some(place.connect(&who("publisher"))),
            _ => Some(place.connect(&who("publisher").lasting(10))),
        };
        place.works = true;
        place.settle();
        for member in &members {
            assert_eq!(place.payloads(*member), ["hi"], "{how}");
        }
        if let Some(again) = again {
            let code = place.publish(again, "t", "more", Qos::ExactlyOnce);
            assert_eq!(code, Some(ReasonCode::Success), "it is read: {how}");
        }
    }
}

/// A publisher with a job that is open is lost: its Keep Alive does not run while it is not read.
fn keep_alive_while_not_read() {
    let mut place = Place::new(sliced());
    let mut it = who("publisher");
    it.keep_alive = 10;
    let publisher = place.connect(&it);
    for name in NAMES {
        let member = place.connect(&who(name));
        place.subscribe(member, "t", Qos::AtMostOnce);
    }
    place.works = false;
    let bytes = [
        publish_bytes(1, Qos::AtLeastOnce, "1", false),
        vec![0xC0, 0],
    ]
    .concat();
    place.send(publisher, &bytes);
    place.pass(14_000);
    place.pass(14_000);
    assert!(place.is_open(publisher), "the PINGREQ is not read");
    place.works = true;
    place.settle();
    assert!(place.packets(publisher).iter().any(|it| it == "PingResp"));
    place.pass(14_000);
    assert!(place.is_open(publisher));
    place.pass(2_000);
    assert_eq!(
        place.disconnect(publisher),
        Some(ReasonCode::KeepAliveTimeout)
    );
}

/// A right is withdrawn while a message is on its way: it reaches the subscription no more, but others of the same client.
fn a_right_withdrawn_in_the_middle() {
    for others in [false, true] {
        let mut place = Place::new(sliced());
        let publisher = place.connect(&who("publisher"));
        let members: Vec<_> = NAMES
            .iter()
            .map(|name| place.connect(&who(name).lasting(1000)))
            .collect();
        for member in &members {
            place.subscribe(*member, "t", Qos::AtLeastOnce);
        }
        if others {
            place.subscribe(members[5], "#", Qos::AtLeastOnce);
        }
        let before = place.broker.statistics().message_bytes;
        place.works = false;
        place.send(publisher, &publish_bytes(1, Qos::AtLeastOnce, "hi", false));
        let filter = TopicFilter::new("t").unwrap();
        assert!(place.broker.withdraw(place.now, "f", filter));
        place.works = true;
        place.settle();
        let got: Vec<usize> = members.iter().map(|it| place.take(*it).len()).collect();
        assert_eq!(got, [1, 1, 1, 1, 1, usize::from(others)]);
        assert_eq!(place.broker.statistics().message_bytes, before);
    }
}

/// A message for more subscribers than one call serves goes to each once, and in order; the publisher is read again.
fn a_message_for_many_goes_out_in_slices() {
    const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
    for slice in [0, 1, 2, 5, 6] {
        let mut place = Place::new(BrokerConfig {
            fan_out_slice: slice,
            ..BrokerConfig::default()
        });
        let publisher = place.connect(&who("publisher"));
        let others: Vec<usize> = NAMES[1..]
            .iter()
            .map(|it| place.connect(&who(it)))
            .collect();
        for other in &others {
            place.subscribe(*other, "t", Qos::ExactlyOnce);
        }
        let mut bytes = Vec::new();
        for (index, payload) in ["1", "2", "3"].into_iter().enumerate() {
            for qos in QOS {
                let number = 3 * index as u16 + qos as u16 + 1;
                bytes.extend(publish_bytes(number, qos, payload, false));
            }
        }
        place.send(publisher, &bytes);
        for other in &others {
            let got = place.take(*other);
            for qos in QOS {
                let of_qos = got.iter().filter(|it| it.qos == qos);
                let of_qos: Vec<_> = of_qos.map(|it| &it.payload[..]).collect();
                assert_eq!(of_qos, ["1", "2", "3"], "slice {slice}");
            }
        }
        assert_eq!(place.broker.statistics().acknowledged, 45);
        assert!(!place.broker.work(place.now, &mut 1));
    }
}

/// A Session ends in the middle of a job, and another one gets its place: it is not taken for the one that was to get the message.
fn a_place_that_is_used_again() {
    let mut place = Place::new(sliced());
    let publisher = place.connect(&who("publisher"));
    let members = NAMES.map(|name| place.connect(&who(name)));
    for member in members {
        place.subscribe(member, "t", Qos::ExactlyOnce);
    }
    place.works = false;
    place.send(publisher, &publish_bytes(1, Qos::AtLeastOnce, "hi", false));
    place.cut(members[5]);
    // One slice of the job, and all that is left of the Session.
    place.broker.work(place.now, &mut 3);
    place.settle();
    let fresh = place.connect(&who("fresh"));
    place.subscribe(fresh, "t", Qos::ExactlyOnce);
    place.works = true;
    place.settle();
    let got = members.map(|it| place.take(it).len());
    assert_eq!(got, [1, 1, 1, 1, 1, 0]);
    assert_eq!(place.take(fresh), []);
}
