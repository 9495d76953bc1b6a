//! DISCONNECT in both directions (sections 3.14, 4.13).

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode, Role, UserProperty};

use super::driver::{Driver, Lines, close_of, packets, publication};
use super::machine::Machine;
use super::make;

crate::check::checks! { "disconnect":
    both {
        Domain every_reason_code_of_this_side,
        Domain every_reason_code_of_the_peer,
        Example nothing_follows_a_disconnect,
        Example nothing_answers_a_disconnect,
        Example what_is_left_of_the_input_is_dropped,
        Example explanations_are_sent,
        Example a_disconnect_needs_a_connection,
        Example what_waits_outlives_a_disconnect,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

/// MQTT-3.14.4-1, MQTT-3.14.4-2, MQTT-4.13.2-1: with each code that Table 3-10 has for this side it is sent, and all is over;
/// no other is sent.
fn every_reason_code_of_this_side<M: Machine>() -> u64 {
    let mut sent = 0;
    for &code in ReasonCode::ALL {
        let mut driver = Driver::<M>::connected();
        let result = driver.machine.disconnect(driver.now, code, &[]);
        let said = driver.settle();
        // Table 3-10 does not have 0x8C.
        let may_be = code.allowed_from(PacketType::Disconnect, M::ROLE)
            && code != ReasonCode::BadAuthenticationMethod;
        if may_be {
            assert_eq!(
                said,
                [
                    format!("> DISCONNECT {code:?}"),
                    format!("close Disconnected({code:?})")
                ]
            );
            driver.assert_dead();
            sent += 1;
        } else {
            assert!(matches!(result, Err(SendError::Invalid(_))), "{code:?}");
            assert_eq!(said, nothing());
            let said = driver.feed(&make::publish(1, 1, "a", ""));
            assert_eq!(said[1], "> PUBACK #1");
        }
    }
    if M::ROLE == Role::Server {
        assert_eq!(sent, 28, "Table 3-10 without 0x04");
    }
    ReasonCode::ALL.len() as u64
}

/// MQTT-4.13.2-1, section 3.14.4, Table 3-10: the receiver closes, and sends nothing itself; any other byte is a Protocol Error. The
/// Session goes on.
fn every_reason_code_of_the_peer<M: Machine>() -> u64 {
    for byte in 0..=u8::MAX {
        let mut driver = Driver::<M>::connected();
        let said = driver.feed(&[0xE0, 1, byte]);
        let code = ReasonCode::from_byte(byte)
            .filter(|code| code.allowed_from(PacketType::Disconnect, M::PEER));
        match code {
            Some(code) => {
                assert_eq!(
                    said,
                    [
                        format!("disconnect {code:?}"),
                        format!("close PeerDisconnected({code:?})"),
                    ]
                );
                driver.assert_dead();
            }
            None => driver.assert_ended(&said, ReasonCode::ProtocolError, "not from this side"),
        }
        assert!(driver.session().exists());
    }
    256
}

/// MQTT-3.14.4-1: neither messages nor acknowledgements, neither those that waited nor new ones.
fn nothing_follows_a_disconnect<M: Machine>() {
    let one = [Property::ReceiveMaximum(1.try_into().unwrap())];
    for mut driver in [
        Driver::<M>::announced(&one),
        Driver::<M>::manual().open(&[], &[]),
    ] {
        let now = driver.now;
        let _ = driver.feed(&make::publish(1, 1, "a", ""));
        for qos in [1, 2, 1, 2] {
            driver.accept(publication(qos, "a", "", &[])).unwrap();
        }
        let mut input = &make::publish(2, 5, "a", "")[..];
        let _ = driver.machine.receive(now, &mut input);
        let code = ReasonCode::UnspecifiedError;
        let result = driver.machine.disconnect(now, code, &[]);
        assert_eq!(result, Ok(()));
        driver.accept(publication(0, "a", "", &[])).unwrap();
        for receipt in driver.receipts.clone() {
            let _ = driver.try_acknowledge(receipt, ReasonCode::Success, &[]);
        }
        // The driver watches that it is the last packet.
        let said = driver.settle();
        assert_eq!(packets(&said).last(), Some(&"DISCONNECT UnspecifiedError"));
        assert_eq!(said.last().unwrap(), "close Disconnected(UnspecifiedError)");
        assert_eq!(driver.publish(1, "a", ""), nothing());
        driver.assert_dead();
    }
}

/// Section 3.14.4: acknowledgements and messages that were not written yet are not written after it, nor is a DISCONNECT.
fn nothing_answers_a_disconnect<M: Machine>() {
    for mut driver in [
        Driver::<M>::connected(),
        Driver::<M>::manual().open(&[], &[]),
    ] {
        let publish = make::publish(1, 1, "a", "");
        let bytes = [publish, make::disconnect(ReasonCode::UnspecifiedError, &[])].concat();
        let mut input = &bytes[..];
        while driver.machine.receive(driver.now, &mut input).is_some() {}
        for receipt in driver.receipts.clone() {
            let _ = driver.try_acknowledge(receipt, ReasonCode::Success, &[]);
        }
        let _ = driver.accept(publication(1, "a", "", &[]));
        let result = driver
            .machine
            .disconnect(driver.now, ReasonCode::UnspecifiedError, &[]);
        assert_eq!(result, Err(SendError::NotConnected));
        let said = driver.settle();
        assert_eq!(close_of(&said), Some("PeerDisconnected(UnspecifiedError)"));
        assert_eq!(packets(&said), [""; 0]);
    }
}

/// MQTT-3.14.4-1: what comes behind a DISCONNECT, in one piece with it, is not processed; what came before it is.
fn what_is_left_of_the_input_is_dropped<M: Machine>() {
    let others = make::one_of_each(M::PEER).into_iter().chain([vec![0, 0]]);
    for behind in others {
        let mut driver = Driver::<M>::connected();
        let disconnect = make::disconnect(ReasonCode::UnspecifiedError, &[]);
        let bytes = [make::publish(1, 9, "a", "one"), disconnect, behind].concat();
        assert_eq!(
            driver.feed(&bytes),
            [
                "message q1 a \"one\"",
                "> PUBACK #9",
                "disconnect UnspecifiedError",
                "close PeerDisconnected(UnspecifiedError)"
            ]
        );
    }
}

/// Sections 3.14.2.2.3, 3.14.2.2.4: Reason String and User Properties.
fn explanations_are_sent<M: Machine>() {
    let reason = Property::ReasonString("bye".try_into().unwrap());
    let user = Property::UserProperty(UserProperty::new("k", "v").unwrap());
    let code = ReasonCode::UnspecifiedError;
    let said = Driver::<M>::connected().disconnect(code, &[reason, user]);
    let expected = format!("> DISCONNECT UnspecifiedError {reason:?} {user:?}");
    assert_eq!(said[0], expected);
}

/// MQTT-3.14.4-1, section 3.14: the last packet of a Network Connection needs one, and is sent once.
fn a_disconnect_needs_a_connection<M: Machine>() {
    let code = ReasonCode::UnspecifiedError;
    let mut driver = Driver::<M>::connected();
    let mut lost = driver.clone();
    let _ = driver.disconnect(code, &[]);
    assert!(
        packets(&lost.lose()).is_empty(),
        "nothing is written of itself"
    );
    for mut driver in [Driver::<M>::new(), driver, lost] {
        let result = driver.machine.disconnect(driver.now, code, &[]);
        assert_eq!(result, Err(SendError::NotConnected));
        assert_eq!(driver.settle(), nothing());
        assert!(!driver.machine.is_connected());
    }
}

/// Section 4.1: messages that were accepted and not sent wait for the next connection.
fn what_waits_outlives_a_disconnect<M: Machine>() {
    let mut driver = Driver::<M>::announced(&[Property::ReceiveMaximum(1.try_into().unwrap())]);
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(1, "a", "2");
    let _ = driver.disconnect(ReasonCode::UnspecifiedError, &[]);
    let _ = driver.lose();
    let said = driver.reopen(&[], true, &[]);
    assert_eq!(
        said,
        ["> PUBLISH q1 #1 dup a \"1\"", "> PUBLISH q1 #2 a \"2\""]
    );
}
