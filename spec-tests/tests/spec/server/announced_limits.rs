//! What the Server announces in its CONNACK, and holds the Client to (sections 3.2.2.3, 3.3.4; table T8.6).

use std::num::{NonZeroU16, NonZeroU32};

use mqtt5_codec::{ConnAckProperties, MaximumQos, Packet, Property, Qos, ReasonCode};
use mqtt5_session_fsm::{Cause, Instant, Limits, PeerError, SessionViolation};

use super::driver::{Driver, Report, Seen};
use super::make::{
    Hello, QOS, bytes, config, id, limited, limits_and_wills, publish, subscribe, subscribe_with,
    text, topic,
};
use crate::check::Outcome;

super::listed! { "announced_limits":
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

/// The properties of the CONNACK.
fn announced(limits: Limits, look: impl Fn(ConnAckProperties<'_>)) {
    let (_, report) = Driver::resumed(Instant::ORIGIN, limited(limits), &Hello::new(), None);
    match report.packet() {
        Packet::ConnAck(connack) => look(connack.properties),
        other => panic!("{other:?}"),
    }
}

/// Section 3.2.2.3: the meaning of an absent property is its default.
fn what_is_not_limited_is_not_announced() -> Outcome {
    announced(Limits::NONE, |properties| {
        assert_eq!(Limits::of_server(&properties), Limits::NONE);
        assert!(
            properties.maximum_qos().is_none(),
            "a Maximum QoS of 2 cannot be announced"
        );
    });
    Ok(1)
}

/// [MQTT-3.2.2-9], sections 3.2.2.3.3 to 3.2.2.3.13: each with its value.
fn every_limit_is_announced() -> Outcome {
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
    Ok(2)
}

/// A Protocol Error with this code.
fn is_error(report: &Report, code: ReasonCode, violation: SessionViolation) {
    assert!(matches!(report.packet(), Packet::Disconnect(_)));
    assert_eq!(report.last_word(), Some(code));
    let cause = Cause::PeerError(PeerError::Session(violation));
    assert_eq!(report.events(), [Seen::Close(cause)]);
}

/// PER-15, section 3.2.2.3.4: DISCONNECT 0x9B.
fn maximum_qos_binds_the_client() -> Outcome {
    for maximum_qos in QOS {
        for qos in QOS {
            let limits = Limits {
                maximum_qos,
                ..Limits::NONE
            };
            let mut driver = Driver::connected(limited(limits), &Hello::lasting());
            let report = driver.send(&publish(qos, 1, false, b"x"));
            if qos <= maximum_qos {
                assert_eq!(report.payloads(), [b"x"]);
                assert_eq!(report.close(), None);
            } else {
                let violation = SessionViolation::QosNotSupported;
                is_error(&report, ReasonCode::QosNotSupported, violation);
            }
        }
    }
    Ok(9)
}

/// PER-16, section 3.2.2.3.5: DISCONNECT 0x9A.
fn retain_available_binds_the_client() -> Outcome {
    for retain_available in [true, false] {
        for retain in [false, true] {
            for qos in QOS {
                let limits = Limits {
                    retain_available,
                    ..Limits::NONE
                };
                let mut driver = Driver::connected(limited(limits), &Hello::lasting());
                let report = driver.send(&bytes(mqtt5_codec::Publish {
                    retain,
                    delivery: mqtt5_codec::Delivery::new(qos, id(1), false),
                    ..mqtt5_codec::Publish::new(topic("t"), b"x")
                }));
                if retain_available || !retain {
                    assert_eq!(report.payloads(), [b"x"]);
                } else {
                    let violation = SessionViolation::RetainNotSupported;
                    is_error(&report, ReasonCode::RetainNotSupported, violation);
                }
            }
        }
    }
    Ok(12)
}

/// PER-17, PER-18, PER-19, sections 3.2.2.3.11 to 3.2.2.3.13: DISCONNECT 0xA2, 0xA1, 0x9E.
fn subscriptions_that_are_not_available() -> Outcome {
    let identifier = mqtt5_codec::SubscriptionIdentifier::new(7).expect("not 0");
    let with_identifier = [Property::SubscriptionIdentifier(identifier)];
    let mut cases = 0;
    for available in 0..8_u8 {
        let limits = Limits {
            wildcard_subscription_available: available & 1 != 0,
            subscription_identifier_available: available & 2 != 0,
            shared_subscription_available: available & 4 != 0,
            ..Limits::NONE
        };
        for (needed, sent, code) in [
            (0, subscribe(1, &["a", "b/c"]), ReasonCode::Success),
            (
                1,
                subscribe(1, &["a/+"]),
                ReasonCode::WildcardSubscriptionsNotSupported,
            ),
            (
                1,
                subscribe(1, &["a", "#"]),
                ReasonCode::WildcardSubscriptionsNotSupported,
            ),
            (
                2,
                subscribe_with(1, &["a"], &with_identifier),
                ReasonCode::SubscriptionIdentifiersNotSupported,
            ),
            (
                4,
                subscribe(1, &["$share/s/a"]),
                ReasonCode::SharedSubscriptionsNotSupported,
            ),
            (
                4,
                subscribe(1, &["b", "c", "$share/s/a"]),
                ReasonCode::SharedSubscriptionsNotSupported,
            ),
        ] {
            let mut driver = Driver::connected(limited(limits), &Hello::lasting());
            let report = driver.send(&sent);
            if available & needed == needed {
                assert!(
                    matches!(report.events()[..], [Seen::Subscribe(1, _)]),
                    "{report:?}"
                );
            } else {
                assert_eq!(report.last_word(), Some(code));
                assert!(matches!(
                    report.events()[..],
                    [Seen::Close(Cause::PeerError(_))]
                ));
            }
            cases += 1;
        }
        // A filter with both is wrong if either is missing; which code is said is left open.
        let mut driver = Driver::connected(limited(limits), &Hello::lasting());
        let report = driver.send(&subscribe(1, &["$share/s/#"]));
        assert_eq!(report.close().is_none(), available & 5 == 5);
        // Unsubscribing needs nothing.
        let mut driver = Driver::connected(limited(limits), &Hello::lasting());
        let report = driver.send(&super::make::unsubscribe(1, &["$share/s/#", "+"]));
        assert_eq!(report.close(), None);
    }
    Ok(cases + 16)
}

/// [MQTT-3.2.2-12], [MQTT-3.2.2-13]: CONNACK 0x9B, 0x9A and the end; the host is not asked.
fn the_will_is_held_to_them() -> Outcome {
    let mut cases = 0;
    for (limits, will, refusals) in limits_and_wills() {
        let mut driver = Driver::new(Instant::ORIGIN, limited(limits));
        let report = driver.hello(&Hello::new().and_will(will));
        if refusals.is_empty() {
            assert_eq!(report.events(), [Seen::Connect("c1".to_owned())]);
            continue;
        }
        let code = report.last_word().expect("a CONNACK");
        assert!(matches!(report.packet(), Packet::ConnAck(_)));
        assert!(refusals.contains(&code), "{code}");
        assert!(report.close().is_some());
        assert!(driver.accept(None, &[]).is_err());
        cases += 1;
    }
    Ok(cases)
}

/// [MQTT-3.1.2-28]: only if Request Response Information is 1.
fn response_information_is_for_who_asks() -> Outcome {
    for asked in [None, Some(false), Some(true)] {
        let mut hello = Hello::new();
        hello
            .properties
            .extend(asked.map(Property::RequestResponseInformation));
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
        let list = [Property::ResponseInformation(text("answers/"))];
        match driver.accept(None, &list) {
            Ok(report) => {
                let Packet::ConnAck(connack) = report.packet() else {
                    return Err("no CONNACK".to_owned());
                };
                let given = connack.properties.response_information().is_some();
                assert_eq!(given, asked == Some(true));
            }
            Err(error) => {
                assert_ne!(asked, Some(true), "{error}");
                assert!(driver.accept(None, &[]).is_ok());
            }
        }
    }
    Ok(3)
}

/// [MQTT-3.1.2-28]: a CONNACK of refusal has none either.
fn no_response_information_in_a_refusal() -> Outcome {
    let list = [Property::ResponseInformation(text("answers/"))];
    for asked in [None, Some(false), Some(true)] {
        let mut hello = Hello::new();
        hello
            .properties
            .extend(asked.map(Property::RequestResponseInformation));
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
        if let Ok(report) = driver.refuse(ReasonCode::ServerBusy, &list) {
            let Packet::ConnAck(connack) = report.packet() else {
                return Err("no CONNACK".to_owned());
            };
            let given = connack.properties.response_information().is_some();
            assert!(!given || asked == Some(true), "in a refusal");
        }
    }
    Ok(3)
}

/// Section 3.1.2.11: as the Client announced them.
fn the_clients_limits_are_known() -> Outcome {
    let hello = Hello::new()
        .with(Property::ReceiveMaximum(NonZeroU16::new(3).expect("not 0")))
        .with(Property::TopicAliasMaximum(4))
        .with(Property::MaximumPacketSize(
            NonZeroU32::new(500).expect("not 0"),
        ))
        .with(Property::RequestProblemInformation(false));
    let driver = Driver::connected(config(), &hello);
    let expected = Limits {
        receive_maximum: 3,
        topic_alias_maximum: 4,
        maximum_packet_size: 500,
        problem_information: false,
        ..Limits::NONE
    };
    assert_eq!(*driver.server.client_limits(), expected);
    let driver = Driver::connected(config(), &Hello::new());
    assert_eq!(*driver.server.client_limits(), Limits::NONE);
    Ok(2)
}

/// Sections 3.2.2.3.3 and following: each at most once; the CONNACK still waits.
fn a_limit_is_not_given_twice() -> Outcome {
    let limits = Limits {
        receive_maximum: 17,
        ..Limits::NONE
    };
    let mut driver = Driver::deciding(Instant::ORIGIN, limited(limits), &Hello::new());
    let again = [Property::ReceiveMaximum(
        NonZeroU16::new(18).expect("not 0"),
    )];
    assert!(driver.accept(None, &again).is_err());
    assert!(driver.pump().is_empty());
    let twice = [Property::ServerKeepAlive(1), Property::ServerKeepAlive(2)];
    assert!(driver.accept(None, &twice).is_err());
    assert!(
        driver
            .accept(None, &[Property::TopicAlias(NonZeroU16::MIN)])
            .is_err()
    );
    assert!(driver.accept(None, &[]).is_ok());
    Ok(3)
}
