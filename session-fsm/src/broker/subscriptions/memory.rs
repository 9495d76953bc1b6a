//! What an index takes, and how it gives memory back.

use hashbrown::HashTable;

use super::entries::List;
use super::hashing::spread;
use super::level::LevelText;
use super::places::{Indexed, Place, Places};
use super::slots::Link;
use super::trie::{Node, Trie};
use super::{Filter, MatchingPart, Subscription, SubscriptionIndex};

/// What a number takes in a table that is as empty as growing makes it: a number and a byte for each
/// place, of which at least 7 in 16 are used.
const IN_TABLE: usize = (size_of::<u32>() + 1) * 16 / 7 + 1;

/// What an element of an arena takes that has just grown by an eighth.
const fn in_arena<T>() -> usize {
    size_of::<T>() * 9 / 8 + 1
}

impl<V> SubscriptionIndex<V> {
    /// Returns the bytes that the index has allocated, by what it asked the allocator for.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.filters.capacity() * size_of::<Filter<V>>()
            + self.by_text.allocation_size()
            + self.trie.allocated()
            + self.subscribers.capacity() * size_of::<Places>()
            + self.text_bytes
            + self.list_bytes
    }

    /// Returns the most bytes that one subscription to a filter takes in an index with thousands of
    /// subscriptions, if it shares the filter with no other. The sum over all subscriptions is at
    /// least [`bytes`](Self::bytes), except for memory that [`shrink`](Self::shrink) would give
    /// back, and for numbers of subscribers that have no subscription.
    ///
    /// Depends on the filter only, so what an owner charges a Session for does not depend on the
    /// subscriptions of others.
    #[must_use]
    pub fn most_bytes<'f>(filter: impl Into<MatchingPart<'f>>) -> usize {
        let filter = filter.into();
        let nodes = filter.nodes();
        let levels = filter.as_str().split('/').take(nodes);
        let long_levels: usize = levels
            .map(|level| LevelText::would_allocate(level.as_bytes()))
            .sum();
        // A list has at least two elements, and is at most half empty.
        let entry = size_of::<List<Subscription<V>>>() / 2 + 2 * size_of::<Subscription<V>>();
        let place = size_of::<Indexed>() / 2 + 2 * size_of::<Place>();
        // A subscriber's table has room for 28 when it is made, and is kept for 9.
        let table = (size_of::<HashTable<u32>>() + 32 * 5 + 16).div_ceil(9);
        filter.as_str().len()
            + in_arena::<Filter<V>>()
            + in_arena::<Places>()
            + IN_TABLE
            + entry
            + place
            + table.max(IN_TABLE)
            + nodes * (in_arena::<Node>() + IN_TABLE)
            + long_levels
    }

    /// Gives back memory that is not in use. Takes time in the size of the whole index, and builds
    /// its trie anew.
    ///
    /// Lists get shorter by themselves. Arenas and tables do not: a subscription that is added later
    /// uses their vacant places. So there is something to gain only after many filters have gone.
    /// [`filters`](Self::filters) may return them in another order after it.
    pub fn shrink(&mut self) {
        self.shrink_subscribers();
        self.renumber_filters();
        let filters = &self.filters;
        let hash_of = |it: &u32| filters.get(*it as usize).map_or(0, |it| spread(it.hash));
        self.by_text.shrink_to_fit(hash_of);
        if self.trie.has_vacant_slots() {
            self.trie = Trie::new();
            for (number, filter) in &mut self.filters {
                if !filter.node.is_none() {
                    let part = MatchingPart::trusted(&filter.text);
                    filter.node = self.trie.insert(&self.hashing, part, number as u32);
                }
            }
        }
        self.trie.shrink();
    }

    fn shrink_subscribers(&mut self) {
        let has_some = |places: &Places| !places.as_slice().is_empty();
        let used = self.subscribers.iter().rposition(has_some);
        self.subscribers.truncate(used.map_or(0, |last| last + 1));
        self.subscribers.shrink_to_fit();
        for places in &mut self.subscribers {
            let before = places.allocated();
            places.shrink(&self.hashing);
            self.list_bytes = self.list_bytes + places.allocated() - before;
        }
        for (_, filter) in &mut self.filters {
            let before = filter.entries.allocated();
            filter.entries.shrink();
            self.list_bytes = self.list_bytes + filter.entries.allocated() - before;
        }
    }

    /// Moves filters to vacant slots, until there are none.
    fn renumber_filters(&mut self) {
        let SubscriptionIndex {
            hashing,
            filters,
            by_text,
            trie,
            subscribers,
            list_bytes,
            ..
        } = self;
        filters.compact(|filter, from, to| {
            let (from, to) = (from as u32, to as u32);
            if let Some(number) = by_text.find_mut(spread(filter.hash), |it| *it == from) {
                *number = to;
            }
            trie.renumber(
                MatchingPart::trusted(&filter.text),
                filter.node,
                Link::new(to),
            );
            for entry in filter.entries.as_slice() {
                if let Some(places) = subscribers.get_mut(entry.subscriber().slot()) {
                    let before = places.allocated();
                    places.renumber(hashing, entry.place, to);
                    *list_bytes = *list_bytes + places.allocated() - before;
                }
            }
            true
        });
    }
}
