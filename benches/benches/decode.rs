//! Decoding one packet: a group per packet, a benchmark per contender.

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt5_benches::{contenders, packets};

mod common;

fn decode(criterion: &mut Criterion) {
    for row in packets::rows() {
        let mut group = criterion.benchmark_group(format!("decode/{}", row.id));
        for contender in contenders() {
            if let Some(decode) = contender.decode {
                common::bench(&mut group, contender.name, decode(&row.bytes));
            }
        }
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
