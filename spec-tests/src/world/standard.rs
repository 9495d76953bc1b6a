//! The configurations of the normal test run and of the long one, and what they have to show
//! together.

use std::fmt;
use std::time::Duration;

use super::config::Config;
use super::points::{Monitor, impossible_rows};
use crate::explore::coverage::Thousands;
use crate::explore::{CoverageTable, Report, Verdict};

/// A configuration with a name.
#[derive(Clone, Debug)]
pub struct Named {
    /// What it is about.
    pub name: &'static str,
    /// Its settings.
    pub config: Config,
    /// What comes out.
    pub expects: Expected,
}

/// What an exploration has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No objection, no stuck state, nothing vacuous.
    Verified,
    /// This monitor objects: the protocol itself has a hole.
    Objection(Monitor),
}

impl Expected {
    /// Whether it says so.
    #[must_use]
    pub fn is_met(self, report: &Report) -> bool {
        match (self, &report.verdict) {
            (Expected::Verified, verdict) => *verdict == Verdict::Verified,
            (Expected::Objection(monitor), Verdict::Violation(counterexample)) => {
                counterexample.violation.monitor == monitor.name()
            }
            _ => false,
        }
    }
}

fn named(name: &'static str, settings: &str) -> Named {
    let config = settings.parse().expect("a good configuration");
    Named {
        name,
        config,
        expects: Expected::Verified,
    }
}

/// With session expiry allowed, a message with QoS 2 can come twice, and no statement of the standard
/// forbids it.
#[must_use]
pub fn hole() -> Named {
    Named {
        expects: Expected::Objection(Monitor::Ever),
        ..named("hole", "up=1 cuts=2 server-expiries=1 ever=1")
    }
}

/// The normal run.
#[must_use]
pub fn normal() -> Vec<Named> {
    vec![named("up at QoS 2", "up=2 cuts=2"), hole()]
}

/// The long run.
#[must_use]
pub fn long() -> Vec<Named> {
    vec![named("up at QoS 2, more", "up=3 cuts=2")]
}

/// What several explorations have shown together.
#[derive(Debug, Default)]
pub struct Total {
    states: u64,
    transitions: u64,
    elapsed: Duration,
    failed: Vec<&'static str>,
    coverage: CoverageTable,
}

impl Total {
    /// Adds one, and gives a line about it.
    #[must_use]
    pub fn add(&mut self, named: &Named, report: &Report) -> String {
        self.states += report.states;
        self.transitions += report.transitions;
        self.elapsed += report.elapsed;
        self.coverage.merge(&report.coverage);
        let expected = named.expects.is_met(report);
        if !expected {
            self.failed.push(named.name);
        }
        let missing: Vec<&str> = match report.verdict {
            Verdict::Vacuous => report.coverage.missing().map(|it| &*it.name).collect(),
            _ => Vec::new(),
        };
        let verdict = match (named.expects, expected) {
            (Expected::Objection(_), true) => format!("{} (as it must)", report.verdict),
            (_, true) => report.verdict.to_string(),
            (_, false) => format!("NOT AS EXPECTED: {} {missing:?}", report.verdict),
        };
        format!(
            "{:<24} {:>11} states {:>12} transitions  depth {:>3}  bound {:>3} {:>6.1} s  {verdict}\n    {}",
            named.name,
            Thousands(report.states).to_string(),
            Thousands(report.transitions).to_string(),
            report.depth,
            report
                .bound
                .map_or("-".to_owned(), |bound| bound.to_string()),
            report.elapsed.as_secs_f64(),
            named.config,
        )
    }

    /// States of all explorations.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.states
    }

    /// Whether each said what it had to say.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.failed.is_empty()
    }

    /// Rows of the transition tables that could fire and did not.
    #[must_use]
    pub fn unfired(&self) -> Vec<&str> {
        let impossible = impossible_rows();
        let rows = self.coverage.rows.iter();
        let unfired = rows.filter(|(point, count)| {
            point.group.ends_with("transitions")
                && *count == 0
                && !impossible.iter().any(|(row, _)| *row == point.name)
        });
        unfired.map(|(point, _)| &*point.name).collect()
    }

    /// Monitors that saw nothing that they could have refused.
    #[must_use]
    pub fn unarmed(&self) -> Vec<&str> {
        let rows = self.coverage.rows.iter();
        let unarmed = rows.filter(|(point, count)| point.group == "monitors" && *count == 0);
        unarmed.map(|(point, _)| &*point.name).collect()
    }
}

impl fmt::Display for Total {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.coverage)?;
        for (row, reason) in impossible_rows() {
            writeln!(out, "  cannot fire: {row}: {reason}")?;
        }
        for row in self.unfired() {
            writeln!(out, "  DID NOT FIRE: {row}")?;
        }
        writeln!(
            out,
            "in all: {} states, {} transitions, {:.1} s, {} not as expected",
            Thousands(self.states),
            Thousands(self.transitions),
            self.elapsed.as_secs_f64(),
            self.failed.len(),
        )
    }
}
