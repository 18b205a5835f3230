//! `predictions/<task>-<finetune seed>-<split>.json`: predictions for a split other than the validation
//! split.

use serde::{Deserialize, Serialize};

use super::schema::PredictedExample;
use crate::experiment::TaskName;

/// Predictions for every row of one split, in the order of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitPredictions {
    /// Format version.
    pub record_version: u32,
    /// The task that the model was fine-tuned on.
    pub task: TaskName,
    /// The split: `test`, `test_matched`, `test_mismatched`, `ax`, `validation_mismatched`.
    pub split: String,
    /// Fine-tuning seed.
    pub finetune_seed: u64,
    /// Every row; the label is -1 where it is hidden.
    pub examples: Vec<PredictedExample>,
}
