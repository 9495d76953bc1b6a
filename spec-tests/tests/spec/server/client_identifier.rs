//! The ClientID (sections 3.1.3.1, 3.2.2.3.7; table T8.3).

use mqtt5_codec::{ConnAck, Packet, Property, PropertyIdentifier, ReasonCode};
use mqtt5_session_fsm::{Cause, Instant, SendError, Session, SessionConfig};

use super::driver::{Driver, Seen};
use super::make::{Hello, config, text};
use crate::check::Outcome;

super::listed! { "client_identifier":
    Domain what_must_be_allowed_is_accepted,
    Example what_may_be_allowed_is_accepted,
    Domain an_assigned_one_is_used_and_returned,
    Example an_assigned_one_names_the_session,
    Domain another_one_may_be_assigned,
    Example a_bad_one_can_be_refused,
}

fn connect(id: &'static str) -> Driver {
    Driver::deciding(Instant::ORIGIN, config(), &Hello::new().id(id))
}

/// [MQTT-3.1.3-5]: 1 to 23 letters and digits: every one of them, every length.
fn what_must_be_allowed_is_accepted() -> Outcome {
    const ALL: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut tried = 0;
    for start in 0..ALL.len() {
        for length in 1..=23.min(ALL.len() - start) {
            let id = &ALL[start..start + length];
            let mut driver = connect(id);
            let report = driver.accept(None, &[]).expect("a good ClientID");
            assert_eq!(report.packet(), ConnAck::new(ReasonCode::Success).into());
            let name = driver.server.session().map(Session::client_identifier);
            assert_eq!(name, Some(id));
            tried += 1;
        }
    }
    Ok(tried)
}

/// Section 3.1.3.1: longer ones and other characters are the host's to decide.
fn what_may_be_allowed_is_accepted() -> Outcome {
    for id in ["abcdefghijklmnopqrstuvwxyz", "ä€😀", " ", "a/+#$", "\u{1}"] {
        let report = connect(id).accept(None, &[]).expect("allowed");
        assert_eq!(report.packet(), ConnAck::new(ReasonCode::Success).into());
    }
    Ok(5)
}

/// [MQTT-3.1.3-6], [MQTT-3.1.3-7], [MQTT-3.2.2-16]: an empty ClientID, with either Clean Start, needs an
/// assigned one, which the CONNACK has.
fn an_assigned_one_is_used_and_returned() -> Outcome {
    for clean_start in [false, true] {
        let hello = Hello::lasting().id("").clean(clean_start);
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
        let missing = SendError::PropertyMissing(PropertyIdentifier::AssignedClientIdentifier);
        assert_eq!(driver.accept(None, &[]).map(|_| ()), Err(missing));
        assert!(driver.pump().is_empty());
        let assigned = Property::AssignedClientIdentifier(text("auto-1"));
        let report = driver.accept(None, &[assigned]).expect("one is assigned");
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        let told = connack.properties.assigned_client_identifier();
        assert_eq!(told.map(|id| id.to_string()).as_deref(), Some("auto-1"));
        assert!(!connack.session_present);
        let name = driver.server.session().map(Session::client_identifier);
        assert_eq!(name, Some("auto-1"));
    }
    Ok(2)
}

/// [MQTT-3.1.3-7], [MQTT-3.1.3-2]: a Client that comes back with its assigned ClientID has its Session.
fn an_assigned_one_names_the_session() -> Outcome {
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::lasting().id(""));
    let assigned = [Property::AssignedClientIdentifier(text("auto-1"))];
    driver.accept(None, &assigned).expect("one is assigned");
    let (keeper, _) = driver.part();
    assert_eq!(keeper.session.client_identifier(), "auto-1");
    let hello = Hello::lasting().id("auto-1");
    let (_, report) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
    let expected = ConnAck {
        session_present: true,
        ..ConnAck::new(ReasonCode::Success)
    };
    assert_eq!(report.packet(), expected.into());
    Ok(1)
}

/// Section 3.2.2.3.7: no sentence forbids to assign one to a Client that has one. The Session is that of the new one.
fn another_one_may_be_assigned() -> Outcome {
    for clean_start in [false, true] {
        let old = Driver::connected(config(), &Hello::lasting()).part().0;
        let hello = Hello::lasting().clean(clean_start);
        let mut driver = Driver::deciding(old.now, config(), &hello);
        let assigned = [Property::AssignedClientIdentifier(text("auto-1"))];
        let differs = SendError::ClientIdentifierDiffers;
        let result = driver.accept(Some(old.session), &assigned);
        assert_eq!(result.map(|_| ()), Err(differs));
        let session = Session::of_server("auto-1", SessionConfig::default());
        let report = driver.accept(Some(session), &assigned).expect("allowed");
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        let told = connack.properties.assigned_client_identifier();
        assert_eq!(told.map(|id| id.to_string()).as_deref(), Some("auto-1"));
        let name = driver.server.session().map(Session::client_identifier);
        assert_eq!(name, Some("auto-1"));
    }
    Ok(2)
}

/// [MQTT-3.1.3-8]: CONNACK 0x85, and the end.
fn a_bad_one_can_be_refused() -> Outcome {
    for id in ["", "not wanted"] {
        let code = ReasonCode::ClientIdentifierNotValid;
        let report = connect(id).refuse(code, &[]).expect("a refusal");
        assert_eq!(report.packet(), ConnAck::new(code).into());
        assert_eq!(report.events(), [Seen::Close(Cause::Refused(code))]);
    }
    Ok(2)
}
