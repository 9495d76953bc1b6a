//! What the application asks for between CONNECT and CONNACK (section 3.1.4).

use mqtt5_session_fsm::codec::{Property, ReasonCode, SubscriptionIdentifier, Text};
use mqtt5_session_fsm::{ClientConfig, SendError, Session, SessionConfig, WaitingLimits};

use super::driver::{Driver, KEEPS, Lines, connect_with, publication};
use super::make;

crate::check::checks! { "early_requests":
    client {
        Domain they_follow_the_connack_in_their_order,
        Domain the_limits_of_the_connack_count,
        Domain without_a_connack_they_are_not_sent,
        Example each_connection_has_its_own,
        Domain they_are_bounded,
        Example without_a_connect_there_is_none,
        Example nothing_but_auth_precedes_the_connack,
        Domain identifiers_of_a_resumed_session_are_not_used,
        Example when_all_identifiers_are_in_use,
        Domain long_ones_get_their_identifier,
    }
}

fn opening() -> Driver {
    let mut driver = Driver::new();
    let said = driver.connect(&connect_with(KEEPS));
    assert_eq!(said.len(), 1, "{said:?}");
    driver
}

fn accept(driver: &mut Driver, properties: &[Property<'_>]) -> Lines {
    let mut said = driver.feed(&make::connack(false, ReasonCode::Success, properties));
    assert!(said.remove(0).starts_with("connected"));
    said
}

/// Section 3.1.4: nothing is sent before; then each, with an identifier of its own, and its answer is its outcome.
fn they_follow_the_connack_in_their_order() -> u64 {
    let mut judged = 0;
    for polled in [false, true] {
        for order in 0..8 {
            let mut driver = Driver::new();
            let now = driver.now;
            driver.machine.connect(now, &connect_with(KEEPS)).unwrap();
            if polled {
                let _ = driver.settle();
            }
            let mut expected = Lines::new();
            for n in 0..3_u32 {
                let filter = format!("f/{n}");
                let id = n + 1;
                if order >> n & 1 == 0 {
                    driver.try_subscribe(&[&filter], &[]).unwrap();
                    expected.push(format!("> SUBSCRIBE #{id} {filter}"));
                } else {
                    driver.try_unsubscribe(&[&filter], &[]).unwrap();
                    expected.push(format!("> UNSUBSCRIBE #{id} {filter}"));
                }
            }
            driver.accept(publication(1, "a", "1", &[])).unwrap();
            expected.push("> PUBLISH q1 #4 a \"1\"".into());
            assert!(
                driver
                    .settle()
                    .iter()
                    .all(|line| line.starts_with("> CONNECT"))
            );
            assert_eq!(accept(&mut driver, &[]), expected);
            for n in 0..3_u16 {
                let id = n + 1;
                let (bytes, name) = if order >> n & 1 == 0 {
                    (make::suback(id, &[ReasonCode::Success]), "suback")
                } else {
                    (make::unsuback(id, &[ReasonCode::Success]), "unsuback")
                };
                let said = driver.feed(&bytes);
                assert_eq!(said.len(), 1);
                assert!(said[0].starts_with(&format!("t{id} {name}")), "{said:?}");
            }
            judged += 1;
        }
    }
    judged
}

/// Sections 3.2.2.3.6, 3.2.2.3.11 to 3.2.2.3.13: what the Server does not take is not sent, and the outcome says why.
fn the_limits_of_the_connack_count() -> u64 {
    let number = SubscriptionIdentifier::new(3).unwrap();
    let identifier = [Property::SubscriptionIdentifier(number)];
    let rows: [(&str, &[Property<'_>], Property<'_>, &str); 4] = [
        (
            "a/#",
            &[],
            Property::WildcardSubscriptionAvailable(false),
            "WildcardSubscriptionAvailable",
        ),
        (
            "$share/s/a",
            &[],
            Property::SharedSubscriptionAvailable(false),
            "SharedSubscriptionAvailable",
        ),
        (
            "a",
            &identifier,
            Property::SubscriptionIdentifierAvailable(false),
            "SubscriptionIdentifierAvailable",
        ),
        (
            "abcdefghijklmnopqrst",
            &[],
            Property::MaximumPacketSize(20.try_into().unwrap()),
            "MaximumPacketSize",
        ),
    ];
    for (filter, properties, limit, name) in &rows {
        let mut driver = opening();
        driver.try_subscribe(&["b"], &[]).unwrap();
        driver.try_subscribe(&[filter], properties).unwrap();
        driver.try_subscribe(&["c"], &[]).unwrap();
        let said = accept(&mut driver, &[*limit]);
        assert_eq!(
            said,
            [
                format!("t2 Forbidden({name})"),
                "> SUBSCRIBE #1 b".into(),
                "> SUBSCRIBE #2 c".into(),
            ]
        );
        // The same, now that it is known.
        assert!(matches!(
            driver.try_subscribe(&[filter], properties),
            Err(SendError::Forbidden(_))
        ));
        let mut driver = opening();
        driver.try_subscribe(&[filter], properties).unwrap();
        let said = accept(&mut driver, &[]);
        assert!(
            said.len() == 1 && said[0].starts_with("> SUBSCRIBE #1"),
            "{said:?}"
        );
    }
    rows.len() as u64
}

/// Refusal in either version, DISCONNECT of either side, an error of the peer, a loss, a timeout, another CONNECT: each
/// ends as not sent, once.
fn without_a_connack_they_are_not_sent() -> u64 {
    type End = (&'static str, fn(&mut Driver) -> Lines);
    let ends: [End; 9] = [
        ("refused", |driver| {
            driver.feed(&make::connack(false, ReasonCode::NotAuthorized, &[]))
        }),
        ("refused by 3.1.1", |driver| driver.feed(&[0x20, 2, 0, 1])),
        ("error between packets", |driver| {
            driver.feed(make::PINGRESP)
        }),
        ("bad packet", |driver| driver.feed(&[0, 0])),
        ("bad CONNACK", |driver| {
            driver.feed(&make::connack(true, ReasonCode::Success, &[]))
        }),
        ("lost", Driver::lose),
        ("timeout", |driver| driver.tick(10_000)),
        ("disconnected", |driver| {
            driver.disconnect(ReasonCode::Success, &[])
        }),
        ("connected anew", |driver| {
            driver.connect(&connect_with(KEEPS))
        }),
    ];
    for (name, end) in ends {
        let mut driver = opening();
        driver.try_subscribe(&["a"], &[]).unwrap();
        driver.try_unsubscribe(&["b"], &[]).unwrap();
        driver.accept(publication(1, "a", "waits", &[])).unwrap();
        let said = end(&mut driver);
        let outcomes: Vec<_> = said.iter().filter(|line| line.starts_with('t')).collect();
        assert_eq!(outcomes, ["t1 NotSent", "t2 NotSent"], "{name}: {said:?}");
        assert!(
            !said.iter().any(|line| line.contains("SUBSCRIBE")),
            "{name}"
        );
        // Messages wait for the next Session, requests do not.
        let _ = driver.lose();
        let said = driver.reconnect(KEEPS, false, &[]);
        assert_eq!(said, ["> PUBLISH q1 #1 a \"waits\""], "{name}");
    }
    ends.len() as u64
}

/// What is asked for on one connection is not sent on the next.
fn each_connection_has_its_own() {
    let mut driver = opening();
    driver.try_subscribe(&["old"], &[]).unwrap();
    let said = driver.connect(&connect_with(KEEPS));
    assert!(said.contains(&"t1 NotSent".into()), "{said:?}");
    driver.try_subscribe(&["new"], &[]).unwrap();
    assert_eq!(accept(&mut driver, &[]), ["> SUBSCRIBE #1 new"]);
}

/// As many, with as many bytes, as messages may wait; each that found room is sent.
fn they_are_bounded() -> u64 {
    let mut judged = 0;
    for (messages, bytes, fit) in [
        (0, 1_000, 0),
        (1, 1_000, 1),
        (3, 1_000, 3),
        (100, 21, 2),
        (100, 8, 0),
    ] {
        let waiting = WaitingLimits {
            messages,
            bytes,
            ..WaitingLimits::default()
        };
        let config = SessionConfig {
            waiting,
            ..SessionConfig::default()
        };
        let mut driver = Driver::with(ClientConfig::default(), Session::of_client(config));
        for _ in 0..2 {
            let _ = driver.connect(&connect_with(KEEPS));
            for n in 0..5 {
                // 9 bytes each.
                let result = driver.try_subscribe(&["a"], &[]);
                let expected = if n < fit {
                    Ok(())
                } else {
                    Err(SendError::Busy)
                };
                assert_eq!(result, expected, "{messages}, {bytes}, {n}");
            }
            let said = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
            let sent = said.iter().filter(|line| line.starts_with("> SUBSCRIBE"));
            assert_eq!(sent.count(), fit);
            // The limit is of those that wait.
            driver.try_subscribe(&["a"], &[]).unwrap();
            let _ = driver.lose();
            judged += 1;
        }
    }
    judged
}

/// A subscription is of a Session: without a CONNECT there is nothing to wait for.
fn without_a_connect_there_is_none() {
    let mut driver = Driver::new();
    let not_connected = Err(SendError::NotConnected);
    assert_eq!(driver.try_subscribe(&["a"], &[]), not_connected);
    let _ = driver.connect(&connect_with(KEEPS));
    let _ = driver.lose();
    assert_eq!(driver.try_subscribe(&["a"], &[]), not_connected);
    assert_eq!(driver.try_unsubscribe(&["a"], &[]), not_connected);
    let _ = driver.connect(&connect_with(KEEPS));
    driver
        .machine
        .disconnect(driver.now, ReasonCode::Success, &[])
        .unwrap();
    assert_eq!(driver.try_subscribe(&["a"], &[]), not_connected);
}

/// MQTT-3.1.2-30: with an Authentication Method.
fn nothing_but_auth_precedes_the_connack() {
    let method = [
        KEEPS[0],
        Property::AuthenticationMethod(Text::new("m").unwrap()),
    ];
    let mut driver = Driver::new();
    let _ = driver.connect(&connect_with(&method));
    driver.try_subscribe(&["a"], &[]).unwrap();
    assert!(driver.settle().is_empty());
    let _ = driver.feed(&make::auth(
        ReasonCode::ContinueAuthentication,
        &method[1..],
    ));
    driver.machine.authenticate(&[]).unwrap();
    let said = driver.settle();
    assert!(said.len() == 1 && said[0].starts_with("> AUTH"), "{said:?}");
    assert_eq!(accept(&mut driver, &[method[1]]), ["> SUBSCRIBE #1 a"]);
}

/// MQTT-2.2.1-3: messages of the Session that goes on have theirs, and go first as MQTT-4.4.0-1 wants it.
fn identifiers_of_a_resumed_session_are_not_used() -> u64 {
    for released in [false, true] {
        let mut driver = Driver::connected();
        let _ = driver.publish(2, "a", "1");
        let _ = driver.publish(2, "a", "2");
        if released {
            let _ = driver.feed(&make::pubrec(1));
        }
        let _ = driver.lose();
        let _ = driver.connect(&connect_with(KEEPS));
        driver.try_subscribe(&["a"], &[]).unwrap();
        let said = driver.feed(&make::connack(true, ReasonCode::Success, &[]));
        let first = if released {
            "> PUBREL #1"
        } else {
            "> PUBLISH q2 #1 dup a \"1\""
        };
        assert_eq!(
            said,
            [
                "connected present",
                "> SUBSCRIBE #3 a",
                first,
                "> PUBLISH q2 #2 dup a \"2\""
            ]
        );
    }
    2
}

/// 65,535 messages in flight leave none.
fn when_all_identifiers_are_in_use() {
    let mut driver = Driver::connected();
    driver.fill(u16::MAX);
    let _ = driver.lose();
    let _ = driver.connect(&connect_with(KEEPS));
    driver.try_subscribe(&["a"], &[]).unwrap();
    let connack = make::connack(true, ReasonCode::Success, &[]);
    let mut input = &connack[..];
    let now = driver.now;
    assert!(driver.machine.receive(now, &mut input).is_some());
    let said = driver.settle();
    assert_eq!(said[0], format!("t{} NotSent", u32::from(u16::MAX) + 1));
    assert!(said[1..].iter().all(|line| line.starts_with("> PUBLISH")));
}

/// The identifier lies behind a fixed header of two, three or four bytes.
fn long_ones_get_their_identifier() -> u64 {
    for length in [1, 121, 122, 16_370, 16_380, 65_535] {
        let filter = "a".repeat(length);
        for filters in [1, 40] {
            let waiting = WaitingLimits {
                bytes: usize::MAX,
                ..WaitingLimits::default()
            };
            let mut driver = Driver::configured(SessionConfig {
                waiting,
                ..SessionConfig::default()
            });
            let _ = driver.connect(&connect_with(KEEPS));
            driver.try_subscribe(&["first"], &[]).unwrap();
            driver
                .try_subscribe(&vec![filter.as_str(); filters], &[])
                .unwrap();
            let said = accept(&mut driver, &[]);
            assert_eq!(said[0], "> SUBSCRIBE #1 first");
            assert!(
                said[1].starts_with("> SUBSCRIBE #2 aa")
                    || length == 1 && said[1].starts_with("> SUBSCRIBE #2 a")
            );
        }
    }
    12
}
