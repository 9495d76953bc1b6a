//! Helpers beside the machines. Like the machines, they are pure and bounded, and have no clock. No
//! machine uses them.

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
