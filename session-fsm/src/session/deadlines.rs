//! Deadlines of publications. They belong to the application; no packet has them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use mqtt5_codec::PacketIdentifier;

use super::clock::clamped;
use super::{Change, Ending, Notice, Session};
use crate::{Instant, Token};

/// The deadline of a publication's exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline {
    /// The time.
    pub at: Instant,
    /// The time from the acceptance to `at`. After a restart with another clock, `at` is not
    /// further away than this.
    pub within: Duration,
}

impl Deadline {
    /// `None` if it is never.
    pub(super) fn new(now: Instant, within: Duration) -> Option<Self> {
        let at = now + within;
        (at != Instant::NEVER).then_some(Deadline { at, within })
    }
}

/// Each token is in both. There is one for each publication with a deadline that is not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Deadlines {
    entries: BTreeMap<Token, Entry>,
    /// The next one first.
    order: BTreeSet<(Instant, Token)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    deadline: Deadline,
    /// Of a message in flight.
    packet_identifier: Option<PacketIdentifier>,
}

impl Deadlines {
    fn insert(&mut self, token: Token, entry: Entry) {
        self.order.insert((entry.deadline.at, token));
        self.entries.insert(token, entry);
    }

    fn remove(&mut self, token: Token) -> Option<Entry> {
        let entry = self.entries.remove(&token)?;
        self.order.remove(&(entry.deadline.at, token));
        Some(entry)
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Instant {
        self.order.first().map_or(Instant::NEVER, |&(at, _)| at)
    }

    fn take_due(&mut self, now: Instant) -> Option<(Token, Entry)> {
        let &(at, token) = self.order.first()?;
        if at > now {
            return None;
        }
        Some((token, self.remove(token)?))
    }
}

impl Session {
    /// Sets the deadline of a message that was just accepted, or restored.
    #[cold]
    pub(super) fn set_deadline(
        &mut self,
        token: Token,
        deadline: Deadline,
        packet_identifier: Option<PacketIdentifier>,
    ) {
        if deadline.at == Instant::NEVER || fault!("deadline ignored") {
            return;
        }
        let deadlines = self.deadlines.get_or_insert_default();
        let entry = Entry {
            deadline,
            packet_identifier,
        };
        deadlines.insert(token, entry);
        self.watched = true;
    }

    /// A message with a deadline got a Packet Identifier.
    pub(super) fn deadline_in_flight(&mut self, token: Token, packet_identifier: PacketIdentifier) {
        let deadlines = self.deadlines.as_mut();
        if let Some(entry) = deadlines.and_then(|it| it.entries.get_mut(&token)) {
            entry.packet_identifier = Some(packet_identifier);
        }
    }

    /// The message is gone, or its deadline was reported; `None` if it has none.
    pub(crate) fn forget_deadline(&mut self, token: Token) -> Option<Deadline> {
        let deadlines = self.deadlines.as_mut()?;
        let entry = deadlines.remove(token);
        self.drop_empty();
        entry.map(|entry| entry.deadline)
    }

    fn drop_empty(&mut self) {
        if self
            .deadlines
            .as_ref()
            .is_some_and(|it| it.entries.is_empty())
        {
            self.deadlines = None;
            self.watched = self.config.persistent;
        }
    }

    /// Withdraws messages that still wait, and reports those that were sent.
    pub(super) fn handle_deadlines(&mut self, now: Instant) {
        while let Some((token, entry)) = self
            .deadlines
            .as_mut()
            .and_then(|deadlines| deadlines.take_due(now))
        {
            self.drop_empty();
            if !self.take_back(token, entry.packet_identifier, Ending::TimedOut) {
                self.change(|| Change::Overdue { token });
                self.notice(Notice::Overdue(token));
            }
        }
    }

    /// All deadlines of messages that are stored.
    #[cfg(feature = "persistence")]
    pub(super) fn stored_deadlines(&self) -> impl Iterator<Item = (Token, Deadline)> + '_ {
        let entries = self.deadlines.iter().flat_map(|it| &it.entries);
        entries
            .filter(|(token, entry)| {
                entry.packet_identifier.is_some() || self.waiting.find(**token).is_some()
            })
            .map(|(token, entry)| (*token, entry.deadline))
    }

    /// The clock may have gone back: no deadline is further away than it was at first.
    pub(super) fn clamp_deadlines(&mut self, now: Instant) {
        let Some(old) = self.deadlines.take() else {
            return;
        };
        let mut deadlines = Box::<Deadlines>::default();
        for (token, mut entry) in old.entries {
            entry.deadline.at = clamped(entry.deadline.at, now + entry.deadline.within);
            deadlines.insert(token, entry);
        }
        self.deadlines = Some(deadlines);
    }
}
