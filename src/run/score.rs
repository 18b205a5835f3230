//! Scores of predictions that lie in files, whoever made them; nothing is trained and nothing written.
//!
//! Next: `data/glue_files.rs` and `data/squad_files.rs` for the formats, `task/metrics/` for the numbers.

use std::path::Path;

use crate::data::{ScoredTask, glue_pairs, squad_answers, squad_no_answer, squad_questions};
use crate::fault::Result;
use crate::task::{GlueScores, SquadPredictions, SquadScores, glue_scores, squad_scores};

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
