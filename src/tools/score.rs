//! Scores predictions in files of any origin. Must never: train or write anything.
//!
//! Next: `tasks/glue/files.rs`, `tasks/squad/files.rs` and `records/pair_scores.rs` for the formats,
//! `tasks/metrics/` and `tasks/minimal_pairs/` for the numbers.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::records::{PairScores, read_pair_scores};
use crate::tasks::{
    GlueScores, PairSummary, SquadPredictions, SquadScores, TaskInfo, glue_pairs, glue_scores, squad_answers,
    squad_no_answer, squad_questions, squad_scores, summarise_pairs,
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

/// The accuracies of one set of minimal pairs by one scorer.
pub struct PairAccuracies {
    /// The set.
    pub set: String,
    /// The scorer.
    pub scorer: String,
    /// Its accuracies.
    pub summary: PairSummary,
}

/// The accuracies of a file of scores of minimal pairs, per set and scorer in the order of the file.
pub fn score_minimal_pairs(path: &Path) -> Result<Vec<PairAccuracies>> {
    let accuracies = read_pair_scores(path)?.into_iter().filter_map(|PairScores { set, scorer, scores }| {
        Some(PairAccuracies { set, scorer, summary: summarise_pairs(&scores)? })
    });
    let accuracies: Vec<PairAccuracies> = accuracies.collect();
    if accuracies.is_empty() {
        let what = format!("{} has no pairs", path.display());
        return Err(Error::new(ErrorKind::Data, what, "write one line per pair below the header"));
    }
    Ok(accuracies)
}
