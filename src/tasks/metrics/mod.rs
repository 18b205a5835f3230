//! How good predictions are, to the digit of scikit-learn, SciPy and the official SQuAD script.
//!
//! A metric is a share or a correlation, never × 100 (SQuAD's are percentages, as its script prints them). What has
//! no value is `None`, which JSON shows as null; where the reference defines a degenerate case, so do we:
//!
//! | case | accuracy | Matthews | F1 | Pearson, Spearman |
//! | --- | --- | --- | --- | --- |
//! | no example | None (refused there) | None (refused) | None (refused) | None (refused or nan) |
//! | one example | 0 or 1 | 0 | 0 or 1 | None (refused or nan) |
//! | one side constant | as ever | 0 | as ever | None (nan) |
//! | no positive on either side | as ever | 0 | 0 | as ever |
//! | a value that is not a number | - | - | - | None (nan) |
//!
//! Must never: read a file, or know of a model. Next: `golden.rs` holds them to the references.

pub mod answers;
pub mod bootstrap;
pub mod classes;
pub mod correlation;
#[cfg(test)]
pub mod golden;
pub mod python_text;
pub mod squad;

pub use answers::{exact_match, normalize_answer, token_f1};
pub use bootstrap::bootstrap_interval;
pub use classes::{accuracy, f1, matthews};
pub use correlation::{pearson, spearman};
pub use squad::{SquadIntervals, SquadPredictions, SquadScores, squad_scores};

use super::table::Metric;

/// A metric of predictions against gold labels: class numbers, or scores. Classes are whole numbers from 0.
pub fn measure(metric: Metric, predictions: &[f64], labels: &[f64]) -> Option<f64> {
    let classes = |values: &[f64]| values.iter().map(|&value| value as usize).collect::<Vec<_>>();
    match metric {
        Metric::Accuracy => accuracy(&classes(predictions), &classes(labels)),
        Metric::F1 => f1(&classes(predictions), &classes(labels)),
        Metric::Matthews => matthews(&classes(predictions), &classes(labels)),
        Metric::Pearson => pearson(predictions, labels),
        Metric::Spearman => spearman(predictions, labels),
    }
}
