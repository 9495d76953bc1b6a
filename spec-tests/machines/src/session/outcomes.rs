//! Whatever was accepted has exactly one outcome.

use std::collections::BTreeSet;

use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode, Role, SubAck, SubAckReasonCodes};
use mqtt5_session_fsm::table::SenderState;
use mqtt5_session_fsm::{Client, Outcome, Server, SessionConfig, Token, WaitingLimits, WhenFull};

use super::driver::{Driver, Lines, publication};
use super::machine::Machine;
use super::make;

crate::check::checks! { "outcomes":
    both {
        Example properties_are_told,
        Example tokens_ascend,
        Example what_was_never_written_is_not_uncertain,
        Example what_was_never_written_is_not_acknowledged,
    }
    client {
        Example properties_of_answers_are_told,
        Example what_success_is,
        Example tokens_of_requests_ascend,
        Example a_lost_session_leaves_no_token_open,
        Domain exactly_one_outcome_in_random_histories,
    }
    server {
        Domain exactly_one_outcome_in_random_histories_of_a_server,
    }
}

/// Sections 3.4.2.2, 3.5.2.2, 3.7.2.2: the Reason String of each acknowledgement.
fn properties_are_told<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish(1, "a", "");
    let said = driver.feed(&make::ack_with_reason(PacketType::PubAck, 1, "fine"));
    assert_eq!(said, ["t1 puback ReasonString(\"fine\")"]);
    let _ = driver.publish(2, "a", "");
    let said = driver.feed(&make::ack_with_reason(PacketType::PubRec, 2, "half"));
    assert_eq!(said, ["> PUBREL #2"]);
    let said = driver.feed(&make::ack_with_reason(PacketType::PubComp, 2, "done"));
    assert_eq!(said, ["t2 pubcomp ReasonString(\"done\")"]);
    let _ = driver.publish(2, "a", "");
    let mut refusal = make::ack_with_reason(PacketType::PubRec, 3, "no");
    refusal[4] = 0x97;
    let said = driver.feed(&refusal);
    assert_eq!(said, ["t3 pubrec QuotaExceeded ReasonString(\"no\")"]);
}

/// Section 3.9.2.1: and of the answers to requests.
fn properties_of_answers_are_told() {
    let mut driver = Driver::<Client>::connected();
    let _ = driver.subscribe(&["a"]);
    let said = driver.feed(b"\x90\x08\x00\x01\x04\x1F\x00\x01x\x02");
    assert_eq!(said, ["t1 suback [GrantedQos2] ReasonString(\"x\")"]);
    let _ = driver.unsubscribe(&["a"]);
    let said = driver.feed(b"\xB0\x08\x00\x02\x04\x1F\x00\x01x\x11");
    assert_eq!(
        said,
        ["t2 unsuback [NoSubscriptionExisted] ReasonString(\"x\")"]
    );
}

/// Section 4.13.2: 0x80 and above is failure.
fn what_success_is() {
    for &code in ReasonCode::ALL {
        let is_success = code.to_byte() < 0x80;
        assert_eq!(
            Outcome::PubAck(code, Default::default()).is_success(),
            is_success
        );
        assert!(!Outcome::PubRec(code, Default::default()).is_success());
        if let Ok(codes) = SubAckReasonCodes::new(&[ReasonCode::Success, code]) {
            let suback = SubAck::new(make::id(1), codes);
            assert_eq!(Outcome::SubAck(suback).is_success(), is_success);
        }
    }
    assert!(Outcome::Sent.is_success());
    for failure in [
        Outcome::Expired,
        Outcome::Dropped,
        Outcome::NotSent,
        Outcome::Indeterminate,
    ] {
        assert!(!failure.is_success());
    }
}

/// Tokens ascend and never repeat, over Sessions.
fn tokens_ascend<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for _ in 0..5 {
        for qos in 0..3 {
            let _ = driver.publish(qos, "a", "");
        }
        let _ = driver.lose();
        let _ = driver.reopen(&[], true, &[]);
    }
    assert!(driver.tokens.is_sorted_by(|one, other| one < other));
    let last = driver.tokens[14];
    assert_eq!(Token::from_number(last.number()), last);
}

/// Over kinds, too, and over a Client's Sessions that are lost.
fn tokens_of_requests_ascend() {
    let mut driver = Driver::<Client>::connected();
    for round in 0..5 {
        for qos in 0..3 {
            let _ = driver.publish(qos, "a", "");
        }
        let _ = driver.subscribe(&["a"]);
        let _ = driver.unsubscribe(&["a"]);
        let _ = driver.lose();
        let _ = driver.reopen(&[], round % 2 == 0, &[]);
    }
    assert!(driver.tokens.is_sorted_by(|one, other| one < other));
    assert_eq!(
        Token::from_number(driver.tokens[3].number()),
        driver.tokens[3]
    );
}

/// MQTT-3.2.2-5: what was sent is uncertain, what was not sent still goes.
fn a_lost_session_leaves_no_token_open() {
    let mut driver =
        Driver::<Client>::announced(&[Property::ReceiveMaximum(3.try_into().unwrap())]);
    for qos in [1, 2, 2, 1] {
        let _ = driver.publish(qos, "a", "");
    }
    let _ = driver.feed(&make::pubrec(3));
    let _ = driver.lose();
    let mut said = driver.reopen(&[], false, &[]);
    said.retain(|line| line.starts_with('t'));
    said.sort();
    assert_eq!(
        said,
        ["t1 Indeterminate", "t2 Indeterminate", "t3 Indeterminate"]
    );
    assert_eq!(driver.session().in_flight(), 1);
}

/// Section 3.1.2.11.2: the Session ends with the connection; what was not written to it cannot have arrived.
fn what_was_never_written_is_not_uncertain<M: Machine>() {
    for qos in [1, 2] {
        let mut driver = Driver::<M>::new().open_for(0, &[]);
        let _ = driver.publish(qos, "a", "");
        driver.accept(publication(qos, "a", "", &[])).unwrap();
        let mut said = driver.lose();
        said.retain(|line| line.starts_with('t'));
        assert_eq!(said, ["t1 Indeterminate", "t2 NotSent"]);
    }
}

/// MQTT-4.3.2-3, MQTT-4.3.3-4: an answer to what was not written yet is meant for another message.
fn what_was_never_written_is_not_acknowledged<M: Machine>() {
    for (qos, answer) in [(1, make::puback(1)), (2, make::pubrec(1))] {
        let mut driver = Driver::<M>::connected();
        driver.accept(publication(qos, "a", "", &[])).unwrap();
        let said = driver.feed(&answer);
        assert!(said[0].starts_with("unknown Pub"), "{said:?}");
        let publish = format!("> PUBLISH q{qos} #1 a \"\"");
        assert_eq!(said.last(), Some(&publish));
    }
}

/// Random publishing, subscribing, answers (also wrong ones), losses, time; at the end the Session
/// is lost and everything that waited is sent: each token has had one outcome.
fn exactly_one_outcome_in_random_histories() -> u64 {
    histories::<Client>(|driver, kind| {
        let _ = match kind {
            5 => driver.try_subscribe(&["a"], &[]),
            _ => driver.try_unsubscribe(&["a"], &[]),
        };
    })
}

/// The same for what a Server sends.
fn exactly_one_outcome_in_random_histories_of_a_server() -> u64 {
    histories::<Server>(|_, _| {})
}

fn histories<M: Machine>(request: fn(&mut Driver<M>, u32)) -> u64 {
    let mut judged = 0;
    for seed in 0..400_u32 {
        let mut random = Random(seed);
        let config = SessionConfig {
            in_flight: 1 + random.below(6) as u16,
            waiting: WaitingLimits {
                messages: 1 + random.below(6),
                bytes: 500,
                when_full: [
                    WhenFull::Refuse,
                    WhenFull::DropOldestQos0,
                    WhenFull::DropOldest,
                ][random.below(3) as usize],
            },
            ..SessionConfig::default()
        };
        let mut driver = Driver::<M>::configured(config).open(&[], &[]);
        let mut said = Vec::new();
        for _ in 0..120 {
            said.extend(step(&mut driver, &mut random, request));
        }
        said.extend(driver.lose());
        said.extend(driver.reopen(&[], false, &[]));
        // What waits for others is sent as these are answered.
        while driver.session().in_flight() > 0 {
            for identifier in 1..=2_000 {
                let answer = match driver.session().sender_state(make::id(identifier)) {
                    SenderState::WaitPubAck => make::puback(identifier),
                    SenderState::WaitPubRec => make::pubrec(identifier),
                    SenderState::WaitPubComp => make::pubcomp(identifier),
                    _ => continue,
                };
                said.extend(driver.feed(&answer));
            }
        }
        let mut open: BTreeSet<usize> = (1..=driver.tokens.len()).collect();
        for line in said {
            let Some((number, _)) = line.strip_prefix('t').and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            let number = number.parse().unwrap();
            assert!(
                open.remove(&number),
                "seed {seed}: a second outcome: {line}"
            );
            judged += 1;
        }
        assert!(open.is_empty(), "seed {seed}: no outcome for {open:?}");
    }
    judged
}

fn step<M: Machine>(
    driver: &mut Driver<M>,
    random: &mut Random,
    request: fn(&mut Driver<M>, u32),
) -> Lines {
    let identifier = 1 + random.below(8) as u16;
    match random.below(16) {
        0..=4 => {
            let expires = [Property::MessageExpiryInterval(1 + random.below(9))];
            let properties = &expires[..random.below(2) as usize];
            let qos = random.below(3) as u8;
            let _ = driver.accept(publication(qos, "a", "", properties));
            driver.settle()
        }
        kind @ 5..=6 => {
            request(driver, kind);
            driver.settle()
        }
        7 | 8 => driver.feed(&make::puback(identifier)),
        9 => driver.feed(&make::pubrec(identifier)),
        10 => driver.feed(&make::pubcomp(identifier)),
        11 => driver.feed(&make::ack(
            PacketType::PubRec,
            identifier,
            ReasonCode::QuotaExceeded,
        )),
        12 if M::ROLE == Role::Client => {
            driver.feed(&make::suback(identifier, &[ReasonCode::Success]))
        }
        13 => driver.tick(u64::from(random.below(4_000))),
        14 if random.below(3) == 0 => driver.lose(),
        _ if driver.machine.is_connected() => Vec::new(),
        _ => {
            let mut said = driver.lose();
            let present = driver.session().exists() && random.below(4) != 0;
            said.extend(driver.reopen(&[], present, &[]));
            said
        }
    }
}

/// A linear congruential generator.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % limit
    }
}
