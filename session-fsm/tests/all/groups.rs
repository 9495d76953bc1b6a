//! The groups of Shared Subscriptions against the rules of section 4.8.2, and against a model.

mod model;
mod random;
mod rules;

use mqtt5_session_fsm::broker::groups::{GroupsConfig, Policy};
use mqtt5_session_fsm::codec::TopicFilter;

const POLICIES: [Policy; 4] = [
    Policy::RoundRobin,
    Policy::Random,
    Policy::Sticky,
    Policy::LeastInFlight,
];

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}
