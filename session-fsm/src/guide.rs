//! Guides: which QoS to choose, how to build a broker, what to store and when, what a message costs,
//! and what the machines log.

#[doc = include_str!("../docs/qos.md")]
pub mod qos {}

#[cfg(feature = "persistence")]
#[doc = include_str!("../docs/broker.md")]
pub mod broker {}

#[cfg(feature = "persistence")]
#[doc = include_str!("../docs/persistence.md")]
pub mod persistence {}

#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

#[doc = include_str!("../docs/tracing.md")]
pub mod tracing {}
