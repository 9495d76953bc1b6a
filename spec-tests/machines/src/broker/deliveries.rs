//! What arrives: overlap, identifiers, properties, expiry, order, aliases, flow control (sections 3.3, 4.3, 4.6, 4.9).

use mqtt5_session_fsm::broker::{BrokerConfig, DropReason, Notice, Overlap, Recipient};
use mqtt5_session_fsm::codec::{
    Binary, Packet, Properties, Property, PubAck, Publish, Qos, ReasonCode, SubscriptionOptions,
    Text, TopicName, UserProperty,
};
use mqtt5_session_fsm::{Instant, Limits, ServerConfig};

use crate::broker::place::{Place, Who, encode, persistent, up_to, who};

crate::check::checks! {
    "deliveries":
    broker {
        Example overlap,
        Example no_local_over_connections,
        Example properties_go_on,
        Example message_expiry,
        Example expiry_of_zero,
        Example order,
        Example receive_maximum,
        Example receive_maximum_of_the_server,
        Example careless_acknowledgements,
        Example refused_by_the_subscriber,
        Example messages_arrive_at_the_lower_qos,
    }
}

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

fn with_overlap(overlap: Overlap) -> BrokerConfig {
    BrokerConfig {
        overlap,
        ..persistent()
    }
}

/// [MQTT-3.3.4-2] to [MQTT-3.3.4-5]: identifiers, RETAIN and No Local of overlapping subscriptions, offline and after a restart.
fn overlap() {
    for overlap in [Overlap::OneCopy, Overlap::OnePerSubscription] {
        for away in [false, true] {
            let mut place = Place::new(with_overlap(overlap));
            let publisher = place.connect(&who("publisher"));
            let it = who("it").lasting(100);
            let mut wire = place.connect(&it);
            let no_local = SubscriptionOptions {
                no_local: true,
                ..up_to(Qos::ExactlyOnce)
            };
            let as_published = SubscriptionOptions {
                retain_as_published: true,
                ..up_to(Qos::AtLeastOnce)
            };
            place.subscribe_as(wire, "a/#", no_local, Some(1));
            place.subscribe_as(wire, "a/+", as_published, Some(2));
            place.subscribe_as(wire, "+/b", up_to(Qos::AtLeastOnce), Some(2));
            place.subscribe_as(wire, "#", up_to(Qos::AtLeastOnce), None);
            place.subscribe_as(wire, "other", up_to(Qos::ExactlyOnce), Some(5));
            if away {
                place.cut(wire);
            }
            let publish = Publish {
                retain: true,
                ..Publish::new(TopicName::new("a/b").unwrap(), b"hi")
            };
            place.publish_as(publisher, publish, Qos::ExactlyOnce);
            if away {
                place.restart();
                wire = place.resume(&it);
            }
            let mut got: Vec<_> = place
                .take(wire)
                .into_iter()
                .map(|it| (it.qos, it.retain, it.identifiers))
                .collect();
            got.sort();
            match overlap {
                Overlap::OneCopy => {
                    assert_eq!(got.len(), 1);
                    assert_eq!((got[0].0, got[0].1), (Qos::ExactlyOnce, true), "{away}");
                    let mut identifiers = got[0].2.clone();
                    identifiers.dedup();
                    assert_eq!(identifiers, [1, 2], "{away}");
                }
                Overlap::OnePerSubscription => assert_eq!(
                    got,
                    [
                        (Qos::AtLeastOnce, false, vec![]),
                        (Qos::AtLeastOnce, false, vec![2]),
                        (Qos::AtLeastOnce, true, vec![2]),
                        (Qos::ExactlyOnce, false, vec![1]),
                    ],
                    "{away}"
                ),
            }
            // Its own message: No Local leaves out one of the subscriptions.
            let publish = Publish::new(TopicName::new("a/b").unwrap(), b"own");
            place.publish_as(wire, publish, Qos::ExactlyOnce);
            let got = place.take(wire);
            let identifiers: Vec<_> = got.iter().flat_map(|it| it.identifiers.clone()).collect();
            assert!(!identifiers.contains(&1), "[MQTT-3.8.3-3] {got:?}");
            assert!(got.iter().all(|it| it.qos == Qos::AtLeastOnce));
        }
    }
}

/// No Local is about the ClientID, not about the connection.
fn no_local_over_connections() {
    let mut place = Place::new(persistent());
    let it = who("it").lasting(100);
    let wire = place.connect(&it);
    let no_local = SubscriptionOptions {
        no_local: true,
        ..up_to(Qos::ExactlyOnce)
    };
    place.subscribe_as(wire, "a", no_local, None);
    place.restart();
    let wire = place.resume(&it);
    place.publish(wire, "a", "hi", Qos::AtLeastOnce);
    assert_eq!(place.take(wire), []);
}

/// [MQTT-3.3.2-4], [MQTT-3.3.2-15], [MQTT-3.3.2-16], [MQTT-3.3.2-17], [MQTT-3.3.2-18], [MQTT-3.3.2-20]: properties go on unaltered and in order, the
/// Topic Alias and what the publisher's own connection means do not.
fn properties_go_on() {
    let config = BrokerConfig {
        server: ServerConfig {
            limits: Limits {
                topic_alias_maximum: 5,
                ..Limits::NONE
            },
            ..persistent().server
        },
        ..persistent()
    };
    for away in [false, true] {
        let mut place = Place::new(config);
        let publisher = place.connect(&who("publisher"));
        let it = who("it").lasting(100);
        let mut wire = place.connect(&it);
        place.subscribe(wire, "a", Qos::ExactlyOnce);
        if away {
            place.cut(wire);
        }
        let user = |name: &'static str, value: &'static str| {
            Property::UserProperty(UserProperty {
                name: Text::new(name).unwrap(),
                value: Text::new(value).unwrap(),
            })
        };
        let list = [
            user("b", "1"),
            Property::ContentType(Text::new("text").unwrap()),
            user("a", "2"),
            Property::TopicAlias(std::num::NonZeroU16::new(3).unwrap()),
            Property::CorrelationData(Binary::new(b"\x00\xFF").unwrap()),
            user("b", "1"),
            Property::ResponseTopic(TopicName::new("answers").unwrap()),
        ];
        let publish = Publish {
            properties: Properties::new(&list).unwrap(),
            ..Publish::new(TopicName::new("a").unwrap(), b"hi")
        };
        place.publish_as(publisher, publish, Qos::AtLeastOnce);
        let alias = [list[3]];
        let publish = Publish {
            topic: None,
            properties: Properties::new(&alias).unwrap(),
            ..publish
        };
        place.publish_as(publisher, publish, Qos::AtLeastOnce);
        if away {
            place.restart();
            wire = place.resume(&it);
        }
        let got = place.take(wire);
        assert_eq!(got.len(), 2);
        let users: Vec<_> = got[0]
            .properties
            .iter()
            .filter(|it| it.contains("UserProperty"))
            .collect();
        assert!(
            users[0].contains("\"1\"") && users[1].contains("\"2\"") && users[2].contains("\"1\""),
            "{users:?}"
        );
        assert_eq!(got[0].properties.len(), 6, "{:?}", got[0].properties);
        assert_eq!((got[1].properties.len(), &got[1].topic[..]), (0, "a"));
    }
}

/// Message Expiry through the queue of a Session, restarts, and sending again: counted once, from the arrival.
fn message_expiry() {
    for restarts in 0..3 {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let it = Who {
            receive_maximum: Some(1),
            ..who("it").lasting(1000)
        };
        let wire = place.connect(&it);
        place.subscribe(wire, "a", Qos::ExactlyOnce);
        place.wire(wire).answers = false;
        for (payload, seconds) in [("sent", 10), ("short", 20), ("long", 60)] {
            let list = [Property::MessageExpiryInterval(seconds)];
            let publish = Publish {
                properties: Properties::new(&list).unwrap(),
                ..Publish::new(TopicName::new("a").unwrap(), payload.as_bytes())
            };
            place.publish_as(publisher, publish, Qos::AtLeastOnce);
        }
        assert_eq!(place.payloads(wire), ["sent"]);
        place.cut(wire);
        for _ in 0..3 {
            if restarts > 0 {
                place.now = Instant::from_millis(place.now.as_millis() + 10_000);
                for _ in 0..restarts {
                    place.restart();
                }
                place.pass(0);
            } else {
                place.pass(10_000);
            }
        }
        let wire = place.resume(&it);
        let got: Vec<_> = place
            .take(wire)
            .into_iter()
            .map(|it| (it.payload, it.duplicate, it.expiry))
            .collect();
        let last = got.last().unwrap();
        assert_eq!(
            (&last.0[..], last.1, last.2),
            ("long", false, Some(30)),
            "{restarts}"
        );
        assert!(
            got.iter().all(|it| it.0 != "short"),
            "[MQTT-3.3.2-5] {got:?}"
        );
        let expired = place.notices.iter().filter(|it| {
            matches!(it, Notice::Dropped { recipient: Recipient::Client(name), reason: DropReason::Expired } if &**name == "it")
        });
        assert_eq!(expired.count(), 1, "{restarts}");
    }
}

/// A message that has expired before it arrives, and one with an interval of 0.
fn expiry_of_zero() {
    let mut place = Place::new(persistent());
    let it = who("it").lasting(100);
    let wire = place.connect(&it);
    place.subscribe(wire, "a", Qos::ExactlyOnce);
    place.cut(wire);
    let publisher = place.connect(&who("publisher"));
    let list = [Property::MessageExpiryInterval(0)];
    let publish = Publish {
        properties: Properties::new(&list).unwrap(),
        retain: true,
        ..Publish::new(TopicName::new("a").unwrap(), b"hi")
    };
    place.publish_as(publisher, publish, Qos::AtLeastOnce);
    place.pass(0);
    let wire = place.resume(&it);
    assert_eq!(place.take(wire), []);
    place.subscribe(wire, "a", Qos::ExactlyOnce);
    assert_eq!(place.take(wire), []);
}

/// [MQTT-4.6.0-5], [MQTT-4.6.0-6]: per topic, QoS and publisher in order, over small windows, queues, breaks and restarts.
fn order() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for restarts in [false, true] {
            let mut place = Place::new(persistent());
            let publisher = place.connect(&who("publisher"));
            let it = Who {
                receive_maximum: Some(3),
                ..who("it").lasting(1000)
            };
            let mut wire = place.connect(&it);
            place.subscribe(wire, "a", Qos::ExactlyOnce);
            let mut publisher = publisher;
            let (mut expected, mut got) = (Vec::new(), Vec::new());
            for number in 0..30 {
                let payload = number.to_string();
                place.wire(wire).answers = number % 7 < 4;
                place.publish(publisher, "a", &payload, qos);
                expected.push(payload);
                got.extend(place.take(wire));
                if number % 10 == 5 {
                    place.cut(wire);
                }
                if number % 10 == 9 {
                    if restarts {
                        place.restart();
                        publisher = place.connect(&who("publisher"));
                    }
                    wire = place.resume(&it);
                }
            }
            got.extend(place.take(wire));
            if place.is_open(wire) {
                place.cut(wire);
            }
            let wire = place.resume(&it);
            got.extend(place.take(wire));
            let mut once: Vec<String> = Vec::new();
            for message in &got {
                match once.contains(&message.payload) {
                    true => assert!(message.duplicate, "{message:?}"),
                    false => once.push(message.payload.clone()),
                }
            }
            assert_eq!(once, expected, "{qos:?} {restarts}");
        }
    }
}

/// [MQTT-3.3.4-9]: never more than Receive Maximum, which a new connection may change, after a restart, too.
fn receive_maximum() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let it = |most| Who {
        receive_maximum: Some(most),
        ..who("it").lasting(1000)
    };
    let wire = place.connect(&it(5));
    place.subscribe(wire, "a", Qos::ExactlyOnce);
    place.wire(wire).answers = false;
    for number in 0..20 {
        let qos = QOS[1 + number % 2];
        place.publish(publisher, "a", &number.to_string(), qos);
    }
    assert_eq!(place.take(wire).len(), 5);
    place.publish(publisher, "a", "0", Qos::AtMostOnce);
    assert_eq!(place.take(wire).len(), 1, "QoS 0 is not counted");
    for most in [2, 7] {
        place.restart();
        let wire = place.open();
        place.wire(wire).answers = false;
        place.send(wire, &it(most).resuming().bytes());
        let got = place.take(wire);
        assert!(got.len() <= usize::from(most), "{}", got.len());
        place.cut(wire);
    }
    let wire = place.resume(&it(2));
    let got: Vec<_> = place.payloads(wire);
    assert_eq!(got.len(), 20, "{got:?}");
}

/// [MQTT-3.3.4-7], [MQTT-3.3.4-8]: a publisher that sends more than the Server's Receive Maximum is disconnected with 0x93; a publisher whose messages
/// wait for acknowledgements is not read as if it were.
fn receive_maximum_of_the_server() {
    let config = BrokerConfig {
        fan_out_slice: 1,
        server: ServerConfig {
            limits: Limits {
                receive_maximum: 2,
                ..Limits::NONE
            },
            ..persistent().server
        },
        ..persistent()
    };
    let mut place = Place::new(config);
    let publisher = place.connect(&who("publisher"));
    place.wire(publisher).answers = false;
    for _ in 0..2 {
        let code = place.publish(publisher, "a", "hi", Qos::ExactlyOnce);
        assert_eq!(code, Some(ReasonCode::NoMatchingSubscribers));
    }
    place.publish(publisher, "a", "hi", Qos::ExactlyOnce);
    assert_eq!(
        place.disconnect(publisher),
        Some(ReasonCode::ReceiveMaximumExceeded)
    );
}

/// Acknowledgements that nobody asked for, twice, or of the wrong kind: the connection may end, nothing else.
fn careless_acknowledgements() {
    let bytes: [&[u8]; 8] = [
        &[0x40, 2, 0, 9],
        &[0x50, 2, 0, 9],
        &[0x62, 2, 0, 9],
        &[0x70, 2, 0, 9],
        &[0x50, 2, 0, 1],
        &[0x70, 2, 0, 1],
        &[0x40, 2, 0, 1, 0x40, 2, 0, 1],
        &[0x40, 2, 0, 0],
    ];
    for bytes in bytes {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let it = who("it").lasting(100);
        let wire = place.connect(&it);
        place.subscribe(wire, "a", Qos::AtLeastOnce);
        place.wire(wire).answers = false;
        place.publish(publisher, "a", "1", Qos::AtLeastOnce);
        assert_eq!(place.payloads(wire), ["1"]);
        place.send(wire, bytes);
        place.publish(publisher, "a", "2", Qos::AtLeastOnce);
        let wire = if place.is_open(wire) {
            place.payloads(wire);
            place.cut(wire);
            place.resume(&it)
        } else {
            place.resume(&it)
        };
        let got = place.payloads(wire);
        assert_eq!(got.last().map(|it| &it[..]), Some("2"), "{bytes:x?}");
        assert!(place.publish(wire, "x", "", Qos::AtLeastOnce).is_some());
        place.cut(wire);
        place.pass(100_000);
        place.cut(publisher);
        assert_eq!(place.map.len(), 1, "{bytes:x?} {:?}", place.map.keys());
    }
}

/// A refusal by the subscriber ends the message for it, and is no acknowledgement to anybody else.
fn refused_by_the_subscriber() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let it = who("it").lasting(100);
    let wire = place.connect(&it);
    place.subscribe(wire, "a", Qos::AtLeastOnce);
    place.wire(wire).answers = false;
    place.publish(publisher, "a", "1", Qos::AtLeastOnce);
    let number = place.take(wire)[0].packet_identifier.unwrap();
    place.send(
        wire,
        &encode(&Packet::PubAck(PubAck::new(
            number,
            ReasonCode::UnspecifiedError,
        ))),
    );
    place.cut(wire);
    let wire = place.resume(&it);
    assert_eq!(place.take(wire), [], "[MQTT-4.4.0-2]");
}

/// [MQTT-3.8.4-8]: a message arrives at the lower one of its QoS and the granted one, once.
fn messages_arrive_at_the_lower_qos() {
    for published in QOS {
        for granted in QOS {
            let mut place = Place::new(BrokerConfig::default());
            let (one, other) = (place.connect(&who("one")), place.connect(&who("other")));
            let code = place.subscribe(other, "a/+", granted);
            assert_eq!(code, ReasonCode::granted(granted));
            place.publish(one, "a/b", "hi", published);
            let got: Vec<_> = place.take(other).into_iter().map(|it| it.qos).collect();
            assert_eq!(got, [published.min(granted)]);
            assert!(place.take(one).is_empty());
        }
    }
}
