//! Messages that were accepted before the restart, and the Receive Maximum of the next connection (section 3.3.4).

use mqtt5_session_fsm::codec::{Connect, Properties, Property, Text};
use mqtt5_session_fsm::{Change, Client, ClientConfig, Event, Session};

use super::link::{NOW, config, id};

/// PUBLISH with QoS 2, and its identifier; the first one again.
const AGAIN: [u8; 8] = [0x3C, 6, 0, 1, b'a', 0, 1, 0];
const OTHER: [u8; 8] = [0x34, 6, 0, 1, b'a', 0, 2, 0];
const THIRD: [u8; 8] = [0x34, 6, 0, 1, b'a', 0, 3, 0];
const PUBREL: [u8; 4] = [0x62, 2, 0, 1];
const PUBCOMP: [u8; 4] = [0x70, 2, 0, 1];
const RECEIVE_MAXIMUM_EXCEEDED: [u8; 3] = [0xE0, 1, 0x93];

/// A Client that has accepted a message with QoS 2 before its restart, and now takes one at a time.
fn restarted() -> Client {
    let mut session = Session::of_client(config());
    let connected = Change::Connected {
        client_identifier: "c".into(),
        expiry_interval: u32::MAX,
    };
    let received = Change::Received {
        packet_identifier: id(1),
    };
    for change in [connected, received] {
        session.apply(NOW, &change).unwrap();
    }
    let mut client = Client::new(ClientConfig::default(), session);
    let list = [Property::ReceiveMaximum(1.try_into().unwrap())];
    let connect = Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(&list).unwrap(),
        ..Connect::default()
    };
    client.connect(NOW, &connect).unwrap();
    written(&mut client);
    let event = client.receive(NOW, &mut &[0x20, 3, 1, 0, 0][..]);
    assert!(matches!(event, Some(Event::Connected(_))));
    written(&mut client);
    client
}

fn written(client: &mut Client) -> Vec<u8> {
    let mut wire = Vec::new();
    while client.poll(NOW, &mut wire).is_some() {}
    wire
}

#[test]
fn what_comes_again_counts() {
    let mut client = restarted();
    assert_eq!(client.receive(NOW, &mut &AGAIN[..]), None);
    written(&mut client);
    let event = client.receive(NOW, &mut &OTHER[..]);
    assert!(!matches!(event, Some(Event::Message(_))));
    assert_eq!(written(&mut client), RECEIVE_MAXIMUM_EXCEEDED);
}

#[test]
fn what_is_released_gives_nothing_back() {
    let mut client = restarted();
    let event = client.receive(NOW, &mut &OTHER[..]);
    assert!(matches!(event, Some(Event::Message(_))));
    written(&mut client);
    assert_eq!(client.receive(NOW, &mut &PUBREL[..]), None);
    assert_eq!(written(&mut client), PUBCOMP);
    let event = client.receive(NOW, &mut &THIRD[..]);
    assert!(!matches!(event, Some(Event::Message(_))));
    assert_eq!(written(&mut client), RECEIVE_MAXIMUM_EXCEEDED);
}
