//! Steps, batch, optimizer and schedule of pre-training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When pre-training ends. Tokens and FLOPs are those of full sequences, so that the number of steps is known before the
/// first of them; `outcome.json` says what was really spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// After `steps` steps.
    #[default]
    Steps,
    /// After as many steps as cost the FLOPs (by the exact counter) that replaced-token detection takes for `steps` steps with this
    /// model and batch: equal compute for an objective whose step costs less.
    RtdFlops,
    /// The same by the paper's counter.
    RtdPaperFlops,
    /// After `amount` tokens: batch × longest sequence a step.
    Tokens,
    /// After `amount` training FLOPs by the exact counter.
    Flops,
    /// After `amount` training FLOPs by the paper's counter.
    PaperFlops,
    /// After as many steps as take `amount` seconds at the pace that a few steps are timed at before the first. Another machine, or a
    /// busy one, takes another number of steps; `pace.json` in the trial's folder keeps it, so that a resumed trial goes on to it.
    Seconds,
}

impl Budget {
    /// What `train.amount` is an amount of; None where `train.steps` decides.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Steps | Self::RtdFlops | Self::RtdPaperFlops => None,
            Self::Tokens => Some("tokens"),
            Self::Flops => Some("FLOPs by the exact counter"),
            Self::PaperFlops => Some("FLOPs by the paper's counter"),
            Self::Seconds => Some("seconds"),
        }
    }
}

/// Update rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// The released code's Adam: no bias correction, decoupled weight decay.
    #[default]
    Electra,
    /// AdamW with bias correction (Loshchilov and Hutter).
    Adamw,
}

/// How the factors of pre-training's matrix products are rounded. Parameters, sums, softmax, losses and sampling are f32 in any of
/// them. The CPU computes in f32 alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To 10 bits of mantissa, by the tensor cores of a CUDA device.
    Tf32,
    /// To bfloat16, 7 bits of mantissa.
    Bf16,
}

impl Precision {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Pre-training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Optimizer steps (see `budget`).
    #[schemars(range(min = 1, max = 1000000000))]
    pub steps: u64,
    /// What ends pre-training: `steps`, or an `amount` of something else.
    pub budget: Budget,
    /// How many tokens, FLOPs or seconds, where `budget` is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1e30))]
    pub amount: Option<f64>,
    /// Share of the steps after which pre-training stops, on the schedule of all of them: what a checkpoint of the whole run is. A run
    /// with a larger share goes on from one with a smaller share in the same results.
    #[serde(skip_serializing_if = "is_whole")]
    #[schemars(range(min = 0.000001, max = 1.0))]
    pub stop_at: f64,
    /// Sequences a step.
    #[schemars(range(min = 1, max = 65536))]
    pub batch: usize,
    /// Sequences computed at a time, where memory does not hold a whole batch: its gradients are summed over parts of so many. The same
    /// masks, samples, dropout and means, so the same numbers but for rounding; slower. Not a number of the trial: one that ran out of
    /// memory goes on from its checkpoint with a smaller one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub micro_batch: Option<usize>,
    /// Longest sequence in tokens, [CLS] and [SEP] counted.
    #[schemars(range(min = 8, max = 8192))]
    pub seq_len: usize,
    /// Peak learning rate.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// Warm-up steps; the warm-up factor multiplies the linear decay, as in the released code.
    pub warmup: u64,
    /// Update rule.
    pub optimizer: OptimizerKind,
    /// Decoupled weight decay, on neither LayerNorm nor bias.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// Global gradient norm above which gradients are scaled down.
    #[schemars(range(min = 0.001, max = 1000000.0))]
    pub clip_norm: f64,
    /// Decay of the first moment.
    #[schemars(range(min = 0.0, max = 0.99999))]
    pub beta1: f64,
    /// Decay of the second moment.
    #[schemars(range(min = 0.0, max = 0.9999999))]
    pub beta2: f64,
    /// Added to the root of the second moment.
    #[schemars(range(min = 1e-12, max = 1.0))]
    pub epsilon: f64,
    /// Of the factors of matrix products: `f32`, or `tf32` or `bf16` on a CUDA device.
    #[serde(skip_serializing_if = "Precision::is_usual")]
    pub precision: Precision,
    /// Steps between two lines of metrics.jsonl.
    #[schemars(range(min = 1, max = 1000000))]
    pub log_every: u64,
    /// Steps between two evaluations on held-out text.
    #[schemars(range(min = 1, max = 1000000000))]
    pub validate_every: u64,
    /// Steps between two checkpoints.
    #[schemars(range(min = 1, max = 1000000000))]
    pub checkpoint_every: u64,
    /// Megabytes (10⁶ bytes) of a checkpoint's file at most: a larger checkpoint is written in shards of so many with an index, as the
    /// hub has them, for carrying elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub checkpoint_mb: Option<u64>,
}

fn is_whole(share: &f64) -> bool {
    *share == 1.0
}

impl TrainSpec {
    /// The same without what changes no number but by rounding: how often a trial logs, validates and saves, in which files, and how much of
    /// a batch it computes at a time.
    pub fn numbers_alone(self) -> Self {
        let Self { log_every, validate_every, checkpoint_every, .. } = Self::default();
        Self { log_every, validate_every, checkpoint_every, checkpoint_mb: None, micro_batch: None, ..self }
    }

    /// Bytes of a checkpoint's file at most.
    pub fn checkpoint_bytes(&self) -> Option<u64> {
        self.checkpoint_mb.map(|megabytes| 1_000_000 * megabytes)
    }

    /// The step after which a run stops that is scheduled for `n_steps`.
    pub fn last_step(&self, n_steps: u64) -> u64 {
        ((n_steps as f64 * self.stop_at).round() as u64).clamp(1, n_steps.max(1))
    }
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            steps: 1000,
            budget: Budget::Steps,
            amount: None,
            stop_at: 1.0,
            batch: 32,
            micro_batch: None,
            seq_len: 128,
            learning_rate: 5e-4,
            warmup: 100,
            optimizer: OptimizerKind::Electra,
            weight_decay: 0.01,
            clip_norm: 1.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            precision: Precision::F32,
            log_every: 20,
            validate_every: 500,
            checkpoint_every: 500,
            checkpoint_mb: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stops_at_its_share() {
        let last = |stop_at, n| TrainSpec { stop_at, ..Default::default() }.last_step(n);
        assert_eq!([last(1.0, 1000), last(0.0625, 1000), last(0.5, 3), last(0.001, 10)], [1000, 63, 2, 1]);
        // Ids hash this text: what was written before there was a share is still written.
        let text = serde_json::to_string(&TrainSpec::default()).unwrap();
        for word in ["stop_at", "amount", "precision"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }

    /// Facts, section 2.1 and trap 22: the released code's optimizer is the default.
    #[test]
    fn the_default_optimizer_is_the_released_codes() {
        let TrainSpec { optimizer, weight_decay, clip_norm, beta1, beta2, epsilon, .. } =
            TrainSpec::default();
        assert_eq!(optimizer, OptimizerKind::Electra);
        assert_eq!((weight_decay, clip_norm, beta1, beta2, epsilon), (0.01, 1.0, 0.9, 0.999, 1e-6));
    }
}
