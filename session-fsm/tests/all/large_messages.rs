//! Messages that arrive in pieces: a message has been received when the last byte of its payload is there, and
//! is not acknowledged before (sections 4.3.2, 4.3.3, 4.4). Otherwise it makes no difference how it arrives.

use core::time::Duration;

use mqtt5_session_fsm::codec::bytes::BytesMut;
use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Splitter, SplitterOutput, StreamSplitter};
use mqtt5_session_fsm::codec::{
    Connect, Delivery, Packet, PacketIdentifier, Properties, Property, ProtocolVersion, PubRel,
    Publish, Qos, ReasonCode, Text, TopicName,
};
use mqtt5_session_fsm::{
    Acknowledgement, Client, ClientConfig, Event, Instant, Limits, NotTaken, Output, Receipt,
    SendError, Server, ServerConfig, Session, SessionConfig,
};
use proptest::prelude::*;

const NOW: Instant = Instant::ORIGIN;
/// Of the splitter: packets that are larger come in pieces.
const LIMIT: usize = 40;

fn connect_packet(expiry: u32) -> Vec<u8> {
    let list = [Property::SessionExpiryInterval(expiry)];
    let mut wire = Vec::new();
    Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(&list).unwrap(),
        ..Connect::default()
    }
    .encode(ProtocolVersion::V5_0, &mut wire)
    .unwrap();
    wire
}

fn packet_identifier(number: u16) -> PacketIdentifier {
    PacketIdentifier::try_from(number).unwrap()
}

fn encoded(qos: Qos, number: u16, duplicate: bool, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    Publish {
        delivery: Delivery::new(qos, packet_identifier(number), duplicate),
        ..Publish::new(TopicName::new("a/b").unwrap(), payload)
    }
    .encode(ProtocolVersion::V5_0, &mut wire)
    .unwrap();
    wire
}

/// A message: QoS, RETAIN, topic, payload.
type Arrived = (Qos, bool, Option<String>, Vec<u8>);

/// What came of some input, put together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    messages: Vec<Arrived>,
    receipts: Vec<Option<Receipt>>,
    others: Vec<String>,
    closed: bool,
    wire: Vec<u8>,
}

/// A Server with a connection, and what reads for it.
#[derive(Clone)]
struct Side {
    server: Server,
    splitter: StreamSplitter,
    input: BytesMut,
    /// The message that is arriving, as far as it is there, and the length of its payload.
    arriving: Option<(Arrived, usize)>,
}

impl Side {
    fn new(session: Option<Session>, acknowledgement: Acknowledgement) -> Self {
        let config = ServerConfig {
            limits: Limits {
                topic_alias_maximum: 5,
                ..Limits::NONE
            },
            session: SessionConfig {
                acknowledgement,
                ..SessionConfig::default()
            },
            ..ServerConfig::default()
        };
        let mut server = Server::new(NOW, config);
        let packet = connect_packet(1000);
        let mut input = &packet[..];
        let event = server.receive(NOW, &mut input);
        assert!(matches!(event, Some(Event::Connect(_))));
        server.accept(NOW, session, &[]).unwrap();
        while server.poll(NOW, &mut Vec::new()).is_some() {}
        Side {
            server,
            splitter: StreamSplitter::new(LARGEST_PACKET, LIMIT),
            input: BytesMut::new(),
            arriving: None,
        }
    }

    /// Bytes come from the network, and are read in pieces.
    fn reads(&mut self, bytes: &[u8]) -> Came {
        let mut came = Came::default();
        self.input.extend_from_slice(bytes);
        loop {
            let piece = match self.splitter.next(ProtocolVersion::V5_0, &mut self.input) {
                Ok(SplitterOutput::Ready(piece)) => piece,
                Ok(SplitterOutput::Incomplete { .. }) => break,
                Err(error) => {
                    self.server.reject(NOW, error);
                    break;
                }
            };
            let event = self.server.handle_piece(NOW, &piece).unwrap();
            match event {
                Some(Event::LargeMessage(large)) => {
                    assert!(large.payload_length > 0);
                    let topic = large.topic.map(|topic| topic.as_str().to_owned());
                    let head = (large.delivery.qos(), large.retain, topic, Vec::new());
                    self.arriving = Some((head, large.payload_length));
                }
                Some(Event::Payload(part)) => {
                    let ((.., payload), length) = self.arriving.as_mut().unwrap();
                    payload.extend_from_slice(part.bytes);
                    assert_eq!(payload.len() + part.remaining, *length);
                    if part.remaining == 0 {
                        came.receipts.push(part.receipt);
                        came.messages
                            .extend(self.arriving.take().map(|(arrived, _)| arrived));
                    } else {
                        assert_eq!(part.receipt, None);
                    }
                }
                other => note(&mut came, other),
            }
            drain(&mut self.server, &mut came);
        }
        drain(&mut self.server, &mut came);
        came
    }
}

fn note(came: &mut Came, event: Option<Event<'_>>) {
    match event {
        Some(Event::Message(delivered)) => {
            let publish = delivered.publish;
            came.receipts.push(delivered.receipt);
            came.messages.push((
                publish.delivery.qos(),
                publish.retain,
                publish.topic.map(|topic| topic.as_str().to_owned()),
                publish.payload.to_vec(),
            ));
        }
        Some(other) => came.others.push(format!("{other:?}")),
        None => {}
    }
}

fn drain(server: &mut Server, came: &mut Came) {
    while let Some(output) = server.poll(NOW, &mut came.wire) {
        match output {
            Output::Close(_) => came.closed = true,
            other => came.others.push(format!("{other:?}")),
        }
    }
}

const PUBACK: [u8; 4] = [0x40, 2, 0, 1];
const PUBREC: [u8; 4] = [0x50, 2, 0, 1];

/// The rule, at every byte: no acknowledgement before the last one.
#[test]
fn nothing_is_acknowledged_before_the_last_byte() {
    let payload = [7; 100];
    for (qos, answer) in [
        (Qos::AtMostOnce, &[][..]),
        (Qos::AtLeastOnce, &PUBACK),
        (Qos::ExactlyOnce, &PUBREC),
    ] {
        let packet = encoded(qos, 1, false, &payload);
        let mut side = Side::new(None, Acknowledgement::Automatic);
        let (last, before) = packet.split_last().unwrap();
        for byte in before {
            assert_eq!(side.reads(&[*byte]), Came::default());
        }
        let came = side.reads(&[*last]);
        assert_eq!(came.messages.len(), 1);
        assert_eq!(came.messages[0].3, payload);
        assert_eq!(came.wire, answer);
    }
}

/// Cut after each byte: what was not received comes again, as new. What was received does not, if it has QoS 2.
#[test]
fn a_cut_loses_nothing() {
    let payload = [7; 100];
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let packet = encoded(qos, 1, false, &payload);
        let again = encoded(qos, 1, true, &payload);
        for acknowledgement in [Acknowledgement::Automatic, Acknowledgement::Manual] {
            for cut in 0..=packet.len() {
                let mut side = Side::new(None, acknowledgement);
                let first = side.reads(&packet[..cut]);
                let whole = cut == packet.len();
                assert_eq!(first.messages.len(), usize::from(whole));
                side.server.connection_lost(NOW);
                let session = side.server.take_session(NOW);
                let mut side = Side::new(session, acknowledgement);
                let second = side.reads(&again);
                let expected = usize::from(!whole || qos == Qos::AtLeastOnce);
                assert_eq!(
                    second.messages.len(),
                    expected,
                    "{qos:?} {acknowledgement:?} {cut}"
                );
                if acknowledgement == Acknowledgement::Automatic {
                    assert_eq!(second.wire[2..], [0, 1], "acknowledged in any case");
                }
            }
        }
    }
}

/// Manual acknowledgement: there is no receipt before the payload is there.
#[test]
fn the_receipt_comes_with_the_last_part() {
    for (qos, answer) in [(Qos::AtLeastOnce, PUBACK), (Qos::ExactlyOnce, PUBREC)] {
        let mut side = Side::new(None, Acknowledgement::Manual);
        let came = side.reads(&encoded(qos, 1, false, &[7; 100]));
        assert!(came.wire.is_empty());
        let receipt = came.receipts[0].unwrap();
        // Others of the same QoS do not wait for it: this is a Server.
        let behind = side.reads(&encoded(qos, 2, false, b"small"));
        side.server
            .acknowledge(behind.receipts[0].unwrap())
            .unwrap();
        assert_eq!(side.reads(&[]).wire, [answer[0], 2, 0, 2]);
        side.server.acknowledge(receipt).unwrap();
        assert_eq!(side.reads(&[]).wire, answer);
        assert_eq!(side.server.acknowledge(receipt), Err(SendError::Stale));
    }
}

/// A message that was handed out before yields no event, and is answered when it is there.
#[test]
fn a_duplicate_is_passed_over_and_answered() {
    let packet = encoded(Qos::ExactlyOnce, 1, false, &[7; 100]);
    let mut side = Side::new(None, Acknowledgement::Automatic);
    assert_eq!(side.reads(&packet).messages.len(), 1);
    let (last, before) = packet.split_last().unwrap();
    assert_eq!(side.reads(before), Came::default());
    assert!(side.arriving.is_none(), "nothing is announced");
    let came = side.reads(&[*last]);
    assert_eq!((came.messages.len(), &came.wire[..]), (0, &PUBREC[..]));
    // What comes behind it is read right.
    let mut release = Vec::new();
    PubRel::new(packet_identifier(1), ReasonCode::Success)
        .encode(ProtocolVersion::V5_0, &mut release)
        .unwrap();
    assert_eq!(side.reads(&release).wire, [0x70, 2, 0, 1]);
    assert_eq!(side.reads(&packet).messages.len(), 1);
}

#[test]
fn what_this_side_does_not_take_is_refused_at_the_head() {
    let config = ServerConfig {
        limits: Limits {
            maximum_qos: Qos::AtMostOnce,
            ..Limits::NONE
        },
        ..ServerConfig::default()
    };
    let mut side = Side::new(None, Acknowledgement::Automatic);
    let mut server = Server::new(NOW, config);
    let packet = connect_packet(0);
    let _ = server.receive(NOW, &mut &packet[..]);
    server.accept(NOW, None, &[]).unwrap();
    while server.poll(NOW, &mut Vec::new()).is_some() {}
    side.server = server;
    let came = side.reads(&encoded(Qos::AtLeastOnce, 1, false, &[7; 100])[..50]);
    assert!(came.closed);
    assert_eq!(came.wire[..3], [0xE0, 1, 0x9B]);
    // The rest is thrown away.
    assert_eq!(side.reads(&[7; 60]), Came::default());
}

/// This side ends the connection in the middle of a payload: the rest of it is nothing any more.
#[test]
fn a_connection_that_was_closed_has_no_message_arriving() {
    let packet = encoded(Qos::ExactlyOnce, 1, false, &[7; 100]);
    let mut side = Side::new(None, Acknowledgement::Automatic);
    assert_eq!(side.reads(&packet[..50]), Came::default());
    let busy = ReasonCode::ServerBusy;
    side.server.disconnect(NOW, busy, &[]).unwrap();
    let came = side.reads(&packet[50..]);
    assert_eq!((came.messages.len(), came.closed), (0, true));
    assert_eq!(came.wire[..1], [0xE0]);
}

/// Before the CONNECT was accepted the piece is given back, and then taken.
#[test]
fn a_piece_that_comes_too_early_is_given_again() {
    let mut server = Server::new(NOW, ServerConfig::default());
    let packet = connect_packet(0);
    let _ = server.receive(NOW, &mut &packet[..]);
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, LIMIT);
    let mut input = BytesMut::from(&encoded(Qos::AtMostOnce, 1, false, &[7; 100])[..]);
    let Ok(SplitterOutput::Ready(head)) = splitter.next(ProtocolVersion::V5_0, &mut input) else {
        panic!()
    };
    assert_eq!(server.handle_piece(NOW, &head), Err(NotTaken::Undecided));
    server.accept(NOW, None, &[]).unwrap();
    while server.poll(NOW, &mut Vec::new()).is_some() {}
    let event = server.handle_piece(NOW, &head);
    assert!(matches!(event, Ok(Some(Event::LargeMessage(_)))));

    // Without a CONNECT, it is an error of the peer (section 3.1.0-1).
    let mut server = Server::new(NOW, ServerConfig::default());
    assert_eq!(server.handle_piece(NOW, &head), Ok(None));
    let closed = server.poll(NOW, &mut Vec::new());
    assert!(matches!(closed, Some(Output::Close(_))));
}

/// The Client's side, over an alias that stands for the topic (section 3.3.2.3.4).
#[test]
fn a_client_knows_the_topic_of_a_large_message() {
    let mut client = Client::new(
        ClientConfig::default(),
        Session::of_client(SessionConfig::default()),
    );
    let list = [Property::TopicAliasMaximum(3)];
    let connect = Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(&list).unwrap(),
        ..Connect::default()
    };
    client.connect(NOW, &connect).unwrap();
    while client.poll(NOW, &mut Vec::new()).is_some() {}
    let _ = client.receive(NOW, &mut &b"\x20\x03\x00\x00\x00"[..]);
    let alias = [Property::TopicAlias(std::num::NonZeroU16::MIN)];
    let payload = [7; 100];
    let first = Publish {
        properties: Properties::new(&alias).unwrap(),
        ..Publish::new(TopicName::new("a/b").unwrap(), &payload)
    };
    let second = Publish {
        topic: None,
        ..first
    };
    let mut input = BytesMut::new();
    for publish in [first, second] {
        let mut wire = Vec::new();
        publish.encode(ProtocolVersion::V5_0, &mut wire).unwrap();
        input.extend_from_slice(&wire);
    }
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, LIMIT);
    let mut topics = Vec::new();
    while let Ok(SplitterOutput::Ready(piece)) = splitter.next(ProtocolVersion::V5_0, &mut input) {
        if let Ok(Some(Event::LargeMessage(large))) = client.handle_piece(NOW, &piece) {
            topics.push(large.topic.unwrap().as_str().to_owned());
        }
    }
    assert_eq!(topics, ["a/b", "a/b"]);
}

/// A Server with Keep Alive 10 s, to which a message of this many bytes comes: each piece has this many, and this
/// often. After how long it closes; never, if the message is there before.
fn uploaded(bytes: usize, piece: usize, every: Duration, pieces: usize) -> Option<Duration> {
    let mut server = Server::new(NOW, ServerConfig::default());
    let mut packet = Vec::new();
    let connect = Connect {
        client_identifier: Text::new("c").unwrap(),
        keep_alive: 10,
        ..Connect::default()
    };
    connect.encode(ProtocolVersion::V5_0, &mut packet).unwrap();
    let _ = server.receive(NOW, &mut &packet[..]);
    server.accept(NOW, None, &[]).unwrap();
    while server.poll(NOW, &mut Vec::new()).is_some() {}

    let packet = encoded(Qos::AtLeastOnce, 1, false, &vec![7; bytes]);
    let (head, payload) = packet.split_at(packet.len() - bytes);
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, LIMIT);
    let mut input = BytesMut::from(head);
    let mut parts = payload.chunks(piece).take(pieces);
    let mut next_part = NOW;
    let mut now = NOW;
    loop {
        while let Ok(SplitterOutput::Ready(piece)) =
            splitter.next(ProtocolVersion::V5_0, &mut input)
        {
            let event = server.handle_piece(now, &piece);
            if matches!(event, Ok(Some(Event::Payload(part))) if part.remaining == 0) {
                return None;
            }
        }
        while let Some(output) = server.poll(now, &mut Vec::new()) {
            if matches!(output, Output::Close(_)) {
                return Some(NOW.until(now));
            }
        }
        let due = server.next_timeout();
        if next_part <= due {
            now = next_part;
            next_part = match parts.next() {
                Some(part) => {
                    input.extend_from_slice(part);
                    now + every
                }
                None => Instant::NEVER,
            };
        } else {
            now = due;
            server.handle_timeout(now);
        }
    }
}

/// A large message may take longer than the Keep Alive; one that stalls, or that is too slow to end, ends the
/// connection as one that comes whole does.
#[test]
fn a_large_message_may_take_its_time_but_must_go_on() {
    let second = Duration::from_secs(1);
    assert_eq!(uploaded(200_000, 2_000, second, 100), None);
    // One and a half times the Keep Alive without a byte, or less.
    let silence = ServerConfig::default().packet.stall.min(15 * second);
    let stalled = uploaded(200_000, 2_000, second, 50);
    assert_eq!(stalled, Some(49 * second + silence));
    let grace = ServerConfig::default().packet.grace;
    let slow = uploaded(200_000, 1, second, 200_000).unwrap();
    assert!(slow >= grace && slow <= grace + 2 * second, "{slow:?}");
}

/// MQTT-4.13.1-1: a packet or a head that breaks a rule ends the connection, although its bytes could be split.
#[test]
fn a_piece_that_breaks_a_rule_ends_the_connection() {
    // A PUBACK with a Reason Code that does not exist, and a large PUBLISH to a topic with a wildcard character.
    let puback = vec![0x40, 3, 0, 1, 0x01];
    let publish = [&[0x30, 100, 0, 3][..], b"a/#", &[0; 95]].concat();
    for bytes in [puback, publish] {
        let came = Side::new(None, Acknowledgement::Automatic).reads(&bytes);
        assert!(came.closed, "{came:?}");
        // DISCONNECT with an error.
        assert!(came.wire[0] == 0xE0 && came.wire[2] >= 0x80, "{came:?}");
        assert_eq!(came.messages, []);
    }
}

/// A Server that knows no other version than 3.1.1 refuses, and breaks no rule (section 3.2 of its standard).
#[test]
fn a_refusal_of_an_older_version_is_one_in_pieces_too() {
    let mut client = Client::new(
        ClientConfig::default(),
        Session::of_client(SessionConfig::default()),
    );
    client.connect(NOW, &Connect::default()).unwrap();
    while client.poll(NOW, &mut Vec::new()).is_some() {}
    let mut input = BytesMut::from(&[0x20, 2, 0, 1][..]);
    let Ok(SplitterOutput::Ready(piece)) =
        StreamSplitter::new(LARGEST_PACKET, LIMIT).next(ProtocolVersion::V5_0, &mut input)
    else {
        panic!()
    };
    let Ok(Some(Event::Refused(refusal))) = client.handle_piece(NOW, &piece) else {
        panic!()
    };
    assert_eq!(refusal.reason_code, ReasonCode::UnsupportedProtocolVersion);
}

#[derive(Clone, Debug)]
enum Sent {
    Message(Qos, u16, bool, usize),
    Release(u16),
}

proptest! {
    /// In pieces or as whole packets: the same messages, answers and state.
    #[test]
    fn it_makes_no_difference_how_a_message_arrives(
        sent in proptest::collection::vec(
            prop_oneof![
                4 => (0_u8..3, 1_u16..4, any::<bool>(), 0_usize..120).prop_map(|(qos, number, duplicate, length)| {
                    let qos = Qos::from_bits(qos).unwrap();
                    Sent::Message(qos, number, duplicate && qos != Qos::AtMostOnce, length)
                }),
                1 => (1_u16..4).prop_map(Sent::Release),
            ],
            1..20,
        ),
        chunks in proptest::collection::vec(1_usize..60, 1..10),
        manual in any::<bool>(),
    ) {
        let acknowledgement = if manual {
            Acknowledgement::Manual
        } else {
            Acknowledgement::Automatic
        };
        let mut stream = Vec::new();
        for sent in &sent {
            match *sent {
                Sent::Message(qos, number, duplicate, length) => {
                    stream.extend(encoded(qos, number, duplicate, &vec![number as u8; length]));
                }
                Sent::Release(number) => PubRel::new(packet_identifier(number), ReasonCode::Success)
                    .encode(ProtocolVersion::V5_0, &mut stream)
                    .unwrap(),
            }
        }
        let mut pieces = Side::new(None, acknowledgement);
        let mut whole = Side::new(None, acknowledgement).server;
        let mut buffer = BytesMut::new();
        let splitter = Splitter::new(LARGEST_PACKET);
        let (mut rest, mut sizes) = (&stream[..], chunks.iter().cycle());
        let (mut one, mut other) = (Came::default(), Came::default());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            rest = after;
            let came = pieces.reads(chunk);
            one.messages.extend(came.messages);
            one.receipts.extend(came.receipts);
            one.others.extend(came.others);
            one.wire.extend(came.wire);
            one.closed |= came.closed;
            buffer.extend_from_slice(chunk);
            while let Ok(SplitterOutput::Ready(frame)) = splitter.next(&mut buffer) {
                let packet: Packet<'_> = frame.decode(ProtocolVersion::V5_0).unwrap();
                let event = whole.handle(NOW, packet).unwrap();
                note(&mut other, event);
                drain(&mut whole, &mut other);
            }
        }
        prop_assert_eq!(one, other);
        prop_assert_eq!(pieces.server, whole);
    }
}
