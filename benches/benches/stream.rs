//! Decoding the mixed stream of each version, chunk by chunk. An iteration is all of its packets.

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt5_benches::{contenders, mixed};

mod common;

fn stream(criterion: &mut Criterion) {
    for (version, name) in common::VERSIONS {
        let mut group = criterion.benchmark_group(format!("stream{name}/mixed"));
        let bytes = mixed::bytes(version);
        let all = common::Iteration {
            packets: mixed::PACKETS,
            bytes: bytes.len(),
        };
        for contender in contenders(version) {
            if let Some(stream) = contender.stream {
                common::bench(&mut group, contender.name, all, stream(bytes));
            }
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = stream
}
criterion_main!(benches);
