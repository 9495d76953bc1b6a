//! Limits that are lower for one Client than those of the Server (section 3.2.2.3; table T8.6): they are announced, the
//! Client is held to them, and so is its Will; the Server's own are never exceeded.

use mqtt5_codec::framing::LARGEST_PACKET;
use mqtt5_codec::{Delivery, Packet, Property, Publish, Qos, ReasonCode, SubscriptionIdentifier};
use mqtt5_session_fsm::{Cause, Instant, Limits, PeerError, Session, SessionViolation};

use super::driver::{Driver, Report, Seen};
use super::make::{
    Hello, QOS, Testament, bytes, id, limited, limits_and_wills, publish, publish_with, subscribe,
    subscribe_with, topic,
};
use crate::check::Outcome;

super::listed! { "limits_of_one_client":
    Domain the_lower_one_is_announced_and_known,
    Domain each_binds_the_client,
    Domain the_receive_maximum_binds_the_client,
    Domain the_will_is_held_to_the_lower_ones,
    Example a_refused_will_leaves_the_session,
    Example the_next_connection_has_its_own,
    Example an_error_changes_no_limit,
    Domain what_was_sent_early_is_held_to_them,
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

/// A CONNECT was accepted by a Server with some limits and others for this Client.
fn accepted(server: Limits, client: &Limits, hello: &Hello) -> (Driver, Report) {
    let mut driver = Driver::deciding(Instant::from_millis(7), limited(server), hello);
    driver
        .server
        .accept_with(driver.now, None, client, &[])
        .expect("a good CONNECT");
    let report = driver.pump();
    (driver, report)
}

/// Every pair: the CONNACK has the lower one of each.
fn the_lower_one_is_announced_and_known() -> Outcome {
    let mut cases = 0;
    // A Server that takes no packets gets no CONNECT.
    for server in choices()
        .into_iter()
        .filter(|it| it.maximum_packet_size > 0)
    {
        for client in choices() {
            let (driver, report) = accepted(server, &client, &Hello::new());
            let Packet::ConnAck(connack) = report.packet() else {
                return Err("no CONNACK".to_owned());
            };
            let announced = Limits::of_server(&connack.properties);
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
            assert_eq!(announced, expected);
            assert_eq!(*driver.server.limits(), expected);
            cases += 1;
        }
    }
    Ok(cases)
}

/// The violation that ended the connection.
fn violation(report: &Report) -> Option<SessionViolation> {
    match report.close() {
        Some(Cause::PeerError(PeerError::Session(violation))) => Some(violation),
        _ => None,
    }
}

/// Table T8.6: what breaks a limit of this Client alone is the Protocol Error that it would be if it were everyone's.
fn each_binds_the_client() -> Outcome {
    let number = SubscriptionIdentifier::new(7).expect("not 0");
    let alias = [Property::TopicAlias(3.try_into().expect("not 0"))];
    let retained = bytes(Publish {
        retain: true,
        delivery: Delivery::new(Qos::AtMostOnce, id(1), false),
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
            publish(Qos::AtLeastOnce, 1, false, b"x"),
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
            publish_with(Qos::AtMostOnce, 1, false, b"x", &alias),
            SessionViolation::TopicAliasTooLarge,
        ),
        (
            Limits {
                wildcard_subscription_available: false,
                ..none
            },
            subscribe(1, &["a/+"]),
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
            subscribe(1, &["$share/s/a"]),
            SessionViolation::SharedSubscriptionsNotSupported,
        ),
    ];
    for (limits, packet, expected) in &rows {
        let (mut driver, _) = accepted(none, limits, &Hello::lasting());
        let report = driver.send(packet);
        assert_eq!(violation(&report), Some(*expected));
        assert_eq!(report.last_word(), Some(expected.reason_code()));
        // The same packet is good for another Client of the same Server.
        let (mut driver, _) = accepted(none, &none, &Hello::lasting());
        assert_eq!(driver.send(packet).close(), None);
    }
    for size in [2_u32, 20, 1_000] {
        let limits = Limits {
            maximum_packet_size: size + 7,
            ..none
        };
        for (length, good) in [(size, true), (size + 1, false)] {
            let payload = vec![0; length as usize];
            let packet = publish(Qos::AtMostOnce, 1, false, &payload);
            let extra = packet.len() as u32 - length;
            let limits = Limits {
                maximum_packet_size: size + extra,
                ..limits
            };
            let (mut driver, _) = accepted(none, &limits, &Hello::lasting());
            let report = driver.send(&packet);
            assert_eq!(report.close().is_none(), good);
            if !good {
                assert_eq!(report.last_word(), Some(ReasonCode::PacketTooLarge));
            }
        }
    }
    Ok(rows.len() as u64 + 6)
}

/// Section 3.3.4: 0x93 at the first message above the lower Receive Maximum.
fn the_receive_maximum_binds_the_client() -> Outcome {
    for maximum in [1_u16, 2, 5] {
        let limits = Limits {
            receive_maximum: maximum,
            ..Limits::NONE
        };
        let config = super::make::manual();
        let mut driver = Driver::deciding(Instant::ORIGIN, config, &Hello::lasting());
        let now = driver.now;
        let answer = driver.server.accept_with(now, None, &limits, &[]);
        answer.expect("a good CONNECT");
        driver.pump();
        for identifier in 1..=maximum {
            let packet = publish(Qos::ExactlyOnce, identifier, false, b"x");
            assert_eq!(driver.send(&packet).close(), None);
        }
        let report = driver.send(&publish(Qos::AtLeastOnce, maximum + 1, false, b"x"));
        assert_eq!(
            violation(&report),
            Some(SessionViolation::ReceiveMaximumExceeded)
        );
    }
    Ok(3)
}

/// [MQTT-3.2.2-12], [MQTT-3.2.2-13]: CONNACK 0x9B or 0x9A and the end, by the lower limits.
fn the_will_is_held_to_the_lower_ones() -> Outcome {
    let mut cases = 0;
    for (limits, will, refusals) in limits_and_wills() {
        let hello = Hello::lasting().and_will(will);
        let (mut driver, report) = accepted(Limits::NONE, &limits, &hello);
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        let code = connack.reason_code;
        if refusals.is_empty() {
            assert_eq!(code, ReasonCode::Success);
            assert_eq!(driver.lose().wills().len(), 1);
        } else {
            assert!(refusals.contains(&code), "{code}");
            assert!(!connack.session_present && report.close().is_some());
            assert!(!driver.server.is_connected());
            assert!(driver.lose().wills().is_empty());
        }
        cases += 1;
    }
    Ok(cases)
}

/// Section 3.1.4: a CONNECT that is refused takes nothing from the Session, not even with Clean Start 1.
fn a_refused_will_leaves_the_session() -> Outcome {
    for clean_start in [false, true] {
        let keeper = {
            let mut driver = Driver::connected(limited(Limits::NONE), &Hello::lasting());
            let message = super::make::publication(Qos::AtLeastOnce, b"1");
            driver.publish(message).expect("room");
            driver.part().0
        };
        let hello = Hello::lasting()
            .clean(clean_start)
            .and_will(Testament::new(None));
        let mut driver = Driver::deciding(keeper.now, limited(Limits::NONE), &hello);
        let limits = Limits {
            maximum_qos: Qos::AtMostOnce,
            ..Limits::NONE
        };
        let before = keeper.session.clone();
        let session = Some(keeper.session);
        let answer = driver.server.accept_with(driver.now, session, &limits, &[]);
        answer.expect("the right moment");
        let report = driver.pump();
        assert_eq!(report.last_word(), Some(ReasonCode::QosNotSupported));
        assert!(!report.events().contains(&Seen::SessionEnded));
        let session = driver.server.take_session(driver.now);
        assert_eq!(session, Some(before));
        let (_, report) = Driver::resumed(
            keeper.now,
            limited(Limits::NONE),
            &Hello::lasting(),
            session,
        );
        assert_eq!(
            report.packets().len(),
            2,
            "the CONNACK, and the message again"
        );
    }
    Ok(2)
}

/// Section 3.2.2.3: limits are of the Network Connection.
fn the_next_connection_has_its_own() -> Outcome {
    let low = Limits {
        receive_maximum: 3,
        retain_available: false,
        ..Limits::NONE
    };
    let (mut driver, _) = accepted(Limits::NONE, &low, &Hello::lasting());
    let (keeper, _) = driver.part();
    let (driver, report) = Driver::resumed(
        keeper.now,
        limited(Limits::NONE),
        &Hello::lasting(),
        Some(keeper.session),
    );
    let Packet::ConnAck(connack) = report.packet() else {
        return Err("no CONNACK".to_owned());
    };
    assert!(connack.session_present);
    assert_eq!(Limits::of_server(&connack.properties), Limits::NONE);
    assert_eq!(*driver.server.limits(), Limits::NONE);
    Ok(1)
}

/// A call that fails leaves the CONNECT, with the Server's limits.
fn an_error_changes_no_limit() -> Outcome {
    let low = Limits {
        receive_maximum: 3,
        ..Limits::NONE
    };
    let mut driver = Driver::deciding(Instant::ORIGIN, limited(Limits::NONE), &Hello::new());
    let now = driver.now;
    let bad = [Property::TopicAliasMaximum(1)];
    assert!(driver.server.accept_with(now, None, &low, &bad).is_err());
    let other = Session::of_server("other", Default::default());
    assert!(
        driver
            .server
            .accept_with(now, Some(other), &low, &[])
            .is_err()
    );
    assert!(driver.server.take_session(now).is_some());
    let mut driver = Driver::deciding(Instant::ORIGIN, limited(Limits::NONE), &Hello::new());
    assert!(driver.server.accept_with(now, None, &low, &bad).is_err());
    assert_eq!(*driver.server.limits(), Limits::NONE);
    let report = driver.accept(None, &[]).expect("still waits");
    let Packet::ConnAck(connack) = report.packet() else {
        return Err("no CONNACK".to_owned());
    };
    assert_eq!(Limits::of_server(&connack.properties), Limits::NONE);
    Ok(1)
}

/// Section 3.1.4: who does not wait for the CONNACK may break what it announces, and that is a Protocol Error all the same.
fn what_was_sent_early_is_held_to_them() -> Outcome {
    for maximum_qos in QOS {
        for qos in QOS {
            let mut driver = Driver::new(Instant::ORIGIN, limited(Limits::NONE));
            let early = [Hello::lasting().bytes(), publish(qos, 1, false, b"x")].concat();
            let report = driver.send(&early);
            assert_eq!(report.events(), [Seen::Connect("c1".to_owned())]);
            let limits = Limits {
                maximum_qos,
                ..Limits::NONE
            };
            let answer = driver.server.accept_with(driver.now, None, &limits, &[]);
            answer.expect("a good CONNECT");
            assert!(driver.server.next_timeout() <= driver.now, "a packet waits");
            let report = driver.pump();
            if qos <= maximum_qos {
                assert_eq!(report.payloads(), [b"x"]);
            } else {
                assert_eq!(violation(&report), Some(SessionViolation::QosNotSupported));
            }
        }
    }
    Ok(9)
}
