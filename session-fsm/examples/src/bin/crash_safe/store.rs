//! A store of one Session and its application: a journal whose first batch is the whole state, and
//! whose other batches are the facts and changes since.

use std::io;

use mqtt5_session_fsm::journal::{Journal, JournalError, JournalReader, Record};
use mqtt5_session_fsm::{Change, Instant, Session, SessionConfig};

use super::files::Files;

/// The state of an application: a value that facts change. A fact is bytes in the application's own
/// format.
pub(crate) trait Application: Default {
    /// A fact has come about, now or before a restart.
    fn apply(&mut self, fact: &[u8]) -> io::Result<()>;
    /// Facts that make this value out of a new one.
    fn facts(&self) -> Vec<Vec<u8>>;
}

pub(crate) struct Store<F, A> {
    files: F,
    journal: Journal,
    /// The size of the first batch.
    began_with: u64,
    /// The journal is written anew when it has grown to this size, and to twice what it began with.
    compact_at: u64,
    pub(crate) application: A,
}

impl<F: Files, A: Application> Store<F, A> {
    /// Reads the stored state, or begins with a new Session. Cuts off an unfinished batch.
    pub(crate) fn open(
        mut files: F,
        now: Instant,
        new_session: Session,
        compact_at: u64,
    ) -> io::Result<(Self, Session)> {
        let config = *new_session.config();
        let mut found = None;
        for number in files.list()?.into_iter().rev() {
            let bytes = files.read(number)?;
            found = read(number, &bytes, now, config)?;
            if let Some((journal, ..)) = &found {
                if journal.len() < bytes.len() as u64 {
                    files.truncate(number, journal.len())?;
                }
                // The bytes of a killed process can be read before they are on the disk.
                files.sync(number)?;
                files.sync_list()?;
                break;
            }
            // Its first batch is not whole: the one before it is still there, or it is the first of
            // all.
            if number > 1 && !files.list()?.contains(&(number - 1)) {
                return Err(invalid(
                    "the state at the beginning of the journal is damaged",
                ));
            }
        }
        let is_new = found.is_none();
        let (journal, began_with, application, session) =
            found.unwrap_or_else(|| (Journal::new(0), 0, A::default(), new_session));
        let mut store = Store {
            files,
            journal,
            began_with,
            compact_at,
            application,
        };
        if is_new {
            store.compact(&session)?;
        }
        store.remove_others()?;
        Ok((store, session))
    }

    /// A fact has come about: it is stored with the next [`Store::commit`].
    pub(crate) fn fact(&mut self, fact: &[u8]) -> io::Result<()> {
        self.application.apply(fact)?;
        self.journal.data(fact);
        Ok(())
    }

    pub(crate) fn change(&mut self, change: &Change) {
        self.journal.change(change);
    }

    /// Stores all facts and changes since the last call, in one transaction. Packets that were
    /// written since may go only afterwards. After an error the file is in an unknown state: end
    /// the process, and start it again.
    pub(crate) fn commit(&mut self, session: &Session) -> io::Result<()> {
        let number = self.journal.number();
        let batch = self.journal.seal();
        if batch.is_empty() {
            return Ok(());
        }
        self.files.append(number, batch)?;
        self.files.sync(number)?;
        if self.journal.len() > self.compact_at.max(2 * self.began_with) {
            self.compact(session)?;
            self.remove_others()?;
        }
        Ok(())
    }

    /// Begins a new journal with the whole state. The one before it counts until this one is safe.
    fn compact(&mut self, session: &Session) -> io::Result<()> {
        let number = self.journal.number() + 1;
        let mut journal = Journal::new(number);
        journal.data(&session.export());
        for fact in self.application.facts() {
            journal.data(&fact);
        }
        self.files.create(number)?;
        self.files.append(number, journal.seal())?;
        self.files.sync(number)?;
        self.files.sync_list()?;
        self.began_with = journal.len();
        self.journal = journal;
        Ok(())
    }

    fn remove_others(&mut self) -> io::Result<()> {
        let current = self.journal.number();
        for number in self.files.list()? {
            if number != current {
                self.files.remove(number)?;
            }
        }
        Ok(())
    }
}

type State<A> = (Journal, u64, A, Session);

/// What a journal has; `None` if not even its first batch is whole.
fn read<A: Application>(
    number: u64,
    bytes: &[u8],
    now: Instant,
    config: SessionConfig,
) -> io::Result<Option<State<A>>> {
    let mut reader = JournalReader::new(number, bytes);
    let mut state: Option<(u64, A, Session)> = None;
    loop {
        let records = match reader.next_batch() {
            Ok(Some(records)) => records,
            Ok(None) | Err(JournalError::Unfinished { .. }) => break,
            Err(damaged) => return Err(invalid(damaged)),
        };
        for record in records {
            match (record.map_err(invalid)?, &mut state) {
                (Record::Data(export), None) => {
                    let session = Session::restore(now, export, config).map_err(invalid)?;
                    state = Some((reader.position(), A::default(), session));
                }
                (Record::Data(fact), Some((_, application, _))) => application.apply(fact)?,
                (Record::Change(change), Some((.., session))) => {
                    session.apply(now, &change).map_err(invalid)?;
                }
                (Record::Change(_), None) => return Err(invalid("the journal has no beginning")),
            }
        }
    }
    let journal = reader.into_journal();
    Ok(state.map(|(began_with, application, session)| (journal, began_with, application, session)))
}

/// The stored bytes are not those of this program.
pub(crate) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
