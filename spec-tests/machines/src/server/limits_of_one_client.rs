//! Limits that are lower for one Client than those of the Server (section 3.2.2.3): they are announced, the
//! Client is held to them, and so is its Will; the Server's own are never exceeded.

use mqtt5_session_fsm::codec::framing::LARGEST_PACKET;
use mqtt5_session_fsm::codec::{
    Delivery, Property, Publish, Qos, ReasonCode, SubscriptionIdentifier,
};
use mqtt5_session_fsm::{Limits, ServerConfig, Session, SessionViolation};

use super::driver::{Driver, wills, with_connack};
use super::make::{
    Hello, QOS, Testament, config, limited, limits_and_wills, manual, subscribe_with, topic,
};
use crate::session::driver::{Lines, close_of, packets};
use crate::session::make;

crate::check::checks! { "limits_of_one_client":
    server {
        Domain the_lower_one_is_announced_and_known,
        Domain each_binds_the_client,
        Domain the_receive_maximum_binds_the_client,
        Domain the_will_is_held_to_the_lower_ones,
        Example a_refused_will_leaves_the_session,
        Example the_next_connection_has_its_own,
        Example an_error_changes_no_limit,
        Domain what_was_sent_early_is_held_to_them,
    }
}

/// Values of which each limit has at least two, in both orders.
fn choices() -> Vec<Limits> {
    let mut all = vec![Limits::NONE];
    for low in [false, true] {
        for (receive_maximum, topic_alias_maximum, maximum_packet_size, maximum_qos) in [
            (10, 0, 500, Qos::AtLeastOnce),
            (20, 5, 100, Qos::AtMostOnce),
            (1, u16::MAX, LARGEST_PACKET, Qos::ExactlyOnce),
            // What must not be announced becomes 1.
            (0, 1, 0, Qos::ExactlyOnce),
        ] {
            all.push(Limits {
                receive_maximum,
                topic_alias_maximum,
                maximum_packet_size,
                maximum_qos,
                retain_available: low,
                wildcard_subscription_available: !low,
                subscription_identifier_available: low ^ (receive_maximum == 10),
                shared_subscription_available: !low ^ (receive_maximum == 20),
                ..Limits::NONE
            });
        }
    }
    all
}

/// The CONNECT that waits is accepted, with limits for this Client.
fn accept(driver: &mut Driver, client: &Limits) -> Lines {
    let session = driver.found.take();
    let answer = driver.machine.accept_with(driver.now, session, client, &[]);
    answer.expect("a good CONNECT");
    driver.settle()
}

/// A CONNECT was accepted by such a Server, with limits for this Client.
fn accepted(config: ServerConfig, client: &Limits, hello: &Hello) -> (Driver, Lines) {
    let mut driver = Driver::deciding(config, hello);
    let said = accept(&mut driver, client);
    (driver, said)
}

/// What the last CONNACK announced.
fn announced(driver: &Driver) -> Limits {
    with_connack(driver, |connack| Limits::of_server(&connack.properties))
}

/// Every pair: the CONNACK has the lower one of each.
fn the_lower_one_is_announced_and_known() -> u64 {
    let mut cases = 0;
    // A Server that takes no packets gets no CONNECT.
    for server in choices()
        .into_iter()
        .filter(|it| it.maximum_packet_size > 0)
    {
        for client in choices() {
            let (driver, _) = accepted(limited(server), &client, &Hello::new());
            let expected = Limits {
                receive_maximum: server.receive_maximum.min(client.receive_maximum).max(1),
                topic_alias_maximum: server.topic_alias_maximum.min(client.topic_alias_maximum),
                maximum_packet_size: server
                    .maximum_packet_size
                    .min(client.maximum_packet_size)
                    .max(1),
                maximum_qos: server.maximum_qos.min(client.maximum_qos),
                retain_available: server.retain_available && client.retain_available,
                wildcard_subscription_available: server.wildcard_subscription_available
                    && client.wildcard_subscription_available,
                subscription_identifier_available: server.subscription_identifier_available
                    && client.subscription_identifier_available,
                shared_subscription_available: server.shared_subscription_available
                    && client.shared_subscription_available,
                ..Limits::NONE
            };
            assert_eq!(announced(&driver), expected);
            assert_eq!(*driver.machine.limits(), expected);
            cases += 1;
        }
    }
    cases
}

/// What breaks a limit of this Client alone is the Protocol Error that it would be if it were everyone's.
fn each_binds_the_client() -> u64 {
    let number = SubscriptionIdentifier::new(7).expect("not 0");
    let alias = [Property::TopicAlias(3.try_into().expect("not 0"))];
    let retained = make::bytes(Publish {
        retain: true,
        delivery: Delivery::new(Qos::AtMostOnce, make::id(1), false),
        ..Publish::new(topic("t"), b"x")
    });
    let none = Limits {
        topic_alias_maximum: u16::MAX,
        ..Limits::NONE
    };
    let rows: [(Limits, Vec<u8>, SessionViolation); 6] = [
        (
            Limits {
                maximum_qos: Qos::AtMostOnce,
                ..none
            },
            make::publish(1, 1, "t", "x"),
            SessionViolation::QosNotSupported,
        ),
        (
            Limits {
                retain_available: false,
                ..none
            },
            retained,
            SessionViolation::RetainNotSupported,
        ),
        (
            Limits {
                topic_alias_maximum: 2,
                ..none
            },
            make::publish_with(0, 1, false, "t", "x", &alias),
            SessionViolation::TopicAliasTooLarge,
        ),
        (
            Limits {
                wildcard_subscription_available: false,
                ..none
            },
            make::subscribe(1, &["a/+"]),
            SessionViolation::WildcardSubscriptionsNotSupported,
        ),
        (
            Limits {
                subscription_identifier_available: false,
                ..none
            },
            subscribe_with(1, &["a"], &[Property::SubscriptionIdentifier(number)]),
            SessionViolation::SubscriptionIdentifiersNotSupported,
        ),
        (
            Limits {
                shared_subscription_available: false,
                ..none
            },
            make::subscribe(1, &["$share/s/a"]),
            SessionViolation::SharedSubscriptionsNotSupported,
        ),
    ];
    let server = limited(none);
    for (limits, packet, expected) in &rows {
        let (mut driver, _) = accepted(server, limits, &Hello::lasting());
        let code = expected.reason_code();
        assert_eq!(
            driver.feed(packet),
            [
                format!("> DISCONNECT {code:?}"),
                format!("close {expected:?}")
            ]
        );
        // The same packet is good for another Client of the same Server.
        let (mut driver, _) = accepted(server, &none, &Hello::lasting());
        assert_eq!(close_of(&driver.feed(packet)), None);
    }
    for size in [9, 27, 1_007] {
        for (length, good) in [(size, true), (size + 1, false)] {
            let packet = (0..)
                .map(|n| make::publish(0, 1, "t", &"x".repeat(n)))
                .find(|packet| packet.len() >= length)
                .expect("one of them");
            assert_eq!(packet.len(), length);
            let limits = Limits {
                maximum_packet_size: size as u32,
                ..none
            };
            let (mut driver, _) = accepted(server, &limits, &Hello::lasting());
            let said = driver.feed(&packet);
            match good {
                true => assert_eq!(close_of(&said), None),
                false => assert_eq!(said[0], "> DISCONNECT PacketTooLarge"),
            }
        }
    }
    rows.len() as u64 + 6
}

/// Section 3.3.4: 0x93 at the first message above the lower Receive Maximum.
fn the_receive_maximum_binds_the_client() -> u64 {
    for maximum in [1_u16, 2, 5] {
        let limits = Limits {
            receive_maximum: maximum,
            ..Limits::NONE
        };
        let (mut driver, _) = accepted(manual(), &limits, &Hello::lasting());
        for n in 1..=maximum {
            let said = driver.feed(&make::publish(2, n, "a", "x"));
            assert_eq!(close_of(&said), None);
        }
        let said = driver.feed(&make::publish(1, maximum + 1, "a", "x"));
        assert_eq!(close_of(&said), Some("ReceiveMaximumExceeded"));
    }
    3
}

/// [MQTT-3.2.2-12], [MQTT-3.2.2-13]: CONNACK 0x9B or 0x9A and the end, by the lower limits.
fn the_will_is_held_to_the_lower_ones() -> u64 {
    let mut cases = 0;
    for (limits, will, refusals) in limits_and_wills() {
        let hello = Hello::lasting().and_will(will);
        let (mut driver, said) = accepted(config(), &limits, &hello);
        if refusals.is_empty() {
            assert!(said[0].starts_with("> CONNACK"), "{said:?}");
            assert!(driver.machine.is_connected());
            assert_eq!(wills(&driver.lose()), 1);
        } else {
            let is_refused = |code: &ReasonCode| said[0].ends_with(&format!("CONNACK {code:?}"));
            assert!(refusals.iter().any(is_refused), "{said:?}");
            assert!(close_of(&said).is_some());
            assert!(!driver.machine.is_connected());
            assert_eq!(wills(&driver.lose()), 0);
        }
        cases += 1;
    }
    cases
}

/// Section 3.1.4: a CONNECT that is refused takes nothing from the Session, not even with Clean Start 1.
fn a_refused_will_leaves_the_session() {
    for clean_start in [false, true] {
        let mut driver = Driver::lasting();
        let _ = driver.publish(1, "a", "1");
        let _ = driver.lose();
        let hello = Hello::lasting()
            .clean(clean_start)
            .and_will(Testament::new(None));
        driver.returning(&hello);
        let before = driver.found.clone();
        let limits = Limits {
            maximum_qos: Qos::AtMostOnce,
            ..Limits::NONE
        };
        let said = accept(&mut driver, &limits);
        assert_eq!(packets(&said), ["CONNACK QosNotSupported"]);
        assert!(!said.contains(&"session ended".into()), "{said:?}");
        let session = driver.machine.take_session(driver.now);
        assert_eq!(session, before);
        driver.keep(session.expect("a Session"));
        let said = driver.again(&Hello::lasting());
        assert_eq!(said, ["> CONNACK present", "> PUBLISH q1 #1 dup a \"1\""]);
    }
}

/// Section 3.2.2.3: limits are of the Network Connection.
fn the_next_connection_has_its_own() {
    let low = Limits {
        receive_maximum: 3,
        retain_available: false,
        ..Limits::NONE
    };
    let (mut driver, _) = accepted(config(), &low, &Hello::lasting());
    assert_ne!(announced(&driver), Limits::NONE);
    let _ = driver.lose();
    assert_eq!(driver.again(&Hello::lasting()), ["> CONNACK present"]);
    assert_eq!(announced(&driver), Limits::NONE);
    assert_eq!(*driver.machine.limits(), Limits::NONE);
}

/// A call that fails leaves the CONNECT, with the Server's limits.
fn an_error_changes_no_limit() {
    let low = Limits {
        receive_maximum: 3,
        ..Limits::NONE
    };
    let bad = [Property::TopicAliasMaximum(1)];
    let mut driver = Driver::deciding(config(), &Hello::new());
    let now = driver.now;
    assert!(driver.machine.accept_with(now, None, &low, &bad).is_err());
    assert_eq!(*driver.machine.limits(), Limits::NONE);
    let mut other = driver.clone();
    let session = Some(Session::of_server("other", Default::default()));
    assert!(other.machine.accept_with(now, session, &low, &[]).is_err());
    assert!(other.machine.take_session(now).is_some());
    driver.accept_client(&[]).expect("still waits");
    assert_eq!(announced(&driver), Limits::NONE);
}

/// Section 3.1.4: who does not wait for the CONNACK may break what it announces, and that is a Protocol Error all the same.
fn what_was_sent_early_is_held_to_them() -> u64 {
    for maximum_qos in QOS {
        for qos in QOS {
            let mut driver = Driver::serving(config());
            let early = make::publish(qos as u8, 1, "a", "x");
            let early = [Hello::lasting().bytes(), early].concat();
            let mut input = &early[..];
            assert_eq!(driver.offer(&mut input), ["connect \"c1\""]);
            let limits = Limits {
                maximum_qos,
                ..Limits::NONE
            };
            let answer = driver.machine.accept_with(driver.now, None, &limits, &[]);
            answer.expect("a good CONNECT");
            assert_eq!(driver.deadline(), Some(0), "a packet waits");
            let mut said = driver.settle();
            said.extend(driver.offer(&mut input));
            if qos <= maximum_qos {
                assert!(said[1].starts_with("message q"), "{said:?}");
            } else {
                assert_eq!(close_of(&said), Some("QosNotSupported"));
            }
        }
    }
    9
}
