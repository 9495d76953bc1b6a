//! What retained messages cost in a store of a million: memory, changes, and the walk of a cursor.
//!
//! The topics are those of many plants with ten devices each. Looks, bytes and allocations repeat; times depend on the
//! machine.

use std::hint::black_box;
use std::time::{Duration, Instant as Clock};

use allocation_counter::measure;
use mqtt5_benches::report::table;
use mqtt5_codec::{Message, Qos, TopicFilter, TopicName};
use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::retained::{RetainedLimits, RetainedStore, Step};

const NOW: Instant = Instant::ORIGIN;
const PLANTS: usize = 14_286;
const DEVICES: usize = 10;
const STATES: [&str; 7] = ["flow", "heat", "level", "power", "speed", "state", "volume"];
/// When all messages have expired that expire.
const EXPIRED: Instant = Instant::from_millis(100_000);
/// The budget of one turn.
const BUDGET: u32 = 1_000;

fn main() {
    let topics = topics();
    println!("## Memory and changes, {} topics\n", topics.len());
    let (store, changes) = changes(&topics);
    println!("{changes}");
    println!("## Walks, at most {BUDGET} looks in a turn\n");
    println!("{}", walks(&store));
}

fn topics() -> Vec<String> {
    let mut topics = Vec::new();
    for plant in 0..PLANTS {
        for device in 0..DEVICES {
            for state in STATES {
                topics.push(format!("plant/{plant}/dev/{device}/{state}"));
            }
        }
    }
    topics
}

/// All topics once, in an order that has nothing to do with that of the store.
fn scattered(topics: &[String]) -> impl Iterator<Item = &str> {
    // A prime number, so that each topic comes once.
    const STEP: usize = 7_368_787;
    (0..topics.len()).map(|number| topics[number * STEP % topics.len()].as_str())
}

fn changes(topics: &[String]) -> (RetainedStore, String) {
    let limits = RetainedLimits {
        messages: usize::MAX,
        bytes: u64::MAX,
        ..RetainedLimits::default()
    };
    let mut store = RetainedStore::new(limits);
    let messages = |payload: &'static [u8]| {
        let messages = scattered(topics).map(|topic| Message::of(topic, payload));
        messages.collect::<Result<Vec<_>, _>>().expect("topics")
    };

    let mut rows = Vec::new();
    let mut row = |what: &str, took: Duration, allocations: u64| {
        let count = topics.len() as f64;
        rows.push(vec![
            what.to_owned(),
            format!("{:.0}", took.as_nanos() as f64 / count),
            format!("{:.2}", allocations as f64 / count),
        ]);
    };
    let retain = |store: &mut RetainedStore, messages: Vec<Message>, expires: bool| {
        let mut took = Duration::ZERO;
        let counted = measure(|| {
            let begin = Clock::now();
            for (number, message) in messages.into_iter().enumerate() {
                let expires_at = match expires {
                    // Several in a millisecond, in no order.
                    true => Instant::from_millis(1 + number as u64 * 7_919 % EXPIRED.as_millis()),
                    false => Instant::NEVER,
                };
                let changes = store.retain(NOW, message, Qos::AtLeastOnce, expires_at, None, None);
                let _ = black_box(changes.expect("no limits"));
            }
            took = begin.elapsed();
        });
        (took, counted.count_total, counted.bytes_current)
    };

    let new = messages(b"21.5");
    let message_bytes: usize = new.iter().map(Message::size).sum();
    let (took, allocations, bytes) = retain(&mut store, new, false);
    row("a message of a new topic", took, allocations);
    let each = |bytes: f64| bytes / topics.len() as f64;
    let memory = format!(
        "A message takes {:.0} bytes beside its own {:.0}; the limits count {:.0} for both together.\n",
        each(bytes as f64),
        each(message_bytes as f64),
        each(store.bytes() as f64),
    );
    let replacing = messages(b"22.0");
    let (took, allocations, _) = retain(&mut store, replacing, false);
    row("a message that replaces another", took, allocations);

    let mut expiring = store.clone();
    for round in [
        "a message that expires, in place of one that does not",
        "a message that expires, in place of one that does",
    ] {
        let (took, allocations, _) = retain(&mut expiring, messages(b"22.5"), true);
        row(round, took, allocations);
    }
    let begin = Clock::now();
    let mut budget = u32::MAX;
    let counted = measure(|| {
        while let Some(expired) = expiring.handle_timeout(EXPIRED, &mut budget) {
            black_box(expired);
        }
    });
    row(
        "a message that has expired is taken away",
        begin.elapsed(),
        counted.count_total,
    );
    assert!(expiring.is_empty());

    let mut read = Duration::ZERO;
    let counted = measure(|| {
        let begin = Clock::now();
        for topic in scattered(topics) {
            let topic = TopicName::new(topic).expect("a topic");
            black_box(store.get(NOW, topic).expect("is there"));
        }
        read = begin.elapsed();
    });
    row("a message is read by its topic", read, counted.count_total);

    let mut clearing = store.clone();
    let (took, allocations, _) = retain(&mut clearing, messages(b""), false);
    row(
        "a message is removed by an empty payload",
        took,
        allocations,
    );
    assert!(clearing.is_empty());

    let head = ["", "ns each", "allocations each"].map(str::to_owned);
    (store, format!("{memory}\n{}", table(&head, rows)))
}

/// What a walk took.
struct Walk {
    looks: u64,
    hits: usize,
    turns: u32,
    took: Duration,
    allocations: u64,
}

fn walk(store: &RetainedStore, filter: &str, most: usize) -> Walk {
    let mut walk = Walk {
        looks: 0,
        hits: 0,
        turns: 0,
        took: Duration::ZERO,
        allocations: 0,
    };
    let filter = TopicFilter::new(filter).expect("a filter");
    let counted = measure(|| {
        let mut cursor = store.cursor(filter);
        while walk.hits < most && !cursor.has_ended() {
            let mut budget = BUDGET;
            let begin = Clock::now();
            while walk.hits < most {
                match store.next(NOW, &mut cursor, &mut budget) {
                    Step::Found(retained) => {
                        black_box(retained);
                        walk.hits += 1;
                    }
                    Step::OutOfBudget | Step::End => break,
                }
            }
            walk.took += begin.elapsed();
            walk.looks += u64::from(BUDGET - budget);
            walk.turns += 1;
        }
    });
    walk.allocations = counted.count_total;
    walk
}

fn walks(store: &RetainedStore) -> String {
    let head = [
        "filter",
        "messages found",
        "looks",
        "turns",
        "µs, first time",
        "µs, fastest of ten",
        "ns per look",
        "allocations",
    ];
    let all = usize::MAX;
    let rows = [
        ("plant/7000/dev/5/state", "", all),
        ("plant/7000/dev/5/nothing", "", all),
        ("plant/7000/#", "", all),
        ("#", ", the first 100", 100),
        ("#", "", all),
        ("plant/+/dev/5/state", "", all),
        ("plant/+/dev/x/state", "", all),
        ("+/+/+/+/nothing", "", all),
    ];
    let rows = rows.map(|(filter, note, most)| {
        let first = walk(store, filter, most);
        let again = (0..10).map(|_| walk(store, filter, most));
        let again = again.min_by_key(|walk| walk.took).expect("ten of them");
        let microseconds = |time: Duration| format!("{:.1}", time.as_nanos() as f64 / 1e3);
        vec![
            format!("`{filter}`{note}"),
            again.hits.to_string(),
            again.looks.to_string(),
            again.turns.to_string(),
            microseconds(first.took),
            microseconds(again.took),
            format!("{:.0}", again.took.as_nanos() as f64 / again.looks as f64),
            again.allocations.to_string(),
        ]
    });
    table(&head.map(str::to_owned), rows)
}
