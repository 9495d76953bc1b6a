//! Every check that can be evidence for a statement of the standard, in one test program.
//!
//! It has its own harness because the ledger asks not only whether the evidence it names exists,
//! but whether it ran and passed. A run has two phases: first all checks, then those of the ledger,
//! with the record of the first. With a filter, `--list`, `--exact` or `--ignored` the ledger can
//! only ask whether the evidence exists; there is one phase then. With `MQTT5_CHECKS` it is not asked.

mod domains;
mod encoder;
mod ledger_checks;
mod messages;
mod packets;
mod reference;
mod relaying;
mod render;
mod robustness;
mod round_trip;
mod snapshots;
mod splitting;
mod summary;
mod topics;
mod v3_1_1;
mod vector_checks;
mod verdict;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use libtest_mimic::{Arguments, FormatSetting, Trial};
use mqtt5_codec::ProtocolVersion;
use mqtt5_machine_checks::{check, random};
use mqtt5_spec_tests::vectors::{self, VectorError, VectorFile};
use mqtt5_spec_tests::world::rows_not_run;

use crate::check::{Check, Kind, Record};

/// The environment variable with the names of the checks that are to run, and no others.
const ONLY: &str = "MQTT5_CHECKS";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if arguments.format.is_none() && !arguments.nocapture {
        // Thousands of checks: a dot for each is enough. `--format pretty` names them.
        arguments.format = Some(FormatSetting::Terse);
    }
    let record = Record::new(arguments.nocapture);
    let only = std::env::var(ONLY).ok();
    if let Some(only) = &only {
        return run_only(only, &arguments, &record);
    }
    let all_files = match read_vectors() {
        Ok(files) => files,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut checks = checks_of_vectors(&all_files);
    checks.extend(other_checks());
    let names: BTreeSet<String> = checks.iter().map(|check| check.name.clone()).collect();
    assert_eq!(names.len(), checks.len(), "two checks have the same name");

    let is_whole_run = arguments.filter.is_none()
        && arguments.skip.is_empty()
        && !arguments.ignored
        && !arguments.exact
        && !arguments.list;
    let started = Instant::now();
    let mut trials = into_trials(checks, &record);
    if !is_whole_run {
        let ledger = ledger_checks::checks(&all_files, names, None);
        trials.extend(into_trials(ledger, &record));
        let failed = libtest_mimic::run(&arguments, trials).has_failed();
        return exit_code(failed);
    }
    let checks_failed = libtest_mimic::run(&arguments, trials).has_failed();
    let checks_time = started.elapsed();
    let mut ledger = ledger_checks::checks(&all_files, names, Some(record.passed()));
    ledger.push(Check::new(
        Kind::Ledger,
        "tables::every_row_that_does_something_was_run",
        every_row_was_run,
    ));
    let ledger_failed = libtest_mimic::run(&arguments, into_trials(ledger, &record)).has_failed();
    let all_files: Vec<_> = all_files.iter().flat_map(|files| files.iter()).collect();
    summary::finish(&record, &all_files, checks_time);
    exit_code(checks_failed || ledger_failed)
}

/// The golden vectors of MQTT 5 and of MQTT 3.1.1.
type Vectors = [Arc<Vec<VectorFile>>; 2];

fn read_vectors() -> Result<Vectors, VectorError> {
    let read = |version| vectors::read_all(version).map(Arc::new);
    Ok([read(ProtocolVersion::V5_0)?, read(ProtocolVersion::V3_1_1)?])
}

/// The checks that need the golden vectors.
fn checks_of_vectors([files, files_of_3_1_1]: &Vectors) -> Vec<Check> {
    let mut checks = vector_checks::checks(files);
    checks.extend(vector_checks::checks_of_3_1_1(files_of_3_1_1));
    checks.extend(snapshots::checks(files));
    checks.extend(relaying::checks(files, files_of_3_1_1));
    checks
}

fn other_checks() -> Vec<Check> {
    let mut checks = v3_1_1::checks();
    checks.extend(domains::checks());
    checks.extend(encoder::checks());
    checks.extend(topics::checks());
    checks.extend(round_trip::checks());
    checks.extend(splitting::checks());
    checks.extend(robustness::checks());
    checks.extend(messages::checks());
    checks.extend(mqtt5_machine_checks::checks());
    checks
}

/// Runs the checks with these names. The vectors are read only for their own: that takes longer than most checks.
fn run_only(only: &str, arguments: &Arguments, record: &Arc<Record>) -> ExitCode {
    let mut left: BTreeSet<&str> = only.split_whitespace().collect();
    let mut chosen = other_checks();
    chosen.retain(|check| left.remove(check.name.as_str()));
    if !left.is_empty() {
        match read_vectors() {
            Ok(files) => chosen.extend(
                checks_of_vectors(&files)
                    .into_iter()
                    .filter(|check| left.contains(check.name.as_str())),
            ),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    exit_code(libtest_mimic::run(arguments, into_trials(chosen, record)).has_failed())
}

/// The checks, which have run before, made the machines run every row of the state tables that does something. Only
/// restarts run `Finished`, and the explorer has these.
fn every_row_was_run() -> check::Outcome {
    let mut missing = rows_not_run();
    missing.retain(|row| !row.contains(" Finished "));
    if missing.is_empty() {
        return Ok(1);
    }
    Err(format!(
        "the machines have run none of these rows in any check:\n{}",
        missing.join("\n")
    ))
}

fn into_trials(checks: Vec<Check>, record: &Arc<Record>) -> Vec<Trial> {
    checks
        .into_iter()
        .map(|check| check.into_trial(record))
        .collect()
}

fn exit_code(failed: bool) -> ExitCode {
    // What the standard harness answers.
    if failed {
        ExitCode::from(101)
    } else {
        ExitCode::SUCCESS
    }
}
