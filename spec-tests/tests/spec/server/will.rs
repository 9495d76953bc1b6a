//! The Will Message (sections 3.1.2.5 to 3.1.2.7, 3.1.3.2; table T14.3).

use mqtt5_codec::{Binary, PacketType, PayloadFormat, Property, ReasonCode, Role, UserProperty};
use mqtt5_session_fsm::{Cause, Instant};

use super::driver::{Driver, Keeper, Report};
use super::make::{
    Hello, PINGREQ, QOS, Testament, config, disconnect, disconnect_with, text, topic,
};
use crate::check::Outcome;

super::listed! { "will":
    Domain it_is_due_after_the_delay_or_with_the_session,
    Domain the_deadlines_are_told,
    Domain it_is_what_the_client_asked_for,
    Example its_properties_become_those_of_the_message,
    Domain every_reason_code_of_a_disconnect_decides,
    Domain it_is_published_however_the_connection_ends,
    Example it_is_published_once,
    Domain a_new_connection_in_time_keeps_it_back,
    Example the_next_connection_has_its_own,
    Example a_disconnect_that_is_an_error_does_not_delete_it,
    Example a_session_ended_by_the_disconnect_publishes_it,
    Example a_refused_client_has_none,
    Example it_waits_for_the_expiry_of_the_session,
}

fn with_will(delay: Option<u32>, expiry: Option<u32>) -> Hello {
    let mut hello = Hello::new().and_will(Testament::new(delay));
    hello
        .properties
        .extend(expiry.map(Property::SessionExpiryInterval));
    hello
}

const DELAYS: [Option<u32>; 6] = [None, Some(0), Some(1), Some(7), Some(3_600), Some(u32::MAX)];
const EXPIRIES: [Option<u32>; 6] = [None, Some(0), Some(1), Some(7), Some(3_601), Some(u32::MAX)];

/// Milliseconds after the end of the connection at which the Will is due; none: never.
fn due(delay: Option<u32>, expiry: Option<u32>) -> Option<u64> {
    let delay = u64::from(delay.unwrap_or(0)) * 1_000;
    match expiry.unwrap_or(0) {
        u32::MAX => Some(delay),
        seconds => Some(delay.min(u64::from(seconds) * 1_000)),
    }
}

/// [MQTT-3.1.2-8], section 3.1.3.2.2: Will Delay × Session Expiry, to the millisecond.
fn it_is_due_after_the_delay_or_with_the_session() -> Outcome {
    for delay in DELAYS {
        for expiry in EXPIRIES {
            let (mut keeper, report) =
                Driver::connected(config(), &with_will(delay, expiry)).part();
            let due = due(delay, expiry).expect("a time");
            let (mut early, mut late) = (report.wills().len(), 0);
            if due > 0 {
                early += keeper.wait(due - 1).wills().len();
                late = keeper.wait(1).wills().len();
                assert_eq!(early, 0, "{delay:?}, {expiry:?}");
            }
            assert_eq!(early + late, 1, "{delay:?}, {expiry:?}");
            assert!(keeper.wait(1 << 45).wills().is_empty(), "twice");
        }
    }
    Ok(36)
}

/// The same by the machine's own deadlines, in the Server and in the Session.
fn the_deadlines_are_told() -> Outcome {
    for delay in DELAYS {
        for expiry in EXPIRIES {
            for in_server in [true, false] {
                let mut driver = Driver::connected(config(), &with_will(delay, expiry));
                let ended = driver.now.as_millis();
                let mut report = Report::default();
                let mut keeper = None;
                if in_server {
                    report = driver.lose();
                } else {
                    let (kept, parting) = driver.part();
                    report = report.and(parting);
                    keeper = Some(kept);
                }
                let deadline = |driver: &Driver, keeper: &Option<Keeper>| match keeper {
                    Some(keeper) => keeper.session.next_timeout(),
                    None => driver.server.next_timeout(),
                };
                for _ in 0..4 {
                    let next = deadline(&driver, &keeper);
                    if !report.wills().is_empty() || next == Instant::NEVER {
                        break;
                    }
                    let now = keeper.as_ref().map_or(driver.now, |keeper| keeper.now);
                    let time = next.as_millis() - now.as_millis();
                    report = match &mut keeper {
                        Some(keeper) => keeper.wait(time),
                        None => driver.wait(time),
                    };
                }
                assert_eq!(
                    report.wills().len(),
                    1,
                    "{delay:?}, {expiry:?}, {in_server}"
                );
                let now = keeper.map_or(driver.now, |keeper| keeper.now);
                assert_eq!(Some(now.as_millis() - ended), due(delay, expiry));
            }
        }
    }
    Ok(72)
}

/// Sections 3.1.2.6, 3.1.2.7, 3.1.3.3, 3.1.3.4: Will QoS, Will Retain, Will Topic and Will Payload.
fn it_is_what_the_client_asked_for() -> Outcome {
    let mut cases = 0;
    for qos in QOS {
        for retain in [false, true] {
            for payload in [&b""[..], b"gone"] {
                let will = Testament {
                    qos,
                    retain,
                    payload,
                    topic: "some/topic",
                    ..Testament::new(None)
                };
                let hello = Hello::new().and_will(will);
                let report = Driver::connected(config(), &hello).part().1;
                let [will] = &report.wills()[..] else {
                    return Err(format!("{report:?}"));
                };
                assert_eq!(will.qos, qos);
                let publish = will.message.publish();
                assert_eq!(will.message.retain(), retain);
                assert_eq!(publish.topic, Some(topic("some/topic")));
                assert_eq!(publish.payload, payload);
                assert!(publish.properties.is_empty());
                cases += 1;
            }
        }
    }
    Ok(cases)
}

/// Section 3.1.3.2, [MQTT-3.1.3-10]: all Will Properties but the delay, User Properties in their order.
fn its_properties_become_those_of_the_message() -> Outcome {
    let user = |name, value| Property::UserProperty(UserProperty::new(name, value).expect("good"));
    let mut expected = vec![
        user("b", "1"),
        Property::PayloadFormatIndicator(PayloadFormat::Utf8Text),
        Property::MessageExpiryInterval(77),
        user("a", "2"),
        Property::ContentType(text("plain")),
        Property::ResponseTopic(topic("answers")),
        Property::CorrelationData(Binary::new(b"\x00\x01").expect("short")),
        user("b", "1"),
    ];
    let mut will = Testament::new(None);
    will.properties.clone_from(&expected);
    will.properties.insert(4, Property::WillDelayInterval(0));
    let report = Driver::connected(config(), &Hello::new().and_will(will))
        .part()
        .1;
    let will = &report.wills()[0];
    let mut found: Vec<_> = will.message.publish().properties.iter().collect();
    let of_users = |list: &[Property<'_>]| {
        let is_user = |property: &&Property<'_>| matches!(property, Property::UserProperty(_));
        list.iter()
            .filter(is_user)
            .map(|property| format!("{property:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of_users(&found), of_users(&expected));
    found.sort_by_key(|property| format!("{property:?}"));
    expected.sort_by_key(|property| format!("{property:?}"));
    assert_eq!(found, expected);
    Ok(1)
}

/// [MQTT-3.14.4-3], [MQTT-3.1.2-10], section 3.1.2.5: only DISCONNECT 0x00 deletes the Will.
fn every_reason_code_of_a_disconnect_decides() -> Outcome {
    let mut codes = 0;
    for &code in ReasonCode::ALL {
        if !code.allowed_from(PacketType::Disconnect, Role::Client) {
            continue;
        }
        for (delay, expiry) in [(None, None), (None, Some(9)), (Some(5), Some(9))] {
            let mut driver = Driver::connected(config(), &with_will(delay, expiry));
            let report = driver.send(&disconnect(code));
            assert_eq!(report.close(), Some(Cause::PeerDisconnected(code)));
            let (mut keeper, rest) = driver.part();
            let report = report.and(rest).and(keeper.wait(100_000));
            let expected = usize::from(code != ReasonCode::Success);
            assert_eq!(
                report.wills().len(),
                expected,
                "{code}, {delay:?}, {expiry:?}"
            );
        }
        codes += 1;
    }
    assert!(codes >= 14, "{codes}");
    Ok(codes * 3)
}

/// A way for a connection to end.
type End = (&'static str, fn(&mut Driver) -> Report);

/// Section 3.1.2.5: network failure, Keep Alive, the Client's errors, the Server's own decision.
fn it_is_published_however_the_connection_ends() -> Outcome {
    let ends: [End; 8] = [
        ("network failure", Driver::lose),
        ("Keep Alive", |driver| driver.wait(15_000)),
        ("malformed", |driver| driver.send(b"\x00\x00")),
        ("second CONNECT", |driver| {
            driver.send(&Hello::new().bytes())
        }),
        ("wrong side", |driver| driver.send(b"\xD0\x00")),
        ("server's error code", |driver| {
            driver
                .disconnect(ReasonCode::ServerShuttingDown, &[])
                .expect("connected")
        }),
        ("server's normal end", |driver| {
            driver
                .disconnect(ReasonCode::Success, &[])
                .expect("connected")
        }),
        ("another server", |driver| {
            driver
                .disconnect(ReasonCode::UseAnotherServer, &[])
                .expect("connected")
        }),
    ];
    for (name, end) in ends {
        for (delay, expiry) in [(None, None), (None, Some(60)), (Some(5), Some(60))] {
            let mut driver = Driver::connected(config(), &with_will(delay, expiry).keep_alive(10));
            let report = end(&mut driver);
            assert!(
                name == "network failure" || report.close().is_some(),
                "{name}"
            );
            let report = report.and(driver.lose());
            let ended = report.wills().len();
            assert_eq!(
                ended,
                usize::from(delay.is_none()),
                "{name}, {delay:?}, {expiry:?}"
            );
            let late = driver.wait(5_000).wills().len();
            assert_eq!(ended + late, 1, "{name}, {delay:?}, {expiry:?}");
        }
    }
    Ok(24)
}

/// [MQTT-3.1.2-10]: once it is published it is no longer there.
fn it_is_published_once() -> Outcome {
    let (keeper, report) = Driver::connected(config(), &with_will(None, Some(60))).part();
    assert_eq!(report.wills().len(), 1);
    let hello = Hello::new().with(Property::SessionExpiryInterval(60));
    let (mut driver, report) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
    assert!(report.wills().is_empty());
    let (mut keeper, report) = driver.part();
    assert!(report.wills().is_empty());
    assert!(keeper.wait(60_000).wills().is_empty());
    Ok(1)
}

/// [MQTT-3.1.3-9]: a new connection before the delay has passed: not published, then or later.
fn a_new_connection_in_time_keeps_it_back() -> Outcome {
    for (waited, published) in [(0, 0), (4_999, 0), (5_000, 1), (5_001, 1)] {
        for looked in [true, false] {
            let (mut keeper, mut report) =
                Driver::connected(config(), &with_will(Some(5), Some(60))).part();
            let now = Instant::from_millis(keeper.now.as_millis() + waited);
            if looked {
                report = report.and(keeper.wait(waited));
            }
            let hello = Hello::new();
            let (mut driver, more) = Driver::resumed(now, config(), &hello, Some(keeper.session));
            let report = report
                .and(more)
                .and(driver.wait(100_000))
                .and(driver.lose());
            assert_eq!(
                report.wills().len(),
                published,
                "{waited} ms, looked: {looked}"
            );
        }
    }
    Ok(8)
}

/// [MQTT-3.1.2-7], section 3.1.2.5: the Will is that of the CONNECT of this connection.
fn the_next_connection_has_its_own() -> Outcome {
    let (keeper, _) = Driver::connected(config(), &with_will(Some(5), Some(60))).part();
    let will = Testament {
        payload: b"other",
        ..Testament::new(Some(1))
    };
    let hello = Hello::lasting().and_will(will);
    let (mut driver, _) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
    let (mut keeper, report) = driver.part();
    assert!(report.wills().is_empty());
    let wills = keeper.wait(1_000).wills();
    assert_eq!(wills.len(), 1);
    assert_eq!(wills[0].message.publish().payload, b"other");
    assert!(keeper.wait(10_000).wills().is_empty());
    Ok(1)
}

/// Section 3.14.2.2.2: a DISCONNECT 0x00 that raises the expiry interval from 0 is not a valid DISCONNECT.
fn a_disconnect_that_is_an_error_does_not_delete_it() -> Outcome {
    for bytes in [
        disconnect_with(ReasonCode::Success, 5),
        b"\xE0\x02\x00\x01".to_vec(),
        b"\xE1\x00".to_vec(),
        b"\xE0\x01\x8B".to_vec(),
    ] {
        let mut driver = Driver::connected(config(), &with_will(None, None));
        let report = driver.send(&bytes).and(driver.lose());
        assert!(
            matches!(report.close(), Some(Cause::PeerError(_))),
            "{bytes:?}"
        );
        assert_eq!(report.wills().len(), 1, "{bytes:?}");
    }
    Ok(4)
}

/// Sections 3.14.2.2.2, 3.1.3.2.2: DISCONNECT 0x04 with a new interval: the Session ends earlier, so the Will
/// comes earlier.
fn a_session_ended_by_the_disconnect_publishes_it() -> Outcome {
    for (expiry, due) in [(0, 0), (3, 3_000), (10, 8_000)] {
        let mut driver = Driver::connected(config(), &with_will(Some(8), Some(60)));
        let code = ReasonCode::DisconnectWithWillMessage;
        let report = driver.send(&disconnect_with(code, expiry));
        let report = report.and(driver.lose());
        let mut found = report.wills().len();
        if due > 0 {
            found += driver.wait(due - 1).wills().len();
            assert_eq!(found, 0, "{expiry}");
            found += driver.wait(1).wills().len();
        }
        assert_eq!(found, 1, "{expiry}");
    }
    Ok(3)
}

/// Section 3.1.2.5: the Will is stored when the connection is accepted.
fn a_refused_client_has_none() -> Outcome {
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &with_will(None, None));
    let report = driver
        .refuse(ReasonCode::BadUserNameOrPassword, &[])
        .expect("a refusal");
    let report = report.and(driver.lose()).and(driver.wait(100_000));
    assert!(report.wills().is_empty());
    Ok(1)
}

/// Section 3.1.2.5: a delay longer than the expiry, and DISCONNECT 0x04, tell of the end of the Session.
fn it_waits_for_the_expiry_of_the_session() -> Outcome {
    let mut driver = Driver::connected(config(), &with_will(Some(100), Some(60)));
    driver.send(PINGREQ);
    driver.send(&disconnect(ReasonCode::DisconnectWithWillMessage));
    let (mut keeper, report) = driver.part();
    assert!(report.wills().is_empty());
    assert!(keeper.wait(59_999).wills().is_empty());
    let report = keeper.wait(1);
    assert_eq!(report.wills().len(), 1);
    assert!(report.saw(&super::driver::Seen::SessionEnded));
    Ok(1)
}
