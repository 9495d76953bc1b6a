//! The retained messages of a Server (section 3.3.1.3).
//!
//! A [`RetainedStore`] holds the last retained message of each topic. A [`Cursor`] walks over those
//! that a Topic Filter matches, in steps whose cost the caller limits, so that neither a filter
//! that matches a million topics nor one that matches none of them stops anything else.
//!
//! # What the owner does
//!
//! 1. **A PUBLISH with RETAIN 1** goes to [`RetainedStore::retain`]. The owner records what the
//!    returned [`Changes`] list, and releases the bodies of the messages that are gone. On a
//!    [`RetainError`] it answers 0x97, Quota exceeded. A PUBLISH with RETAIN 0 does not come here:
//!    it leaves retained messages as they are \[MQTT-3.3.1-8\] \[MQTT3-3.3.1-12\].
//! 2. **A new subscription** whose Retain Handling asks for retained messages gets a cursor from
//!    [`RetainedStore::cursor`]. The owner keeps it in the Session, calls [`RetainedStore::next`]
//!    as the Session has room, and sends each message with RETAIN 1. The cursor passes over what
//!    was stored after the SUBSCRIBE: the subscription receives that as an ordinary message. So
//!    nothing is sent twice, and nothing old after something new \[MQTT-4.6.0-5\].
//! 3. **A message with RETAIN 0 on the same topic**, before it goes to a subscription whose cursor is
//!    open: if [`RetainedStore::is_ahead_of`] says that the cursor has yet to come to the topic's
//!    retained message, the owner sends that first, and calls [`RetainedStore::overtake`] when it
//!    has done so for all such cursors \[MQTT-4.6.0-5\] \[MQTT3-4.6.0-6\].
//! 4. **At [`next_timeout`](RetainedStore::next_timeout)** it calls
//!    [`handle_timeout`](RetainedStore::handle_timeout), which returns what has expired.
//! 5. **After a restart** it gives all messages back with [`RetainedStore::restore`], and all
//!    cursors with [`RetainedStore::restore_cursor`].
//!
//! ```
//! use mqtt5_session_fsm::broker::retained::{RetainedLimits, RetainedStore, Step};
//! use mqtt5_session_fsm::codec::{Message, Qos, TopicFilter};
//! use mqtt5_session_fsm::Instant;
//!
//! let now = Instant::ORIGIN; // of your clock
//! let never = Instant::NEVER;
//! let mut store = RetainedStore::new(RetainedLimits::default());
//! for topic in ["greenhouse/3/light", "greenhouse/3/heat", "office/heat"] {
//!     let message = Message::of(topic, b"on")?;
//!     let changes = store.retain(now, message, Qos::AtLeastOnce, never, None, None)?;
//!     assert!(changes.stored.is_some() && changes.removed.is_none());
//! }
//! // An empty payload removes a retained message.
//! let empty = Message::of("greenhouse/3/light", b"")?;
//! let changes = store.retain(now, empty, Qos::AtLeastOnce, never, None, None)?;
//! assert!(changes.stored.is_none() && changes.removed.is_some());
//!
//! let mut cursor = store.cursor(TopicFilter::new("+/#")?);
//! let mut topics = Vec::new();
//! loop {
//!     let mut budget = 100; // looks at the store in this turn
//!     match store.next(now, &mut cursor, &mut budget) {
//!         Step::Found(retained) => topics.push(retained.message.topic().to_string()),
//!         Step::OutOfBudget => continue, // something else has its turn here
//!         Step::End => break,
//!     }
//! }
//! assert_eq!(topics, ["greenhouse/3/heat", "office/heat"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Costs
//!
//! The store is one ordered map. Its key is the Topic Name with U+0000, which no Topic Name
//! contains, in place of `/`: so a topic and all topics below it are neighbours, and the order is
//! that of the levels. With n messages:
//!
//! | call | time | allocations |
//! | --- | --- | --- |
//! | `retain`, a new topic | log n | the key, the publisher, and a node of a tree now and then |
//! | `retain`, a topic that has a message | log n | none from the same publisher; if messages expire, a node of a tree now and then |
//! | `get`, `retain` with an empty payload | log n | none |
//! | `next` | log n for each unit of the budget | none, once the cursor has room for the longest key |
//! | `next_timeout` | constant | none |
//! | `handle_timeout` | log n | none |
//!
//! A message that expires is shared within the store; if it was not shared before, that takes one
//! more allocation. A Topic Name longer than 128 bytes takes one more in each call that is given
//! one, for the time of the call. A topic whose message is gone leaves nothing behind.
//!
//! # Clocks
//!
//! A message has expired for a call if its `expires_at` is not later than `now`. The owner should
//! not let `now` go back. If it does, a message that was taken away stays away, and one that was
//! only passed over counts as not expired until its time comes again.

mod cursor;
mod expiring;
mod key;
mod limits;
mod ranks;
mod store;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::{Message, Qos};

pub use self::cursor::{Cursor, Step};
pub use self::limits::{RetainError, RetainedLimits};
pub use self::ranks::Ranks;
pub use self::store::RetainedStore;
use crate::Instant;

/// A retained message, and all that the store knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetainedMessage {
    /// Topic Name, properties and payload, in memory that is shared. The payload is not empty.
    ///
    /// A message out of [`Message::from_frame`] keeps the whole read buffer alive, as long as it is
    /// retained. [`Message::new`] gives it memory of its own.
    pub message: Message,
    /// When it expires; [`Instant::NEVER`] if it does not. As
    /// [`Publication::expires_at`](crate::Publication::expires_at), it makes the Message Expiry
    /// Interval of a PUBLISH the remaining time \[MQTT-3.3.2-6\].
    pub expires_at: Instant,
    /// The number that the owner gave to the message, as
    /// [`Publication::body`](crate::Publication::body). The store does nothing with it.
    pub body: Option<NonZeroU64>,
    /// The number that the store gave it: higher than those of all messages that were stored, and
    /// of all cursors that were made, before.
    pub sequence: u64,
    /// A number of the same kind, from [`RetainedStore::overtake`]; 0 if there was none.
    pub overtaken: u64,
    /// The QoS of the PUBLISH that brought it.
    pub qos: Qos,
    /// The ClientID of the client that published it; `None` if no client did. Its own subscriptions
    /// with No Local do not receive it \[MQTT-3.8.3-3\].
    pub publisher: Option<Arc<str>>,
}

impl RetainedMessage {
    /// An upper estimate of what the store takes for a message beside the message and its key, in
    /// bytes: the places in the nodes of the map at their emptiest, and what allocators add.
    pub const OVERHEAD: usize = 320;
    /// An upper estimate of what the store takes in addition for a message that expires, in bytes.
    pub const EXPIRY_OVERHEAD: usize = 128;

    /// Returns what counts against [`RetainedLimits::bytes`]: [`Message::size`], the length of the
    /// Topic Name once more, for the key, that of the ClientID of the publisher, and
    /// [`OVERHEAD`](Self::OVERHEAD); for a message that expires also
    /// [`EXPIRY_OVERHEAD`](Self::EXPIRY_OVERHEAD). What others share is charged in full.
    #[must_use]
    pub fn size(&self) -> usize {
        let publisher = self.publisher.as_ref().map_or(0, |it| it.len());
        size(&self.message, self.expires()) + publisher
    }

    /// Returns whether it has expired (section 3.3.2.3.3).
    #[must_use]
    pub fn has_expired(&self, now: Instant) -> bool {
        self.expires_at <= now
    }

    fn expires(&self) -> bool {
        self.expires_at != Instant::NEVER
    }
}

/// What [`RetainedStore::retain`] changed. The owner records it, and releases the bodies of the
/// messages that are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[must_use = "lists the messages that are gone"]
pub struct Changes {
    /// The [`sequence`](RetainedMessage::sequence) of the message, if it is stored. `None` if its
    /// payload is empty, or if it has already expired.
    pub stored: Option<u64>,
    /// The former message of the topic, which is gone.
    pub removed: Option<RetainedMessage>,
    /// Expired messages of other topics that had to make room, and are gone.
    pub expired: Vec<RetainedMessage>,
}

fn size(message: &Message, expires: bool) -> usize {
    let expiry = if expires {
        RetainedMessage::EXPIRY_OVERHEAD
    } else {
        0
    };
    message.size() + message.topic().len() + RetainedMessage::OVERHEAD + expiry
}
