//! Whether the measured order is the paper's: Kendall's tau, and paired differences over seeds.
//!
//! A seed decides initialisation, order and masks, so that two points with one seed are a pair. Must never: conclude
//! anything from fewer than three seeds. Next: `show.rs`.

use super::Row;
use crate::report::statistics::{Spread, bootstrap};
use crate::report::verdict::student_t;

/// Fewest seeds that an interval is made of.
pub const FEWEST_SEEDS: usize = 3;
/// Most pairs that are shown one by one; of more, those with the paper's best.
const MOST_PAIRS: usize = 10;
/// Most points whose orders are all counted: 5040 of them.
const MOST_PERMUTED: usize = 7;

/// A ranked point: its rank in the paper (0 the best) and its value by seed.
pub struct Entry<'a> {
    pub rank: usize,
    pub seeds: &'a [(u64, Option<f64>)],
}

/// How far the measured order is the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Kendall's tau over the pairs that the paper orders: (agreeing - disagreeing) / all; a measured tie is neither.
    pub tau: f64,
    /// Those pairs.
    pub n_pairs: usize,
    /// Points.
    pub n_points: usize,
    /// Share of all orders of the points whose tau is at least this; absent of more than seven points.
    pub chance: Option<f64>,
    /// Seeds that every point has.
    pub n_seeds: usize,
    /// Bootstrap 95 % interval over the seeds; absent below three.
    pub interval: Option<(f64, f64)>,
}

impl Agreement {
    /// None where the paper orders no pair, or no seed is shared by all points.
    pub fn of(entries: &[Entry]) -> Option<Self> {
        let first = entries.first()?;
        let value = |entry: &Entry, seed: u64| entry.seeds.iter().find(|(own, _)| *own == seed)?.1;
        let shared = first.seeds.iter().map(|(seed, _)| *seed);
        let seeds: Vec<u64> =
            shared.filter(|seed| entries.iter().all(|entry| value(entry, *seed).is_some())).collect();
        let tau_of = |drawn: &[u64]| {
            let mean = |entry: &Entry| {
                drawn.iter().filter_map(|seed| value(entry, *seed)).sum::<f64>() / drawn.len().max(1) as f64
            };
            let points: Vec<(usize, f64)> = entries.iter().map(|entry| (entry.rank, mean(entry))).collect();
            tau(&points).map(|(tau, _)| tau)
        };
        let ranks: Vec<(usize, f64)> = entries.iter().map(|entry| (entry.rank, 0.0)).collect();
        let (_, n_pairs) = tau(&ranks)?;
        (!seeds.is_empty()).then_some(())?;
        let measured = tau_of(&seeds)?;
        let ranks: Vec<usize> = entries.iter().map(|entry| entry.rank).collect();
        Some(Self {
            tau: measured,
            n_pairs,
            n_points: entries.len(),
            chance: chance(&ranks, measured),
            n_seeds: seeds.len(),
            interval: bootstrap(&seeds, tau_of),
        })
    }
}

/// Tau of ranks (0 the best) and values (the highest the best), with the pairs that the ranks order; None of none.
fn tau(points: &[(usize, f64)]) -> Option<(f64, usize)> {
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

/// Share of all orders of the ranked points whose tau is at least `least`.
fn chance(ranks: &[usize], least: f64) -> Option<f64> {
    if ranks.len() > MOST_PERMUTED {
        return None;
    }
    let mut orders: Vec<Vec<f64>> = vec![Vec::new()];
    for place in 0..ranks.len() {
        // Puts the next value at every place of every order so far.
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

/// One claim, that a row is better than another, and what the seeds say.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub better: String,
    pub worse: String,
    /// The paper's difference, where both values are published.
    pub published: Option<f64>,
    /// Differences of the same seed: better - worse.
    pub differences: Vec<f64>,
}

/// What the differences say of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Fewer than three seeds.
    TooFew,
    /// The interval lies above zero.
    Agrees,
    /// It lies below.
    Contradicts,
    /// It holds zero.
    Open,
}

impl Pair {
    /// Mean, standard deviation and n of the differences.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(&self.differences)
    }

    /// 95 % interval of the mean difference by Student's t; absent below three seeds.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let spread = self.spread().filter(|spread| spread.n >= FEWEST_SEEDS)?;
        let half = student_t(spread.n - 1) * spread.sd? / (spread.n as f64).sqrt();
        Some((spread.mean - half, spread.mean + half))
    }

    /// What they say.
    pub fn reading(&self) -> Reading {
        match self.interval() {
            None => Reading::TooFew,
            Some((low, _)) if low > 0.0 => Reading::Agrees,
            Some((_, high)) if high < 0.0 => Reading::Contradicts,
            Some(_) => Reading::Open,
        }
    }
}

/// The claims of a comparison: every pair that the paper orders, or those with its best where there are many.
pub fn pairs(rows: &[&Row]) -> Vec<Pair> {
    let mut ordered: Vec<(&Row, &Row)> = Vec::new();
    for better in rows {
        ordered.extend(rows.iter().filter(|worse| better.rank < worse.rank).map(|worse| (*better, *worse)));
    }
    if ordered.len() > MOST_PAIRS {
        ordered.retain(|(better, _)| better.rank == Some(0));
    }
    ordered.sort_by_key(|(better, worse)| (better.rank, worse.rank));
    let name = |row: &Row| format!("{} ({})", row.paper.name, row.point);
    let differences = |better: &Row, worse: &Row| {
        let of_worse = |seed: u64| worse.cell.seeds.iter().find(|(own, _)| *own == seed)?.1;
        let seeds = better.cell.seeds.iter();
        seeds.filter_map(|(seed, value)| Some((*value)? - of_worse(*seed)?)).collect()
    };
    let pair = |(better, worse): (&Row, &Row)| Pair {
        better: name(better),
        worse: name(worse),
        published: better.value.zip(worse.value).map(|(better, worse)| better - worse),
        differences: differences(better, worse),
    };
    ordered.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranks 0, 1, 1, 3: five ordered pairs. Values 9, 7, 8, 7: of the pairs four agree and (7, 7) is a tie.
    #[test]
    fn tau_by_hand() {
        assert_eq!(tau(&[(0, 9.0), (1, 7.0), (1, 8.0), (3, 7.0)]), Some((0.8, 5)));
        assert_eq!(tau(&[(0, 1.0), (1, 2.0), (2, 3.0)]), Some((-1.0, 3)));
        assert_eq!(tau(&[(0, 3.0), (1, 1.0), (2, 2.0)]), Some((1.0 / 3.0, 3)));
        assert_eq!(tau(&[(0, 1.0), (0, 2.0)]), None);
    }

    /// Three points: one order of six is the paper's, three have at most one pair wrong.
    #[test]
    fn chance_counts_the_orders() {
        assert_eq!(chance(&[0, 1, 2], 1.0), Some(1.0 / 6.0));
        assert_eq!(chance(&[0, 1, 2], 1.0 / 3.0), Some(0.5));
        assert_eq!(chance(&[0, 1, 2], -1.0), Some(1.0));
        assert_eq!(chance(&[0, 1, 1], 1.0), Some(1.0 / 3.0));
        assert_eq!(chance(&[0; 8], 1.0), None);
    }

    #[test]
    fn only_shared_seeds_count_and_few_give_no_interval() {
        let best = [(1, Some(3.0)), (2, Some(4.0)), (3, None)];
        let worst = [(2, Some(1.0)), (1, Some(2.0)), (3, Some(9.0))];
        let entries = [Entry { rank: 0, seeds: &best }, Entry { rank: 1, seeds: &worst }];
        let agreement = Agreement::of(&entries).unwrap();
        let expected =
            Agreement { tau: 1.0, n_pairs: 1, n_points: 2, chance: Some(0.5), n_seeds: 2, interval: None };
        assert_eq!(agreement, expected);
        let other = [(7, Some(1.0))];
        assert_eq!(Agreement::of(&[Entry { rank: 0, seeds: &best }, Entry { rank: 1, seeds: &other }]), None);
    }

    /// One seed of three disagrees: the draws that hold it twice or more (7 of 27) give tau -1.
    #[test]
    fn the_interval_over_seeds_holds_what_single_seeds_say() {
        let best = [(1, Some(3.0)), (2, Some(3.0)), (3, Some(0.0))];
        let worst = [(1, Some(1.0)), (2, Some(1.0)), (3, Some(2.0))];
        let entries = [Entry { rank: 0, seeds: &best }, Entry { rank: 1, seeds: &worst }];
        let agreement = Agreement::of(&entries).unwrap();
        assert_eq!((agreement.tau, agreement.interval), (1.0, Some((-1.0, 1.0))));
    }

    fn pair(differences: &[f64]) -> Pair {
        let (better, worse) = ("a".into(), "b".into());
        Pair { better, worse, published: None, differences: differences.to_vec() }
    }

    /// Of 1, 2, 3: mean 2, standard deviation 1, t(0.975, 2) = 4.303, half width 4.303 / √3 = 2.484.
    #[test]
    fn paired_intervals_by_hand() {
        let (low, high) = pair(&[1.0, 2.0, 3.0]).interval().unwrap();
        assert!((low + 0.484).abs() < 1e-3 && (high - 4.484).abs() < 1e-3, "{low} {high}");
        assert_eq!(pair(&[1.0, 2.0, 3.0]).reading(), Reading::Open);
        assert_eq!(pair(&[2.9, 3.0, 3.1]).reading(), Reading::Agrees);
        assert_eq!(pair(&[-2.9, -3.0, -3.1]).reading(), Reading::Contradicts);
        for few in [&[][..], &[5.0], &[5.0, 5.1]] {
            assert_eq!((pair(few).reading(), pair(few).interval()), (Reading::TooFew, None));
        }
    }
}
