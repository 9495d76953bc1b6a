//! The Session's and the connection's layers: a machine of either side against packets written by hand.
//!
//! The expectations come from the standard, in particular from its sections 3, 4.1 to 4.6, 4.9, 4.12 and 4.13. A rule that
//! binds both sides has one check, which runs as `client::SUBJECT::NAME` and as `server::SUBJECT::NAME`. Checks of one side
//! stand beside it, or in the folders `client` and `server`.

use crate::check::Check;

pub(crate) mod driver;
pub(crate) mod machine;
pub(crate) mod make;
pub(crate) mod tell;

mod disconnect;
mod errors;
mod expiry;
mod flow_control;
mod ordering;
mod outcomes;
pub(crate) mod packet_size;
mod publications;
mod qos_receiver;
mod qos_sender;
mod receive_maximum;
mod resume;
mod states;
mod stored;
mod stored_model;
mod topic_alias;
mod topic_alias_received;
mod waiting;

pub(crate) fn checks() -> Vec<Check> {
    [
        disconnect::checks(),
        errors::checks(),
        expiry::checks(),
        flow_control::checks(),
        ordering::checks(),
        outcomes::checks(),
        packet_size::checks(),
        publications::checks(),
        qos_receiver::checks(),
        qos_sender::checks(),
        receive_maximum::checks(),
        resume::checks(),
        states::checks(),
        stored::checks(),
        stored_model::checks(),
        topic_alias::checks(),
        topic_alias_received::checks(),
        waiting::checks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
