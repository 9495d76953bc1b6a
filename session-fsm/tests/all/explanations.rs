//! Reason Strings and User Properties of acknowledgements that wait for their turn: 1 MiB of them is kept, and what
//! has left does not count.

use mqtt5_session_fsm::codec::{Properties, Property, Qos, ReasonCode, Text};
use mqtt5_session_fsm::{
    Acknowledgement, Event, Instant, Receipt, Server, ServerConfig, SessionConfig,
};

use crate::machines::{asked, connected_server, named};

const NOW: Instant = Instant::ORIGIN;
const LENGTH: usize = 60_000;

fn config() -> ServerConfig {
    ServerConfig {
        session: SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        },
        ..ServerConfig::default()
    }
}

fn deliver(server: &mut Server, qos: Qos, identifier: u8) -> Receipt {
    let first = if qos == Qos::ExactlyOnce { 0x34 } else { 0x32 };
    let publish = [first, 6, 0, 1, b'a', 0, identifier, 0];
    match server.receive(NOW, &mut &publish[..]) {
        Some(Event::Message(delivered)) => delivered.receipt.unwrap(),
        event => panic!("{event:?}"),
    }
}

/// Refuses a message, with a long Reason String.
fn explain(server: &mut Server, receipt: Receipt) {
    let text = "e".repeat(LENGTH);
    let explanation = [Property::ReasonString(Text::new(&text).unwrap())];
    let decided = server.acknowledge_with(receipt, ReasonCode::QuotaExceeded, &explanation);
    assert_eq!(decided, Ok(()));
}

/// How many bytes are written.
fn written(server: &mut Server) -> usize {
    let mut wire = Vec::new();
    while server.poll(NOW, &mut wire).is_some() {}
    wire.len()
}

#[test]
fn what_has_left_does_not_count() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut server = connected_server(config(), NOW, &named("c"));
        for identifier in 1..=100 {
            let receipt = deliver(&mut server, qos, identifier);
            explain(&mut server, receipt);
            assert!(written(&mut server) > LENGTH, "{identifier}");
        }
    }
}

/// They were for the peer's limits of their connection. The messages stay decided.
#[test]
fn what_waited_on_an_earlier_connection_does_not_count() {
    let list = [Property::SessionExpiryInterval(100)];
    let mut connect = named("c");
    connect.properties = Properties::new(&list).unwrap();
    let mut server = connected_server(config(), NOW, &connect);
    for identifier in 1..=30 {
        let receipt = deliver(&mut server, Qos::ExactlyOnce, identifier);
        explain(&mut server, receipt);
    }
    let session = server.take_session(NOW);
    connect.clean_start = false;
    let mut server = asked(config(), NOW, &connect);
    server.accept(NOW, session, &[]).unwrap();
    written(&mut server);
    let receipt = deliver(&mut server, Qos::ExactlyOnce, 31);
    explain(&mut server, receipt);
    assert!(written(&mut server) > LENGTH);
}
