//! The scores of anyone's predictions for a GLUE task.
//!
//! Next: `metrics/` for what the numbers mean, `tasks/glue/files.rs` for the files they come from.

use super::files::GluePairs;
use crate::tasks::metrics::bootstrap::bootstrap_interval;
use crate::tasks::metrics::measure;
use crate::tasks::scored_tasks::ScoredTask;
use crate::tasks::table::Metric;

/// All metrics of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct GlueScores {
    /// The task's word.
    pub task: &'static str,
    /// Scored examples.
    pub n: usize,
    /// The paper's metric first.
    pub metrics: Vec<MetricValue>,
}

/// One metric, not × 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricValue {
    /// Which.
    pub metric: Metric,
    /// None where it is undefined.
    pub value: Option<f64>,
    /// 95 % bootstrap interval over examples, where asked for and defined.
    pub interval: Option<[f64; 2]>,
}

/// Scores predictions; with `n_resamples`, with intervals.
pub fn glue_scores(task: &ScoredTask, pairs: &GluePairs, n_resamples: Option<usize>) -> GlueScores {
    let n = pairs.labels.len();
    let metrics = task.metrics.iter().map(|&metric| {
        let of = |drawn: &[usize], values: &[f64]| -> Vec<f64> {
            drawn.iter().filter_map(|&index| values.get(index)).copied().collect()
        };
        let again =
            |drawn: &[usize]| measure(metric, &of(drawn, &pairs.predictions), &of(drawn, &pairs.labels));
        let value = measure(metric, &pairs.predictions, &pairs.labels);
        let interval = n_resamples.filter(|_| value.is_some()).and_then(|k| bootstrap_interval(n, k, again));
        MetricValue { metric, value, interval }
    });
    GlueScores { task: task.word, n, metrics: metrics.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::scored_tasks::scored_task;

    #[test]
    fn every_metric_of_the_task_is_there() {
        let pairs = GluePairs { labels: vec![1.0, 0.0, 1.0, 1.0], predictions: vec![1.0, 1.0, 1.0, 0.0] };
        let scores = glue_scores(&scored_task("qqp").unwrap(), &pairs, Some(200));
        let values: Vec<_> = scores.metrics.iter().map(|one| (one.metric, one.value)).collect();
        assert_eq!(values, [(Metric::Accuracy, Some(0.5)), (Metric::F1, Some(2.0 / 3.0))]);
        let [low, high] = scores.metrics[0].interval.unwrap();
        assert!((0.0..0.5).contains(&low) && (0.5..=1.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn an_undefined_correlation_has_no_value_and_no_interval() {
        let pairs = GluePairs { labels: vec![1.0, 2.0], predictions: vec![3.0, 3.0] };
        let scores = glue_scores(&scored_task("stsb").unwrap(), &pairs, Some(200));
        assert!(scores.metrics.iter().all(|one| one.value.is_none() && one.interval.is_none()));
    }
}
