//! Sending again on a new Network Connection (sections 3.3.1.1, 4.4, 4.6; table T11).

use mqtt5_codec::{Delivery, Packet, PubRel, Publish, Qos, ReasonCode};

use super::driver::{Driver, Keeper, Report, Seen};
use super::make::{
    Hello, config, id, manual, puback, pubcomp, publication, publish, publish_1, publish_2, pubrec,
    pubrel, topic,
};
use crate::check::Outcome;

super::listed! { "retransmission":
    Domain each_state_is_resumed_as_it_should_be,
    Example the_original_order_is_kept,
    Example the_order_is_kept_when_identifiers_wrap,
    Example dup_is_for_what_was_sent_before,
    Example acknowledged_messages_are_not_sent_again,
    Example every_new_connection_sends_again,
    Example the_original_exchange_goes_on,
    Domain the_receiver_does_nothing_by_itself,
    Example a_decision_outlives_the_connection,
    Example dup_of_the_client_is_not_copied,
}

fn resume(keeper: Keeper) -> (Driver, Report) {
    Driver::resumed(
        keeper.now,
        config(),
        &Hello::lasting(),
        Some(keeper.session),
    )
}

fn again(qos: Qos, number: u16, payload: &[u8]) -> Packet<'_> {
    Publish {
        delivery: Delivery::new(qos, id(number), true),
        ..Publish::new(topic("t"), payload)
    }
    .into()
}

fn released(number: u16) -> Packet<'static> {
    PubRel::new(id(number), ReasonCode::Success).into()
}

/// [MQTT-4.4.0-1], [MQTT-3.3.1-1], [MQTT-4.3.3-6]: PUBLISH with DUP 1, or PUBREL, with the same identifier.
fn each_state_is_resumed_as_it_should_be() -> Outcome {
    for (qos, acknowledged) in [
        (Qos::AtLeastOnce, false),
        (Qos::ExactlyOnce, false),
        (Qos::ExactlyOnce, true),
    ] {
        for connections in 1..4 {
            let mut driver = Driver::connected(config(), &Hello::lasting());
            driver.publish(publication(qos, b"x")).expect("room");
            if acknowledged {
                driver.send(&pubrec(1, ReasonCode::Success));
            }
            for _ in 0..connections {
                let (keeper, report) = driver.part();
                assert!(report.wire.is_empty());
                let (next, report) = resume(keeper);
                let expected = if acknowledged {
                    released(1)
                } else {
                    again(qos, 1, b"x")
                };
                assert_eq!(report.packets()[1..], [expected]);
                driver = next;
                assert!(driver.wait(1 << 40).is_empty());
            }
        }
    }
    Ok(9)
}

/// [MQTT-4.6.0-5], section 4.6: PUBLISH in the order in which they were first sent, PUBREL in the order of the
/// PUBRECs.
fn the_original_order_is_kept() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    for number in 1..=6_u8 {
        let qos = if number % 2 == 0 {
            Qos::AtLeastOnce
        } else {
            Qos::ExactlyOnce
        };
        driver.publish(publication(qos, &[number])).expect("room");
    }
    driver.send(&pubrec(5, ReasonCode::Success));
    driver.send(&pubrec(1, ReasonCode::Success));
    driver.send(&puback(4, ReasonCode::Success));
    let (_, report) = resume(driver.part().0);
    let packets = report.packets();
    let is_publish = |packet: &&Packet<'_>| matches!(packet, Packet::Publish(_));
    let publishes: Vec<_> = packets.iter().filter(is_publish).copied().collect();
    assert_eq!(
        publishes,
        [
            again(Qos::AtLeastOnce, 2, &[2]),
            again(Qos::ExactlyOnce, 3, &[3]),
            again(Qos::AtLeastOnce, 6, &[6])
        ]
    );
    let is_pubrel = |packet: &&Packet<'_>| matches!(packet, Packet::PubRel(_));
    let pubrels: Vec<_> = packets.iter().filter(is_pubrel).copied().collect();
    assert_eq!(pubrels, [released(5), released(1)]);
    Ok(5)
}

/// The same when the identifiers have begun anew.
fn the_order_is_kept_when_identifiers_wrap() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    let mut expected = Vec::new();
    for number in 0..65_540_u32 {
        let payload = number.to_be_bytes();
        let (_, report) = driver
            .publish(publication(Qos::AtLeastOnce, &payload))
            .expect("room");
        let identifier = report.packet().packet_identifier().expect("QoS 1").get();
        if number < 65_530 {
            driver.send(&puback(identifier, ReasonCode::Success));
        } else {
            expected.push(payload.to_vec());
        }
    }
    let (_, report) = resume(driver.part().0);
    let payloads: Vec<Vec<u8>> = report.packets()[1..]
        .iter()
        .map(|packet| match packet {
            Packet::Publish(publish) => publish.payload.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(payloads, expected);
    Ok(10)
}

/// [MQTT-3.3.1-1]: a message that only waited has DUP 0, and comes after those that are sent again.
fn dup_is_for_what_was_sent_before() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    driver
        .publish(publication(Qos::AtLeastOnce, b"1"))
        .expect("room");
    let (mut keeper, _) = driver.part();
    for qos in super::make::QOS {
        keeper
            .session
            .publish(keeper.now, publication(qos, b"2"))
            .expect("room");
        keeper.pump();
    }
    let (_, report) = resume(keeper);
    let packets = report.packets();
    assert_eq!(packets.len(), 5);
    let mut acknowledged = Vec::new();
    for packet in &packets[1..] {
        let Packet::Publish(publish) = packet else {
            return Err(format!("{packet:?}"));
        };
        assert_eq!(publish.delivery.duplicate(), publish.payload == b"1");
        if publish.delivery.qos() != Qos::AtMostOnce {
            acknowledged.push(publish.payload);
        }
    }
    assert_eq!(acknowledged, [b"1", b"2", b"2"]);
    Ok(4)
}

/// [MQTT-4.4.0-2]: neither what was accepted nor what was refused.
fn acknowledged_messages_are_not_sent_again() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    for number in 1..=4_u8 {
        let qos = if number <= 2 {
            Qos::AtLeastOnce
        } else {
            Qos::ExactlyOnce
        };
        driver.publish(publication(qos, &[number])).expect("room");
    }
    driver.send(&puback(1, ReasonCode::Success));
    driver.send(&puback(2, ReasonCode::NotAuthorized));
    driver.send(&pubrec(3, ReasonCode::QuotaExceeded));
    driver.send(&pubrec(4, ReasonCode::Success));
    driver.send(&pubcomp(4, ReasonCode::Success));
    let (_, report) = resume(driver.part().0);
    assert_eq!(report.packets().len(), 1);
    Ok(4)
}

/// [MQTT-4.4.0-1]: also if the connection before ended while sending again.
fn every_new_connection_sends_again() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    for number in 1..=3_u8 {
        driver
            .publish(publication(Qos::AtLeastOnce, &[number]))
            .expect("room");
    }
    let mut expected = vec![1, 2, 3];
    while !expected.is_empty() {
        let (keeper, _) = driver.part();
        let (mut next, report) = resume(keeper);
        let found: Vec<u16> = report.packets()[1..]
            .iter()
            .map(|packet| packet.packet_identifier().expect("QoS 1").get())
            .collect();
        assert_eq!(found, expected);
        let last = expected.pop().expect("not empty");
        next.send(&puback(last, ReasonCode::Success));
        driver = next;
    }
    Ok(3)
}

/// [MQTT-2.2.1-5]: the answers to what was sent again end the exchange, with the token of its beginning.
fn the_original_exchange_goes_on() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    let (token, _) = driver
        .publish(publication(Qos::ExactlyOnce, b"x"))
        .expect("room");
    let (mut driver, _) = resume(driver.part().0);
    assert_eq!(
        driver.send(&pubrec(1, ReasonCode::Success)).packet(),
        released(1)
    );
    let (mut driver, report) = resume(driver.part().0);
    assert_eq!(report.packets()[1..], [released(1)]);
    let code = ReasonCode::PacketIdentifierNotFound;
    let report = driver.send(&pubcomp(1, code));
    assert_eq!(report.log, [Seen::Outcome(token, "PUBCOMP", Some(code))]);
    Ok(1)
}

/// T10.4, [MQTT-4.4.0-1]: only PUBLISH and PUBREL are sent again; PUBREC waits for the PUBLISH or PUBREL.
fn the_receiver_does_nothing_by_itself() -> Outcome {
    for first in [publish_1(3), publish_2(3)] {
        let mut driver = Driver::connected(config(), &Hello::lasting());
        driver.send(&first);
        let (mut driver, report) = resume(driver.part().0);
        assert_eq!(report.packets().len(), 1);
        let is_new = first == publish_1(3);
        let qos = if is_new {
            Qos::AtLeastOnce
        } else {
            Qos::ExactlyOnce
        };
        let report = driver.send(&publish(qos, 3, true, b"x"));
        assert_eq!(report.payloads().len(), usize::from(is_new));
        assert_eq!(report.packets().len(), 1);
    }
    Ok(2)
}

/// [MQTT-4.3.3-10], [MQTT-4.3.2-5]: a QoS 2 message that waits for the application is not delivered again; a
/// QoS 1 message is, and its old receipt is void.
fn a_decision_outlives_the_connection() -> Outcome {
    let mut driver = Driver::connected(manual(), &Hello::lasting());
    let one = driver.send(&publish_1(1)).receipt();
    let two = driver.send(&publish_2(2)).receipt();
    let (keeper, _) = driver.part();
    let (mut driver, report) = Driver::resumed(
        keeper.now,
        manual(),
        &Hello::lasting(),
        Some(keeper.session),
    );
    assert_eq!(report.packets().len(), 1);
    assert!(
        driver
            .acknowledge_with(one, ReasonCode::Success, &[])
            .is_err()
    );
    let report = driver.send(&publish(Qos::AtLeastOnce, 1, true, b"one"));
    assert_eq!(report.payloads(), [b"one"]);
    driver
        .server
        .acknowledge(report.receipt())
        .expect("a new message");
    driver.pump();
    assert!(
        driver
            .send(&publish(Qos::ExactlyOnce, 2, true, b"two"))
            .payloads()
            .is_empty()
    );
    driver
        .server
        .acknowledge(two)
        .expect("not yet acknowledged");
    let report = driver.pump();
    assert!(
        matches!(report.packets()[..], [Packet::PubRec(_)]),
        "{report:?}"
    );
    let report = driver.send(&pubrel(2, ReasonCode::Success));
    assert!(matches!(report.packet(), Packet::PubComp(_)));
    Ok(2)
}

/// [MQTT-3.3.1-3]: DUP of an incoming PUBLISH says nothing about the outgoing one.
fn dup_of_the_client_is_not_copied() -> Outcome {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let bytes = publish(qos, 1, true, b"x");
        let Ok(Packet::Publish(received)) = Packet::decode(&bytes) else {
            return Err("no PUBLISH".to_owned());
        };
        let message = mqtt5_codec::Message::new(&received).expect("a good message");
        let mut driver = Driver::connected(config(), &Hello::lasting());
        let publication = mqtt5_session_fsm::Publication::new(qos, message);
        let (_, report) = driver.publish(publication).expect("room");
        let Packet::Publish(sent) = report.packet() else {
            return Err("no PUBLISH".to_owned());
        };
        assert!(!sent.delivery.duplicate());
    }
    Ok(2)
}
