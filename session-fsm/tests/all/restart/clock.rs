//! A Session that was stored by one clock and is restored by another: nothing lasts longer than its interval.

use mqtt5_session_fsm::codec::{
    Connect, Message, Packet, Properties, Property, ProtocolVersion, Publish, Qos, Text, TopicName,
};
use mqtt5_session_fsm::{
    Change, Client, ClientConfig, Event, Instant, Output, Publication, QueuedMessage, Session,
    Token, WillMessage,
};

use super::link::{config, id, message};

const EXPIRY: u32 = 3_600;
const WILL_DELAY: u32 = 60;
const MESSAGE_EXPIRY: u32 = 120;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn expiring() -> Message {
    let list = [Property::MessageExpiryInterval(MESSAGE_EXPIRY)];
    Message::new(&Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(TopicName::new("a").unwrap(), b"")
    })
    .unwrap()
}

/// The changes of a Server's Session whose Client went away at this time, by the clock of then.
fn changes(went: u64) -> Vec<Change> {
    let mut changes = vec![
        Change::Connected {
            client_identifier: "c".into(),
            expiry_interval: EXPIRY,
        },
        Change::WillStored {
            will: WillMessage {
                message: message(1),
                qos: Qos::AtMostOnce,
            },
            delay: WILL_DELAY,
        },
        Change::Disconnected {
            ends_at: at(went + u64::from(EXPIRY)),
            expiry_interval: EXPIRY,
            will_due_at: at(went + u64::from(WILL_DELAY)),
        },
    ];
    let mut away = Session::of_server("c", config());
    for change in &changes {
        away.apply(at(went), change).unwrap();
    }
    let publication = Publication::new(Qos::AtLeastOnce, expiring());
    away.publish(at(went), publication).unwrap();
    while let Some(Output::Persist(change)) = away.poll() {
        changes.push(change);
    }
    changes
}

/// When each of its ends comes: Will, message, Session.
fn ends(mut session: Session) -> [Instant; 3] {
    let mut ends = [Instant::NEVER; 3];
    while session.next_timeout() != Instant::NEVER {
        let now = session.next_timeout();
        session.handle_timeout(now);
        while let Some(output) = session.poll() {
            match output {
                Output::Event(Event::Will(_)) => ends[0] = now,
                Output::Event(Event::Outcome(..)) => ends[1] = now,
                Output::Event(Event::SessionEnded) => ends[2] = now,
                _ => {}
            }
        }
    }
    ends
}

#[test]
fn nothing_lasts_longer_than_its_interval_after_a_change_of_clock() {
    let went = 1_794_000_000;
    let changes = changes(went);
    // The same clock a little later; one that was set back by a little, by a year, to its origin.
    for restart in [went + 10, went, went - 30, went - 31_536_000, 0] {
        let interval = |seconds: u32, went: u64| at(restart.min(went) + u64::from(seconds));
        let expected = [WILL_DELAY, MESSAGE_EXPIRY, EXPIRY].map(|it| interval(it, went));
        // By the log alone.
        let mut session = Session::of_server("c", config());
        for change in &changes {
            session.apply(at(restart), change).unwrap();
        }
        assert_eq!(ends(session), expected, "log, {restart}");
        // By an export with the old clock.
        let mut session = Session::of_server("c", config());
        for change in &changes {
            session.apply(at(went), change).unwrap();
        }
        let session = Session::restore(at(restart), &session.export(), config()).unwrap();
        assert_eq!(ends(session), expected, "export, {restart}");
    }
}

/// \[MQTT-3.3.2-6\]
#[test]
fn what_is_sent_again_has_no_longer_interval_by_another_clock() {
    let went = 1_794_000_000;
    let token = Token::from_number(1);
    let in_flight = [
        Change::Connected {
            client_identifier: "c".into(),
            expiry_interval: u32::MAX,
        },
        Change::Accepted {
            message: QueuedMessage::new(
                token,
                Publication {
                    expires_at: Some(at(went + u64::from(MESSAGE_EXPIRY))),
                    ..Publication::new(Qos::AtLeastOnce, expiring())
                },
            ),
            deadline: None,
        },
        Change::Sent {
            token,
            packet_identifier: id(1),
        },
    ];
    let mut session = Session::of_client(config());
    for change in &in_flight {
        session.apply(at(went), change).unwrap();
    }
    let export = session.export();
    for (restart, left) in [
        (went + 20, 100),
        (went, 120),
        (went - 31_536_000, 120),
        (0, 120),
    ] {
        let session = Session::restore(at(restart), &export, config()).unwrap();
        let mut client = Client::new(ClientConfig::default(), session);
        let connect = Connect {
            client_identifier: Text::new("c").unwrap(),
            ..Connect::default()
        };
        client.connect(at(restart), &connect).unwrap();
        while client.poll(at(restart), &mut Vec::new()).is_some() {}
        let event = client.receive(at(restart), &mut &[0x20, 3, 1, 0, 0][..]);
        assert!(matches!(event, Some(Event::Connected(_))));
        let mut wire = Vec::new();
        while client.poll(at(restart), &mut wire).is_some() {}
        let Ok(Packet::Publish(publish)) = Packet::decode(ProtocolVersion::V5_0, &wire) else {
            panic!("{wire:02X?}");
        };
        assert_eq!(publish.properties.message_expiry_interval(), Some(left));
    }
}

/// A clock that jumped forward shortens what there is, and nothing overflows.
#[test]
fn a_clock_that_jumped_forward_ends_what_is_due() {
    let changes = changes(1_000);
    let mut session = Session::of_server("c", config());
    for change in &changes {
        session
            .apply(Instant::from_millis(u64::MAX - 1), change)
            .unwrap();
    }
    session.handle_timeout(Instant::from_millis(u64::MAX - 1));
    assert!(!session.exists());
}

/// The interval that a DISCONNECT changed is the one that counts.
#[test]
fn the_interval_of_a_disconnect_is_stored() {
    let mut session = Session::of_server("c", config());
    let connected = Change::Connected {
        client_identifier: "c".into(),
        expiry_interval: 10,
    };
    session.apply(at(100), &connected).unwrap();
    let disconnected = Change::Disconnected {
        ends_at: at(100 + 500),
        expiry_interval: 500,
        will_due_at: Instant::NEVER,
    };
    session.apply(at(100), &disconnected).unwrap();
    assert_eq!(session.next_timeout(), at(600));
    let restored = Session::restore(at(50), &session.export(), config()).unwrap();
    assert_eq!(restored.next_timeout(), at(550));
}
