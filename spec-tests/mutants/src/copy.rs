//! The copy of the workspace that is changed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mqtt5_spec_tests::faults::{cargo_with_faults, workspace};

/// What is not copied.
const LEFT_OUT: [&str; 3] = ["target", ".git", "node_modules"];

/// What is put before the sources: much of what is generated is not as a person would write it.
const ALLOW: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic)] ";

#[derive(Debug)]
pub(crate) struct Copy {
    folder: PathBuf,
}

/// An error of the compiler.
#[derive(Debug)]
pub(crate) struct CompileError {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

impl Copy {
    /// Copies the workspace. A file that is the same already is left alone, so that it is not compiled again.
    /// Nor are `changed` files, which are written with their changes.
    pub(crate) fn make(folder: &Path, changed: &[PathBuf]) -> Result<Self, String> {
        let mut copied = BTreeSet::new();
        let made = copy_folder(folder, Path::new(""), changed, &mut copied)
            .and_then(|()| remove_others(folder, Path::new(""), &copied));
        made.map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Copy {
            folder: folder.to_owned(),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes a file of the copy.
    pub(crate) fn write(&self, file: &Path, text: &str) -> Result<(), String> {
        let text = match file.ends_with("src/lib.rs") {
            true => format!("{ALLOW}{text}"),
            false => text.to_owned(),
        };
        let path = self.folder.join(file);
        if fs::read_to_string(&path).is_ok_and(|known| known == text) {
            return Ok(());
        }
        fs::write(&path, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// What the compiler has against the copy.
    pub(crate) fn errors(&self) -> Result<Vec<CompileError>, String> {
        let output = cargo_with_faults(&self.folder)
            .args([
                "check",
                "-p",
                "mqtt5-session-fsm",
                "--features",
                "tracing",
                "--message-format",
                "short",
            ])
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<CompileError> = said.lines().filter_map(compile_error).collect();
        if errors.is_empty() && !output.status.success() {
            return Err(said.into_owned());
        }
        Ok(errors)
    }
}

/// What a line such as `codec/src/text.rs:12:5: error[E0308]: …` says.
fn compile_error(line: &str) -> Option<CompileError> {
    let (place, message) = line.split_once(": ")?;
    if !message.starts_with("error") {
        return None;
    }
    let mut parts = place.split(':');
    let file = PathBuf::from(parts.next()?);
    let line: usize = parts.next()?.parse().ok()?;
    Some(CompileError { file, line })
}

fn copy_folder(
    to: &Path,
    inside: &Path,
    changed: &[PathBuf],
    copied: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    fs::create_dir_all(to.join(inside))?;
    for entry in fs::read_dir(workspace().join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        let kind = entry.file_type()?;
        if LEFT_OUT.iter().any(|it| path.ends_with(it)) {
            continue;
        }
        if kind.is_dir() {
            copy_folder(to, &path, changed, copied)?;
        } else if kind.is_file() {
            if !changed.contains(&path) {
                let wanted = fs::read(workspace().join(&path))?;
                if fs::read(to.join(&path)).ok().as_ref() != Some(&wanted) {
                    fs::write(to.join(&path), wanted)?;
                }
            }
            copied.insert(path);
        }
    }
    Ok(())
}

/// Removes the files of an earlier copy that are no longer in the workspace.
fn remove_others(folder: &Path, inside: &Path, copied: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if !path.ends_with("target") {
                remove_others(folder, &path, copied)?;
            }
        } else if !copied.contains(&path) {
            fs::remove_file(folder.join(&path))?;
        }
    }
    Ok(())
}

/// The source files in some folders, seen from the workspace, in the order of their names.
pub(crate) fn sources(folders: &[&str], without: &[&str]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for folder in folders {
        list(Path::new(folder), &mut found).map_err(|error| format!("{folder}: {error}"))?;
    }
    found.retain(|file| {
        let name = file.display().to_string();
        name.ends_with(".rs")
            && !name.ends_with("tests.rs")
            && !without.iter().any(|part| name.contains(part))
    });
    found.sort();
    Ok(found)
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(workspace().join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
