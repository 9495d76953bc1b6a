//! The ledger: whether it is complete, and whether its evidence holds.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use mqtt5_spec_tests::ledger::{Fault, Ledger, faults};
use mqtt5_spec_tests::vectors::{Case, VectorFile};
use mqtt5_spec_tests::{path_of, report};

use crate::check::{Check, Kind, Outcome};

/// What a check looks for among the faults of the ledger.
type Selection = fn(&Fault) -> bool;

const SELECTIONS: [(&str, Selection); 6] = [
    ("ledger::has_the_251_statements_of_the_standard", |fault| {
        matches!(
            fault,
            Fault::Count(_)
                | Fault::UnknownStatement(_)
                | Fault::UnknownSection(_)
                | Fault::MissingStatement(_)
        )
    }),
    ("ledger::has_no_duplicates", |fault| {
        matches!(fault, Fault::DuplicateStatement(_))
    }),
    ("ledger::statements_are_on_their_layers", |fault| {
        matches!(fault, Fault::WrongLayer(_) | Fault::WrongStatus(_))
    }),
    (
        "ledger::every_statement_has_evidence_or_an_owner",
        |fault| matches!(fault, Fault::NoEvidence(_)),
    ),
    ("ledger::evidence_exists_and_passed", |fault| {
        matches!(
            fault,
            Fault::UnknownEvidence(..) | Fault::EvidenceNotPassed(..)
        )
    }),
    (
        "ledger::vectors_list_the_statements_they_are_evidence_for",
        |fault| matches!(fault, Fault::VectorAboutSomethingElse(..)),
    ),
];

/// `trials` are the names of all other checks; `passed` of those that have passed in this run, if
/// all were to run.
pub(crate) fn checks(
    files: &Arc<Vec<VectorFile>>,
    trials: BTreeSet<String>,
    passed: Option<BTreeSet<String>>,
) -> Vec<Check> {
    let names = Arc::new((trials, passed));
    let mut checks: Vec<Check> = SELECTIONS
        .into_iter()
        .map(|(name, selection)| {
            let (files, names) = (Arc::clone(files), Arc::clone(&names));
            let run = move || none_of(selection, &files, &names.0, names.1.as_ref());
            Check::new(Kind::Ledger, name, run)
        })
        .collect();
    let files = Arc::clone(files);
    let run = move || report_is_up_to_date(&files);
    checks.push(Check::new(
        Kind::Ledger,
        "ledger::report_is_up_to_date",
        run,
    ));
    checks
}

fn none_of(
    selection: Selection,
    files: &[VectorFile],
    trials: &BTreeSet<String>,
    passed: Option<&BTreeSet<String>>,
) -> Outcome {
    let ledger = Ledger::load()?;
    let cases: Vec<&Case> = files.iter().flat_map(|file| &file.cases).collect();
    let mut found = faults(&ledger, &cases, trials, passed);
    found.retain(selection);
    if found.is_empty() {
        Ok(ledger.statements.len() as u64)
    } else {
        let lines: Vec<String> = found.iter().map(Fault::to_string).collect();
        Err(lines.join("\n"))
    }
}

fn report_is_up_to_date(files: &[VectorFile]) -> Outcome {
    let expected = report::render(&Ledger::load()?, files);
    let path = path_of("REPORT.md");
    let found = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    if found == expected {
        Ok(1)
    } else {
        Err("REPORT.md is out of date: cargo run -p mqtt5-spec-tests --bin report".to_owned())
    }
}
