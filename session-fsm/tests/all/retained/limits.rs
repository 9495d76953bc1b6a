//! Limits: a message too many is refused, and nothing else changes.

use super::*;

fn limited(messages: usize, bytes: u64) -> RetainedStore {
    RetainedStore::new(RetainedLimits {
        messages,
        bytes,
        topic_levels: 3,
    })
}

/// The size of a message with a Topic Name of one byte.
fn size(payload: &str, expires_at: Instant) -> u64 {
    let mut store = empty();
    put_until(&mut store, NOW, "x", payload, expires_at);
    store.bytes()
}

fn size_without_payload() -> u64 {
    size("1", NEVER) - 1
}

/// The call is refused, and changes nothing.
fn refused(
    store: &mut RetainedStore,
    now: Instant,
    topic: &str,
    payload: &str,
    error: RetainError,
) {
    let before = store.clone();
    assert_eq!(try_retain(store, now, topic, payload, NEVER), Err(error));
    assert_eq!(*store, before);
    check(store);
}

#[test]
fn as_many_messages_as_the_limit() {
    let mut store = limited(2, u64::MAX);
    put(&mut store, "a", "x");
    put(&mut store, "b", "x");
    refused(
        &mut store,
        NOW,
        "c",
        "x",
        RetainError::TooManyMessages { limit: 2 },
    );
    put(&mut store, "a", "longer than before");
    put(&mut store, "c", "");
    put(&mut store, "b", "");
    put(&mut store, "c", "x");
    refused(
        &mut limited(0, 1 << 30),
        NOW,
        "a",
        "x",
        RetainError::TooManyMessages { limit: 0 },
    );
}

#[test]
fn as_many_bytes_as_the_limit() {
    let mut store = limited(9, 2 * size("1234", NEVER));
    put(&mut store, "a", "1234");
    refused(
        &mut store,
        NOW,
        "b",
        "12345",
        RetainError::TooManyBytes { excess: 1 },
    );
    put(&mut store, "b", "1234");
    refused(
        &mut store,
        NOW,
        "b",
        "12345",
        RetainError::TooManyBytes { excess: 1 },
    );
    put(&mut store, "b", "123");
    put(&mut store, "a", "12345");
    refused(
        &mut store,
        NOW,
        "b",
        "1234",
        RetainError::TooManyBytes { excess: 1 },
    );
    // Some other topic, whose name takes a byte more, twice.
    refused(
        &mut limited(9, size("1", NEVER) + 1),
        NOW,
        "ab",
        "1",
        RetainError::TooManyBytes { excess: 1 },
    );
}

#[test]
fn a_size_is_an_upper_estimate_that_has_a_documented_form() {
    let mut store = empty();
    put(&mut store, "a/b", "1234");
    let retained = store.get(NOW, name("a/b")).unwrap();
    let size = retained.message.size() + "a/b".len() + 320;
    assert_eq!(retained.size(), size);
    put_until(&mut store, NOW, "a/b", "1234", at(1));
    assert_eq!(store.bytes(), size as u64 + 128);
}

#[test]
fn as_many_levels_as_the_limit() {
    let mut store = limited(9, 1 << 20);
    put(&mut store, "a/b/c", "x");
    put(&mut store, "//", "x");
    let error = RetainError::TooManyLevels { limit: 3 };
    refused(&mut store, NOW, "a/b/c/d", "x", error);
    refused(&mut store, NOW, "///", "x", error);
    assert_eq!(retain(&mut store, "///", ""), Changes::default());
}

#[test]
fn what_is_not_larger_is_always_stored() {
    let mut roomy = empty();
    for topic in ["a", "b", "c/d/e/f"] {
        put(&mut roomy, topic, "1234");
    }
    let mut store = limited(1, 1);
    for retained in roomy.iter() {
        assert_eq!(store.restore(retained.clone()), None);
    }
    put(&mut store, "a", "4321");
    put(&mut store, "c/d/e/f", "12");
    let excess = store.bytes();
    refused(
        &mut store,
        NOW,
        "c/d/e/f",
        "123",
        RetainError::TooManyBytes { excess },
    );
    refused(
        &mut store,
        NOW,
        "d",
        "1",
        RetainError::TooManyMessages { limit: 1 },
    );
}

#[test]
fn expired_messages_make_room_the_earliest_first() {
    let mut store = limited(3, u64::MAX);
    for (topic, time) in [("a", 30), ("b", 10), ("c", 20)] {
        put_until(&mut store, NOW, topic, "x", at(time));
    }
    refused(
        &mut store,
        at(9),
        "d",
        "x",
        RetainError::TooManyMessages { limit: 3 },
    );
    let changes = try_retain(&mut store, at(20), "d", "x", NEVER).unwrap();
    let expired: Vec<_> = changes.expired.iter().map(|it| it.expires_at).collect();
    assert_eq!(expired, [at(10)]);
    check(&store);
    // A replacement needs no place.
    assert_eq!(
        try_retain(&mut store, at(20), "d", "y", NEVER)
            .unwrap()
            .expired,
        []
    );
    assert_eq!(store.len(), 3);
}

#[test]
fn expired_messages_make_room_only_if_that_is_enough() {
    let small = size("1", at(1));
    let mut store = limited(9, 4 * small);
    for topic in ["a", "b", "c", "d"] {
        put_until(&mut store, NOW, topic, "1", at(10));
    }
    // As large as three of them, or as all of them and a byte.
    let payload = |size: u64| "x".repeat((size - size_without_payload()) as usize);
    let excess = 2; // Its header is longer by a byte.
    let too_large = payload(4 * small + 1);
    refused(
        &mut store,
        at(10),
        "e",
        &too_large,
        RetainError::TooManyBytes { excess },
    );
    let changes = try_retain(&mut store, at(10), "e", &payload(3 * small - 1), NEVER).unwrap();
    assert_eq!(changes.expired.len(), 3);
    assert_eq!(store.len(), 2);
    check(&store);
}

#[test]
fn a_former_message_that_has_expired_counts_only_once() {
    let small = size("1", at(1));
    let mut store = limited(9, 2 * small);
    put_until(&mut store, NOW, "a", "1", at(10));
    put_until(&mut store, NOW, "b", "1", NEVER);
    // The former message is replaced anyway: what it took is free only once.
    let too_large = "x".repeat(400);
    let result = try_retain(&mut store, at(10), "a", &too_large, NEVER);
    assert!(matches!(result, Err(RetainError::TooManyBytes { .. })));
    let changes = try_retain(&mut store, at(10), "a", "12", at(20)).unwrap();
    assert_eq!(
        (changes.expired.len(), changes.removed.unwrap().expires_at),
        (0, at(10))
    );
    check(&store);
}

/// A store with this many small messages that expire, and no room for more bytes.
fn full_of_small_ones(count: u64, limit: impl Fn(u64) -> u64) -> RetainedStore {
    let mut roomy = empty();
    for number in 0..count {
        put_until(&mut roomy, NOW, &number.to_string(), "1", at(1 + number));
    }
    let mut store = limited(1000, limit(roomy.bytes()));
    for retained in roomy.iter() {
        assert_eq!(store.restore(retained.clone()), None);
    }
    store
}

#[test]
fn expired_messages_always_make_room_in_a_store_within_its_limits() {
    for count in [1, 2, 3, 10, 100] {
        let mut store = full_of_small_ones(count, |bytes| bytes);
        let room = store.bytes() - size_without_payload() - 2;
        let large = "x".repeat(room as usize);
        let changes = try_retain(&mut store, at(1000), "a", &large, NEVER).unwrap();
        assert_eq!(changes.expired.len() as u64, count);
        assert_eq!(matches(&store, at(1000), "#"), ["a"]);
    }
}

#[test]
fn a_small_message_does_not_pay_for_a_store_above_its_limits() {
    let mut store = full_of_small_ones(100, |_| size("1", NEVER));
    let result = try_retain(&mut store, at(1000), "a", "1", NEVER);
    assert!(matches!(result, Err(RetainError::TooManyBytes { .. })));
    assert_eq!(store.len(), 100);
    while store.handle_timeout(at(1000), &mut 1).is_some() {}
    put_until(&mut store, at(1000), "a", "1", NEVER);
}

#[test]
fn errors_are_sentences() {
    let errors = [
        RetainError::TooManyLevels { limit: 3 },
        RetainError::TooManyMessages { limit: 2 },
        RetainError::TooManyBytes { excess: 1 },
    ];
    assert_eq!(
        errors.map(|error| error.to_string()),
        [
            "the topic has more than 3 levels",
            "2 messages are retained already",
            "retained messages would exceed their limit of bytes by 1",
        ]
    );
}
