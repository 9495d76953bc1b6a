//! Every way in which bytes of the Server are taken shows that it is there: the time for its PINGRESP begins anew. And
//! what the caller must do first is said before anything is taken.

use core::time::Duration;

use mqtt5_session_fsm::codec::bytes::BytesMut;
use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, SplitterOutput, StreamSplitter};
use mqtt5_session_fsm::codec::{
    Connect, Message, Packet, Properties, Property, ProtocolVersion, Publish, Qos, TopicName,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Limits, NotTaken, Outcome, Output, Publication, Server,
    ServerConfig, Token,
};

use crate::machines::{self, accept, connack, connect, connected, connected_server, named, settle};

const NOW: Instant = Instant::ORIGIN;
const LATER: Instant = Instant::from_millis(9_000);
const PINGRESP: Duration = Duration::from_secs(10);

/// A Client with one message of each QoS above 0 in flight, and a PINGREQ without an answer.
fn waiting() -> Client {
    let mut client = connected(ClientConfig::default(), &[]);
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let publication = Publication::of("a", b"on", qos).unwrap();
        client.publish(NOW, publication).unwrap();
    }
    client.ping().unwrap();
    settle(&mut client, NOW);
    assert_eq!(client.next_timeout(), NOW + PINGRESP);
    client
}

const PUBACK: &[u8] = &[0x40, 2, 0, 1];
const PUBREC: &[u8] = &[0x50, 2, 0, 2];
const UNKNOWN: &[u8] = &[0x40, 2, 0, 9];
const EXPLAINED: &[u8] = &[0x40, 8, 0, 1, 0, 4, 0x1F, 0, 1, b'r'];
const PUBLISH: &[u8] = &[0x30, 5, 0, 1, b'a', 0, b'x'];

#[test]
fn whole_packets_count() {
    for packets in [
        vec![PUBACK],
        vec![PUBREC],
        vec![UNKNOWN],
        vec![EXPLAINED],
        vec![PUBLISH],
        vec![PUBREC, PUBACK],
        vec![PUBREC, PUBLISH],
        vec![PUBLISH, PUBREC],
    ] {
        let mut client = waiting();
        let bytes = packets.concat();
        let mut input = &bytes[..];
        while client.receive(LATER, &mut input).is_some() {}
        assert!(input.is_empty());
        settle(&mut client, LATER);
        assert_eq!(client.next_timeout(), LATER + PINGRESP, "{packets:?}");
    }
}

/// The first of several events counts, too, although there is more to read.
#[test]
fn each_event_counts() {
    for first in [PUBACK, EXPLAINED, PUBLISH] {
        let mut client = waiting();
        let bytes = [first, PUBLISH].concat();
        let mut input = &bytes[..];
        assert!(client.receive(LATER, &mut input).is_some());
        assert_eq!(input.len(), PUBLISH.len());
        let mut empty: &[u8] = &[];
        assert_eq!(client.receive(LATER, &mut empty), None);
        settle(&mut client, LATER);
        assert_eq!(client.next_timeout(), LATER + PINGRESP, "{first:?}");
    }
}

/// A packet counts when it is taken, though it was offered before.
#[test]
fn a_packet_that_is_taken_later_counts() {
    let mut client = waiting();
    let bytes = [PUBLISH, PUBLISH].concat();
    let mut input = &bytes[..];
    assert!(client.receive(NOW, &mut input).is_some());
    assert!(client.receive(LATER, &mut input).is_some());
    assert!(input.is_empty());
    settle(&mut client, LATER);
    assert_eq!(client.next_timeout(), LATER + PINGRESP);
}

/// What is offered counts, though an earlier event is reported first and nothing is taken.
#[test]
fn what_waits_behind_an_event_counts() {
    let (mut client, _) = with_news();
    let mut input = PUBLISH;
    assert!(client.receive(LATER, &mut input).is_some());
    assert_eq!(input, PUBLISH);
    // The caller is woken for what it has.
    for _ in 0..2 {
        assert_eq!(client.next_timeout(), Instant::ORIGIN);
        client.handle_timeout(LATER);
    }
    assert_eq!(client.next_timeout(), LATER + PINGRESP);
}

/// Packets and pieces that were split elsewhere.
#[test]
fn packets_from_elsewhere_count() {
    let mut client = waiting();
    let packet = Packet::decode(ProtocolVersion::V5_0, PUBLISH).unwrap();
    assert!(matches!(
        client.handle(LATER, packet),
        Ok(Some(Event::Message(_)))
    ));
    assert_eq!(client.next_timeout(), LATER + PINGRESP);

    let mut client = waiting();
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, 6);
    let mut input = BytesMut::from(PUBLISH);
    let Ok(SplitterOutput::Ready(head)) = splitter.next(ProtocolVersion::V5_0, &mut input) else {
        panic!()
    };
    let event = client.handle_piece(LATER, &head);
    assert!(
        matches!(event, Ok(Some(Event::LargeMessage(_)))),
        "{event:?}"
    );
    assert_eq!(client.next_timeout(), LATER + PINGRESP);
    let Ok(SplitterOutput::Ready(payload)) = splitter.next(ProtocolVersion::V5_0, &mut input)
    else {
        panic!()
    };
    let later = Instant::from_millis(18_000);
    let event = client.handle_piece(later, &payload);
    assert!(matches!(event, Ok(Some(Event::Payload(_)))), "{event:?}");
    settle(&mut client, later);
    assert_eq!(client.next_timeout(), later + PINGRESP);
}

/// Bytes that wait for the caller count, and the beginning of a packet.
#[test]
fn bytes_that_are_not_taken_count() {
    let mut client = waiting();
    client.bytes_waiting(LATER);
    assert_eq!(client.next_timeout(), LATER + PINGRESP);

    let mut client = waiting();
    let mut part = &PUBLISH[..4];
    assert_eq!(client.receive(LATER, &mut part), None);
    assert_eq!(client.next_timeout(), LATER + PINGRESP);
    // The same bytes again are no news.
    let mut part = &PUBLISH[..4];
    let again = Instant::from_millis(12_000);
    assert_eq!(client.receive(again, &mut part), None);
    assert_eq!(client.next_timeout(), LATER + PINGRESP);
    // The whole packet is not in parts any more: it has no time limit of its own.
    let mut whole = PUBLISH;
    assert!(client.receive(again, &mut whole).is_some());
    let mut pong = &[0xD0, 0][..];
    while client.receive(again, &mut pong).is_some() {}
    settle(&mut client, again);
    assert_eq!(client.next_timeout(), Instant::NEVER);
}

/// A packet from elsewhere is not taken before the caller has decided about a CONNECT, or has got what happened before.
#[test]
fn what_comes_first_is_said() {
    let mut server = Server::new(NOW, ServerConfig::default());
    let expiry = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        properties: Properties::new(&expiry).unwrap(),
        ..named("c")
    };
    let event = server.handle(NOW, Packet::Connect(connect));
    assert!(matches!(event, Ok(Some(Event::Connect(_)))), "{event:?}");
    let ping = || Packet::PingReq;
    assert_eq!(server.handle(NOW, ping()), Err(NotTaken::Undecided));
    server.accept(NOW, None, &[]).unwrap();
    while server.poll(NOW, &mut Vec::new()).is_some() {}
    assert_eq!(server.handle(NOW, ping()), Ok(None));

    let (mut client, _) = with_news();
    let packet = || Packet::decode(ProtocolVersion::V5_0, PUBLISH).unwrap();
    assert_eq!(client.handle(LATER, packet()), Err(NotTaken::EventsFirst));
    settle(&mut client, LATER);
    assert!(client.handle(LATER, packet()).is_ok());
}

/// A Client that has not reported yet that a message has expired, and the token of that message.
fn with_news() -> (Client, Token) {
    let mut client = waiting();
    let expiring = [Property::MessageExpiryInterval(1)];
    let publish = Publish {
        properties: Properties::new(&expiring).unwrap(),
        ..Publish::new(TopicName::new("a").unwrap(), b"on")
    };
    let message = Message::new(&publish).unwrap();
    let token = client
        .publish(NOW, Publication::new(Qos::AtMostOnce, message))
        .unwrap();
    client.handle_timeout(Instant::from_millis(1_000));
    (client, token)
}

/// What happened before a packet is reported before it is read.
#[test]
fn events_come_in_order() {
    for packet in [PUBACK, EXPLAINED, PUBLISH, &[0x50, 2, 0, 2, 0xD0, 0]] {
        let (mut client, token) = with_news();
        let mut input = packet;
        let event = client.receive(LATER, &mut input);
        assert_eq!(event, Some(Event::Outcome(token, Outcome::Expired)));
        assert_eq!(input.len(), packet.len());
        while client.receive(LATER, &mut input).is_some() {}
        assert!(input.is_empty());
    }
}

/// Section 3.12: each PINGRESP answers one PINGREQ; only those that the application asked for are reported.
#[test]
fn only_the_wanted_pingresp_is_reported() {
    let mut client = machines::client(ClientConfig::default());
    let packet = Connect {
        keep_alive: 5,
        ..named("c")
    };
    connect(&mut client, NOW, &packet);
    accept(&mut client, NOW, &connack(&[]));
    client.ping().unwrap();
    settle(&mut client, NOW);
    // Nothing else was sent: the Client asks by itself.
    let due = client.next_timeout();
    client.handle_timeout(due);
    assert_eq!(settle(&mut client, due), [0xC0, 0]);
    let mut input = &[0xD0, 0, 0xD0, 0][..];
    let mut reported = 0;
    while let Some(event) = client.receive(due, &mut input) {
        assert!(matches!(event, Event::PingResp { .. }), "{event:?}");
        reported += 1;
    }
    assert_eq!(reported, 1);
}

/// MQTT-3.2.0-1: before the CONNACK no large message begins, either.
#[test]
fn a_head_before_the_connack_is_an_error() {
    let mut client = machines::client(ClientConfig::default());
    connect(&mut client, NOW, &named("c"));
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, 6);
    let mut input = BytesMut::from(PUBLISH);
    let Ok(SplitterOutput::Ready(head)) = splitter.next(ProtocolVersion::V5_0, &mut input) else {
        panic!()
    };
    assert_eq!(client.handle_piece(NOW, &head), Ok(None));
    let mut wire = Vec::new();
    let outputs: Vec<_> = core::iter::from_fn(|| client.poll(NOW, &mut wire)).collect();
    assert!(
        matches!(outputs.last(), Some(Output::Close(_))),
        "{outputs:?}"
    );
    assert_eq!(wire[0], 0xE0);
}

/// Section 3.1.2.11.7 binds the Server alone: a Client may always explain.
#[test]
fn a_client_may_always_explain() {
    let config = ServerConfig {
        limits: Limits {
            problem_information: false,
            ..Limits::NONE
        },
        ..ServerConfig::default()
    };
    let mut server = connected_server(config, NOW, &named("c"));
    let publication = Publication::of("a", b"on", Qos::AtLeastOnce).unwrap();
    server.publish(NOW, publication).unwrap();
    while server.poll(NOW, &mut Vec::new()).is_some() {}
    let event = server.receive(NOW, &mut &EXPLAINED[..]);
    assert!(matches!(event, Some(Event::Outcome(..))), "{event:?}");
}
