//! Walks against a scan of all topics with `TopicFilter::matches` of the codec, on complete domains.

use super::*;

/// All strings of up to `most` of these levels.
fn names(levels: &[&str], most: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut longest: Vec<String> = levels.iter().map(|&level| level.to_owned()).collect();
    for _ in 0..most {
        names.extend(longest.iter().cloned());
        let longer = |name: &String| {
            levels
                .iter()
                .map(|level| format!("{name}/{level}"))
                .collect()
        };
        longest = longest.iter().flat_map::<Vec<String>, _>(longer).collect();
    }
    names.retain(|name| !name.is_empty());
    names
}

fn topics(levels: &[&str], most: usize) -> Vec<String> {
    let mut topics = names(levels, most);
    topics.sort_by_key(|topic| levels_of(topic));
    topics
}

fn filters(levels: &[&str], most: usize) -> Vec<String> {
    let wildcards = [levels, &["+", "#"]].concat();
    let mut filters = names(&wildcards, most);
    filters.retain(|filter| TopicFilter::new(filter).is_ok());
    filters
}

/// The order of topics is that of their levels.
fn levels_of(topic: &str) -> Vec<String> {
    topic.split('/').map(str::to_owned).collect()
}

fn scan<'a>(topics: &[&'a str], topic_filter: &str) -> Vec<&'a str> {
    let filter = filter(topic_filter);
    let matching = topics.iter().filter(|topic| filter.matches(name(topic)));
    matching.copied().collect()
}

fn store_of(topics: &[&str]) -> RetainedStore {
    let mut store = empty();
    for topic in topics.iter().rev() {
        put(&mut store, topic, "x");
    }
    store
}

/// Compares, and returns the number of looks.
fn compare(store: &RetainedStore, topics: &[&str], topic_filter: &str) -> u32 {
    let mut cursor = store.cursor(filter(topic_filter));
    let (found, looks) = walk(store, NOW, &mut cursor);
    assert_eq!(
        found,
        scan(topics, topic_filter),
        "{topic_filter:?} on {topics:?}"
    );
    // Each look passes a key at least.
    assert!(
        looks as usize <= topics.len() + 1,
        "{topic_filter:?} on {topics:?}"
    );
    looks
}

const LEVELS: &[&str] = &["$", "$x", "", "a", "b"];

#[test]
fn all_topics_at_once() {
    let topics = topics(LEVELS, 3);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let store = store_of(&topics);
    let filters = filters(LEVELS, 3);
    assert_eq!((topics.len(), filters.len()), (154, 300));
    for topic_filter in &filters {
        let looks = compare(&store, &topics, topic_filter);

        // One look at a time finds the same, with as many looks.
        let mut cursor = store.cursor(filter(topic_filter));
        let (mut found, mut turns) = (Vec::new(), 0);
        while !cursor.has_ended() {
            turns += 1;
            assert!(turns <= ENOUGH);
            let mut budget = 1;
            match store.next(NOW, &mut cursor, &mut budget) {
                Step::Found(it) => found.push(it.message.topic().to_string()),
                Step::OutOfBudget => assert_eq!(budget, 0),
                Step::End => assert!(cursor.has_ended()),
            }
        }
        assert_eq!(found, scan(&topics, topic_filter));
        assert_eq!(turns, looks, "{topic_filter}");
    }
}

#[test]
fn each_topic_alone() {
    let topics = topics(LEVELS, 3);
    let filters = filters(LEVELS, 3);
    for topic in &topics {
        let store = store_of(&[topic]);
        for topic_filter in &filters {
            compare(&store, &[topic], topic_filter);
        }
    }
}

#[test]
fn every_set_of_topics() {
    let levels = &["$", "", "a"];
    let topics = topics(levels, 2);
    let filters = filters(levels, 3);
    assert_eq!((topics.len(), filters.len()), (11, 104));
    for set in 0..1 << topics.len() {
        let chosen = topics.iter().enumerate();
        let chosen = chosen.filter(|(bit, _)| set >> bit & 1 == 1);
        let chosen: Vec<&str> = chosen.map(|(_, topic)| topic.as_str()).collect();
        let store = store_of(&chosen);
        for topic_filter in &filters {
            compare(&store, &chosen, topic_filter);
        }
    }
}

#[test]
fn deep_topics_with_few_levels_present() {
    // Levels before, between and behind those that filters name, at four depths.
    let topics = topics(&["", "a", "aa", "b"], 4);
    let filters = filters(&["a", "aa"], 4);
    for part in 0..7 {
        let chosen = topics.iter().skip(part).step_by(7);
        let chosen: Vec<&str> = chosen.map(String::as_str).collect();
        let store = store_of(&chosen);
        for topic_filter in &filters {
            compare(&store, &chosen, topic_filter);
        }
    }
}
