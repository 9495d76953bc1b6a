//! Decoding the mixed stream, chunk by chunk; the time is that of one packet.

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt5_benches::contenders;

mod common;

fn stream(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream/mixed");
    for contender in contenders() {
        if let Some(stream) = contender.stream {
            common::bench(&mut group, contender.name, stream());
        }
    }
    group.finish();
}

criterion_group!(benches, stream);
criterion_main!(benches);
