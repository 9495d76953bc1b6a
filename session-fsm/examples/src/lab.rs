//! The lab: what MQTT promises about reliability, seen over TCP, and counted by observers that do not use the library's state.
//!
//! A [`Scenario`](scenarios::Scenario) is one experiment. It publishes through [`Observer`](observers::Observer)s, which
//! forward bytes and read them with the codec alone, and listens by [`Witness`](observers::Witness)es, which have no more than
//! a socket and the codec. Its [`Outcome`] has the promises and whether they were kept.

mod context;
mod counting;
pub mod observers;
mod options;
mod outcome;
pub mod page;
mod print;
pub mod process;
mod run;
pub mod scenarios;
pub mod scram;
mod served;

pub use self::context::Lab;
pub use self::counting::{Latencies, Tally};
pub use self::options::Options;
pub use self::outcome::{Chart, Outcome, Promise, Table};
pub use self::run::run;

/// What a scenario cannot go on without, as a sentence.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The result of everything in the lab that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;
