//! Scores saved predictions, with an interval and a baseline.

use std::collections::BTreeMap;

use super::metrics::{bootstrap_interval, compute_metric};
use super::table::{LabelKind, TaskInfo};
use crate::records::{Predictions, Score, SplitPredictions};

/// Number of bootstrap resamples for the interval of a score.
pub const N_RESAMPLES: usize = 1000;

/// The score of predictions that were read from disk: the task's metric × 100, with its interval over the
/// examples.
pub fn score(task: &TaskInfo, predictions: &Predictions) -> Score {
    let predicted: Vec<f64> = predictions.examples.iter().map(|example| example.prediction).collect();
    let gold: Vec<f64> = predictions.examples.iter().map(|example| example.label).collect();
    let select = |drawn: &[usize], values: &[f64]| -> Vec<f64> {
        drawn.iter().filter_map(|&index| values.get(index)).copied().collect()
    };
    let resampled =
        |drawn: &[usize]| compute_metric(task.metric, &select(drawn, &predicted), &select(drawn, &gold));
    let value = compute_metric(task.metric, &predicted, &gold);
    let interval = value.and_then(|_| bootstrap_interval(gold.len(), N_RESAMPLES, resampled));
    let constant = vec![predictions.majority; gold.len()];
    Score {
        task: task.task,
        synthetic: predictions.synthetic,
        finetune_seed: predictions.finetune_seed,
        metric: task.metric.as_str().into(),
        value: value.map(|value| 100.0 * value),
        interval: interval.map(|ends| ends.map(|end| 100.0 * end)),
        others: other_metrics(task, &predicted, &gold),
        majority: 100.0 * compute_metric(task.metric, &constant, &gold).unwrap_or(0.0),
        n_examples: gold.len(),
        n_train: predictions.n_train,
        steps: predictions.steps,
        n_cut: predictions.n_cut,
        is_constant: Some(predicted.windows(2).all(|pair| pair[0] == pair[1])),
    }
}

/// The task's other metrics, which the leaderboard averages: F1 of MRPC and QQP, Pearson's correlation of
/// STS-B.
fn other_metrics(task: &TaskInfo, predicted: &[f64], gold: &[f64]) -> BTreeMap<String, f64> {
    task.other_metrics
        .iter()
        .filter_map(|&metric| {
            Some((metric.as_str().into(), 100.0 * compute_metric(metric, predicted, gold)?))
        })
        .collect()
}

/// Adds the score of MNLI's model on the mismatched examples.
pub fn add_mismatched(score: &mut Score, task: &TaskInfo, predictions: &SplitPredictions) {
    let predicted: Vec<f64> = predictions.examples.iter().map(|example| example.prediction).collect();
    let gold: Vec<f64> = predictions.examples.iter().map(|example| example.label).collect();
    let value = compute_metric(task.metric, &predicted, &gold).map(|value| 100.0 * value);
    score.others.extend(value.map(|value| (format!("{}_mismatched", task.metric.as_str()), value)));
}

/// The best constant prediction: the most frequent class of the training labels (the first of equally
/// frequent ones), or their mean.
pub fn majority(labels: LabelKind, train: impl Iterator<Item = f32>) -> f64 {
    match labels {
        LabelKind::Classes(names) => {
            let mut counts = vec![0usize; names.len()];
            for label in train {
                if let Some(count) = counts.get_mut(label as usize) {
                    *count += 1;
                }
            }
            let most = counts.iter().copied().max().unwrap_or(0);
            counts.iter().position(|&count| count == most).unwrap_or(0) as f64
        }
        LabelKind::Score { .. } => {
            let (sum, n) = train.fold((0.0, 0.0), |(sum, n), label| (sum + f64::from(label), n + 1.0));
            if n > 0.0 { sum / n } else { 0.0 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::TaskName;
    use crate::records::{PredictedExample, RECORD_VERSION};
    use crate::tasks::table::task_info;

    /// Of 100 predictions 80 are correct; `metrics/bootstrap.rs` tests the interval of accuracy.
    #[test]
    fn a_score_has_an_interval_over_the_examples() {
        let example = |idx| PredictedExample { idx, prediction: f64::from(idx < 80), label: 1.0 };
        let predictions = Predictions {
            record_version: RECORD_VERSION,
            task: TaskName::Rte,
            synthetic: false,
            finetune_seed: 1,
            n_train: 10,
            steps: 5,
            majority: 0.0,
            n_cut: 7,
            examples: (0..100).map(example).collect(),
        };
        let score = score(&task_info(TaskName::Rte), &predictions);
        assert_eq!((score.value, score.majority, score.n_cut), (Some(80.0), 0.0, 7));
        assert_eq!(score.is_constant, Some(false));
        let [low, high] = score.interval.unwrap();
        assert!((70.0..=74.0).contains(&low) && (86.0..=89.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn the_majority_is_that_of_the_training_labels() {
        let labels = LabelKind::Classes(&["no", "yes"]);
        assert_eq!(majority(labels, [0.0, 1.0, 1.0].into_iter()), 1.0);
        assert_eq!(majority(labels, [0.0, 1.0].into_iter()), 0.0);
        assert_eq!(majority(LabelKind::Score { min: 0.0, max: 5.0 }, [1.0, 4.0].into_iter()), 2.5);
    }
}
