//! Shared Subscriptions when members come, leave and end (section 4.8.2).

use mqtt5_session_fsm::broker::{DropReason, Notice};
use mqtt5_session_fsm::codec::{Packet, PubAck, PubRec, Qos, ReasonCode, TopicFilter};

use crate::broker::place::{Got, Place, Who, encode, persistent, up_to, who};

crate::check::checks! {
    "members":
    broker {
        Example what_was_sent_when_the_session_ends,
        Example the_delivery_is_completed_after_reconnect,
        Example the_last_member_ends_the_group,
        Example takeover_of_a_member,
        Example clean_start_of_a_member_gives_back,
        Example unsubscribe_with_messages_in_flight,
        Example one_member_that_is_there_gets_a_message,
    }
}

fn lasting(name: &'static str) -> Who {
    who(name).lasting(100)
}

fn dropped(place: &mut Place, wanted: DropReason) -> usize {
    let is_it = |it: &&Notice| matches!(it, Notice::Dropped { reason, .. } if *reason == wanted);
    place.notices.iter().filter(is_it).count()
}

/// One group, one copy, at each QoS, also if the member leaves the connection in the middle: [MQTT-4.8.2-4], [MQTT-4.8.2-5]
/// for QoS 2, the SHOULD of section 4.8.2 for QoS 1.
fn what_was_sent_when_the_session_ends() {
    for (qos, answered, goes_on) in [
        (Qos::AtLeastOnce, false, true),
        (Qos::ExactlyOnce, false, false),
        (Qos::ExactlyOnce, true, false),
    ] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let one = place.connect(&lasting("one"));
        place.subscribe(one, "$share/g/a", Qos::ExactlyOnce);
        place.wire(one).answers = false;
        place.publish(publisher, "a", "hi", qos);
        let got = place.take(one);
        assert_eq!(got.len(), 1);
        let identifier = got[0].packet_identifier.unwrap();
        if answered {
            let pubrec = PubRec::new(identifier, ReasonCode::Success);
            place.send(one, &encode(&Packet::PubRec(pubrec)));
        }
        let other = place.connect(&who("other"));
        place.subscribe(other, "$share/g/a", Qos::ExactlyOnce);
        place.cut(one);
        assert_eq!(place.take(other), [], "the Session of the first lives");
        place.pass(99_000);
        assert_eq!(place.take(other), []);
        place.pass(2_000);
        assert_eq!(
            place.take(other).len(),
            usize::from(goes_on),
            "{qos:?} {answered}"
        );
        if !goes_on {
            assert!(dropped(&mut place, DropReason::SessionEnded) > 0 || answered);
        }
    }
}

/// [MQTT-4.8.2-4]: the member that has it gets the rest of it when it comes again, with DUP, after a restart, too.
fn the_delivery_is_completed_after_reconnect() {
    for restarts in [false, true] {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let mut place = Place::new(persistent());
            let publisher = place.connect(&who("publisher"));
            let one = place.connect(&lasting("one"));
            place.subscribe_as(one, "$share/g/a", up_to(Qos::ExactlyOnce), Some(9));
            place.wire(one).answers = false;
            place.publish(publisher, "a", "hi", qos);
            let first = place.take(one).remove(0);
            place.cut(one);
            if restarts {
                place.restart();
            }
            let one = place.resume(&lasting("one"));
            let again = Got {
                duplicate: true,
                ..first
            };
            assert_eq!(place.take(one), [again], "restarts: {restarts}");
            place.cut(one);
            let one = place.resume(&lasting("one"));
            assert_eq!(place.take(one), [], "it was acknowledged");
        }
    }
}

/// UNSUBSCRIBE of the last member, and the end of its Session, end the group and what waits in it, with notices.
fn the_last_member_ends_the_group() {
    for how in 0..3 {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let one = place.connect(&lasting("one"));
        place.subscribe(one, "$share/g/a", Qos::AtLeastOnce);
        place.cut(one);
        for _ in 0..3 {
            place.publish(publisher, "a", "hi", Qos::AtLeastOnce);
        }
        assert!(place.map.len() > 1);
        match how {
            0 => place.pass(101_000),
            1 => {
                place.connect(&who("one"));
            }
            _ => {
                let filter = TopicFilter::new("$share/g/a").unwrap();
                assert!(place.broker.withdraw(place.now, "one", filter));
                place.settle();
                let one = place.resume(&lasting("one"));
                assert_eq!(place.take(one), []);
                place.cut(one);
                place.pass(101_000);
            }
        }
        let reasons: Vec<_> = place
            .notices
            .iter()
            .filter(|it| matches!(it, Notice::Dropped { .. }))
            .collect();
        assert_eq!(reasons.len(), 3, "{how}: {reasons:?}");
        let two = place.connect(&lasting("two"));
        place.subscribe(two, "$share/g/a", Qos::AtLeastOnce);
        assert_eq!(place.take(two), [], "{how}: a new group");
    }
}

/// The member is taken over: the Session goes on with its membership and what it had in flight.
fn takeover_of_a_member() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let one = place.connect(&lasting("one"));
    place.wire(one).answers = false;
    place.subscribe(one, "$share/g/a", Qos::ExactlyOnce);
    place.publish(publisher, "a", "0", Qos::ExactlyOnce);
    assert_eq!(place.payloads(one), ["0"]);
    let again = place.resume(&lasting("one"));
    assert_eq!(place.disconnect(one), Some(ReasonCode::SessionTakenOver));
    assert_eq!(place.payloads(again), ["0"]);
    place.publish(publisher, "a", "1", Qos::ExactlyOnce);
    assert_eq!(place.payloads(again), ["1"]);
}

/// A member that connects with Clean Start gives back what it had at QoS 1.
fn clean_start_of_a_member_gives_back() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let one = place.connect(&lasting("one"));
    place.wire(one).answers = false;
    place.subscribe(one, "$share/g/a", Qos::ExactlyOnce);
    for (payload, qos) in [("1", Qos::AtLeastOnce), ("2", Qos::ExactlyOnce)] {
        place.publish(publisher, "a", payload, qos);
    }
    assert_eq!(place.payloads(one), ["1", "2"]);
    let other = place.connect(&lasting("other"));
    place.subscribe(other, "$share/g/a", Qos::ExactlyOnce);
    place.connect(&lasting("one"));
    assert_eq!(place.payloads(other), ["1"]);
}

/// UNSUBSCRIBE by a member that has messages in flight: they are completed or go to others; nothing is lost to the group.
fn unsubscribe_with_messages_in_flight() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let one = place.connect(&Who {
        receive_maximum: Some(2),
        ..lasting("one")
    });
    place.wire(one).answers = false;
    place.subscribe(one, "$share/g/a", Qos::AtLeastOnce);
    for number in 0..5 {
        place.publish(publisher, "a", &number.to_string(), Qos::AtLeastOnce);
    }
    let other = place.connect(&lasting("other"));
    place.subscribe(other, "$share/g/a", Qos::AtLeastOnce);
    assert_eq!(
        place.payloads(other),
        ["2", "3", "4"],
        "who comes gets what waits"
    );
    assert_eq!(place.unsubscribe(one, "$share/g/a"), ReasonCode::Success);
    let got = place.take(one);
    assert_eq!(got.len(), 2);
    for it in got {
        let puback = PubAck::new(it.packet_identifier.unwrap(), ReasonCode::Success);
        place.send(one, &encode(&Packet::PubAck(puback)));
    }
    place.cut(one);
    let one = place.resume(&lasting("one"));
    assert_eq!(place.take(one), []);
    place.publish(publisher, "a", "5", Qos::AtLeastOnce);
    assert_eq!(place.take(one), []);
    assert_eq!(place.payloads(other), ["5"]);
}

/// Section 4.8.2: each message goes to one member that is there, in turns; not to one that is away while another is there.
/// What comes while all are away waits for the first that comes, but QoS 0.
fn one_member_that_is_there_gets_a_message() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let mut workers = ["1", "2", "3"].map(|name| place.connect(&lasting(name)));
    for worker in workers {
        place.subscribe(worker, "$share/g/job/#", Qos::AtLeastOnce);
    }
    for _ in 0..6 {
        place.publish(publisher, "job/1", "do", Qos::ExactlyOnce);
    }
    assert_eq!(workers.map(|it| place.take(it).len()), [2, 2, 2]);
    place.cut(workers[0]);
    for _ in 0..4 {
        place.publish(publisher, "job/1", "do", Qos::AtLeastOnce);
    }
    assert_eq!(workers.map(|it| place.take(it).len()), [0, 2, 2]);
    place.cut(workers[1]);
    place.cut(workers[2]);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        place.publish(publisher, "job/1", "do", qos);
    }
    workers[2] = place.resume(&lasting("3"));
    assert_eq!(place.take(workers[2]).len(), 2);
    place.restart();
    let publisher = place.connect(&who("publisher"));
    workers[0] = place.resume(&lasting("1"));
    place.publish(publisher, "job/2", "do", Qos::AtLeastOnce);
    assert_eq!(place.take(workers[0]).len(), 1, "it is still a member");
}
