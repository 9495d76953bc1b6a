//! Topic Aliases that this side sets (sections 3.1.2.11.5, 3.2.2.3.8, 3.3.2.3.4).

use std::collections::HashMap;
use std::num::NonZeroU16;

use mqtt5_session_fsm::codec::framing::{Split, split};
use mqtt5_session_fsm::codec::{Message, Packet, Property, ProtocolVersion, Publish, Qos};
use mqtt5_session_fsm::{LimitExceeded, Output, Publication, PublishError, TopicAliases};

use super::driver::{Driver, Lines, publication};
use super::machine::{Machine, Settings};
use super::make;

crate::check::checks! { "topic_alias":
    both {
        Example a_message_that_is_kept_has_no_alias,
        Example directions_are_independent,
        Domain no_alias_unless_announced,
        Domain automatic_aliases_stay_within_the_maximum,
        Example least_recently_used_alias_is_replaced,
        Example manual_alias_is_sent,
        Example manual_alias_that_the_peer_does_not_take,
        Domain a_manual_alias_waits_too,
        Domain sent_aliases_end_with_the_connection,
        Example an_alias_exists_once_it_was_written,
        Domain resolved_topics_are_always_right,
        Example aliases_do_not_exceed_the_maximum_packet_size,
        Example no_alias_stands_for_a_topic_that_is_not_there,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn maximum(n: u16) -> [Property<'static>; 1] {
    [Property::TopicAliasMaximum(n)]
}

/// The machine chooses among this number of aliases; with 0 only the application chooses.
fn automatic<M: Machine>(aliases: u16) -> Driver<M> {
    Driver::<M>::set(Settings {
        topic_aliases: NonZeroU16::new(aliases).map_or(TopicAliases::Off, TopicAliases::Automatic),
        ..Settings::default()
    })
}

fn wish(qos: u8, topic: &str, alias: u16) -> Publication {
    Publication {
        topic_alias: NonZeroU16::new(alias),
        ..publication(qos, topic, "", &[])
    }
}

/// Section 3.3.2.3.4: mappings of Client and Server are independent of each other.
fn directions_are_independent<M: Machine>() {
    let alias = [Property::TopicAlias(NonZeroU16::MIN)];
    let mut driver = automatic::<M>(5).open(&maximum(5), &maximum(5));
    let mut other = driver.clone();
    let _ = other.publish_with(wish(0, "up", 1));
    let said = other.feed(&make::publish_with(0, 0, false, "", "", &alias));
    assert_eq!(said[0], "> DISCONNECT ProtocolError");
    // What the peer has set does not serve this side.
    let _ = driver.feed(&make::publish_with(0, 0, false, "a", "", &alias));
    for topic in ["b", "a"] {
        let said = driver.publish(0, topic, "");
        assert!(
            said[0].starts_with(&format!("> PUBLISH q0 {topic} ")),
            "{said:?}"
        );
        let said = driver.feed(&make::publish_with(0, 0, false, "", "", &alias));
        assert!(said[0].starts_with("message q0 a "), "{said:?}");
    }
}

/// MQTT-3.1.2-27, MQTT-3.2.2-18: no Topic Alias Maximum, or 0, no alias, whatever the policy and the application's wish.
fn no_alias_unless_announced<M: Machine>() -> u64 {
    let mut judged = 0;
    for peer in [&[][..], &maximum(0)] {
        for aliases in [0, 1, 10] {
            let mut driver = automatic::<M>(aliases).open(&[], peer);
            for n in [0, 1, u16::MAX] {
                for _ in 0..3 {
                    assert_eq!(driver.publish(0, "a", "")[0], "> PUBLISH q0 a \"\"");
                }
                if n > 0 {
                    refuses(&mut driver, wish(0, "a", n));
                }
                judged += 1;
            }
        }
    }
    // Nor if the application asks for none.
    let mut driver = Driver::<M>::announced(&maximum(10));
    for _ in 0..3 {
        assert_eq!(driver.publish(0, "a", "")[0], "> PUBLISH q0 a \"\"");
    }
    judged + 1
}

/// MQTT-3.1.2-26, MQTT-3.2.2-17, MQTT-3.3.2-8, MQTT-3.3.2-9, MQTT-3.3.2-11: own limit and the peer's, whichever is smaller;
/// and whatever the application wishes.
fn automatic_aliases_stay_within_the_maximum<M: Machine>() -> u64 {
    let mut judged = 0;
    for peer in [1, 2, 4, 5, u16::MAX] {
        for own in [1, 3, 6, 7] {
            let mut driver = automatic::<M>(own).open(&[], &maximum(peer));
            for n in 0..60 {
                let _ = driver.publish(0, &format!("topic/{}", n * n % 13), "");
            }
            let largest = aliases(&driver).max();
            assert_eq!(largest, Some(own.min(peer)));
            for n in 0..60 {
                let topic = format!("topic/{}", n * 7 % 10);
                let _ = driver.accept(wish(0, &topic, n % 7));
                let _ = driver.settle();
            }
            assert!(aliases(&driver).all(|alias| (1..=peer).contains(&alias)));
            judged += 120;
        }
    }
    judged
}

/// The Topic Aliases that were sent.
fn aliases<M: Machine>(driver: &Driver<M>) -> impl Iterator<Item = u16> {
    resolve::<M>(&driver.wire)
        .into_iter()
        .filter_map(|(_, alias)| alias)
}

/// What a peer understands: topic, and alias if there was one.
fn resolve<M: Machine>(mut bytes: &[u8]) -> Vec<(String, Option<u16>)> {
    let mut known: HashMap<u16, String> = HashMap::new();
    let mut all = Vec::new();
    while let Ok(Split::Packet { packet, rest }) = split(bytes, u32::MAX) {
        bytes = rest;
        match packet.decode_from(ProtocolVersion::V5_0, M::ROLE).unwrap() {
            Packet::Connect(_) | Packet::ConnAck(_) => known.clear(),
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
fn least_recently_used_alias_is_replaced<M: Machine>() {
    let mut driver = automatic::<M>(2).open(&[], &maximum(2));
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
fn manual_alias_is_sent<M: Machine>() {
    let mut driver = Driver::<M>::announced(&[Property::TopicAliasMaximum(5)]);
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

/// MQTT-3.2.2-17, MQTT-3.1.2-26: an alias above the maximum is an error that says so; one that was accepted before the maximum
/// was known is left out.
fn manual_alias_that_the_peer_does_not_take<M: Machine>() {
    let mut driver = Driver::<M>::announced(&maximum(5));
    for n in [6, 7, u16::MAX] {
        refuses(&mut driver, wish(0, "a", n));
        assert_eq!(driver.publish(0, "a", "")[0], "> PUBLISH q0 a \"\"");
    }
    let mut driver = Driver::<M>::connected();
    assert_eq!(driver.lose(), nothing());
    for n in [5, 6] {
        assert_eq!(driver.publish_with(wish(1, "a", n)), nothing());
    }
    assert_eq!(
        driver.reopen(&[], true, &maximum(5)),
        [
            "> PUBLISH q1 #1 a \"\" TopicAlias(5)",
            "> PUBLISH q1 #2 a \"\""
        ]
    );
}

/// MQTT-3.1.2-26, MQTT-3.1.2-27, MQTT-3.3.2-11: the peer's maximum counts when the message is sent, also for one that was sent with
/// the alias before.
fn a_manual_alias_waits_too<M: Machine>() -> u64 {
    let mut judged = 0;
    for (qos, was_sent) in [
        (0, false),
        (0, true),
        (1, false),
        (1, true),
        (2, false),
        (2, true),
    ] {
        for next in [None, Some(0), Some(6), Some(7)] {
            let mut driver = Driver::<M>::announced(&maximum(9));
            if was_sent {
                let _ = driver.publish_with(wish(qos, "a", 7));
            }
            assert_eq!(driver.lose(), nothing());
            if !was_sent {
                assert_eq!(driver.publish_with(wish(qos, "a", 7)), nothing());
            }
            let before = driver.wire.len();
            let peer: Vec<_> = next.map(Property::TopicAliasMaximum).into_iter().collect();
            let said = driver.reopen(&[], true, &peer);
            let sent = said.iter().filter(|line| line.starts_with("> PUBLISH"));
            assert!(sent.clone().all(|line| !line.contains(" - ")), "{said:?}");
            assert_eq!(sent.count(), usize::from(!was_sent || qos > 0));
            for (topic, alias) in resolve::<M>(&driver.wire[before..]) {
                assert_eq!(topic, "a");
                assert!(alias.is_none_or(|alias| alias <= next.unwrap_or(0)));
            }
            judged += 1;
        }
    }
    judged
}

fn refuses<M: Machine>(driver: &mut Driver<M>, publication: Publication) {
    assert_eq!(
        driver.accept(publication),
        Err(PublishError::Forbidden(LimitExceeded::TopicAliasMaximum))
    );
    assert_eq!(driver.settle(), nothing());
}

/// MQTT-3.3.2-7: what is sent, and sent again, on a new connection has its Topic Name.
fn sent_aliases_end_with_the_connection<M: Machine>() -> u64 {
    let mut driver = Driver::<M>::announced(&maximum(5));
    for n in 1..=3 {
        let topic = if n == 1 { "a" } else { "-" };
        assert_eq!(
            driver.publish_with(wish(1, "a", 1)),
            [format!("> PUBLISH q1 #{n} {topic} \"\" TopicAlias(1)")]
        );
    }
    let _ = driver.lose();
    let said = driver.reopen(&[], true, &maximum(5));
    assert_eq!(said.len(), 3);
    assert!(
        said[0].starts_with("> PUBLISH q1 #1 dup a \"\""),
        "{said:?}"
    );
    assert!(
        resolve::<M>(&driver.wire)
            .iter()
            .all(|(topic, _)| topic == "a")
    );
    // A peer without aliases, after one with them.
    let _ = driver.lose();
    for line in driver.reopen(&[], true, &[]) {
        assert!(
            line.contains(" dup a \"\"") && !line.contains("Alias"),
            "{line}"
        );
    }
    // Those that the machine chose.
    for next in [0, 1, 3] {
        let mut driver = automatic::<M>(3).open(&[], &maximum(3));
        for n in 1..=3 {
            let topic = if n == 1 { "a" } else { "-" };
            let expected = format!("> PUBLISH q1 #{n} {topic} \"\" TopicAlias(1)");
            assert_eq!(driver.publish(1, "a", ""), [expected]);
        }
        let _ = driver.lose();
        let before = driver.wire.len();
        assert_eq!(driver.reopen(&[], true, &maximum(next)).len(), 3);
        let again = resolve::<M>(&driver.wire[before..]);
        assert_eq!(again.len(), 3);
        for (topic, alias) in again {
            assert_eq!(topic, "a");
            assert!(alias.is_none_or(|alias| alias <= next));
        }
        let _ = driver.lose();
        let _ = driver.reopen(&[], false, &maximum(next));
        assert!(driver.publish(0, "a", "")[0].starts_with("> PUBLISH q0 a"));
    }
    15
}

/// An alias that was never written does not stand for a topic.
fn an_alias_exists_once_it_was_written<M: Machine>() {
    let limits = [
        Property::TopicAliasMaximum(5),
        Property::ReceiveMaximum(1.try_into().unwrap()),
    ];
    // Held back by the Receive Maximum.
    let mut driver = Driver::<M>::announced(&limits);
    let _ = driver.publish(1, "x", "");
    assert_eq!(driver.publish_with(wish(1, "a", 1)), nothing());
    assert_eq!(
        driver.publish_with(wish(0, "a", 1))[0],
        "> PUBLISH q0 a \"\" TopicAlias(1)"
    );
    let said = driver.feed(&make::puback(1));
    assert_eq!(said[1], "> PUBLISH q1 #2 - \"\" TopicAlias(1)");
    // Refused.
    let mut driver = automatic::<M>(5).open(
        &[],
        &[
            Property::TopicAliasMaximum(5),
            Property::MaximumPacketSize(40.try_into().unwrap()),
        ],
    );
    assert!(
        driver
            .accept(publication(0, "a", &"x".repeat(60), &[]))
            .is_err()
    );
    assert!(driver.publish(0, "a", "")[0].starts_with("> PUBLISH q0 a"));
    // Expired before it was written.
    let mut driver = automatic::<M>(5).open(&[], &limits);
    let _ = driver.publish(1, "x", "");
    let expires = publication(1, "a", "", &[Property::MessageExpiryInterval(1)]);
    assert_eq!(driver.publish_with(expires), nothing());
    assert_eq!(driver.tick(2_000), ["t2 Expired"]);
    assert!(driver.publish(0, "a", "")[0].starts_with("> PUBLISH q0 a"));
    // No room for it in the buffer at the first attempt.
    let mut driver = automatic::<M>(5).open(&[], &limits);
    driver.accept(publication(0, "a", "", &[])).unwrap();
    let now = driver.now;
    let mut small = [0_u8; 3];
    let output = driver.machine.poll(now, &mut &mut small[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    assert!(driver.settle()[0].starts_with("> PUBLISH q0 a"));
}

/// Section 3.3.2.3.4: whatever the policy and however often the connection is lost, the peer finds the topic meant; and aliases
/// are used.
fn resolved_topics_are_always_right<M: Machine>() -> u64 {
    let mut judged = 0;
    let mut short = 0;
    for (peer, own) in [1, 2, 4]
        .into_iter()
        .flat_map(|peer| [1, 2, 3, 9].map(|own| (peer, own)))
    {
        let mut driver = automatic::<M>(own).open(&[], &maximum(peer));
        let mut expected = Vec::new();
        let mut state = 1_u32;
        for n in 0..700 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let topic = format!("t{}", (state >> 16) % 7);
            let alias = ((state >> 8) % (u32::from(peer) + 1)) as u16;
            let said = match (state >> 24) % 4 {
                0 => driver.publish_with(wish(0, &topic, alias)),
                _ => driver.publish(0, &topic, ""),
            };
            assert_eq!(said.len(), 2);
            short += u64::from(said[0].starts_with("> PUBLISH q0 - "));
            expected.push(topic);
            if n % 251 == 0 {
                let _ = driver.lose();
                let _ = driver.reopen(&[], true, &maximum(peer));
            }
        }
        let heard: Vec<_> = resolve::<M>(&driver.wire)
            .into_iter()
            .map(|(topic, _)| topic)
            .collect();
        assert_eq!(heard, expected);
        judged += 700;
    }
    assert!(short > 1_000, "{short}");
    judged
}

/// MQTT-3.2.2-15: an alias that would make the packet too large is left out, not the message.
fn aliases_do_not_exceed_the_maximum_packet_size<M: Machine>() {
    // PUBLISH q0 "topic" "": 2 + 2 + 5 + 1 bytes; an alias takes 3.
    let bare = 10;
    for limit in bare..bare + 5 {
        let connack = [
            Property::TopicAliasMaximum(5),
            Property::MaximumPacketSize(limit.try_into().unwrap()),
        ];
        for mut driver in [
            automatic::<M>(3).open(&[], &connack),
            Driver::<M>::announced(&connack),
        ] {
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
fn no_alias_stands_for_a_topic_that_is_not_there<M: Machine>() {
    for mut driver in [
        automatic::<M>(3).open(&[], &maximum(5)),
        Driver::<M>::announced(&maximum(5)),
    ] {
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

/// Section 3.3.2.3.4: an alias means nothing on another connection, so a message that came with one, is kept and sent on
/// has none.
fn a_message_that_is_kept_has_no_alias<M: Machine>() {
    let came = make::publish_with(
        0,
        0,
        false,
        "a",
        "x",
        &[Property::TopicAlias(NonZeroU16::MIN)],
    );
    let Ok(Packet::Publish(publish)) = Packet::decode(ProtocolVersion::V5_0, &came) else {
        panic!("no PUBLISH: {came:02x?}");
    };
    let kept = Message::new(&publish).expect("a message");
    let mut driver = Driver::<M>::announced(&maximum(10));
    assert_eq!(
        driver.publish_with(Publication::new(Qos::AtLeastOnce, kept)),
        ["> PUBLISH q1 #1 a \"x\""]
    );
}
