//! The two halves of QoS delivery (section 4.3), neither of which knows whether it serves a Client
//! or a Server.

mod identifiers;
mod manual;
mod receiver;
mod sender;
mod slots;
pub mod table;

pub use manual::Receipt;

pub(crate) use manual::Decision;
pub(crate) use receiver::{Arrival, Receiver};
pub(crate) use sender::{Request, Sender};
