//! From saved predictions to a score with its baseline.

use super::measure;
use crate::data::{LabelKind, TaskInfo};
use crate::track::{Predictions, Score};

/// The task's metric, × 100, of predictions that were read back from disk.
pub fn score(task: &TaskInfo, predictions: &Predictions) -> Score {
    let said: Vec<f64> = predictions.examples.iter().map(|example| example.prediction).collect();
    let gold: Vec<f64> = predictions.examples.iter().map(|example| example.label).collect();
    let constant = vec![predictions.majority; gold.len()];
    Score {
        task: task.task,
        synthetic: predictions.synthetic,
        finetune_seed: predictions.finetune_seed,
        metric: task.metric.as_str().into(),
        value: measure(task.metric, &said, &gold).map(|value| 100.0 * value),
        others: Default::default(),
        majority: 100.0 * measure(task.metric, &constant, &gold).unwrap_or(0.0),
        n_examples: gold.len(),
        n_train: predictions.n_train,
        steps: predictions.steps,
    }
}

/// What to say without looking at the input: the most frequent class of the training labels (the lower one of
/// equally frequent ones), or their mean.
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

    #[test]
    fn the_majority_is_the_training_sets() {
        let labels = LabelKind::Classes(&["no", "yes"]);
        assert_eq!(majority(labels, [0.0, 1.0, 1.0].into_iter()), 1.0);
        assert_eq!(majority(labels, [0.0, 1.0].into_iter()), 0.0);
        assert_eq!(majority(LabelKind::Score { min: 0.0, max: 5.0 }, [1.0, 4.0].into_iter()), 2.5);
    }
}
