//! The subscription index of `mqtt5-session-fsm` beside the `TopicTree` of rmqtt, which has a map of its children and
//! an ordered set of values in each node.

use std::str::FromStr;

use rmqtt::topic::Topic;
use rmqtt::trie::TopicTree;

use mqtt5_benches::subscriptions::Index;

/// The tree, with the number of the subscriber and no options.
#[derive(Debug)]
pub struct Rmqtt(TopicTree<u32>);

impl Index for Rmqtt {
    const NAME: &'static str = "rmqtt";

    /// Its levels, which its broker makes for each publish: not timed.
    type Topic = Topic;

    type Scratch = ();

    fn new() -> Self {
        Self(TopicTree::default())
    }

    fn insert(&mut self, filter: &str, subscriber: u32) {
        let filter = Topic::from_str(filter).expect("a filter");
        assert!(self.0.insert(&filter, subscriber), "{filter}");
    }

    fn remove(&mut self, filter: &str, subscriber: u32) {
        let filter = Topic::from_str(filter).expect("a filter");
        assert!(self.0.remove(&filter, &subscriber), "{filter}");
    }

    fn topic(name: &'static str) -> Topic {
        Topic::from_str(name).expect("a name")
    }

    fn matches(&self, topic: &Topic, (): &mut (), mut visit: impl FnMut(u32)) {
        for (_, subscribers) in self.0.matches(topic).iter() {
            for subscriber in subscribers {
                visit(*subscriber);
            }
        }
    }
}
