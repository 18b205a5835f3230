//! Whether the measured order is the paper's: Kendall's tau, and paired differences over seeds.
//!
//! A seed decides initialisation, order and masks, so two points with the same seed are a pair. Must never:
//! conclude anything from fewer than three seeds. Next: `show.rs`.

use super::row::Row;
use crate::papers::kendall::{probability_by_chance, tau};
use crate::report::statistics::{Spread, bootstrap, student_t};

/// Seeds that an interval needs, at least.
pub const FEWEST_SEEDS: usize = 3;
/// Pairs that are all shown, at most. If there are more, only those with the paper's best row are shown.
const MOST_PAIRS: usize = 10;

/// A ranked point: its rank in the paper (0 the best) and its value by seed.
pub struct Entry<'a> {
    pub rank: usize,
    pub seeds: &'a [(u64, Option<f64>)],
}

/// How well the measured order agrees with the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Kendall's tau over the pairs that the paper orders.
    pub tau: f64,
    /// Number of those pairs.
    pub n_pairs: usize,
    /// Number of points.
    pub n_points: usize,
    /// Probability that a random order has at least this tau; None for more than seven points.
    pub chance: Option<f64>,
    /// Seeds that every point has.
    pub n_seeds: usize,
    /// Bootstrap 95 % interval over the seeds; None below three.
    pub interval: Option<(f64, f64)>,
}

impl Agreement {
    /// Compares ranks with measured values; None if the paper orders no pair, or if no seed is shared by all
    /// points.
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
            chance: probability_by_chance(&ranks, measured),
            n_seeds: seeds.len(),
            interval: bootstrap(&seeds, tau_of),
        })
    }
}

/// One claim of the paper, that a row is better than another, with the measured differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub better: String,
    pub worse: String,
    /// The paper's difference, where both values are published.
    pub published: Option<f64>,
    /// Differences of the same seed: better - worse.
    pub differences: Vec<f64>,
}

/// What the measured differences say about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Fewer than three seeds.
    TooFew,
    /// The interval lies above zero.
    Agrees,
    /// The interval lies below zero.
    Contradicts,
    /// The interval contains zero.
    Open,
}

impl Pair {
    /// Mean, standard deviation and n of the differences.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(&self.differences)
    }

    /// 95 % interval of the mean difference by Student's t; None below three seeds.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let spread = self.spread().filter(|spread| spread.n >= FEWEST_SEEDS)?;
        let half = student_t(spread.n - 1) * spread.sd? / (spread.n as f64).sqrt();
        Some((spread.mean - half, spread.mean + half))
    }

    /// What the differences say about the claim.
    pub fn conclusion(&self) -> Conclusion {
        match self.interval() {
            None => Conclusion::TooFew,
            Some((low, _)) if low > 0.0 => Conclusion::Agrees,
            Some((_, high)) if high < 0.0 => Conclusion::Contradicts,
            Some(_) => Conclusion::Open,
        }
    }
}

/// The claims of a comparison: every pair that the paper orders, or only those with its best row if there are
/// many.
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

    /// One seed of three disagrees: the resamples that contain it twice or more (7 of 27) have a tau of -1.
    #[test]
    fn the_interval_over_seeds_covers_single_seeds() {
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
        assert_eq!(pair(&[1.0, 2.0, 3.0]).conclusion(), Conclusion::Open);
        assert_eq!(pair(&[2.9, 3.0, 3.1]).conclusion(), Conclusion::Agrees);
        assert_eq!(pair(&[-2.9, -3.0, -3.1]).conclusion(), Conclusion::Contradicts);
        for few in [&[][..], &[5.0], &[5.0, 5.1]] {
            assert_eq!((pair(few).conclusion(), pair(few).interval()), (Conclusion::TooFew, None));
        }
    }
}
