//! Scores predictions for a GLUE task, from any program.
//!
//! Next: `metrics/` defines the metrics, `files.rs` reads the files.

use super::files::GluePairs;
use crate::tasks::metrics::{bootstrap_interval, compute_metric};
use crate::tasks::table::{Metric, TaskInfo};

/// All metrics of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct GlueScores {
    /// The name of the task.
    pub task: &'static str,
    /// Number of scored examples.
    pub n: usize,
    /// The paper's metric first.
    pub metrics: Vec<MetricValue>,
}

/// The value of a metric, from -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricValue {
    /// The metric.
    pub metric: Metric,
    /// None if it is undefined.
    pub value: Option<f64>,
    /// 95 % bootstrap interval over examples, if it is wanted and defined.
    pub interval: Option<[f64; 2]>,
}

/// Scores predictions; with `n_resamples`, adds intervals.
pub fn glue_scores(task: &TaskInfo, pairs: &GluePairs, n_resamples: Option<usize>) -> GlueScores {
    let n = pairs.labels.len();
    let metrics = task.metrics().map(|metric| {
        let select = |drawn: &[usize], values: &[f64]| -> Vec<f64> {
            drawn.iter().filter_map(|&index| values.get(index)).copied().collect()
        };
        let resampled = |drawn: &[usize]| {
            compute_metric(metric, &select(drawn, &pairs.predictions), &select(drawn, &pairs.labels))
        };
        let value = compute_metric(metric, &pairs.predictions, &pairs.labels);
        let interval =
            n_resamples.filter(|_| value.is_some()).and_then(|k| bootstrap_interval(n, k, resampled));
        MetricValue { metric, value, interval }
    });
    GlueScores { task: task.name, n, metrics: metrics.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::table::glue_task;

    #[test]
    fn every_metric_of_the_task_is_computed() {
        let pairs = GluePairs { labels: vec![1.0, 0.0, 1.0, 1.0], predictions: vec![1.0, 1.0, 1.0, 0.0] };
        let scores = glue_scores(glue_task("qqp").unwrap(), &pairs, Some(200));
        let values: Vec<_> = scores.metrics.iter().map(|one| (one.metric, one.value)).collect();
        assert_eq!(values, [(Metric::Accuracy, Some(0.5)), (Metric::F1, Some(2.0 / 3.0))]);
        let [low, high] = scores.metrics[0].interval.unwrap();
        assert!((0.0..0.5).contains(&low) && (0.5..=1.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn an_undefined_correlation_has_no_value_and_no_interval() {
        let pairs = GluePairs { labels: vec![1.0, 2.0], predictions: vec![3.0, 3.0] };
        let scores = glue_scores(glue_task("stsb").unwrap(), &pairs, Some(200));
        assert!(scores.metrics.iter().all(|one| one.value.is_none() && one.interval.is_none()));
    }
}
