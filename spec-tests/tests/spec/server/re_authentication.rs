//! Re-authentication (section 4.12.1; table T17.2).

use mqtt5_codec::{Binary, Packet, Property, Qos, ReasonCode};
use mqtt5_session_fsm::{Cause, SendError};

use super::driver::{Driver, Report, Seen, explanation};
use super::make::{Hello, PINGREQ, auth, config, publication, publish, publish_1, text};
use crate::check::Outcome;

super::listed! { "re_authentication":
    Domain any_number_of_steps,
    Example it_can_be_repeated,
    Example other_packets_go_on_meanwhile,
    Example its_failure_ends_the_connection,
    Example only_the_client_starts_it,
    Domain an_auth_out_of_turn_is_an_error,
    Example another_method_or_none_is_an_error,
    Example explanations_are_sent,
}

const CONTINUE: ReasonCode = ReasonCode::ContinueAuthentication;
const AGAIN: ReasonCode = ReasonCode::ReAuthenticate;

fn open() -> Driver {
    let hello = Hello::lasting().with(Property::AuthenticationMethod(text("SCRAM")));
    Driver::connected(config(), &hello)
}

fn finish(driver: &mut Driver, list: &[Property<'_>]) -> Result<Report, SendError> {
    driver.server.finish_re_authentication(list)?;
    Ok(driver.pump())
}

/// An AUTH with this code and the method.
fn is_auth(report: &Report, code: ReasonCode) {
    let Packet::Auth(auth) = report.packet() else {
        panic!("{report:?}");
    };
    assert_eq!(auth.reason_code, code);
    assert_eq!(auth.properties.authentication_method(), Some(text("SCRAM")));
}

/// [MQTT-4.12.1-1], [MQTT-4.12.0-5]: 0x19, then 0x18 in both directions, then 0x00.
fn any_number_of_steps() -> Outcome {
    for steps in 0..10_u8 {
        let mut driver = open();
        let report = driver.send(&auth(AGAIN, "SCRAM", b"first"));
        assert_eq!(report.log, [Seen::Authentication(AGAIN, b"first".to_vec())]);
        for step in 0..steps {
            let report = driver.authenticate(&[]).expect("this side's turn");
            is_auth(&report, CONTINUE);
            let report = driver.send(&auth(CONTINUE, "SCRAM", &[step]));
            assert_eq!(report.log, [Seen::Authentication(CONTINUE, vec![step])]);
        }
        let data = [Property::AuthenticationData(
            Binary::new(b"last").expect("short"),
        )];
        let report = finish(&mut driver, &data).expect("this side's turn");
        is_auth(&report, ReasonCode::Success);
        assert_eq!(report.close(), None);
        assert!(driver.server.is_connected());
    }
    Ok(10)
}

/// [MQTT-4.12.1-1]: at any time after the CONNACK.
fn it_can_be_repeated() -> Outcome {
    let mut driver = open();
    for _ in 0..5 {
        driver.wait(1_000);
        assert_eq!(driver.send(&auth(AGAIN, "SCRAM", b"")).events().len(), 1);
        assert!(finish(&mut driver, &[]).is_ok());
    }
    Ok(5)
}

/// Section 4.12.1: other packets go on under the previous authentication, whoever's turn it is.
fn other_packets_go_on_meanwhile() -> Outcome {
    for waits_for_client in [false, true] {
        let mut driver = open();
        driver.send(&auth(AGAIN, "SCRAM", b""));
        if waits_for_client {
            driver.authenticate(&[]).expect("this side's turn");
        }
        assert_eq!(driver.send(PINGREQ).packet(), Packet::PingResp);
        assert_eq!(driver.send(&publish_1(1)).payloads(), [b"one"]);
        let report = driver.send(&publish(Qos::AtMostOnce, 1, false, b"zero"));
        assert_eq!(report.payloads(), [b"zero"]);
        let (_, report) = driver
            .publish(publication(Qos::AtLeastOnce, b"x"))
            .expect("room");
        assert!(matches!(report.packet(), Packet::Publish(_)));
        assert!(driver.wait(1 << 40).is_empty());
        if waits_for_client {
            driver.send(&auth(CONTINUE, "SCRAM", b""));
        }
        is_auth(
            &finish(&mut driver, &[]).expect("this side's turn"),
            ReasonCode::Success,
        );
    }
    Ok(2)
}

/// [MQTT-4.12.1-2]: DISCONNECT, and the end.
fn its_failure_ends_the_connection() -> Outcome {
    let mut driver = open();
    driver.send(&auth(AGAIN, "SCRAM", b""));
    let code = ReasonCode::NotAuthorized;
    let report = driver.disconnect(code, &[]).expect("connected");
    assert_eq!(report.last_word(), Some(code));
    assert_eq!(report.close(), Some(Cause::Disconnected(code)));
    assert!(finish(&mut driver, &[]).is_err());
    assert!(driver.authenticate(&[]).is_err());
    assert!(driver.pump().is_empty());
    Ok(1)
}

/// Section 4.12.1: the Server sends no AUTH by itself.
fn only_the_client_starts_it() -> Outcome {
    let mut driver = open();
    let expect_refused = |driver: &mut Driver| {
        let result = driver.authenticate(&[]);
        assert_eq!(result.map(|_| ()), Err(SendError::NotExpected));
        let result = finish(driver, &[]);
        assert_eq!(result.map(|_| ()), Err(SendError::NotExpected));
        assert!(driver.pump().is_empty());
    };
    expect_refused(&mut driver);
    driver.send(&auth(AGAIN, "SCRAM", b""));
    driver.authenticate(&[]).expect("this side's turn");
    expect_refused(&mut driver);
    driver.send(&auth(CONTINUE, "SCRAM", b""));
    finish(&mut driver, &[]).expect("this side's turn");
    expect_refused(&mut driver);
    Ok(3)
}

/// Sections 3.15.2.1, 4.12.1 (reading of T19.4): 0x18 that nobody asked for, 0x19 in the middle, 0x00.
fn an_auth_out_of_turn_is_an_error() -> Outcome {
    let mut tried = 0;
    for steps in 0..3 {
        for code in [ReasonCode::Success, CONTINUE, AGAIN] {
            let mut driver = open();
            if steps > 0 {
                driver.send(&auth(AGAIN, "SCRAM", b""));
            }
            if steps > 1 {
                driver.authenticate(&[]).expect("this side's turn");
            }
            let report = driver.send(&auth(code, "SCRAM", b""));
            let is_good = matches!((steps, code), (0, AGAIN) | (2, CONTINUE));
            if is_good {
                assert_eq!(report.events().len(), 1);
                assert_eq!(report.close(), None);
            } else {
                assert_eq!(
                    report.last_word(),
                    Some(ReasonCode::ProtocolError),
                    "{steps}, {code}"
                );
                assert!(matches!(report.close(), Some(Cause::PeerError(_))));
            }
            tried += 1;
        }
    }
    Ok(tried)
}

/// PER-32, PER-33, [MQTT-4.12.1-1]: the method is that of the CONNECT.
fn another_method_or_none_is_an_error() -> Outcome {
    let others = [
        auth(AGAIN, "PLAIN", b""),
        auth(AGAIN, "scram", b""),
        auth(AGAIN, "", b""),
        b"\xF0\x01\x19".to_vec(),
        b"\xF0\x02\x19\x00".to_vec(),
        b"\xF0\x00".to_vec(),
    ];
    for bytes in &others {
        let mut driver = open();
        let report = driver.send(bytes);
        assert_eq!(
            report.last_word(),
            Some(ReasonCode::ProtocolError),
            "{bytes:?}"
        );
        assert!(matches!(report.close(), Some(Cause::PeerError(_))));
    }
    Ok(others.len() as u64)
}

/// Sections 3.15.2.2.4, 3.15.2.2.5: Reason String and User Properties; the method of the host's own stays.
fn explanations_are_sent() -> Outcome {
    let mut driver = open();
    driver.send(&auth(AGAIN, "SCRAM", b""));
    for report in [
        driver.clone().authenticate(&explanation()),
        finish(&mut driver, &explanation()),
    ] {
        let report = report.expect("this side's turn");
        let Packet::Auth(auth) = report.packet() else {
            return Err("no AUTH".to_owned());
        };
        for property in explanation() {
            assert!(auth.properties.iter().any(|found| found == property));
        }
    }
    Ok(2)
}
