//! The receiver's half: sections 3.3.4, 4.3, 4.5, through a Client.

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode, Role};
use mqtt5_session_fsm::table::ReceiverState;

use super::driver::{Driver, KEEPS, Lines};
use super::make;

crate::check::checks! { "qos_receiver":
    client {
        Example the_answer_depends_on_the_qos,
        Example qos1_identifier_is_free_after_puback,
        Example qos2_to_its_end,
        Example qos2_is_delivered_once,
        Domain qos2_over_any_number_of_connections,
        Example unknown_pubrel_is_answered,
        Domain pubrel_with_every_reason_code,
        Example unwanted_messages_are_acknowledged,
        Example both_directions_have_identifiers_of_their_own,
        Domain refusal_with_every_reason_code,
        Example a_refused_identifier_is_free,
        Example expiry_does_not_end_the_exchange,
        Example identifier_in_another_exchange,
        Example manual_acknowledgement_waits,
        Example a_repetition_before_the_decision,
        Example pubrel_before_the_decision,
        Example receipts_are_good_once,
        Example receipts_of_qos1_end_with_the_connection,
        Example receipts_of_qos2_outlive_the_connection,
        Example nothing_is_acknowledged_on_a_closed_connection,
        Domain all_identifiers,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

/// MQTT-3.3.4-1, MQTT-4.3.2-4, MQTT-4.3.3-8: no answer, PUBACK or PUBREC.
fn the_answer_depends_on_the_qos() {
    let mut driver = Driver::connected();
    assert_eq!(
        driver.feed(&make::publish(0, 0, "a", "0")),
        ["message q0 a \"0\""]
    );
    assert_eq!(
        driver.feed(&make::publish(1, 7, "a", "1")),
        ["message q1 a \"1\"", "> PUBACK #7"]
    );
    assert_eq!(
        driver.feed(&make::publish(2, 7, "a", "2")),
        ["message q2 a \"2\"", "> PUBREC #7"]
    );
}

/// MQTT-4.3.2-5: after PUBACK the identifier means a new message, with or without DUP.
fn qos1_identifier_is_free_after_puback() {
    let mut driver = Driver::connected();
    for duplicate in [false, true, true, false] {
        assert_eq!(
            driver.feed(&make::publish_with(1, 7, duplicate, "a", "1", &[])),
            ["message q1 a \"1\"", "> PUBACK #7"]
        );
    }
}

/// MQTT-4.3.3-8, MQTT-4.3.3-11, MQTT-4.3.3-12.
fn qos2_to_its_end() {
    let mut driver = Driver::connected();
    let state = |driver: &Driver| driver.machine.session().receiver_state(make::id(7));
    for _ in 0..3 {
        assert_eq!(state(&driver), ReceiverState::Free);
        assert_eq!(
            driver.feed(&make::publish(2, 7, "a", "2")),
            ["message q2 a \"2\"", "> PUBREC #7"]
        );
        assert_eq!(state(&driver), ReceiverState::WaitPubRel);
        assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
    }
}

/// MQTT-4.3.3-10: before PUBREL each repetition gets PUBREC and is not delivered, DUP or not.
fn qos2_is_delivered_once() {
    let mut driver = Driver::connected();
    let _ = driver.feed(&make::publish(2, 7, "a", "2"));
    for duplicate in [true, false, true] {
        assert_eq!(
            driver.feed(&make::publish_with(2, 7, duplicate, "a", "2", &[])),
            ["> PUBREC #7"]
        );
    }
    assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
    // DUP 1 does not make an old message of it.
    assert_eq!(
        driver.feed(&make::publish_with(2, 7, true, "a", "new", &[])),
        ["message q2 a \"new\"", "> PUBREC #7"]
    );
}

/// MQTT-4.3.3-10, MQTT-3.1.2-23: the identifier is remembered over reconnections.
fn qos2_over_any_number_of_connections() -> u64 {
    for connections in 0..10 {
        let mut driver = Driver::connected();
        let _ = driver.feed(&make::publish(2, 7, "a", "2"));
        for _ in 0..connections {
            assert_eq!(
                driver.resume(),
                nothing(),
                "a receiver sends nothing by itself"
            );
            let again = make::publish_with(2, 7, true, "a", "2", &[]);
            assert_eq!(driver.feed(&again), ["> PUBREC #7"]);
        }
        assert_eq!(driver.resume(), nothing());
        assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
        assert_eq!(
            driver.feed(&make::pubrel(7)).last().unwrap(),
            "> PUBCOMP #7 PacketIdentifierNotFound"
        );
    }
    10
}

/// Table 3-7, T10.3: PUBREL for an unknown identifier: PUBCOMP 0x92.
fn unknown_pubrel_is_answered() {
    let mut driver = Driver::connected();
    let said = driver.feed(&make::pubrel(7));
    assert_eq!(
        said.last().unwrap(),
        "> PUBCOMP #7 PacketIdentifierNotFound"
    );
    assert!(driver.machine.is_connected());
}

/// MQTT-4.3.3-11: PUBREL 0x92, too, is answered and frees the identifier.
fn pubrel_with_every_reason_code() -> u64 {
    let mut judged = 0;
    for &code in ReasonCode::ALL {
        if code.allowed_from(PacketType::PubRel, Role::Server) {
            let mut driver = Driver::connected();
            let _ = driver.feed(&make::publish(2, 7, "a", "2"));
            let said = driver.feed(&make::ack(PacketType::PubRel, 7, code));
            assert_eq!(said, ["> PUBCOMP #7"]);
            let said = driver.feed(&make::publish(2, 7, "a", "3"));
            assert_eq!(said, ["message q2 a \"3\"", "> PUBREC #7"]);
            judged += 1;
        }
    }
    assert_eq!(judged, 2, "Table 3-6");
    judged
}

/// MQTT-4.5.0-2: also without any subscription, the Client acknowledges.
fn unwanted_messages_are_acknowledged() {
    let mut driver = Driver::connected();
    let said = driver.feed(&make::publish(1, 1, "never/subscribed", ""));
    assert_eq!(said.last().unwrap(), "> PUBACK #1");
    // Not processed: the application drops the event without reading it.
    let mut input = &make::publish(2, 2, "x", "y")[..];
    let now = driver.now;
    drop(driver.machine.receive(now, &mut input));
    assert_eq!(driver.settle(), ["> PUBREC #2"]);
}

/// Section 2.2.1: the same number may be in use in both directions.
fn both_directions_have_identifiers_of_their_own() {
    let mut driver = Driver::connected();
    assert_eq!(driver.publish(2, "a", "up"), ["> PUBLISH q2 #1 a \"up\""]);
    assert_eq!(
        driver.feed(&make::publish(2, 1, "b", "down")),
        ["message q2 b \"down\"", "> PUBREC #1"]
    );
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(driver.feed(&make::pubrel(1)), ["> PUBCOMP #1"]);
    assert_eq!(driver.feed(&make::pubcomp(1)), ["t1 pubcomp"]);
}

/// Tables 3-4, 3-5: the application refuses with any Reason Code of a Client, and with no other.
fn refusal_with_every_reason_code() -> u64 {
    let mut judged = 0;
    for qos in [1, 2] {
        let (packet_type, name) = match qos {
            1 => (PacketType::PubAck, "PUBACK"),
            _ => (PacketType::PubRec, "PUBREC"),
        };
        for &code in ReasonCode::ALL {
            let mut driver = Driver::manual().go(KEEPS, false, &[]);
            let _ = driver.feed(&make::publish(qos, 7, "a", ""));
            let result = driver
                .machine
                .acknowledge_with(driver.receipts[0], code, &[]);
            let said = driver.settle();
            if code == ReasonCode::Success {
                assert_eq!(said, [format!("> {name} #7")]);
            } else if code.allowed_from(packet_type, Role::Client) {
                assert_eq!(said, [format!("> {name} #7 {code:?}")]);
            } else {
                assert!(matches!(result, Err(SendError::Invalid(_))), "{code:?}");
                assert_eq!(said, nothing());
                // The message can still be acknowledged.
                assert_eq!(driver.acknowledge(0), [format!("> {name} #7")]);
            }
            judged += 1;
        }
    }
    judged
}

/// MQTT-4.3.3-9: after PUBREC from 0x80 the next PUBLISH with the identifier is a new message.
fn a_refused_identifier_is_free() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    let _ = driver.feed(&make::publish(2, 7, "a", "first"));
    let said = driver.refuse(0, ReasonCode::QuotaExceeded);
    assert_eq!(said, ["> PUBREC #7 QuotaExceeded"]);
    let said = driver.feed(&make::publish_with(2, 7, true, "a", "second", &[]));
    assert_eq!(said, ["message q2 a \"second\" receipt"]);
    assert_eq!(driver.acknowledge(1), ["> PUBREC #7"]);
    assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
}

/// MQTT-4.3.3-13: however long ago the message expired, the exchange is finished.
fn expiry_does_not_end_the_exchange() {
    // One that is over when it arrives, and one that ends later.
    for interval in [0, 1] {
        let expires = [Property::MessageExpiryInterval(interval)];
        let mut driver = Driver::connected();
        let _ = driver.feed(&make::publish_with(2, 7, false, "a", "2", &expires));
        assert_eq!(driver.tick(3_600_000), nothing());
        let again = make::publish_with(2, 7, true, "a", "2", &expires);
        assert_eq!(driver.feed(&again), ["> PUBREC #7"]);
        assert_eq!(driver.tick(3_600_000), nothing());
        assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
        let mut driver = Driver::manual().go(KEEPS, false, &[]);
        let _ = driver.feed(&make::publish_with(2, 7, false, "a", "2", &expires));
        assert_eq!(driver.tick(3_600_000), nothing());
        assert_eq!(driver.acknowledge(0), ["> PUBREC #7"]);
    }
}

/// Tables 3-4, 3-5, T19.4: an identifier that another exchange uses is refused with 0x91.
fn identifier_in_another_exchange() {
    let mut driver = Driver::connected();
    let _ = driver.feed(&make::publish(2, 7, "a", "2"));
    let said = driver.feed(&make::publish(1, 7, "a", "1"));
    assert_eq!(said, ["> PUBACK #7 PacketIdentifierInUse"]);
    assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
}

/// Sections 4.3.2, 4.3.3: no acknowledgement before the application has taken the message.
fn manual_acknowledgement_waits() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    assert_eq!(
        driver.feed(&make::publish(0, 0, "a", "0")),
        ["message q0 a \"0\""]
    );
    assert_eq!(
        driver.feed(&make::publish(1, 1, "a", "1")),
        ["message q1 a \"1\" receipt"]
    );
    assert_eq!(
        driver.feed(&make::publish(2, 2, "a", "2")),
        ["message q2 a \"2\" receipt"]
    );
    assert_eq!(driver.tick(86_400_000), nothing());
    assert_eq!(driver.acknowledge(0), ["> PUBACK #1"]);
    assert_eq!(driver.acknowledge(1), ["> PUBREC #2"]);
}

/// MQTT-4.3.3-10: repeated while the application decides: one delivery, and one PUBREC at the end.
fn a_repetition_before_the_decision() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    let _ = driver.feed(&make::publish(2, 2, "a", "2"));
    assert_eq!(driver.resume(), nothing());
    let again = make::publish_with(2, 2, true, "a", "2", &[]);
    assert_eq!(driver.feed(&again), nothing());
    assert_eq!(driver.receipts.len(), 1);
    assert_eq!(driver.acknowledge(0), ["> PUBREC #2"]);
    assert_eq!(driver.feed(&make::pubrel(2)), ["> PUBCOMP #2"]);
}

/// Section 4.3.3: PUBREL answers a PUBREC; before that it is a Protocol Error.
fn pubrel_before_the_decision() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    let _ = driver.feed(&make::publish(2, 2, "a", "2"));
    let said = driver.feed(&make::pubrel(2));
    assert_eq!(
        said,
        ["> DISCONNECT ProtocolError", "close ReleasedTooEarly"]
    );
}

/// A message is acknowledged once: the second time is the caller's error.
fn receipts_are_good_once() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    for (qos, identifier) in [(1, 1), (2, 2)] {
        let _ = driver.feed(&make::publish(qos, identifier, "a", ""));
        let receipt = driver.receipts.pop().unwrap();
        assert_eq!(driver.machine.acknowledge(receipt), Ok(()));
        assert_eq!(driver.machine.acknowledge(receipt), Err(SendError::Stale));
        assert_eq!(driver.settle().len(), 1);
        assert_eq!(driver.machine.acknowledge(receipt), Err(SendError::Stale));
        assert_eq!(driver.settle(), nothing());
    }
}

/// MQTT-4.3.2-3: an unacknowledged QoS 1 message comes again; the old receipt is void.
fn receipts_of_qos1_end_with_the_connection() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    assert_eq!(driver.resume(), nothing());
    assert_eq!(
        driver.machine.acknowledge(driver.receipts[0]),
        Err(SendError::Stale)
    );
    let said = driver.feed(&make::publish_with(1, 1, true, "a", "", &[]));
    assert_eq!(said, ["message q1 a \"\" receipt"]);
    assert_eq!(
        driver.machine.acknowledge(driver.receipts[0]),
        Err(SendError::Stale)
    );
    assert_eq!(driver.acknowledge(1), ["> PUBACK #1"]);
}

/// MQTT-4.3.3-10: decided while there is no connection, told when the message is repeated.
fn receipts_of_qos2_outlive_the_connection() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    let _ = driver.feed(&make::publish(2, 1, "a", ""));
    let _ = driver.lose();
    assert_eq!(driver.acknowledge(0), nothing());
    let said = driver.reconnect(KEEPS, true, &[]);
    assert!(said.is_empty() || said == ["> PUBREC #1"], "{said:?}");
    let said = driver.feed(&make::publish_with(2, 1, true, "a", "", &[]));
    assert_eq!(said, ["> PUBREC #1"]);
    assert_eq!(driver.receipts.len(), 1);
}

/// MQTT-3.14.4-1: no acknowledgement leaves after DISCONNECT or after an error.
fn nothing_is_acknowledged_on_a_closed_connection() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    let _ = driver.feed(&make::publish(2, 2, "a", ""));
    let _ = driver.disconnect(ReasonCode::Success, &[]);
    for receipt in driver.receipts.clone() {
        let _ = driver.machine.acknowledge(receipt);
        assert_eq!(driver.settle(), nothing());
    }
}

/// Sections 4.3.2, 4.3.3: with each of the 65,535 identifiers, forwards and backwards.
fn all_identifiers() -> u64 {
    let mut driver = Driver::connected();
    let up = 1..=u16::MAX;
    for identifier in up.clone().chain(up.rev().step_by(3)) {
        let said = driver.feed(&make::publish(1, identifier, "a", ""));
        assert_eq!(
            said,
            [
                "message q1 a \"\"".into(),
                format!("> PUBACK #{identifier}")
            ]
        );
        let said = driver.feed(&make::publish(2, identifier, "a", ""));
        assert_eq!(
            said,
            [
                "message q2 a \"\"".into(),
                format!("> PUBREC #{identifier}")
            ]
        );
        let said = driver.feed(&make::pubrel(identifier));
        assert_eq!(said, [format!("> PUBCOMP #{identifier}")]);
    }
    87_380
}
