//! Makes small changes in a copy of codec and session machines, all in one build, switches on some of them, one
//! after the other, and says which the checks do not notice.
//!
//! `cargo run -p mqtt5-mutants [-- --all | --count NUMBER | --seed NUMBER | --file PART | NUMBER…]`
//!
//! The changes are deliberate faults, `fault!("mutant 17", …)`, as those in the sources: another operator, a
//! condition that is negated or loses a part, a statement that is left out. What is equivalent to the original is
//! listed in `equivalent.toml`, with the reason.

mod copy;
mod sample;
mod sites;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use mqtt5_spec_tests::faults::{Programs, workspace};

use crate::copy::Copy;
use crate::sample::{Chosen, choose};
use crate::sites::{Site, sites, with_changes};

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
    let target = workspace().join("target/faults");
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
    let viable = compile(&copy, &sources, &mutants, &target)?;
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
    let candidates: Vec<usize> = viable.into_iter().filter(|it| !is_equivalent(it)).collect();
    let numbers = choose(&chosen, &candidates, |number| {
        mutants[number].file.display().to_string()
    });

    let mut programs = Programs::build(copy.folder(), &target)?;
    programs.build_tests_of(&["mqtt5-codec", "mqtt5-session-fsm"])?;
    println!("built; {:.0} s", started.elapsed().as_secs_f64());
    if let Some(complaint) = notice(&programs, None, true, 0)? {
        return Err(format!("Without any change, {complaint} fails."));
    }
    let of_codec = |number: usize| mutants[number].file.starts_with("codec");
    let noticed = try_all(&programs, &numbers, of_codec)?;
    let survivors: Vec<usize> = noticed
        .iter()
        .filter(|(_, complaint)| complaint.is_none())
        .map(|(number, _)| *number)
        .collect();
    if !survivors.is_empty() {
        println!("Not noticed:");
    }
    for number in &survivors {
        println!("{}", mutants[*number].place(*number));
    }
    let caught = numbers.len() - survivors.len();
    println!(
        "{caught} of {} changes were noticed, {:.0} per cent; {:.0} s",
        numbers.len(),
        100.0 * caught as f64 / numbers.len().max(1) as f64,
        started.elapsed().as_secs_f64(),
    );
    if caught * 100 < numbers.len() * sample::LEAST {
        return Err(format!(
            "Less than {} per cent were noticed.",
            sample::LEAST
        ));
    }
    Ok(())
}

/// Writes the changes that compile into the copy, and returns their numbers.
fn compile(
    copy: &Copy,
    sources: &BTreeMap<PathBuf, String>,
    mutants: &[Mutant],
    target: &Path,
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
        let errors = copy.errors(target)?;
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

/// What notices each of some changes.
fn try_all(
    programs: &Programs,
    numbers: &[usize],
    of_codec: impl Fn(usize) -> bool + Sync,
) -> Result<Vec<(usize, Option<String>)>, String> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let lanes = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for lane in 0..lanes {
            let (next, done, of_codec) = (&next, &done, &of_codec);
            scope.spawn(move || {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = format!("mutant {number}");
                    let result = notice(programs, Some(&name), of_codec(*number), lane);
                    done.lock()
                        .expect("no thread panics")
                        .push(result.map(|complaint| (*number, complaint)));
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .expect("no thread panics")
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    done.sort();
    Ok(done)
}

/// The first check that fails.
fn notice(
    programs: &Programs,
    mutant: Option<&str>,
    of_codec: bool,
    lane: usize,
) -> Result<Option<String>, String> {
    let run = programs.with(mutant, lane);
    run.begin()?;
    run.first_failure(of_codec)
}
