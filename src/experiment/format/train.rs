//! Steps, batch, optimizer and schedule of pre-training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::precision::Precision;

/// When pre-training ends. Tokens and FLOPs are counted for full sequences, so that the number of steps is
/// known before the first step; `outcome.json` records the true amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// After `steps` steps.
    #[default]
    Steps,
    /// After the number of steps that cost as many FLOPs (by the exact counter) as `steps` steps of
    /// replaced-token detection with the same model and batch: equal compute for an objective whose step
    /// costs less.
    RtdFlops,
    /// The same, by the paper's counter.
    RtdPaperFlops,
    /// After `amount` tokens, counting batch × longest sequence per step.
    Tokens,
    /// After `amount` training FLOPs by the exact counter.
    Flops,
    /// After `amount` training FLOPs by the paper's counter.
    PaperFlops,
    /// After the number of steps that take `amount` seconds, estimated by timing a few steps beforehand. The
    /// number depends on the machine and its load; a file in the trial's folder keeps it for a resumed trial.
    Seconds,
}

impl Budget {
    /// The unit of `train.amount`; None where `train.steps` decides.
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

/// The optimizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// The released code's Adam: no bias correction, decoupled weight decay.
    #[default]
    Electra,
    /// AdamW with bias correction (Loshchilov and Hutter).
    Adamw,
}

/// Whether the precision is the default one, which is not written: trials made before the key keep their ids.
fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

/// Pre-training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Optimizer steps; another `budget` may change the number. 0 evaluates the networks at their initial
    /// values.
    #[schemars(range(min = 0, max = 1000000000))]
    pub steps: u64,
    /// What ends pre-training: `steps`, or an `amount` of something else.
    pub budget: Budget,
    /// The number of tokens, FLOPs or seconds, if `budget` is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1e30))]
    pub amount: Option<f64>,
    /// Share of the steps after which pre-training stops, on the schedule of all steps: the result is a
    /// checkpoint of the whole run. A run with a larger share continues one with a smaller share in the same
    /// results folder.
    #[serde(skip_serializing_if = "is_whole")]
    #[schemars(range(min = 0.000001, max = 1.0))]
    pub stop_at: f64,
    /// Sequences per step.
    #[schemars(range(min = 1, max = 65536))]
    pub batch: usize,
    /// Sequences computed at a time, where a whole batch does not fit into memory: gradients are accumulated
    /// over micro-batches. Masks, samples, dropout and means are those of the whole batch, so the numbers are
    /// the same except for rounding; training is slower. Not part of the trial's id: a trial that ran out of
    /// memory resumes from its checkpoint with a smaller value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub micro_batch: Option<usize>,
    /// Longest sequence in tokens, including `[CLS]` and `[SEP]`.
    #[schemars(range(min = 8, max = 8192))]
    pub seq_len: usize,
    /// Peak learning rate.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// Warm-up steps. The warm-up factor multiplies the linear decay, as in the released code.
    pub warmup: u64,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// Decoupled weight decay, not applied to LayerNorm and biases.
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
    /// Added to the square root of the second moment.
    #[schemars(range(min = 1e-12, max = 1.0))]
    pub epsilon: f64,
    /// Precision of the factors of matrix products: `f32`, or `tf32` or `bf16` on a CUDA device.
    #[serde(skip_serializing_if = "is_f32")]
    pub precision: Precision,
    /// Steps between two training records in metrics.jsonl.
    #[schemars(range(min = 1, max = 1000000))]
    pub log_every: u64,
    /// Steps between two evaluations on held-out text.
    #[schemars(range(min = 1, max = 1000000000))]
    pub validate_every: u64,
    /// Steps between two checkpoints.
    #[schemars(range(min = 1, max = 1000000000))]
    pub checkpoint_every: u64,
    /// Largest size of a checkpoint file in megabytes (10⁶ bytes). A larger checkpoint is written as shards
    /// with an index, in the hub's format.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub checkpoint_mb: Option<u64>,
}

fn is_whole(share: &f64) -> bool {
    *share == 1.0
}

impl TrainSpec {
    /// The same, with defaults for the keys that change no number but by rounding: how often a trial logs,
    /// validates and saves, the size of its files, and of its micro-batches.
    pub fn without_bookkeeping(self) -> Self {
        let Self { log_every, validate_every, checkpoint_every, .. } = Self::default();
        Self { log_every, validate_every, checkpoint_every, checkpoint_mb: None, micro_batch: None, ..self }
    }

    /// Largest size of a checkpoint file in bytes.
    pub fn checkpoint_bytes(&self) -> Option<u64> {
        self.checkpoint_mb.map(|megabytes| 1_000_000 * megabytes)
    }

    /// The last step of a run that is scheduled for `n_steps`: at least one, unless there are none.
    pub fn last_step(&self, n_steps: u64) -> u64 {
        ((n_steps as f64 * self.stop_at).round() as u64).clamp(n_steps.min(1), n_steps)
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
    fn a_run_stops_after_its_share_of_steps() {
        let last = |stop_at, n| TrainSpec { stop_at, ..Default::default() }.last_step(n);
        assert_eq!([last(1.0, 1000), last(0.0625, 1000), last(0.5, 3), last(0.001, 10)], [1000, 63, 2, 1]);
        assert_eq!([last(1.0, 0), last(0.5, 0)], [0, 0]);
        // A trial's id hashes this text: keys that came later must not be in it by default.
        let text = serde_json::to_string(&TrainSpec::default()).unwrap();
        for word in ["stop_at", "amount", "precision"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }

    /// google-research/electra, optimization.py.
    #[test]
    fn the_default_optimizer_is_the_released_codes() {
        let TrainSpec { optimizer, weight_decay, clip_norm, beta1, beta2, epsilon, .. } =
            TrainSpec::default();
        assert_eq!(optimizer, OptimizerKind::Electra);
        assert_eq!((weight_decay, clip_norm, beta1, beta2, epsilon), (0.01, 1.0, 0.9, 0.999, 1e-6));
    }
}
