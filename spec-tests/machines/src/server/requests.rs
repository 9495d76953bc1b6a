//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11).

use mqtt5_session_fsm::codec::{PacketType, Qos, ReasonCode, Role};
use mqtt5_session_fsm::{Limits, SendError};

use super::driver::Driver;
use super::make::{Hello, QOS, config, explanation, limited};
use crate::session::driver::Lines;
use crate::session::make;

crate::check::checks! { "requests":
    server {
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
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Subscribe,
    Unsubscribe,
}

use Kind::{Subscribe, Unsubscribe};

const KINDS: [Kind; 2] = [Subscribe, Unsubscribe];

impl Kind {
    fn bytes(self, number: u16, filters: &[&str]) -> Vec<u8> {
        match self {
            Subscribe => make::subscribe(number, filters),
            Unsubscribe => make::unsubscribe(number, filters),
        }
    }

    /// The request as the event has it.
    fn told(self, number: u16, filters: &str) -> String {
        match self {
            Subscribe => format!("subscribe #{number} {filters}"),
            Unsubscribe => format!("unsubscribe #{number} {filters}"),
        }
    }

    fn answer_type(self) -> PacketType {
        match self {
            Subscribe => PacketType::SubAck,
            Unsubscribe => PacketType::UnsubAck,
        }
    }

    /// The answer as the application gives it.
    fn answered(self, number: u16, codes: &[ReasonCode]) -> String {
        match self {
            Subscribe => format!("> SUBACK #{number} {codes:?}"),
            Unsubscribe => format!("> UNSUBACK #{number} {codes:?}"),
        }
    }

    fn answer(
        self,
        driver: &mut Driver,
        number: u16,
        codes: &[ReasonCode],
    ) -> Result<Lines, SendError> {
        match self {
            Subscribe => driver.acknowledge_subscribe(number, codes, &[]),
            Unsubscribe => driver.acknowledge_unsubscribe(number, codes, &[]),
        }
    }

    /// The answer is written.
    fn assert_answers(self, driver: &mut Driver, number: u16, codes: &[ReasonCode]) {
        let said = self.answer(driver, number, codes).expect("it waits");
        assert_eq!(said, [self.answered(number, codes)]);
    }
}

const SUCCESS: [ReasonCode; 1] = [ReasonCode::Success];

fn open() -> Driver {
    Driver::with(config(), &Hello::new())
}

/// With this Maximum QoS.
fn open_with(maximum_qos: Qos) -> Driver {
    let limits = Limits {
        maximum_qos,
        ..Limits::NONE
    };
    Driver::with(limited(limits), &Hello::new())
}

/// [MQTT-2.2.1-6], [MQTT-3.8.4-1], [MQTT-3.8.4-2], [MQTT-3.10.4-4], [MQTT-3.10.4-5].
fn the_answer_repeats_the_identifier() -> u64 {
    let mut driver = open();
    for number in 1..=u16::MAX {
        for kind in KINDS {
            let said = driver.feed(&kind.bytes(number, &["a"]));
            assert_eq!(said, [kind.told(number, "a")]);
            kind.assert_answers(&mut driver, number, &SUCCESS);
        }
    }
    2 * 65_535
}

/// [MQTT-3.8.4-6], [MQTT-3.9.3-1], [MQTT-3.8.4-7], [MQTT-3.11.3-1]: the order of the request.
fn the_codes_are_those_of_the_filters() -> u64 {
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
    for (kind, mut codes) in [(Subscribe, granted), (Unsubscribe, removed)] {
        for _ in 0..4 {
            let mut driver = open();
            let _ = driver.feed(&kind.bytes(5, &["a", "+/b", "#", "a"]));
            kind.assert_answers(&mut driver, 5, &codes);
            codes.rotate_left(1);
        }
    }
    // A failure is one, however low the QoS that could have been granted.
    for maximum_qos in QOS {
        let mut driver = open_with(maximum_qos);
        let _ = driver.feed(&Subscribe.bytes(5, &["a", "b"]));
        let codes = [ReasonCode::GRANTED_QOS_0, ReasonCode::NotAuthorized];
        Subscribe.assert_answers(&mut driver, 5, &codes);
    }
    11
}

/// Tables 3-8, 3-9: all others are refused, and the request still waits.
fn every_reason_code_that_may_be_is_sent() -> u64 {
    for kind in KINDS {
        for &code in ReasonCode::ALL {
            let mut driver = open();
            let _ = driver.feed(&kind.bytes(5, &["a"]));
            if code.allowed_from(kind.answer_type(), Role::Server) {
                kind.assert_answers(&mut driver, 5, &[code]);
            } else {
                let result = kind.answer(&mut driver, 5, &[code]);
                assert!(matches!(result, Err(SendError::Invalid(_))), "{code}");
                assert_eq!(driver.settle(), Lines::new());
                kind.assert_answers(&mut driver, 5, &[ReasonCode::UnspecifiedError]);
            }
        }
    }
    2 * ReasonCode::ALL.len() as u64
}

/// [MQTT-3.8.4-6], sections 3.9.3, 3.11.3: neither more nor fewer.
fn there_is_a_code_for_each_filter() -> u64 {
    for kind in KINDS {
        for filters in 1..=5 {
            for codes in 0..=6 {
                let mut driver = open();
                let _ = driver.feed(&kind.bytes(5, &vec!["a"; filters]));
                let list = vec![ReasonCode::Success; codes];
                if codes == filters {
                    kind.assert_answers(&mut driver, 5, &list);
                } else {
                    let result = kind.answer(&mut driver, 5, &list);
                    assert_eq!(result, Err(SendError::ReasonCodeCount));
                    assert_eq!(driver.settle(), Lines::new());
                }
            }
        }
    }
    2 * 5 * 7
}

/// Section 3.8.4: no order is demanded of the answers.
fn requests_are_answered_in_any_order() -> u64 {
    let mut driver = open();
    let kinds = [Subscribe, Unsubscribe, Subscribe, Unsubscribe];
    for (number, kind) in (1..).zip(kinds) {
        let _ = driver.feed(&kind.bytes(number, &["a"]));
    }
    for number in [3, 1, 4, 2] {
        let kind = kinds[usize::from(number) - 1];
        let other = kinds[usize::from(number) % 2];
        assert_ne!(kind, other);
        let result = other.answer(&mut driver, number, &SUCCESS);
        assert!(result.is_err(), "the wrong kind");
        kind.assert_answers(&mut driver, number, &SUCCESS);
    }
    4
}

/// [MQTT-3.8.4-1]: one answer, and none to what was not asked.
fn each_is_answered_once() -> u64 {
    for kind in KINDS {
        let mut driver = open();
        let not_expected = |driver: &mut Driver, number| {
            let result = kind.answer(driver, number, &SUCCESS);
            assert_eq!(result, Err(SendError::NotExpected));
            assert_eq!(driver.settle(), Lines::new());
        };
        not_expected(&mut driver, 1);
        let _ = driver.feed(&kind.bytes(1, &["a"]));
        not_expected(&mut driver, 2);
        kind.assert_answers(&mut driver, 1, &SUCCESS);
        not_expected(&mut driver, 1);
        let _ = driver.feed(&kind.bytes(1, &["a"]));
        kind.assert_answers(&mut driver, 1, &SUCCESS);
    }
    8
}

/// [MQTT-3.10.4-5]: UNSUBACK 0x11.
fn an_unsubscribe_of_nothing_is_answered() {
    let mut driver = open();
    let _ = driver.feed(&make::unsubscribe(7, &["never/subscribed"]));
    Unsubscribe.assert_answers(&mut driver, 7, &[ReasonCode::NoSubscriptionExisted]);
}

/// Section 2.2.1, Tables 3-8, 3-9: 0x91 for each filter; the first exchange goes on.
fn an_identifier_in_use_is_refused() -> u64 {
    let in_use = ReasonCode::PacketIdentifierInUse;
    for first in KINDS {
        for second in KINDS {
            let mut driver = open();
            let _ = driver.feed(&first.bytes(5, &["a"]));
            let said = driver.feed(&second.bytes(5, &["b", "c"]));
            assert_eq!(said, [second.answered(5, &[in_use; 2])]);
            first.assert_answers(&mut driver, 5, &SUCCESS);
        }
        let mut driver = open();
        let _ = driver.feed(&make::publish(2, 5, "a", ""));
        let said = driver.feed(&first.bytes(5, &["b"]));
        assert_eq!(said, [first.answered(5, &[in_use])]);
        assert_eq!(driver.feed(&make::pubrel(5)), ["> PUBCOMP #5"]);

        for (qos, answer) in [(1, "PUBACK"), (2, "PUBREC")] {
            let mut driver = open();
            let _ = driver.feed(&first.bytes(5, &["a"]));
            let said = driver.feed(&make::publish(qos, 5, "a", ""));
            assert_eq!(said, [format!("> {answer} #5 PacketIdentifierInUse")]);
        }
    }
    10
}

/// Section 4.1: requests are not Session State.
fn requests_end_with_the_connection() -> u64 {
    for kind in KINDS {
        let mut driver = Driver::lasting();
        let _ = driver.feed(&kind.bytes(5, &["a"]));
        let _ = driver.lose();
        assert!(kind.answer(&mut driver, 5, &SUCCESS).is_err());
        let _ = driver.again(&Hello::lasting());
        assert!(kind.answer(&mut driver, 5, &SUCCESS).is_err());
        assert_eq!(driver.settle(), Lines::new());
        assert_eq!(driver.feed(&kind.bytes(5, &["a"])), [kind.told(5, "a")]);
    }
    2
}

/// Sections 3.9.2.1, 3.11.2.1: Reason String and User Properties of the host.
fn explanations_are_sent() {
    let mut driver = open();
    let [reason, user] = explanation();
    let code = [ReasonCode::NotAuthorized];
    let _ = driver.feed(&make::subscribe(1, &["a"]));
    let _ = driver.feed(&make::unsubscribe(2, &["a"]));
    let said = driver.acknowledge_subscribe(1, &code, &explanation());
    let expected = format!("> SUBACK #1 [NotAuthorized] {reason:?} {user:?}");
    assert_eq!(said.expect("it waits"), [expected]);
    let said = driver.acknowledge_unsubscribe(2, &code, &explanation());
    let expected = format!("> UNSUBACK #2 [NotAuthorized] {reason:?} {user:?}");
    assert_eq!(said.expect("it waits"), [expected]);
}

/// [MQTT-3.2.2-10]: Maximum QoS limits what is published, not what is asked for.
fn a_server_without_qos_takes_any_request() -> u64 {
    for maximum_qos in QOS {
        for (options, granted) in [
            (0_u8, ReasonCode::GRANTED_QOS_0),
            (1, ReasonCode::GrantedQos1),
            (2, ReasonCode::GrantedQos2),
        ] {
            let mut driver = open_with(maximum_qos);
            let said = driver.feed(&[0x82, 7, 0, 9, 0, 0, 1, b'a', options]);
            assert_eq!(said, ["subscribe #9 a"]);
            Subscribe.assert_answers(&mut driver, 9, &[granted]);
        }
    }
    9
}

/// Section 4.9: the host may take its time for one.
fn requests_without_answer_do_not_hold_up_others() -> u64 {
    let mut driver = open();
    for number in 1..=1_000 {
        let said = driver.feed(&make::subscribe(number, &["a"]));
        assert_eq!(said, [Subscribe.told(number, "a")]);
    }
    assert_eq!(driver.tick(1 << 40), Lines::new());
    let said = driver.feed(&make::publish(1, 2_000, "a", "x"));
    assert_eq!(said, ["message q1 a \"x\"", "> PUBACK #2000"]);
    for number in (1..=1_000).rev() {
        Subscribe.assert_answers(&mut driver, number, &SUCCESS);
    }
    1_000
}
