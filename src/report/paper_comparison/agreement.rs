//! Whether the measured order is the paper's: Kendall's tau, and paired differences over seeds.
//!
//! A seed decides initialisation, order and masks, so two points with the same seed are a pair. Must never:
//! call the range of a few seeds an interval. Next: `show.rs`.

use super::row::Row;
use crate::papers::kendall::{probability_by_chance, tau};
use crate::report::contrast::Word;
use crate::report::inference::{Estimate, LEVEL};

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
    /// Lowest and highest tau of a single seed; None for one seed.
    pub range: Option<(f64, f64)>,
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
            range: range(&seeds.iter().filter_map(|seed| tau_of(&[*seed])).collect::<Vec<_>>()),
        })
    }
}

/// The lowest and the highest of several values; None for one.
fn range(values: &[f64]) -> Option<(f64, f64)> {
    let lowest = values.iter().copied().reduce(f64::min)?;
    let highest = values.iter().copied().reduce(f64::max)?;
    (values.len() > 1).then_some((lowest, highest))
}

/// One claim of the paper, that a row is better than another, with the measured differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub better: String,
    pub worse: String,
    /// The paper's difference, where both values are published.
    pub published: Option<f64>,
    /// The difference, better - worse, over the seeds that both have; None without one.
    pub estimate: Option<Estimate>,
    /// p after Holm's correction over all pairs of the comparison.
    pub adjusted_p: Option<f64>,
}

impl Pair {
    /// What the differences say about the claim.
    pub fn word(&self) -> Word {
        let is_clear = self.adjusted_p.is_some_and(|p| p < LEVEL);
        match &self.estimate {
            Some(estimate) if is_clear && estimate.effect > 0.0 => Word::Agrees,
            Some(_) if is_clear => Word::Contradicts,
            _ => Word::Open,
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
    let differences = |better: &Row, worse: &Row| -> Vec<f64> {
        let seeds = better.cell.seeds.iter();
        seeds.filter_map(|(seed, value)| Some((*value)? - worse.cell.of_seed(*seed)?)).collect()
    };
    let pair = |(better, worse): (&Row, &Row)| Pair {
        better: name(better),
        worse: name(worse),
        published: better.value.zip(worse.value).map(|(better, worse)| better - worse),
        estimate: Estimate::paired(&differences(better, worse)),
        adjusted_p: None,
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
        let expected = Agreement {
            tau: 1.0,
            n_pairs: 1,
            n_points: 2,
            chance: Some(0.5),
            n_seeds: 2,
            range: Some((1.0, 1.0)),
        };
        assert_eq!(agreement, expected);
        let other = [(7, Some(1.0))];
        assert_eq!(Agreement::of(&[Entry { rank: 0, seeds: &best }, Entry { rank: 1, seeds: &other }]), None);
    }

    #[test]
    fn the_range_over_seeds_shows_the_seed_that_disagrees() {
        let best = [(1, Some(3.0)), (2, Some(3.0)), (3, Some(0.0))];
        let worst = [(1, Some(1.0)), (2, Some(1.0)), (3, Some(2.0))];
        let entries = [Entry { rank: 0, seeds: &best }, Entry { rank: 1, seeds: &worst }];
        let agreement = Agreement::of(&entries).unwrap();
        assert_eq!((agreement.tau, agreement.range), (1.0, Some((-1.0, 1.0))));
        let one = Agreement::of(&[Entry { rank: 0, seeds: &best[..1] }, Entry { rank: 1, seeds: &worst }]);
        assert_eq!(one.unwrap().range, None);
    }

    #[test]
    fn a_pair_concludes_by_its_corrected_p() {
        let pair = |differences: &[f64], adjusted_p| {
            let (better, worse) = ("a".into(), "b".into());
            Pair { better, worse, published: None, estimate: Estimate::paired(differences), adjusted_p }
        };
        assert_eq!(pair(&[2.9, 3.0, 3.1], Some(0.01)).word(), Word::Agrees);
        assert_eq!(pair(&[-2.9, -3.0, -3.1], Some(0.01)).word(), Word::Contradicts);
        assert_eq!(pair(&[2.9, 3.0, 3.1], Some(0.06)).word(), Word::Open);
        assert_eq!(pair(&[5.0], None).word(), Word::Open);
    }
}
