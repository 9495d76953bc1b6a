//! What the CONNACK forbids is refused before it is sent, by an error that names the limit
//! (sections 3.2.2.3.4 to 3.2.2.3.13).

use mqtt5_session_fsm::codec::{
    MaximumQos, Message, Property, Publish, Qos, SubscriptionIdentifier, TopicName,
};
use mqtt5_session_fsm::{LimitExceeded, Limits, Publication, PublishError, SendError};

use super::driver::{Driver, KEEPS, Lines, publication};
use super::make;

crate::check::checks! { "limits":
    client {
        Domain maximum_qos,
        Domain retain_available,
        Domain retain_available_for_what_is_published_now,
        Domain subscriptions_that_are_not_available,
        Example everything_is_available_unless_denied,
        Example maximum_packet_size_of_requests,
        Example what_waited_is_judged_by_the_connack,
        Example what_is_in_flight_is_judged_again,
        Example limits_end_with_the_connection,
        Example limits_of_every_property,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn retained(qos: u8) -> Publication {
    let publish = Publish {
        retain: true,
        ..Publish::new(TopicName::new("a").unwrap(), b"x")
    };
    Publication::new(
        Qos::from_bits(qos).unwrap(),
        Message::new(&publish).unwrap(),
    )
}

/// MQTT-3.2.2-14: RETAIN, or not, to a Server that has retained messages, or not, without being stored.
fn retain_available_for_what_is_published_now() -> u64 {
    for available in [true, false] {
        for retain in [true, false] {
            let mut driver = Driver::announced(&[Property::RetainAvailable(available)]);
            let publish = Publish {
                retain,
                ..Publish::new(TopicName::new("a").unwrap(), b"x")
            };
            let mut wire = Vec::new();
            let result = driver.machine.publish_now(driver.now, &publish, &mut wire);
            if retain && !available {
                let expected = PublishError::Forbidden(LimitExceeded::RetainAvailable);
                assert_eq!(result, Err(expected));
                assert!(wire.is_empty());
            } else {
                assert_eq!(result, Ok(()));
                assert_eq!(wire, make::bytes(publish));
            }
        }
    }
    4
}

/// MQTT-3.2.2-11: each Maximum QoS, each QoS.
fn maximum_qos() -> u64 {
    for (announced, maximum) in [
        (None, 2),
        (Some(MaximumQos::AtLeastOnce), 1),
        (Some(MaximumQos::AtMostOnce), 0),
    ] {
        let connack: Vec<_> = announced.map(Property::MaximumQos).into_iter().collect();
        for qos in 0..=2 {
            let mut driver = Driver::announced(&connack);
            let result = driver.accept(publication(qos, "a", "x", &[]));
            let said = driver.settle();
            if qos <= maximum {
                assert!(
                    said[0].starts_with(&format!("> PUBLISH q{qos}")),
                    "{said:?}"
                );
            } else {
                assert_eq!(
                    result,
                    Err(PublishError::Forbidden(LimitExceeded::MaximumQos))
                );
                assert_eq!(said, nothing());
            }
        }
    }
    9
}

/// MQTT-3.2.2-14: RETAIN only if Retain Available is absent or 1.
fn retain_available() -> u64 {
    for announced in [None, Some(true), Some(false)] {
        let connack: Vec<_> = announced
            .map(Property::RetainAvailable)
            .into_iter()
            .collect();
        for qos in 0..=2 {
            let mut driver = Driver::announced(&connack);
            let result = driver.accept(retained(qos));
            if announced == Some(false) {
                assert_eq!(
                    result,
                    Err(PublishError::Forbidden(LimitExceeded::RetainAvailable))
                );
                assert_eq!(driver.settle(), nothing());
                assert!(!driver.publish(qos, "a", "x").is_empty());
            } else {
                assert!(driver.settle()[0].contains(" retain a \"x\""));
            }
        }
    }
    9
}

/// Sections 3.2.2.3.11 to 3.2.2.3.13: filters and properties against each combination of the three.
fn subscriptions_that_are_not_available() -> u64 {
    let identifier = [Property::SubscriptionIdentifier(
        SubscriptionIdentifier::new(1).unwrap(),
    )];
    let mut judged = 0;
    for bits in 0..8_u8 {
        let (wildcards, identifiers, shared) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
        let connack = [
            Property::WildcardSubscriptionAvailable(wildcards),
            Property::SubscriptionIdentifierAvailable(identifiers),
            Property::SharedSubscriptionAvailable(shared),
        ];
        let cases: [(&[&str], &[Property<'_>], bool, LimitExceeded); 9] = [
            (&["a"], &[], true, LimitExceeded::MaximumPacketSize),
            (
                &["a/+"],
                &[],
                wildcards,
                LimitExceeded::WildcardSubscriptionAvailable,
            ),
            (
                &["#"],
                &[],
                wildcards,
                LimitExceeded::WildcardSubscriptionAvailable,
            ),
            (
                &["a", "b", "+/b"],
                &[],
                wildcards,
                LimitExceeded::WildcardSubscriptionAvailable,
            ),
            (
                &["$share/s/a/#"],
                &[],
                wildcards && shared,
                LimitExceeded::MaximumPacketSize,
            ),
            (
                &["a"],
                &identifier,
                identifiers,
                LimitExceeded::SubscriptionIdentifierAvailable,
            ),
            (
                &["$share/s/a"],
                &[],
                shared,
                LimitExceeded::SharedSubscriptionAvailable,
            ),
            (
                &["a", "$share/s/a"],
                &[],
                shared,
                LimitExceeded::SharedSubscriptionAvailable,
            ),
            (
                &["$sharex/s/a", "a$share/s"],
                &[],
                true,
                LimitExceeded::MaximumPacketSize,
            ),
        ];
        for (filters, properties, is_available, limit) in cases {
            let mut driver = Driver::announced(&connack);
            let result = driver.try_subscribe(filters, properties);
            let said = driver.settle();
            if is_available {
                assert_eq!(result, Ok(()), "{filters:?} {bits:03b}");
                assert!(said[0].starts_with("> SUBSCRIBE #1"), "{said:?}");
            } else {
                match limit {
                    LimitExceeded::MaximumPacketSize => {
                        assert!(matches!(result, Err(SendError::Forbidden(_))));
                    }
                    _ => assert_eq!(result, Err(SendError::Forbidden(limit))),
                }
                assert_eq!(said, nothing());
                // No identifier was used up.
                assert_eq!(driver.subscribe(&["b"]), ["> SUBSCRIBE #1 b"]);
            }
            // UNSUBSCRIBE is not restricted.
            assert_eq!(driver.try_unsubscribe(filters, &[]), Ok(()));
            judged += 1;
        }
    }
    judged
}

/// Section 3.2.2.3: what is absent is allowed.
fn everything_is_available_unless_denied() {
    let mut driver = Driver::connected();
    assert_eq!(*driver.machine.server_limits(), Limits::NONE);
    let identifier = [Property::SubscriptionIdentifier(
        SubscriptionIdentifier::MAX,
    )];
    assert_eq!(
        driver.try_subscribe(&["$share/s/a/#", "+"], &identifier),
        Ok(())
    );
    assert_eq!(driver.accept(retained(2)), Ok(()));
}

/// MQTT-3.2.2-15: SUBSCRIBE and UNSUBSCRIBE up to the limit, and no byte more.
fn maximum_packet_size_of_requests() {
    for subscribes in [true, false] {
        // Fixed header 2, identifier 2, no properties 1, length 2, options 1.
        let least = if subscribes { 8 } else { 7 };
        for length in 1..50 {
            let connack = [Property::MaximumPacketSize(
                (least + 20).try_into().unwrap(),
            )];
            let mut driver = Driver::announced(&connack);
            let filter = "f".repeat(length);
            let before = driver.wire.len();
            let result = match subscribes {
                true => driver.try_subscribe(&[&filter], &[]),
                false => driver.try_unsubscribe(&[&filter], &[]),
            };
            let _ = driver.settle();
            if length <= 20 {
                assert_eq!(driver.wire.len() - before, least as usize + length);
            } else {
                assert_eq!(
                    result,
                    Err(SendError::Forbidden(LimitExceeded::MaximumPacketSize))
                );
                assert_eq!(driver.wire.len(), before);
            }
        }
    }
}

/// MQTT-3.2.2-11, -14, -15: accepted before the limits were known: not sent, and told so.
fn what_waited_is_judged_by_the_connack() {
    let mut driver = Driver::new();
    let _ = driver.publish(2, "a", "2");
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish_with(retained(0));
    let _ = driver.publish(1, "a", &"large".repeat(20));
    let _ = driver.publish(0, "a", "0");
    let mut said = driver.reconnect(
        KEEPS,
        false,
        &[
            Property::MaximumQos(MaximumQos::AtLeastOnce),
            Property::RetainAvailable(false),
            Property::MaximumPacketSize(50.try_into().unwrap()),
        ],
    );
    said.sort();
    assert_eq!(
        said,
        [
            "> PUBLISH q0 a \"0\"",
            "> PUBLISH q1 #1 a \"1\"",
            "t1 Forbidden(MaximumQos)",
            "t3 Forbidden(RetainAvailable)",
            "t4 Forbidden(MaximumPacketSize)",
            "t5 Sent",
        ]
    );
}

/// MQTT-3.2.2-11, -14, -15: nor is anything sent again that the new connection's limits forbid.
fn what_is_in_flight_is_judged_again() {
    let limits: [&[Property<'_>]; 3] = [
        &[Property::MaximumQos(MaximumQos::AtMostOnce)],
        &[Property::RetainAvailable(false)],
        &[Property::MaximumPacketSize(12.try_into().unwrap())],
    ];
    for (n, limit) in limits.into_iter().enumerate() {
        let mut driver = Driver::connected();
        match n {
            0 => drop(driver.publish(1, "a", "x")),
            1 => drop(driver.publish_with(retained(1))),
            _ => drop(driver.publish(1, "a", "longer than before")),
        }
        let _ = driver.lose();
        let said = driver.reconnect(KEEPS, true, limit);
        assert!(
            !said.iter().any(|line| line.starts_with("> PUBLISH")),
            "{n}: {said:?}"
        );
    }
}

/// Sections 3.2.2.3: what one CONNACK forbids, the next may allow.
fn limits_end_with_the_connection() {
    let mut driver = Driver::announced(&[
        Property::MaximumQos(MaximumQos::AtMostOnce),
        Property::WildcardSubscriptionAvailable(false),
    ]);
    assert!(driver.accept(publication(1, "a", "", &[])).is_err());
    let _ = driver.lose();
    assert_eq!(
        driver.accept(publication(1, "a", "", &[])),
        Ok(()),
        "not connected: it may wait"
    );
    let said = driver.reconnect(KEEPS, true, &[]);
    assert_eq!(said, ["> PUBLISH q1 #1 a \"\""]);
    assert_eq!(driver.try_subscribe(&["#"], &[]), Ok(()));
}

/// Section 3.2.2.3: each limit is known to the application.
fn limits_of_every_property() {
    let driver = Driver::announced(&[
        Property::ReceiveMaximum(7.try_into().unwrap()),
        Property::MaximumQos(MaximumQos::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(300.try_into().unwrap()),
        Property::TopicAliasMaximum(4),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdentifierAvailable(false),
        Property::SharedSubscriptionAvailable(false),
    ]);
    let expected = Limits {
        receive_maximum: 7,
        topic_alias_maximum: 4,
        maximum_packet_size: 300,
        maximum_qos: Qos::AtLeastOnce,
        retain_available: false,
        wildcard_subscription_available: false,
        subscription_identifier_available: false,
        shared_subscription_available: false,
        problem_information: true,
    };
    assert_eq!(*driver.machine.server_limits(), expected);
}
