//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11).

use mqtt5_codec::{Packet, PacketType, ReasonCode, Role};
use mqtt5_session_fsm::{Limits, SendError};

use super::driver::{Driver, Report, Seen, explanation};
use super::make::{
    Hello, config, id, limited, publish_1, publish_2, pubrel, subscribe, unsubscribe,
};
use crate::check::Outcome;

super::listed! { "requests":
    Domain the_answer_repeats_the_identifier,
    Domain the_codes_are_those_of_the_filters,
    Domain every_reason_code_that_may_be_is_sent,
    Domain there_is_a_code_for_each_filter,
    Example requests_are_answered_in_any_order,
    Example each_is_answered_once,
    Example an_unsubscribe_of_nothing_is_answered,
    Domain an_identifier_in_use_is_refused,
    Example requests_end_with_the_connection,
    Example explanations_are_sent,
    Example a_server_without_qos_takes_any_request,
    Example requests_without_answer_do_not_hold_up_others,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Subscribe,
    Unsubscribe,
}

use Kind::{Subscribe, Unsubscribe};

impl Kind {
    fn bytes(self, number: u16, filters: &[&str]) -> Vec<u8> {
        match self {
            Subscribe => subscribe(number, filters),
            Unsubscribe => unsubscribe(number, filters),
        }
    }

    fn answer_type(self) -> PacketType {
        match self {
            Subscribe => PacketType::SubAck,
            Unsubscribe => PacketType::UnsubAck,
        }
    }

    fn answer(
        self,
        driver: &mut Driver,
        number: u16,
        codes: &[ReasonCode],
    ) -> Result<Report, SendError> {
        let now = driver.now;
        match self {
            Subscribe => driver
                .server
                .acknowledge_subscribe(now, id(number), codes, &[])?,
            Unsubscribe => driver
                .server
                .acknowledge_unsubscribe(now, id(number), codes, &[])?,
        }
        Ok(driver.pump())
    }
}

/// Identifier and codes of the SUBACK or UNSUBACK.
fn said(report: &Report) -> (PacketType, u16, Vec<ReasonCode>) {
    match report.packet() {
        Packet::SubAck(suback) => (
            PacketType::SubAck,
            suback.packet_identifier.get(),
            suback.reason_codes.iter().collect(),
        ),
        Packet::UnsubAck(unsuback) => (
            PacketType::UnsubAck,
            unsuback.packet_identifier.get(),
            unsuback.reason_codes.iter().collect(),
        ),
        other => panic!("{other:?}"),
    }
}

fn open() -> Driver {
    Driver::connected(config(), &Hello::new())
}

/// [MQTT-2.2.1-6], [MQTT-3.8.4-1], [MQTT-3.8.4-2], [MQTT-3.10.4-4], [MQTT-3.10.4-5].
fn the_answer_repeats_the_identifier() -> Outcome {
    let mut driver = open();
    for number in 1..=u16::MAX {
        for kind in [Subscribe, Unsubscribe] {
            let report = driver.send(&kind.bytes(number, &["a"]));
            let filters = vec!["a".to_owned()];
            let expected = match kind {
                Subscribe => Seen::Subscribe(number, filters),
                Unsubscribe => Seen::Unsubscribe(number, filters),
            };
            assert_eq!(report.log, [expected]);
            let code = [ReasonCode::Success];
            let report = kind.answer(&mut driver, number, &code).expect("it waits");
            assert_eq!(said(&report), (kind.answer_type(), number, code.to_vec()));
        }
    }
    Ok(2 * 65_535)
}

/// [MQTT-3.8.4-6], [MQTT-3.9.3-1], [MQTT-3.8.4-7], [MQTT-3.11.3-1]: the order of the request.
fn the_codes_are_those_of_the_filters() -> Outcome {
    let granted = [
        ReasonCode::GrantedQos2,
        ReasonCode::NotAuthorized,
        ReasonCode::GRANTED_QOS_0,
        ReasonCode::GrantedQos1,
    ];
    let removed = [
        ReasonCode::NoSubscriptionExisted,
        ReasonCode::Success,
        ReasonCode::NotAuthorized,
        ReasonCode::Success,
    ];
    for (kind, codes) in [(Subscribe, granted), (Unsubscribe, removed)] {
        for turn in 0..4 {
            let mut codes = codes;
            codes.rotate_left(turn);
            let mut driver = open();
            driver.send(&kind.bytes(5, &["a", "+/b", "#", "a"]));
            let report = kind.answer(&mut driver, 5, &codes).expect("it waits");
            assert_eq!(said(&report).2, codes);
        }
    }
    // A failure is one, however low the QoS that could have been granted.
    for maximum_qos in super::make::QOS {
        let limits = Limits {
            maximum_qos,
            ..Limits::NONE
        };
        let mut driver = Driver::connected(limited(limits), &Hello::new());
        driver.send(&Subscribe.bytes(5, &["a", "b"]));
        let codes = [ReasonCode::GRANTED_QOS_0, ReasonCode::NotAuthorized];
        let report = Subscribe.answer(&mut driver, 5, &codes).expect("it waits");
        assert_eq!(said(&report).2, codes);
    }
    Ok(11)
}

/// Tables 3-8, 3-9: all others are refused, and the request still waits.
fn every_reason_code_that_may_be_is_sent() -> Outcome {
    for kind in [Subscribe, Unsubscribe] {
        for &code in ReasonCode::ALL {
            let mut driver = open();
            driver.send(&kind.bytes(5, &["a"]));
            match kind.answer(&mut driver, 5, &[code]) {
                Ok(report) => {
                    assert!(
                        code.allowed_from(kind.answer_type(), Role::Server),
                        "{code}"
                    );
                    assert_eq!(said(&report).2, [code]);
                }
                Err(SendError::Invalid(_)) => {
                    assert!(!code.allowed_in(kind.answer_type()), "{code}");
                    assert!(driver.pump().is_empty());
                    let good = [ReasonCode::UnspecifiedError];
                    assert!(kind.answer(&mut driver, 5, &good).is_ok());
                }
                Err(other) => return Err(format!("{code}: {other}")),
            }
        }
    }
    Ok(2 * ReasonCode::ALL.len() as u64)
}

/// [MQTT-3.8.4-6], sections 3.9.3, 3.11.3: neither more nor fewer.
fn there_is_a_code_for_each_filter() -> Outcome {
    for kind in [Subscribe, Unsubscribe] {
        for filters in 1..=5 {
            for codes in 0..=6 {
                let mut driver = open();
                driver.send(&kind.bytes(5, &vec!["a"; filters]));
                let result = kind.answer(&mut driver, 5, &vec![ReasonCode::Success; codes]);
                if codes == filters {
                    assert_eq!(said(&result.expect("it waits")).2.len(), codes);
                } else {
                    assert_eq!(result.map(|_| ()), Err(SendError::ReasonCodeCount));
                    assert!(driver.pump().is_empty());
                }
            }
        }
    }
    Ok(2 * 5 * 7)
}

/// Section 3.8.4: no order is demanded of the answers.
fn requests_are_answered_in_any_order() -> Outcome {
    let mut driver = open();
    let kinds = [Subscribe, Unsubscribe, Subscribe, Unsubscribe];
    for (number, kind) in (1..).zip(kinds) {
        driver.send(&kind.bytes(number, &["a"]));
    }
    for number in [3, 1, 4, 2] {
        let kind = kinds[usize::from(number) - 1];
        let other = kinds[usize::from(number) % 2];
        assert_ne!(kind, other);
        let success = [ReasonCode::Success];
        assert!(
            other.answer(&mut driver, number, &success).is_err(),
            "the wrong kind"
        );
        let report = kind
            .answer(&mut driver, number, &success)
            .expect("it waits");
        assert_eq!(said(&report).1, number);
    }
    Ok(4)
}

/// [MQTT-3.8.4-1]: one answer, and none to what was not asked.
fn each_is_answered_once() -> Outcome {
    for kind in [Subscribe, Unsubscribe] {
        let mut driver = open();
        let success = [ReasonCode::Success];
        let not_expected = |driver: &mut Driver, number| {
            let result = kind.answer(driver, number, &success);
            assert_eq!(result.map(|_| ()), Err(SendError::NotExpected));
            assert!(driver.pump().is_empty());
        };
        not_expected(&mut driver, 1);
        driver.send(&kind.bytes(1, &["a"]));
        not_expected(&mut driver, 2);
        kind.answer(&mut driver, 1, &success).expect("it waits");
        not_expected(&mut driver, 1);
        driver.send(&kind.bytes(1, &["a"]));
        assert!(kind.answer(&mut driver, 1, &success).is_ok());
    }
    Ok(8)
}

/// [MQTT-3.10.4-5]: UNSUBACK 0x11.
fn an_unsubscribe_of_nothing_is_answered() -> Outcome {
    let mut driver = open();
    driver.send(&unsubscribe(7, &["never/subscribed"]));
    let codes = [ReasonCode::NoSubscriptionExisted];
    let report = Unsubscribe
        .answer(&mut driver, 7, &codes)
        .expect("it waits");
    assert_eq!(said(&report), (PacketType::UnsubAck, 7, codes.to_vec()));
    Ok(1)
}

/// Section 2.2.1, Tables 3-8, 3-9 (reading of T19.4): 0x91 for each filter; the first exchange goes on.
fn an_identifier_in_use_is_refused() -> Outcome {
    for first in [Subscribe, Unsubscribe] {
        for second in [Subscribe, Unsubscribe] {
            let mut driver = open();
            driver.send(&first.bytes(5, &["a"]));
            let report = driver.send(&second.bytes(5, &["b", "c"]));
            let in_use = vec![ReasonCode::PacketIdentifierInUse; 2];
            assert_eq!(said(&report), (second.answer_type(), 5, in_use));
            assert!(report.events().is_empty(), "{report:?}");
            assert!(first.answer(&mut driver, 5, &[ReasonCode::Success]).is_ok());
        }
        let mut driver = open();
        driver.send(&publish_2(5));
        let report = driver.send(&first.bytes(5, &["b"]));
        let in_use = vec![ReasonCode::PacketIdentifierInUse];
        assert_eq!(said(&report), (first.answer_type(), 5, in_use));
        let report = driver.send(&pubrel(5, ReasonCode::Success));
        assert!(matches!(report.packet(), Packet::PubComp(_)));

        for (publish, expected) in [
            (publish_1(5), PacketType::PubAck),
            (publish_2(5), PacketType::PubRec),
        ] {
            let mut driver = open();
            driver.send(&first.bytes(5, &["a"]));
            let report = driver.send(&publish);
            assert!(report.payloads().is_empty(), "{first:?}, {expected:?}");
            let code = match report.packet() {
                Packet::PubAck(puback) => puback.reason_code,
                Packet::PubRec(pubrec) => pubrec.reason_code,
                other => return Err(format!("{other:?}")),
            };
            assert_eq!(code, ReasonCode::PacketIdentifierInUse);
            assert_eq!(report.packet().packet_type(), expected);
        }
    }
    Ok(10)
}

/// Section 4.1: requests are not Session State.
fn requests_end_with_the_connection() -> Outcome {
    for kind in [Subscribe, Unsubscribe] {
        let mut driver = Driver::connected(config(), &Hello::lasting());
        driver.send(&kind.bytes(5, &["a"]));
        let success = [ReasonCode::Success];
        let (keeper, _) = driver.part();
        assert!(kind.answer(&mut driver, 5, &success).is_err());
        let (mut driver, _) = Driver::resumed(
            keeper.now,
            config(),
            &Hello::lasting(),
            Some(keeper.session),
        );
        assert!(kind.answer(&mut driver, 5, &success).is_err());
        assert!(driver.pump().is_empty());
        let report = driver.send(&kind.bytes(5, &["a"]));
        assert_eq!(report.events().len(), 1);
    }
    Ok(2)
}

/// Sections 3.9.2.1, 3.11.2.1: Reason String and User Properties of the host.
fn explanations_are_sent() -> Outcome {
    let mut driver = open();
    driver.send(&subscribe(1, &["a"]));
    driver.send(&unsubscribe(2, &["a"]));
    let code = [ReasonCode::NotAuthorized];
    let (now, list) = (driver.now, explanation());
    driver
        .server
        .acknowledge_subscribe(now, id(1), &code, &list)
        .expect("it waits");
    driver
        .server
        .acknowledge_unsubscribe(now, id(2), &code, &list)
        .expect("it waits");
    for packet in driver.pump().packets() {
        let properties: Vec<_> = match packet {
            Packet::SubAck(suback) => suback.properties.iter().collect(),
            Packet::UnsubAck(unsuback) => unsuback.properties.iter().collect(),
            other => return Err(format!("{other:?}")),
        };
        assert_eq!(properties, list);
    }
    Ok(2)
}

/// [MQTT-3.2.2-10]: Maximum QoS limits what is published, not what is asked for.
fn a_server_without_qos_takes_any_request() -> Outcome {
    for maximum_qos in super::make::QOS {
        for (options, granted) in [
            (0_u8, ReasonCode::GRANTED_QOS_0),
            (1, ReasonCode::GrantedQos1),
            (2, ReasonCode::GrantedQos2),
        ] {
            let limits = Limits {
                maximum_qos,
                ..Limits::NONE
            };
            let mut driver = Driver::connected(limited(limits), &Hello::new());
            let report = driver.send(&[0x82, 7, 0, 9, 0, 0, 1, b'a', options]);
            assert_eq!(report.events(), [Seen::Subscribe(9, vec!["a".to_owned()])]);
            let report = Subscribe
                .answer(&mut driver, 9, &[granted])
                .expect("it waits");
            assert_eq!(said(&report).2, [granted]);
        }
    }
    Ok(9)
}

/// Section 4.9: the host may take its time for one.
fn requests_without_answer_do_not_hold_up_others() -> Outcome {
    let mut driver = open();
    for number in 1..=1_000 {
        let report = driver.send(&subscribe(number, &["a"]));
        assert_eq!(report.events().len(), 1);
    }
    assert!(driver.wait(1 << 40).is_empty());
    let report = driver.send(&publish_1(2_000));
    assert_eq!(report.payloads().len(), 1);
    let success = [ReasonCode::Success];
    for number in (1..=1_000).rev() {
        let report = Subscribe
            .answer(&mut driver, number, &success)
            .expect("it waits");
        assert_eq!(said(&report).1, number);
    }
    Ok(1_000)
}
