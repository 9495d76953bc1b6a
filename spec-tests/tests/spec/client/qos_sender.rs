//! The sender's half: sections 2.2.1, 4.3, 4.4, through a Client.

use std::collections::BTreeSet;

use mqtt5_session_fsm::codec::{PacketType, ReasonCode, Role};
use mqtt5_session_fsm::table::SenderState;

use super::driver::{Driver, Lines};
use super::make;

checks!["client::qos_sender":
    Example qos0_is_sent_once_and_forgotten,
    Example qos1_to_its_end,
    Example qos2_to_its_end,
    Example exchanges_repeat_their_identifier,
    Domain puback_with_every_reason_code,
    Domain pubrec_with_every_reason_code,
    Domain pubcomp_with_every_reason_code,
    Domain every_state_and_acknowledgement,
    Example pubrec_again_gives_pubrel_again,
    Example nothing_is_sent_again_while_time_passes,
    Example unknown_pubrec_is_answered,
    Example identifiers_are_of_one_pool,
    Example a_used_identifier_is_not_given_again,
    Domain all_identifiers_in_use_are_different,
    Domain each_identifier_is_free_after_its_end,
    Example requests_keep_their_identifier_until_the_answer,
];

fn nothing() -> Lines {
    Lines::new()
}

fn codes(packet_type: PacketType) -> impl Iterator<Item = ReasonCode> {
    ReasonCode::ALL
        .iter()
        .copied()
        .filter(move |code| code.allowed_from(packet_type, Role::Server))
}

/// " Code", or nothing for Success.
fn told(code: ReasonCode) -> String {
    match code {
        ReasonCode::Success => String::new(),
        _ => format!(" {code:?}"),
    }
}

/// Section 4.3.1: PUBLISH with QoS 0 and DUP 0; nothing is kept.
fn qos0_is_sent_once_and_forgotten() {
    let mut driver = Driver::connected();
    assert_eq!(
        driver.publish(0, "a", "0"),
        ["> PUBLISH q0 a \"0\"", "t1 Sent"]
    );
    assert_eq!(driver.client.session().in_flight(), 0);
    assert_eq!(driver.resume(), nothing());
}

/// MQTT-4.3.2-2, MQTT-4.3.2-3: QoS 1, DUP 0, unacknowledged until its PUBACK.
fn qos1_to_its_end() {
    let mut driver = Driver::connected();
    assert_eq!(driver.publish(1, "a", "1"), ["> PUBLISH q1 #1 a \"1\""]);
    let state = |driver: &Driver| driver.client.session().sender_state(make::id(1));
    assert_eq!(state(&driver), SenderState::WaitPubAck);
    assert_eq!(driver.feed(&make::puback(2)), ["unknown PubAck #2"]);
    assert_eq!(state(&driver), SenderState::WaitPubAck);
    assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
    assert_eq!(state(&driver), SenderState::Free);
    assert_eq!(driver.feed(&make::puback(1)), ["unknown PubAck #1"]);
    assert_eq!(driver.resume(), nothing());
}

/// MQTT-4.3.3-2 to MQTT-4.3.3-6: PUBLISH, PUBREC, PUBREL, PUBCOMP.
fn qos2_to_its_end() {
    let mut driver = Driver::connected();
    assert_eq!(driver.publish(2, "a", "2"), ["> PUBLISH q2 #1 a \"2\""]);
    let state = |driver: &Driver| driver.client.session().sender_state(make::id(1));
    assert_eq!(state(&driver), SenderState::WaitPubRec);
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(state(&driver), SenderState::WaitPubComp);
    assert_eq!(driver.client.session().in_flight(), 1);
    assert_eq!(driver.feed(&make::pubcomp(1)), ["t1 pubcomp"]);
    assert_eq!(state(&driver), SenderState::Free);
    assert_eq!(driver.feed(&make::pubcomp(1)), ["unknown PubComp #1"]);
    assert_eq!(driver.resume(), nothing());
}

/// MQTT-2.2.1-5, MQTT-4.3.3-4: the PUBREL has the identifier of its PUBLISH, whatever else goes on.
fn exchanges_repeat_their_identifier() {
    let mut driver = Driver::connected();
    for n in 1..=5 {
        assert_eq!(
            driver.publish(2, "a", "x"),
            [format!("> PUBLISH q2 #{n} a \"x\"")]
        );
    }
    for n in [3, 1, 5, 2, 4] {
        assert_eq!(driver.feed(&make::pubrec(n)), [format!("> PUBREL #{n}")]);
    }
    for n in [2, 5, 4, 1, 3] {
        assert_eq!(driver.feed(&make::pubcomp(n)), [format!("t{n} pubcomp")]);
    }
}

/// MQTT-4.4.0-2: PUBACK ends the exchange, whatever it says; it is never sent again.
fn puback_with_every_reason_code() -> u64 {
    let mut judged = 0;
    for code in codes(PacketType::PubAck) {
        let mut driver = Driver::connected();
        let _ = driver.publish(1, "a", "1");
        let said = driver.feed(&make::ack(PacketType::PubAck, 1, code));
        assert_eq!(said, [format!("t1 puback{}", told(code))]);
        assert_eq!(driver.client.session().in_flight(), 0);
        assert_eq!(driver.resume(), nothing());
        judged += 1;
    }
    assert_eq!(judged, 9, "Table 3-4");
    judged
}

/// MQTT-4.3.3-4, MQTT-4.4.0-2: below 0x80 PUBREL follows, from 0x80 it is over without one.
fn pubrec_with_every_reason_code() -> u64 {
    let mut judged = 0;
    for code in codes(PacketType::PubRec) {
        let mut driver = Driver::connected();
        let _ = driver.publish(2, "a", "2");
        let said = driver.feed(&make::ack(PacketType::PubRec, 1, code));
        if code.to_byte() < 0x80 {
            assert_eq!(said, ["> PUBREL #1"]);
            assert_eq!(driver.resume(), ["> PUBREL #1"]);
        } else {
            assert_eq!(said, [format!("t1 pubrec {code:?}")]);
            assert_eq!(driver.client.session().in_flight(), 0);
            assert_eq!(driver.resume(), nothing());
        }
        judged += 1;
    }
    assert_eq!(judged, 9, "Table 3-5");
    judged
}

/// Section 4.3.3: PUBCOMP ends the exchange, whatever it says.
fn pubcomp_with_every_reason_code() -> u64 {
    let mut judged = 0;
    for code in codes(PacketType::PubComp) {
        let mut driver = Driver::connected();
        let _ = driver.publish(2, "a", "2");
        let _ = driver.feed(&make::pubrec(1));
        let said = driver.feed(&make::ack(PacketType::PubComp, 1, code));
        assert_eq!(said, [format!("t1 pubcomp{}", told(code))]);
        assert_eq!(driver.client.session().in_flight(), 0);
        assert_eq!(driver.resume(), nothing());
        judged += 1;
    }
    assert_eq!(judged, 2, "Table 3-7");
    judged
}

/// T10.4, sender, against each acknowledgement: what the standard and the readings of T19.4 say.
fn every_state_and_acknowledgement() -> u64 {
    use PacketType::{PubAck, PubComp, PubRec};
    let refusal = ReasonCode::QuotaExceeded;
    let wrong = "> DISCONNECT ProtocolError; close WrongAcknowledgement";
    let mut judged = 0;
    // The answers of the states free, wait PUBACK, wait PUBREC, wait PUBCOMP.
    let rows: [(PacketType, ReasonCode, [&str; 4]); 6] = [
        (
            PubAck,
            ReasonCode::Success,
            ["unknown PubAck #1", "t1 puback", wrong, wrong],
        ),
        (
            PubAck,
            refusal,
            ["unknown PubAck #1", "t1 puback QuotaExceeded", wrong, wrong],
        ),
        (
            PubRec,
            ReasonCode::Success,
            [
                "unknown PubRec #1; > PUBREL #1 PacketIdentifierNotFound",
                wrong,
                "> PUBREL #1",
                "> PUBREL #1",
            ],
        ),
        (
            PubRec,
            refusal,
            [
                "unknown PubRec #1",
                wrong,
                "t1 pubrec QuotaExceeded",
                "t1 pubrec QuotaExceeded",
            ],
        ),
        (
            PubComp,
            ReasonCode::Success,
            ["unknown PubComp #1", wrong, wrong, "t1 pubcomp"],
        ),
        (
            PubComp,
            ReasonCode::PacketIdentifierNotFound,
            [
                "unknown PubComp #1",
                wrong,
                wrong,
                "t1 pubcomp PacketIdentifierNotFound",
            ],
        ),
    ];
    for (packet_type, code, expected) in rows {
        for (state, expected) in expected.into_iter().enumerate() {
            let mut driver = Driver::connected();
            match state {
                0 => {}
                1 => drop(driver.publish(1, "a", "1")),
                _ => drop(driver.publish(2, "a", "2")),
            }
            if state == 3 {
                let _ = driver.feed(&make::pubrec(1));
            }
            let said = driver.feed(&make::ack(packet_type, 1, code)).join("; ");
            assert_eq!(said, expected, "{packet_type} {code:?} in state {state}");
            judged += 1;
        }
    }
    judged
}

/// T10.4: PUBREC again while PUBCOMP is awaited gives PUBREL again, and no PUBLISH (MQTT-4.3.3-6).
fn pubrec_again_gives_pubrel_again() {
    let mut driver = Driver::connected();
    let _ = driver.publish(2, "a", "2");
    for _ in 0..3 {
        assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    }
    assert_eq!(driver.feed(&make::pubcomp(1)), ["t1 pubcomp"]);
}

/// MQTT-4.4.0-1: nothing is sent again but at a reconnection, however long an answer takes.
fn nothing_is_sent_again_while_time_passes() {
    let mut driver = Driver::connected();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.publish(2, "a", "3");
    let _ = driver.feed(&make::pubrec(3));
    for days in 0..30 {
        assert_eq!(driver.tick(days * 86_400_000), nothing());
    }
    // Nor because something else comes.
    assert_eq!(
        driver.feed(&make::publish(0, 0, "a", "x")),
        ["message q0 a \"x\""]
    );
    assert_eq!(driver.publish(0, "a", "0").len(), 2);
    assert_eq!(driver.feed(&make::pubcomp(3)), ["t3 pubcomp"]);
    assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
}

/// Table 3-6, T19.4: PUBREC for an unknown identifier: PUBREL 0x92, and nothing is broken.
fn unknown_pubrec_is_answered() {
    let mut driver = Driver::connected();
    let said = driver.feed(&make::pubrec(9));
    assert!(
        said.contains(&"> PUBREL #9 PacketIdentifierNotFound".into()),
        "{said:?}"
    );
    assert_eq!(driver.publish(2, "a", "2"), ["> PUBLISH q2 #1 a \"2\""]);
    let said = driver.feed(&make::pubcomp(9));
    assert_eq!(said, ["unknown PubComp #9"]);
    assert!(driver.client.is_connected());
}

/// Section 2.2.1, MQTT-2.2.1-3: PUBLISH, SUBSCRIBE and UNSUBSCRIBE share one set of identifiers.
fn identifiers_are_of_one_pool() {
    let mut driver = Driver::connected();
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        for said in [
            driver.publish(1, "a", ""),
            driver.subscribe(&["a"]),
            driver.publish(2, "a", ""),
            driver.unsubscribe(&["a"]),
        ] {
            assert!(seen.insert(identifier_of(&said[0])), "{said:?}");
        }
    }
    assert_eq!(seen.len(), 200);
    assert!(!seen.contains(&0));
}

fn identifier_of(line: &str) -> u16 {
    let (_, rest) = line.split_once('#').unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// MQTT-4.3.2-1, MQTT-4.3.3-1: around the whole range, two long exchanges keep their identifiers.
fn a_used_identifier_is_not_given_again() {
    let mut driver = Driver::connected();
    let kept = identifier_of(&driver.publish(1, "a", "kept")[0]);
    let half = identifier_of(&driver.publish(2, "a", "half")[0]);
    let _ = driver.feed(&make::pubrec(half));
    for _ in 0..70_000 {
        let identifier = identifier_of(&driver.publish(1, "a", "")[0]);
        assert!(identifier != kept && identifier != half && identifier != 0);
        driver.tokens.truncate(2);
        let mut input = &make::puback(identifier)[..];
        assert!(driver.client.receive(driver.now, &mut input).is_some());
        assert_eq!(driver.settle(), nothing());
    }
}

/// MQTT-2.2.1-3: 65,535 messages in flight have 65,535 identifiers; no other is given.
fn all_identifiers_in_use_are_different() -> u64 {
    let mut driver = Driver::connected();
    let mut seen = BTreeSet::new();
    for n in 0..=u16::MAX {
        let said = driver.publish(if n % 2 == 0 { 1 } else { 2 }, "a", "");
        if n < u16::MAX {
            assert!(seen.insert(identifier_of(&said[0])));
        } else {
            assert_eq!(said, nothing());
        }
    }
    assert!(!seen.contains(&0));
    assert!(driver.try_subscribe(&["a"], &[]).is_err());
    let said = driver.feed(&make::puback(1));
    assert_eq!(said, ["t1 puback", "> PUBLISH q2 #1 a \"\""]);
    65_536
}

/// MQTT-4.3.2-1, T9: in the middle of a full range, exactly the freed identifier is given.
fn each_identifier_is_free_after_its_end() -> u64 {
    let mut driver = Driver::connected();
    driver.fill(u16::MAX);
    let mut judged = 0;
    for freed in (1..=u16::MAX).step_by(97) {
        let said = driver.feed(&make::puback(freed));
        assert_eq!(said, [format!("t{freed} puback")]);
        let again = driver.publish(1, "a", "");
        assert_eq!(identifier_of(&again[0]), freed);
        // The new message is told by the number of the old one.
        let token = driver.tokens.pop().unwrap();
        driver.tokens[usize::from(freed) - 1] = token;
        judged += 1;
    }
    judged
}

/// T9: SUBSCRIBE and UNSUBSCRIBE hold their identifiers until SUBACK and UNSUBACK.
fn requests_keep_their_identifier_until_the_answer() {
    let mut driver = Driver::connected();
    assert_eq!(driver.subscribe(&["a"]), ["> SUBSCRIBE #1 a"]);
    assert_eq!(driver.unsubscribe(&["a"]), ["> UNSUBSCRIBE #2 a"]);
    driver.fill(u16::MAX - 2);
    assert_eq!(driver.publish(1, "a", ""), nothing(), "all are in use");
    let said = driver.feed(&make::unsuback(2, &[ReasonCode::Success]));
    assert_eq!(said, ["t2 unsuback [Success]", "> PUBLISH q1 #2 a \"\""]);
    assert_eq!(driver.publish(1, "a", ""), nothing());
    let said = driver.feed(&make::suback(1, &[ReasonCode::Success]));
    assert_eq!(said, ["t1 suback [Success]", "> PUBLISH q1 #1 a \"\""]);
}
