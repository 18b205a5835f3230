//! `predictions/<squad or squad2>-<finetune seed>/record.json`: what the answers beside it are, written after them.

use serde::{Deserialize, Serialize};

use crate::experiment::TaskName;

/// How answers to SQuAD were made. They lie beside it in the official formats: `predictions.json` (the best text of each
/// question), `nbest.json`, and of SQuAD 2.0 `na_prob.json` (how much speaks against any answer).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SquadRecord {
    /// Format version.
    pub record_version: u32,
    /// The task.
    pub task: TaskName,
    /// Whether its questions are the built-in language's.
    pub synthetic: bool,
    /// Fine-tuning seed.
    pub finetune_seed: u64,
    /// Training questions.
    pub n_train: usize,
    /// Training windows.
    pub n_windows: usize,
    /// Optimizer steps.
    pub steps: u64,
    /// A question of SQuAD 2.0 with more than this in `na_prob.json` is scored as answered by nothing.
    pub no_answer_threshold: f64,
}
