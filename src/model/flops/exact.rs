//! The exact counter: the multiplications and additions of the matrix products that this code runs.
//!
//! Forward, backward, and the attention scores that the backward pass computes again, for sequences of their real
//! lengths. Elementwise work and table look-ups are left out. Must never: follow the paper's rules where this code
//! does otherwise. Next: `paper.rs` for those.

use crate::spec::{Budget, EncoderShape, Masking, ObjectiveSpec, TrialSpec};

/// Products of one encoder for sequences of the given lengths, forward and backward.
fn encoder(shape: &EncoderShape, lengths: &[usize]) -> f64 {
    let tokens = lengths.iter().sum::<usize>() as f64;
    let squares: f64 = lengths.iter().map(|&length| (length * length) as f64).sum();
    let (hidden, ffn, embedding) = (shape.hidden as f64, shape.ffn as f64, shape.embedding as f64);
    let projection = if shape.embedding == shape.hidden { 0.0 } else { embedding * hidden };
    let dense = projection + shape.layers as f64 * (4.0 * hidden * hidden + 2.0 * hidden * ffn);
    // A dense layer costs 2 forward and 4 backward a weight; attention 4·T²·H forward, 10·T²·H backward.
    6.0 * tokens * dense + 14.0 * shape.layers as f64 * squares * hidden
}

fn masked_lm_head(shape: &EncoderShape, vocab: usize, masked: f64) -> f64 {
    6.0 * masked * (shape.hidden * shape.embedding + shape.embedding * vocab) as f64
}

/// FLOPs of one training step on sequences of the given lengths.
pub fn train_flops(spec: &TrialSpec, vocab: usize, lengths: &[usize]) -> f64 {
    objective_flops(spec, &spec.objective, vocab, lengths)
}

fn objective_flops(spec: &TrialSpec, objective: &ObjectiveSpec, vocab: usize, lengths: &[usize]) -> f64 {
    let tokens = lengths.iter().sum::<usize>() as f64;
    let masked = tokens * objective.mask_fraction();
    let full = spec.model.discriminator();
    match objective {
        ObjectiveSpec::Mlm { .. } => encoder(&full, lengths) + masked_lm_head(&full, vocab, masked),
        ObjectiveSpec::Rtd { .. } => {
            let small = spec.model.generator();
            let head = 6.0 * tokens * (full.hidden * full.hidden + full.hidden) as f64;
            encoder(&small, lengths) + masked_lm_head(&small, vocab, masked) + encoder(&full, lengths) + head
        }
    }
}

/// FLOPs of one training step when every sequence is full.
pub fn train_flops_per_step(spec: &TrialSpec, vocab: usize) -> f64 {
    train_flops(spec, vocab, &vec![spec.train.seq_len; spec.train.batch])
}

/// Steps that pre-training takes: `train.steps`, or as many as its budget buys.
pub fn resolved_steps(spec: &TrialSpec, vocab: usize) -> u64 {
    match spec.train.budget {
        Budget::Steps => spec.train.steps,
        Budget::RtdFlops => {
            let lengths = vec![spec.train.seq_len; spec.train.batch];
            let rtd = ObjectiveSpec::Rtd {
                disc_weight: 50.0,
                mask_fraction: spec.objective.mask_fraction(),
                temperature: 1.0,
                masking: Masking::Paper,
            };
            let ratio = objective_flops(spec, &rtd, vocab, &lengths) / train_flops(spec, vocab, &lengths);
            ((spec.train.steps as f64 * ratio).round() as u64).max(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::trial;
    use super::*;
    use crate::spec::{ModelSize, ModelSpec};

    /// By hand for one layer, one sequence of 10 tokens, hidden 4, FFN 16, embedding 4, vocabulary 100.
    #[test]
    fn flops_by_hand() {
        let model = ModelSpec {
            hidden: Some(4),
            heads: Some(1),
            layers: Some(1),
            embedding: Some(4),
            ..Default::default()
        };
        let mlm = trial(ObjectiveSpec::Mlm { mask_fraction: 0.2, masking: Masking::Paper }, model);
        let dense = 6.0 * 10.0 * (4.0 * 16.0 + 2.0 * 64.0);
        let attention = 14.0 * 100.0 * 4.0;
        let head = 6.0 * 2.0 * (16.0 + 400.0);
        assert_eq!(train_flops(&mlm, 100, &[10]), dense + attention + head);
    }

    #[test]
    fn an_equal_budget_buys_the_cheaper_objective_more_steps() {
        let model = ModelSpec { size: ModelSize::Small, ..Default::default() };
        let mut mlm =
            trial(ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper }, model.clone());
        mlm.train.budget = Budget::RtdFlops;
        let steps = resolved_steps(&mlm, 30_522);
        let spent = steps as f64 * train_flops_per_step(&mlm, 30_522);
        let rtd = trial(ObjectiveSpec::default(), model);
        let allowed = rtd.train.steps as f64 * train_flops_per_step(&rtd, 30_522);
        assert!(steps > rtd.train.steps && (spent / allowed - 1.0).abs() < 1e-3, "{steps}");
    }
}
