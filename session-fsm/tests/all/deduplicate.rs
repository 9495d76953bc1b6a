//! Deduplication by application keys.

use core::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::deduplicate::Sighting::{Duplicate, First};
use mqtt5_session_fsm::deduplicate::{Deduplicator, Sighting};
use proptest::prelude::*;

const SECRET: [u8; 16] = *b"sixteen of bytes";

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn without_window(limit: usize) -> Deduplicator {
    Deduplicator::new(limit, Duration::MAX, SECRET)
}

#[test]
fn the_second_time_is_a_duplicate() {
    let mut seen = without_window(10);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert_eq!(seen.check(at(0), b"b"), First);
    assert_eq!(seen.check(at(9), b"a"), Duplicate);
    assert_eq!(
        seen.check(Instant::from_millis(u64::MAX - 1), b"a"),
        Duplicate
    );
    assert_eq!(
        (seen.stored(), seen.duplicates(), seen.forgotten()),
        (2, 2, 0)
    );
}

/// After `clear`, the least recently seen key is one that was seen since.
#[test]
fn what_was_cleared_takes_no_place() {
    let mut seen = without_window(3);
    for key in [b"a", b"b", b"c"] {
        assert_eq!(seen.check(at(0), key), First);
    }
    seen.clear();
    assert_eq!(seen.stored(), 0);
    for key in [b"c", b"b", b"a", b"d"] {
        assert_eq!(seen.check(at(1), key), First);
    }
    assert_eq!((seen.stored(), seen.forgotten()), (3, 1));
    let known = [b"a", b"b", b"c", b"d"].map(|key| seen.is_known(at(1), key));
    assert_eq!(known, [true, true, false, true]);
}

#[test]
fn to_clear_is_to_forget_each_key() {
    let mut cleared = without_window(3);
    for key in [b"a", b"b"] {
        assert_eq!(cleared.check(at(0), key), First);
    }
    let mut forgotten = cleared.clone();
    cleared.clear();
    assert!(forgotten.forget(b"a") && forgotten.forget(b"b"));
    assert_eq!(cleared, forgotten);
}

#[test]
fn any_bytes_are_a_key_of_their_own() {
    let mut seen = without_window(2000);
    let zeros = [0; 300];
    for length in 0..300 {
        assert_eq!(seen.check(at(0), &zeros[..length]), First, "{length}");
        assert!(seen.is_known(at(0), &zeros[..length]));
    }
    assert_eq!(seen.check(at(0), b""), Duplicate);
}

#[test]
fn the_least_recently_seen_key_makes_room_and_is_counted() {
    let mut seen = without_window(2);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert_eq!(seen.check(at(0), b"b"), First);
    assert_eq!(seen.check(at(0), b"a"), Duplicate); // now b is the least recently seen
    assert_eq!((seen.stored(), seen.forgotten()), (2, 0));
    assert_eq!(seen.check(at(0), b"c"), First);
    assert_eq!((seen.stored(), seen.forgotten()), (2, 1));
    assert_eq!(seen.check(at(0), b"a"), Duplicate);
    assert_eq!(seen.check(at(0), b"b"), First);
    assert_eq!(seen.forgotten(), 2);
}

#[test]
fn the_window_counts_from_the_last_sighting() {
    let mut seen = Deduplicator::new(10, Duration::from_secs(5), SECRET);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert_eq!(seen.check(at(4), b"a"), Duplicate);
    assert_eq!(seen.check(at(8), b"a"), Duplicate);
    assert!(seen.is_known(at(12), b"a"));
    assert!(!seen.is_known(at(13), b"a"));
    assert_eq!(seen.check(at(13), b"a"), First);
}

#[test]
fn outdated_keys_give_way_without_being_counted() {
    let mut seen = Deduplicator::new(2, Duration::from_secs(5), SECRET);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert_eq!(seen.check(at(0), b"b"), First);
    assert_eq!(seen.check(at(5), b"c"), First);
    assert_eq!((seen.stored(), seen.forgotten()), (1, 0));
}

#[test]
fn a_key_is_outdated_even_where_a_clock_that_went_back_hides_it() {
    let mut seen = Deduplicator::new(10, Duration::from_secs(5), SECRET);
    assert_eq!(seen.check(at(100), b"a"), First);
    assert_eq!(seen.check(at(0), b"b"), First);
    assert_eq!(seen.check(at(5), b"b"), First);
    assert_eq!((seen.stored(), seen.duplicates()), (2, 0));
}

#[test]
fn a_message_that_could_not_be_processed_may_come_again() {
    let mut seen = without_window(10);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert!(seen.forget(b"a"));
    assert!(!seen.forget(b"a"));
    assert_eq!(seen.check(at(0), b"a"), First);
    seen.clear();
    assert_eq!(seen.stored(), 0);
    assert_eq!(seen.check(at(0), b"a"), First);
}

#[test]
fn without_room_or_window_everything_is_new() {
    let mut seen = without_window(0);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert_eq!((seen.stored(), seen.forgotten()), (0, 2));
    let mut seen = Deduplicator::new(10, Duration::ZERO, SECRET);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert_eq!(seen.check(at(0), b"a"), First);
    assert_eq!(seen.duplicates(), 0);
}

#[test]
fn the_secret_is_not_shown() {
    let shown = format!("{:?}", without_window(1));
    assert!(
        !shown.contains("secret") && !shown.contains("115, 105, 120"),
        "{shown}"
    );
}

/// Keys in the order in which they were last seen.
struct Model {
    limit: usize,
    window: u64,
    keys: Vec<(u8, u64)>,
    forgotten: u64,
}

impl Model {
    fn check(&mut self, now: u64, key: u8) -> Sighting {
        let window = self.window;
        self.keys.retain(|&(_, seen)| now < seen + window);
        let known = self.forget(key);
        self.keys.push((key, now));
        if self.keys.len() > self.limit {
            self.keys.remove(0);
            self.forgotten += 1;
        }
        if known { Duplicate } else { First }
    }

    fn forget(&mut self, key: u8) -> bool {
        let before = self.keys.len();
        self.keys.retain(|&(other, _)| other != key);
        self.keys.len() < before
    }
}

proptest! {
    #[test]
    fn it_behaves_like_a_naive_list(
        limit in 0_usize..8,
        window in prop_oneof![1_u64..40, Just(u64::MAX / 2000)],
        steps in proptest::collection::vec((0_u64..6, 0_u8..12, 0_u8..10), 0..300),
    ) {
        let mut seen = Deduplicator::new(limit, Duration::from_secs(window), SECRET);
        let mut model = Model { limit, window, keys: Vec::new(), forgotten: 0 };
        let mut now = 0;
        for (pause, key, what) in steps {
            now += pause;
            if what == 0 {
                // An outdated key may still be stored.
                let known = seen.is_known(at(now), &[key]);
                let stored = seen.forget(&[key]);
                prop_assert!(stored || !known);
                model.keys.retain(|&(_, seen)| now < seen + window);
                prop_assert_eq!(known, model.forget(key));
            } else {
                prop_assert_eq!(seen.check(at(now), &[key]), model.check(now, key));
                prop_assert_eq!(seen.stored(), model.keys.len());
            }
            prop_assert_eq!(seen.forgotten(), model.forgotten);
            for key in 0..12 {
                let known = model.keys.iter().any(|&(k, then)| k == key && now < then + window);
                prop_assert_eq!(seen.is_known(at(now), &[key]), known);
            }
        }
    }

    /// Clocks should not go backwards; if one does, nothing breaks and the limit holds.
    #[test]
    fn a_clock_that_jumps_does_no_harm(
        steps in proptest::collection::vec((any::<u64>(), 0_u8..12), 0..100),
    ) {
        let mut seen = Deduplicator::new(5, Duration::from_secs(1000), SECRET);
        for (now, key) in steps {
            let _ = seen.check(Instant::from_millis(now), &[key]);
            prop_assert!(seen.stored() <= 5);
        }
    }
}
