//! What becomes of publications beside their delivery: refused ones come back, deadlines pass, waiting ones are withdrawn.

use std::time::Duration;

use mqtt5_session_fsm::codec::Property;
use mqtt5_session_fsm::{
    Client, Publication, PublishError, SessionConfig, WaitingLimits, WithdrawError,
};

use super::driver::{Driver, Lines, connect_with, publication};
use super::machine::Machine;
use super::make;

crate::check::checks! { "publications":
    both {
        Example a_refused_publication_comes_back,
        Example what_waits_ends_at_its_deadline,
        Example what_was_sent_is_overdue_once,
        Example only_what_was_not_sent_is_withdrawn,
    }
    client {
        Example what_is_unsettled_is_listed,
    }
}

fn within(qos: u8, milliseconds: u64) -> Publication {
    Publication {
        deadline: Some(Duration::from_millis(milliseconds)),
        ..publication(qos, "a", "x", &[])
    }
}

/// There is room for one message to wait, and it is taken.
fn a_refused_publication_comes_back<M: Machine>() {
    let mut driver = Driver::<M>::configured(SessionConfig {
        waiting: WaitingLimits {
            messages: 1,
            ..WaitingLimits::default()
        },
        ..SessionConfig::default()
    });
    let one = [Property::ReceiveMaximum(1.try_into().unwrap())];
    driver = driver.open(&[], &one);
    for _ in 0..2 {
        driver.accept(publication(1, "a", "1", &[])).expect("room");
    }
    let _ = driver.settle();
    let given = within(2, 500);
    let refused = driver.machine.publish(driver.now, given.clone());
    let refused = refused.expect_err("there is no room");
    assert_eq!(refused.error, PublishError::Busy);
    assert_eq!(refused.publication, given);
    assert_eq!(driver.tick(500), Lines::new());
}

/// Without a connection, and with an identifier, as long as it was not written.
fn what_waits_ends_at_its_deadline<M: Machine>() {
    for qos in 0..3 {
        let mut driver = Driver::<M>::connected();
        let _ = driver.lose();
        driver.accept(within(qos, 700)).expect("room");
        assert_eq!(driver.tick(699), Lines::new());
        assert_eq!(driver.tick(1), ["t1 TimedOut"]);
        assert_eq!(driver.session().waiting(), 0);
    }
    let mut driver = Driver::<M>::connected();
    driver.accept(within(1, 700)).expect("room");
    assert_eq!(driver.session().in_flight(), 1);
    assert_eq!(driver.tick(700), ["t1 TimedOut"]);
}

/// The exchange goes on, over connections.
fn what_was_sent_is_overdue_once<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish_with(within(2, 700));
    assert_eq!(driver.tick(700), ["t1 overdue"]);
    assert_eq!(driver.tick(700), Lines::new());
    assert_eq!(driver.resume(), ["> PUBLISH q2 #1 dup a \"x\""]);
    assert_eq!(driver.tick(700), Lines::new());
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(driver.feed(&make::pubcomp(1)), ["t1 pubcomp"]);
}

/// And once.
fn only_what_was_not_sent_is_withdrawn<M: Machine>() {
    let maximum = [Property::ReceiveMaximum(1.try_into().expect("not 0"))];
    let mut driver = Driver::<M>::new().open(&[], &maximum);
    for _ in 0..2 {
        let _ = driver.publish(1, "a", "");
    }
    let [sent, waits] = driver.tokens[..] else {
        panic!("two were accepted")
    };
    assert_eq!(driver.machine.withdraw(sent), Err(WithdrawError::Sent));
    assert_eq!(driver.machine.withdraw(waits), Ok(()));
    assert_eq!(driver.settle(), ["t2 Withdrawn"]);
    assert_eq!(driver.machine.withdraw(waits), Err(WithdrawError::Unknown));
    assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
    assert_eq!(driver.machine.withdraw(sent), Err(WithdrawError::Unknown));
}

/// Messages and requests, in their order.
fn what_is_unsettled_is_listed() {
    let mut driver = Driver::<Client>::new();
    driver.accept(publication(1, "a", "", &[])).expect("room");
    let _ = driver.connect(&connect_with(&[Property::SessionExpiryInterval(u32::MAX)]));
    // They wait for the CONNACK.
    let _ = driver.subscribe(&["a"]);
    let _ = driver.unsubscribe(&["b"]);
    let unsettled: Vec<_> = driver.machine.unsettled().map(|it| it.token).collect();
    assert_eq!(unsettled, driver.tokens);
    let _ = driver.lose();
    let unsettled: Vec<_> = driver.machine.unsettled().map(|it| it.token).collect();
    assert_eq!(unsettled, driver.tokens[..1]);
}
