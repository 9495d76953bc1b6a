//! What MQTT 3.1.1 asks of a Client, byte by byte.

use mqtt5_session_fsm::codec::{Connect, ProtocolVersion, ReasonCode, Role, Text};
use mqtt5_session_fsm::{ClientConfig, Session, SessionConfig};
use mqtt5_spec_tests::vectors::{self, Expectation};

use super::wire::{answer, check, is_silent_end, offer, watched};
use crate::check::{Check, Kind};
use crate::client::driver::Driver;
use crate::session::driver::{Lines, connect_with};

pub(super) fn checks() -> Vec<Check> {
    let domain = |name: &str, run: fn() -> u64| check(Kind::Domain, name, run);
    let example = |name: &str, run: fn()| check(Kind::Example, name, run);
    vec![
        example("client::connect_byte_by_byte", connects),
        example("client::no_client_identifier", no_client_identifier),
        example("client::a_clean_session_ends", clean_session),
        domain("client::every_refusal", every_refusal),
        domain("client::every_bad_packet_ends_the_connection", bad_packets),
        example("client::requests_byte_by_byte", requests),
        example("client::disconnect_is_the_last_packet", disconnect),
        example("client::ping_before_the_keep_alive_ends", ping),
        example("client::unwanted_messages", unwanted_messages),
    ]
}

fn new() -> Driver {
    let session = Session::of_client(SessionConfig::default());
    Driver::with(ClientConfig::default(), session)
}

fn connect(clean_session: bool) -> Connect<'static> {
    Connect {
        clean_start: clean_session,
        ..connect_with(&[])
    }
}

/// Connected, with Clean Session 0.
fn connected() -> Driver {
    let mut driver = new();
    let _ = driver.connect(&connect(false));
    let (_, said) = offer(&mut driver, "20 02 00 00");
    assert_eq!(said, ["connected"]);
    driver
}

/// [MQTT3-3.1.0-1], [MQTT3-3.1.2-4], [MQTT3-3.1.2-6]: the CONNECT comes first, with Clean Session as the caller gave it.
fn connects() {
    for (clean_session, flags) in [(false, "00"), (true, "02")] {
        let mut driver = new();
        let (written, _) = watched(&mut driver, |driver| {
            driver.connect(&Connect {
                keep_alive: 0x0102,
                ..connect(clean_session)
            })
        });
        let expected = format!("10 0D 00 04 4D 51 54 54 04 {flags} 01 02 00 01 63");
        assert_eq!(written, expected);
    }
}

/// [MQTT3-3.1.3-7]: Clean Session has to be 1 then.
fn no_client_identifier() {
    let mut driver = new();
    let now = driver.now;
    let without = |clean_session| Connect {
        client_identifier: Text::EMPTY,
        ..connect(clean_session)
    };
    assert!(driver.machine.connect(now, &without(false)).is_err());
    let (written, _) = watched(&mut driver, |driver| driver.connect(&without(true)));
    assert_eq!(written, "10 0C 00 04 4D 51 54 54 04 02 00 00 00 00");
}

/// [MQTT3-3.1.2-6], [MQTT3-4.1.0-2]: nothing of a Session with Clean Session 1 is left for the next one, which is not true of
/// Clean Session 0.
fn clean_session() {
    for clean_session in [false, true] {
        let mut driver = new();
        let _ = driver.connect(&connect(clean_session));
        let _ = offer(&mut driver, "20 02 00 00");
        let (written, _) = watched(&mut driver, |driver| driver.publish(1, "a", "x"));
        assert_eq!(written, "32 06 00 01 61 00 01 78");
        let _ = offer(&mut driver, "34 06 0001 61 0007 79");
        let _ = driver.lose();
        let _ = driver.connect(&connect(false));
        let present = if clean_session { "00" } else { "01" };
        let (written, _) = offer(&mut driver, &format!("20 02 {present} 00"));
        let expected = match clean_session {
            true => "",
            false => "3A 06 00 01 61 00 01 78",
        };
        assert_eq!(written, expected);
        let (written, said) = offer(&mut driver, "34 06 0001 61 0007 79");
        assert_eq!(written, "50 02 00 07");
        assert_eq!(said.is_empty(), !clean_session, "{said:?}");
    }
}

/// Section 3.2.2.3: each of the five ends the connection, and the Session goes on.
fn every_refusal() -> u64 {
    for (number, code) in [
        (1, ReasonCode::UnsupportedProtocolVersion),
        (2, ReasonCode::ClientIdentifierNotValid),
        (3, ReasonCode::ServerUnavailable),
        (4, ReasonCode::BadUserNameOrPassword),
        (5, ReasonCode::NotAuthorized),
    ] {
        let mut driver = new();
        let _ = driver.connect(&connect(false));
        let (written, said) = offer(&mut driver, &format!("20 02 00 0{number}"));
        assert_eq!(written, "");
        assert_eq!(said[0], format!("refused {code:?}"));
        assert!(said[1].starts_with("close "), "{said:?}");
        driver.assert_dead();
    }
    5
}

/// [MQTT3-4.8.0-1], [MQTT3-2.2.2-2]: each packet that breaks a rule ends the connection, without a packet: a DISCONNECT would
/// say that all is well.
fn bad_packets() -> u64 {
    let mut judged = 0;
    for file in vectors::read_all(ProtocolVersion::V3_1_1).expect("vectors") {
        for case in &file.cases {
            let is_rejected = matches!(case.expect, Expectation::Reject { .. });
            if !is_rejected || case.sender == Some(Role::Client) {
                continue;
            }
            let mut driver = connected();
            let before = driver.wire.len();
            let mut said = driver.offer(&mut &case.bytes[..]);
            let end = said.pop().unwrap_or_default();
            assert!(end.starts_with("close "), "{}: {end}", case.name);
            let written = &driver.wire[before..];
            assert!(!written.contains(&0xE0), "{}: {written:02X?}", case.name);
            driver.assert_dead();
            judged += 1;
        }
    }
    assert!(judged > 400, "{judged}");
    judged
}

/// Sections 3.8 to 3.11, [MQTT3-2.3.1-1], [MQTT3-2.3.1-2]: an answer in whatever order, and its identifier is free again.
fn requests() {
    let mut driver = connected();
    let (written, _) = watched(&mut driver, |driver| driver.subscribe(&["a", "b/#"]));
    assert_eq!(written, "82 0C 00 01 00 01 61 00 00 03 62 2F 23 00");
    let (written, _) = watched(&mut driver, |driver| driver.unsubscribe(&["c"]));
    assert_eq!(written, "A2 05 00 02 00 01 63");
    let (written, said) = offer(&mut driver, "B0 02 0002");
    assert_eq!(written, "");
    assert_eq!(said, ["t2 unsuback [Success]"]);
    let (_, said) = offer(&mut driver, "90 04 0001 00 80");
    assert_eq!(said, ["t1 suback [Success, UnspecifiedError]"]);
}

/// [MQTT3-3.14.4-1], [MQTT3-3.14.4-2]: two bytes, and the end. A reason that they cannot say is not said.
fn disconnect() {
    let mut driver = connected();
    let (written, said) = watched(&mut driver, |driver| {
        driver.disconnect(ReasonCode::Success, &[])
    });
    assert_eq!(written, "E0 00");
    assert_eq!(said, ["close Disconnected(Success)"]);
    let (written, _) = watched(&mut driver, |driver| driver.publish(1, "a", "x"));
    assert_eq!(written, "");
    driver.assert_dead();

    let mut driver = connected();
    let end = watched(&mut driver, |driver| {
        driver.disconnect(ReasonCode::DisconnectWithWillMessage, &[])
    });
    is_silent_end(&mut driver, &end, "a DISCONNECT would delete the Will");
}

/// [MQTT3-3.1.2-23]: some packet in each interval, and PINGREQ if there is no other.
fn ping() {
    let mut driver = new();
    let _ = driver.connect(&Connect {
        keep_alive: 10,
        ..connect(false)
    });
    let _ = offer(&mut driver, "20 02 00 00");
    for _ in 0..20 {
        let due = driver.deadline().expect("a deadline");
        assert!(due <= 10_000, "{due}");
        let (written, said) = watched(&mut driver, |driver| driver.tick(due));
        assert_eq!(written, "C0 00", "{said:?}");
        let _ = offer(&mut driver, "D0 00");
    }
}

/// [MQTT3-4.5.0-2]: whatever their topics are.
fn unwanted_messages() {
    let mut driver = connected();
    let (written, said) = offer(&mut driver, "32 06 0001 7A 0001 78");
    assert_eq!(written, "40 02 00 01");
    assert_eq!(said.len(), 1, "{said:?}");
    let (written, _) = offer(&mut driver, "34 06 0001 7A 0002 78");
    assert_eq!(written, "50 02 00 02");
    assert_eq!(answer(&mut driver, "62 02 0002"), "70 02 00 02");
    assert_eq!(driver.settle(), Lines::new());
}
