//! A store that is given back after a restart equals the one before, and goes on like it.

use proptest::prelude::*;

use super::*;

fn restored<'a>(messages: impl Iterator<Item = &'a RetainedMessage>) -> RetainedStore {
    let mut store = empty();
    for retained in messages {
        assert_eq!(store.restore(retained.clone()), None);
        check(&store);
    }
    store
}

fn restored_cursor(store: &mut RetainedStore, cursor: &Cursor) -> Cursor {
    let position = cursor.position().map(<[u8]>::to_vec);
    store.restore_cursor(
        filter(cursor.filter()),
        position.as_deref(),
        cursor.sequence(),
    )
}

#[test]
fn of_two_messages_of_a_topic_the_newer_one_stays() {
    let mut store = empty();
    put_until(&mut store, NOW, "a", "old", at(10));
    let old = store.get(NOW, name("a")).unwrap().clone();
    put(&mut store, "b", "x");
    put(&mut store, "a", "new");
    let new = store.get(NOW, name("a")).unwrap().clone();
    for order in [[&old, &new], [&new, &old]] {
        let mut store = empty();
        assert_eq!(store.restore(order[0].clone()), None);
        assert_eq!(store.restore(order[1].clone()), Some(old.clone()));
        assert_eq!(payload(&store, NOW, "a"), Some("new"));
        check(&store);
        // Once more changes nothing.
        let before = store.clone();
        assert_eq!(store.restore(new.clone()), Some(new.clone()));
        assert_eq!(store, before);
        check(&store);
    }
}

#[test]
fn a_message_without_payload_is_not_stored() {
    let mut store = empty();
    put(&mut store, "a", "x");
    let stored = store.get(NOW, name("a")).unwrap().clone();
    let empty_one = RetainedMessage {
        message: message("a", ""),
        sequence: 9,
        ..stored
    };
    assert_eq!(store.restore(empty_one.clone()), Some(empty_one));
    assert_eq!(payload(&store, NOW, "a"), Some("x"));
}

#[test]
fn what_expired_meanwhile_is_taken_away_first() {
    let mut store = empty();
    put_until(&mut store, NOW, "a", "x", at(10));
    let mut store = restored(store.iter());
    assert_eq!(matches(&store, at(20), "#"), [""; 0]);
    assert_eq!(store.next_timeout(), at(10));
    assert!(store.handle_timeout(at(20), &mut 1).is_some());
    assert!(store.is_empty());
}

#[test]
fn a_cursor_passes_over_what_came_after_the_restart() {
    let mut store = empty();
    put(&mut store, "a", "x");
    // The highest number belongs to no message any more.
    put(&mut store, "b", "x");
    put(&mut store, "c", "x");
    put(&mut store, "b", "");
    put(&mut store, "c", "");
    let cursor = store.cursor(filter("#"));

    let mut store = restored(store.iter());
    let mut cursor = restored_cursor(&mut store, &cursor);
    put(&mut store, "b", "new");
    assert_eq!(walk(&store, NOW, &mut cursor).0, ["a"]);
    assert_eq!(matches(&store, NOW, "#"), ["a", "b"]);
}

#[test]
fn numbers_go_on_behind_all_that_were_given_back() {
    let mut store = empty();
    for topic in ["a", "b", "c"] {
        put(&mut store, topic, "x");
    }
    let highest = store.iter().map(|it| it.sequence).max();
    let backwards: Vec<_> = store.iter().cloned().collect();
    let mut again = restored(backwards.iter().rev());
    assert!(retain(&mut again, "d", "x").stored > highest);
    // The largest of all does no harm.
    let last = RetainedMessage {
        sequence: u64::MAX,
        ..backwards[0].clone()
    };
    assert!(again.restore(last).is_some());
    assert_eq!(retain(&mut again, "e", "x").stored, Some(u64::MAX));
    check(&again);
}

#[test]
fn a_cursor_can_be_stored_wherever_it_stands() {
    let mut store = empty();
    for topic in [
        "a/b/c", "a/b/d", "a/c", "b", "b/b/c", "c//c", "$a/b/c", "a/x/c",
    ] {
        put(&mut store, topic, "x");
    }
    for topic_filter in [
        "#",
        "+/b/c",
        "a/#",
        "a/+/c",
        "+/+/+",
        "b",
        "$a/#",
        "$share/g/#",
    ] {
        let all = matches(&store, NOW, topic_filter);
        let mut cursor = store.cursor(filter(topic_filter));
        let mut found = Vec::new();
        for _ in 0..20 {
            let again = restored_cursor(&mut store, &cursor);
            assert_eq!((&again, hash(&again)), (&cursor, hash(&cursor)));
            assert_eq!(again.sequence(), cursor.sequence());
            cursor = again;
            if let Step::Found(it) = store.next(NOW, &mut cursor, &mut 1) {
                found.push(it.message.topic().to_string());
            }
        }
        assert!(cursor.has_ended());
        assert_eq!(found, all, "{topic_filter}");
    }
}

proptest! {
    #[test]
    fn the_order_in_which_messages_are_given_back_changes_nothing(
        steps in prop::collection::vec((0..12_u32, any::<bool>(), 0..4_u64), 0..40),
        order in any::<prop::sample::Index>(),
        backwards in any::<bool>(),
    ) {
        let mut store = empty();
        for (topic, clear, expires) in steps {
            let topic = format!("{}/{}", topic % 3, topic / 3);
            let expires_at = if expires == 0 { NEVER } else { at(expires) };
            let payload = if clear { "" } else { "x" };
            put_until(&mut store, NOW, &topic, payload, expires_at);
        }
        let mut messages: Vec<_> = store.iter().collect();
        if !messages.is_empty() {
            let middle = order.index(messages.len());
            messages.rotate_left(middle);
        }
        if backwards {
            messages.reverse();
        }
        let again = restored(messages.into_iter());
        prop_assert_eq!(&again, &store);
        prop_assert_eq!(hash(&again), hash(&store));
        prop_assert_eq!(again.next_timeout(), store.next_timeout());
        prop_assert_eq!(again.bytes(), store.bytes());
        prop_assert!(again.iter().eq(store.iter()));
    }
}
