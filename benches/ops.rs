//! Every fused operation beside its slow reference, forward and backward, on the shapes of ELECTRA-Small's
//! discriminator (4 sequences of 128 tokens, width 256) and of its generator's output layer.
//!
//! Run: `cargo bench --profile dev --bench ops`, or with `-- gelu` behind it for one of them; the dev profile
//! is optimised, and built already. Compare the two lines of a pair: noise of the machine is in both.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use candle_core::{Device, Result, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use electra_lab::experiment::Precision;
use electra_lab::ops::attention::{self, AttentionMask, attention};
use electra_lab::ops::binary_cross_entropy::{self, binary_cross_entropy};
use electra_lab::ops::cross_entropy;
use electra_lab::ops::dropout::{DropoutKey, MicroBatchOffset};
use electra_lab::ops::entropy::{self, entropy};
use electra_lab::ops::gelu::{self, gelu};
use electra_lab::ops::layer_norm::{residual_layer_norm, residual_reference};
use electra_lab::ops::linear::{self, linear};
use electra_lab::ops::sampling::Sampler;
use electra_lab::ops::softmax_stats::{self, softmax_stats};
use electra_lab::rng::{Purpose, Stream, StreamKey};

const SEQUENCES: usize = 4;
const LENGTH: usize = 128;
const TOKENS: usize = SEQUENCES * LENGTH;
const HIDDEN: usize = 256;
const FFN: usize = 1024;
const HEADS: usize = 4;
const VOCABULARY: usize = 30_522;
const MASKED: usize = 77;

fn tensor(shape: &[usize], index: u64) -> Var {
    let mut stream = Stream::new(1, Purpose::Test, 1, index);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal() as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
        .and_then(|tensor| Var::from_tensor(&tensor))
        .expect("a tensor")
}

fn key() -> Option<DropoutKey> {
    Some(DropoutKey {
        key: StreamKey::new(1, Purpose::Dropout, 1),
        site: 1,
        probability: 0.1,
        offset: MicroBatchOffset::default(),
    })
}

type Op<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// Times both, forward and backward.
fn pair(criterion: &mut Criterion, name: &str, inputs: &[Var], fused: Op<'_>, reference: Op<'_>) {
    let inputs: Vec<Tensor> = inputs.iter().map(|var| var.as_tensor().clone()).collect();
    let mut group = criterion.benchmark_group(name);
    for (side, op) in [("fused", fused), ("reference", reference)] {
        group.bench_function(side, |bencher| {
            bencher.iter(|| black_box(op(&inputs)?.sum_all()?.backward()).map(drop));
        });
    }
    group.finish();
}

fn ops(criterion: &mut Criterion) {
    let inner = tensor(&[TOKENS, FFN], 1);
    pair(criterion, "gelu", &[inner], &|t| gelu(&t[0]), &|t| gelu::reference(&t[0]));

    let dense = [tensor(&[TOKENS, HIDDEN], 1), tensor(&[FFN, HIDDEN], 2), tensor(&[FFN], 3)];
    pair(criterion, "linear", &dense, &|t| linear(&t[0], &t[1], &t[2], Precision::F32), &|t| {
        linear::reference(&t[0], &t[1], &t[2])
    });

    let rows = [tensor(&[TOKENS, HIDDEN], 1), tensor(&[TOKENS, HIDDEN], 2), tensor(&[2, HIDDEN], 3)];
    pair(
        criterion,
        "residual_layer_norm",
        &rows,
        &|t| residual_layer_norm(&t[0], &t[1], &t[2], key(), 1e-12),
        &|t| residual_reference(&t[0], &t[1], &t[2], key(), 1e-12),
    );

    let offsets: Arc<[usize]> = (0..=SEQUENCES).map(|sequence| sequence * LENGTH).collect();
    let full = AttentionMask::Full;
    pair(
        criterion,
        "attention",
        &[tensor(&[TOKENS, 3 * HIDDEN], 1)],
        &|t| attention(&t[0], &offsets, HEADS, full, key()),
        &|t| attention::reference(&t[0], &offsets, HEADS, full, key()),
    );

    let logits = [tensor(&[MASKED, VOCABULARY], 1)];
    let targets: Arc<[u32]> = (0..MASKED as u32).map(|row| row * 300).collect();
    pair(criterion, "cross_entropy", &logits, &|t| cross_entropy::cross_entropy(&t[0], &targets), &|t| {
        cross_entropy::reference(&t[0], &targets)
    });
    pair(criterion, "entropy", &logits, &|t| entropy(&t[0]), &|t| entropy::reference(&t[0]));
    let sampler = Some(Sampler { temperature: 1.0, seed: 1, step: 1, first: 0 });
    pair(criterion, "softmax_stats", &logits, &|t| Ok(softmax_stats(&t[0], &targets, sampler)?.loss), &|t| {
        Ok(softmax_stats::reference(&t[0], &targets, sampler)?.loss)
    });

    let labels: Vec<f32> = (0..TOKENS).map(|token| f32::from(u8::from(token % 7 == 0))).collect();
    let labels = Tensor::from_vec(labels, TOKENS, &Device::Cpu).expect("labels");
    pair(
        criterion,
        "binary_cross_entropy",
        &[tensor(&[TOKENS], 1)],
        &|t| binary_cross_entropy(&t[0], &labels),
        &|t| binary_cross_entropy::reference(&t[0], &labels),
    );
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    targets = ops
}
criterion_main!(benches);
