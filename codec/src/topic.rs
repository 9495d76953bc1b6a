//! Topic Names, Topic Filters and Shared Subscriptions (sections 4.7 and 4.8.2).

mod filter;
mod matching;
mod name;

pub use filter::{SharedFilter, TopicFilter};
pub use name::TopicName;

pub(crate) use filter::{checked_plain_topic_filter, checked_topic_filter};
pub(crate) use name::{NameRules, PUBLISH_TOPIC, WILL_TOPIC, checked_topic_name, topic_name};
