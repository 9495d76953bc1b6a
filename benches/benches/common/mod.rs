//! Puts a run under Criterion.

use std::time::{Duration, Instant};

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use mqtt5_benches::contender::BoxedRun;

/// Times `run`, which handles many packets at a time; an iteration is one packet.
pub(crate) fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut run: BoxedRun) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut time = Duration::ZERO;
            let mut packets = 0;
            while packets < iterations {
                run.reset();
                let start = Instant::now();
                packets += run.run() as u64;
                time += start.elapsed();
            }
            time.mul_f64(iterations as f64 / packets as f64)
        });
    });
}
