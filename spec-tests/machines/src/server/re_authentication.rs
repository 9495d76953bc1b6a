//! Re-authentication (section 4.12.1).

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::{Driver, asked, data};
use super::make::{Hello, PINGREQ, auth, config, explanation, text};
use crate::session::driver::Lines;
use crate::session::make;

crate::check::checks! { "re_authentication":
    server {
        Domain any_number_of_steps,
        Example it_can_be_repeated,
        Example other_packets_go_on_meanwhile,
        Example its_failure_ends_the_connection,
        Example only_the_client_starts_it,
        Domain an_auth_out_of_turn_is_an_error,
        Example another_method_or_none_is_an_error,
        Example explanations_are_sent,
    }
}

const CONTINUE: ReasonCode = ReasonCode::ContinueAuthentication;
const AGAIN: ReasonCode = ReasonCode::ReAuthenticate;

fn open() -> Driver {
    let method = Property::AuthenticationMethod(text("SCRAM"));
    Driver::with(config(), &Hello::lasting().with(method))
}

fn finish(driver: &mut Driver, list: &[Property<'_>]) -> Result<Lines, SendError> {
    driver.machine.finish_re_authentication(list)?;
    Ok(driver.settle())
}

/// An AUTH with this code and the method.
fn is_auth(said: &[String], code: ReasonCode) {
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with(&format!("> AUTH {code:?} ")),
        "{said:?}"
    );
    assert!(
        said[0].contains("AuthenticationMethod(\"SCRAM\")"),
        "{said:?}"
    );
}

/// [MQTT-4.12.1-1], [MQTT-4.12.0-5]: 0x19, then 0x18 in both directions, then 0x00.
fn any_number_of_steps() -> u64 {
    for steps in 0..10_u8 {
        let mut driver = open();
        let said = driver.feed(&auth(AGAIN, "SCRAM", b"first"));
        assert_eq!(said, [asked(AGAIN, "SCRAM", b"first")]);
        for step in 0..steps {
            is_auth(
                &driver.authenticate(&[]).expect("this side's turn"),
                CONTINUE,
            );
            let said = driver.feed(&auth(CONTINUE, "SCRAM", &[step]));
            assert_eq!(said, [asked(CONTINUE, "SCRAM", &[step])]);
        }
        let said = finish(&mut driver, &[data(b"last")]).expect("this side's turn");
        is_auth(&said, ReasonCode::Success);
        assert!(
            said[0].contains(&format!("{:?}", data(b"last"))),
            "{said:?}"
        );
        assert!(driver.machine.is_connected());
    }
    10
}

/// [MQTT-4.12.1-1]: at any time after the CONNACK.
fn it_can_be_repeated() -> u64 {
    let mut driver = open();
    for _ in 0..5 {
        let _ = driver.tick(1_000);
        assert_eq!(driver.feed(&auth(AGAIN, "SCRAM", b"")).len(), 1);
        assert!(finish(&mut driver, &[]).is_ok());
    }
    5
}

/// Section 4.12.1: other packets go on under the previous authentication, whoever's turn it is.
fn other_packets_go_on_meanwhile() -> u64 {
    for waits_for_client in [false, true] {
        let mut driver = open();
        let _ = driver.feed(&auth(AGAIN, "SCRAM", b""));
        if waits_for_client {
            driver.authenticate(&[]).expect("this side's turn");
        }
        assert_eq!(driver.feed(PINGREQ), ["> PINGRESP"]);
        assert_eq!(
            driver.feed(&make::publish(1, 1, "a", "1")),
            ["message q1 a \"1\"", "> PUBACK #1"]
        );
        let said = driver.feed(&make::publish(0, 0, "a", "0"));
        assert_eq!(said, ["message q0 a \"0\""]);
        assert_eq!(driver.publish(1, "a", "x"), ["> PUBLISH q1 #1 a \"x\""]);
        // The Client's turn has its time, the host's has as much as it likes.
        if waits_for_client {
            assert_eq!(driver.tick(29_999), Lines::new());
            let _ = driver.feed(&auth(CONTINUE, "SCRAM", b""));
        }
        assert_eq!(driver.tick(1 << 40), Lines::new());
        let said = finish(&mut driver, &[]).expect("this side's turn");
        is_auth(&said, ReasonCode::Success);
    }
    2
}

/// [MQTT-4.12.1-2]: DISCONNECT, and the end.
fn its_failure_ends_the_connection() {
    let mut driver = open();
    let _ = driver.feed(&auth(AGAIN, "SCRAM", b""));
    let expected = [
        "> DISCONNECT NotAuthorized",
        "close Disconnected(NotAuthorized)",
    ];
    assert_eq!(driver.disconnect(ReasonCode::NotAuthorized, &[]), expected);
    assert!(finish(&mut driver, &[]).is_err());
    assert!(driver.authenticate(&[]).is_err());
    assert_eq!(driver.settle(), Lines::new());
}

/// Section 4.12.1: the Server sends no AUTH by itself.
fn only_the_client_starts_it() {
    let mut driver = open();
    let expect_refused = |driver: &mut Driver| {
        assert_eq!(driver.authenticate(&[]), Err(SendError::NotExpected));
        assert_eq!(finish(driver, &[]), Err(SendError::NotExpected));
        assert_eq!(driver.settle(), Lines::new());
    };
    expect_refused(&mut driver);
    let _ = driver.feed(&auth(AGAIN, "SCRAM", b""));
    driver.authenticate(&[]).expect("this side's turn");
    expect_refused(&mut driver);
    let _ = driver.feed(&auth(CONTINUE, "SCRAM", b""));
    finish(&mut driver, &[]).expect("this side's turn");
    expect_refused(&mut driver);
}

/// Sections 3.15.2.1, 4.12.1: 0x18 that nobody asked for, 0x19 in the middle, 0x00.
fn an_auth_out_of_turn_is_an_error() -> u64 {
    let mut tried = 0;
    for steps in 0..3 {
        for code in [ReasonCode::Success, CONTINUE, AGAIN] {
            let mut driver = open();
            if steps > 0 {
                let _ = driver.feed(&auth(AGAIN, "SCRAM", b""));
            }
            if steps > 1 {
                driver.authenticate(&[]).expect("this side's turn");
            }
            let said = driver.feed(&auth(code, "SCRAM", b""));
            if matches!((steps, code), (0, AGAIN) | (2, CONTINUE)) {
                assert_eq!(said, [asked(code, "SCRAM", b"")]);
            } else {
                driver.assert_ended(&said, ReasonCode::ProtocolError, "out of turn");
            }
            tried += 1;
        }
    }
    tried
}

/// [MQTT-4.12.1-1]: the method is that of the CONNECT.
fn another_method_or_none_is_an_error() -> u64 {
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
        let said = driver.feed(bytes);
        driver.assert_ended(&said, ReasonCode::ProtocolError, "another method");
    }
    others.len() as u64
}

/// Sections 3.15.2.2.4, 3.15.2.2.5: Reason String and User Properties; the method of the host's own stays.
fn explanations_are_sent() {
    let mut driver = open();
    let _ = driver.feed(&auth(AGAIN, "SCRAM", b""));
    for said in [
        driver.clone().authenticate(&explanation()),
        finish(&mut driver, &explanation()),
    ] {
        let said = said.expect("this side's turn");
        for property in explanation() {
            assert!(said[0].contains(&format!("{property:?}")), "{said:?}");
        }
    }
}
