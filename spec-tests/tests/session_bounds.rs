//! The table of `mqtt5_session_fsm::memory`, row by row: a peer or an application drives each container to its bound,
//! and what is asked of the allocator stays within it.

#[path = "session_bounds/aliases.rs"]
mod aliases;
#[path = "session_bounds/messages.rs"]
mod messages;
#[path = "session_bounds/opening.rs"]
mod opening;
#[path = "session_bounds/received.rs"]
mod received;
#[path = "session_bounds/requests.rs"]
mod requests;

use allocation_counter::measure;
use mqtt5_codec::framing::{Split, split};
use mqtt5_codec::{
    Connect, Message, Packet, Properties, Property, ProtocolVersion, Publish, Qos, ReasonCode,
    Text, TopicName,
};
use mqtt5_session_fsm::{
    Cause, Client, ClientConfig, Event, Instant, Output, Publication, Server, ServerConfig,
    Session, SessionConfig, StoredLimits, WaitingLimits, WhenFull,
};

const NOW: Instant = Instant::from_millis(1_000);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Each row of the table, by its first words.
const ROWS: [(&str, fn()); 17] = [
    ("messages in flight", messages::messages_in_flight),
    ("messages that wait", messages::messages_that_wait),
    (
        "outcomes and other events for `poll`",
        messages::outcomes_and_events,
    ),
    ("changes for `poll`", messages::changes),
    (
        "numbers of forgotten messages",
        messages::numbers_of_forgotten_messages,
    ),
    ("packets to be written", requests::packets_to_be_written),
    (
        "requests of a Client without an answer",
        requests::requests_of_a_client,
    ),
    (
        "requests of a Client before the CONNACK",
        requests::requests_before_the_connack,
    ),
    (
        "requests to a Server without an answer",
        requests::requests_to_a_server,
    ),
    (
        "received messages without a decision",
        received::undecided_messages,
    ),
    (
        "decided acknowledgements of a Client that wait for their turn",
        received::decided_acknowledgements,
    ),
    (
        "states of the peer's Packet Identifiers",
        received::states_of_identifiers,
    ),
    ("Topic Aliases of the peer", aliases::aliases_of_the_peer),
    ("Topic Aliases of this side", aliases::aliases_of_this_side),
    ("a CONNECT that waits for a decision", opening::a_connect),
    ("an authentication", opening::an_authentication),
    ("a Will Message", opening::a_connect),
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
    connect
        .encode(ProtocolVersion::V5_0, &mut wire)
        .expect("a good CONNECT");
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
    connack
        .encode(ProtocolVersion::V5_0, &mut wire)
        .expect("a good CONNACK");
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
        last = match packet.decode(ProtocolVersion::V5_0) {
            Ok(Packet::Disconnect(disconnect)) => Some(disconnect.reason_code),
            Ok(Packet::ConnAck(connack)) => Some(connack.reason_code),
            _ => None,
        };
        rest = next;
    }
    (cause, last)
}
