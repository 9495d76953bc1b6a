//! The map of retained messages.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::num::NonZeroU64;
use core::ops::Bound;

use mqtt5_codec::{Message, Qos, TopicFilter, TopicName};

use super::expiring::{Due, Expiring};
use super::key::Key;
use super::{Changes, Cursor, RetainError, RetainedLimits, RetainedMessage, Step};
use crate::Instant;

/// The last retained message of each topic. See the [module](super) for its use and costs.
///
/// `Eq` and `Hash` leave out sequence numbers: see [`Ranks`](super::Ranks).
#[derive(Clone)]
pub struct RetainedStore {
    limits: RetainedLimits,
    messages: BTreeMap<Box<[u8]>, RetainedMessage>,
    expiring: Expiring,
    /// The sum of their sizes.
    bytes: u64,
    /// The highest number that was given to a message, or that a cursor remembers.
    sequence: u64,
}

impl RetainedStore {
    /// Creates an empty store.
    #[must_use]
    pub const fn new(limits: RetainedLimits) -> Self {
        RetainedStore {
            limits,
            messages: BTreeMap::new(),
            expiring: Expiring::EMPTY,
            bytes: 0,
            sequence: 0,
        }
    }

    /// Returns the limits.
    #[must_use]
    pub const fn limits(&self) -> &RetainedLimits {
        &self.limits
    }

    /// Returns how many messages are stored. A message that has expired counts until it is taken
    /// away.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns whether no message is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the [sizes](RetainedMessage::size) of all messages together, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Handles the message of a PUBLISH with RETAIN 1 (section 3.3.1.3): it becomes the retained
    /// message of its topic, in place of the former one \[MQTT-3.3.1-5\]. With an empty payload the
    /// former one is removed and nothing is stored \[MQTT-3.3.1-6\] \[MQTT-3.3.1-7\]; the same is
    /// done if the message has already expired. RETAIN of `message` is not looked at.
    ///
    /// `expires_at` is [`Instant::NEVER`] for a message without a Message Expiry Interval, and
    /// `body` is the owner's number for the message. `publisher` is the ClientID of the client that
    /// published it, for No Local; `None` if no client did.
    ///
    /// If a message does not fit, expired ones make room for it, the earliest first, and only if
    /// that is enough. At most two go, and one more for each [`RetainedMessage::OVERHEAD`] bytes of
    /// its size; a store that is within its limits never needs more.
    ///
    /// # Errors
    ///
    /// [`RetainError`] if the message exceeds a limit. Nothing has changed then. A message that is
    /// not [larger](RetainedMessage::size) than the former one is always stored.
    pub fn retain(
        &mut self,
        now: Instant,
        message: Message,
        qos: Qos,
        expires_at: Instant,
        body: Option<NonZeroU64>,
        publisher: Option<&str>,
    ) -> Result<Changes, RetainError> {
        let key = Key::of(&message.topic());
        #[cfg(mqtt5_faults)]
        let expires_at = fault!("MQTT-3.3.2-5 retained", expires_at, Instant::NEVER);
        let retained = RetainedMessage {
            message,
            expires_at,
            body,
            sequence: self.sequence.saturating_add(1),
            overtaken: 0,
            qos,
            publisher: publisher.map(|it| self.shared(&key, it)),
        };
        // [MQTT3-3.3.1-11]
        let is_empty = retained.message.payload().is_empty() && !fault!("MQTT-3.3.1-7");
        if is_empty || retained.has_expired(now) {
            return Ok(Changes {
                // [MQTT3-3.3.1-10]
                removed: fault!("MQTT-3.3.1-6", self.remove_key(&key), None),
                ..Changes::default()
            });
        }
        let overdue = self.make_room(now, &key, &retained)?;
        Ok(Changes {
            stored: Some(retained.sequence),
            expired: self.remove_overdue(now, &retained, overdue),
            removed: self.put(&key, retained),
        })
    }

    /// Removes the message of a topic and returns it, whether it has expired or not.
    pub fn remove(&mut self, topic: TopicName<'_>) -> Option<RetainedMessage> {
        self.remove_key(&Key::of(&topic))
    }

    /// Returns the message of a topic, unless it has expired.
    #[must_use]
    pub fn get(&self, now: Instant, topic: TopicName<'_>) -> Option<&RetainedMessage> {
        let retained = self.messages.get(&*Key::of(&topic))?;
        (!retained.has_expired(now)).then_some(retained)
    }

    /// Returns all messages in the order of their keys, also those that have expired and were not
    /// taken away yet.
    pub fn iter(&self) -> impl Iterator<Item = &RetainedMessage> {
        self.messages.values()
    }

    /// Returns, as [`iter`](Self::iter), the messages of the topics behind this one, which need not
    /// have a message itself. A snapshot in slices continues behind its last topic, and so contains
    /// each message that was stored all the time.
    pub fn iter_after(
        &self,
        topic: TopicName<'_>,
    ) -> impl Iterator<Item = &RetainedMessage> + use<'_> {
        let key = Key::of(&topic);
        let behind = (Bound::Excluded(&*key), Bound::Unbounded);
        self.messages.range::<[u8], _>(behind).map(|it| it.1)
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has something to do;
    /// [`Instant::NEVER`] if no message expires.
    #[must_use]
    pub const fn next_timeout(&self) -> Instant {
        self.expiring.next()
    }

    /// Takes away a message that has expired (section 3.3.2.3.3), the earliest first, and subtracts
    /// 1 from the budget. Returns `None` if there is none, or if the budget is 0; `next_timeout` is
    /// then still due. The owner records what is returned, and releases its body.
    ///
    /// Until a message is taken away, it counts against the limits, but is neither found nor sent.
    ///
    /// ```
    /// # use mqtt5_session_fsm::broker::retained::{RetainedLimits, RetainedStore};
    /// # use mqtt5_session_fsm::codec::{Message, Qos};
    /// # use mqtt5_session_fsm::Instant;
    /// # let now = Instant::ORIGIN;
    /// # let mut store = RetainedStore::new(RetainedLimits::default());
    /// # let message = Message::of("a", b"on")?;
    /// # let _ = store.retain(now, message, Qos::AtLeastOnce, Instant::from_millis(1), None, None)?;
    /// # let now = Instant::from_millis(1);
    /// let mut budget = 100;
    /// while let Some(expired) = store.handle_timeout(now, &mut budget) {
    ///     println!("{} has expired", expired.message.topic().as_str());
    /// }
    /// assert_eq!(budget, 99);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the message is gone from the store"]
    pub fn handle_timeout(&mut self, now: Instant, budget: &mut u32) -> Option<RetainedMessage> {
        let left = budget.checked_sub(1)?;
        let due = self.expiring.overdue(now).next()?;
        *budget = left;
        let key = Key::of(&due.message.topic());
        self.remove_key(&key)
    }

    /// Begins a walk over the messages that a Topic Filter matches and that are stored now. For the
    /// filter of a Shared Subscription it is at its end at once: no retained messages are sent for
    /// those (section 4.8.2). Two allocations.
    #[must_use]
    pub fn cursor(&self, filter: TopicFilter<'_>) -> Cursor {
        Cursor::new(filter, self.sequence)
    }

    /// Moves a cursor to the next message and returns it.
    ///
    /// Each look at a key of the map subtracts 1 from the budget. A filter without wildcards takes
    /// one look in all. A filter that ends with `#` and has no `+` takes one for each message that
    /// it matches, and one or two more. With `+`, levels that cannot match are passed as a whole: a
    /// look leads to a message that matches or to the next combination of levels for the `+` that
    /// the store contains. Messages that have expired, and those that are newer than the cursor,
    /// take a look each.
    pub fn next(&self, now: Instant, cursor: &mut Cursor, budget: &mut u32) -> Step<'_> {
        while let Some(position) = cursor.position() {
            let Some(left) = budget.checked_sub(1) else {
                return Step::OutOfBudget;
            };
            *budget = left;
            let ahead = (Bound::Included(position), Bound::Unbounded);
            let Some((key, retained)) = self.messages.range::<[u8], _>(ahead).next() else {
                cursor.end();
                break;
            };
            if cursor.look_at(key) && cursor.finds(retained) && !retained.has_expired(now) {
                return Step::Found(retained);
            }
        }
        Step::End
    }

    /// Moves a cursor back to the message that [`next`](Self::next) has just returned, for an owner
    /// that has no room for it: it is returned again, unless it is replaced or removed meanwhile.
    pub fn give_back(&self, cursor: &mut Cursor, retained: &RetainedMessage) {
        cursor.move_back(&Key::of(&retained.message.topic()));
    }

    /// Returns whether a cursor has yet to come to a message of this store, and will return it then
    /// if it has not expired.
    #[must_use]
    pub fn is_ahead_of(&self, cursor: &Cursor, retained: &RetainedMessage) -> bool {
        let topic = retained.message.topic();
        cursor.finds(retained)
            && cursor.position().is_some_and(|it| *it <= *Key::of(&topic))
            && TopicFilter::new(cursor.filter()).is_ok_and(|it| it.matches(topic))
    }

    /// Notes that the owner has sent a topic's retained message to all whose cursors had yet to come
    /// to it: these cursors pass over it. Cursors that are made later find it. The owner records
    /// the message, which has another [`overtaken`](RetainedMessage::overtaken) now.
    pub fn overtake(&mut self, topic: TopicName<'_>) {
        if let Some(retained) = self.messages.get_mut(&*Key::of(&topic)) {
            self.sequence += 1;
            retained.overtaken = self.sequence;
        }
    }

    /// Gives back a message that was recorded, after a restart. Messages may come in any order; of
    /// two of one topic, the one with the higher sequence number stays. Returns the message that is
    /// not stored: the other one of the topic, or the given one if its payload is empty. Limits do
    /// not apply; a store above its limits takes no new topic until it is within them again.
    pub fn restore(&mut self, retained: RetainedMessage) -> Option<RetainedMessage> {
        let key = Key::of(&retained.message.topic());
        let stored = self.messages.get(&*key);
        let is_older = stored.is_some_and(|stored| stored.sequence > retained.sequence);
        if is_older || retained.message.payload().is_empty() {
            return Some(retained);
        }
        self.put(&key, retained)
    }

    /// Gives back a cursor that was recorded, after a restart, from its
    /// [`filter`](Cursor::filter), [`position`](Cursor::position) and
    /// [`sequence`](Cursor::sequence). Every cursor must be given back before the first
    /// [`retain`](Self::retain), so that the cursor passes over what is stored then.
    #[must_use]
    pub fn restore_cursor(
        &mut self,
        filter: TopicFilter<'_>,
        position: Option<&[u8]>,
        sequence: u64,
    ) -> Cursor {
        self.sequence = self.sequence.max(sequence);
        Cursor::at(filter, position, sequence)
    }

    /// A ClientID, in the memory that the message of this topic has for it if it is the same one.
    fn shared(&self, key: &[u8], publisher: &str) -> Arc<str> {
        let former = self.messages.get(key).and_then(|it| it.publisher.as_ref());
        let former = former.filter(|it| ***it == *publisher);
        former.map_or_else(|| publisher.into(), Arc::clone)
    }

    /// Returns how many expired messages must go for a message to fit.
    fn make_room(
        &self,
        now: Instant,
        key: &[u8],
        new: &RetainedMessage,
    ) -> Result<usize, RetainError> {
        let size = new.size();
        let limits = &self.limits;
        let former = self.messages.get(key);
        let former_size = former.map_or(0, RetainedMessage::size);
        if size <= former_size {
            return Ok(0);
        }
        let mut messages = 0; // above the limit
        if former.is_none() {
            let levels = new.message.topic().levels().count();
            if levels > usize::from(limits.topic_levels) {
                return Err(RetainError::TooManyLevels {
                    limit: limits.topic_levels,
                });
            }
            messages = (self.len() + 1).saturating_sub(limits.messages);
        }
        let above = |bytes: u64| bytes.saturating_sub(limits.bytes);
        let mut bytes = above(self.bytes - former_size as u64 + size as u64);
        let mut expired = 0;
        let most = 2 + size / RetainedMessage::OVERHEAD;
        for due in self.overdue_beside(now, new).take(most) {
            if messages == 0 && bytes == 0 {
                break;
            }
            messages = messages.saturating_sub(1);
            bytes = bytes.saturating_sub(due.size() as u64);
            expired += 1;
        }
        if messages > 0 {
            let limit = limits.messages;
            Err(RetainError::TooManyMessages { limit })
        } else if bytes > 0 {
            Err(RetainError::TooManyBytes { excess: bytes })
        } else {
            Ok(expired)
        }
    }

    /// The expired messages of other topics, the earliest first.
    fn overdue_beside<'a>(
        &'a self,
        now: Instant,
        new: &'a RetainedMessage,
    ) -> impl Iterator<Item = &'a Due> {
        let overdue = self.expiring.overdue(now);
        overdue.filter(|due| due.message.topic() != new.message.topic())
    }

    fn remove_overdue(
        &mut self,
        now: Instant,
        beside: &RetainedMessage,
        count: usize,
    ) -> Vec<RetainedMessage> {
        let overdue = self.overdue_beside(now, beside).take(count);
        let overdue: Vec<Due> = overdue.cloned().collect();
        let keys = overdue.iter().map(|due| Key::of(&due.message.topic()));
        keys.filter_map(|key| self.remove_key(&key)).collect()
    }

    /// Stores a message, and returns the former one of its topic.
    fn put(&mut self, key: &[u8], retained: RetainedMessage) -> Option<RetainedMessage> {
        self.sequence = self.sequence.max(retained.sequence);
        self.sequence = self.sequence.max(retained.overtaken);
        self.bytes += retained.size() as u64;
        let due = Due::of(&retained);
        // The last one is kept, whatever its QoS [MQTT3-3.3.1-5] [MQTT3-3.3.1-7].
        let former = match self.messages.get_mut(key) {
            Some(place) => Some(fault!(
                "MQTT-3.3.1-5",
                mem::replace(place, retained),
                retained
            )),
            None => self.messages.insert(key.into(), retained),
        };
        if let Some(former) = &former {
            self.forget(former);
        }
        // Last: the place of the former message may be the same.
        if let Some(due) = due {
            self.expiring.insert(due);
        }
        former
    }

    fn remove_key(&mut self, key: &[u8]) -> Option<RetainedMessage> {
        let removed = self.messages.remove(key)?;
        self.forget(&removed);
        Some(removed)
    }

    /// A message is no longer in the map.
    fn forget(&mut self, gone: &RetainedMessage) {
        self.bytes -= gone.size() as u64;
        if let Some(due) = Due::of(gone) {
            self.expiring.remove(&due);
        }
    }
}

impl fmt::Debug for RetainedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Messages<'a>(&'a RetainedStore);

        impl fmt::Debug for Messages<'_> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_list().entries(self.0.iter()).finish()
            }
        }

        formatter
            .debug_struct("RetainedStore")
            .field("limits", &self.limits)
            .field("sequence", &self.sequence)
            .field("messages", &Messages(self))
            .finish()
    }
}
