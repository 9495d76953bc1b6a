//! Limits and back-pressure: each refusal with its Reason Code and a notice that says who and why.

use mqtt5_session_fsm::broker::{
    BrokerConfig, BrokerLimits, DropReason, Notice, Permission, Recipient, Step,
};
use mqtt5_session_fsm::codec::{Delivery, Message, Packet, Publish, Qos, ReasonCode, TopicName};
use mqtt5_session_fsm::{ServerConfig, SessionConfig, WaitingLimits, WhenFull};

use crate::broker::place::{Place, Who, encode, id, persistent, who};

crate::check::checks! {
    "limits":
    broker {
        Example refused_messages,
        Example a_refused_qos_2_message_frees_its_identifier,
        Example no_matching_subscribers,
        Example a_slow_subscriber,
        Example publishing_to_oneself,
        Example too_large_for_one,
        Example the_budget_of_messages,
        Example what_the_host_does_not_take,
    }
}

pub(super) fn refused(place: &mut Place, name: &str, code: ReasonCode) -> usize {
    let is_it = |it: &Notice| matches!(it, Notice::Refused { client_identifier, reason_code } if &**client_identifier == name && *reason_code == code);
    let count = place.notices.iter().filter(|it| is_it(it)).count();
    place.notices.retain(|it| !is_it(it));
    count
}

fn dropped(place: &mut Place, name: &str, wanted: DropReason) -> usize {
    let is_it = |it: &Notice| matches!(it, Notice::Dropped { recipient: Recipient::Client(it), reason } if &**it == name && *reason == wanted);
    let count = place.notices.iter().filter(|it| is_it(it)).count();
    place.notices.retain(|it| !is_it(it));
    count
}

/// A topic with too many levels: 0x90; the host's own answers; a refused message goes to nobody and is not retained.
fn refused_messages() {
    let mut place = Place::new(persistent());
    let one = place.connect(&who("one"));
    place.subscribe(one, "#", Qos::ExactlyOnce);
    let long = vec!["x"; 129].join("/");
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let code = place.publish(one, &long, "hi", qos);
        let expected = (qos > Qos::AtMostOnce).then_some(ReasonCode::TopicNameInvalid);
        assert_eq!(code, expected);
    }
    place.policy = |_| Permission::Refuse(ReasonCode::NotAuthorized);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let publish = Publish {
            retain: true,
            ..Publish::new(TopicName::new("a").unwrap(), b"hi")
        };
        let code = place.publish_as(one, publish, qos);
        let expected = (qos > Qos::AtMostOnce).then_some(ReasonCode::NotAuthorized);
        assert_eq!(code, expected);
    }
    assert_eq!(place.take(one), []);
    assert_eq!(place.broker.statistics().refused, 6);
    place.subscribe(one, "a", Qos::ExactlyOnce);
    assert_eq!(place.take(one), []);
    place.policy = |_| Permission::Disconnect(ReasonCode::NotAuthorized);
    place.publish(one, "a", "hi", Qos::AtLeastOnce);
    assert_eq!(place.disconnect(one), Some(ReasonCode::NotAuthorized));
    assert!(!place.is_open(one));
}

/// [MQTT-4.3.3-9]: a PUBREC with an error ends the exchange; the Packet Identifier is free again.
fn a_refused_qos_2_message_frees_its_identifier() {
    let mut place = Place::new(persistent());
    let one = place.connect(&who("one"));
    place.subscribe(one, "#", Qos::ExactlyOnce);
    place.policy = |publish| match publish.topic.unwrap().as_str() {
        "bad" => Permission::Refuse(ReasonCode::NotAuthorized),
        _ => Permission::Publish,
    };
    for (topic, code) in [
        ("bad", ReasonCode::NotAuthorized),
        ("good", ReasonCode::Success),
    ] {
        let publish = Publish {
            delivery: Delivery::new(Qos::ExactlyOnce, id(77), false),
            ..Publish::new(TopicName::new(topic).unwrap(), b"hi")
        };
        place.send(one, &encode(&Packet::Publish(publish)));
        let got = place.find(one, |packet| match packet {
            Packet::PubRec(it) => Some(it.reason_code),
            _ => None,
        });
        assert_eq!(got, Some(code));
    }
    assert_eq!(place.take(one).len(), 1);
}

/// No subscriber: 0x10, which is a success; the message is retained all the same.
fn no_matching_subscribers() {
    let mut place = Place::new(persistent());
    let one = place.connect(&who("one"));
    let other = place.connect(&who("other").lasting(100));
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        assert_eq!(
            place.publish(one, "a", "hi", qos),
            Some(ReasonCode::NoMatchingSubscribers)
        );
    }
    assert_eq!(place.broker.statistics().unmatched, 2);
    place.subscribe(other, "$share/g/a", Qos::AtLeastOnce);
    place.cut(other);
    assert_eq!(
        place.publish(one, "a", "hi", Qos::AtLeastOnce),
        Some(ReasonCode::Success)
    );
}

/// A slow subscriber has a bounded queue with a policy, which is said; the publisher and the others are not slowed down.
fn a_slow_subscriber() {
    for (when_full, waits) in [
        (WhenFull::Refuse, ["1", "2", "3"]),
        (WhenFull::DropOldest, ["1", "5", "6"]),
    ] {
        let config = BrokerConfig {
            server: ServerConfig {
                session: SessionConfig {
                    waiting: WaitingLimits {
                        messages: 2,
                        when_full,
                        ..WaitingLimits::default()
                    },
                    ..persistent().server.session
                },
                ..ServerConfig::default()
            },
            ..BrokerConfig::default()
        };
        let mut place = Place::new(config);
        let publisher = place.connect(&who("publisher"));
        let slow = place.connect(&Who {
            receive_maximum: Some(1),
            ..who("slow").lasting(100)
        });
        let fast = place.connect(&who("fast"));
        place.subscribe(slow, "a", Qos::AtLeastOnce);
        place.subscribe(fast, "a", Qos::AtLeastOnce);
        place.wire(slow).answers = false;
        for number in 1..=6 {
            let code = place.publish(publisher, "a", &number.to_string(), Qos::AtLeastOnce);
            assert_eq!(code, Some(ReasonCode::Success));
        }
        assert_eq!(place.payloads(fast), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(
            dropped(&mut place, "slow", DropReason::QueueFull),
            3,
            "{when_full:?}"
        );
        place.cut(slow);
        let slow = place.resume(&who("slow").lasting(100));
        assert_eq!(place.payloads(slow), waits, "{when_full:?}");
        assert_eq!(place.broker.statistics().dropped, 3);
    }
}

/// Publishing to oneself with a full queue and a Receive Maximum of 1 does not lock.
fn publishing_to_oneself() {
    let mut place = Place::new(persistent());
    let one = place.connect(&Who {
        receive_maximum: Some(1),
        ..who("one")
    });
    place.subscribe(one, "a", Qos::ExactlyOnce);
    let mut bytes = Vec::new();
    for number in 1..=5 {
        let payload = number.to_string();
        bytes.extend(encode(&Packet::Publish(Publish {
            delivery: Delivery::new(Qos::ExactlyOnce, id(number), false),
            ..Publish::new(TopicName::new("a").unwrap(), payload.as_bytes())
        })));
    }
    place.send(one, &bytes);
    assert_eq!(place.payloads(one), ["1", "2", "3", "4", "5"]);
}

/// [MQTT-3.1.2-25]: a message that is too large for one Client is not sent to it, as if it had been; others get it; a notice
/// says so, and its Session goes on.
fn too_large_for_one() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let small = place.connect(&Who {
        maximum_packet_size: Some(60),
        ..who("small").lasting(100)
    });
    let large = place.connect(&who("large"));
    for wire in [small, large] {
        place.subscribe(wire, "a", Qos::ExactlyOnce);
    }
    let long = "x".repeat(100);
    for payload in ["1", &long, "2"] {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            place.publish(publisher, "a", payload, qos);
        }
    }
    assert_eq!(place.payloads(small), ["1", "1", "1", "2", "2", "2"]);
    assert_eq!(place.take(large).len(), 9);
    assert_eq!(dropped(&mut place, "small", DropReason::TooLarge), 3);
    place.cut(small);
    place.publish(publisher, "a", &long, Qos::AtLeastOnce);
    let small = place.resume(&Who {
        maximum_packet_size: Some(60),
        ..who("small").lasting(100)
    });
    assert_eq!(place.take(small), []);
    assert_eq!(dropped(&mut place, "small", DropReason::TooLarge), 1);
    place.cut(publisher);
    place.cut(large);
    place.cut(small);
    place.pass(100_000);
    assert_eq!(place.map.len(), 1, "{:?}", place.map.keys());
}

/// Above the budget of messages a PUBLISH is refused with 0x97, QoS 0 is dropped and counted; a message counts once, however
/// many hold it; what is acknowledged makes room.
fn the_budget_of_messages() {
    let config = BrokerConfig {
        limits: BrokerLimits {
            message_bytes: 2_500,
            ..BrokerLimits::default()
        },
        ..persistent()
    };
    let mut place = Place::new(config);
    let publisher = place.connect(&who("publisher"));
    let slow: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| {
            let wire = place.connect(&who(name).lasting(100));
            place.subscribe(wire, "t", Qos::AtLeastOnce);
            place.wire(wire).answers = false;
            wire
        })
        .collect();
    let payload = "x".repeat(1_000);
    for code in [
        ReasonCode::Success,
        ReasonCode::Success,
        ReasonCode::QuotaExceeded,
    ] {
        assert_eq!(
            place.publish(publisher, "t", &payload, Qos::AtLeastOnce),
            Some(code)
        );
    }
    assert_eq!(
        refused(&mut place, "publisher", ReasonCode::QuotaExceeded),
        1,
        "{:?}",
        place.notices
    );
    place.publish(publisher, "t", &payload, Qos::AtMostOnce);
    let publish = Publish::new(TopicName::new("t").unwrap(), payload.as_bytes());
    let message = Message::new(&publish).unwrap();
    let now = place.now;
    assert_eq!(
        place
            .broker
            .publish(now, message, Qos::AtLeastOnce)
            .map(|_| ()),
        Err(ReasonCode::QuotaExceeded)
    );
    assert_eq!(place.broker.statistics().refused, 3);
    for wire in slow {
        assert_eq!(place.take(wire).len(), 2);
        place.send(wire, &[0x40, 2, 0, 1, 0x40, 2, 0, 2]);
    }
    assert_eq!(
        place.publish(publisher, "t", &payload, Qos::AtLeastOnce),
        Some(ReasonCode::Success)
    );
}

/// While as many notices or records wait as may, nothing is received; afterwards the connection is named as readable, and
/// nothing was lost.
fn what_the_host_does_not_take() {
    for (notices, batch_bytes) in [(3, 1 << 20), (1 << 20, 10)] {
        let config = BrokerConfig {
            limits: BrokerLimits {
                notices,
                batch_bytes,
                ..BrokerLimits::default()
            },
            ..persistent()
        };
        let mut place = Place::new(config);
        let one = place.connect(&who("one").lasting(100));
        let small = place.connect(&Who {
            maximum_packet_size: Some(30),
            ..who("small").lasting(100)
        });
        place.subscribe(small, "a", Qos::AtLeastOnce);
        let away = place.connect(&who("away").lasting(100));
        place.subscribe(away, "a", Qos::AtLeastOnce);
        place.cut(away);
        let (now, key) = (place.now, place.wire(one).key.unwrap());
        let mut bytes = Vec::new();
        for number in 1..=20 {
            let publish = Publish {
                delivery: Delivery::new(Qos::AtLeastOnce, id(number), false),
                ..Publish::new(TopicName::new("a").unwrap(), &[b'x'; 50])
            };
            bytes.extend(encode(&Packet::Publish(publish)));
        }
        let mut input = &bytes[..];
        let policy = |_: &Publish<'_>| Permission::Publish;
        let step = place.broker.receive(now, key, &mut input, policy).unwrap();
        assert!(matches!(step, Step::Wait), "{notices} {batch_bytes}");
        assert!(!input.is_empty());
        let again = input.len();
        let _ = place.broker.receive(now, key, &mut input, policy).unwrap();
        assert_eq!(input.len(), again, "nothing more is taken");
        let mut rounds = 0;
        while !input.is_empty() {
            place.settle();
            let readable = place.notices.contains(&Notice::Readable(key));
            assert!(readable, "{notices} {batch_bytes}");
            place.notices.retain(|it| *it != Notice::Readable(key));
            let _ = place.broker.receive(now, key, &mut input, policy).unwrap();
            rounds += 1;
            assert!(rounds < 100);
        }
        place.settle();
        let mut acknowledged = 0;
        while place
            .find(one, |it| matches!(it, Packet::PubAck(_)).then_some(()))
            .is_some()
        {
            acknowledged += 1;
        }
        assert_eq!(acknowledged, 20);
        let away = place.resume(&who("away").lasting(100));
        assert_eq!(place.take(away).len(), 20);
        assert_eq!(dropped(&mut place, "small", DropReason::TooLarge), 20);
    }
}
