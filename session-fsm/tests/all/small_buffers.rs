//! Answers that do not fit into the caller's buffer at once: they leave in pieces, whole and in order, and
//! the Receive Maximum is kept an eye on meanwhile.

use std::hash::{DefaultHasher, Hash, Hasher};

use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{Connect, ProtocolVersion, ReasonCode, Text};
use mqtt5_session_fsm::{
    Cause, Event, Instant, Limits, Output, PeerError, Server, ServerConfig, SessionViolation,
};

const NOW: Instant = Instant::from_millis(1);

/// A connected Server with this Receive Maximum.
fn server(receive_maximum: u16) -> Server {
    let mut server = Server::new(
        NOW,
        ServerConfig {
            limits: Limits {
                receive_maximum,
                ..Limits::NONE
            },
            ..ServerConfig::default()
        },
    );
    let connect = Connect {
        client_identifier: Text::new("c").expect("a string"),
        ..Connect::default()
    };
    let mut packet = Vec::new();
    connect
        .encode(ProtocolVersion::V5_0, &mut packet)
        .expect("a CONNECT");
    let mut input = &packet[..];
    let event = server.receive(NOW, &mut input);
    assert!(matches!(event, Some(Event::Connect(_))));
    server.accept(NOW, None, &[]).expect("a CONNACK");
    let mut wire = Vec::new();
    assert_eq!(server.poll(NOW, &mut wire), None);
    server
}

/// A PUBLISH with QoS 1 or 2.
fn publish(qos: u8, identifier: u16) -> [u8; 8] {
    let [high, low] = identifier.to_be_bytes();
    [0x30 | qos << 1, 6, 0, 1, b'a', high, low, 0]
}

/// A Server that owes an answer to each of this number of messages: PUBACK or PUBREC, and 0x92 for a PUBREL in
/// between, which is longer.
fn owing(receive_maximum: u16, messages: u16) -> Server {
    let mut server = server(receive_maximum);
    for identifier in 1..=messages {
        let packet = publish(1 + (identifier % 2) as u8, identifier);
        let mut input = &packet[..];
        // That the PUBREL before was unknown is reported first.
        while input.len() == packet.len() {
            let event = server.receive(NOW, &mut input);
            assert!(
                matches!(
                    event,
                    Some(Event::Message(_) | Event::UnknownIdentifier { .. })
                ),
                "{event:?}"
            );
        }
        if identifier % 3 == 0 {
            let pubrel = [0x62, 2, 0xFF, identifier as u8];
            assert_eq!(server.receive(NOW, &mut &pubrel[..]), None);
        }
    }
    server
}

/// Polls with one buffer of this size until there is nothing to say or no room: what is in it then, what was
/// said, and the room that the next packet needs.
fn fill(server: &mut Server, size: usize) -> (Vec<u8>, Vec<Output>, Option<usize>) {
    let mut buffer = vec![0; size];
    let mut room = &mut buffer[..];
    let mut said = Vec::new();
    let needed = loop {
        match server.poll(NOW, &mut room) {
            Some(Output::NeedsRoom(needed)) => break Some(needed),
            Some(output) => said.push(output),
            None => break None,
        }
    };
    let left = room.len();
    if let Some(needed) = needed {
        assert!(needed > left, "there is room for {needed} of {left}");
    }
    buffer.truncate(size - left);
    (buffer, said, needed)
}

/// Everything that a Server writes into buffers of this size, and what it says.
fn in_pieces(server: &mut Server, size: usize) -> (Vec<u8>, Vec<Output>) {
    let (mut all, mut said) = (Vec::new(), Vec::new());
    loop {
        let (bytes, outputs, needed) = fill(server, size);
        all.extend(bytes);
        said.extend(outputs);
        match needed {
            Some(needed) => assert!(needed <= size, "{needed} bytes do not fit at all"),
            None => return (all, said),
        }
    }
}

/// How many packets there are, all of them whole.
fn packets(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        match split(bytes, LARGEST_PACKET) {
            Ok(Split::Packet { packet, rest }) => {
                packet.decode(ProtocolVersion::V5_0).expect("a packet");
                bytes = rest;
                count += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    count
}

#[test]
fn answers_leave_in_pieces() {
    let server = owing(100, 100);
    let whole = in_pieces(&mut server.clone(), 1 << 10);
    assert_eq!(packets(&whole.0), 133);
    for size in 5..40 {
        let mut server = server.clone();
        let pieces = in_pieces(&mut server, size);
        assert_eq!(pieces, whole, "buffers of {size} bytes");
        // What follows is whole, too.
        let packet = publish(1, 0x1234);
        let event = server.receive(NOW, &mut &packet[..]);
        assert!(matches!(event, Some(Event::Message(_))));
        let puback = vec![0x40, 2, 0x12, 0x34];
        assert_eq!(fill(&mut server, size), (puback, Vec::new(), None));
    }
}

#[test]
fn the_receive_maximum_is_given_back_when_answers_leave() {
    let mut whole = owing(10, 0);
    for identifier in 1..=10 {
        let packet = publish(1, identifier);
        let event = whole.receive(NOW, &mut &packet[..]);
        assert!(matches!(event, Some(Event::Message(_))));
    }
    let eleventh = publish(1, 11);

    // None has left: the Client cannot know of an answer.
    let mut none = whole.clone();
    assert_eq!(fill(&mut none, 3), (Vec::new(), Vec::new(), Some(4)));
    assert_eq!(none.receive(NOW, &mut &eleventh[..]), None);
    let (wire, said, _) = fill(&mut none, 1 << 10);
    let error = PeerError::from(SessionViolation::ReceiveMaximumExceeded);
    let close = Output::Close(Cause::PeerError(error));
    assert_eq!(said, [Output::Event(Event::SessionEnded), close]);
    // The answers that were due go first.
    assert_eq!(packets(&wire), 11);
    let last = &wire[wire.len() - 3..];
    assert_eq!(last, [0xE0, 1, ReasonCode::ReceiveMaximumExceeded as u8]);

    // One has left.
    let mut one = whole.clone();
    let (wire, said, needed) = fill(&mut one, 4);
    assert_eq!((packets(&wire), said, needed), (1, Vec::new(), Some(4)));
    let event = one.receive(NOW, &mut &eleventh[..]);
    assert!(matches!(event, Some(Event::Message(_))));

    // All have left, and all of the Receive Maximum is there again, but no more than that.
    let (wire, said, needed) = fill(&mut whole, 40);
    assert_eq!((packets(&wire), said, needed), (10, Vec::new(), None));
    for identifier in 11..=20 {
        let packet = publish(1, identifier);
        let event = whole.receive(NOW, &mut &packet[..]);
        assert!(matches!(event, Some(Event::Message(_))));
    }
    assert_eq!(whole.receive(NOW, &mut &publish(1, 21)[..]), None);
    assert!(!whole.is_connected());
}

#[test]
fn equal_machines_are_equal_however_their_answers_were_written() {
    let server = owing(100, 20);
    let (mut few, mut many) = (server.clone(), server);
    let (wire, said, _) = fill(&mut few, 80);
    let (first, mut said_twice, _) = fill(&mut many, 60);
    let (second, said_then, _) = fill(&mut many, wire.len() - first.len());
    said_twice.extend(said_then);
    assert_eq!((&wire, said), (&[first, second].concat(), said_twice));
    assert_eq!(few, many);
    let hash = |server: &Server| {
        let mut hasher = DefaultHasher::new();
        server.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(&few), hash(&many));
    let (left, _) = in_pieces(&mut few, 5);
    assert_eq!(left, in_pieces(&mut many, 64).0);
    assert_eq!(packets(&left) + packets(&wire), 26);
}
