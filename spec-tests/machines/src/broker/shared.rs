//! Shared Subscriptions (section 4.8.2).

use mqtt5_session_fsm::broker::groups::GroupsConfig;
use mqtt5_session_fsm::broker::{BrokerConfig, DropReason, Notice};
use mqtt5_session_fsm::codec::Properties;
use mqtt5_session_fsm::codec::{
    Packet, Property, PubAck, PubRec, Publish, Qos, ReasonCode, SubscriptionOptions, TopicName,
};
use mqtt5_session_fsm::{ServerConfig, SessionConfig, WaitingLimits};

use crate::broker::place::{Place, Who, encode, persistent, up_to, who};

crate::check::checks! {
    "shared":
    broker {
        Example groups_are_independent_of_each_other_and_of_other_subscriptions,
        Example the_filter_behind_the_share_name_counts,
        Example wrong_filters_end_the_connection,
        Example no_retained_messages_for_members,
        Example each_member_has_its_own_qos,
        Example what_waits_keeps_its_qos,
        Example subscribing_again_replaces,
        Example unsubscribe_needs_the_full_filter,
        Example properties_and_flags_of_the_member,
        Example a_refusal_by_the_member_ends_the_message,
        Example a_full_member_is_passed_over,
        Example an_acknowledgement_takes_the_next_out_of_the_queue,
        Example expiry_in_the_queue_of_a_group,
        Example the_queue_of_a_group_is_bounded,
        Example a_large_queue_of_a_group_does_not_burst,
        Example qos_0_does_not_wait_for_members,
    }
}

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

fn lasting(name: &'static str) -> Who {
    who(name).lasting(100)
}

fn dropped(place: &mut Place, wanted: DropReason) -> usize {
    let is_it = |it: &Notice| matches!(it, Notice::Dropped { reason, .. } if *reason == wanted);
    let count = place.notices.iter().filter(|it| is_it(it)).count();
    place.notices.retain(|it| !is_it(it));
    count
}

/// Each Shared Subscription is independent from any other, and from Non-shared ones: a Client in all of them gets a copy for each.
fn groups_are_independent_of_each_other_and_of_other_subscriptions() {
    let mut place = Place::new(BrokerConfig::default());
    let publisher = place.connect(&who("publisher"));
    let one = place.connect(&who("one"));
    let other = place.connect(&who("other"));
    for filter in ["$share/g/a/+", "$share/h/a/+", "$share/g/a/b", "a/#"] {
        place.subscribe(one, filter, Qos::AtLeastOnce);
    }
    place.subscribe(other, "$share/g/a/b", Qos::AtLeastOnce);
    let mut in_all = 0;
    for _ in 0..4 {
        place.publish(publisher, "a/b", "hi", Qos::AtLeastOnce);
        let got = (place.take(one).len(), place.take(other).len());
        assert!(matches!(got, (4, 0) | (3, 1)), "{got:?}");
        in_all += got.1;
    }
    assert_eq!(in_all, 2, "both members of $share/g/a/b work");
}

/// The ShareName is not looked at for matching: `$share/g//finance` is `/finance`, and `$share/g/#` does not match `$SYS`
/// [MQTT-4.7.2-1].
fn the_filter_behind_the_share_name_counts() {
    for (filter, topic, matches) in [
        ("$share/g//finance", "/finance", true),
        ("$share/g//finance", "finance", false),
        ("$share/g/#", "$SYS/x", false),
        ("$share/g/+/x", "$SYS/x", false),
        ("$share/g/$SYS/#", "$SYS/x", true),
        ("$share/g/a/#", "a", true),
        ("$share/g/+", "/", false),
        ("$share/g/+/+", "/", true),
        ("$share/g/#", "/", true),
        ("$share/g/$share/g/a", "$share/g/a", true),
        ("$share/g/$share/g/a", "a", false),
    ] {
        let mut place = Place::new(BrokerConfig::default());
        let member = place.connect(&who("member"));
        assert_eq!(
            place.subscribe(member, filter, Qos::AtMostOnce),
            ReasonCode::Success
        );
        place.publish(member, topic, "hi", Qos::AtMostOnce);
        assert_eq!(
            place.take(member).len(),
            usize::from(matches),
            "{filter} {topic}"
        );
    }
}

/// [MQTT-4.8.2-1], [MQTT-4.8.2-2], [MQTT-3.8.3-4]: a bad ShareName, and No Local, end the connection.
fn wrong_filters_end_the_connection() {
    for filter in [
        "$share",
        "$share/",
        "$share/g",
        "$share/g/",
        "$share//a",
        "$share/+/a",
        "$share/#/a",
        "$share/g#/a",
    ] {
        let mut place = Place::new(BrokerConfig::default());
        let member = place.connect(&who("member"));
        place.send(member, &subscribe_bytes(filter, 1));
        let code = place.disconnect(member);
        let expected = if filter == "$share" {
            None
        } else {
            Some(ReasonCode::TopicFilterInvalid)
        };
        assert!(
            code == expected
                || code == Some(ReasonCode::MalformedPacket)
                || code == Some(ReasonCode::ProtocolError),
            "{filter} {code:?}"
        );
    }
    let mut place = Place::new(BrokerConfig::default());
    let member = place.connect(&who("member"));
    place.send(member, &subscribe_bytes("$share/g/a", 0b101));
    assert_eq!(place.disconnect(member), Some(ReasonCode::ProtocolError));
    assert!(!place.is_open(member));
}

fn subscribe_bytes(filter: &str, options: u8) -> Vec<u8> {
    let mut bytes = vec![0x82, filter.len() as u8 + 6, 0, 9, 0, 0, filter.len() as u8];
    bytes.extend(filter.as_bytes());
    bytes.push(options);
    bytes
}

/// No Retained Messages are sent to a Session that subscribes, whatever Retain Handling says [MQTT-4.8.2].
fn no_retained_messages_for_members() {
    let mut place = Place::new(BrokerConfig::default());
    let one = place.connect(&who("one"));
    place.retain(one, "a", "old");
    for _ in 0..2 {
        place.subscribe(one, "$share/g/a", Qos::ExactlyOnce);
        assert_eq!(place.take(one), []);
    }
}

/// [MQTT-4.8.2-3]: the QoS that is granted to the member that gets the message; the one it was published with is kept until
/// that member is known.
fn each_member_has_its_own_qos() {
    let mut place = Place::new(BrokerConfig::default());
    let publisher = place.connect(&who("publisher"));
    let members: Vec<_> = ["0", "1", "2"]
        .iter()
        .zip(QOS)
        .map(|(name, qos)| {
            let member = place.connect(&who(name));
            place.subscribe(member, "$share/g/a", qos);
            (member, qos)
        })
        .collect();
    for qos in QOS {
        for _ in 0..3 {
            place.publish(publisher, "a", "hi", qos);
        }
        for (member, granted) in &members {
            let got: Vec<_> = place.take(*member).iter().map(|it| it.qos).collect();
            assert_eq!(got, [qos.min(*granted)]);
        }
    }
}

/// What waits in the group keeps its published QoS: the member that comes first decides, not the one that was away.
fn what_waits_keeps_its_qos() {
    for granted in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let low = place.connect(&lasting("low"));
        place.subscribe(low, "$share/g/a", Qos::AtMostOnce);
        let high = place.connect(&lasting("high"));
        place.subscribe(high, "$share/g/a", granted);
        place.cut(low);
        place.cut(high);
        assert_eq!(
            place.publish(publisher, "a", "hi", Qos::ExactlyOnce),
            Some(ReasonCode::Success)
        );
        place.restart();
        let high = place.resume(&lasting("high"));
        let got: Vec<_> = place.take(high).iter().map(|it| it.qos).collect();
        assert_eq!(got, [granted]);
    }
}

/// A second SUBSCRIBE of a Session does not make it two members; it changes the QoS and the identifier, and its first
/// UNSUBSCRIBE ends it.
fn subscribing_again_replaces() {
    let mut place = Place::new(BrokerConfig::default());
    let one = place.connect(&who("one"));
    let other = place.connect(&who("other"));
    let filter = "$share/g/a";
    place.subscribe_as(one, filter, up_to(Qos::AtMostOnce), Some(1));
    place.subscribe_as(one, filter, up_to(Qos::ExactlyOnce), Some(2));
    place.subscribe(other, filter, Qos::ExactlyOnce);
    for _ in 0..4 {
        place.publish(other, "a", "hi", Qos::ExactlyOnce);
    }
    let got: Vec<_> = place.take(one);
    assert_eq!(got.len(), 2, "it has one turn");
    assert!(got.iter().all(|it| it.qos == Qos::ExactlyOnce));
    assert!(got.iter().all(|it| it.identifiers == [2]));
    assert_eq!(place.take(other).len(), 2);
    assert_eq!(place.unsubscribe(one, filter), ReasonCode::Success);
    assert_eq!(
        place.unsubscribe(one, filter),
        ReasonCode::NoSubscriptionExisted
    );
    place.publish(other, "a", "hi", Qos::ExactlyOnce);
    assert_eq!(place.take(one), []);
    assert_eq!(place.take(other).len(), 1);
}

/// A Non-shared filter of the same name is another subscription: UNSUBSCRIBE of one leaves the other.
fn unsubscribe_needs_the_full_filter() {
    let mut place = Place::new(BrokerConfig::default());
    let one = place.connect(&who("one"));
    place.subscribe(one, "$share/g/a", Qos::AtMostOnce);
    assert_eq!(
        place.unsubscribe(one, "a"),
        ReasonCode::NoSubscriptionExisted
    );
    place.subscribe(one, "a", Qos::AtMostOnce);
    assert_eq!(place.unsubscribe(one, "$share/g/a"), ReasonCode::Success);
    place.publish(one, "a", "hi", Qos::AtMostOnce);
    assert_eq!(place.take(one).len(), 1);
}

/// The properties of the message go on; Subscription Identifiers are those of the member that got it, and RETAIN is 0
/// unless it asked for Retain As Published.
fn properties_and_flags_of_the_member() {
    for retain_as_published in [false, true] {
        let mut place = Place::new(BrokerConfig::default());
        let one = place.connect(&who("one"));
        let options = SubscriptionOptions {
            retain_as_published,
            ..up_to(Qos::AtLeastOnce)
        };
        place.subscribe_as(one, "$share/g/a", options, Some(5));
        place.subscribe_as(one, "$share/h/#", options, Some(6));
        let list = [Property::MessageExpiryInterval(50)];
        let publish = Publish {
            retain: true,
            properties: Properties::new(&list).unwrap(),
            ..Publish::new(TopicName::new("a").unwrap(), b"hi")
        };
        place.publish_as(one, publish, Qos::AtLeastOnce);
        let mut got = place.take(one);
        got.sort_by(|one, other| one.identifiers.cmp(&other.identifiers));
        let identifiers: Vec<_> = got.iter().map(|it| it.identifiers.clone()).collect();
        assert_eq!(identifiers, [vec![5], vec![6]]);
        for it in got {
            assert_eq!((it.retain, it.expiry), (retain_as_published, Some(50)));
        }
    }
}

/// [MQTT-4.8.2-6]: a refusal ends the message.
fn a_refusal_by_the_member_ends_the_message() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut place = Place::new(BrokerConfig::default());
        let publisher = place.connect(&who("publisher"));
        let one = place.connect(&who("one"));
        let other = place.connect(&who("other"));
        place.subscribe(one, "$share/g/a", Qos::ExactlyOnce);
        place.subscribe(other, "$share/g/a", Qos::ExactlyOnce);
        place.wire(one).answers = false;
        place.wire(other).answers = false;
        place.publish(publisher, "a", "hi", qos);
        let (got_one, got_other) = (place.take(one), place.take(other));
        assert_eq!(got_one.len() + got_other.len(), 1);
        let (wire, got) = if got_one.is_empty() {
            (other, got_other)
        } else {
            (one, got_one)
        };
        let identifier = got[0].packet_identifier.unwrap();
        let bytes = match qos {
            Qos::AtLeastOnce => encode(&Packet::PubAck(PubAck::new(
                identifier,
                ReasonCode::NotAuthorized,
            ))),
            _ => encode(&Packet::PubRec(PubRec::new(
                identifier,
                ReasonCode::NotAuthorized,
            ))),
        };
        place.send(wire, &bytes);
        place.cut(wire);
        assert_eq!((place.take(one), place.take(other)), (vec![], vec![]));
    }
}

/// A member whose Receive Maximum is used up is passed over; the group's own queue holds what nobody can take, in order.
fn a_full_member_is_passed_over() {
    let mut place = Place::new(persistent());
    let publisher = place.connect(&who("publisher"));
    let slow = place.connect(&Who {
        receive_maximum: Some(1),
        ..lasting("slow")
    });
    place.wire(slow).answers = false;
    place.subscribe(slow, "$share/g/a", Qos::AtLeastOnce);
    let fast = place.connect(&lasting("fast"));
    place.subscribe(fast, "$share/g/a", Qos::AtLeastOnce);
    for number in 0..10 {
        place.publish(publisher, "a", &number.to_string(), Qos::AtLeastOnce);
    }
    let (slow_got, fast_got) = (place.take(slow), place.payloads(fast));
    assert_eq!((slow_got.len(), fast_got.len()), (1, 9));
    place.cut(fast);
    for number in 10..13 {
        place.publish(publisher, "a", &number.to_string(), Qos::AtLeastOnce);
    }
    assert_eq!(place.take(slow), [], "Receive Maximum [MQTT-3.3.4-9]");
    let fast = place.resume(&lasting("fast"));
    assert_eq!(place.payloads(fast), ["10", "11", "12"]);
    let identifier = slow_got[0].packet_identifier.unwrap();
    let puback = PubAck::new(identifier, ReasonCode::Success);
    place.send(slow, &encode(&Packet::PubAck(puback)));
    assert_eq!(place.take(slow), []);
}

/// A message that waits for all members goes to the one whose place is free again.
fn an_acknowledgement_takes_the_next_out_of_the_queue() {
    let mut place = Place::new(BrokerConfig::default());
    let publisher = place.connect(&who("publisher"));
    let one = place.connect(&Who {
        receive_maximum: Some(2),
        ..who("one")
    });
    place.subscribe(one, "$share/g/a", Qos::ExactlyOnce);
    place.wire(one).answers = false;
    for number in 0..6 {
        place.publish(publisher, "a", &number.to_string(), Qos::AtLeastOnce);
    }
    let mut order = Vec::new();
    loop {
        let got = place.take(one);
        if got.is_empty() {
            break;
        }
        assert!(got.len() <= 2);
        for it in got {
            let puback = PubAck::new(it.packet_identifier.unwrap(), ReasonCode::Success);
            order.push(it.payload);
            place.send(one, &encode(&Packet::PubAck(puback)));
        }
    }
    assert_eq!(order, ["0", "1", "2", "3", "4", "5"]);
}

/// Messages that wait in a group expire, and say the rest of their time when they go out [MQTT-3.3.2-5], [MQTT-3.3.2-6].
fn expiry_in_the_queue_of_a_group() {
    for restarts in [false, true] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let one = place.connect(&lasting("one"));
        place.subscribe(one, "$share/g/a", Qos::AtLeastOnce);
        place.cut(one);
        for (payload, seconds) in [("short", 10), ("long", 50)] {
            let list = [Property::MessageExpiryInterval(seconds)];
            let publish = Publish {
                properties: Properties::new(&list).unwrap(),
                ..Publish::new(TopicName::new("a").unwrap(), payload.as_bytes())
            };
            place.publish_as(publisher, publish, Qos::AtLeastOnce);
        }
        place.pass(5_000);
        if restarts {
            place.now = mqtt5_session_fsm::Instant::from_millis(place.now.as_millis() + 15_000);
            place.restart();
            place.pass(0);
        } else {
            place.pass(15_000);
        }
        let one = place.resume(&lasting("one"));
        let got: Vec<_> = place
            .take(one)
            .into_iter()
            .map(|it| (it.payload, it.expiry))
            .collect();
        assert_eq!(got, [("long".to_owned(), Some(30))], "restarts: {restarts}");
        let notices = format!("{:?}", place.notices);
        assert_eq!(
            dropped(&mut place, DropReason::Expired),
            1,
            "restarts: {restarts} {notices}"
        );
    }
}

/// The queue of a group is bounded; what does not fit is dropped with a notice, and the publisher is not slowed down.
fn the_queue_of_a_group_is_bounded() {
    let config = BrokerConfig {
        groups: GroupsConfig {
            waiting: WaitingLimits {
                messages: 2,
                ..WaitingLimits::default()
            },
            ..GroupsConfig::default()
        },
        ..BrokerConfig::default()
    };
    let mut place = Place::new(config);
    let publisher = place.connect(&who("publisher"));
    let one = place.connect(&lasting("one"));
    place.subscribe(one, "$share/g/a", Qos::AtLeastOnce);
    place.cut(one);
    for number in 0..4 {
        let code = place.publish(publisher, "a", &number.to_string(), Qos::AtLeastOnce);
        assert!(code.is_some(), "each is acknowledged");
    }
    assert_eq!(dropped(&mut place, DropReason::Group), 2);
    let one = place.resume(&lasting("one"));
    assert_eq!(place.payloads(one), ["0", "1"]);
}

/// A queue larger than what one Session may have in flight and waiting: no message is lost on its way to the member.
fn a_large_queue_of_a_group_does_not_burst() {
    let config = BrokerConfig {
        server: ServerConfig {
            session: SessionConfig {
                in_flight: 2,
                waiting: WaitingLimits {
                    messages: 0,
                    ..WaitingLimits::default()
                },
                ..SessionConfig::default()
            },
            ..ServerConfig::default()
        },
        ..BrokerConfig::default()
    };
    let mut place = Place::new(config);
    let publisher = place.connect(&who("publisher"));
    let one = place.connect(&lasting("one"));
    place.subscribe(one, "$share/g/a", Qos::ExactlyOnce);
    place.cut(one);
    let expected: Vec<_> = (0..20).map(|it| it.to_string()).collect();
    for number in &expected {
        place.publish(publisher, "a", number, Qos::ExactlyOnce);
    }
    let one = place.resume(&lasting("one"));
    assert_eq!(place.payloads(one), expected);
    assert_eq!(place.broker.statistics().dropped, 0);
}

/// All members away: QoS 0 is dropped, and so is what a member with QoS 0 would have to get.
fn qos_0_does_not_wait_for_members() {
    let mut place = Place::new(BrokerConfig::default());
    let publisher = place.connect(&who("publisher"));
    let one = place.connect(&lasting("one"));
    place.subscribe(one, "$share/g/a", Qos::AtLeastOnce);
    place.cut(one);
    place.publish(publisher, "a", "0", Qos::AtMostOnce);
    place.publish(publisher, "a", "1", Qos::AtLeastOnce);
    let one = place.resume(&lasting("one"));
    assert_eq!(place.payloads(one), ["1"]);
}
