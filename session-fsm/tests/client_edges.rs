//! A Client at the edges of its limits, and what a refused call leaves behind: nothing.

use mqtt5_session_fsm::codec::framing::RawPacket;
use mqtt5_session_fsm::codec::{Connect, Packet, Properties, Property, ProtocolVersion, Qos, Text};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, SendError, Session, SessionConfig, WaitingLimits,
};

const NOW: Instant = Instant::ORIGIN;
/// CONNACK with Success and no Session, and these properties.
fn connack(properties: &[u8]) -> Vec<u8> {
    let length = properties.len() as u8;
    [&[0x20, 3 + length, 0, 0, length][..], properties].concat()
}

fn client(config: ClientConfig, waiting_bytes: usize) -> Client {
    let session = Session::of_client(SessionConfig {
        waiting: WaitingLimits {
            bytes: waiting_bytes,
            ..WaitingLimits::default()
        },
        ..SessionConfig::default()
    });
    Client::new(config, session)
}

/// What the Client writes for a CONNECT.
fn connect(client: &mut Client, connect: &Connect<'_>) -> Vec<u8> {
    client.connect(NOW, connect).unwrap();
    let mut wire = Vec::new();
    while client.poll(NOW, &mut wire).is_some() {}
    wire
}

/// A Client that the Server has accepted.
fn connected(properties: &[u8]) -> Client {
    let mut client = client(ClientConfig::default(), 1_000);
    connect(&mut client, &named("pump"));
    receive(&mut client, &connack(properties));
    client
}

fn named(client_identifier: &str) -> Connect<'_> {
    Connect {
        client_identifier: Text::new(client_identifier).unwrap(),
        ..Connect::default()
    }
}

fn receive(client: &mut Client, bytes: &[u8]) {
    let event = client.receive(NOW, &mut &bytes[..]);
    assert!(matches!(event, Some(Event::Connected(_))), "{event:?}");
}

fn subscribe(client: &mut Client, filter: &str) -> Result<Vec<u8>, SendError> {
    client.subscribe_to(filter, Qos::AtMostOnce)?;
    let mut wire = Vec::new();
    assert_eq!(client.poll(NOW, &mut wire), None);
    Ok(wire)
}

/// Section 3.1.2.4: with Clean Start the CONNECT goes as it is given, also without a ClientID.
#[test]
fn clean_start_without_a_client_identifier_asks_for_a_new_one() {
    let mut client = client(ClientConfig::default(), 1_000);
    let expiry = [Property::SessionExpiryInterval(100)];
    let first = Connect {
        properties: Properties::new(&expiry).unwrap(),
        ..named("pump")
    };
    connect(&mut client, &first);
    receive(&mut client, &connack(&[]));
    for (clean_start, expected) in [(false, "pump"), (true, "")] {
        let again = Connect {
            clean_start,
            properties: Properties::new(&expiry).unwrap(),
            ..named("")
        };
        let wire = connect(&mut client, &again);
        let packet = RawPacket::whole(&wire).unwrap();
        let Ok(Packet::Connect(sent)) = packet.decode(ProtocolVersion::V5_0) else {
            panic!("{wire:?}")
        };
        assert_eq!(sent.client_identifier.as_str(), expected);
        assert_eq!(sent.clean_start, clean_start);
    }
}

/// Section 3.1.2.4: Clean Start begins another Session, which may have another ClientID; without it the Session that is
/// known belongs to its ClientID [MQTT-3.1.3-2].
#[test]
fn clean_start_may_be_under_another_client_identifier() {
    let mut client = client(ClientConfig::default(), 1_000);
    let expiry = [Property::SessionExpiryInterval(100)];
    let with = |client_identifier, clean_start| Connect {
        clean_start,
        properties: Properties::new(&expiry).unwrap(),
        ..named(client_identifier)
    };
    connect(&mut client, &with("pump", true));
    receive(&mut client, &connack(&[]));
    let refused = client.connect(NOW, &with("other", false));
    assert_eq!(refused, Err(SendError::ClientIdentifierDiffers));
    connect(&mut client, &with("other", true));
}

/// Section 4.12: after the Server's AUTH it is the application's turn, and the Server owes nothing.
#[test]
fn an_application_may_take_its_time_to_answer_an_auth() {
    let mut client = client(ClientConfig::default(), 1_000);
    let method = [Property::AuthenticationMethod(Text::new("m").unwrap())];
    let packet = Connect {
        properties: Properties::new(&method).unwrap(),
        ..named("pump")
    };
    connect(&mut client, &packet);
    assert_ne!(client.next_timeout(), Instant::NEVER);
    let auth = [0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm'];
    let event = client.receive(NOW, &mut &auth[..]);
    assert!(matches!(event, Some(Event::Authentication(_))), "{event:?}");
    assert_eq!(client.next_timeout(), Instant::NEVER);
}

/// Section 2.2.1: a SUBSCRIBE that was refused before it was sent keeps no Packet Identifier.
#[test]
fn a_request_that_is_refused_keeps_no_packet_identifier() {
    // Maximum Packet Size 20.
    let mut client = connected(&[0x27, 0, 0, 0, 20]);
    for _ in 0..=u16::MAX {
        let refused = subscribe(&mut client, "a/filter/that/is/too/long");
        assert!(
            matches!(refused, Err(SendError::Forbidden(_))),
            "{refused:?}"
        );
    }
    subscribe(&mut client, "a").unwrap();
}

/// Requests before the CONNACK wait within the limit of bytes, which may be used up.
#[test]
fn a_request_before_the_connack_may_use_up_the_bytes_that_may_wait() {
    let bytes = subscribe(&mut connected(&[]), "a/b").unwrap().len();
    for (limit, is_held) in [(bytes, true), (bytes - 1, false)] {
        let mut client = client(ClientConfig::default(), limit);
        connect(&mut client, &named("pump"));
        assert_eq!(subscribe(&mut client, "a/b").is_ok(), is_held);
    }
}
