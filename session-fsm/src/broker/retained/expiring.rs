//! The messages that expire, in the order in which they do.

use alloc::collections::BTreeSet;
use core::cmp::Ordering;

use mqtt5_codec::Message;

use super::{RetainedMessage, size};
use crate::Instant;

/// A message that expires. The order is that of time, then that of topics, so that it does not
/// depend on the order in which messages came.
#[derive(Clone, Debug)]
pub(super) struct Due {
    expires_at: Instant,
    pub(super) message: Message,
}

impl Due {
    /// `None` for a message that does not expire.
    pub(super) fn of(retained: &RetainedMessage) -> Option<Self> {
        retained.expires().then(|| Due {
            expires_at: retained.expires_at,
            message: retained.message.clone(),
        })
    }

    /// As [`RetainedMessage::size`].
    pub(super) fn size(&self) -> usize {
        size(&self.message, true)
    }

    fn place(&self) -> (Instant, &str) {
        (self.expires_at, self.message.topic().as_str())
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        // Topics are compared only if they must be.
        let by_time = self.expires_at.cmp(&other.expires_at);
        by_time.then_with(|| self.place().cmp(&other.place()))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

/// One entry for each stored message that expires.
#[derive(Clone)]
pub(super) struct Expiring {
    entries: BTreeSet<Due>,
    /// The time of the first entry.
    next: Instant,
}

impl Expiring {
    pub(super) const EMPTY: Expiring = Expiring {
        entries: BTreeSet::new(),
        next: Instant::NEVER,
    };

    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn insert(&mut self, due: Due) {
        self.next = self.next.min(due.expires_at);
        self.entries.insert(due);
    }

    pub(super) fn remove(&mut self, due: &Due) {
        self.entries.remove(due);
        if due.expires_at == self.next {
            self.look_for_next();
        }
    }

    /// Those that have expired, the earliest first.
    pub(super) fn overdue(&self, now: Instant) -> impl Iterator<Item = &Due> {
        // Usually there is none, and no tree must be searched for it.
        let any = (self.next <= now).then_some(&self.entries);
        let entries = any.into_iter().flatten();
        entries.take_while(move |due| due.expires_at <= now)
    }

    fn look_for_next(&mut self) {
        let first = self.entries.first();
        self.next = first.map_or(Instant::NEVER, |due| due.expires_at);
    }
}
