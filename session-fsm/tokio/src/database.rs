//! Journals and stores in a file of the database redb.

use std::io;
use std::path::Path;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};

/// All of a file is read when it is opened, so all of it is checked: a file that was damaged while it was closed is an error,
/// where redb would otherwise trust it.
fn open(path: impl AsRef<Path>) -> io::Result<Database> {
    let mut builder = Builder::new();
    builder.set_check_integrity_on_open(true);
    builder.create(path).map_err(other)
}

fn other(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        error @ redb::Error::DatabaseAlreadyOpen => io::Error::new(io::ErrorKind::AddrInUse, error),
        error => io::Error::other(error),
    }
}

/// The [`Journal`](crate::Journal) of a client in a file.
#[cfg(feature = "client")]
#[derive(Debug)]
pub struct RedbJournal {
    database: Database,
    /// The number of the next entry.
    next: u64,
}

#[cfg(feature = "client")]
const ENTRIES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("entries");

#[cfg(feature = "client")]
impl RedbJournal {
    /// Opens a file, which is created if there is none. Checks the whole file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not a database, is damaged, or is open in another process.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let database = open(path)?;
        Ok(RedbJournal { database, next: 0 })
    }

    fn write(&mut self, entry: &[u8], replaces: bool) -> io::Result<()> {
        let write = self.database.begin_write().map_err(other)?;
        {
            let mut entries = write.open_table(ENTRIES).map_err(other)?;
            if replaces {
                entries.retain(|_, _| false).map_err(other)?;
            }
            entries.insert(self.next, entry).map_err(other)?;
        }
        write.commit().map_err(other)?;
        self.next += 1;
        Ok(())
    }
}

#[cfg(feature = "client")]
impl crate::Journal for RedbJournal {
    fn entries(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let read = self.database.begin_read().map_err(other)?;
        let entries = match read.open_table(ENTRIES) {
            Ok(entries) => entries,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(other(error)),
        };
        let mut all = Vec::new();
        for entry in entries.iter().map_err(other)? {
            let (number, entry) = entry.map_err(other)?;
            self.next = number.value() + 1;
            all.push(entry.value().to_vec());
        }
        Ok(all)
    }

    fn append(&mut self, entry: &[u8]) -> io::Result<()> {
        self.write(entry, false)
    }

    fn replace(&mut self, entry: &[u8]) -> io::Result<()> {
        self.write(entry, true)
    }
}

/// The [`Store`](crate::Store) of a server in a file.
#[cfg(feature = "server")]
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
}

#[cfg(feature = "server")]
const RECORDS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("records");

#[cfg(feature = "server")]
impl RedbStore {
    /// Opens a file, which is created if there is none. Checks the whole file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not a database, is damaged, or is open in another process.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let database = open(path)?;
        Ok(RedbStore { database })
    }
}

#[cfg(feature = "server")]
impl crate::Store for RedbStore {
    fn read(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        let read = self.database.begin_read().map_err(other)?;
        let records = match read.open_table(RECORDS) {
            Ok(records) => records,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(other(error)),
        };
        for record in records.iter().map_err(other)? {
            let (key, value) = record.map_err(other)?;
            each(key.value(), value.value());
        }
        Ok(())
    }

    fn apply(&mut self, batch: &mqtt5_session_fsm::broker::journal::Batch<'_>) -> io::Result<()> {
        let write = self.database.begin_write().map_err(other)?;
        {
            let mut records = write.open_table(RECORDS).map_err(other)?;
            for record in batch.records() {
                match record.value {
                    Some(value) => drop(records.insert(record.key, value).map_err(other)?),
                    None => drop(records.remove(record.key).map_err(other)?),
                }
            }
        }
        write.commit().map_err(other)
    }
}
