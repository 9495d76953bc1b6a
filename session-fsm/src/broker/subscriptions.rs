//! Which subscriptions match a Topic Name (section 4.7).
//!
//! A [`SubscriptionIndex`] finds the subscriptions of a message in a time that does not grow with
//! their number: a publish visits as many nodes among 1,000,000 subscriptions as among 10,000 of the
//! same kind.
//!
//! * A filter without wildcards is found in a hash table, by the whole Topic Name.
//! * Filters with wildcards are in a trie: a node for each level. Its nodes are in an arena, and one
//!   hash table has the edges between them.
//! * The subscriptions of a filter are side by side, so a publish to 100,000 subscribers is one walk
//!   over a slice.
//! * Each subscriber has a list of its own. So its subscriptions can be enumerated, and removed,
//!   without a look at those of others.
//!
//! # Cost
//!
//! | call | time | allocations |
//! | --- | --- | --- |
//! | [`matches`](SubscriptionIndex::matches) | the bytes of the Topic Name, and the nodes that it visits | none in the steady state |
//! | [`insert`](SubscriptionIndex::insert), [`remove`](SubscriptionIndex::remove) | the bytes of the filter, however many subscribers it has, and however many filters the subscriber has; now and then a table grows | a few |
//! | [`value`](SubscriptionIndex::value), [`filter`](SubscriptionIndex::filter) | the bytes of the filter | none |
//! | [`of_subscriber`](SubscriptionIndex::of_subscriber), [`remove_subscriber`](SubscriptionIndex::remove_subscriber) | the subscriptions of this subscriber | none, except that lists are shortened |
//! | [`len`](SubscriptionIndex::len) and other counts, [`bytes`](SubscriptionIndex::bytes) | constant | none |
//! | [`shrink`](SubscriptionIndex::shrink) | the whole index | as many bytes as the trie takes |
//!
//! # What a client can do to it
//!
//! The clients choose the filters, so an owner should limit them. What a filter would cost is known
//! before it is inserted:
//!
//! | attack | limit |
//! | --- | --- |
//! | 65,536 filters of 16 levels that are `a` or `+` make one publish visit 131,071 nodes | [`MatchingPart::single_level_wildcards`]: refuse more than 4 with Reason Code 0x97 |
//! | filters of many levels | [`MatchingPart::levels`], [`nodes_added`](SubscriptionIndex::nodes_added) or [`MatchingPart::nodes`], charged to the Session |
//! | long filters | [`SubscriptionIndex::most_bytes`], charged to the Session |
//! | many filters | [`exact_filters`](SubscriptionIndex::exact_filters), [`wildcard_filters`](SubscriptionIndex::wildcard_filters), [`len`](SubscriptionIndex::len), [`bytes`](SubscriptionIndex::bytes) |
//! | a Topic Name with 65,535 `/` | none is needed: it is split no further than the filters reach |
//! | texts whose hashes collide | the seed of [`new`](SubscriptionIndex::new), which must be random and secret |
//!
//! # Shared Subscriptions
//!
//! An index does not know them. It uses only the [`MatchingPart`] of each filter, so an owner
//! inserts a Shared Subscription's filter for a [`Subscriber`] that stands for the group, and
//! chooses the member when the group is found. If the group had the number of one of its members,
//! `$share/workers/a` would replace that member's own subscription to `a`.
//!
//! # Values and order
//!
//! An index is a value without randomness: the same calls return the same results in the same
//! order, in each of its clones and replicas. No order depends on a hash. Two indexes are equal if
//! they have the same subscriptions, whatever came before; then they may return them in different
//! orders.
//!
//! # Example
//!
//! ```
//! use mqtt5_session_fsm::broker::subscriptions::{Scratch, Subscriber, SubscriptionIndex};
//! use mqtt5_session_fsm::codec::{Qos, TopicFilter, TopicName};
//!
//! let (sensor, display) = (Subscriber::new(0), Subscriber::new(1));
//! let mut index = SubscriptionIndex::new(0x1234_5678); // at random
//! index.insert(TopicFilter::new("plant/+/temperature")?, display, Qos::AtMostOnce)?;
//! index.insert(TopicFilter::new("plant/7/temperature")?, sensor, Qos::AtLeastOnce)?;
//!
//! let mut scratch = Scratch::new(); // kept for the next message
//! let mut hits = Vec::new();
//! let topic = TopicName::new("plant/7/temperature")?;
//! let visits = index.matches(topic, &mut scratch, |matched| {
//!     for subscription in matched.subscriptions() {
//!         hits.push((subscription.subscriber(), *subscription.value()));
//!     }
//! });
//! assert_eq!(hits, [(sensor, Qos::AtLeastOnce), (display, Qos::AtMostOnce)]);
//! assert_eq!(visits, 4); // the root, plant, + and temperature
//!
//! // A subscription is replaced in place [MQTT-3.8.4-3] [MQTT3-3.8.4-3].
//! let before = index.insert(TopicFilter::new("plant/+/temperature")?, display, Qos::ExactlyOnce)?;
//! assert_eq!(before, Some(Qos::AtMostOnce));
//!
//! assert_eq!(index.remove_subscriber(display), 1);
//! assert_eq!((index.len(), index.nodes()), (1, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod descent;
mod entries;
mod error;
mod hashing;
mod level;
mod matching_part;
mod memory;
mod places;
mod slots;
#[cfg(test)]
mod tests;
mod trie;
mod views;

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;
use slab::Slab;

use crate::codec::TopicName;
use crate::memory::growth_step;

use self::entries::Entries;
pub(super) use self::hashing::{Hashing, spread};
use self::places::{Place, Places};
use self::slots::{Link, MOST};
use self::trie::Trie;

pub use self::descent::Scratch;
pub use self::entries::Subscription;
pub use self::error::InsertError;
pub use self::matching_part::MatchingPart;
pub use self::views::FilterSubscriptions;

/// The number by which the owner knows a subscriber: a Session, or the group of a Shared
/// Subscription.
///
/// Numbers should be dense, such as those of slots: an index keeps 16 bytes for each number up to
/// the largest one that has subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subscriber(u32);

impl Subscriber {
    /// The subscriber with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Subscriber(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    const fn slot(self) -> usize {
        self.0 as usize
    }
}

/// Subscriptions, by what they match: see the [module](self).
///
/// `V` is what the owner keeps for each subscription, such as its options and its Subscription
/// Identifier. It should be small, because a publish walks over it: 4 bytes hold the 28 bits of a
/// Subscription Identifier with the QoS, No Local and Retain As Published.
#[derive(Clone)]
pub struct SubscriptionIndex<V> {
    hashing: Hashing,
    filters: Slab<Filter<V>>,
    /// The numbers of the filters.
    by_text: HashTable<u32>,
    trie: Trie,
    /// By the numbers of the subscribers.
    subscribers: Vec<Places>,
    subscriptions: usize,
    wildcard_filters: usize,
    /// What the texts of the filters take.
    text_bytes: usize,
    /// What the lists of filters and subscribers take.
    list_bytes: usize,
}

/// A filter that has subscriptions.
#[derive(Clone, Debug)]
struct Filter<V> {
    text: Box<str>,
    entries: Entries<V>,
    /// The node at which it ends; none without wildcards.
    node: Link,
    hash: u32,
}

impl<V> Filter<V> {
    fn matching_part(&self) -> MatchingPart<'_> {
        MatchingPart::trusted(&self.text)
    }
}

/// Where a subscription is.
struct Found {
    filter: u32,
    /// In the subscriber's list.
    position: u32,
    /// In the filter's list.
    entry: u32,
}

impl<V> SubscriptionIndex<V> {
    /// Makes an index without subscriptions. Allocates nothing.
    ///
    /// `seed` is what the hashes begin with. It must be random and secret where clients choose the
    /// filters: a client that knows it can make a table slow. It changes no result.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        SubscriptionIndex {
            hashing: Hashing::new(seed),
            filters: Slab::new(),
            by_text: HashTable::new(),
            trie: Trie::new(),
            subscribers: Vec::new(),
            subscriptions: 0,
            wildcard_filters: 0,
            text_bytes: 0,
            list_bytes: 0,
        }
    }

    /// Inserts a subscription. If the subscriber has one with the same filter, its value is replaced
    /// in place, and returned: at no time is there none, or a second one [MQTT-3.8.4-3].
    ///
    /// # Errors
    ///
    /// [`InsertError`] if the index has no numbers left; it is unchanged then. A replacement never
    /// fails.
    pub fn insert<'f>(
        &mut self,
        filter: impl Into<MatchingPart<'f>>,
        subscriber: Subscriber,
        value: V,
    ) -> Result<Option<V>, InsertError> {
        let filter = filter.into();
        let hash = self.hashing.filter(filter.as_str());
        let known = self.find_filter(filter, hash);
        if let Some(entry) = known.and_then(|known| self.entry_mut(known, subscriber)) {
            return Ok(Some(core::mem::replace(&mut entry.value, value)));
        }
        self.make_room(filter, known, subscriber)?;
        let number = match known {
            Some(known) => known,
            None => self.add_filter(filter, hash),
        };
        self.add_subscription(number, subscriber, value);
        Ok(None)
    }

    /// Removes a subscription. Returns its value; `None` if there is no such subscription.
    pub fn remove<'f>(
        &mut self,
        filter: impl Into<MatchingPart<'f>>,
        subscriber: Subscriber,
    ) -> Option<V> {
        let found = self.find(filter.into(), subscriber)?;
        self.remove_at(subscriber, found.position)
    }

    /// Removes one subscription of a subscriber, the one that
    /// [`of_subscriber`](Self::of_subscriber) returns last, and returns its value; `None` if the
    /// subscriber has none. So an owner can remove many of them in slices.
    pub fn remove_last(&mut self, subscriber: Subscriber) -> Option<V> {
        let places = self.subscribers.get(subscriber.slot())?.as_slice();
        let last = places.len().checked_sub(1)?;
        self.remove_at(subscriber, last as u32)
    }

    /// Removes all subscriptions of a subscriber. Returns how many there were.
    pub fn remove_subscriber(&mut self, subscriber: Subscriber) -> usize {
        let mut removed = 0;
        while self.remove_last(subscriber).is_some() {
            removed += 1;
        }
        removed
    }

    /// Passes each filter that matches a Topic Name to `visit`, once, with its subscriptions.
    /// Returns how many nodes of the trie were visited: what the Topic Name costs, apart from its
    /// length.
    ///
    /// `+` matches one level, also an empty one, `#` the parent and all that is below it, every
    /// other level only itself, byte by byte (section 4.7.1). A filter that begins with a wildcard
    /// matches no Topic Name that begins with `$` [MQTT-4.7.2-1].
    ///
    /// Allocates nothing once `scratch` has been used with Topic Names of as many levels.
    pub fn matches<'i>(
        &'i self,
        topic: TopicName<'_>,
        scratch: &mut Scratch,
        mut visit: impl FnMut(FilterSubscriptions<'i, V>),
    ) -> usize {
        let topic = topic.as_str();
        let whole = self.find_filter(MatchingPart::trusted(topic), self.hashing.filter(topic));
        let mut found = |number: Link| {
            if let Some(filter) = self.filters.get(number.slot()) {
                visit(FilterSubscriptions::new(filter));
            }
        };
        found(whole.map_or(Link::NONE, Link::new));
        self.trie.descend(&self.hashing, topic, scratch, found)
    }

    /// Returns the value of a subscription.
    #[must_use]
    pub fn value<'f>(
        &self,
        filter: impl Into<MatchingPart<'f>>,
        subscriber: Subscriber,
    ) -> Option<&V> {
        let found = self.find(filter.into(), subscriber)?;
        let entries = self.filters.get(found.filter as usize)?.entries.as_slice();
        entries.get(found.entry as usize).map(Subscription::value)
    }

    /// Returns how many nodes a filter would add: 0 if it has no wildcards.
    #[must_use]
    pub fn nodes_added<'f>(&self, filter: impl Into<MatchingPart<'f>>) -> usize {
        self.trie.missing(&self.hashing, filter.into())
    }

    /// Returns the number of subscriptions.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.subscriptions
    }

    /// Whether there are no subscriptions.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.subscriptions == 0
    }

    /// Returns the number of filters without wildcards.
    #[must_use]
    pub fn exact_filters(&self) -> usize {
        self.filters.len() - self.wildcard_filters
    }

    /// Returns the number of filters with wildcards.
    #[must_use]
    pub const fn wildcard_filters(&self) -> usize {
        self.wildcard_filters
    }

    /// Returns the number of nodes in the trie, which only filters with wildcards need; its root is
    /// not counted.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.trie.len()
    }

    fn find_filter(&self, filter: MatchingPart<'_>, hash: u32) -> Option<u32> {
        let is_it = |number: &u32| {
            let known = self.filters.get(*number as usize);
            known.is_some_and(|known| known.hash == hash && *known.text == *filter.as_str())
        };
        self.by_text.find(spread(hash), is_it).copied()
    }

    fn find(&self, filter: MatchingPart<'_>, subscriber: Subscriber) -> Option<Found> {
        let hash = self.hashing.filter(filter.as_str());
        let filter = self.find_filter(filter, hash)?;
        let places = self.subscribers.get(subscriber.slot())?;
        let position = places.find(&self.hashing, filter)?;
        let entry = places.as_slice().get(position as usize)?.entry;
        Some(Found {
            filter,
            position,
            entry,
        })
    }

    fn entry_mut(&mut self, filter: u32, subscriber: Subscriber) -> Option<&mut Subscription<V>> {
        let places = self.subscribers.get(subscriber.slot())?;
        let position = places.find(&self.hashing, filter)?;
        let entry = places.as_slice().get(position as usize)?.entry;
        let filter = self.filters.get_mut(filter as usize)?;
        filter.entries.as_mut_slice().get_mut(entry as usize)
    }

    /// Makes sure that nothing is missing when a subscription is added.
    fn make_room(
        &mut self,
        filter: MatchingPart<'_>,
        known: Option<u32>,
        subscriber: Subscriber,
    ) -> Result<(), InsertError> {
        match known.and_then(|known| self.filters.get(known as usize)) {
            None if self.filters.len() >= MOST => return Err(InsertError::Filters),
            None if filter.has_wildcard() => {
                // The root is a node, too.
                let nodes = self.trie.len().checked_add(self.nodes_added(filter));
                if nodes.is_none_or(|nodes| nodes >= MOST) {
                    return Err(InsertError::Nodes);
                }
            }
            None => {}
            Some(filter) if filter.entries.as_slice().len() >= MOST => {
                return Err(InsertError::Subscriptions);
            }
            Some(_) => {}
        }
        // A subscriber has no more subscriptions than there are filters.
        let slot = subscriber.slot();
        if slot >= self.subscribers.len() {
            let known = self.subscribers.len();
            if slot >= self.subscribers.capacity() {
                let more = (slot - known).saturating_add(1).max(growth_step(known));
                let reserved = self.subscribers.try_reserve_exact(more);
                reserved.map_err(|_| InsertError::Subscriber)?;
            }
            self.subscribers.resize(slot + 1, Places::None);
        }
        Ok(())
    }

    /// Adds a filter that has no subscription yet.
    fn add_filter(&mut self, filter: MatchingPart<'_>, hash: u32) -> u32 {
        let text: Box<str> = filter.as_str().into();
        self.text_bytes += text.len();
        let number = slots::insert(
            &mut self.filters,
            Filter {
                text,
                entries: Entries::None,
                node: Link::NONE,
                hash,
            },
        );
        if filter.has_wildcard() {
            self.wildcard_filters += 1;
            let node = self.trie.insert(&self.hashing, filter, number);
            if let Some(filter) = self.filters.get_mut(number as usize) {
                filter.node = node;
            }
        }
        let filters = &self.filters;
        let hash_of = |it: &u32| filters.get(*it as usize).map_or(0, |it| spread(it.hash));
        self.by_text.insert_unique(spread(hash), number, hash_of);
        number
    }

    fn add_subscription(&mut self, number: u32, subscriber: Subscriber, value: V) {
        let filter = self.filters.get_mut(number as usize);
        let places = self.subscribers.get_mut(subscriber.slot());
        let (Some(filter), Some(places)) = (filter, places) else {
            return;
        };
        let entries = &mut filter.entries;
        let before = entries.allocated() + places.allocated();
        let (entry, position) = (entries.as_slice().len(), places.as_slice().len());
        entries.push(Subscription::new(subscriber, value, position as u32));
        let place = Place {
            filter: number,
            entry: entry as u32,
        };
        places.push(&self.hashing, place);
        self.list_bytes += entries.allocated() + places.allocated() - before;
        self.subscriptions += 1;
    }

    /// Removes the subscription at a position of the subscriber's own list.
    fn remove_at(&mut self, subscriber: Subscriber, position: u32) -> Option<V> {
        let places = self.subscribers.get_mut(subscriber.slot())?;
        let before = places.allocated();
        let place = places.take(&self.hashing, position)?;
        self.list_bytes = self.list_bytes + places.allocated() - before;
        // The last subscription of the subscriber may have another position now, and the last one
        // of the filter another place.
        if let Some(moved) = places.as_slice().get(position as usize) {
            let filter = self.filters.get_mut(moved.filter as usize)?;
            let entries = filter.entries.as_mut_slice();
            entries.get_mut(moved.entry as usize)?.place = position;
        }
        let filter = self.filters.get_mut(place.filter as usize)?;
        let before = filter.entries.allocated();
        let removed = filter.entries.take(place.entry as usize)?;
        self.list_bytes = self.list_bytes + filter.entries.allocated() - before;
        self.subscriptions -= 1;
        match filter.entries.as_slice().get(place.entry as usize) {
            Some(moved) => {
                let places = self.subscribers.get_mut(moved.subscriber().slot())?;
                places.get_mut(moved.place)?.entry = place.entry;
            }
            None if filter.entries.as_slice().is_empty() => self.remove_filter(place.filter),
            None => {}
        }
        Some(removed.value)
    }

    /// Removes a filter that has no subscription left.
    fn remove_filter(&mut self, number: u32) {
        let Some(filter) = self.filters.try_remove(number as usize) else {
            return;
        };
        self.text_bytes -= filter.text.len();
        if let Ok(entry) = (self.by_text).find_entry(spread(filter.hash), |it| *it == number) {
            entry.remove();
        }
        if !filter.node.is_none() {
            self.wildcard_filters -= 1;
            self.trie.remove(filter.matching_part(), filter.node);
        }
    }
}
