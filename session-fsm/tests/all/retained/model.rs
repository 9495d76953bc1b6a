//! Any sequence of calls against a model that was written from the rules: a map of topics, and, for each
//! subscription, the messages that it is still owed. The model has neither numbers nor positions.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const TOPICS: &[&str] = &[
    "a", "a/", "a/b", "a/b/c", "a/b/c/d", "a/c", "a//c", "b", "b/b", "b/b/c", "b/c", "/", "//",
    "/b", "$a", "$a/b", "$a/b/c", "c/b/c", "c", "ab/b",
];

const FILTERS: &[&str] = &[
    "#", "+", "a/#", "+/#", "a/+", "+/b", "+/b/#", "+/+/c", "a/b/c", "a/+/c", "$a/#", "$a/+",
    "+/+/+", "/+", "+/", "b", "x/#", "a/+/c/#", "+/b/+/d",
];

/// As many messages as there may be.
const LIMIT: usize = 12;

#[derive(Clone, Debug)]
enum Action {
    Retain {
        topic: usize,
        lifetime: Option<u64>,
    },
    Clear {
        topic: usize,
    },
    Remove {
        topic: usize,
    },
    Wait {
        milliseconds: u64,
    },
    HandleTimeout {
        budget: u32,
    },
    Subscribe {
        filter: usize,
    },
    Unsubscribe {
        of: prop::sample::Index,
    },
    Next {
        of: prop::sample::Index,
        budget: u32,
    },
    Restart {
        backwards: bool,
    },
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    let topic = 0..TOPICS.len();
    let lifetime = prop::option::of(0..30_u64);
    prop_oneof![
        6 => (topic.clone(), lifetime).prop_map(|(topic, lifetime)| Retain { topic, lifetime }),
        2 => topic.clone().prop_map(|topic| Clear { topic }),
        1 => topic.prop_map(|topic| Remove { topic }),
        1 => (0..12_u64).prop_map(|milliseconds| Wait { milliseconds }),
        1 => (0..4_u32).prop_map(|budget| HandleTimeout { budget }),
        2 => (0..FILTERS.len()).prop_map(|filter| Subscribe { filter }),
        1 => any::<prop::sample::Index>().prop_map(|of| Unsubscribe { of }),
        6 => (any::<prop::sample::Index>(), 0..4_u32).prop_map(|(of, budget)| Next { of, budget }),
        1 => any::<bool>().prop_map(|backwards| Restart { backwards }),
    ]
}

/// A stored message: its payload, which no other message has, and when it expires.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    payload: String,
    expires_at: Instant,
}

struct Subscription {
    cursor: Cursor,
    /// Stored at the SUBSCRIBE, matching, neither sent nor replaced nor removed since.
    owed: BTreeMap<&'static str, Stored>,
    /// The levels of the last topic that was sent.
    last: Option<Vec<&'static str>>,
}

struct Both {
    store: RetainedStore,
    now: Instant,
    stored: BTreeMap<&'static str, Stored>,
    subscriptions: Vec<Subscription>,
    sent: u64,
}

impl Both {
    fn new() -> Self {
        Both {
            store: RetainedStore::new(RetainedLimits {
                messages: LIMIT,
                ..RetainedLimits::default()
            }),
            now: NOW,
            stored: BTreeMap::new(),
            subscriptions: Vec::new(),
            sent: 0,
        }
    }

    /// The model forgets the message of a topic; the store returned this one as gone.
    fn gone(&mut self, topic: &str, returned: Option<&RetainedMessage>) {
        let gone = self.stored.remove(topic);
        assert_eq!(returned.map(stored), gone);
        for subscription in &mut self.subscriptions {
            subscription.owed.remove(topic);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Retain { topic, lifetime } => self.retain(TOPICS[topic], lifetime),
            Action::Clear { topic } => {
                let changes = try_retain(&mut self.store, self.now, TOPICS[topic], "", NEVER);
                let changes = changes.unwrap();
                assert_eq!((changes.stored, changes.expired.len()), (None, 0));
                self.gone(TOPICS[topic], changes.removed.as_ref());
            }
            Action::Remove { topic } => {
                let removed = self.store.remove(name(TOPICS[topic]));
                self.gone(TOPICS[topic], removed.as_ref());
            }
            Action::Wait { milliseconds } => {
                self.now += core::time::Duration::from_millis(milliseconds);
            }
            Action::HandleTimeout { mut budget } => {
                while let Some(expired) = self.store.handle_timeout(self.now, &mut budget) {
                    assert!(expired.expires_at <= self.now);
                    self.gone(&expired.message.topic(), Some(&expired));
                }
                let overdue = self.stored.values().any(|it| it.expires_at <= self.now);
                assert!(budget == 0 || !overdue);
            }
            Action::Subscribe { filter: of } => {
                let filter = filter(FILTERS[of]);
                let owed = self.stored.iter().filter(|it| filter.matches(name(it.0)));
                self.subscriptions.push(Subscription {
                    cursor: self.store.cursor(filter),
                    owed: owed.map(|(topic, it)| (*topic, it.clone())).collect(),
                    last: None,
                });
            }
            Action::Unsubscribe { of } => {
                if !self.subscriptions.is_empty() {
                    let of = of.index(self.subscriptions.len());
                    self.subscriptions.swap_remove(of);
                }
            }
            Action::Next { of, budget } => {
                if !self.subscriptions.is_empty() {
                    let of = of.index(self.subscriptions.len());
                    self.next(of, budget);
                }
            }
            Action::Restart { backwards } => self.restart(backwards),
        }
    }

    fn retain(&mut self, topic: &'static str, lifetime: Option<u64>) {
        self.sent += 1;
        let lifetime = lifetime.map(core::time::Duration::from_millis);
        let new = Stored {
            payload: self.sent.to_string(),
            expires_at: lifetime.map_or(NEVER, |lifetime| self.now + lifetime),
        };
        let (now, expires_at) = (self.now, new.expires_at);
        let result = try_retain(&mut self.store, now, topic, &new.payload, expires_at);
        if expires_at <= now {
            let changes = result.unwrap();
            assert_eq!((changes.stored, changes.expired.len()), (None, 0));
            self.gone(topic, changes.removed.as_ref());
            return;
        }
        let full = self.stored.len() == LIMIT && !self.stored.contains_key(topic);
        let overdue = self.stored.iter().filter(|it| it.1.expires_at <= now);
        let earliest = overdue.min_by_key(|it| (it.1.expires_at, *it.0));
        let earliest = earliest.map(|it| *it.0);
        if full && earliest.is_none() {
            assert_eq!(result, Err(RetainError::TooManyMessages { limit: LIMIT }));
            return;
        }
        let changes = result.unwrap();
        if let (true, Some(earliest)) = (full, earliest) {
            assert_eq!(changes.expired.len(), 1);
            self.gone(earliest, changes.expired.first());
        } else {
            assert_eq!(changes.expired, []);
        }
        self.gone(topic, changes.removed.as_ref());
        self.stored.insert(topic, new);
    }

    /// Returns whether the walk is at its end.
    fn next(&mut self, of: usize, mut budget: u32) -> bool {
        let subscription = &mut self.subscriptions[of];
        match self
            .store
            .next(self.now, &mut subscription.cursor, &mut budget)
        {
            Step::Found(found) => {
                assert!(self.now < found.expires_at);
                let topic = found.message.topic();
                let topic = *TOPICS.iter().find(|it| **it == &*topic).unwrap();
                // Once, and only what is owed.
                assert_eq!(subscription.owed.remove(topic), Some(stored(found)));
                let levels = Some(topic.split('/').collect());
                assert!(subscription.last < levels);
                subscription.last = levels;
                false
            }
            Step::OutOfBudget => {
                assert_eq!(budget, 0);
                false
            }
            Step::End => {
                // What is still owed has expired.
                let mut owed = subscription.owed.values();
                assert!(
                    owed.all(|it| it.expires_at <= self.now),
                    "{:?}",
                    subscription.owed
                );
                true
            }
        }
    }

    fn restart(&mut self, backwards: bool) {
        let mut messages: Vec<_> = self.store.iter().cloned().collect();
        if backwards {
            messages.reverse();
        }
        let mut store = RetainedStore::new(*self.store.limits());
        for retained in messages {
            assert_eq!(store.restore(retained), None);
        }
        for subscription in &mut self.subscriptions {
            let cursor = &subscription.cursor;
            let position = cursor.position().map(<[u8]>::to_vec);
            let (of, sequence) = (cursor.filter().to_owned(), cursor.sequence());
            subscription.cursor = store.restore_cursor(filter(&of), position.as_deref(), sequence);
        }
        assert_eq!(store, self.store);
        self.store = store;
    }

    fn compare(&self) {
        check(&self.store);
        let all = self.store.iter();
        let all: BTreeMap<_, _> = all
            .map(|it| (it.message.topic().to_string(), stored(it)))
            .collect();
        assert!(
            all.iter()
                .map(|it| (it.0.as_str(), it.1))
                .eq(self.stored.iter().map(|it| (*it.0, it.1)))
        );
        for topic in TOPICS {
            let alive = self.stored.get(topic).filter(|it| self.now < it.expires_at);
            assert_eq!(
                payload(&self.store, self.now, topic),
                alive.map(|it| &*it.payload)
            );
        }
    }
}

fn stored(retained: &RetainedMessage) -> Stored {
    Stored {
        payload: String::from_utf8(retained.message.payload().to_vec()).unwrap(),
        expires_at: retained.expires_at,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_subscription_gets_what_it_is_owed(
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut both = Both::new();
        for action in actions {
            both.act(action);
            both.compare();
        }
        for of in 0..both.subscriptions.len() {
            // Each look passes a topic at least, and End may need a call of its own.
            let ended = (0..TOPICS.len() + 2).any(|_| both.next(of, 1));
            assert!(ended);
        }
    }
}
