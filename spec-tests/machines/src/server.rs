//! What the standard asks of a Server alone.

pub(crate) mod driver;
pub(crate) mod make;

mod announced_limits;
mod authentication;
mod clean_start;
mod client_identifier;
mod disconnect;
mod errors;
mod first_byte;
mod handshake;
mod keep_alive;
mod limits_of_one_client;
mod liveness;
mod order_of_sessions;
mod packet_size;
mod persistence;
mod phases;
mod problem_information;
mod re_authentication;
mod redirection;
mod requests;
mod session_expiry;
mod take_over;
mod will;

use crate::check::Check;

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(announced_limits::checks());
    checks.extend(authentication::checks());
    checks.extend(clean_start::checks());
    checks.extend(client_identifier::checks());
    checks.extend(disconnect::checks());
    checks.extend(errors::checks());
    checks.extend(first_byte::checks());
    checks.extend(handshake::checks());
    checks.extend(keep_alive::checks());
    checks.extend(liveness::checks());
    checks.extend(limits_of_one_client::checks());
    checks.extend(order_of_sessions::checks());
    checks.extend(packet_size::checks());
    checks.extend(persistence::checks());
    checks.extend(phases::checks());
    checks.extend(problem_information::checks());
    checks.extend(re_authentication::checks());
    checks.extend(redirection::checks());
    checks.extend(requests::checks());
    checks.extend(session_expiry::checks());
    checks.extend(take_over::checks());
    checks.extend(will::checks());
    checks
}
