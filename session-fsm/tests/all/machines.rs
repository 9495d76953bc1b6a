//! A Client or a Server with a connection, for tests that look at one side and write the bytes of the other.

use mqtt5_session_fsm::codec::{Connect, Properties, Property, ProtocolVersion, Text};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Server, ServerConfig, Session, SessionConfig,
};

/// A CONNECT with this ClientID and Clean Start.
pub(crate) fn named(client_identifier: &str) -> Connect<'_> {
    Connect {
        client_identifier: Text::new(client_identifier).unwrap(),
        ..Connect::default()
    }
}

/// CONNACK with Success, Session Present 0, and these properties.
pub(crate) fn connack(properties: &[u8]) -> Vec<u8> {
    let length = properties.len() as u8;
    [&[0x20, 3 + length, 0, 0, length][..], properties].concat()
}

/// A Client that has not connected.
pub(crate) fn client(config: ClientConfig) -> Client {
    Client::new(config, Session::of_client(SessionConfig::default()))
}

/// Polls a Client until it has nothing more. Returns what it writes.
pub(crate) fn settle(client: &mut Client, now: Instant) -> Vec<u8> {
    let mut wire = Vec::new();
    while client.poll(now, &mut wire).is_some() {}
    wire
}

/// Connects. Returns the bytes of the CONNECT.
pub(crate) fn connect(client: &mut Client, now: Instant, connect: &Connect<'_>) -> Vec<u8> {
    client.connect(now, connect).unwrap();
    settle(client, now)
}

/// A Client that has sent a CONNECT with an Authentication Method.
pub(crate) fn authenticating(now: Instant) -> Client {
    let mut client = client(ClientConfig::default());
    let method = [Property::AuthenticationMethod(Text::new("m").unwrap())];
    let packet = Connect {
        properties: Properties::new(&method).unwrap(),
        ..named("pump")
    };
    connect(&mut client, now, &packet);
    client
}

/// The Server accepts, by these bytes of a CONNACK.
pub(crate) fn accept(client: &mut Client, now: Instant, connack: &[u8]) {
    let event = client.receive(now, &mut &connack[..]);
    assert!(matches!(event, Some(Event::Connected(_))), "{event:?}");
}

/// A Client that the Server has accepted, with these properties in the CONNACK.
pub(crate) fn connected(config: ClientConfig, properties: &[u8]) -> Client {
    let mut client = client(config);
    connect(&mut client, Instant::ORIGIN, &named("c"));
    accept(&mut client, Instant::ORIGIN, &connack(properties));
    client
}

/// A Server to which a CONNECT has come.
pub(crate) fn asked(config: ServerConfig, now: Instant, connect: &Connect<'_>) -> Server {
    let mut server = Server::new(now, config);
    let mut wire = Vec::new();
    connect.encode(ProtocolVersion::V5_0, &mut wire).unwrap();
    let event = server.receive(now, &mut &wire[..]);
    assert!(matches!(event, Some(Event::Connect(_))), "{event:?}");
    server
}

/// A Server that has accepted a CONNECT, with a new Session.
pub(crate) fn connected_server(
    config: ServerConfig,
    now: Instant,
    connect: &Connect<'_>,
) -> Server {
    let mut server = asked(config, now, connect);
    server.accept(now, None, &[]).unwrap();
    assert_eq!(server.poll(now, &mut Vec::new()), None);
    server
}
