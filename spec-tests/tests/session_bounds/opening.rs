//! What a CONNECT brings.

use mqtt5_codec::{
    Binary, Connect, Properties, Property, ProtocolVersion, Qos, ReasonCode, Text, TopicName, Will,
};
use mqtt5_session_fsm::{Event, Server, ServerConfig};

use crate::{KIB, NOW, end_of, peak};

fn hello(properties: &[Property<'_>], will: usize) -> Vec<u8> {
    let payload = vec![7; will];
    let mut wire = Vec::new();
    let connect = Connect {
        client_identifier: Text::new("c").expect("a text"),
        properties: Properties::new(properties).expect("properties"),
        will: (will > 0).then(|| Will {
            payload: Binary::new(&payload).expect("short"),
            topic: TopicName::new("w").expect("a name"),
            qos: Qos::AtMostOnce,
            retain: false,
            properties: Default::default(),
        }),
        ..Connect::default()
    };
    connect
        .encode(ProtocolVersion::V5_0, &mut wire)
        .expect("a good CONNECT");
    wire
}

/// With a Will Message of 60,000 bytes; one of 65,535 bytes is too large.
pub(crate) fn a_connect() {
    let wire = hello(&[], 60_000);
    let used = peak(|| {
        let mut server = Server::new(NOW, ServerConfig::default());
        let event = server.receive(NOW, &mut &wire[..]);
        assert!(matches!(event, Some(Event::Connect(_))));
        drop(server);
    });
    assert!(used <= 2 * 64 * KIB + 2 * KIB, "{used}");
    let wire = hello(&[], 65_535);
    let used = peak(|| {
        let mut server = Server::new(NOW, ServerConfig::default());
        assert!(server.receive(NOW, &mut &wire[..11]).is_none());
        assert_eq!(end_of(&mut server).1, Some(ReasonCode::PacketTooLarge));
    });
    assert!(used <= 2 * KIB, "{used}");
}

pub(crate) fn an_authentication() {
    let method = "m".repeat(60_000);
    let wire = hello(
        &[Property::AuthenticationMethod(
            Text::new(&method).expect("a text"),
        )],
        0,
    );
    let used = peak(|| {
        let mut server = Server::new(NOW, ServerConfig::default());
        let event = server.receive(NOW, &mut &wire[..]);
        assert!(matches!(event, Some(Event::Connect(_))));
    });
    assert!(used <= 64 * KIB, "{used}");
}
