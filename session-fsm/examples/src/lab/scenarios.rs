//! The scenarios: one module each.

pub mod authentication;
mod crash;
mod cuts;
mod factory;
mod flow;
mod home;
mod mishap;
mod order;
mod qos;
mod retained;
mod rules;
mod subscriber;

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
        name: "flow",
        title: "Flow control, with a consumer that is slow and one that drops",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(flow::run(lab)),
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
        name: "retained",
        title: "Retained messages and late subscribers",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(retained::run(lab)),
    },
    Scenario {
        name: "rules",
        title: "Rules over User Properties",
        needs: Needs::AnyBroker,
        run: |lab| Box::pin(rules::run(lab)),
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
