//! Bootstrap intervals of scores: percentiles over resamples of the examples.
//!
//! Must never: draw other resamples for another metric of the same examples; intervals must not depend on
//! each other.

use crate::rng::{Purpose, Stream};

/// A 95 % percentile interval of a metric. `measure` computes the metric for `n_resamples` draws of `n`
/// examples (their indices, with repetition); the interval is from the 2.5th to the 97.5th percentile. Draws
/// with an undefined metric are left out. None if more than one in twenty is undefined, or if there are no
/// examples.
pub fn bootstrap_interval(
    n: usize,
    n_resamples: usize,
    measure: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<[f64; 2]> {
    let mut values = resampled_values(n, n_resamples, measure)?;
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 40;
    Some([*values.get(cut)?, *values.iter().rev().nth(cut)?])
}

/// The bootstrap's standard error of a metric: the standard deviation over the same draws.
pub fn bootstrap_standard_error(
    n: usize,
    n_resamples: usize,
    measure: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<f64> {
    let values = resampled_values(n, n_resamples, measure)?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / values.len() as f64).sqrt())
}

/// The metric of every draw that defines it; None if more than one in twenty does not.
fn resampled_values(
    n: usize,
    n_resamples: usize,
    mut measure: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<Vec<f64>> {
    if n == 0 {
        return None;
    }
    let mut stream = Stream::new(0, Purpose::Bootstrap, 0, 0);
    let mut drawn = vec![0; n];
    let mut values = Vec::with_capacity(n_resamples);
    for _ in 0..n_resamples {
        drawn.fill_with(|| stream.below(n));
        values.extend(measure(&drawn));
    }
    if (n_resamples - values.len()) * 20 > n_resamples {
        return None;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::metrics::{accuracy, pearson};

    fn select<T: Copy>(values: &[T], drawn: &[usize]) -> Vec<T> {
        drawn.iter().map(|&index| values[index]).collect()
    }

    /// The number of correct predictions in a resample is binomial: with 80 of 100 it is at most 71 with
    /// probability 0.020, at most 72 with 0.034, at most 86 with 0.953 and at most 87 with 0.9747.
    #[test]
    fn accuracy_has_the_binomial_interval() {
        let predicted: Vec<usize> = (0..100).map(|index| usize::from(index < 80)).collect();
        let accuracy_of = |drawn: &[usize]| accuracy(&select(&predicted, drawn), &[1; 100]);
        let [low, high] = bootstrap_interval(100, 4000, accuracy_of).unwrap();
        assert!((0.71..=0.73).contains(&low) && (0.87..=0.88).contains(&high), "{low} {high}");
        assert_eq!(bootstrap_interval(100, 4000, accuracy_of), Some([low, high]));
    }

    /// √(0.8 × 0.2 / 100) is 0.04; the deviation of 4000 draws has a standard error of 0.0004.
    #[test]
    fn accuracy_has_the_binomial_standard_error() {
        let predicted: Vec<usize> = (0..100).map(|index| usize::from(index < 80)).collect();
        let accuracy_of = |drawn: &[usize]| accuracy(&select(&predicted, drawn), &[1; 100]);
        let found = bootstrap_standard_error(100, 4000, accuracy_of).unwrap();
        assert!((found - 0.04).abs() < 0.0015, "{found}");
        assert_eq!(bootstrap_standard_error(0, 100, |_| Some(1.0)), None);
    }

    #[test]
    fn a_perfect_score_has_an_interval_of_width_zero() {
        assert_eq!(bootstrap_interval(7, 100, |drawn| accuracy(drawn, drawn)), Some([1.0, 1.0]));
        assert_eq!(bootstrap_interval(0, 100, |_| Some(1.0)), None);
    }

    /// Of three examples with two equal values, nearly a third of the resamples are constant.
    #[test]
    fn a_metric_that_is_often_undefined_has_no_interval() {
        let (predicted, gold) = ([1.0, 1.0, 2.0], [1.0, 2.0, 3.0]);
        let correlation = |drawn: &[usize]| pearson(&select(&predicted, drawn), &select(&gold, drawn));
        assert_eq!(bootstrap_interval(3, 1000, correlation), None);
    }
}
