//! What survives a crash.

use std::io;

use mqtt5_session_fsm::journal::{Journal as Batches, JournalReader, Record};
use mqtt5_session_fsm::{Change, Instant, Session, SessionConfig};
use tokio::task::spawn_blocking;

/// Where a client stores its Session: a list of entries, each a handful of bytes, in a file, a database, a flash memory.
/// `RedbJournal` is one.
///
/// The calls may block: the client makes them on a thread of their own. After an error the client ends.
pub trait Journal: Send + 'static {
    /// Reads all entries, in order.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    fn entries(&mut self) -> io::Result<Vec<Vec<u8>>>;

    /// Adds an entry. When this returns, the entry survives a crash, whole; if the process dies before, it is there whole,
    /// or not at all.
    ///
    /// # Errors
    ///
    /// It is not known whether the entry is stored.
    fn append(&mut self, entry: &[u8]) -> io::Result<()>;

    /// Puts an entry in place of all others, whole or not at all, as [`Journal::append`].
    ///
    /// # Errors
    ///
    /// It is not known whether the entry is stored.
    fn replace(&mut self, entry: &[u8]) -> io::Result<()>;
}

/// The first entry is the whole Session, the others are batches of changes.
pub(super) struct Store {
    /// `None` while a thread has it.
    journal: Option<Box<dyn Journal>>,
    batches: Batches,
    /// How many bytes the first entry has.
    began_with: usize,
}

/// A journal of fewer bytes is not written anew.
const SMALL: usize = 1 << 20;
/// Entries are whole and in order, so nothing has to tell this journal from another one.
const NUMBER: u64 = 1;

impl Store {
    /// Restores the Session, or stores a new one.
    pub(super) async fn open(
        journal: Box<dyn Journal>,
        now: Instant,
        config: SessionConfig,
    ) -> io::Result<(Self, Session)> {
        let opened = spawn_blocking(move || open(journal, now, config));
        opened.await.map_err(io::Error::other)?
    }

    pub(super) fn change(&mut self, change: &Change) {
        self.batches.change(change);
    }

    pub(super) fn has_changes(&self) -> bool {
        self.batches.has_records()
    }

    /// Stores the changes since the last call.
    pub(super) async fn commit(&mut self, session: &Session) -> io::Result<()> {
        let Some(mut journal) = self.journal.take() else {
            return Err(io::Error::other("an earlier change could not be stored"));
        };
        let entry = self.batches.seal().to_vec();
        let length = usize::try_from(self.batches.len()).unwrap_or(usize::MAX);
        let is_large = length > SMALL.max(2 * self.began_with);
        let whole = is_large.then(|| session.export());
        if let Some(whole) = &whole {
            self.began_with = whole.len();
            self.batches = Batches::new(NUMBER);
        }
        let stored = spawn_blocking(move || {
            match whole {
                // It has the changes of this batch.
                Some(whole) => journal.replace(&whole)?,
                None => journal.append(&entry)?,
            }
            io::Result::Ok(journal)
        });
        self.journal = Some(stored.await.map_err(io::Error::other)??);
        Ok(())
    }
}

fn open(
    mut journal: Box<dyn Journal>,
    now: Instant,
    config: SessionConfig,
) -> io::Result<(Store, Session)> {
    let entries = journal.entries()?;
    let mut entries = entries.into_iter();
    let Some(whole) = entries.next() else {
        let session = Session::of_client(config);
        let whole = session.export();
        journal.replace(&whole)?;
        let store = Store {
            journal: Some(journal),
            batches: Batches::new(NUMBER),
            began_with: whole.len(),
        };
        return Ok((store, session));
    };
    let mut session = Session::restore(now, &whole, config).map_err(damaged)?;
    let changes: Vec<u8> = entries.flatten().collect();
    let mut reader = JournalReader::new(NUMBER, &changes);
    while let Some(records) = reader.next_batch().map_err(damaged)? {
        for record in records {
            if let Record::Change(change) = record.map_err(damaged)? {
                session.apply(now, &change).map_err(damaged)?;
            }
        }
    }
    let store = Store {
        journal: Some(journal),
        batches: reader.into_journal(),
        began_with: whole.len(),
    };
    Ok((store, session))
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
