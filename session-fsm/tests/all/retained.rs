//! The retained messages of a Server (section 3.3.1.3): what is stored, what expires, what a walk finds.

mod domain;
mod expiry;
mod limits;
mod looks;
mod model;
mod ranks;
mod restart;
mod rules;

use core::hash::{Hash, Hasher};
use std::collections::hash_map::DefaultHasher;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::retained::{
    Changes, Cursor, RetainError, RetainedLimits, RetainedMessage, RetainedStore, Step,
};
use mqtt5_session_fsm::codec::{Message, Qos, TopicFilter, TopicName};

const NOW: Instant = Instant::ORIGIN;
const NEVER: Instant = Instant::NEVER;

fn at(milliseconds: u64) -> Instant {
    Instant::from_millis(milliseconds)
}

fn name(topic: &str) -> TopicName<'_> {
    TopicName::new(topic).unwrap()
}

fn filter(filter: &str) -> TopicFilter<'_> {
    TopicFilter::new(filter).unwrap()
}

fn message(topic: &str, payload: &str) -> Message {
    Message::of(topic, payload.as_bytes()).unwrap()
}

fn empty() -> RetainedStore {
    RetainedStore::new(RetainedLimits::default())
}

/// A PUBLISH with RETAIN 1 comes.
fn retain(store: &mut RetainedStore, topic: &str, payload: &str) -> Changes {
    try_retain(store, NOW, topic, payload, NEVER).unwrap()
}

/// As `retain`, whatever it changes.
fn put(store: &mut RetainedStore, topic: &str, payload: &str) {
    let _ = retain(store, topic, payload);
}

fn put_until(
    store: &mut RetainedStore,
    now: Instant,
    topic: &str,
    payload: &str,
    expires_at: Instant,
) {
    let _ = try_retain(store, now, topic, payload, expires_at).unwrap();
}

fn try_retain(
    store: &mut RetainedStore,
    now: Instant,
    topic: &str,
    payload: &str,
    expires_at: Instant,
) -> Result<Changes, RetainError> {
    let message = message(topic, payload);
    store.retain(now, message, Qos::AtLeastOnce, expires_at, None, None)
}

/// Topic and payload of the message of a topic.
fn payload<'a>(store: &'a RetainedStore, now: Instant, topic: &str) -> Option<&'a str> {
    let retained = store.get(now, name(topic))?;
    assert_eq!(&*retained.message.topic(), topic);
    Some(core::str::from_utf8(retained.message.payload()).unwrap())
}

/// More looks than any walk here takes.
const ENOUGH: u32 = 100_000;

/// The topics that are still ahead of a cursor, and how many looks it took to reach the end.
fn walk(store: &RetainedStore, now: Instant, cursor: &mut Cursor) -> (Vec<String>, u32) {
    let mut topics = Vec::new();
    let mut budget = ENOUGH;
    loop {
        match store.next(now, cursor, &mut budget) {
            Step::Found(retained) => topics.push(retained.message.topic().to_string()),
            Step::OutOfBudget => panic!("the walk does not end"),
            Step::End => return (topics, ENOUGH - budget),
        }
    }
}

fn matches(store: &RetainedStore, now: Instant, topic_filter: &str) -> Vec<String> {
    walk(store, now, &mut store.cursor(filter(topic_filter))).0
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What must hold of every store: the sums are those of its messages, and the next timeout is the earliest.
fn check(store: &RetainedStore) {
    let messages: Vec<_> = store.iter().collect();
    assert_eq!(messages.len(), store.len());
    assert_eq!(messages.is_empty(), store.is_empty());
    let bytes: usize = messages.iter().map(|it| it.size()).sum();
    assert_eq!(bytes as u64, store.bytes());
    let next = messages.iter().map(|it| it.expires_at).min();
    assert_eq!(next.unwrap_or(NEVER), store.next_timeout());
}
