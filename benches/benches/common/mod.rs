//! Puts a run under Criterion.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use mqtt5_benches::contender::BoxedRun;
use mqtt5_codec::ProtocolVersion;

/// Each version, and what its groups have in their names.
#[allow(dead_code, reason = "not everything is measured in both versions")]
pub(crate) const VERSIONS: [(ProtocolVersion, &str); 2] = [
    (ProtocolVersion::V5_0, ""),
    (ProtocolVersion::V3_1_1, "-3.1.1"),
];

/// Short enough that all benchmarks together take two minutes. The command line overrides it.
pub(crate) fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
        .nresamples(10_000)
}

/// What an iteration handles: Criterion reports packets and bytes per second.
#[derive(Clone, Copy)]
pub(crate) struct Iteration {
    pub(crate) packets: usize,
    pub(crate) bytes: usize,
}

/// Times `run`, which handles many packets at a time.
pub(crate) fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    iteration: Iteration,
    mut run: BoxedRun,
) {
    group.throughput(Throughput::ElementsAndBytes {
        elements: iteration.packets as u64,
        bytes: iteration.bytes as u64,
    });
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let wanted = iterations * iteration.packets as u64;
            let mut time = Duration::ZERO;
            let mut packets = 0;
            while packets < wanted {
                run.reset();
                let start = Instant::now();
                packets += run.run() as u64;
                time += start.elapsed();
            }
            time.mul_f64(wanted as f64 / packets as f64)
        });
    });
}
