//! The receiver's half: sections 3.3.4, 4.3, 4.5.

use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode, Role, UserProperty};
use mqtt5_session_fsm::table::ReceiverState;
use mqtt5_session_fsm::{Client, SendError};

use super::driver::{Driver, Lines};
use super::machine::Machine;
use super::make;

crate::check::checks! { "qos_receiver":
    both {
        Domain the_answer_depends_on_the_qos,
        Example qos1_identifier_is_free_after_puback,
        Example qos2_to_its_end,
        Example qos2_is_delivered_once,
        Domain qos2_over_any_number_of_connections,
        Domain unknown_pubrel_is_answered,
        Domain pubrel_with_every_reason_code,
        Example both_directions_have_identifiers_of_their_own,
        Example exchanges_do_not_mix,
        Domain refusal_with_every_reason_code,
        Example a_refused_identifier_is_free,
        Domain an_identifier_is_free_when_its_exchange_is_over,
        Example explanations_are_sent,
        Example expiry_does_not_end_the_exchange,
        Example identifier_in_another_exchange,
        Example manual_acknowledgement_waits,
        Example a_repetition_before_the_decision,
        Example pubrel_before_the_decision,
        Domain receipts_are_good_once,
        Example receipts_of_qos1_end_with_the_connection,
        Example receipts_of_qos2_outlive_the_connection,
        Example receipts_end_with_their_session,
        Example nothing_is_acknowledged_on_a_closed_connection,
        Domain all_identifiers,
    }
    client {
        Example unwanted_messages_are_acknowledged,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

/// The application acknowledges.
fn manual<M: Machine>() -> Driver<M> {
    Driver::<M>::manual().open(&[], &[])
}

/// MQTT-3.3.4-1, MQTT-4.3.2-4, MQTT-4.3.3-8: no answer, PUBACK or PUBREC, DUP or not, after the message was handed out.
fn the_answer_depends_on_the_qos<M: Machine>() -> u64 {
    let mut driver = Driver::<M>::connected();
    assert_eq!(
        driver.feed(&make::publish(0, 0, "a", "0")),
        ["message q0 a \"0\""]
    );
    for duplicate in [false, true] {
        let mut driver = Driver::<M>::connected();
        assert_eq!(
            driver.feed(&make::publish_with(1, 7, duplicate, "a", "1", &[])),
            ["message q1 a \"1\"", "> PUBACK #7"]
        );
        assert_eq!(
            driver.feed(&make::publish_with(2, 7, duplicate, "a", "2", &[])),
            ["message q2 a \"2\"", "> PUBREC #7"]
        );
    }
    5
}

/// MQTT-4.3.2-5: after PUBACK the identifier means a new message, with or without DUP.
fn qos1_identifier_is_free_after_puback<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for duplicate in [false, true, true, false] {
        assert_eq!(
            driver.feed(&make::publish_with(1, 7, duplicate, "a", "1", &[])),
            ["message q1 a \"1\"", "> PUBACK #7"]
        );
    }
}

/// MQTT-4.3.3-8, MQTT-4.3.3-11, MQTT-4.3.3-12.
fn qos2_to_its_end<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let state = |driver: &Driver<M>| driver.session().receiver_state(make::id(7));
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
fn qos2_is_delivered_once<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.feed(&make::publish(2, 7, "a", "2"));
    for duplicate in [true, false, true] {
        assert_eq!(
            driver.feed(&make::publish_with(2, 7, duplicate, "a", "2", &[])),
            ["> PUBREC #7"]
        );
        let state = driver.session().receiver_state(make::id(7));
        assert_eq!(state, ReceiverState::WaitPubRel);
    }
    assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
    // DUP 1 does not make an old message of it.
    assert_eq!(
        driver.feed(&make::publish_with(2, 7, true, "a", "new", &[])),
        ["message q2 a \"new\"", "> PUBREC #7"]
    );
}

/// MQTT-4.3.3-10, MQTT-3.1.2-23: the identifier is remembered over reconnections.
fn qos2_over_any_number_of_connections<M: Machine>() -> u64 {
    for connections in 0..10 {
        let mut driver = Driver::<M>::connected();
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

/// Table 3-7: PUBREL for an unknown identifier, whatever it says: PUBCOMP 0x92, and nothing else happens.
fn unknown_pubrel_is_answered<M: Machine>() -> u64 {
    let mut driver = Driver::<M>::connected();
    let _ = driver.feed(&make::publish(1, 5, "a", ""));
    for n in [1, 5, 255, 256, u16::MAX] {
        for code in [ReasonCode::Success, ReasonCode::PacketIdentifierNotFound] {
            assert_eq!(
                driver.feed(&make::ack(PacketType::PubRel, n, code)),
                [
                    format!("unknown PubRel #{n}"),
                    format!("> PUBCOMP #{n} PacketIdentifierNotFound")
                ]
            );
            assert!(driver.machine.is_connected());
        }
    }
    10
}

/// MQTT-4.3.3-11: PUBREL 0x92, too, is answered and frees the identifier.
fn pubrel_with_every_reason_code<M: Machine>() -> u64 {
    let mut judged = 0;
    for &code in ReasonCode::ALL {
        if code.allowed_from(PacketType::PubRel, M::PEER) {
            let mut driver = Driver::<M>::connected();
            let _ = driver.feed(&make::publish(2, 7, "a", "2"));
            let said = driver.feed(&make::ack(PacketType::PubRel, 7, code));
            assert_eq!(said, ["> PUBCOMP #7"]);
            for duplicate in [true, false] {
                let again = make::publish_with(2, 7, duplicate, "a", "3", &[]);
                let said = driver.feed(&again);
                assert_eq!(said, ["message q2 a \"3\"", "> PUBREC #7"]);
                assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
            }
            judged += 1;
        }
    }
    assert_eq!(judged, 2, "Table 3-6");
    judged
}

/// Section 2.2.1: the same number may be in use in both directions.
fn both_directions_have_identifiers_of_their_own<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(driver.publish(2, "a", "up"), ["> PUBLISH q2 #1 a \"up\""]);
    assert_eq!(
        driver.feed(&make::publish(2, 1, "b", "down")),
        ["message q2 b \"down\"", "> PUBREC #1"]
    );
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(driver.feed(&make::pubrel(1)), ["> PUBCOMP #1"]);
    assert_eq!(driver.feed(&make::pubcomp(1)), ["t1 pubcomp"]);
}

/// Sections 2.2.1, 4.3: each identifier has its own exchange, in whatever order they end.
fn exchanges_do_not_mix<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let publish = |qos, n| make::publish(qos, n, "a", "");
    let said = driver.feed(&[publish(2, 1), publish(2, 2), publish(1, 3), publish(2, 4)].concat());
    let answers: Vec<_> = said.iter().filter(|line| line.starts_with('>')).collect();
    let expected = ["> PUBREC #1", "> PUBREC #2", "> PUBACK #3", "> PUBREC #4"];
    assert_eq!(answers, expected.iter().collect::<Vec<_>>());
    let said = driver.feed(&[make::pubrel(4), make::pubrel(1)].concat());
    assert_eq!(said, ["> PUBCOMP #4", "> PUBCOMP #1"]);
    assert_eq!(driver.feed(&publish(2, 2)), ["> PUBREC #2"]);
    assert_eq!(driver.feed(&publish(2, 1)).len(), 2);
}

/// Tables 3-4, 3-5, MQTT-4.3.2-5, MQTT-4.3.3-9: the application answers with any Reason Code of its side, and with no other;
/// PUBACK, and PUBREC from 0x80, free the identifier.
fn refusal_with_every_reason_code<M: Machine>() -> u64 {
    let mut judged = 0;
    for (qos, packet_type, name) in [
        (1, PacketType::PubAck, "PUBACK"),
        (2, PacketType::PubRec, "PUBREC"),
    ] {
        for &code in ReasonCode::ALL {
            let mut driver = manual::<M>();
            let _ = driver.feed(&make::publish(qos, 7, "a", ""));
            let result = driver.try_acknowledge(driver.receipts[0], code, &[]);
            let said = driver.settle();
            judged += 1;
            if !code.allowed_from(packet_type, M::ROLE) {
                assert!(matches!(result, Err(SendError::Invalid(_))), "{code:?}");
                assert_eq!(said, nothing());
                // The message can still be acknowledged.
                assert_eq!(driver.acknowledge(0), [format!("> {name} #7")]);
                continue;
            }
            let answer = match code {
                ReasonCode::Success => format!("> {name} #7"),
                _ => format!("> {name} #7 {code:?}"),
            };
            assert_eq!(said, [&answer[..]]);
            let said = driver.feed(&make::publish_with(qos, 7, true, "a", "", &[]));
            if qos == 1 || code.is_error() {
                assert_eq!(said, [format!("message q{qos} a \"\" receipt")]);
            } else {
                assert_eq!(said.len(), 1, "{said:?}");
                assert!(said[0].starts_with("> PUBREC #7"), "{said:?}");
            }
        }
    }
    judged
}

/// MQTT-4.3.3-9: after PUBREC from 0x80 the next PUBLISH with the identifier is a new message.
fn a_refused_identifier_is_free<M: Machine>() {
    let mut driver = manual::<M>();
    let _ = driver.feed(&make::publish(2, 7, "a", "first"));
    let said = driver.refuse(0, ReasonCode::QuotaExceeded);
    assert_eq!(said, ["> PUBREC #7 QuotaExceeded"]);
    let said = driver.feed(&make::publish_with(2, 7, true, "a", "second", &[]));
    assert_eq!(said, ["message q2 a \"second\" receipt"]);
    assert_eq!(driver.acknowledge(1), ["> PUBREC #7"]);
    assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
}

/// Section 2.2.1: "available for reuse", by each kind of packet, however the exchange ended; and what comes then counts
/// against the Receive Maximum again (section 3.3.4).
fn an_identifier_is_free_when_its_exchange_is_over<M: Machine>() -> u64 {
    let mut judged = 0;
    let one = [Property::ReceiveMaximum(1.try_into().unwrap())];
    let decisions = [
        None,
        Some(ReasonCode::Success),
        Some(ReasonCode::QuotaExceeded),
    ];
    for (qos, decision) in [1, 2]
        .into_iter()
        .flat_map(|qos| decisions.map(|it| (qos, it)))
    {
        let driver = match decision {
            Some(_) => Driver::<M>::manual(),
            None => Driver::<M>::new(),
        };
        let mut driver = driver.open(&one, &[]);
        let _ = driver.feed(&make::publish(qos, 3, "a", ""));
        if let Some(code) = decision {
            assert_eq!(driver.refuse(0, code).len(), 1);
        }
        if qos == 2 && decision.is_none_or(|code| !code.is_error()) {
            assert_eq!(driver.feed(&make::pubrel(3)), ["> PUBCOMP #3"]);
        }
        if M::ROLE == Role::Server {
            let said = driver.clone().feed(&make::subscribe(3, &["f"]));
            assert_eq!(said, ["subscribe #3 f"]);
            let said = driver.clone().feed(&make::unsubscribe(3, &["f"]));
            assert_eq!(said, ["unsubscribe #3 f"]);
        }
        for next in [1, 2] {
            let mut driver = driver.clone();
            let said = driver.feed(&make::publish(next, 3, "a", "next"));
            assert!(
                said[0].starts_with(&format!("message q{next} a \"next\"")),
                "{said:?}"
            );
            let said = driver.feed(&make::publish(1, 4, "a", "above"));
            let is_refused = said.last().unwrap().starts_with("close ");
            let waits = decision.is_some() || next == 2;
            assert_eq!(is_refused, waits, "{qos} {decision:?} {next}: {said:?}");
            judged += 1;
        }
    }
    judged
}

/// Sections 3.4.2.2, 3.5.2.2: Reason String and User Properties of the application.
fn explanations_are_sent<M: Machine>() {
    let explanations = [
        Property::ReasonString("because of".try_into().unwrap()),
        Property::UserProperty(UserProperty::new("na", "va").unwrap()),
    ];
    for (qos, name) in [(1, "PUBACK"), (2, "PUBREC")] {
        let mut driver = manual::<M>();
        let _ = driver.feed(&make::publish(qos, 7, "a", ""));
        let code = ReasonCode::QuotaExceeded;
        driver
            .try_acknowledge(driver.receipts[0], code, &explanations)
            .unwrap();
        let [reason, user] = explanations;
        let expected = format!("> {name} #7 QuotaExceeded {reason:?} {user:?}");
        assert_eq!(driver.settle(), [expected]);
    }
}

/// MQTT-4.3.3-13: however long ago the message expired, the exchange is finished.
fn expiry_does_not_end_the_exchange<M: Machine>() {
    // One that is over when it arrives, and one that ends later.
    for interval in [0, 1] {
        let expires = [Property::MessageExpiryInterval(interval)];
        let mut driver = Driver::<M>::connected();
        let _ = driver.feed(&make::publish_with(2, 7, false, "a", "2", &expires));
        assert_eq!(driver.tick(3_600_000), nothing());
        let again = make::publish_with(2, 7, true, "a", "2", &expires);
        assert_eq!(driver.feed(&again), ["> PUBREC #7"]);
        assert_eq!(driver.tick(3_600_000), nothing());
        assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
        let mut driver = manual::<M>();
        let _ = driver.feed(&make::publish_with(2, 7, false, "a", "2", &expires));
        assert_eq!(driver.tick(3_600_000), nothing());
        assert_eq!(driver.acknowledge(0), ["> PUBREC #7"]);
        assert_eq!(driver.tick(3_600_000), nothing());
        assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
    }
}

/// Tables 3-4, 3-5: an identifier that another exchange uses is refused with 0x91.
fn identifier_in_another_exchange<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.feed(&make::publish(2, 7, "a", "2"));
    let said = driver.feed(&make::publish(1, 7, "a", "1"));
    assert_eq!(said, ["> PUBACK #7 PacketIdentifierInUse"]);
    assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
    // With QoS 1 the exchange lasts until the application decides.
    let mut driver = manual::<M>();
    let _ = driver.feed(&make::publish(1, 7, "a", "1"));
    let mut said = driver.feed(&make::publish(2, 7, "a", "2"));
    said.extend(driver.acknowledge(0));
    said.sort();
    assert_eq!(said, ["> PUBACK #7", "> PUBREC #7 PacketIdentifierInUse"]);
}

/// Sections 4.3.2, 4.3.3: no acknowledgement before the application has taken the message.
fn manual_acknowledgement_waits<M: Machine>() {
    let mut driver = manual::<M>();
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
    // Other packets do not wait for it.
    assert_eq!(
        driver.feed(&make::pubrel(9)).last().unwrap(),
        "> PUBCOMP #9 PacketIdentifierNotFound"
    );
    if M::ROLE == Role::Server {
        assert_eq!(driver.feed(make::PINGREQ), ["> PINGRESP"]);
    }
    assert_eq!(driver.acknowledge(0), ["> PUBACK #1"]);
    assert_eq!(driver.acknowledge(1), ["> PUBREC #2"]);
}

/// MQTT-4.3.3-10: repeated while the application decides: one delivery, and one PUBREC at the end.
fn a_repetition_before_the_decision<M: Machine>() {
    let mut driver = manual::<M>();
    let _ = driver.feed(&make::publish(2, 2, "a", "2"));
    assert_eq!(driver.resume(), nothing());
    let again = make::publish_with(2, 2, true, "a", "2", &[]);
    assert_eq!(driver.feed(&again), nothing());
    assert_eq!(driver.receipts.len(), 1);
    assert_eq!(driver.acknowledge(0), ["> PUBREC #2"]);
    assert_eq!(driver.feed(&make::pubrel(2)), ["> PUBCOMP #2"]);
}

/// Section 4.3.3: PUBREL answers a PUBREC; before that it is a Protocol Error.
fn pubrel_before_the_decision<M: Machine>() {
    let mut driver = manual::<M>();
    let _ = driver.feed(&make::publish(2, 2, "a", "2"));
    let said = driver.feed(&make::pubrel(2));
    assert_eq!(
        said,
        ["> DISCONNECT ProtocolError", "close ReleasedTooEarly"]
    );
}

/// A message is acknowledged once: the second time is the caller's error.
fn receipts_are_good_once<M: Machine>() -> u64 {
    for code in [ReasonCode::Success, ReasonCode::UnspecifiedError] {
        let mut driver = manual::<M>();
        for n in [1, 2] {
            let _ = driver.feed(&make::publish(n as u8, n, "a", ""));
            let receipt = driver.receipts.pop().unwrap();
            assert_eq!(driver.try_acknowledge(receipt, code, &[]), Ok(()));
            let stale = Err(SendError::Stale);
            assert_eq!(driver.try_acknowledge(receipt, code, &[]), stale);
            assert_eq!(driver.settle().len(), 1);
            assert_eq!(driver.try_acknowledge(receipt, code, &[]), stale);
            assert_eq!(driver.settle(), nothing());
        }
    }
    4
}

/// MQTT-4.3.2-3: an unacknowledged QoS 1 message comes again; the old receipt is void.
fn receipts_of_qos1_end_with_the_connection<M: Machine>() {
    let mut driver = manual::<M>();
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    assert_eq!(driver.resume(), nothing());
    let old = driver.receipts[0];
    let stale = Err(SendError::Stale);
    assert_eq!(driver.try_acknowledge(old, ReasonCode::Success, &[]), stale);
    let said = driver.feed(&make::publish_with(1, 1, true, "a", "", &[]));
    assert_eq!(said, ["message q1 a \"\" receipt"]);
    assert_eq!(driver.try_acknowledge(old, ReasonCode::Success, &[]), stale);
    assert_eq!(driver.acknowledge(1), ["> PUBACK #1"]);
}

/// MQTT-4.3.3-10: decided while there is no connection, told when the message is repeated.
fn receipts_of_qos2_outlive_the_connection<M: Machine>() {
    let mut driver = manual::<M>();
    let _ = driver.feed(&make::publish(2, 1, "a", ""));
    let _ = driver.lose();
    assert_eq!(driver.acknowledge(0), nothing());
    let said = driver.reopen(&[], true, &[]);
    assert!(said.is_empty() || said == ["> PUBREC #1"], "{said:?}");
    let said = driver.feed(&make::publish_with(2, 1, true, "a", "", &[]));
    assert_eq!(said, ["> PUBREC #1"]);
    assert_eq!(driver.receipts.len(), 1);
}

/// Section 4.1: the Session that ended has nothing to do with the next one. A late decision would mark an identifier of
/// that one as received.
fn receipts_end_with_their_session<M: Machine>() {
    for qos in [1, 2] {
        let mut driver = manual::<M>();
        let _ = driver.feed(&make::publish(qos, 3, "a", "x"));
        let _ = driver.lose();
        let _ = driver.reopen(&[], false, &[]);
        let late = driver.try_acknowledge(driver.receipts[0], ReasonCode::Success, &[]);
        assert_eq!(late, Err(SendError::Stale), "{qos}");
        let said = driver.feed(&make::publish(qos, 3, "a", "y"));
        assert_eq!(said, [format!("message q{qos} a \"y\" receipt")]);
    }
}

/// MQTT-3.14.4-1: no acknowledgement leaves after DISCONNECT or after an error.
fn nothing_is_acknowledged_on_a_closed_connection<M: Machine>() {
    let mut driver = manual::<M>();
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    let _ = driver.feed(&make::publish(2, 2, "a", ""));
    let _ = driver.disconnect(ReasonCode::Success, &[]);
    for receipt in driver.receipts.clone() {
        let _ = driver.try_acknowledge(receipt, ReasonCode::Success, &[]);
        assert_eq!(driver.settle(), nothing());
    }
}

/// Sections 4.3.2, 4.3.3: with each of the 65,535 identifiers, forwards and backwards.
fn all_identifiers<M: Machine>() -> u64 {
    let mut driver = Driver::<M>::connected();
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
        // Known by now: it is not delivered again.
        let said = driver.feed(&make::publish(2, identifier, "a", ""));
        assert_eq!(said, [format!("> PUBREC #{identifier}")]);
        let said = driver.feed(&make::pubrel(identifier));
        assert_eq!(said, [format!("> PUBCOMP #{identifier}")]);
    }
    87_380
}

/// MQTT-4.5.0-2: also without any subscription, the Client acknowledges.
fn unwanted_messages_are_acknowledged() {
    let mut driver = Driver::<Client>::connected();
    let said = driver.feed(&make::publish(1, 1, "never/subscribed", ""));
    assert_eq!(said.last().unwrap(), "> PUBACK #1");
    // Not processed: the application drops the event without reading it.
    let mut input = &make::publish(2, 2, "x", "y")[..];
    let now = driver.now;
    drop(driver.machine.receive(now, &mut input));
    assert_eq!(driver.settle(), ["> PUBREC #2"]);
}
