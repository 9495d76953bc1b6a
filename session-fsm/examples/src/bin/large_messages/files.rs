//! A disk made of the files in a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::depot::Disk;

/// A folder with a file for each message, and one for the state.
pub(crate) struct Files {
    folder: PathBuf,
    /// What was appended since the state was stored, and the last file in any case: it may go on.
    recent: Vec<(u64, File)>,
}

impl Files {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Files {
            folder: folder.to_owned(),
            recent: Vec::new(),
        })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }
}

impl Disk for Files {
    fn state(&mut self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join("state")) {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn store(&mut self, state: &[u8]) -> io::Result<()> {
        for (_, file) in &self.recent {
            file.sync_all()?;
        }
        self.recent.drain(..self.recent.len().saturating_sub(1));
        let new = self.folder.join("state.new");
        let mut file = File::create(&new)?;
        file.write_all(state)?;
        file.sync_all()?;
        // In one step: after a crash it is the old state or the new one.
        fs::rename(new, self.folder.join("state"))?;
        // The names are safe, too; where a folder cannot be opened, the system sees to that.
        File::open(&self.folder).map_or(Ok(()), |folder| folder.sync_all())
    }

    fn create(&mut self, number: u64) -> io::Result<()> {
        self.recent.retain(|(other, _)| *other != number);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.path(number))?;
        self.recent.push((number, file));
        Ok(())
    }

    fn append(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.recent.iter_mut().find(|(other, _)| *other == number);
        let (_, file) = file.ok_or(io::ErrorKind::NotFound)?;
        file.write_all(bytes)
    }

    fn read(&mut self, number: u64) -> io::Result<Vec<u8>> {
        fs::read(self.path(number))
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        fs::remove_file(self.path(number))
    }
}
