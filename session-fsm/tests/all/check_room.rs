//! Asking for room before a message is built gives the answer that publishing would give, and leaves the same
//! behind, except for the message.

use mqtt5_session_fsm::codec::{
    Connect, Message, Properties, Property, Publish, Qos, Text, TopicName,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Output, Publication, PublishError, Server, ServerConfig,
    Session, SessionConfig, StoredLimits, WaitingLimits, WhenFull,
};
use proptest::prelude::*;

const NOW: Instant = Instant::ORIGIN;

fn message(length: usize) -> Message {
    let payload = vec![0; length];
    Message::new(&Publish::new(TopicName::new("t").unwrap(), &payload)).unwrap()
}

fn connect(client: &mut Client, receive_maximum: u8) {
    let list = [Property::SessionExpiryInterval(100)];
    let packet = Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(&list).unwrap(),
        ..Connect::default()
    };
    client.connect(NOW, &packet).unwrap();
    while client.poll(NOW, &mut Vec::new()).is_some() {}
    let connack = [0x20, 6, 0, 0, 3, 0x21, 0, receive_maximum];
    let mut input = &connack[..];
    // The end of an earlier Session may come first.
    while client.receive(NOW, &mut input).is_some() {}
    assert!(client.is_connected());
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Qos, usize),
    Poll,
    Acknowledge(u8),
    Connect(u8),
    Lose,
}

fn qos() -> impl Strategy<Value = Qos> {
    prop_oneof![
        Just(Qos::AtMostOnce),
        Just(Qos::AtLeastOnce),
        Just(Qos::ExactlyOnce)
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (qos(), 0_usize..60).prop_map(|(qos, length)| Step::Publish(qos, length)),
        2 => Just(Step::Poll),
        2 => (1_u8..6).prop_map(Step::Acknowledge),
        1 => (1_u8..5).prop_map(Step::Connect),
        1 => Just(Step::Lose),
    ];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    #[test]
    fn the_answer_is_that_of_publish(
        steps in steps(),
        limits in (0_u32..6, 0_usize..200, 0_u32..8, 0_usize..250),
        when_full in prop_oneof![
            Just(WhenFull::Refuse),
            Just(WhenFull::DropOldestQos0),
            Just(WhenFull::DropOldest),
        ],
    ) {
        let (messages, bytes, stored, stored_bytes) = limits;
        let mut client = Client::new(ClientConfig::default(), Session::of_client(SessionConfig {
            waiting: WaitingLimits { messages, bytes, when_full },
            stored: StoredLimits { messages: stored, bytes: stored_bytes },
            ..SessionConfig::default()
        }));
        let mut is_connected = false;
        for step in steps {
            match step {
                Step::Publish(qos, length) => {
                    let message = message(length);
                    let mut asked = client.clone();
                    let answer = asked.check_room(qos, message.size());
                    let result = client.publish(NOW, Publication::new(qos, message));
                    let result = result.map(|_| ()).map_err(|refused| refused.error);
                    prop_assert_eq!(answer, result);
                    if result.is_err() {
                        // An event follows, or not, as after publishing.
                        prop_assert_eq!(&asked, &client);
                    }
                }
                Step::Poll => while client.poll(NOW, &mut Vec::new()).is_some() {},
                Step::Acknowledge(number) if is_connected => {
                    let _ = client.receive(NOW, &mut &[0x40, 2, 0, number][..]);
                    is_connected = client.is_connected();
                }
                Step::Connect(maximum) if !is_connected => {
                    client.connection_lost(NOW);
                    while client.poll(NOW, &mut Vec::new()).is_some() {}
                    connect(&mut client, maximum);
                    is_connected = true;
                }
                Step::Lose => {
                    client.connection_lost(NOW);
                    is_connected = false;
                }
                Step::Acknowledge(_) | Step::Connect(_) => {}
            }
        }
    }
}

#[test]
fn room_follows_a_refusal() {
    let mut client = Client::new(
        ClientConfig::default(),
        Session::of_client(SessionConfig::default()),
    );
    connect(&mut client, 1);
    let size = message(600_000).size();
    for _ in 0..2 {
        assert_eq!(client.check_room(Qos::AtLeastOnce, size), Ok(()));
        let publication = Publication::new(Qos::AtLeastOnce, message(600_000));
        client.publish(NOW, publication).unwrap();
    }
    let busy = Err(PublishError::Busy);
    assert_eq!(client.check_room(Qos::AtLeastOnce, size), busy);
    while let Some(output) = client.poll(NOW, &mut Vec::new()) {
        assert!(!matches!(output, Output::Event(Event::Room)));
    }
    let _ = client.receive(NOW, &mut &[0x40, 2, 0, 1][..]);
    let mut room = 0;
    while let Some(output) = client.poll(NOW, &mut Vec::new()) {
        room += usize::from(matches!(output, Output::Event(Event::Room)));
    }
    assert_eq!(room, 1);
    assert_eq!(client.check_room(Qos::AtLeastOnce, size), Ok(()));
}

#[test]
fn a_message_that_never_fits_and_a_missing_session_are_errors() {
    let mut client = Client::new(
        ClientConfig::default(),
        Session::of_client(SessionConfig::default()),
    );
    let too_large = Err(PublishError::TooLarge);
    assert_eq!(client.check_room(Qos::AtLeastOnce, usize::MAX), too_large);
    let mut server = Server::new(NOW, ServerConfig::default());
    let no_session = Err(PublishError::NoSession);
    assert_eq!(server.check_room(Qos::AtMostOnce, 1), no_session);
    let mut session = Session::of_server("c", SessionConfig::default());
    assert_eq!(session.check_room(Qos::AtMostOnce, 1), no_session);
}

/// A Session that keeps what `poll` has to return, with these limits.
fn persistent(messages: u32, bytes: usize) -> Session {
    Session::of_client(SessionConfig {
        stored: StoredLimits { messages, bytes },
        persistent: true,
        ..SessionConfig::default()
    })
}

/// A message that leaves an outcome and, with QoS 1, two changes, one of them with its bytes.
fn publish_and_withdraw(session: &mut Session, qos: Qos) -> Result<(), PublishError> {
    let token = session.publish(NOW, Publication::new(qos, message(10)));
    let token = token.map_err(|refused| refused.error)?;
    session.withdraw(token).unwrap();
    Ok(())
}

/// As many as may be stored, and 64.
#[test]
fn publish_is_busy_at_the_most_outcomes_that_were_not_returned() {
    let mut session = persistent(10, 1 << 20);
    for number in 0..74 {
        let result = publish_and_withdraw(&mut session, Qos::AtMostOnce);
        assert_eq!(result, Ok(()), "{number}");
    }
    let busy = Err(PublishError::Busy);
    assert_eq!(publish_and_withdraw(&mut session, Qos::AtMostOnce), busy);
    assert!(session.poll().is_some());
    assert_eq!(publish_and_withdraw(&mut session, Qos::AtMostOnce), Ok(()));
}

/// Twice as many as may be stored, and 128.
#[test]
fn publish_is_busy_at_the_most_changes_that_were_not_returned() {
    let mut session = persistent(10, 1 << 20);
    for number in 0..74 {
        let result = publish_and_withdraw(&mut session, Qos::AtLeastOnce);
        assert_eq!(result, Ok(()), "{number}");
        assert!(matches!(session.poll(), Some(Output::Event(_))));
    }
    let busy = Err(PublishError::Busy);
    assert_eq!(publish_and_withdraw(&mut session, Qos::AtLeastOnce), busy);
    assert!(matches!(session.poll(), Some(Output::Persist(_))));
    assert_eq!(publish_and_withdraw(&mut session, Qos::AtLeastOnce), Ok(()));
}

/// As many as may be stored; those of changes that were returned do not count.
#[test]
fn publish_is_busy_at_the_most_bytes_of_changes_that_were_not_returned() {
    let mut session = persistent(1_000, 3 * message(10).size());
    let mut changes = 0;
    for round in 0..20 {
        let result = publish_and_withdraw(&mut session, Qos::AtLeastOnce);
        assert_eq!(result, Ok(()), "{round}");
        assert!(matches!(session.poll(), Some(Output::Event(_))));
        changes += 2;
        // Those of two messages stay.
        while changes > 4 {
            assert!(matches!(session.poll(), Some(Output::Persist(_))));
            changes -= 1;
        }
    }
    assert_eq!(publish_and_withdraw(&mut session, Qos::AtLeastOnce), Ok(()));
    let busy = Err(PublishError::Busy);
    assert_eq!(publish_and_withdraw(&mut session, Qos::AtLeastOnce), busy);
}

/// Room for one message, which is taken. Returns its token.
fn full(session: &mut Session) -> mqtt5_session_fsm::Token {
    let publish = |session: &mut Session| {
        session.publish(NOW, Publication::new(Qos::AtLeastOnce, message(1)))
    };
    let token = publish(session).unwrap();
    assert_eq!(publish(session).unwrap_err().error, PublishError::Busy);
    token
}

fn of_one_message() -> SessionConfig {
    SessionConfig {
        waiting: WaitingLimits {
            messages: 1,
            ..WaitingLimits::default()
        },
        ..SessionConfig::default()
    }
}

fn rooms(session: &mut Session) -> usize {
    let outputs = std::iter::from_fn(|| session.poll());
    let is_room = |output: &Output| matches!(output, Output::Event(Event::Room));
    outputs.filter(is_room).count()
}

/// A Client's messages wait for its first Session, too. A Server's Session takes none once it has ended.
#[test]
fn room_is_reported_if_a_message_would_be_accepted() {
    let mut client = Session::of_client(of_one_message());
    let token = full(&mut client);
    assert_eq!(rooms(&mut client), 0);
    client.withdraw(token).unwrap();
    assert_eq!(rooms(&mut client), 1);

    let mut server = Session::of_server("c", of_one_message());
    let connected = mqtt5_session_fsm::Change::Connected {
        client_identifier: "c".into(),
        expiry_interval: 10,
    };
    server.apply(NOW, &connected).unwrap();
    assert_eq!(server.check_room(Qos::AtLeastOnce, 1), Ok(()));
    let mut withdrawn = server.clone();
    let token = full(&mut withdrawn);
    withdrawn.withdraw(token).unwrap();
    assert_eq!(rooms(&mut withdrawn), 1);
    full(&mut server);
    server.handle_timeout(Instant::from_millis(10_000));
    assert!(!server.exists());
    assert_eq!(rooms(&mut server), 0);
}
