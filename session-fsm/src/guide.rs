//! Guides for those who build on this crate: which QoS to choose, what to store and when, and what it costs.

#[doc = include_str!("../docs/qos.md")]
pub mod qos {}

#[cfg(feature = "persistence")]
#[doc = include_str!("../docs/persistence.md")]
pub mod persistence {}

#[doc = include_str!("../docs/performance.md")]
pub mod performance {}
