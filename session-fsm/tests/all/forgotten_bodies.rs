//! An owner that counts references learns from each Session which messages it does not hold any more: once for each
//! message, as soon as the Session has forgotten it, and not before.

use std::iter;
use std::num::{NonZeroU16, NonZeroU64};
use std::time::Duration;

use mqtt5_session_fsm::codec::{Connect, Message, Properties, Property, Qos, Text};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Output, Publication, PublishError, Server, ServerConfig,
    Session, SessionConfig, StoredLimits, WaitingLimits, WhenFull,
};

fn at(milliseconds: u64) -> Instant {
    Instant::from_millis(milliseconds)
}

fn publication(number: u64, qos: Qos) -> Publication {
    Publication {
        body: NonZeroU64::new(number),
        ..Publication::of("a", b"payload", qos).unwrap()
    }
}

fn client(config: SessionConfig) -> Client {
    Client::new(ClientConfig::default(), Session::of_client(config))
}

/// Connects, and goes on with the Session that the Server has, `present`. The CONNACK has these properties.
fn connect_with(client: &mut Client, now: Instant, present: bool, properties: &[u8]) {
    let list = [Property::SessionExpiryInterval(u32::MAX)];
    let connect = Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(&list).unwrap(),
        ..Connect::default()
    };
    client.connect(now, &connect).unwrap();
    poll(client, now);
    let length = u8::try_from(properties.len()).unwrap();
    let mut connack = vec![0x20, 3 + length, u8::from(present), 0, length];
    connack.extend(properties);
    let mut input = &connack[..];
    let mut is_connected = false;
    while let Some(event) = client.receive(now, &mut input) {
        is_connected |= matches!(event, Event::Connected(_));
    }
    assert!(is_connected);
    poll(client, now);
}

fn connected() -> Client {
    let mut client = client(SessionConfig::default());
    connect_with(&mut client, at(0), false, &[]);
    client
}

fn poll(client: &mut Client, now: Instant) {
    while client.poll(now, &mut Vec::new()).is_some() {}
}

fn forgotten(client: &mut Client) -> Vec<u64> {
    iter::from_fn(|| client.take_forgotten_body())
        .map(NonZeroU64::get)
        .collect()
}

fn held(session: &Session) -> Vec<u64> {
    session.bodies().map(NonZeroU64::get).collect()
}

/// Nothing is forgotten yet, and these are held.
fn holds(client: &mut Client, numbers: &[u64]) {
    assert_eq!(forgotten(client), [0; 0]);
    assert_eq!(held(client.session()), numbers);
}

/// These are forgotten, and nothing is held.
fn forgets(client: &mut Client, numbers: &[u64]) {
    assert_eq!(held(client.session()), [0; 0]);
    assert_eq!(forgotten(client), numbers);
    assert_eq!(forgotten(client), [0; 0], "once");
}

#[test]
fn qos_0_is_held_until_it_is_written() {
    let mut client = connected();
    client
        .publish(at(0), publication(1, Qos::AtMostOnce))
        .unwrap();
    holds(&mut client, &[1]);
    assert!(matches!(
        client.poll(at(0), &mut &mut [0; 4][..]),
        Some(Output::NeedsRoom(_))
    ));
    holds(&mut client, &[1]);
    poll(&mut client, at(0));
    forgets(&mut client, &[1]);
}

#[test]
fn qos_1_is_held_until_its_puback_whatever_it_says() {
    for reason_code in [0x00, 0x10, 0x97] {
        let mut client = connected();
        client
            .publish(at(0), publication(1, Qos::AtLeastOnce))
            .unwrap();
        poll(&mut client, at(0));
        holds(&mut client, &[1]);
        client.connection_lost(at(0));
        poll(&mut client, at(0));
        holds(&mut client, &[1]);
        connect_with(&mut client, at(0), true, &[]);
        holds(&mut client, &[1]);
        let puback = [0x40, 3, 0, 1, reason_code];
        assert!(client.receive(at(0), &mut &puback[..]).is_some());
        forgets(&mut client, &[1]);
    }
}

#[test]
fn qos_2_is_held_until_its_pubrec_whatever_it_says() {
    for reason_code in [0x00, 0x10, 0x97] {
        let mut client = connected();
        client
            .publish(at(0), publication(1, Qos::ExactlyOnce))
            .unwrap();
        poll(&mut client, at(0));
        holds(&mut client, &[1]);
        let pubrec = [0x50, 3, 0, 1, reason_code];
        let _ = client.receive(at(0), &mut &pubrec[..]);
        forgets(&mut client, &[1]);
        // It comes again, and so does what follows it.
        let _ = client.receive(at(0), &mut &pubrec[..]);
        poll(&mut client, at(0));
        let _ = client.receive(at(0), &mut &[0x70, 2, 0, 1][..]);
        forgets(&mut client, &[]);
    }
}

#[test]
fn a_message_is_held_until_it_expires_or_its_deadline_passes() {
    for in_flight in [false, true] {
        for number in [1, 2] {
            let mut client = client(SessionConfig::default());
            if in_flight {
                connect_with(&mut client, at(0), false, &[]);
            }
            let mut publication = publication(number, Qos::AtLeastOnce);
            if number == 1 {
                publication.expires_at = Some(at(1_000));
            } else {
                publication.deadline = Some(Duration::from_secs(1));
            }
            client.publish(at(0), publication).unwrap();
            client.handle_timeout(at(999));
            holds(&mut client, &[number]);
            client.handle_timeout(at(1_000));
            poll(&mut client, at(1_000));
            forgets(&mut client, &[number]);
        }
    }
}

#[test]
fn a_message_is_held_until_it_is_withdrawn() {
    for in_flight in [false, true] {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
            let mut client = client(SessionConfig::default());
            if in_flight {
                connect_with(&mut client, at(0), false, &[]);
            }
            let token = client.publish(at(0), publication(1, qos)).unwrap();
            holds(&mut client, &[1]);
            client.withdraw(token).unwrap();
            forgets(&mut client, &[1]);
        }
    }
}

#[test]
fn a_message_is_held_until_it_is_dropped_for_another() {
    let mut session = Session::of_client(SessionConfig {
        waiting: WaitingLimits {
            messages: 2,
            when_full: WhenFull::DropOldest,
            ..WaitingLimits::default()
        },
        ..SessionConfig::default()
    });
    for number in 1..=3 {
        let _ = session
            .publish(at(0), publication(number, Qos::AtLeastOnce))
            .unwrap();
    }
    assert_eq!(held(&session), [2, 3]);
    assert_eq!(session.take_forgotten_body(), NonZeroU64::new(1));
    assert_eq!(session.take_forgotten_body(), None);
}

/// Maximum QoS 1, or a Maximum Packet Size that a message exceeds: one that waits is not sent, one that was sent is given
/// up.
#[test]
fn a_message_is_held_until_a_limit_forbids_it() {
    for limit in [&[0x24, 1][..], &[0x27, 0, 0, 0, 12]] {
        for written in [false, true] {
            let mut client = connected();
            if !written {
                client.connection_lost(at(0));
            }
            client
                .publish(at(0), publication(1, Qos::ExactlyOnce))
                .unwrap();
            poll(&mut client, at(0));
            holds(&mut client, &[1]);
            client.connection_lost(at(0));
            poll(&mut client, at(0));
            connect_with(&mut client, at(0), true, limit);
            forgets(&mut client, &[1]);
        }
    }
}

/// A Client's messages that wait are not part of the Session that ends: they wait for the next one.
#[test]
fn messages_are_held_until_the_session_ends() {
    let mut client = client(SessionConfig {
        in_flight: 2,
        ..SessionConfig::default()
    });
    connect_with(&mut client, at(0), false, &[]);
    for number in 1..=3 {
        client
            .publish(at(0), publication(number, Qos::ExactlyOnce))
            .unwrap();
    }
    poll(&mut client, at(0));
    holds(&mut client, &[1, 2, 3]);
    client.connection_lost(at(0));
    connect_with(&mut client, at(0), false, &[]);
    assert_eq!(held(client.session()), [3]);
    assert_eq!(forgotten(&mut client), [1, 2]);
}

#[test]
fn a_servers_session_ends_with_all_messages() {
    let mut server = Server::new(at(0), ServerConfig::default());
    let connect = [
        &[0x10, 19, 0, 4][..],
        b"MQTT",
        &[5, 0, 0, 0, 5, 0x11, 0, 0, 0, 9, 0, 1],
        b"c",
    ];
    let mut connect = connect.concat();
    connect[1] = u8::try_from(connect.len() - 2).unwrap();
    assert!(server.receive(at(0), &mut &connect[..]).is_some());
    server.accept(at(0), None, &[]).unwrap();
    while server.poll(at(0), &mut Vec::new()).is_some() {}
    server
        .publish(at(0), publication(1, Qos::AtLeastOnce))
        .unwrap();
    let mut session = server.take_session(at(0)).unwrap();
    for (number, qos) in [(2, Qos::AtMostOnce), (3, Qos::ExactlyOnce)] {
        session.publish(at(0), publication(number, qos)).unwrap();
    }
    assert_eq!(held(&session), [1, 3, 2]);
    session.handle_timeout(at(8_999));
    assert_eq!(session.take_forgotten_body(), None);
    session.handle_timeout(at(9_000));
    assert!(!session.exists());
    assert_eq!(session.bodies().count(), 0);
    let forgotten = iter::from_fn(|| session.take_forgotten_body());
    assert_eq!(
        forgotten.map(NonZeroU64::get).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

#[test]
fn a_refused_publication_was_never_held() {
    let mut client = connected();
    let alias = Publication {
        topic_alias: NonZeroU16::new(1),
        ..publication(1, Qos::AtLeastOnce)
    };
    assert!(client.publish(at(0), alias).is_err());
    forgets(&mut client, &[]);
}

/// The queue is bounded even if the owner forgets to ask, and nothing is lost of it.
#[test]
fn numbers_that_nobody_takes_hold_up_publish() {
    let config = SessionConfig {
        stored: StoredLimits {
            messages: 3,
            ..StoredLimits::default()
        },
        ..SessionConfig::default()
    };
    let mut client = client(config);
    connect_with(&mut client, at(0), false, &[]);
    let mut accepted = 0;
    let refused = loop {
        match client.publish(at(0), publication(accepted + 1, Qos::AtMostOnce)) {
            Ok(_) => accepted += 1,
            Err(refused) => break refused,
        }
        poll(&mut client, at(0));
        assert!(accepted <= 70);
    };
    assert_eq!((refused.error, accepted), (PublishError::Busy, 67));
    let output = client.poll(at(0), &mut Vec::new());
    assert_eq!(output, None, "there is no room yet");
    assert_eq!(forgotten(&mut client), (1..=67).collect::<Vec<_>>());
    let output = client.poll(at(0), &mut Vec::new());
    assert_eq!(output, Some(Output::Event(Event::Room)));
    client.publish(at(0), refused.publication).unwrap();
}

/// Values are equal if they behave alike: numbers that are still to be taken are a part of a Session, memory is not.
#[test]
fn equality_looks_at_what_is_to_be_taken() {
    let mut session = Session::of_client(SessionConfig::default());
    let token = session
        .publish(at(0), publication(1, Qos::AtLeastOnce))
        .unwrap();
    session.withdraw(token).unwrap();
    while session.poll().is_some() {}
    let before = session.clone();
    assert!(session.take_forgotten_body().is_some());
    assert_ne!(session, before);
    let mut other = Session::of_client(SessionConfig::default());
    let message = Message::of("a", b"payload").unwrap();
    let token = other
        .publish(at(0), Publication::new(Qos::AtLeastOnce, message))
        .unwrap();
    other.withdraw(token).unwrap();
    while other.poll().is_some() {}
    assert_eq!(session, other);
}

#[cfg(feature = "persistence")]
mod restored {
    use mqtt5_session_fsm::Change;

    use super::*;

    /// After a restart the owner counts what is held, once all changes are applied.
    #[test]
    fn changes_that_are_applied_report_nothing() {
        let config = SessionConfig {
            persistent: true,
            ..SessionConfig::default()
        };
        let mut session = Session::of_client(config);
        let stored = session.export();
        let tokens = [1, 2].map(|number| {
            session
                .publish(at(0), publication(number, Qos::AtLeastOnce))
                .unwrap()
        });
        session.withdraw(tokens[0]).unwrap();
        let changes: Vec<Change> = iter::from_fn(|| session.poll())
            .filter_map(|output| match output {
                Output::Persist(change) => Some(change),
                _ => None,
            })
            .collect();
        assert_eq!(changes.len(), 3);
        let mut restored = Session::restore(at(0), &stored, config).unwrap();
        for change in &changes {
            restored.apply(at(0), change).unwrap();
        }
        assert_eq!(restored.take_forgotten_body(), None);
        assert_eq!(held(&restored), [2]);
        // And from then on.
        restored.withdraw(tokens[1]).unwrap();
        assert_eq!(restored.take_forgotten_body(), NonZeroU64::new(2));
    }
}
