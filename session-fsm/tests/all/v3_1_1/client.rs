//! A Client that speaks MQTT 3.1.1: how it connects, and how the connection ends.

use mqtt5_session_fsm::codec::{Connect, Property, Qos, ReasonCode, Text, Violation};
use mqtt5_session_fsm::{
    Cause, ClientConfig, PeerError, SendError, Session, SessionConfig, SessionViolation,
    UnknownSession,
};

use super::client_wire::{ClientWire, packet};
use super::wire::NOW;

const CONNACK: &str = "20 02 00 00";
const CONNACK_PRESENT: &str = "20 02 01 00";

/// Sections 3.1.2.4, 3.1.2.3: Clean Session is sent as given, whether or not there is a Session.
#[test]
fn clean_session_is_sent_as_given() {
    for clean_start in [false, true] {
        let mut wire = ClientWire::new();
        let flags = u8::from(clean_start) << 1;
        let connect = format!("10 0D 00 04 4D 51 54 54 04 {flags:02X} 00 3C 00 01 63");
        assert_eq!(wire.connect(clean_start), connect);
        assert_eq!(wire.receive(CONNACK), "");
        assert_eq!(wire.take_events(), ["connected"]);
        assert!(wire.client.session().exists());
        // [MQTT3-3.1.2-6], [MQTT3-3.1.2-4]: it ends with the Network Connection, or stays.
        wire.client.connection_lost(NOW);
        wire.poll();
        assert_eq!(wire.client.session().exists(), !clean_start);
        assert_eq!(!wire.take_events().is_empty(), clean_start);
        assert_eq!(wire.connect(clean_start), connect);
    }
}

/// Section 3.1.3.1: an empty ClientID needs Clean Session 1 [MQTT3-3.1.3-7].
#[test]
fn empty_client_identifier() {
    let mut wire = ClientWire::new();
    let mut connect = packet(false);
    connect.client_identifier = Text::EMPTY;
    let refused = wire.client.connect(NOW, &connect);
    assert!(matches!(refused, Err(SendError::Invalid(_))), "{refused:?}");
    connect.clean_start = true;
    wire.client.connect(NOW, &connect).unwrap();
    assert_eq!(wire.poll(), "10 0C 00 04 4D 51 54 54 04 02 00 3C 00 00");
    assert_eq!(wire.receive(CONNACK), "");
    assert_eq!(wire.take_events(), ["connected"]);
    assert_eq!(wire.client.session().client_identifier(), "");
}

/// What a CONNECT of MQTT 3.1.1 cannot say is an error, and the connection before it is over.
#[test]
fn a_connect_with_properties_is_an_error() {
    let mut wire = ClientWire::accepted(true);
    let properties = [Property::ReceiveMaximum(
        core::num::NonZeroU16::new(5).unwrap(),
    )];
    let connect = Connect {
        properties: mqtt5_session_fsm::codec::Properties::new(&properties).unwrap(),
        ..packet(true)
    };
    let Err(SendError::Invalid(error)) = wire.client.connect(NOW, &connect) else {
        panic!("it has properties");
    };
    let text = error.to_string();
    let violation = Violation::PropertiesNotInVersion.to_string();
    assert!(text.contains(&violation), "{text}");
    assert_eq!(wire.poll(), "");
}

/// Section 3.2.2.3.
#[test]
fn return_codes() {
    let codes = [
        ReasonCode::UnsupportedProtocolVersion,
        ReasonCode::ClientIdentifierNotValid,
        ReasonCode::ServerUnavailable,
        ReasonCode::BadUserNameOrPassword,
        ReasonCode::NotAuthorized,
    ];
    for (number, code) in (1..).zip(codes) {
        let mut wire = ClientWire::new();
        wire.connect(true);
        assert_eq!(wire.receive(&format!("20 02 00 {number:02X}")), "");
        assert_eq!(wire.take_events(), [format!("refused {code}")]);
        assert_eq!(wire.closed, Some(Cause::Refused(code)));
        assert!(!wire.client.session().exists());
    }
    // Reserved codes, and a refusal with Session Present [MQTT3-3.2.2-4].
    for line in ["20 02 00 06", "20 02 01 05", "20 02 02 00"] {
        let mut wire = ClientWire::new();
        wire.connect(true);
        assert_eq!(wire.receive(line), "");
        assert!(wire.take_events().is_empty());
        assert!(matches!(
            wire.closed,
            Some(Cause::PeerError(PeerError::Packet(_)))
        ));
    }
}

/// Section 3.1.2.2 of MQTT 5: a Server that speaks only MQTT 5 answers in its own form.
#[test]
fn a_server_of_mqtt_5_refuses() {
    // With and without a Reason String.
    for line in ["20 03 00 84 00", "20 08 00 84 05 1F 00 02 68 69"] {
        let mut wire = ClientWire::new();
        wire.connect(true);
        assert_eq!(wire.receive(line), "");
        let code = ReasonCode::UnsupportedProtocolVersion;
        assert_eq!(wire.take_events(), [format!("refused {code}")]);
        assert_eq!(wire.closed, Some(Cause::Refused(code)));
    }
    // Another code, or the same after the CONNACK, is an error.
    for lines in [&["20 03 00 87 00"][..], &[CONNACK, "20 03 00 84 00"]] {
        let mut wire = ClientWire::new();
        wire.connect(true);
        for line in lines {
            assert_eq!(wire.receive(line), "");
        }
        assert!(matches!(wire.closed, Some(Cause::PeerError(_))));
    }
}

/// Section 3.2.2.2: Session Present 1 must not follow Clean Session 1 [MQTT3-3.2.2-1]. After
/// Clean Session 0 it is the Client's choice.
#[test]
fn session_present_without_a_session() {
    for (clean_start, unknown_session, goes_on) in [
        (true, UnknownSession::GoOn, false),
        (true, UnknownSession::Close, false),
        (false, UnknownSession::GoOn, true),
        (false, UnknownSession::Close, false),
    ] {
        let mut wire = ClientWire::with(
            ClientConfig {
                unknown_session,
                ..ClientConfig::default()
            },
            Session::of_client(SessionConfig::default()),
        );
        wire.connect(clean_start);
        let written = wire.receive(CONNACK_PRESENT);
        assert_eq!(wire.client.session().is_adopted(), goes_on);
        if goes_on {
            assert_eq!(wire.take_events(), ["connected"]);
            assert!(written.starts_with("62 02 00 01 62 02 00 02"), "{written}");
        } else {
            assert_eq!(written, "");
            assert!(wire.take_events().is_empty());
            let violation = SessionViolation::SessionPresentUnexpected;
            assert_eq!(wire.closed, Some(Cause::PeerError(violation.into())));
        }
    }
}

/// Section 3.2.2.2: the Server has lost the Session, so the Client has nothing to go on with.
#[test]
fn session_present_0_ends_the_session() {
    let mut wire = ClientWire::accepted(false);
    wire.publish(Qos::ExactlyOnce, "1");
    assert_eq!(wire.poll(), "34 06 00 01 74 00 01 31");
    wire.client.connection_lost(NOW);
    wire.connect(false);
    assert_eq!(wire.receive(CONNACK), "");
    assert_eq!(
        wire.take_events(),
        ["outcome indeterminate", "sessionended", "connected"]
    );
    // The same one, if the Server still has it.
    let mut wire = ClientWire::accepted(false);
    wire.publish(Qos::ExactlyOnce, "1");
    wire.poll();
    wire.client.connection_lost(NOW);
    wire.connect(false);
    assert_eq!(wire.receive(CONNACK_PRESENT), "3C 06 00 01 74 00 01 31");
    assert_eq!(wire.take_events(), ["connected"]);
    assert!(!wire.client.session().is_adopted());
}

/// Section 3.14: a DISCONNECT says that the Will is deleted. Without one the Server publishes it.
#[test]
fn disconnect() {
    for (code, written) in [
        (ReasonCode::NORMAL_DISCONNECTION, "E0 00"),
        (ReasonCode::DisconnectWithWillMessage, ""),
        (ReasonCode::UnspecifiedError, ""),
    ] {
        let mut wire = ClientWire::accepted(true);
        let why = [Property::ReasonString(Text::new("why").unwrap())];
        wire.client.disconnect(NOW, code, &why).unwrap();
        assert_eq!(wire.poll(), written);
        assert_eq!(wire.closed, Some(Cause::Disconnected(code)));
    }
    let mut wire = ClientWire::accepted(false);
    let expiry = [Property::SessionExpiryInterval(0)];
    let code = ReasonCode::NORMAL_DISCONNECTION;
    let refused = wire.client.disconnect(NOW, code, &expiry);
    assert_eq!(refused, Err(SendError::NotInVersion));
}

/// A Server of MQTT 3.1.1 sends no DISCONNECT and no AUTH, and its other packets have no
/// properties. The Client closes the Network Connection without a word [MQTT3-4.8.0-1].
#[test]
fn packets_that_are_not_in_the_version() {
    for line in [
        "E0 00",
        "F0 00",
        "40 03 00 01 00",
        "40 04 00 01 00 00",
        "B0 04 00 01 00 00",
        "20 02 00 00",
        "D0 01 00",
    ] {
        let mut wire = ClientWire::accepted(true);
        assert_eq!(wire.receive(line), "", "{line}");
        assert!(wire.take_events().iter().all(|it| it == "sessionended"));
        assert!(
            matches!(wire.closed, Some(Cause::PeerError(_))),
            "{line}: {:?}",
            wire.closed
        );
    }
}

/// Section 3.1.2.10: PINGREQ is the same packet; so are its answer and the Keep Alive.
#[test]
fn keep_alive() {
    let mut wire = ClientWire::accepted(true);
    let due = wire.client.next_timeout();
    assert!(due <= NOW + core::time::Duration::from_secs(60));
    wire.client.handle_timeout(due);
    wire.now = due;
    assert_eq!(wire.poll(), "C0 00");
    assert_eq!(wire.receive("D0 00"), "");
    assert_eq!(wire.closed, None);
}

/// There is no AUTH.
#[test]
fn no_authentication() {
    let mut wire = ClientWire::accepted(true);
    assert_eq!(
        wire.client.re_authenticate(&[]),
        Err(SendError::NotExpected)
    );
    assert_eq!(wire.client.authenticate(&[]), Err(SendError::NotExpected));
}
