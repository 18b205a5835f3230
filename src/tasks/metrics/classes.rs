//! Metrics of classes, as scikit-learn defines them; `golden.rs` compares the two.

use std::collections::BTreeMap;

/// Share of predictions that are equal to their label; None without examples.
pub fn accuracy(predictions: &[usize], labels: &[usize]) -> Option<f64> {
    let n_correct = predictions.iter().zip(labels).filter(|(a, b)| a == b).count();
    (!labels.is_empty()).then(|| n_correct as f64 / labels.len() as f64)
}

/// Matthews correlation of any number of classes (scikit-learn's `matthews_corrcoef`, Gorodkin's R_K): 0 if
/// either side is constant; None without examples.
pub fn matthews(predictions: &[usize], labels: &[usize]) -> Option<f64> {
    if labels.is_empty() {
        return None;
    }
    // How often each class is predicted, and how often it is the label.
    let mut counts: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    let mut n_correct = 0.0;
    for (prediction, label) in predictions.iter().zip(labels) {
        counts.entry(*prediction).or_default().0 += 1.0;
        counts.entry(*label).or_default().1 += 1.0;
        n_correct += f64::from(u8::from(prediction == label));
    }
    let n = labels.len() as f64;
    let sum_over_classes = |term: fn(&(f64, f64)) -> f64| counts.values().map(term).sum::<f64>();
    let covariance = n_correct * n - sum_over_classes(|(predicted, gold)| predicted * gold);
    let variance_of_predictions = n * n - sum_over_classes(|(predicted, _)| predicted * predicted);
    let variance_of_labels = n * n - sum_over_classes(|(_, gold)| gold * gold);
    let product = variance_of_labels * variance_of_predictions;
    Some(if product == 0.0 { 0.0 } else { covariance / product.sqrt() })
}

/// F1 of class 1 (scikit-learn's `f1_score` of two classes): 0 if class 1 is neither predicted nor a label;
/// None without examples.
pub fn f1(predictions: &[usize], labels: &[usize]) -> Option<f64> {
    let positives = |values: &[usize]| values.iter().filter(|&&value| value == 1).count();
    let n_correct = predictions.iter().zip(labels).filter(|pair| *pair == (&1, &1)).count();
    let both = positives(predictions) + positives(labels);
    let value = if both == 0 { 0.0 } else { 2.0 * n_correct as f64 / both as f64 };
    (!labels.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: Option<f64>, expected: f64) {
        assert!((value.unwrap() - expected).abs() < 1e-9, "{value:?} against {expected}");
    }

    /// Computed by hand from the four counts.
    #[test]
    fn matthews_by_hand() {
        close(matthews(&[1, 0, 1, 1], &[1, 1, 1, 0]), -1.0 / 3.0);
        close(matthews(&[1, 1, 0, 0, 1, 0], &[1, 0, 0, 0, 1, 1]), 1.0 / 3.0);
        assert_eq!(matthews(&[1, 1, 1], &[1, 0, 1]), Some(0.0));
        assert_eq!(matthews(&[1], &[1]), Some(0.0));
        assert_eq!(matthews(&[], &[]), None);
    }

    /// The numbers of the classes do not matter, but a class that only one side has does.
    #[test]
    fn matthews_of_three_classes() {
        let (predicted, gold) = ([0, 1, 2, 2, 1, 0], [0, 1, 2, 1, 1, 2]);
        let renamed = |values: [usize; 6]| values.map(|value| [700, 3, usize::MAX][value]);
        assert_eq!(matthews(&predicted, &gold), matthews(&renamed(predicted), &renamed(gold)));
        close(matthews(&[0, 1, 2], &[0, 1, 1]), 3.0 / (24.0f64).sqrt());
    }

    #[test]
    fn accuracy_is_the_share_of_correct_predictions() {
        assert_eq!(accuracy(&[1, 0, 2], &[1, 1, 2]), Some(2.0 / 3.0));
        assert_eq!(accuracy(&[], &[]), None);
    }

    #[test]
    fn f1_is_that_of_class_one() {
        close(f1(&[1, 1, 0, 0], &[1, 0, 1, 0]), 0.5);
        assert_eq!(f1(&[0, 0], &[0, 0]), Some(0.0));
        assert_eq!(f1(&[], &[]), None);
    }
}
