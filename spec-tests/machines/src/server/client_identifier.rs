//! The ClientID (sections 3.1.3.1, 3.2.2.3.7).

use mqtt5_session_fsm::codec::{Property, PropertyIdentifier, ReasonCode};
use mqtt5_session_fsm::{SendError, Session, SessionConfig};

use super::driver::Driver;
use super::make::{Hello, config, text};
use crate::session::driver::Lines;

crate::check::checks! { "client_identifier":
    server {
        Domain what_must_be_allowed_is_accepted,
        Example what_may_be_allowed_is_accepted,
        Domain an_assigned_one_is_used_and_returned,
        Example an_assigned_one_names_the_session,
        Domain another_one_may_be_assigned,
        Example a_bad_one_can_be_refused,
    }
}

fn connect(id: &'static str) -> Driver {
    Driver::deciding(config(), &Hello::new().id(id))
}

/// The property, and the CONNACK with it.
fn assigned() -> ([Property<'static>; 1], String) {
    let property = Property::AssignedClientIdentifier(text("auto-1"));
    ([property], format!("> CONNACK {property:?}"))
}

/// [MQTT-3.1.3-5]: 1 to 23 letters and digits: every one of them, every length.
fn what_must_be_allowed_is_accepted() -> u64 {
    const ALL: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut tried = 0;
    for start in 0..ALL.len() {
        for length in 1..=23.min(ALL.len() - start) {
            let id = &ALL[start..start + length];
            let mut driver = connect(id);
            assert_eq!(driver.accept_client(&[]).unwrap(), ["> CONNACK"]);
            assert_eq!(driver.session().client_identifier(), id);
            tried += 1;
        }
    }
    tried
}

/// Section 3.1.3.1: longer ones and other characters are the host's to decide.
fn what_may_be_allowed_is_accepted() -> u64 {
    for id in ["abcdefghijklmnopqrstuvwxyz", "ä€😀", " ", "a/+#$", "\u{1}"] {
        assert_eq!(connect(id).accept_client(&[]).unwrap(), ["> CONNACK"]);
    }
    5
}

/// [MQTT-3.1.3-6], [MQTT-3.1.3-7], [MQTT-3.2.2-16]: an empty ClientID, with either Clean Start, needs an
/// assigned one, which the CONNACK has.
fn an_assigned_one_is_used_and_returned() -> u64 {
    for clean_start in [false, true] {
        let hello = Hello::lasting().id("").clean(clean_start);
        let mut driver = Driver::deciding(config(), &hello);
        let missing = SendError::PropertyMissing(PropertyIdentifier::AssignedClientIdentifier);
        assert_eq!(driver.accept_client(&[]), Err(missing));
        assert_eq!(driver.settle(), Lines::new());
        let (list, connack) = assigned();
        assert_eq!(driver.accept_client(&list).unwrap(), [connack]);
        assert_eq!(driver.session().client_identifier(), "auto-1");
    }
    2
}

/// [MQTT-3.1.3-7], [MQTT-3.1.3-2]: a Client that comes back with its assigned ClientID has its Session.
fn an_assigned_one_names_the_session() {
    let mut driver = Driver::deciding(config(), &Hello::lasting().id(""));
    driver
        .accept_client(&assigned().0)
        .expect("one is assigned");
    let _ = driver.lose();
    assert_eq!(driver.session().client_identifier(), "auto-1");
    let said = driver.again(&Hello::lasting().id("auto-1"));
    assert_eq!(said, ["> CONNACK present"]);
}

/// Section 3.2.2.3.7: no sentence forbids to assign one to a Client that has one. The Session is that of the new one.
fn another_one_may_be_assigned() -> u64 {
    for clean_start in [false, true] {
        let mut driver = Driver::lasting();
        let _ = driver.lose();
        driver.returning(&Hello::lasting().clean(clean_start));
        let (list, connack) = assigned();
        let differs = SendError::ClientIdentifierDiffers;
        assert_eq!(driver.accept_client(&list), Err(differs));
        driver.found = Some(Session::of_server("auto-1", SessionConfig::default()));
        assert_eq!(driver.accept_client(&list).unwrap(), [connack]);
        assert_eq!(driver.session().client_identifier(), "auto-1");
    }
    2
}

/// [MQTT-3.1.3-8]: CONNACK 0x85, and the end.
fn a_bad_one_can_be_refused() -> u64 {
    for id in ["", "not wanted"] {
        let code = ReasonCode::ClientIdentifierNotValid;
        let expected = [
            "> CONNACK ClientIdentifierNotValid",
            "close Refused(ClientIdentifierNotValid)",
        ];
        assert_eq!(connect(id).refuse_client(code, &[]).unwrap(), expected);
    }
    2
}
