//! `predictions/<squad or squad2>-<finetune seed>/record.json`: how the answers in its folder were made,
//! written after them.

use serde::{Deserialize, Serialize};

use crate::experiment::TaskName;

/// How answers to SQuAD were made. They are in the same folder in the official formats: `predictions.json`
/// (the best text of each question), `nbest.json`, and for SQuAD 2.0 `na_prob.json` (the score of having no
/// answer).
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
    /// A question of SQuAD 2.0 with a higher score in `na_prob.json` is scored as having no answer.
    pub no_answer_threshold: f64,
}
