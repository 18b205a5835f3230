//! Several measurements of one thing: their mean, standard deviation and interval.
//!
//! An interval of a mean over seeds is Student's t, from two measurements on. Must never: call the range of a
//! few values an interval. Next: `inference.rs` compares means.

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

/// Several measurements of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Measurements.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); absent for one measurement.
    pub sd: Option<f64>,
    /// 95 % interval of the mean by Student's t; absent for one measurement.
    pub interval: Option<(f64, f64)>,
}

impl Spread {
    /// Summarises measurements; None without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        let half = sd.map(|sd| student_t((n - 1) as f64) * sd / (n as f64).sqrt());
        Some(Self { n, mean, sd, interval: half.map(|half| (mean - half, mean + half)) })
    }
}

/// Two-sided 95 % point of Student's t distribution; infinite without a degree of freedom.
pub fn student_t(degrees: f64) -> f64 {
    t_quantile(0.975, degrees)
}

/// Quantile of Student's t distribution; infinite without a degree of freedom.
pub fn t_quantile(probability: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(f64::INFINITY, |t| t.inverse_cdf(probability))
}

/// An interval of the median that holds for every distribution: between two of the sorted values, such that
/// it covers the median in at least 95 % of cases. None below six values, of which even the whole range does
/// not.
pub fn interval_of_median(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let heads = Binomial::new(0.5, values.len() as u64).ok()?;
    // The median lies below the value of rank k + 1 if at most k values lie below the median.
    let cut = (0..values.len() / 2).take_while(|k| heads.cdf(*k as u64) <= 0.025).last()?;
    Some((*sorted.get(cut)?, *sorted.get(values.len() - 1 - cut)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_t_has_the_values_of_the_printed_tables() {
        let printed = [
            (1.0, 12.706),
            (2.0, 4.303),
            (3.0, 3.182),
            (5.0, 2.571),
            (10.0, 2.228),
            (30.0, 2.042),
            (120.0, 1.980),
        ];
        for (degrees, value) in printed {
            assert!((student_t(degrees) - value).abs() < 5e-4, "{degrees}: {}", student_t(degrees));
        }
        // With one degree it is Cauchy's distribution: tan(0.475 π).
        // With two it is 0.95 / √(2 · 0.975 · 0.025).
        assert!((student_t(1.0) - (0.475 * std::f64::consts::PI).tan()).abs() < 1e-9);
        assert!((student_t(2.0) - 0.95 / (2.0f64 * 0.975 * 0.025).sqrt()).abs() < 1e-9);
        assert_eq!(student_t(0.0), f64::INFINITY);
    }

    /// Of 1, 2 and 3: standard deviation 1, half width 4.303 / √3 = 2.484.
    #[test]
    fn spread_uses_n_minus_one_and_students_t() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[5.0]), Some(Spread { n: 1, mean: 5.0, sd: None, interval: None }));
        let three = Spread::of(&[1.0, 2.0, 3.0]).unwrap();
        let (low, high) = three.interval.unwrap();
        assert_eq!((three.mean, three.sd), (2.0, Some(1.0)));
        assert!((low + 0.484).abs() < 1e-3 && (high - 4.484).abs() < 1e-3, "{low} {high}");
        // Of two values the interval is 12.706 / √2 standard deviations on either side.
        let (low, high) = Spread::of(&[1.0, 3.0]).unwrap().interval.unwrap();
        assert!((high - low - 2.0 * 12.706).abs() < 1e-2, "{low} {high}");
    }

    /// The ranks are those of printed tables: the whole range from 6 values on, the second value from either
    /// end from 9 on, the third from 12 on.
    #[test]
    fn the_median_has_an_interval_from_six_values_on() {
        let values = |n: usize| (0..n).rev().map(|value| value as f64).collect::<Vec<_>>();
        assert_eq!(interval_of_median(&values(5)), None);
        assert_eq!(interval_of_median(&values(6)), Some((0.0, 5.0)));
        assert_eq!(interval_of_median(&values(8)), Some((0.0, 7.0)));
        assert_eq!(interval_of_median(&values(9)), Some((1.0, 7.0)));
        assert_eq!(interval_of_median(&values(12)), Some((2.0, 9.0)));
    }
}
