//! Makes each bug of the museum in a copy of the workspace, and finds out which checks catch it: see
//! `mqtt5_spec_tests::museum`.
//!
//! `cargo run --release -p mqtt5-spec-tests --bin museum [-- NAME-PART]`
//!
//! Without a part of a name it writes `MUSEUM.md`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use mqtt5_spec_tests::museum::{
    Exhibit, Finding, Layer, Museum, Shown, WorkCopy, Workshop, one_line, render, workspace,
};
use mqtt5_spec_tests::path_of;

fn main() -> ExitCode {
    let part = std::env::args().nth(1);
    match visit(part.as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every exhibit was caught.
fn visit(part: Option<&str>) -> Result<bool, String> {
    let museum = Museum::load()?;
    let chosen = |exhibit: &&Exhibit| part.is_none_or(|part| exhibit.name.contains(part));
    let exhibits: Vec<&Exhibit> = museum.exhibits.iter().filter(chosen).collect();
    if exhibits.is_empty() {
        return Err("there is no such exhibit".to_owned());
    }
    let folder = workspace().join("target/museum");
    let copy = WorkCopy::make(&folder.join("work")).map_err(|error| error.to_string())?;
    let workshop = Workshop {
        folder: copy.folder().to_owned(),
        target: folder.join("target"),
    };

    let started = Instant::now();
    let unchanged = workshop.quick()?;
    if !unchanged.is_empty() {
        return Err(format!("without any change: {unchanged:?}"));
    }
    println!("unchanged: {:.0} s", started.elapsed().as_secs_f64());

    let mut all = Vec::new();
    let mut errors = Vec::new();
    for exhibit in exhibits {
        let started = Instant::now();
        match show(exhibit, &copy, &workshop) {
            Ok(findings) => {
                let shown = Shown { exhibit, findings };
                let seconds = started.elapsed().as_secs_f64();
                println!("{seconds:>4.0} s  {}", one_line(&shown));
                all.push(shown);
            }
            Err(error) => {
                println!("        {:<66} ERROR", exhibit.name);
                errors.push(format!("{}: {error}", exhibit.name));
            }
        }
    }
    let caught = all.iter().filter(|shown| shown.is_caught()).count();
    println!("{caught} of {} caught", all.len());
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    if part.is_none() {
        write(&path_of("MUSEUM.md"), &render(&all))?;
    }
    Ok(caught == all.len())
}

/// What catches an exhibit.
fn show(exhibit: &Exhibit, copy: &WorkCopy, workshop: &Workshop) -> Result<Vec<Finding>, String> {
    let before = copy.change(&exhibit.changes())?;
    if exhibit.by_type.is_some() {
        copy.undo(&before).map_err(|error| error.to_string())?;
        if !workshop.compiles()? {
            return Err("it does not compile without the change, either".to_owned());
        }
        copy.change(&exhibit.changes())?;
    }
    let findings = match &exhibit.by_type {
        None => workshop.quick(),
        Some(reason) => workshop.compiles().and_then(|compiles| {
            let finding = Finding {
                layer: Layer::Types,
                names: vec![reason.clone()],
                count: 1,
            };
            if compiles {
                Err("it compiles".to_owned())
            } else {
                Ok(vec![finding])
            }
        }),
    };
    copy.undo(&before).map_err(|error| error.to_string())?;
    let mut findings = findings?;
    if findings.is_empty() {
        // The last resort takes long: only now is it known that it is needed.
        if let Some(finding) = workshop.properties()? {
            return Err(format!("without any change: {finding:?}"));
        }
        let before = copy.change(&exhibit.changes())?;
        let last = workshop.properties();
        copy.undo(&before).map_err(|error| error.to_string())?;
        findings.extend(last?);
    }
    Ok(findings)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{} is up to date", path.display());
    Ok(())
}
