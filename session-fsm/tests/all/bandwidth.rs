//! What Topic Aliases save: the counts are those of the bytes that were written, and of the bytes that are
//! written without aliases; the forecast says the same beforehand.

use std::num::NonZeroU16;

use mqtt5_session_fsm::bandwidth::AliasSavings;
use mqtt5_session_fsm::codec::{
    Connect, Delivery, EncodeError, Message, PacketIdentifier, Properties, Property,
    ProtocolVersion, Publish, Qos, Text, TopicName, UserProperty, Violation,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Limits, Publication, Server, ServerConfig, Session,
    SessionConfig, TopicAliases,
};
use proptest::prelude::*;

const NOW: Instant = Instant::ORIGIN;

/// A message: topic, length of the payload, length of a User Property, QoS.
type Sample = (String, usize, Option<usize>, Qos);

fn connected(aliases: TopicAliases) -> (Client, Server) {
    let config = ClientConfig {
        topic_aliases: aliases,
        ..ClientConfig::default()
    };
    let mut client = Client::new(config, Session::of_client(SessionConfig::default()));
    let mut server = Server::new(
        NOW,
        ServerConfig {
            limits: Limits {
                topic_alias_maximum: 100,
                ..Limits::NONE
            },
            ..ServerConfig::default()
        },
    );
    let connect = Connect {
        client_identifier: Text::new("c").unwrap(),
        ..Connect::default()
    };
    client.connect(NOW, &connect).unwrap();
    let (mut up, mut down) = (Vec::new(), Vec::new());
    assert_eq!(client.poll(NOW, &mut up), None);
    let mut input = &up[..];
    assert!(matches!(
        server.receive(NOW, &mut input),
        Some(Event::Connect(_))
    ));
    server.accept(NOW, None, &[]).unwrap();
    assert_eq!(server.poll(NOW, &mut down), None);
    let mut input = &down[..];
    assert!(matches!(
        client.receive(NOW, &mut input),
        Some(Event::Connected(_))
    ));
    (client, server)
}

/// Publishes the messages in this order; returns the bytes that were written, and what was counted.
fn published(aliases: TopicAliases, samples: &[Sample]) -> (u64, AliasSavings) {
    let (mut client, _server) = connected(aliases);
    let mut wire = Vec::new();
    for (topic, payload, property, qos) in samples {
        let value = "v".repeat(property.unwrap_or(0));
        with_publish(
            topic,
            *payload,
            property.map(|_| &*value),
            *qos,
            |publish| {
                let message = Message::new(publish).unwrap();
                client
                    .publish(NOW, Publication::new(*qos, message))
                    .unwrap();
            },
        );
        while client.poll(NOW, &mut wire).is_some() {}
    }
    (wire.len() as u64, client.alias_savings())
}

fn with_publish<T>(
    topic: &str,
    payload: usize,
    value: Option<&str>,
    qos: Qos,
    action: impl FnOnce(&Publish<'_>) -> T,
) -> T {
    let payload = vec![0; payload];
    let list: Vec<_> = value
        .map(|value| {
            Property::UserProperty(UserProperty {
                name: Text::new("").unwrap(),
                value: Text::new(value).unwrap(),
            })
        })
        .into_iter()
        .collect();
    action(&Publish {
        delivery: Delivery::new(qos, PacketIdentifier::MIN, false),
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(TopicName::new(topic).unwrap(), &payload)
    })
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    // Around the lengths at which Remaining Length and Property Length need another byte.
    let payload = prop_oneof![0_usize..10, 100_usize..135, 16_350_usize..16_400];
    let property = proptest::option::of(prop_oneof![
        0_usize..5,
        110_usize..125,
        16_370_usize..16_385
    ]);
    let qos = prop_oneof![
        Just(Qos::AtMostOnce),
        Just(Qos::AtLeastOnce),
        Just(Qos::ExactlyOnce)
    ];
    let one = (0_usize..5, payload, property, qos);
    proptest::collection::vec(one, 1..12).prop_map(|samples| {
        let name = |topic| match topic {
            0 => "t".to_owned(),
            topic => format!("a/{}", "b".repeat(30 * topic)),
        };
        samples
            .into_iter()
            .map(|(topic, payload, property, qos)| (name(topic), payload, property, qos))
            .collect()
    })
}

proptest! {
    #[test]
    fn the_counts_are_those_of_the_bytes_on_the_wire(samples in samples()) {
        let aliases = TopicAliases::Automatic(NonZeroU16::new(5).unwrap());
        let (with, counted) = published(aliases, &samples);
        let (without, none) = published(TopicAliases::Off, &samples);
        prop_assert_eq!(none, AliasSavings::default());
        let expected = AliasSavings {
            messages: samples.len() as u64,
            bytes_sent: with,
            bytes_without_aliases: without,
        };
        prop_assert_eq!(counted, expected);
    }

    /// Each sample of a topic of its own, sent this often.
    #[test]
    fn the_forecast_is_what_is_counted_later(samples in samples(), times in 1_usize..4) {
        let mut distinct: Vec<Sample> = Vec::new();
        for (number, mut sample) in samples.into_iter().enumerate() {
            sample.0 = format!("{}/{number}", sample.0);
            distinct.push(sample);
        }
        let all: Vec<Sample> = (0..times).flat_map(|_| distinct.clone()).collect();
        let aliases = TopicAliases::Automatic(NonZeroU16::new(12).unwrap());
        let (_, counted) = published(aliases, &all);
        let mut forecast = AliasSavings::default();
        for (topic, payload, property, qos) in &distinct {
            let value = "v".repeat(property.unwrap_or(0));
            let one = with_publish(topic, *payload, property.map(|_| &*value), *qos, |publish| {
                AliasSavings::forecast([(*publish, times as u64)], 1).unwrap()
            });
            forecast.messages += one.messages;
            forecast.bytes_sent += one.bytes_sent;
            forecast.bytes_without_aliases += one.bytes_without_aliases;
        }
        prop_assert_eq!(counted, forecast);
    }
}

/// A Server counts what it sends.
#[test]
fn a_server_counts_too() {
    let mut client = Client::new(
        ClientConfig::default(),
        Session::of_client(SessionConfig::default()),
    );
    let config = ServerConfig {
        topic_aliases: TopicAliases::Automatic(NonZeroU16::MIN),
        ..ServerConfig::default()
    };
    let mut server = Server::new(NOW, config);
    let list = [Property::TopicAliasMaximum(1)];
    let connect = Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(&list).unwrap(),
        ..Connect::default()
    };
    client.connect(NOW, &connect).unwrap();
    let mut up = Vec::new();
    assert_eq!(client.poll(NOW, &mut up), None);
    let event = server.receive(NOW, &mut &up[..]);
    assert!(matches!(event, Some(Event::Connect(_))));
    server.accept(NOW, None, &[]).unwrap();
    while server.poll(NOW, &mut Vec::new()).is_some() {}
    let mut wire = Vec::new();
    let publish = Publish::new(TopicName::new("some/topic").unwrap(), b"x");
    for _ in 0..3 {
        server.publish_now(NOW, &publish, &mut wire).unwrap();
    }
    let expected = AliasSavings {
        messages: 3,
        bytes_sent: wire.len() as u64,
        bytes_without_aliases: 3 * publish.encoded_len(ProtocolVersion::V5_0).unwrap() as u64,
    };
    assert_eq!(server.alias_savings(), expected);
    assert!(expected.bytes_saved() > 0);
}

/// Section 3.3.2.3.4, in numbers: a topic of 60 bytes, 10 messages. The first is longer by the property of 3
/// bytes, the others are shorter by 57.
#[test]
fn the_numbers_of_one_topic() {
    let topic = "t".repeat(60);
    let sample: Sample = (topic.clone(), 4, None, Qos::AtMostOnce);
    let aliases = TopicAliases::Automatic(NonZeroU16::MIN);
    let (_, counted) = published(aliases, &vec![sample; 10]);
    assert_eq!(counted.bytes_without_aliases, 10 * (2 + 2 + 60 + 1 + 4));
    assert_eq!(counted.bytes_saved(), 9 * 57 - 3);
}

#[test]
fn topics_beyond_the_maximum_save_nothing() {
    let topic = TopicName::new("some/topic").unwrap();
    let sample = (Publish::new(topic, b"x"), 100);
    let one = AliasSavings::forecast([sample], 1).unwrap();
    let both = AliasSavings::forecast([sample, sample], 1).unwrap();
    assert!(one.bytes_saved() > 0);
    assert_eq!(both.bytes_saved(), one.bytes_saved());
    assert_eq!(both.messages, 200);
    let none = AliasSavings::forecast([sample], 0).unwrap();
    assert_eq!((none.bytes_saved(), none.percent_saved()), (0, 0.0));
    let nothing = AliasSavings::forecast([(sample.0, 0)], 1).unwrap();
    assert_eq!(
        (nothing, nothing.percent_saved()),
        (AliasSavings::default(), 0.0)
    );
}

#[test]
fn one_message_for_each_topic_costs_more_than_it_saves() {
    let sample = (Publish::new(TopicName::new("t").unwrap(), b""), 1);
    let savings = AliasSavings::forecast([sample], 1).unwrap();
    assert_eq!(savings.bytes_saved(), -3);
    // Fixed header 2, topic 3, Property Length 1.
    assert_eq!(savings.bytes_without_aliases, 6);
    assert_eq!(savings.percent_saved(), -50.0);
}

#[test]
fn bad_samples_are_refused_and_nothing_overflows() {
    let missing = Err(EncodeError::Value(Violation::TopicMissing));
    assert_eq!(
        AliasSavings::forecast([(Publish::default(), 1)], 1),
        missing
    );
    let list = [Property::TopicAlias(NonZeroU16::MIN)];
    let aliased = Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(TopicName::new("t").unwrap(), b"")
    };
    let refused = Err(EncodeError::Value(Violation::PropertyNotAllowed));
    assert_eq!(AliasSavings::forecast([(aliased, 1)], 1), refused);
    let sample = (
        Publish::new(TopicName::new("some/topic").unwrap(), b""),
        u64::MAX,
    );
    let savings = AliasSavings::forecast([sample, sample], 2).unwrap();
    assert_eq!(savings.bytes_without_aliases, u64::MAX);
    let most = AliasSavings {
        messages: 0,
        bytes_sent: u64::MAX,
        bytes_without_aliases: 0,
    };
    assert_eq!(most.bytes_saved(), i64::MIN);
}

/// The count is of one Network Connection, and no part of what a machine is.
#[test]
fn the_count_begins_anew_and_makes_no_difference() {
    let aliases = TopicAliases::Automatic(NonZeroU16::MIN);
    let (mut client, _server) = connected(aliases);
    let mut wire = Vec::new();
    let publish = Publish::new(TopicName::new("some/topic").unwrap(), b"x");
    client.publish_now(NOW, &publish, &mut wire).unwrap();
    let once = client.clone();
    client.publish_now(NOW, &publish, &mut wire).unwrap();
    assert_eq!(client.alias_savings().messages, 2);
    assert_eq!(client.alias_savings().bytes_sent, wire.len() as u64);
    assert_eq!(once, client);
    client.connection_lost(NOW);
    assert_eq!(client.alias_savings(), AliasSavings::default());
}
