//! What lies between Clients: the parts of a Server that belong to no single Session.
//!
//! Each part is a value of its own, as the machines are: pure, bounded, without a clock, and usable
//! without the others.
//!
//! * [`retained`]: the retained messages (section 3.3.1.3), and what a new subscription gets of
//!   them.
//! * [`subscriptions`]: which subscriptions match a Topic Name (section 4.7).

pub mod retained;
pub mod subscriptions;
