//! Acknowledgements and what they need: room, a Packet Identifier, a reason.

use core::time::Duration;

use mqtt5_session_fsm::codec::{
    Connect, EncodeError, PacketType, Properties, Property, Qos, ReasonCode, Text, Violation,
};
use mqtt5_session_fsm::{
    Acknowledgement, Cause, Client, ClientConfig, Event, Instant, Limits, Outcome, Output,
    PeerError, Publication, Receipt, SendError, ServerConfig, Session, SessionConfig,
    WaitingLimits,
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

fn connected(properties: &[u8]) -> Client {
    machines::connected(ClientConfig::default(), properties)
}

fn subscribe(client: &mut Client, filter: &str) -> Result<Vec<u8>, SendError> {
    client.subscribe_to(filter, Qos::AtMostOnce)?;
    let mut wire = Vec::new();
    assert_eq!(client.poll(NOW, &mut wire), None);
    Ok(wire)
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
        let session = Session::of_client(SessionConfig {
            waiting: WaitingLimits {
                bytes: limit,
                ..WaitingLimits::default()
            },
            ..SessionConfig::default()
        });
        let mut client = Client::new(ClientConfig::default(), session);
        connect(&mut client, &named("pump"));
        assert_eq!(subscribe(&mut client, "a/b").is_ok(), is_held);
    }
}

/// Section 3.4.2.2: explanations are welcome unless Request Problem Information is 0.
#[test]
fn a_reason_string_is_welcome() {
    let mut client = connected(&[]);
    let publication = Publication::of("a", b"on", Qos::AtLeastOnce).unwrap();
    let token = client.publish(NOW, publication).unwrap();
    settle(&mut client, NOW);
    let puback = [0x40, 8, 0, 1, 0, 4, 0x1F, 0, 1, b'r'];
    let event = client.receive(NOW, &mut &puback[..]);
    let Some(Event::Outcome(of, Outcome::PubAck(_, properties))) = event else {
        panic!("{event:?}")
    };
    assert_eq!(of, token);
    assert_eq!(properties.reason_string().map(|it| it.as_str()), Some("r"));
}

/// The deadline of a message with QoS 0 is over when it was written.
#[test]
fn a_message_that_was_written_has_no_deadline() {
    let mut client = connected(&[]);
    let publication = Publication {
        deadline: Some(Duration::from_secs(5)),
        ..Publication::of("a", b"on", Qos::AtMostOnce).unwrap()
    };
    client.publish(NOW, publication).unwrap();
    settle(&mut client, NOW);
    assert_eq!(client.next_timeout(), Instant::NEVER);
    let later = Instant::from_millis(10_000);
    client.handle_timeout(later);
    assert_eq!(client.poll(later, &mut Vec::new()), None);
}

/// [MQTT-3.2.2-15]: a PUBREL has 4 bytes. A Server that takes less cannot have the Session resumed.
#[test]
fn a_pubrel_fits_into_four_bytes() {
    for (maximum, fits) in [(4, true), (3, false)] {
        let mut client = client();
        let expiry = [Property::SessionExpiryInterval(100)];
        let packet = Connect {
            clean_start: false,
            properties: Properties::new(&expiry).unwrap(),
            ..named("pump")
        };
        connect(&mut client, &packet);
        receive(&mut client, &connack(&[]));
        let publication = Publication::of("a", b"on", Qos::ExactlyOnce).unwrap();
        client.publish(NOW, publication).unwrap();
        settle(&mut client, NOW);
        assert_eq!(client.receive(NOW, &mut &[0x50, 2, 0, 1][..]), None);
        client.connection_lost(NOW);
        settle(&mut client, NOW);
        connect(&mut client, &packet);
        let mut resumed = connack(&[0x27, 0, 0, 0, maximum]);
        resumed[2] = 1;
        receive(&mut client, &resumed);
        let mut wire = Vec::new();
        let outputs: Vec<_> = core::iter::from_fn(|| client.poll(NOW, &mut wire)).collect();
        if fits {
            assert_eq!(wire, [0x62, 2, 0, 1], "{outputs:?}");
        } else {
            let cause = Cause::CannotAnswer(PacketType::PubRel);
            assert_eq!(outputs.last(), Some(&Output::Close(cause)));
        }
    }
}

/// A connected Client whose application acknowledges.
fn deciding() -> Client {
    let session = Session::of_client(SessionConfig {
        acknowledgement: Acknowledgement::Manual,
        ..SessionConfig::default()
    });
    let mut client = Client::new(ClientConfig::default(), session);
    connect(&mut client, &named("pump"));
    receive(&mut client, &connack(&[]));
    client
}

/// A PUBLISH comes, with this first byte and Packet Identifier.
fn received(client: &mut Client, first_byte: u8, number: u8) -> Receipt {
    let message = [first_byte, 6, 0, 1, b'a', 0, number, 0];
    match client.receive(NOW, &mut &message[..]) {
        Some(Event::Message(delivered)) => delivered.receipt.unwrap(),
        event => panic!("{event:?}"),
    }
}

/// Sections 3.4, 3.5: a message with QoS 1 is acknowledged by a PUBACK, one with QoS 2 by a PUBREC, with what explains it.
#[test]
fn a_decision_with_a_reason_string_has_the_type_of_its_message() {
    let mut client = deciding();
    for (first_byte, answer) in [(0x32, 0x40), (0x34, 0x50)] {
        let receipt = received(&mut client, first_byte, 1);
        let reason = [Property::ReasonString(Text::new("r").unwrap())];
        let code = ReasonCode::QuotaExceeded;
        client.acknowledge_with(receipt, code, &reason).unwrap();
        let mut wire = Vec::new();
        assert_eq!(client.poll(NOW, &mut wire), None);
        assert_eq!(wire, [answer, 8, 0, 1, 0x97, 4, 0x1F, 0, 1, b'r']);
    }
}

/// The error of a Reason Code that is none of a PUBACK or PUBREC names the packet.
#[test]
fn a_wrong_reason_code_is_refused_for_the_packet_that_would_have_it() {
    let mut client = deciding();
    for (first_byte, packet_type) in [(0x32, PacketType::PubAck), (0x34, PacketType::PubRec)] {
        let receipt = received(&mut client, first_byte, 1);
        let refused = client.acknowledge_with(receipt, ReasonCode::KeepAliveTimeout, &[]);
        let violation = Violation::ReasonCodeNotAllowed;
        let error = EncodeError::Invalid {
            packet_type,
            violation,
        };
        assert_eq!(refused, Err(SendError::Invalid(error)));
        client.acknowledge(receipt).unwrap();
        settle(&mut client, NOW);
    }
}

/// Reasons of acknowledgements that wait may use up 1 MiB. What would exceed it is sent without the reason.
#[test]
fn reasons_may_use_up_the_bytes_that_may_wait() {
    const PUBACK: usize = 1 << 16;
    let mut client = deciding();
    let receipts: Vec<_> = (1..=17)
        .map(|number| received(&mut client, 0x32, number))
        .collect();
    // Beside it, a PUBACK has 13 bytes.
    let reason = "r".repeat(PUBACK - 13);
    let reason = [Property::ReasonString(Text::new(&reason).unwrap())];
    for receipt in receipts {
        let code = ReasonCode::QuotaExceeded;
        client.acknowledge_with(receipt, code, &reason).unwrap();
    }
    let wire = settle(&mut client, NOW);
    assert_eq!(wire.len(), 16 * PUBACK + 5);
    assert_eq!(wire[16 * PUBACK..], [0x40, 3, 0, 17, 0x97]);
}

/// [MQTT-3.2.2-15]: a limit for one Client binds the smallest of its packets, too.
#[test]
fn an_acknowledgement_may_be_too_large() {
    for (maximum_packet_size, is_too_large) in [(4, false), (3, true)] {
        let limits = Limits {
            maximum_packet_size,
            ..Limits::NONE
        };
        let mut server = machines::asked(ServerConfig::default(), NOW, &named("c"));
        server.accept_with(NOW, None, &limits, &[]).unwrap();
        let publication = Publication::of("a", b"on", Qos::AtLeastOnce).unwrap();
        server.publish(NOW, publication).unwrap();
        while server.poll(NOW, &mut Vec::new()).is_some() {}
        let event = server.receive(NOW, &mut &[0x40, 2, 0, 1][..]);
        assert_eq!(event.is_none(), is_too_large, "{event:?}");
        let last = core::iter::from_fn(|| server.poll(NOW, &mut Vec::new())).last();
        let too_large = |it: &Output| {
            matches!(it, Output::Close(Cause::PeerError(PeerError::Packet(error)))
                if error.reason_code() == ReasonCode::PacketTooLarge)
        };
        assert_eq!(last.is_some_and(|it| too_large(&it)), is_too_large);
    }
}

/// Each SUBSCRIBE has its own time, whichever was answered before.
#[test]
fn the_next_request_is_waited_for_when_the_first_is_answered() {
    let mut client = connected(&[]);
    subscribe(&mut client, "a").unwrap();
    let token = client.subscribe_to("b", Qos::AtMostOnce).unwrap();
    settle(&mut client, NOW);
    let event = client.receive(NOW, &mut &[0x90, 4, 0, 1, 0, 0][..]);
    assert!(matches!(event, Some(Event::Outcome(_, Outcome::SubAck(_)))));
    let due = NOW + ClientConfig::default().request_timeout;
    assert_eq!(client.next_timeout(), due);
    client.handle_timeout(due);
    let outcome = Event::Outcome(token, Outcome::TimedOut);
    assert_eq!(
        client.poll(due, &mut Vec::new()),
        Some(Output::Event(outcome))
    );
}

/// The memory that is given back at a PINGREQ is not that of a request.
#[test]
fn a_request_without_an_answer_outlives_a_pingreq() {
    let mut client = machines::client(ClientConfig::default());
    let connect_packet = Connect {
        keep_alive: 10,
        ..named("c")
    };
    connect(&mut client, &connect_packet);
    receive(&mut client, &connack(&[]));
    let token = client.subscribe_to("a", Qos::AtMostOnce).unwrap();
    settle(&mut client, NOW);
    let due = client.next_timeout();
    client.handle_timeout(due);
    assert_eq!(settle(&mut client, due), [0xC0, 0]);
    let event = client.receive(due, &mut &[0x90, 4, 0, 1, 0, 0][..]);
    assert!(matches!(event, Some(Event::Outcome(of, Outcome::SubAck(_))) if of == token));
}
