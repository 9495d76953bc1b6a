//! Properties of messages and Will Messages on their way (sections 3.1.3.2, 3.3.2.3).

use mqtt5_session_fsm::codec::{
    Binary, Connect, Packet, PayloadFormat, Properties, Property, Publish, Qos, ReasonCode, Text,
    TopicName, UserProperty, Will,
};

use crate::broker::place::{Got, Place, encode, persistent, who};

crate::check::checks! {
    "properties":
    broker {
        Example a_message_keeps_them,
        Example a_retained_message_keeps_them,
        Example a_will_keeps_them,
        Example a_message_of_a_group_keeps_them,
    }
}

fn user(name: &'static str, value: &'static str) -> Property<'static> {
    Property::UserProperty(UserProperty {
        name: Text::new(name).unwrap(),
        value: Text::new(value).unwrap(),
    })
}

/// All that a Server forwards, User Properties with the same names and values among them.
fn all() -> Vec<Property<'static>> {
    vec![
        user("b", "1"),
        Property::ContentType(Text::new("text").unwrap()),
        user("a", "2"),
        Property::PayloadFormatIndicator(PayloadFormat::Utf8Text),
        Property::CorrelationData(Binary::new(b"\x00\xFF").unwrap()),
        user("b", "1"),
        user("b", ""),
        Property::ResponseTopic(TopicName::new("answers").unwrap()),
    ]
}

/// Each property is there once, as it was; User Properties are in their order.
fn assert_kept(got: &Got, what: &str) {
    let all: Vec<String> = all().iter().map(|it| format!("{it:?}")).collect();
    let is_user = |it: &&String| it.starts_with("UserProperty");
    let users = |list: &[String]| list.iter().filter(is_user).cloned().collect::<Vec<_>>();
    assert_eq!(users(&got.properties), users(&all), "{what}");
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    assert_eq!(sorted(&got.properties), sorted(&all), "{what}");
}

/// [MQTT-3.3.2-4], [MQTT-3.3.2-15], [MQTT-3.3.2-16], [MQTT-3.3.2-17], [MQTT-3.3.2-18], [MQTT-3.3.2-20], to several subscribers, connected
/// or not, at each QoS, with and without Subscription Identifiers, after a restart.
fn a_message_keeps_them() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for identifier in [None, Some(5)] {
            let mut place = Place::new(persistent());
            let publisher = place.connect(&who("publisher"));
            let names = ["one", "two", "away"];
            let mut wires = names.map(|name| place.connect(&who(name).lasting(100)));
            for wire in wires {
                place.subscribe_as(wire, "a", crate::broker::place::up_to(qos), identifier);
            }
            place.cut(wires[2]);
            let list = all();
            let publish = Publish {
                properties: Properties::new(&list).unwrap(),
                ..Publish::new(TopicName::new("a").unwrap(), b"hi")
            };
            place.publish_as(publisher, publish, qos);
            let mut got = vec![place.take(wires[0]), place.take(wires[1])];
            if qos > Qos::AtMostOnce {
                place.restart();
                wires[2] = place.resume(&who("away").lasting(100));
                got.push(place.take(wires[2]));
            }
            for got in got {
                assert_eq!(got.len(), 1);
                assert_kept(&got[0], &format!("{qos:?} {identifier:?}"));
            }
        }
    }
}

/// The same for a retained message, before and after a restart.
fn a_retained_message_keeps_them() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let list = all();
    let publish = Publish {
        properties: Properties::new(&list).unwrap(),
        retain: true,
        ..Publish::new(TopicName::new("a").unwrap(), b"hi")
    };
    place.publish_as(publisher, publish, Qos::AtLeastOnce);
    for _ in 0..2 {
        let one = place.connect(&who("one"));
        place.subscribe(one, "a", Qos::AtLeastOnce);
        assert_kept(&place.take(one).remove(0), "retained");
        place.restart();
    }
}

/// The same for a Shared Subscription: at once, and from the queue of the group.
fn a_message_of_a_group_keeps_them() {
    for away in [false, true] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let mut one = place.connect(&who("one").lasting(100));
        place.subscribe(one, "$share/g/a", Qos::AtLeastOnce);
        if away {
            place.cut(one);
        }
        let list = all();
        let publish = Publish {
            properties: Properties::new(&list).unwrap(),
            ..Publish::new(TopicName::new("a").unwrap(), b"hi")
        };
        place.publish_as(publisher, publish, Qos::AtLeastOnce);
        if away {
            place.restart();
            one = place.resume(&who("one").lasting(100));
        }
        assert_kept(&place.take(one).remove(0), &format!("{away}"));
    }
}

/// [MQTT-3.1.3-10]: User Properties of a Will Message are in their order, with its other properties, without the Will Delay
/// Interval, after a restart, too.
fn a_will_keeps_them() {
    for restarts in [false, true] {
        let mut place = Place::new(persistent());
        let watcher = place.connect(&who("watcher").lasting(1000));
        place.subscribe(watcher, "will", Qos::AtLeastOnce);
        let mut list = all();
        list.push(Property::WillDelayInterval(10));
        let expiry = [Property::SessionExpiryInterval(100)];
        let connect = Connect {
            client_identifier: Text::new("it").unwrap(),
            properties: Properties::new(&expiry).unwrap(),
            will: Some(Will {
                topic: TopicName::new("will").unwrap(),
                payload: Binary::new(b"gone").unwrap(),
                qos: Qos::AtLeastOnce,
                retain: false,
                properties: Properties::new(&list).unwrap(),
            }),
            ..Connect::default()
        };
        let wire = place.open();
        place.send(wire, &encode(&Packet::Connect(connect)));
        assert_eq!(place.connack(wire), Some((ReasonCode::Success, false)));
        place.cut(wire);
        if restarts {
            place.restart();
        }
        place.pass(10_000);
        let watcher = match restarts {
            true => place.resume(&who("watcher").lasting(1000)),
            false => watcher,
        };
        assert_kept(&place.take(watcher).remove(0), &format!("{restarts}"));
    }
}
