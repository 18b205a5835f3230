//! Placeholder until merged.

use crate::records::Measure;

/// Sums.
#[derive(Clone, Debug, PartialEq)]
pub struct PairScore {
    pub paradigm: String,
    pub phenomenon: String,
    pub pair: u64,
    pub good: f64,
    pub bad: f64,
    pub n_good: u32,
    pub n_bad: u32,
}

pub fn measure_of_pairs(name: &str, scores: &[PairScore], synthetic: bool) -> Measure {
    let right: f64 = scores
        .iter()
        .map(|s| {
            if s.good > s.bad {
                1.0
            } else if s.good == s.bad {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    let n = scores.len() as f64;
    let p = right / n;
    Measure {
        name: name.into(),
        value: Some(100.0 * p),
        standard_error: Some(100.0 * (p * (1.0 - p) / n).sqrt()),
        chance: Some(50.0),
        n: scores.len() as u64,
        synthetic,
        ..Default::default()
    }
}
