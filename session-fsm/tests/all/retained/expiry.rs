//! Message Expiry Interval (section 3.3.2.3.3): what has expired is not sent, holds no room, and does not return.

use super::*;

/// Topics of what is taken away, in order.
fn take_expired(store: &mut RetainedStore, now: Instant, budget: &mut u32) -> Vec<String> {
    let mut topics = Vec::new();
    while let Some(expired) = store.handle_timeout(now, budget) {
        assert!(expired.has_expired(now));
        topics.push(expired.message.topic().to_string());
        check(store);
    }
    topics
}

fn with_times(times: &[(&str, u64)]) -> RetainedStore {
    let mut store = empty();
    for &(topic, time) in times {
        put_until(&mut store, NOW, topic, "x", at(time));
        check(&store);
    }
    store
}

#[test]
fn an_expired_message_is_neither_found_nor_sent() {
    let mut store = with_times(&[("a", 10), ("b", 20)]);
    put(&mut store, "c", "x");
    assert_eq!(matches(&store, at(9), "#"), ["a", "b", "c"]);
    assert_eq!(matches(&store, at(10), "#"), ["b", "c"]);
    assert_eq!(matches(&store, at(10), "a"), [""; 0]);
    assert_eq!(payload(&store, at(9), "a"), Some("x"));
    assert_eq!(payload(&store, at(10), "a"), None);
    assert_eq!(matches(&store, at(u64::MAX - 1), "#"), ["c"]);
    assert_eq!(store.len(), 3);
}

#[test]
fn a_message_may_expire_between_two_steps() {
    let store = with_times(&[("a", 30), ("b", 20), ("c", 30)]);
    let mut cursor = store.cursor(filter("#"));
    assert!(matches!(
        store.next(at(19), &mut cursor, &mut 9),
        Step::Found(_)
    ));
    assert_eq!(walk(&store, at(20), &mut cursor).0, ["c"]);
}

#[test]
fn expired_messages_are_taken_away_within_the_budget_the_earliest_first() {
    let mut store = with_times(&[("d", 10), ("c", 30), ("b", 20), ("a", 20), ("e", 40)]);
    put(&mut store, "f", "x");
    assert_eq!(store.next_timeout(), at(10));
    assert_eq!(take_expired(&mut store, at(9), &mut 9), [""; 0]);
    let mut budget = 2;
    assert_eq!(take_expired(&mut store, at(30), &mut budget), ["d", "a"]);
    assert_eq!((budget, store.next_timeout()), (0, at(20)));
    let mut budget = 9;
    assert_eq!(take_expired(&mut store, at(30), &mut budget), ["b", "c"]);
    assert_eq!((budget, store.next_timeout()), (7, at(40)));
    assert_eq!(take_expired(&mut store, at(40), &mut 1), ["e"]);
    assert_eq!(store.next_timeout(), NEVER);
    assert_eq!(matches(&store, NOW, "#"), ["f"]);
}

#[test]
fn the_time_of_a_topic_is_that_of_its_last_message() {
    let mut store = with_times(&[("a", 10), ("b", 15)]);
    let changes = try_retain(&mut store, NOW, "a", "y", at(20)).unwrap();
    assert_eq!(changes.removed.unwrap().expires_at, at(10));
    assert_eq!(store.next_timeout(), at(15));
    // Again with the same time.
    put_until(&mut store, NOW, "a", "z", at(20));
    check(&store);
    assert_eq!(take_expired(&mut store, at(15), &mut 9), ["b"]);
    put_until(&mut store, NOW, "a", "never", NEVER);
    assert_eq!(store.next_timeout(), NEVER);
    assert_eq!(take_expired(&mut store, at(1000), &mut 9), [""; 0]);
    assert_eq!(payload(&store, at(1000), "a"), Some("never"));

    put_until(&mut store, NOW, "a", "soon", at(5));
    assert_eq!(store.next_timeout(), at(5));
    assert_eq!(store.remove(name("a")).unwrap().expires_at, at(5));
    assert_eq!(store.next_timeout(), NEVER);
}

#[test]
fn a_message_that_has_expired_when_it_comes_only_removes_the_former_one() {
    let mut store = with_times(&[("a", 10)]);
    for expires_at in [at(4), at(5)] {
        put(&mut store, "b", "x");
        let changes = try_retain(&mut store, at(5), "b", "y", expires_at).unwrap();
        assert_eq!(changes.stored, None);
        assert_eq!(changes.removed.unwrap().message, message("b", "x"));
    }
    assert_eq!(matches(&store, NOW, "#"), ["a"]);
    check(&store);
}

#[test]
fn an_expired_message_is_returned_by_the_one_that_replaces_it() {
    let mut store = with_times(&[("a", 10), ("b", 10)]);
    let changes = try_retain(&mut store, at(11), "a", "y", at(20)).unwrap();
    assert_eq!(changes.removed.unwrap().expires_at, at(10));
    let changes = try_retain(&mut store, at(11), "b", "", NEVER).unwrap();
    assert_eq!(changes.removed.unwrap().expires_at, at(10));
    assert_eq!(take_expired(&mut store, at(11), &mut 9), [""; 0]);
}

#[test]
fn what_was_taken_away_does_not_return_with_a_clock_that_goes_back() {
    let mut store = with_times(&[("a", 10), ("b", 12)]);
    let mut cursor = store.cursor(filter("#"));
    assert_eq!(take_expired(&mut store, at(11), &mut 9), ["a"]);
    assert_eq!(matches(&store, at(9), "#"), ["b"]);
    assert_eq!(payload(&store, at(9), "a"), None);
    assert_eq!(store.next_timeout(), at(12));
    assert_eq!(take_expired(&mut store, at(9), &mut 9), [""; 0]);
    // A walk does not go back for what it passed over.
    assert_eq!(walk(&store, at(13), &mut cursor).0, [""; 0]);
    assert_eq!(walk(&store, at(9), &mut cursor).0, [""; 0]);
    assert_eq!(take_expired(&mut store, at(12), &mut 9), ["b"]);
}
