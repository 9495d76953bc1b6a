//! The Sessions, by number and by ClientID.

use alloc::boxed::Box;

use hashbrown::HashTable;
use mqtt5_codec::TopicFilter;

use super::Granted;
use super::config::ClientLimits;
use super::retained::Cursor;
use super::slots::{Key, Slots};
use super::subscriptions::{Hashing, spread};
use super::subscriptions::{MatchingPart, Subscriber};
use crate::Session;
use crate::session::RareQueue;

/// A Session, and what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) session: Session,
    /// Ascends in the order in which Sessions were made: the order of the recipients of a message.
    pub(super) number: u64,
    /// Whose Session it is.
    pub(super) principal: Box<str>,
    pub(super) connection: Option<Key>,
    /// Whether more is recorded than that it exists, whose it is, and its Will: all that a Session
    /// needs that ends with its connection.
    pub(super) is_recorded: bool,
    /// Whether the Session has ended: what is left of it is removed in slices.
    pub(super) has_ended: bool,
    pub(super) limits: ClientLimits,
    /// Whether its filters may have wildcards.
    pub(super) wildcards: bool,
    /// The record on which its packets depend.
    pub(super) depends_on: u64,
    /// The walks over retained messages for its subscriptions, the oldest first.
    pub(super) walks: RareQueue<Walk>,
    /// Whether it is in the list of those whose walks go on.
    pub(super) is_walking: bool,
    /// What its filters take of its limits.
    pub(super) index_nodes: u32,
    pub(super) filter_bytes: u32,
    /// Groups of which it is a member.
    pub(super) memberships: u32,
}

/// Retained messages on their way to a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Walk {
    pub(super) cursor: Cursor,
    pub(super) granted: Granted,
}

impl Client {
    pub(super) const fn subscriber(key: Key) -> Subscriber {
        Subscriber::new(key.slot)
    }

    /// Charges a filter to its limits.
    pub(super) fn charge_filter(&mut self, filter: TopicFilter<'_>) {
        self.index_nodes += MatchingPart::from(filter).nodes() as u32;
        self.filter_bytes += filter.as_str().len() as u32;
        self.memberships += u32::from(filter.is_shared());
    }

    /// Gives back what a filter took.
    pub(super) fn release_filter(&mut self, filter: TopicFilter<'_>) {
        let nodes = MatchingPart::from(filter).nodes() as u32;
        let bytes = filter.as_str().len() as u32;
        self.index_nodes = self.index_nodes.saturating_sub(nodes);
        self.filter_bytes = self.filter_bytes.saturating_sub(bytes);
        let memberships = u32::from(filter.is_shared());
        self.memberships = self.memberships.saturating_sub(memberships);
    }
}

/// All Sessions.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    slots: Slots<Client>,
    /// The slots of those that can be resumed, by the hash of their ClientID.
    by_identifier: HashTable<u32>,
    hashing: Hashing,
    /// Of the last Session.
    last_number: u64,
    /// How many have not ended.
    living: usize,
}

impl Clients {
    pub(super) fn new(seed: u64) -> Self {
        Clients {
            slots: Slots::new(),
            by_identifier: HashTable::new(),
            hashing: Hashing::new(seed),
            last_number: 0,
            living: 0,
        }
    }

    /// How many Sessions have not ended.
    pub(super) const fn living(&self) -> usize {
        self.living
    }

    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<&Client> {
        self.slots.get(key)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Client> {
        self.slots.get_mut(key)
    }

    pub(super) fn key_of(&self, subscriber: Subscriber) -> Option<Key> {
        self.slots.key_of(subscriber.number())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Client)> {
        self.slots.iter()
    }

    /// How many slots there are, in use or not.
    pub(super) fn slots(&self) -> usize {
        self.slots.slots()
    }

    /// The Session in a slot.
    pub(super) fn key_at(&self, slot: u32) -> Option<Key> {
        self.slots.key_of(slot)
    }

    fn hash(&self, client_identifier: &str) -> u64 {
        spread(self.hashing.filter(client_identifier))
    }

    /// The Session that a ClientID stands for now.
    pub(super) fn find(&self, client_identifier: &str) -> Option<Key> {
        let is_it = |slot: &u32| {
            let key = self.slots.key_of(*slot);
            key.and_then(|key| self.slots.get(key))
                .is_some_and(|client| client.session.client_identifier() == client_identifier)
        };
        let slot = self.by_identifier.find(self.hash(client_identifier), is_it);
        slot.and_then(|slot| self.slots.key_of(*slot))
    }

    /// The number of the last Session.
    pub(super) const fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Goes on behind this number.
    pub(super) fn continue_from(&mut self, last: u64) {
        self.last_number = self.last_number.max(last);
    }

    /// Adds a Session under its ClientID, which no other one has.
    pub(super) fn insert(&mut self, session: Session, limits: ClientLimits) -> Key {
        self.insert_as(self.last_number + 1, session, limits)
    }

    /// As [`Clients::insert`], with a number that is higher than all before.
    pub(super) fn insert_as(&mut self, number: u64, session: Session, limits: ClientLimits) -> Key {
        self.last_number = self.last_number.max(number);
        self.living += 1;
        let hash = self.hash(session.client_identifier());
        let key = self.slots.insert(Client {
            session,
            number,
            principal: Box::default(),
            connection: None,
            is_recorded: false,
            has_ended: false,
            limits,
            wildcards: true,
            depends_on: 0,
            walks: RareQueue::default(),
            is_walking: false,
            index_nodes: 0,
            filter_bytes: 0,
            memberships: 0,
        });
        let Clients {
            slots,
            by_identifier,
            hashing,
            ..
        } = self;
        let rehash = |slot: &u32| {
            let client = slots.key_of(*slot).and_then(|key| slots.get(key));
            let text = client.map_or("", |client| client.session.client_identifier());
            spread(hashing.filter(text))
        };
        by_identifier.insert_unique(hash, key.slot, rehash);
        key
    }

    /// A Session has ended: its ClientID stands for another one from now on.
    pub(super) fn end(&mut self, key: Key) {
        let Some(client) = self.slots.get_mut(key) else {
            return;
        };
        if core::mem::replace(&mut client.has_ended, true) {
            return;
        }
        self.living -= 1;
        let Some(client) = self.slots.get(key) else {
            return;
        };
        let hash = self.hash(client.session.client_identifier());
        let entry = self
            .by_identifier
            .find_entry(hash, |slot| *slot == key.slot);
        if let Ok(entry) = entry {
            entry.remove();
        }
    }

    /// Nothing is left of a Session.
    pub(super) fn remove(&mut self, key: Key) {
        self.end(key);
        self.slots.remove(key);
    }
}
