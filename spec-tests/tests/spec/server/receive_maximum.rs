//! The Receive Maximum of the Server, which the Client has to keep (sections 3.2.2.3.3, 3.3.4, 4.9).

use mqtt5_codec::{PacketType, Qos, ReasonCode};
use mqtt5_session_fsm::{Cause, Limits, PeerError, ServerConfig, SessionViolation};

use super::driver::Driver;
use super::make::{Hello, limited, manual, publish, publish_2, pubrel};
use crate::check::Outcome;

super::listed! { "receive_maximum":
    Domain more_than_our_receive_maximum_is_an_error,
    Domain what_is_answered_does_not_count,
    Example a_repetition_is_not_one_more,
    Example the_client_begins_anew_too,
    Example qos_0_does_not_count,
}

fn with_our_maximum(maximum: u16) -> Driver {
    let limits = Limits {
        receive_maximum: maximum,
        ..Limits::NONE
    };
    let config = ServerConfig {
        session: manual().session,
        ..limited(limits)
    };
    Driver::connected(config, &Hello::lasting())
}

/// PER-25, section 3.3.4: exactly the Receive Maximum is good, one more is DISCONNECT 0x93.
fn more_than_our_receive_maximum_is_an_error() -> Outcome {
    for maximum in [1, 2, 10, 300, 65_534] {
        for last in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let mut driver = with_our_maximum(maximum);
            for number in 1..=maximum {
                let qos = if number % 2 == 0 {
                    Qos::AtLeastOnce
                } else {
                    Qos::ExactlyOnce
                };
                let report = driver.send(&publish(qos, number, false, b"x"));
                assert_eq!(report.events().len(), 1, "{number} of {maximum}");
                assert_eq!(report.close(), None);
            }
            let report = driver.send(&publish(last, maximum + 1, false, b"x"));
            assert_eq!(report.last_word(), Some(ReasonCode::ReceiveMaximumExceeded));
            let violation = PeerError::Session(SessionViolation::ReceiveMaximumExceeded);
            assert_eq!(report.close(), Some(Cause::PeerError(violation)));
            assert!(report.payloads().is_empty());
        }
    }
    Ok(10)
}

/// Section 3.3.4: PUBACK, PUBCOMP and a refusing PUBREC (reading of T19.4) make room; PUBREC does not.
fn what_is_answered_does_not_count() -> Outcome {
    for (qos, code, released, room) in [
        (Qos::AtLeastOnce, ReasonCode::Success, false, true),
        (Qos::AtLeastOnce, ReasonCode::NotAuthorized, false, true),
        (Qos::ExactlyOnce, ReasonCode::Success, false, false),
        (Qos::ExactlyOnce, ReasonCode::Success, true, true),
        (Qos::ExactlyOnce, ReasonCode::NotAuthorized, false, true),
    ] {
        let mut driver = with_our_maximum(1);
        for round in 1..=3 {
            let report = driver.send(&publish(qos, round, false, b"x"));
            if round > 1 && !room {
                assert_eq!(report.last_word(), Some(ReasonCode::ReceiveMaximumExceeded));
                break;
            }
            assert_eq!(report.close(), None, "{qos:?}, {code}, {released}");
            driver
                .acknowledge_with(report.receipt(), code, &[])
                .expect("a message");
            if released {
                driver.send(&pubrel(round, ReasonCode::Success));
            }
        }
    }
    Ok(5)
}

/// [MQTT-4.3.3-10]: PUBLISH again, of QoS 2 with the same identifier, is the same exchange.
fn a_repetition_is_not_one_more() -> Outcome {
    let limits = Limits {
        receive_maximum: 1,
        ..Limits::NONE
    };
    let mut driver = Driver::connected(limited(limits), &Hello::lasting());
    driver.send(&publish_2(1));
    let (keeper, _) = driver.part();
    let (mut driver, _) = Driver::resumed(
        keeper.now,
        limited(limits),
        &Hello::lasting(),
        Some(keeper.session),
    );
    let report = driver.send(&publish(Qos::ExactlyOnce, 1, true, b"two"));
    assert_eq!(report.packet().packet_type(), PacketType::PubRec);
    assert_eq!(driver.send(&pubrel(1, ReasonCode::Success)).close(), None);
    assert_eq!(driver.send(&publish_2(2)).close(), None);
    Ok(1)
}

/// Section 4.9: on a new connection the Client's quota is full again, though a PUBREL is still to be sent.
fn the_client_begins_anew_too() -> Outcome {
    let limits = Limits {
        receive_maximum: 1,
        ..Limits::NONE
    };
    let mut driver = Driver::connected(limited(limits), &Hello::lasting());
    driver.send(&publish_2(1));
    let (keeper, _) = driver.part();
    let (mut driver, _) = Driver::resumed(
        keeper.now,
        limited(limits),
        &Hello::lasting(),
        Some(keeper.session),
    );
    let report = driver.send(&publish_2(2));
    assert_eq!(report.close(), None);
    assert_eq!(report.packet().packet_type(), PacketType::PubRec);
    let report = driver.send(&pubrel(1, ReasonCode::Success));
    assert_eq!(report.packet().packet_type(), PacketType::PubComp);
    Ok(1)
}

/// Section 3.2.2.3.3: nothing limits QoS 0.
fn qos_0_does_not_count() -> Outcome {
    let mut driver = with_our_maximum(1);
    driver.send(&publish_2(1));
    for _ in 0..100 {
        let report = driver.send(&publish(Qos::AtMostOnce, 1, false, b"x"));
        assert_eq!(report.payloads().len(), 1);
    }
    Ok(100)
}
