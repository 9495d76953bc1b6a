//! `MUSEUM.md` and `FAULTS.md`.

use std::collections::BTreeSet;
use std::fmt::Write;

use mqtt5_codec::ProtocolVersion;

use super::{Fault, Finding, Table};
use crate::ledger::{Layer, Ledger, Statement};

/// A fault, and what noticed it.
#[derive(Clone, Debug)]
pub struct Shown<'t> {
    /// The fault.
    pub fault: &'t Fault,
    /// The evidence of its statements that fails.
    pub failed: BTreeSet<String>,
    /// For an exhibit, all that fails.
    pub findings: Vec<Finding>,
    /// What is not as it should be.
    pub objections: Vec<String>,
}

/// A line for the terminal.
#[must_use]
pub fn one_line(shown: &Shown<'_>) -> String {
    let mut line = format!("{:<40}", shown.fault.name);
    if let Some(first) = shown.failed.first() {
        let _ = write!(line, " evidence: {first};");
    }
    for finding in &shown.findings {
        let first = finding.names.first().map_or("", String::as_str);
        let _ = write!(line, " {}: {first};", finding.kind.name());
    }
    for objection in &shown.objections {
        let _ = write!(line, " {objection}");
    }
    line
}

/// The text of `MUSEUM.md`.
#[must_use]
pub fn museum(all: &[Shown<'_>]) -> String {
    let exhibits: Vec<_> = all
        .iter()
        .filter_map(|shown| Some((shown, shown.fault.exhibit.as_ref()?)))
        .collect();
    let caught = exhibits
        .iter()
        .filter(|(shown, _)| !shown.findings.is_empty())
        .count();
    let mut text = format!(
        "# Museum\n\n\
         Bugs that MQTT implementations have shipped, each made anew by a deliberate fault (`faults.toml`), and the\n\
         checks that notice it. Written by\n\n\
         ```sh\n\
         cargo run -p mqtt5-spec-tests --bin faults\n\
         ```\n\n\
         - vectors, conformance: `cargo test -p mqtt5-spec-tests --test spec -- vector::`, `-- client::`, and\n  \
           `-- server::`\n\
         - explorer: some small configurations of the programs `explore` and `explore-broker`\n\
         - properties: `cargo test -p mqtt5-spec-tests --test halves`, where the others found nothing\n\n\
         {caught} of {} were caught. At most three names are given for each kind of check.\n",
        exhibits.len(),
    );
    for (shown, exhibit) in exhibits {
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\nShipped by {}. Here: `{}`.\n\n",
            exhibit.title, exhibit.bug, exhibit.shipped_by, shown.fault.name,
        );
        if shown.findings.is_empty() {
            text.push_str("**Not caught.**\n");
        }
        for finding in &shown.findings {
            let _ = writeln!(text, "- {}{}", finding.kind.name(), names(finding));
        }
    }
    text
}

fn names(finding: &Finding) -> String {
    // Without their number: it would change with every check that is added.
    let more = match finding.count > finding.names.len() {
        false => "",
        true => ", and more",
    };
    format!(": {}{more}", finding.names.join(", "))
}

/// The rows of a statement.
fn of_statement(text: &mut String, table: &Table, statement: &Statement, all: &[Shown<'_>]) {
    let id = &statement.id;
    for fault in table.of_statement(id) {
        let shown = all.iter().find(|shown| shown.fault.name == fault.name);
        let noticed = shown.and_then(|shown| {
            let mut trials = statement.evidence.iter().map(|it| it.trial());
            trials.find(|trial| shown.failed.contains(trial))
        });
        let noticed = noticed.map_or("nothing".to_owned(), |trial| format!("`{trial}`"));
        let _ = writeln!(text, "| {id} | {} | {noticed} |", fault.change);
    }
    for without in table.without.iter().filter(|it| it.statement == *id) {
        let _ = writeln!(text, "| {id} | none: {} | |", without.reason);
    }
}

/// The text of `FAULTS.md`.
#[must_use]
pub fn statements(table: &Table, ledgers: &[Ledger], all: &[Shown<'_>]) -> String {
    let mut text = String::from(
        "# Deliberate faults\n\n\
         The normative statements, each with the faults (`faults.toml`) that break it, and the first piece of its\n\
         evidence in `ledger.toml`, or `ledger-v3.1.1.toml`, that fails then. Each statement of the codec's, the sessions'\n\
         and the broker's layers has one, or a reason why not. Written by\n\n\
         ```sh\n\
         cargo run -p mqtt5-spec-tests --bin faults\n\
         ```\n",
    );
    for ledger in ledgers {
        let of_version = match ledger.version {
            ProtocolVersion::V3_1_1 => " of MQTT 3.1.1",
            _ => "",
        };
        for layer in Layer::ALL {
            let _ = write!(
                text,
                "\n## The {layer} layer{of_version}\n\n| statement | fault | noticed by |\n| --- | --- | --- |\n"
            );
            for statement in ledger.of_layer(layer) {
                of_statement(&mut text, table, statement, all);
            }
        }
    }
    text.push_str("\n## Rules that no statement makes\n\n| fault | noticed by |\n| --- | --- |\n");
    for shown in all {
        let checks = &shown.fault.checks;
        if let Some(check) = checks.iter().find(|check| shown.failed.contains(*check)) {
            let _ = writeln!(text, "| {} | `{check}` |", shown.fault.change);
        }
    }
    text
}
