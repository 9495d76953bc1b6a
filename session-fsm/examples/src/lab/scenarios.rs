//! The scenarios: one module each.

mod authentication;
mod breaker;
mod crash;
mod cuts;
mod failover;
mod qos;
mod requests;
mod will;
mod workers;

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
        name: "cuts",
        title: "A network that is cut again and again",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(cuts::run(lab)),
    },
    Scenario {
        name: "authentication",
        title: "Both sides prove that they know a password, by SCRAM-SHA-256",
        needs: Needs::OwnBroker,
        run: |lab| Box::pin(authentication::run(lab)),
    },
    Scenario {
        name: "requests",
        title: "Requests, and services that answer, fail, are silent, or are late",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(requests::run(lab)),
    },
    Scenario {
        name: "will",
        title: "Will Messages, and when they come",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(will::run(lab)),
    },
    Scenario {
        name: "breaker",
        title: "A circuit breaker that holds messages back while the network is down",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(breaker::run(lab)),
    },
    Scenario {
        name: "failover",
        title: "Several servers: a dead one, one that sends the client away, and a broker",
        needs: Needs::OwnBroker,
        run: |lab| Box::pin(failover::run(lab)),
    },
    Scenario {
        name: "workers",
        title: "Workers that share jobs: one dies, then the broker does",
        needs: Needs::OwnBroker,
        run: |lab| Box::pin(workers::run(lab)),
    },
];
