//! A Client that speaks MQTT 3.1.1: messages and subscriptions.

use mqtt5_session_fsm::codec::{
    Message, Properties, Property, Publish, Qos, ReasonCode, RetainHandling, SubscribeProperties,
    Subscription, SubscriptionIdentifier, SubscriptionOptions, Subscriptions, Text, TopicFilter,
    TopicFilters, TopicName, UnsubscribeProperties,
};
use mqtt5_session_fsm::{Publication, SendError};

use super::client_wire::ClientWire;
use super::wire::NOW;

/// Sections 3.8, 3.9: three grants and one failure.
#[test]
fn subscribe() {
    let mut wire = ClientWire::accepted(true);
    let filters = ["a", "b", "c", "$share//d"];
    let subscriptions = filters.map(|filter| Subscription::new(filter, Qos::ExactlyOnce));
    assert!(subscriptions[3].is_err(), "MQTT 5 has no such filter");
    let subscriptions = [0, 1, 2].map(|it| subscriptions[it].unwrap());
    let list = Subscriptions::new(&subscriptions).unwrap();
    wire.client
        .subscribe(SubscribeProperties::EMPTY, list)
        .unwrap();
    assert_eq!(
        wire.poll(),
        "82 0E 00 01 00 01 61 02 00 01 62 02 00 01 63 02"
    );
    assert_eq!(wire.receive("90 05 00 01 00 80 02"), "");
    assert_eq!(wire.take_events(), ["suback [0, 128, 2]"]);
    // [MQTT3-3.9.3-1]: one code for each filter; [MQTT3-3.9.3-2]: no others.
    for answer in ["90 04 00 02 00 00", "90 03 00 02 87", "90 03 00 02 03"] {
        let mut wire = ClientWire::accepted(true);
        wire.client.subscribe_to("a", Qos::AtMostOnce).unwrap();
        wire.client.subscribe_to("a", Qos::AtMostOnce).unwrap();
        wire.poll();
        assert_eq!(wire.receive(answer), "");
        assert!(wire.closed.is_some());
    }
}

/// What a SUBSCRIBE of MQTT 3.1.1 cannot say is an error, and nothing is sent.
#[test]
fn options_that_are_not_in_the_version() {
    let mut wire = ClientWire::accepted(true);
    let plain = Subscription::new("a", Qos::AtLeastOnce).unwrap().options;
    for options in [
        SubscriptionOptions {
            no_local: true,
            ..plain
        },
        SubscriptionOptions {
            retain_as_published: true,
            ..plain
        },
        SubscriptionOptions {
            retain_handling: RetainHandling::DoNotSend,
            ..plain
        },
    ] {
        let subscriptions = [Subscription {
            filter: TopicFilter::new("a").unwrap(),
            options,
        }];
        let list = Subscriptions::new(&subscriptions).unwrap();
        let refused = wire.client.subscribe(SubscribeProperties::EMPTY, list);
        assert!(matches!(refused, Err(SendError::Invalid(_))), "{refused:?}");
    }
    let identifier = SubscriptionIdentifier::new(1).unwrap();
    let properties = [Property::SubscriptionIdentifier(identifier)];
    let subscriptions = [Subscription::new("a", Qos::AtMostOnce).unwrap()];
    let refused = wire.client.subscribe(
        Properties::new(&properties).unwrap(),
        Subscriptions::new(&subscriptions).unwrap(),
    );
    assert!(matches!(refused, Err(SendError::Invalid(_))), "{refused:?}");
    wire.client.subscribe_to("a", Qos::AtMostOnce).unwrap();
    assert!(wire.poll().starts_with("82 06"));
}

/// Section 3.11: an UNSUBACK says nothing, and means success for each filter.
#[test]
fn unsubscribe() {
    let mut wire = ClientWire::accepted(true);
    let filters = ["a", "b", "c"].map(|filter| TopicFilter::new(filter).unwrap());
    for count in [3, 1] {
        let list = TopicFilters::new(&filters[..count]).unwrap();
        wire.client
            .unsubscribe(UnsubscribeProperties::EMPTY, list)
            .unwrap();
    }
    assert_eq!(
        wire.poll(),
        "A2 0B 00 01 00 01 61 00 01 62 00 01 63 A2 05 00 02 00 01 61"
    );
    assert_eq!(wire.receive("B0 02 00 01 B0 02 00 02"), "");
    assert_eq!(wire.take_events(), ["unsuback [0, 0, 0]", "unsuback [0]"]);
}

/// Properties stay behind; the rest of the message goes on.
#[test]
fn properties_are_left_out() {
    let mut wire = ClientWire::accepted(true);
    let properties = [Property::ContentType(Text::new("text/plain").unwrap())];
    let publish = Publish {
        properties: Properties::new(&properties).unwrap(),
        ..Publish::new(TopicName::new("t").unwrap(), b"x")
    };
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let publication = Publication::new(qos, Message::new(&publish).unwrap());
        wire.client.publish(NOW, publication).unwrap();
    }
    assert_eq!(
        wire.poll(),
        "32 06 00 01 74 00 01 78 34 06 00 01 74 00 02 78 30 04 00 01 74 78"
    );
    // Sections 4.3.2, 4.3.3.
    assert_eq!(wire.receive("40 02 00 01 50 02 00 02"), "62 02 00 02");
    assert_eq!(wire.receive("70 02 00 02"), "");
    assert_eq!(
        wire.take_events(),
        ["outcome sent", "outcome puback", "outcome pubcomp"]
    );
    let mut out = Vec::new();
    wire.client.publish_now(NOW, &publish, &mut out).unwrap();
    assert_eq!(out, [0x30, 4, 0, 1, b't', b'x']);
}

/// Section 3.3.5: a message can be acknowledged, but not refused.
#[test]
fn messages_are_acknowledged() {
    let mut wire = ClientWire::accepted(true);
    assert_eq!(
        wire.receive("32 06 00 01 74 00 07 78 34 06 00 01 74 00 08 78"),
        ""
    );
    for receipt in wire.receipts.clone() {
        let code = ReasonCode::NotAuthorized;
        let refused = wire.client.acknowledge_with(receipt, code, &[]);
        assert_eq!(refused, Err(SendError::NotInVersion));
        wire.client.acknowledge(receipt).unwrap();
    }
    assert_eq!(wire.poll(), "40 02 00 07 50 02 00 08");
    // Section 4.3.3: a repetition is answered, and so is a PUBREL of which nothing is known.
    assert_eq!(wire.receive("3C 06 00 01 74 00 08 78"), "50 02 00 08");
    assert_eq!(
        wire.receive("62 02 00 08 62 02 00 09"),
        "70 02 00 08 70 02 00 09"
    );
    assert_eq!(
        wire.take_events(),
        ["message", "message", "unknownidentifier"]
    );
}

/// An identifier that is in use by another exchange cannot be refused either.
#[test]
fn an_identifier_in_use_ends_the_connection() {
    let mut wire = ClientWire::accepted(true);
    assert_eq!(wire.receive("34 06 00 01 74 00 08 78"), "");
    assert_eq!(wire.receive("32 06 00 01 74 00 08 79"), "");
    assert!(wire.closed.is_some());
    assert_eq!(wire.take_events(), ["message", "sessionended"]);
}
