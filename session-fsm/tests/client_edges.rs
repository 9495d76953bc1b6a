//! A Client at the edges of its limits, and what a refused call leaves behind: nothing.

mod machines;

use core::time::Duration;

use mqtt5_session_fsm::codec::framing::RawPacket;
use mqtt5_session_fsm::codec::{
    Connect, Packet, PacketType, Properties, Property, ProtocolVersion, Qos, ReasonCode, Text,
};
use mqtt5_session_fsm::{
    Acknowledgement, Cause, Client, ClientConfig, Event, Instant, Outcome, Output, Publication,
    SendError, Session, SessionConfig, WaitingLimits,
};

use machines::{connack, named, settle};

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

/// A Client that has sent a CONNECT with an Authentication Method.
fn authenticating() -> Client {
    let mut client = client();
    let method = [Property::AuthenticationMethod(Text::new("m").unwrap())];
    let packet = Connect {
        properties: Properties::new(&method).unwrap(),
        ..named("pump")
    };
    connect(&mut client, &packet);
    client
}

/// Section 4.12: after the Server's AUTH it is the application's turn, and the Server owes nothing.
#[test]
fn an_application_may_take_its_time_to_answer_an_auth() {
    let mut client = authenticating();
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

/// Section 3.1.2.10: after the CONNACK a Client may send PINGREQ at any time, with enhanced authentication, too.
#[test]
fn an_authenticated_client_may_ping() {
    let mut client = authenticating();
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

/// A Server that takes no bytes is given up, and with it what waits to be written.
#[test]
fn what_cannot_be_written_is_given_up() {
    let mut client = connected(&[]);
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

/// Sections 3.4, 3.5: a message with QoS 1 is acknowledged by a PUBACK, one with QoS 2 by a PUBREC, with what explains it.
#[test]
fn a_decision_with_a_reason_string_has_the_type_of_its_message() {
    let session = Session::of_client(SessionConfig {
        acknowledgement: Acknowledgement::Manual,
        ..SessionConfig::default()
    });
    let mut client = Client::new(ClientConfig::default(), session);
    connect(&mut client, &named("pump"));
    receive(&mut client, &connack(&[]));
    for (first_byte, answer) in [(0x32, 0x40), (0x34, 0x50)] {
        let message = [first_byte, 6, 0, 1, b'a', 0, 1, 0];
        let event = client.receive(NOW, &mut &message[..]);
        let Some(Event::Message(delivered)) = event else {
            panic!("{event:?}")
        };
        let receipt = delivered.receipt.unwrap();
        let reason = [Property::ReasonString(Text::new("r").unwrap())];
        let code = ReasonCode::QuotaExceeded;
        client.acknowledge_with(receipt, code, &reason).unwrap();
        let mut wire = Vec::new();
        assert_eq!(client.poll(NOW, &mut wire), None);
        assert_eq!(wire, [answer, 8, 0, 1, 0x97, 4, 0x1F, 0, 1, b'r']);
    }
}

/// A DISCONNECT that cannot be written is given up, too.
#[test]
fn a_farewell_that_cannot_be_written_is_given_up() {
    let mut client = connected(&[]);
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
