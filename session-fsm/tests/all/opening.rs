//! CONNECT, CONNACK and AUTH: the Session that is asked for, the ClientID, and who owes what before the connection is open.

use mqtt5_session_fsm::codec::framing::RawPacket;
use mqtt5_session_fsm::codec::{
    Connect, Packet, Properties, Property, ProtocolVersion, Publish, ReasonCode, Text, TopicName,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Limits, Output, SendError, Server, ServerConfig,
    ServerConnection, Session, SessionConfig,
};

use crate::machines::{self, connack, named, settle};

const NOW: Instant = Instant::ORIGIN;

fn client() -> Client {
    machines::client(ClientConfig::default())
}

fn connect(client: &mut Client, connect: &Connect<'_>) -> Vec<u8> {
    machines::connect(client, NOW, connect)
}

fn receive(client: &mut Client, connack: &[u8]) {
    machines::accept(client, NOW, connack);
}

/// Section 3.1.2.4: with Clean Start the CONNECT goes as it is given, also without a ClientID.
#[test]
fn clean_start_without_a_client_identifier_asks_for_a_new_one() {
    let mut client = client();
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
        assert_eq!(sent(&wire).client_identifier.as_str(), expected);
        assert_eq!(sent(&wire).clean_start, clean_start);
    }
}

/// Section 3.1.2.4: Clean Start begins another Session, which may have another ClientID; without it the Session that is
/// known belongs to its ClientID [MQTT-3.1.3-2].
#[test]
fn clean_start_may_be_under_another_client_identifier() {
    let mut client = client();
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
    let mut client = machines::authenticating(NOW);
    assert_ne!(client.next_timeout(), Instant::NEVER);
    let auth = [0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm'];
    let event = client.receive(NOW, &mut &auth[..]);
    assert!(matches!(event, Some(Event::Authentication(_))), "{event:?}");
    assert_eq!(client.next_timeout(), Instant::NEVER);
}

/// Section 3.1.2.11.2: a Session that has expired is not resumed, even if no timeout was handled since.
#[test]
fn a_session_that_has_expired_is_not_resumed() {
    let expiry = [Property::SessionExpiryInterval(10)];
    for (seconds, is_over) in [(9, false), (10, true)] {
        let mut client = client();
        let packet = Connect {
            clean_start: false,
            properties: Properties::new(&expiry).unwrap(),
            ..named("pump")
        };
        connect(&mut client, &packet);
        receive(&mut client, &connack(&[]));
        client.connection_lost(NOW);
        let later = Instant::from_millis(seconds * 1_000);
        client.connect(later, &packet).unwrap();
        let wire = settle(&mut client, later);
        assert_eq!(sent(&wire).clean_start, is_over);
    }
}

/// A Session without a ClientID takes that of the CONNECT.
#[test]
fn a_session_without_a_client_identifier_gets_one() {
    let session = Session::of_client_known_to_server("", SessionConfig::default());
    let mut client = Client::new(ClientConfig::default(), session);
    let packet = Connect {
        clean_start: false,
        ..named("pump")
    };
    let wire = connect(&mut client, &packet);
    assert_eq!(sent(&wire).client_identifier.as_str(), "pump");
    assert!(!sent(&wire).clean_start);
}

fn sent(wire: &[u8]) -> Connect<'_> {
    let packet = RawPacket::whole(wire).unwrap();
    match packet.decode(ProtocolVersion::V5_0) {
        Ok(Packet::Connect(sent)) => sent,
        other => panic!("{other:?}"),
    }
}

/// MQTT-3.2.0-1: nothing but AUTH comes before the CONNACK, also not the shortest acknowledgements.
#[test]
fn an_acknowledgement_before_the_connack_is_an_error() {
    for first_byte in [0x40, 0x50, 0x70] {
        let mut client = client();
        connect(&mut client, &named("pump"));
        assert_eq!(client.receive(NOW, &mut &[first_byte, 2, 0, 1][..]), None);
        let closed = core::iter::from_fn(|| client.poll(NOW, &mut Vec::new()));
        assert!(closed.into_iter().any(|it| matches!(it, Output::Close(_))));
    }
}

/// A Server to which a CONNECT with this Authentication Method has come.
fn asked(method: Option<&str>) -> Server {
    let method = method.map(|method| Property::AuthenticationMethod(Text::new(method).unwrap()));
    let list: Vec<_> = method
        .into_iter()
        .chain([Property::SessionExpiryInterval(100)])
        .collect();
    let connect = Connect {
        properties: Properties::new(&list).unwrap(),
        ..machines::named("c")
    };
    machines::asked(ServerConfig::default(), NOW, &connect)
}

/// MQTT-4.12.0-5, MQTT-4.12.0-6: a CONNACK has the Authentication Method of the CONNECT, or none.
#[test]
fn a_refusal_has_no_other_authentication_method() {
    for (asked_for, answered, is_right) in [
        (Some("m"), "m", true),
        (Some("m"), "other", false),
        (None, "m", false),
    ] {
        let property = [Property::AuthenticationMethod(Text::new(answered).unwrap())];
        let refused = asked(asked_for).refuse(NOW, ReasonCode::NotAuthorized, &property);
        assert_eq!(refused.is_ok(), is_right, "{refused:?}");
    }
}

/// What one side does not allow, both do not.
#[test]
fn the_lower_limits_are_those_that_both_allow() {
    for (one, other) in [(true, true), (true, false), (false, true), (false, false)] {
        let of = |problem_information| Limits {
            problem_information,
            ..Limits::NONE
        };
        let both = of(one).lowered_to(&of(other));
        assert_eq!(both.problem_information, one && other);
    }
}

/// A Server to which a CONNECT has come and, behind it, these bytes, which are left.
fn asked_with<'a>(config: ServerConfig, bytes: &mut &'a [u8], wire: &'a mut Vec<u8>) -> Server {
    named("c").encode(ProtocolVersion::V5_0, wire).unwrap();
    wire.extend_from_slice(bytes);
    *bytes = &wire[..];
    let mut server = Server::new(NOW, config);
    let event = server.receive(NOW, bytes);
    assert!(matches!(event, Some(Event::Connect(_))), "{event:?}");
    server
}

/// What comes behind a CONNECT is offered again once the caller has decided, however often the timer is handled meanwhile.
#[test]
fn what_comes_behind_a_connect_is_not_forgotten() {
    let (mut input, mut wire) = (&[0xC0, 0][..], Vec::new());
    let mut server = asked_with(ServerConfig::default(), &mut input, &mut wire);
    assert_eq!(server.receive(NOW, &mut input), None);
    assert_eq!(input, [0xC0, 0]);
    for _ in 0..3 {
        server.handle_timeout(NOW);
    }
    server.accept(NOW, None, &[]).unwrap();
    while server.poll(NOW, &mut Vec::new()).is_some() {}
    assert_eq!(server.next_timeout(), Instant::ORIGIN);
}

/// The limit for the size of a CONNECT holds for no packet behind it.
#[test]
fn what_comes_behind_a_connect_may_be_larger_than_it() {
    let payload = [0; 200];
    let mut publish = Vec::new();
    Publish::new(TopicName::new("a").unwrap(), &payload)
        .encode(ProtocolVersion::V5_0, &mut publish)
        .unwrap();
    let config = ServerConfig {
        maximum_connect_size: 100,
        ..ServerConfig::default()
    };
    let (mut input, mut wire) = (&publish[..], Vec::new());
    let mut server = asked_with(config, &mut input, &mut wire);
    server.accept(NOW, None, &[]).unwrap();
    let event = server.receive(NOW, &mut input);
    assert!(matches!(event, Some(Event::Message(_))), "{event:?}");
}

fn connect_to(connection: &mut ServerConnection, connect: Connect<'_>) {
    let mut lent = connection.lend(None);
    let event = lent.handle(NOW, Packet::Connect(connect));
    assert!(matches!(event, Ok(Some(Event::Connect(_)))), "{event:?}");
}

/// Section 3.1.2.11.2: a Session without a Session Expiry Interval ends with its Network Connection, also if the next CONNECT
/// is accepted while that connection is still there.
#[test]
fn a_session_that_is_taken_over_ends_with_its_connection() {
    let mut session = Session::of_server("c", SessionConfig::default());
    let mut wire = Vec::new();
    for clean_start in [true, false] {
        let mut connection = ServerConnection::new(NOW, &ServerConfig::default());
        let connect = Connect {
            clean_start,
            ..named("c")
        };
        connect_to(&mut connection, connect);
        let mut lent = connection.lend(Some(&mut session));
        lent.accept(NOW, &[]).unwrap();
        wire.clear();
        while lent.poll(NOW, &mut wire).is_some() {}
        // Session Present 0.
        assert_eq!(wire[..3], [0x20, 3, 0], "{clean_start}");
    }
}

/// A Client's Session is none that a Server could go on with, whatever its ClientID.
#[test]
fn a_server_accepts_no_session_of_a_client() {
    let mut session = Session::of_client_known_to_server("c", SessionConfig::default());
    let mut connection = ServerConnection::new(NOW, &ServerConfig::default());
    connect_to(&mut connection, named("c"));
    let accepted = connection.lend(Some(&mut session)).accept(NOW, &[]);
    assert_eq!(accepted, Err(SendError::ClientIdentifierDiffers));
}

/// [MQTT-3.1.0-2]: a second CONNECT is an error, and one of another version can be answered by no Reason Code that a DISCONNECT
/// does not have (section 3.14.2.1).
#[test]
fn a_second_connect_of_another_version_is_a_protocol_error() {
    let mut server = machines::connected_server(ServerConfig::default(), NOW, &named("c"));
    let connect = [
        0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'c',
    ];
    assert_eq!(server.receive(NOW, &mut &connect[..]), None);
    let mut wire = Vec::new();
    let last = core::iter::from_fn(|| server.poll(NOW, &mut wire)).last();
    assert!(matches!(last, Some(Output::Close(_))), "{last:?}");
    assert_eq!(wire, [0xE0, 1, ReasonCode::ProtocolError.to_byte()]);
}
