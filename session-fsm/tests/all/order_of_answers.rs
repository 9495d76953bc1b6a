//! What waits to be written when something else happens: nothing overtakes, is lost, or is written for the
//! wrong connection.

use core::time::Duration;

use mqtt5_session_fsm::codec::{
    Connect, ConnectProperties, Message, Property, Publish, Qos, ReasonCode, Text, TopicName,
};
use mqtt5_session_fsm::{
    Change, Client, ClientConfig, Event, Instant, Outcome, Output, Publication, QueuedMessage,
    Server, ServerConfig, Session, SessionConfig,
};

const NOW: Instant = Instant::from_millis(1_000);

fn receive(client: &mut Client, now: Instant, mut bytes: &[u8]) {
    while client.receive(now, &mut bytes).is_some() {}
    assert!(bytes.is_empty(), "{bytes:02X?} are left");
}

/// What the Client writes, and the outcomes that it tells.
fn poll(client: &mut Client, now: Instant) -> (Vec<u8>, Vec<Outcome<'static>>) {
    let (mut wire, mut outcomes) = (Vec::new(), Vec::new());
    while let Some(output) = client.poll(now, &mut wire) {
        if let Output::Event(Event::Outcome(_, outcome)) = output {
            outcomes.push(outcome);
        }
    }
    (wire, outcomes)
}

/// A connection whose CONNACK has come, but nothing was polled since.
fn connect(client: &mut Client, connack: &[u8]) {
    let list = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        client_identifier: Text::new("c").expect("a string"),
        keep_alive: 10,
        properties: ConnectProperties::new(&list).expect("one property"),
        ..Connect::default()
    };
    client.connect(NOW, &connect).expect("a CONNECT");
    poll(client, NOW);
    receive(client, NOW, connack);
}

const NEW: [u8; 5] = [0x20, 3, 0, 0, 0];
const RESUMED: [u8; 5] = [0x20, 3, 1, 0, 0];

fn client() -> Client {
    let session = Session::of_client(SessionConfig::default());
    let mut client = Client::new(ClientConfig::default(), session);
    connect(&mut client, &NEW);
    client
}

fn publish(client: &mut Client, messages: usize) {
    for _ in 0..messages {
        let publish = Publish::new(TopicName::new("t").expect("a name"), b"x");
        let message = Message::new(&publish).expect("a message");
        let publication = Publication::new(Qos::ExactlyOnce, message);
        client.publish(NOW, publication).expect("room");
    }
}

/// \[MQTT-4.6.0-4\]
#[test]
fn a_new_pubrel_waits_for_those_that_are_sent_again() {
    let mut client = client();
    publish(&mut client, 3);
    poll(&mut client, NOW);
    receive(&mut client, NOW, &[0x50, 2, 0, 1, 0x50, 2, 0, 2]);
    let (wire, _) = poll(&mut client, NOW);
    assert_eq!(wire, [0x62, 2, 0, 1, 0x62, 2, 0, 2]);
    client.connection_lost(NOW);
    connect(&mut client, &RESUMED);
    // The PUBRECs of the first two came on the last connection.
    receive(&mut client, NOW, &[0x50, 2, 0, 3]);
    let (wire, _) = poll(&mut client, NOW);
    assert_eq!(wire, [0x62, 2, 0, 1, 0x62, 2, 0, 2, 0x62, 2, 0, 3]);
}

/// The exchange is over before its PUBREL was written again. The others go on (section 4.4).
#[test]
fn a_pubcomp_before_the_pubrel_leaves_the_next_pubrel_to_be_sent() {
    let mut client = client();
    publish(&mut client, 2);
    poll(&mut client, NOW);
    receive(&mut client, NOW, &[0x50, 2, 0, 1, 0x50, 2, 0, 2]);
    poll(&mut client, NOW);
    client.connection_lost(NOW);
    connect(&mut client, &RESUMED);
    receive(&mut client, NOW, &[0x70, 2, 0, 1]);
    let (wire, _) = poll(&mut client, NOW);
    assert_eq!(wire, [0x62, 2, 0, 2]);
}

/// A part of the answers counts as something that was sent.
#[test]
fn keep_alive_begins_with_a_part_of_the_answers() {
    let mut client = client();
    let packets = [0x32, 6, 0, 1, b'a', 0, 1, 0, 0x32, 6, 0, 1, b'a', 0, 2, 0];
    receive(&mut client, NOW, &packets);
    let later = NOW + Duration::from_secs(3);
    let mut buffer = [0; 4];
    let output = client.poll(later, &mut &mut buffer[..]);
    assert_eq!(output, Some(Output::NeedsRoom(4)));
    assert_eq!(buffer, [0x40, 2, 0, 1]);
    // Nothing is sent by a poll without room, and no PINGREQ is due while there is something to send.
    let due = client.next_timeout();
    let still_later = NOW + Duration::from_secs(5);
    let mut empty = [0_u8; 0];
    let output = client.poll(still_later, &mut &mut empty[..]);
    assert_eq!(output, Some(Output::NeedsRoom(4)));
    assert_eq!(client.next_timeout(), due);
    client.handle_timeout(NOW + Duration::from_secs(60));
    let (wire, _) = poll(&mut client, NOW + Duration::from_secs(60));
    assert_eq!(wire, [0x40, 2, 0, 2]);
    receive(&mut client, NOW + Duration::from_secs(60), &[0xD0, 0]);
    let margin = ClientConfig::default().ping_margin;
    let due = NOW + (Duration::from_secs(70) - margin);
    assert_eq!(client.next_timeout(), due);
}

/// \[MQTT-3.14.0-1\]
#[test]
fn no_disconnect_without_connack_even_behind_an_auth() {
    let config = ServerConfig {
        session: SessionConfig {
            persistent: true,
            ..SessionConfig::default()
        },
        ..ServerConfig::default()
    };
    let mut server = Server::new(NOW, config);
    let mut bytes = vec![0x10, 23, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 9];
    // Session Expiry Interval, Authentication Method, ClientID.
    bytes.extend([0x11, 0, 0, 0, 100, 0x15, 0, 1, b'm', 0, 1, b'c']);
    bytes.extend([0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm']);
    let mut input = &bytes[..];
    let event = server.receive(NOW, &mut input);
    assert!(matches!(event, Some(Event::Connect(_))));
    server.authenticate(&[]).expect("a method");
    let event = server.receive(NOW, &mut input);
    assert!(matches!(event, Some(Event::Authentication(_))));
    server.accept(NOW, None, &[]).expect("a CONNACK");
    assert!(server.take_over(NOW).is_some());
    let mut wire = Vec::new();
    while server.poll(NOW, &mut wire).is_some() {}
    assert_eq!(wire, [0_u8; 0], "the CONNACK was not written");
}

/// Whether a Packet Identifier is used again soon: in flight are none, or ten others.
#[test]
fn five_others_are_freed_before_an_identifier_is_used_again() {
    for others in [0, 10] {
        let mut client = client();
        let mut freed: Vec<[u8; 2]> = Vec::new();
        publish(&mut client, others);
        poll(&mut client, NOW);
        for _ in 0..30 {
            publish(&mut client, 1);
            let (wire, _) = poll(&mut client, NOW);
            let identifier = [wire[5], wire[6]];
            let since = freed.iter().rev().position(|it| *it == identifier);
            assert!(since.is_none_or(|since| since >= 5), "{freed:?}");
            // Refused: the exchange is over.
            let [high, low] = identifier;
            let quota = ReasonCode::QuotaExceeded as u8;
            receive(&mut client, NOW, &[0x50, 3, high, low, quota]);
            poll(&mut client, NOW);
            freed.push(identifier);
        }
    }
}

/// A message with QoS 2 that was sent and cannot be sent again holds its identifier; what is applied then
/// does not fit, and changes nothing.
#[test]
fn changes_that_do_not_fit_change_nothing() {
    let mut client = client();
    publish(&mut client, 1);
    poll(&mut client, NOW);
    client.connection_lost(NOW);
    // Maximum Packet Size 5.
    connect(&mut client, &[0x20, 8, 1, 0, 5, 0x27, 0, 0, 0, 5]);
    let (_, outcomes) = poll(&mut client, NOW);
    assert_eq!(outcomes, [Outcome::Indeterminate]);
    let mut session = client.into_session(NOW);
    while session.poll().is_some() {}
    let publish = Publish::new(TopicName::new("t").expect("a name"), b"x");
    let token = mqtt5_session_fsm::Token::from_number(77);
    let accepted = Change::Accepted {
        message: QueuedMessage::new(
            token,
            Publication::new(Qos::AtLeastOnce, Message::new(&publish).expect("a message")),
        ),
        deadline: None,
    };
    session.apply(NOW, &accepted).expect("it fits");
    let before = session.clone();
    let sent = |identifier| Change::Sent {
        token,
        packet_identifier: mqtt5_session_fsm::codec::PacketIdentifier::new(identifier)
            .expect("not 0"),
    };
    assert!(session.apply(NOW, &sent(1)).is_err());
    assert_eq!(session, before);
    // Others are free.
    assert_eq!(session.apply(NOW, &sent(9)), Ok(()));
}
