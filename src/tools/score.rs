//! Scores predictions in files of any origin. Must never: train or write anything.
//!
//! Next: `tasks/glue/files.rs` and `tasks/squad/files.rs` for the formats, `tasks/metrics/` for the numbers.

use std::path::Path;

use crate::error::Result;
use crate::tasks::{
    GlueScores, SquadPredictions, SquadScores, TaskInfo, glue_pairs, glue_scores, squad_answers,
    squad_no_answer, squad_questions, squad_scores,
};

/// Scores predictions of a GLUE task against its gold labels; `n_resamples` asks for bootstrap intervals.
pub fn score_glue(
    task: &TaskInfo,
    gold: &Path,
    predictions: &Path,
    by_row: bool,
    n_resamples: Option<usize>,
) -> Result<GlueScores> {
    Ok(glue_scores(task, &glue_pairs(task, gold, predictions, by_row)?, n_resamples))
}

/// Scores answers to SQuAD's questions. A question with a probability of no answer above `threshold` counts
/// as answered by nothing.
pub fn score_squad(
    dataset: &Path,
    predictions: &Path,
    no_answer: Option<&Path>,
    threshold: f64,
    n_resamples: Option<usize>,
) -> Result<SquadScores> {
    let questions = squad_questions(dataset)?;
    let predictions = SquadPredictions {
        answers: squad_answers(predictions)?,
        no_answer: no_answer.map(squad_no_answer).transpose()?,
        no_answer_threshold: threshold,
    };
    squad_scores(&questions, &predictions, n_resamples)
}
