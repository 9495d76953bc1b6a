//! The exchanges of both sides (section 4.3): what is sent and received with a Packet Identifier.
//! Neither half knows whether it serves a Client or a Server.

pub(crate) mod linked_list;
mod receiver;
mod sender;
pub mod table;

pub use receiver::Receipt;
pub(crate) use receiver::{Decision, Receiver};
pub(crate) use sender::{Request, Sender};
