//! Section 4.6: the order of what is sent.

use std::collections::VecDeque;

use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode};
use mqtt5_session_fsm::{Client, Server};

use super::driver::{Driver, Lines, connect_with, identifier_of};
use super::machine::Machine;
use super::make;

crate::check::checks! { "ordering":
    both {
        Example messages_are_sent_in_their_order,
        Example resent_messages_keep_their_order,
        Example resent_messages_keep_their_order_when_identifiers_wrap,
        Example resent_messages_come_before_new_ones,
        Example resent_messages_and_pubrels_keep_their_orders,
        Example pubrels_in_the_order_of_pubrecs,
        Example pubrels_are_resent_in_the_order_of_pubrecs,
    }
    client {
        Domain pubacks_in_the_order_of_messages,
        Domain pubrecs_in_the_order_of_messages,
        Example refusals_keep_the_order,
        Example a_repeated_pubrec_releases_no_other_message,
    }
    server {
        Domain acknowledgements_in_the_order_of_decisions,
        Example a_repetition_is_not_held_up,
        Example what_was_decided_without_a_connection_is_not_held_up,
    }
}

fn identifiers(said: &[String], packet: &str) -> Vec<u16> {
    let packets = said.iter().filter(|line| line.starts_with(packet));
    packets.map(|line| identifier_of(line)).collect()
}

/// Section 4.6: an application's messages leave in the order in which they were accepted.
fn messages_are_sent_in_their_order<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(driver.lose(), Lines::new());
    for n in 0..20 {
        let _ = driver.publish(n % 3, "a", &n.to_string());
    }
    let said = driver.reopen(&[], true, &[]);
    let of = |qos: &[u8]| -> Vec<u8> {
        said.iter()
            .filter(|line| line.starts_with("> PUBLISH"))
            .map(|line| line.split('"').nth(1).unwrap().parse().unwrap())
            .filter(|n: &u8| qos.contains(&(n % 3)))
            .collect()
    };
    assert_eq!(of(&[0]), [0, 3, 6, 9, 12, 15, 18]);
    assert_eq!(of(&[1, 2]), [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19]);
}

/// MQTT-4.6.0-1: QoS 1 and 2 mixed, some finished.
fn resent_messages_keep_their_order<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for n in 0..20 {
        let _ = driver.publish(1 + n % 2, "a", "");
    }
    for identifier in [5, 1, 11, 3, 17, 9, 15, 7] {
        let _ = driver.feed(&make::puback(identifier));
    }
    for _ in 0..3 {
        let _ = driver.publish(1, "a", "");
    }
    let wrote = identifiers(&driver.resume(), "> PUBLISH");
    assert_eq!(wrote[..12], [2, 4, 6, 8, 10, 12, 13, 14, 16, 18, 19, 20]);
    assert_eq!(wrote.len(), 15);
    // Identifiers are used again: order is not the order of numbers.
    assert!(!wrote.is_sorted(), "{wrote:?}");
    assert_eq!(identifiers(&driver.resume(), "> PUBLISH"), wrote);
}

/// MQTT-4.6.0-1: after more messages than there are identifiers, with messages on both sides of a wrap.
fn resent_messages_keep_their_order_when_identifiers_wrap<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let mut sent = VecDeque::new();
    // Always this number in flight.
    for _ in 0..65_550_u32 {
        let said = driver.publish(1, "a", "");
        sent.push_back(identifiers(&said, "> PUBLISH")[0]);
        if sent.len() > 20 {
            let oldest = sent.pop_front().expect("some");
            let said = driver.feed(&make::puback(oldest));
            assert_eq!(said.len(), 1);
        }
    }
    let sent = Vec::from(sent);
    assert_eq!(sent.len(), 20);
    assert!(!sent.is_sorted(), "no wrap among them: {sent:?}");
    assert_eq!(identifiers(&driver.resume(), "> PUBLISH"), sent);
}

/// MQTT-4.6.0-1, section 4.4: what waited while there was no connection comes after the re-sends.
fn resent_messages_come_before_new_ones<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.lose();
    let _ = driver.publish(1, "a", "3");
    assert_eq!(
        driver.reopen(&[], true, &[]),
        [
            "> PUBLISH q1 #1 dup a \"1\"",
            "> PUBLISH q2 #2 dup a \"2\"",
            "> PUBLISH q1 #3 a \"3\"",
        ]
    );
}

/// MQTT-4.6.0-1, MQTT-4.6.0-4: PUBLISH in the order in which they were first sent, PUBREL in the order of the PUBRECs.
fn resent_messages_and_pubrels_keep_their_orders<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for n in 1..=6 {
        let _ = driver.publish(1 + n % 2, "a", "");
    }
    let _ = driver.feed(&make::pubrec(5));
    let _ = driver.feed(&make::pubrec(1));
    let _ = driver.feed(&make::puback(4));
    let said = driver.resume();
    assert_eq!(identifiers(&said, "> PUBLISH"), [2, 3, 6]);
    assert_eq!(identifiers(&said, "> PUBREL"), [5, 1]);
    let mut again = said.iter().filter(|line| line.starts_with("> PUBLISH"));
    assert!(again.all(|line| line.contains(" dup ")), "{said:?}");
}

/// MQTT-4.6.0-2: PUBACK in the order of the messages, for all orders of four decisions.
fn pubacks_in_the_order_of_messages() -> u64 {
    in_the_order_of_messages(1, "> PUBACK")
}

/// MQTT-4.6.0-3: PUBREC in the order of the messages, for all orders of four decisions.
fn pubrecs_in_the_order_of_messages() -> u64 {
    in_the_order_of_messages(2, "> PUBREC")
}

fn in_the_order_of_messages(qos: u8, packet: &str) -> u64 {
    let mut judged = 0;
    for order in permutations() {
        let mut driver = Driver::<Client>::manual().open(&[], &[]);
        for identifier in [40, 30, 20, 10] {
            let _ = driver.feed(&make::publish(qos, identifier, "a", ""));
        }
        let mut said = Lines::new();
        let mut decided = [false; 4];
        for n in order {
            said.extend(driver.acknowledge(n));
            decided[n] = true;
            // As many as can leave have left.
            let ready = decided.iter().take_while(|&&is| is).count();
            assert_eq!(said.len(), ready, "{order:?}");
        }
        assert_eq!(identifiers(&said, packet), [40, 30, 20, 10], "{order:?}");
        judged += 1;
    }
    judged
}

/// MQTT-4.6.0-2 and MQTT-4.6.0-3 bind the Client: a Server answers what is decided at once, for all orders of four
/// decisions, each of them an acceptance or a refusal.
fn acknowledgements_in_the_order_of_decisions() -> u64 {
    let mut judged = 0;
    for (qos, packet) in [(1, "> PUBACK"), (2, "> PUBREC")] {
        for order in permutations() {
            for refused in 0..4 {
                let mut driver = Driver::<Server>::manual().open(&[], &[]);
                let all = [40, 30, 20, 10];
                for identifier in all {
                    let _ = driver.feed(&make::publish(qos, identifier, "a", ""));
                }
                for n in order {
                    let (code, reason) = if n == refused {
                        (ReasonCode::QuotaExceeded, " QuotaExceeded")
                    } else {
                        (ReasonCode::Success, "")
                    };
                    let expected = format!("{packet} #{}{reason}", all[n]);
                    assert_eq!(driver.refuse(n, code), [expected], "{order:?}");
                }
                judged += 1;
            }
        }
    }
    judged
}

/// As above: a message that comes again is answered again, while an earlier one is undecided.
fn a_repetition_is_not_held_up() {
    let mut driver = Driver::<Server>::manual().open(&[], &[]);
    let _ = driver.feed(&make::publish(2, 1, "a", ""));
    let _ = driver.feed(&make::publish(2, 2, "a", ""));
    assert_eq!(driver.acknowledge(1), ["> PUBREC #2"]);
    let again = make::publish_with(2, 2, true, "a", "", &[]);
    assert_eq!(driver.feed(&again), ["> PUBREC #2"]);
    let _ = driver.resume();
    let undecided = make::publish_with(2, 1, true, "a", "", &[]);
    assert_eq!(driver.feed(&undecided), Lines::new());
    assert_eq!(driver.feed(&again), ["> PUBREC #2"]);
    assert_eq!(driver.acknowledge(0), ["> PUBREC #1"]);
}

/// As above: of messages that were decided before they came again, each is answered when it comes. One that does not come
/// is not answered.
fn what_was_decided_without_a_connection_is_not_held_up() {
    let mut driver = Driver::<Server>::manual().open(&[], &[]);
    for identifier in [1, 2, 3] {
        let _ = driver.feed(&make::publish(2, identifier, "a", ""));
    }
    let _ = driver.lose();
    assert_eq!(driver.acknowledge(2), Lines::new());
    let _ = driver.refuse(1, ReasonCode::QuotaExceeded);
    let _ = driver.reopen(&[], true, &[]);
    let again = |identifier| make::publish_with(2, identifier, true, "a", "", &[]);
    assert_eq!(driver.feed(&again(1)), Lines::new());
    assert_eq!(driver.feed(&again(3)), ["> PUBREC #3"]);
    assert_eq!(driver.feed(&again(2)), ["> PUBREC #2 QuotaExceeded"]);
    assert_eq!(driver.acknowledge(0), ["> PUBREC #1"]);
    // Once.
    assert_eq!(driver.feed(&again(3)), ["> PUBREC #3"]);
    assert_eq!(driver.feed(&again(2)), ["message q2 a \"\" receipt"]);
}

fn permutations() -> Vec<[usize; 4]> {
    let mut all = Vec::new();
    for n in 0..256_usize {
        let order = [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6];
        if (0..4).all(|wanted| order.contains(&wanted)) {
            all.push(order);
        }
    }
    assert_eq!(all.len(), 24);
    all
}

/// MQTT-4.6.0-4: PUBREL in the order of PUBREC, also if many come before this side writes.
fn pubrels_in_the_order_of_pubrecs<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for _ in 0..6 {
        let _ = driver.publish(2, "a", "");
    }
    let order = [4, 1, 6, 2, 5, 3];
    let bytes: Vec<u8> = order.iter().flat_map(|&n| make::pubrec(n)).collect();
    let mut input = &bytes[..];
    let now = driver.now;
    assert_eq!(driver.machine.receive(now, &mut input), None);
    assert_eq!(identifiers(&driver.settle(), "> PUBREL"), order);
}

/// MQTT-4.6.0-4, MQTT-4.4.0-1: the re-sent PUBREL packets, too, in the order of the PUBREC packets.
fn pubrels_are_resent_in_the_order_of_pubrecs<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for _ in 0..6 {
        let _ = driver.publish(2, "a", "");
    }
    for identifier in [4, 1, 6, 2, 5, 3] {
        let _ = driver.feed(&make::pubrec(identifier));
    }
    let _ = driver.feed(&make::pubcomp(6));
    assert_eq!(identifiers(&driver.resume(), "> PUBREL"), [4, 1, 2, 5, 3]);
}

/// MQTT-4.6.0-2, MQTT-4.6.0-3: a refusal, and one that is made by the machine, do not overtake.
fn refusals_keep_the_order() {
    let mut driver = Driver::<Client>::manual().open(&[], &[]);
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    let _ = driver.feed(&make::publish(2, 2, "a", ""));
    let _ = driver.feed(&make::publish(1, 3, "a", ""));
    let _ = driver.feed(&make::publish(2, 4, "a", ""));
    let mut said = driver.refuse(2, ReasonCode::NotAuthorized);
    said.extend(driver.refuse(3, ReasonCode::QuotaExceeded));
    assert_eq!(identifiers(&said, "> PUBACK"), [0u16; 0]);
    said.extend(driver.acknowledge(0));
    said.extend(driver.acknowledge(1));
    assert_eq!(identifiers(&said, "> PUBACK"), [1, 3]);
    assert_eq!(identifiers(&said, "> PUBREC"), [2, 4]);
    assert_eq!(
        driver.feed(&make::ack(PacketType::PubRel, 2, ReasonCode::Success)),
        ["> PUBCOMP #2"]
    );
}

/// MQTT-2.2.1-5, MQTT-4.3.3-4: a PUBREC comes again before the PUBRELs are sent again. Each has its own
/// identifier.
fn a_repeated_pubrec_releases_no_other_message() {
    let mut driver = Driver::<Client>::connected();
    for identifier in [1, 2, 3] {
        let _ = driver.publish(2, "a", "");
        let _ = driver.feed(&make::pubrec(identifier));
    }
    let _ = driver.lose();
    let _ = driver.connect(&connect_with(&[Property::SessionExpiryInterval(u32::MAX)]));
    let connack = make::connack(true, ReasonCode::Success, &[]);
    let input = [connack, make::pubrec(2)].concat();
    let mut input = &input[..];
    while driver.machine.receive(driver.now, &mut input).is_some() {}
    assert_eq!(identifiers(&driver.settle(), "> PUBREL"), [1, 2, 3, 2]);
}
