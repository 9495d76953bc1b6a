//! What a change of one subscription costs does not depend on how many others its filter or its subscriber has. Counted
//! in instructions.

mod counted;

use mqtt5_codec::{TopicFilter, TopicName};
use mqtt5_session_fsm::broker::subscriptions::{Scratch, Subscriber, SubscriptionIndex};

use counted::{instructions, task};

/// How often an action is done while it is counted.
const TIMES: u32 = 5_000;

/// How many subscriptions there are.
const FEW: u32 = 200;
const MANY: u32 = 20_000;

/// How much more it may cost among many: tables are not equally full.
const GROWTH: f64 = 1.3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    /// Of the same filter; its subscribers have no others.
    OfFilter,
    /// Of the same filter, and of the same subscriber.
    OfBoth,
}

const OTHERS: [Others; 2] = [Others::OfFilter, Others::OfBoth];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    LookUp,
    Replace,
    /// Leave, and come back.
    Leave,
    /// Find those of a Topic Name that others do not match.
    Match,
}

const ACTIONS: [Action; 4] = [
    Action::LookUp,
    Action::Replace,
    Action::Leave,
    Action::Match,
];

struct Load {
    index: SubscriptionIndex<u32>,
    scratch: Scratch,
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).expect("a filter")
}

impl Load {
    fn new(others: Others, count: u32) -> Self {
        let mut index = SubscriptionIndex::new(1);
        let mut insert = |text: &str, subscriber| {
            let inserted = index.insert(filter(text), Subscriber::new(subscriber), 0);
            inserted.expect("there is room");
        };
        for number in 0..count {
            insert("news/+", number);
            if others == Others::OfBoth {
                insert(&format!("{number:07}/+"), 0);
            }
        }
        insert("news/+", 0);
        insert("few/+", 0);
        let mut load = Load {
            index,
            scratch: Scratch::new(),
        };
        load.act(Action::Match, 0);
        load
    }

    fn act(&mut self, action: Action, round: u32) {
        // Subscriptions in the middle of all lists. The subscriber 0 may have many filters.
        let subscriber = Subscriber::new(0);
        let news = filter("news/+");
        match action {
            Action::LookUp => assert!(self.index.value(news, subscriber).is_some()),
            Action::Replace => {
                let replaced = self.index.insert(news, subscriber, round);
                assert!(matches!(replaced, Ok(Some(_))));
            }
            Action::Leave => {
                assert!(self.index.remove(news, subscriber).is_some());
                assert_eq!(self.index.insert(news, subscriber, round), Ok(None));
            }
            Action::Match => {
                let name = TopicName::new("few/x").expect("a name");
                let visits = self.index.matches(name, &mut self.scratch, |matched| {
                    assert_eq!(matched.subscriptions().len(), 1);
                });
                assert_eq!(visits, 3);
            }
        }
    }
}

/// Carries out the task of a child.
#[test]
fn child() {
    let Some(words) = task() else {
        return;
    };
    let number = |at: usize| words[at].parse::<usize>().expect("a number");
    let (others, action) = (OTHERS[number(0)], ACTIONS[number(1)]);
    let mut load = Load::new(others, number(2) as u32);
    for round in 0..number(3) as u32 {
        load.act(action, round);
    }
}

#[test]
fn an_action_costs_the_same_among_many() {
    for (others_at, others) in OTHERS.iter().enumerate() {
        let count = |action_at: usize, count: u32, times: u32| {
            instructions(&format!("{others_at} {action_at} {count} {times}"))
        };
        // Before the first action all do the same.
        let (Some(few_before), Some(many_before)) = (count(0, FEW, 0), count(0, MANY, 0)) else {
            return;
        };
        for (action_at, action) in ACTIONS.iter().enumerate() {
            let few = count(action_at, FEW, TIMES).expect("valgrind was there");
            let many = count(action_at, MANY, TIMES).expect("valgrind was there");
            let each = |sum: u64, before: u64| (sum - before) as f64 / f64::from(TIMES);
            let (few, many) = (each(few, few_before), each(many, many_before));
            println!(
                "{action:?} among others {others:?}: {few:.0} instructions among {FEW}, {many:.0} among {MANY}"
            );
            assert!(few > 0.0, "{others:?} {action:?}: nothing was counted");
            let growth = many / few;
            assert!(
                growth <= GROWTH,
                "{others:?} {action:?}: {growth:.2} times as dear"
            );
        }
    }
}
