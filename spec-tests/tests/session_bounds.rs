//! The table of `mqtt5_session_fsm::memory`, row by row: a peer or an application drives each container to its bound,
//! and what is asked of the allocator stays within it.

use std::num::NonZeroU16;

use allocation_counter::measure;
use mqtt5_codec::{
    Connect, Message, Packet, Properties, Property, Publish, Qos, ReasonCode, Split, SubAck,
    Subscribe, Subscription, SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicName,
    UserProperty, split,
};
use mqtt5_session_fsm::{
    Acknowledgement, Cause, Client, ClientConfig, Event, Instant, Limits, Output, PeerError,
    Publication, PublishError, SendError, Server, ServerConfig, Session, SessionConfig,
    SessionViolation, StoredLimits, TopicAliases, WaitingLimits, WhenFull,
};

const NOW: Instant = Instant::from_millis(1_000);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Each row of the table, by its first words.
const ROWS: [(&str, fn()); 16] = [
    ("messages in flight", messages_in_flight),
    ("messages that wait", messages_that_wait),
    ("outcomes and other events for `poll`", outcomes_and_events),
    ("changes for `poll`", changes),
    ("packets to be written", packets_to_be_written),
    (
        "requests of a Client without an answer",
        requests_of_a_client,
    ),
    (
        "requests of a Client before the CONNACK",
        requests_before_the_connack,
    ),
    (
        "requests to a Server without an answer",
        requests_to_a_server,
    ),
    ("received messages without a decision", undecided_messages),
    (
        "decided acknowledgements that wait for their turn",
        decided_acknowledgements,
    ),
    (
        "states of the peer's Packet Identifiers",
        states_of_identifiers,
    ),
    ("Topic Aliases of the peer", aliases_of_the_peer),
    ("Topic Aliases of this side", aliases_of_this_side),
    ("a CONNECT that waits for a decision", a_connect),
    ("an authentication", an_authentication),
    ("a Will Message", a_connect),
];

#[test]
fn every_container_keeps_its_bound() {
    let page = include_str!("../../session-fsm/src/memory.rs");
    let rows: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.split(" | ").next())
        .filter(|name| !matches!(*name, "container" | "---"))
        .collect();
    assert_eq!(rows, ROWS.map(|(name, _)| name));
    for (name, drive) in ROWS {
        println!("{name}");
        drive();
    }
}

/// The most that was in use at a time.
fn peak(drive: impl FnOnce()) -> u64 {
    let peak = measure(drive).bytes_max;
    println!("    {peak} bytes");
    peak
}

fn message(topic: &str, size: usize) -> Message {
    let payload = vec![7; size];
    let topic = TopicName::new(topic).expect("a name");
    Message::new(&Publish::new(topic, &payload)).expect("a message")
}

fn connect(properties: &[Property<'_>]) -> Vec<u8> {
    let mut wire = Vec::new();
    let connect = Connect {
        client_identifier: Text::new("c").expect("a text"),
        properties: Properties::new(properties).expect("properties"),
        ..Connect::default()
    };
    connect.encode(&mut wire).expect("a good CONNECT");
    wire
}

/// A Server that has accepted a Client with these properties.
fn server(config: ServerConfig, properties: &[Property<'_>]) -> Server {
    let mut server = Server::new(NOW, config);
    let wire = connect(properties);
    let event = server.receive(NOW, &mut &wire[..]);
    assert!(matches!(event, Some(Event::Connect(_))));
    server.accept(NOW, None, &[]).expect("accepted");
    while server.poll(NOW, &mut Vec::new()).is_some() {}
    server
}

/// A Client whose Server has announced these limits.
fn client(config: ClientConfig, session: SessionConfig, connack: &[Property<'_>]) -> Client {
    let mut client = Client::new(config, Session::of_client(session));
    let properties = [Property::SessionExpiryInterval(u32::MAX)];
    let connect = Connect {
        client_identifier: Text::new("c").expect("a text"),
        properties: Properties::new(&properties).expect("properties"),
        ..Connect::default()
    };
    client.connect(NOW, &connect).expect("a good CONNECT");
    while client.poll(NOW, &mut Vec::new()).is_some() {}
    let mut wire = Vec::new();
    let connack = mqtt5_codec::ConnAck {
        properties: Properties::new(connack).expect("properties"),
        ..mqtt5_codec::ConnAck::new(ReasonCode::Success)
    };
    connack.encode(&mut wire).expect("a good CONNACK");
    let event = client.receive(NOW, &mut &wire[..]);
    assert!(matches!(event, Some(Event::Connected(_))));
    client
}

fn limits(stored: (u32, usize), waiting: (u32, usize), when_full: WhenFull) -> SessionConfig {
    SessionConfig {
        stored: StoredLimits {
            messages: stored.0,
            bytes: stored.1,
        },
        waiting: WaitingLimits {
            messages: waiting.0,
            bytes: waiting.1,
            when_full,
        },
        ..SessionConfig::default()
    }
}

fn publication(qos: Qos, message: Message) -> Publication {
    Publication::new(qos, message)
}

/// How the connection of a Server ends, and with which Reason Code it is told.
fn end_of(server: &mut Server) -> (Option<Cause>, Option<ReasonCode>) {
    let mut wire = Vec::new();
    let mut cause = None;
    while let Some(output) = server.poll(NOW, &mut wire) {
        if let Output::Close(because) = output {
            cause = Some(because);
        }
    }
    let mut last = None;
    let mut rest = &wire[..];
    while let Ok(Split::Packet { packet, rest: next }) = split(rest, u32::MAX) {
        last = match packet.decode() {
            Ok(Packet::Disconnect(disconnect)) => Some(disconnect.reason_code),
            Ok(Packet::ConnAck(connack)) => Some(connack.reason_code),
            _ => None,
        };
        rest = next;
    }
    (cause, last)
}

/// 1 MiB at a time to a peer that never acknowledges, as many as there are Packet Identifiers; of a Server and of a
/// Client, with a Receive Maximum and without.
fn messages_in_flight() {
    const SIZE: usize = 1 << 20;
    // The message that is being made, and the bytes that it takes while it is written.
    let limit = 8 * MIB + 3 * MIB;
    let attempts = |mut publish: Box<dyn FnMut(Message) -> Result<(), PublishError>>| {
        let mut accepted = 0;
        let mut refused = 0;
        for _ in 0..u16::MAX {
            match publish(message("a", SIZE)) {
                Ok(()) => {
                    accepted += 1;
                    assert!(accepted <= 8, "{accepted}");
                }
                Err(error) => {
                    assert_eq!(error, PublishError::Busy);
                    refused += 1;
                    // It stays so.
                    if refused == 100 {
                        break;
                    }
                }
            }
        }
        assert!(accepted > 0);
    };
    for receive_maximum in [1, 3, u16::MAX] {
        let announced = [Property::ReceiveMaximum(
            NonZeroU16::new(receive_maximum).expect("not 0"),
        )];
        let mut wire = Vec::with_capacity(SIZE + 100);
        let mut server = server(ServerConfig::default(), &announced);
        let mut client = client(
            ClientConfig::default(),
            SessionConfig::default(),
            &announced,
        );
        let mut spare = Vec::with_capacity(SIZE + 100);
        let used = peak(move || {
            attempts(Box::new(move |message| {
                let accepted = server.publish(NOW, publication(Qos::AtLeastOnce, message));
                wire.clear();
                while server.poll(NOW, &mut wire).is_some() {}
                accepted.map(|_| ()).map_err(|refused| refused.error)
            }));
        });
        assert!(used <= limit, "{used}");
        let used = peak(move || {
            attempts(Box::new(move |message| {
                let accepted = client.publish(NOW, publication(Qos::ExactlyOnce, message));
                spare.clear();
                while client.poll(NOW, &mut spare).is_some() {}
                accepted.map(|_| ()).map_err(|refused| refused.error)
            }));
        });
        assert!(used <= limit, "{used}");
    }
}

/// While a Client is away, whatever the policy.
fn messages_that_wait() {
    for when_full in [
        WhenFull::Refuse,
        WhenFull::DropOldestQos0,
        WhenFull::DropOldest,
    ] {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
            let config = limits((1_000, 1 << 18), (500, 1 << 17), when_full);
            let mut session = Session::of_client(config);
            let used = peak(|| {
                for _ in 0..5_000 {
                    let _ = session.publish(NOW, publication(qos, message("a", 1_000)));
                    while session.poll().is_some() {}
                }
            });
            assert!(session.stored_bytes() <= 1 << 17);
            // A place for each message beside its bytes.
            assert!(used <= 128 * KIB + 500 * 96 + 8 * KIB, "{used}");
        }
    }
}

/// Outcomes of a caller that never polls; and what packets of no exchange leave, many in one read.
fn outcomes_and_events() {
    let config = limits((100, 1 << 20), (100, 1 << 20), WhenFull::DropOldest);
    let mut session = Session::of_client(config);
    let used = peak(|| {
        for _ in 0..100_000 {
            let _ = session.publish(NOW, publication(Qos::AtMostOnce, message("a", 10)));
        }
    });
    assert!(used <= 64 * KIB, "{used}");

    let mut server = server(ServerConfig::default(), &[]);
    // PUBACK, PUBREC, PUBREL and PUBCOMP for identifiers that are not in use.
    for first_byte in [0x40, 0x50, 0x62, 0x70] {
        let input: Vec<u8> = (1..=u16::MAX)
            .flat_map(|id| [first_byte, 2, (id >> 8) as u8, id as u8])
            .collect();
        let mut events = 0;
        let used = peak(|| {
            let mut input = &input[..];
            while !input.is_empty() {
                while let Some(event) = server.receive(NOW, &mut input) {
                    assert!(
                        matches!(event, Event::UnknownIdentifier { .. }),
                        "{event:?}"
                    );
                    events += 1;
                }
                // The last one is left for `poll`.
                let mut wire = Vec::new();
                while let Some(output) = server.poll(NOW, &mut wire) {
                    assert!(matches!(
                        output,
                        Output::Event(Event::UnknownIdentifier { .. })
                    ));
                    events += 1;
                }
            }
        });
        assert_eq!(events, 65_535, "each is reported");
        // Answers of five bytes, and the same in the caller's buffer.
        assert!(used <= 2 * MIB, "{used}");
    }
}

/// Changes hold messages that were dropped since.
fn changes() {
    let config = SessionConfig {
        persistent: true,
        ..limits((100, 1 << 18), (100, 1 << 18), WhenFull::DropOldest)
    };
    let mut session = Session::of_client(config);
    let used = peak(|| {
        for _ in 0..10_000 {
            let _ = session.publish(NOW, publication(Qos::AtLeastOnce, message("a", 1_000)));
        }
    });
    assert!(used <= 2 * 256 * KIB + 64 * KIB, "{used}");
    let mut changes = 0;
    while session.poll().is_some() {
        changes += 1;
    }
    assert!(changes < 1_000, "{changes}");

    // Few and large: the number of outcomes that are not told yet does not limit them.
    let mut client = Client::new(ClientConfig::default(), Session::of_client(config));
    let mut refused = 0;
    let used = peak(|| {
        for _ in 0..10_000 {
            match client.publish(NOW, publication(Qos::AtLeastOnce, message("a", 100_000))) {
                Ok(token) => assert_eq!(client.withdraw(token), Ok(())),
                Err(error) => {
                    assert_eq!(error.error, PublishError::Busy);
                    refused += 1;
                }
            }
        }
    });
    assert!(used <= 2 * 256 * KIB + 64 * KIB, "{used}");
    assert!(refused > 9_000, "{refused}");
}

/// A peer that asks and asks, and a host that reads and never writes.
fn packets_to_be_written() {
    let mut server = server(ServerConfig::default(), &[]);
    let input = [0xC0, 0x00].repeat(2_000_000);
    let mut rest = &input[..];
    let used = peak(|| {
        for _ in 0..1_000 {
            assert!(server.receive(NOW, &mut rest).is_none());
        }
    });
    assert!(used <= 3 * MIB, "{used}");
    assert!(!rest.is_empty(), "not all was read");
    assert!(server.next_timeout() <= NOW, "the caller is to come back");
    // Nothing is lost, and no loop hangs.
    let mut answers = 0;
    while !rest.is_empty() {
        let mut wire = Vec::new();
        assert_eq!(server.poll(NOW, &mut wire), None);
        answers += wire.len() / 2;
        assert!(server.receive(NOW, &mut rest).is_none());
    }
    let mut wire = Vec::new();
    assert_eq!(server.poll(NOW, &mut wire), None);
    assert_eq!(answers + wire.len() / 2, 2_000_000);
}

fn subscribe_to(client: &mut Client, filter: &str) -> Result<(), SendError> {
    let list = [Subscription {
        filter: TopicFilter::new(filter).expect("a filter"),
        options: SubscriptionOptions::default(),
    }];
    let subscriptions = Subscriptions::new(&list).expect("one");
    client
        .subscribe(Default::default(), subscriptions)
        .map(|_| ())
}

fn requests_of_a_client() {
    let mut waiting = client(ClientConfig::default(), SessionConfig::default(), &[]);
    let filter = "f".repeat(60_000);
    let used = peak(|| {
        let refused = (0..1_000).find_map(|_| subscribe_to(&mut waiting, &filter).err());
        assert_eq!(refused, Some(SendError::Busy));
    });
    assert!(used <= 4 * MIB, "{used}");
    assert_eq!(waiting.poll(NOW, &mut Vec::new()), None);
    assert_eq!(subscribe_to(&mut waiting, "a"), Ok(()), "room again");

    let mut sent = client(ClientConfig::default(), SessionConfig::default(), &[]);
    let mut wire = Vec::new();
    let used = peak(|| {
        for _ in 0..u16::MAX {
            assert_eq!(subscribe_to(&mut sent, "a"), Ok(()));
            wire.clear();
            assert_eq!(sent.poll(NOW, &mut wire), None);
        }
        assert_eq!(subscribe_to(&mut sent, "a"), Err(SendError::NoIdentifier));
    });
    // While the table grows, the smaller one is still there.
    assert!(used <= 2 * 65_535 * 96, "{used}");
}

fn requests_before_the_connack() {
    let mut client = Client::new(
        ClientConfig::default(),
        Session::of_client(SessionConfig::default()),
    );
    client
        .connect(NOW, &Connect::default())
        .expect("a good CONNECT");
    let filter = "f".repeat(10_000);
    let used = peak(|| {
        let refused = (0..1_000).find_map(|_| subscribe_to(&mut client, &filter).err());
        assert_eq!(refused, Some(SendError::Busy));
    });
    assert!(used <= MIB + 64 * KIB, "{used}");
}

/// An application that never answers.
fn requests_to_a_server() {
    let config = ServerConfig {
        unanswered_requests: 100,
        ..ServerConfig::default()
    };
    let mut server = server(config, &[]);
    let mut refused = 0;
    let mut wire = Vec::with_capacity(1_000);
    let mut packet = Vec::with_capacity(100);
    let used = peak(|| {
        for id in 1..=u16::MAX {
            let id = mqtt5_codec::PacketIdentifier::new(id).expect("not 0");
            let list = [Subscription {
                filter: TopicFilter::new("a").expect("a filter"),
                options: SubscriptionOptions::default(),
            }];
            let subscriptions = Subscriptions::new(&list).expect("one");
            packet.clear();
            let encoded = Subscribe::new(id, subscriptions).encode(&mut packet);
            encoded.expect("a good SUBSCRIBE");
            let event = server.receive(NOW, &mut &packet[..]);
            assert_eq!(event.is_some(), id.get() <= 100);
            wire.clear();
            assert_eq!(server.poll(NOW, &mut wire), None);
            if let Ok(Packet::SubAck(SubAck { reason_codes, .. })) = Packet::decode(&wire) {
                assert!(
                    reason_codes
                        .iter()
                        .all(|code| code == ReasonCode::QuotaExceeded)
                );
                refused += 1;
            }
        }
    });
    assert_eq!(refused, 65_435);
    assert!(used <= 100 * 96 + 2 * KIB, "{used}");
}

fn publish(qos: Qos, id: u16) -> [u8; 8] {
    let [high, low] = id.to_be_bytes();
    [0x30 | (qos as u8) << 1, 6, 0, 1, b'a', high, low, 0]
}

fn manual(receive_maximum: u16) -> ServerConfig {
    ServerConfig {
        limits: Limits {
            receive_maximum,
            ..Limits::NONE
        },
        session: SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        },
        ..ServerConfig::default()
    }
}

fn undecided_messages() {
    let mut server = server(manual(100), &[]);
    let used = peak(|| {
        for id in 1..=100 {
            let packet = publish(Qos::AtLeastOnce, id);
            let event = server.receive(NOW, &mut &packet[..]);
            assert!(matches!(event, Some(Event::Message(_))));
        }
        assert!(
            server
                .receive(NOW, &mut &publish(Qos::AtLeastOnce, 101)[..])
                .is_none()
        );
    });
    assert!(used <= 100 * 96 + 2 * KIB, "{used}");
    let (_, told) = end_of(&mut server);
    assert_eq!(told, Some(ReasonCode::ReceiveMaximumExceeded));
}

/// All but the first are decided, with explanations; the first holds them up.
fn decided_acknowledgements() {
    let mut server = server(manual(u16::MAX), &[]);
    let receipts: Vec<_> = (1..=1_000)
        .map(
            |id| match server.receive(NOW, &mut &publish(Qos::AtLeastOnce, id)[..]) {
                Some(Event::Message(delivered)) => delivered.receipt.expect("manual"),
                event => panic!("{event:?}"),
            },
        )
        .collect();
    let long = "e".repeat(60_000);
    let explanation = [Property::UserProperty(UserProperty {
        name: Text::new("why").expect("a text"),
        value: Text::new(&long).expect("a text"),
    })];
    let used = peak(|| {
        for receipt in &receipts[1..] {
            let decided =
                server.acknowledge_with(*receipt, ReasonCode::QuotaExceeded, &explanation);
            assert_eq!(decided, Ok(()), "it is decided, explained or not");
        }
    });
    assert!(used <= 2 * MIB, "{used}");
    assert_eq!(server.acknowledge(receipts[0]), Ok(()));
    let mut wire = Vec::new();
    assert_eq!(server.poll(NOW, &mut wire), None);
    let mut answers = 0;
    let mut rest = &wire[..];
    while let Ok(Split::Packet { rest: next, .. }) = split(rest, u32::MAX) {
        answers += 1;
        rest = next;
    }
    assert_eq!(answers, 1_000);
}

fn states_of_identifiers() {
    let mut server = server(ServerConfig::default(), &[]);
    let used = peak(|| {
        let mut wire = Vec::with_capacity(100);
        for id in 1..=u16::MAX {
            let packet = publish(Qos::ExactlyOnce, id);
            let event = server.receive(NOW, &mut &packet[..]);
            assert!(matches!(event, Some(Event::Message(_))));
            wire.clear();
            assert_eq!(server.poll(NOW, &mut wire), None);
        }
    });
    assert!(used <= 96 * KIB, "{used}");
}

fn aliases_of_the_peer() {
    let config = ServerConfig {
        limits: Limits {
            topic_alias_maximum: u16::MAX,
            ..Limits::NONE
        },
        ..ServerConfig::default()
    };
    let mut server = server(config, &[]);
    let topic = "t".repeat(60_000);
    let mut packet = Vec::with_capacity(61_000);
    let used = peak(|| {
        for number in (1..=u16::MAX).filter_map(NonZeroU16::new) {
            let list = [Property::TopicAlias(number)];
            let publish = Publish {
                properties: Properties::new(&list).expect("properties"),
                ..Publish::new(TopicName::new(&topic).expect("a name"), b"")
            };
            packet.clear();
            publish.encode(&mut packet).expect("a good PUBLISH");
            if server.receive(NOW, &mut &packet[..]).is_none() {
                break;
            }
        }
    });
    assert!(used <= 4 * MIB + 2 * MIB, "{used}");
    let (cause, told) = end_of(&mut server);
    let expected = PeerError::Session(SessionViolation::TopicAliasBytesExceeded);
    assert_eq!(cause, Some(Cause::PeerError(expected)));
    assert_eq!(told, Some(ReasonCode::QuotaExceeded));
}

/// Other Clients choose the Topic Names, and the Client how many aliases it takes.
fn aliases_of_this_side() {
    let config = ServerConfig {
        topic_aliases: TopicAliases::Automatic(NonZeroU16::MAX),
        topic_alias_bytes: 1 << 16,
        ..ServerConfig::default()
    };
    let mut server = server(config, &[Property::TopicAliasMaximum(u16::MAX)]);
    let mut wire = Vec::with_capacity(2_000);
    let used = peak(|| {
        for number in 0..5_000 {
            let topic = format!("{number:0>1000}");
            let message = message(&topic, 1);
            let accepted = server.publish(NOW, publication(Qos::AtMostOnce, message));
            accepted.expect("room");
            wire.clear();
            while server.poll(NOW, &mut wire).is_some() {}
            assert!(wire.len() > 1_000, "the Topic Name is there");
        }
    });
    assert!(used <= 64 * KIB + 16 * KIB, "{used}");
}

fn hello(properties: &[Property<'_>], will: usize) -> Vec<u8> {
    let payload = vec![7; will];
    let mut wire = Vec::new();
    let connect = Connect {
        client_identifier: Text::new("c").expect("a text"),
        properties: Properties::new(properties).expect("properties"),
        will: (will > 0).then(|| mqtt5_codec::Will {
            payload: mqtt5_codec::Binary::new(&payload).expect("short"),
            topic: TopicName::new("w").expect("a name"),
            qos: Qos::AtMostOnce,
            retain: false,
            properties: Default::default(),
        }),
        ..Connect::default()
    };
    connect.encode(&mut wire).expect("a good CONNECT");
    wire
}

/// With a Will Message of 60,000 bytes; one of 65,535 bytes is too large.
fn a_connect() {
    let wire = hello(&[], 60_000);
    let used = peak(|| {
        let mut server = Server::new(NOW, ServerConfig::default());
        let event = server.receive(NOW, &mut &wire[..]);
        assert!(matches!(event, Some(Event::Connect(_))));
        drop(server);
    });
    assert!(used <= 2 * 64 * KIB + 2 * KIB, "{used}");
    let wire = hello(&[], 65_535);
    let used = peak(|| {
        let mut server = Server::new(NOW, ServerConfig::default());
        assert!(server.receive(NOW, &mut &wire[..10]).is_none());
        assert_eq!(end_of(&mut server).1, Some(ReasonCode::PacketTooLarge));
    });
    assert!(used <= 2 * KIB, "{used}");
}

fn an_authentication() {
    let method = "m".repeat(60_000);
    let wire = hello(
        &[Property::AuthenticationMethod(
            Text::new(&method).expect("a text"),
        )],
        0,
    );
    let used = peak(|| {
        let mut server = Server::new(NOW, ServerConfig::default());
        let event = server.receive(NOW, &mut &wire[..]);
        assert!(matches!(event, Some(Event::Connect(_))));
    });
    assert!(used <= 64 * KIB, "{used}");
}
