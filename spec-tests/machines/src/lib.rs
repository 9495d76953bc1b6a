//! Checks of the Client, the Server and the broker: what the standard demands of them, each as a script that a machine goes
//! through.
//!
//! `tests/spec` of `mqtt5-spec-tests` runs them, beside those of the codec. They are a package of their own because they
//! are half of all checks and a tenth of what those compute: they need not be optimized as the others are.

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
