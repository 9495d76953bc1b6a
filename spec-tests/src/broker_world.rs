//! The world in which the shipped broker is explored: a real [`Broker`](mqtt5_session_fsm::broker::Broker), its real
//! bytes and its real records, and everything around it.
//!
//! # What is real, and what is not
//!
//! * The broker is that of `mqtt5-session-fsm`, unchanged. Its host obeys the contract of that crate: it calls `poll`
//!   until it returns nothing, stores what `take_batch` returns, and lets go what `transmit` writes when the record is
//!   stored on which it depends.
//! * A second place keeps the last value of each key. The broker may be lost at any moment; another one is then made of
//!   what that place has, at a clock that is not quite the same, while the old one goes on for a while, unaware.
//! * Clients are small: they keep what a Session of a Client keeps, and acknowledge what they get. There is one for each
//!   ClientID, but connections that it has given up may still be open at the broker.
//! * The network is two lists of packets for each connection. When one side has noticed that a connection is gone, the
//!   other may still read what was under way, or lose it.
//! * A [model](Model) of the broker, written from the standard without a thought for speed, gets the same packets. It says
//!   what the broker may send and what it owes. It is part of what is stored, so that it falls back with the broker.
//! * What can happen at all is limited by the budgets of a [`Config`]; within them, everything happens that can, in every
//!   order.
//!
//! The rules that monitors watch are listed in [`Rule`]. Every violation ends a run; see
//! [`crate::explore`] for the engines.

mod actions;
mod client;
mod config;
mod deliveries;
mod downwards;
mod host;
mod losses;
mod model;
mod monitors;
mod packet;
mod rest;
pub mod scenarios;
mod setup;
mod upwards;

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mqtt5_session_fsm::broker::{BrokerConfig, ConnectionKey, Question};

pub use config::Config;
pub use monitors::{Kind, Rule};

use self::client::Client;
use self::config::Budget;
use self::host::Host;
use self::monitors::Judged;
use self::packet::{Down, Up};
use crate::explore::{CoveragePoint, Lane, Step, Turn, Violation, World};

/// A broker, its clients, and the network between them.
#[derive(Clone, Debug, Hash)]
pub struct BrokerWorld {
    settings: Settings,
    left: Budget,
    /// The clock of the broker's host.
    now: u64,
    host: Host,
    /// The broker that was lost, and does not know it.
    old: Option<Box<Host>>,
    links: Vec<Link>,
    clients: Vec<Client>,
    /// The number of the next message.
    next: u16,
}

/// The configuration, and what was objected to before the first step: the same in all states, so no part of them.
#[derive(Clone, Debug)]
struct Settings(Arc<(Config, BrokerConfig, Option<Violation>)>);

impl Hash for Settings {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A connection.
#[derive(Clone, Debug)]
struct Link {
    client: u8,
    /// Whether it is one of the broker that was lost.
    is_old: bool,
    /// Whether the client still has it.
    is_known: bool,
    /// The broker's name for it, as long as it has it.
    key: Option<ConnectionKey>,
    /// Whether the Session of the client is on it.
    is_accepted: bool,
    /// Whether nothing is read because the broker said so.
    is_stopped: bool,
    /// Whether something that the client sent was hostile.
    is_hostile: bool,
    /// Whether the broker may disconnect it, and why.
    may_end: Option<u8>,
    /// What the broker has not read.
    up: VecDeque<Up>,
    /// What waits for batches to be stored, and for how many.
    held: VecDeque<(u32, Down)>,
    /// Nothing comes any more: something waits for a record that is never stored.
    is_silent: bool,
    down: VecDeque<Down>,
    /// Acknowledgements that the broker owes, with the messages.
    owed: Vec<Owed>,
    question: Option<Question>,
}

/// An acknowledgement that the broker owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Owed {
    answer: Answer,
    identifier: u16,
    /// The Reason Codes that it may have.
    codes: [u8; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    PubAck,
    PubRec,
    PubComp,
    SubAck,
    UnsubAck,
}

impl Hash for Link {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let flags = [
            self.is_old,
            self.is_known,
            self.key.is_some(),
            self.is_accepted,
            self.is_stopped,
            self.is_hostile,
            self.is_silent,
            self.question.is_some(),
        ];
        let bits = flags
            .iter()
            .fold(0, |bits, flag| bits << 1 | u8::from(*flag));
        hasher.write(&[self.client, bits]);
        self.may_end.hash(hasher);
        self.up.hash(hasher);
        self.held.hash(hasher);
        self.down.hash(hasher);
        self.owed.hash(hasher);
    }
}

impl Link {
    /// Whether nobody has it any more.
    fn is_over(&self) -> bool {
        !self.is_known && self.key.is_none()
    }

    fn is_idle(&self) -> bool {
        self.up.is_empty()
            && self.down.is_empty()
            && self.held.is_empty()
            && self.question.is_none()
    }
}

impl BrokerWorld {
    fn config(&self) -> &Config {
        &self.settings.0.0
    }

    fn broker_config(&self) -> &BrokerConfig {
        &self.settings.0.1
    }

    /// The broker, or the one that was lost.
    fn host(&mut self, is_old: bool) -> &mut Host {
        match (is_old, &mut self.old) {
            (true, Some(old)) => old,
            _ => &mut self.host,
        }
    }

    /// What time it is for the broker, or for the one that was lost.
    fn time(&self, is_old: bool) -> u64 {
        let old = self.old.as_ref().filter(|_| is_old);
        self.now.max(old.map_or(0, |old| old.clock))
    }

    /// The connection that a client has.
    fn link_of(&self, client: u8) -> Option<usize> {
        let mut links = self.links.iter();
        links.position(|link| link.client == client && link.is_known)
    }

    /// Where a client, or a broker, is in a chart.
    const fn lane(client: u8) -> Lane {
        Lane(client as usize % 3)
    }

    const fn broker_lane(is_old: bool) -> Lane {
        Lane(if is_old { 4 } else { 3 })
    }
}

impl World for BrokerWorld {
    type Config = Config;

    const NAME: &'static str = "broker";
    const LANES: &'static [&'static str] =
        &["client 0", "client 1", "client 2", "broker", "old broker"];

    fn new(config: &Config) -> Self {
        setup::world(config)
    }

    fn coverage_points(config: &Config) -> Vec<CoveragePoint> {
        monitors::coverage(config)
    }

    fn step(&mut self, turn: &mut Turn<'_>) -> Result<Step, Violation> {
        if let Some(violation) = &self.settings.0.2 {
            return Err(violation.clone());
        }
        let actions = self.actions();
        if actions.is_empty() {
            return Ok(Step::Nothing);
        }
        let action = turn.pick(&actions);
        let step = self.perform(action, turn)?;
        self.settle(turn)?;
        Ok(step)
    }

    fn is_quiescent(&self) -> bool {
        self.is_at_rest() && self.clients.iter().all(Client::is_settled)
    }

    fn stop_faults(&mut self) {
        self.left = self.left.without_faults();
    }
}

/// What a step comes to.
type Stepped = Judged<Step>;
