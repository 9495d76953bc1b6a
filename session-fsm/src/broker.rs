//! What lies between Clients: the parts of a Server that belong to no single Session.
//!
//! A [`Broker`] owns all Sessions and connections. Its parts are values of their own, usable
//! without the others:
//!
//! * [`groups`]: which member of a Shared Subscription gets a message, and what waits while none can
//!   take one (section 4.8.2).
//! * [`retained`]: the retained messages (section 3.3.1.3), and what a new subscription gets of
//!   them.
//! * [`subscriptions`]: which subscriptions match a Topic Name (section 4.7).

pub mod groups;
pub mod retained;
#[cfg(feature = "persistence")]
mod state;
pub mod subscriptions;

#[cfg(feature = "persistence")]
pub use self::state::{
    Admission, AnswerError, Broker, BrokerConfig, BrokerLimits, ClientLimits, ConnectionKey,
    DropReason, Fanout, Gone, Grant, Granted, Next, Notice, Overlap, Permission, Question,
    Recipient, SessionView, Statistics, Step, Transmitted, Verdict, journal,
};
