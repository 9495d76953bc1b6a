//! The ledgers: whether they are complete, and whether their evidence holds.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use mqtt5_codec::ProtocolVersion;
use mqtt5_spec_tests::ledger::{Fault, Ledger, faults};
use mqtt5_spec_tests::vectors::{Case, VectorFile};
use mqtt5_spec_tests::{path_of, report};

use crate::check::{Check, Kind, Outcome};

/// What a check looks for among the faults of the ledger.
type Selection = fn(&Fault) -> bool;

const SELECTIONS: [(&str, Selection); 6] = [
    ("has_the_statements_of_the_standard", |fault| {
        matches!(
            fault,
            Fault::Count(..)
                | Fault::UnknownStatement(_)
                | Fault::UnknownSection(_)
                | Fault::MissingStatement(_)
                | Fault::OutOfOrder(_)
        )
    }),
    ("has_no_duplicates", |fault| {
        matches!(fault, Fault::DuplicateStatement(_))
    }),
    ("statements_are_on_their_layers", |fault| {
        matches!(fault, Fault::WrongLayer(_) | Fault::WrongStatus(_))
    }),
    ("every_statement_has_evidence_or_an_owner", |fault| {
        matches!(fault, Fault::NoEvidence(_))
    }),
    ("evidence_exists_and_passed", |fault| {
        matches!(
            fault,
            Fault::UnknownEvidence(..) | Fault::EvidenceNotPassed(..)
        )
    }),
    (
        "vectors_list_the_statements_they_are_evidence_for",
        |fault| matches!(fault, Fault::VectorAboutSomethingElse(..)),
    ),
];

/// The ledgers, and what their checks are called.
const VERSIONS: [(ProtocolVersion, &str); 2] = [
    (ProtocolVersion::V5_0, "ledger"),
    (ProtocolVersion::V3_1_1, "ledger_of_3_1_1"),
];

/// `files` are the vectors of each version; `trials` the names of all other checks; `passed` of those that have passed
/// in this run, if all were to run.
pub(crate) fn checks(
    files: &[Arc<Vec<VectorFile>>; 2],
    trials: BTreeSet<String>,
    passed: Option<BTreeSet<String>>,
) -> Vec<Check> {
    let names = Arc::new((trials, passed));
    let mut checks = Vec::new();
    for ((version, prefix), files) in VERSIONS.into_iter().zip(files) {
        checks.extend(SELECTIONS.into_iter().map(|(name, selection)| {
            let (files, names) = (Arc::clone(files), Arc::clone(&names));
            let run = move || none_of(selection, version, &files, &names.0, names.1.as_ref());
            Check::new(Kind::Ledger, format!("{prefix}::{name}"), run)
        }));
    }
    let files = files.clone();
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
    version: ProtocolVersion,
    files: &[VectorFile],
    trials: &BTreeSet<String>,
    passed: Option<&BTreeSet<String>>,
) -> Outcome {
    let ledger = Ledger::load(version)?;
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

fn report_is_up_to_date(files: &[Arc<Vec<VectorFile>>; 2]) -> Outcome {
    let ledgers = Ledger::load_all()?;
    let parts: Vec<_> = ledgers.iter().zip(files.iter().map(|it| &it[..])).collect();
    let expected = report::render(&parts);
    let path = path_of("REPORT.md");
    let found = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    if found == expected {
        Ok(1)
    } else {
        Err("REPORT.md is out of date: cargo run -p mqtt5-spec-tests --bin report".to_owned())
    }
}
