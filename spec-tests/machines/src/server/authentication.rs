//! Enhanced authentication before the CONNACK (section 4.12).

use std::time::Duration;

use mqtt5_session_fsm::codec::{Property, ReasonCode};
use mqtt5_session_fsm::{SendError, ServerConfig};

use super::driver::{Driver, asked, data};
use super::make::{Hello, PINGREQ, auth, config, text};
use crate::session::driver::{Lines, close_of, packets};
use crate::session::make;

crate::check::checks! { "authentication":
    server {
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
}

const CONTINUE: ReasonCode = ReasonCode::ContinueAuthentication;
const METHOD: &str = "AuthenticationMethod(\"SCRAM\")";

fn with_method() -> Hello {
    Hello::lasting().with(Property::AuthenticationMethod(text("SCRAM")))
}

fn start() -> Driver {
    Driver::deciding(config(), &with_method())
}

/// It is the Client's turn.
fn asking() -> Driver {
    let mut driver = start();
    is_step(&driver.authenticate(&[]).expect("this side's turn"), None);
    driver
}

/// An AUTH 0x18 with the method and these data.
fn is_step(said: &[String], expected: Option<&'static [u8]>) {
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("> AUTH ContinueAuthentication "),
        "{said:?}"
    );
    assert!(said[0].contains(METHOD), "{said:?}");
    match expected {
        Some(bytes) => assert!(said[0].contains(&format!("{:?}", data(bytes))), "{said:?}"),
        None => assert!(!said[0].contains("AuthenticationData"), "{said:?}"),
    }
}

/// [MQTT-4.12.0-2], [MQTT-4.12.0-3], [MQTT-4.12.0-5], [MQTT-3.2.0-1]: AUTH 0x18 in both directions.
fn any_number_of_steps() -> u64 {
    for steps in 0..20_u8 {
        let mut driver = start();
        for step in 0..steps {
            let list = [data(b"challenge")];
            let (list, expected) = match step % 2 {
                0 => (&list[..], Some(&b"challenge"[..])),
                _ => (&[][..], None),
            };
            is_step(
                &driver.authenticate(list).expect("this side's turn"),
                expected,
            );
            let said = driver.feed(&auth(CONTINUE, "SCRAM", &[step]));
            assert_eq!(said, [asked(CONTINUE, "SCRAM", &[step])]);
            assert!(!driver.machine.is_connected());
        }
        let said = driver.accept_client(&[]).expect("this side's turn");
        assert_eq!(said, [format!("> CONNACK {METHOD}")]);
        assert!(driver.machine.is_connected());
    }
    20
}

/// Section 4.12, [MQTT-4.12.0-5]: the CONNACK of success has the method, and data if there are some.
fn success_has_the_method_and_the_last_data() -> u64 {
    for list in [&[][..], &[data(b"final")]] {
        let mut driver = asking();
        let _ = driver.feed(&auth(CONTINUE, "SCRAM", b""));
        let said = driver.accept_client(list).expect("this side's turn");
        assert!(
            said[0].starts_with("> CONNACK ") && said[0].contains(METHOD),
            "{said:?}"
        );
        assert_eq!(said[0].contains("AuthenticationData"), !list.is_empty());
    }
    2
}

/// [MQTT-4.12.0-1]: CONNACK 0x8C or 0x87, and the end.
fn a_method_is_not_supported() -> u64 {
    for code in [
        ReasonCode::BadAuthenticationMethod,
        ReasonCode::NotAuthorized,
    ] {
        assert_eq!(start().refuse_client(code, &[]).unwrap(), refused(code));
    }
    let mut silent = start();
    assert_eq!(silent.lose(), Lines::new());
    assert!(silent.machine.session().is_none());
    3
}

fn refused(code: ReasonCode) -> [String; 2] {
    [
        format!("> CONNACK {code:?}"),
        format!("close Refused({code:?})"),
    ]
}

/// [MQTT-4.12.0-4]: before any step, and after each; nothing is read afterwards.
fn it_can_be_refused_at_every_stage() -> u64 {
    for steps in 0..5 {
        let mut driver = start();
        for _ in 0..steps {
            driver.authenticate(&[]).expect("this side's turn");
            let _ = driver.feed(&auth(CONTINUE, "SCRAM", b""));
        }
        let code = ReasonCode::NotAuthorized;
        assert_eq!(driver.refuse_client(code, &[]).unwrap(), refused(code));
        assert_eq!(driver.feed(&auth(CONTINUE, "SCRAM", b"")), Lines::new());
        assert!(driver.authenticate(&[]).is_err());
    }
    5
}

/// The connection ends, with a CONNACK of 0x80 or above, or without a word [MQTT-3.14.0-1], [MQTT-4.12.0-4].
fn is_refused(said: &[String]) {
    let (close, rest) = said.split_last().expect("the end");
    assert!(close.starts_with("close "), "{said:?}");
    assert!(rest.len() <= 1, "{said:?}");
    // One of success has the method first.
    let is_refusal = |line: &String| line.starts_with("> CONNACK ") && !line.contains(METHOD);
    assert!(rest.iter().all(is_refusal), "{said:?}");
}

/// [MQTT-4.12.0-3], Table 3-11: only 0x18 answers an AUTH.
fn reason_codes_of_the_client() -> u64 {
    for code in [ReasonCode::Success, CONTINUE, ReasonCode::ReAuthenticate] {
        let said = asking().feed(&auth(code, "SCRAM", b"x"));
        match code {
            CONTINUE => assert_eq!(said, [asked(CONTINUE, "SCRAM", b"x")]),
            _ => is_refused(&said),
        }
    }
    3
}

/// [MQTT-4.12.0-5]: an AUTH with another method, or without.
fn another_method_or_none_is_an_error() -> u64 {
    let others = [
        auth(CONTINUE, "PLAIN", b""),
        auth(CONTINUE, "scram", b""),
        auth(CONTINUE, "", b""),
        b"\xF0\x02\x18\x00".to_vec(),
        b"\xF0\x01\x18".to_vec(),
        b"\xF0\x05\x18\x03\x16\x00\x00".to_vec(),
    ];
    for bytes in &others {
        is_refused(&asking().feed(bytes));
    }
    others.len() as u64
}

/// [MQTT-4.12.0-6]: no AUTH and no method in the CONNACK; an AUTH of the Client is a Protocol Error.
fn nothing_of_it_without_a_method() -> u64 {
    let mut driver = Driver::deciding(config(), &Hello::new());
    assert_eq!(driver.authenticate(&[]), Err(SendError::NotExpected));
    assert_eq!(driver.settle(), Lines::new());
    let method = [Property::AuthenticationMethod(text("SCRAM"))];
    if let Ok(said) = driver.clone().accept_client(&method) {
        assert_eq!(said, ["> CONNACK"]);
    }
    assert_eq!(driver.accept_client(&[]).unwrap(), ["> CONNACK"]);
    for code in [CONTINUE, ReasonCode::ReAuthenticate] {
        let mut driver = driver.clone();
        assert!(driver.authenticate(&[]).is_err());
        assert!(driver.machine.finish_re_authentication(&[]).is_err());
        let said = driver.feed(&auth(code, "SCRAM", b""));
        assert_eq!(packets(&said), ["DISCONNECT ProtocolError"]);
        assert!(close_of(&said).is_some(), "{said:?}");
    }
    4
}

/// [MQTT-4.12.0-6]: a CONNACK of refusal has none either.
fn no_method_in_a_refusal_without_one() {
    let mut driver = Driver::deciding(config(), &Hello::new());
    let method = [Property::AuthenticationMethod(text("SCRAM"))];
    let code = ReasonCode::BadAuthenticationMethod;
    if let Ok(said) = driver.refuse_client(code, &method) {
        assert_eq!(said, refused(code));
    }
}

/// [MQTT-4.12.0-5]: the host cannot send another method than that of the CONNECT.
fn no_other_method_is_sent() {
    let other = [Property::AuthenticationMethod(text("PLAIN"))];
    let mut driver = start();
    if let Ok(said) = driver.clone().authenticate(&other) {
        is_step(&said, None);
    }
    if let Ok(said) = driver.accept_client(&other) {
        assert_eq!(said, [format!("> CONNACK {METHOD}")]);
    }
}

/// Section 4.12: the Client may send DISCONNECT.
fn the_client_may_give_up() {
    let mut driver = asking();
    let said = driver.feed(&make::disconnect(ReasonCode::UnspecifiedError, &[]));
    let expected = [
        "disconnect UnspecifiedError",
        "close PeerDisconnected(UnspecifiedError)",
    ];
    assert_eq!(said, expected);
    assert!(driver.machine.session().is_none());
}

/// Section 4.12: one AUTH for one AUTH; while the Client is asked nothing can be decided for it but the end.
fn it_is_this_sides_turn_or_not() -> u64 {
    let mut driver = asking();
    for _ in 0..2 {
        assert_eq!(driver.authenticate(&[]), Err(SendError::NotExpected));
        assert_eq!(driver.settle(), Lines::new());
    }
    let _ = driver.feed(&auth(CONTINUE, "SCRAM", b""));
    assert!(driver.authenticate(&[]).is_ok());
    3
}

/// Sections 3.1.4, 4.12: a Client that does not answer is not waited for.
fn the_next_step_has_its_time() -> u64 {
    let config = ServerConfig {
        connect_timeout: Duration::from_millis(700),
        ..config()
    };
    let mut driver = Driver::deciding(config, &with_method());
    assert_eq!(driver.tick(5_000), Lines::new());
    for _ in 0..3 {
        driver.authenticate(&[]).expect("this side's turn");
        assert_eq!(driver.deadline(), Some(700));
        assert_eq!(driver.tick(699), Lines::new());
        let _ = driver.feed(&auth(CONTINUE, "SCRAM", b""));
        assert_eq!(driver.tick(5_000), Lines::new());
    }
    driver.authenticate(&[]).expect("this side's turn");
    let said = driver.tick(700);
    is_refused(&said);
    let close = close_of(&said).expect("the end");
    assert!(
        ["TimedOut(Connect)", "TimedOut(ConnAck)"].contains(&close),
        "{said:?}"
    );
    4
}

/// [MQTT-3.1.2-30], [MQTT-3.1.4-6]: nothing but AUTH and DISCONNECT between CONNECT and CONNACK.
fn packets_before_the_connack_are_not_processed() -> u64 {
    let publish = make::publish(1, 1, "a", "");
    for bytes in [publish, PINGREQ.to_vec(), with_method().bytes()] {
        let mut driver = asking();
        is_refused(&driver.feed(&bytes));
        assert_eq!(driver.feed(&auth(CONTINUE, "SCRAM", b"")), Lines::new());
        assert!(driver.accept_client(&[]).is_err());
    }
    3
}

/// [MQTT-3.14.0-1], [MQTT-4.12.0-4]: a malformed packet before the CONNACK.
fn there_is_no_disconnect_for_an_error() -> u64 {
    for sent in [
        &b"\x00\x00"[..],
        b"\xF1\x02\x18\x00",
        b"\xF0\x02\x44\x00",
        b"\xFF\xFF\xFF\xFF\xFF",
    ] {
        is_refused(&asking().feed(sent));
    }
    4
}
