//! Message Expiry Interval of messages that wait in the Client (sections 3.3.2.3.3, 4.3.3).

use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::{Driver, KEEPS, Lines, publication};
use super::make;

crate::check::checks! { "expiry":
    client {
        Domain the_remaining_interval_is_sent,
        Domain expired_to_the_millisecond,
        Example without_interval_it_never_expires,
        Example what_was_sent_does_not_expire,
        Example a_resent_message_has_its_remaining_interval,
        Example expired_in_any_order,
        Example expiry_while_the_quota_is_used_up,
        Example a_received_interval_is_told,
        Example a_late_timer_sends_nothing_that_expired,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn expiring(qos: u8, seconds: u32) -> mqtt5_session_fsm::Publication {
    publication(qos, "a", "x", &[Property::MessageExpiryInterval(seconds)])
}

/// Section 3.3.2.3.3 (as MQTT-3.3.2-6 has it for the Server): less the time that it waited.
fn the_remaining_interval_is_sent() -> u64 {
    let mut judged = 0;
    for qos in 0..=2 {
        for (waited, remains) in [
            (0, 60..=60),
            (999, 59..=60),
            (1_000, 59..=59),
            (1_500, 58..=59),
            (30_000, 30..=30),
            (58_999, 1..=2),
            (59_000, 1..=1),
        ] {
            let mut driver = Driver::new();
            assert_eq!(driver.publish_with(expiring(qos, 60)), nothing());
            driver.wait(waited);
            let said = driver.reconnect(KEEPS, false, &[]);
            let (_, interval) = said[0].split_once("MessageExpiryInterval(").unwrap();
            let interval: u32 = interval.trim_end_matches(')').parse().unwrap();
            assert!(remains.contains(&interval), "{interval} after {waited}");
            judged += 1;
        }
    }
    judged
}

/// Section 3.3.2.3.3: gone when the interval has passed, not before; the application is told.
fn expired_to_the_millisecond() -> u64 {
    let mut judged = 0;
    for qos in 0..=2 {
        for seconds in [1, 2, 60, 3600, u32::MAX] {
            let mut driver = Driver::new();
            let _ = driver.publish_with(expiring(qos, seconds));
            let all = u64::from(seconds) * 1000;
            assert_eq!(driver.deadline(), Some(all));
            assert_eq!(driver.tick(all - 1), nothing());
            assert_eq!(driver.machine.session().waiting(), 1);
            assert_eq!(driver.tick(1), ["t1 Expired"]);
            assert_eq!(driver.machine.session().waiting(), 0);
            assert_eq!(driver.reconnect(KEEPS, false, &[]), nothing());
            judged += 1;
        }
    }
    judged
}

/// Section 3.3.2.3.3: absent, it does not expire.
fn without_interval_it_never_expires() {
    let mut driver = Driver::new();
    let _ = driver.publish(1, "a", "x");
    assert_eq!(driver.deadline(), None);
    assert_eq!(driver.tick(1 << 50), nothing());
    assert_eq!(
        driver.reconnect(KEEPS, false, &[]),
        ["> PUBLISH q1 #1 a \"x\""]
    );
}

/// MQTT-4.3.3-7: QoS 2: no expiry once it was sent; neither with QoS 1, whose outcome is awaited.
fn what_was_sent_does_not_expire() {
    for qos in [1, 2] {
        let mut driver = Driver::connected();
        let _ = driver.publish_with(expiring(qos, 1));
        assert_eq!(driver.tick(86_400_000), nothing());
        assert_eq!(driver.machine.session().in_flight(), 1);
        let said = driver.resume();
        assert!(
            said[0].starts_with(&format!("> PUBLISH q{qos} #1 dup a \"x\"")),
            "{said:?}"
        );
        if qos == 1 {
            assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
        } else {
            assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
            assert_eq!(driver.tick(86_400_000), nothing());
            assert_eq!(driver.resume(), ["> PUBREL #1"]);
            assert_eq!(driver.feed(&make::pubcomp(1)), ["t1 pubcomp"]);
        }
    }
}

/// MQTT-3.3.2-6 for what is sent again: no more than what the message had left.
fn a_resent_message_has_its_remaining_interval() {
    let mut driver = Driver::connected();
    let _ = driver.publish_with(expiring(1, 60));
    let _ = driver.lose();
    driver.wait(20_000);
    let said = driver.reconnect(KEEPS, true, &[]);
    let (_, interval) = said[0].split_once("MessageExpiryInterval(").unwrap();
    let interval: u32 = interval.trim_end_matches(')').parse().unwrap();
    assert!(interval <= 60);
}

/// Each message has its own interval; the others keep their order.
fn expired_in_any_order() {
    let mut driver = Driver::new();
    for seconds in [5, 3, 9, 1, 7] {
        let _ = driver.publish_with(expiring(1, seconds));
    }
    let _ = driver.publish(1, "b", "stays");
    assert_eq!(driver.tick(1_000), ["t4 Expired"]);
    assert_eq!(driver.deadline(), Some(2_000));
    assert_eq!(driver.tick(2_000), ["t2 Expired"]);
    assert_eq!(driver.tick(1_999), nothing());
    assert_eq!(driver.tick(1), ["t1 Expired"]);
    assert_eq!(
        driver.reconnect(KEEPS, false, &[]),
        [
            "> PUBLISH q1 #1 a \"x\" MessageExpiryInterval(4)",
            "> PUBLISH q1 #2 a \"x\" MessageExpiryInterval(2)",
            "> PUBLISH q1 #3 b \"stays\"",
        ]
    );
}

/// Section 3.3.2.3.3: also while connected, if the Receive Maximum holds it back.
fn expiry_while_the_quota_is_used_up() {
    let mut driver = Driver::announced(&[Property::ReceiveMaximum(1.try_into().unwrap())]);
    let _ = driver.publish(1, "a", "first");
    assert_eq!(driver.publish_with(expiring(2, 3)), nothing());
    assert_eq!(driver.publish_with(expiring(2, 30)), nothing());
    assert_eq!(driver.deadline(), Some(3_000));
    assert_eq!(driver.tick(3_000), ["t2 Expired"]);
    assert_eq!(
        driver.feed(&make::puback(1)),
        [
            "t1 puback",
            "> PUBLISH q2 #2 a \"x\" MessageExpiryInterval(27)"
        ]
    );
}

/// Section 3.3.2.3.3: the receiver's application sees what came.
fn a_received_interval_is_told() {
    let mut driver = Driver::connected();
    let interval = [Property::MessageExpiryInterval(7)];
    let said = driver.feed(&make::publish_with(1, 1, false, "a", "x", &interval));
    assert_eq!(said[0], "message q1 a \"x\" MessageExpiryInterval(7)");
}

/// MQTT-3.3.2-5 as the Client's own rule: expired is expired, though nobody called in time.
fn a_late_timer_sends_nothing_that_expired() {
    let mut driver = Driver::new();
    let _ = driver.publish_with(expiring(1, 3));
    let _ = driver.connect(&super::driver::connect_with(KEEPS));
    driver.wait(3_000);
    let said = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
    assert_eq!(said, ["connected", "t1 Expired"]);
}
