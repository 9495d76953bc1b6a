//! What the standard asks of a Client alone.

use crate::check::Check;
use crate::session::{make, tell};

mod authentication;
mod connack;
mod disconnect;
pub(crate) mod driver;
mod early_packets;
mod early_requests;
mod errors;
mod first_byte;
mod first_contact;
mod handshake;
mod keep_alive;
mod limits;
mod limits_of_resumption;
mod liveness;
mod order_of_sessions;
mod packet_size;
mod phases;
mod requests;
mod restart;
mod vectors;

pub(crate) fn checks() -> Vec<Check> {
    [
        authentication::checks(),
        connack::checks(),
        disconnect::checks(),
        early_packets::checks(),
        early_requests::checks(),
        errors::checks(),
        first_contact::checks(),
        first_byte::checks(),
        handshake::checks(),
        keep_alive::checks(),
        liveness::checks(),
        limits::checks(),
        limits_of_resumption::checks(),
        order_of_sessions::checks(),
        packet_size::checks(),
        phases::checks(),
        requests::checks(),
        restart::checks(),
        vectors::checks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
