//! What must survive a restart, as records: a key with a value, or the removal of a key.
//!
//! Records are numbered without gaps, over restarts, too. The last record of a key counts; a record that is applied again
//! changes nothing. What one call of the broker made is in one batch, which must be stored whole or not at all. All
//! records of one Session begin with the same bytes.
//!
//! A store is a map of keys to values to which batches are applied in their order: a database, a replicated log behind
//! one, or a file that is read from its beginning. The broker goes on while batches are under way:
//! [`Broker::transmit`](super::Broker::transmit) says on which record the bytes depend that it wrote, and they must not
//! leave before it is stored.
//!
//! # Bytes of a batch
//!
//! | bytes | what |
//! | --- | --- |
//! | 3 | `M5B` |
//! | 1 | version of the format |
//! | 8 | number of the first record |
//! | 4 | how many records |
//! | 4 | length of the records |
//! | 4 | CRC-32 of these 20 bytes |
//! | length | the records |
//! | 4 | CRC-32 of all before it |
//!
//! A record is the length of its key (4 bytes), the length of its value (4 bytes; all bits set for a removal), the key and
//! the value. Numbers have their least significant byte first.

mod batch;
mod keep;
mod restore;
mod snapshot;

use self::batch::Writer;
pub use self::batch::{Batch, BatchError, Record, Records};
pub(super) use self::keep::StoredHead;
pub(super) use self::keep::{Journal, is_said_by};
pub use self::restore::{BrokenRecord, Restoring};
pub use self::snapshot::Snapshot;
