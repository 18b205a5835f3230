//! The statistics of a difference: an estimate with its interval and p, Holm's correction over several, and
//! the number of seeds that would decide an open one.
//!
//! Seeds that both sides share make pairs: Student's t on the differences of each seed. Without shared seeds
//! it is Welch's t, with the degrees of freedom of Satterthwaite. Must never: know what is compared. Next:
//! `contrast.rs`.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::gamma::ln_gamma;

use super::spread::{Spread, t_quantile};

/// What a conclusion may be wrong with: the probability of one where there is no effect.
pub const LEVEL: f64 = 0.05;
/// The probability with which the stated number of seeds finds the effect.
pub const POWER: f64 = 0.8;
/// The largest number of seeds that is stated.
const MOST_SEEDS: usize = 1000;

/// A difference of means over seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The difference.
    pub effect: f64,
    /// Standard error of the difference, and degrees of freedom; None if a side has one seed, or if no seed
    /// differs from another, so that there is no spread.
    pub error: Option<(f64, f64)>,
    /// Seeds: of the pairs, or of each side.
    pub n: Vec<usize>,
    /// Variances of one seed that add up to that of the difference: of the paired differences, or of each
    /// side.
    variances: Vec<f64>,
}

impl Estimate {
    /// From the differences of pairs; None without a pair.
    pub fn paired(differences: &[f64]) -> Option<Self> {
        Self::welch(&[(1.0, differences)])
    }

    /// From groups with their weights, such as 1 and -1 for a difference of two; None if a group is empty.
    pub fn welch(groups: &[(f64, &[f64])]) -> Option<Self> {
        let (mut effect, mut largest) = (0.0, 0.0f64);
        let (mut n, mut variances) = (Vec::new(), Vec::new());
        for (weight, values) in groups {
            let spread = Spread::of(values)?;
            effect += weight * spread.mean;
            n.push(spread.n);
            largest = values.iter().fold(largest, |largest, value| largest.max(value.abs()));
            variances.push(spread.sd.map_or(f64::NAN, |sd| (weight * sd).powi(2)));
        }
        // Differences of equal scores may differ in the last bit.
        let error = standard_error(&variances, &n).filter(|(error, _)| *error > 1e-9 * largest);
        Some(Self { effect, error, n, variances })
    }

    /// Whether the seeds of the two sides are pairs.
    pub fn is_paired(&self) -> bool {
        self.n.len() == 1
    }

    /// The smallest number of seeds of a side.
    pub fn fewest(&self) -> usize {
        self.n.iter().copied().min().unwrap_or_default()
    }

    /// The two-sided p of no difference; None without a spread.
    pub fn p(&self) -> Option<f64> {
        let (error, degrees) = self.error?;
        let t = StudentsT::new(0.0, 1.0, degrees).ok()?;
        Some((2.0 * t.sf((self.effect / error).abs())).min(1.0))
    }

    /// The 95 % interval of the difference by Student's t; None without a spread.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let (error, degrees) = self.error?;
        let half = t_quantile(1.0 - LEVEL / 2.0, degrees) * error;
        Some((self.effect - half, self.effect + half))
    }

    /// The smallest number of seeds (of pairs, or of each side) that finds a difference of `effect` at a
    /// level with a probability of 80 %, if the spread of one seed is the measured one. None without a spread
    /// or an effect, or if it is more than a thousand.
    pub fn seeds_to_find(&self, effect: f64, level: f64) -> Option<usize> {
        self.error?;
        let finds = |seeds: usize| self.power(effect, level, seeds) >= POWER;
        let mut enough = 2;
        while !finds(enough) {
            enough *= 2;
            if enough > MOST_SEEDS {
                return None;
            }
        }
        let mut too_few = enough / 2;
        while enough - too_few > 1 {
            let middle = usize::midpoint(enough, too_few);
            if finds(middle) { enough = middle } else { too_few = middle }
        }
        Some(enough)
    }

    /// The probability that `seeds` seeds find a difference of `effect` at a level.
    pub fn power(&self, effect: f64, level: f64, seeds: usize) -> f64 {
        match standard_error(&self.variances, &vec![seeds; self.variances.len()]) {
            Some((error, degrees)) if error > 0.0 => {
                probability_beyond(effect.abs() / error, degrees, t_quantile(1.0 - level / 2.0, degrees))
            }
            _ => 0.0,
        }
    }
}

/// The standard error of a sum of means of `n` values with these variances, with its degrees of freedom; None
/// unless every mean is of two values or more.
fn standard_error(variances: &[f64], n: &[usize]) -> Option<(f64, f64)> {
    if n.iter().any(|n| *n < 2) {
        return None;
    }
    let parts = || variances.iter().zip(n).map(|(variance, n)| (variance / *n as f64, *n as f64 - 1.0));
    let sum: f64 = parts().map(|(part, _)| part).sum();
    let of_parts: f64 = parts().map(|(part, degrees)| part.powi(2) / degrees).sum();
    Some((sum.sqrt(), if of_parts > 0.0 { sum.powi(2) / of_parts } else { 1.0 }))
}

/// The probability that a noncentral t lies beyond ±`limit`: for every value of the estimated standard
/// deviation the normal probability, summed over the density of that deviation by Simpson's rule.
fn probability_beyond(noncentrality: f64, degrees: f64, limit: f64) -> f64 {
    const STEPS: i32 = 400;
    let Ok(normal) = Normal::new(0.0, 1.0) else { return 0.0 };
    // The root of a chi-squared number is within six of the root of its mean in all but 1e-8 of cases.
    let (lowest, highest) = ((degrees.sqrt() - 6.0).max(1e-9), degrees.sqrt() + 6.0);
    let scale = (1.0 - degrees / 2.0) * std::f64::consts::LN_2 - ln_gamma(degrees / 2.0);
    let width = (highest - lowest) / f64::from(STEPS);
    let at = |index: i32| {
        let root = lowest + f64::from(index) * width;
        let density = (scale + (degrees - 1.0) * root.ln() - root * root / 2.0).exp();
        let bound = limit * root / degrees.sqrt();
        density * (normal.sf(bound - noncentrality) + normal.cdf(-bound - noncentrality))
    };
    let weight = |index: i32| if index == 0 || index == STEPS { 1 } else { 2 + 2 * (index % 2) };
    let sum: f64 = (0..=STEPS).map(|index| f64::from(weight(index)) * at(index)).sum();
    (sum * width / 3.0).clamp(0.0, 1.0)
}

/// Holm's adjusted p of each of a family: each is compared with the level, and the probability of any false
/// conclusion is at most the level.
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> =
        p.iter().enumerate().filter_map(|(index, p)| Some((index, (*p)?))).collect();
    order.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let mut adjusted = vec![None; p.len()];
    let mut largest = 0.0f64;
    for (rank, (index, value)) in order.into_iter().enumerate() {
        // The members without a p stay in the family.
        largest = largest.max(value * (p.len() - rank) as f64).min(1.0);
        if let Some(place) = adjusted.get_mut(index) {
            *place = Some(largest);
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(actual: f64, expected: f64, tolerance: f64) {
        assert!((actual - expected).abs() < tolerance, "{actual}, not {expected}");
    }

    /// Differences 1, 2 and 3: t = 2 / (1 / √3) = 3.464 with two degrees of freedom. For two degrees the
    /// distribution is 1/2 + t / (2 √(2 + t²)), so p = 1 - 3.464 / √14 = 0.0742.
    #[test]
    fn a_paired_difference_by_hand() {
        let estimate = Estimate::paired(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((estimate.effect, estimate.n.as_slice()), (2.0, &[3][..]));
        near(estimate.p().unwrap(), 1.0 - 3.464_101_6 / 14f64.sqrt(), 1e-6);
        let (low, high) = estimate.interval().unwrap();
        near(low, -0.484, 1e-3);
        near(high, 4.484, 1e-3);
        assert_eq!(Estimate::paired(&[]), None);
        // One seed has no spread, and neither have seeds that all agree.
        for values in [&[4.0][..], &[4.0, 4.0, 4.0]] {
            let estimate = Estimate::paired(values).unwrap();
            assert_eq!((estimate.p(), estimate.interval()), (None, None));
            assert_eq!(estimate.seeds_to_find(4.0, LEVEL), None);
        }
    }

    /// Variances 1 and 4 of three values each: error √(5/3), degrees (5/3)² / ((1/3)² / 2 + (4/3)² / 2) =
    /// 2.941.
    #[test]
    fn welchs_difference_by_hand() {
        let estimate = Estimate::welch(&[(1.0, &[5.0, 6.0, 7.0]), (-1.0, &[1.0, 3.0, 5.0])]).unwrap();
        let (error, degrees) = estimate.error.unwrap();
        assert_eq!((estimate.effect, estimate.is_paired()), (3.0, false));
        near(error, (5.0f64 / 3.0).sqrt(), 1e-12);
        near(degrees, 50.0 / 17.0, 1e-12);
        // scipy.stats.ttest_ind([5, 6, 7], [1, 3, 5], equal_var=False)
        near(estimate.p().unwrap(), 0.104_3, 5e-4);
    }

    /// 0.01, 0.02, 0.03 and 0.04 of four: 0.04, 0.06, 0.06, 0.06. One without p counts in the family.
    #[test]
    fn holms_correction_by_hand() {
        let adjusted = holm(&[Some(0.04), Some(0.01), Some(0.03), Some(0.02)]);
        for (actual, expected) in adjusted.into_iter().zip([0.06, 0.04, 0.06, 0.06]) {
            near(actual.unwrap(), expected, 1e-12);
        }
        assert_eq!(holm(&[None, Some(0.03)]), [None, Some(0.06)]);
        assert_eq!(holm(&[Some(0.9), Some(0.8)]), [Some(1.0), Some(1.0)]);
    }

    /// Printed tables for one sample at 5 % and 80 %: an effect of 0.5, 0.8 and 1.0 standard deviations needs
    /// 34, 15 and 10 values; two groups need 64, 26 and 17 each.
    #[test]
    fn seeds_agree_with_printed_tables_of_power() {
        let values: Vec<f64> = (0..4).map(|index| [-1.0, 1.0][index % 2] * 0.75f64.sqrt()).collect();
        let paired = Estimate::paired(&values).unwrap();
        let two = Estimate::welch(&[(1.0, &values), (-1.0, &values)]).unwrap();
        for (effect, pairs, each) in [(0.5, 34, 64), (0.8, 15, 26), (1.0, 10, 17)] {
            assert_eq!(paired.seeds_to_find(effect, LEVEL), Some(pairs), "{effect}");
            assert_eq!(two.seeds_to_find(effect, LEVEL), Some(each), "{effect}");
        }
        assert_eq!(paired.seeds_to_find(1e-6, LEVEL), None);
        // Without an effect the power is the level.
        near(paired.power(0.0, LEVEL, 5), LEVEL, 1e-4);
        near(paired.power(0.0, LEVEL, 2), LEVEL, 1e-4);
    }
}
