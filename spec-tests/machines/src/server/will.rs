//! The Will Message (sections 3.1.2.5 to 3.1.2.7, 3.1.3.2).

use mqtt5_session_fsm::codec::{
    Binary, PacketType, PayloadFormat, Property, ReasonCode, Role, UserProperty,
};

use super::driver::{Driver, wills};
use super::make::{Hello, PINGREQ, QOS, Testament, config, disconnect_with, text, topic};
use crate::session::driver::{Lines, close_of};
use crate::session::make;

crate::check::checks! { "will":
    server {
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
}

fn with_will(delay: Option<u32>, expiry: Option<u32>) -> Hello {
    Hello::expiring(expiry).and_will(Testament::new(delay))
}

fn open(delay: Option<u32>, expiry: Option<u32>) -> Driver {
    Driver::with(config(), &with_will(delay, expiry))
}

const DELAYS: [Option<u32>; 6] = [None, Some(0), Some(1), Some(7), Some(3_600), Some(u32::MAX)];
const EXPIRIES: [Option<u32>; 6] = [None, Some(0), Some(1), Some(7), Some(3_601), Some(u32::MAX)];

/// Milliseconds after the end of the connection at which the Will is due.
fn due(delay: Option<u32>, expiry: Option<u32>) -> u64 {
    let delay = u64::from(delay.unwrap_or(0)) * 1_000;
    match expiry.unwrap_or(0) {
        u32::MAX => delay,
        seconds => delay.min(u64::from(seconds) * 1_000),
    }
}

/// [MQTT-3.1.2-8], section 3.1.3.2.2: Will Delay × Session Expiry, to the millisecond.
fn it_is_due_after_the_delay_or_with_the_session() -> u64 {
    for delay in DELAYS {
        for expiry in EXPIRIES {
            let mut driver = open(delay, expiry);
            let mut found = wills(&driver.lose());
            let due = due(delay, expiry);
            if due > 0 {
                found += wills(&driver.tick(due - 1));
                assert_eq!(found, 0, "{delay:?}, {expiry:?}");
                found += wills(&driver.tick(1));
            }
            assert_eq!(found, 1, "{delay:?}, {expiry:?}");
            assert_eq!(wills(&driver.tick(1 << 45)), 0, "twice");
        }
    }
    36
}

/// The same by the machine's own deadlines, in the Server and in the Session.
fn the_deadlines_are_told() -> u64 {
    for delay in DELAYS {
        for expiry in EXPIRIES {
            for in_server in [true, false] {
                let mut driver = open(delay, expiry);
                let mut said = if in_server {
                    driver.machine.connection_lost(driver.now);
                    driver.settle()
                } else {
                    driver.lose()
                };
                let mut waited = 0;
                for _ in 0..4 {
                    let Some(time) = driver.deadline().filter(|_| wills(&said) == 0) else {
                        break;
                    };
                    said = driver.tick(time);
                    waited += time;
                }
                assert_eq!(wills(&said), 1, "{delay:?}, {expiry:?}, {in_server}");
                assert_eq!(waited, due(delay, expiry));
            }
        }
    }
    72
}

/// Sections 3.1.2.6, 3.1.2.7, 3.1.3.3, 3.1.3.4: Will QoS, Will Retain, Will Topic and Will Payload.
fn it_is_what_the_client_asked_for() -> u64 {
    let mut cases = 0;
    for qos in QOS {
        for retain in [false, true] {
            for payload in ["", "gone"] {
                let will = Testament {
                    qos,
                    retain,
                    payload: payload.as_bytes(),
                    topic: "some/topic",
                    ..Testament::new(None)
                };
                let said = Driver::with(config(), &Hello::new().and_will(will)).lose();
                let retain = if retain { " retain" } else { "" };
                let expected = format!("will q{}{retain} some/topic {payload:?}", qos as u8);
                assert!(said.contains(&expected), "{said:?}");
                assert_eq!(wills(&said), 1);
                cases += 1;
            }
        }
    }
    cases
}

/// Section 3.1.3.2, [MQTT-3.1.3-10]: all Will Properties but the delay, User Properties in their order.
fn its_properties_become_those_of_the_message() {
    let user = |name, value| Property::UserProperty(UserProperty::new(name, value).expect("good"));
    let expected = vec![
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
    let said = Driver::with(config(), &Hello::new().and_will(will)).lose();
    let will = said
        .iter()
        .find(|line| line.starts_with("will "))
        .expect("a Will");
    let mut rest = will.strip_prefix("will q1 will \"gone\"").expect("no more");
    let length: usize = expected.iter().map(|it| format!(" {it:?}").len()).sum();
    assert_eq!(rest.len(), length, "nothing else: {will}");
    for property in &expected {
        assert!(rest.contains(&format!(" {property:?}")), "{will}");
    }
    for user in [&expected[0], &expected[3], &expected[7]] {
        let user = format!(" {user:?}");
        let at = rest.find(&user).expect("in their order");
        rest = &rest[at + user.len()..];
    }
}

/// [MQTT-3.14.4-3], [MQTT-3.1.2-10], section 3.1.2.5: only DISCONNECT 0x00 deletes the Will.
fn every_reason_code_of_a_disconnect_decides() -> u64 {
    let mut codes = 0;
    for &code in ReasonCode::ALL {
        if !code.allowed_from(PacketType::Disconnect, Role::Client) {
            continue;
        }
        for (delay, expiry) in [(None, None), (None, Some(9)), (Some(5), Some(9))] {
            let mut driver = open(delay, expiry);
            let mut said = driver.feed(&make::disconnect(code, &[]));
            assert_eq!(
                close_of(&said),
                Some(&format!("PeerDisconnected({code:?})")[..])
            );
            said.extend(driver.lose());
            said.extend(driver.tick(100_000));
            let expected = usize::from(code != ReasonCode::Success);
            assert_eq!(wills(&said), expected, "{code}, {delay:?}, {expiry:?}");
        }
        codes += 1;
    }
    assert!(codes >= 14, "{codes}");
    codes * 3
}

/// A way for a connection to end.
type End = (&'static str, fn(&mut Driver) -> Lines);

/// Section 3.1.2.5: network failure, Keep Alive, the Client's errors, the Server's own decision.
fn it_is_published_however_the_connection_ends() -> u64 {
    let ends: [End; 8] = [
        ("network failure", |driver| {
            let mut said = driver.lose();
            said.push("close".into());
            said
        }),
        ("Keep Alive", |driver| driver.tick(15_000)),
        ("malformed", |driver| driver.feed(b"\x00\x00")),
        ("second CONNECT", |driver| {
            driver.feed(&Hello::new().bytes())
        }),
        ("wrong side", |driver| driver.feed(b"\xD0\x00")),
        ("server's error code", |driver| {
            driver.disconnect(ReasonCode::ServerShuttingDown, &[])
        }),
        ("server's normal end", |driver| {
            driver.disconnect(ReasonCode::Success, &[])
        }),
        ("another server", |driver| {
            driver.disconnect(ReasonCode::UseAnotherServer, &[])
        }),
    ];
    for (name, end) in ends {
        for (delay, expiry) in [(None, None), (None, Some(60)), (Some(5), Some(60))] {
            let mut driver = Driver::with(config(), &with_will(delay, expiry).keep_alive(10));
            let mut said = end(&mut driver);
            assert!(said.iter().any(|line| line.starts_with("close")), "{name}");
            said.extend(driver.lose());
            let name = format!("{name}, {delay:?}, {expiry:?}");
            assert_eq!(wills(&said), usize::from(delay.is_none()), "{name}");
            said.extend(driver.tick(5_000));
            assert_eq!(wills(&said), 1, "{name}");
        }
    }
    24
}

/// [MQTT-3.1.2-10]: once it is published it is no longer there.
fn it_is_published_once() {
    let mut driver = open(None, Some(60));
    assert_eq!(wills(&driver.lose()), 1);
    let mut said = driver.again(&Hello::expiring(Some(60)));
    said.extend(driver.lose());
    said.extend(driver.tick(60_000));
    assert_eq!(wills(&said), 0);
}

/// [MQTT-3.1.3-9]: a new connection before the delay has passed: not published, then or later.
fn a_new_connection_in_time_keeps_it_back() -> u64 {
    for (waited, published) in [(0, 0), (4_999, 0), (5_000, 1), (5_001, 1)] {
        for looked in [true, false] {
            let mut driver = open(Some(5), Some(60));
            let mut said = driver.lose();
            match looked {
                true => said.extend(driver.tick(waited)),
                false => driver.wait(waited),
            }
            said.extend(driver.again(&Hello::new()));
            said.extend(driver.tick(100_000));
            said.extend(driver.lose());
            assert_eq!(wills(&said), published, "{waited} ms, looked: {looked}");
        }
    }
    8
}

/// [MQTT-3.1.2-7], section 3.1.2.5: the Will is that of the CONNECT of this connection.
fn the_next_connection_has_its_own() {
    let mut driver = open(Some(5), Some(60));
    let _ = driver.lose();
    let will = Testament {
        payload: b"other",
        ..Testament::new(Some(1))
    };
    let _ = driver.again(&Hello::lasting().and_will(will));
    assert_eq!(driver.lose(), Lines::new());
    assert_eq!(driver.tick(1_000), ["will q1 will \"other\""]);
    assert_eq!(driver.tick(10_000), Lines::new());
}

/// Section 3.14.2.2.2: a DISCONNECT 0x00 that raises the expiry interval from 0 is not a valid DISCONNECT.
fn a_disconnect_that_is_an_error_does_not_delete_it() -> u64 {
    for bytes in [
        disconnect_with(ReasonCode::Success, 5),
        b"\xE0\x02\x00\x01".to_vec(),
        b"\xE1\x00".to_vec(),
        b"\xE0\x01\x8B".to_vec(),
    ] {
        let mut driver = open(None, None);
        let mut said = driver.feed(&bytes);
        said.extend(driver.lose());
        assert!(
            said.iter().any(|line| line.starts_with("> DISCONNECT ")),
            "{bytes:?}"
        );
        assert_eq!(wills(&said), 1, "{bytes:?}");
    }
    4
}

/// Sections 3.14.2.2.2, 3.1.3.2.2: DISCONNECT 0x04 with a new interval: the Session ends earlier, so the Will
/// comes earlier.
fn a_session_ended_by_the_disconnect_publishes_it() -> u64 {
    for (expiry, due) in [(0, 0), (3, 3_000), (10, 8_000)] {
        let mut driver = open(Some(8), Some(60));
        let code = ReasonCode::DisconnectWithWillMessage;
        let mut said = driver.feed(&disconnect_with(code, expiry));
        said.extend(driver.lose());
        if due > 0 {
            said.extend(driver.tick(due - 1));
            assert_eq!(wills(&said), 0, "{expiry}");
            said.extend(driver.tick(1));
        }
        assert_eq!(wills(&said), 1, "{expiry}");
    }
    3
}

/// Section 3.1.2.5: the Will is stored when the connection is accepted.
fn a_refused_client_has_none() {
    let mut driver = Driver::deciding(config(), &with_will(None, None));
    let said = driver.refuse_client(ReasonCode::BadUserNameOrPassword, &[]);
    let mut said = said.expect("a refusal");
    said.extend(driver.lose());
    said.extend(driver.tick(100_000));
    assert_eq!(wills(&said), 0);
}

/// Section 3.1.2.5: a delay longer than the expiry, and DISCONNECT 0x04, tell of the end of the Session.
fn it_waits_for_the_expiry_of_the_session() {
    let mut driver = open(Some(100), Some(60));
    let _ = driver.feed(PINGREQ);
    let code = ReasonCode::DisconnectWithWillMessage;
    let mut said = driver.feed(&make::disconnect(code, &[]));
    said.extend(driver.lose());
    said.extend(driver.tick(59_999));
    assert_eq!(wills(&said), 0);
    let mut said = driver.tick(1);
    said.sort();
    assert_eq!(said, ["session ended", "will q1 will \"gone\""]);
}
