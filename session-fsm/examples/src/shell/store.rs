//! The records of the broker in a file, one batch behind the other.
//!
//! Each batch is written and synced before the next one is taken, and holds what all connections did
//! meanwhile: under load, one sync serves many. So only the last batch can be unfinished. While the
//! broker runs, a snapshot takes the place of a file that has grown.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mqtt5_session_fsm::broker::journal::{Batch, Restoring, Snapshot};
use mqtt5_session_fsm::broker::{Broker, BrokerConfig};
use tokio::task::spawn_blocking;

use crate::broker::{Host, unix_time};

/// How many Sessions, retained messages and so on are in one slice of a snapshot.
const SLICE: u32 = 1_000;

pub(crate) struct Store {
    path: PathBuf,
    file: File,
    length: u64,
    /// A file that is smaller is not written anew.
    minimum: u64,
    /// When the file is longer than this, it is written anew.
    compact_at: u64,
    compaction: Option<Compaction>,
}

/// A file that will take the place of the other one.
struct Compaction {
    snapshot: Snapshot,
    file: File,
    /// Where the batches begin, in the other one, that have to follow the snapshot.
    from: u64,
}

impl Store {
    /// Makes the broker of what is stored. A file of at most `minimum` bytes is not written anew.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, belongs to another process, or is damaged before its last
    /// batch.
    pub(crate) fn open(
        path: &Path,
        config: BrokerConfig,
        minimum: u64,
    ) -> io::Result<(Self, Broker)> {
        let mut file = create(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (mut log, mut restoring) = (&bytes[..], Restoring::new(config));
        loop {
            match Batch::take(&mut log) {
                Ok(Some(batch)) => {
                    for record in batch.records() {
                        restoring.record(record.key, record.value);
                    }
                }
                Ok(None) => break,
                Err(_) if Batch::is_last(log) => {
                    eprintln!("The last {} bytes were not finished.", log.len());
                    break;
                }
                Err(error) => {
                    let at = bytes.len() - log.len();
                    return Err(io::Error::other(format!("at byte {at}, {error}")));
                }
            }
        }
        let length = (bytes.len() - log.len()) as u64;
        file.set_len(length)?;
        let mut broker = restoring.finish(unix_time()).map_err(io::Error::other)?;
        let mut store = Store {
            path: path.to_owned(),
            file,
            length,
            minimum,
            compact_at: minimum.max(2 * length),
            compaction: None,
        };
        // Nothing that is in the file or in this batch has to be waited for any more.
        let mut batch = Vec::new();
        broker.take_batch(&mut batch);
        store.append(&batch)?;
        Ok((store, broker))
    }

    /// Stores what there is to be stored.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) async fn run(mut self, host: Rc<Host>) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            if let Some(last) = host.call(|broker, _| broker.take_batch(&mut bytes)) {
                (self, bytes) = blocking(move || {
                    self.append(&bytes)?;
                    Ok((self, bytes))
                })
                .await?;
                host.stored.send_replace(last);
            } else if self.compaction.is_none() {
                host.records.notified().await;
            }
            (self, bytes) = self.compact(&host, bytes).await?;
        }
    }

    fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        self.file.write_all(batch)?;
        self.file.sync_data()?;
        self.length += batch.len() as u64;
        Ok(())
    }

    /// Writes the next slice of a snapshot, or begins or ends one, if there is need for it.
    async fn compact(mut self, host: &Host, mut bytes: Vec<u8>) -> io::Result<(Self, Vec<u8>)> {
        let Some(mut compaction) = self.compaction.take() else {
            if self.length > self.compact_at {
                let file = create(&self.path.with_added_extension("new"))?;
                file.set_len(0)?;
                self.compaction = Some(Compaction {
                    snapshot: host.call(|broker, _| broker.snapshot()),
                    file,
                    from: self.length,
                });
            }
            return Ok((self, bytes));
        };
        let snapshot = &mut compaction.snapshot;
        let slice = |broker: &mut Broker, _| {
            broker.snapshot_slice(snapshot, &mut SLICE.clone(), &mut bytes)
        };
        let is_more = host.call(slice);
        blocking(move || {
            compaction.file.write_all(&bytes)?;
            match is_more {
                true => self.compaction = Some(compaction),
                false => self.replace(compaction)?,
            }
            Ok((self, bytes))
        })
        .await
    }

    /// The snapshot is written. What was stored since it was begun follows it.
    fn replace(&mut self, Compaction { mut file, from, .. }: Compaction) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(from))?;
        io::copy(&mut self.file, &mut file)?;
        file.sync_all()?;
        fs::rename(self.path.with_added_extension("new"), &self.path)?;
        sync_directory(&self.path)?;
        self.length = file.metadata()?.len();
        self.compact_at = self.minimum.max(2 * self.length);
        self.file = file;
        Ok(())
    }
}

/// Opens a file, which is created if there is none.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).open(path)?;
    // Two servers would spoil it.
    let locked = file.try_lock();
    locked.map_err(|_| io::Error::other("another server may have it open"))?;
    sync_directory(path)?;
    Ok(file)
}

/// Creations and names of files survive from now on.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    // A directory cannot be opened everywhere; where it cannot, it need not be.
    match File::open(directory) {
        Ok(directory) => directory.sync_all(),
        Err(_) => Ok(()),
    }
}

/// Lets a disk keep its own thread waiting, and no other.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(call).await?
}
