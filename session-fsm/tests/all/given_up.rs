//! What cannot be written is given up, and nothing of it is left behind.

use mqtt5_session_fsm::codec::{
    Connect, Packet, Properties, Property, Qos, ReasonCode, Subscribe, Subscription, Subscriptions,
};
use mqtt5_session_fsm::{
    ClientConfig, Event, Instant, Output, SendError, Server, ServerConfig, Session,
};

use crate::machines::{self, connected, connected_server, named};

const NOW: Instant = Instant::ORIGIN;

/// A Server that takes no bytes is given up, and with it what waits to be written.
#[test]
fn what_cannot_be_written_is_given_up() {
    let mut client = connected(ClientConfig::default(), &[]);
    client.subscribe_to("a", Qos::AtMostOnce).unwrap();
    let mut none = [0_u8; 0];
    let output = client.poll(NOW, &mut &mut none[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    let mut now = NOW;
    while client.is_connected() {
        now = client.next_timeout();
        assert_ne!(now, Instant::NEVER);
        client.handle_timeout(now);
    }
    let mut wire = Vec::new();
    let outputs: Vec<_> = core::iter::from_fn(|| client.poll(now, &mut wire)).collect();
    assert!(
        matches!(outputs.last(), Some(Output::Close(_))),
        "{outputs:?}"
    );
    assert!(wire.is_empty());
}

/// A DISCONNECT is given up, too, when the Server has taken nothing for too long.
#[test]
fn a_farewell_of_a_client_is_given_up() {
    let mut client = connected(ClientConfig::default(), &[]);
    client.disconnect(NOW, ReasonCode::Success, &[]).unwrap();
    let mut none = [0_u8; 0];
    let outputs = || client.poll(NOW, &mut &mut none[..]);
    let output = core::iter::from_fn(outputs).find(|it| matches!(it, Output::NeedsRoom(_)));
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    let due = client.next_timeout();
    client.handle_timeout(due);
    let mut wire = Vec::new();
    let last = core::iter::from_fn(|| client.poll(due, &mut wire)).last();
    assert!(matches!(last, Some(Output::Close(_))), "{last:?}");
    assert!(wire.is_empty());
}

/// The same of a Server.
#[test]
fn a_farewell_of_a_server_is_given_up() {
    let mut server = server();
    server
        .disconnect(NOW, ReasonCode::ServerShuttingDown, &[])
        .unwrap();
    let mut none = [0_u8; 0];
    let outputs = || server.poll(NOW, &mut &mut none[..]);
    let output = core::iter::from_fn(outputs).find(|it| matches!(it, Output::NeedsRoom(_)));
    assert!(output.is_some());
    let due = server.next_timeout();
    server.handle_timeout(due);
    let mut wire = Vec::new();
    let last = core::iter::from_fn(|| server.poll(due, &mut wire)).last();
    assert!(matches!(last, Some(Output::Close(_))), "{last:?}");
    assert!(wire.is_empty());
}

/// Of two SUBSCRIBEs one was written when the Server said farewell: the other is not written any more.
#[test]
fn a_rest_is_given_up_when_the_server_disconnects() {
    let mut client = connected(ClientConfig::default(), &[]);
    for filter in ["a", "a/filter/that/is/longer"] {
        client.subscribe_to(filter, Qos::AtMostOnce).unwrap();
    }
    let mut room = [0_u8; 9];
    let output = client.poll(NOW, &mut &mut room[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    assert_eq!(room[0], 0x82);
    let event = client.receive(NOW, &mut &[0xE0, 0][..]);
    assert!(matches!(event, Some(Event::Disconnect(_))), "{event:?}");
    assert_eq!(client.receive(NOW, &mut &[0xD0, 0][..]), None);
    let mut wire = Vec::new();
    let last = core::iter::from_fn(|| client.poll(NOW, &mut wire)).last();
    assert!(matches!(last, Some(Output::Close(_))), "{last:?}");
    assert!(wire.is_empty());
}

fn server() -> Server {
    let expiry = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        properties: Properties::new(&expiry).unwrap(),
        ..named("c")
    };
    connected_server(ServerConfig::default(), NOW, &connect)
}

/// Section 3.8.4: a SUBSCRIBE is answered on its own Network Connection or not at all.
#[test]
fn a_request_ends_with_its_connection() {
    let number = 7.try_into().unwrap();
    let subscription = [Subscription::new("a", Qos::AtMostOnce).unwrap()];
    let subscribe = || {
        let subscriptions = Subscriptions::new(&subscription).unwrap();
        Packet::Subscribe(Subscribe::new(number, subscriptions))
    };
    let ends: [fn(&mut Server); 3] = [
        |server| server.connection_lost(NOW),
        |server| server.disconnect(NOW, ReasonCode::ServerBusy, &[]).unwrap(),
        // Packet type 0.
        |server| assert_eq!(server.receive(NOW, &mut &[0, 0][..]), None),
    ];
    for end in ends {
        let mut server = server();
        let event = server.handle(NOW, subscribe());
        assert!(matches!(event, Ok(Some(Event::Subscribe(_)))), "{event:?}");
        end(&mut server);
        let codes = [ReasonCode::granted(Qos::AtMostOnce)];
        let answered = server.acknowledge_subscribe(NOW, number, &codes, &[]);
        assert_eq!(answered, Err(SendError::NotExpected));
        // The identifier is free on the next one.
        while server.poll(NOW, &mut Vec::new()).is_some() {}
        let session: Option<Session> = server.take_session(NOW);
        let mut next = machines::asked(ServerConfig::default(), NOW, &named("c"));
        next.accept(NOW, session, &[]).unwrap();
        assert_eq!(next.poll(NOW, &mut Vec::new()), None);
        let event = next.handle(NOW, subscribe());
        assert!(matches!(event, Ok(Some(Event::Subscribe(_)))), "{event:?}");
    }
}
