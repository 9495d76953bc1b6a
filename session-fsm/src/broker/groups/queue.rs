//! The messages of a group that wait until a member can take one.

use alloc::collections::{BTreeMap, BTreeSet};

use mqtt5_codec::Qos;
use slab::Slab;

use super::Groups;
use super::lists::{Linked, Links, Ring};
use super::message::{DropReason, GroupMessage};
use super::state::Group;
use crate::{Instant, WaitingLimits, WhenFull};

/// The only kind of list that an entry is in.
const QUEUED: u8 = 0;

/// A message that waits, or that was dropped and has not been returned yet.
#[derive(Clone, Debug)]
pub(super) struct Entry<M> {
    pub(super) message: GroupMessage<M>,
    pub(super) group: u32,
    pub(super) position: u64,
    links: Links,
    /// Why it was dropped.
    pub(super) dropped: Option<DropReason>,
    /// Whether `Queue::returned` has it.
    returned: bool,
}

impl<M> Linked<QUEUED> for Entry<M> {
    fn links(&self) -> Links {
        self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// The queue of one group, in the order of the positions.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// QoS 0 is apart, because it goes when the last member is away.
    qos0: Ring<QUEUED>,
    others: Ring<QUEUED>,
    /// Entries that did not come last, by their positions: messages that were given back. All
    /// other entries are behind them: while a message waits, no later one gets past it.
    returned: BTreeMap<u64, u32>,
    pub(super) bytes: usize,
    /// Of `bytes`, those of messages with QoS 0.
    qos0_bytes: usize,
}

impl Queue {
    pub(super) const NEW: Self = Queue {
        qos0: Ring::NEW,
        others: Ring::NEW,
        returned: BTreeMap::new(),
        bytes: 0,
        qos0_bytes: 0,
    };

    pub(super) const fn len(&self) -> u32 {
        self.qos0.len() + self.others.len()
    }

    /// The first entry.
    pub(super) fn first<M>(&self, entries: &Slab<Entry<M>>) -> Option<u32> {
        let position = |slot: u32| entries.get(slot as usize).map(|entry| entry.position);
        match (self.qos0.first(), self.others.first()) {
            (Some(qos0), Some(other)) if position(qos0) < position(other) => Some(qos0),
            (Some(qos0), None) => Some(qos0),
            (_, other) => other,
        }
    }

    /// The entries with QoS 0, and the others, each in order.
    pub(super) fn slots<'s, M>(
        &self,
        entries: &'s Slab<Entry<M>>,
    ) -> impl Iterator<Item = u32> + 's {
        self.qos0.iter(entries).chain(self.others.iter(entries))
    }

    fn insert<M>(&mut self, entries: &mut Slab<Entry<M>>, entry: Entry<M>) -> u32 {
        let (position, returned) = (entry.position, entry.returned);
        let GroupMessage { qos, size, .. } = entry.message;
        self.bytes = self.bytes.saturating_add(size);
        let slot = entries.insert(entry) as u32;
        let list = match qos {
            Qos::AtMostOnce => {
                self.qos0_bytes = self.qos0_bytes.saturating_add(size);
                &mut self.qos0
            }
            _ => &mut self.others,
        };
        if !returned {
            list.push_back(entries, slot);
            return slot;
        }
        match self.returned.range(..position).next_back() {
            Some((_, before)) => list.insert_after(entries, *before, slot),
            None => list.push_front(entries, slot),
        }
        self.returned.insert(position, slot);
        slot
    }

    fn remove<M>(&mut self, entries: &mut Slab<Entry<M>>, slot: u32) {
        let Some(entry) = entries.get(slot as usize) else {
            return;
        };
        if entry.returned {
            self.returned.remove(&entry.position);
        }
        let GroupMessage { qos, size, .. } = entry.message;
        self.bytes = self.bytes.saturating_sub(size);
        match qos {
            Qos::AtMostOnce => {
                self.qos0_bytes = self.qos0_bytes.saturating_sub(size);
                self.qos0.remove(entries, slot);
            }
            _ => self.others.remove(entries, slot),
        }
    }

    /// Whether one more message is within the limits, if those with QoS 0 go or stay.
    fn fits(&self, limits: WaitingLimits, size: usize, without_qos0: bool) -> bool {
        let (messages, bytes) = match without_qos0 {
            true => (self.others.len(), self.bytes - self.qos0_bytes),
            false => (self.len(), self.bytes),
        };
        messages < limits.messages && bytes.saturating_add(size) <= limits.bytes
    }
}

/// All messages that wait, of all groups.
#[derive(Clone, Debug)]
pub(super) struct Waiting<M> {
    pub(super) entries: Slab<Entry<M>>,
    pub(super) bytes: usize,
    /// Those that expire, the next one first: time, position, slot.
    pub(super) expiring: BTreeSet<(Instant, u64, u32)>,
    /// Those that were dropped and not returned yet, by their positions.
    pub(super) dropped: BTreeMap<u64, u32>,
}

impl<M> Waiting<M> {
    pub(super) const fn new() -> Self {
        Waiting {
            entries: Slab::new(),
            bytes: 0,
            expiring: BTreeSet::new(),
            dropped: BTreeMap::new(),
        }
    }

    pub(super) fn insert(
        &mut self,
        queue: &mut Queue,
        group: u32,
        position: u64,
        message: GroupMessage<M>,
        returned: bool,
    ) -> u32 {
        self.bytes = self.bytes.saturating_add(message.size);
        let expires_at = message.expires_at;
        let is_qos0 = message.qos == Qos::AtMostOnce;
        let entry = Entry {
            message,
            group,
            position,
            links: Links::default(),
            dropped: None,
            // Those with QoS 0 never come back.
            returned: returned && !is_qos0,
        };
        let slot = queue.insert(&mut self.entries, entry);
        if expires_at != Instant::NEVER {
            self.expiring.insert((expires_at, position, slot));
        }
        slot
    }

    /// Takes an entry out of its queue. It stays in the arena.
    fn unlink(&mut self, queue: &mut Queue, slot: u32) {
        queue.remove(&mut self.entries, slot);
        if let Some(entry) = self.entries.get(slot as usize) {
            let expires_at = entry.message.expires_at;
            if expires_at != Instant::NEVER {
                self.expiring.remove(&(expires_at, entry.position, slot));
            }
        }
    }

    /// Takes an entry out of its queue and of the arena.
    pub(super) fn take(&mut self, queue: &mut Queue, slot: u32) -> Option<Entry<M>> {
        self.unlink(queue, slot);
        self.discard(slot)
    }

    /// Takes an entry out of the arena that is in no queue.
    pub(super) fn discard(&mut self, slot: u32) -> Option<Entry<M>> {
        let entry = self.entries.try_remove(slot as usize)?;
        self.bytes = self.bytes.saturating_sub(entry.message.size);
        Some(entry)
    }

    /// Takes an entry out of its queue, and keeps it until it is returned.
    pub(super) fn drop_entry(&mut self, group: &mut Group, slot: u32, reason: DropReason) {
        self.unlink(&mut group.queue, slot);
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            entry.dropped = Some(reason);
            self.dropped.insert(entry.position, slot);
            group.dropped += 1;
        }
    }

    /// Drops the whole queue of a group, or what has QoS 0.
    pub(super) fn drop_queue(&mut self, group: &mut Group, only_qos0: bool, reason: DropReason) {
        while let Some(slot) = group.queue.qos0.first() {
            self.drop_entry(group, slot, reason);
        }
        while let (false, Some(slot)) = (only_qos0, group.queue.others.first()) {
            self.drop_entry(group, slot, reason);
        }
    }
}

impl<V, M> Groups<V, M> {
    /// Makes room in a group's queue for one more message, at the expense of others if the
    /// configuration says so and it helps. Returns whether there is room.
    pub(super) fn make_room(&mut self, group: u32, size: usize) -> bool {
        let Groups {
            groups,
            waiting,
            config,
            ..
        } = self;
        let Some(group) = groups.get_mut(group as usize) else {
            return false;
        };
        let limits = config.waiting;
        let total = waiting.entries.len() < config.total_messages as usize
            && waiting.bytes.saturating_add(size) <= config.total_bytes;
        if !total || limits.messages == 0 || size > limits.bytes {
            return false;
        }
        let only_qos0 = match limits.when_full {
            WhenFull::Refuse => return group.queue.fits(limits, size, false),
            WhenFull::DropOldestQos0 => true,
            WhenFull::DropOldest => false,
        };
        if only_qos0 && !group.queue.fits(limits, size, true) {
            return false;
        }
        while !group.queue.fits(limits, size, false) {
            let (qos0, others) = (group.queue.qos0.first(), group.queue.others.first());
            let Some(oldest) = qos0.or(others) else {
                return false;
            };
            waiting.drop_entry(group, oldest, DropReason::QueueFull);
        }
        true
    }
}
