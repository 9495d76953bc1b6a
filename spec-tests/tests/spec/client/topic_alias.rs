//! Topic Aliases in both directions (sections 3.3.2.3.4, 3.3.4), through a Client.

use std::collections::HashMap;
use std::num::NonZeroU16;

use mqtt5_session_fsm::codec::framing::{Split, split};
use mqtt5_session_fsm::codec::{Packet, Property, Publish, Role};
use mqtt5_session_fsm::{
    ClientConfig, LimitExceeded, Publication, PublishError, Session, SessionConfig, TopicAliases,
};

use super::driver::{Driver, KEEPS, Lines, publication};
use super::make;

crate::check::checks! { "topic_alias":
    client {
        Example directions_are_independent,
        Example no_alias_unless_announced,
        Domain automatic_aliases_stay_within_the_maximum,
        Example least_recently_used_alias_is_replaced,
        Example manual_alias_is_sent,
        Example manual_alias_that_the_server_does_not_take,
        Example sent_aliases_end_with_the_connection,
        Example an_alias_exists_once_it_was_written,
        Example resolved_topics_are_always_right,
        Example aliases_do_not_exceed_the_maximum_packet_size,
        Example no_alias_stands_for_a_topic_that_is_not_there,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn alias(alias: u16) -> Property<'static> {
    Property::TopicAlias(alias.try_into().unwrap())
}

fn automatic(aliases: u16, connack: &[Property<'_>]) -> Driver {
    let config = ClientConfig {
        topic_aliases: TopicAliases::Automatic(NonZeroU16::new(aliases).unwrap()),
        ..ClientConfig::default()
    };
    Driver::with(config, Session::of_client(SessionConfig::default())).go(KEEPS, false, connack)
}

fn wish(qos: u8, topic: &str, alias: u16) -> Publication {
    Publication {
        topic_alias: NonZeroU16::new(alias),
        ..publication(qos, topic, "", &[])
    }
}

/// Section 3.3.2.3.4: mappings of Client and Server are independent of each other.
fn directions_are_independent() {
    let connect = [KEEPS[0], Property::TopicAliasMaximum(10)];
    let mut driver = Driver::new().go(&connect, false, &[Property::TopicAliasMaximum(10)]);
    let _ = driver.publish_with(wish(0, "up", 1));
    let said = driver.feed(&make::publish_with(0, 0, false, "", "", &[alias(1)]));
    assert_eq!(said[0], "> DISCONNECT ProtocolError");
}

/// MQTT-3.2.2-18: no Topic Alias Maximum, or 0, no alias.
fn no_alias_unless_announced() {
    for connack in [&[][..], &[Property::TopicAliasMaximum(0)]] {
        let mut driver = automatic(10, connack);
        for _ in 0..3 {
            assert_eq!(driver.publish(0, "a", "")[0], "> PUBLISH q0 a \"\"");
        }
        refuses(&mut driver, wish(0, "a", 1));
    }
    // Nor if the application asks for none.
    let mut driver = Driver::announced(&[Property::TopicAliasMaximum(10)]);
    for _ in 0..3 {
        assert_eq!(driver.publish(0, "a", "")[0], "> PUBLISH q0 a \"\"");
    }
}

/// MQTT-3.2.2-17, MQTT-3.3.2-9: own limit and the Server's, whichever is smaller.
fn automatic_aliases_stay_within_the_maximum() -> u64 {
    let mut judged = 0;
    for maximum in [1, 2, 5, u16::MAX] {
        for own in [1, 3, 7] {
            let mut driver = automatic(own, &[Property::TopicAliasMaximum(maximum)]);
            for n in 0..60 {
                let _ = driver.publish(0, &format!("topic/{}", n * n % 13), "");
            }
            let used = resolve(&driver.wire);
            let largest = used.iter().filter_map(|(_, alias)| *alias).max();
            assert_eq!(largest, Some(own.min(maximum)));
            judged += 60;
        }
    }
    judged
}

/// What a Server understands: topic, and alias if there was one.
fn resolve(mut bytes: &[u8]) -> Vec<(String, Option<u16>)> {
    let mut known: HashMap<u16, String> = HashMap::new();
    let mut all = Vec::new();
    while let Ok(Split::Packet { packet, rest }) = split(bytes, u32::MAX) {
        bytes = rest;
        match packet.decode_from(Role::Client).unwrap() {
            Packet::Connect(_) => known.clear(),
            Packet::Publish(publish) => {
                let alias = publish.properties.topic_alias().map(NonZeroU16::get);
                let topic = match (publish.topic, alias) {
                    (Some(topic), alias) => {
                        if let Some(alias) = alias {
                            known.insert(alias, topic.as_str().into());
                        }
                        topic.as_str().to_owned()
                    }
                    (None, Some(alias)) => known[&alias].clone(),
                    (None, None) => panic!("neither topic nor alias"),
                };
                all.push((topic, alias));
            }
            _ => {}
        }
    }
    all
}

/// The documented policy: the least recently used is replaced.
fn least_recently_used_alias_is_replaced() {
    let mut driver = automatic(2, &[Property::TopicAliasMaximum(2)]);
    for (topic, expected) in [
        ("a", "> PUBLISH q0 a \"\" TopicAlias(1)"),
        ("b", "> PUBLISH q0 b \"\" TopicAlias(2)"),
        ("a", "> PUBLISH q0 - \"\" TopicAlias(1)"),
        ("c", "> PUBLISH q0 c \"\" TopicAlias(2)"),
        ("a", "> PUBLISH q0 - \"\" TopicAlias(1)"),
        ("b", "> PUBLISH q0 b \"\" TopicAlias(2)"),
        ("b", "> PUBLISH q0 - \"\" TopicAlias(2)"),
        ("c", "> PUBLISH q0 c \"\" TopicAlias(1)"),
    ] {
        assert_eq!(driver.publish(0, topic, "")[0], expected);
    }
}

/// Section 3.3.2.3.4: the application chooses the value; the Topic Name goes along the first time.
fn manual_alias_is_sent() {
    let mut driver = Driver::announced(&[Property::TopicAliasMaximum(5)]);
    for (topic, n, expected) in [
        ("a", 5, "> PUBLISH q0 a \"\" TopicAlias(5)"),
        ("a", 5, "> PUBLISH q0 - \"\" TopicAlias(5)"),
        ("b", 5, "> PUBLISH q0 b \"\" TopicAlias(5)"),
        ("a", 1, "> PUBLISH q0 a \"\" TopicAlias(1)"),
        ("b", 5, "> PUBLISH q0 - \"\" TopicAlias(5)"),
        ("a", 0, "> PUBLISH q0 a \"\""),
    ] {
        assert_eq!(driver.publish_with(wish(0, topic, n))[0], expected);
    }
}

/// MQTT-3.2.2-17: an alias above the maximum is an error that says so; one that was accepted before
/// the maximum was known is left out.
fn manual_alias_that_the_server_does_not_take() {
    let maximum = [Property::TopicAliasMaximum(5)];
    let mut driver = Driver::announced(&maximum);
    for n in [6, 7, u16::MAX] {
        refuses(&mut driver, wish(0, "a", n));
    }
    let mut driver = Driver::new();
    for n in [5, 6] {
        assert_eq!(driver.publish_with(wish(1, "a", n)), nothing());
    }
    assert_eq!(
        driver.reconnect(KEEPS, false, &maximum),
        [
            "> PUBLISH q1 #1 a \"\" TopicAlias(5)",
            "> PUBLISH q1 #2 a \"\""
        ]
    );
}

fn refuses(driver: &mut Driver, publication: Publication) {
    assert_eq!(
        driver.accept(publication),
        Err(PublishError::Forbidden(LimitExceeded::TopicAliasMaximum))
    );
    assert_eq!(driver.settle(), nothing());
}

/// MQTT-3.3.2-7: what is sent, and sent again, on a new connection has its Topic Name.
fn sent_aliases_end_with_the_connection() {
    let maximum = [Property::TopicAliasMaximum(5)];
    let mut driver = Driver::announced(&maximum);
    for n in 0..3 {
        let said = driver.publish_with(wish(1, "a", 1));
        let topic = if n == 0 { "a" } else { "-" };
        assert_eq!(
            said,
            [format!(
                "> PUBLISH q1 #{} {topic} \"\" TopicAlias(1)",
                n + 1
            )]
        );
    }
    let _ = driver.lose();
    let said = driver.reconnect(KEEPS, true, &maximum);
    assert_eq!(said.len(), 3);
    assert!(
        said[0].starts_with("> PUBLISH q1 #1 dup a \"\""),
        "{said:?}"
    );
    assert!(resolve(&driver.wire).iter().all(|(topic, _)| topic == "a"));
    // A Server without aliases, after one with them.
    let _ = driver.lose();
    for line in driver.reconnect(KEEPS, true, &[]) {
        assert!(
            line.contains(" dup a \"\"") && !line.contains("Alias"),
            "{line}"
        );
    }
    let mut driver = automatic(3, &maximum);
    let _ = driver.publish(0, "a", "");
    let _ = driver.lose();
    let _ = driver.reconnect(KEEPS, true, &maximum);
    assert!(driver.publish(0, "a", "")[0].starts_with("> PUBLISH q0 a"));
}

/// An alias that was never written does not stand for a topic.
fn an_alias_exists_once_it_was_written() {
    let maximum = [
        Property::TopicAliasMaximum(5),
        Property::ReceiveMaximum(1.try_into().unwrap()),
    ];
    // Held back by the Receive Maximum.
    let mut driver = Driver::announced(&maximum);
    let _ = driver.publish(1, "x", "");
    assert_eq!(driver.publish_with(wish(1, "a", 1)), nothing());
    assert_eq!(
        driver.publish_with(wish(0, "a", 1))[0],
        "> PUBLISH q0 a \"\" TopicAlias(1)"
    );
    let said = driver.feed(&make::puback(1));
    assert_eq!(said[1], "> PUBLISH q1 #2 - \"\" TopicAlias(1)");
    // Expired before it was written.
    let mut driver = automatic(5, &maximum);
    let _ = driver.publish(1, "x", "");
    let expires = publication(1, "a", "", &[Property::MessageExpiryInterval(1)]);
    assert_eq!(driver.publish_with(expires), nothing());
    assert_eq!(driver.tick(2_000), ["t2 Expired"]);
    assert!(driver.publish(0, "a", "")[0].starts_with("> PUBLISH q0 a"));
    // No room for it in the buffer at the first attempt.
    let mut driver = automatic(5, &maximum);
    driver.accept(publication(0, "a", "", &[])).unwrap();
    let now = driver.now;
    let mut small = [0_u8; 3];
    let output = driver.machine.poll(now, &mut &mut small[..]);
    assert!(
        matches!(output, Some(mqtt5_session_fsm::Output::NeedsRoom(_))),
        "{output:?}"
    );
    assert!(driver.settle()[0].starts_with("> PUBLISH q0 a"));
}

/// Whatever the policy and however often the connection is lost, the Server finds the topic meant.
fn resolved_topics_are_always_right() {
    let maximum = [Property::TopicAliasMaximum(4)];
    let mut driver = automatic(3, &maximum);
    let mut expected = Vec::new();
    let mut state = 1_u32;
    for n in 0..5_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let topic = format!("t{}", (state >> 16) % 7);
        let said = match (state >> 24) % 4 {
            0 => driver.publish_with(wish(0, &topic, ((state >> 8) % 5) as u16)),
            _ => driver.publish(0, &topic, ""),
        };
        assert_eq!(said.len(), 2);
        expected.push(topic);
        if n % 251 == 0 {
            let _ = driver.lose();
            let _ = driver.reconnect(KEEPS, true, &maximum);
        }
    }
    let heard: Vec<_> = resolve(&driver.wire)
        .into_iter()
        .map(|(topic, _)| topic)
        .collect();
    assert_eq!(heard, expected);
}

/// MQTT-3.2.2-15: an alias that would make the packet too large is left out, not the message.
fn aliases_do_not_exceed_the_maximum_packet_size() {
    // PUBLISH q0 "topic" "": 2 + 2 + 5 + 1 bytes; an alias takes 3.
    let bare = 10;
    for limit in bare..bare + 5 {
        let connack = [
            Property::TopicAliasMaximum(5),
            Property::MaximumPacketSize(limit.try_into().unwrap()),
        ];
        for mut driver in [automatic(3, &connack), Driver::announced(&connack)] {
            for n in 0..2 {
                let before = driver.wire.len();
                let said = driver.publish_with(wish(0, "topic", 2));
                assert!(driver.wire.len() - before <= limit as usize);
                if limit < bare + 3 {
                    assert_eq!(said[0], "> PUBLISH q0 topic \"\"");
                } else {
                    let topic = if n == 0 { "topic" } else { "-" };
                    assert_eq!(said[0], format!("> PUBLISH q0 {topic} \"\" TopicAlias(2)"));
                }
            }
            let before = driver.wire.len();
            let _ = driver.publish(0, "topic", "");
            assert!(driver.wire.len() - before <= limit as usize);
        }
    }
}

/// Section 3.3.4: an alias without Topic Name that was never set would be a Protocol Error.
fn no_alias_stands_for_a_topic_that_is_not_there() {
    let maximum = [Property::TopicAliasMaximum(5)];
    for mut driver in [automatic(3, &maximum), Driver::announced(&maximum)] {
        let (now, before) = (driver.now, driver.wire.len());
        let publish = Publish::default();
        let result = driver.machine.publish_now(now, &publish, &mut driver.wire);
        assert!(
            matches!(result, Err(PublishError::Invalid(_))),
            "{result:?}"
        );
        assert_eq!(driver.wire.len(), before);
    }
}
