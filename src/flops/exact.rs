//! The exact counter: the multiplications and additions of the matrix products that this code runs.
//!
//! It covers the forward pass, the backward pass, and the attention scores that the backward pass computes
//! again, for sequences of their real lengths. Elementwise work and table look-ups are left out. Must never:
//! follow the paper's rules where this code does something else. Next: `paper.rs` for those rules.

use crate::experiment::{EncoderShape, MainTask, Stage, TrialSpec, cropped};

/// Products of one encoder for sequences of the given lengths, forward and backward.
fn encoder(shape: &EncoderShape, lengths: &[usize]) -> f64 {
    let (dense, attention) = encoder_products(shape, lengths);
    // Per weight and token a dense layer costs 2 forward and 4 backward. Attention costs 4·T²·H forward and
    // 10·T²·H backward.
    6.0 * dense + 14.0 * attention
}

/// Two sums for an encoder: weights × tokens of its dense layers, and layers × T²·H of its attention.
fn encoder_products(shape: &EncoderShape, lengths: &[usize]) -> (f64, f64) {
    let tokens = lengths.iter().sum::<usize>() as f64;
    let squares: f64 = lengths.iter().map(|&length| (length * length) as f64).sum();
    let (hidden, ffn, embedding) = (shape.hidden as f64, shape.ffn as f64, shape.embedding as f64);
    let projection = if shape.embedding == shape.hidden { 0.0 } else { embedding * hidden };
    let dense = projection + shape.layers as f64 * (4.0 * hidden * hidden + 2.0 * hidden * ffn);
    (tokens * dense, shape.layers as f64 * squares * hidden)
}

fn masked_lm_head(shape: &EncoderShape, vocab: usize, masked: f64) -> f64 {
    6.0 * masked * (shape.hidden * shape.embedding + shape.embedding * vocab) as f64
}

/// The head over the vocabulary for all tokens, whose logits are computed again in the backward pass instead
/// of being stored.
fn head_of_all_tokens(shape: &EncoderShape, vocab: usize, tokens: f64) -> f64 {
    masked_lm_head(shape, vocab, tokens) + 2.0 * tokens * (shape.embedding * vocab) as f64
}

/// Both towers and their head. The head covers all tokens, and its logits are computed again in the backward
/// pass; it runs once more, forward only, to draw samples.
fn two_towers(shape: &EncoderShape, vocab: usize, lengths: &[usize], masked: f64) -> f64 {
    let (both, tokens) = (shape.side_by_side(), lengths.iter().sum::<usize>() as f64);
    let head = masked_lm_head(&both, vocab, tokens) + masked_lm_head(&both, vocab, masked) / 3.0;
    2.0 * encoder(shape, lengths) + head + 2.0 * tokens * (shape.embedding * vocab) as f64
}

/// FLOPs of one training step of a stage on sequences of the given lengths.
pub fn train_flops(spec: &TrialSpec, vocab: usize, stage: Stage, lengths: &[usize]) -> f64 {
    let objective = &spec.objective;
    let masked = lengths.iter().sum::<usize>() as f64 * objective.mask_fraction();
    let small = spec.model.generator();
    let generator = match stage {
        _ if !objective.has_generator() => 0.0,
        _ if objective.has_two_towers() => two_towers(&small, vocab, lengths, masked),
        Stage::Joint | Stage::Generator => encoder(&small, lengths) + masked_lm_head(&small, vocab, masked),
        Stage::Discriminator => {
            // The generator is sampled from and not trained: forward only.
            let (dense, attention) = encoder_products(&small, lengths);
            2.0 * dense + 4.0 * attention + masked_lm_head(&small, vocab, masked) / 3.0
        }
    };
    // The gradient of the baseline stops at the hidden states.
    let baseline = if objective.has_baseline() { 4.0 * masked * small.hidden as f64 } else { 0.0 };
    match stage {
        Stage::Generator => generator,
        Stage::Joint | Stage::Discriminator => main_flops(spec, vocab, lengths, generator) + baseline,
    }
}

/// FLOPs of the encoder that is fine-tuned and its head, plus `generator`.
fn main_flops(spec: &TrialSpec, vocab: usize, lengths: &[usize], generator: f64) -> f64 {
    let objective = &spec.objective;
    let tokens = lengths.iter().sum::<usize>() as f64;
    let full = spec.model.discriminator();
    let head = match objective.main_task() {
        MainTask::Unmask | MainTask::Restore => {
            masked_lm_head(&full, vocab, tokens * objective.mask_fraction())
        }
        MainTask::UnmaskAndDetect => {
            // The critic is a second pass.
            let critic = encoder(&full, lengths) + head_of_all_tokens(&full, vocab, tokens);
            masked_lm_head(&full, vocab, tokens * objective.mask_fraction()) + critic
        }
        MainTask::Detect => 6.0 * tokens * (full.hidden * full.hidden + full.hidden) as f64,
        MainTask::RestoreAll => head_of_all_tokens(&full, vocab, tokens) + 6.0 * tokens * full.hidden as f64,
        MainTask::Correct if !objective.corrects() => 0.0,
        MainTask::Correct => {
            masked_lm_head(&full, vocab, tokens * objective.mask_fraction())
                + 6.0 * tokens * full.hidden as f64
        }
    };
    let second_view = objective.crop().map_or(0.0, |share| contrast(&full, lengths, share));
    generator + encoder(&full, lengths) + head + second_view
}

/// The encoder on crops that keep `share` of every sequence, and the products of all `[CLS]` vectors of both
/// views.
fn contrast(shape: &EncoderShape, lengths: &[usize], share: f64) -> f64 {
    let crops: Vec<usize> = lengths.iter().map(|&length| cropped(length, share)).collect();
    let views = 2.0 * lengths.len() as f64;
    encoder(shape, &crops) + 6.0 * views * views * shape.hidden as f64
}

/// The mean FLOPs of a training step of a run of `n_steps`, when every sequence is full.
pub fn train_flops_per_step(spec: &TrialSpec, vocab: usize, n_steps: u64) -> f64 {
    let lengths = vec![spec.train.seq_len; spec.train.batch];
    let last = train_flops(spec, vocab, spec.objective.stage(n_steps.saturating_sub(1), n_steps), &lengths);
    let first = spec.objective.generator_steps(n_steps);
    if first == 0 {
        return last;
    }
    let share = first as f64 / n_steps as f64;
    share * train_flops(spec, vocab, Stage::Generator, &lengths) + (1.0 - share) * last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Masking, ModelSpec, ObjectiveSpec};
    use crate::flops::fixture::trial;

    /// By hand: one layer, one sequence of 10 tokens, hidden 4, FFN 16, embedding 4, vocabulary 100.
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
        assert_eq!(train_flops(&mlm, 100, Stage::Joint, &[10]), dense + attention + head);
    }

    /// By hand: one layer, hidden 4, FFN 16, embedding 4, a generator of the same shape, 10 tokens of which 2
    /// are masked, vocabulary 100.
    #[test]
    fn objectives_by_hand() {
        let model = ModelSpec {
            hidden: Some(4),
            heads: Some(1),
            layers: Some(1),
            embedding: Some(4),
            generator_ratio: 1.0,
            ..Default::default()
        };
        let count = |stage, text: &str| {
            let objective: ObjectiveSpec = serde_json::from_str(text).unwrap();
            train_flops(&trial(objective, model.clone()), 100, stage, &[10])
        };
        let encoder = 6.0 * 10.0 * (4.0 * 16.0 + 2.0 * 64.0) + 14.0 * 100.0 * 4.0;
        let forward = 2.0 * 10.0 * (4.0 * 16.0 + 2.0 * 64.0) + 4.0 * 100.0 * 4.0;
        let (mlm_head, disc_head) = (2.0 * 6.0 * (16.0 + 400.0), 10.0 * 6.0 * 20.0);
        let close =
            |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
        let joint = 2.0 * encoder + mlm_head;
        close(count(Stage::Joint, r#"{"kind": "electra_15", "mask_fraction": 0.2}"#), joint + disc_head);
        let unigram = r#"{"kind": "rtd", "mask_fraction": 0.2, "generator": "unigram"}"#;
        close(count(Stage::Joint, unigram), encoder + disc_head);
        close(count(Stage::Joint, r#"{"kind": "replace_mlm", "mask_fraction": 0.2}"#), joint + mlm_head);
        let critic = 10.0 * (6.0 * (16.0 + 400.0) + 2.0 * 400.0);
        close(count(Stage::Joint, r#"{"kind": "script", "mask_fraction": 0.2}"#), joint + critic);
        let all = 10.0 * (6.0 * (16.0 + 400.0) + 2.0 * 400.0 + 6.0 * 4.0);
        close(count(Stage::Joint, r#"{"kind": "all_tokens_mlm", "mask_fraction": 0.2}"#), joint + all);
        // The crop of 10 tokens keeps [CLS], 7 of the 8 tokens between, and [SEP]. Two views of one text give
        // 2 × 2 products.
        let clm = joint + mlm_head + 6.0 * 10.0 * 4.0;
        let crop = 6.0 * 9.0 * (4.0 * 16.0 + 2.0 * 64.0) + 14.0 * 81.0 * 4.0;
        close(count(Stage::Joint, r#"{"kind": "coco_lm", "mask_fraction": 0.2, "scl_weight": 0}"#), clm);
        let coco_lm = r#"{"kind": "coco_lm", "mask_fraction": 0.2}"#;
        close(count(Stage::Joint, coco_lm), clm + crop + 6.0 * 4.0 * 4.0);
        let contrast = r#"{"kind": "coco_lm", "mask_fraction": 0.2, "clm_weight": 0}"#;
        close(count(Stage::Joint, contrast), joint + crop + 6.0 * 4.0 * 4.0);
        let wide = 8.0 * 4.0 + 400.0;
        let cloze = 10.0 * (6.0 * wide + 2.0 * 400.0) + 2.0 * 2.0 * wide;
        close(
            count(Stage::Joint, r#"{"kind": "electric", "mask_fraction": 0.2}"#),
            3.0 * encoder + cloze + disc_head,
        );
        let adversarial = r#"{"kind": "adversarial", "mask_fraction": 0.2}"#;
        close(count(Stage::Joint, adversarial), joint + disc_head + 4.0 * 2.0 * 4.0);
        let two_stage = r#"{"kind": "two_stage", "mask_fraction": 0.2}"#;
        close(count(Stage::Generator, two_stage), encoder + mlm_head);
        let second = forward + mlm_head / 3.0 + encoder + disc_head;
        close(count(Stage::Discriminator, two_stage), second);
        let objective: ObjectiveSpec = serde_json::from_str(two_stage).unwrap();
        let mut spec = trial(objective, model.clone());
        (spec.train.batch, spec.train.seq_len) = (1, 10);
        close(train_flops_per_step(&spec, 100, spec.train.steps), (encoder + mlm_head + second) / 2.0);
    }
}
