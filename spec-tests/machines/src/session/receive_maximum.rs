//! This side's own Receive Maximum, which binds the peer (sections 3.1.2.11.3, 3.2.2.3.3, 3.3.4, 4.9).

use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::{Driver, Lines};
use super::machine::Machine;
use super::make;

crate::check::checks! { "receive_maximum":
    both {
        Domain more_than_it_is_an_error,
        Domain what_is_answered_does_not_count,
        Example a_deferred_acknowledgement_counts,
        Example only_written_acknowledgements_give_room,
        Example refusals_give_room,
        Example what_a_connection_left_open_counts_on_the_next,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn maximum(receive_maximum: u16) -> [Property<'static>; 1] {
    [Property::ReceiveMaximum(
        receive_maximum.try_into().unwrap(),
    )]
}

/// Section 3.3.4: exactly the Receive Maximum is good, and any number of messages with QoS 0; one more is refused with 0x93,
/// whatever its QoS.
fn more_than_it_is_an_error<M: Machine>() -> u64 {
    let mut judged = 0;
    for receive_maximum in (1..=20_u16).chain([300, 65_534]) {
        for last_qos in [1, 2] {
            let mut driver = Driver::<M>::manual().open(&maximum(receive_maximum), &[]);
            for n in 1..=receive_maximum {
                let said = driver.feed(&make::publish(1 + (n % 2) as u8, n, "a", ""));
                assert_eq!(said.len(), 1);
            }
            for _ in 0..5 {
                let said = driver.feed(&make::publish(0, 0, "a", "0"));
                assert_eq!(said, ["message q0 a \"0\""]);
            }
            let said = driver.feed(&make::publish(last_qos, receive_maximum + 1, "a", ""));
            assert_eq!(
                said,
                [
                    "> DISCONNECT ReceiveMaximumExceeded",
                    "close ReceiveMaximumExceeded"
                ]
            );
            driver.assert_dead();
            judged += 1;
        }
    }
    judged
}

/// Section 3.3.4: PUBACK, PUBCOMP and a refusing PUBREC make room; another PUBREC does not.
fn what_is_answered_does_not_count<M: Machine>() -> u64 {
    let rows = [
        (1, ReasonCode::Success, false, true),
        (1, ReasonCode::NotAuthorized, false, true),
        (2, ReasonCode::Success, false, false),
        (2, ReasonCode::Success, true, true),
        (2, ReasonCode::NotAuthorized, false, true),
    ];
    for (qos, code, released, room) in rows {
        let mut driver = Driver::<M>::manual().open(&maximum(1), &[]);
        for n in 1..=3 {
            let said = driver.feed(&make::publish(qos, n, "a", ""));
            if n > 1 && !room {
                assert_eq!(said[0], "> DISCONNECT ReceiveMaximumExceeded");
                break;
            }
            assert_eq!(said, [format!("message q{qos} a \"\" receipt")]);
            assert_eq!(driver.refuse(usize::from(n) - 1, code).len(), 1);
            if released {
                assert_eq!(driver.feed(&make::pubrel(n)), [format!("> PUBCOMP #{n}")]);
            }
        }
    }
    rows.len() as u64
}

/// Section 3.3.4: QoS 2 counts until PUBCOMP, not only until PUBREC.
fn a_deferred_acknowledgement_counts<M: Machine>() {
    let mut driver = Driver::<M>::new().open(&maximum(1), &[]);
    let _ = driver.feed(&make::publish(2, 1, "a", ""));
    // The same message again is not another one.
    let again = make::publish_with(2, 1, true, "a", "", &[]);
    assert_eq!(driver.feed(&again), ["> PUBREC #1"]);
    assert_eq!(driver.feed(&make::pubrel(1)), ["> PUBCOMP #1"]);
    assert_eq!(driver.feed(&make::publish(2, 2, "a", "")).len(), 2);
    let said = driver.feed(&make::publish(1, 3, "a", ""));
    assert_eq!(said[0], "> DISCONNECT ReceiveMaximumExceeded");
}

/// Section 3.3.4: the limit is on messages for which no PUBACK or PUBCOMP "has been sent".
fn only_written_acknowledgements_give_room<M: Machine>() {
    for (polls, ends) in [(false, true), (true, false)] {
        let mut driver = Driver::<M>::new().open(&maximum(2), &[]);
        let now = driver.now;
        for identifier in 1..=3 {
            let bytes = make::publish(1, identifier, "a", "");
            let event = driver.machine.receive(now, &mut &bytes[..]).is_some();
            assert_eq!(event, identifier < 3 || !ends);
            if polls {
                let _ = driver.settle();
            }
        }
        let said = driver.settle();
        assert_eq!(
            said.iter().any(|line| line.starts_with("close")),
            ends,
            "{said:?}"
        );
    }
}

/// Section 3.3.4: PUBREC from 0x80 ends the exchange for the receiver, too.
fn refusals_give_room<M: Machine>() {
    let mut driver = Driver::<M>::manual().open(&maximum(1), &[]);
    for n in 0..5 {
        let _ = driver.feed(&make::publish(2, 1, "a", ""));
        let said = driver.refuse(n, ReasonCode::QuotaExceeded);
        assert_eq!(said, ["> PUBREC #1 QuotaExceeded"]);
    }
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    assert_eq!(driver.acknowledge(5), ["> PUBACK #1"]);
    assert_eq!(driver.feed(&make::publish(1, 1, "a", "")).len(), 1);
}

/// Section 3.3.4: on a new connection the peer's quota is whole again; a waiting PUBREL is no PUBLISH.
fn what_a_connection_left_open_counts_on_the_next<M: Machine>() {
    let mut driver = Driver::<M>::new().open(&maximum(2), &[]);
    for n in [1, 2] {
        let said = driver.feed(&make::publish(2, n, "a", ""));
        assert_eq!(said[1], format!("> PUBREC #{n}"));
    }
    let _ = driver.lose();
    assert_eq!(driver.reopen(&maximum(2), true, &[]), nothing());
    // The peer sends one of them again and two that are new, as its quota of 2 does not allow;
    // but two of the three it may.
    let again = make::publish_with(2, 1, true, "a", "", &[]);
    assert_eq!(driver.feed(&again), ["> PUBREC #1"]);
    assert_eq!(driver.feed(&make::publish(1, 3, "a", "")).len(), 2);
    assert_eq!(driver.feed(&make::publish(1, 4, "a", "")).len(), 2);
    assert!(driver.machine.is_connected());
}
