//! The receiver half of a Server and of a Client, with a scripted peer.

use mqtt5_codec::{Connect, PacketType, Property, ReasonCode, Role};
use mqtt5_session_fsm::table::ReceiverState;
use mqtt5_session_fsm::{
    Acknowledgement, Client, Limits, SendError, Server, ServerConfig, Session, SessionConfig,
};
use proptest::prelude::*;

use crate::assert_same;
use crate::receiver_model::{Model, State};
use crate::session::driver::{Driver, Lines, connect_with};
use crate::session::machine::Machine;
use crate::session::make;

/// Few, so that they meet, and at both ends of the memory that identifiers are kept in.
const IDENTIFIERS: [u16; 8] = [1, 2, 3, 511, 512, 513, 40_000, 65_535];

/// Of PUBACK and PUBREC.
const CODES: [u8; 7] = [0x00, 0x10, 0x80, 0x83, 0x91, 0x97, 0x99];

/// One of all identifiers, or of those in use if there are any.
#[derive(Clone, Copy, Debug)]
struct Which {
    index: usize,
    used: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// With this QoS and DUP.
    Publish(Which, u8, bool),
    /// Says that the identifier is unknown, or not.
    Release(Which, bool),
    Subscribe(Which),
    /// To one of the requests.
    AnswerSubscribe(usize),
    /// About the message that was delivered this many before the last one.
    Decide(usize, u8),
    Lose,
    /// If there is a connection, only if `again`.
    Connect {
        again: bool,
        clean_start: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let which = |weight| {
        let used = prop::bool::weighted(weight);
        (0..IDENTIFIERS.len(), used).prop_map(|(index, used)| Which { index, used })
    };
    let connect = (prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    prop_oneof![
        13 => (which(0.25), 1..=2_u8, any::<bool>())
            .prop_map(|(which, qos, dup)| Step::Publish(which, qos, dup)),
        4 => (which(0.75), prop::bool::weighted(0.2))
            .prop_map(|(which, unknown)| Step::Release(which, unknown)),
        1 => which(0.0).prop_map(Step::Subscribe),
        2 => any::<usize>().prop_map(Step::AnswerSubscribe),
        10 => (0..6_usize, prop::sample::select(&CODES[..]))
            .prop_map(|(back, code)| Step::Decide(back, code)),
        1 => Just(Step::Lose),
        8 => connect.prop_map(|(again, clean_start)| Step::Connect { again, clean_start }),
    ]
}

/// What differs between the sides.
trait Half: Machine {
    /// A new Network Connection, and what is said of it.
    fn connect(
        driver: &mut Driver<Self>,
        setting: Setting,
        clean_start: bool,
        exists: bool,
    ) -> Lines;

    /// Whether there was a Network Connection.
    fn has_session(driver: &Driver<Self>) -> bool;

    /// Answers a SUBSCRIBE.
    fn answer_subscribe(driver: &mut Driver<Self>, identifier: u16);
}

impl Half for Server {
    fn connect(driver: &mut Driver<Self>, _: Setting, clean_start: bool, _: bool) -> Lines {
        let mut said = driver.lose();
        driver.begin(Server::new(driver.now, driver.config));
        let connect = Connect {
            clean_start,
            ..connect_with(&[Property::SessionExpiryInterval(u32::MAX)])
        };
        assert_eq!(driver.feed(&make::bytes(connect)), ["connect \"c\""]);
        let more = driver.accept_client(&[]).expect("accepted");
        let cut = |line: String| match line.split_once(" ReceiveMaximum") {
            Some((connack, _)) => connack.to_owned(),
            None => line,
        };
        said.extend(more.into_iter().map(cut));
        said
    }

    fn has_session(driver: &Driver<Self>) -> bool {
        driver.machine.session().is_some()
    }

    fn answer_subscribe(driver: &mut Driver<Self>, identifier: u16) {
        let (now, identifier) = (driver.now, make::id(identifier));
        let codes = [ReasonCode::GRANTED_QOS_0];
        let answered = driver
            .machine
            .acknowledge_subscribe(now, identifier, &codes, &[]);
        assert_eq!(answered, Ok(()));
    }
}

impl Half for Client {
    fn connect(
        driver: &mut Driver<Self>,
        (receive_maximum, _): Setting,
        clean_start: bool,
        exists: bool,
    ) -> Lines {
        let mut said = driver.lose();
        let announced = [
            Property::SessionExpiryInterval(u32::MAX),
            Property::ReceiveMaximum(receive_maximum.try_into().expect("not 0")),
        ];
        said.extend(driver.reconnect(&announced, exists && !clean_start, &[]));
        said
    }

    fn has_session(driver: &Driver<Self>) -> bool {
        driver.machine.session().exists()
    }

    fn answer_subscribe(_: &mut Driver<Self>, _: u16) {
        unreachable!("no Client gets a SUBSCRIBE");
    }
}

/// The Receive Maximum of this side, and whether the application acknowledges.
type Setting = (u16, bool);

struct Case<M: Half> {
    driver: Driver<M>,
    setting: Setting,
    model: Model,
}

impl<M: Half> Case<M> {
    fn new(setting: Setting, mut driver: Driver<M>) -> Self {
        // There is no connection at first.
        assert_eq!(driver.lose(), Lines::new());
        let (receive_maximum, manual) = setting;
        Case {
            driver,
            setting,
            model: Model {
                receive_maximum: receive_maximum.into(),
                manual,
                in_order: M::ROLE == Role::Client,
                ..Model::default()
            },
        }
    }

    fn run(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.model.said.clear();
            let said = self.step(step).into_iter().filter(|line| {
                let violation = line.strip_prefix("close ");
                assert!(
                    !violation.is_some_and(|it| it.contains('(')),
                    "not the peer's fault: {line}"
                );
                violation.is_none()
            });
            // Nothing is known about the order of messages, answers of each kind and events.
            let kind = |line: &str| line.split(['#', 'q', '[']).next().unwrap().to_owned();
            assert_same(said.collect(), &self.model.said, kind);
            self.check();
        }
    }

    fn identifier(&self, which: Which) -> u16 {
        let used: Vec<u16> = self.model.states.keys().copied().collect();
        match which.index.checked_rem(used.len()) {
            Some(index) if which.used => used[index],
            _ => IDENTIFIERS[which.index],
        }
    }

    fn step(&mut self, step: Step) -> Lines {
        match step {
            Step::Publish(which, qos, dup) => {
                let identifier = self.identifier(which);
                self.model.publish(identifier, qos);
                let payload = identifier.to_string();
                let packet = make::publish_with(qos, identifier, dup, "a", &payload, &[]);
                self.driver.feed(&packet)
            }
            Step::Release(which, unknown) => {
                let identifier = self.identifier(which);
                self.model.release(identifier);
                // The code changes nothing.
                let code = if unknown {
                    ReasonCode::PacketIdentifierNotFound
                } else {
                    ReasonCode::Success
                };
                self.driver
                    .feed(&make::ack(PacketType::PubRel, identifier, code))
            }
            // A packet that no Server sends.
            Step::Subscribe(_) if M::ROLE == Role::Client => Lines::new(),
            Step::Subscribe(which) => {
                let identifier = self.identifier(which);
                self.model.subscribe(identifier);
                self.driver.feed(&make::subscribe(identifier, &["a/#"]))
            }
            Step::AnswerSubscribe(which) => {
                let states = self.model.states.iter();
                let requests = states.filter(|(_, state)| **state == State::Request);
                let requests: Vec<u16> = requests.map(|(identifier, _)| *identifier).collect();
                let Some(index) = which.checked_rem(requests.len()) else {
                    return Lines::new();
                };
                self.model.answer_subscribe(requests[index]);
                M::answer_subscribe(&mut self.driver, requests[index]);
                self.driver.settle()
            }
            Step::Decide(back, code) => {
                let Some(last) = self.driver.receipts.len().checked_sub(1) else {
                    return Lines::new();
                };
                let number = last.saturating_sub(back);
                // A Client knows of no subscribers.
                let code = match code {
                    0x10 if M::ROLE == Role::Client => 0x00,
                    code => code,
                };
                self.model.decide(number, code);
                let code = ReasonCode::from_byte(code).expect("a Reason Code");
                let receipt = self.driver.receipts[number];
                match self.driver.try_acknowledge(receipt, code, &[]) {
                    Ok(()) => self.driver.settle(),
                    Err(SendError::Stale) => vec!["stale".into()],
                    Err(other) => panic!("{other}"),
                }
            }
            Step::Lose => {
                self.model.lose();
                self.driver.lose()
            }
            Step::Connect { again, .. } if self.model.online && !again => Lines::new(),
            Step::Connect { clean_start, .. } => {
                let exists = self.model.exists;
                self.model.connect(clean_start);
                M::connect(&mut self.driver, self.setting, clean_start, exists)
            }
        }
    }

    fn check(&self) {
        let Case { driver, model, .. } = self;
        assert_eq!(driver.machine.is_connected(), model.online);
        // Before the first connection there is none.
        if !model.exists {
            return assert!(!M::has_session(driver));
        }
        let session: &Session = driver.session();
        assert!(session.exists());
        for number in IDENTIFIERS {
            let expected = match model.states.get(&number) {
                None => ReceiverState::Free,
                Some(State::Request) => ReceiverState::Asked,
                Some(State::Deciding(1)) => ReceiverState::Deciding1,
                Some(State::Deciding(_)) => ReceiverState::Deciding2,
                Some(State::WaitPubRel) => ReceiverState::WaitPubRel,
            };
            let state = match session.receiver_state(make::id(number)) {
                // The model has no word for a PUBREC that is owed again.
                ReceiverState::Repeating => ReceiverState::WaitPubRel,
                state => state,
            };
            assert_eq!(state, expected, "{number}");
        }
    }
}

fn session_config((_, manual): Setting) -> SessionConfig {
    SessionConfig {
        acknowledgement: if manual {
            Acknowledgement::Manual
        } else {
            Acknowledgement::Automatic
        },
        ..SessionConfig::default()
    }
}

fn settings() -> impl Strategy<Value = Setting> {
    let receive_maximum = prop_oneof![3 => 1..5_u16, 2 => Just(65_535)];
    (receive_maximum, any::<bool>())
}

#[test]
fn receiver_half_of_a_server() {
    let case = |setting: Setting, steps| {
        let config = ServerConfig {
            limits: Limits {
                receive_maximum: setting.0,
                ..Limits::NONE
            },
            session: session_config(setting),
            ..ServerConfig::default()
        };
        Case::new(setting, Driver::serving(config)).run(steps);
    };
    crate::run(
        settings(),
        step(),
        case,
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

#[test]
fn receiver_half_of_a_client() {
    let case = |setting: Setting, steps| {
        Case::new(
            setting,
            Driver::<Client>::configured(session_config(setting)),
        )
        .run(steps);
    };
    crate::run(
        settings(),
        step(),
        case,
        &["free", "deciding 1", "deciding 2", "PUBREL"],
        &["PUBLISH 1", "PUBLISH 2", "PUBREL", "lost", "discarded"],
    );
}
