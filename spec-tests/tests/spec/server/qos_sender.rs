//! The Server sends messages (sections 2.2.1, 4.3; sender table of T10.4).

use std::collections::BTreeSet;

use mqtt5_codec::{Delivery, Packet, PacketType, Property, PubRel, Publish, Qos, ReasonCode, Role};
use mqtt5_session_fsm::table::SenderState;
use mqtt5_session_fsm::{Cause, PeerError, Publication, SessionViolation, Token};

use super::driver::{Driver, Seen};
use super::make::{
    Hello, config, id, message, puback, pubcomp, publication, pubrec, subscribe, topic,
};
use crate::check::Outcome;

super::listed! { "qos_sender":
    Domain a_new_message_has_an_identifier_and_no_dup,
    Domain every_reason_code_of_a_puback,
    Domain every_reason_code_of_a_pubrec,
    Domain every_reason_code_of_a_pubcomp,
    Domain every_identifier_is_used_once,
    Example an_identifier_is_free_when_its_exchange_is_over,
    Domain an_acknowledgement_of_the_wrong_kind,
    Domain an_acknowledgement_of_what_is_unknown,
    Example pubrec_again_has_its_pubrel_again,
    Domain a_refusal_after_the_pubrel_ends_the_exchange,
    Example nothing_is_repeated_within_a_connection,
    Example a_message_of_qos_2_that_was_sent_does_not_expire,
    Domain exchanges_end_in_any_order,
    Example messages_go_out_as_they_were_given,
}

fn open() -> Driver {
    Driver::connected(config(), &Hello::lasting())
}

/// In flight under identifier 1, from a connection of its own; at QoS 2 perhaps released.
fn in_flight(qos: Qos, released: bool) -> (Driver, Token) {
    let mut driver = open();
    let (token, report) = driver.publish(publication(qos, b"x")).expect("room");
    assert_eq!(report.packet().packet_identifier(), Some(id(1)));
    if released {
        let report = driver.send(&pubrec(1, ReasonCode::Success));
        assert_eq!(report.packet(), pubrel(1, ReasonCode::Success));
    }
    (driver, token)
}

fn pubrel(number: u16, code: ReasonCode) -> Packet<'static> {
    PubRel::new(id(number), code).into()
}

fn state(driver: &Driver, number: u16) -> SenderState {
    driver
        .server
        .session()
        .expect("connected")
        .sender_state(id(number))
}

/// [MQTT-4.3.1-1], [MQTT-4.3.2-1], [MQTT-4.3.2-2], [MQTT-4.3.3-1], [MQTT-4.3.3-2], [MQTT-2.2.1-4].
fn a_new_message_has_an_identifier_and_no_dup() -> Outcome {
    for (qos, expected) in [
        (Qos::AtMostOnce, SenderState::Free),
        (Qos::AtLeastOnce, SenderState::WaitPubAck),
        (Qos::ExactlyOnce, SenderState::WaitPubRec),
    ] {
        let mut driver = open();
        let (token, report) = driver.publish(publication(qos, b"x")).expect("room");
        let expected_packet = Publish {
            delivery: Delivery::new(qos, id(1), false),
            ..Publish::new(topic("t"), b"x")
        };
        assert_eq!(report.packet(), expected_packet.into());
        assert_eq!(state(&driver, 1), expected);
        let sent = Seen::Outcome(token, "sent", None);
        assert_eq!(report.saw(&sent), qos == Qos::AtMostOnce);
    }
    Ok(3)
}

/// [MQTT-4.4.0-2], section 4.3.2: any code of Table 3-4 that a Client may send ends the exchange.
fn every_reason_code_of_a_puback() -> Outcome {
    for &code in ReasonCode::ALL {
        if !code.allowed_in(PacketType::PubAck) {
            continue;
        }
        let (mut driver, token) = in_flight(Qos::AtLeastOnce, false);
        let report = driver.send(&puback(1, code));
        if code.allowed_from(PacketType::PubAck, Role::Client) {
            assert_eq!(report.log, [Seen::Outcome(token, "PUBACK", Some(code))]);
            assert_eq!(state(&driver, 1), SenderState::Free);
            let (keeper, _) = driver.part();
            assert_eq!(keeper.session.in_flight(), 0);
        } else {
            assert_eq!(
                report.last_word(),
                Some(ReasonCode::ProtocolError),
                "{code}"
            );
        }
    }
    Ok(9)
}

/// [MQTT-4.3.3-4], [MQTT-4.4.0-2]: below 0x80 PUBREL with the same identifier; else the end.
fn every_reason_code_of_a_pubrec() -> Outcome {
    for &code in ReasonCode::ALL {
        if !code.allowed_in(PacketType::PubRec) {
            continue;
        }
        let (mut driver, token) = in_flight(Qos::ExactlyOnce, false);
        let report = driver.send(&pubrec(1, code));
        if !code.allowed_from(PacketType::PubRec, Role::Client) {
            assert_eq!(
                report.last_word(),
                Some(ReasonCode::ProtocolError),
                "{code}"
            );
        } else if code.is_error() {
            assert_eq!(report.log, [Seen::Outcome(token, "PUBREC", Some(code))]);
            assert_eq!(state(&driver, 1), SenderState::Free);
        } else {
            assert_eq!(report.packet(), pubrel(1, ReasonCode::Success));
            assert!(report.events().is_empty());
            assert_eq!(state(&driver, 1), SenderState::WaitPubComp);
        }
    }
    Ok(9)
}

/// Section 4.3.3: PUBCOMP with any code ends the exchange.
fn every_reason_code_of_a_pubcomp() -> Outcome {
    for code in [ReasonCode::Success, ReasonCode::PacketIdentifierNotFound] {
        let (mut driver, token) = in_flight(Qos::ExactlyOnce, true);
        let report = driver.send(&pubcomp(1, code));
        assert_eq!(report.log, [Seen::Outcome(token, "PUBCOMP", Some(code))]);
        assert_eq!(state(&driver, 1), SenderState::Free);
    }
    Ok(2)
}

/// [MQTT-2.2.1-4]: 65,535 messages in flight have all identifiers but 0; the next one waits.
fn every_identifier_is_used_once() -> Outcome {
    let mut driver = open();
    let mut used = BTreeSet::new();
    let mut last = 0;
    for number in 0..u16::MAX {
        let qos = if number % 2 == 0 {
            Qos::AtLeastOnce
        } else {
            Qos::ExactlyOnce
        };
        let (_, report) = driver.publish(publication(qos, b"x")).expect("room");
        let identifier = report.packet().packet_identifier().expect("QoS 1 or 2");
        assert!(used.insert(identifier), "{identifier} is used twice");
        if qos == Qos::AtLeastOnce && number < 40_000 {
            last = identifier.get();
        }
    }
    let (_, report) = driver
        .publish(publication(Qos::AtLeastOnce, b"x"))
        .expect("room");
    assert!(report.wire.is_empty());
    let report = driver.send(&puback(last, ReasonCode::Success));
    assert_eq!(report.packet().packet_identifier(), Some(id(last)));
    Ok(65_535)
}

/// [MQTT-2.2.1-4]: PUBACK, refusing PUBREC and PUBCOMP free the identifier; PUBREC does not.
fn an_identifier_is_free_when_its_exchange_is_over() -> Outcome {
    let mut driver = open();
    let mut used = BTreeSet::new();
    // More messages than there are identifiers.
    for number in 0..70_000_u32 {
        let qos = if number % 3 == 0 {
            Qos::AtLeastOnce
        } else {
            Qos::ExactlyOnce
        };
        let (_, report) = driver.publish(publication(qos, b"x")).expect("room");
        let identifier = report
            .packet()
            .packet_identifier()
            .expect("QoS 1 or 2")
            .get();
        assert!(used.insert(identifier), "{identifier} is in use");
        match number % 6 {
            0 => driver.send(&puback(identifier, ReasonCode::Success)),
            1 => driver.send(&pubrec(identifier, ReasonCode::QuotaExceeded)),
            2 => {
                driver.send(&pubrec(identifier, ReasonCode::Success));
                driver.send(&pubcomp(identifier, ReasonCode::Success))
            }
            4 if used.len() < 300 => {
                driver.send(&pubrec(identifier, ReasonCode::Success));
                continue;
            }
            5 if used.len() < 300 => continue,
            3 => driver.send(&puback(identifier, ReasonCode::NotAuthorized)),
            _ => driver.send(&pubrec(identifier, ReasonCode::UnspecifiedError)),
        };
        used.remove(&identifier);
    }
    assert_eq!(
        usize::from(driver.server.session().expect("connected").in_flight()),
        used.len()
    );
    Ok(70_000)
}

/// Section 4.3 (reading of T19.4): a Protocol Error; the message stays in flight.
fn an_acknowledgement_of_the_wrong_kind() -> Outcome {
    let success = ReasonCode::Success;
    let cases = [
        (Qos::AtLeastOnce, false, pubrec(1, success)),
        (
            Qos::AtLeastOnce,
            false,
            pubrec(1, ReasonCode::QuotaExceeded),
        ),
        (Qos::AtLeastOnce, false, pubcomp(1, success)),
        (Qos::ExactlyOnce, false, puback(1, success)),
        (Qos::ExactlyOnce, false, pubcomp(1, success)),
        (Qos::ExactlyOnce, true, puback(1, success)),
    ];
    for (qos, released, bytes) in &cases {
        let (mut driver, _) = in_flight(*qos, *released);
        let report = driver.send(bytes);
        assert_eq!(
            report.last_word(),
            Some(ReasonCode::ProtocolError),
            "{bytes:?}"
        );
        let violation = PeerError::Session(SessionViolation::WrongAcknowledgement);
        assert_eq!(report.events(), [Seen::Close(Cause::PeerError(violation))]);
        assert_eq!(driver.part().0.session.in_flight(), 1);
    }
    Ok(cases.len() as u64)
}

/// Tables 3-6, 3-7 (reading of T19.4): PUBREC has PUBREL 0x92; the others do no harm.
fn an_acknowledgement_of_what_is_unknown() -> Outcome {
    let mut tried = 0;
    for &code in ReasonCode::ALL {
        let (mut driver, token) = in_flight(Qos::AtLeastOnce, false);
        for number in [2, u16::MAX] {
            if code.allowed_from(PacketType::PubAck, Role::Client) {
                let report = driver.send(&puback(number, code));
                assert_eq!(report.log, [Seen::Unknown(PacketType::PubAck, number)]);
                let report = driver.send(&pubrec(number, code));
                if code.is_error() {
                    assert!(report.wire.is_empty(), "{code}");
                } else {
                    let expected = pubrel(number, ReasonCode::PacketIdentifierNotFound);
                    assert_eq!(report.packet(), expected);
                }
                assert_eq!(report.close(), None);
                tried += 2;
            }
            if code.allowed_from(PacketType::PubComp, Role::Client) {
                let report = driver.send(&pubcomp(number, code));
                assert_eq!(report.log, [Seen::Unknown(PacketType::PubComp, number)]);
                tried += 1;
            }
        }
        let report = driver.send(&puback(1, ReasonCode::Success));
        let expected = Seen::Outcome(token, "PUBACK", Some(ReasonCode::Success));
        assert_eq!(report.log, [expected]);
    }
    Ok(tried)
}

/// T10.4: PUBREC below 0x80 while PUBCOMP is awaited.
fn pubrec_again_has_its_pubrel_again() -> Outcome {
    let (mut driver, token) = in_flight(Qos::ExactlyOnce, true);
    for _ in 0..3 {
        let report = driver.send(&pubrec(1, ReasonCode::Success));
        assert_eq!(report.packet(), pubrel(1, ReasonCode::Success));
    }
    let report = driver.send(&pubcomp(1, ReasonCode::Success));
    let expected = Seen::Outcome(token, "PUBCOMP", Some(ReasonCode::Success));
    assert_eq!(report.log, [expected]);
    Ok(3)
}

/// T19.4: PUBREC of 0x80 or above after the PUBREL.
fn a_refusal_after_the_pubrel_ends_the_exchange() -> Outcome {
    let mut tried = 0;
    for &code in ReasonCode::ALL {
        if code.is_error() && code.allowed_from(PacketType::PubRec, Role::Client) {
            let (mut driver, _) = in_flight(Qos::ExactlyOnce, true);
            let report = driver.send(&pubrec(1, code));
            assert!(report.wire.is_empty() && report.close().is_none(), "{code}");
            assert_eq!(report.events().len(), 1);
            assert_eq!(state(&driver, 1), SenderState::Free);
            tried += 1;
        }
    }
    Ok(tried)
}

/// [MQTT-4.4.0-1], [MQTT-4.3.2-3], [MQTT-4.3.3-3], [MQTT-4.3.3-5]: no timer sends anything again, and all
/// stays unacknowledged.
fn nothing_is_repeated_within_a_connection() -> Outcome {
    let mut driver = open();
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::ExactlyOnce] {
        driver.publish(publication(qos, b"x")).expect("room");
    }
    driver.send(&pubrec(3, ReasonCode::Success));
    for number in 1..=100 {
        assert!(driver.wait(1 << 30).is_empty());
        let report = driver.send(super::make::PINGREQ);
        assert_eq!(report.packet(), Packet::PingResp);
        assert!(driver.send(&subscribe(number, &["a"])).wire.is_empty());
        driver.send(&puback(9, ReasonCode::Success));
    }
    assert_eq!(state(&driver, 1), SenderState::WaitPubAck);
    assert_eq!(state(&driver, 2), SenderState::WaitPubRec);
    assert_eq!(state(&driver, 3), SenderState::WaitPubComp);
    Ok(100)
}

/// [MQTT-4.3.3-7]: once its PUBLISH was sent, in this connection and the next.
fn a_message_of_qos_2_that_was_sent_does_not_expire() -> Outcome {
    let expiring = [Property::MessageExpiryInterval(2)];
    let mut driver = open();
    let message = message("t", b"x", &expiring);
    driver
        .publish(Publication::new(Qos::ExactlyOnce, message))
        .expect("room");
    assert!(driver.wait(10_000).is_empty());
    let (mut keeper, _) = driver.part();
    assert!(keeper.wait(10_000).is_empty());
    let (_, report) = Driver::resumed(keeper.now, config(), &Hello::new(), Some(keeper.session));
    let Packet::Publish(again) = report.packets()[1] else {
        return Err("not sent again".to_owned());
    };
    assert!(again.delivery.duplicate());
    Ok(1)
}

/// Section 4.3: each message has its own exchange; all orders of three acknowledgements.
fn exchanges_end_in_any_order() -> Outcome {
    let orders = [
        [1, 2, 3],
        [1, 3, 2],
        [2, 1, 3],
        [2, 3, 1],
        [3, 1, 2],
        [3, 2, 1],
    ];
    for order in orders {
        let mut driver = open();
        let tokens: Vec<Token> = (0..3)
            .map(|_| {
                driver
                    .publish(publication(Qos::AtLeastOnce, b"x"))
                    .expect("room")
                    .0
            })
            .collect();
        for number in order {
            let report = driver.send(&puback(number, ReasonCode::Success));
            let token = tokens[usize::from(number) - 1];
            let expected = Seen::Outcome(token, "PUBACK", Some(ReasonCode::Success));
            assert_eq!(report.log, [expected]);
        }
    }
    Ok(6)
}

/// [MQTT-4.6.0-5], section 3.3.2.3: in their order, with RETAIN and all properties.
fn messages_go_out_as_they_were_given() -> Outcome {
    let mut driver = open();
    for number in 0..100_u8 {
        let qos = super::make::QOS[usize::from(number % 3)];
        driver
            .server
            .publish(driver.now, publication(qos, &[number]))
            .expect("room");
    }
    let report = driver.pump();
    let mut last = [None; 3];
    for packet in report.packets() {
        let Packet::Publish(publish) = packet else {
            return Err(format!("{packet:?}"));
        };
        let qos = publish.delivery.qos() as usize;
        assert!(last[qos] < Some(publish.payload[0]), "{packet:?}");
        last[qos] = Some(publish.payload[0]);
    }
    assert_eq!(report.packets().len(), 100);
    Ok(100)
}
