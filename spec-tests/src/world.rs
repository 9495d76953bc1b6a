//! The world in which the shipped machines are explored: a real [`Client`], a real
//! [`Server`](mqtt5_session_fsm::Server) for each connection that a broker holds, their real bytes, and
//! everything around them.
//!
//! # What is real, and what is not
//!
//! * The machines are those of `mqtt5-session-fsm`, unchanged, and the bytes are those that they
//!   write. Their hosts obey the contract of that crate: after each input `poll` is called until it says
//!   nothing, what it says is done in its order, and what has to be stored is stored before the next call.
//! * A host may be away for a while: it sleeps, has no room to send, or puts off `poll` or reading. Bytes then reach its
//!   socket and lie there. Whether a peer was silent is judged by the bytes that came, not by what a machine believes.
//! * The network is two pipes of bytes for each connection. Packets arrive one by one, several at once, or in
//!   parts; when one side has noticed that a connection is gone, the other may still read what was under way,
//!   or lose it, and may go on writing into the void.
//! * There is one Client, and a broker that keeps its [`Session`] between connections. The applications
//!   publish numbered messages, so that an oracle knows what became of each, and how much is stored.
//! * Time is two integers, one for each side, which only jump from deadline to deadline.
//! * What can happen at all is limited by the budgets of a [`Config`]; within them, everything happens that
//!   can, in every order.
//!
//! The rules that monitors watch are listed in [`Rule`]. Every violation ends a run; see
//! [`crate::explore`] for the engines.

mod absence;
mod actions;
mod aged;
mod announced;
mod application;
mod client;
mod config;
pub(crate) mod coverage_points;
mod decisions;
mod describe;
mod events;
mod hostile;
mod link;
pub(crate) mod monitors;
mod observed;
mod publish;
pub mod scenarios;
mod server;
mod shell;
mod time;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mqtt5_session_fsm::{Client, Session};

pub use config::Config;
pub use coverage_points::{Kind, rows_not_run};
pub use monitors::Rule;

use self::application::{Flow, SIDES};
use self::config::Budget;
use self::link::Link;
use self::shell::Host;
use crate::explore::{CoveragePoint, Step, Turn, Violation, World};

/// A Client, a broker, and the network between them.
#[derive(Clone, Debug, Hash)]
pub struct SessionWorld {
    config: Shared,
    left: Budget,
    client: Client,
    /// The Session that the broker keeps, as long as no connection has it.
    stored: Option<Session>,
    /// The oldest first. The Client has the last one, if any.
    links: Vec<Link>,
    /// By side.
    hosts: [Host; 2],
    /// What each side publishes.
    flows: [Flow; 2],
    /// There was a connection before the present one.
    has_connected: bool,
    /// Somebody slipped a packet in: correct machines may complain about each other from now on.
    hostile: bool,
    /// A Session was lost, so that messages may be.
    lost_session: bool,
    split: Split,
}

/// Whether the two sides have the same Session.
///
/// A Session that ended at the Server alone is a hole in the protocol: if the CONNACK that tells it is lost,
/// the next one says that there is a Session, and the Client goes on with the old one. From then on a message
/// with QoS 2 may come twice, or be taken for one that has come already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Split {
    Same,
    /// The Server's has ended, the Client's has not.
    Ended,
    /// And the Client went on with it. (Or a hostile packet made them disagree in the same way.)
    Resumed,
}

/// The configuration is the same in all states, so it is no part of them.
#[derive(Clone, Debug)]
struct Shared(Arc<Config>);

impl Hash for Shared {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl World for SessionWorld {
    type Config = Config;

    const NAME: &'static str = "session";
    const LANES: &'static [&'static str] = &["client", "server"];

    fn new(config: &Config) -> Self {
        let [client, server] = SIDES.map(|side| aged::first_session(side, config));
        SessionWorld {
            config: Shared(Arc::new(config.clone())),
            left: Budget::new(config),
            hosts: SIDES.map(|side| Host::new(side, [&client, &server][side].as_ref(), config)),
            client: Client::new(config.client(), client.expect("a Client has a Session")),
            stored: server,
            links: Vec::new(),
            flows: [Flow::default(), Flow::default()],
            has_connected: false,
            hostile: false,
            lost_session: false,
            split: Split::Same,
        }
    }

    fn coverage_points(config: &Config) -> Vec<CoveragePoint> {
        coverage_points::all(config)
    }

    fn step(&mut self, turn: &mut Turn<'_>) -> Result<Step, Violation> {
        let actions = self.actions();
        if actions.is_empty() {
            return Ok(Step::Nothing);
        }
        let action = turn.pick(&actions);
        let step = self.perform(action, turn)?;
        self.check_room(turn)?;
        self.settle_hearing();
        self.links.retain(|link| !link.is_over());
        Ok(step)
    }

    fn is_quiescent(&self) -> bool {
        let mut sessions = SIDES.into_iter().filter_map(|side| self.session(side));
        self.is_connected()
            && self.links.len() == 1
            && self.links.iter().all(Link::is_idle)
            && self.hosts.iter().all(Host::is_idle)
            && self.flows.iter().all(Flow::is_settled)
            && sessions.all(|it| it.in_flight() == 0 && it.waiting() == 0)
    }

    fn stop_faults(&mut self) {
        self.left = self.left.without_faults();
    }
}
