//! The scenarios: one module each.

mod aliases;
mod announced;
mod authentication;
mod breaker;
mod crash;
mod cuts;
mod factory;
mod failover;
mod flow;
mod home;
mod mishap;
mod order;
mod qos;
mod requests;
mod restart;
mod retained;
mod rules;
mod session;
mod subscriber;
mod versions;
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
        name: "session",
        title: "A subscriber that is away",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(session::run(lab)),
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
        name: "subscriber",
        title: "A subscriber that processes each message once",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(subscriber::run(lab)),
    },
    Scenario {
        name: "order",
        title: "Order from end to end",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(order::run(lab)),
    },
    Scenario {
        name: "flow",
        title: "Flow control, with a consumer that is slow and one that drops",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(flow::run(lab)),
    },
    Scenario {
        name: "breaker",
        title: "A circuit breaker that holds messages back while the network is down",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(breaker::run(lab)),
    },
    Scenario {
        name: "will",
        title: "Will Messages, and when they come",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(will::run(lab)),
    },
    Scenario {
        name: "retained",
        title: "Retained messages and late subscribers",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(retained::run(lab)),
    },
    Scenario {
        name: "requests",
        title: "Requests, and services that answer, fail, are silent, or are late",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(requests::run(lab)),
    },
    Scenario {
        name: "rules",
        title: "Rules over User Properties",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(rules::run(lab)),
    },
    Scenario {
        name: "aliases",
        title: "What Topic Aliases save",
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
    Scenario {
        name: "authentication",
        title: "Both sides prove that they know a password, by SCRAM-SHA-256",
        needs: Needs::OwnBroker,
        run: |lab| Box::pin(authentication::run(lab)),
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
    Scenario {
        name: "factory",
        title: "A factory: readings, alerts and commands",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(factory::run(lab)),
    },
    Scenario {
        name: "home",
        title: "A home: lamps, an alarm, a door and a phone",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(home::run(lab)),
    },
];
