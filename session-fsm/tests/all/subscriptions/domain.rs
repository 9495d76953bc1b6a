//! The complete domain: all filters and Topic Names of up to three levels over a small alphabet.

use mqtt5_session_fsm::broker::subscriptions::{Scratch, Subscriber, SubscriptionIndex};
use mqtt5_session_fsm::codec::{TopicFilter, TopicName};

use super::{filter, matches_by_the_standard, matching, topic};

const LEVELS: [&str; 6] = ["$", "$x", "", "a", "+", "#"];

/// All texts of up to three levels.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = LEVELS.map(str::to_owned).to_vec();
    let mut longest = texts.clone();
    for _ in 0..2 {
        let longer = |text: &String| LEVELS.map(|level| format!("{text}/{level}"));
        longest = longest.iter().flat_map(longer).collect();
        texts.extend(longest.iter().cloned());
    }
    texts
}

fn filters() -> Vec<String> {
    let texts = texts().into_iter();
    texts
        .filter(|text| TopicFilter::new(text).is_ok())
        .collect()
}

fn names() -> Vec<String> {
    let texts = texts().into_iter();
    texts.filter(|text| TopicName::new(text).is_ok()).collect()
}

fn expected<'f>(filters: &'f [String], name: &str) -> Vec<&'f str> {
    let matching = filters.iter().filter(|text| {
        let matches = matches_by_the_standard(text, name);
        let codec = filter(text).matches(topic(name));
        assert_eq!(matches, codec, "the matchers differ: {text} and {name}");
        matches
    });
    let mut matching: Vec<&str> = matching.map(String::as_str).collect();
    matching.sort_unstable();
    matching
}

#[test]
fn the_domain_is_complete() {
    // Without `#` in front of the last level: 6 + 5 * 6 + 5 * 5 * 6, and no empty text.
    assert_eq!(filters().len(), 185);
    // Four levels have no wildcard: 4 + 4 * 4 + 4 * 4 * 4, and no empty text.
    assert_eq!(names().len(), 83);
}

#[test]
fn each_filter_alone() {
    for text in filters() {
        let mut index = SubscriptionIndex::new(5);
        let inserted = index.insert(filter(&text), Subscriber::new(0), ());
        assert_eq!(inserted, Ok(None));
        for name in names() {
            let alone = [text.clone()];
            assert_eq!(
                matching(&index, &name),
                expected(&alone, &name),
                "{text} {name}"
            );
        }
        assert_eq!(index.remove(filter(&text), Subscriber::new(0)), Some(()));
        assert_eq!((index.len(), index.nodes()), (0, 0), "{text}");
    }
}

#[test]
fn all_filters_in_one_index() {
    let filters = filters();
    let mut index = SubscriptionIndex::new(5);
    for text in &filters {
        let inserted = index.insert(filter(text), Subscriber::new(0), ());
        assert_eq!(inserted, Ok(None), "{text}");
    }
    for name in names() {
        assert_eq!(matching(&index, &name), expected(&filters, &name), "{name}");
    }
}

/// All pairs: what one filter leaves behind when it goes disturbs the other one.
#[test]
fn each_filter_beside_one_that_has_gone() {
    let (filters, names) = (filters(), names());
    let mut scratch = Scratch::new();
    let mut index = SubscriptionIndex::new(5);
    for stays in &filters {
        let inserted = index.insert(filter(stays), Subscriber::new(0), ());
        assert_eq!(inserted, Ok(None));
        let nodes = index.nodes();
        for goes in filters.iter().filter(|goes| *goes != stays) {
            let added = index.nodes_added(filter(goes));
            let inserted = index.insert(filter(goes), Subscriber::new(1), ());
            assert_eq!(inserted, Ok(None));
            assert_eq!(index.nodes(), nodes + added, "{stays} {goes}");
            assert_eq!(index.remove(filter(goes), Subscriber::new(1)), Some(()));
            assert_eq!(index.nodes(), nodes, "{stays} {goes}");
        }
        for name in &names {
            let mut found = 0;
            index.matches(topic(name), &mut scratch, |matched| {
                assert_eq!(matched.filter().as_str(), stays);
                found += 1;
            });
            let matches = matches_by_the_standard(stays, name);
            assert_eq!(found, usize::from(matches), "{stays} {name}");
        }
        assert_eq!(index.remove_subscriber(Subscriber::new(0)), 1);
        assert_eq!((index.len(), index.nodes()), (0, 0));
    }
}
