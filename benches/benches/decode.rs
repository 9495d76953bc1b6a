//! Decoding one packet: a group per version and packet, a benchmark per contender.

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt5_benches::{contenders, packets};

mod common;

fn decode(criterion: &mut Criterion) {
    for (version, name) in common::VERSIONS {
        for row in packets::rows(version) {
            let mut group = criterion.benchmark_group(format!("decode{name}/{}", row.id));
            let packet = common::Iteration {
                packets: 1,
                bytes: row.bytes.len(),
            };
            for contender in contenders(version) {
                if let Some(decode) = contender.decode {
                    common::bench(&mut group, contender.name, packet, decode(&row.bytes));
                }
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = decode
}
criterion_main!(benches);
