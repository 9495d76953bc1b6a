//! Sections 3.1.2.10, 3.2.2.3.14, 3.12, 3.13: to the millisecond.

use std::time::Duration;

use mqtt5_session_fsm::codec::{
    Connect, EncodeError, Property, Publish, ReasonCode, Text, TopicName,
};
use mqtt5_session_fsm::{ClientConfig, PublishError, Session, SessionConfig};

use super::driver::{Driver, KEEPS, Lines, connect_with};
use super::make;

crate::check::checks! { "keep_alive":
    client {
        Domain ping_at_the_last_moment_and_never_later,
        Domain every_keep_alive,
        Domain a_late_timer_is_covered_by_the_margin,
        Example only_sent_packets_count,
        Example every_sent_packet_counts,
        Example what_was_not_written_does_not_count,
        Example no_ping_while_others_are_sent,
        Example no_gap_over_a_long_time,
        Domain the_server_decides_on_the_keep_alive,
        Example keep_alive_0_is_off,
        Domain pingresp_timeout_to_the_millisecond,
        Example only_pingresp_ends_the_wait_for_it,
        Domain every_packet_shows_that_the_server_is_there,
        Example an_extra_pingresp_is_ignored,
        Domain pings_before_the_connack,
        Example what_was_asked_before_the_connack_is_answered_behind_it,
        Example each_connection_has_its_own_keep_alive,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

/// Connected with this Keep Alive in the CONNECT, no margin, and this timeout for PINGRESP.
fn driver(keep_alive: u16, margin: u64, pingresp: u64, connack: &[Property<'_>]) -> Driver {
    let config = ClientConfig {
        ping_margin: Duration::from_millis(margin),
        pingresp_timeout: Duration::from_millis(pingresp),
        ..ClientConfig::default()
    };
    let mut driver = Driver::with(config, Session::of_client(SessionConfig::default()));
    let _ = driver.connect(&Connect {
        keep_alive,
        ..connect_with(KEEPS)
    });
    let _ = driver.feed(&make::connack(false, ReasonCode::Success, connack));
    driver
}

/// MQTT-3.1.2-20: without a margin, PINGREQ exactly when the Keep Alive is over, again and again.
fn ping_at_the_last_moment_and_never_later() -> u64 {
    let mut driver = driver(10, 0, 5_000, &[]);
    for _ in 0..100 {
        assert_eq!(driver.deadline(), Some(10_000));
        assert_eq!(driver.tick(9_999), nothing());
        assert_eq!(driver.tick(1), ["> PINGREQ"]);
        assert_eq!(driver.feed(make::PINGRESP), nothing());
    }
    100
}

/// MQTT-3.1.2-20: each of the 65,535 values.
fn every_keep_alive() -> u64 {
    for keep_alive in 1..=u16::MAX {
        let mut driver = driver(keep_alive, 0, 5_000, &[]);
        let interval = u64::from(keep_alive) * 1000;
        assert_eq!(driver.machine.keep_alive(), keep_alive);
        assert_eq!(driver.tick(interval - 1), nothing());
        assert_eq!(driver.tick(1), ["> PINGREQ"]);
    }
    65_535
}

/// MQTT-3.1.2-20: with a margin it comes earlier, by the margin, or half of the Keep Alive.
fn a_late_timer_is_covered_by_the_margin() -> u64 {
    let mut judged = 0;
    for keep_alive in [1, 2, 3, 60] {
        for margin in [0, 1, 250, 500, 999, 1_000, 5_000, 100_000] {
            let mut driver = driver(keep_alive, margin, 60_000, &[]);
            let interval = u64::from(keep_alive) * 1000;
            let expected = interval - margin.min(interval / 2);
            assert_eq!(driver.deadline(), Some(expected));
            assert_eq!(driver.tick(expected - 1), nothing());
            assert_eq!(driver.tick(1), ["> PINGREQ"]);
            judged += 1;
        }
    }
    judged
}

/// Section 3.1.2.10: what the Server sends does not keep the connection alive.
fn only_sent_packets_count() {
    let mut driver = driver(10, 0, 5_000, &[]);
    for _ in 0..9 {
        assert_eq!(driver.tick(1_000), nothing());
        let _ = driver.feed(&make::publish(0, 0, "a", ""));
        assert_eq!(driver.feed(make::PINGRESP), nothing());
    }
    assert_eq!(driver.tick(999), nothing());
    assert_eq!(driver.tick(1), ["> PINGREQ"]);
}

/// Section 3.1.2.10: every Control Packet counts, of whatever type.
fn every_sent_packet_counts() {
    let sends: [fn(&mut Driver) -> Lines; 8] = [
        |driver| driver.publish(0, "a", ""),
        |driver| driver.publish(1, "a", ""),
        |driver| driver.subscribe(&["a"]),
        |driver| driver.unsubscribe(&["a"]),
        |driver| driver.feed(&make::publish(1, 1, "a", "")),
        |driver| driver.feed(&make::publish(2, 1, "a", "")),
        |driver| driver.feed(&make::pubrel(9)),
        |driver| driver.feed(&make::pubrec(9)),
    ];
    for (n, send) in sends.into_iter().enumerate() {
        let mut driver = driver(10, 0, 5_000, &[]);
        assert_eq!(driver.tick(7_000), nothing());
        let said = send(&mut driver);
        assert!(
            said.iter().any(|line| line.starts_with('>')),
            "{n}: {said:?}"
        );
        // So that the Server is not asked because it is silent.
        driver.wait(2_000);
        let _ = driver.feed(&make::publish(0, 0, "a", ""));
        assert_eq!(driver.deadline(), Some(8_000), "{n}");
        assert_eq!(driver.tick(7_999), nothing(), "{n}");
        assert_eq!(driver.tick(1), ["> PINGREQ"], "{n}");
    }
}

/// Section 3.1.2.10: PINGREQ "in the absence of sending any other MQTT Control Packets".
fn no_ping_while_others_are_sent() {
    let mut driver = driver(10, 0, 5_000, &[]);
    for _ in 0..50 {
        assert_eq!(driver.tick(9_999), nothing());
        assert_eq!(driver.publish(0, "a", "").len(), 2);
        let _ = driver.feed(&make::publish(0, 0, "a", ""));
    }
}

/// MQTT-3.1.2-20: whatever is sent in between, no gap is longer than the Keep Alive.
fn no_gap_over_a_long_time() {
    let mut driver = driver(3, 0, 5_000, &[]);
    let mut last = driver.now;
    for n in 0..20_000_u64 {
        let said = driver.tick(n * 7919 % 401);
        let mut sent = said.iter().any(|line| line.starts_with('>'));
        if said.contains(&"> PINGREQ".into()) {
            let _ = driver.feed(make::PINGRESP);
        }
        if n % 97 == 0 {
            sent |= !driver.publish(0, "a", "").is_empty();
        }
        // The timer is armed as the machine asks.
        if let Some(wait) = driver.deadline().filter(|&wait| wait <= 401) {
            let said = driver.tick(wait);
            if said.contains(&"> PINGREQ".into()) {
                sent = true;
                let _ = driver.feed(make::PINGRESP);
            }
        }
        assert!(last.until(driver.now) <= Duration::from_secs(3));
        if sent {
            last = driver.now;
        }
    }
}

/// MQTT-3.1.2-21, MQTT-3.2.2-21: the Server Keep Alive, if there is one, else the Client's.
fn the_server_decides_on_the_keep_alive() -> u64 {
    let mut judged = 0;
    for asked in [0, 1, 60, u16::MAX] {
        for given in [None, Some(0), Some(1), Some(30), Some(u16::MAX)] {
            let connack: Vec<_> = given.map(Property::ServerKeepAlive).into_iter().collect();
            let mut driver = driver(asked, 0, 5_000, &connack);
            let expected = u64::from(given.unwrap_or(asked)) * 1000;
            assert_eq!(u64::from(driver.machine.keep_alive()) * 1000, expected);
            if expected == 0 {
                assert_eq!(driver.deadline(), None);
                assert_eq!(driver.tick(1 << 40), nothing());
            } else {
                assert_eq!(driver.tick(expected - 1), nothing());
                assert_eq!(driver.tick(1), ["> PINGREQ"]);
            }
            judged += 1;
        }
    }
    judged
}

/// Section 3.1.2.10: 0 turns it off; then nothing is pinged and nothing times out.
fn keep_alive_0_is_off() {
    let mut driver = driver(0, 0, 5_000, &[]);
    assert_eq!(driver.deadline(), None);
    assert_eq!(driver.tick(1 << 45), nothing());
    assert!(driver.machine.is_connected());
}

/// Section 3.1.2.10: without PINGRESP in reasonable time the Client closes.
fn pingresp_timeout_to_the_millisecond() -> u64 {
    let mut judged = 0;
    for timeout in [1, 500, 999, 5_000, 59_999, 60_000, 200_000] {
        for answers in 0..3 {
            let mut driver = driver(60, 0, timeout, &[]);
            for _ in 0..answers {
                assert_eq!(driver.tick(60_000), ["> PINGREQ"]);
                driver.wait(timeout - 1);
                assert_eq!(driver.feed(make::PINGRESP), nothing());
                // So that the next interval begins at a known time.
                let _ = driver.publish(0, "a", "");
            }
            assert_eq!(driver.tick(60_000), ["> PINGREQ"]);
            let end = driver.now + Duration::from_millis(timeout);
            loop {
                let wait = driver.deadline().unwrap();
                let said = driver.tick(wait);
                if driver.now == end {
                    assert_eq!(said, ["close TimedOut(PingResp)"]);
                    break;
                }
                // A further PINGREQ in between does not put it off.
                assert_eq!(said, ["> PINGREQ"]);
                assert!(driver.now < end);
            }
            driver.assert_dead();
            judged += 1;
        }
    }
    judged
}

/// Section 3.1.2.10: other packets of the Server are no PINGRESP, but they show that it is there.
fn only_pingresp_ends_the_wait_for_it() {
    let mut driver = driver(60, 0, 5_000, &[]);
    assert_eq!(driver.tick(60_000), ["> PINGREQ"]);
    for _ in 0..4 {
        assert_eq!(driver.tick(4_999), nothing());
        let _ = driver.feed(&make::publish(0, 0, "a", ""));
        let _ = driver.publish(0, "a", "");
    }
    assert_eq!(driver.tick(4_999), nothing());
    assert_eq!(driver.tick(1), ["close TimedOut(PingResp)"]);
}

/// Section 3.13: PINGRESP without PINGREQ does no harm, and is no answer to a later PINGREQ.
fn an_extra_pingresp_is_ignored() {
    let mut driver = driver(60, 0, 5_000, &[]);
    assert_eq!(driver.feed(make::PINGRESP), nothing());
    assert_eq!(driver.tick(60_000), ["> PINGREQ"]);
    assert_eq!(driver.tick(5_000), ["close TimedOut(PingResp)"]);
}

/// MQTT-3.1.2-20, MQTT-3.1.2-30: while the CONNACK is waited for the Keep Alive is kept, but not with an Authentication
/// Method.
fn pings_before_the_connack() -> u64 {
    let mut judged = 0;
    let method = Property::AuthenticationMethod(Text::new("m").unwrap());
    for keep_alive in [0, 1, 2, 9, 10, 11] {
        for properties in [&[][..], &[method]] {
            let config = ClientConfig {
                ping_margin: Duration::ZERO,
                ..ClientConfig::default()
            };
            let mut driver = Driver::with(config, Session::of_client(SessionConfig::default()));
            let _ = driver.connect(&Connect {
                keep_alive,
                ..connect_with(properties)
            });
            let mut pings = 0;
            for second in 1..=10 {
                let interval = u64::from(keep_alive);
                let expected: &[&str] = if second == 10 {
                    &["close TimedOut(ConnAck)"]
                } else if interval > 0 && second % interval == 0 && properties.is_empty() {
                    pings += 1;
                    &["> PINGREQ"]
                } else {
                    &[]
                };
                assert_eq!(driver.tick(1_000), expected, "{keep_alive} s, {second}");
            }
            judged += 1 + pings;
        }
    }
    judged
}

/// Section 3.12: a PINGREQ that was sent before the CONNACK is answered behind it, and by no more than its PINGRESP.
fn what_was_asked_before_the_connack_is_answered_behind_it() {
    let mut driver = Driver::new();
    let _ = driver.connect(&Connect {
        keep_alive: 5,
        ..connect_with(KEEPS)
    });
    assert_eq!(driver.tick(4_750), ["> PINGREQ"]);
    let mut bytes = make::connack(false, ReasonCode::Success, &[]);
    bytes.extend(make::PINGRESP);
    assert_eq!(driver.feed(&bytes), ["connected"]);
    // 5 seconds after the PINGREQ, less the margin: nothing is owed.
    assert_eq!(driver.deadline(), Some(4_750));
    let mut driver = Driver::new();
    let _ = driver.connect(&Connect {
        keep_alive: 5,
        ..connect_with(KEEPS)
    });
    assert_eq!(driver.tick(4_750), ["> PINGREQ"]);
    let connack = make::connack(false, ReasonCode::Success, &[]);
    assert_eq!(driver.feed(&connack), ["connected"]);
    assert_eq!(driver.tick(4_750), ["> PINGREQ"]);
    assert_eq!(driver.tick(4_750), ["> PINGREQ"]);
    assert_eq!(driver.tick(500), ["close TimedOut(PingResp)"]);
}

/// MQTT-3.1.2-20: a message for which there was no room does not put the PINGREQ off.
fn what_was_not_written_does_not_count() {
    let mut driver = driver(10, 0, 5_000, &[]);
    driver.wait(9_000);
    let publish = Publish::new(TopicName::new("a").unwrap(), b"");
    let now = driver.now;
    let mut small = [0_u8; 2];
    let result = driver
        .machine
        .publish_now(now, &publish, &mut &mut small[..]);
    assert!(
        matches!(
            result,
            Err(PublishError::Invalid(EncodeError::NoRoom { .. }))
        ),
        "{result:?}"
    );
    assert_eq!(driver.deadline(), Some(1_000));
    let result = driver.machine.publish_now(now, &publish, &mut driver.wire);
    assert_eq!(result, Ok(()));
    let _ = driver.feed(&make::publish(0, 0, "a", ""));
    assert_eq!(driver.deadline(), Some(10_000));
}

/// Section 3.1.2.10: the interval, the wait for PINGRESP, are those of one Network Connection.
fn each_connection_has_its_own_keep_alive() {
    let mut driver = driver(60, 0, 5_000, &[Property::ServerKeepAlive(10)]);
    assert_eq!(driver.tick(10_000), ["> PINGREQ"]);
    assert_eq!(driver.lose(), nothing());
    assert_eq!(driver.tick(1_000_000), nothing());
    let _ = driver.connect(&Connect {
        keep_alive: 60,
        ..connect_with(KEEPS)
    });
    let _ = driver.feed(&make::connack(true, ReasonCode::Success, &[]));
    assert_eq!(driver.machine.keep_alive(), 60);
    assert_eq!(driver.tick(59_999), nothing());
    assert_eq!(driver.tick(1), ["> PINGREQ"]);
}

/// Section 3.1.2.10: whatever arrives while PINGRESP is waited for, the wait begins anew; whatever the packet means.
fn every_packet_shows_that_the_server_is_there() -> u64 {
    let packets = [
        make::publish(0, 0, "a", ""),
        make::publish(1, 9, "a", ""),
        make::publish(2, 9, "a", ""),
        make::puback(1),
        make::puback(9),
        make::pubrec(2),
        make::pubrec(9),
        make::pubrel(9),
        make::pubcomp(3),
        make::suback(4, &[ReasonCode::Success]),
        make::unsuback(5, &[ReasonCode::Success]),
    ];
    for (number, packet) in packets.iter().enumerate() {
        let mut driver = driver(10, 0, 5_000, &[]);
        for qos in [1, 2, 2] {
            let _ = driver.publish(qos, "a", "");
        }
        let _ = driver.feed(&make::pubrec(3));
        let _ = driver.subscribe(&["a"]);
        let _ = driver.unsubscribe(&["a"]);
        assert_eq!(driver.tick(10_000), ["> PINGREQ"]);
        assert_eq!(driver.tick(4_999), nothing());
        let _ = driver.feed(packet);
        assert_eq!(driver.tick(4_999), nothing(), "{number}");
        let said = driver.tick(1);
        assert_eq!(
            said.last().map(String::as_str),
            Some("close TimedOut(PingResp)"),
            "{number}"
        );
    }
    packets.len() as u64
}
