//! Switches on each deliberate fault, and sees which checks notice it: see `mqtt5_spec_tests::faults`.
//!
//! `cargo run -p mqtt5-spec-tests --bin faults [-- NAME-PART...]`
//!
//! A fault that breaks a statement has to make evidence fail that the ledger of its version names for the statement;
//! one that names checks, each of them. Without parts of names it writes `MUSEUM.md` and `FAULTS.md`. With `--check` it asks the
//! checks that they name first, no more than are needed to notice each fault, and sees that the pages say the same,
//! whichever checks they name. With `--places` it only writes into `faults.toml` in which functions the faults are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use mqtt5_spec_tests::faults::{
    Fault, Finding, Kind, Known, Programs, Run, Shown, Table, hooks, in_parallel, museum, one_line,
    statements, with_places, workspace,
};
use mqtt5_spec_tests::ledger::{Layer, Ledger, Statement};
use mqtt5_spec_tests::path_of;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("--places") => write_places().map(|()| true),
        Some("--check") => try_all(&[], Some(&Known::load()), compare),
        _ => try_all(&arguments, None, write),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Writes into `faults.toml` where the faults are now.
fn write_places() -> Result<(), String> {
    let text = fs::read_to_string(path_of("faults.toml")).map_err(|error| error.to_string())?;
    write("faults.toml", &with_places(&text, &hooks()?))
}

/// Whether every fault was noticed. If it is known by which checks, no others are asked where those are enough.
fn try_all(
    parts: &[String],
    known: Option<&Known>,
    page: impl Fn(&str, &str) -> Result<(), String>,
) -> Result<bool, String> {
    let table = Table::load()?;
    let ledgers = Ledger::load_all()?;
    let disagreements = table.disagreements(&hooks()?, &ledgers);
    if !disagreements.is_empty() {
        return Err(disagreements.join("\n"));
    }
    let chosen =
        |fault: &&Fault| parts.is_empty() || parts.iter().any(|part| fault.name.contains(&**part));
    let faults: Vec<&Fault> = table.faults.iter().filter(chosen).collect();
    if faults.is_empty() {
        return Err("There is no such fault.".to_owned());
    }
    let started = Instant::now();
    let programs = Programs::build(workspace())?;
    println!("built in {:.0} s", started.elapsed().as_secs_f64());
    let reached = match parts.is_empty() {
        true => without_fault(&programs, &table, &ledgers, known)?,
        false => None,
    };

    let all = in_parallel(&faults, |fault, lane| {
        let comes_to = |kind| {
            let reached = reached.as_ref().and_then(|reached| reached.get(&kind));
            reached.is_none_or(|names| names.contains(&fault.name))
        };
        try_one(fault, lane, &programs, &ledgers, known, comes_to)
    })?;
    for shown in &all {
        println!("{}", one_line(shown));
    }
    let noticed = all
        .iter()
        .filter(|shown| shown.objections.is_empty())
        .count();
    println!(
        "{noticed} of {} faults were noticed as they should be; {:.0} s",
        all.len(),
        started.elapsed().as_secs_f64(),
    );
    for ledger in &ledgers {
        for layer in [Layer::Codec, Layer::Session, Layer::Broker] {
            let missing = table.missing(ledger, layer);
            if !missing.is_empty() {
                let labels = missing.join(", ");
                println!("{} of layer {layer} have no fault: {labels}", missing.len());
            }
        }
    }
    if parts.is_empty() {
        page("MUSEUM.md", &museum(&all))?;
        page("FAULTS.md", &statements(&table, &ledgers, &all))?;
    }
    Ok(noticed == all.len())
}

/// The faults that the checks of a kind come to.
type Reached = BTreeMap<Kind, BTreeSet<String>>;

/// Without a fault all checks must pass, or it would mean nothing that one fails.
fn without_fault(
    programs: &Programs,
    table: &Table,
    ledgers: &[Ledger],
    known: Option<&Known>,
) -> Result<Option<Reached>, String> {
    let run = programs.with(None, 0);
    run.begin()?;
    let evidence = ledgers.iter().flat_map(Ledger::evidence);
    let mut checks: BTreeSet<String> = evidence.map(|it| it.trial()).collect();
    checks.extend(known.map(Known::all).unwrap_or_default());
    checks.extend(
        table
            .faults
            .iter()
            .flat_map(|fault| fault.checks.iter().cloned()),
    );
    let failed = run.checks(&checks)?;
    if !failed.is_empty() {
        return Err(format!("Without any fault: {failed:?}"));
    }
    if known.is_some() {
        return Ok(None);
    }
    let mut reached = BTreeMap::new();
    for kind in Kind::ALL {
        run.begin()?;
        if let Some(finding) = run.of_kind(kind)? {
            return Err(format!("Without any fault: {finding:?}"));
        }
        if run.reached() {
            return Err("Without any fault, one was on.".to_owned());
        }
        reached.insert(kind, run.asked()?);
    }
    Ok(Some(reached))
}

/// What notices a fault.
fn try_one<'t>(
    fault: &'t Fault,
    lane: usize,
    programs: &Programs,
    ledgers: &[Ledger],
    known: Option<&Known>,
    comes_to: impl Fn(Kind) -> bool,
) -> Result<Shown<'t>, String> {
    let run = programs.with(Some(&fault.name), lane);
    run.begin()?;
    let broken: Vec<_> = ledgers
        .iter()
        .flat_map(|ledger| &ledger.statements)
        .filter(|statement| fault.statements().any(|id| id == statement.id))
        .collect();
    let mut failed = BTreeSet::new();
    if let Some(known) = known {
        let checks = known.of_statements(fault);
        if !checks.is_empty() {
            failed.append(&mut run.checks(&checks)?);
        }
    }
    let mut done = 0;
    // The first evidence costs least.
    for several in [2, usize::MAX] {
        let unnoticed = |statement: &&&Statement| {
            let mut trials = statement.evidence.iter().map(|it| it.trial());
            !trials.any(|trial| failed.contains(&trial))
        };
        let left = broken.iter().filter(unnoticed);
        let evidence = left.flat_map(|it| it.evidence.iter().take(several).skip(done));
        let evidence: BTreeSet<String> = evidence.map(|it| it.trial()).collect();
        if !evidence.is_empty() {
            failed.append(&mut run.checks(&evidence)?);
        }
        done = several;
    }
    let mut objections = Vec::new();
    for statement in broken {
        let mut trials = statement.evidence.iter().map(|it| it.trial());
        if !trials.any(|trial| failed.contains(&trial)) {
            objections.push(format!("NO EVIDENCE OF {} FAILS.", statement.id));
        }
    }
    let named: BTreeSet<String> = fault.checks.iter().cloned().collect();
    let failed_of_named = match named.is_empty() {
        true => BTreeSet::new(),
        false => run.checks(&named)?,
    };
    for check in named.difference(&failed_of_named) {
        objections.push(format!("{check} DOES NOT FAIL."));
    }
    failed.extend(failed_of_named);
    let mut findings = Vec::new();
    if fault.exhibit.is_some() {
        if let Some(known) = known {
            findings.extend(known_finding(&run, &known.of_exhibit(fault))?);
        }
        for kind in Kind::ALL {
            let is_enough = known.is_some() && !findings.is_empty();
            if !is_enough && comes_to(kind) {
                findings.extend(run.of_kind(kind)?);
            }
        }
        if findings.is_empty() {
            findings.extend(run.of_kind(Kind::Properties)?);
        }
        if findings.is_empty() {
            objections.push("NOTHING FAILS.".to_owned());
        }
    }
    if !run.reached() {
        objections.push("ITS PLACE WAS NEVER REACHED.".to_owned());
    }
    Ok(Shown {
        fault,
        failed,
        findings,
        objections,
    })
}

/// What noticed an exhibit before.
fn known_finding(run: &Run<'_>, checks: &BTreeSet<String>) -> Result<Option<Finding>, String> {
    if checks.is_empty() {
        return Ok(None);
    }
    let failed = run.checks(checks)?.into_iter().collect();
    Ok(Finding::new(Kind::Conformance, failed))
}

fn compare(name: &str, text: &str) -> Result<(), String> {
    match fs::read_to_string(path_of(name)) {
        Ok(known) if substance(&known).eq(substance(text)) => Ok(()),
        _ => Err(format!(
            "{name} is out of date: `cargo run -p mqtt5-spec-tests --bin faults` writes it."
        )),
    }
}

/// A page without the names of the checks: any new check may come before those that it names.
fn substance(page: &str) -> impl Iterator<Item = &str> {
    let lines = page.lines().filter(|line| !line.starts_with("- "));
    lines.map(|line| match line.rsplit_once(" | `") {
        Some((without_check, _)) if line.starts_with("| ") => without_check,
        _ => line,
    })
}

fn write(name: &str, text: &str) -> Result<(), String> {
    fs::write(path_of(name), text).map_err(|error| format!("{name}: {error}"))?;
    println!("{name} is up to date");
    Ok(())
}
