//! Random histories: after each step the index equals one that is built anew, and answers as a list
//! of the subscriptions does.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use mqtt5_session_fsm::broker::subscriptions::{
    MatchingPart, Scratch, Subscriber, SubscriptionIndex,
};
use proptest::prelude::*;

use super::{filter, matches_by_the_standard, topic};

const SUBSCRIBERS: u32 = 5;

/// All subscriptions, by subscriber and filter.
type Model = BTreeMap<(u32, String), u16>;

#[derive(Clone, Debug)]
enum Step {
    Insert(String, u32, u16),
    Remove(String, u32),
    /// Of the subscriptions that there are, the one with this number, modulo theirs.
    RemoveKnown(usize),
    RemoveLast(u32),
    RemoveSubscriber(u32),
    Shrink,
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just("a"),
        2 => Just("b"),
        1 => Just(""),
        1 => Just("$x"),
        1 => Just("a level of more than 22 bytes"),
        1 => Just("a level of more than 22 bytes!"),
    ]
}

fn filter_text() -> impl Strategy<Value = String> {
    let level = prop_oneof![2 => level(), 1 => Just("+")];
    let last = prop_oneof![3 => Just(None), 1 => Just(Some("#"))];
    (prop::collection::vec(level, 0..5), last).prop_map(|(mut levels, last)| {
        levels.extend(last);
        match levels.join("/") {
            text if text.is_empty() => "a".to_owned(),
            text => text,
        }
    })
}

fn name_text() -> impl Strategy<Value = String> {
    prop::collection::vec(level(), 1..6).prop_map(|levels| match levels.join("/") {
        text if text.is_empty() => "a".to_owned(),
        text => text,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (filter_text(), 0..SUBSCRIBERS, any::<u16>())
            .prop_map(|(text, subscriber, value)| Step::Insert(text, subscriber, value)),
        1 => (filter_text(), 0..SUBSCRIBERS)
            .prop_map(|(text, subscriber)| Step::Remove(text, subscriber)),
        5 => any::<usize>().prop_map(Step::RemoveKnown),
        1 => (0..SUBSCRIBERS).prop_map(Step::RemoveLast),
        1 => (0..4 * SUBSCRIBERS).prop_map(Step::RemoveSubscriber),
        1 => Just(Step::Shrink),
    ]
}

fn run(index: &mut SubscriptionIndex<u16>, model: &mut Model, step: Step) {
    match step {
        Step::Insert(text, subscriber, value) => {
            let part = MatchingPart::from(filter(&text));
            let nodes = index.nodes() + index.nodes_added(part);
            assert!(index.nodes_added(part) <= part.nodes());
            let before = index.insert(part, Subscriber::new(subscriber), value);
            assert_eq!(before, Ok(model.insert((subscriber, text), value)));
            assert_eq!(index.nodes(), nodes);
        }
        Step::Remove(text, subscriber) => {
            let removed = index.remove(filter(&text), Subscriber::new(subscriber));
            assert_eq!(removed, model.remove(&(subscriber, text)));
        }
        Step::RemoveKnown(number) => {
            let number = number.checked_rem(model.len()).unwrap_or(0);
            let Some((subscriber, text)) = model.keys().nth(number).cloned() else {
                return;
            };
            let removed = index.remove(filter(&text), Subscriber::new(subscriber));
            assert_eq!(removed, model.remove(&(subscriber, text)));
        }
        Step::RemoveLast(subscriber) => {
            let last = index.of_subscriber(Subscriber::new(subscriber)).next_back();
            let last = last.map(|(filter, _)| filter.to_string());
            let expected = last.and_then(|last| model.remove(&(subscriber, last)));
            assert_eq!(index.remove_last(Subscriber::new(subscriber)), expected);
        }
        Step::RemoveSubscriber(subscriber) => {
            let before = model.len();
            model.retain(|(own, _), _| *own != subscriber);
            let removed = index.remove_subscriber(Subscriber::new(subscriber));
            assert_eq!(removed, before - model.len());
        }
        Step::Shrink => {
            let before = index.clone();
            index.shrink();
            assert_eq!(*index, before);
            assert!(index.bytes() <= before.bytes());
        }
    }
}

/// The nodes that these filters need: one for each level before a `#`, below the levels before it.
fn needed_nodes(model: &Model) -> usize {
    let mut paths = BTreeSet::new();
    for (_, text) in model.keys().filter(|(_, text)| text.contains(['+', '#'])) {
        let text = text
            .strip_suffix('#')
            .map_or(text.clone() + "/", str::to_owned);
        let ends = text.match_indices('/').map(|(at, _)| text[..at].to_owned());
        paths.extend(ends);
    }
    paths.len()
}

fn check(index: &SubscriptionIndex<u16>, model: &Model, names: &[String], scratch: &mut Scratch) {
    let mut anew = SubscriptionIndex::new(99);
    for (subscriber, filter, value) in index.iter() {
        assert_eq!(anew.insert(filter, subscriber, *value), Ok(None));
    }
    let shown: Model = (index.iter())
        .map(|(subscriber, filter, value)| ((subscriber.number(), filter.to_string()), *value))
        .collect();
    assert_eq!(shown, *model);
    // The same ones in another order.
    let mut ordered = SubscriptionIndex::new(7);
    for ((subscriber, text), value) in model {
        let inserted = ordered.insert(filter(text), Subscriber::new(*subscriber), *value);
        assert_eq!(inserted, Ok(None));
    }
    let hasher = RandomState::new();
    for other in [&anew, &ordered] {
        assert_eq!(other, index);
        assert_eq!(index, other);
        assert_eq!(hasher.hash_one(other), hasher.hash_one(index));
    }

    let wildcards: BTreeSet<_> = (model.keys().map(|(_, text)| text))
        .filter(|text| text.contains(['+', '#']))
        .collect();
    let exact: BTreeSet<_> = (model.keys().map(|(_, text)| text))
        .filter(|text| !text.contains(['+', '#']))
        .collect();
    for index in [index, &anew] {
        assert_eq!(index.len(), model.len());
        assert_eq!(index.is_empty(), model.is_empty());
        assert_eq!(index.exact_filters(), exact.len());
        assert_eq!(index.wildcard_filters(), wildcards.len());
        assert_eq!(index.filters().count(), exact.len() + wildcards.len());
        assert_eq!(index.nodes(), needed_nodes(model));
    }
    for ((subscriber, text), value) in model {
        let subscriber = Subscriber::new(*subscriber);
        assert_eq!(index.value(filter(text), subscriber), Some(value));
        let of_filter = index.filter(filter(text)).expect("it has subscriptions");
        let mut of_filter = of_filter.subscriptions().iter();
        assert!(of_filter.any(|it| it.subscriber() == subscriber && it.value() == value));
    }
    for number in 0..SUBSCRIBERS {
        let own = index.count_of_subscriber(Subscriber::new(number));
        let in_model = model.keys().filter(|(own, _)| *own == number).count();
        assert_eq!(own, in_model);
        assert_eq!(index.of_subscriber(Subscriber::new(number)).count(), own);
    }
    for name in names {
        let expected = (model.iter())
            .filter(|((_, text), _)| matches_by_the_standard(text, name))
            .map(|((subscriber, text), value)| (text.clone(), *subscriber, *value))
            .collect::<BTreeSet<_>>();
        let mut visits = Vec::new();
        for index in [index, &anew] {
            let (mut found, mut filters) = (BTreeSet::new(), BTreeSet::new());
            visits.push(index.matches(topic(name), scratch, |matched| {
                let text = matched.filter().to_string();
                assert!(filters.insert(text.clone()), "{text} was visited twice");
                for it in matched.subscriptions() {
                    found.insert((text.clone(), it.subscriber().number(), *it.value()));
                }
            }));
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(visits[0], visits[1], "{name}");
        assert!(visits[0] <= 1 + index.nodes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_history(
        steps in prop::collection::vec(step(), 1..200),
        names in prop::collection::vec(name_text(), 8),
        seed: u64,
    ) {
        let mut index = SubscriptionIndex::new(seed);
        let mut model = Model::new();
        let mut scratch = Scratch::new();
        for step in steps {
            run(&mut index, &mut model, step);
            check(&index, &model, &names, &mut scratch);
        }
        // Nothing is left of anything.
        for subscriber in 0..SUBSCRIBERS {
            run(&mut index, &mut model, Step::RemoveSubscriber(subscriber));
        }
        check(&index, &Model::new(), &names, &mut scratch);
        prop_assert_eq!(index.nodes(), 0);
        index.shrink();
        prop_assert_eq!(index.bytes(), 0);
    }
}
