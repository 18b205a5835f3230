//! Scores of predictions that lie in files, whoever made them; nothing is trained and nothing written.
//!
//! Next: `tasks/glue/files.rs` and `tasks/squad/files.rs` for the formats, `tasks/metrics/` for the numbers.

use std::path::Path;

use crate::error::Result;
use crate::tasks::{
    GlueScores, ScoredTask, SquadPredictions, SquadScores, glue_pairs, glue_scores, squad_answers,
    squad_no_answer, squad_questions, squad_scores,
};

/// Scores a GLUE task's predictions against its gold labels; with `n_resamples`, with bootstrap intervals.
pub fn score_glue(
    task: &ScoredTask,
    gold: &Path,
    predictions: &Path,
    by_row: bool,
    n_resamples: Option<usize>,
) -> Result<GlueScores> {
    Ok(glue_scores(task, &glue_pairs(task, gold, predictions, by_row)?, n_resamples))
}

/// Scores answers to SQuAD's questions. A question with a probability of no answer above `threshold` counts as
/// answered by nothing.
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
