//! Which check noticed a change the last time: it is asked first the next time.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What noticed each change, by the descriptions of both.
#[derive(Debug)]
pub(crate) struct Memory {
    file: PathBuf,
    known: Mutex<BTreeMap<String, String>>,
}

impl Memory {
    /// What earlier runs wrote to the file; nothing if there is none.
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        let known = lines.map(|(change, group)| (change.to_owned(), group.to_owned()));
        Memory {
            file: file.to_owned(),
            known: Mutex::new(known.collect()),
        }
    }

    /// The group of checks that noticed the change.
    pub(crate) fn of(&self, change: &str) -> Option<String> {
        let known = self.known.lock().expect("no thread panics");
        known.get(change).cloned()
    }

    /// How many changes each group noticed: of this file, and of all.
    pub(crate) fn counts(&self, file: &str) -> BTreeMap<String, (usize, usize)> {
        let known = self.known.lock().expect("no thread panics");
        let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for (change, group) in known.iter() {
            let count = counts.entry(group.clone()).or_default();
            count.0 += usize::from(change.starts_with(file));
            count.1 += 1;
        }
        counts
    }

    /// Notes which group noticed a change. It is written at once, so a run that is broken off is of use, too.
    pub(crate) fn noticed(&self, change: &str, group: &str) -> Result<(), String> {
        let mut known = self.known.lock().expect("no thread panics");
        if known.get(change).is_some_and(|it| it == group) {
            return Ok(());
        }
        known.insert(change.to_owned(), group.to_owned());
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file);
        let written = file.and_then(|mut file| writeln!(file, "{change}\t{group}"));
        written.map_err(|error| format!("{}: {error}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noticed_last_is_remembered() {
        let folder = std::env::temp_dir().join(format!("mutants-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("noticed");
        let memory = Memory::read(&file);
        assert_eq!(memory.of("a"), None);
        for (change, group) in [("a", "first"), ("b", "other"), ("a", "second")] {
            memory.noticed(change, group).expect("written");
        }
        let memory = Memory::read(&file);
        memory.noticed("x/a: c", "second").expect("written");
        assert_eq!(memory.counts("x/a")["second"], (1, 2));
        assert_eq!(memory.of("a").as_deref(), Some("second"));
        assert_eq!(memory.of("b").as_deref(), Some("other"));
        fs::remove_dir_all(&folder).expect("removed");
    }
}
