//! What works beside the machines: pure, bounded and without a clock, as they are. No machine uses any of it.

pub mod circuit_breaker;
pub mod deduplicate;
#[cfg(feature = "persistence")]
pub mod journal;
pub mod ordered_publisher;
pub mod ordering;
pub mod processing;
pub mod publish_breaker;
pub mod reconnect;
pub mod request_response;
pub mod routing;
pub mod services;
