//! The Receive Maximum of the Client (sections 3.1.2.11.3, 3.3.4, 4.9; table T12).

use std::num::NonZeroU16;

use mqtt5_codec::{Packet, PacketType, Property, Qos, ReasonCode};
use mqtt5_session_fsm::{ServerConfig, SessionConfig};

use super::driver::{Driver, Report};
use super::make::{
    Hello, PINGREQ, config, puback, pubcomp, publication, publish_1, publish_2, pubrec, pubrel,
    subscribe,
};
use crate::check::Outcome;

super::listed! { "flow_control":
    Domain never_more_than_the_receive_maximum,
    Domain what_gives_the_quota_back,
    Example all_else_goes_on_without_quota,
    Domain the_quota_begins_anew_with_each_connection,
    Example messages_sent_again_use_the_quota,
    Example the_quota_does_not_grow,
    Example the_limit_of_the_host_counts_too,
}

fn receiving(maximum: u16) -> Hello {
    let maximum = NonZeroU16::new(maximum).expect("not 0");
    Hello::lasting().with(Property::ReceiveMaximum(maximum))
}

fn identifiers(report: &Report) -> Vec<u16> {
    report
        .packets()
        .iter()
        .filter_map(|packet| match packet {
            Packet::Publish(publish) => publish.delivery.packet_identifier(),
            _ => None,
        })
        .map(NonZeroU16::get)
        .collect()
}

/// [MQTT-3.3.4-9], [MQTT-4.9.0-1], [MQTT-4.9.0-2]: as many as the Client takes, and then none.
fn never_more_than_the_receive_maximum() -> Outcome {
    for maximum in [1, 2, 3, 10, 999] {
        let mut driver = Driver::connected(config(), &receiving(maximum));
        let mut open: Vec<(u16, Qos)> = Vec::new();
        let mut sent = 0;
        for number in 0..maximum + 500 {
            let qos = if number % 3 == 0 {
                Qos::AtLeastOnce
            } else {
                Qos::ExactlyOnce
            };
            let (_, report) = driver
                .publish(publication(qos, &number.to_be_bytes()))
                .expect("room");
            for identifier in identifiers(&report) {
                open.push((identifier, qos));
                sent += 1;
            }
            assert!(open.len() <= usize::from(maximum));
        }
        assert_eq!(sent, maximum);
        let (first, qos) = open[0];
        let mut report = match qos {
            Qos::AtLeastOnce => driver.send(&puback(first, ReasonCode::Success)),
            _ => driver.send(&pubrec(first, ReasonCode::QuotaExceeded)),
        };
        for _ in 0..499 {
            let found = identifiers(&report);
            assert_eq!(found.len(), 1, "{maximum}");
            report = match report.packet() {
                Packet::Publish(publish) if publish.delivery.qos() == Qos::AtLeastOnce => {
                    driver.send(&puback(found[0], ReasonCode::Success))
                }
                _ => driver.send(&pubrec(found[0], ReasonCode::QuotaExceeded)),
            };
        }
    }
    Ok(5)
}

/// Section 4.9: PUBACK, PUBCOMP and a refusing PUBREC; nothing else.
fn what_gives_the_quota_back() -> Outcome {
    let success = ReasonCode::Success;
    let cases: [(Qos, &[Vec<u8>], usize); 9] = [
        (Qos::AtLeastOnce, &[puback(1, success)], 1),
        (Qos::AtLeastOnce, &[puback(1, ReasonCode::NotAuthorized)], 1),
        (Qos::AtLeastOnce, &[puback(2, success)], 0),
        (Qos::ExactlyOnce, &[pubrec(1, success)], 0),
        (
            Qos::ExactlyOnce,
            &[pubrec(1, success), pubrec(1, success)],
            0,
        ),
        (
            Qos::ExactlyOnce,
            &[pubrec(1, success), pubcomp(1, success)],
            1,
        ),
        (
            Qos::ExactlyOnce,
            &[pubrec(1, ReasonCode::UnspecifiedError)],
            1,
        ),
        (
            Qos::ExactlyOnce,
            &[
                pubrec(1, success),
                pubcomp(1, ReasonCode::PacketIdentifierNotFound),
            ],
            1,
        ),
        (
            Qos::ExactlyOnce,
            &[pubrec(7, success), pubcomp(7, success)],
            0,
        ),
    ];
    for (number, (qos, answers, expected)) in cases.iter().enumerate() {
        let mut driver = Driver::connected(config(), &receiving(1));
        driver.publish(publication(*qos, b"1")).expect("room");
        driver
            .publish(publication(Qos::AtLeastOnce, b"2"))
            .expect("room");
        driver
            .publish(publication(Qos::AtLeastOnce, b"3"))
            .expect("room");
        let mut report = Report::default();
        for answer in *answers {
            report = report.and(driver.send(answer));
        }
        assert_eq!(identifiers(&report).len(), *expected, "case {number}");
    }
    Ok(cases.len() as u64)
}

/// [MQTT-3.3.4-10], [MQTT-4.9.0-3]: PINGRESP, SUBACK, PUBACK, PUBREC, PUBREL, PUBCOMP, PUBLISH of QoS 0.
fn all_else_goes_on_without_quota() -> Outcome {
    let mut driver = Driver::connected(config(), &receiving(1));
    driver
        .publish(publication(Qos::ExactlyOnce, b"1"))
        .expect("room");
    driver
        .publish(publication(Qos::AtLeastOnce, b"2"))
        .expect("room");
    let mut expect = |bytes: &[u8], expected| {
        assert_eq!(driver.send(bytes).packet().packet_type(), expected);
    };
    expect(PINGREQ, PacketType::PingResp);
    expect(&publish_1(1), PacketType::PubAck);
    expect(&publish_2(2), PacketType::PubRec);
    expect(&pubrel(2, ReasonCode::Success), PacketType::PubComp);
    expect(&pubrec(1, ReasonCode::Success), PacketType::PubRel);
    driver.send(&subscribe(3, &["a"]));
    driver
        .server
        .acknowledge_subscribe(
            driver.now,
            super::make::id(3),
            &[ReasonCode::GrantedQos1],
            &[],
        )
        .expect("it waits");
    assert_eq!(driver.pump().packet().packet_type(), PacketType::SubAck);
    let (_, report) = driver
        .publish(publication(Qos::AtMostOnce, b"0"))
        .expect("room");
    assert_eq!(report.packet().packet_type(), PacketType::Publish);
    let report = driver
        .disconnect(ReasonCode::ServerBusy, &[])
        .expect("connected");
    assert_eq!(report.packet().packet_type(), PacketType::Disconnect);
    Ok(8)
}

/// [MQTT-4.9.0-1]: Receive Maximum is not Session State: that of the new CONNECT counts.
fn the_quota_begins_anew_with_each_connection() -> Outcome {
    for (before, after) in [(1, 3), (3, 1), (2, 2), (5, u16::MAX)] {
        let mut driver = Driver::connected(config(), &receiving(before));
        for number in 0..8_u8 {
            driver
                .publish(publication(Qos::AtLeastOnce, &[number]))
                .expect("room");
        }
        let (keeper, _) = driver.part();
        let hello = if after == u16::MAX {
            Hello::lasting()
        } else {
            receiving(after)
        };
        let (_, report) = Driver::resumed(keeper.now, config(), &hello, Some(keeper.session));
        assert_eq!(identifiers(&report).len(), usize::from(after.min(8)));
    }
    Ok(4)
}

/// [MQTT-4.9.0-2], [MQTT-4.4.0-1] (reading of T19.4): what is sent again counts, and in its order.
fn messages_sent_again_use_the_quota() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    for number in 0..5_u8 {
        driver
            .publish(publication(Qos::AtLeastOnce, &[number]))
            .expect("room");
    }
    let (keeper, _) = driver.part();
    let (mut driver, report) =
        Driver::resumed(keeper.now, config(), &receiving(2), Some(keeper.session));
    assert_eq!(identifiers(&report), [1, 2]);
    let (_, report) = driver
        .publish(publication(Qos::AtLeastOnce, b"new"))
        .expect("room");
    assert!(report.wire.is_empty());
    for (answered, next) in [(2, 3), (1, 4), (4, 5), (3, 6)] {
        let report = driver.send(&puback(answered, ReasonCode::Success));
        assert_eq!(identifiers(&report), [next]);
        let Packet::Publish(publish) = report.packet() else {
            return Err("no PUBLISH".to_owned());
        };
        assert_eq!(publish.delivery.duplicate(), next != 6);
    }
    Ok(6)
}

/// Section 4.9: the PUBCOMP of a PUBREL that was sent again does not take the quota above its beginning.
fn the_quota_does_not_grow() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    for _ in 0..4 {
        driver
            .publish(publication(Qos::ExactlyOnce, b"x"))
            .expect("room");
    }
    for number in 1..=4 {
        driver.send(&pubrec(number, ReasonCode::Success));
    }
    let (keeper, _) = driver.part();
    let (mut driver, report) =
        Driver::resumed(keeper.now, config(), &receiving(2), Some(keeper.session));
    assert!(identifiers(&report).is_empty());
    for number in 1..=4 {
        driver.send(&pubcomp(number, ReasonCode::Success));
    }
    let mut sent = 0;
    for _ in 0..5 {
        let (_, report) = driver
            .publish(publication(Qos::AtLeastOnce, b"x"))
            .expect("room");
        sent += identifiers(&report).len();
    }
    assert_eq!(sent, 2);
    Ok(1)
}

/// [MQTT-4.9.0-1]: the quota may begin below the Receive Maximum.
fn the_limit_of_the_host_counts_too() -> Outcome {
    let session = SessionConfig {
        in_flight: 3,
        ..SessionConfig::default()
    };
    for maximum in [1, 3, 10] {
        let config = ServerConfig {
            session,
            ..config()
        };
        let mut driver = Driver::connected(config, &receiving(maximum));
        let mut sent = 0;
        for _ in 0..12 {
            let (_, report) = driver
                .publish(publication(Qos::AtLeastOnce, b"x"))
                .expect("room");
            sent += identifiers(&report).len();
        }
        assert_eq!(sent, usize::from(maximum.min(3)));
    }
    Ok(3)
}
