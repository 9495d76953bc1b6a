//! Client and Server machine in the world of `mqtt5_spec_tests::world`: the bytes decide what happens next,
//! among everything that can.
//!
//! The first byte says whether connections may be of MQTT 3.1.1, too. Then there is one byte for each decision, modulo
//! the number of alternatives; when they are used up, the faults stop and everything has to come to rest.

use mqtt5_spec_tests::explore::run_bytes;
use mqtt5_spec_tests::world::{SessionWorld, scenarios};

/// Runs that differ only in what comes after this many decisions are not worth their time.
const LONGEST: usize = 4096;

/// Makes the run that `data` describes.
///
/// # Panics
///
/// If a monitor objects, or the run does not come to rest; the message shows the shortened run.
pub fn check(data: &[u8]) {
    let data = &data[..data.len().min(LONGEST)];
    let (config, data) = match data.split_first() {
        Some((first, rest)) if first % 2 == 1 => (scenarios::both_versions(), rest),
        _ => (scenarios::everything(), data.get(1..).unwrap_or_default()),
    };
    if let Err(found) = run_bytes::<SessionWorld>(&config, data) {
        let short = found.minimised::<SessionWorld>(&config, 5_000);
        panic!("{}", short.drawn::<SessionWorld>(&config));
    }
}
