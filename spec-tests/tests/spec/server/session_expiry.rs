//! How long a Session lasts (sections 3.1.2.11.2, 3.2.2.3.2, 3.14.2.2.2, 4.1; table T14.1).

use std::time::Duration;

use mqtt5_codec::{Packet, Property, Qos, ReasonCode};
use mqtt5_session_fsm::{Cause, Instant, PeerError, PublishError, Session, SessionViolation};

use super::driver::{Driver, Report, Seen};
use super::make::{
    Hello, Testament, config, disconnect, disconnect_with, publication, publish, text,
};
use crate::check::Outcome;

super::listed! { "session_expiry":
    Domain it_ends_at_its_time_and_not_before,
    Example an_identifier_is_new_after_the_end,
    Domain the_connack_overrides_the_connect,
    Domain the_disconnect_overrides_both,
    Domain raised_from_0_is_a_protocol_error,
    Domain what_the_connack_lowered_may_be_raised,
    Example it_is_the_same_before_the_connack,
    Example it_does_not_end_while_connected,
    Example a_new_connection_stops_the_clock,
    Example the_end_is_told_with_all_outcomes,
    Example a_session_that_ended_takes_nothing,
    Example the_server_does_not_send_it_in_a_disconnect,
}

fn expiring(seconds: Option<u32>) -> Hello {
    let mut hello = Hello::new();
    hello
        .properties
        .extend(seconds.map(Property::SessionExpiryInterval));
    hello
}

/// The Session of a connection that has just ended lives on for so many seconds, and no millisecond more.
fn lives(mut driver: Driver, mut report: Report, seconds: u32) {
    report = report.and(driver.lose());
    if seconds == 0 {
        assert!(report.saw(&Seen::SessionEnded), "{report:?}");
        assert!(
            driver
                .server
                .take_session(driver.now)
                .is_none_or(|session| !session.exists())
        );
        return;
    }
    assert!(!report.saw(&Seen::SessionEnded));
    let mut in_server = driver.clone();
    let (mut keeper, _) = driver.part();
    if seconds == u32::MAX {
        assert!(keeper.wait(1 << 50).is_empty());
        assert!(keeper.session.exists());
        return;
    }
    let time = u64::from(seconds) * 1_000;
    assert!(keeper.wait(time - 1).is_empty());
    assert!(keeper.session.exists());
    assert_eq!(keeper.wait(1).log, [Seen::SessionEnded]);
    assert!(!keeper.session.exists());
    assert_eq!(keeper.session.next_timeout(), Instant::NEVER);

    assert!(in_server.wait(time - 1).is_empty());
    assert_eq!(in_server.wait(1).log, [Seen::SessionEnded]);
}

const EXPIRIES: [u32; 7] = [0, 1, 2, 60, 86_400, u32::MAX - 1, u32::MAX];

/// [MQTT-4.1.0-2], [MQTT-3.1.2-23], section 3.1.2.11.2: absent, 0, some seconds, never.
fn it_ends_at_its_time_and_not_before() -> Outcome {
    lives(
        Driver::connected(config(), &Hello::new()),
        Report::default(),
        0,
    );
    for seconds in EXPIRIES {
        let mut driver = Driver::connected(config(), &expiring(Some(seconds)));
        driver.wait(123_456);
        lives(driver, Report::default(), seconds);
    }
    Ok(EXPIRIES.len() as u64 + 1)
}

/// [MQTT-4.1.0-2]: nothing is left of the Session, the received Packet Identifiers with QoS 2 included.
fn an_identifier_is_new_after_the_end() -> Outcome {
    let one = publish(Qos::ExactlyOnce, 7, false, b"one");
    let two = publish(Qos::ExactlyOnce, 7, false, b"two");
    for (waits, expected) in [(29_999, vec![]), (30_000, vec![b"two".to_vec()])] {
        let mut driver = Driver::connected(config(), &expiring(Some(30)));
        assert_eq!(driver.send(&one).payloads(), [b"one"]);
        let (keeper, _) = driver.part();
        let later = keeper.now + Duration::from_millis(waits);
        let hello = expiring(Some(30)).clean(false);
        let (mut driver, _) = Driver::resumed(later, config(), &hello, Some(keeper.session));
        assert_eq!(driver.send(&two).payloads(), expected);
    }
    Ok(2)
}

/// Section 3.2.2.3.2: the Server's value counts, and is told.
fn the_connack_overrides_the_connect() -> Outcome {
    for asked in [None, Some(0), Some(30), Some(u32::MAX)] {
        for granted in EXPIRIES {
            let mut driver = Driver::deciding(Instant::ORIGIN, config(), &expiring(asked));
            let report = driver.accept(None, &[Property::SessionExpiryInterval(granted)]);
            let report = report.expect("a good property");
            let Packet::ConnAck(connack) = report.packet() else {
                return Err("no CONNACK".to_owned());
            };
            assert_eq!(connack.properties.session_expiry_interval(), Some(granted));
            lives(driver, Report::default(), granted);
        }
    }
    Ok(28)
}

/// Section 3.14.2.2.2: a value in the DISCONNECT counts from then on; without one, that in force does.
fn the_disconnect_overrides_both() -> Outcome {
    let mut cases = 0;
    for asked in [Some(30), Some(u32::MAX)] {
        for granted in [None, Some(0), Some(5), Some(40)] {
            for last in [None, Some(0), Some(1), Some(60), Some(u32::MAX)] {
                for code in [ReasonCode::Success, ReasonCode::DisconnectWithWillMessage] {
                    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &expiring(asked));
                    let list: Vec<_> = granted
                        .map(Property::SessionExpiryInterval)
                        .into_iter()
                        .collect();
                    driver.accept(None, &list).expect("a good property");
                    let report = driver.send(&match last {
                        Some(seconds) => disconnect_with(code, seconds),
                        None => disconnect(code),
                    });
                    assert_eq!(report.close(), Some(Cause::PeerDisconnected(code)));
                    let expected = last.or(granted).or(asked).unwrap_or(0);
                    lives(driver, report, expected);
                    cases += 1;
                }
            }
        }
    }
    Ok(cases)
}

/// PER-31, section 3.14.2.2.2, T19.4: DISCONNECT 0x82 if the CONNECT packet had 0 or none, whatever the CONNACK said, and
/// whatever an earlier connection had; the value in force is not changed, and the Will is not deleted.
fn raised_from_0_is_a_protocol_error() -> Outcome {
    let mut cases = 0;
    for resumed in [false, true] {
        for asked in [None, Some(0)] {
            for granted in [None, Some(0), Some(30)] {
                for raised in [0, 1, 60, u32::MAX] {
                    let session = resumed.then(|| {
                        let hello = Hello::lasting();
                        Driver::connected(config(), &hello).part().0.session
                    });
                    let hello = expiring(asked).and_will(Testament::new(None));
                    let mut driver =
                        Driver::deciding(Instant::from_millis(2_000), config(), &hello);
                    let list: Vec<_> = granted
                        .map(Property::SessionExpiryInterval)
                        .into_iter()
                        .collect();
                    driver.accept(session, &list).expect("good properties");
                    let report = driver.send(&disconnect_with(ReasonCode::Success, raised));
                    if raised == 0 {
                        let cause = Cause::PeerDisconnected(ReasonCode::Success);
                        assert_eq!(report.close(), Some(cause));
                        assert!(report.wills().is_empty());
                        lives(driver, report, 0);
                    } else {
                        assert_eq!(report.last_word(), Some(ReasonCode::ProtocolError));
                        let violation = PeerError::Session(SessionViolation::SessionExpiryRaised);
                        assert_eq!(report.close(), Some(Cause::PeerError(violation)));
                        assert_eq!(report.wills().len(), 1);
                        lives(driver, report, granted.unwrap_or(0));
                    }
                    cases += 1;
                }
            }
        }
    }
    Ok(cases)
}

/// T19.4: CONNECT 300, CONNACK 0, DISCONNECT 10 is good: it deletes the Will, and the Session lives for 10 seconds.
fn what_the_connack_lowered_may_be_raised() -> Outcome {
    for asked in [1, 300, u32::MAX] {
        for raised in [1, 10, u32::MAX] {
            let hello = expiring(Some(asked)).and_will(Testament::new(None));
            let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
            let granted = [Property::SessionExpiryInterval(0)];
            driver.accept(None, &granted).expect("good properties");
            let report = driver.send(&disconnect_with(ReasonCode::Success, raised));
            let cause = Cause::PeerDisconnected(ReasonCode::Success);
            assert_eq!(report.close(), Some(cause));
            assert!(report.wills().is_empty());
            lives(driver, report, raised);
        }
    }
    Ok(9)
}

/// Sections 3.1.2.11.9, 3.14.2.2.2: the same for a DISCONNECT while the authentication goes on.
fn it_is_the_same_before_the_connack() -> Outcome {
    for (asked, raised, good) in [
        (None, 5, false),
        (Some(0), 5, false),
        (Some(0), 0, true),
        (Some(7), 5, true),
    ] {
        let method = Property::AuthenticationMethod(text("m"));
        let hello = expiring(asked).with(method);
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
        driver.authenticate(&[]).expect("this side's turn");
        let report = driver.send(&disconnect_with(ReasonCode::Success, raised));
        let expected = if good {
            Cause::PeerDisconnected(ReasonCode::Success)
        } else {
            Cause::PeerError(PeerError::Session(SessionViolation::SessionExpiryRaised))
        };
        assert_eq!(report.close(), Some(expected));
    }
    Ok(4)
}

/// [MQTT-4.1.0-1]: while the Network Connection is open the Session lasts, whatever its interval.
fn it_does_not_end_while_connected() -> Outcome {
    for seconds in EXPIRIES {
        let mut driver = Driver::connected(config(), &expiring(Some(seconds)));
        driver
            .publish(publication(Qos::AtLeastOnce, b"1"))
            .expect("room");
        assert_eq!(driver.server.next_timeout(), Instant::NEVER);
        assert!(driver.wait(1 << 45).is_empty());
        let session = driver.server.session().expect("connected");
        assert!(session.exists() && session.in_flight() == 1);
    }
    Ok(EXPIRIES.len() as u64)
}

/// Section 4.1: the interval begins anew at the end of each connection, with that connection's value.
fn a_new_connection_stops_the_clock() -> Outcome {
    for next in [0, 1, 20] {
        let (mut keeper, _) = Driver::connected(config(), &expiring(Some(10))).part();
        assert!(keeper.wait(9_999).is_empty());
        let hello = expiring(Some(next));
        let (mut driver, report) =
            Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
        assert_eq!(report.packets().len(), 1);
        assert!(driver.wait(500_000).is_empty());
        lives(driver, Report::default(), next);
    }
    Ok(3)
}

/// Section 4.1: with the Session all that it held is gone, and each message has its outcome.
fn the_end_is_told_with_all_outcomes() -> Outcome {
    let mut driver = Driver::connected(config(), &expiring(Some(10)));
    let (one, _) = driver
        .publish(publication(Qos::AtLeastOnce, b"1"))
        .expect("room");
    let (two, _) = driver
        .publish(publication(Qos::ExactlyOnce, b"2"))
        .expect("room");
    let (mut keeper, _) = driver.part();
    let late = keeper
        .session
        .publish(keeper.now, publication(Qos::ExactlyOnce, b"3"));
    let late = late.expect("room");
    keeper.pump();
    let report = keeper.wait(10_000);
    assert!(report.saw(&Seen::Outcome(one, "indeterminate", None)));
    assert!(report.saw(&Seen::Outcome(two, "indeterminate", None)));
    assert!(report.saw(&Seen::Outcome(late, "not sent", None)));
    assert!(report.saw(&Seen::SessionEnded));
    assert_eq!(report.events().len(), 4);
    assert_eq!(
        (keeper.session.in_flight(), keeper.session.waiting()),
        (0, 0)
    );
    Ok(4)
}

/// Section 4.1: a Session that has ended is no place for messages.
fn a_session_that_ended_takes_nothing() -> Outcome {
    let mut driver = Driver::connected(config(), &expiring(None));
    driver.lose();
    let result = driver.publish(publication(Qos::AtLeastOnce, b"1"));
    assert_eq!(result.map(|_| ()), Err(PublishError::NoSession));
    let (mut keeper, _) = Driver::connected(config(), &expiring(Some(1))).part();
    keeper.wait(1_000);
    let result = keeper
        .session
        .publish(keeper.now, publication(Qos::AtLeastOnce, b"1"));
    let error = result.map_err(|refused| refused.error);
    assert_eq!(error, Err(PublishError::NoSession));
    assert_eq!(keeper.session.waiting(), 0);
    Ok(2)
}

/// [MQTT-3.14.2-2]: no Session Expiry Interval in a DISCONNECT of the Server.
fn the_server_does_not_send_it_in_a_disconnect() -> Outcome {
    for seconds in EXPIRIES {
        let mut driver = Driver::connected(config(), &expiring(Some(10)));
        let list = [Property::SessionExpiryInterval(seconds)];
        assert!(driver.disconnect(ReasonCode::ServerBusy, &list).is_err());
        assert!(driver.pump().is_empty());
        assert!(driver.server.session().is_some_and(Session::exists));
    }
    Ok(EXPIRIES.len() as u64)
}
