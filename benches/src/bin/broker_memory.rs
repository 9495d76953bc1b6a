//! Counts what the broker allocates: for a message, once it has warmed up, and for a million Sessions of clients that are
//! away.

use std::time::Instant as Clock;

use allocation_counter::measure;
use mqtt5_benches::report::table;
use mqtt5_benches::routing::{absent, run};
use mqtt5_codec::Qos;
use mqtt5_session_fsm::Instant;

const SESSIONS: usize = 1_000_000;

fn main() {
    println!("## Allocations per message\n\n{}", messages());
    println!("## {SESSIONS} Sessions of clients that are away, with one subscription each\n");
    println!("{}", sessions());
}

fn messages() -> String {
    let head = ["subscribers", "QoS", "broker", "machines alone"];
    let mut rows = Vec::new();
    for subscribers in [1, 10, 1_000] {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let counted = |alone| {
                let mut run = run(alone, subscribers, qos);
                for _ in 0..8 {
                    run.run();
                }
                let one = measure(|| {
                    run.run();
                });
                one.count_total.to_string()
            };
            rows.push(vec![
                subscribers.to_string(),
                (qos as u8).to_string(),
                counted(false),
                counted(true),
            ]);
        }
    }
    table(&head.map(str::to_owned), rows)
}

fn sessions() -> String {
    let mut broker = None;
    let info = measure(|| broker = Some(absent(SESSIONS)));
    let mut broker = broker.expect("it was made");
    let bytes = info.bytes_current as f64 / SESSIONS as f64;
    // Nothing is due.
    let begun = Clock::now();
    for now in 0..1_000 {
        broker.handle_timeout(Instant::from_millis(1_000_001 + now), &mut 1_000);
        assert!(!broker.work(Instant::from_millis(1_000_001 + now), &mut 1_000));
    }
    let tick = begun.elapsed().as_nanos() as f64 / 1_000.0;
    let head = [
        "bytes each",
        "allocations each",
        "ns for a call in which nothing is due",
    ];
    let row = [
        format!("{bytes:.0}"),
        format!("{:.1}", info.count_current as f64 / SESSIONS as f64),
        format!("{tick:.0}"),
    ];
    table(&head.map(str::to_owned), [row.to_vec()])
}
