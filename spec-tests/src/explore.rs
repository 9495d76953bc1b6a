//! One world, many ways to run it.
//!
//! A [`World`] is a closed system that makes one step at a time and asks [`Choose`] whenever something could go
//! one way or the other. Everything here is generic over worlds:
//!
//! | module | runs | finds |
//! | --- | --- | --- |
//! | [`exhaustive`] | every run within the budgets | shortest violations, stuck states, what never happened |
//!
//! Each of them hands out a [`Counterexample`]: a [`Trace`] of choices that can be saved ([`trace_file`]), repeated,
//! shortened and drawn ([`chart`]).

pub mod chart;
pub mod choice;
pub mod coverage;
pub mod exhaustive;
pub mod fingerprint;
pub mod log;
pub mod report;
pub mod trace;
pub mod trace_file;
pub mod world;

mod expand;
mod graph;
mod progress;

pub use choice::Choose;
pub use coverage::{Coverage, CoveragePoint, CoverageTable};
pub use exhaustive::Exhaustive;
pub use log::{Entry, Lane, Log};
pub use report::{Report, Verdict};
pub use trace::{Counterexample, Replay, Trace};
pub use trace_file::TraceFile;
pub use world::{Step, Turn, Violation, World};
