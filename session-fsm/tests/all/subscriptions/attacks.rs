//! What clients can do to an index, with bounds on the work and not on the time.

use mqtt5_session_fsm::broker::subscriptions::{
    MatchingPart, Scratch, Subscriber, SubscriptionIndex,
};

use super::{filter, topic};

/// Inserts each way to write 16 levels as `a` or `+` with at most this many `+`, and `x` after them.
fn insert_combinations(most: u32) -> SubscriptionIndex<()> {
    let mut index = SubscriptionIndex::new(3);
    for bits in (0..1_u32 << 16).filter(|bits| bits.count_ones() <= most) {
        let levels = (0..16).map(|level| if bits >> level & 1 == 1 { "+/" } else { "a/" });
        let text = levels.collect::<String>() + "x";
        let part = MatchingPart::from(filter(&text));
        assert_eq!(part.single_level_wildcards(), bits.count_ones() as usize);
        assert_eq!(index.insert(part, Subscriber::new(0), ()), Ok(None));
    }
    index
}

fn visits<V>(index: &SubscriptionIndex<V>, name: &str) -> usize {
    index.matches(topic(name), &mut Scratch::new(), |_| {})
}

/// How many ways there are to choose up to `most` of `all`.
fn ways(all: u32, most: u32) -> usize {
    let bits = 0..1_u32 << all;
    bits.filter(|bits| bits.count_ones() <= most).count()
}

/// Without a limit one publish visits each prefix of 65,536 filters; the limit that the
/// documentation proposes makes that a hundredth.
#[test]
fn combinations_of_wildcards() {
    let name = "a/".repeat(16) + "y";
    // The filter without a wildcard is in no trie; the others share all prefixes but its last.
    assert_eq!(visits(&insert_combinations(16), &name), (1 << 17) - 2);

    let limited = insert_combinations(4);
    let prefixes: usize = (0..=16).map(|levels| ways(levels, 4)).sum();
    assert_eq!(visits(&limited, &name), prefixes - 1);
    assert!(prefixes < 10_000, "{prefixes}");
}

/// Each filter takes its own bytes and a fixed number more: no node for any of its levels.
#[test]
fn exact_filters_of_many_levels() {
    const FILTERS: u32 = 10_000;
    let mut index = SubscriptionIndex::new(3);
    let mut text_bytes = 0;
    for number in 0..FILTERS {
        let text = format!("{number:05}{}", "/x".repeat(127));
        text_bytes += text.len();
        let part = MatchingPart::from(filter(&text));
        assert_eq!(
            (part.levels(), part.nodes(), index.nodes_added(part)),
            (128, 0, 0)
        );
        assert_eq!(index.insert(part, Subscriber::new(number), 0_u32), Ok(None));
    }
    assert_eq!(index.nodes(), 0);
    let each = (index.bytes() - text_bytes) / FILTERS as usize;
    assert!(each <= 100, "{each} bytes beside the text");
    assert_eq!(visits(&index, &format!("00000{}", "/x".repeat(127))), 0);
}

/// Whoever leaves a filter with 100,000 subscriptions moves at most one of the others.
#[test]
fn many_leave_one_filter() {
    const SUBSCRIBERS: u32 = 100_000;
    for text in ["news", "news/#"] {
        let mut index = SubscriptionIndex::new(3);
        for number in 0..SUBSCRIBERS {
            let inserted = index.insert(filter(text), Subscriber::new(number), number);
            assert_eq!(inserted, Ok(None));
        }
        let order = |index: &SubscriptionIndex<u32>| -> Vec<u32> {
            let found = index.filter(filter(text));
            let found = found.map_or(&[][..], |found| found.subscriptions());
            found.iter().map(|it| it.subscriber().number()).collect()
        };
        for left in 0..SUBSCRIBERS {
            // All of them, in an order that jumps about.
            let leaves = u32::try_from(u64::from(left) * 7_919 % u64::from(SUBSCRIBERS));
            let leaves = leaves.expect("it is below the number of subscribers");
            let before = (left % 5_000 == 0).then(|| order(&index));
            assert_eq!(
                index.remove(filter(text), Subscriber::new(leaves)),
                Some(leaves)
            );
            if let Some(before) = before {
                let after = order(&index);
                assert_eq!(after.len() + 1, before.len());
                let moved = before
                    .iter()
                    .zip(&after)
                    .filter(|(before, after)| before != after);
                assert!(moved.count() <= 1);
            }
        }
        assert!(index.is_empty());
        assert_eq!(index.nodes(), 0);
    }
}

/// A Topic Name with as many levels as fit is not followed further than the filters go.
#[test]
fn a_topic_name_with_65535_separators() {
    let name = "/".repeat(65_535);
    let mut index = SubscriptionIndex::new(3);
    for text in ["/+/x", "//#", "+/+/+/y", "#"] {
        assert_eq!(index.insert(filter(text), Subscriber::new(0), ()), Ok(None));
    }
    // The root; the empty level, with an empty level and + below it; +, +/+ and +/+/+.
    assert_eq!(visits(&index, &name), 7);
    assert_eq!(visits(&SubscriptionIndex::<()>::new(3), &name), 0);

    // The deepest filter that there can be, and its counterpart.
    let deepest = "+/".repeat(32_767) + "+";
    assert_eq!(MatchingPart::from(filter(&deepest)).levels(), 32_768);
    assert_eq!(
        index.insert(filter(&deepest), Subscriber::new(0), ()),
        Ok(None)
    );
    let mut found = 0;
    index.matches(topic(&"/".repeat(32_767)), &mut Scratch::new(), |_| {
        found += 1
    });
    assert_eq!(found, 3);
    index.remove_subscriber(Subscriber::new(0));
    assert_eq!(index.nodes(), 0);
}
