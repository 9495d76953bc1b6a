//! CONNECT, CONNACK, DISCONNECT.

use mqtt5_session_fsm::codec::{Property, ProtocolVersion, Qos, ReasonCode, Text};
use mqtt5_session_fsm::{Cause, Limits, ProtocolVersions, SendError, ServerConfig};

use super::wire::{NOW, Wire, connect, manual};

/// Sections 3.1.2.4, 3.2.2.2: Clean Session and Session Present, on a connection each.
#[test]
fn clean_session_is_both_beginning_and_end() {
    // 0: a Session that stays, however long.
    let mut wire = Wire::accepted(0x00);
    wire.server.connection_lost(NOW);
    let _ = wire.written();
    let session = wire.server.take_session(NOW).unwrap();
    assert!(session.exists());
    let mut wire = Wire::resumed(session, 0x00);
    assert_eq!(wire.written(), "20 02 01 00");
    // 1: a new one, and its end.
    wire.server.connection_lost(NOW);
    let session = wire.server.take_session(NOW).unwrap();
    let mut wire = Wire::resumed(session, 0x02);
    assert_eq!(wire.written(), "20 02 00 00");
    wire.server.connection_lost(NOW);
    let _ = wire.written();
    assert!(!wire.server.take_session(NOW).is_some_and(|it| it.exists()));
}

/// Section 3.1.3.1: without a ClientID, a Session cannot be kept. The answer is that of the machine.
#[test]
fn no_client_identifier() {
    let mut wire = Wire::new(manual());
    let written = wire.send("10 0C 0004 4D515454 04 00 003C 0000");
    assert_eq!(written, "20 02 00 02");
    assert!(wire.events.is_empty());
    assert_eq!(
        wire.closed,
        Some(Cause::Refused(ReasonCode::ClientIdentifierNotValid))
    );

    let mut wire = Wire::new(manual());
    assert_eq!(wire.send("10 0C 0004 4D515454 04 02 003C 0000"), "");
    assert_eq!(wire.events, ["connect"]);
    let assigned = Property::AssignedClientIdentifier(Text::new("given").unwrap());
    wire.server.accept(NOW, None, &[assigned]).unwrap();
    assert_eq!(wire.written(), "20 02 00 00", "the Client is not told");
    assert_eq!(wire.server.session().unwrap().client_identifier(), "given");
}

/// Section 3.1.2.2, and the forms that other versions understand.
#[test]
fn other_levels() {
    let old = "20 02 00 01";
    let new = "20 03 00 84 00";
    for (level, answer) in [
        (0, old),
        (3, old),
        (6, new),
        (0x7F, new),
        (0x83, old),
        (0x84, old),
        (0xFF, old),
    ] {
        let mut wire = Wire::new(manual());
        let packet = format!("10 0D 0004 4D515454 {level:02X} 02 003C 0001 63");
        assert_eq!(wire.send(&packet), answer, "level {level}");
        assert!(matches!(wire.closed, Some(Cause::PeerError(_))));
    }
    // MQTT 3.1.
    let mut wire = Wire::new(manual());
    let written = wire.send("10 0F 0006 4D5149736470 03 02 003C 0001 63");
    assert_eq!(written, old);
    // A foreign protocol knows no answer.
    let mut wire = Wire::new(manual());
    assert_eq!(wire.send("10 0D 0004 48545450 04 02 003C 0001 63"), "");
    assert!(wire.closed.is_some());
}

/// A Server that speaks one version refuses the other in the form of the Client.
#[test]
fn versions_that_are_not_spoken() {
    let only = |version| ServerConfig {
        versions: ProtocolVersions::only(version),
        ..manual()
    };
    let mut wire = Wire::new(only(ProtocolVersion::V5_0));
    assert_eq!(wire.send(&connect(0x02)), "20 02 00 01");
    assert!(wire.events.is_empty());
    let mut wire = Wire::new(only(ProtocolVersion::V3_1_1));
    let written = wire.send("10 0E 0004 4D515454 05 02 003C 00 0001 63");
    assert_eq!(written, "20 03 00 84 00");
    assert!(wire.events.is_empty());
}

/// Sections 3.1.4, 3.2.2.3: return codes, or silence.
#[test]
fn refusals() {
    for (code, answer) in [
        (ReasonCode::UnsupportedProtocolVersion, "20 02 00 01"),
        (ReasonCode::ClientIdentifierNotValid, "20 02 00 02"),
        (ReasonCode::ServerUnavailable, "20 02 00 03"),
        (ReasonCode::ServerBusy, "20 02 00 03"),
        (ReasonCode::QuotaExceeded, "20 02 00 03"),
        (ReasonCode::ConnectionRateExceeded, "20 02 00 03"),
        (ReasonCode::UseAnotherServer, "20 02 00 03"),
        (ReasonCode::ServerMoved, "20 02 00 03"),
        (ReasonCode::BadUserNameOrPassword, "20 02 00 04"),
        (ReasonCode::NotAuthorized, "20 02 00 05"),
        (ReasonCode::Banned, "20 02 00 05"),
        (ReasonCode::BadAuthenticationMethod, "20 02 00 05"),
        (ReasonCode::TopicNameInvalid, "20 02 00 05"),
        (ReasonCode::UnspecifiedError, ""),
        (ReasonCode::MalformedPacket, ""),
        (ReasonCode::ProtocolError, ""),
        (ReasonCode::ImplementationSpecificError, ""),
        (ReasonCode::PacketTooLarge, ""),
        (ReasonCode::PayloadFormatInvalid, ""),
        (ReasonCode::RetainNotSupported, ""),
        (ReasonCode::QosNotSupported, ""),
    ] {
        let mut wire = Wire::new(manual());
        assert_eq!(wire.send(&connect(0x02)), "");
        assert_eq!(wire.refuse(code), answer, "{code}");
        assert_eq!(wire.closed, Some(Cause::Refused(code)));
    }
}

/// Section 3.1.4: what breaks a rule gets no CONNACK.
#[test]
fn malformed_connects_are_not_answered() {
    for packet in [
        "10 0D 0004 4D515454 04 03 003C 0001 63",
        "10 10 0004 4D515454 04 42 003C 0001 63 0001 78",
        "10 0E 0004 4D515454 04 02 003C 0001 63 00",
    ] {
        let mut wire = Wire::new(manual());
        assert_eq!(wire.send(packet), "");
        assert!(matches!(wire.closed, Some(Cause::PeerError(_))), "{packet}");
    }
}

/// What the Client cannot be told is not held against it.
#[test]
fn limits_are_not_announced() {
    let limits = Limits {
        receive_maximum: 1,
        maximum_qos: Qos::AtMostOnce,
        retain_available: false,
        ..Limits::NONE
    };
    let mut wire = Wire::new(ServerConfig { limits, ..manual() });
    assert_eq!(wire.send(&connect(0x02)), "");
    wire.server.accept(NOW, None, &[]).unwrap();
    assert_eq!(wire.written(), "20 02 00 00");
    wire.events.clear();
    let written = wire.send("33 06 0001 61 0001 68  34 06 0001 61 0002 68");
    assert_eq!(written, "");
    assert_eq!(wire.events, ["message a h", "message a h"]);
}

#[test]
fn what_the_server_cannot_change() {
    let mut wire = Wire::new(manual());
    assert_eq!(wire.send(&connect(0x00)), "");
    let keep_alive = [Property::ServerKeepAlive(5)];
    let refused = wire.server.accept(NOW, None, &keep_alive);
    assert_eq!(refused, Err(SendError::NotInVersion));
    let properties = [
        Property::SessionExpiryInterval(5),
        Property::ReasonString(Text::new("why").unwrap()),
    ];
    wire.server.accept(NOW, None, &properties).unwrap();
    assert_eq!(wire.written(), "20 02 00 00");
    assert_eq!(wire.server.keep_alive(), 60);
    wire.server.connection_lost(NOW);
    let _ = wire.written();
    let later = NOW + core::time::Duration::from_secs(5);
    wire.server.handle_timeout(later);
    wire.now = later;
    let _ = wire.written();
    assert_eq!(wire.events.last().map(String::as_str), Some("sessionended"));
}

/// Section 3.14: a DISCONNECT of the Client deletes the Will; everything else publishes it at once.
#[test]
fn wills() {
    let with_will = "10 13 0004 4D515454 04 06 003C 0001 63 0001 77 0001 78";
    for (last, published) in [
        (Some("E0 00"), false),
        (Some("E0 01 00"), true),
        (None, true),
    ] {
        let mut wire = Wire::new(manual());
        assert_eq!(wire.send(with_will), "");
        wire.server.accept(NOW, None, &[]).unwrap();
        let _ = wire.written();
        wire.events.clear();
        match last {
            Some(packet) => assert_eq!(wire.send(packet), ""),
            None => {
                wire.server.connection_lost(NOW);
                assert_eq!(wire.written(), "");
            }
        }
        let is_published = wire.events.iter().any(|it| it == "will w");
        assert_eq!(is_published, published, "{last:?}: {:?}", wire.events);
    }
}

/// There is no DISCONNECT of a Server, and none is understood before a CONNACK.
#[test]
fn a_server_closes_in_silence() {
    let mut wire = Wire::accepted(0x00);
    let code = ReasonCode::ServerShuttingDown;
    wire.server.disconnect(NOW, code, &[]).unwrap();
    assert_eq!(wire.written(), "");
    assert_eq!(wire.closed, Some(Cause::Disconnected(code)));
    // A violation.
    let mut wire = Wire::accepted(0x00);
    assert_eq!(wire.send("82 02 0001"), "");
    assert!(matches!(wire.closed, Some(Cause::PeerError(_))));
    // Keep Alive.
    let mut wire = Wire::accepted(0x00);
    for seconds in [90, 92] {
        wire.now = NOW + core::time::Duration::from_secs(seconds);
        wire.server.handle_timeout(wire.now);
    }
    assert_eq!(wire.written(), "");
    assert!(matches!(wire.closed, Some(Cause::TimedOut(_))));
    // A second CONNECT, and AUTH, which is no packet.
    for packet in [connect(0x02), "F0 00".to_owned()] {
        let mut wire = Wire::accepted(0x00);
        assert_eq!(wire.send(&packet), "");
        assert!(matches!(wire.closed, Some(Cause::PeerError(_))), "{packet}");
    }
}

/// A Session may come back with the other version.
#[test]
fn the_version_belongs_to_the_connection() {
    let mut wire = Wire::accepted(0x00);
    wire.server.connection_lost(NOW);
    let _ = wire.written();
    let session = wire.server.take_session(NOW).unwrap();
    let mut wire = Wire::new(manual());
    let newer = "10 13 0004 4D515454 05 00 003C 05 11 00000064 0001 63";
    assert_eq!(wire.send(newer), "");
    wire.server.accept(NOW, Some(session), &[]).unwrap();
    assert_eq!(wire.written(), "20 03 01 00 00");
}
