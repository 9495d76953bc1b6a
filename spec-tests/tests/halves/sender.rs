//! The sender half through a [`Client`], with a scripted Server.

use std::collections::BTreeMap;

use bytes::BufMut;
use mqtt5_codec::framing::{Split, split};
use mqtt5_codec::{
    ConnAck, Connect, ConnectProperties, Message, Packet, PacketIdentifier, Properties, Property,
    ProtocolVersion, PubAck, PubComp, PubRec, Publish, Qos, ReasonCode, ReasonCodes, Role, SubAck,
    Subscription, SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicName,
};
use mqtt5_session_fsm::table::SenderState;
use mqtt5_session_fsm::{
    Cause, Client, ClientConfig, Event, Instant, Outcome, Output, Publication, Session,
    SessionConfig, Token,
};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use crate::sender_model::{Answer, Model, Name, Said, State};

const NOW: Instant = Instant::ORIGIN;

/// How a Client is made.
#[derive(Clone, Copy, Debug)]
struct Setting {
    in_flight: u16,
    persistent: bool,
    /// Whether `poll` gets room for one packet at a time.
    narrow: bool,
}

#[derive(Clone, Debug)]
struct Reference {
    setting: Setting,
    model: Model,
}

#[derive(Clone, Copy, Debug)]
enum Transition {
    Publish(u8),
    Subscribe,
    /// To one of the identifiers in use, which is found by this number.
    Acknowledge(usize, Answer),
    /// To an identifier that is not in use.
    AcknowledgeUnknown(u16, Answer),
    Lose,
    /// The process ends; the Session is kept.
    Replace,
    Connect {
        clean_start: bool,
        session_present: bool,
        receive_maximum: u16,
    },
}

impl Reference {
    /// Names of what has an identifier.
    fn in_use(&self) -> Vec<Name> {
        let states = self.model.states.iter();
        let used = states.filter(|(_, state)| !matches!(state, State::Waiting(_)));
        used.map(|(name, _)| *name).collect()
    }

    fn nth(&self, number: usize) -> Option<Name> {
        let names = self.in_use();
        names.get(number.checked_rem(names.len())?).copied()
    }
}

/// An acknowledgement of the right kind more often than not.
fn answer() -> BoxedStrategy<Answer> {
    let code = || prop_oneof![4 => Just(0x00), 1 => Just(0x10), 2 => Just(0x80), 1 => Just(0x97)];
    prop_oneof![
        code().prop_map(Answer::PubAck),
        code().prop_map(Answer::PubRec),
        prop_oneof![3 => Just(0x00), 1 => Just(0x92)].prop_map(Answer::PubComp),
        prop_oneof![Just(0x01), Just(0x80)].prop_map(Answer::SubAck),
    ]
    .boxed()
}

/// One that the state waits for.
fn lawful(state: State) -> BoxedStrategy<Answer> {
    answer()
        .prop_map(move |ack| match (state, ack) {
            (State::WaitPubAck, Answer::PubRec(code)) => Answer::PubAck(code),
            (State::WaitPubRec, Answer::PubAck(code)) => Answer::PubRec(code),
            (State::WaitPubAck, Answer::PubComp(_) | Answer::SubAck(_)) => Answer::PubAck(0),
            (State::WaitPubRec, Answer::PubComp(_) | Answer::SubAck(_)) => Answer::PubRec(0),
            (State::WaitPubComp, Answer::PubAck(_) | Answer::SubAck(_)) => Answer::PubComp(0),
            (State::WaitSubAck, Answer::PubAck(_) | Answer::PubRec(_) | Answer::PubComp(_)) => {
                Answer::SubAck(0)
            }
            (_, ack) => ack,
        })
        .boxed()
}

impl ReferenceStateMachine for Reference {
    type State = Reference;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Reference> {
        let in_flight = prop_oneof![3 => Just(u16::MAX), 1 => 1..4_u16];
        (in_flight, any::<bool>(), any::<bool>())
            .prop_map(|(in_flight, persistent, narrow)| Reference {
                setting: Setting {
                    in_flight,
                    persistent,
                    narrow,
                },
                model: Model::default(),
            })
            .boxed()
    }

    fn transitions(state: &Reference) -> BoxedStrategy<Transition> {
        let exists = state.model.exists;
        let connect = (
            prop::bool::weighted(0.1),
            prop::bool::weighted(if exists { 0.85 } else { 0.1 }),
            1..6_u16,
        )
            .prop_map(|(clean_start, session_present, receive_maximum)| {
                Transition::Connect {
                    clean_start,
                    session_present,
                    receive_maximum,
                }
            });
        let publish = prop_oneof![1 => Just(0_u8), 3 => Just(1), 5 => Just(2)];
        let mut choices = vec![
            (12, publish.prop_map(Transition::Publish).boxed()),
            (1, Just(Transition::Lose).boxed()),
            (1, Just(Transition::Replace).boxed()),
            (if state.model.online { 2 } else { 20 }, connect.boxed()),
            (
                2,
                (1..12_u16, answer())
                    .prop_map(|(id, ack)| Transition::AcknowledgeUnknown(id, ack))
                    .boxed(),
            ),
        ];
        if state.model.online {
            choices.push((2, Just(Transition::Subscribe).boxed()));
        }
        for (number, name) in state.in_use().into_iter().enumerate() {
            let lawful = lawful(state.model.states[&name]);
            choices.push((
                8,
                lawful
                    .prop_map(move |ack| Transition::Acknowledge(number, ack))
                    .boxed(),
            ));
        }
        if !state.in_use().is_empty() {
            let any = (0..8_usize, answer());
            choices.push((
                2,
                any.prop_map(|(number, ack)| Transition::Acknowledge(number, ack))
                    .boxed(),
            ));
        }
        prop::strategy::Union::new_weighted(choices).boxed()
    }

    fn preconditions(state: &Reference, transition: &Transition) -> bool {
        match transition {
            Transition::Subscribe => state.model.online,
            Transition::Acknowledge(..) => !state.in_use().is_empty(),
            _ => true,
        }
    }

    fn apply(mut state: Reference, transition: &Transition) -> Reference {
        state.model.said.clear();
        let model = &mut state.model;
        match *transition {
            Transition::Publish(qos) => model.publish(qos),
            Transition::Subscribe => model.subscribe(),
            Transition::Acknowledge(number, ack) => {
                let name = state.nth(number);
                state.model.acknowledge(name, ack);
            }
            Transition::AcknowledgeUnknown(_, ack) => model.acknowledge(None, ack),
            Transition::Lose | Transition::Replace => model.lose(),
            Transition::Connect {
                clean_start,
                session_present,
                receive_maximum,
            } => {
                let quota = receive_maximum.min(state.setting.in_flight);
                model.connect(clean_start, session_present, quota.into());
            }
        }
        state
    }
}

/// The Client, and what the names of the model stand for.
struct Sut {
    client: Client,
    setting: Setting,
    identifiers: BTreeMap<Name, PacketIdentifier>,
    tokens: BTreeMap<Token, Name>,
    names: Name,
    said: Vec<Said>,
    /// As many exchanges as were ever sent.
    wire: Vec<u8>,
}

fn as_ack(outcome: &Outcome<'_>) -> Option<Answer> {
    Some(match outcome {
        Outcome::PubAck(code, _) => Answer::PubAck(*code as u8),
        Outcome::PubRec(code, _) => Answer::PubRec(*code as u8),
        Outcome::PubComp(code, _) => Answer::PubComp(*code as u8),
        Outcome::SubAck(suback) => {
            assert_eq!(suback.reason_codes.len(), 1);
            Answer::SubAck(suback.reason_codes.iter().next().expect("one") as u8)
        }
        Outcome::Indeterminate => return None,
        other => panic!("an outcome that nothing leads to: {other:?}"),
    })
}

impl Sut {
    fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Outcome(token, outcome) => {
                let name = self
                    .tokens
                    .remove(token)
                    .expect("one outcome for each token");
                if *outcome == Outcome::Sent {
                    self.said.push(Said::Sent(name));
                } else {
                    self.said.push(Said::Outcome(name, as_ack(outcome)));
                    self.identifiers.remove(&name);
                }
            }
            Event::UnknownIdentifier { .. } => self.said.push(Said::Unknown),
            Event::SessionEnded => self.said.push(Said::SessionEnded),
            Event::Connected(_) => {}
            other => panic!("an event that nothing leads to: {other:?}"),
        }
    }

    /// Calls `poll` until it says nothing, and reads what was written.
    fn drain(&mut self) {
        let mut closed = None;
        let narrow = self.setting.narrow;
        loop {
            let room = if narrow { 100 } else { usize::MAX };
            let mut limited = (&mut self.wire).limit(room);
            match self.client.poll(NOW, &mut limited) {
                None => break,
                Some(Output::Event(event)) => self.see(&event),
                Some(Output::Persist(_)) => assert!(self.setting.persistent),
                Some(Output::NeedsRoom(needed)) => {
                    assert!(narrow && limited.remaining_mut() < needed && needed <= 100);
                }
                Some(Output::Close(cause)) => closed = Some(cause),
            }
        }
        let wire = std::mem::take(&mut self.wire);
        let mut input = &wire[..];
        let mut disconnected = None;
        while let Ok(Split::Packet { packet, rest }) = split(input, u32::MAX) {
            let packet = packet
                .decode_from(ProtocolVersion::V5_0, Role::Client)
                .expect("a good packet");
            assert!(disconnected.is_none(), "{packet:?} after DISCONNECT");
            self.see_packet(&packet, &mut disconnected);
            input = rest;
        }
        assert!(input.is_empty(), "half a packet");
        match (closed, disconnected) {
            (None, None) => {}
            (Some(Cause::PeerError(error)), Some(code)) => {
                assert_eq!(
                    (error.reason_code(), code),
                    (code, ReasonCode::ProtocolError)
                );
                self.said.push(Said::ProtocolError);
            }
            other => panic!("closed without a cause: {other:?}"),
        }
    }

    fn see_packet(&mut self, packet: &Packet<'_>, disconnected: &mut Option<ReasonCode>) {
        let said = match packet {
            Packet::Connect(connect) => Said::Connect {
                clean_start: connect.clean_start,
            },
            Packet::Publish(publish) => self.see_publish(publish),
            Packet::PubRel(pubrel) => {
                let identifier = pubrel.packet_identifier;
                match (self.name_of(identifier), pubrel.reason_code) {
                    (Some(name), ReasonCode::Success) => Said::PubRel(name),
                    (None, ReasonCode::PacketIdentifierNotFound) => Said::PubRelUnknown,
                    other => panic!("{pubrel:?} for {other:?}"),
                }
            }
            Packet::Subscribe(subscribe) => {
                self.bind(self.names, subscribe.packet_identifier);
                Said::Subscribe(self.names)
            }
            Packet::Disconnect(disconnect) => {
                *disconnected = Some(disconnect.reason_code);
                return;
            }
            other => panic!("a packet that nothing leads to: {other:?}"),
        };
        self.said.push(said);
    }

    fn see_publish(&mut self, publish: &Publish<'_>) -> Said {
        let name = Name::from_be_bytes(publish.payload.try_into().expect("a name"));
        let delivery = publish.delivery;
        let Some(identifier) = delivery.packet_identifier() else {
            return Said::Publish0(name);
        };
        match self.identifiers.get(&name) {
            Some(bound) => assert_eq!(*bound, identifier, "another identifier"),
            None => self.bind(name, identifier),
        }
        Said::Publish {
            name,
            qos: delivery.qos() as u8,
            dup: delivery.duplicate(),
        }
    }

    fn bind(&mut self, name: Name, identifier: PacketIdentifier) {
        assert_eq!(self.name_of(identifier), None, "{identifier:?} is in use");
        assert_eq!(self.identifiers.insert(name, identifier), None);
    }

    fn name_of(&self, identifier: PacketIdentifier) -> Option<Name> {
        let mut bound = self.identifiers.iter();
        bound
            .find(|(_, it)| **it == identifier)
            .map(|(name, _)| *name)
    }

    /// The first identifier from this one that nothing is bound to.
    fn unknown(&self, from: u16) -> PacketIdentifier {
        (from..)
            .filter_map(PacketIdentifier::new)
            .find(|identifier| self.name_of(*identifier).is_none())
            .expect("few are in use")
    }

    fn receive(&mut self, packet: &[u8]) {
        let mut input = packet;
        // What borrows from the Client is looked at before it is used again.
        let mut client = std::mem::replace(
            &mut self.client,
            Client::new(
                ClientConfig::default(),
                Session::of_client(SessionConfig::default()),
            ),
        );
        while let Some(event) = client.receive(NOW, &mut input) {
            self.see(&event);
        }
        self.client = client;
        assert!(input.is_empty());
    }

    fn acknowledge(&mut self, identifier: PacketIdentifier, ack: Answer) {
        let code = |byte| ReasonCode::from_byte(byte).expect("a Reason Code");
        let mut packet = Vec::new();
        match ack {
            Answer::PubAck(byte) => {
                PubAck::new(identifier, code(byte)).encode(ProtocolVersion::V5_0, &mut packet)
            }
            Answer::PubRec(byte) => {
                PubRec::new(identifier, code(byte)).encode(ProtocolVersion::V5_0, &mut packet)
            }
            Answer::PubComp(byte) => {
                PubComp::new(identifier, code(byte)).encode(ProtocolVersion::V5_0, &mut packet)
            }
            Answer::SubAck(byte) => {
                let list = [code(byte)];
                let codes = ReasonCodes::new(&list).expect("codes");
                SubAck::new(identifier, codes).encode(ProtocolVersion::V5_0, &mut packet)
            }
        }
        .expect("a good packet");
        self.receive(&packet);
    }

    fn connect(&mut self, clean_start: bool, session_present: bool, receive_maximum: u16) {
        let list = [Property::SessionExpiryInterval(u32::MAX)];
        let connect = Connect {
            clean_start,
            client_identifier: Text::new("someone").expect("a text"),
            properties: ConnectProperties::from(Properties::new(&list).expect("properties")),
            ..Connect::default()
        };
        self.client.connect(NOW, &connect).expect("a good CONNECT");
        self.drain();
        let receive_maximum = receive_maximum.try_into().expect("not zero");
        let list = [Property::ReceiveMaximum(receive_maximum)];
        let connack = ConnAck {
            session_present,
            reason_code: ReasonCode::Success,
            properties: Properties::new(&list).expect("properties"),
        };
        let mut packet = Vec::new();
        connack
            .encode(ProtocolVersion::V5_0, &mut packet)
            .expect("a good packet");
        self.receive(&packet);
    }
}

/// Each kind in its order; the outcomes of a Session that ends have none, nor has what is said of
/// different kinds.
fn sorted(said: &[Said]) -> Vec<Said> {
    let mut said = said.to_vec();
    said.sort_by_key(|said| match *said {
        Said::Connect { .. } => (0, 0),
        Said::PubRel(_) => (1, 0),
        Said::Publish { .. } => (2, 0),
        Said::Publish0(_) => (3, 0),
        Said::Sent(_) => (4, 0),
        Said::Outcome(name, _) => (5, name),
        Said::PubRelUnknown => (6, 0),
        Said::Subscribe(_) => (7, 0),
        Said::Unknown => (8, 0),
        Said::SessionEnded => (9, 0),
        Said::ProtocolError => (10, 0),
    });
    said
}

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = Sut;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> Sut {
        let setting = reference.setting;
        let session = Session::of_client(SessionConfig {
            in_flight: setting.in_flight,
            persistent: setting.persistent,
            ..SessionConfig::default()
        });
        Sut {
            client: Client::new(ClientConfig::default(), session),
            setting,
            identifiers: BTreeMap::new(),
            tokens: BTreeMap::new(),
            names: 0,
            said: Vec::new(),
            wire: Vec::new(),
        }
    }

    fn apply(mut sut: Sut, reference: &Reference, transition: Transition) -> Sut {
        sut.said.clear();
        match transition {
            Transition::Publish(qos) => {
                sut.names += 1;
                let payload = sut.names.to_be_bytes();
                let publish = Publish::new(TopicName::new("a").expect("a name"), &payload);
                let message = Message::new(&publish).expect("a message");
                let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][usize::from(qos)];
                let token = sut.client.publish(NOW, Publication::new(qos, message));
                sut.tokens.insert(token.expect("room"), sut.names);
            }
            Transition::Subscribe => {
                sut.names += 1;
                let filter = TopicFilter::new("a/#").expect("a filter");
                let options = SubscriptionOptions::default();
                let list = [Subscription { filter, options }];
                let subscriptions = Subscriptions::new(&list).expect("a list");
                let token = sut.client.subscribe(Properties::EMPTY, subscriptions);
                sut.tokens.insert(token.expect("connected"), sut.names);
            }
            Transition::Acknowledge(number, ack) => {
                // The model has acknowledged it already: what it was in use for is found here.
                let names: Vec<Name> = sut.identifiers.keys().copied().collect();
                let name = names[number % names.len()];
                let identifier = sut.identifiers[&name];
                sut.acknowledge(identifier, ack);
            }
            Transition::AcknowledgeUnknown(from, ack) => {
                let identifier = sut.unknown(from);
                sut.acknowledge(identifier, ack);
            }
            Transition::Lose => sut.client.connection_lost(NOW),
            Transition::Replace => {
                let fresh = Session::of_client(SessionConfig::default());
                let fresh = Client::new(ClientConfig::default(), fresh);
                let old = std::mem::replace(&mut sut.client, fresh);
                sut.client = Client::new(ClientConfig::default(), old.into_session(NOW));
            }
            Transition::Connect {
                clean_start,
                session_present,
                receive_maximum,
            } => sut.connect(clean_start, session_present, receive_maximum),
        }
        sut.drain();
        assert_eq!(sorted(&sut.said), sorted(&reference.model.said));
        sut
    }

    fn check_invariants(sut: &Sut, reference: &Reference) {
        let model = &reference.model;
        let session = sut.client.session();
        assert_eq!(sut.client.is_connected(), model.online);
        assert_eq!(session.exists(), model.exists);
        let mut bound = 0;
        let (mut in_flight, mut waiting) = (0, 0);
        for (name, state) in &model.states {
            let expected = match state {
                State::Waiting(_) => {
                    waiting += 1;
                    assert!(!sut.identifiers.contains_key(name));
                    continue;
                }
                State::WaitSubAck => SenderState::WaitSubAck,
                State::WaitPubAck => SenderState::WaitPubAck,
                State::WaitPubRec => SenderState::WaitPubRec,
                State::WaitPubComp => SenderState::WaitPubComp,
            };
            bound += 1;
            in_flight += u16::from(*state != State::WaitSubAck);
            assert_eq!(session.sender_state(sut.identifiers[name]), expected);
        }
        assert_eq!(sut.identifiers.len(), bound);
        assert_eq!(sut.tokens.len(), model.states.len());
        assert_eq!(
            (session.in_flight(), session.waiting()),
            (in_flight, waiting)
        );
    }
}

#[test]
fn sender_half() {
    crate::run::<Test>(
        &["free", "PUBACK", "PUBREC", "PUBCOMP", "SUBACK"],
        &["PUBACK", "PUBREC", "PUBREC error", "PUBCOMP", "SUBACK"],
    );
}
