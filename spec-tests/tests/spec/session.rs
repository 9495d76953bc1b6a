//! The Session's and the connection's layers: a machine of either side against packets written by hand.
//!
//! What is right comes from the standard, in particular its sections 3, 4.1 to 4.6, 4.9, 4.12 and 4.13. A check of what
//! the standard asks of both sides is written once and runs for both, as `client::SUBJECT::NAME` and
//! `server::SUBJECT::NAME`. What it asks of one side alone stands beside it, or in the folders `client` and `server`.

use crate::check::Check;

pub(crate) mod driver;
pub(crate) mod machine;
pub(crate) mod make;
pub(crate) mod tell;

mod qos_sender;

pub(crate) fn checks() -> Vec<Check> {
    [qos_sender::checks()].into_iter().flatten().collect()
}
