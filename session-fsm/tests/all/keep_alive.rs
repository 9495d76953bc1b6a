//! Keep Alive (section 3.1.2.10): what shows the other side that this one is there, and when it is asked for.

use core::time::Duration;

use mqtt5_session_fsm::codec::{Connect, Properties, Property, Qos, Text};
use mqtt5_session_fsm::{Client, ClientConfig, Event, Instant, Publication, ServerConfig};

use crate::machines::{self, connack, named, settle};

const NOW: Instant = Instant::ORIGIN;

/// The Keep Alive, and how long before its end a PINGREQ is due.
const KEEP: Duration = Duration::from_secs(10);
const MARGIN: Duration = Duration::from_millis(250);

fn client() -> Client {
    machines::client(ClientConfig::default())
}

fn connect(client: &mut Client, connect: &Connect<'_>) -> Vec<u8> {
    machines::connect(client, NOW, connect)
}

fn receive(client: &mut Client, connack: &[u8]) {
    machines::accept(client, NOW, connack);
}

fn connected(properties: &[u8]) -> Client {
    machines::connected(ClientConfig::default(), properties)
}

/// Section 3.1.2.10: after the CONNACK a Client may send PINGREQ at any time, with enhanced authentication, too.
#[test]
fn an_authenticated_client_may_ping() {
    let mut client = machines::authenticating(NOW);
    assert!(client.ping().is_err());
    receive(&mut client, &connack(&[0x15, 0, 1, b'm']));
    client.ping().unwrap();
}

/// Server Keep Alive 10 s.
const KEEP_ALIVE: [u8; 3] = [0x13, 0, 10];

/// What waits to be written shows the Server that the Client is there: no PINGREQ is added, and none twice.
#[test]
fn a_pingreq_is_not_added_to_what_waits_to_be_written() {
    let late = Instant::from_millis(60_000);
    let mut client = connected(&KEEP_ALIVE);
    client.subscribe_to("a", Qos::AtMostOnce).unwrap();
    client.handle_timeout(late);
    let wire = settle(&mut client, late);
    assert_eq!((wire[0], wire.len()), (0x82, usize::from(wire[1]) + 2));

    let mut client = connected(&KEEP_ALIVE);
    client.handle_timeout(late);
    client.handle_timeout(late);
    let wire = settle(&mut client, late);
    assert_eq!(wire, [0xC0, 0]);
}

/// A CONNECT with Keep Alive 10 s.
fn ten_seconds() -> Connect<'static> {
    Connect {
        keep_alive: 10,
        ..named("c")
    }
}

fn publish(client: &mut Client, now: Instant) {
    let publication = Publication::of("a", b"on", Qos::AtMostOnce).unwrap();
    client.publish(now, publication).unwrap();
    assert!(!settle(client, now).is_empty());
}

/// A CONNACK is heard: no PINGREQ asks earlier whether the Server is there.
#[test]
fn the_connack_shows_that_the_server_is_there() {
    let mut client = client();
    connect(&mut client, &ten_seconds());
    let later = NOW + Duration::from_secs(8);
    machines::accept(&mut client, later, &connack(&[]));
    publish(&mut client, later);
    assert_eq!(client.next_timeout(), later + (KEEP - MARGIN));
}

/// Before the CONNACK, for which there is a time limit, no PINGREQ asks whether the Server is there: one is sent only if nothing
/// else was [MQTT-3.1.2-20].
#[test]
fn before_the_connack_a_pingreq_is_sent_only_if_nothing_else_was() {
    let config = ClientConfig {
        early_packets: 1,
        connack_timeout: Duration::from_secs(60),
        ..ClientConfig::default()
    };
    let mut client = machines::client(config);
    connect(&mut client, &ten_seconds());
    let later = NOW + Duration::from_secs(8);
    publish(&mut client, later);
    let due = later + (KEEP - MARGIN);
    assert_eq!(client.next_timeout(), due);
    client.handle_timeout(due);
    assert_eq!(settle(&mut client, due), [0xC0, 0]);
}

/// The Keep Alive of a Client begins when it is accepted, not when its CONNECT came.
#[test]
fn the_time_for_a_decision_is_not_silence_of_the_client() {
    let mut server = machines::asked(ServerConfig::default(), NOW, &ten_seconds());
    let later = NOW + Duration::from_secs(60);
    server.accept(later, None, &[]).unwrap();
    assert_eq!(server.poll(later, &mut Vec::new()), None);
    assert_eq!(server.next_timeout(), later + Duration::from_secs(15));
}

/// What is not read because too many answers wait shows that the Client is there.
#[test]
fn bytes_that_cannot_be_read_yet_are_heard() {
    let mut server = machines::connected_server(ServerConfig::default(), NOW, &ten_seconds());
    let pings = [0xC0, 0].repeat(600_000);
    let mut input = &pings[..];
    assert_eq!(server.receive(NOW, &mut input), None);
    let left = input.len() - 2;
    assert!(left > 0);
    // As the caller's buffer had no more room.
    let mut input = &pings[..left];
    assert_eq!(server.receive(NOW, &mut input), None);
    let later = NOW + Duration::from_secs(9);
    let mut input = &pings[..left + 2];
    assert_eq!(server.receive(later, &mut input), None);
    assert_eq!(input.len(), left + 2);
    while server.poll(later, &mut Vec::new()).is_some() {}
    // The caller is woken for what it has.
    assert_eq!(server.next_timeout(), Instant::ORIGIN);
    for _ in 0..2 {
        server.handle_timeout(later);
    }
    assert_eq!(server.next_timeout(), later + Duration::from_secs(15));
}

/// The Client's AUTH may come behind a packet that is being received, which has a time limit of its own.
#[test]
fn an_auth_may_come_behind_a_packet_in_parts() {
    let method = [Property::AuthenticationMethod(Text::new("m").unwrap())];
    let connect = Connect {
        properties: Properties::new(&method).unwrap(),
        ..named("c")
    };
    let config = ServerConfig::default();
    let mut server = machines::connected_server(config, NOW, &connect);
    let auth = [0xF0, 6, 0x19, 4, 0x15, 0, 1, b'm'];
    let event = server.receive(NOW, &mut &auth[..]);
    assert!(matches!(event, Some(Event::Authentication(_))), "{event:?}");
    server.authenticate(&[]).unwrap();
    assert_eq!(server.poll(NOW, &mut Vec::new()), None);
    let due = NOW + config.authentication_timeout;
    assert_eq!(server.next_timeout(), due);
    let later = NOW + Duration::from_secs(10);
    assert_eq!(server.receive(later, &mut &[0x30, 100][..]), None);
    server.handle_timeout(due);
    assert!(server.is_connected());
    assert_eq!(server.next_timeout(), later + config.packet.stall);
}
