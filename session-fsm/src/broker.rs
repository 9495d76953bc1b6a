//! What lies between clients: the parts of a broker, each of which is useful alone.
//!
//! * [`subscriptions`]: which subscriptions match a Topic Name (section 4.7).

pub mod subscriptions;
