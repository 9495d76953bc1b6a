//! What [`insert`](super::SubscriptionIndex::insert) returns if there is no room.

use core::fmt;

/// A subscription was not inserted, and the index is as it was.
///
/// An index counts in 32 bits. An owner that keeps limits of its own never sees this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InsertError {
    /// There are 4,294,967,295 filters.
    Filters,
    /// The filter would need more than 4,294,967,295 nodes in all.
    Nodes,
    /// The filter has 4,294,967,295 subscriptions.
    Subscriptions,
    /// There is no memory for all subscribers up to this number.
    Subscriber,
}

impl fmt::Display for InsertError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            InsertError::Filters => "the index has no room for another filter",
            InsertError::Nodes => "the index has no room for the nodes of another filter",
            InsertError::Subscriptions => "the filter has no room for another subscription",
            InsertError::Subscriber => "there is no memory for a subscriber with this number",
        })
    }
}

impl core::error::Error for InsertError {}
