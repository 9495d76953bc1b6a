//! What survives a crash.

use std::io;
use std::sync::Arc;

use mqtt5_session_fsm::broker::journal::{Batch, Restoring};
use mqtt5_session_fsm::broker::{Broker, BrokerConfig};
use tokio::task::spawn_blocking;

use super::host::Host;
use crate::clock::unix_time;

/// Where a server stores its records: a map of keys to values. `RedbStore` is one.
///
/// The calls may block: the server makes them on a thread of their own. After an error the server ends.
pub trait Store: Send + 'static {
    /// Tells all keys and their values, in any order.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    fn read(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()>;

    /// Carries out the records of a batch, in their order: a key gets a value, or is removed. When this returns, all of it
    /// survives a crash; if the process dies before, all of it is stored, or nothing.
    ///
    /// # Errors
    ///
    /// It is not known whether the batch is stored.
    fn apply(&mut self, batch: &Batch<'_>) -> io::Result<()>;
}

/// Makes the broker of what is stored.
pub(super) fn open(
    mut store: Box<dyn Store>,
    config: BrokerConfig,
) -> io::Result<(Box<dyn Store>, Broker)> {
    let mut restoring = Restoring::new(config);
    store.read(&mut |key, value| restoring.record(key, Some(value)))?;
    let mut broker = restoring
        .finish(unix_time())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    // Nothing that is stored or in this batch has to be waited for any more.
    let mut bytes = Vec::new();
    if broker.take_batch(&mut bytes).is_some() {
        apply(&mut *store, &bytes)?;
    }
    Ok((store, broker))
}

/// Stores what there is to be stored, until the server ends. One batch has what all connections did while the one before it
/// was written, so that under load one sync serves many.
pub(super) async fn run(mut store: Box<dyn Store>, host: Arc<Host>) {
    let mut bytes = Vec::new();
    loop {
        let Some(last) = host.call(|broker, _| broker.take_batch(&mut bytes)) else {
            tokio::select! {
                () = host.records.notified() => continue,
                () = host.ended() => return,
            }
        };
        let stored = spawn_blocking(move || {
            let result = apply(&mut *store, &bytes);
            (store, bytes, result)
        });
        match stored.await {
            Ok((back, memory, Ok(()))) => {
                (store, bytes) = (back, memory);
                host.stored_up_to(last);
            }
            Ok((.., Err(error))) => return host.stop(Some(format!("the store: {error}"))),
            Err(error) => return host.stop(Some(format!("the store: {error}"))),
        }
    }
}

fn apply(store: &mut dyn Store, mut bytes: &[u8]) -> io::Result<()> {
    while let Some(batch) = Batch::take(&mut bytes).map_err(io::Error::other)? {
        store.apply(&batch)?;
    }
    Ok(())
}
