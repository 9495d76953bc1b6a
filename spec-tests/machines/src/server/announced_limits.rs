//! What the Server announces in its CONNACK, and holds the Client to (sections 3.2.2.3, 3.3.4).

use std::num::{NonZeroU16, NonZeroU32};

use mqtt5_session_fsm::Limits;
use mqtt5_session_fsm::codec::{
    ConnAckProperties, Delivery, MaximumQos, Property, Publish, Qos, ReasonCode,
    SubscriptionIdentifier,
};

use super::driver::{Driver, with_connack};
use super::make::{Hello, QOS, config, limited, limits_and_wills, subscribe_with, text, topic};
use crate::session::driver::{Lines, close_of, packets};
use crate::session::make;

crate::check::checks! { "announced_limits":
    server {
        Example what_is_not_limited_is_not_announced,
        Example every_limit_is_announced,
        Domain maximum_qos_binds_the_client,
        Domain retain_available_binds_the_client,
        Domain subscriptions_that_are_not_available,
        Domain the_will_is_held_to_them,
        Domain response_information_is_for_who_asks,
        Domain no_response_information_in_a_refusal,
        Example the_clients_limits_are_known,
        Example a_limit_is_not_given_twice,
    }
}

/// The properties of the CONNACK.
fn announced(limits: Limits, look: impl Fn(ConnAckProperties<'_>)) {
    let driver = Driver::with(limited(limits), &Hello::new());
    with_connack(&driver, |connack| look(connack.properties));
}

fn open(limits: Limits) -> Driver {
    Driver::with(limited(limits), &Hello::lasting())
}

/// Section 3.2.2.3: the meaning of an absent property is its default.
fn what_is_not_limited_is_not_announced() -> u64 {
    announced(Limits::NONE, |properties| {
        assert_eq!(Limits::of_server(&properties), Limits::NONE);
        assert!(
            properties.maximum_qos().is_none(),
            "a Maximum QoS of 2 cannot be announced"
        );
    });
    1
}

/// [MQTT-3.2.2-9], sections 3.2.2.3.3 to 3.2.2.3.13: each with its value.
fn every_limit_is_announced() -> u64 {
    for maximum_qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        let limits = Limits {
            receive_maximum: 17,
            topic_alias_maximum: 18,
            maximum_packet_size: 1_900,
            maximum_qos,
            retain_available: false,
            wildcard_subscription_available: false,
            subscription_identifier_available: false,
            shared_subscription_available: false,
            ..Limits::NONE
        };
        announced(limits, |properties| {
            assert_eq!(properties.receive_maximum(), NonZeroU16::new(17));
            assert_eq!(properties.topic_alias_maximum(), Some(18));
            assert_eq!(properties.maximum_packet_size(), NonZeroU32::new(1_900));
            let expected = match maximum_qos {
                Qos::AtMostOnce => MaximumQos::AtMostOnce,
                _ => MaximumQos::AtLeastOnce,
            };
            assert_eq!(properties.maximum_qos(), Some(expected));
            assert_eq!(properties.retain_available(), Some(false));
            assert_eq!(properties.wildcard_subscription_available(), Some(false));
            assert_eq!(properties.subscription_identifier_available(), Some(false));
            assert_eq!(properties.shared_subscription_available(), Some(false));
        });
    }
    2
}

/// A Protocol Error with this code, by which the violation is named, too.
fn is_error(said: &[String], code: ReasonCode) {
    assert_eq!(
        said,
        [format!("> DISCONNECT {code:?}"), format!("close {code:?}")]
    );
}

/// Section 3.2.2.3.4: DISCONNECT 0x9B.
fn maximum_qos_binds_the_client() -> u64 {
    for maximum_qos in QOS {
        for qos in QOS {
            let mut driver = open(Limits {
                maximum_qos,
                ..Limits::NONE
            });
            let said = driver.feed(&make::publish(qos as u8, 1, "a", "x"));
            if qos <= maximum_qos {
                assert_eq!(said[0], format!("message q{} a \"x\"", qos as u8));
                assert_eq!(close_of(&said), None);
            } else {
                is_error(&said, ReasonCode::QosNotSupported);
            }
        }
    }
    9
}

/// Section 3.2.2.3.5: DISCONNECT 0x9A.
fn retain_available_binds_the_client() -> u64 {
    for retain_available in [true, false] {
        for retain in [false, true] {
            for qos in QOS {
                let mut driver = open(Limits {
                    retain_available,
                    ..Limits::NONE
                });
                let said = driver.feed(&make::bytes(Publish {
                    retain,
                    delivery: Delivery::new(qos, make::id(1), false),
                    ..Publish::new(topic("t"), b"x")
                }));
                if retain_available || !retain {
                    assert!(said[0].starts_with("message q"), "{said:?}");
                } else {
                    is_error(&said, ReasonCode::RetainNotSupported);
                }
            }
        }
    }
    12
}

/// Sections 3.2.2.3.11 to 3.2.2.3.13: DISCONNECT 0xA2, 0xA1, 0x9E.
fn subscriptions_that_are_not_available() -> u64 {
    let identifier = SubscriptionIdentifier::new(7).expect("not 0");
    let with_identifier = [Property::SubscriptionIdentifier(identifier)];
    let rows = [
        (0, make::subscribe(1, &["a", "b/c"]), ReasonCode::Success),
        (
            1,
            make::subscribe(1, &["a/+"]),
            ReasonCode::WildcardSubscriptionsNotSupported,
        ),
        (
            1,
            make::subscribe(1, &["a", "#"]),
            ReasonCode::WildcardSubscriptionsNotSupported,
        ),
        (
            2,
            subscribe_with(1, &["a"], &with_identifier),
            ReasonCode::SubscriptionIdentifiersNotSupported,
        ),
        (
            4,
            make::subscribe(1, &["$share/s/a"]),
            ReasonCode::SharedSubscriptionsNotSupported,
        ),
        (
            4,
            make::subscribe(1, &["b", "c", "$share/s/a"]),
            ReasonCode::SharedSubscriptionsNotSupported,
        ),
    ];
    let mut cases = 0;
    for available in 0..8_u8 {
        let limits = Limits {
            wildcard_subscription_available: available & 1 != 0,
            subscription_identifier_available: available & 2 != 0,
            shared_subscription_available: available & 4 != 0,
            ..Limits::NONE
        };
        for (needed, sent, code) in &rows {
            let said = open(limits).feed(sent);
            if available & needed == *needed {
                assert!(
                    said.len() == 1 && said[0].starts_with("subscribe #1"),
                    "{said:?}"
                );
            } else {
                is_error(&said, *code);
            }
            cases += 1;
        }
        // A filter with both is wrong if either is missing; which code is said is left open.
        let said = open(limits).feed(&make::subscribe(1, &["$share/s/#"]));
        assert_eq!(close_of(&said).is_none(), available & 5 == 5);
        // Unsubscribing needs nothing.
        let said = open(limits).feed(&make::unsubscribe(1, &["$share/s/#", "+"]));
        assert_eq!(close_of(&said), None);
    }
    cases + 16
}

/// [MQTT-3.2.2-12], [MQTT-3.2.2-13]: CONNACK 0x9B, 0x9A and the end; the host is not asked.
fn the_will_is_held_to_them() -> u64 {
    let mut cases = 0;
    for (limits, will, refusals) in limits_and_wills() {
        let mut driver = Driver::serving(limited(limits));
        let said = driver.hello(&Hello::new().and_will(will));
        if refusals.is_empty() {
            assert_eq!(said, ["connect \"c1\""]);
            continue;
        }
        let is_refused = |code: &ReasonCode| packets(&said) == [format!("CONNACK {code:?}")];
        assert!(refusals.iter().any(is_refused), "{said:?}");
        assert!(close_of(&said).is_some());
        assert!(driver.accept_client(&[]).is_err());
        cases += 1;
    }
    cases
}

/// Those that ask for Response Information, and those that do not.
fn asking() -> impl Iterator<Item = (bool, Driver)> {
    [None, Some(false), Some(true)].into_iter().map(|asked| {
        let mut hello = Hello::new();
        let property = asked.map(Property::RequestResponseInformation);
        hello.properties.extend(property);
        (asked == Some(true), Driver::deciding(config(), &hello))
    })
}

/// [MQTT-3.1.2-28]: only if Request Response Information is 1.
fn response_information_is_for_who_asks() -> u64 {
    let list = [Property::ResponseInformation(text("answers/"))];
    for (asked, mut driver) in asking() {
        match driver.accept_client(&list) {
            Ok(said) => assert_eq!(said[0].contains("ResponseInformation"), asked),
            Err(error) => {
                assert!(!asked, "{error}");
                assert!(driver.accept_client(&[]).is_ok());
            }
        }
    }
    3
}

/// [MQTT-3.1.2-28]: a CONNACK of refusal has none either.
fn no_response_information_in_a_refusal() -> u64 {
    let list = [Property::ResponseInformation(text("answers/"))];
    for (asked, mut driver) in asking() {
        if let Ok(said) = driver.refuse_client(ReasonCode::ServerBusy, &list) {
            assert!(said[0].starts_with("> CONNACK ServerBusy"));
            assert!(
                !said[0].contains("ResponseInformation") || asked,
                "{said:?}"
            );
        }
    }
    3
}

/// Section 3.1.2.11: as the Client announced them.
fn the_clients_limits_are_known() {
    let hello = Hello::new()
        .with(Property::ReceiveMaximum(3.try_into().expect("not 0")))
        .with(Property::TopicAliasMaximum(4))
        .with(Property::MaximumPacketSize(500.try_into().expect("not 0")))
        .with(Property::RequestProblemInformation(false));
    let expected = Limits {
        receive_maximum: 3,
        topic_alias_maximum: 4,
        maximum_packet_size: 500,
        problem_information: false,
        ..Limits::NONE
    };
    let driver = Driver::with(config(), &hello);
    assert_eq!(*driver.machine.client_limits(), expected);
    assert_eq!(*Driver::lasting().machine.client_limits(), Limits::NONE);
}

/// Sections 3.2.2.3.3 and following: each at most once; the CONNACK still waits.
fn a_limit_is_not_given_twice() {
    let limits = Limits {
        receive_maximum: 17,
        ..Limits::NONE
    };
    let mut driver = Driver::deciding(limited(limits), &Hello::new());
    let lists: [&[Property<'_>]; 3] = [
        &[Property::ReceiveMaximum(18.try_into().expect("not 0"))],
        &[Property::ServerKeepAlive(1), Property::ServerKeepAlive(2)],
        &[Property::TopicAlias(NonZeroU16::MIN)],
    ];
    for list in lists {
        assert!(driver.accept_client(list).is_err());
        assert_eq!(driver.settle(), Lines::new());
    }
    assert!(driver.accept_client(&[]).is_ok());
}
