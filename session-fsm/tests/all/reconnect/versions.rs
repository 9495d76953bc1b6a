//! Which version of MQTT a server is offered.

use core::time::Duration;

use mqtt5_session_fsm::codec::ProtocolVersion::{self, V3_1_1, V5_0};
use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::reconnect::{
    ConnectionFailure, GiveUp, ReconnectPolicy, ReconnectSettings, Reconnection,
};

use super::policy::{LOST, NO_JITTER, SETTINGS, at};
use super::{elsewhere, redirection};

const REFUSED: ReasonCode = ReasonCode::UnsupportedProtocolVersion;

fn falling_back(servers: &[&str]) -> ReconnectPolicy {
    let settings = ReconnectSettings {
        fall_back: true,
        ..SETTINGS
    };
    ReconnectPolicy::new(settings, servers).unwrap()
}

fn unsupported() -> ConnectionFailure<'static> {
    redirection(REFUSED, "")
}

/// The delay, the server and its version after a failure.
fn after(
    policy: &mut ReconnectPolicy,
    failure: ConnectionFailure<'_>,
) -> (Duration, String, ProtocolVersion) {
    let now = at(100);
    let attempt = policy.failed(now, failure, NO_JITTER).attempt().unwrap();
    let server = attempt.server.as_str().to_owned();
    (now.until(attempt.at), server, attempt.version)
}

#[test]
fn the_same_server_gets_the_other_version_at_once() {
    let mut policy = falling_back(&["old", "new"]);
    assert_eq!(policy.next_attempt().unwrap().version, V5_0);
    let next = after(&mut policy, unsupported());
    assert_eq!(next, (Duration::ZERO, "old".to_owned(), V3_1_1));
    assert_eq!(policy.failures(), 1);
    // What was found is kept for this server, and for no other one.
    policy.connected(at(100));
    let (_, server, version) = after(&mut policy, LOST);
    assert_eq!((server.as_str(), version), ("new", V5_0));
    let (_, server, version) = after(&mut policy, LOST);
    assert_eq!((server.as_str(), version), ("old", V3_1_1));
}

#[test]
fn a_server_that_was_replaced_is_offered_the_newer_version_again() {
    let mut policy = falling_back(&["a"]);
    assert_eq!(after(&mut policy, unsupported()).2, V3_1_1);
    policy.connected(at(100));
    let next = after(&mut policy, unsupported());
    assert_eq!(next, (Duration::ZERO, "a".to_owned(), V5_0));
}

#[test]
fn a_server_that_speaks_neither_version_ends_it() {
    let mut policy = falling_back(&["a", "b"]);
    assert_eq!(after(&mut policy, unsupported()).2, V3_1_1);
    // A network that fails in between is no answer.
    let (delay, server, _) = after(&mut policy, LOST);
    assert_eq!((delay.is_zero(), server.as_str()), (false, "b"));
    assert_eq!(after(&mut policy, LOST).1, "a");
    let next = policy.failed(at(100), unsupported(), NO_JITTER);
    assert_eq!(next, Reconnection::GiveUp(GiveUp::Refused(REFUSED)));
    // After a new start it is asked for both again.
    policy.resume(at(200));
    let attempt = policy.next_attempt().unwrap();
    assert_eq!((attempt.server.as_str(), attempt.version), ("a", V5_0));
    assert_eq!(after(&mut policy, unsupported()).2, V3_1_1);
}

#[test]
fn nothing_else_changes_the_version() {
    for reason_code in [
        ReasonCode::ServerBusy,
        ReasonCode::ServerUnavailable,
        ReasonCode::UnspecifiedError,
        ReasonCode::KeepAliveTimeout,
    ] {
        let mut policy = falling_back(&["a"]);
        assert_eq!(after(&mut policy, redirection(reason_code, "")).2, V5_0);
        let ended = ConnectionFailure::Disconnect {
            reason_code,
            server_reference: None,
        };
        assert_eq!(after(&mut policy, ended).2, V5_0);
        assert_eq!(after(&mut policy, LOST).2, V5_0);
    }
    let mut policy = falling_back(&["a"]);
    let refused = redirection(ReasonCode::NotAuthorized, "");
    let next = policy.failed(at(100), refused, NO_JITTER);
    assert!(matches!(next, Reconnection::GiveUp(_)), "{next:?}");
    // Only if it is wanted.
    let mut policy = ReconnectPolicy::new(SETTINGS, ["a"]).unwrap();
    let next = policy.failed(at(100), unsupported(), NO_JITTER);
    assert_eq!(next, Reconnection::GiveUp(GiveUp::Refused(REFUSED)));
}

#[test]
fn the_limit_of_failures_holds() {
    let settings = ReconnectSettings {
        fall_back: true,
        give_up_after: Some(1),
        ..SETTINGS
    };
    let mut policy = ReconnectPolicy::new(settings, ["a"]).unwrap();
    let next = policy.failed(at(100), unsupported(), NO_JITTER);
    assert_eq!(next, Reconnection::GiveUp(GiveUp::TooManyFailures(1)));
}

#[test]
fn a_server_of_a_redirection_has_a_version_of_its_own() {
    let mut policy = falling_back(&["a"]);
    assert_eq!(after(&mut policy, unsupported()).2, V3_1_1);
    let (_, server, version) = after(&mut policy, elsewhere("b"));
    assert_eq!((server.as_str(), version), ("b", V5_0));
    let next = after(&mut policy, unsupported());
    assert_eq!(next, (Duration::ZERO, "b".to_owned(), V3_1_1));
    let (_, server, version) = after(&mut policy, LOST);
    assert_eq!((server.as_str(), version), ("a", V3_1_1));
}
