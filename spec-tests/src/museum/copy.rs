//! The copy of the workspace in which the bugs are made.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Change;

/// What is not copied: it would be built for nothing.
const LEFT_OUT: [&str; 5] = [
    "target",
    ".git",
    "spec-tests/src/bin/museum.rs",
    "spec-tests/src/bin/report.rs",
    "spec-tests/MUSEUM.md",
];

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    let package = crate::package_folder();
    package.parent().unwrap_or(package)
}

/// A copy of the workspace.
#[derive(Debug)]
pub struct WorkCopy {
    folder: PathBuf,
}

impl WorkCopy {
    /// Makes `folder` a copy of the workspace. A file that is the same already is left alone, so that it is not
    /// compiled again.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn make(folder: &Path) -> io::Result<Self> {
        let mut copied = BTreeSet::new();
        copy_folder(workspace(), folder, Path::new(""), &mut copied)?;
        remove_others(folder, Path::new(""), &copied)?;
        Ok(WorkCopy {
            folder: folder.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes changes, and gives what [`WorkCopy::undo`] needs.
    ///
    /// # Errors
    ///
    /// If a change does not fit the file; nothing is changed then.
    pub fn change(&self, changes: &[Change]) -> Result<Vec<(PathBuf, String)>, String> {
        let mut before: Vec<(PathBuf, String)> = Vec::new();
        let mut after: Vec<String> = Vec::new();
        for change in changes {
            let path = self.folder.join(&change.file);
            match before.iter().position(|(known, _)| *known == path) {
                Some(known) => after[known] = change.apply(&after[known])?,
                None => {
                    let text = fs::read_to_string(&path)
                        .map_err(|error| format!("{}: {error}", change.file))?;
                    after.push(change.apply(&text)?);
                    before.push((path, text));
                }
            }
        }
        for ((path, _), text) in before.iter().zip(&after) {
            fs::write(path, text).map_err(|error| error.to_string())?;
        }
        Ok(before)
    }

    /// Undoes changes.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn undo(&self, before: &[(PathBuf, String)]) -> io::Result<()> {
        before
            .iter()
            .try_for_each(|(path, text)| fs::write(path, text))
    }
}

fn copy_folder(
    from: &Path,
    to: &Path,
    inside: &Path,
    copied: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    fs::create_dir_all(to.join(inside))?;
    for entry in fs::read_dir(from.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        let kind = entry.file_type()?;
        let left_out = LEFT_OUT.iter().any(|it| path.ends_with(it));
        if left_out {
            continue;
        }
        if kind.is_dir() {
            copy_folder(from, to, &path, copied)?;
        } else if kind.is_file() {
            let wanted = fs::read(from.join(&path))?;
            if fs::read(to.join(&path)).ok().as_ref() != Some(&wanted) {
                fs::write(to.join(&path), wanted)?;
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
            // What the checks leave behind.
            if !path.ends_with("target") {
                remove_others(folder, &path, copied)?;
            }
        } else if !copied.contains(&path) {
            fs::remove_file(folder.join(&path))?;
        }
    }
    Ok(())
}
