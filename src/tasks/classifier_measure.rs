//! The measure of a linear model's predictions for a task: its metric × 100, standard error and chance.

use super::EncodedExample;
use super::metrics::{bootstrap_standard_error, compute_metric};
use super::score::{N_RESAMPLES, majority};
use super::table::{Metric, TaskInfo};
use crate::records::Measure;

/// The measure of predictions for `validation`. Its chance is the score of the most frequent class of the
/// training examples, or of their mean score (0 where the metric of a constant is undefined).
pub fn measure_of_predictions(
    task: &TaskInfo,
    predictions: &[f64],
    train: &[EncodedExample],
    validation: &[EncodedExample],
) -> Measure {
    let gold: Vec<f64> = validation.iter().map(|example| f64::from(example.label)).collect();
    let constant = majority(task.labels, train.iter().map(|example| example.label));
    let chance = compute_metric(task.metric, &vec![constant; gold.len()], &gold).unwrap_or(0.0);
    Measure {
        value: compute_metric(task.metric, predictions, &gold).map(|value| 100.0 * value),
        standard_error: standard_error(task.metric, predictions, &gold).map(|error| 100.0 * error),
        chance: Some(100.0 * chance),
        n: gold.len() as u64,
        ..Measure::default()
    }
}

/// The binomial standard error of an accuracy; of a correlation, the standard deviation over bootstrap
/// resamples of the examples.
fn standard_error(metric: Metric, predictions: &[f64], gold: &[f64]) -> Option<f64> {
    let value = compute_metric(metric, predictions, gold)?;
    if metric == Metric::Accuracy {
        return Some((value * (1.0 - value) / gold.len() as f64).sqrt());
    }
    let select = |drawn: &[usize], values: &[f64]| -> Vec<f64> {
        drawn.iter().filter_map(|&index| values.get(index)).copied().collect()
    };
    bootstrap_standard_error(gold.len(), N_RESAMPLES, |drawn| {
        compute_metric(metric, &select(drawn, predictions), &select(drawn, gold))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::TaskName;
    use crate::tasks::table::task_info;

    fn examples(labels: impl Iterator<Item = f32>) -> Vec<EncodedExample> {
        let example = |label| EncodedExample {
            idx: 0,
            input_ids: vec![2, 3],
            token_type_ids: vec![0, 0],
            label,
            is_cut: false,
        };
        labels.map(example).collect()
    }

    #[test]
    fn an_accuracy_has_a_binomial_standard_error_and_the_majority_class() {
        let (train, validation) =
            (examples([0.0, 1.0, 1.0].into_iter()), examples((0..100).map(|index| f32::from(index < 55))));
        let predictions: Vec<f64> = (0..100).map(|index| f64::from(index < 75)).collect();
        let measure = measure_of_predictions(&task_info(TaskName::Rte), &predictions, &train, &validation);
        assert_eq!((measure.value, measure.chance, measure.n), (Some(80.0), Some(55.00000000000001), 100));
        assert!((measure.standard_error.unwrap() - 4.0).abs() < 1e-9);
    }

    /// Fisher's √((1 - r²)² / n), to which a balanced table of two classes comes close.
    #[test]
    fn a_correlation_has_a_standard_error_by_bootstrap() {
        let validation = examples((0..400).map(|index| f32::from(index % 2 == 0)));
        let predictions: Vec<f64> = (0..400)
            .map(|index| f64::from((index % 2 == 0) == (index % 10 != 3 && index % 10 != 6)))
            .collect();
        let task = task_info(TaskName::Cola);
        let measure = measure_of_predictions(&task, &predictions, &validation, &validation);
        assert!((measure.value.unwrap() - 60.0).abs() < 1e-9, "{:?}", measure.value);
        assert_eq!(measure.chance, Some(0.0));
        let expected = 100.0 * ((1.0f64 - 0.36) / 400.0).sqrt();
        let found = measure.standard_error.unwrap();
        assert!((found / expected - 1.0).abs() < 0.1, "{found}, about {expected}");
    }
}
