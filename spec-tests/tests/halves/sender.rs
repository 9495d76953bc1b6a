//! The sender half of a Client, with a scripted Server.

use std::collections::BTreeMap;

use mqtt5_codec::framing::LARGEST_PACKET;
use mqtt5_codec::{
    Connect, PacketType, Properties, Property, ReasonCode, Subscription, SubscriptionOptions,
    Subscriptions, TopicFilter,
};
use mqtt5_session_fsm::table::SenderState;
use mqtt5_session_fsm::{Client, SessionConfig};
use proptest::prelude::*;

use crate::assert_same;
use crate::sender_model::{Answer, Model, Name, State};
use crate::session::driver::{Driver, Lines, connect_with, identifier_of};
use crate::session::machine::Settings;
use crate::session::make;

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(u8),
    Subscribe,
    /// To one of the identifiers in use, which is found by this number; in a lawful way or not.
    Acknowledge(usize, Answer, bool),
    /// To an identifier that is not in use.
    AcknowledgeUnknown(u16, Answer),
    Lose,
    /// The process ends; the Session is kept.
    Replace,
    /// If there is a connection, only if `again`. A Server usually knows whether it has a Session.
    Connect {
        again: bool,
        clean_start: bool,
        knows: bool,
        receive_maximum: u16,
    },
}

fn answer() -> impl Strategy<Value = Answer> {
    let code = || prop_oneof![4 => Just(0x00), 1 => Just(0x10), 2 => Just(0x80), 1 => Just(0x97)];
    prop_oneof![
        code().prop_map(Answer::PubAck),
        code().prop_map(Answer::PubRec),
        prop_oneof![3 => Just(0x00), 1 => Just(0x92)].prop_map(Answer::PubComp),
        prop_oneof![Just(0x01), Just(0x80)].prop_map(Answer::SubAck),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let connect = (
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.87),
        1..6_u16,
    );
    let connect = connect.prop_map(
        |(again, clean_start, knows, receive_maximum)| Step::Connect {
            again,
            clean_start,
            knows,
            receive_maximum,
        },
    );
    prop_oneof![
        12 => prop_oneof![1 => Just(0_u8), 3 => Just(1), 5 => Just(2)].prop_map(Step::Publish),
        2 => Just(Step::Subscribe),
        20 => (any::<usize>(), answer(), prop::bool::weighted(0.9))
            .prop_map(|(which, answer, lawful)| Step::Acknowledge(which, answer, lawful)),
        2 => (1..12_u16, answer()).prop_map(|(from, answer)| Step::AcknowledgeUnknown(from, answer)),
        1 => Just(Step::Lose),
        1 => Just(Step::Replace),
        12 => connect,
    ]
}

struct Case {
    driver: Driver<Client>,
    persistent: bool,
    /// The limit of this side.
    in_flight: u16,
    model: Model,
    /// Of what is in flight.
    identifiers: BTreeMap<Name, u16>,
}

impl Case {
    fn new((in_flight, persistent): (u16, bool)) -> Self {
        let session = SessionConfig {
            in_flight,
            persistent,
            ..SessionConfig::default()
        };
        let settings = Settings {
            session,
            ..Settings::default()
        };
        Case {
            driver: Driver::set(settings),
            persistent,
            in_flight,
            model: Model::default(),
            identifiers: BTreeMap::new(),
        }
    }

    fn run(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.model.said.clear();
            let said = self.step(step);
            let said: Lines = said.iter().filter_map(|line| self.named(line)).collect();
            assert_same(said, &self.model.said, kind);
            self.check();
        }
    }

    fn step(&mut self, step: Step) -> Lines {
        let model = &mut self.model;
        match step {
            Step::Publish(qos) => {
                model.publish(qos);
                let name = model.names.to_string();
                self.driver.publish(qos, "a", &name)
            }
            Step::Subscribe if !model.online => Lines::new(),
            Step::Subscribe => {
                model.subscribe();
                let filter = TopicFilter::new("a/#").unwrap();
                let options = SubscriptionOptions::default();
                let list = [Subscription { filter, options }];
                let list = Subscriptions::new(&list).unwrap();
                let token = self.driver.machine.subscribe(Properties::EMPTY, list);
                self.driver.tokens.push(token.expect("connected"));
                self.driver.settle()
            }
            Step::Acknowledge(which, answer, lawful) => {
                let Some(index) = which.checked_rem(self.identifiers.len()) else {
                    return Lines::new();
                };
                let (name, identifier) = self.identifiers.iter().nth(index).unwrap();
                let state = model.states[name];
                let answer = if lawful { state.lawful(answer) } else { answer };
                model.acknowledge(Some(*name), answer);
                self.driver.feed(&packet(*identifier, answer))
            }
            Step::AcknowledgeUnknown(from, answer) => {
                model.acknowledge(None, answer);
                let is_unknown = |it: &u16| self.identifiers.values().all(|used| used != it);
                let identifier = (from..).find(is_unknown).unwrap();
                self.driver.feed(&packet(identifier, answer))
            }
            Step::Lose => {
                model.lose();
                self.driver.lose()
            }
            Step::Replace => {
                model.lose();
                let now = self.driver.now;
                let old = self.driver.machine.clone();
                let client = Client::new(self.driver.config, old.into_session(now));
                self.driver.begin(client);
                self.driver.settle()
            }
            Step::Connect { again, .. } if model.online && !again => Lines::new(),
            Step::Connect {
                clean_start,
                knows,
                receive_maximum,
                ..
            } => {
                let session_present = model.exists == knows;
                let quota = receive_maximum.min(self.in_flight);
                model.connect(clean_start, session_present, quota.into());
                self.connect(clean_start, session_present, receive_maximum)
            }
        }
    }

    fn connect(&mut self, clean_start: bool, session_present: bool, maximum: u16) -> Lines {
        let driver = &mut self.driver;
        let connect = Connect {
            clean_start,
            ..connect_with(&[Property::SessionExpiryInterval(u32::MAX)])
        };
        driver.machine.connect(driver.now, &connect).unwrap();
        driver.begin_again(LARGEST_PACKET);
        let mut said = driver.settle();
        let list = [Property::ReceiveMaximum(maximum.try_into().unwrap())];
        said.extend(driver.feed(&make::connack(session_present, ReasonCode::Success, &list)));
        said
    }

    /// A line with the name in place of the identifier, which the model does not know.
    fn named(&mut self, line: &str) -> Option<String> {
        if line.starts_with("persist ") {
            assert!(self.persistent, "{line}");
            return None;
        } else if line.starts_with("connected") {
            return None;
        } else if let Some(violation) = line.strip_prefix("close ") {
            assert!(!violation.contains('('), "not the peer's fault: {line}");
            return None;
        }
        if let Some((name, rest)) = line.strip_prefix('t').and_then(|it| it.split_once(' ')) {
            if rest != "Sent" {
                self.identifiers.remove(&name.parse().unwrap());
            }
            return Some(line.to_owned());
        }
        if !line.contains('#') || line.starts_with("> PUBLISH q0") {
            return Some(line.to_owned());
        }
        let identifier = identifier_of(line);
        let new = if line.starts_with("> PUBLISH") {
            line.split('"')
                .nth(1)
                .map(|payload| payload.parse().unwrap())
        } else {
            line.starts_with("> SUBSCRIBE").then_some(self.model.names)
        };
        let mut used = self.identifiers.iter();
        let bound = used
            .find(|(_, it)| **it == identifier)
            .map(|(name, _)| *name);
        let name = match (new, bound) {
            (None, bound) => bound,
            (Some(new), Some(bound)) => {
                assert_eq!(new, bound, "#{identifier} is in use");
                assert!(line.contains(" dup "), "#{identifier} is in use: {line}");
                Some(bound)
            }
            (Some(new), None) => {
                let before = self.identifiers.insert(new, identifier);
                assert_eq!(before, None, "another identifier: {line}");
                Some(new)
            }
        };
        let name = name.map_or("?".to_owned(), |name| name.to_string());
        Some(line.replacen(&format!("#{identifier}"), &format!("@{name}"), 1))
    }

    fn check(&self) {
        let Case { driver, model, .. } = self;
        let session = driver.session();
        assert_eq!(driver.machine.is_connected(), model.online);
        assert_eq!(session.exists(), model.exists);
        let (mut bound, mut in_flight, mut waiting) = (0, 0, 0);
        for (name, state) in &model.states {
            let expected = match state {
                State::Waiting(_) => {
                    waiting += 1;
                    assert!(!self.identifiers.contains_key(name));
                    continue;
                }
                State::WaitSubAck => SenderState::WaitSubAck,
                State::WaitPubAck => SenderState::WaitPubAck,
                State::WaitPubRec => SenderState::WaitPubRec,
                State::WaitPubComp => SenderState::WaitPubComp,
            };
            bound += 1;
            in_flight += u16::from(*state != State::WaitSubAck);
            let identifier = make::id(self.identifiers[name]);
            assert_eq!(session.sender_state(identifier), expected);
        }
        assert_eq!(self.identifiers.len(), bound);
        let counts = (session.in_flight(), session.waiting());
        assert_eq!(counts, (in_flight, waiting));
    }
}

fn packet(identifier: u16, answer: Answer) -> Vec<u8> {
    let code = |byte| ReasonCode::from_byte(byte).expect("a Reason Code");
    match answer {
        Answer::PubAck(byte) => make::ack(PacketType::PubAck, identifier, code(byte)),
        Answer::PubRec(byte) => make::ack(PacketType::PubRec, identifier, code(byte)),
        Answer::PubComp(byte) => make::ack(PacketType::PubComp, identifier, code(byte)),
        Answer::SubAck(byte) => make::suback(identifier, &[code(byte)]),
    }
}

/// The outcomes of a Session that ends have no order.
fn kind(line: &str) -> String {
    match line.strip_prefix('t') {
        Some(rest) if rest.ends_with(" Sent") => "sent".into(),
        Some(_) => line.into(),
        None if line.starts_with("> PUBLISH q0") => "q0".into(),
        None => line.replace(" q2", " q1").split('@').next().unwrap().into(),
    }
}

#[test]
fn sender_half() {
    let in_flight = prop_oneof![3 => Just(u16::MAX), 1 => 1..4_u16];
    crate::run(
        (in_flight, any::<bool>()),
        step(),
        |setting, steps| Case::new(setting).run(steps),
        &["free", "PUBACK", "PUBREC", "PUBCOMP", "SUBACK"],
        &["PUBACK", "PUBREC", "PUBREC error", "PUBCOMP", "SUBACK"],
    );
}
