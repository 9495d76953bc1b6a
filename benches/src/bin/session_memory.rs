//! Counts what state machines allocate: for an exchange, once they have warmed
//! up, and for sessions that are connected and idle.

use allocation_counter::measure;
use mqtt5_benches::report::table;
use mqtt5_benches::sessions::contender::Contender;
use mqtt5_benches::sessions::memory::Side;
use mqtt5_benches::sessions::rows::EXCHANGES;
use mqtt5_benches::sessions::{CLIENTS, PAIRS};

fn main() {
    println!("## Allocations per exchange, client and server\n");
    println!("{}", exchanges(PAIRS));
    println!("## Allocations per exchange, client alone\n");
    println!("{}", exchanges(CLIENTS));
    println!("## Idle sessions\n");
    println!("{}", idle());
}

fn exchanges(contenders: &[Contender]) -> String {
    let mut head = vec!["exchange".to_owned()];
    head.extend(
        contenders
            .iter()
            .map(|c| format!("{}, allocations", c.name)),
    );
    head.extend(contenders.iter().map(|c| format!("{}, bytes", c.name)));
    let rows = EXCHANGES.iter().map(|&row| {
        let counted = contenders.iter().map(|contender| {
            let mut run = contender.run(row).expect("everyone can do that");
            for _ in 0..4 {
                run.run();
            }
            let mut exchanges = 0;
            let info = measure(|| exchanges = run.run());
            let per_exchange = |count: u64| count as f64 / exchanges as f64;
            (
                per_exchange(info.count_total),
                per_exchange(info.bytes_total),
            )
        });
        let counted: Vec<_> = counted.collect();
        let mut cells = vec![row.title.to_owned()];
        cells.extend(counted.iter().map(|(count, _)| format!("{count:.1}")));
        cells.extend(counted.iter().map(|(_, bytes)| format!("{bytes:.0}")));
        cells
    });
    table(&head, rows)
}

fn idle() -> String {
    let head = [
        "side",
        "sessions",
        "bytes per session",
        "allocations per session",
    ];
    let rows = Side::all().into_iter().map(|side| {
        let mut sessions = None;
        let info = measure(|| sessions = Some(side.idle()));
        let per_session = |sum: i64| sum as f64 / side.count() as f64;
        vec![
            format!("{}, {}", side.name, side.side),
            side.count().to_string(),
            format!("{:.0}", per_session(info.bytes_current)),
            format!("{:.1}", per_session(info.count_current)),
        ]
    });
    table(&head.map(str::to_owned), rows)
}
