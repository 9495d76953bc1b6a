//! What `poll` writes into `Segments` is what it writes into a `Vec`, with large payloads shared.
#![cfg(feature = "std")] // Vectored writes.

use std::io::IoSlice;
use std::num::NonZeroU16;

use mqtt5_session_fsm::codec::bytes::{Buf, BufMut};
use mqtt5_session_fsm::codec::{
    Message, Properties, Property, Publish, Qos, Segments, SubscriptionIdentifier, Text, TopicName,
    UserProperty, Wire,
};
use mqtt5_session_fsm::{
    Event, Instant, Output, Publication, Server, ServerConfig, SubscriptionIdentifiers,
    TopicAliases,
};
use proptest::collection::vec;
use proptest::prelude::*;

const NOW: Instant = Instant::from_millis(1_000);
const TOPICS: [&str; 3] = ["a", "greenhouse/3/temperature", "b/c"];

/// A message to be sent, and how.
#[derive(Clone, Debug)]
struct Draw {
    qos: Qos,
    retain: bool,
    topic: &'static str,
    length: usize,
    user_property: bool,
    identifiers: Vec<u32>,
    expires_after: Option<u64>,
    alias: Option<NonZeroU16>,
}

fn draw() -> impl Strategy<Value = Draw> {
    let qos = prop::sample::select(&[Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][..]);
    let from = Segments::SHARED_FROM;
    let length = prop_oneof![0..200_usize, from - 40..from + 40, 4_000..40_000_usize];
    let changes = (
        vec(1..1_000_000_u32, 0..7),
        prop::option::of(2_000..90_000_u64),
        prop::option::of(1..4_u16),
    );
    (
        qos,
        any::<bool>(),
        prop::sample::select(&TOPICS[..]),
        length,
        any::<bool>(),
        changes,
    )
        .prop_map(
            |(qos, retain, topic, length, user_property, (identifiers, expires_after, alias))| {
                Draw {
                    qos,
                    retain,
                    topic,
                    length,
                    user_property,
                    identifiers,
                    expires_after,
                    alias: alias.and_then(NonZeroU16::new),
                }
            },
        )
}

impl Draw {
    fn publication(&self) -> Publication {
        let payload = vec![0x55; self.length];
        let user = Property::UserProperty(UserProperty {
            name: Text::new("name").unwrap(),
            value: Text::new("value").unwrap(),
        });
        let list = self.user_property.then_some(user);
        let publish = Publish {
            properties: Properties::new(list.as_slice()).unwrap(),
            ..Publish::new(TopicName::new(self.topic).unwrap(), &payload)
        };
        let identifiers = self.identifiers.iter();
        Publication {
            retain: self.retain,
            subscription_identifiers: identifiers
                .map(|value| SubscriptionIdentifier::new(*value).unwrap())
                .collect::<SubscriptionIdentifiers>(),
            expires_at: self.expires_after.map(Instant::from_millis),
            topic_alias: self.alias,
            ..Publication::new(self.qos, Message::new(&publish).unwrap())
        }
    }
}

/// A Server whose Client takes three Topic Aliases.
fn server(topic_aliases: TopicAliases) -> Server {
    let config = ServerConfig {
        topic_aliases,
        ..ServerConfig::default()
    };
    let mut server = Server::new(NOW, config);
    let mut connect = vec![
        0x10, 17, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 3, 0x22, 0, 3,
    ];
    connect.extend([0, 1, b'c']);
    let event = server.receive(NOW, &mut &connect[..]);
    assert!(matches!(event, Some(Event::Connect(_))));
    server.accept(NOW, None, &[]).unwrap();
    assert_eq!(server.poll(NOW, &mut Vec::new()), None);
    server
}

fn polled(server: &mut Server, wire: &mut (impl Wire + ?Sized)) -> Vec<Output> {
    std::iter::from_fn(|| server.poll(NOW, wire)).collect()
}

fn concatenated(segments: &Segments) -> Vec<u8> {
    segments.slices().flatten().copied().collect()
}

/// Takes everything off the front, in pieces of these lengths, as a network does.
fn taken(mut segments: Segments, pieces: &[usize]) -> Vec<u8> {
    let mut taken = Vec::new();
    let mut pieces = pieces.iter().cycle();
    while segments.has_remaining() {
        let mut list = [IoSlice::new(&[]); 3];
        let used = segments.chunks_vectored(&mut list);
        let offered: Vec<u8> = list[..used]
            .iter()
            .flat_map(|it| it.iter().copied())
            .collect();
        assert!(offered.starts_with(segments.chunk()) && !segments.chunk().is_empty());
        let count = offered.len().min(*pieces.next().unwrap());
        taken.extend(&offered[..count]);
        let left = segments.remaining();
        segments.advance(count);
        assert_eq!(segments.remaining(), left - count);
        assert_eq!(segments.remaining(), concatenated(&segments).len());
    }
    assert!(segments.is_empty() && segments.slices().next().is_none());
    taken
}

proptest! {
    #[test]
    fn segments_have_the_bytes_of_a_vec(
        draws in vec(draw(), 1..12),
        automatic in any::<bool>(),
        pieces in vec(1..5_000_usize, 1..5),
    ) {
        let aliases = NonZeroU16::new(2).filter(|_| automatic);
        let mut plain = server(aliases.map_or(TopicAliases::Off, TopicAliases::Automatic));
        let mut messages = Vec::new();
        for draw in &draws {
            let publication = draw.publication();
            messages.push(publication.message.clone());
            plain.publish(NOW, publication).unwrap();
        }
        let mut vectored = plain.clone();
        let (mut wire, mut segments) = (Vec::new(), Segments::new());
        prop_assert_eq!(polled(&mut plain, &mut wire), polled(&mut vectored, &mut segments));
        prop_assert_eq!(plain, vectored);
        prop_assert_eq!(segments.len(), wire.len());
        prop_assert_eq!(&concatenated(&segments), &wire);
        for message in messages.iter().filter(|it| it.payload().len() >= Segments::SHARED_FROM) {
            let end = message.payload().as_ptr_range().end;
            let is_shared = segments.slices().any(|slice| slice.as_ptr_range().end == end);
            prop_assert!(is_shared, "{} bytes were copied", message.payload().len());
        }
        prop_assert_eq!(taken(segments, &pieces), wire);
    }

    /// With little room, the machine asks for as much as it does if a `Vec` has a limit.
    #[test]
    fn a_limit_counts_shared_bytes(
        draws in vec(draw(), 1..8),
        rooms in vec(0..6_000_usize, 1..5),
    ) {
        let mut plain = server(TopicAliases::Off);
        for draw in &draws {
            plain.publish(NOW, draw.publication()).unwrap();
        }
        let mut vectored = plain.clone();
        let mut rooms = rooms.into_iter().cycle();
        let mut room = 0;
        loop {
            let mut limited = Vec::new().limit(room);
            let mut segments = Segments::new();
            segments.set_limit(room);
            let output = plain.poll(NOW, &mut limited);
            prop_assert_eq!(&vectored.poll(NOW, &mut segments), &output);
            prop_assert_eq!(concatenated(&segments), limited.into_inner());
            prop_assert_eq!(Wire::room(&segments), room - segments.len());
            room = match output {
                Some(Output::NeedsRoom(needed)) => needed,
                Some(_) => rooms.next().unwrap(),
                None => break,
            };
        }
        prop_assert_eq!(plain, vectored);
    }
}

#[test]
fn small_payloads_are_copied_behind_their_heads() {
    let mut server = server(TopicAliases::Off);
    let mut segments = Segments::new();
    for length in [0, 1, 100, Segments::SHARED_FROM - 40] {
        let message = Message::of("a", &vec![7; length]).unwrap();
        server
            .publish(NOW, Publication::new(Qos::AtLeastOnce, message))
            .unwrap();
    }
    assert_eq!(polled(&mut server, &mut segments), []);
    assert_eq!(segments.slices().count(), 1);
}

/// One payload for all receivers: each has two slices of its own, at most.
#[test]
fn a_fan_out_has_one_payload() {
    let message = Message::of("a", &[7; 10_000]).unwrap();
    let end = message.payload().as_ptr_range().end;
    let written = (0..100).map(|_| {
        let mut server = server(TopicAliases::Off);
        let mut segments = Segments::new();
        let publication = Publication::new(Qos::AtLeastOnce, message.clone());
        server.publish(NOW, publication).unwrap();
        assert_eq!(polled(&mut server, &mut segments), []);
        segments
    });
    for segments in written.collect::<Vec<_>>() {
        let slices: Vec<_> = segments.slices().collect();
        assert_eq!(slices.len(), 2);
        assert!(slices[0].len() < 20, "a head");
        assert_eq!(slices[1].as_ptr_range().end, end);
    }
}

#[test]
fn more_than_there_is_can_be_taken() {
    let mut segments = Segments::default();
    segments.put(b"head");
    segments.put_shared(&vec![7; 5_000].into(), 10);
    segments.put_shared(&vec![7; 5_000].into(), 9_000);
    assert_eq!(segments.len(), 4 + 4_990);
    segments.advance(usize::MAX);
    assert!(segments.is_empty());
    segments.put(b"more");
    assert_eq!(concatenated(&segments), b"more");
    segments.clear();
    segments.shrink_to_fit();
    assert!(!segments.has_remaining() && segments.chunk().is_empty());
}
