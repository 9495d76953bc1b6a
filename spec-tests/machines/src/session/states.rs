//! Every packet with a Packet Identifier in every state that the identifier can have: sections 2.2.1, 3.4 to 3.11, 4.3.

use std::num::NonZeroU32;
use std::time::Duration;

use mqtt5_session_fsm::Client;
use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode, Role};
use mqtt5_session_fsm::table::{ReceiverState, SenderState};

use super::driver::{Driver, Lines, publication};
use super::machine::Machine;
use super::make;

crate::check::checks! { "states":
    both {
        Domain acknowledgements_in_every_state,
        Domain deadlines_in_every_state,
        Domain messages_in_every_state,
    }
    client {
        Domain acknowledgements_of_requests,
        Domain answers_in_every_state,
    }
    server {
        Domain requests_in_every_state,
    }
}

/// What an acknowledgement leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    /// The exchange is over.
    Finish,
    /// PUBREL.
    Release,
    /// PUBREL with 0x92, and an event.
    ReleaseUnknown,
    /// An event, and nothing else.
    Report,
    /// DISCONNECT with 0x82.
    ProtocolError,
}

/// What is said of it, but for PUBLISH packets, which may be written at any time.
fn effect(said: &[String]) -> Effect {
    let has = |what: &str| said.iter().any(|line| line.starts_with(what));
    let effect = match said {
        _ if has("close ") => Effect::ProtocolError,
        _ if has("> PUBREL #1 PacketIdentifierNotFound") => Effect::ReleaseUnknown,
        _ if has("> PUBREL #1") => Effect::Release,
        _ if has("unknown ") => Effect::Report,
        _ if has("t1 ") => Effect::Finish,
        _ => panic!("{said:?}"),
    };
    assert_eq!(
        has("unknown "),
        matches!(effect, Effect::Report | Effect::ReleaseUnknown),
        "{said:?}"
    );
    if effect == Effect::ProtocolError {
        assert!(has("> DISCONNECT ProtocolError"), "{said:?}");
    }
    effect
}

/// A message with QoS 1 or 2 that has identifier 1, and was not written yet.
fn unsent<M: Machine>(qos: u8) -> Driver<M> {
    let mut driver = Driver::<M>::connected();
    driver.accept(publication(qos, "a", "", &[])).unwrap();
    driver
}

fn written<M: Machine>(qos: u8) -> Driver<M> {
    let mut driver = unsent::<M>(qos);
    assert_eq!(driver.settle().len(), 1);
    driver
}

fn released<M: Machine>() -> Driver<M> {
    let mut driver = written::<M>(2);
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    driver
}

/// Identifier 1 is that of a message that was written, and that the next connection did not let be written again.
fn lost<M: Machine>() -> Driver<M> {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish(2, "a", "larger than the next connection permits");
    assert!(driver.lose().is_empty());
    let least = Property::MaximumPacketSize(NonZeroU32::new(30).unwrap());
    assert_eq!(driver.reopen(&[], true, &[least]), ["t1 Indeterminate"]);
    driver
}

/// Every state that a message brings about, with identifier 1.
fn sending<M: Machine>() -> Vec<(SenderState, Driver<M>)> {
    vec![
        (SenderState::Free, Driver::connected()),
        (SenderState::Unsent1, unsent(1)),
        (SenderState::Unsent2, unsent(2)),
        (SenderState::WaitPubAck, written(1)),
        (SenderState::WaitPubRec, written(2)),
        (SenderState::WaitPubComp, released()),
        (SenderState::Lost, lost()),
    ]
}

/// Every state that a request brings about, with identifier 1.
fn requesting() -> Vec<(SenderState, Driver<Client>)> {
    let mut subscribing = Driver::<Client>::connected();
    let _ = subscribing.subscribe(&["a"]);
    let mut unsubscribing = Driver::<Client>::connected();
    let _ = unsubscribing.unsubscribe(&["a"]);
    vec![
        (SenderState::WaitSubAck, subscribing),
        (SenderState::WaitUnsubAck, unsubscribing),
    ]
}

/// PUBACK, PUBREC and PUBCOMP, and what section 4.3 makes of them in a state.
fn acknowledgements(state: SenderState) -> [(Vec<u8>, Effect); 4] {
    use SenderState::{WaitPubAck, WaitPubComp, WaitPubRec, WaitSubAck, WaitUnsubAck};
    let error = make::ack(PacketType::PubRec, 1, ReasonCode::QuotaExceeded);
    let (puback, pubrec, pubrec_error, pubcomp) = match state {
        WaitPubAck => (
            Effect::Finish,
            Effect::ProtocolError,
            Effect::ProtocolError,
            Effect::ProtocolError,
        ),
        WaitPubRec => (
            Effect::ProtocolError,
            Effect::Release,
            Effect::Finish,
            Effect::ProtocolError,
        ),
        WaitPubComp => (
            Effect::ProtocolError,
            Effect::Release,
            Effect::Finish,
            Effect::Finish,
        ),
        WaitSubAck | WaitUnsubAck => (
            Effect::ProtocolError,
            Effect::ProtocolError,
            Effect::ProtocolError,
            Effect::ProtocolError,
        ),
        // The peer has not seen the identifier on this connection.
        _ => (
            Effect::Report,
            Effect::ReleaseUnknown,
            Effect::Report,
            Effect::Report,
        ),
    };
    [
        (make::puback(1), puback),
        (make::pubrec(1), pubrec),
        (error, pubrec_error),
        (make::pubcomp(1), pubcomp),
    ]
}

fn judge<M: Machine>(states: Vec<(SenderState, Driver<M>)>) -> u64 {
    let mut cases = 0;
    for (state, driver) in states {
        assert_eq!(driver.session().sender_state(make::id(1)), state);
        for (packet, expected) in acknowledgements(state) {
            let said = driver.clone().feed(&packet);
            assert_eq!(
                effect(&said),
                expected,
                "{state:?}: {packet:02x?}: {said:?}"
            );
            cases += 1;
        }
    }
    cases
}

/// MQTT-2.2.1-5, MQTT-4.3.3-4: PUBACK, PUBREC and PUBCOMP for a message in each state.
fn acknowledgements_in_every_state<M: Machine>() -> u64 {
    judge(sending::<M>())
}

/// The same for an identifier that a SUBSCRIBE or UNSUBSCRIBE has.
fn acknowledgements_of_requests() -> u64 {
    judge(requesting())
}

/// MQTT-2.2.1-6: SUBACK and UNSUBACK for what has no request, or another one.
fn answers_in_every_state() -> u64 {
    let mut cases = 0;
    for (state, driver) in sending::<Client>().into_iter().chain(requesting()) {
        for (packet, waits) in [
            (
                make::suback(1, &[ReasonCode::Success]),
                SenderState::WaitSubAck,
            ),
            (
                make::unsuback(1, &[ReasonCode::Success]),
                SenderState::WaitUnsubAck,
            ),
        ] {
            let said = driver.clone().feed(&packet);
            let expected = match state {
                _ if state == waits => Effect::Finish,
                SenderState::Free
                | SenderState::Unsent1
                | SenderState::Unsent2
                | SenderState::Lost => Effect::Report,
                _ => Effect::ProtocolError,
            };
            assert_eq!(
                effect(&said),
                expected,
                "{state:?}: {packet:02x?}: {said:?}"
            );
            cases += 1;
        }
    }
    cases
}

/// MQTT-4.3.3-7: what was written goes on after its deadline, what was not is over.
fn deadlines_in_every_state<M: Machine>() -> u64 {
    for qos in [1, 2] {
        for steps in 0..=qos {
            let mut driver = Driver::<M>::connected();
            let mut message = publication(qos, "a", "", &[]);
            message.deadline = Some(Duration::from_secs(1));
            driver.accept(message).unwrap();
            if steps > 0 {
                let _ = driver.settle();
            }
            if steps > 1 {
                let _ = driver.feed(&make::pubrec(1));
            }
            let expected = if steps > 0 {
                "t1 overdue"
            } else {
                "t1 TimedOut"
            };
            assert_eq!(driver.tick(1_000), [expected], "QoS {qos}, {steps} steps");
        }
    }
    5
}

/// The application acknowledges.
fn manual<M: Machine>(packets: &[Vec<u8>]) -> Driver<M> {
    let mut driver = Driver::<M>::manual().open(&[], &[]);
    for packet in packets {
        let _ = driver.feed(packet);
    }
    driver
}

/// Every state that messages of the peer bring about, with identifier 7.
fn receiving<M: Machine>() -> Vec<(ReceiverState, Driver<M>)> {
    let mut released_next = manual::<M>(&[make::publish(2, 7, "a", "")]);
    assert_eq!(released_next.acknowledge(0), ["> PUBREC #7"]);
    // A Client's PUBREC that is owed again waits for that of message 8.
    let mut repeating = released_next.clone();
    let _ = repeating.feed(&make::publish(2, 8, "a", ""));
    let again = make::publish_with(2, 7, true, "a", "", &[]);
    let (repeats, answer) = match M::ROLE {
        Role::Client => (ReceiverState::Repeating, vec![]),
        Role::Server => (ReceiverState::WaitPubRel, vec!["> PUBREC #7"]),
    };
    assert_eq!(repeating.feed(&again), answer);
    vec![
        (ReceiverState::Free, manual(&[])),
        (
            ReceiverState::Deciding1,
            manual(&[make::publish(1, 7, "a", "")]),
        ),
        (
            ReceiverState::Deciding2,
            manual(&[make::publish(2, 7, "a", "")]),
        ),
        (ReceiverState::WaitPubRel, released_next),
        (repeats, repeating),
    ]
}

/// What a PUBLISH with QoS 1, a PUBLISH with QoS 2, and a PUBREL lead to.
fn expected(state: ReceiverState) -> [&'static [&'static str]; 3] {
    const NEW1: &[&str] = &["message q1 a \"\" receipt"];
    const NEW2: &[&str] = &["message q2 a \"\" receipt"];
    const IN_USE1: &[&str] = &["> PUBACK #7 PacketIdentifierInUse"];
    const IN_USE2: &[&str] = &["> PUBREC #7 PacketIdentifierInUse"];
    const UNKNOWN: &[&str] = &["> PUBCOMP #7 PacketIdentifierNotFound", "unknown PubRel #7"];
    match state {
        ReceiverState::Free => [NEW1, NEW2, UNKNOWN],
        ReceiverState::Deciding1 => [&[], IN_USE2, UNKNOWN],
        ReceiverState::Deciding2 => [IN_USE1, &[], &["> DISCONNECT ProtocolError", "close"]],
        ReceiverState::WaitPubRel => [IN_USE1, &["> PUBREC #7"], &["> PUBCOMP #7"]],
        ReceiverState::Repeating => [IN_USE1, &[], &["> PUBCOMP #7"]],
        ReceiverState::Asked => [IN_USE1, IN_USE2, UNKNOWN],
    }
}

fn judge_received<M: Machine>(state: ReceiverState, driver: &Driver<M>) {
    assert_eq!(driver.session().receiver_state(make::id(7)), state);
    let packets = [
        make::publish(1, 7, "a", ""),
        make::publish(2, 7, "a", ""),
        make::pubrel(7),
    ];
    for (packet, expected) in packets.iter().zip(expected(state)) {
        let said = in_order(driver.clone().feed(packet));
        assert_eq!(said.len(), expected.len(), "{state:?}: {said:?}");
        for (line, expected) in said.iter().zip(expected) {
            assert!(line.starts_with(expected), "{state:?}: {said:?}");
        }
    }
}

/// An event and the packet that goes with it may be told in either order.
fn in_order(mut said: Lines) -> Lines {
    said.sort();
    said
}

/// MQTT-4.3.2-5, MQTT-4.3.3-10, MQTT-4.3.3-12, and section 3.5.2.1 for an identifier that another exchange has.
fn messages_in_every_state<M: Machine>() -> u64 {
    for (state, driver) in receiving::<M>() {
        judge_received(state, &driver);
        // The connection ends, and what is left of the state is that of Session State (section 4.1).
        let mut driver = driver;
        let _ = driver.lose();
        let kept = match state {
            ReceiverState::Free | ReceiverState::Deciding1 | ReceiverState::Asked => {
                ReceiverState::Free
            }
            ReceiverState::Deciding2 => ReceiverState::Deciding2,
            ReceiverState::WaitPubRel | ReceiverState::Repeating => ReceiverState::WaitPubRel,
        };
        assert_eq!(driver.session().receiver_state(make::id(7)), kept);
    }
    20
}

/// SUBSCRIBE and UNSUBSCRIBE with an identifier in each state: 0x91 if an exchange has it (sections 3.9.3, 3.11.3).
fn requests_in_every_state() -> u64 {
    let mut states = receiving::<mqtt5_session_fsm::Server>();
    let mut asked = manual(&[make::subscribe(7, &["a"])]);
    judge_received(ReceiverState::Asked, &asked);
    let _ = asked.feed(&make::unsubscribe(8, &["a"]));
    states.push((ReceiverState::Asked, asked));
    for (state, driver) in &states {
        for (packet, event, answer) in [
            (make::subscribe(7, &["a"]), "subscribe #7 a", "> SUBACK #7"),
            (
                make::unsubscribe(7, &["a"]),
                "unsubscribe #7 a",
                "> UNSUBACK #7",
            ),
        ] {
            let said = driver.clone().feed(&packet);
            let expected = match state {
                ReceiverState::Free => String::from(event),
                _ => format!("{answer} [PacketIdentifierInUse]"),
            };
            assert_eq!(said, [expected], "{state:?}");
        }
    }
    2 * states.len() as u64
}
