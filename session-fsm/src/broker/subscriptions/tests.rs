//! What cannot be seen from outside: the links between the parts of an index, hashes that collide, and
//! its own limits, which are lower here.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use super::slots::MOST;
use super::{InsertError, Link, Scratch, Subscriber, SubscriptionIndex};
use crate::codec::{TopicFilter, TopicName};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

/// Every link leads there and back.
fn verify<V>(index: &SubscriptionIndex<V>) {
    let mut subscriptions = 0;
    let mut list_bytes = 0;
    let mut text_bytes = 0;
    for (number, filter) in &index.filters {
        let entries = filter.entries.as_slice();
        assert!(!entries.is_empty());
        for (at, entry) in entries.iter().enumerate() {
            let places = &index.subscribers[entry.subscriber().slot()];
            let place = places.as_slice()[entry.place as usize];
            assert_eq!((place.filter as usize, place.entry as usize), (number, at));
            let position = places.find(&index.hashing, place.filter);
            assert_eq!(position, Some(entry.place));
        }
        subscriptions += entries.len();
        list_bytes += filter.entries.allocated();
        text_bytes += filter.text.len();
        let known = index.find_filter(filter.matching_part(), filter.hash);
        assert_eq!(known, Some(number as u32));
        if filter.matching_part().has_wildcard() {
            let node = index.trie.get(filter.node).expect("the node of a filter");
            let ends = match filter.matching_part().ends_with_multi_level_wildcard() {
                true => node.rest,
                false => node.ends,
            };
            assert_eq!(ends, Link::new(number as u32));
        }
    }
    let own = index.subscribers.iter();
    list_bytes += own.map(super::Places::allocated).sum::<usize>();
    let own = index.subscribers.iter();
    let places: usize = own.map(|places| places.as_slice().len()).sum();
    assert_eq!((subscriptions, places), (index.len(), index.len()));
    assert_eq!(list_bytes, index.list_bytes);
    assert_eq!(text_bytes, index.text_bytes);
    assert_eq!(index.by_text.len(), index.filters.len());
    assert_eq!(index.wildcard_filters() == 0, index.trie.root.is_none());
}

/// A sequence that looks random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % limit
    }
}

fn text(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(4) {
        let level = match random.below(5) {
            0 => String::from("+"),
            1 => String::from("a level that does not fit into its node"),
            _ => format!("{}", random.below(6)),
        };
        text = text + &level + "/";
    }
    match random.below(4) {
        0 => text + "#",
        1 => text + "+",
        _ => format!("{text}{}", random.below(9)),
    }
}

/// Subscribers with up to hundreds of subscriptions, so that tables come and go.
#[test]
fn links_lead_there_and_back() {
    let mut random = Random(1);
    for round in 0..20 {
        let mut index = SubscriptionIndex::new(round);
        let subscribers = 1 + random.below(40);
        let most = 10 + random.below(600);
        for step in 0..1500 {
            let subscriber = Subscriber::new(random.below(subscribers));
            // It fills, and is emptied, again and again.
            if step / most % 2 == 0 {
                let inserted = index.insert(filter(&text(&mut random)), subscriber, step);
                inserted.expect("there is room");
            } else {
                index.remove_last(subscriber);
                let position = random.below(1 + subscribers);
                index.remove_at(subscriber, position);
            }
            if step % 16 == 0 {
                verify(&index);
            }
            if step % 200 == 0 {
                index.shrink();
                verify(&index);
            }
        }
    }
}

/// With four hashes nearly every lookup meets another text first.
#[test]
fn texts_with_the_same_hash_are_told_apart() {
    let mut random = Random(2);
    let mut index = SubscriptionIndex::new(7);
    let mut all = BTreeSet::new();
    for number in 0..300 {
        let text = text(&mut random);
        let inserted = index.insert(filter(&text), Subscriber::new(number % 3), ());
        inserted.expect("there is room");
        all.insert(text);
    }
    verify(&index);
    let mut scratch = Scratch::new();
    let mut matched_all = 0;
    for _ in 0..500 {
        let name = text(&mut random).replace(['+', '#'], "x");
        let name = TopicName::new(&name).expect("a name");
        let mut found = BTreeSet::new();
        index.matches(name, &mut scratch, |matched| {
            assert!(found.insert(String::from(matched.filter().as_str())));
        });
        let expected = all.iter().filter(|text| filter(text).matches(name));
        assert_eq!(found, expected.cloned().collect());
        matched_all += found.len();
    }
    assert!(matched_all > 1000, "{matched_all}");
}

#[test]
fn a_topic_name_is_split_no_further_than_filters_go() {
    let mut index = SubscriptionIndex::new(1);
    let mut scratch = Scratch::new();
    let name = "/".repeat(65_535);
    let name = TopicName::new(&name).expect("a name");
    for (text, levels) in [
        ("#", 1),
        ("+", 2),
        ("/+/#", 3),
        ("/+/x/y/z", 3),
        ("+/+/+", 4),
    ] {
        let inserted = index.insert(filter(text), Subscriber::new(0), ());
        assert_eq!(inserted, Ok(None));
        index.matches(name, &mut scratch, |_| {});
        assert!(scratch.levels_read() <= levels, "{text}");
    }
}

/// [`MOST`] is far lower in this test, and the code the same.
#[test]
fn a_full_filter_and_a_full_index_refuse() {
    let most = u32::try_from(MOST).expect("it is lower");
    let mut index = SubscriptionIndex::new(1);
    for number in 0..most {
        let inserted = index.insert(filter("a/#"), Subscriber::new(number), ());
        assert_eq!(inserted, Ok(None));
    }
    let refused = index.insert(filter("a/#"), Subscriber::new(most), ());
    assert_eq!(refused, Err(InsertError::Subscriptions));
    let replaced = index.insert(filter("a/#"), Subscriber::new(1), ());
    assert_eq!(replaced, Ok(Some(())));

    for number in 1..most {
        let text = format!("{number}");
        assert_eq!(
            index.insert(filter(&text), Subscriber::new(0), ()),
            Ok(None)
        );
    }
    let before = index.clone();
    for text in ["another", "another/+"] {
        let refused = index.insert(filter(text), Subscriber::new(1), ());
        assert_eq!(refused, Err(InsertError::Filters));
    }
    let replaced = index.insert(filter("1"), Subscriber::new(0), ());
    assert_eq!(replaced, Ok(Some(())));
    assert_eq!(index, before);
    assert_eq!(index.remove_last(Subscriber::new(0)), Some(()));
    assert_eq!(
        index.insert(filter("other"), Subscriber::new(1), ()),
        Ok(None)
    );
    assert_ne!(index, before);
    verify(&index);
}

#[test]
fn a_full_trie_refuses() {
    let mut index = SubscriptionIndex::new(1);
    let deep = "+/".repeat(MOST - 2) + "a";
    assert_eq!(
        index.insert(filter(&deep), Subscriber::new(0), ()),
        Ok(None)
    );
    assert_eq!(index.nodes(), MOST - 1);
    let refused = index.insert(filter("b/#"), Subscriber::new(0), ());
    assert_eq!(refused, Err(InsertError::Nodes));
    assert_eq!(
        index.insert(filter("+/+/#"), Subscriber::new(0), ()),
        Ok(None)
    );
    assert_eq!(index.insert(filter("b"), Subscriber::new(0), ()), Ok(None));
    verify(&index);
}

/// A subscriber's number decides how much memory its table takes.
#[test]
fn a_subscriber_with_a_number_out_of_reach_is_refused() {
    let mut index: SubscriptionIndex<()> = SubscriptionIndex::new(1);
    assert_eq!(
        index.insert(filter("a/+"), Subscriber::new(0), ()),
        Ok(None)
    );
    if cfg!(target_pointer_width = "32") {
        let refused = index.insert(filter("b/+"), Subscriber::new(u32::MAX), ());
        assert_eq!(refused, Err(InsertError::Subscriber));
    }
    assert_eq!((index.len(), index.nodes()), (1, 2));
    verify(&index);
}
