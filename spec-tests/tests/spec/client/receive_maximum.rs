//! The Client's own Receive Maximum, which binds the Server (sections 3.3.4, 4.9).

use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::{Driver, KEEPS, Lines};
use super::make;

crate::check::checks! { "receive_maximum":
    client {
        Domain too_many_messages_from_the_server,
        Example a_deferred_acknowledgement_counts,
        Example only_written_acknowledgements_give_room_to_the_server,
        Example refusals_give_room_to_the_server,
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

/// PER-25: the Client finds one message more than its own Receive Maximum, whatever the QoS.
fn too_many_messages_from_the_server() -> u64 {
    let mut judged = 0;
    for receive_maximum in 1..=20_u16 {
        for last_qos in [1, 2] {
            let connect = [KEEPS[0], maximum(receive_maximum)[0]];
            let mut driver = Driver::manual().go(&connect, false, &[]);
            for n in 1..=receive_maximum {
                let said = driver.feed(&make::publish(1 + (n % 2) as u8, n, "a", ""));
                assert_eq!(said.len(), 1);
            }
            assert_eq!(driver.feed(&make::publish(0, 0, "a", "0")).len(), 1);
            let said = driver.feed(&make::publish(last_qos, 100, "a", ""));
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

/// Section 3.3.4: QoS 2 counts until PUBCOMP, not only until PUBREC.
fn a_deferred_acknowledgement_counts() {
    let connect = [KEEPS[0], maximum(1)[0]];
    let mut driver = Driver::new().go(&connect, false, &[]);
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
fn only_written_acknowledgements_give_room_to_the_server() {
    let connect = [KEEPS[0], maximum(2)[0]];
    for (polls, ends) in [(false, true), (true, false)] {
        let mut driver = Driver::new().go(&connect, false, &[]);
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

/// T19.4: PUBREC from 0x80 ends the exchange for the receiver, too.
fn refusals_give_room_to_the_server() {
    let connect = [KEEPS[0], maximum(1)[0]];
    let mut driver = Driver::manual().go(&connect, false, &[]);
    for n in 0..5 {
        let _ = driver.feed(&make::publish(2, 1, "a", ""));
        let said = driver.refuse(n, ReasonCode::QuotaExceeded);
        assert_eq!(said, ["> PUBREC #1 QuotaExceeded"]);
    }
    let _ = driver.feed(&make::publish(1, 1, "a", ""));
    assert_eq!(driver.acknowledge(5), ["> PUBACK #1"]);
    assert_eq!(driver.feed(&make::publish(1, 1, "a", "")).len(), 1);
}

/// Section 3.3.4: on a new connection the Server's quota is whole again; a waiting PUBREL is no PUBLISH.
fn what_a_connection_left_open_counts_on_the_next() {
    let connect = [KEEPS[0], maximum(2)[0]];
    let mut driver = Driver::new().go(&connect, false, &[]);
    let _ = driver.feed(&make::publish(2, 1, "a", ""));
    let _ = driver.feed(&make::publish(2, 2, "a", ""));
    let _ = driver.lose();
    assert_eq!(driver.reconnect(&connect, true, &[]), nothing());
    // The Server sends one of them again and two that are new, as its quota of 2 does not allow;
    // but two of the three it may.
    let again = make::publish_with(2, 1, true, "a", "", &[]);
    assert_eq!(driver.feed(&again), ["> PUBREC #1"]);
    assert_eq!(driver.feed(&make::publish(1, 3, "a", "")).len(), 2);
    assert_eq!(driver.feed(&make::publish(1, 4, "a", "")).len(), 2);
    assert!(driver.machine.is_connected());
}
