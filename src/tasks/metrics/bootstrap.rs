//! How far a score would move with other examples of the same kind: percentiles over resamples.
//!
//! Must never: draw differently for two metrics of the same examples, so that no interval depends on what else is asked.

use crate::rng::{Purpose, Stream};

/// A 95 % percentile interval of a metric: `measure` sees `n_resamples` draws of `n` examples (their indices, with
/// repetition), and the interval runs from the 2.5th to the 97.5th percentile of what it says. Draws for which the
/// metric is undefined are left out; None where these are more than one in twenty, or there is no example.
pub fn bootstrap_interval(
    n: usize,
    n_resamples: usize,
    mut measure: impl FnMut(&[usize]) -> Option<f64>,
) -> Option<[f64; 2]> {
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
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 40;
    Some([*values.get(cut)?, *values.iter().rev().nth(cut)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::metrics::classes::accuracy;
    use crate::tasks::metrics::correlation::pearson;

    fn of<T: Copy>(values: &[T], drawn: &[usize]) -> Vec<T> {
        drawn.iter().map(|&index| values[index]).collect()
    }

    /// The number of hits of a resample is binomial: with 80 hits in 100 examples it is at most 71 with probability 0.020,
    /// at most 72 with 0.034, at most 86 with 0.953 and at most 87 with 0.9747.
    #[test]
    fn accuracy_has_the_binomial_interval() {
        let said: Vec<usize> = (0..100).map(|index| usize::from(index < 80)).collect();
        let hit_rate = |drawn: &[usize]| accuracy(&of(&said, drawn), &[1; 100]);
        let [low, high] = bootstrap_interval(100, 4000, hit_rate).unwrap();
        assert!((0.71..=0.73).contains(&low) && (0.87..=0.88).contains(&high), "{low} {high}");
        assert_eq!(bootstrap_interval(100, 4000, hit_rate), Some([low, high]));
    }

    #[test]
    fn certainty_has_no_width() {
        assert_eq!(bootstrap_interval(7, 100, |drawn| accuracy(drawn, drawn)), Some([1.0, 1.0]));
        assert_eq!(bootstrap_interval(0, 100, |_| Some(1.0)), None);
    }

    /// Of three examples with two equal values, nearly a third of the resamples are constant.
    #[test]
    fn a_metric_that_is_often_undefined_has_no_interval() {
        let (said, gold) = ([1.0, 1.0, 2.0], [1.0, 2.0, 3.0]);
        let correlation = |drawn: &[usize]| pearson(&of(&said, drawn), &of(&gold, drawn));
        assert_eq!(bootstrap_interval(3, 1000, correlation), None);
    }
}
