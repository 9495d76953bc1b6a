//! Retained messages between Clients (sections 3.3.1.3, 3.8.3.1, 4.8).

use mqtt5_session_fsm::broker::retained::RetainedLimits;
use mqtt5_session_fsm::broker::{BrokerConfig, DropReason, Grant, Notice};
use mqtt5_session_fsm::codec::{
    Properties, Property, Publish, Qos, ReasonCode, RetainHandling, SubscriptionOptions, TopicName,
};
use mqtt5_session_fsm::{Limits, ServerConfig};

use crate::broker::place::{Place, persistent, up_to, who};

crate::check::checks! {
    "retained":
    broker {
        Example retain_handling,
        Example retain_bits,
        Example replaced_and_removed,
        Example what_a_copy_says,
        Example each_new_subscription_gets_its_own,
        Example retain_not_available,
        Example limits_of_the_store,
        Example cleared_topics_leave_nothing,
        Example no_local_keeps_it_from_its_publisher,
        Example a_refused_filter_gets_nothing,
    }
}

pub(super) const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

pub(super) fn handling(retain_handling: RetainHandling) -> SubscriptionOptions {
    SubscriptionOptions {
        retain_handling,
        ..up_to(Qos::ExactlyOnce)
    }
}

pub(super) fn retained<'a>(topic: &'a str, payload: &'a str) -> Publish<'a> {
    Publish {
        retain: true,
        ..Publish::new(TopicName::new(topic).unwrap(), payload.as_bytes())
    }
}

/// [MQTT-3.3.1-9] to [MQTT-3.3.1-11]: new and existing subscriptions, by UNSUBSCRIBE, by the end of the Session, and by a
/// reconnect that resumes it.
fn retain_handling() {
    use RetainHandling::{DoNotSend, Send, SendIfNew};
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    place.retain(publisher, "a", "kept");
    let it = who("it").lasting(100);
    let mut one = place.connect(&it);
    for (options, gets) in [
        (SendIfNew, 1),
        (SendIfNew, 0),
        (Send, 1),
        (DoNotSend, 0),
        (Send, 1),
    ] {
        place.subscribe_as(one, "a", handling(options), None);
        assert_eq!(place.take(one).len(), gets, "{options:?}");
    }
    for restarts in [false, true] {
        place.cut(one);
        if restarts {
            place.restart();
        }
        one = place.resume(&it);
        place.subscribe_as(one, "a", handling(SendIfNew), None);
        assert_eq!(place.take(one), [], "the subscription exists");
    }
    place.unsubscribe(one, "a");
    place.subscribe_as(one, "a", handling(DoNotSend), None);
    assert_eq!(place.take(one), []);
    place.unsubscribe(one, "a");
    place.subscribe_as(one, "a", handling(SendIfNew), None);
    assert_eq!(place.take(one).len(), 1, "it is a new one");
    let one = place.connect(&it);
    place.subscribe_as(one, "a", handling(SendIfNew), None);
    assert_eq!(place.take(one).len(), 1, "of a new Session");
}

/// [MQTT-3.3.1-8], [MQTT-3.3.1-12], [MQTT-3.3.1-13]: RETAIN of what a subscription gets because it was made, and live.
fn retain_bits() {
    for retain_as_published in [false, true] {
        let mut place = Place::new(BrokerConfig::default());
        let one = place.connect(&who("one"));
        place.retain(one, "a", "old");
        let options = SubscriptionOptions {
            retain_as_published,
            ..up_to(Qos::ExactlyOnce)
        };
        place.subscribe_as(one, "a", options, None);
        assert!(
            place.take(one)[0].retain,
            "whatever Retain As Published says"
        );
        for retain in [true, false] {
            let publish = Publish {
                retain,
                ..retained("a", "new")
            };
            place.publish_as(one, publish, Qos::ExactlyOnce);
            let expected = retain && retain_as_published;
            assert_eq!(place.take(one)[0].retain, expected);
        }
    }
}

/// [MQTT-3.3.1-5] to [MQTT-3.3.1-7]: a message replaces the retained one whatever its QoS, an empty one removes it and is
/// sent like any other, one without RETAIN does neither.
fn replaced_and_removed() {
    for qos in QOS {
        let mut place = Place::new(BrokerConfig::default());
        let one = place.connect(&who("one"));
        place.retain(one, "a", "first");
        place.publish_as(one, retained("a", "second"), qos);
        place.publish(one, "a", "", qos);
        place.publish(one, "a", "live", qos);
        place.subscribe(one, "a", Qos::ExactlyOnce);
        let got = place.take(one);
        assert_eq!(got.len(), 1);
        assert_eq!((&got[0].payload[..], got[0].qos), ("second", qos));
        place.publish_as(one, retained("a", ""), qos);
        assert_eq!(place.payloads(one), [""], "[MQTT-3.3.1-6]");
        place.subscribe(one, "a", Qos::ExactlyOnce);
        assert_eq!(place.take(one), []);
    }
}

/// A retained message arrives at the lower QoS, with the identifier of its subscription, with its properties, and with
/// what is left of its time.
fn what_a_copy_says() {
    for restarts in [false, true] {
        let mut place = Place::new(persistent());
        let one = place.connect(&who("one"));
        let list = [
            Property::MessageExpiryInterval(100),
            Property::ResponseTopic(TopicName::new("answer").unwrap()),
        ];
        let publish = Publish {
            properties: Properties::new(&list).unwrap(),
            ..retained("a/b", "kept")
        };
        place.publish_as(one, publish, Qos::ExactlyOnce);
        place.pass(30_000);
        if restarts {
            place.restart();
        }
        let one = place.connect(&who("one"));
        place.subscribe_as(one, "a/+", up_to(Qos::AtLeastOnce), Some(7));
        let got = place.take(one).remove(0);
        assert_eq!(
            (
                got.qos,
                got.retain,
                got.duplicate,
                got.identifiers,
                got.expiry
            ),
            (Qos::AtLeastOnce, true, false, vec![7], Some(70))
        );
        assert_eq!(got.properties.len(), 1, "{:?}", got.properties);
        place.pass(70_000);
        place.subscribe(one, "a/#", Qos::AtLeastOnce);
        assert_eq!(place.take(one), [], "[MQTT-3.3.2-5]");
    }
}

/// Two filters of one SUBSCRIBE that match the same topic are two subscriptions that get it; one without any gets none.
fn each_new_subscription_gets_its_own() {
    let mut place = Place::new(BrokerConfig::default());
    let one = place.connect(&who("one"));
    for topic in ["a/b", "$SYS/b", "b", "a"] {
        place.retain(one, topic, topic);
    }
    let filters = [
        ("a/#", up_to(Qos::AtLeastOnce)),
        ("+/b", up_to(Qos::AtLeastOnce)),
    ];
    place.subscribe_all(one, &filters, Some(3));
    let mut got = place.payloads(one);
    got.sort();
    assert_eq!(got, ["a", "a/b", "a/b"], "[MQTT-4.7.2-1]");
    place.subscribe(one, "$SYS/#", Qos::AtLeastOnce);
    assert_eq!(place.payloads(one), ["$SYS/b"]);
}

/// [MQTT-3.2.2-14]: RETAIN to a Server that does not have it.
fn retain_not_available() {
    let config = BrokerConfig {
        server: ServerConfig {
            limits: Limits {
                retain_available: false,
                ..Limits::NONE
            },
            ..ServerConfig::default()
        },
        ..BrokerConfig::default()
    };
    let mut place = Place::new(config);
    let one = place.connect(&who("one"));
    place.publish_as(one, retained("a", "kept"), Qos::AtLeastOnce);
    assert_eq!(place.disconnect(one), Some(ReasonCode::RetainNotSupported));
}

/// Limits of the store: 0x97, or a notice for QoS 0; what is there can still be replaced and removed.
fn limits_of_the_store() {
    let config = BrokerConfig {
        retained: RetainedLimits {
            messages: 1,
            ..RetainedLimits::default()
        },
        ..BrokerConfig::default()
    };
    for qos in QOS {
        let mut place = Place::new(config);
        let one = place.connect(&who("one"));
        place.subscribe_as(one, "#", handling(RetainHandling::DoNotSend), None);
        place.retain(one, "a", "1");
        place.take(one);
        let code = place.publish_as(one, retained("b", "1"), qos);
        let told = place.notices.iter().any(|it| {
            matches!(
                it,
                Notice::Dropped {
                    reason: DropReason::RetainedFull,
                    ..
                } | Notice::Refused { .. }
            )
        });
        assert!(told, "{qos:?}");
        if qos > Qos::AtMostOnce {
            assert_eq!(code, Some(ReasonCode::QuotaExceeded));
        }
        let code = place.publish_as(one, retained("a", "2"), Qos::AtLeastOnce);
        assert_eq!(code, Some(ReasonCode::Success));
        place.publish_as(one, retained("a", ""), Qos::AtLeastOnce);
        place.retain(one, "b", "3");
        place.take(one);
        place.subscribe(one, "+", Qos::AtLeastOnce);
        assert_eq!(place.payloads(one), ["3"]);
    }
}

/// Of topics that were cleared nothing is stored.
fn cleared_topics_leave_nothing() {
    let mut place = Place::new(persistent());
    let one = place.connect(&who("one"));
    for number in 0..20 {
        let topic = format!("a/{number}/x");
        place.retain(one, &topic, "kept");
        place.retain(one, &topic, "");
    }
    place.cut(one);
    assert_eq!(place.map.len(), 1, "{:?}", place.map);
}

/// [MQTT-3.8.3-3]: a retained message comes from a ClientID, too, whatever connection that has now, and after a restart.
fn no_local_keeps_it_from_its_publisher() {
    let no_local = SubscriptionOptions {
        no_local: true,
        ..up_to(Qos::AtLeastOnce)
    };
    for restarts in [false, true] {
        let mut place = Place::new(persistent());
        let it = who("one").lasting(100);
        let one = place.connect(&it);
        let other = place.connect(&who("other"));
        place.retain(one, "a", "of one");
        place.retain(other, "b", "of other");
        place.retain(other, "c", "of other");
        place.retain(one, "c", "of one, again");
        place.retain(one, "d", "of one");
        place.retain(other, "d", "of other, again");
        place.cut(one);
        if restarts {
            place.restart();
        }
        let one = place.resume(&it);
        place.subscribe_as(one, "#", no_local, None);
        assert_eq!(place.payloads(one), ["of other", "of other, again"]);
        place.subscribe(one, "+", Qos::AtLeastOnce);
        let all = ["of one", "of other", "of one, again", "of other, again"];
        assert_eq!(place.payloads(one), all);
    }
}

/// A filter that is refused is no subscription: it gets no retained message, nor any other.
fn a_refused_filter_gets_nothing() {
    let mut place = Place::new(BrokerConfig::default());
    let one = place.connect(&who("one"));
    for topic in ["a", "b"] {
        place.retain(one, topic, "kept");
    }
    place.decides = false;
    // SUBSCRIBE with the filters `a` and `b`, QoS 1.
    place.send(one, &[0x82, 11, 0, 9, 0, 0, 1, b'a', 1, 0, 1, b'b', 1]);
    let question = place.questions.pop().unwrap();
    let grants = [
        Grant::Refuse(ReasonCode::NotAuthorized),
        Grant::UpTo(Qos::AtLeastOnce),
    ];
    let now = place.now;
    place
        .broker
        .answer_subscribe(now, &question, &grants)
        .unwrap();
    place.settle();
    for topic in ["a", "b"] {
        place.publish(one, topic, "live", Qos::AtLeastOnce);
    }
    let topics: Vec<_> = place.take(one).into_iter().map(|it| it.topic).collect();
    assert_eq!(topics, ["b", "b"]);
}
