//! Message Expiry Interval of messages that wait to be sent (sections 3.3.2.3.3, 4.3.3).

use mqtt5_session_fsm::codec::{Property, ReasonCode};
use mqtt5_session_fsm::{Client, Publication};

use super::driver::{Driver, Lines, connect_with, publication};
use super::machine::Machine;
use super::make;

crate::check::checks! { "expiry":
    both {
        Domain the_remaining_interval_is_sent,
        Domain expired_to_the_millisecond,
        Domain what_nobody_has_written_yet_expires,
        Domain what_is_sent_at_once_keeps_its_interval,
        Example without_interval_it_never_expires,
        Example what_was_sent_does_not_expire,
        Example a_resent_message_has_its_remaining_interval,
        Example expired_in_any_order,
        Example expiry_while_the_quota_is_used_up,
        Example a_received_interval_is_told,
    }
    client {
        Example a_late_timer_sends_nothing_that_expired,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn expiring(qos: u8, seconds: u32) -> Publication {
    publication(qos, "a", "x", &[Property::MessageExpiryInterval(seconds)])
}

/// The connection is lost.
fn away<M: Machine>() -> Driver<M> {
    let mut driver = Driver::<M>::connected();
    assert_eq!(driver.lose(), nothing());
    driver
}

/// The peer takes one message at a time, and has one, the first.
fn blocked<M: Machine>() -> Driver<M> {
    let mut driver = Driver::<M>::announced(&[Property::ReceiveMaximum(1.try_into().unwrap())]);
    let _ = driver.publish(1, "a", "first");
    driver
}

/// The Message Expiry Interval in a line, which is the last property.
fn interval(line: &str) -> Option<u32> {
    assert!(line.starts_with("> PUBLISH"), "{line}");
    let (_, interval) = line.split_once("MessageExpiryInterval(")?;
    Some(interval.trim_end_matches(')').parse().unwrap())
}

/// MQTT-3.3.2-6: what was given less the time that it waited, without a connection and while the quota is used up; never 0.
fn the_remaining_interval_is_sent<M: Machine>() -> u64 {
    let mut judged = 0;
    for (qos, is_away) in [(0, true), (1, true), (2, true), (1, false), (2, false)] {
        for waited in [
            0, 1, 999, 1_000, 1_001, 1_500, 5_000, 30_000, 58_999, 59_000, 59_999,
        ] {
            let mut driver = if is_away { away::<M>() } else { blocked() };
            assert_eq!(driver.publish_with(expiring(qos, 60)), nothing());
            driver.wait(waited);
            let said = match is_away {
                true => driver.reopen(&[], true, &[]),
                false => driver.feed(&make::puback(1)),
            };
            let line = said.iter().find(|line| line.starts_with('>')).unwrap();
            let sent = u64::from(interval(line).unwrap());
            let remaining = 60_000 - waited;
            assert!(sent >= 1, "{sent} after {waited}");
            assert!(
                sent == remaining / 1_000 || sent == remaining.div_ceil(1_000),
                "{sent} after {waited}"
            );
            judged += 1;
        }
    }
    judged
}

/// MQTT-3.3.2-5: gone when the interval has passed, not before; an outcome reports it. Without a connection, and while the
/// quota is used up.
fn expired_to_the_millisecond<M: Machine>() -> u64 {
    let mut judged = 0;
    for (qos, is_away) in [(0, true), (1, true), (2, true), (1, false), (2, false)] {
        for seconds in [1, 2, 60, 3_600, 86_400, u32::MAX] {
            let mut driver = if is_away { away::<M>() } else { blocked() };
            assert_eq!(driver.publish_with(expiring(qos, seconds)), nothing());
            let all = u64::from(seconds) * 1000;
            assert_eq!(driver.deadline(), Some(all));
            assert_eq!(driver.tick(all - 1), nothing());
            assert_eq!(driver.session().waiting(), 1);
            let said = driver.tick(1);
            assert_eq!(said, [if is_away { "t1 Expired" } else { "t2 Expired" }]);
            assert_eq!(driver.session().waiting(), 0);
            match is_away {
                true => assert_eq!(driver.reopen(&[], true, &[]), nothing()),
                false => assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]),
            }
            judged += 1;
        }
    }
    judged
}

/// MQTT-3.3.2-5: accepted, with room in the quota, but the network was too slow to write it.
fn what_nobody_has_written_yet_expires<M: Machine>() -> u64 {
    for qos in 0..=2 {
        for waited in [1_999, 2_000, 5_000] {
            let mut driver = Driver::<M>::connected();
            assert_eq!(driver.accept(expiring(qos, 2)), Ok(()));
            let said = driver.tick(waited);
            if waited < 2_000 {
                assert_eq!(interval(&said[0]), Some(1));
            } else {
                assert_eq!(said, ["t1 Expired"]);
            }
        }
    }
    9
}

/// MQTT-3.3.2-6: nothing waited, nothing is subtracted; without an interval none is made up.
fn what_is_sent_at_once_keeps_its_interval<M: Machine>() -> u64 {
    for qos in 0..=2 {
        for seconds in [1, 10, u32::MAX] {
            let mut driver = Driver::<M>::connected();
            let said = driver.publish_with(expiring(qos, seconds));
            assert_eq!(interval(&said[0]), Some(seconds));
            assert_eq!(interval(&driver.publish(qos, "a", "x")[0]), None);
        }
    }
    9
}

/// Section 3.3.2.3.3: absent, it does not expire.
fn without_interval_it_never_expires<M: Machine>() {
    let mut driver = away::<M>();
    let _ = driver.publish(1, "a", "x");
    assert_eq!(driver.deadline(), None);
    assert_eq!(driver.tick(1 << 50), nothing());
    assert_eq!(driver.reopen(&[], true, &[]), ["> PUBLISH q1 #1 a \"x\""]);
}

/// MQTT-4.3.3-7: QoS 2: no expiry once it was sent; neither with QoS 1, whose outcome is awaited.
fn what_was_sent_does_not_expire<M: Machine>() {
    for qos in [1, 2] {
        let mut driver = Driver::<M>::connected();
        let _ = driver.publish_with(expiring(qos, 1));
        assert_eq!(driver.tick(86_400_000), nothing());
        assert_eq!(driver.session().in_flight(), 1);
        assert_eq!(driver.lose(), nothing());
        assert_eq!(driver.tick(86_400_000), nothing());
        let said = driver.reopen(&[], true, &[]);
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
fn a_resent_message_has_its_remaining_interval<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish_with(expiring(1, 60));
    let _ = driver.lose();
    driver.wait(20_000);
    let said = driver.reopen(&[], true, &[]);
    assert!(interval(&said[0]).unwrap() <= 60);
}

/// Each message has its own interval; the others keep their order.
fn expired_in_any_order<M: Machine>() {
    let mut driver = away::<M>();
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
        driver.reopen(&[], true, &[]),
        [
            "> PUBLISH q1 #1 a \"x\" MessageExpiryInterval(4)",
            "> PUBLISH q1 #2 a \"x\" MessageExpiryInterval(2)",
            "> PUBLISH q1 #3 b \"stays\"",
        ]
    );
}

/// Section 3.3.2.3.3: also while connected, if the Receive Maximum holds it back.
fn expiry_while_the_quota_is_used_up<M: Machine>() {
    let mut driver = blocked::<M>();
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
fn a_received_interval_is_told<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let interval = [Property::MessageExpiryInterval(7)];
    let said = driver.feed(&make::publish_with(1, 1, false, "a", "x", &interval));
    assert_eq!(said[0], "message q1 a \"x\" MessageExpiryInterval(7)");
}

/// MQTT-3.3.2-5 as the Client's own rule: expired is expired, though nobody called in time.
fn a_late_timer_sends_nothing_that_expired() {
    let mut driver = Driver::<Client>::new();
    let _ = driver.publish_with(expiring(1, 3));
    let _ = driver.connect(&connect_with(&[Property::SessionExpiryInterval(u32::MAX)]));
    driver.wait(3_000);
    let said = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
    assert_eq!(said, ["connected", "t1 Expired"]);
}
