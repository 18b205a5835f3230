//! The metrics of the tasks, equal to those of scikit-learn, SciPy and the official SQuAD script.
//!
//! A metric is a share or a correlation, not multiplied by 100; only SQuAD's are percentages, as in its
//! script. An undefined metric is `None`, or null in JSON. Degenerate cases are those of the reference:
//!
//! | case | accuracy | Matthews | F1 | Pearson, Spearman |
//! | --- | --- | --- | --- | --- |
//! | no example | None (an error there) | None (error) | None (error) | None (error or nan) |
//! | one example | 0 or 1 | 0 | 0 or 1 | None (error or nan) |
//! | one side constant | as usual | 0 | as usual | None (nan) |
//! | no positive on either side | as usual | 0 | 0 | as usual |
//! | a value that is not a number | - | - | - | None (nan) |
//!
//! Must never: read a file, or know about a model. Next: `golden.rs` compares them with the references.

mod answers;
mod bootstrap;
mod classes;
mod correlation;
#[cfg(test)]
mod golden;
mod python_text;
mod squad;

#[cfg(test)]
pub(super) use answers::exact_match;
pub use bootstrap::{bootstrap_interval, bootstrap_standard_error};
#[cfg(test)]
pub use squad::SquadIntervals;
pub use squad::{SquadPredictions, SquadScores, squad_scores};

use classes::{accuracy, f1, matthews};
use correlation::{pearson, spearman};

use super::table::Metric;

/// Computes a metric of predictions and gold labels. Both are class numbers from 0, or scores.
pub fn compute_metric(metric: Metric, predictions: &[f64], labels: &[f64]) -> Option<f64> {
    let classes = |values: &[f64]| values.iter().map(|&value| value as usize).collect::<Vec<_>>();
    match metric {
        Metric::Accuracy => accuracy(&classes(predictions), &classes(labels)),
        Metric::F1 => f1(&classes(predictions), &classes(labels)),
        Metric::Matthews => matthews(&classes(predictions), &classes(labels)),
        Metric::Pearson => pearson(predictions, labels),
        Metric::Spearman => spearman(predictions, labels),
    }
}
