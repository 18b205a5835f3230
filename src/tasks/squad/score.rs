//! Makes the record of a score from the official scores.

use crate::error::{Error, Result};
use crate::experiment::TaskName;
use crate::records::{Score, SquadRecord};
use crate::tasks::metrics::SquadScores;

/// The score of a run: F1, with the other scores under their names in the official script. In SQuAD 2.0 it is
/// F1 at the fixed threshold.
pub fn squad_score(record: &SquadRecord, scores: &SquadScores) -> Result<Score> {
    let all = serde_json::to_value(scores)
        .map_err(|error| Error::internal("cannot write SQuAD's scores as JSON").because(error))?;
    let all = all.as_object().into_iter().flatten();
    let others = all
        .filter(|(name, _)| !["f1", "total"].contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
        .collect();
    let unanswerable = scores.no_answer_total.unwrap_or(0);
    let without_answers = 100.0 * unanswerable as f64 / scores.total.max(1) as f64;
    Ok(Score {
        task: record.task,
        synthetic: record.synthetic,
        finetune_seed: record.finetune_seed,
        metric: "f1".into(),
        value: Some(scores.f1),
        interval: scores.interval.as_ref().and_then(|intervals| intervals.f1),
        others,
        majority: if record.task == TaskName::Squad2 { without_answers } else { 0.0 },
        n_examples: scores.total,
        n_train: record.n_train,
        steps: record.steps,
        n_cut: 0,
        is_constant: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::RECORD_VERSION;

    #[test]
    fn a_score_has_the_other_scores_under_their_official_names() {
        let record = SquadRecord {
            record_version: RECORD_VERSION,
            task: TaskName::Squad2,
            synthetic: true,
            finetune_seed: 2,
            n_train: 30,
            n_windows: 40,
            steps: 3,
            no_answer_threshold: -2.75,
        };
        let scores = SquadScores {
            exact: 50.0,
            f1: 62.5,
            total: 8,
            no_answer_total: Some(2),
            best_f1: Some(75.0),
            best_f1_thresh: Some(-1.5),
            ..Default::default()
        };
        let score = squad_score(&record, &scores).unwrap();
        assert_eq!((score.value, score.majority, score.n_examples), (Some(62.5), 25.0, 8));
        let others: Vec<String> =
            score.others.iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(others, ["NoAns_total 2", "best_f1 75", "best_f1_thresh -1.5", "exact 50"]);
    }
}
