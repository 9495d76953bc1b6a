//! The version of MQTT that a check speaks: what the peers of the machines write, and how that is read which the machines
//! write.
//!
//! Where both standards say the same, one check runs twice, the second time in MQTT 3.1.1, under a name that begins with
//! `in_3_1_1::`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mqtt5_session_fsm::codec::ProtocolVersion;

use crate::check::Check;

thread_local! {
    static VERSION: Cell<ProtocolVersion> = const { Cell::new(ProtocolVersion::V5_0) };
}

/// The version that the check which runs now speaks.
pub(crate) fn version() -> ProtocolVersion {
    VERSION.get()
}

/// Whether that is MQTT 3.1.1.
pub(crate) fn is_3_1_1() -> bool {
    version() == ProtocolVersion::V3_1_1
}

/// The same check in MQTT 3.1.1.
pub(crate) fn in_3_1_1(check: Check) -> Check {
    check.wrapped("in_3_1_1", speaking_3_1_1)
}

/// What a check does, in MQTT 3.1.1.
pub(crate) fn speaking_3_1_1<R>(run: impl FnOnce() -> R) -> R {
    VERSION.set(ProtocolVersion::V3_1_1);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    VERSION.set(ProtocolVersion::V5_0);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}
