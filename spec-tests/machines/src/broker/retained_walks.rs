//! Retained messages on their way to a new subscription, and what happens meanwhile (sections 3.3.1.3, 4.6).

use mqtt5_session_fsm::broker::BrokerConfig;
use mqtt5_session_fsm::codec::{Publish, Qos, RetainHandling};
use mqtt5_session_fsm::{ServerConfig, SessionConfig, WaitingLimits, WhenFull};

use super::retained::{QOS, handling, retained};
use crate::broker::place::{Place, Who, persistent, up_to, who};

crate::check::checks! {
    "retained_walks":
    broker {
        Example no_burst_into_a_small_queue,
        Example live_messages_in_the_middle,
        Example the_subscription_changes_in_the_middle,
        Example the_connection_breaks_in_the_middle,
    }
}

fn with_queue(messages: u32, in_flight: u16, when_full: WhenFull) -> BrokerConfig {
    BrokerConfig {
        server: ServerConfig {
            session: SessionConfig {
                in_flight,
                waiting: WaitingLimits {
                    messages,
                    when_full,
                    ..WaitingLimits::default()
                },
                ..persistent().server.session
            },
            ..ServerConfig::default()
        },
        ..BrokerConfig::default()
    }
}

fn acknowledge(place: &mut Place, wire: usize, identifiers: &[u16]) {
    for number in identifiers {
        let [high, low] = number.to_be_bytes();
        place.send(wire, &[0x40, 2, high, low]);
    }
}

/// Many retained messages against small queues, small Receive Maximum and small limits of the Server: all arrive, once.
fn no_burst_into_a_small_queue() {
    for messages in [0, 1, 3] {
        for (receive_maximum, in_flight) in [(1, 100), (100, 1), (2, 3)] {
            for qos in QOS {
                let mut place = Place::new(with_queue(messages, in_flight, WhenFull::Refuse));
                let publisher = place.connect(&who("publisher"));
                for number in 0..50 {
                    place.publish_as(publisher, retained(&format!("a/{number}"), "kept"), qos);
                }
                let one = place.connect(&Who {
                    receive_maximum: Some(receive_maximum),
                    ..who("one")
                });
                place.subscribe(one, "a/#", Qos::ExactlyOnce);
                let mut got: Vec<_> = place.take(one).into_iter().map(|it| it.topic).collect();
                let what = format!("{messages} {receive_maximum} {in_flight} {qos:?}");
                assert_eq!(got.len(), 50, "{what}");
                got.sort();
                got.dedup();
                assert_eq!(got.len(), 50, "{what}");
                assert_eq!(place.broker.statistics().dropped, 0, "{what}");
            }
        }
    }
}

/// Live messages that come in the middle of it: nothing old after something new of a topic [MQTT-4.6.0-5], each topic's last
/// message arrives, nothing twice.
fn live_messages_in_the_middle() {
    for qos in QOS {
        for live in QOS {
            for retain in [false, true] {
                let mut place = Place::new(BrokerConfig::default());
                let publisher = place.connect(&who("publisher"));
                for number in 0..10 {
                    place.publish_as(publisher, retained(&format!("a/{number}"), "1"), qos);
                }
                let one = place.connect(&Who {
                    receive_maximum: Some(1),
                    ..who("one")
                });
                place.works = false;
                place.subscribe(one, "a/#", Qos::ExactlyOnce);
                for number in 0..10 {
                    place.broker.work(place.now, &mut 1);
                    place.settle();
                    let publish = Publish {
                        retain,
                        ..retained("a/5", "")
                    };
                    let payload = (number + 2).to_string();
                    let publish = Publish {
                        payload: payload.as_bytes(),
                        ..publish
                    };
                    place.publish_as(publisher, publish, live);
                }
                place.works = true;
                place.settle();
                let got = place.take(one);
                let of_five: Vec<u32> = got
                    .iter()
                    .filter(|it| it.topic == "a/5")
                    .map(|it| it.payload.parse().unwrap())
                    .collect();
                let what = format!("{qos:?} {live:?} {retain} {of_five:?}");
                if qos == live {
                    assert!(of_five.is_sorted(), "{what}");
                }
                assert!(of_five.contains(&11), "{what}");
                let mut once = of_five.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), of_five.len(), "twice: {what}");
                assert_eq!(got.len() - of_five.len(), 9, "{what}");
            }
        }
    }
}

/// UNSUBSCRIBE, and a replacing SUBSCRIBE, in the middle of it.
fn the_subscription_changes_in_the_middle() {
    let mut place = Place::new(BrokerConfig::default());
    let publisher = place.connect(&who("publisher"));
    for number in 0..10 {
        place.retain(publisher, &format!("a/{number}"), "kept");
    }
    let one = place.connect(&Who {
        receive_maximum: Some(2),
        ..who("one")
    });
    place.wire(one).answers = false;
    place.subscribe(one, "a/#", Qos::AtLeastOnce);
    assert_eq!(place.take(one).len(), 2);
    place.unsubscribe(one, "a/#");
    acknowledge(&mut place, one, &[1, 2]);
    assert_eq!(place.take(one), [], "UNSUBSCRIBE ends it");
    place.subscribe_as(one, "a/#", up_to(Qos::AtLeastOnce), Some(1));
    let first = place.take(one);
    assert_eq!(first.len(), 2);
    let options = handling(RetainHandling::DoNotSend);
    place.subscribe_as(one, "a/#", options, Some(2));
    place.wire(one).answers = true;
    let identifiers: Vec<_> = first
        .iter()
        .map(|it| it.packet_identifier.unwrap().get())
        .collect();
    acknowledge(&mut place, one, &identifiers);
    let rest = place.take(one);
    assert_eq!(rest.len(), 8, "a replacement does not end it");
    let new = rest.iter().all(|it| it.identifiers == [2]);
    assert!(new, "[MQTT-3.3.4-3]: {rest:?}");
}

/// The connection breaks, and the broker, in the middle of it: what is left comes with the next connection.
fn the_connection_breaks_in_the_middle() {
    for restarts in [false, true] {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            for batches in 0..12 {
                let mut place = Place::new(persistent());
                let publisher = place.connect(&who("publisher"));
                for number in 0..10 {
                    place.publish_as(publisher, retained(&format!("a/{number}"), "kept"), qos);
                }
                let it = Who {
                    receive_maximum: Some(2),
                    ..who("one").lasting(100)
                };
                let one = place.connect(&it);
                place.wire(one).answers = false;
                place.subscribe(one, "a/#", Qos::ExactlyOnce);
                let mut got = Vec::new();
                for _ in 0..batches / 2 {
                    for message in place.take(one) {
                        let number = message.packet_identifier.unwrap().get();
                        let [high, low] = number.to_be_bytes();
                        if qos == Qos::AtLeastOnce {
                            place.send(one, &[0x40, 2, high, low]);
                        } else {
                            place.send(one, &[0x50, 2, high, low, 0x70, 2, high, low]);
                        }
                        got.push(message.topic);
                    }
                }
                place.take(one);
                place.cut(one);
                if restarts {
                    place.restart();
                }
                let one = place.resume(&it);
                got.extend(place.take(one).into_iter().map(|it| it.topic));
                let length = got.len();
                got.sort();
                got.dedup();
                assert_eq!(
                    (length, got.len()),
                    (10, 10),
                    "{restarts} {qos:?} {batches}"
                );
            }
        }
    }
}
