//! What an index keeps of a Topic Filter.

use core::fmt;

use crate::codec::TopicFilter;

/// The part of a Topic Filter that Topic Names are matched against: the whole filter, or, of a
/// Shared Subscription, what follows `$share/{ShareName}/` (section 4.8.2).
///
/// Made from a [`TopicFilter`], so it is well-formed. Its methods say what a filter would cost,
/// before it is inserted. Each takes time in the length of the text and allocates nothing.
///
/// ```
/// use mqtt5_session_fsm::broker::subscriptions::MatchingPart;
/// use mqtt5_session_fsm::codec::{TopicFilter, Violation};
///
/// let filter = MatchingPart::from(TopicFilter::new("$share/workers/plant/+/dev/#")?);
/// assert_eq!(filter.as_str(), "plant/+/dev/#");
/// assert_eq!((filter.levels(), filter.single_level_wildcards()), (4, 1));
/// assert_eq!(filter.nodes(), 3); // plant, + and dev
/// # Ok::<(), Violation>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatchingPart<'a>(&'a str);

impl<'a> MatchingPart<'a> {
    /// Takes a text back that was a matching part before.
    pub(super) const fn trusted(text: &'a str) -> Self {
        MatchingPart(text)
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Returns the number of levels, `#` and empty ones included: 1 to 65,536.
    #[must_use]
    pub fn levels(self) -> usize {
        1 + self.count(b'/')
    }

    /// Returns the number of levels that are `+`.
    ///
    /// One publish may visit up to 2 to the power of this number of nodes on each level, if the
    /// clients subscribe to the filters that make it so: an owner should refuse filters with more
    /// than a few.
    #[must_use]
    pub fn single_level_wildcards(self) -> usize {
        self.count(b'+')
    }

    /// Whether the filter has a level `+` or `#`.
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        self.0.bytes().any(|byte| matches!(byte, b'+' | b'#'))
    }

    /// Returns how many nodes of an index the filter takes if it shares none: a node for each level
    /// of a filter with wildcards, without the `#`, and none for a filter without wildcards.
    ///
    /// Unlike [`nodes_added`](super::SubscriptionIndex::nodes_added) it does not depend on the other
    /// filters of the index.
    #[must_use]
    pub fn nodes(self) -> usize {
        match self.has_wildcard() {
            true => self.levels() - usize::from(self.ends_with_multi_level_wildcard()),
            false => 0,
        }
    }

    pub(super) fn ends_with_multi_level_wildcard(self) -> bool {
        self.0.ends_with('#')
    }

    fn count(self, wanted: u8) -> usize {
        self.0.bytes().filter(|byte| *byte == wanted).count()
    }
}

impl<'a> From<TopicFilter<'a>> for MatchingPart<'a> {
    fn from(filter: TopicFilter<'a>) -> Self {
        MatchingPart(filter.matching_part())
    }
}

impl fmt::Display for MatchingPart<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl fmt::Debug for MatchingPart<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, formatter)
    }
}
