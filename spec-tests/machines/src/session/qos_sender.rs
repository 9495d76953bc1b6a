//! The sender's half: sections 2.2.1, 4.3, 4.4.

use std::collections::BTreeSet;

use mqtt5_session_fsm::Client;
use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode, Role};
use mqtt5_session_fsm::table::SenderState;

use super::driver::{Driver, Lines, identifier_of, publication};
use super::machine::Machine;
use super::make;

crate::check::checks! { "qos_sender":
    both {
        Example qos0_is_sent_once_and_forgotten,
        Example qos1_to_its_end,
        Example qos2_to_its_end,
        Example exchanges_repeat_their_identifier,
        Domain exchanges_end_in_any_order,
        Domain puback_with_every_reason_code,
        Domain pubrec_with_every_reason_code,
        Domain pubcomp_with_every_reason_code,
        Domain every_state_and_acknowledgement,
        Domain an_acknowledgement_of_what_is_unknown,
        Domain a_refusal_after_the_pubrel_ends_the_exchange,
        Example pubrec_again_gives_pubrel_again,
        Example nothing_is_sent_again_while_time_passes,
        Domain a_used_identifier_is_not_given_again,
        Domain all_identifiers_in_use_are_different,
        Domain each_identifier_is_free_after_its_end,
        Example messages_go_out_as_they_were_given,
    }
    client {
        Example identifiers_are_of_one_pool,
        Example requests_keep_their_identifier_until_the_answer,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn state<M: Machine>(driver: &Driver<M>, identifier: u16) -> SenderState {
    driver.session().sender_state(make::id(identifier))
}

/// " Code", or nothing for Success.
fn told(code: ReasonCode) -> String {
    match code {
        ReasonCode::Success => String::new(),
        _ => format!(" {code:?}"),
    }
}

/// One message in flight under identifier 1; with QoS 2 perhaps released.
fn in_flight<M: Machine>(qos: u8, released: bool) -> Driver<M> {
    let mut driver = Driver::<M>::connected();
    let said = driver.publish(qos, "a", "x");
    assert_eq!(said, [format!("> PUBLISH q{qos} #1 a \"x\"")]);
    if released {
        assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    }
    driver
}

/// The Reason Codes of a packet type; and whether the peer may use them in it.
fn codes<M: Machine>(packet_type: PacketType) -> impl Iterator<Item = (ReasonCode, bool)> {
    let codes = ReasonCode::ALL.iter().copied();
    codes
        .filter(move |code| code.allowed_in(packet_type))
        .map(move |code| (code, code.allowed_from(packet_type, M::PEER)))
}

/// MQTT-4.3.1-1: PUBLISH with QoS 0 and DUP 0; nothing is kept.
fn qos0_is_sent_once_and_forgotten<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(
        driver.publish(0, "a", "0"),
        ["> PUBLISH q0 a \"0\"", "t1 Sent"]
    );
    assert_eq!(state(&driver, 1), SenderState::Free);
    assert_eq!(driver.session().in_flight(), 0);
    assert_eq!(driver.resume(), nothing());
}

/// MQTT-2.2.1-3, MQTT-2.2.1-4, MQTT-4.3.2-1 to MQTT-4.3.2-3: QoS 1, DUP 0, unacknowledged until its PUBACK.
fn qos1_to_its_end<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(driver.publish(1, "a", "1"), ["> PUBLISH q1 #1 a \"1\""]);
    assert_eq!(state(&driver, 1), SenderState::WaitPubAck);
    assert_eq!(driver.feed(&make::puback(2)), ["unknown PubAck #2"]);
    assert_eq!(state(&driver, 1), SenderState::WaitPubAck);
    assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
    assert_eq!(state(&driver, 1), SenderState::Free);
    assert_eq!(driver.feed(&make::puback(1)), ["unknown PubAck #1"]);
    assert_eq!(driver.resume(), nothing());
}

/// MQTT-2.2.1-3, MQTT-2.2.1-4, MQTT-4.3.3-1 to MQTT-4.3.3-6: PUBLISH, PUBREC, PUBREL, PUBCOMP.
fn qos2_to_its_end<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(driver.publish(2, "a", "2"), ["> PUBLISH q2 #1 a \"2\""]);
    assert_eq!(state(&driver, 1), SenderState::WaitPubRec);
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(state(&driver, 1), SenderState::WaitPubComp);
    assert_eq!(driver.session().in_flight(), 1);
    assert_eq!(driver.feed(&make::pubcomp(1)), ["t1 pubcomp"]);
    assert_eq!(state(&driver, 1), SenderState::Free);
    assert_eq!(driver.feed(&make::pubcomp(1)), ["unknown PubComp #1"]);
    assert_eq!(driver.resume(), nothing());
}

/// MQTT-2.2.1-5, MQTT-4.3.3-4: the PUBREL has the identifier of its PUBLISH, whatever else goes on.
fn exchanges_repeat_their_identifier<M: Machine>() {
    let mut driver = Driver::<M>::connected();
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

/// Section 4.3: each message has its own exchange; all orders of three acknowledgements.
fn exchanges_end_in_any_order<M: Machine>() -> u64 {
    let orders = [
        [1, 2, 3],
        [1, 3, 2],
        [2, 1, 3],
        [2, 3, 1],
        [3, 1, 2],
        [3, 2, 1],
    ];
    for order in orders {
        let mut driver = Driver::<M>::connected();
        for _ in order {
            assert_eq!(driver.publish(1, "a", "").len(), 1);
        }
        for n in order {
            assert_eq!(driver.feed(&make::puback(n)), [format!("t{n} puback")]);
        }
    }
    6
}

/// MQTT-4.4.0-2: PUBACK ends the exchange, whatever it says; it is never sent again.
fn puback_with_every_reason_code<M: Machine>() -> u64 {
    let mut judged = 0;
    for (code, allowed) in codes::<M>(PacketType::PubAck) {
        let mut driver = in_flight::<M>(1, false);
        let said = driver.feed(&make::ack(PacketType::PubAck, 1, code));
        if allowed {
            assert_eq!(said, [format!("t1 puback{}", told(code))]);
            assert_eq!(state(&driver, 1), SenderState::Free);
            assert_eq!(driver.session().in_flight(), 0);
            assert_eq!(driver.resume(), nothing());
            judged += 1;
        } else {
            driver.assert_ended(&said, ReasonCode::ProtocolError, "not from this side");
        }
    }
    assert_eq!(
        judged,
        if M::PEER == Role::Client { 8 } else { 9 },
        "Table 3-4"
    );
    judged
}

/// MQTT-4.3.3-4, MQTT-4.4.0-2: below 0x80 PUBREL follows, from 0x80 it is over without one.
fn pubrec_with_every_reason_code<M: Machine>() -> u64 {
    let mut judged = 0;
    for (code, allowed) in codes::<M>(PacketType::PubRec) {
        let mut driver = in_flight::<M>(2, false);
        let said = driver.feed(&make::ack(PacketType::PubRec, 1, code));
        if !allowed {
            driver.assert_ended(&said, ReasonCode::ProtocolError, "not from this side");
            continue;
        }
        if code.to_byte() < 0x80 {
            assert_eq!(said, ["> PUBREL #1"]);
            assert_eq!(state(&driver, 1), SenderState::WaitPubComp);
            assert_eq!(driver.resume(), ["> PUBREL #1"]);
        } else {
            assert_eq!(said, [format!("t1 pubrec {code:?}")]);
            assert_eq!(state(&driver, 1), SenderState::Free);
            assert_eq!(driver.session().in_flight(), 0);
            assert_eq!(driver.resume(), nothing());
        }
        judged += 1;
    }
    assert_eq!(
        judged,
        if M::PEER == Role::Client { 8 } else { 9 },
        "Table 3-5"
    );
    judged
}

/// Section 4.3.3: PUBCOMP ends the exchange, whatever it says.
fn pubcomp_with_every_reason_code<M: Machine>() -> u64 {
    let mut judged = 0;
    for (code, allowed) in codes::<M>(PacketType::PubComp) {
        assert!(allowed, "either side may");
        let mut driver = in_flight::<M>(2, true);
        let said = driver.feed(&make::ack(PacketType::PubComp, 1, code));
        assert_eq!(said, [format!("t1 pubcomp{}", told(code))]);
        assert_eq!(state(&driver, 1), SenderState::Free);
        assert_eq!(driver.session().in_flight(), 0);
        assert_eq!(driver.resume(), nothing());
        judged += 1;
    }
    assert_eq!(judged, 2, "Table 3-7");
    judged
}

/// Section 4.3: the sender in each state, against each acknowledgement.
fn every_state_and_acknowledgement<M: Machine>() -> u64 {
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
            let mut driver = Driver::<M>::connected();
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
            // The message is none the worse for it.
            if expected == wrong {
                assert_eq!(driver.session().in_flight(), 1);
            }
            judged += 1;
        }
    }
    judged
}

/// Tables 3-6, 3-7: an unknown PUBREC is answered with PUBREL 0x92, the others are not, and nothing is broken.
fn an_acknowledgement_of_what_is_unknown<M: Machine>() -> u64 {
    use PacketType::{PubAck, PubComp, PubRec};
    let mut judged = 0;
    for packet_type in [PubAck, PubRec, PubComp] {
        for (code, _) in codes::<M>(packet_type).filter(|(_, allowed)| *allowed) {
            let mut driver = in_flight::<M>(1, false);
            for n in [2, 9, u16::MAX] {
                let mut expected = vec![format!("unknown {packet_type:?} #{n}")];
                if packet_type == PubRec && !code.is_error() {
                    expected.push(format!("> PUBREL #{n} PacketIdentifierNotFound"));
                }
                assert_eq!(driver.feed(&make::ack(packet_type, n, code)), expected);
                judged += 1;
            }
            assert!(driver.machine.is_connected());
            assert_eq!(driver.publish(2, "a", "2"), ["> PUBLISH q2 #2 a \"2\""]);
            assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
        }
    }
    judged
}

/// Section 4.3.3: PUBREC of 0x80 or above after the PUBREL.
fn a_refusal_after_the_pubrel_ends_the_exchange<M: Machine>() -> u64 {
    let mut judged = 0;
    for (code, allowed) in codes::<M>(PacketType::PubRec) {
        if allowed && code.is_error() {
            let mut driver = in_flight::<M>(2, true);
            let said = driver.feed(&make::ack(PacketType::PubRec, 1, code));
            assert_eq!(said, [format!("t1 pubrec {code:?}")]);
            assert_eq!(state(&driver, 1), SenderState::Free);
            judged += 1;
        }
    }
    judged
}

/// MQTT-4.3.3-6: PUBREC again while PUBCOMP is awaited gives PUBREL again, and no PUBLISH.
fn pubrec_again_gives_pubrel_again<M: Machine>() {
    let mut driver = in_flight::<M>(2, true);
    for _ in 0..3 {
        assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    }
    assert_eq!(driver.feed(&make::pubcomp(1)), ["t1 pubcomp"]);
}

/// MQTT-4.3.2-3, MQTT-4.3.3-3, MQTT-4.3.3-5, MQTT-4.4.0-1: nothing is sent again but at a reconnection, however long an
/// answer takes, and all stays unacknowledged.
fn nothing_is_sent_again_while_time_passes<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.publish(2, "a", "3");
    let _ = driver.feed(&make::pubrec(3));
    for days in 0..30 {
        assert_eq!(driver.tick(days * 86_400_000), nothing());
        // Nor because something else comes.
        assert_eq!(
            driver.feed(&make::publish(0, 0, "a", "x")),
            ["message q0 a \"x\""]
        );
        assert_eq!(driver.feed(&make::puback(9)), ["unknown PubAck #9"]);
        if M::ROLE == Role::Server {
            assert_eq!(driver.feed(make::PINGREQ), ["> PINGRESP"]);
            let said = driver.feed(&make::subscribe(days as u16 + 1, &["a"]));
            assert!(said[0].starts_with("subscribe"), "{said:?}");
            assert_eq!(said.len(), 1);
        }
    }
    assert_eq!(state(&driver, 1), SenderState::WaitPubAck);
    assert_eq!(state(&driver, 2), SenderState::WaitPubRec);
    assert_eq!(state(&driver, 3), SenderState::WaitPubComp);
    assert_eq!(driver.publish(0, "a", "0").len(), 2);
    assert_eq!(driver.feed(&make::pubcomp(3)), ["t3 pubcomp"]);
    assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
}

/// MQTT-2.2.1-3, MQTT-2.2.1-4, MQTT-4.3.2-1, MQTT-4.3.3-1: more messages than there are identifiers. PUBACK, PUBCOMP and a
/// PUBREC that refuses free an identifier; another PUBREC does not.
fn a_used_identifier_is_not_given_again<M: Machine>() -> u64 {
    let mut driver = Driver::<M>::connected();
    let mut used = BTreeSet::new();
    let refuse =
        |packet_type, identifier| make::ack(packet_type, identifier, ReasonCode::NotAuthorized);
    for n in 0..70_000_u32 {
        let qos = if n % 3 == 0 { 1 } else { 2 };
        let identifier = identifier_of(&driver.publish(qos, "a", "")[0]);
        assert_ne!(identifier, 0);
        assert!(used.insert(identifier), "{identifier} is in use");
        let end = match n % 6 {
            0 => make::puback(identifier),
            1 => refuse(PacketType::PubRec, identifier),
            3 => refuse(PacketType::PubAck, identifier),
            4 if used.len() < 300 => {
                let _ = driver.feed(&make::pubrec(identifier));
                continue;
            }
            5 if used.len() < 300 => continue,
            _ => {
                let _ = driver.feed(&make::pubrec(identifier));
                make::pubcomp(identifier)
            }
        };
        assert_eq!(driver.feed(&end).len(), 1);
        used.remove(&identifier);
    }
    assert_eq!(usize::from(driver.session().in_flight()), used.len());
    70_000
}

/// MQTT-2.2.1-3: 65,535 messages in flight have 65,535 identifiers; no other is given.
fn all_identifiers_in_use_are_different<M: Machine>() -> u64 {
    let mut driver = Driver::<M>::connected();
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
    let said = driver.feed(&make::puback(1));
    assert_eq!(said, ["t1 puback", "> PUBLISH q2 #1 a \"\""]);
    65_536
}

/// MQTT-4.3.2-1, section 2.2.1: in the middle of a full range, exactly the freed identifier is given.
fn each_identifier_is_free_after_its_end<M: Machine>() -> u64 {
    let mut driver = Driver::<M>::connected();
    driver.fill(u16::MAX);
    let mut judged = 0;
    for freed in (1..=u16::MAX).step_by(97) {
        let said = driver.feed(&make::puback(freed));
        assert_eq!(said, [format!("t{freed} puback")]);
        let again = driver.publish(1, "a", "");
        assert_eq!(identifier_of(&again[0]), freed);
        // The new message has the identifier of the old one.
        let token = driver.tokens.pop().unwrap();
        driver.tokens[usize::from(freed) - 1] = token;
        judged += 1;
    }
    judged
}

/// MQTT-4.6.0-5, section 3.3.2.3: in their order, with RETAIN and all properties.
fn messages_go_out_as_they_were_given<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let property = Property::ContentType("c".try_into().unwrap());
    for n in 0..100_u8 {
        let mut publication = publication(n % 3, "a", &n.to_string(), &[property]);
        publication.retain = n % 2 == 0;
        driver.accept(publication).unwrap();
    }
    let mut last = [None; 3];
    let mut count = 0;
    for line in driver.settle() {
        let Some(line) = line.strip_prefix("> PUBLISH q") else {
            assert!(line.ends_with(" Sent"), "{line}");
            continue;
        };
        let n: u8 = line.split('"').nth(1).unwrap().parse().unwrap();
        let qos = usize::from(n % 3);
        assert!(line.starts_with(&qos.to_string()), "{line}");
        assert_eq!(line.contains(" retain "), n % 2 == 0, "{line}");
        assert!(line.ends_with(&format!(" {property:?}")), "{line}");
        assert!(last[qos] < Some(n), "{line}");
        last[qos] = Some(n);
        count += 1;
    }
    assert_eq!(count, 100);
}

/// Section 2.2.1, MQTT-2.2.1-3: PUBLISH, SUBSCRIBE and UNSUBSCRIBE share one set of identifiers.
fn identifiers_are_of_one_pool() {
    let mut driver = Driver::<Client>::connected();
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

/// Section 2.2.1: SUBSCRIBE and UNSUBSCRIBE hold their identifiers until SUBACK and UNSUBACK.
fn requests_keep_their_identifier_until_the_answer() {
    let mut driver = Driver::<Client>::connected();
    assert_eq!(driver.subscribe(&["a"]), ["> SUBSCRIBE #1 a"]);
    assert_eq!(driver.unsubscribe(&["a"]), ["> UNSUBSCRIBE #2 a"]);
    driver.fill(u16::MAX - 2);
    assert_eq!(driver.publish(1, "a", ""), nothing(), "all are in use");
    assert!(driver.try_subscribe(&["a"], &[]).is_err());
    let said = driver.feed(&make::unsuback(2, &[ReasonCode::Success]));
    assert_eq!(said, ["t2 unsuback [Success]", "> PUBLISH q1 #2 a \"\""]);
    assert_eq!(driver.publish(1, "a", ""), nothing());
    let said = driver.feed(&make::suback(1, &[ReasonCode::Success]));
    assert_eq!(said, ["t1 suback [Success]", "> PUBLISH q1 #1 a \"\""]);
}
