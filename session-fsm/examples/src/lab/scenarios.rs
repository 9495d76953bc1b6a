//! The scenarios: one module each.

mod aliases;
mod announced;
pub mod authentication;
mod crash;
mod cuts;
mod qos;
mod restart;
mod session;
mod versions;

use std::pin::Pin;

use super::{Lab, Outcome, Result};

pub use self::crash::publishing_process;

/// One experiment.
#[derive(Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// Runs it.
    pub run: for<'a> fn(&'a Lab) -> Running<'a>,
}

/// A scenario under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome>> + 'a>>;

/// What a scenario needs of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// MQTT 5.
    AnyBroker,
    /// A broker that the lab can kill, or that knows what only the lab's own knows.
    OwnBroker,
}

/// All scenarios, in the order in which they run.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "qos",
        title: "QoS 0, 1 and 2 side by side",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(qos::run(lab)),
    },
    Scenario {
        name: "session",
        title: "A subscriber that is away",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(session::run(lab)),
    },
    Scenario {
        name: "cuts",
        title: "A network that is cut again and again",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(cuts::run(lab)),
    },
    Scenario {
        name: "restart",
        title: "A broker that is killed",
        needs: Needs::OwnBroker,
        run: |lab| Box::pin(restart::run(lab)),
    },
    Scenario {
        name: "crash",
        title: "A client that dies",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(crash::run(lab)),
    },
    Scenario {
        name: "aliases",
        title: "Topic Aliases",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(aliases::run(lab)),
    },
    Scenario {
        name: "announced",
        title: "What the server announces",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(announced::run(lab)),
    },
    Scenario {
        name: "versions",
        title: "MQTT 3.1.1 and MQTT 5 side by side",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(versions::run(lab)),
    },
];
