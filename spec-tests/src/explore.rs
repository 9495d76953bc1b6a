//! One world, many ways to run it.
//!
//! A [`World`] is a closed system that makes one step at a time and asks [`Choose`] whenever
//! something could go one way or the other. Everything here is generic over worlds:
//!
//! | engine | runs | finds |
//! | --- | --- | --- |
//! | [`Exhaustive`] | every run within the budgets | shortest violations, stuck states, what never happened |
//! | [`Simulation`] | long runs with large budgets, from seeds | what needs many steps |
//! | [`run_numbers`] | runs that proptest makes up and shrinks | the same, in a property test |
//! | [`run_bytes`] | runs that libFuzzer steers by code coverage | corners that chance does not visit |
//! | `stateright::WorldModel` | every run, by another checker | whether our engine counts right; a web page to look at states |
//! | [`Trace::replay`] | one run again | nothing new: it shows, and keeps what was found from coming back |
//!
//! Each of them hands out a [`Counterexample`]: an objection and a [`Trace`] of choices, which can
//! be shortened ([`Counterexample::minimised`]), saved ([`TraceFile`]), repeated, and drawn
//! ([`chart`]). [`Presentation`] does all that for a program.

pub mod chart;
pub mod choice;
pub mod coverage;
pub mod exhaustive;
pub mod fingerprint;
pub mod log;
pub mod present;
pub mod report;
pub mod scenarios;
pub mod simulate;
#[cfg(feature = "stateright")]
pub mod stateright;
pub mod trace;
pub mod trace_file;
pub mod world;

mod expand;
mod graph;
mod minimise;
mod progress;

pub use choice::Choose;
pub use coverage::{Coverage, CoveragePoint, CoverageTable};
pub use exhaustive::Exhaustive;
pub use log::{Entry, Lane, Log};
pub use present::Presentation;
pub use report::{Report, Stuck, Verdict};
pub use simulate::{Failure, Simulation, SimulationReport, run_bytes, run_numbers};
pub use trace::{Counterexample, Replay, Trace};
pub use trace_file::TraceFile;
pub use world::{Step, Turn, Violation, World};
