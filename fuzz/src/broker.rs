//! The broker, its clients and its second place in the world of `mqtt5_spec_tests::broker_world`: the bytes decide what
//! happens next, among everything that can.
//!
//! One byte for each decision, modulo the number of alternatives; when they are used up, the faults stop and
//! everything has to come to rest.

use mqtt5_spec_tests::broker_world::{BrokerWorld, scenarios};
use mqtt5_spec_tests::explore::run_bytes;

/// Runs that differ only in what comes after this many decisions are not worth their time.
const LONGEST: usize = 1024;

/// Makes the run that `data` describes.
///
/// # Panics
///
/// If a monitor objects, or the run does not come to rest; the message shows the shortened run.
pub fn check(data: &[u8]) {
    let data = &data[..data.len().min(LONGEST)];
    let config = scenarios::everything();
    if let Err(found) = run_bytes::<BrokerWorld>(&config, data) {
        let short = found.minimised::<BrokerWorld>(&config, 2_000);
        panic!("{}", short.drawn::<BrokerWorld>(&config));
    }
}
