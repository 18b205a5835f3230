//! Correlations of scores, as SciPy defines them; `golden.rs` compares the two.

/// Pearson's correlation; None for fewer than two examples, if either side is constant, or if a value is not
/// finite.
pub fn pearson(predictions: &[f64], labels: &[f64]) -> Option<f64> {
    if !predictions.iter().chain(labels).all(|value| value.is_finite()) {
        return None;
    }
    let (x, y) = (deviations(predictions)?, deviations(labels)?);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(&y) {
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    Some((xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation; tied values have their mean rank. None for fewer than two examples, if either
/// side is constant, or if a value is NaN.
pub fn spearman(predictions: &[f64], labels: &[f64]) -> Option<f64> {
    if predictions.iter().chain(labels).any(|value| value.is_nan()) {
        return None;
    }
    pearson(&ranks(predictions), &ranks(labels))
}

/// Deviations from the mean, scaled near 1 so that no square overflows or underflows. The factor is a power
/// of two, so it causes no rounding. None for constant values, whose deviations from a rounded mean would be
/// noise.
fn deviations(values: &[f64]) -> Option<Vec<f64>> {
    let first = values.first()?;
    if values.iter().all(|value| value == first) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let largest = deviations.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let scale = largest.log2().floor().exp2();
    Some(deviations.into_iter().map(|value| value / scale).collect())
}

/// Ranks from 1; tied values have their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; values.len()];
    let mut n_before = 0;
    // 0 and -0 are equal, and neighbours in the total order.
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        let rank = n_before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for (_, index) in tied {
            if let Some(slot) = ranks.get_mut(*index) {
                *slot = rank;
            }
        }
        n_before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: Option<f64>, expected: f64) {
        assert!((value.unwrap() - expected).abs() < 1e-9, "{value:?} against {expected}");
    }

    /// Ranks (1, 2.5, 2.5, 4) and (1, 3, 2, 4) give √0.9.
    #[test]
    fn spearman_with_ties() {
        close(spearman(&[1.0, 2.0, 2.0, 9.0], &[0.1, 0.3, 0.2, 0.4]), 0.9f64.sqrt());
        close(spearman(&[3.0, 2.0, 1.0], &[1.0, 2.0, 3.0]), -1.0);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0]);
    }

    /// The rounded mean of these equal numbers is another number.
    #[test]
    fn constants_have_no_correlation() {
        assert_eq!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]), None);
        assert_eq!(pearson(&[1.0], &[2.0]), None);
        assert_eq!(pearson(&[], &[]), None);
    }

    /// An infinite score has a rank, but no deviation from a mean.
    #[test]
    fn values_that_are_not_finite() {
        let labels = [1.0, 2.0, 3.0];
        assert_eq!(pearson(&[1.0, f64::INFINITY, 2.0], &labels), None);
        close(spearman(&[1.0, f64::INFINITY, 2.0], &labels), 0.5);
        assert_eq!(spearman(&[1.0, f64::NAN, 2.0], &labels), None);
    }

    #[test]
    fn squares_neither_overflow_nor_underflow() {
        close(pearson(&[1e200, -1e200, 3e200], &[1.0, 2.0, 3.0]), 0.5);
        close(pearson(&[1e-300, 2e-300, 3e-300], &[1.0, 2.0, 3.0]), 1.0);
    }
}
