//! The median, and the fine-tuning run that stands for several.
//!
//! Must never: take the best of several runs. Next: `report/runs.rs` shows the median with the spread of the
//! runs.

/// The median: the middle value, or the mean of the two in the middle. None without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let (lower, upper) = middle(values.to_vec(), f64::total_cmp)?;
    // The mean of a value with itself might round.
    Some(if values.len() % 2 == 1 { upper } else { (lower + upper) / 2.0 })
}

/// The run with the median score, where `figure` is the score and the fine-tuning seed of a run. Of an even
/// number of runs it is the lower of the two in the middle, so that it is a run that took place; of equal
/// scores it is the one with the smallest seed. Runs without a score are left out; None if no run has one.
pub fn median_run<T: Copy>(
    runs: impl IntoIterator<Item = T>,
    figure: impl Fn(T) -> Option<(f64, u64)>,
) -> Option<T> {
    let defined: Vec<((f64, u64), T)> =
        runs.into_iter().filter_map(|run| Some((figure(run)?, run))).collect();
    let order = |((a, seed), _): &((f64, u64), T), ((b, other), _): &((f64, u64), T)| {
        a.total_cmp(b).then(seed.cmp(other))
    };
    middle(defined, order).map(|((_, lower), _)| lower)
}

/// The two values in the middle, the lower one first; of an odd number of values both are the same.
fn middle<T: Copy>(mut values: Vec<T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> Option<(T, T)> {
    values.sort_by(order);
    let last = values.len().checked_sub(1)?;
    Some((*values.get(last / 2)?, *values.get(values.len() / 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_lower_median_is_a_run_and_never_the_best() {
        let seed = |values: &[Option<f64>]| {
            let runs = (1..).zip(values.iter().copied());
            median_run(runs, |(seed, value): (u64, Option<f64>)| Some((value?, seed))).map(|(seed, _)| seed)
        };
        assert_eq!(seed(&[Some(3.0), Some(1.0), Some(2.0)]), Some(3));
        assert_eq!(seed(&[Some(4.0), Some(1.0), Some(3.0), Some(2.0)]), Some(4));
        assert_eq!(seed(&[Some(9.0), Some(8.0)]), Some(2));
        assert_eq!(seed(&[Some(7.0), Some(7.0), Some(7.0), Some(7.0)]), Some(2));
        assert_eq!(seed(&[None, Some(5.0), None]), Some(2));
        assert_eq!(seed(&[None]), None);
    }
}
