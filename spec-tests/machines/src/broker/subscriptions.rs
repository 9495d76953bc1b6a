//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8.4, 3.10.4), and what they have to do with messages on their way.

use mqtt5_session_fsm::broker::BrokerConfig;
use mqtt5_session_fsm::codec::{
    Delivery, Packet, Publish, Qos, ReasonCode, SubscriptionOptions, TopicFilter, TopicFilters,
    TopicName, Unsubscribe,
};

use crate::broker::place::{Place, encode, id, persistent, up_to, who};

crate::check::checks! {
    "subscriptions":
    broker {
        Example a_second_subscribe_replaces_the_first,
        Example several_filters_are_several_subscribes,
        Example unsubscribe_compares_characters,
        Example unsubscribe_adds_no_more_messages,
        Example unsubscribe_completes_what_was_sent,
        Example several_filters_are_several_unsubscribes,
        Example identifiers_are_those_of_the_client,
        Example dup_is_of_the_copy,
    }
}

/// [MQTT-3.8.4-3]: the same filter again is one subscription, with the options and the identifier of the second one, whether
/// its QoS is higher or lower.
fn a_second_subscribe_replaces_the_first() {
    for (first, second) in [
        (Qos::AtMostOnce, Qos::ExactlyOnce),
        (Qos::ExactlyOnce, Qos::AtMostOnce),
    ] {
        for restarts in [false, true] {
            let mut place = Place::new(persistent());
            let it = who("it").lasting(100);
            let mut wire = place.connect(&it);
            let options = SubscriptionOptions {
                no_local: true,
                ..up_to(first)
            };
            place.subscribe_as(wire, "a/+", options, Some(1));
            let options = SubscriptionOptions {
                retain_as_published: true,
                ..up_to(second)
            };
            let code = place.subscribe_as(wire, "a/+", options, Some(2));
            assert_eq!(code, ReasonCode::granted(second));
            if restarts {
                place.restart();
                wire = place.resume(&it);
            }
            let publish = Publish {
                retain: true,
                ..Publish::new(TopicName::new("a/b").unwrap(), b"hi")
            };
            place.publish_as(wire, publish, Qos::ExactlyOnce);
            let got = place.take(wire);
            let got: Vec<_> = got
                .iter()
                .map(|it| (it.qos, it.retain, &it.identifiers[..]))
                .collect();
            assert_eq!(got, [(second, true, &[2][..])], "{first:?} {restarts}");
            assert_eq!(place.unsubscribe(wire, "a/+"), ReasonCode::Success);
            assert_eq!(
                place.unsubscribe(wire, "a/+"),
                ReasonCode::NoSubscriptionExisted
            );
        }
    }
}

/// [MQTT-3.8.4-5]: several filters in one SUBSCRIBE do what several SUBSCRIBE packets do, one behind the other; of the same
/// filter twice the last one counts.
fn several_filters_are_several_subscribes() {
    let filters = [
        ("a", up_to(Qos::AtMostOnce)),
        ("$share/g/a", up_to(Qos::AtLeastOnce)),
        ("#", up_to(Qos::ExactlyOnce)),
        ("b", up_to(Qos::ExactlyOnce)),
        ("b", up_to(Qos::AtLeastOnce)),
    ];
    let outcome = |in_one: bool| {
        let mut place = Place::new(BrokerConfig::default());
        let one = place.connect(&who("one"));
        place.retain(one, "a", "kept");
        let codes = match in_one {
            true => place.subscribe_all(one, &filters, Some(3)),
            false => filters
                .iter()
                .map(|(filter, options)| place.subscribe_as(one, filter, *options, Some(3)))
                .collect(),
        };
        for topic in ["a", "b", "c"] {
            place.publish(one, topic, "live", Qos::ExactlyOnce);
        }
        place.unsubscribe(one, "#");
        place.publish(one, "b", "at last", Qos::ExactlyOnce);
        let got = place.take(one).into_iter();
        let mut got: Vec<_> = got
            .map(|it| {
                (
                    it.topic,
                    it.payload,
                    it.qos as u8,
                    it.retain,
                    it.identifiers,
                )
            })
            .collect();
        got.sort();
        (codes, got)
    };
    let (codes, got) = outcome(true);
    assert_eq!(codes.len(), filters.len());
    assert_eq!((codes, got.clone()), outcome(false));
    let last = ("b".to_owned(), "at last".to_owned(), 1, false, vec![3]);
    assert!(got.contains(&last), "{got:?}");
}

/// [MQTT-3.10.4-1]: a filter is compared character by character; a wildcard is no wildcard there.
fn unsubscribe_compares_characters() {
    let all = [
        "a/b",
        "a/+",
        "a/#",
        "+/b",
        "#",
        "A/b",
        "a/b/",
        "/a/b",
        "$share/g/a/b",
    ];
    for filter in all {
        let mut place = Place::new(BrokerConfig::default());
        let one = place.connect(&who("one"));
        for other in all.iter().filter(|it| **it != filter) {
            place.subscribe(one, other, Qos::AtMostOnce);
        }
        assert_eq!(
            place.unsubscribe(one, filter),
            ReasonCode::NoSubscriptionExisted,
            "{filter}"
        );
        let key = "one";
        let count = |place: &Place| {
            place
                .broker
                .session_of(key)
                .unwrap()
                .subscriptions()
                .count()
        };
        let before = count(&place);
        assert_eq!(before, all.len() - 1, "{filter} ended another one");
        place.subscribe(one, filter, Qos::AtMostOnce);
        assert_eq!(count(&place), before + 1, "{filter}");
        assert_eq!(place.unsubscribe(one, filter), ReasonCode::Success);
        assert_eq!(count(&place), before, "{filter}");
    }
}

/// [MQTT-3.10.4-2]: after it, nothing that comes is added, neither a message nor a retained one that was still to come; what
/// other subscriptions match goes on.
fn unsubscribe_adds_no_more_messages() {
    let mut place = Place::new(BrokerConfig::default());
    let publisher = place.connect(&who("publisher"));
    for topic in ["a/1", "a/2", "a/3", "a/4"] {
        place.retain(publisher, topic, "kept");
    }
    let one = place.connect(&crate::broker::place::Who {
        receive_maximum: Some(2),
        ..who("one")
    });
    place.wire(one).answers = false;
    place.subscribe(one, "a/#", Qos::AtLeastOnce);
    place.subscribe(one, "b", Qos::AtLeastOnce);
    assert_eq!(place.take(one).len(), 2);
    assert_eq!(place.unsubscribe(one, "a/#"), ReasonCode::Success);
    place.publish(publisher, "a/1", "live", Qos::AtLeastOnce);
    place.publish(publisher, "b", "other", Qos::AtLeastOnce);
    place.answer(one);
    assert_eq!(place.payloads(one), ["other"]);
}

/// [MQTT-3.10.4-3]: what was sent before is completed, also over a break of the connection.
fn unsubscribe_completes_what_was_sent() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for breaks in [false, true] {
            let mut place = Place::new(persistent());
            let publisher = place.connect(&who("publisher"));
            let it = who("it").lasting(100);
            let mut wire = place.connect(&it);
            place.wire(wire).answers = false;
            place.subscribe(wire, "a", Qos::ExactlyOnce);
            place.publish(publisher, "a", "hi", qos);
            let sent = place.take(wire).remove(0);
            assert_eq!(place.unsubscribe(wire, "a"), ReasonCode::Success);
            if breaks {
                place.cut(wire);
                wire = place.resume(&it);
                let again = place.take(wire);
                assert_eq!(again.len(), 1, "{qos:?}");
                assert_eq!(
                    (again[0].duplicate, again[0].packet_identifier),
                    (true, sent.packet_identifier)
                );
            } else {
                place.answer(wire);
            }
            if qos == Qos::ExactlyOnce {
                let number = sent.packet_identifier;
                let released = place.find(wire, |packet| match packet {
                    Packet::PubRel(it) => Some((Some(it.packet_identifier), it.reason_code)),
                    _ => None,
                });
                assert_eq!(released, Some((number, ReasonCode::Success)), "{breaks}");
            }
            assert_eq!(
                place.broker.statistics().acknowledged,
                1,
                "{qos:?} {breaks}"
            );
            place.publish(publisher, "a", "hi", qos);
            assert_eq!(place.take(wire), []);
        }
    }
}

/// [MQTT-3.10.4-6]: several filters in one UNSUBSCRIBE do what several UNSUBSCRIBE packets do; the UNSUBACK has a Reason Code for
/// each, in their order.
fn several_filters_are_several_unsubscribes() {
    let mut place = Place::new(BrokerConfig::default());
    let one = place.connect(&who("one"));
    for filter in ["a", "$share/g/a", "b/+", "c"] {
        place.subscribe(one, filter, Qos::AtMostOnce);
    }
    let filters = ["a", "x", "$share/g/a", "b/+", "b/+"].map(|it| TopicFilter::new(it).unwrap());
    let packet = Unsubscribe::new(id(99), TopicFilters::new(&filters).unwrap());
    place.send(one, &encode(&Packet::Unsubscribe(packet)));
    let codes = place.find(one, |packet| match packet {
        Packet::UnsubAck(it) => Some(it.reason_codes.iter().collect::<Vec<_>>()),
        _ => None,
    });
    let (yes, no) = (ReasonCode::Success, ReasonCode::NoSubscriptionExisted);
    assert_eq!(codes.unwrap(), [yes, no, yes, yes, no]);
    for topic in ["a", "b/x", "c"] {
        place.publish(one, topic, "hi", Qos::AtMostOnce);
    }
    let got: Vec<_> = place.take(one).into_iter().map(|it| it.topic).collect();
    assert_eq!(got, ["c"]);
}

/// [MQTT-3.3.4-3]: Subscription Identifiers are those of the Client's own subscriptions, whoever else has the same filter, in
/// slices, too.
fn identifiers_are_those_of_the_client() {
    for slice in [1, 1000] {
        let mut place = Place::new(BrokerConfig {
            fan_out_slice: slice,
            ..BrokerConfig::default()
        });
        let publisher = place.connect(&who("publisher"));
        let wires = ["a", "b", "c"].map(|name| place.connect(&who(name)));
        let own: [&[(&str, u32)]; 3] = [&[("t", 1)], &[("t", 2), ("#", 3)], &[]];
        for (wire, own) in wires.iter().zip(own) {
            for (filter, number) in own {
                place.subscribe_as(*wire, filter, up_to(Qos::AtLeastOnce), Some(*number));
            }
        }
        place.subscribe(wires[2], "+", Qos::AtLeastOnce);
        place.publish(publisher, "t", "hi", Qos::AtLeastOnce);
        let got = wires.map(|wire| {
            let got: Vec<_> = place
                .take(wire)
                .into_iter()
                .map(|it| it.identifiers)
                .collect();
            got.concat()
        });
        assert_eq!(got, [vec![1], vec![2, 3], vec![]], "{slice}");
    }
}

/// [MQTT-3.3.1-3]: DUP of what the Server sends says whether it has sent this before, whatever the publisher's DUP was.
fn dup_is_of_the_copy() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for duplicate in [false, true] {
            let mut place = Place::new(persistent());
            let publisher = place.connect(&who("publisher"));
            let it = who("it").lasting(100);
            let wire = place.connect(&it);
            place.wire(wire).answers = false;
            place.subscribe(wire, "a", Qos::ExactlyOnce);
            let publish = Publish {
                delivery: Delivery::new(qos, id(1), duplicate),
                ..Publish::new(TopicName::new("a").unwrap(), b"hi")
            };
            place.send(publisher, &encode(&Packet::Publish(publish)));
            assert_eq!(
                place
                    .take(wire)
                    .iter()
                    .map(|it| it.duplicate)
                    .collect::<Vec<_>>(),
                [false]
            );
            place.cut(wire);
            let wire = place.resume(&it);
            assert_eq!(
                place
                    .take(wire)
                    .iter()
                    .map(|it| it.duplicate)
                    .collect::<Vec<_>>(),
                [true]
            );
        }
    }
}
