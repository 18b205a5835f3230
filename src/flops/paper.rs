//! The paper counter: FLOPs by the rules behind ELECTRA's tables (google-research/electra,
//! flops_computation.py).
//!
//! The rules: an operation is one mathematical operation. A product of an m × n matrix and a vector costs
//! 2·m·n, elementwise work costs a few operations per number, and table look-ups are products with one-hot
//! vectors. Every sequence is full. The backward pass costs as much as the forward pass. ELMo and XLNet were
//! measured in other ways and T5 has a decoder, so they are not counted here.
//!
//! The quirks of the paper are kept. Know them before comparing:
//!
//! - **a.** The paper prints 1.4e18 for ELECTRA-Small. The rules give 1.29e18 with the stated generator of
//!   1/4, and 1.42e18 with one of 1/2, which is also BERT-Small's count.
//! - **b.** The LayerNorm after attention is counted once per token instead of once per number: its width is
//!   missing.
//! - **c.** The output softmax always covers 5/32 (0.15625) of the tokens, also for Large, which masks 25 %,
//!   and for every `mask_fraction` of a trial.
//! - **d.** 1.92e20 ("bert_large") is Google's BERT. The authors' own BERT of Table 2, 464,000 steps of 2,048
//!   sequences, is 7.12e20.
//! - **e.** Table 1's inference FLOPs hold for 128 tokens and include the discriminator's head.
//! - **f.** One-hot look-ups are 40 % of ELECTRA-Small's count. Gathered instead, it would be 7.8e17.
//!
//! Must never: be used for time estimates, which need the operations that really run. Next: `exact.rs` for
//! those.

use crate::experiment::{EncoderShape, MainTask, Stage, TrialSpec, cropped};

/// Draw, compare, multiply by the mask, multiply by the correction.
const DROPOUT: f64 = 4.0;
/// Mean, variance (two), shift, scale.
const LAYER_NORM: f64 = 5.0;
const GELU: f64 = 8.0;
/// Maximum, difference, exponential, sum, quotient.
const SOFTMAX: f64 = 5.0;
/// Share of the tokens that the output softmax covers.
const OUTPUT_SHARE: f64 = 0.15625;
/// Forward and backward.
const PASSES: f64 = 2.0;

/// FLOPs of pre-training for `steps` steps of full sequences.
///
/// Masked language modelling is one encoder with the output softmax. Replaced-token detection is the
/// discriminator with its head, and the generator if it is a network. The script knows no other objective, so
/// the others follow the same rules: predicting every token takes the softmax over every token and a gate, a
/// second view or a critic is one more pass of the encoder, a second tower one more pass of the generator,
/// and each of two stages costs what it runs.
pub fn train_flops(spec: &TrialSpec, vocab: usize, steps: u64) -> f64 {
    train_flops_until(spec, vocab, steps, steps)
}

/// FLOPs of the first `steps` of a run whose schedule is made for `n_steps`.
pub fn train_flops_until(spec: &TrialSpec, vocab: usize, steps: u64, n_steps: u64) -> f64 {
    let count = |shape| Counter::new(&shape, vocab, spec.train.seq_len);
    let full = count(spec.model.discriminator());
    let head = match spec.objective.main_task() {
        MainTask::Unmask | MainTask::Restore => full.masked_lm_head(OUTPUT_SHARE),
        MainTask::UnmaskAndDetect => {
            full.masked_lm_head(OUTPUT_SHARE) + full.encoder() + full.masked_lm_head(1.0)
        }
        MainTask::Detect => full.discriminator_head(),
        MainTask::RestoreAll => full.masked_lm_head(1.0) + 2.0 * full.hidden,
        MainTask::Correct if !spec.objective.corrects() => 0.0,
        MainTask::Correct => full.masked_lm_head(OUTPUT_SHARE) + 2.0 * full.hidden,
    };
    // A second view is a shorter sequence.
    let second_view = spec.objective.crop().map_or(0.0, |share| {
        let length = cropped(spec.train.seq_len, share);
        let encoder = Counter::new(&spec.model.discriminator(), vocab, length).encoder();
        encoder * length as f64 / spec.train.seq_len as f64
    });
    let tokens = PASSES * (spec.train.batch * spec.train.seq_len) as f64;
    let main = full.encoder() + head + second_view;
    if !spec.objective.has_generator() {
        return tokens * steps as f64 * main;
    }
    let small = count(spec.model.generator());
    let mut per_token = main
        + match spec.objective.has_two_towers() {
            false => small.encoder() + small.masked_lm_head(OUTPUT_SHARE),
            true => 2.0 * small.encoder() + count(spec.model.generator().side_by_side()).masked_lm_head(1.0),
        };
    if spec.objective.has_baseline() {
        per_token += 2.0 * OUTPUT_SHARE * small.hidden;
    }
    let first = spec.objective.generator_steps(n_steps).min(steps);
    if first == 0 {
        return tokens * steps as f64 * per_token;
    }
    // The generator alone, then both. A frozen generator has half of the passes.
    let generator = per_token - main;
    let second = match spec.objective.stage(n_steps.saturating_sub(1), n_steps) {
        Stage::Discriminator => generator / PASSES,
        Stage::Joint | Stage::Generator => generator,
    };
    tokens * (first as f64 * generator + (steps - first) as f64 * (main + second))
}

/// Forward FLOPs per token of the parts of a network.
struct Counter {
    hidden: f64,
    layers: f64,
    heads: f64,
    ffn: f64,
    embedding: f64,
    vocab: f64,
    seq_len: f64,
}

impl Counter {
    fn new(shape: &EncoderShape, vocab: usize, seq_len: usize) -> Self {
        Self {
            hidden: shape.hidden as f64,
            layers: shape.layers as f64,
            heads: shape.heads as f64,
            ffn: shape.ffn as f64,
            embedding: shape.embedding as f64,
            vocab: vocab as f64,
            seq_len: seq_len as f64,
        }
    }

    /// Embeddings and layers.
    fn encoder(&self) -> f64 {
        self.embeddings() + self.layers * (self.attention() + self.feed_forward())
    }

    fn embeddings(&self) -> f64 {
        let one_hot = 2.0 * self.embedding * (self.vocab + self.seq_len + 2.0);
        let sum_of_three = 2.0 * self.embedding;
        let projection = if self.embedding == self.hidden {
            0.0
        } else {
            2.0 * self.embedding * self.hidden + self.hidden
        };
        one_hot + sum_of_three + (LAYER_NORM + DROPOUT) * self.embedding + projection
    }

    fn attention(&self) -> f64 {
        let queries_keys_values = 3.0 * (2.0 * self.hidden * self.hidden + self.hidden);
        let products = 4.0 * self.hidden * self.seq_len;
        // Scale, softmax and dropout of the scores.
        let scores = (1.0 + SOFTMAX + DROPOUT) * self.seq_len * self.heads;
        let output = 2.0 * self.hidden * self.hidden + self.hidden;
        let residual = (DROPOUT + 1.0) * self.hidden;
        // Quirk b: not times the width.
        queries_keys_values + products + scores + output + residual + LAYER_NORM
    }

    fn feed_forward(&self) -> f64 {
        let products = 4.0 * self.hidden * self.ffn + self.ffn + self.hidden;
        products + GELU * self.ffn + (DROPOUT + 1.0 + LAYER_NORM) * self.hidden
    }

    /// Dense layer, LayerNorm and softmax over the vocabulary, for a share of the tokens.
    fn masked_lm_head(&self, share: f64) -> f64 {
        let dense = 2.0 * self.hidden * self.embedding + (1.0 + GELU + LAYER_NORM) * self.embedding;
        // The logits, their softmax, and the probability of the target as a one-hot product.
        share * (dense + 2.0 * self.embedding * self.vocab + (SOFTMAX + 2.0) * self.vocab)
    }

    /// Dense layer and one logit, without its bias.
    fn discriminator_head(&self) -> f64 {
        2.0 * self.hidden * self.hidden + (1.0 + GELU) * self.hidden + 2.0 * self.hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Masking, ModelSize, ModelSpec, ObjectiveSpec};
    use crate::flops::fixture::trial;

    const VOCAB: usize = 30_522;

    fn counter(hidden: usize, layers: usize, embedding: usize, vocab: usize, seq_len: usize) -> Counter {
        let (heads, ffn) = ((hidden / 64).max(1), 4 * hidden);
        Counter::new(
            &EncoderShape {
                hidden,
                layers,
                heads,
                ffn,
                embedding,
                positions: 512,
                types: 2,
                norm_epsilon: 1e-12,
            },
            vocab,
            seq_len,
        )
    }

    /// FLOPs of a language model that is trained on `n_sequences`.
    fn language_model(counter: &Counter, share: f64, n_sequences: f64) -> String {
        let per_token = counter.encoder() + counter.masked_lm_head(share);
        format!("{:.3e}", PASSES * n_sequences * counter.seq_len * per_token)
    }

    fn electra(size: ModelSize, generator_ratio: f64, batch: usize, seq_len: usize, steps: u64) -> f64 {
        let model = ModelSpec { size, generator_ratio, ..Default::default() };
        let mut trial = trial(ObjectiveSpec::default(), model);
        (trial.train.batch, trial.train.seq_len) = (batch, seq_len);
        train_flops(&trial, VOCAB, steps)
    }

    /// The numbers of the released script to four digits: BERT-Small, -Base and -Large, the authors' own
    /// BERT, GPT, RoBERTa and ALBERT.
    #[test]
    fn language_models_of_the_papers_table() {
        let shown = |counter: Counter, share, n_sequences| language_model(&counter, share, n_sequences);
        assert_eq!(shown(counter(256, 12, 128, VOCAB, 128), OUTPUT_SHARE, 128.0 * 1.45e6), "1.419e18");
        assert_eq!(shown(counter(768, 12, 768, VOCAB, 512), OUTPUT_SHARE, 256.0 * 1e6), "6.428e19");
        assert_eq!(shown(counter(1024, 24, 1024, VOCAB, 512), OUTPUT_SHARE, 256.0 * 1e6), "1.917e20");
        assert_eq!(shown(counter(1024, 24, 1024, VOCAB, 512), OUTPUT_SHARE, 2048.0 * 464e3), "7.117e20");
        assert_eq!(shown(counter(768, 12, 768, 40_000, 512), 1.0, 128.0 * 960_800.0), "3.969e19");
        assert_eq!(shown(counter(1024, 24, 1024, 50_265, 512), OUTPUT_SHARE, 8000.0 * 500e3), "3.187e21");
        assert_eq!(shown(counter(4096, 12, 128, 30_000, 512), OUTPUT_SHARE, 4096.0 * 1.5e6), "3.114e22");
    }

    #[test]
    fn electra_of_the_papers_table() {
        let shown = |flops: f64| format!("{flops:.3e}");
        assert_eq!(shown(electra(ModelSize::Small, 0.25, 128, 128, 1_000_000)), "1.294e18");
        assert_eq!(shown(electra(ModelSize::Base, 0.33333, 256, 512, 766_000)), "6.425e19");
        assert_eq!(shown(electra(ModelSize::Large, 0.25, 2048, 512, 400_000)), "7.118e20");
        assert_eq!(shown(electra(ModelSize::Large, 0.25, 2048, 512, 1_750_000)), "3.114e21");
    }

    #[test]
    fn electra_by_generator_ratio() {
        let row = |size, batch, seq_len, steps| {
            let ratios = [0.125, 0.25, 1.0 / 3.0, 0.5, 0.75, 1.0];
            ratios.map(|ratio| format!("{:.3e}", electra(size, ratio, batch, seq_len, steps))).join(" ")
        };
        assert_eq!(
            row(ModelSize::Small, 128, 128, 1_000_000),
            "1.257e18 1.294e18 1.328e18 1.424e18 1.634e18 1.920e18"
        );
        assert_eq!(
            row(ModelSize::Base, 256, 512, 1_000_000),
            "7.844e19 8.124e19 8.387e19 9.100e19 1.063e20 1.269e20"
        );
        assert_eq!(
            row(ModelSize::Base, 256, 512, 766_000),
            "6.008e19 6.223e19 6.425e19 6.970e19 8.144e19 9.721e19"
        );
    }

    /// Table 1 counts inference on 128 tokens with the discriminator's head (quirk e).
    #[test]
    fn inference_of_table_1() {
        let inference = |counter: Counter| {
            format!("{:.2e}", counter.seq_len * (counter.encoder() + counter.discriminator_head()))
        };
        assert_eq!(inference(counter(256, 12, 128, VOCAB, 128)), "3.68e9");
        assert_eq!(inference(counter(768, 12, 768, VOCAB, 128)), "2.86e10");
    }

    /// The numbers of quirks a and f in the text above.
    #[test]
    fn the_quirks_have_the_stated_size() {
        let small = electra(ModelSize::Small, 0.25, 128, 128, 1_000_000);
        let half = electra(ModelSize::Small, 0.5, 128, 128, 1_000_000);
        assert_eq!((format!("{small:.2e}"), format!("{half:.2e}")), ("1.29e18".into(), "1.42e18".into()));
        // Two networks look up word embeddings of 128 numbers, forward and backward.
        let look_ups = 2.0 * PASSES * 128.0 * 128.0 * 1e6 * (2.0 * 128.0 * VOCAB as f64);
        assert_eq!(
            (format!("{:.2}", look_ups / small), format!("{:.1e}", small - look_ups)),
            ("0.40".into(), "7.8e17".into())
        );
    }

    #[test]
    fn a_trials_objective_batch_length_and_steps_count() {
        let model = ModelSpec { size: ModelSize::Small, ..Default::default() };
        let mut mlm = trial(ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper }, model);
        (mlm.train.batch, mlm.train.seq_len) = (128, 128);
        assert_eq!(format!("{:.3e}", train_flops(&mlm, VOCAB, 1_450_000)), "1.419e18");
        let once = train_flops(&mlm, VOCAB, 1);
        mlm.objective = ObjectiveSpec::Mlm { mask_fraction: 0.25, masking: Masking::Paper };
        assert_eq!(train_flops(&mlm, VOCAB, 1), once, "quirk c");
        mlm.train.batch = 256;
        assert_eq!(train_flops(&mlm, VOCAB, 3), 6.0 * once);
    }

    #[test]
    fn two_stages_and_no_network() {
        let model = ModelSpec { size: ModelSize::Small, generator_ratio: 1.0, ..Default::default() };
        let of = |text: &str, steps| {
            let objective: ObjectiveSpec = serde_json::from_str(text).unwrap();
            train_flops(&trial(objective, model.clone()), VOCAB, steps)
        };
        let (joint, unigram) =
            (of(r#"{"kind": "rtd"}"#, 10), of(r#"{"kind": "rtd", "generator": "unigram"}"#, 10));
        let generator = of(r#"{"kind": "mlm"}"#, 10);
        assert!((joint / (unigram + generator) - 1.0).abs() < 1e-12);
        let expected = 0.5 * generator + 0.5 * (unigram + 0.5 * generator);
        assert!((of(r#"{"kind": "two_stage"}"#, 10) / expected - 1.0).abs() < 1e-12);
        let then_joint = of(r#"{"kind": "two_stage", "second_stage": "joint"}"#, 10);
        assert!((then_joint / (0.5 * generator + 0.5 * joint) - 1.0).abs() < 1e-12);
    }
}
