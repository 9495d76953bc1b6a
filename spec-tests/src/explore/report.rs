//! What the exhaustive engine found out.

use std::fmt;
use std::time::Duration;

use super::coverage::{CoverageTable, Thousands};
use super::trace::Counterexample;

/// The answer of an exhaustive exploration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Complete, no objection, not vacuous. Speaks of liveness too if [`Report::bound`] is there.
    Verified,
    /// A monitor objects; the trace is a shortest one to any objection.
    Violation(Counterexample),
    /// States from which quiescence cannot be reached, or not without a fault.
    Stuck(Stuck),
    /// Complete and no objection, but something was never put to the test:
    /// [`CoverageTable::missing`].
    Vacuous,
    /// A limit was hit. No objection so far.
    Truncated(String),
}

/// See [`Verdict::Stuck`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// How many.
    pub states: u64,
    /// A shortest way to one of them.
    pub example: Counterexample,
}

/// An exhaustive exploration in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Name of the world.
    pub world: &'static str,
    /// Its configuration, as text.
    pub config: String,
    /// The answer.
    pub verdict: Verdict,
    /// Distinct states that were reached.
    pub states: u64,
    /// Steps that were made, those to known states included.
    pub transitions: u64,
    /// The largest distance of a state from the initial one.
    pub depth: usize,
    /// The most states at one distance: the most worlds in memory at once.
    pub widest_level: u64,
    /// How many of the states are quiescent.
    pub quiescent: u64,
    /// From every state quiescence is at most this many steps away, without faults. Only if the
    /// exploration was complete and found no stuck state.
    pub bound: Option<u32>,
    /// What was reached how often.
    pub coverage: CoverageTable,
    /// Wall clock.
    pub elapsed: Duration,
}

impl Report {
    /// Whether everything was shown that was to be shown.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verdict == Verdict::Verified
    }

    /// What to look at, if something is wrong.
    #[must_use]
    pub fn counterexample(&self) -> Option<&Counterexample> {
        match &self.verdict {
            Verdict::Violation(counterexample) => Some(counterexample),
            Verdict::Stuck(stuck) => Some(&stuck.example),
            Verdict::Verified | Verdict::Vacuous | Verdict::Truncated(_) => None,
        }
    }

    fn steps_per_second(&self) -> u64 {
        let seconds = self.elapsed.as_secs_f64().max(1e-6);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = (self.transitions as f64 / seconds) as u64;
        rate
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => write!(out, "VERIFIED"),
            Self::Violation(counterexample) => write!(
                out,
                "VIOLATION after {} steps: {}",
                counterexample.trace.steps.len(),
                counterexample.violation
            ),
            Self::Stuck(stuck) => write!(
                out,
                "STUCK: {} states, the first after {} steps: {}",
                Thousands(stuck.states),
                stuck.example.trace.steps.len(),
                stuck.example.violation.message
            ),
            Self::Vacuous => write!(out, "VACUOUS: see the points that were never reached"),
            Self::Truncated(reason) => write!(out, "TRUNCATED, nothing is verified: {reason}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "world        {} {}", self.world, self.config)?;
        writeln!(out, "verdict      {}", self.verdict)?;
        writeln!(out, "states       {}", Thousands(self.states))?;
        writeln!(out, "transitions  {}", Thousands(self.transitions))?;
        writeln!(out, "depth        {}", self.depth)?;
        writeln!(out, "quiescent    {}", Thousands(self.quiescent))?;
        match (self.bound, &self.verdict) {
            (Some(bound), _) => {
                writeln!(out, "stuck        0")?;
                writeln!(
                    out,
                    "bound        at most {bound} steps to quiescence, without faults, from everywhere"
                )?;
            }
            (None, Verdict::Stuck(stuck)) => {
                writeln!(out, "stuck        {}", Thousands(stuck.states))?;
            }
            (None, _) => writeln!(out, "stuck        not looked for")?,
        }
        writeln!(
            out,
            "time         {:.1} s, {} steps/s, at most {} worlds at once",
            self.elapsed.as_secs_f64(),
            Thousands(self.steps_per_second()),
            Thousands(self.widest_level)
        )?;
        write!(out, "{}", self.coverage)
    }
}
