//! How long a Session lasts (sections 3.1.2.11.2, 3.2.2.3.2, 3.14.2.2.2, 4.1).

use mqtt5_session_fsm::codec::{Property, ReasonCode};
use mqtt5_session_fsm::{PublishError, Session};

use super::driver::{Driver, wills};
use super::make::{Hello, Testament, config, disconnect_with, text};
use crate::session::driver::{Lines, close_of, publication};
use crate::session::make;

crate::check::checks! { "session_expiry":
    server {
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
}

const EXPIRIES: [u32; 7] = [0, 1, 2, 60, 86_400, u32::MAX - 1, u32::MAX];

fn nothing() -> Lines {
    Lines::new()
}

fn open(seconds: Option<u32>) -> Driver {
    Driver::with(config(), &Hello::expiring(seconds))
}

/// It was accepted with this Session Expiry Interval in the CONNACK, or none.
fn granting(mut driver: Driver, granted: Option<u32>) -> Driver {
    let list: Vec<_> = granted
        .map(Property::SessionExpiryInterval)
        .into_iter()
        .collect();
    let said = driver.accept_client(&list).expect("a good property");
    let told = list.iter().map(|property| format!(" {property:?}"));
    let connack = said.iter().find(|line| line.starts_with("> CONNACK"));
    assert!(
        connack
            .expect("a CONNACK")
            .ends_with(&told.collect::<String>()),
        "{said:?}"
    );
    driver
}

/// The Session of a connection that ends now, or has just ended with these packets, lives on for this number of seconds, and no
/// millisecond more.
fn lives(mut driver: Driver, said: &[String], seconds: u32) {
    let ended = "session ended".to_owned();
    let mut in_server = driver.clone();
    in_server.machine.connection_lost(driver.now);
    let mut said = said.to_vec();
    said.extend(in_server.settle());
    assert_eq!(said.contains(&ended), seconds == 0, "{said:?}");
    let _ = driver.lose();
    if seconds == 0 {
        let session = in_server.machine.take_session(driver.now);
        assert!(session.is_none_or(|session| !session.exists()));
        return;
    }
    if seconds == u32::MAX {
        assert_eq!(driver.tick(1 << 50), nothing());
        assert!(driver.session().exists());
        return;
    }
    let time = u64::from(seconds) * 1_000;
    for mut driver in [driver, in_server] {
        assert_eq!(driver.tick(time - 1), nothing());
        assert!(driver.session().exists());
        assert_eq!(driver.tick(1), ["session ended"]);
        assert_eq!(driver.deadline(), None);
    }
}

/// [MQTT-4.1.0-2], [MQTT-3.1.2-23], section 3.1.2.11.2: absent, 0, some seconds, never.
fn it_ends_at_its_time_and_not_before() -> u64 {
    lives(open(None), &[], 0);
    for seconds in EXPIRIES {
        let mut driver = open(Some(seconds));
        assert_eq!(driver.tick(123_456), nothing());
        lives(driver, &[], seconds);
    }
    EXPIRIES.len() as u64 + 1
}

/// [MQTT-4.1.0-2]: nothing is left of the Session, the received Packet Identifiers with QoS 2 included.
fn an_identifier_is_new_after_the_end() {
    for (waits, is_new) in [(29_999, false), (30_000, true)] {
        let mut driver = open(Some(30));
        let _ = driver.feed(&make::publish(2, 7, "a", "one"));
        let _ = driver.lose();
        driver.wait(waits);
        let _ = driver.again(&Hello::expiring(Some(30)));
        let said = driver.feed(&make::publish(2, 7, "a", "two"));
        let expected = ["message q2 a \"two\"", "> PUBREC #7"];
        assert_eq!(said, expected[usize::from(!is_new)..]);
    }
}

/// Section 3.2.2.3.2: the Server's value counts, and the CONNACK has it.
fn the_connack_overrides_the_connect() -> u64 {
    for asked in [None, Some(0), Some(30), Some(u32::MAX)] {
        for granted in EXPIRIES {
            let driver = Driver::deciding(config(), &Hello::expiring(asked));
            lives(granting(driver, Some(granted)), &[], granted);
        }
    }
    28
}

/// Section 3.14.2.2.2: a value in the DISCONNECT counts from then on; without one, that in force does.
fn the_disconnect_overrides_both() -> u64 {
    let mut cases = 0;
    for asked in [Some(30), Some(u32::MAX)] {
        for granted in [None, Some(0), Some(5), Some(40)] {
            for last in [None, Some(0), Some(1), Some(60), Some(u32::MAX)] {
                for code in [ReasonCode::Success, ReasonCode::DisconnectWithWillMessage] {
                    let driver = Driver::deciding(config(), &Hello::expiring(asked));
                    let mut driver = granting(driver, granted);
                    let said = driver.feed(&match last {
                        Some(seconds) => disconnect_with(code, seconds),
                        None => make::disconnect(code, &[]),
                    });
                    let cause = format!("PeerDisconnected({code:?})");
                    assert_eq!(close_of(&said), Some(&cause[..]));
                    lives(driver, &said, last.or(granted).or(asked).unwrap_or(0));
                    cases += 1;
                }
            }
        }
    }
    cases
}

/// Section 3.14.2.2.2: DISCONNECT 0x82 if the CONNECT packet had 0 or none, whatever the CONNACK said, and
/// whatever an earlier connection had; the value in force is not changed, and the Will is not deleted.
fn raised_from_0_is_a_protocol_error() -> u64 {
    let mut cases = 0;
    for resumed in [false, true] {
        for asked in [None, Some(0)] {
            for granted in [None, Some(0), Some(30)] {
                for raised in [0, 1, 60, u32::MAX] {
                    let mut driver = Driver::lasting();
                    let _ = driver.lose();
                    let hello = Hello::expiring(asked).and_will(Testament::new(None));
                    driver.returning(&hello);
                    if !resumed {
                        driver.found = None;
                    }
                    let mut driver = granting(driver, granted);
                    let said = driver.feed(&disconnect_with(ReasonCode::Success, raised));
                    if raised == 0 {
                        assert_eq!(close_of(&said), Some("PeerDisconnected(Success)"));
                        assert_eq!(wills(&said), 0);
                        lives(driver, &said, 0);
                    } else {
                        let error = "> DISCONNECT ProtocolError".to_owned();
                        assert!(said.contains(&error), "{said:?}");
                        assert_eq!(close_of(&said), Some("SessionExpiryRaised"));
                        assert_eq!(wills(&said), 1);
                        lives(driver, &said, granted.unwrap_or(0));
                    }
                    cases += 1;
                }
            }
        }
    }
    cases
}

/// Section 3.14.2.2.2: CONNECT 300, CONNACK 0, DISCONNECT 10 is good: it deletes the Will, and the Session lives for 10
/// seconds.
fn what_the_connack_lowered_may_be_raised() -> u64 {
    for asked in [1, 300, u32::MAX] {
        for raised in [1, 10, u32::MAX] {
            let hello = Hello::expiring(Some(asked)).and_will(Testament::new(None));
            let mut driver = granting(Driver::deciding(config(), &hello), Some(0));
            let said = driver.feed(&disconnect_with(ReasonCode::Success, raised));
            assert_eq!(close_of(&said), Some("PeerDisconnected(Success)"));
            assert_eq!(wills(&said), 0);
            lives(driver, &said, raised);
        }
    }
    9
}

/// Sections 3.1.2.11.9, 3.14.2.2.2: the same for a DISCONNECT while the authentication goes on.
fn it_is_the_same_before_the_connack() -> u64 {
    for (asked, raised, good) in [
        (None, 5, false),
        (Some(0), 5, false),
        (Some(0), 0, true),
        (Some(7), 5, true),
    ] {
        let method = Property::AuthenticationMethod(text("m"));
        let hello = Hello::expiring(asked).with(method);
        let mut driver = Driver::deciding(config(), &hello);
        driver.authenticate(&[]).expect("this side's turn");
        let said = driver.feed(&disconnect_with(ReasonCode::Success, raised));
        let expected = match good {
            true => "PeerDisconnected(Success)",
            false => "SessionExpiryRaised",
        };
        assert_eq!(close_of(&said), Some(expected));
    }
    4
}

/// [MQTT-4.1.0-1]: while the Network Connection is open the Session lasts, whatever its interval.
fn it_does_not_end_while_connected() -> u64 {
    for seconds in EXPIRIES {
        let mut driver = open(Some(seconds));
        let _ = driver.publish(1, "a", "1");
        assert_eq!(driver.deadline(), None);
        assert_eq!(driver.tick(1 << 45), nothing());
        let session = driver.session();
        assert!(session.exists() && session.in_flight() == 1);
    }
    EXPIRIES.len() as u64
}

/// Section 4.1: the interval begins anew at the end of each connection, with that connection's value.
fn a_new_connection_stops_the_clock() -> u64 {
    for next in [0, 1, 20] {
        let mut driver = open(Some(10));
        let _ = driver.lose();
        assert_eq!(driver.tick(9_999), nothing());
        let said = driver.again(&Hello::expiring(Some(next)));
        assert_eq!(said, ["> CONNACK present"]);
        assert_eq!(driver.tick(500_000), nothing());
        lives(driver, &[], next);
    }
    3
}

/// Section 4.1: with the Session all that it held is gone, and each message has its outcome.
fn the_end_is_told_with_all_outcomes() {
    let mut driver = open(Some(10));
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.lose();
    assert_eq!(driver.publish(2, "a", "3"), nothing());
    let mut said = driver.tick(10_000);
    said.sort();
    let expected = [
        "session ended",
        "t1 Indeterminate",
        "t2 Indeterminate",
        "t3 NotSent",
    ];
    assert_eq!(said, expected);
    let session = driver.session();
    assert_eq!((session.in_flight(), session.waiting()), (0, 0));
}

/// Section 4.1: a Session that has ended is no place for messages.
fn a_session_that_ended_takes_nothing() {
    let mut driver = open(None);
    driver.machine.connection_lost(driver.now);
    let _ = driver.settle();
    let mut kept = open(Some(1));
    let _ = kept.lose();
    let _ = kept.tick(1_000);
    for mut driver in [driver, kept] {
        let result = driver.accept(publication(1, "a", "1", &[]));
        assert_eq!(result, Err(PublishError::NoSession));
        assert_eq!(driver.session().waiting(), 0);
    }
}

/// [MQTT-3.14.2-2]: no Session Expiry Interval in a DISCONNECT of the Server.
fn the_server_does_not_send_it_in_a_disconnect() -> u64 {
    for seconds in EXPIRIES {
        let mut driver = open(Some(10));
        let list = [Property::SessionExpiryInterval(seconds)];
        assert!(
            driver
                .try_disconnect(ReasonCode::ServerBusy, &list)
                .is_err()
        );
        assert_eq!(driver.settle(), nothing());
        assert!(driver.machine.session().is_some_and(Session::exists));
    }
    EXPIRIES.len() as u64
}
