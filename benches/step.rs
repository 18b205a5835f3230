//! A full joint pre-training step by model size: the step of `electra-lab bench step`, with criterion's
//! statistics.
//!
//! Run: `cargo bench --profile dev --bench step`, or with `-- tiny` for one size.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use electra_lab::experiment::{ModelSize, Precision};
use electra_lab::run::DeviceChoice;
use electra_lab::tools::bench::step::{BenchOptions, Steps};

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(10));
    for (name, size, batch) in [("tiny", ModelSize::Tiny, 8), ("small", ModelSize::Small, 8)] {
        let (device, precision) = (DeviceChoice::Cpu, Precision::F32);
        let options = BenchOptions {
            size,
            batch,
            micro_batch: None,
            seq: 128,
            threads: None,
            steps: 1,
            ratio: 0.25,
            device,
            precision,
        };
        let mut steps = Steps::new(&options).expect("a model of a named size");
        group.throughput(Throughput::Elements((options.batch * options.seq) as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| steps.advance().expect("a step on random tokens"))
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
