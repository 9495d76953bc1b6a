//! Policies with short delays and without jitter.

use core::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::reconnect::{
    Backoff, ConnectionFailure, ReconnectPolicy, ReconnectSettings,
};

pub(crate) const NO_JITTER: u32 = Backoff::WITHOUT_JITTER;
pub(crate) const LOST: ConnectionFailure<'static> = ConnectionFailure::Network;

pub(crate) const SETTINGS: ReconnectSettings = ReconnectSettings {
    initial_delay: Duration::from_secs(1),
    maximum_delay: Duration::from_secs(10),
    growth_percent: 200,
    stable_after: Duration::from_secs(60),
    give_up_after: None,
    fall_back: false,
};

pub(crate) fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

pub(crate) fn policy(servers: &[&str]) -> ReconnectPolicy {
    ReconnectPolicy::new(SETTINGS, servers).unwrap()
}
