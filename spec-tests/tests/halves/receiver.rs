//! The receiver half through a [`Server`], with a scripted Client.

use mqtt5_codec::framing::{Split, split};
use mqtt5_codec::{
    Connect, ConnectProperties, Delivery, Packet, PacketIdentifier, Properties, Property,
    ProtocolVersion, PubRel, Publish, Qos, ReasonCode, Role, Subscribe, Subscription,
    SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicName,
};
use mqtt5_session_fsm::table::ReceiverState;
use mqtt5_session_fsm::{
    Acknowledgement, Cause, Event, Instant, Limits, Output, Receipt, SendError, Server,
    ServerConfig, Session, SessionConfig,
};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use crate::receiver_model::{Model, Said, State};

const NOW: Instant = Instant::ORIGIN;

/// Few, so that they meet, and at both ends of the memory that identifiers are kept in.
const IDENTIFIERS: [u16; 8] = [1, 2, 3, 511, 512, 513, 40_000, 65_535];

/// Of PUBACK and PUBREC.
const CODES: [u8; 7] = [0x00, 0x10, 0x80, 0x83, 0x91, 0x97, 0x99];

#[derive(Clone, Copy, Debug)]
enum Transition {
    Publish {
        identifier: u16,
        qos: u8,
        dup: bool,
    },
    Release {
        identifier: u16,
        unknown: bool,
    },
    Subscribe {
        identifier: u16,
    },
    AnswerSubscribe {
        identifier: u16,
    },
    /// About the message that was delivered so many before the last one.
    Decide {
        back: usize,
        code: u8,
    },
    Lose,
    Connect {
        clean_start: bool,
    },
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Model;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Model> {
        let receive_maximum = prop_oneof![3 => 1..5_usize, 2 => Just(65_535)];
        (receive_maximum, any::<bool>())
            .prop_map(|(receive_maximum, manual)| Model {
                receive_maximum,
                manual,
                ..Model::default()
            })
            .boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Transition> {
        let identifier = || prop::sample::select(&IDENTIFIERS[..]);
        let in_use: Vec<u16> = model.states.keys().copied().collect();
        let requests: Vec<u16> = model
            .states
            .iter()
            .filter_map(|(identifier, state)| (*state == State::Request).then_some(*identifier))
            .collect();
        let publish = |identifier: BoxedStrategy<u16>| {
            (identifier, 1..=2_u8, any::<bool>())
                .prop_map(|(identifier, qos, dup)| Transition::Publish {
                    identifier,
                    qos,
                    dup,
                })
                .boxed()
        };
        let release = |identifier: BoxedStrategy<u16>| {
            (identifier, prop::bool::weighted(0.2))
                .prop_map(|(identifier, unknown)| Transition::Release {
                    identifier,
                    unknown,
                })
                .boxed()
        };
        let connect = prop::bool::weighted(0.2);
        let mut choices = vec![
            (10, publish(identifier().boxed())),
            (1, release(identifier().boxed())),
            (
                1,
                identifier()
                    .prop_map(|identifier| Transition::Subscribe { identifier })
                    .boxed(),
            ),
            (1, Just(Transition::Lose).boxed()),
            (
                if model.online { 1 } else { 20 },
                connect
                    .prop_map(|clean_start| Transition::Connect { clean_start })
                    .boxed(),
            ),
        ];
        if model.manual && model.delivered > 0 {
            let decide = (0..6_usize, prop::sample::select(&CODES[..]))
                .prop_map(|(back, code)| Transition::Decide { back, code });
            choices.push((10, decide.boxed()));
        }
        if !in_use.is_empty() {
            let of_them = || prop::sample::select(in_use.clone()).boxed();
            choices.push((3, publish(of_them())));
            choices.push((3, release(of_them())));
        }
        if !requests.is_empty() {
            let answer = prop::sample::select(requests)
                .prop_map(|identifier| Transition::AnswerSubscribe { identifier });
            choices.push((2, answer.boxed()));
        }
        prop::strategy::Union::new_weighted(choices).boxed()
    }

    fn preconditions(model: &Model, transition: &Transition) -> bool {
        match transition {
            Transition::AnswerSubscribe { identifier } => {
                model.states.get(identifier) == Some(&State::Request)
            }
            Transition::Decide { .. } => model.manual && model.delivered > 0,
            _ => true,
        }
    }

    fn apply(mut model: Model, transition: &Transition) -> Model {
        model.said.clear();
        match *transition {
            Transition::Publish {
                identifier, qos, ..
            } => model.publish(identifier, qos),
            Transition::Release { identifier, .. } => model.release(identifier),
            Transition::Subscribe { identifier } => model.subscribe(identifier),
            Transition::AnswerSubscribe { identifier } => model.answer_subscribe(identifier),
            Transition::Decide { back, code } => {
                let last = model.delivered - 1;
                model.decide(last.saturating_sub(back), code);
            }
            Transition::Lose => model.lose(),
            Transition::Connect { clean_start } => model.connect(clean_start),
        }
        model
    }
}

struct Sut {
    config: ServerConfig,
    server: Server,
    /// Of all messages that were ever delivered, if acknowledgement is manual.
    receipts: Vec<Option<Receipt>>,
    said: Vec<Said>,
    wire: Vec<u8>,
}

impl Sut {
    fn see(&mut self, event: &Event<'_>) {
        let said = match event {
            Event::Message(delivered) => {
                let delivery = delivered.publish.delivery;
                self.receipts.push(delivered.receipt);
                assert_eq!(delivered.publish.payload, b"payload");
                Said::Deliver {
                    identifier: delivery.packet_identifier().expect("not QoS 0").get(),
                    qos: delivery.qos() as u8,
                }
            }
            Event::Subscribe(subscribe) => Said::Subscribe(subscribe.packet_identifier.get()),
            Event::UnknownIdentifier { .. } => Said::Unknown,
            Event::SessionEnded => Said::SessionEnded,
            Event::Connect(_) => return,
            other => panic!("an event that nothing leads to: {other:?}"),
        };
        self.said.push(said);
    }

    fn drain(&mut self) {
        let mut closed = None;
        while let Some(output) = self.server.poll(NOW, &mut self.wire) {
            match output {
                Output::Event(event) => self.see(&event),
                Output::Close(cause) => closed = Some(cause),
                other => panic!("an output that nothing leads to: {other:?}"),
            }
        }
        let wire = std::mem::take(&mut self.wire);
        let mut input = &wire[..];
        while let Ok(Split::Packet { packet, rest }) = split(input, u32::MAX) {
            let packet = packet
                .decode_from(ProtocolVersion::V5_0, Role::Server)
                .expect("a good packet");
            self.see_packet(&packet, closed);
            input = rest;
        }
        assert!(input.is_empty(), "half a packet");
        assert_eq!(
            closed.is_some(),
            matches!(self.said.last(), Some(Said::Disconnect(_)))
        );
    }

    fn see_packet(&mut self, packet: &Packet<'_>, closed: Option<Cause>) {
        let said = match packet {
            Packet::ConnAck(connack) => Said::ConnAck {
                session_present: connack.session_present,
            },
            Packet::PubAck(it) => Said::PubAck(it.packet_identifier.get(), it.reason_code as u8),
            Packet::PubRec(it) => Said::PubRec(it.packet_identifier.get(), it.reason_code as u8),
            Packet::PubComp(it) => Said::PubComp(it.packet_identifier.get(), it.reason_code as u8),
            Packet::SubAck(it) => {
                let code = it.reason_codes.iter().next().expect("one");
                Said::SubAck(it.packet_identifier.get(), code as u8)
            }
            Packet::Disconnect(disconnect) => {
                let Some(Cause::PeerError(error)) = closed else {
                    panic!("DISCONNECT without a cause: {closed:?}");
                };
                assert_eq!(error.reason_code(), disconnect.reason_code);
                Said::Disconnect(disconnect.reason_code as u8)
            }
            other => panic!("a packet that nothing leads to: {other:?}"),
        };
        self.said.push(said);
    }

    fn receive(&mut self, packet: &[u8]) {
        let mut input = packet;
        let mut server = std::mem::replace(&mut self.server, Server::new(NOW, self.config));
        if let Some(event) = server.receive(NOW, &mut input) {
            self.see(&event);
        }
        self.server = server;
        assert!(input.is_empty());
    }

    fn lose(&mut self) {
        self.server.connection_lost(NOW);
        self.drain();
    }

    fn connect(&mut self, clean_start: bool) {
        self.lose();
        let session = self.server.take_session(NOW);
        self.server = Server::new(NOW, self.config);
        let list = [Property::SessionExpiryInterval(u32::MAX)];
        let connect = Connect {
            clean_start,
            client_identifier: Text::new("someone").expect("a text"),
            properties: ConnectProperties::from(Properties::new(&list).expect("properties")),
            ..Connect::default()
        };
        let mut packet = Vec::new();
        connect
            .encode(ProtocolVersion::V5_0, &mut packet)
            .expect("a good packet");
        self.receive(&packet);
        self.server.accept(NOW, session, &[]).expect("accepted");
    }
}

/// Each kind in its order; nothing is said about the order of different kinds.
fn sorted(said: &[Said]) -> Vec<Said> {
    let mut said = said.to_vec();
    said.sort_by_key(|said| match said {
        Said::ConnAck { .. } => 0,
        Said::Deliver { .. } => 1,
        Said::PubAck(..) => 2,
        Said::PubRec(..) => 3,
        Said::PubComp(..) => 4,
        Said::Subscribe(_) => 5,
        Said::SubAck(..) => 6,
        Said::Unknown => 7,
        Said::Stale => 8,
        Said::SessionEnded => 9,
        Said::Disconnect(_) => 10,
    });
    said
}

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .expect("a good packet");
    bytes
}

fn identifier(number: u16) -> PacketIdentifier {
    PacketIdentifier::new(number).expect("not zero")
}

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = Sut;
    type Reference = Reference;

    fn init_test(model: &Model) -> Sut {
        let config = ServerConfig {
            limits: Limits {
                receive_maximum: u16::try_from(model.receive_maximum).expect("a Receive Maximum"),
                ..Limits::NONE
            },
            session: SessionConfig {
                acknowledgement: if model.manual {
                    Acknowledgement::Manual
                } else {
                    Acknowledgement::Automatic
                },
                ..SessionConfig::default()
            },
            ..ServerConfig::default()
        };
        let mut server = Server::new(NOW, config);
        // There is no connection at first.
        server.connection_lost(NOW);
        Sut {
            config,
            server,
            receipts: Vec::new(),
            said: Vec::new(),
            wire: Vec::new(),
        }
    }

    fn apply(mut sut: Sut, model: &Model, transition: Transition) -> Sut {
        sut.said.clear();
        match transition {
            Transition::Publish {
                identifier: number,
                qos,
                dup,
            } => {
                let qos = [Qos::AtLeastOnce, Qos::ExactlyOnce][usize::from(qos) - 1];
                let delivery = Delivery::new(qos, identifier(number), dup);
                let topic = TopicName::new("a").expect("a name");
                let publish = Publish {
                    delivery,
                    ..Publish::new(topic, b"payload")
                };
                sut.receive(&encoded(&Packet::Publish(publish)));
            }
            Transition::Release {
                identifier: number,
                unknown,
            } => {
                // The code changes nothing.
                let code = if unknown {
                    ReasonCode::PacketIdentifierNotFound
                } else {
                    ReasonCode::Success
                };
                let pubrel = PubRel::new(identifier(number), code);
                sut.receive(&encoded(&Packet::PubRel(pubrel)));
            }
            Transition::Subscribe { identifier: number } => {
                let filter = TopicFilter::new("a/#").expect("a filter");
                let options = SubscriptionOptions::default();
                let list = [Subscription { filter, options }];
                let subscriptions = Subscriptions::new(&list).expect("a list");
                let subscribe = Subscribe::new(identifier(number), subscriptions);
                sut.receive(&encoded(&Packet::Subscribe(subscribe)));
            }
            Transition::AnswerSubscribe { identifier: number } => {
                let codes = [ReasonCode::GRANTED_QOS_0];
                let answered =
                    sut.server
                        .acknowledge_subscribe(NOW, identifier(number), &codes, &[]);
                assert_eq!(answered, Ok(()));
            }
            Transition::Decide { back, code } => {
                let last = sut.receipts.len() - 1;
                let receipt = sut.receipts[last.saturating_sub(back)].expect("manual");
                let code = ReasonCode::from_byte(code).expect("a Reason Code");
                match sut.server.acknowledge_with(receipt, code, &[]) {
                    Ok(()) => {}
                    Err(SendError::Stale) => sut.said.push(Said::Stale),
                    Err(other) => panic!("{other}"),
                }
            }
            Transition::Lose => sut.lose(),
            Transition::Connect { clean_start } => sut.connect(clean_start),
        }
        sut.drain();
        assert_eq!(sorted(&sut.said), sorted(&model.said));
        sut
    }

    fn check_invariants(sut: &Sut, model: &Model) {
        assert_eq!(sut.server.is_connected(), model.online);
        assert_eq!(
            sut.server.session().is_some_and(Session::exists),
            model.exists
        );
        let Some(session) = sut.server.session() else {
            return;
        };
        for number in IDENTIFIERS {
            let expected = match model.states.get(&number) {
                None => ReceiverState::Free,
                Some(State::Request) => ReceiverState::Asked,
                Some(State::Deciding(1)) => ReceiverState::Deciding1,
                Some(State::Deciding(_)) => ReceiverState::Deciding2,
                Some(State::WaitPubRel) => ReceiverState::WaitPubRel,
            };
            let state = match session.receiver_state(identifier(number)) {
                // The model has no word for a PUBREC that is owed again.
                ReceiverState::Repeating => ReceiverState::WaitPubRel,
                state => state,
            };
            assert_eq!(state, expected, "{number}");
        }
    }
}

#[test]
fn receiver_half() {
    crate::run::<Test>(
        &["free", "deciding 1", "deciding 2", "PUBREL", "request"],
        &[
            "PUBLISH 1",
            "PUBLISH 2",
            "PUBREL",
            "SUBSCRIBE",
            "lost",
            "discarded",
        ],
    );
}
