//! `mqtt5-session-fsm`.

use mqtt5_codec::{TopicFilter, TopicName};
use mqtt5_session_fsm::broker::subscriptions::{Scratch, Subscriber, SubscriptionIndex};

use super::Index;

/// The subscription index, with 4 bytes for the options of each subscription.
#[derive(Debug)]
pub struct Ours(pub SubscriptionIndex<u32>);

impl Index for Ours {
    const NAME: &'static str = "mqtt5-session-fsm";

    type Topic = TopicName<'static>;

    type Scratch = Scratch;

    fn new() -> Self {
        Self(SubscriptionIndex::new(0x5EED))
    }

    fn insert(&mut self, filter: &str, subscriber: u32) {
        let filter = TopicFilter::new(filter).expect("a filter");
        let inserted = self.0.insert(filter, Subscriber::new(subscriber), 1);
        assert_eq!(inserted, Ok(None), "{filter}");
    }

    fn remove(&mut self, filter: &str, subscriber: u32) {
        let filter = TopicFilter::new(filter).expect("a filter");
        let removed = self.0.remove(filter, Subscriber::new(subscriber));
        assert_eq!(removed, Some(1), "{filter}");
    }

    fn topic(name: &'static str) -> TopicName<'static> {
        TopicName::new(name).expect("a name")
    }

    fn matches(
        &self,
        topic: &TopicName<'static>,
        scratch: &mut Scratch,
        mut visit: impl FnMut(u32),
    ) {
        self.0.matches(*topic, scratch, |matched| {
            for subscription in matched.subscriptions() {
                visit(subscription.subscriber().number());
            }
        });
    }
}
