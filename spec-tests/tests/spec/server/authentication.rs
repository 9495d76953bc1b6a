//! Enhanced authentication before the CONNACK (section 4.12; table T17.1).

use std::time::Duration;

use mqtt5_codec::{Binary, ConnAck, Packet, Property, ReasonCode};
use mqtt5_session_fsm::{Awaited, Cause, Instant, SendError, ServerConfig};

use super::driver::{Driver, Report, Seen};
use super::make::{Hello, PINGREQ, auth, config, disconnect, publish_1, text};
use crate::check::Outcome;

super::listed! { "authentication":
    Domain any_number_of_steps,
    Example success_has_the_method_and_the_last_data,
    Example a_method_is_not_supported,
    Domain it_can_be_refused_at_every_stage,
    Domain reason_codes_of_the_client,
    Example another_method_or_none_is_an_error,
    Example nothing_of_it_without_a_method,
    Example no_method_in_a_refusal_without_one,
    Example no_other_method_is_sent,
    Example the_client_may_give_up,
    Domain it_is_this_sides_turn_or_not,
    Example the_next_step_has_its_time,
    Example packets_before_the_connack_are_not_processed,
    Example there_is_no_disconnect_for_an_error,
}

const CONTINUE: ReasonCode = ReasonCode::ContinueAuthentication;

fn data(data: &'static [u8]) -> Property<'static> {
    Property::AuthenticationData(Binary::new(data).expect("short"))
}

fn with_method() -> Hello {
    Hello::lasting().with(Property::AuthenticationMethod(text("SCRAM")))
}

fn start() -> Driver {
    Driver::deciding(Instant::ORIGIN, config(), &with_method())
}

/// An AUTH 0x18 with the method and these data.
fn is_step(report: &Report, expected: Option<&[u8]>) {
    let Packet::Auth(auth) = report.packet() else {
        panic!("{report:?}");
    };
    assert_eq!(auth.reason_code, CONTINUE);
    let method = auth.properties.authentication_method();
    assert_eq!(
        method.map(|method| method.to_string()).as_deref(),
        Some("SCRAM")
    );
    let data = auth.properties.authentication_data();
    assert_eq!(data.map(Binary::as_bytes), expected);
}

/// [MQTT-4.12.0-2], [MQTT-4.12.0-3], [MQTT-4.12.0-5], [MQTT-3.2.0-1]: AUTH 0x18 in both directions.
fn any_number_of_steps() -> Outcome {
    for steps in 0..20_u8 {
        let mut driver = start();
        for step in 0..steps {
            let asked = if step % 2 == 0 {
                vec![data(b"challenge")]
            } else {
                vec![]
            };
            let report = driver.authenticate(&asked).expect("this side's turn");
            is_step(&report, (step % 2 == 0).then_some(b"challenge"));
            let report = driver.send(&auth(CONTINUE, "SCRAM", &[step]));
            assert_eq!(report.log, [Seen::Authentication(CONTINUE, vec![step])]);
            assert!(!driver.server.is_connected());
        }
        let report = driver.accept(None, &[]).expect("this side's turn");
        assert!(
            matches!(report.packet(), Packet::ConnAck(connack) if !connack.reason_code.is_error())
        );
        assert!(driver.server.is_connected());
    }
    Ok(20)
}

/// Section 4.12, [MQTT-4.12.0-5]: the CONNACK of success has the method, and data if there are some.
fn success_has_the_method_and_the_last_data() -> Outcome {
    for list in [&[][..], &[data(b"final")]] {
        let mut driver = start();
        driver.authenticate(&[]).expect("this side's turn");
        driver.send(&auth(CONTINUE, "SCRAM", b""));
        let report = driver.accept(None, list).expect("this side's turn");
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        let method = connack.properties.authentication_method();
        assert_eq!(method, Some(text("SCRAM")));
        let data = connack.properties.authentication_data();
        assert_eq!(data.is_some(), !list.is_empty());
    }
    Ok(2)
}

/// [MQTT-4.12.0-1]: CONNACK 0x8C or 0x87, and the end.
fn a_method_is_not_supported() -> Outcome {
    for code in [
        ReasonCode::BadAuthenticationMethod,
        ReasonCode::NotAuthorized,
    ] {
        let report = start().refuse(code, &[]).expect("this side's turn");
        assert_eq!(report.packet(), ConnAck::new(code).into());
        assert_eq!(report.close(), Some(Cause::Refused(code)));
    }
    let mut silent = start();
    let report = silent.lose();
    assert!(report.wire.is_empty() && silent.server.session().is_none());
    Ok(3)
}

/// [MQTT-4.12.0-4]: before any step, and after each; nothing is read afterwards.
fn it_can_be_refused_at_every_stage() -> Outcome {
    for steps in 0..5 {
        let mut driver = start();
        for _ in 0..steps {
            driver.authenticate(&[]).expect("this side's turn");
            driver.send(&auth(CONTINUE, "SCRAM", b""));
        }
        let code = ReasonCode::NotAuthorized;
        let report = driver.refuse(code, &[]).expect("this side's turn");
        assert_eq!(report.packet(), ConnAck::new(code).into());
        assert_eq!(report.close(), Some(Cause::Refused(code)));
        assert!(driver.send(&auth(CONTINUE, "SCRAM", b"")).is_empty());
        assert!(driver.authenticate(&[]).is_err());
    }
    Ok(5)
}

/// The connection ends, with a CONNACK of 0x80 or above, or without a word [MQTT-3.14.0-1], [MQTT-4.12.0-4].
fn is_refused(report: &Report) {
    assert!(
        matches!(report.close(), Some(Cause::PeerError(_))),
        "{report:?}"
    );
    assert_eq!(report.events().len(), 1, "{report:?}");
    match report.packets()[..] {
        [] => {}
        [Packet::ConnAck(connack)] => assert!(connack.reason_code.is_error()),
        ref other => panic!("{other:?}"),
    }
}

/// [MQTT-4.12.0-3], Table 3-11: only 0x18 answers an AUTH.
fn reason_codes_of_the_client() -> Outcome {
    for code in [ReasonCode::Success, CONTINUE, ReasonCode::ReAuthenticate] {
        let mut driver = start();
        driver.authenticate(&[]).expect("this side's turn");
        let report = driver.send(&auth(code, "SCRAM", b"x"));
        if code == CONTINUE {
            assert_eq!(report.log, [Seen::Authentication(CONTINUE, b"x".to_vec())]);
        } else {
            is_refused(&report);
        }
    }
    Ok(3)
}

/// PER-32, PER-33, [MQTT-4.12.0-5]: an AUTH with another method, or without.
fn another_method_or_none_is_an_error() -> Outcome {
    let others = [
        auth(CONTINUE, "PLAIN", b""),
        auth(CONTINUE, "scram", b""),
        auth(CONTINUE, "", b""),
        b"\xF0\x02\x18\x00".to_vec(),
        b"\xF0\x01\x18".to_vec(),
        b"\xF0\x05\x18\x03\x16\x00\x00".to_vec(),
    ];
    for bytes in &others {
        let mut driver = start();
        driver.authenticate(&[]).expect("this side's turn");
        is_refused(&driver.send(bytes));
    }
    Ok(others.len() as u64)
}

/// [MQTT-4.12.0-6], PER-32: no AUTH and no method in the CONNACK; an AUTH of the Client is a Protocol Error.
fn nothing_of_it_without_a_method() -> Outcome {
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::new());
    let result = driver.authenticate(&[]);
    assert_eq!(result.map(|_| ()), Err(SendError::NotExpected));
    assert!(driver.pump().is_empty());
    let method = [Property::AuthenticationMethod(text("SCRAM"))];
    let mut given = driver.clone();
    if let Ok(report) = given.accept(None, &method) {
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        assert_eq!(connack.properties.authentication_method(), None);
    }
    let report = driver.accept(None, &[]).expect("a good CONNECT");
    assert_eq!(report.packet(), ConnAck::new(ReasonCode::Success).into());
    for code in [CONTINUE, ReasonCode::ReAuthenticate] {
        let mut driver = driver.clone();
        assert!(driver.authenticate(&[]).is_err());
        assert!(driver.server.finish_re_authentication(&[]).is_err());
        let report = driver.send(&auth(code, "SCRAM", b""));
        assert_eq!(report.last_word(), Some(ReasonCode::ProtocolError));
        assert!(matches!(report.close(), Some(Cause::PeerError(_))));
    }
    Ok(4)
}

/// [MQTT-4.12.0-6]: a CONNACK of refusal has none either.
fn no_method_in_a_refusal_without_one() -> Outcome {
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::new());
    let method = [Property::AuthenticationMethod(text("SCRAM"))];
    if let Ok(report) = driver.refuse(ReasonCode::BadAuthenticationMethod, &method) {
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        assert_eq!(connack.properties.authentication_method(), None);
    }
    Ok(1)
}

/// [MQTT-4.12.0-5]: the host cannot send another method than that of the CONNECT.
fn no_other_method_is_sent() -> Outcome {
    let other = [Property::AuthenticationMethod(text("PLAIN"))];
    let mut driver = start();
    if let Ok(report) = driver.clone().authenticate(&other) {
        is_step(&report, None);
    }
    if let Ok(report) = driver.accept(None, &other) {
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        let method = connack.properties.authentication_method();
        assert_eq!(method, Some(text("SCRAM")));
    }
    Ok(2)
}

/// Section 4.12: the Client may send DISCONNECT.
fn the_client_may_give_up() -> Outcome {
    let mut driver = start();
    driver.authenticate(&[]).expect("this side's turn");
    let code = ReasonCode::UnspecifiedError;
    let report = driver.send(&disconnect(code));
    let expected = [
        Seen::Disconnect(code),
        Seen::Close(Cause::PeerDisconnected(code)),
    ];
    assert_eq!(report.log, expected);
    assert!(driver.server.session().is_none());
    Ok(1)
}

/// Section 4.12: one AUTH for one AUTH; while the Client is asked nothing can be decided for it but the end.
fn it_is_this_sides_turn_or_not() -> Outcome {
    let mut driver = start();
    driver.authenticate(&[]).expect("this side's turn");
    for _ in 0..2 {
        let result = driver.authenticate(&[]);
        assert_eq!(result.map(|_| ()), Err(SendError::NotExpected));
        assert!(driver.pump().is_empty());
    }
    driver.send(&auth(CONTINUE, "SCRAM", b""));
    assert!(driver.authenticate(&[]).is_ok());
    Ok(3)
}

/// Sections 3.1.4, 4.12: a Client that does not answer is not waited for.
fn the_next_step_has_its_time() -> Outcome {
    let config = ServerConfig {
        connect_timeout: Duration::from_millis(700),
        ..config()
    };
    let mut driver = Driver::deciding(Instant::ORIGIN, config, &with_method());
    assert!(driver.wait(5_000).is_empty());
    for _ in 0..3 {
        driver.authenticate(&[]).expect("this side's turn");
        assert_eq!(
            driver.server.next_timeout(),
            driver.now + Duration::from_millis(700)
        );
        assert!(driver.wait(699).is_empty());
        driver.send(&auth(CONTINUE, "SCRAM", b""));
        assert!(driver.wait(5_000).is_empty());
    }
    driver.authenticate(&[]).expect("this side's turn");
    let report = driver.wait(700);
    assert!(matches!(
        report.close(),
        Some(Cause::TimedOut(Awaited::Connect | Awaited::ConnAck))
    ));
    assert!(
        report
            .packets()
            .iter()
            .all(|packet| matches!(packet, Packet::ConnAck(_)))
    );
    Ok(4)
}

/// [MQTT-3.1.2-30], [MQTT-3.1.4-6]: nothing but AUTH and DISCONNECT between CONNECT and CONNACK.
fn packets_before_the_connack_are_not_processed() -> Outcome {
    for bytes in [publish_1(1), PINGREQ.to_vec(), with_method().bytes()] {
        let mut driver = start();
        driver.authenticate(&[]).expect("this side's turn");
        let report = driver.send(&bytes);
        is_refused(&report);
        assert!(driver.send(&auth(CONTINUE, "SCRAM", b"")).is_empty());
        assert!(driver.accept(None, &[]).is_err());
    }
    Ok(3)
}

/// [MQTT-3.14.0-1], [MQTT-4.12.0-4]: a malformed packet before the CONNACK.
fn there_is_no_disconnect_for_an_error() -> Outcome {
    for sent in [
        &b"\x00\x00"[..],
        b"\xF1\x02\x18\x00",
        b"\xF0\x02\x44\x00",
        b"\xFF\xFF\xFF\xFF\xFF",
    ] {
        let mut driver = start();
        driver.authenticate(&[]).expect("this side's turn");
        is_refused(&driver.send(sent));
    }
    Ok(4)
}
