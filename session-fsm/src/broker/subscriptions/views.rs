//! What an index shows: filters, the subscriptions of a subscriber, all of them; equality.

use core::fmt;
use core::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;

use super::places::{Place, Places};
use super::{Filter, MatchingPart, Subscriber, Subscription, SubscriptionIndex};

/// A filter with its subscriptions, of which there is at least one.
pub struct FilterSubscriptions<'i, V>(&'i Filter<V>);

impl<'i, V> FilterSubscriptions<'i, V> {
    #[inline]
    pub(super) const fn new(filter: &'i Filter<V>) -> Self {
        FilterSubscriptions(filter)
    }

    /// Returns the filter.
    #[must_use]
    pub fn filter(self) -> MatchingPart<'i> {
        self.0.matching_part()
    }

    /// Returns the subscriptions, side by side: new ones come last, and if one is removed, the last
    /// one takes its place.
    #[must_use]
    #[inline]
    pub fn subscriptions(self) -> &'i [Subscription<V>] {
        self.0.entries.as_slice()
    }
}

impl<V> Clone for FilterSubscriptions<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for FilterSubscriptions<'_, V> {}

impl<V: fmt::Debug> fmt::Debug for FilterSubscriptions<'_, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subscriptions = self.subscriptions().iter();
        let subscriptions = subscriptions.map(|it| (it.subscriber(), it.value()));
        write!(formatter, "{:?}: ", self.filter())?;
        formatter.debug_map().entries(subscriptions).finish()
    }
}

impl<V> SubscriptionIndex<V> {
    /// Returns a filter with its subscriptions; `None` if nobody has subscribed to it.
    #[must_use]
    pub fn filter<'f>(
        &self,
        filter: impl Into<MatchingPart<'f>>,
    ) -> Option<FilterSubscriptions<'_, V>> {
        let filter = filter.into();
        let number = self.find_filter(filter, self.hashing.filter(filter.as_str()))?;
        Some(FilterSubscriptions::new(self.filters.get(number as usize)?))
    }

    /// Returns all filters, each with its subscriptions.
    ///
    /// ```
    /// # use mqtt5_session_fsm::broker::subscriptions::{Subscriber, SubscriptionIndex};
    /// # use mqtt5_session_fsm::codec::TopicFilter;
    /// let mut index = SubscriptionIndex::new(7);
    /// index.insert(TopicFilter::new("a/+")?, Subscriber::new(0), "options")?;
    /// index.insert(TopicFilter::new("a/+")?, Subscriber::new(1), "options")?;
    /// let counts = index.filters().map(|it| (it.filter().as_str(), it.subscriptions().len()));
    /// assert_eq!(counts.collect::<Vec<_>>(), [("a/+", 2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filters(&self) -> impl Iterator<Item = FilterSubscriptions<'_, V>> {
        let filters = self.filters.iter();
        filters.map(|(_, filter)| FilterSubscriptions::new(filter))
    }

    /// Returns the subscriptions of one subscriber: new ones come last, and if one is removed, the
    /// last one takes its place.
    ///
    /// ```
    /// # use mqtt5_session_fsm::broker::subscriptions::{Subscriber, SubscriptionIndex};
    /// # use mqtt5_session_fsm::codec::TopicFilter;
    /// let (this, other) = (Subscriber::new(0), Subscriber::new(1));
    /// let mut index = SubscriptionIndex::new(7);
    /// for filter in ["a", "b/#", "c"] {
    ///     index.insert(TopicFilter::new(filter)?, this, 1)?;
    ///     index.insert(TopicFilter::new(filter)?, other, 2)?;
    /// }
    /// index.remove(TopicFilter::new("a")?, this);
    /// let own = index.of_subscriber(this).map(|(filter, value)| (filter.as_str(), *value));
    /// assert_eq!(own.collect::<Vec<_>>(), [("c", 1), ("b/#", 1)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_subscriber(
        &self,
        subscriber: Subscriber,
    ) -> impl DoubleEndedIterator<Item = (MatchingPart<'_>, &V)> {
        self.places(subscriber).iter().filter_map(|place| {
            let filter = self.filters.get(place.filter as usize)?;
            let entry = filter.entries.as_slice().get(place.entry as usize)?;
            Some((filter.matching_part(), entry.value()))
        })
    }

    /// Returns how many subscriptions a subscriber has, in constant time.
    #[must_use]
    pub fn count_of_subscriber(&self, subscriber: Subscriber) -> usize {
        self.places(subscriber).len()
    }

    /// Returns all subscriptions, in the order of the subscribers' numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Subscriber, MatchingPart<'_>, &V)> {
        let subscribers = (0..).map(Subscriber::new).take(self.subscribers.len());
        subscribers.flat_map(|subscriber| {
            let own = self.of_subscriber(subscriber);
            own.map(move |(filter, value)| (subscriber, filter, value))
        })
    }

    fn places(&self, subscriber: Subscriber) -> &[Place] {
        let places = self.subscribers.get(subscriber.slot());
        places.map_or(&[], Places::as_slice)
    }
}

impl<V: fmt::Debug> fmt::Debug for SubscriptionIndex<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.iter();
        let all = all.map(|(subscriber, filter, value)| ((subscriber.number(), filter), value));
        formatter.debug_map().entries(all).finish()
    }
}

/// Equal indexes have the same subscriptions, whatever came before, and whatever their seeds are.
impl<V: PartialEq> PartialEq for SubscriptionIndex<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && (self.iter())
                .all(|(subscriber, filter, value)| other.value(filter, subscriber) == Some(value))
    }
}

impl<V: Eq> Eq for SubscriptionIndex<V> {}

impl<V: Hash> Hash for SubscriptionIndex<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        // A sum does not depend on the order, which equal indexes may have differently.
        let fixed = FixedState::default();
        let hashes = self.iter().map(|subscription| fixed.hash_one(subscription));
        hashes.fold(0, u64::wrapping_add).hash(state);
    }
}
