//! Counts the memory of the subscription index beside that of rmqtt's topic tree, by what they ask
//! the allocator for. A program of its own, because counting slows down every allocation.

use allocation_counter::measure;
use mqtt5_benches::goals::met;
use mqtt5_benches::report::table;
use mqtt5_benches::subscriptions::mix::{Subscription, names, subscriptions};
use mqtt5_benches::subscriptions::ours::Ours;
use mqtt5_benches::subscriptions::{Index, SIZES, filled, number};
use mqtt5_rmqtt_benches::Rmqtt;

/// What a subscription may take.
const BYTES: f64 = 128.0;

/// How many matches are counted.
const MATCHES: u32 = 1_000;

fn main() {
    let mut rows = Vec::new();
    for size in SIZES {
        let ten_each = subscriptions(size);
        let mut one_each = ten_each.clone();
        for (number, subscription) in (0..).zip(&mut one_each) {
            subscription.subscriber = number;
        }
        rows.push(row("10", &ten_each));
        rows.push(row("1", &one_each));
    }
    let head = [
        "subscriptions, of each subscriber",
        "mqtt5-session-fsm, bytes each",
        "goal",
        "rmqtt, bytes each",
        "mqtt5-session-fsm, allocations of a match",
        "goal",
        "rmqtt, allocations of a match",
    ];
    println!("{}", table(&head.map(str::to_owned), rows));
}

fn row(each: &str, subscriptions: &[Subscription]) -> Vec<String> {
    let ours = counted::<Ours>(subscriptions);
    let peer = counted::<Rmqtt>(subscriptions);
    vec![
        format!("{}, {each}", number(subscriptions.len() as u32)),
        format!("{:.1}", ours.bytes),
        format!("≤ {BYTES}: {}", met(ours.bytes <= BYTES)),
        format!("{:.1}", peer.bytes),
        format!("{:.1}", ours.allocations),
        format!("0: {}", met(ours.allocations == 0.0)),
        format!("{:.1}", peer.allocations),
    ]
}

struct Counted {
    /// Of one subscription.
    bytes: f64,
    /// Of one match.
    allocations: f64,
}

fn counted<I: Index>(subscriptions: &[Subscription]) -> Counted {
    let mut index = None;
    let filling = measure(|| index = Some(filled::<I>(subscriptions)));
    let index = index.expect("it was filled");
    let size = subscriptions.len() as u32;
    let topics: Vec<_> = names(size, MATCHES).into_iter().map(I::topic).collect();
    let mut scratch = I::Scratch::default();
    let mut run = || {
        for topic in &topics {
            index.matches(topic, &mut scratch, |subscriber| {
                std::hint::black_box(subscriber);
            });
        }
    };
    run();
    let matching = measure(run);
    Counted {
        bytes: filling.bytes_current as f64 / f64::from(size),
        allocations: matching.count_total as f64 / f64::from(MATCHES),
    }
}
