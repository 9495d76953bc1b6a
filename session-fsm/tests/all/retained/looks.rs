//! The budget: how many looks at the store a walk takes, and that a walk goes on where it stopped.

use super::*;

/// `plants` plants with 70 topics each: 7 devices with 10 topics.
fn plants(plants: usize) -> RetainedStore {
    let mut store = empty();
    for plant in 0..plants {
        for device in 0..7 {
            for state in 0..10 {
                put(
                    &mut store,
                    &format!("plant/{plant}/dev/{device}/{state}"),
                    "x",
                );
            }
        }
    }
    store
}

fn looks(store: &RetainedStore, topic_filter: &str) -> (usize, u32) {
    let (topics, looks) = walk(store, NOW, &mut store.cursor(filter(topic_filter)));
    (topics.len(), looks)
}

#[test]
fn a_filter_without_wildcards_takes_one_look() {
    for count in [1, 10, 100] {
        let store = plants(count);
        for (topic_filter, hits) in [
            ("plant/0/dev/0/0", 1),
            ("plant/0/dev/6/9", 1),
            ("plant/0/dev", 0),
            ("plant/0/dev/3/x", 0),
            ("a", 0),
            ("z", 0),
        ] {
            assert_eq!(looks(&store, topic_filter), (hits, 1), "{topic_filter}");
        }
    }
}

#[test]
fn a_subtree_takes_a_look_for_each_message_and_one() {
    for count in [1, 10, 100] {
        let mut store = plants(count);
        for topic_filter in ["plant/0/#", &format!("plant/{}/#", count - 1)] {
            assert_eq!(looks(&store, topic_filter), (70, 71), "{topic_filter}");
        }
        assert_eq!(looks(&store, "plant/0/dev/1/#"), (10, 11));
        assert_eq!(looks(&store, "plant/00/#"), (0, 1));
        assert_eq!(looks(&store, "#"), (70 * count, 70 * count as u32 + 1));
        // All topics of the Server are passed at once.
        for number in 0..10 {
            put(&mut store, &format!("$SYS/{number}"), "x");
        }
        assert_eq!(looks(&store, "#"), (70 * count, 70 * count as u32 + 2));
    }
}

#[test]
fn levels_that_cannot_match_are_passed_as_a_whole() {
    for count in [1, 10, 100] {
        let store = plants(count);
        let each = |per_plant: u32, more: u32| per_plant * count as u32 + more;
        assert_eq!(looks(&store, "plant/+/dev/3/5"), (count, each(2, 1)));
        assert_eq!(looks(&store, "plant/+/dev/x/state"), (0, each(1, 1)));
        assert_eq!(looks(&store, "+/+/dev"), (0, each(1, 1)));
        assert_eq!(looks(&store, "+/dev/#"), (0, 2));
        // Behind the last level, before the first, and between.
        assert_eq!(looks(&store, "+/+/+/+/nothing"), (0, each(7, 1)));
        assert_eq!(looks(&store, "+/+/+/+/-"), (0, each(7, 1)));
        assert_eq!(looks(&store, "+/+/+/+/5x"), (0, each(14, 1)));
    }
}

#[test]
fn a_walk_that_finds_nothing_goes_on_in_slices_and_ends() {
    let store = plants(30);
    let mut cursor = store.cursor(filter("+/+/+/+/5x"));
    let mut slices = 0;
    loop {
        let before = cursor.clone();
        let mut budget = 10;
        match store.next(NOW, &mut cursor, &mut budget) {
            Step::Found(_) => panic!("there is none"),
            Step::OutOfBudget => {
                assert_eq!(budget, 0);
                assert!(cursor.position() > before.position());
            }
            Step::End => break,
        }
        slices += 1;
    }
    assert_eq!(slices, 30 * 14 / 10);
    assert_eq!(cursor.position(), None);
    let mut budget = 1;
    assert_eq!(store.next(NOW, &mut cursor, &mut budget), Step::End);
    assert_eq!(budget, 1);
}

#[test]
fn without_a_budget_nothing_happens() {
    let store = plants(1);
    let mut cursor = store.cursor(filter("#"));
    let before = cursor.clone();
    assert_eq!(store.next(NOW, &mut cursor, &mut 0), Step::OutOfBudget);
    assert_eq!(cursor, before);
    assert!(empty().handle_timeout(NOW, &mut 0).is_none());
}

#[test]
fn messages_that_are_passed_over_take_a_look_each() {
    let mut store = plants(1);
    let mut cursor = store.cursor(filter("plant/#"));
    for state in 0..10 {
        put(&mut store, &format!("plant/0/dev/0/{state}"), "new");
    }
    let (topics, looks) = walk(&store, NOW, &mut cursor);
    assert_eq!((topics.len(), looks), (60, 71));
}

#[test]
fn a_hostile_filter_is_no_dearer_than_the_store() {
    let mut store = empty();
    for number in 0..512 {
        // Nine levels of two kinds each.
        let levels = (0..9).map(|bit| if number >> bit & 1 == 1 { "a" } else { "b" });
        let topic = levels.collect::<Vec<_>>().join("/");
        put(&mut store, &topic, "x");
    }
    for topic_filter in [
        "+/+/+/+/+/+/+/+/x",
        "+/a/+/a/+/a/+/a/x",
        "+/+/+/+/+/+/+/+/#",
    ] {
        assert!(looks(&store, topic_filter).1 <= 513, "{topic_filter}");
    }
}
