//! Checks of the Client, the Server and the broker: what the standard demands of them, each as a script that a machine goes
//! through.
//!
//! `tests/spec` of `mqtt5-spec-tests` runs them, beside those of the codec. They are a package of their own
//! because they are long and compute little: optimized as the others are, they would take far longer to compile than to run.

mod broker;
pub mod check;
mod client;
mod entrance;
mod interrupted;
pub mod random;
mod server;
mod session;
mod v3_1_1;
mod version;

use check::Check;

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    let mut checks = interrupted::checks();
    for machines in [client::checks, server::checks, session::checks] {
        checks.extend(machines());
        checks.extend(entrance::through_handle(machines()));
    }
    checks.extend(broker::checks());
    checks.extend(v3_1_1::checks());
    checks
}
