//! Topic Aliases in both directions (sections 3.1.2.11.5, 3.2.2.3.8, 3.3.2.3.4, 3.3.4; table T13).

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use mqtt5_codec::{Delivery, Packet, Properties, Property, Publish, Qos, ReasonCode};
use mqtt5_session_fsm::{
    Cause, LimitExceeded, Limits, Publication, PublishError, ServerConfig, TopicAliases,
};

use super::driver::{Driver, Report, Seen};
use super::make::{Hello, bytes, config, id, limited, message, topic};
use crate::check::Outcome;

super::listed! { "topic_alias":
    Domain every_alias_up_to_the_maximum_is_accepted,
    Domain an_alias_above_the_maximum_is_an_error,
    Example an_alias_without_topic_is_an_error,
    Example a_mapping_is_used_and_replaced,
    Example no_topic_and_no_alias_is_an_error,
    Example mappings_end_with_the_connection,
    Example mappings_of_both_sides_are_independent,
    Domain no_alias_for_a_client_that_takes_none,
    Domain never_an_alias_above_the_clients_maximum,
    Domain what_is_sent_means_what_was_published,
    Example a_new_connection_begins_without_mappings,
    Example messages_sent_again_have_their_topic,
    Example a_wish_of_the_application_is_fulfilled_if_possible,
    Example a_refused_message_leaves_no_mapping,
    Example a_message_that_is_kept_has_no_alias,
}

/// A Client's PUBLISH, of QoS 1 with an identifier, with these topic and alias.
fn aliased(name: Option<&str>, alias: Option<u16>, identifier: Option<u16>) -> Vec<u8> {
    let list: Vec<_> = alias
        .map(|alias| Property::TopicAlias(NonZeroU16::new(alias).expect("not 0")))
        .into_iter()
        .collect();
    bytes(Publish {
        delivery: identifier.map_or(Delivery::AtMostOnce, |number| {
            Delivery::new(Qos::AtLeastOnce, id(number), false)
        }),
        topic: name.map(topic),
        properties: Properties::new(&list).expect("a property of a PUBLISH"),
        ..Publish::default()
    })
}

fn accepting(maximum: u16) -> Driver {
    let limits = Limits {
        topic_alias_maximum: maximum,
        ..Limits::NONE
    };
    Driver::connected(limited(limits), &Hello::lasting())
}

fn topics(report: &Report) -> Vec<String> {
    let topic = |seen: &Seen| match seen {
        Seen::Message(_, topic, ..) => Some(topic.clone()),
        _ => None,
    };
    report.log.iter().filter_map(topic).collect()
}

/// [MQTT-3.3.2-12]: 1 to the maximum, all of them, set and then used.
fn every_alias_up_to_the_maximum_is_accepted() -> Outcome {
    for maximum in [1, 2, 255, 256, u16::MAX] {
        let mut driver = accepting(maximum);
        for alias in 1..=maximum {
            let name = format!("topic/{alias}");
            let report = driver.send(&aliased(Some(&name), Some(alias), None));
            assert_eq!(topics(&report), [name]);
        }
        for alias in (1..=maximum).rev() {
            let report = driver.send(&aliased(None, Some(alias), None));
            assert_eq!(topics(&report), [format!("topic/{alias}")]);
        }
    }
    Ok(2 * (65_535 + 1 + 2 + 255 + 256))
}

/// PER-21, section 3.3.4: DISCONNECT 0x94, also for 0.
fn an_alias_above_the_maximum_is_an_error() -> Outcome {
    for (maximum, alias) in [
        (0, 1),
        (0, u16::MAX),
        (1, 2),
        (10, 11),
        (255, 256),
        (65_534, 65_535),
    ] {
        for identifier in [None, Some(1)] {
            let report = accepting(maximum).send(&aliased(Some("a"), Some(alias), identifier));
            assert_eq!(
                report.last_word(),
                Some(ReasonCode::TopicAliasInvalid),
                "{alias}"
            );
            assert!(matches!(report.close(), Some(Cause::PeerError(_))));
            assert!(topics(&report).is_empty());
        }
    }
    let report = accepting(10).send(b"\x30\x07\x00\x01a\x03\x23\x00\x00");
    assert_eq!(report.last_word(), Some(ReasonCode::TopicAliasInvalid));
    Ok(13)
}

/// PER-22, section 3.3.4: DISCONNECT 0x82.
fn an_alias_without_topic_is_an_error() -> Outcome {
    for alias in [1, 3, 10] {
        let mut driver = accepting(10);
        driver.send(&aliased(Some("a"), Some(2), None));
        let report = driver.send(&aliased(None, Some(alias), Some(1)));
        assert_eq!(report.last_word(), Some(ReasonCode::ProtocolError));
        assert!(topics(&report).is_empty());
    }
    Ok(3)
}

/// Section 3.3.2.3.4: used, replaced, used again; others stay.
fn a_mapping_is_used_and_replaced() -> Outcome {
    let mut driver = accepting(2);
    let steps = [
        (Some("a"), Some(1), "a"),
        (Some("b"), Some(2), "b"),
        (None, Some(1), "a"),
        (Some("c"), Some(1), "c"),
        (None, Some(1), "c"),
        (Some("a"), None, "a"),
        (None, Some(2), "b"),
        (None, Some(1), "c"),
        (Some("c"), Some(1), "c"),
        (Some("a/longer/name"), Some(1), "a/longer/name"),
        (None, Some(1), "a/longer/name"),
    ];
    for (name, alias, expected) in steps {
        assert_eq!(
            topics(&driver.send(&aliased(name, alias, None))),
            [expected]
        );
    }
    Ok(steps.len() as u64)
}

/// PER-20, section 3.3.2.1: DISCONNECT 0x82.
fn no_topic_and_no_alias_is_an_error() -> Outcome {
    for bytes in [
        &b"\x30\x03\x00\x00\x00"[..],
        b"\x32\x05\x00\x00\x00\x01\x00",
    ] {
        let report = accepting(10).send(bytes);
        assert_eq!(report.last_word(), Some(ReasonCode::ProtocolError));
        assert!(matches!(report.close(), Some(Cause::PeerError(_))));
    }
    Ok(2)
}

/// [MQTT-3.3.2-7]: also if the Session goes on.
fn mappings_end_with_the_connection() -> Outcome {
    let limits = Limits {
        topic_alias_maximum: 5,
        ..Limits::NONE
    };
    let mut driver = Driver::connected(limited(limits), &Hello::lasting());
    driver.send(&aliased(Some("a"), Some(1), None));
    assert_eq!(topics(&driver.send(&aliased(None, Some(1), None))), ["a"]);
    let (keeper, _) = driver.part();
    let (mut driver, _) = Driver::resumed(
        keeper.now,
        limited(limits),
        &Hello::lasting(),
        Some(keeper.session),
    );
    let report = driver.send(&aliased(None, Some(1), None));
    assert_eq!(report.last_word(), Some(ReasonCode::ProtocolError));
    Ok(1)
}

fn taking(maximum: u16) -> Hello {
    Hello::lasting().with(Property::TopicAliasMaximum(maximum))
}

fn automatic(aliases: u16) -> ServerConfig {
    ServerConfig {
        topic_aliases: NonZeroU16::new(aliases).map_or(TopicAliases::Off, TopicAliases::Automatic),
        ..config()
    }
}

fn to(name: &str) -> Publication {
    Publication::new(Qos::AtMostOnce, message(name, b"x", &[]))
}

/// What was written; nothing if the alias that the application wants is refused for its number.
fn published(driver: &mut Driver, publication: Publication) -> Option<Report> {
    match driver.publish(publication) {
        Ok((_, report)) => Some(report),
        Err(PublishError::Forbidden(LimitExceeded::TopicAliasMaximum)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Topic Name and Topic Alias of the PUBLISH that was written.
fn sent(report: &Report) -> (Option<String>, Option<u16>) {
    match report.packet() {
        Packet::Publish(publish) => (
            publish.topic.map(|name| name.as_str().to_owned()),
            publish.properties.topic_alias().map(NonZeroU16::get),
        ),
        other => panic!("{other:?}"),
    }
}

/// Section 3.3.2.3.4: what the Client has set does not serve the Server.
fn mappings_of_both_sides_are_independent() -> Outcome {
    let limits = Limits {
        topic_alias_maximum: 5,
        ..Limits::NONE
    };
    let config = ServerConfig {
        limits,
        ..automatic(5)
    };
    let mut driver = Driver::connected(config, &taking(5));
    driver.send(&aliased(Some("a"), Some(1), None));
    let (_, report) = driver.publish(to("b")).expect("room");
    assert_eq!(sent(&report).0.as_deref(), Some("b"));
    assert_eq!(topics(&driver.send(&aliased(None, Some(1), None))), ["a"]);
    let (_, report) = driver.publish(to("a")).expect("room");
    assert_eq!(sent(&report).0.as_deref(), Some("a"));
    Ok(1)
}

/// [MQTT-3.1.2-27]: absent or 0, with any policy and any wish.
fn no_alias_for_a_client_that_takes_none() -> Outcome {
    for hello in [Hello::lasting(), taking(0)] {
        for aliases in [0, 1, 10] {
            for wish in [None, NonZeroU16::new(1), NonZeroU16::new(u16::MAX)] {
                let mut driver = Driver::connected(automatic(aliases), &hello);
                for _ in 0..3 {
                    let publication = Publication {
                        topic_alias: wish,
                        ..to("a")
                    };
                    if let Some(report) = published(&mut driver, publication) {
                        assert_eq!(sent(&report), (Some("a".to_owned()), None));
                    } else {
                        assert!(wish.is_some() && driver.pump().is_empty());
                    }
                }
            }
        }
    }
    Ok(18)
}

/// [MQTT-3.1.2-26], [MQTT-3.3.2-11], [MQTT-3.3.2-8]: policies and wishes above it.
fn never_an_alias_above_the_clients_maximum() -> Outcome {
    let mut tried = 0;
    for maximum in 1..=4 {
        for aliases in 0..=6 {
            let mut driver = Driver::connected(automatic(aliases), &taking(maximum));
            for round in 0..60_u16 {
                let publication = Publication {
                    topic_alias: NonZeroU16::new(if round % 4 == 0 { round % 7 } else { 0 }),
                    ..to(&format!("t{}", round * 7 % 10))
                };
                let report = published(&mut driver, publication);
                if let Some(alias) = report.and_then(|report| sent(&report).1) {
                    assert!((1..=maximum).contains(&alias), "{alias} of {maximum}");
                }
                tried += 1;
            }
        }
    }
    Ok(tried)
}

/// Section 3.3.2.3.4: a receiver that follows the rules understands each PUBLISH; and aliases are used.
fn what_is_sent_means_what_was_published() -> Outcome {
    let mut short = 0;
    for maximum in [1, 2, 5] {
        for aliases in [1, 2, 3, 9] {
            let mut driver = Driver::connected(automatic(aliases), &taking(maximum));
            let mut mappings = BTreeMap::new();
            let mut state = 12_345_u32;
            for _ in 0..400 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let name = format!("topic/{}", (state >> 16) % 6);
                let wish = NonZeroU16::new(if state >> 28 == 0 { 1 } else { 0 });
                let publication = Publication {
                    topic_alias: wish,
                    ..to(&name)
                };
                let (_, report) = driver.publish(publication).expect("room");
                let meant = match sent(&report) {
                    (Some(topic), Some(alias)) => {
                        mappings.insert(alias, topic.clone());
                        topic
                    }
                    (Some(topic), None) => topic,
                    (None, Some(alias)) => {
                        short += 1;
                        mappings[&alias].clone()
                    }
                    (None, None) => return Err("neither topic nor alias".to_owned()),
                };
                assert_eq!(meant, name);
            }
        }
    }
    assert!(short > 1_000, "{short}");
    Ok(12 * 400)
}

/// [MQTT-3.3.2-7]: the first PUBLISH of a topic on a new connection has the topic.
fn a_new_connection_begins_without_mappings() -> Outcome {
    let mut driver = Driver::connected(automatic(3), &taking(3));
    driver.publish(to("a")).expect("room");
    let (_, report) = driver.publish(to("a")).expect("room");
    assert_eq!(sent(&report), (None, Some(1)));
    let (keeper, _) = driver.part();
    let (mut driver, _) =
        Driver::resumed(keeper.now, automatic(3), &taking(3), Some(keeper.session));
    let (_, report) = driver.publish(to("a")).expect("room");
    assert_eq!(sent(&report).0.as_deref(), Some("a"));
    Ok(1)
}

/// [MQTT-3.3.2-7], T13: a PUBLISH that went out with an alias alone is sent again so that it is understood.
fn messages_sent_again_have_their_topic() -> Outcome {
    for next in [0, 1, 3] {
        let mut driver = Driver::connected(automatic(3), &taking(3));
        for _ in 0..3 {
            let publication = Publication::new(Qos::AtLeastOnce, message("a", b"x", &[]));
            driver.publish(publication).expect("room");
        }
        let (keeper, _) = driver.part();
        let (_, report) = Driver::resumed(
            keeper.now,
            automatic(3),
            &taking(next),
            Some(keeper.session),
        );
        let mut mappings = BTreeMap::new();
        for packet in &report.packets()[1..] {
            let Packet::Publish(publish) = packet else {
                return Err(format!("{packet:?}"));
            };
            let alias = publish.properties.topic_alias();
            assert!(alias.is_none_or(|alias| alias.get() <= next));
            match (publish.topic, alias) {
                (Some(name), alias) => {
                    assert_eq!(name.as_str(), "a");
                    alias.map(|alias| mappings.insert(alias, "a"));
                }
                (None, alias) => assert_eq!(mappings[&alias.expect("an alias")], "a"),
            }
        }
    }
    Ok(9)
}

/// Section 3.3.2.3.4: the sender chooses the values.
fn a_wish_of_the_application_is_fulfilled_if_possible() -> Outcome {
    let mut driver = Driver::connected(config(), &taking(7));
    let mut publish = |name, alias| {
        let publication = Publication {
            topic_alias: NonZeroU16::new(alias),
            ..to(name)
        };
        let report = published(&mut driver, publication);
        report.map_or((Some(name.to_owned()), None), |report| sent(&report))
    };
    assert_eq!(publish("a", 7), (Some("a".to_owned()), Some(7)));
    assert_eq!(publish("a", 7), (None, Some(7)));
    assert_eq!(publish("b", 7), (Some("b".to_owned()), Some(7)));
    assert_eq!(publish("a", 8), (Some("a".to_owned()), None));
    assert_eq!(publish("a", 0), (Some("a".to_owned()), None));
    Ok(5)
}

/// Sections 3.1.2.11.4, 3.3.2.3.4: an alias exists only if its packet was sent.
fn a_refused_message_leaves_no_mapping() -> Outcome {
    let hello = taking(3).with(Property::MaximumPacketSize(40.try_into().expect("not 0")));
    let mut driver = Driver::connected(automatic(3), &hello);
    let large = Publication::new(Qos::AtMostOnce, message("a", &[0; 60], &[]));
    assert!(driver.publish(large).is_err());
    let (_, report) = driver.publish(to("a")).expect("room");
    assert_eq!(sent(&report).0.as_deref(), Some("a"));
    Ok(1)
}

/// 3.3.2.3.4: an alias means something on its own connection only; what is kept of a message, to be sent on
/// another, has none, and none can be put into it.
fn a_message_that_is_kept_has_no_alias() -> Outcome {
    let received = aliased(Some("a/b"), Some(7), None);
    let Ok(Packet::Publish(publish)) = Packet::decode(&received) else {
        panic!("a PUBLISH");
    };
    let kept = mqtt5_codec::Message::new(&publish).expect("a message");
    let mut buffer = mqtt5_codec::bytes::BytesMut::new();
    let in_buffer = mqtt5_codec::Message::new_in(&mut buffer, &publish).expect("a message");
    for message in [&kept, &in_buffer] {
        assert_eq!(message.publish().properties.topic_alias(), None);
        assert_eq!(message.topic().as_str(), "a/b");
    }
    let alias = [Property::TopicAlias(NonZeroU16::MIN)];
    let own = Publish {
        properties: Properties::new(&alias).expect("a property of a PUBLISH"),
        ..Publish::new(topic("a/b"), b"")
    };
    assert!(mqtt5_codec::Message::new(&own).is_err());
    Ok(3)
}
