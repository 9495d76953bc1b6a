//! Makes small changes in a copy of codec and session machines, all in one build, switches on some of them, one
//! after the other, and says which the checks do not notice.
//!
//! `cargo run -p mqtt5-mutants [-- --all | --count NUMBER | --seed NUMBER | --allow NUMBER | --file PART |
//! --within SECONDS | --report FILE | NUMBER…]`
//!
//! The changes are deliberate faults, `fault!("mutant 17", …)`, as those in the sources: another operator, a
//! condition that is negated or loses a part, a statement that is left out. What is equivalent to the original is
//! listed in `equivalent.toml`, with the reason. Any other that no check notices makes the program fail.
//!
//! A first run without any change tells which checks come to which changes. Only those are run, the fastest first, until
//! one fails. What takes longer than a few seconds is run only for changes that nothing else noticed. `--within` is for
//! a first look: no more than this time for each change, and nothing that takes long. What noticed a change is kept in
//! `target/mutants.noticed`, and asked first in the next run.

mod copy;
mod groups;
mod memory;
mod report;
mod sample;
mod sites;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use mqtt5_spec_tests::faults::{Programs, workspace};

use crate::copy::Copy;
use crate::groups::Checks;
use crate::memory::Memory;
use crate::report::{Judged, Verdict};
use crate::sample::{Chosen, choose};
use crate::sites::{Site, sites, with_changes};
use mqtt5_spec_tests::faults::in_parallel;

/// What is changed.
const FOLDERS: [&str; 2] = ["codec/src", "session-fsm/src"];

/// What is not: the faults themselves, and what only tests use.
const LEFT_ALONE: [&str; 6] = [
    "fault.rs",
    "faults.rs",
    "/faults/",
    "/generate",
    "strategies.rs",
    "codec/src/serde.rs",
];

/// Which tests are asked beside the checks of the standard: those of the crates, and those that measure memory.
const TESTS: [&[&str]; 2] = [
    &[
        "--lib",
        "--tests",
        "-p",
        "mqtt5-codec",
        "-p",
        "mqtt5-dissect",
        "-p",
        "mqtt5-session-fsm",
        "-p",
        "mqtt5-session-fsm-tests",
        "--features",
        "mqtt5-session-fsm-tests/tracing",
    ],
    &[
        "--no-default-features",
        "-p",
        "mqtt5-spec-tests",
        "--test",
        "session_bounds",
        "--test",
        "session_memory",
    ],
];

/// A change that can be switched on.
struct Mutant {
    file: PathBuf,
    site: Site,
}

impl Mutant {
    fn place(&self, number: usize) -> String {
        let Site { line, change, .. } = &self.site;
        format!("{number:>5}  {}:{line}: {change}", self.file.display())
    }

    /// The same after the lines before it were edited.
    fn description(&self) -> String {
        format!("{}: {}", self.file.display(), self.site.change)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let chosen = Chosen::parse(&arguments)?;
    let started = Instant::now();
    let files = copy::sources(&FOLDERS, &LEFT_ALONE)?;
    let copy = Copy::make(&workspace().join("target/mutants"), &files)?;
    let (mut sources, mut mutants) = (BTreeMap::new(), Vec::new());
    for file in files {
        let source = fs::read_to_string(workspace().join(&file))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        for site in sites(&source).map_err(|error| format!("{}: {error}", file.display()))? {
            let file = file.clone();
            mutants.push(Mutant { file, site });
        }
        sources.insert(file, source);
    }
    let all = mutants.len();
    let viable = compile(&copy, &sources, &mutants)?;
    println!(
        "{} of {all} changes compile; {:.0} s",
        viable.len(),
        started.elapsed().as_secs_f64()
    );
    let equivalent = sample::equivalent()?;
    let is_equivalent = |number: &usize| {
        mutants.get(*number).is_some_and(|mutant| {
            let file = mutant.file.display().to_string();
            equivalent
                .iter()
                .any(|it| it.file == file && it.change == mutant.site.change)
        })
    };
    let stale: Vec<String> = equivalent
        .iter()
        .filter(|it| {
            !mutants.iter().any(|mutant| {
                mutant.file.display().to_string() == it.file && mutant.site.change == it.change
            })
        })
        .map(|it| format!("No change is {}: {} any more.", it.file, it.change))
        .collect();
    if !stale.is_empty() {
        return Err(stale.join("\n"));
    }
    // Chosen before the equivalent ones are taken out: an explanation does not change the sample.
    let numbers = choose(&chosen, &viable, |number| mutants[number].description());
    let (explained, tried): (Vec<usize>, Vec<usize>) =
        numbers.iter().partition(|number| is_equivalent(number));

    let programs = Programs::build(copy.folder())?;
    let mut tests = Vec::new();
    for arguments in TESTS {
        tests.extend(programs.build_tests(arguments)?);
    }
    println!("built; {:.0} s", started.elapsed().as_secs_f64());
    let memory = Memory::read(&workspace().join("target/mutants.noticed"));
    let checks = Checks::find(&programs, tests, memory)?;
    println!(
        "{}; {:.0} s",
        checks.numbers(),
        started.elapsed().as_secs_f64()
    );
    let name_of = |number: &usize| format!("mutant {number}");
    let mut noticed = in_parallel(&tried, |number, lane| {
        let begun = Instant::now();
        let place = mutants[*number].place(*number);
        let description = mutants[*number].description();
        let failure = checks.quick_failure(&name_of(number), &description, chosen.within, lane)?;
        let time = begun.elapsed().as_secs_f64();
        let noticed = failure.as_deref().unwrap_or("not yet noticed");
        println!("{time:>7.1} s {place}: {noticed}");
        Ok(failure.is_some())
    })?;
    println!("{:.0} s", started.elapsed().as_secs_f64());
    let left = tried.iter().zip(&noticed).filter(|(_, noticed)| !**noticed);
    let failures = match chosen.within {
        Some(_) => BTreeMap::new(),
        None => checks.slow_failures(left.map(|(number, _)| name_of(number)).collect())?,
    };
    for (number, noticed) in tried.iter().zip(&mut noticed) {
        if let Some(failure) = failures.get(&name_of(number)) {
            println!("{}: {failure}", mutants[*number].place(*number));
            *noticed = true;
        }
    }
    let survivors: Vec<usize> = tried
        .iter()
        .zip(&noticed)
        .filter_map(|(number, noticed)| (!noticed).then_some(*number))
        .collect();
    if !survivors.is_empty() {
        println!("Survivors:");
    }
    for number in &survivors {
        println!("{}", mutants[*number].place(*number));
    }
    let caught = tried.len() - survivors.len();
    println!(
        "{} viable, {} tried: {caught} noticed ({:.1} per cent), {} equivalent, {} survivors; {:.0} s",
        viable.len(),
        numbers.len(),
        100.0 * caught as f64 / tried.len().max(1) as f64,
        explained.len(),
        survivors.len(),
        started.elapsed().as_secs_f64(),
    );
    if let Some(file) = &chosen.report {
        let judged = |numbers: &[usize], verdict| -> Vec<Judged> {
            let mutants = numbers.iter().map(|number| &mutants[*number]);
            let judge = |Mutant { file, site }: &Mutant| Judged {
                file: file.display().to_string(),
                change: site.change.clone(),
                verdict,
            };
            mutants.map(judge).collect()
        };
        let caught: Vec<usize> = tried
            .iter()
            .filter(|number| !survivors.contains(number))
            .copied()
            .collect();
        let judged = [
            judged(&caught, Verdict::Noticed),
            judged(&explained, Verdict::Equivalent),
            judged(&survivors, Verdict::Survived),
        ]
        .concat();
        let command = format!("cargo run -p mqtt5-mutants -- {}", arguments.join(" "));
        fs::write(file, report::page(&command, &judged))
            .map_err(|error| format!("{file}: {error}"))?;
    }
    if survivors.len() <= chosen.allowed {
        Ok(())
    } else {
        Err("Each survivor needs a check, or a reason in equivalent.toml.".to_owned())
    }
}

/// Writes the changes that compile into the copy, and returns their numbers.
fn compile(
    copy: &Copy,
    sources: &BTreeMap<PathBuf, String>,
    mutants: &[Mutant],
) -> Result<Vec<usize>, String> {
    let mut viable: Vec<usize> = (0..mutants.len()).collect();
    loop {
        for (file, source) in sources {
            let here = viable
                .iter()
                .filter(|number| mutants[**number].file == *file);
            let changed = here.map(|number| (*number, &mutants[*number].site));
            copy.write(file, &with_changes(source, changed))?;
        }
        let errors = copy.errors()?;
        if errors.is_empty() {
            return Ok(viable);
        }
        let before = viable.len();
        // A change of several lines may have its error in another one than its first.
        for distance in [0, 5] {
            if viable.len() == before {
                viable.retain(|number| {
                    let Mutant { file, site } = &mutants[*number];
                    !errors.iter().any(|error| {
                        error.file == *file && error.line.abs_diff(site.line) <= distance
                    })
                });
            }
        }
        if viable.len() == before {
            return Err(format!("It does not compile: {errors:?}"));
        }
    }
}
