//! Stand-in for the exact counter: the same signatures, rough numbers.

use crate::spec::TrialSpec;

/// Parameters of both encoders, roughly.
pub fn n_parameters(spec: &TrialSpec, vocab: usize) -> u64 {
    let encoder = |shape: crate::spec::EncoderShape| {
        shape.layers * (4 * shape.hidden * shape.hidden + 2 * shape.hidden * shape.ffn)
    };
    let (full, small) = (spec.model.discriminator(), spec.model.generator());
    (encoder(full) + encoder(small) + vocab * full.embedding) as u64
}

/// FLOPs of a step, roughly.
pub fn train_flops_per_step(spec: &TrialSpec, vocab: usize) -> f64 {
    6.0 * n_parameters(spec, vocab) as f64 * (spec.train.batch * spec.train.seq_len) as f64
}

/// Steps of pre-training.
pub fn resolved_steps(spec: &TrialSpec, _vocab: usize) -> u64 {
    spec.train.steps
}
