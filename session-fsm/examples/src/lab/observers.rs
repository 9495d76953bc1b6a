//! Observers: they have sockets and the codec, and nothing of the machines.

mod notebook;
mod observer;
mod recording;
mod socket;
mod witness;

pub use self::notebook::{Heard, Notebook};
pub use self::observer::{Observer, Trap};
pub use self::recording::{Direction, Entry, Happening, Recording, SeenPublish, number_of};
pub use self::socket::Socket;
pub use self::witness::Witness;
