//! A fixed amount of memory for Application Messages.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use bytes::BytesMut;

use crate::message::store_in;
use crate::{EncodeError, Message, Publish};

/// Memory for a fixed number of [`Message`]s of limited size, for devices that must not allocate once they
/// are started.
///
/// A pool has slots. Each message takes one, and the slot is free again when the message and all of its
/// clones are gone, wherever and in whatever order they are dropped: the message may be sent, kept in a
/// Session, or refused. Everything is allocated by [`MessagePool::new`]: for each slot its size and 60 to 80
/// bytes more. No other method allocates or frees anything. When the pool is gone, a slot is freed with its
/// message.
///
/// For a window of n messages in flight, of which each is built when another one is acknowledged, n slots
/// are enough.
///
/// A pool is memory and not state. A clone has slots of its own, of the same number and size, which are all
/// free. Pools are equal if they have as many slots of the same size.
///
/// ```
/// use mqtt5_codec::{MessagePool, PoolError, Publish, TopicName};
///
/// let mut pool = MessagePool::new(2, 64);
/// let publish = Publish::new(TopicName::new("pump/7")?, b"on");
/// let one = pool.message(&publish)?;
/// let two = pool.message(&publish)?;
/// assert_eq!(pool.message(&publish), Err(PoolError::Full));
///
/// drop(one); // it was sent
/// assert!(pool.has_room());
/// let three = pool.message(&publish)?;
/// assert_eq!(three.payload(), b"on");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MessagePool {
    /// Each is the rest of its memory, or all of it, and shares it with the message that has the slot.
    slots: Vec<BytesMut>,
    slot_size: usize,
    /// Where the search begins: the slot of the oldest message, which is usually free first.
    next: usize,
}

/// A [`MessagePool`] has no memory for a message.
///
/// ```
/// use mqtt5_codec::{MessagePool, PoolError, Publish, TopicName};
///
/// let mut pool = MessagePool::new(1, 8);
/// let publish = Publish::new(TopicName::new("a/long/topic")?, b"");
/// let error = pool.message(&publish).unwrap_err();
/// assert_eq!(error, PoolError::TooLarge { needed: 17 });
/// assert_eq!(error.to_string(), "the message takes 17 bytes, which is more than a slot has");
/// # Ok::<(), mqtt5_codec::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PoolError {
    /// All slots are in use.
    Full,
    /// The message is larger than a slot.
    TooLarge {
        /// How many bytes it takes, see [`Message::size`].
        needed: usize,
    },
    /// The message breaks a rule.
    Invalid(EncodeError),
}

impl MessagePool {
    /// A pool of `slots` messages of at most `slot_size` bytes each, as [`Message::size`] counts them.
    #[must_use]
    pub fn new(slots: usize, slot_size: usize) -> Self {
        let slot = || {
            let mut slot = BytesMut::with_capacity(slot_size);
            // From now on it counts its owners, which takes an allocation.
            drop(slot.split());
            slot
        };
        MessagePool {
            slots: (0..slots).map(|_| slot()).collect(),
            slot_size,
            next: 0,
        }
    }

    /// As [`Message::new`], in a slot of the pool. A message that is not built takes no slot.
    ///
    /// The slots are searched from the one that was taken the longest time ago: constant time while messages
    /// are gone in the order in which they were built, and otherwise at most time in the number of slots.
    ///
    /// # Errors
    ///
    /// [`PoolError`].
    pub fn message(&mut self, publish: &Publish<'_>) -> Result<Message, PoolError> {
        let slot_size = self.slot_size;
        let slot = self.free_slot().ok_or(PoolError::Full)?;
        match store_in(publish, slot, slot_size) {
            Ok(()) => {}
            Err(EncodeError::NoRoom { needed }) => return Err(PoolError::TooLarge { needed }),
            Err(error) => return Err(PoolError::Invalid(error)),
        }
        let packet = slot.split().freeze();
        self.next += 1;
        Ok(Message { packet })
    }

    /// Whether a slot is free: to ask before a payload is put together.
    #[must_use]
    pub fn has_room(&mut self) -> bool {
        self.free_slot().is_some()
    }

    /// How many slots are free. Looks at all of them.
    #[must_use]
    pub fn free(&mut self) -> usize {
        let slot_size = self.slot_size;
        let is_free = |slot: &mut BytesMut| slot.try_reclaim(slot_size);
        self.slots
            .iter_mut()
            .map(is_free)
            .filter(|&is_free| is_free)
            .count()
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The size of the largest message that a slot can hold.
    #[must_use]
    pub const fn slot_size(&self) -> usize {
        self.slot_size
    }

    /// The next slot that is free, with all of its memory at hand.
    fn free_slot(&mut self) -> Option<&mut BytesMut> {
        let slot_size = self.slot_size;
        let count = self.slots.len();
        let next = self.next;
        let positions = (next..count).chain(0..next.min(count));
        let mut found = None;
        for position in positions {
            let slot = self.slots.get_mut(position)?;
            // Only if no message shares it, and without allocating.
            if slot.try_reclaim(slot_size) {
                found = Some(position);
                break;
            }
        }
        self.next = found?;
        self.slots.get_mut(self.next)
    }
}

impl Clone for MessagePool {
    fn clone(&self) -> Self {
        MessagePool::new(self.slots.len(), self.slot_size)
    }
}

impl PartialEq for MessagePool {
    fn eq(&self, other: &Self) -> bool {
        (self.slots.len(), self.slot_size) == (other.slots.len(), other.slot_size)
    }
}

impl Eq for MessagePool {}

impl Hash for MessagePool {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.slots.len(), self.slot_size).hash(state);
    }
}

impl fmt::Debug for MessagePool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MessagePool")
            .field("slots", &self.slots.len())
            .field("slot_size", &self.slot_size)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Full => formatter.write_str("all slots of the pool are in use"),
            PoolError::TooLarge { needed } => write!(
                formatter,
                "the message takes {needed} bytes, which is more than a slot has"
            ),
            PoolError::Invalid(error) => error.fmt(formatter),
        }
    }
}

impl core::error::Error for PoolError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            PoolError::Invalid(error) => Some(error),
            _ => None,
        }
    }
}
