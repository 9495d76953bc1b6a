//! Topic Aliases that the peer sets (sections 3.3.2.3.4, 3.3.4).

use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::{Driver, Lines};
use super::machine::Machine;
use super::make;

crate::check::checks! { "topic_alias_received":
    both {
        Domain every_announced_alias_is_accepted,
        Domain aliases_above_the_maximum_are_refused,
        Example an_alias_without_topic_is_refused,
        Example no_topic_and_no_alias_is_refused,
        Example an_alias_gets_another_topic,
        Example received_aliases_end_with_the_connection,
    }
}

fn accepting<M: Machine>(maximum: u16) -> Driver<M> {
    Driver::announcing(&[Property::TopicAliasMaximum(maximum)])
}

/// A PUBLISH with this Topic Alias; with an empty Topic Name it has none.
fn aliased(qos: u8, topic: &str, alias: u16) -> Vec<u8> {
    let alias = Property::TopicAlias(alias.try_into().unwrap());
    make::publish_with(qos, 1, false, topic, "", &[alias])
}

fn assert_said(said: &Lines, topic: &str) {
    assert_eq!(said.len(), 1);
    let expected = format!("message q0 {topic} \"\"");
    assert!(said[0].starts_with(&expected), "{said:?}");
}

/// MQTT-3.3.2-10, MQTT-3.3.2-12: each value from 1 to the maximum, for several maxima.
fn every_announced_alias_is_accepted<M: Machine>() -> u64 {
    let mut judged = 0;
    for maximum in [1, 2, 17, 255, 256, u16::MAX] {
        let mut driver = accepting::<M>(maximum);
        for n in 1..=maximum {
            let topic = format!("t/{n}");
            assert_said(&driver.feed(&aliased(0, &topic, n)), &topic);
        }
        for n in (1..=maximum).rev() {
            assert_said(&driver.feed(&aliased(0, "", n)), &format!("t/{n}"));
            judged += 1;
        }
    }
    judged
}

/// Section 3.3.4: above the maximum, 0x94; so any if none was announced; and 0.
fn aliases_above_the_maximum_are_refused<M: Machine>() -> u64 {
    let mut judged = 0;
    let refused = ["> DISCONNECT TopicAliasInvalid", "close TopicAliasTooLarge"];
    for (maximum, above) in [
        (None, 1),
        (Some(0), 1),
        (Some(0), u16::MAX),
        (Some(1), 2),
        (Some(10), 11),
        (Some(10), u16::MAX),
        (Some(255), 256),
        (Some(65_534), 65_535),
    ] {
        for (qos, topic) in [(0, "a"), (0, ""), (1, "a")] {
            let mut driver = match maximum {
                Some(maximum) => accepting::<M>(maximum),
                None => Driver::connected(),
            };
            assert_eq!(driver.feed(&aliased(qos, topic, above)), refused);
            driver.assert_dead();
            judged += 1;
        }
    }
    let mut driver = accepting::<M>(10);
    let said = driver.feed(b"\x30\x07\x00\x01a\x03\x23\x00\x00");
    driver.assert_ended(&said, ReasonCode::TopicAliasInvalid, "alias 0");
    judged + 1
}

/// Section 3.3.4: no Topic Name and no mapping: 0x82.
fn an_alias_without_topic_is_refused<M: Machine>() {
    for alias in [1, 4, 10] {
        for qos in [0, 1] {
            let mut driver = accepting::<M>(10);
            let _ = driver.feed(&aliased(0, "a", 3));
            assert_eq!(
                driver.feed(&aliased(qos, "", alias)),
                ["> DISCONNECT ProtocolError", "close TopicAliasUnknown"]
            );
            driver.assert_dead();
        }
    }
}

/// Section 3.3.2.1: neither Topic Name nor Topic Alias: 0x82.
fn no_topic_and_no_alias_is_refused<M: Machine>() {
    for bytes in [
        &b"\x30\x03\x00\x00\x00"[..],
        b"\x32\x05\x00\x00\x00\x01\x00",
    ] {
        for mut driver in [Driver::<M>::connected(), accepting::<M>(10)] {
            let said = driver.feed(bytes);
            driver.assert_ended(&said, ReasonCode::ProtocolError, "no topic");
        }
    }
}

/// Section 3.3.2.3.4: a mapping is used, replaced, and used again; others stay.
fn an_alias_gets_another_topic<M: Machine>() {
    let mut driver = accepting::<M>(2);
    for (topic, n, expected) in [
        ("a", 1, "a"),
        ("b", 2, "b"),
        ("", 1, "a"),
        ("longer/than/before", 1, "longer/than/before"),
        ("", 1, "longer/than/before"),
        ("", 2, "b"),
        ("c", 1, "c"),
        ("", 1, "c"),
        ("c", 1, "c"),
    ] {
        assert_said(&driver.feed(&aliased(0, topic, n)), expected);
        // What comes without an alias changes none.
        let said = driver.feed(&make::publish(0, 0, "d", ""));
        assert_said(&said, "d");
    }
}

/// MQTT-3.3.2-7: on the next connection the receiver knows none of them, also if the Session goes on.
fn received_aliases_end_with_the_connection<M: Machine>() {
    let maximum = [Property::TopicAliasMaximum(10)];
    let mut driver = accepting::<M>(10);
    assert_said(&driver.feed(&aliased(0, "a", 1)), "a");
    assert_said(&driver.feed(&aliased(0, "", 1)), "a");
    let _ = driver.lose();
    let _ = driver.reopen(&maximum, true, &[]);
    assert_eq!(
        driver.feed(&aliased(0, "", 1)),
        ["> DISCONNECT ProtocolError", "close TopicAliasUnknown"]
    );
    // And the maximum is that of the new connection.
    let _ = driver.lose();
    let _ = driver.reopen(&[], true, &[]);
    let said = driver.feed(&aliased(0, "a", 1));
    assert_eq!(said[0], "> DISCONNECT TopicAliasInvalid");
}
