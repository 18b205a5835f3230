//! Steps, batch, optimizer and schedule of pre-training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When pre-training ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// After `steps` steps.
    #[default]
    Steps,
    /// After as many steps as cost the FLOPs (by the exact counter) that replaced-token detection takes for `steps` steps with this
    /// model and batch: equal compute for an objective whose step costs less.
    RtdFlops,
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

/// Pre-training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Optimizer steps (see `budget`).
    #[schemars(range(min = 1, max = 1000000000))]
    pub steps: u64,
    /// What `steps` counts.
    pub budget: Budget,
    /// Sequences a step.
    #[schemars(range(min = 1, max = 65536))]
    pub batch: usize,
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
    /// Steps between two lines of metrics.jsonl.
    #[schemars(range(min = 1, max = 1000000))]
    pub log_every: u64,
    /// Steps between two evaluations on held-out text.
    #[schemars(range(min = 1, max = 1000000000))]
    pub validate_every: u64,
    /// Steps between two checkpoints.
    #[schemars(range(min = 1, max = 1000000000))]
    pub checkpoint_every: u64,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            steps: 1000,
            budget: Budget::Steps,
            batch: 32,
            seq_len: 128,
            learning_rate: 5e-4,
            warmup: 100,
            optimizer: OptimizerKind::Electra,
            weight_decay: 0.01,
            clip_norm: 1.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            log_every: 20,
            validate_every: 500,
            checkpoint_every: 500,
        }
    }
}
