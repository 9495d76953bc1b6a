//! Numbers about a broker.

/// Numbers about a [`Broker`](super::Broker): counters since it was made, and gauges.
///
/// They are no part of its state: brokers that are equal may have different numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages that were published: by clients, as Wills, and by the host.
    pub published: u64,
    /// Copies that were accepted for clients.
    pub delivered: u64,
    /// Copies that were acknowledged by clients.
    pub acknowledged: u64,
    /// Copies that were dropped.
    pub dropped: u64,
    /// Publishes that were refused.
    pub refused: u64,
    /// Messages without a subscription that matches.
    pub unmatched: u64,
    /// The most nodes of the subscription index that one message visited.
    pub dearest_match: u64,
}
