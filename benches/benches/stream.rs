//! Decoding the mixed stream, chunk by chunk. An iteration is all of its packets.

use criterion::{Criterion, criterion_group, criterion_main};
use mqtt5_benches::{contenders, mixed};
use mqtt5_codec::ProtocolVersion;

mod common;

fn stream(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream/mixed");
    let all = common::Iteration {
        packets: mixed::PACKETS,
        bytes: mixed::bytes().len(),
    };
    for contender in contenders(ProtocolVersion::V5_0) {
        if let Some(stream) = contender.stream {
            common::bench(&mut group, contender.name, all, stream());
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::settings();
    targets = stream
}
criterion_main!(benches);
