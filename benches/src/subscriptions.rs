//! Benchmarks of the subscription index, alone and beside that of a published broker.
//!
//! * [`mix`] makes the subscriptions and the Topic Names: as many matches for each publish, however
//!   many subscriptions there are.
//! * An [`Index`] is ours or a peer's, used in the fastest way that its public API offers.
//! * [`program`] measures them in turn and prints the tables.
//!
//! The peer is in `benches/rmqtt`, a package of its own, because it brings a whole broker.

pub mod mix;
pub mod ours;
pub mod program;
mod report;
mod runs;

/// How many subscriptions there are.
pub const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];

/// What finds subscriptions by Topic Names.
pub trait Index: Sized + 'static {
    /// What it is called in tables.
    const NAME: &'static str;

    /// A Topic Name as it is when a publish is to be routed.
    type Topic;

    /// Memory that is kept between matches.
    type Scratch: Default;

    /// One without subscriptions.
    fn new() -> Self;

    /// Adds a subscription that is not there.
    fn insert(&mut self, filter: &str, subscriber: u32);

    /// Removes a subscription that is there.
    fn remove(&mut self, filter: &str, subscriber: u32);

    /// Makes a Topic Name ready. Not timed.
    fn topic(name: &'static str) -> Self::Topic;

    /// Passes each subscription that matches to `visit`, by its subscriber.
    fn matches(&self, topic: &Self::Topic, scratch: &mut Self::Scratch, visit: impl FnMut(u32));
}

/// An index with all subscriptions of the mix, in random order.
pub fn filled<I: Index>(subscriptions: &[mix::Subscription]) -> I {
    let mut index = I::new();
    for subscription in subscriptions {
        index.insert(&subscription.filter, subscription.subscriber);
    }
    index
}

/// An integer with separators.
pub fn number(value: u32) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_separators() {
        let numbers = [0, 999, 1_000, 1_000_000].map(number);
        assert_eq!(numbers, ["0", "999", "1,000", "1,000,000"]);
    }
}
