//! Export and restore of a Session, and the changes between (section 4.1). A program of its own, which a big-endian
//! machine runs, too.

mod changes;
mod damage;
mod inconsistent;
mod tokens;
mod versions;

use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{
    Connect, Delivery, Message, Packet, PacketIdentifier, Properties, Property, ProtocolVersion,
    Publish, Qos, Role, SubscriptionIdentifier, TopicName,
};
use mqtt5_session_fsm::table::{ReceiverState, SenderState};
use mqtt5_session_fsm::{
    Acknowledgement, Change, Client, ClientConfig, Event, Instant, Output, Publication,
    QueuedMessage, RestoreError, Session, SessionConfig, Token,
};

use self::changes::*;
use self::versions::several;

const CONFIG: SessionConfig = SessionConfig {
    persistent: true,
    ..default_config()
};

const fn default_config() -> SessionConfig {
    SessionConfig {
        in_flight: u16::MAX,
        stored: mqtt5_session_fsm::StoredLimits {
            messages: 66_535,
            bytes: 8 << 20,
        },
        waiting: mqtt5_session_fsm::WaitingLimits {
            messages: 1000,
            bytes: 1 << 20,
            when_full: mqtt5_session_fsm::WhenFull::Refuse,
        },
        acknowledgement: Acknowledgement::Automatic,
        persistent: false,
    }
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn id(number: u16) -> PacketIdentifier {
    PacketIdentifier::new(number).unwrap()
}

fn message(payload: &[u8]) -> Message {
    Message::new(&Publish::new(TopicName::new("a/b").unwrap(), payload)).unwrap()
}

fn replay(session: &mut Session, changes: &[Change]) {
    for change in changes {
        assert_eq!(session.apply(at(1_000_000), change), Ok(()), "{change:?}");
    }
}

/// A Session of a Server with everything in it.
fn full() -> Session {
    let mut session = Session::of_server("c", CONFIG);
    let changes = every_change();
    replay(&mut session, &changes[..changes.len() - 2]);
    session
}

fn restore(bytes: &[u8]) -> Result<Session, RestoreError> {
    Session::restore(at(1_000_000), bytes, CONFIG)
}

#[test]
fn everything_comes_back() {
    let full = full();
    let mut session = restore(&full.export()).unwrap();
    assert_eq!(session.export(), full.export());
    assert_eq!(session.role(), Role::Server);
    assert!(session.exists());
    assert_eq!(session.client_identifier(), "c");
    assert_eq!((session.in_flight(), session.waiting()), (3, 2));
    assert_eq!(session.waiting_bytes(), full.waiting_bytes());
    assert_eq!(session.sender_state(id(1)), SenderState::WaitPubAck);
    assert_eq!(session.sender_state(id(2)), SenderState::WaitPubRec);
    assert_eq!(session.sender_state(id(3)), SenderState::Free);
    assert_eq!(session.sender_state(id(9)), SenderState::WaitPubComp);
    assert_eq!(session.lost_identifiers(), 1);
    assert_eq!(session.receiver_state(id(1)), ReceiverState::WaitPubRel);
    assert_eq!(session.receiver_state(id(512)), ReceiverState::Free);
    assert_eq!(
        session.receiver_state(id(65_535)),
        ReceiverState::WaitPubRel
    );
    let token = session.publish(
        at(1_000_000),
        Publication::new(Qos::AtLeastOnce, message(b"")),
    );
    assert_eq!(token, Ok(Token::from_number(13)));

    // The Will is due, a message expires, the Session ends.
    assert_eq!(session.next_timeout(), at(1_000_030));
    while let Some(Output::Persist(_)) = session.poll() {}
    session.handle_timeout(at(1_000_030));
    // First the event, then what is to be stored of it.
    let Some(Output::Event(Event::Will(will))) = session.poll() else {
        panic!()
    };
    assert_eq!(will.message.publish().payload, b"gone");
    assert_eq!(session.poll(), Some(Output::Persist(Change::WillRemoved)));
    assert_eq!(session.poll(), None);
    assert_eq!(session.next_timeout(), at(1_000_060));
    session.handle_timeout(at(1_000_060));
    assert_eq!(session.waiting(), 2);
    assert_eq!(session.next_timeout(), at(1_002_000));
    session.handle_timeout(at(1_002_000));
    while let Some(output) = session.poll() {
        if let Output::Event(Event::Overdue(token)) = output {
            assert_eq!(token, Token::from_number(2));
        }
    }
    assert_eq!(session.next_timeout(), at(1_003_600));
    session.handle_timeout(at(1_003_600));
    assert!(!session.exists());
    assert_eq!((session.in_flight(), session.waiting()), (0, 0));
}

/// What may have been sent before the crash is sent again as such (section 4.4).
#[test]
fn what_was_in_flight_is_sent_again_with_dup() {
    let [.., client, _] = &several()[..] else {
        panic!()
    };
    let session = restore(&client.export()).unwrap();
    let mut client = Client::new(ClientConfig::default(), session);
    let (now, mut wire) = (at(1_000_001), Vec::new());
    let properties = [Property::SessionExpiryInterval(3600)];
    let connect = Connect {
        properties: Properties::new(&properties).unwrap(),
        ..Connect::default()
    };
    client.connect(now, &connect).unwrap();
    assert_eq!(client.poll(now, &mut wire), None);
    let Ok(Packet::Connect(sent)) = Packet::decode(ProtocolVersion::V5_0, &wire) else {
        panic!()
    };
    assert!(!sent.clean_start);
    assert_eq!(sent.client_identifier.as_str(), "c");

    let mut input = &b"\x20\x03\x01\x00\x00"[..];
    assert!(client.receive(now, &mut input).is_some());
    let mut wire = Vec::new();
    while client.poll(now, &mut wire).is_some() {}
    let mut rest = &wire[..];
    let mut packets = Vec::new();
    while let Ok(Split::Packet {
        packet,
        rest: after,
    }) = split(rest, LARGEST_PACKET)
    {
        packets.push(packet.decode(ProtocolVersion::V5_0).unwrap());
        rest = after;
    }
    let publish = |qos, packet_identifier, token: u64| {
        (
            Delivery::new(qos, id(packet_identifier), true),
            token.to_be_bytes().to_vec(),
        )
    };
    let published: Vec<_> = packets
        .iter()
        .filter_map(|packet| match packet {
            Packet::Publish(it) => Some((it.delivery, it.payload.to_vec())),
            _ => None,
        })
        .collect();
    assert_eq!(
        published,
        [
            publish(Qos::AtLeastOnce, 1, 1),
            publish(Qos::ExactlyOnce, 2, 7)
        ],
    );
    let released =
        |packet: &Packet<'_>| matches!(packet, Packet::PubRel(it) if it.packet_identifier == id(9));
    assert!(packets.iter().any(released));
}

#[test]
fn an_unknown_end_of_the_connection_is_the_restart() {
    for (expiry, ends_at) in [(0, at(50)), (100, at(150)), (u32::MAX, Instant::NEVER)] {
        let mut session = Session::of_server("c", CONFIG);
        session.apply(at(50), &connected(expiry)).unwrap();
        assert_eq!(session.next_timeout(), ends_at);
        session.apply(at(50), &will(20)).unwrap();
        assert_eq!(session.next_timeout(), ends_at.min(at(70)));
    }
}

#[test]
fn a_session_that_ended_is_empty() {
    let mut session = full();
    session.apply(at(1_000_000), &Change::Ended).unwrap();
    let mut expected = Session::of_server("c", CONFIG);
    for change in [
        connected(3600),
        accepted(12, Qos::AtLeastOnce),
        Change::Ended,
    ] {
        expected.apply(at(0), &change).unwrap();
    }
    assert_eq!(session.export(), expected.export());
}

#[test]
fn messages_that_wait_outlive_the_session_of_a_client() {
    let mut session = Session::of_client(CONFIG);
    replay(
        &mut session,
        &[
            connected(10),
            accepted(1, Qos::ExactlyOnce),
            sent(1, 1),
            accepted(2, Qos::ExactlyOnce),
            Change::Ended,
        ],
    );
    assert_eq!((session.in_flight(), session.waiting()), (0, 1));
    let session = restore(&session.export()).unwrap();
    assert_eq!(session.waiting(), 1);
}

/// QoS 0 is not stored, nor is what was only accepted for this process.
#[test]
fn qos_0_is_not_stored() {
    let mut session = Session::of_client(CONFIG);
    session
        .publish(at(0), Publication::new(Qos::AtMostOnce, message(b"0")))
        .unwrap();
    assert_eq!(session.poll(), None);
    assert_eq!(restore(&session.export()).unwrap().waiting(), 0);
}

#[test]
fn changes_come_back_out_of_a_log() {
    let changes = every_change();
    let mut log = Vec::new();
    for change in &changes {
        assert_eq!(Change::from_bytes(&change.to_bytes()).as_ref(), Ok(change));
        log.extend(change.to_bytes());
    }
    let mut rest = &log[..];
    let mut read = Vec::new();
    while let Some(change) = Change::take(&mut rest).unwrap() {
        read.push(change);
    }
    assert_eq!(read, changes);

    // Wherever the log ends, it is known what is whole.
    for length in 0..log.len() {
        let mut rest = &log[..length];
        let mut read = Vec::new();
        let end = loop {
            match Change::take(&mut rest) {
                Ok(Some(change)) => read.push(change),
                end => break end,
            }
        };
        assert!(changes.starts_with(&read));
        let whole: usize = read.iter().map(|change| change.to_bytes().len()).sum();
        assert_eq!(rest, &log[whole..length]);
        match rest {
            [] => assert_eq!(end, Ok(None)),
            _ => assert_eq!(end, Err(RestoreError::Truncated)),
        }
    }
}

#[test]
fn a_change_that_does_not_fit_changes_nothing() {
    let full = full();
    let other = Change::Connected {
        client_identifier: "d".into(),
        expiry_interval: 1,
    };
    let misfits = [
        accepted(12, Qos::AtLeastOnce),
        accepted(13, Qos::AtMostOnce),
        accepted(u64::MAX, Qos::AtLeastOnce),
        sent(11, 100),
        sent(1, 100),
        sent(12, 1),
        sent(12, 9),
        Change::Released {
            packet_identifier: id(1),
        },
        Change::Released {
            packet_identifier: id(9),
        },
        Change::Released {
            packet_identifier: id(100),
        },
        Change::Finished {
            packet_identifier: id(100),
        },
        Change::Finished {
            packet_identifier: id(3),
        },
        // QoS 1, released, free, lost already.
        lost(1),
        lost(9),
        lost(3),
        lost(700),
        sent(12, 700),
        // Reported already, without a deadline, unknown.
        overdue(1),
        overdue(7),
        overdue(11),
        overdue(100),
        Change::Dropped {
            token: Token::from_number(1),
        },
        Change::Received {
            packet_identifier: id(1),
        },
        Change::Completed {
            packet_identifier: id(2),
        },
        will(1),
        other,
    ];
    for change in misfits {
        let mut session = full.clone();
        let result = session.apply(at(0), &change);
        assert_eq!(result, Err(RestoreError::Inconsistent), "{change:?}");
        assert_eq!(session, full, "{change:?}");
    }
    for change in [
        sent(1, 1),
        Change::Received {
            packet_identifier: id(1),
        },
        will(1),
        Change::WillRemoved,
        Change::Disconnected {
            ends_at: at(1),
            expiry_interval: 1,
            will_due_at: at(1),
        },
    ] {
        // A Client's message waits for its first Session.
        let mut session = Session::of_client(CONFIG);
        session
            .apply(at(0), &accepted(1, Qos::AtLeastOnce))
            .unwrap();
        let before = session.clone();
        let result = session.apply(at(0), &change);
        assert_eq!(result, Err(RestoreError::Inconsistent), "{change:?}");
        assert_eq!(session, before, "{change:?}");
    }
}

/// A Client has no Will Message to publish, and sends no Subscription Identifiers \[MQTT-3.3.4-6\]; a Server takes
/// no message for a Session that does not exist.
#[test]
fn what_the_other_side_may_have_does_not_fit() {
    let list = [Property::SubscriptionIdentifier(
        SubscriptionIdentifier::new(1).unwrap(),
    )];
    let message = Message::new(&Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(TopicName::new("a").unwrap(), b"")
    })
    .unwrap();
    let identified = Change::Accepted {
        message: QueuedMessage::new(
            Token::from_number(1),
            Publication::new(Qos::AtLeastOnce, message),
        ),
        deadline: None,
    };
    let (client, server) = (Session::of_client(CONFIG), Session::of_server("c", CONFIG));
    let connected = |session: &Session| {
        let mut session = session.clone();
        session.apply(at(0), &connected(1)).unwrap();
        session
    };
    let inconsistent = Err(RestoreError::Inconsistent);
    for (session, change, expected) in [
        (connected(&client), &identified, inconsistent),
        (connected(&server), &identified, Ok(())),
        (connected(&client), &will(1), inconsistent),
        (connected(&server), &will(1), Ok(())),
        (server.clone(), &will(1), inconsistent),
        (server, &accepted(1, Qos::AtLeastOnce), inconsistent),
        (client, &accepted(1, Qos::AtLeastOnce), Ok(())),
    ] {
        let mut applied = session.clone();
        assert_eq!(applied.apply(at(0), change), expected, "{change:?}");
    }
}
