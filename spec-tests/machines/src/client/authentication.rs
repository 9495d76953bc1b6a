//! Sections 4.12, 4.12.1, as the Client sees them.

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{Binary, Connect, Property, ReasonCode, Text};

use super::driver::{Driver, KEEPS, Lines, connect_with};
use super::make;

crate::check::checks! { "authentication":
    client {
        Domain any_number_of_steps,
        Example nothing_else_is_sent_before_the_connack,
        Example disconnect_is_allowed_before_the_connack,
        Example the_answer_has_its_time,
        Example it_is_only_answered_when_asked,
        Example no_auth_without_a_method,
        Domain the_method_is_the_same_everywhere,
        Example a_refusal_needs_no_method,
        Example a_method_that_was_not_asked_for,
        Example re_authentication,
        Example re_authentication_of_several_steps,
        Example everything_goes_on_during_re_authentication,
        Example one_re_authentication_at_a_time,
        Example failed_re_authentication,
        Example it_ends_with_the_connection,
    }
}

const ASKS: ReasonCode = ReasonCode::ContinueAuthentication;

fn nothing() -> Lines {
    Lines::new()
}

fn method(name: &str) -> Property<'_> {
    Property::AuthenticationMethod(Text::new(name).unwrap())
}

fn data(data: &[u8]) -> Property<'_> {
    Property::AuthenticationData(Binary::new(data).unwrap())
}

/// After the CONNECT with the method `m`.
fn connecting() -> Driver {
    let mut driver = Driver::new();
    let _ = driver.connect(&connect_with(&[KEEPS[0], method("m")]));
    driver
}

fn authenticated() -> Driver {
    Driver::new().go(&[KEEPS[0], method("m")], false, &[method("m")])
}

/// MQTT-4.12.0-3, MQTT-4.12.0-5: each answer is an AUTH with 0x18 and the method of the CONNECT.
fn any_number_of_steps() -> u64 {
    for steps in 0..20 {
        let mut driver = connecting();
        for _ in 0..steps {
            let said = driver.feed(&make::auth(ASKS, &[method("m"), data(b"?")]));
            assert_eq!(said.len(), 1);
            assert!(
                said[0].starts_with("authentication ContinueAuthentication"),
                "{said:?}"
            );
            driver.machine.authenticate(&[data(b"!")]).unwrap();
            let said = driver.settle();
            assert_eq!(said.len(), 1);
            assert!(
                said[0].starts_with("> AUTH ContinueAuthentication"),
                "{said:?}"
            );
            assert!(said[0].contains("AuthenticationMethod(\"m\")"), "{said:?}");
            assert!(said[0].contains("AuthenticationData"), "{said:?}");
        }
        let accepted = make::connack(false, ReasonCode::Success, &[method("m"), data(b".")]);
        assert!(driver.feed(&accepted)[0].starts_with("connected"));
        assert!(driver.machine.is_connected());
    }
    20
}

/// MQTT-3.1.2-30: between CONNECT with a method and CONNACK, AUTH and DISCONNECT only.
fn nothing_else_is_sent_before_the_connack() {
    let mut driver = Driver::new();
    let _ = driver.publish(1, "a", "early");
    let connect = [KEEPS[0], method("m")];
    let said = driver.connect(&Connect {
        keep_alive: 1,
        ..connect_with(&connect)
    });
    assert_eq!(said.len(), 1);
    for step in 0..5 {
        assert_eq!(driver.publish(step % 3, "a", ""), nothing());
        assert_eq!(driver.subscribe(&["a"]), nothing());
        assert_eq!(driver.unsubscribe(&["a"]), nothing());
        assert_eq!(
            driver.machine.re_authenticate(&[]),
            Err(SendError::NotExpected)
        );
        assert_eq!(driver.tick(3_000), nothing(), "no PINGREQ");
        assert_eq!(driver.feed(&make::auth(ASKS, &[method("m")])).len(), 1);
        driver.machine.authenticate(&[]).unwrap();
        let said = driver.settle();
        assert!(said.len() == 1 && said[0].starts_with("> AUTH"), "{said:?}");
    }
}

/// MQTT-3.1.2-30, section 4.12: the Client may give up, with a DISCONNECT.
fn disconnect_is_allowed_before_the_connack() {
    for is_asked in [false, true] {
        let mut driver = connecting();
        if is_asked {
            let _ = driver.feed(&make::auth(ASKS, &[method("m")]));
        }
        let said = driver.disconnect(ReasonCode::UnspecifiedError, &[]);
        assert_eq!(
            said,
            [
                "> DISCONNECT UnspecifiedError",
                "close Disconnected(UnspecifiedError)"
            ]
        );
        driver.assert_dead();
    }
}

/// Section 3.2: each step of the Server has the time of the CONNACK.
fn the_answer_has_its_time() {
    let mut driver = connecting();
    for _ in 0..3 {
        assert_eq!(driver.tick(9_999), nothing());
        assert_eq!(driver.feed(&make::auth(ASKS, &[method("m")])).len(), 1);
        driver.machine.authenticate(&[]).unwrap();
        assert_eq!(driver.settle().len(), 1);
    }
    assert_eq!(driver.tick(9_999), nothing());
    assert_eq!(driver.tick(1), ["close TimedOut(ConnAck)"]);
    driver.assert_dead();
}

/// MQTT-4.12.0-3: AUTH with 0x18 is an answer.
fn it_is_only_answered_when_asked() {
    let mut driver = connecting();
    assert_eq!(
        driver.machine.authenticate(&[]),
        Err(SendError::NotExpected)
    );
    let _ = driver.feed(&make::auth(ASKS, &[method("m")]));
    assert_eq!(driver.machine.authenticate(&[]), Ok(()));
    assert_eq!(
        driver.machine.authenticate(&[]),
        Err(SendError::NotExpected)
    );
    assert_eq!(driver.settle().len(), 1);
    let _ = driver.feed(&make::connack(false, ReasonCode::Success, &[method("m")]));
    assert_eq!(
        driver.machine.authenticate(&[]),
        Err(SendError::NotExpected)
    );
    assert_eq!(driver.settle(), nothing());
}

/// MQTT-4.12.0-7: no method in the CONNECT, no AUTH, neither sent nor taken.
fn no_auth_without_a_method() {
    for is_connected in [false, true] {
        for code in [ASKS, ReasonCode::Success] {
            let mut driver = Driver::new();
            let _ = driver.connect(&connect_with(KEEPS));
            if is_connected {
                let _ = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
            }
            assert!(driver.machine.re_authenticate(&[]).is_err());
            assert!(driver.machine.re_authenticate(&[method("m")]).is_err());
            assert!(driver.machine.authenticate(&[]).is_err());
            assert_eq!(driver.settle(), nothing());
            let said = driver.feed(&make::auth(code, &[method("m")]));
            assert_eq!(said[0], "> DISCONNECT ProtocolError");
            assert!(said[1].starts_with("close"), "{said:?}");
            assert!(driver.machine.authenticate(&[]).is_err());
        }
    }
}

/// MQTT-4.12.0-5: another method, or none, in AUTH and in the CONNACK.
fn the_method_is_the_same_everywhere() -> u64 {
    let wrong: [&[Property<'_>]; 4] = [&[method("M")], &[method("mm")], &[method("")], &[]];
    for properties in wrong {
        let mut at_connect = connecting();
        let mut at_connack = connecting();
        let mut later = authenticated();
        later.machine.re_authenticate(&[]).unwrap();
        let _ = later.settle();
        let accepted = make::connack(false, ReasonCode::Success, properties);
        for (driver, bytes) in [
            (&mut at_connect, make::auth(ASKS, properties)),
            (&mut at_connack, accepted),
            (&mut later, make::auth(ReasonCode::Success, properties)),
        ] {
            let said = driver.feed(&bytes);
            assert_eq!(said[0], "> DISCONNECT ProtocolError", "{properties:?}");
            assert!(
                said[1].starts_with("close AuthenticationMethod"),
                "{said:?}"
            );
            driver.assert_dead();
        }
    }
    // The shortest AUTH, without a property set.
    let mut driver = connecting();
    let said = driver.feed(&[0xF0, 0x00]);
    assert_eq!(said[0], "> DISCONNECT ProtocolError");
    13
}

/// MQTT-4.12.0-1, -4: a CONNACK that refuses ends it at any step, with or without method.
fn a_refusal_needs_no_method() {
    for properties in [&[][..], &[method("m")]] {
        for steps in 0..3 {
            let mut driver = connecting();
            for _ in 0..steps {
                let _ = driver.feed(&make::auth(ASKS, &[method("m")]));
                driver.machine.authenticate(&[]).unwrap();
                let _ = driver.settle();
            }
            let code = ReasonCode::BadAuthenticationMethod;
            let said = driver.feed(&make::connack(false, code, properties));
            assert!(
                said[0].starts_with("refused BadAuthenticationMethod"),
                "{said:?}"
            );
            assert_eq!(said[1], "close Refused(BadAuthenticationMethod)");
        }
    }
}

/// MQTT-4.12.0-6: a method in the CONNACK although the CONNECT had none.
fn a_method_that_was_not_asked_for() {
    let mut driver = Driver::new();
    let _ = driver.connect(&connect_with(KEEPS));
    let said = driver.feed(&make::connack(false, ReasonCode::Success, &[method("m")]));
    assert_eq!(said[0], "> DISCONNECT ProtocolError");
    assert!(said[1].starts_with("close"), "{said:?}");
    driver.assert_dead();
}

/// MQTT-4.12.1-1: AUTH with 0x19 and the method, any time after the CONNACK, any number of times.
fn re_authentication() {
    let mut driver = authenticated();
    for _ in 0..3 {
        driver.machine.re_authenticate(&[data(b"again")]).unwrap();
        let said = driver.settle();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("> AUTH ReAuthenticate"), "{said:?}");
        assert!(said[0].contains("AuthenticationMethod(\"m\")"), "{said:?}");
        assert!(said[0].contains("AuthenticationData"), "{said:?}");
        let said = driver.feed(&make::auth(ReasonCode::Success, &[method("m")]));
        assert_eq!(said, ["authentication Success AuthenticationMethod(\"m\")"]);
        driver.wait(1_000);
    }
}

/// Section 4.12.1, MQTT-4.12.0-3: AUTH 0x18 in both directions until the Server says 0x00.
fn re_authentication_of_several_steps() {
    let mut driver = authenticated();
    driver.machine.re_authenticate(&[]).unwrap();
    let _ = driver.settle();
    for _ in 0..5 {
        assert_eq!(
            driver.machine.authenticate(&[]),
            Err(SendError::NotExpected)
        );
        assert_eq!(driver.feed(&make::auth(ASKS, &[method("m")])).len(), 1);
        driver.machine.authenticate(&[data(b"!")]).unwrap();
        let said = driver.settle();
        assert!(
            said[0].starts_with("> AUTH ContinueAuthentication"),
            "{said:?}"
        );
        assert!(said[0].contains("AuthenticationMethod(\"m\")"), "{said:?}");
    }
    assert_eq!(
        driver
            .feed(&make::auth(ReasonCode::Success, &[method("m")]))
            .len(),
        1
    );
    // It is over: one more AUTH of the Server is one too many.
    let said = driver.feed(&make::auth(ASKS, &[method("m")]));
    assert_eq!(said, ["> DISCONNECT ProtocolError", "close AuthUnexpected"]);
}

/// Section 4.12.1: other packets go on under the earlier authentication.
fn everything_goes_on_during_re_authentication() {
    let mut driver = authenticated();
    driver.machine.re_authenticate(&[]).unwrap();
    let _ = driver.settle();
    for asked in [false, true] {
        if asked {
            let _ = driver.feed(&make::auth(ASKS, &[method("m")]));
        }
        assert_eq!(driver.publish(0, "a", "").len(), 2);
        assert_eq!(driver.publish(1, "a", "").len(), 1);
        assert_eq!(driver.subscribe(&["a"]).len(), 1);
        assert_eq!(driver.feed(&make::publish(1, 1, "a", "")).len(), 2);
    }
}

/// The Server would not know which of two an AUTH belongs to.
fn one_re_authentication_at_a_time() {
    let mut driver = authenticated();
    driver.machine.re_authenticate(&[]).unwrap();
    let _ = driver.settle();
    assert_eq!(
        driver.machine.re_authenticate(&[]),
        Err(SendError::NotExpected)
    );
    let _ = driver.feed(&make::auth(ASKS, &[method("m")]));
    assert_eq!(
        driver.machine.re_authenticate(&[]),
        Err(SendError::NotExpected)
    );
    assert_eq!(driver.settle(), nothing());
    driver.machine.authenticate(&[]).unwrap();
    let _ = driver.settle();
    let _ = driver.feed(&make::auth(ReasonCode::Success, &[method("m")]));
    assert_eq!(driver.machine.re_authenticate(&[]), Ok(()));
}

/// MQTT-4.12.1-2: whichever side finds it failed, the connection is closed.
fn failed_re_authentication() {
    let mut driver = authenticated();
    driver.machine.re_authenticate(&[]).unwrap();
    let _ = driver.settle();
    let said = driver.feed(&make::disconnect(ReasonCode::NotAuthorized, &[]));
    assert_eq!(
        said,
        [
            "disconnect NotAuthorized",
            "close PeerDisconnected(NotAuthorized)"
        ]
    );
    driver.assert_dead();
    let mut driver = authenticated();
    driver.machine.re_authenticate(&[]).unwrap();
    let _ = driver.settle();
    let _ = driver.feed(&make::auth(ASKS, &[method("m"), data(b"wrong")]));
    let said = driver.disconnect(ReasonCode::UnspecifiedError, &[]);
    assert_eq!(said.last().unwrap(), "close Disconnected(UnspecifiedError)");
    driver.assert_dead();
}

/// Section 4.12: method and progress are those of one Network Connection.
fn it_ends_with_the_connection() {
    let mut driver = authenticated();
    driver.machine.re_authenticate(&[]).unwrap();
    let _ = driver.settle();
    let _ = driver.feed(&make::auth(ASKS, &[method("m")]));
    let _ = driver.lose();
    assert!(driver.machine.authenticate(&[]).is_err());
    let _ = driver.connect(&connect_with(&[KEEPS[0], method("n")]));
    assert_eq!(
        driver.machine.authenticate(&[]),
        Err(SendError::NotExpected)
    );
    let said = driver.feed(&make::connack(true, ReasonCode::Success, &[method("n")]));
    assert!(said[0].starts_with("connected present"), "{said:?}");
    driver.machine.re_authenticate(&[]).unwrap();
    assert!(driver.settle()[0].contains("AuthenticationMethod(\"n\")"));
}
