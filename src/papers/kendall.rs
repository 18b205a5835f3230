//! Kendall's tau between a published order and measured values.
//!
//! Must never: round a tie to an agreement.

/// Points whose orders are all counted, at most: 7 points have 5040 orders.
const MOST_PERMUTED: usize = 7;

/// Kendall's tau of ranks (0 is the best) and values (the highest is the best): the pairs in the order of the
/// ranks minus the others, divided by the number of pairs that the ranks order. A pair of equal values counts
/// as neither. Returns tau and the number of pairs; None if the ranks order no pair.
pub fn tau(points: &[(usize, f64)]) -> Option<(f64, usize)> {
    let mut sum = 0.0;
    let mut n_pairs = 0;
    for (index, (rank, value)) in points.iter().enumerate() {
        for (other_rank, other) in points.iter().skip(index + 1).filter(|(other, _)| other != rank) {
            let better_first = if rank < other_rank { value - other } else { other - value };
            // f64::signum gives 1 for a difference of zero.
            sum += if better_first == 0.0 { 0.0 } else { better_first.signum() };
            n_pairs += 1;
        }
    }
    (n_pairs > 0).then(|| (sum / n_pairs as f64, n_pairs))
}

/// Probability that a random order of the ranked points has a tau of at least `least`, from a count of all
/// orders; None for more than seven points.
pub fn probability_by_chance(ranks: &[usize], least: f64) -> Option<f64> {
    if ranks.len() > MOST_PERMUTED {
        return None;
    }
    let mut orders: Vec<Vec<f64>> = vec![Vec::new()];
    for place in 0..ranks.len() {
        // Insert the next value at every position of every order so far.
        let longer = |order: &Vec<f64>| {
            let insert = |at: usize| {
                let (before, after) = order.split_at(at);
                [before, &[place as f64], after].concat()
            };
            (0..=order.len()).map(insert).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    let reaches = |order: &&Vec<f64>| {
        let points: Vec<(usize, f64)> = ranks.iter().copied().zip(order.iter().copied()).collect();
        tau(&points).is_some_and(|(tau, _)| tau >= least - 1e-9)
    };
    Some(orders.iter().filter(reaches).count() as f64 / orders.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranks 0, 1, 1, 3 order five pairs. With values 9, 7, 8, 7 four of them agree and (7, 7) is a tie.
    #[test]
    fn tau_by_hand() {
        assert_eq!(tau(&[(0, 9.0), (1, 7.0), (1, 8.0), (3, 7.0)]), Some((0.8, 5)));
        assert_eq!(tau(&[(0, 1.0), (1, 2.0), (2, 3.0)]), Some((-1.0, 3)));
        assert_eq!(tau(&[(0, 3.0), (1, 1.0), (2, 2.0)]), Some((1.0 / 3.0, 3)));
        assert_eq!(tau(&[(0, 1.0), (0, 2.0)]), None);
    }

    /// Three points have six orders. One is the published order, three have at most one pair reversed.
    #[test]
    fn all_orders_are_counted() {
        assert_eq!(probability_by_chance(&[0, 1, 2], 1.0), Some(1.0 / 6.0));
        assert_eq!(probability_by_chance(&[0, 1, 2], 1.0 / 3.0), Some(0.5));
        assert_eq!(probability_by_chance(&[0, 1, 2], -1.0), Some(1.0));
        assert_eq!(probability_by_chance(&[0, 1, 1], 1.0), Some(1.0 / 3.0));
        assert_eq!(probability_by_chance(&[0; 8], 1.0), None);
    }
}
