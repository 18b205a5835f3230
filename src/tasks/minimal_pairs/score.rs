//! Accuracies of scored minimal pairs: the share in which the good sentence has the larger score.
//!
//! A tie counts one half and is counted; public pipelines count it as right or as wrong. Must never: compute
//! a score. Next: `records/pair_scores.rs` for the files.

use std::collections::BTreeMap;

use crate::records::{Measure, PairScore};

/// The accuracy of guessing, × 100.
const CHANCE: f64 = 50.0;

/// The accuracy over some pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PairAccuracy {
    /// Mean over pairs of 1 where the good sentence has the larger sum, ½ where both are equal, and 0
    /// otherwise.
    pub accuracy: f64,
    /// Its standard error over pairs: √(variance / n), which is binomial without ties.
    pub standard_error: f64,
    /// The accuracy by the mean over tokens instead of the sum; None where the numbers of tokens are not
    /// known.
    pub per_token: Option<f64>,
    /// Number of pairs.
    pub n: usize,
    /// Number of pairs with equal sums.
    pub ties: usize,
}

/// The accuracies of a set by one scorer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairSummary {
    /// Over all pairs.
    pub all: PairAccuracy,
    /// Mean of the paradigms' accuracies and its standard error: the number that BLiMP reports.
    pub macro_average: (f64, f64),
    /// Per phenomenon, over its pairs; without pairs whose phenomenon is not known.
    pub phenomena: BTreeMap<String, PairAccuracy>,
    /// Per paradigm.
    pub paradigms: BTreeMap<String, PairAccuracy>,
}

/// The accuracies of scored pairs; None without pairs.
pub fn summarise_pairs(scores: &[PairScore]) -> Option<PairSummary> {
    let has_counts = scores.iter().any(|score| score.n_good > 0 || score.n_bad > 0);
    let by = |name: fn(&PairScore) -> &String| {
        let mut groups: BTreeMap<String, Vec<&PairScore>> = BTreeMap::new();
        for score in scores {
            groups.entry(name(score).clone()).or_default().push(score);
        }
        groups.remove("");
        let accuracies =
            groups.into_iter().filter_map(|(name, group)| Some((name, accuracy(&group, has_counts)?)));
        accuracies.collect::<BTreeMap<_, _>>()
    };
    let paradigms = by(|score| &score.paradigm);
    let n = paradigms.len().max(1) as f64;
    let mean = paradigms.values().map(|one| one.accuracy).sum::<f64>() / n;
    let variance = paradigms.values().map(|one| one.standard_error.powi(2)).sum::<f64>();
    Some(PairSummary {
        all: accuracy(&scores.iter().collect::<Vec<_>>(), has_counts)?,
        macro_average: (mean, variance.sqrt() / n),
        phenomena: by(|score| &score.phenomenon),
        paradigms,
    })
}

fn accuracy(scores: &[&PairScore], has_counts: bool) -> Option<PairAccuracy> {
    if scores.is_empty() {
        return None;
    }
    let n = scores.len() as f64;
    let credits: Vec<f64> = scores.iter().map(|score| credit(score.good, score.bad)).collect();
    let accuracy = credits.iter().sum::<f64>() / n;
    let variance = credits.iter().map(|credit| (credit - accuracy).powi(2)).sum::<f64>() / n;
    // A sum over no token is 0, and so is its mean.
    let mean = |sum: f64, n_tokens: u32| sum / f64::from(n_tokens.max(1));
    let per_token = |score: &&PairScore| credit(mean(score.good, score.n_good), mean(score.bad, score.n_bad));
    Some(PairAccuracy {
        accuracy,
        standard_error: (variance / n).sqrt(),
        per_token: has_counts.then(|| scores.iter().map(per_token).sum::<f64>() / n),
        n: scores.len(),
        ties: scores.iter().filter(|score| score.good == score.bad).count(),
    })
}

fn credit(good: f64, bad: f64) -> f64 {
    match good.partial_cmp(&bad) {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Equal) => 0.5,
        _ => 0.0,
    }
}

/// The measure of scored pairs. Its value is the accuracy × 100 over all pairs; its further values are
/// `macro` (the mean over paradigms), `ties` (their number), `per_token`, `phenomenon.<name>` and
/// `paradigm.<name>`.
pub fn measure_of_pairs(name: &str, scores: &[PairScore], synthetic: bool) -> Measure {
    let measure = Measure {
        name: name.into(),
        chance: Some(CHANCE),
        n: scores.len() as u64,
        synthetic,
        ..Measure::default()
    };
    let Some(PairSummary { all, macro_average, phenomena, paradigms }) = summarise_pairs(scores) else {
        return measure;
    };
    let mut others = BTreeMap::from([("macro".to_string(), 100.0 * macro_average.0)]);
    others.insert("ties".into(), all.ties as f64);
    others.extend(all.per_token.map(|share| ("per_token".to_string(), 100.0 * share)));
    for (kind, groups) in [("phenomenon", phenomena), ("paradigm", paradigms)] {
        others.extend(groups.into_iter().map(|(name, one)| (format!("{kind}.{name}"), 100.0 * one.accuracy)));
    }
    let (value, standard_error) = (Some(100.0 * all.accuracy), Some(100.0 * all.standard_error));
    Measure { value, standard_error, others, ..measure }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of the good and the bad sentence, and their numbers of tokens.
    fn score(paradigm: &str, (good, bad): (f64, f64), (n_good, n_bad): (u32, u32)) -> PairScore {
        let phenomenon = paradigm.split('.').next().unwrap().to_string();
        PairScore { paradigm: paradigm.into(), phenomenon, pair: 0, good, bad, n_good, n_bad }
    }

    /// Four pairs of a.1 (right, right, right, tie), two of a.2 (wrong), two of b.1 (right, wrong).
    fn scores() -> Vec<PairScore> {
        vec![
            score("a.1", (-1.0, -2.0), (4, 4)),
            score("a.1", (-3.0, -4.0), (2, 8)),
            score("a.1", (-1.0, -2.0), (4, 4)),
            score("a.1", (-2.0, -2.0), (4, 5)),
            score("a.2", (-2.0, -1.0), (4, 4)),
            score("a.2", (-2.0, -1.0), (4, 4)),
            score("b.1", (0.0, -1.0), (0, 1)),
            score("b.1", (-5.0, -1.0), (4, 4)),
        ]
    }

    #[test]
    fn accuracies_by_hand() {
        let measure = measure_of_pairs("pairs.x.y", &scores(), true);
        assert_eq!((measure.value, measure.chance, measure.n), (Some(56.25), Some(50.0), 8));
        let expected = [
            ("macro", (87.5 + 0.0 + 50.0) / 3.0),
            ("paradigm.a.1", 87.5),
            ("paradigm.a.2", 0.0),
            ("paradigm.b.1", 50.0),
            // -3/2 against -4/8 is wrong, and -2/4 against -2/5 too.
            ("per_token", 100.0 * 3.0 / 8.0),
            ("phenomenon.a", 100.0 * 3.5 / 6.0),
            ("phenomenon.b", 50.0),
            ("ties", 1.0),
        ];
        assert_eq!(measure.others.len(), expected.len());
        for ((found, value), (name, expected)) in measure.others.iter().zip(expected) {
            assert!(found == name && (value - expected).abs() < 1e-9, "{found}: {value}, not {expected}");
        }
        // Four ones, a half and three zeros.
        let variance: f64 = (4.0 + 0.25) / 8.0 - 0.5625f64.powi(2);
        let standard_error = 100.0 * (variance / 8.0).sqrt();
        assert!((measure.standard_error.unwrap() - standard_error).abs() < 1e-9);
    }

    #[test]
    fn the_standard_error_without_ties_is_binomial() {
        let right = |right: bool| score("a", if right { (-1.0, -2.0) } else { (-2.0, -1.0) }, (3, 3));
        let scores: Vec<PairScore> = (0..100).map(|index| right(index < 80)).collect();
        let summary = summarise_pairs(&scores).unwrap();
        assert!((summary.all.standard_error - 0.04).abs() < 1e-12, "{}", summary.all.standard_error);
        assert!((summary.macro_average.1 - 0.04).abs() < 1e-12);
    }

    #[test]
    fn unknown_counts_and_groups_have_no_values() {
        let unknown = |mut score: PairScore| {
            (score.n_good, score.n_bad, score.phenomenon) = (0, 0, String::new());
            score
        };
        let scores: Vec<PairScore> = scores().into_iter().map(unknown).collect();
        let measure = measure_of_pairs("pairs.x.y", &scores, false);
        let names: Vec<&str> = measure.others.keys().map(String::as_str).collect();
        assert_eq!(names, ["macro", "paradigm.a.1", "paradigm.a.2", "paradigm.b.1", "ties"]);
        let none = measure_of_pairs("pairs.x.y", &[], false);
        assert_eq!((none.value, none.standard_error, none.n), (None, None, 0));
    }
}
