//! What a cause of the end of a connection means to a policy of reconnection (sections 3.2.2.2, 3.14.2.1, 4.11).

use mqtt5_session_fsm::codec::{PacketType, ReasonCode};
use mqtt5_session_fsm::reconnect::{ConnectionFailure, RetryAdvice};
use mqtt5_session_fsm::{Awaited, Cause, PeerError, SessionViolation};

#[test]
fn a_refusal_is_one_by_a_connack_with_its_code() {
    for &code in ReasonCode::ALL.iter().filter(|code| code.is_error()) {
        let failure = ConnectionFailure::from(Cause::Refused(code));
        let expected = ConnectionFailure::ConnAck {
            reason_code: code,
            server_reference: None,
        };
        assert_eq!(failure, expected);
        assert_eq!(failure.reason_code(), Some(code));
        assert_eq!(failure.server_reference(), None);
    }
    let moved = ConnectionFailure::from(Cause::Refused(ReasonCode::ServerMoved));
    assert_eq!(moved.advice(), RetryAdvice::ServerMoved);
}

#[test]
fn a_disconnect_of_the_peer_is_one_with_its_code() {
    for &code in ReasonCode::ALL {
        let failure = ConnectionFailure::from(Cause::PeerDisconnected(code));
        let expected = ConnectionFailure::Disconnect {
            reason_code: code,
            server_reference: None,
        };
        assert_eq!(failure, expected);
    }
    let taken_over = ConnectionFailure::from(Cause::PeerDisconnected(ReasonCode::SessionTakenOver));
    assert_eq!(taken_over.advice(), RetryAdvice::ChangeFirst);
}

#[test]
fn everything_else_is_a_failure_of_the_network() {
    for cause in [
        Cause::PeerError(PeerError::Session(SessionViolation::SecondConnAck)),
        Cause::Disconnected(ReasonCode::Success),
        Cause::TimedOut(Awaited::ConnAck),
        Cause::TimedOut(Awaited::PingResp),
        Cause::CannotAnswer(PacketType::PubRel),
    ] {
        let failure = ConnectionFailure::from(cause);
        assert_eq!(failure, ConnectionFailure::Network, "{cause:?}");
        assert_eq!(failure.reason_code(), None);
        assert_eq!(failure.advice(), RetryAdvice::BackOff);
    }
}
