//! The Server receives messages (sections 3.3.4, 4.3; receiver table of T10.4).

use mqtt5_codec::{Packet, PacketType, Property, PubAck, PubComp, PubRec, Qos, ReasonCode, Role};
use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::table::ReceiverState;

use super::driver::{Driver, Report, Seen, explanation};
use super::make::{
    Hello, PINGREQ, QOS, config, id, manual, publish, publish_1, publish_2, publish_with, pubrel,
    subscribe, unsubscribe,
};
use crate::check::Outcome;

super::listed! { "qos_receiver":
    Domain the_answer_is_that_of_the_qos,
    Domain every_identifier_is_repeated,
    Example qos_1_frees_the_identifier_at_once,
    Domain qos_2_is_delivered_once,
    Example qos_2_frees_the_identifier_with_pubcomp,
    Domain a_refusal_of_qos_2_frees_the_identifier,
    Domain a_refusal_of_qos_1_is_a_puback,
    Domain pubrel_of_what_is_unknown,
    Domain an_identifier_of_another_exchange_is_in_use,
    Example the_application_decides_when,
    Domain explanations_are_sent,
    Example expired_messages_are_acknowledged_all_the_same,
    Example exchanges_do_not_mix,
    Domain a_receipt_is_good_once,
    Domain a_receipt_ends_with_its_session,
    Domain an_identifier_is_free_when_its_exchange_is_over,
}

fn open() -> Driver {
    Driver::connected(config(), &Hello::lasting())
}

fn puback(number: u16, code: ReasonCode) -> Packet<'static> {
    PubAck::new(id(number), code).into()
}

fn pubrec(number: u16, code: ReasonCode) -> Packet<'static> {
    PubRec::new(id(number), code).into()
}

fn pubcomp(number: u16, code: ReasonCode) -> Packet<'static> {
    PubComp::new(id(number), code).into()
}

/// [MQTT-3.3.4-1], [MQTT-4.3.2-4], [MQTT-4.3.3-8]: nothing, PUBACK, PUBREC; DUP or not.
fn the_answer_is_that_of_the_qos() -> Outcome {
    for qos in QOS {
        for duplicate in [false, true] {
            if duplicate && qos == Qos::AtMostOnce {
                continue;
            }
            let report = open().send(&publish(qos, 3, duplicate, b"x"));
            assert_eq!(report.events().len(), 1);
            assert!(report.saw(&Seen::Message(
                qos as u8,
                "t".to_owned(),
                b"x".to_vec(),
                None
            )));
            let expected = match qos {
                Qos::AtMostOnce => vec![],
                Qos::AtLeastOnce => vec![puback(3, ReasonCode::Success)],
                Qos::ExactlyOnce => vec![pubrec(3, ReasonCode::Success)],
            };
            assert_eq!(report.packets(), expected);
            let log = &report.log;
            assert!(
                matches!(log[0], Seen::Message(..)),
                "ownership comes first: {log:?}"
            );
        }
    }
    Ok(5)
}

/// [MQTT-2.2.1-5], [MQTT-4.3.3-11]: all 65,535 identifiers, the whole exchange.
fn every_identifier_is_repeated() -> Outcome {
    let mut driver = open();
    for number in 1..=u16::MAX {
        let success = ReasonCode::Success;
        assert_eq!(
            driver.send(&publish_1(number)).packet(),
            puback(number, success)
        );
        assert_eq!(
            driver.send(&publish_2(number)).packet(),
            pubrec(number, success)
        );
        // Known by now: it is not delivered again.
        let again = driver.send(&publish_2(number));
        assert_eq!(again.packet(), pubrec(number, success));
        assert!(again.events().is_empty(), "{number}: {again:?}");
        let report = driver.send(&pubrel(number, success));
        assert_eq!(report.packet(), pubcomp(number, success));
    }
    Ok(65_535)
}

/// [MQTT-4.3.2-5]: after the PUBACK a PUBLISH with the same identifier is a new message, whatever DUP says.
fn qos_1_frees_the_identifier_at_once() -> Outcome {
    let mut driver = open();
    for duplicate in [false, true, true, false] {
        let report = driver.send(&publish(Qos::AtLeastOnce, 3, duplicate, b"x"));
        assert_eq!(report.payloads(), [b"x"]);
        assert_eq!(report.packet(), puback(3, ReasonCode::Success));
    }
    Ok(4)
}

/// [MQTT-4.3.3-10]: until the PUBREL each repetition has its PUBREC, and no delivery.
fn qos_2_is_delivered_once() -> Outcome {
    for duplicate in [false, true] {
        let mut driver = open();
        assert_eq!(driver.send(&publish_2(3)).payloads().len(), 1);
        for _ in 0..3 {
            let report = driver.send(&publish(Qos::ExactlyOnce, 3, duplicate, b"two"));
            assert!(report.payloads().is_empty());
            assert_eq!(report.packet(), pubrec(3, ReasonCode::Success));
        }
        let session = driver.server.session().expect("connected");
        assert_eq!(session.receiver_state(id(3)), ReceiverState::WaitPubRel);
    }
    Ok(6)
}

/// [MQTT-4.3.3-11], [MQTT-4.3.3-12]: PUBCOMP, and the identifier is free.
fn qos_2_frees_the_identifier_with_pubcomp() -> Outcome {
    for code in [ReasonCode::Success, ReasonCode::PacketIdentifierNotFound] {
        let mut driver = open();
        for duplicate in [false, true] {
            let report = driver.send(&publish(Qos::ExactlyOnce, 3, duplicate, b"x"));
            assert_eq!(report.payloads(), [b"x"]);
            let report = driver.send(&pubrel(3, code));
            assert_eq!(report.packet(), pubcomp(3, ReasonCode::Success));
        }
    }
    Ok(4)
}

fn refuse(qos: Qos, code: ReasonCode) -> (Driver, Result<Report, SendError>) {
    let mut driver = Driver::connected(manual(), &Hello::lasting());
    let report = driver.send(&publish(qos, 3, false, b"x"));
    assert!(report.wire.is_empty() && report.payloads() == [b"x"]);
    let result = driver.acknowledge_with(report.receipt(), code, &[]);
    (driver, result)
}

/// [MQTT-4.3.3-9], Table 3-5: every Reason Code; 0x80 and above free the identifier.
fn a_refusal_of_qos_2_frees_the_identifier() -> Outcome {
    for &code in ReasonCode::ALL {
        let (mut driver, result) = refuse(Qos::ExactlyOnce, code);
        if !code.allowed_from(PacketType::PubRec, Role::Server) {
            assert!(matches!(result, Err(SendError::Invalid(_))), "{code}");
            continue;
        }
        assert_eq!(result.expect("allowed").packet(), pubrec(3, code));
        let again = driver.send(&publish(Qos::ExactlyOnce, 3, true, b"x"));
        if code.is_error() {
            assert_eq!(again.payloads(), [b"x"], "{code}");
            assert!(again.wire.is_empty(), "the application decides anew");
        } else {
            assert!(again.payloads().is_empty(), "{code}");
            assert!(matches!(again.packet(), Packet::PubRec(_)));
        }
    }
    Ok(ReasonCode::ALL.len() as u64)
}

/// Table 3-4, [MQTT-4.3.2-5]: every Reason Code; any of them frees the identifier.
fn a_refusal_of_qos_1_is_a_puback() -> Outcome {
    for &code in ReasonCode::ALL {
        let (mut driver, result) = refuse(Qos::AtLeastOnce, code);
        if !code.allowed_from(PacketType::PubAck, Role::Server) {
            assert!(matches!(result, Err(SendError::Invalid(_))), "{code}");
            continue;
        }
        assert_eq!(result.expect("allowed").packet(), puback(3, code));
        assert_eq!(driver.send(&publish_1(3)).payloads(), [b"one"]);
    }
    Ok(ReasonCode::ALL.len() as u64)
}

/// Table 3-7: PUBCOMP 0x92, with any Reason Code in the PUBREL, and nothing else happens.
fn pubrel_of_what_is_unknown() -> Outcome {
    let mut driver = open();
    driver.send(&publish_1(5));
    for number in [1, 5, 255, 256, u16::MAX] {
        for code in [ReasonCode::Success, ReasonCode::PacketIdentifierNotFound] {
            let report = driver.send(&pubrel(number, code));
            let expected = pubcomp(number, ReasonCode::PacketIdentifierNotFound);
            assert_eq!(report.packet(), expected);
            assert_eq!(report.close(), None);
        }
    }
    Ok(10)
}

/// Section 2.2.1, Tables 3-4, 3-5 (reading of T19.4): 0x91, no delivery, and the other exchange goes on.
fn an_identifier_of_another_exchange_is_in_use() -> Outcome {
    let mut driver = open();
    driver.send(&publish_2(3));
    let report = driver.send(&publish_1(3));
    assert_eq!(
        report.packet(),
        puback(3, ReasonCode::PacketIdentifierInUse)
    );
    assert!(report.payloads().is_empty());
    let report = driver.send(&pubrel(3, ReasonCode::Success));
    assert_eq!(report.packet(), pubcomp(3, ReasonCode::Success));

    let mut driver = Driver::connected(manual(), &Hello::lasting());
    let receipt = driver.send(&publish_1(3)).receipt();
    let report = driver.send(&publish_2(3));
    assert!(report.payloads().is_empty());
    driver
        .server
        .acknowledge(receipt)
        .expect("not yet acknowledged");
    let report = report.and(driver.pump());
    let mut packets = report.packets();
    packets.sort_by_key(|packet| packet.packet_type() as u8);
    assert_eq!(
        packets,
        [
            puback(3, ReasonCode::Success),
            pubrec(3, ReasonCode::PacketIdentifierInUse)
        ]
    );
    Ok(2)
}

/// [MQTT-4.3.2-4], [MQTT-4.3.3-8]: the acknowledgement follows the acceptance, and other packets do not wait.
fn the_application_decides_when() -> Outcome {
    for (qos, expected) in [
        (Qos::AtLeastOnce, puback(3, ReasonCode::Success)),
        (Qos::ExactlyOnce, pubrec(3, ReasonCode::Success)),
    ] {
        let mut driver = Driver::connected(manual(), &Hello::lasting());
        let report = driver.send(&publish(qos, 3, false, b"x"));
        assert!(report.wire.is_empty());
        assert_eq!(driver.send(PINGREQ).packet(), Packet::PingResp);
        assert!(driver.wait(1 << 40).is_empty());
        driver
            .server
            .acknowledge(report.receipt())
            .expect("not yet acknowledged");
        assert_eq!(driver.pump().packet(), expected);
    }
    let mut driver = Driver::connected(manual(), &Hello::lasting());
    let report = driver.send(&publish(Qos::AtMostOnce, 1, false, b"x"));
    assert!(report.saw(&Seen::Message(0, "t".to_owned(), b"x".to_vec(), None)));
    Ok(3)
}

/// Sections 3.4.2.2, 3.5.2.2: Reason String and User Properties of the application.
fn explanations_are_sent() -> Outcome {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut driver = Driver::connected(manual(), &Hello::lasting());
        let receipt = driver.send(&publish(qos, 3, false, b"x")).receipt();
        let report = driver.acknowledge_with(receipt, ReasonCode::QuotaExceeded, &explanation());
        let report = report.expect("good properties");
        let properties: Vec<_> = match report.packet() {
            Packet::PubAck(puback) => puback.properties.iter().collect(),
            Packet::PubRec(pubrec) => pubrec.properties.iter().collect(),
            other => return Err(format!("{other:?}")),
        };
        assert_eq!(properties, explanation());
    }
    Ok(2)
}

/// [MQTT-4.3.3-13]: the receiver goes on with PUBREC and PUBCOMP although the message has expired.
fn expired_messages_are_acknowledged_all_the_same() -> Outcome {
    // One that is over when it arrives, and one that ends later.
    for interval in [0, 1] {
        let expiring = [Property::MessageExpiryInterval(interval)];
        let mut driver = Driver::connected(manual(), &Hello::lasting());
        let sent = publish_with(Qos::ExactlyOnce, 3, false, b"x", &expiring);
        let receipt = driver.send(&sent).receipt();
        assert!(driver.wait(5_000).is_empty());
        driver
            .server
            .acknowledge(receipt)
            .expect("not yet acknowledged");
        assert_eq!(driver.pump().packet(), pubrec(3, ReasonCode::Success));
        assert!(driver.wait(5_000).is_empty());
        let report = driver.send(&pubrel(3, ReasonCode::Success));
        assert_eq!(report.packet(), pubcomp(3, ReasonCode::Success));
    }
    Ok(2)
}

/// Sections 2.2.1, 4.3: each identifier has its own exchange; the Server's identifiers are others.
fn exchanges_do_not_mix() -> Outcome {
    let mut driver = open();
    let sent = [publish_2(1), publish_2(2), publish_1(3), publish_2(4)].concat();
    let report = driver.send(&sent);
    let success = ReasonCode::Success;
    assert_eq!(
        report.packets(),
        [
            pubrec(1, success),
            pubrec(2, success),
            puback(3, success),
            pubrec(4, success)
        ]
    );
    let report = driver
        .publish(super::make::publication(Qos::ExactlyOnce, b"y"))
        .expect("room")
        .1;
    assert_eq!(report.packet().packet_identifier(), Some(id(1)));
    let report = driver.send(&[pubrel(4, success), pubrel(1, success)].concat());
    assert_eq!(report.packets(), [pubcomp(4, success), pubcomp(1, success)]);
    assert_eq!(driver.send(&publish_2(2)).payloads().len(), 0);
    assert_eq!(driver.send(&publish_2(1)).payloads().len(), 1);
    Ok(1)
}

/// One acknowledgement for each message: a receipt that was used is void.
fn a_receipt_is_good_once() -> Outcome {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for code in [ReasonCode::Success, ReasonCode::UnspecifiedError] {
            let mut driver = Driver::connected(manual(), &Hello::lasting());
            let receipt = driver.send(&publish(qos, 3, false, b"x")).receipt();
            driver
                .acknowledge_with(receipt, code, &[])
                .expect("not yet acknowledged");
            let again = driver.acknowledge_with(receipt, code, &[]);
            assert_eq!(again.map(|_| ()), Err(SendError::Stale));
            assert!(driver.pump().is_empty());
        }
    }
    Ok(4)
}

/// Section 4.1: the Session that ended has nothing to do with the next one. A late decision would mark an identifier of
/// that one as received.
fn a_receipt_ends_with_its_session() -> Outcome {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut driver = Driver::connected(manual(), &Hello::lasting());
        let receipt = driver.send(&publish(qos, 3, false, b"x")).receipt();
        let (keeper, _) = driver.part();
        let (mut next, _) = Driver::resumed(
            keeper.now,
            manual(),
            &Hello::lasting().clean(true),
            Some(keeper.session),
        );
        let late = next.acknowledge_with(receipt, ReasonCode::Success, &[]);
        assert_eq!(late.map(|_| ()), Err(SendError::Stale), "{qos:?}");
        assert_eq!(next.send(&publish(qos, 3, false, b"y")).payloads(), [b"y"]);
    }
    Ok(2)
}

/// Section 2.2.1: "available for reuse", by each kind of packet, however the exchange ended; and what comes then counts
/// against the Receive Maximum again (section 3.3.4).
fn an_identifier_is_free_when_its_exchange_is_over() -> Outcome {
    let mut judged = 0;
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for decision in [
            None,
            Some(ReasonCode::Success),
            Some(ReasonCode::QuotaExceeded),
        ] {
            let mut config = if decision.is_some() {
                manual()
            } else {
                config()
            };
            config.limits.receive_maximum = 1;
            let mut driver = Driver::connected(config, &Hello::lasting());
            let report = driver.send(&publish(qos, 3, false, b"x"));
            if let Some(code) = decision {
                let receipt = report.receipt();
                driver
                    .acknowledge_with(receipt, code, &[])
                    .expect("not yet decided");
            }
            if qos == Qos::ExactlyOnce && decision.is_none_or(|code| !code.is_error()) {
                driver.send(&pubrel(3, ReasonCode::Success));
            }
            let filters = vec!["f".to_owned()];
            let report = driver.clone().send(&subscribe(3, &["f"]));
            assert_eq!(report.events(), [Seen::Subscribe(3, filters.clone())]);
            let report = driver.clone().send(&unsubscribe(3, &["f"]));
            assert_eq!(report.events(), [Seen::Unsubscribe(3, filters)]);
            for next in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
                let mut driver = driver.clone();
                let report = driver.send(&publish(next, 3, false, b"next"));
                assert_eq!(report.payloads(), [b"next"], "{qos:?}, {decision:?}");
                let waits = decision.is_some() || next == Qos::ExactlyOnce;
                let report = driver.send(&publish_1(4));
                let refused = report.close().is_some();
                assert_eq!(refused, waits, "{qos:?}, {decision:?}, {next:?}");
                judged += 1;
            }
        }
    }
    Ok(judged)
}
