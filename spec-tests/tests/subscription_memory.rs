//! The memory of the subscription index: no match allocates, `bytes` is what the allocator was asked for, what an owner
//! is to charge for a filter is enough, and the memory of a burst comes back.
//!
//! The counter is the allocator of this program, which is why it is one of its own.

use std::hint::black_box;

use allocation_counter::measure;
use mqtt5_codec::{TopicFilter, TopicName};
use mqtt5_session_fsm::broker::subscriptions::{Scratch, Subscriber, SubscriptionIndex};

/// What the owner keeps for each subscription, in 4 bytes.
type Index = SubscriptionIndex<u32>;

/// What a subscription of the usual kind may take, its text included.
const EACH: usize = 128;

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).expect("a filter")
}

fn topic(text: &str) -> TopicName<'_> {
    TopicName::new(text).expect("a name")
}

/// Subscriptions of which 70 % have no wildcard, each subscriber with this many.
fn usual(count: u32, of_each: u32) -> Vec<(String, u32)> {
    let filters = (0..count).map(|number| match number % 20 {
        0..14 => format!("plant/{:04}/dev/{number:06}/state", number / 200),
        14 | 15 => format!("plant/{:04}/dev/{number:06}/#", number / 200),
        16 | 17 => format!("plant/+/dev/{number:06}/state"),
        18 => format!("plant/{:04}/dev/+/{number:06}", number / 200),
        _ => format!("plant/{:04}/+/+/{number:06}", number / 200),
    });
    let numbered = filters.zip(0..);
    numbered
        .map(|(filter, number)| (filter, number / of_each))
        .collect()
}

/// One filter, and everybody subscribes to it.
fn crowd(count: u32) -> Vec<(String, u32)> {
    (0..count)
        .map(|number| ("news/#".to_owned(), number))
        .collect()
}

/// Subscriptions whose levels do not fit into the nodes.
fn long(count: u32) -> Vec<(String, u32)> {
    let filters = (0..count).map(|number| {
        let name = format!("a device with a long name and the number {number}");
        match number % 2 {
            0 => (format!("{name}/+/{name}/#"), number / 3),
            _ => (format!("{name}/{name}"), number / 3),
        }
    });
    filters.collect()
}

fn kinds(count: u32) -> Vec<(&'static str, Vec<(String, u32)>)> {
    vec![
        ("one of each subscriber", usual(count, 1)),
        ("ten of each subscriber", usual(count, 10)),
        ("nine of each subscriber", usual(count, 9)),
        ("all of one subscriber", usual(count, count)),
        ("one filter", crowd(count)),
        ("long levels", long(count)),
    ]
}

fn fill(index: &mut Index, subscriptions: &[(String, u32)]) {
    for (text, subscriber) in subscriptions {
        let inserted = index.insert(filter(text), Subscriber::new(*subscriber), 7);
        assert_eq!(inserted, Ok(None), "{text}");
    }
}

/// The bytes that an action has allocated and not freed.
fn kept(action: impl FnOnce()) -> i64 {
    measure(action).bytes_current
}

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(black_box(vec![0_u8; 100])));
    assert_eq!((counted.count_total, counted.bytes_total), (1, 100));
}

#[test]
fn bytes_are_what_was_asked_of_the_allocator() {
    for (what, subscriptions) in kinds(20_000) {
        let mut index = Index::new(1);
        let mut counted = kept(|| fill(&mut index, &subscriptions));
        let bytes = |index: &Index| i64::try_from(index.bytes()).expect("not so many");
        assert_eq!(counted, bytes(&index), "{what}");
        // Most of it goes again, here and there.
        counted += kept(|| {
            for (text, subscriber) in subscriptions.iter().filter(|it| it.1 % 7 != 3) {
                let removed = index.remove(filter(text), Subscriber::new(*subscriber));
                assert_eq!(removed, Some(7), "{text}");
            }
        });
        assert_eq!(counted, bytes(&index), "{what}");
        counted += kept(|| index.shrink());
        assert_eq!(counted, bytes(&index), "{what}");
        assert_eq!(kept(|| drop(index)), -counted, "{what}");
    }
}

#[test]
fn the_most_that_a_filter_takes_is_enough() {
    for (what, subscriptions) in kinds(20_000) {
        let mut index = Index::new(1);
        let mut charged = 0;
        for (number, (text, subscriber)) in (1..).zip(&subscriptions) {
            let inserted = index.insert(filter(text), Subscriber::new(*subscriber), 7);
            assert_eq!(inserted, Ok(None), "{text}");
            charged += Index::most_bytes(filter(text));
            if number >= 1_000 {
                assert!(
                    index.bytes() <= charged,
                    "{what}: {number} take {}",
                    index.bytes()
                );
            }
        }
        println!(
            "{what}: {} bytes each, {} charged",
            index.bytes() / subscriptions.len(),
            charged / subscriptions.len(),
        );
    }
}

#[test]
fn a_subscription_takes_little() {
    for of_each in [1, 10] {
        let subscriptions = usual(100_000, of_each);
        let mut index = Index::new(1);
        fill(&mut index, &subscriptions);
        let each = index.bytes() / subscriptions.len();
        assert!(
            each <= EACH,
            "{each} bytes each, {of_each} of each subscriber"
        );
    }
}

/// The lists of filters and subscribers get shorter by themselves, the rest when it is asked to.
#[test]
fn the_memory_of_a_burst_comes_back() {
    for (what, subscriptions) in kinds(50_000) {
        let mut index = Index::new(1);
        let stays = [("stays/+", 0), ("stays", 0), ("stays", 1)];
        for (text, subscriber) in stays {
            let inserted = index.insert(filter(text), Subscriber::new(subscriber), 7);
            assert_eq!(inserted, Ok(None));
        }
        let before = index.bytes();
        fill(&mut index, &subscriptions);
        assert!(index.bytes() > 1_000_000, "{what}");
        for (text, subscriber) in &subscriptions {
            let removed = index.remove(filter(text), Subscriber::new(*subscriber));
            assert_eq!(removed, Some(7), "{text}");
        }
        index.shrink();
        assert!(
            index.bytes() <= before,
            "{what}: {} and {before}",
            index.bytes()
        );
        assert_eq!(index.len(), stays.len());
    }
}

/// A filter that 100,000 have left does not keep the room for them.
#[test]
fn lists_get_shorter_by_themselves() {
    let subscriptions = crowd(100_000);
    let mut index = Index::new(1);
    fill(&mut index, &subscriptions);
    let full = index.bytes();
    for (text, subscriber) in subscriptions.iter().skip(100) {
        index.remove(filter(text), Subscriber::new(*subscriber));
    }
    // What is left are the places of the subscribers.
    assert!(full - index.bytes() >= 100_000 * 11);
}

#[test]
fn no_match_allocates() {
    for (what, subscriptions) in kinds(10_000) {
        let mut index = Index::new(1);
        fill(&mut index, &subscriptions);
        let names: Vec<String> = (subscriptions.iter())
            .map(|(text, _)| text.replace(['+', '#'], "x"))
            .collect();
        let mut scratch = Scratch::new();
        let mut found = 0;
        let mut run = || {
            for name in names.iter().step_by(13) {
                index.matches(topic(name), &mut scratch, |matched| {
                    found += matched.subscriptions().len();
                });
            }
        };
        run();
        let counted = measure(run);
        assert_eq!(counted.count_total, 0, "{what}");
        assert!(found >= 2 * names.len() / 13, "{what}");
        // Nor does looking, replacing or counting.
        let counted = measure(|| {
            for (text, subscriber) in subscriptions.iter().take(100) {
                let subscriber = Subscriber::new(*subscriber);
                assert_eq!(index.value(filter(text), subscriber), Some(&7));
                assert_eq!(index.insert(filter(text), subscriber, 7), Ok(Some(7)));
                assert_eq!(index.nodes_added(filter(text)), 0);
                black_box(index.of_subscriber(subscriber).next());
            }
        });
        assert_eq!(counted.count_total, 0, "{what}");
    }
}
