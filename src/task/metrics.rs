//! Scores of predictions against gold labels, as scikit-learn and SciPy define them.

/// Share of predictions that equal their label; None of none.
pub fn accuracy(predictions: &[usize], labels: &[usize]) -> Option<f64> {
    let hits = predictions.iter().zip(labels).filter(|(a, b)| a == b).count();
    (!labels.is_empty()).then(|| hits as f64 / labels.len() as f64)
}

/// Matthews correlation of two classes; 0 where either side is constant (scikit-learn's convention).
pub fn matthews(predictions: &[usize], labels: &[usize]) -> Option<f64> {
    if labels.is_empty() {
        return None;
    }
    let count = |p: bool, l: bool| {
        let pairs = predictions.iter().zip(labels);
        pairs.filter(|(a, b)| (**a != 0) == p && (**b != 0) == l).count() as f64
    };
    let (tp, tn, fp, fn_) = (count(true, true), count(false, false), count(true, false), count(false, true));
    let product = (tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_);
    Some(if product == 0.0 { 0.0 } else { (tp * tn - fp * fn_) / product.sqrt() })
}

/// Spearman's rank correlation, tied values at their mean rank; None where either side is constant.
pub fn spearman(predictions: &[f64], labels: &[f64]) -> Option<f64> {
    pearson(&ranks(predictions), &ranks(labels))
}

fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx.sqrt() * yy.sqrt()))
}

/// Ranks from 1; ties share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let tied = order[start..].iter().take_while(|&&i| values[i] == values[order[start]]).count().max(1);
        for &i in &order[start..start + tied] {
            ranks[i] = start as f64 + (tied as f64 + 1.0) / 2.0;
        }
        start += tied;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: Option<f64>, expected: f64) {
        assert!((value.unwrap() - expected).abs() < 1e-9, "{value:?} against {expected}");
    }

    /// By hand from the four counts; scikit-learn defines a constant side as 0.
    #[test]
    fn matthews_as_scikit_learn() {
        close(matthews(&[1, 0, 1, 1], &[1, 1, 1, 0]), -1.0 / 3.0);
        close(matthews(&[1, 1, 0, 0, 1, 0], &[1, 0, 0, 0, 1, 1]), 1.0 / 3.0);
        assert_eq!(matthews(&[1, 1, 1], &[1, 0, 1]), Some(0.0));
        assert_eq!(matthews(&[], &[]), None);
    }

    /// By hand: ranks (1, 2.5, 2.5, 4) against (1, 3, 2, 4) give √0.9.
    #[test]
    fn spearman_with_ties() {
        close(spearman(&[1.0, 2.0, 2.0, 9.0], &[0.1, 0.3, 0.2, 0.4]), 0.9f64.sqrt());
        close(spearman(&[3.0, 2.0, 1.0], &[1.0, 2.0, 3.0]), -1.0);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn accuracy_counts_hits() {
        assert_eq!(accuracy(&[1, 0, 2], &[1, 1, 2]), Some(2.0 / 3.0));
        assert_eq!(accuracy(&[], &[]), None);
    }
}
