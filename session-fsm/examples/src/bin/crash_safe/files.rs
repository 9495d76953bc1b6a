//! The operations of a disk that a store needs. A test replaces it by a disk that fails at each
//! call in turn.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// Files that have numbers. What was not synced may be lost in a crash, in whole or in part.
pub(crate) trait Files {
    /// The numbers of the files there are, ascending.
    fn list(&self) -> io::Result<Vec<u64>>;
    fn read(&self, number: u64) -> io::Result<Vec<u8>>;
    /// Creates an empty file, or empties an existing one.
    fn create(&mut self, number: u64) -> io::Result<()>;
    fn append(&mut self, number: u64, bytes: &[u8]) -> io::Result<()>;
    fn truncate(&mut self, number: u64, length: u64) -> io::Result<()>;
    /// The contents of a file survive from now on.
    fn sync(&mut self, number: u64) -> io::Result<()>;
    /// Creations and removals survive from now on.
    fn sync_list(&mut self) -> io::Result<()>;
    fn remove(&mut self, number: u64) -> io::Result<()>;
}

/// A directory with files called `journal-1`, `journal-2`, …
pub(crate) struct Directory {
    path: PathBuf,
    /// The one that is written to.
    open: Option<(u64, File)>,
}

impl Directory {
    pub(crate) fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        Ok(Directory { path, open: None })
    }

    fn name(&self, number: u64) -> PathBuf {
        self.path.join(format!("journal-{number}"))
    }

    fn file(&mut self, number: u64) -> io::Result<&mut File> {
        if self.open.as_ref().is_none_or(|(it, _)| *it != number) {
            let file = OpenOptions::new().append(true).open(self.name(number))?;
            self.open = Some((number, file));
        }
        let file = self.open.as_mut().map(|(_, file)| file);
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Files for Directory {
    fn list(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("journal-"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn read(&self, number: u64) -> io::Result<Vec<u8>> {
        fs::read(self.name(number))
    }

    fn create(&mut self, number: u64) -> io::Result<()> {
        self.open = None;
        File::create(self.name(number)).map(drop)
    }

    fn append(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(number)?.write_all(bytes)
    }

    fn truncate(&mut self, number: u64, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.name(number))?;
        file.set_len(length)
    }

    fn sync(&mut self, number: u64) -> io::Result<()> {
        self.file(number)?.sync_all()
    }

    fn sync_list(&mut self) -> io::Result<()> {
        // A directory cannot be opened everywhere; where it cannot, it need not be.
        match File::open(&self.path) {
            Ok(directory) => directory.sync_all(),
            Err(_) => Ok(()),
        }
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        fs::remove_file(self.name(number))
    }
}
