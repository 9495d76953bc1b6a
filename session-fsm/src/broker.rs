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
//!
//! # Bounds
//!
//! Beside the Sessions and connections of its Clients, whose bounds are in [`memory`](crate::memory), a
//! [`Broker`] has:
//!
//! | container | bound | at the bound |
//! | --- | --- | --- |
//! | connections, Sessions | [`BrokerLimits`] | [`connected`](crate::broker::Broker::connected) returns an error; the CONNECT is refused with 0x97 |
//! | subscriptions | [`subscriptions`](crate::broker::BrokerLimits::subscriptions); those of one client, their nodes in the index, and their bytes: [`ClientLimits`] | SUBACK with 0x97 |
//! | groups of Shared Subscriptions and their members | [`GroupsConfig`](crate::broker::groups::GroupsConfig) | SUBACK with 0x97 |
//! | messages that wait in a group, or are with its members | `waiting`, `total_messages` and `total_bytes` of [`GroupsConfig`](crate::broker::groups::GroupsConfig) | others are dropped, or this one, with a [`Notice`] |
//! | retained messages | [`RetainedLimits`](crate::broker::retained::RetainedLimits) | PUBACK or PUBREC with 0x97 |
//! | cursors of retained messages | one for each subscription | a replaced subscription keeps its cursor, or gets a new one |
//! | messages on their way, whoever holds them, and the lists of their subscribers | [`message_bytes`](crate::broker::BrokerLimits::message_bytes) | PUBACK or PUBREC with 0x97; dropped at QoS 0, with a notice |
//! | messages on their way to many, of one client | one in slices; those that came with it | [`Step::Wait`] |
//! | notices for `poll` | [`notices`](crate::broker::BrokerLimits::notices), and those of one call | nothing is received or done |
//! | records for `take_batch` | [`batch_bytes`](crate::broker::BrokerLimits::batch_bytes), and those of one call | nothing is received or done |
//! | Sessions that have ended, until [`work`](crate::broker::Broker::work) has removed what they held | as many as [`sessions`](crate::broker::BrokerLimits::sessions) | the CONNECT is refused with 0x97 |

pub mod groups;
pub mod retained;
#[cfg(feature = "persistence")]
mod state;
pub mod subscriptions;

#[cfg(feature = "persistence")]
pub use self::state::{
    Admission, AnswerError, Broker, BrokerConfig, BrokerLimits, ClientLimits, ConnectionKey,
    DropReason, Fanout, Gone, Grant, Granted, Next, Notice, Overlap, Permission, Question,
    Recipient, Refusal, SessionView, Statistics, Step, Transmitted, Verdict, journal,
};
