//! Sections 4.3.3, 4.4 and 4.6: packets of a Session of which only some could be written, because the buffer had no
//! room, or because the Network Connection was lost meanwhile. For both sides.

use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::framing::{Split, split};
use mqtt5_session_fsm::codec::{
    Connect, Message, Packet, PacketType, Properties, Property, ProtocolVersion, Publish, Qos,
    ReasonCode, Role, Text, TopicName,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Output, Publication, Server, ServerConfig, Session,
    SessionConfig,
};

use crate::check::{Check, Kind, Outcome};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new(
            Kind::Domain,
            "interrupted::what_was_partly_written_is_sent_again_in_order",
            what_was_partly_written_is_sent_again_in_order,
        ),
        Check::new(
            Kind::Domain,
            "interrupted::a_pubrec_that_comes_again_while_pubrels_wait",
            a_pubrec_that_comes_again_while_pubrels_wait,
        ),
        Check::new(
            Kind::Domain,
            "interrupted::a_first_pubrec_that_comes_while_pubrels_wait",
            a_first_pubrec_that_comes_while_pubrels_wait,
        ),
    ]
}

const NOW: Instant = Instant::from_millis(1_000);
const KEEPS: [Property<'static>; 1] = [Property::SessionExpiryInterval(u32::MAX)];
const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn connect() -> Vec<u8> {
    let mut bytes = Vec::new();
    let connect = Connect {
        client_identifier: Text::new("c").expect("a name"),
        properties: Properties::new(&KEEPS).expect("good properties"),
        ..Connect::default()
    };
    connect
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .expect("a good CONNECT");
    bytes
}

/// A machine of either side that sends messages.
#[derive(Clone)]
#[allow(clippy::large_enum_variant)] // There are few of them.
enum Sender {
    Client(Box<Client>),
    Server(Box<Server>, Option<Session>),
}

impl Sender {
    /// Connected.
    fn new(role: Role) -> Self {
        let session = SessionConfig::default();
        let mut sender = match role {
            Role::Client => Sender::Client(Box::new(Client::new(
                ClientConfig::default(),
                Session::of_client(session),
            ))),
            Role::Server => {
                Sender::Server(Box::new(Server::new(NOW, ServerConfig::default())), None)
            }
        };
        sender.connect(false);
        sender
    }

    fn connect(&mut self, session_present: bool) {
        match self {
            Sender::Client(client) => {
                let connect = Connect {
                    client_identifier: Text::new("c").expect("a name"),
                    properties: Properties::new(&KEEPS).expect("good properties"),
                    ..Connect::default()
                };
                client.connect(NOW, &connect).expect("a good CONNECT");
                assert_eq!(client.poll(NOW, &mut Vec::new()), None);
                let connack = [0x20, 3, u8::from(session_present), 0, 0];
                let event = client.receive(NOW, &mut &connack[..]);
                assert!(matches!(event, Some(Event::Connected(_))));
            }
            Sender::Server(server, session) => {
                **server = Server::new(NOW, ServerConfig::default());
                let connect = connect();
                let event = server.receive(NOW, &mut &connect[..]);
                assert!(matches!(event, Some(Event::Connect(_))));
                server.accept(NOW, session.take(), &[]).expect("a CONNECT");
                let mut connack = Vec::new();
                let output = server.poll(NOW, &mut (&mut connack).limit(5));
                assert!(matches!(output, None | Some(Output::NeedsRoom(_))));
                assert_eq!(connack[2], u8::from(session_present));
            }
        }
    }

    /// The Network Connection is lost, and another one goes on with the Session.
    fn reconnect(&mut self) {
        match self {
            Sender::Client(client) => client.connection_lost(NOW),
            Sender::Server(server, session) => *session = server.take_session(NOW),
        }
        self.connect(true);
    }

    fn publish(&mut self, qos: Qos, number: u8) {
        let payload = [number];
        let publish = Publish::new(TopicName::new("a").expect("a name"), &payload);
        let message = Message::new(&publish).expect("a message");
        let publication = Publication::new(qos, message);
        let result = match self {
            Sender::Client(client) => client.publish(NOW, publication),
            Sender::Server(server, _) => server.publish(NOW, publication),
        };
        result.expect("room");
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        let event = match self {
            Sender::Client(client) => client.receive(NOW, &mut bytes),
            Sender::Server(server, _) => server.receive(NOW, &mut bytes),
        };
        assert!(
            matches!(event, None | Some(Event::Outcome(..))),
            "{event:?}"
        );
        assert!(bytes.is_empty());
    }

    /// Writes as many packets as there are, or as fit.
    fn write(&mut self, room: usize) -> Vec<Sent> {
        let mut wire = Vec::new();
        loop {
            let left = room - wire.len();
            let mut limited = (&mut wire).limit(left);
            let output = match self {
                Sender::Client(client) => client.poll(NOW, &mut limited),
                Sender::Server(server, _) => server.poll(NOW, &mut limited),
            };
            match output {
                Some(Output::Event(_)) => {}
                None | Some(Output::NeedsRoom(_)) => break,
                other => panic!("{other:?}"),
            }
        }
        let role = match self {
            Sender::Client(_) => Role::Client,
            Sender::Server(..) => Role::Server,
        };
        sent(&wire, role)
    }
}

/// What was written, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Publish {
        number: u8,
        identifier: u16,
        duplicate: bool,
    },
    PubRel(u16),
}

fn sent(mut bytes: &[u8], role: Role) -> Vec<Sent> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let Ok(Split::Packet { packet, rest }) = split(bytes, u32::MAX) else {
            panic!("not a packet: {bytes:02x?}");
        };
        bytes = rest;
        match packet
            .decode_from(ProtocolVersion::V5_0, role)
            .expect("a packet")
        {
            Packet::Publish(publish) => all.push(Sent::Publish {
                number: publish.payload[0],
                identifier: publish
                    .delivery
                    .packet_identifier()
                    .expect("QoS 1, 2")
                    .get(),
                duplicate: publish.delivery.duplicate(),
            }),
            Packet::PubRel(pubrel) => {
                assert_eq!(pubrel.reason_code, ReasonCode::Success);
                all.push(Sent::PubRel(pubrel.packet_identifier.get()));
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

/// The size of a PUBLISH of these checks.
const PUBLISH: usize = 9;
/// The size of a PUBREL.
const PUBREL: usize = 4;

/// [MQTT-4.4.0-1], [MQTT-4.6.0-1], [MQTT-3.3.1-1]: of so many messages so many were written when the connection was
/// lost, and again when the next one was lost: all are sent again in their order, with the identifiers that were
/// seen, and DUP is set on exactly those that were written before.
fn what_was_partly_written_is_sent_again_in_order() -> Outcome {
    let mut judged = 0;
    for role in ROLES {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            for messages in 1..=4_usize {
                for first in 0..=messages {
                    for second in 0..=messages {
                        let mut sender = Sender::new(role);
                        for number in 0..messages {
                            sender.publish(qos, number as u8);
                        }
                        let mut identifiers = vec![0; messages];
                        let mut written = 0;
                        for part in [first, second, messages] {
                            let sent = sender.write(part * PUBLISH);
                            assert_eq!(sent.len(), part, "{sent:?}");
                            for (place, packet) in sent.iter().enumerate() {
                                let Sent::Publish {
                                    number,
                                    identifier,
                                    duplicate,
                                } = *packet
                                else {
                                    return Err(format!("{sent:?}"));
                                };
                                assert_eq!(usize::from(number), place, "{sent:?}");
                                assert_eq!(duplicate, place < written, "{sent:?}");
                                if duplicate {
                                    assert_eq!(identifier, identifiers[place], "{sent:?}");
                                }
                                identifiers[place] = identifier;
                            }
                            written = written.max(part);
                            sender.reconnect();
                        }
                        judged += 1;
                    }
                }
            }
        }
    }
    Ok(judged)
}

/// The Packet Identifiers, that of the last packet first: in this order PUBRECs come.
fn last_first(sent: &[Sent]) -> Vec<u16> {
    let identifier = |packet: &Sent| match packet {
        Sent::Publish { identifier, .. } | Sent::PubRel(identifier) => *identifier,
    };
    sent.iter().rev().map(identifier).collect()
}

fn pubrec(identifier: u16) -> [u8; 4] {
    let [high, low] = identifier.to_be_bytes();
    [PacketType::PubRec.first_byte(), 2, high, low]
}

/// [MQTT-4.6.0-4]: some PUBRECs came before the connection was lost, and so many of their PUBRELs fit into the
/// buffer of the next one; then the other PUBRECs come. The PUBRELs keep the order of the PUBRECs.
fn a_first_pubrec_that_comes_while_pubrels_wait() -> Outcome {
    let mut judged = 0;
    for role in ROLES {
        for messages in 1..=5_usize {
            for before in 0..=messages {
                for fit in 0..=before {
                    let mut sender = Sender::new(role);
                    for number in 0..messages {
                        sender.publish(Qos::ExactlyOnce, number as u8);
                    }
                    let released = last_first(&sender.write(messages * PUBLISH));
                    for identifier in &released[..before] {
                        sender.receive(&pubrec(*identifier));
                    }
                    sender.reconnect();
                    let mut pubrels = sender.write(fit * PUBREL);
                    for identifier in &released[before..] {
                        sender.receive(&pubrec(*identifier));
                    }
                    pubrels.extend(sender.write(1_000));
                    let expected: Vec<_> = released.iter().map(|id| Sent::PubRel(*id)).collect();
                    assert_eq!(pubrels, expected, "{before} before, {fit} fit");
                    judged += 1;
                }
            }
        }
    }
    Ok(judged)
}

/// [MQTT-4.3.3-4], [MQTT-2.2.1-5], [MQTT-4.6.0-4]: the connection is resumed while PUBRELs are due, of which so many
/// fit into the buffer; then any PUBREC comes once more. Each message gets its own PUBREL, in the order of the
/// PUBRECs, and the repeated PUBREC one more, of its own identifier.
fn a_pubrec_that_comes_again_while_pubrels_wait() -> Outcome {
    let mut judged = 0;
    for role in ROLES {
        for messages in 1..=4_usize {
            for fit in 0..=messages {
                for again in 0..messages {
                    let mut sender = Sender::new(role);
                    for number in 0..messages {
                        sender.publish(Qos::ExactlyOnce, number as u8);
                    }
                    let released = last_first(&sender.write(messages * PUBLISH));
                    for identifier in &released {
                        sender.receive(&pubrec(*identifier));
                    }
                    sender.reconnect();
                    let mut pubrels = sender.write(fit * PUBREL);
                    assert_eq!(pubrels.len(), fit);
                    sender.receive(&pubrec(released[again]));
                    pubrels.extend(sender.write(1_000));
                    let mut once = pubrels.clone();
                    let last = once
                        .iter()
                        .rposition(|sent| *sent == Sent::PubRel(released[again]))
                        .expect("an answer");
                    assert!(last >= fit, "the repeated PUBREC is answered: {pubrels:?}");
                    if pubrels.len() > messages {
                        once.remove(last);
                    }
                    let expected: Vec<_> = released.iter().map(|id| Sent::PubRel(*id)).collect();
                    assert_eq!(once, expected, "{pubrels:?}");
                    // Each exchange ends once.
                    for identifier in &released {
                        let [high, low] = identifier.to_be_bytes();
                        let pubcomp = [PacketType::PubComp.first_byte(), 2, high, low];
                        sender.receive(&pubcomp);
                    }
                    sender.reconnect();
                    assert_eq!(sender.write(1_000), []);
                    judged += 1;
                }
            }
        }
    }
    Ok(judged)
}
