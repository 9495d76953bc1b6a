//! Topic Aliases that the Server sets (section 3.3.4).

use mqtt5_session_fsm::codec::Property;

use super::driver::{Driver, KEEPS};
use super::make;

crate::check::checks! { "topic_alias_received":
    client {
        Domain every_announced_alias_is_accepted,
        Example aliases_above_the_maximum_are_refused,
        Example an_alias_without_topic_is_refused,
        Example an_alias_gets_another_topic,
        Example received_aliases_end_with_the_connection,
    }
}

fn alias(alias: u16) -> Property<'static> {
    Property::TopicAlias(alias.try_into().unwrap())
}

/// MQTT-3.3.2-10: each value from 1 to the maximum, for several maxima.
fn every_announced_alias_is_accepted() -> u64 {
    let mut judged = 0;
    for maximum in [1, 2, 17, 256, u16::MAX] {
        let connect = [KEEPS[0], Property::TopicAliasMaximum(maximum)];
        let mut driver = Driver::new().go(&connect, false, &[]);
        for n in 1..=maximum {
            let topic = format!("t/{n}");
            let said = driver.feed(&make::publish_with(0, 0, false, &topic, "", &[alias(n)]));
            assert_eq!(said.len(), 1);
        }
        for n in (1..=maximum).rev() {
            let said = driver.feed(&make::publish_with(0, 0, false, "", "", &[alias(n)]));
            assert!(
                said[0].starts_with(&format!("message q0 t/{n} \"\"")),
                "{said:?}"
            );
            judged += 1;
        }
    }
    judged
}

/// PER-21: above the maximum, 0x94; so any if none was announced.
fn aliases_above_the_maximum_are_refused() {
    for (maximum, above) in [
        (None, 1),
        (Some(0), 1),
        (Some(1), 2),
        (Some(10), 11),
        (Some(10), u16::MAX),
    ] {
        for topic in ["a", ""] {
            let mut connect = KEEPS.to_vec();
            connect.extend(maximum.map(Property::TopicAliasMaximum));
            let mut driver = Driver::new().go(&connect, false, &[]);
            let said = driver.feed(&make::publish_with(0, 0, false, topic, "", &[alias(above)]));
            assert_eq!(
                said,
                ["> DISCONNECT TopicAliasInvalid", "close TopicAliasTooLarge"]
            );
            driver.assert_dead();
        }
    }
}

/// PER-22: no Topic Name and no mapping: 0x82.
fn an_alias_without_topic_is_refused() {
    let connect = [KEEPS[0], Property::TopicAliasMaximum(10)];
    let mut driver = Driver::new().go(&connect, false, &[]);
    let _ = driver.feed(&make::publish_with(0, 0, false, "a", "", &[alias(3)]));
    let said = driver.feed(&make::publish_with(1, 1, false, "", "", &[alias(4)]));
    assert_eq!(
        said,
        ["> DISCONNECT ProtocolError", "close TopicAliasUnknown"]
    );
    driver.assert_dead();
}

/// T13: a mapping can be replaced; others stay.
fn an_alias_gets_another_topic() {
    let connect = [KEEPS[0], Property::TopicAliasMaximum(2)];
    let mut driver = Driver::new().go(&connect, false, &[]);
    for (topic, n, expected) in [
        ("a", 1, "a"),
        ("b", 2, "b"),
        ("", 1, "a"),
        ("longer/than/before", 1, "longer/than/before"),
        ("", 1, "longer/than/before"),
        ("", 2, "b"),
        ("c", 1, "c"),
        ("", 1, "c"),
    ] {
        let said = driver.feed(&make::publish_with(0, 0, false, topic, "", &[alias(n)]));
        assert!(
            said[0].starts_with(&format!("message q0 {expected} \"\"")),
            "{said:?}"
        );
    }
}

/// MQTT-3.3.2-7: on the next connection the receiver knows none of them.
fn received_aliases_end_with_the_connection() {
    let connect = [KEEPS[0], Property::TopicAliasMaximum(10)];
    let mut driver = Driver::new().go(&connect, false, &[]);
    let _ = driver.feed(&make::publish_with(0, 0, false, "a", "", &[alias(1)]));
    let _ = driver.lose();
    let _ = driver.reconnect(&connect, true, &[]);
    let said = driver.feed(&make::publish_with(0, 0, false, "", "", &[alias(1)]));
    assert_eq!(
        said,
        ["> DISCONNECT ProtocolError", "close TopicAliasUnknown"]
    );
    // And the maximum is that of the new CONNECT.
    let _ = driver.lose();
    let _ = driver.reconnect(KEEPS, true, &[]);
    let said = driver.feed(&make::publish_with(0, 0, false, "a", "", &[alias(1)]));
    assert_eq!(said[0], "> DISCONNECT TopicAliasInvalid");
}
