//! A persistent Session that ends with its Network Connection (section 3.1.2.11.2): an event says so.

use mqtt5_session_fsm::codec::{Connect, Properties, Property, Text};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Output, Server, ServerConfig, Session, SessionConfig,
};

use super::link::NOW;

/// Whether the Client and the Server say so, at this Session Expiry Interval of the CONNECT and of the CONNACK.
fn said(persistent: bool, asked: Option<u32>, given: Option<u32>) -> [usize; 2] {
    let config = SessionConfig {
        persistent,
        ..SessionConfig::default()
    };
    let mut client = Client::new(ClientConfig::default(), Session::of_client(config));
    let mut server = Server::new(
        NOW,
        ServerConfig {
            session: config,
            ..ServerConfig::default()
        },
    );
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let list = asked.map(Property::SessionExpiryInterval);
    let connect = Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(list.as_slice()).unwrap(),
        ..Connect::default()
    };
    client.connect(NOW, &connect).unwrap();
    assert_eq!(client.poll(NOW, &mut up), None);
    let event = server.receive(NOW, &mut &up[..]);
    assert!(matches!(event, Some(Event::Connect(_))));
    let list = given.map(Property::SessionExpiryInterval);
    server.accept(NOW, None, list.as_slice()).unwrap();
    let is_told =
        |output: &Output| matches!(output, Output::Event(Event::SessionEndsWithConnection));
    let by_server = std::iter::from_fn(|| server.poll(NOW, &mut down))
        .filter(is_told)
        .count();
    let event = client.receive(NOW, &mut &down[..]);
    assert!(matches!(event, Some(Event::Connected(_))));
    let by_client = std::iter::from_fn(|| client.poll(NOW, &mut up))
        .filter(is_told)
        .count();
    assert!(client.is_connected() && server.is_connected());
    [by_client, by_server]
}

#[test]
fn a_persistent_session_that_ends_with_its_connection_is_reported() {
    assert_eq!(said(true, None, None), [1, 1]);
    assert_eq!(said(true, Some(0), None), [1, 1]);
    // The Server has the last word.
    assert_eq!(said(true, Some(60), Some(0)), [1, 1]);
    assert_eq!(said(true, Some(0), Some(60)), [0, 0]);
    assert_eq!(said(true, Some(1), None), [0, 0]);
    assert_eq!(said(true, Some(u32::MAX), None), [0, 0]);
}

#[test]
fn one_that_is_not_persistent_is_not() {
    assert_eq!(said(false, None, None), [0, 0]);
    assert_eq!(said(false, Some(60), Some(0)), [0, 0]);
}
