//! Configurations with names, and what many explorations have shown together.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use super::coverage::{CoverageTable, Thousands};
use super::report::{Report, Verdict};

/// A configuration with a name.
#[derive(Clone, Debug)]
pub struct Named<C> {
    /// What it is about.
    pub name: &'static str,
    /// Its settings.
    pub config: C,
    /// What comes out.
    pub expects: Expected,
}

/// What an exploration has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No objection, no stuck state, nothing vacuous.
    Verified,
    /// This monitor objects: the protocol itself has a hole.
    Objection(&'static str),
}

impl Expected {
    /// Whether it says so.
    #[must_use]
    pub fn is_met(self, report: &Report) -> bool {
        match (self, &report.verdict) {
            (Expected::Verified, verdict) => *verdict == Verdict::Verified,
            (Expected::Objection(rule), Verdict::Violation(counterexample)) => {
                counterexample.violation.monitor == rule
            }
            _ => false,
        }
    }
}

/// Reads a name and settings from each line; lines that begin with `#` are remarks.
///
/// # Panics
///
/// If a line is not in this form.
pub fn read<C: FromStr<Err: fmt::Debug>>(text: &'static str) -> impl Iterator<Item = Named<C>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (name, settings) = line.split_once(' ')?;
        Some(Named {
            name,
            config: settings.parse().expect("a good configuration"),
            expects: Expected::Verified,
        })
    })
}

/// States and transitions of each configuration, by name.
///
/// # Panics
///
/// If the file is not there, or not in its form.
#[must_use]
pub fn kept_counts(file: &str) -> BTreeMap<String, (u64, u64)> {
    let path = crate::path_of(file);
    let text = std::fs::read_to_string(path).expect("the file with the numbers");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let counts = lines.map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        Some((name, (number()?, number()?)))
    });
    counts
        .collect::<Option<_>>()
        .expect("a name and two numbers a line")
}

/// The states of all configurations together, as the README says them.
///
/// # Panics
///
/// As [`kept_counts`].
#[must_use]
pub fn kept_states(file: &str) -> String {
    let counts = kept_counts(file);
    Thousands(counts.values().map(|(states, _)| states).sum()).to_string()
}

/// The text of the file with the numbers that this program has written.
#[must_use]
pub fn render_counts(program: &str, counts: &BTreeMap<String, (u64, u64)>) -> String {
    let mut text = format!(
        "# States and transitions of the standard configurations, by the exhaustive exploration.\n\
         # Written by: cargo run --release -p mqtt5-spec-tests --bin {program} -- --save-counts\n",
    );
    for (name, (states, transitions)) in counts {
        let _ = writeln!(text, "{name} {states} {transitions}");
    }
    text
}

/// What several explorations have shown together.
#[derive(Debug, Default)]
pub struct Total {
    states: u64,
    transitions: u64,
    elapsed: Duration,
    failed: Vec<&'static str>,
    counts: BTreeMap<String, (u64, u64)>,
    coverage: CoverageTable,
}

impl Total {
    /// Adds one, and gives a line about it.
    #[must_use]
    pub fn add<C: fmt::Display>(&mut self, named: &Named<C>, report: &Report) -> String {
        self.states += report.states;
        self.transitions += report.transitions;
        self.elapsed += report.elapsed;
        self.coverage.merge(&report.coverage);
        let expected = named.expects.is_met(report);
        // An exploration that ends with an objection may have seen more or less by then.
        if named.expects == Expected::Verified {
            let counts = (report.states, report.transitions);
            self.counts.insert(named.name.to_owned(), counts);
        }
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

    /// States and transitions of each that explored everything.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<String, (u64, u64)> {
        &self.counts
    }

    /// Whether each said what it had to say.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.failed.is_empty()
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
