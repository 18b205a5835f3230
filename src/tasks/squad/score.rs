//! A score's record from the official figures.

use crate::error::{Error, Result};
use crate::experiment::TaskName;
use crate::records::{Score, SquadRecord};
use crate::tasks::metrics::squad::SquadScores;

/// The score of a run whose answers have these figures: F1, with the official script's other figures under their names.
/// In SQuAD 2.0 it is F1 at the fixed threshold.
pub fn squad_score(record: &SquadRecord, figures: &SquadScores) -> Result<Score> {
    let all = serde_json::to_value(figures)
        .map_err(|error| Error::internal("cannot write SQuAD's figures as JSON").because(error))?;
    let all = all.as_object().into_iter().flatten();
    let others = all
        .filter(|(name, _)| !["f1", "total"].contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
        .collect();
    let unanswerable = figures.no_answer_total.unwrap_or(0);
    let silent = 100.0 * unanswerable as f64 / figures.total.max(1) as f64;
    Ok(Score {
        task: record.task,
        synthetic: record.synthetic,
        finetune_seed: record.finetune_seed,
        metric: "f1".into(),
        value: Some(figures.f1),
        interval: figures.interval.as_ref().and_then(|intervals| intervals.f1),
        others,
        majority: if record.task == TaskName::Squad2 { silent } else { 0.0 },
        n_examples: figures.total,
        n_train: record.n_train,
        steps: record.steps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::RECORD_VERSION;

    #[test]
    fn a_score_has_the_official_names_beside_it() {
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
        let figures = SquadScores {
            exact: 50.0,
            f1: 62.5,
            total: 8,
            no_answer_total: Some(2),
            best_f1: Some(75.0),
            best_f1_thresh: Some(-1.5),
            ..Default::default()
        };
        let score = squad_score(&record, &figures).unwrap();
        assert_eq!((score.value, score.majority, score.n_examples), (Some(62.5), 25.0, 8));
        let others: Vec<String> =
            score.others.iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(others, ["NoAns_total 2", "best_f1 75", "best_f1_thresh -1.5", "exact 50"]);
    }
}
