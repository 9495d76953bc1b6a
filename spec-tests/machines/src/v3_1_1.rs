//! MQTT 3.1.1: the machines and the broker by the rules of the older standard. Sections here are those of MQTT 3.1.1.

mod alike;
mod bridge;
mod broker;
mod client;
mod server;
mod session;
mod wire;

use crate::check::Check;

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(session::checks());
    checks.extend(client::checks());
    checks.extend(server::checks());
    checks.extend(broker::checks());
    checks.extend(bridge::checks());
    checks.extend(alike::checks());
    checks
}
