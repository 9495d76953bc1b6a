//! Whole exchanges through state machines: a group per row, a benchmark per
//! contender. An iteration is one message, with all packets that it takes.

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt5_benches::sessions::rows::{EXCHANGES, Shape, WINDOWED, shaped};
use mqtt5_benches::sessions::{CLIENTS, PAIRS};

mod common;

fn sessions(criterion: &mut Criterion) {
    let windows = WINDOWED.map(|row| shaped(row, Shape::Window(100)));
    let pairs = EXCHANGES.into_iter().chain(windows).collect();
    let clients = EXCHANGES.to_vec();
    let all: [(_, _, Vec<_>); 2] = [("pair", PAIRS, pairs), ("client", CLIENTS, clients)];
    for (sides, contenders, rows) in all {
        for row in rows {
            let mut group = criterion.benchmark_group(format!("session-{sides}/{}", row.id));
            let message = common::Iteration {
                packets: 1,
                bytes: row.bytes_of_exchange(),
            };
            for contender in contenders {
                if let Some(run) = contender.run(row) {
                    common::bench(&mut group, contender.name, message, run);
                }
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = sessions
}
criterion_main!(benches);
