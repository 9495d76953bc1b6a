//! The contract between a world and the engines.

use std::any::Any;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use super::choice::Choose;
use super::coverage::{Coverage, CoveragePoint};
use super::log::{Lane, Log};

/// A closed system: the machines under test, the network between them, the applications that use
/// them, and the monitors that watch.
///
/// The engines rely on this:
///
/// - **Deterministic.** The same state and the same answers give the same state, on every platform.
/// - **The hash is the state.** Everything that can influence the future, monitors included, is fed
///   to `Hash`, and nothing else: two states with the same hash input are explored as one. Counters
///   that only ever grow make the state space infinite.
/// - **Finite**, for the exhaustive engine: budgets for messages, faults and time are part of the
///   state.
///
/// A panic in [`World::step`] is caught and is a violation.
///
/// The exhaustive engine keeps the worlds of two neighbouring depths in memory and clones one for
/// each step, so small worlds with few allocations go far. A `clone_from` that keeps buffers is
/// made use of.
pub trait World: Clone + Hash + Send + Sync {
    /// What can be set: sizes, budgets, variants. The text form is one line of `key=value` words;
    /// it is what trace files keep.
    type Config: Clone + Send + Sync + fmt::Display + FromStr<Err: fmt::Display>;

    /// The name that trace files keep, so that a trace is not replayed in another world.
    const NAME: &'static str;

    /// The parties, from left to right in a sequence chart.
    const LANES: &'static [&'static str];

    /// The initial state.
    fn new(config: &Self::Config) -> Self;

    /// What a run should reach; positions are what [`Turn::cover`] counts.
    fn coverage_points(config: &Self::Config) -> Vec<CoveragePoint>;

    /// Picks one of the enabled actions with [`Turn::choose`], performs it completely, and lets the
    /// monitors look at the result.
    ///
    /// # Errors
    ///
    /// If a monitor objects. The state is then of no interest any more.
    fn step(&mut self, turn: &mut Turn<'_>) -> Result<Step, Violation>;

    /// Whether nothing is under way: every message that was accepted had its outcome, nothing is in
    /// the pipes.
    fn is_quiescent(&self) -> bool;

    /// From now on no step is a fault. Applications may still start what their budgets allow.
    fn stop_faults(&mut self);
}

/// What kind of step was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The machines, the applications or the clock went on.
    Progress,
    /// The environment did something unwanted. Such a step never counts as a way towards quiescence
    /// in the bound.
    Fault,
    /// With these answers nothing could be done, and nothing was changed. If nothing was asked,
    /// nothing can be done in this state at all.
    Nothing,
}

/// A monitor objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Who. Minimisation keeps this and lets the message vary.
    pub monitor: &'static str,
    /// What exactly happened.
    pub message: String,
}

impl Violation {
    /// The name that a caught panic is reported under.
    pub const PANIC: &'static str = "no panic";
    /// The name for: the faults have stopped, but nothing comes to rest.
    pub const CONVERGENCE: &'static str = "convergence";
    /// The name for: no continuation at all, or none without a fault, comes to rest.
    pub const STUCK: &'static str = "liveness";

    /// An objection of the monitor with this name.
    pub fn new(monitor: &'static str, message: impl Into<String>) -> Self {
        Self {
            monitor,
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.monitor, self.message)
    }
}

/// What a world has at hand during one step.
pub struct Turn<'a> {
    choose: &'a mut dyn Choose,
    coverage: &'a mut Coverage,
    log: &'a mut Log,
}

impl<'a> Turn<'a> {
    /// A turn in which `choose` decides.
    pub fn new(choose: &'a mut dyn Choose, coverage: &'a mut Coverage, log: &'a mut Log) -> Self {
        Self {
            choose,
            coverage,
            log,
        }
    }

    /// A number below `alternatives`, of which there is at least one.
    pub fn choose(&mut self, alternatives: usize) -> usize {
        self.choose.choose(alternatives)
    }

    /// One of the `items`, of which there is at least one.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.choose(items.len())]
    }

    /// Counts a point of [`World::coverage_points`] by its position.
    pub fn cover(&mut self, point: usize) {
        self.coverage.reach(point);
    }

    /// To say what happens. `format_args!` and anything with `Display` are formatted only if
    /// somebody reads it.
    pub fn log(&mut self) -> &mut Log {
        self.log
    }

    /// Short for [`Log::message`].
    pub fn message(&mut self, from: Lane, to: Lane, text: impl fmt::Display) {
        self.log.message(from, to, text);
    }

    /// Short for [`Log::note`].
    pub fn note(&mut self, lane: Lane, text: impl fmt::Display) {
        self.log.note(lane, text);
    }
}

/// One step, with a panic turned into a violation.
///
/// # Errors
///
/// If a monitor objects or the world panics.
pub fn perform<W: World>(
    world: &mut W,
    choose: &mut dyn Choose,
    coverage: &mut Coverage,
    log: &mut Log,
) -> Result<Step, Violation> {
    let step = || world.step(&mut Turn::new(choose, coverage, log));
    // A world that panicked is thrown away, so nobody sees it half-changed.
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(outcome) => outcome,
        Err(payload) => Err(Violation::new(Violation::PANIC, panic_text(&*payload))),
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}
