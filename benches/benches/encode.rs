//! Encoding one packet into a reused buffer: a group per version and packet, a benchmark per
//! contender.

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt5_benches::{contenders, packets};

mod common;

fn encode(criterion: &mut Criterion) {
    for (version, name) in common::VERSIONS {
        for row in packets::rows(version) {
            let mut group = criterion.benchmark_group(format!("encode{name}/{}", row.id));
            let packet = common::Iteration {
                packets: 1,
                bytes: row.bytes.len(),
            };
            for contender in contenders(version) {
                if let Some(encode) = contender.encode {
                    common::bench(&mut group, contender.name, packet, encode(&row.bytes));
                }
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = encode
}
criterion_main!(benches);
