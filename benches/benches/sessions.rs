//! Whole exchanges through state machines: a group per row, a benchmark per
//! contender; the time is that of one message.

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt5_benches::sessions::rows::{EXCHANGES, Shape, WINDOWED, shaped};
use mqtt5_benches::sessions::{CLIENTS, PAIRS};

mod common;

fn sessions(criterion: &mut Criterion) {
    let windows = WINDOWED.map(|row| shaped(row, Shape::Window(100)));
    for (sides, contenders) in [("pair", PAIRS), ("client", CLIENTS)] {
        for row in EXCHANGES.into_iter().chain(windows) {
            let mut group = criterion.benchmark_group(format!("session-{sides}/{}", row.id));
            for contender in contenders {
                if let Some(run) = contender.run(row) {
                    common::bench(&mut group, contender.name, run);
                }
            }
            group.finish();
        }
    }
}

criterion_group!(benches, sessions);
criterion_main!(benches);
