//! DISCONNECT in both directions (sections 3.14, 4.13).

use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode, Role};
use mqtt5_session_fsm::{SendError, Session};

use super::driver::Driver;
use super::make::{Hello, PINGREQ, config, explanation, manual, text};
use crate::session::driver::{Lines, packets, publication};
use crate::session::make;

crate::check::checks! { "disconnect":
    server {
        Domain every_reason_code_of_the_server,
        Domain every_reason_code_of_the_client,
        Example it_is_the_last_packet,
        Example nothing_is_written_after_that_of_the_client,
        Example nothing_is_read_after_that_of_the_client,
        Example its_explanations_are_sent,
        Example only_one_is_sent,
        Example what_a_server_reference_is_not_for,
        Example a_lost_connection_says_nothing,
        Example the_session_can_be_taken_at_once,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

/// [MQTT-3.14.4-1], [MQTT-3.14.4-2], [MQTT-4.13.2-1], Table 3-10: all of them, and no other.
fn every_reason_code_of_the_server() -> u64 {
    let mut sent = 0;
    for &code in ReasonCode::ALL {
        let mut driver = Driver::lasting();
        // Table 3-10 does not have 0x8C.
        let may_be = code.allowed_from(PacketType::Disconnect, Role::Server)
            && code != ReasonCode::BadAuthenticationMethod;
        let result = driver.try_disconnect(code, &[]);
        if may_be {
            let said = result.expect("it may be sent");
            let expected = [
                format!("> DISCONNECT {code:?}"),
                format!("close Disconnected({code:?})"),
            ];
            assert_eq!(said, expected);
            assert!(!driver.machine.is_connected());
            assert_eq!(driver.feed(PINGREQ), nothing());
            sent += 1;
        } else {
            assert!(matches!(result, Err(SendError::Invalid(_))), "{code}");
            assert_eq!(driver.settle(), nothing());
            assert_eq!(driver.feed(PINGREQ), ["> PINGRESP"]);
        }
    }
    assert_eq!(sent, 28, "Table 3-10 without 0x04");
    ReasonCode::ALL.len() as u64
}

/// Section 3.14.4, Table 3-10: the connection ends without an answer; a code of the Server's is a Protocol
/// Error.
fn every_reason_code_of_the_client() -> u64 {
    for byte in 0..=u8::MAX {
        let mut driver = Driver::lasting();
        let said = driver.feed(&[0xE0, 1, byte]);
        let code = ReasonCode::from_byte(byte)
            .filter(|code| code.allowed_from(PacketType::Disconnect, Role::Client));
        if let Some(code) = code {
            let expected = [
                format!("disconnect {code:?}"),
                format!("close PeerDisconnected({code:?})"),
            ];
            assert_eq!(said, expected);
        } else {
            driver.assert_ended(&said, ReasonCode::ProtocolError, "not from a Client");
        }
        assert_eq!(driver.feed(PINGREQ), nothing());
        assert!(driver.machine.session().is_some_and(Session::exists));
    }
    256
}

/// [MQTT-3.14.4-1]: neither messages nor acknowledgements, neither those that waited nor new ones.
fn it_is_the_last_packet() {
    let mut driver = Driver::with(manual(), &Hello::lasting());
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    let _ = driver.feed(&make::publish(2, 2, "a", ""));
    let _ = driver.feed(&make::subscribe(3, &["a"]));
    for qos in 0..=2 {
        driver.accept(publication(qos, "a", "x", &[])).unwrap();
    }
    let said = driver.disconnect(ReasonCode::ServerShuttingDown, &[]);
    assert_eq!(
        packets(&said).last(),
        Some(&"DISCONNECT ServerShuttingDown")
    );
    for receipt in driver.receipts.clone() {
        let _ = driver.try_acknowledge(receipt, ReasonCode::Success, &[]);
    }
    let _ = driver.acknowledge_subscribe(3, &[ReasonCode::Success], &[]);
    let _ = driver.accept(publication(0, "a", "x", &[]));
    assert!(packets(&driver.settle()).is_empty());
    assert_eq!(driver.feed(&make::publish(1, 4, "a", "")), nothing());
    assert!(packets(&driver.tick(1 << 40)).is_empty());
}

/// Section 3.14.4: the receiver closes.
fn nothing_is_written_after_that_of_the_client() {
    let mut driver = Driver::with(manual(), &Hello::lasting());
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    let said = driver.feed(&make::disconnect(ReasonCode::Success, &[]));
    assert!(packets(&said).is_empty());
    let _ = driver.try_acknowledge(driver.receipts[0], ReasonCode::Success, &[]);
    let _ = driver.accept(publication(1, "a", "x", &[]));
    assert!(driver.try_disconnect(ReasonCode::ServerBusy, &[]).is_err());
    assert!(packets(&driver.settle()).is_empty());
}

/// [MQTT-3.14.4-1]: what comes behind a DISCONNECT, in one piece with it, is not processed.
fn nothing_is_read_after_that_of_the_client() -> u64 {
    for behind in [
        make::publish(1, 1, "a", ""),
        PINGREQ.to_vec(),
        make::subscribe(1, &["a"]),
        vec![0, 0],
    ] {
        let disconnect = make::disconnect(ReasonCode::Success, &[]);
        let sent = [make::publish(1, 9, "a", "one"), disconnect, behind].concat();
        assert_eq!(
            Driver::lasting().feed(&sent),
            [
                "message q1 a \"one\"",
                "> PUBACK #9",
                "disconnect Success",
                "close PeerDisconnected(Success)"
            ]
        );
    }
    4
}

/// Sections 3.14.2.2.3, 3.14.2.2.4: Reason String and User Properties.
fn its_explanations_are_sent() {
    let said = Driver::lasting().disconnect(ReasonCode::ServerBusy, &explanation());
    let [reason, user] = explanation();
    assert_eq!(
        said[0],
        format!("> DISCONNECT ServerBusy {reason:?} {user:?}")
    );
}

/// [MQTT-3.14.4-1]: a second one is not sent.
fn only_one_is_sent() {
    let mut driver = Driver::lasting();
    let _ = driver.disconnect(ReasonCode::ServerBusy, &[]);
    let again = driver.try_disconnect(ReasonCode::ServerBusy, &[]);
    assert_eq!(again, Err(SendError::NotConnected));
    assert_eq!(driver.settle(), nothing());
}

/// Section 3.14.2.2: properties that a Server's DISCONNECT does not have.
fn what_a_server_reference_is_not_for() -> u64 {
    for property in [
        Property::SessionExpiryInterval(1),
        Property::AssignedClientIdentifier(text("x")),
        Property::ServerKeepAlive(1),
        Property::AuthenticationMethod(text("m")),
    ] {
        let mut driver = Driver::lasting();
        let code = ReasonCode::ServerBusy;
        assert!(driver.try_disconnect(code, &[property]).is_err());
        assert_eq!(driver.settle(), nothing());
        assert!(driver.machine.is_connected());
    }
    4
}

/// Section 4.2: a network failure is no reason to write.
fn a_lost_connection_says_nothing() {
    let mut driver = Driver::lasting();
    assert!(packets(&driver.lose()).is_empty());
    assert!(!driver.machine.is_connected());
    assert!(driver.try_disconnect(ReasonCode::ServerBusy, &[]).is_err());
    assert!(packets(&driver.lose()).is_empty());
    assert_eq!(driver.deadline(), None);
}

/// [MQTT-3.1.2-23]: the Session of a connection that was disconnected goes on.
fn the_session_can_be_taken_at_once() {
    let mut driver = Driver::with(config(), &Hello::lasting());
    let _ = driver.publish(1, "a", "x");
    let _ = driver.disconnect(ReasonCode::ServerBusy, &[]);
    let session = driver.machine.take_session(driver.now);
    driver.keep(session.expect("a Session"));
    let said = driver.again(&Hello::new());
    assert_eq!(said, ["> CONNACK present", "> PUBLISH q1 #1 dup a \"x\""]);
}
