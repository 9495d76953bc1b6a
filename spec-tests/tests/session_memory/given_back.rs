//! What is over takes no memory, and what goes on in the same way allocates none.

use std::time::Duration;

use allocation_counter::measure;
use mqtt5_codec::{Connect, Message, Qos};
use mqtt5_session_fsm::{
    Acknowledgement, Change, Client, ClientConfig, Event, Publication, Server, Session,
    SessionConfig,
};

use crate::pair::{NOW, Pair, Settings};
use crate::{IDLE, PER_MESSAGE, each, message, unlimited};

/// The identifier of a PUBLISH with the Topic Name of [`message`].
fn identifier(publish: &[u8]) -> [u8; 2] {
    let at = 2 + 2 + "greenhouse/3/temperature".len();
    [publish[at], publish[at + 1]]
}

/// Sends a message with QoS 1 as often as there is a place for its identifier.
fn send(client: &mut Client, message: &Message, wire: &mut Vec<u8>, ids: &mut [[u8; 2]]) {
    for id in ids {
        let publication = Publication::new(Qos::AtLeastOnce, message.clone());
        client.publish(NOW, publication).expect("room");
        wire.clear();
        assert_eq!(client.poll(NOW, wire), None);
        *id = identifier(wire);
    }
}

fn acknowledge(client: &mut Client, [high, low]: [u8; 2]) {
    let puback = [0x40, 2, high, low];
    let event = client.receive(NOW, &mut &puback[..]);
    assert!(matches!(event, Some(Event::Outcome(..))));
}

/// Packet Identifiers are used in turn, and the places of the messages again and again. The first message, and the
/// first few of several at a time, make room for all that follow.
#[test]
fn a_stream_of_messages_allocates_nothing() {
    let message = message(&[7; 16]);
    let later_rounds = |at_a_time, rounds_before| {
        let mut client = Pair::new(&Settings::default()).client;
        let mut wire = Vec::with_capacity(1 << 10);
        let mut ids = vec![[0; 2]; at_a_time];
        let mut round = || {
            send(&mut client, &message, &mut wire, &mut ids);
            ids.iter().for_each(|id| acknowledge(&mut client, *id));
        };
        (0..rounds_before).for_each(|_| round());
        measure(|| (0..1_000).for_each(|_| round()))
    };
    for (at_a_time, rounds_before) in [(1, 1), (3, 10)] {
        // With deliberate faults in the code, the first time that it comes to one allocates.
        let [_, counted] = [(); 2].map(|()| later_rounds(at_a_time, rounds_before));
        assert_eq!(counted.count_total, 0, "{at_a_time} at a time");
    }
}

#[test]
fn an_acknowledged_message_is_freed_at_once() {
    const SIZE: usize = 100_000;
    let mut client = Pair::new(&Settings::default()).client;
    let mut wire = Vec::with_capacity(2 * SIZE);
    // Another one stays in flight.
    send(&mut client, &message(&[7; 16]), &mut wire, &mut [[0; 2]]);
    client
        .publish(NOW, Publication::new(Qos::AtLeastOnce, message(&[7; SIZE])))
        .expect("room");
    assert_eq!(client.poll(NOW, &mut wire), None);
    let counted = measure(|| acknowledge(&mut client, [0, 2]));
    assert!(counted.bytes_current <= -(SIZE as i64));
}

/// Messages that are withdrawn behind one that stays leave no places behind.
#[test]
fn withdrawn_messages_leave_nothing() {
    let mut session = Session::of_client(unlimited(Acknowledgement::Automatic));
    let message = message(&[7; 16]);
    let publish = |session: &mut Session| {
        let publication = Publication::new(Qos::AtLeastOnce, message.clone());
        session.publish(NOW, publication).expect("room")
    };
    publish(&mut session);
    let counted = measure(|| {
        for _ in 0..10_000 {
            let token = publish(&mut session);
            session.withdraw(token).expect("it waits");
            while session.poll().is_some() {}
        }
    });
    let most = (16 * PER_MESSAGE) as i64;
    assert!(counted.bytes_current <= most, "{counted:?}");
}

/// Messages wait, and are gone.
#[test]
fn messages_that_waited_leave_nothing() {
    let first = |session: &Session| session.unsettled().next().map(|it| it.token);
    for count in [1, 100] {
        let mut session = Session::of_client(unlimited(Acknowledgement::Automatic));
        let message = message(&[7; 16]);
        // The first copy makes it one that is shared.
        drop(message.clone());
        let counted = measure(|| {
            for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
                for _ in 0..count {
                    let publication = Publication::new(qos, message.clone());
                    session.publish(NOW, publication).expect("room");
                }
            }
            while let Some(token) = first(&session) {
                session.withdraw(token).expect("it waits");
            }
            while session.poll().is_some() {}
            session.shrink();
        });
        assert_eq!(counted.bytes_current, 0, "{count}");
    }
}

/// A queue grows by an eighth.
#[test]
fn messages_that_wait_have_little_room_to_spare() {
    const COUNT: usize = 1_100;
    let mut session = Session::of_client(unlimited(Acknowledgement::Automatic));
    let message = message(&[7; 16]);
    let counted = measure(|| {
        for _ in 0..COUNT {
            let publication = Publication::new(Qos::AtLeastOnce, message.clone());
            session.publish(NOW, publication).expect("room");
        }
    });
    assert!(counted.bytes_current <= (COUNT * PER_MESSAGE) as i64);
}

/// A peer that sends PINGREQ after PINGREQ does not make this side move the messages that wait for it.
#[test]
fn a_pingreq_moves_no_messages_that_wait() {
    let settings = Settings {
        session: SessionConfig {
            in_flight: 1,
            ..unlimited(Acknowledgement::Automatic)
        },
        ..Settings::default()
    };
    let mut server = Pair::new(&settings).server;
    let message = message(&[7; 16]);
    let mut wire = Vec::with_capacity(1 << 10);
    let mut publish = |server: &mut Server| {
        let publication = Publication::new(Qos::AtLeastOnce, message.clone());
        server.publish(NOW, publication).expect("room");
        wire.clear();
        assert!(server.receive(NOW, &mut &[0xC0, 0][..]).is_none());
        assert_eq!(server.poll(NOW, &mut wire), None);
    };
    (0..1_000).for_each(|_| publish(&mut server));
    let moved = measure(|| (0..100).for_each(|_| publish(&mut server)));
    let answers = measure(|| {
        for _ in 0..100 {
            let mut wire = [0; 2];
            assert!(server.receive(NOW, &mut &[0xC0, 0][..]).is_none());
            assert_eq!(server.poll(NOW, &mut &mut wire[..]), None);
        }
    });
    // The queue grows by an eighth.
    let most = answers.count_total + 2;
    assert!(moved.count_total <= most, "{moved:?}, {answers:?}");
}

/// A Server's Session whose Client was connected.
fn connected() -> Session {
    let config = SessionConfig {
        persistent: true,
        ..unlimited(Acknowledgement::Automatic)
    };
    let mut session = Session::of_server("c", config);
    let change = Change::Connected {
        client_identifier: "c".into(),
        expiry_interval: 10,
    };
    session.apply(NOW, &change).expect("a new Session");
    session
}

#[test]
fn changes_that_were_returned_leave_nothing() {
    let kept = each(1, |_| {
        let mut session = connected();
        for _ in 0..1_000 {
            let publication = Publication::new(Qos::AtLeastOnce, message(&[7; 16]));
            let token = session.publish(NOW, publication).expect("room");
            session.withdraw(token).expect("it waits");
        }
        while session.poll().is_some() {}
        session.shrink();
        session
    });
    assert!(kept <= IDLE, "{kept} bytes");
}

/// The peer used all of its identifiers.
#[test]
fn received_messages_leave_nothing_when_the_session_has_ended() {
    let kept = each(1, |_| {
        let mut session = connected();
        for number in 1..=u16::MAX {
            let packet_identifier = number.try_into().expect("not 0");
            let change = Change::Received { packet_identifier };
            session.apply(NOW, &change).expect("it is free");
        }
        session.handle_timeout(NOW + Duration::from_secs(10));
        assert!(!session.exists());
        while session.poll().is_some() {}
        session
    });
    assert!(kept <= IDLE, "{kept} bytes");
}

/// Messages that were sent before the CONNACK, which did not come.
#[test]
fn early_messages_leave_nothing_when_the_connection_is_lost() {
    let config = ClientConfig {
        early_packets: u16::MAX,
        ..ClientConfig::default()
    };
    let session = Session::of_client(unlimited(Acknowledgement::Automatic));
    let mut client = Client::new(config, session);
    client
        .connect(NOW, &Connect::default())
        .expect("a good CONNECT");
    let mut wire = Vec::new();
    for _ in 0..1_000 {
        let publication = Publication::new(Qos::AtLeastOnce, message(&[7; 16]));
        client.publish(NOW, publication).expect("room");
        assert_eq!(client.poll(NOW, &mut wire), None);
    }
    assert_eq!(client.session().in_flight(), 1_000);
    client.connection_lost(NOW);
    while client.poll(NOW, &mut wire).is_some() {}
    // A copy has no room to spare, as that of the outcomes.
    let kept = each(1, |_| client.clone());
    assert!(kept <= IDLE, "{kept} bytes");
}
