//! Named weighted means that can be merged across batches: the values of `metrics.jsonl`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Share of the tokens whose label is "replaced".
pub const REPLACED_SHARE: &str = "replaced_share";
/// Mean cross-entropy, in nats, of the label "replaced" over all tokens.
pub const DETECTION_LOSS: &str = "disc_loss";
/// [`DETECTION_LOSS`] over the entropy of the label at the base rate [`REPLACED_SHARE`]. Both are means that
/// merge exactly, so the ratio is that of all merged tokens. A detector that knows the base rate alone has 1.
pub const DETECTION_LOSS_RATIO: &str = "rtd_loss_ratio";

/// Entropy of a label that is 1 with probability `share`, in nats.
fn binary_entropy(share: f64) -> f64 {
    [share, 1.0 - share].into_iter().filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum()
}

/// Sums and weights by name. A name whose weights sum to 0 has no value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics(BTreeMap<String, Entry>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Entry {
    #[serde(with = "f64_bits")]
    sum: f64,
    #[serde(with = "f64_bits")]
    weight: f64,
}

/// Stores an f64 as the integer of its bits. serde_json may round decimals and turns NaN into null, but a
/// resumed run must continue from exactly the numbers that were saved.
pub mod f64_bits {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the bits.
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    /// Reads the bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

impl Metrics {
    /// Adds `sum` with `weight` under `name`.
    pub fn add(&mut self, name: &str, sum: f64, weight: f64) {
        let entry = self.0.entry(name.into()).or_default();
        entry.sum += sum;
        entry.weight += weight;
    }

    /// Adds a mean over `weight` items.
    pub fn mean(&mut self, name: &str, mean: f64, weight: f64) {
        self.add(name, mean * weight, weight);
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (name, entry) in &other.0 {
            self.add(name, entry.sum, entry.weight);
        }
    }

    /// The means, and [`DETECTION_LOSS_RATIO`] if it is defined. Names whose weights sum to 0 are absent.
    pub fn values(&self) -> BTreeMap<String, f64> {
        let defined = self.0.iter().filter(|(_, entry)| entry.weight > 0.0);
        let mut values: BTreeMap<String, f64> =
            defined.map(|(name, entry)| (name.clone(), entry.sum / entry.weight)).collect();
        if let (Some(loss), Some(share)) = (values.get(DETECTION_LOSS), values.get(REPLACED_SHARE)) {
            let ratio = loss / binary_entropy(*share);
            if ratio.is_finite() {
                values.insert(DETECTION_LOSS_RATIO.into(), ratio);
            }
        }
        values
    }

    /// One value; None if the name is unknown or its weights sum to 0.
    #[cfg(test)]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values().get(name).copied()
    }
}

/// Positives and negatives ordered by their scores.
pub struct Ranking {
    /// How many positives and negatives have each score, from the highest score to the lowest.
    groups: Vec<[usize; 2]>,
}

impl Ranking {
    /// Ranks items by their scores. Item i is positive where `positive(i)`.
    pub fn new(scores: &[f32], positive: impl Fn(usize) -> bool) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let tied = order.chunk_by(|&a, &b| scores[a] == scores[b]);
        let count = |group: &[usize]| {
            let n_positive = group.iter().filter(|&&i| positive(i)).count();
            [n_positive, group.len() - n_positive]
        };
        Self { groups: tied.map(count).collect() }
    }

    /// Numbers of positives and negatives.
    fn totals(&self) -> [usize; 2] {
        self.groups.iter().fold([0; 2], |[p, n], [positives, negatives]| [p + positives, n + negatives])
    }

    /// Area under the ROC curve: the probability that a random positive scores higher than a random negative,
    /// with ties counted half. None unless both classes occur.
    pub fn area(&self) -> Option<f64> {
        let [n_positive, n_negative] = self.totals();
        let (mut below, mut wins) = (n_negative, 0.0);
        for &[positives, negatives] in &self.groups {
            below -= negatives;
            wins += positives as f64 * (below as f64 + negatives as f64 / 2.0);
        }
        (n_positive > 0 && n_negative > 0).then(|| wins / (n_positive as f64 * n_negative as f64))
    }

    /// The most positives at or above one threshold such that at least the share `precision` of all items
    /// there are positive; 0 if no threshold reaches it.
    pub fn found_at_precision(&self, precision: f64) -> usize {
        let (mut found, mut most) = ([0, 0], 0);
        for [positives, negatives] in &self.groups {
            found = [found[0] + positives, found[1] + negatives];
            if found[0] as f64 >= precision * (found[0] + found[1]) as f64 {
                most = found[0];
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_merge_by_weight() {
        let mut a = Metrics::default();
        a.mean("loss", 2.0, 1.0);
        a.add("precision", 0.0, 0.0);
        let mut b = Metrics::default();
        b.mean("loss", 5.0, 3.0);
        a.merge(&b);
        assert_eq!(a.value("loss"), Some(4.25));
        assert_eq!(a.values().len(), 1);
    }

    #[test]
    fn saved_metrics_are_read_back_to_the_bit() {
        let mut metrics = Metrics::default();
        let mut stream = crate::rng::Stream::new(1, crate::rng::Purpose::Test, 3, 0);
        for i in 0..200 {
            metrics.add(&format!("m{i}"), stream.normal() * 1e-3f64.powi(i % 9), stream.uniform());
        }
        let text = serde_json::to_string(&metrics).unwrap();
        assert_eq!(serde_json::from_str::<Metrics>(&text).unwrap(), metrics);
    }

    #[test]
    fn areas_by_hand() {
        let labels = [false, false, true, true];
        let area = |scores: [f32; 4]| Ranking::new(&scores, |i| labels[i]).area();
        // The example of scikit-learn's roc_auc_score: 0.75.
        assert_eq!(area([0.1, 0.4, 0.35, 0.8]), Some(0.75));
        assert_eq!(area([1.0; 4]), Some(0.5));
        // The first positive ties with one of the negatives.
        assert_eq!(area([0.1, 0.4, 0.4, 0.8]), Some(0.875));
        assert_eq!(Ranking::new(&[1.0; 4], |_| true).area(), None);
    }

    /// From the highest score on, with the precision behind each:
    ///
    /// ```text
    /// + 1   - 1/2   - 1/3   + 2/4   + and - together 3/6   - 3/7
    /// ```
    #[test]
    fn recall_at_a_precision_by_hand() {
        let scores = [6.0, 5.0, 4.0, 3.0, 2.0, 2.0, 1.0];
        let labels = [true, false, false, true, true, false, false];
        let ranking = Ranking::new(&scores, |i| labels[i]);
        let found = |precision| ranking.found_at_precision(precision);
        assert_eq!([found(0.5), found(0.51), found(0.4), found(1.0)], [3, 1, 3, 1]);
        let last = Ranking::new(&scores, |i| i == 6);
        assert_eq!([last.found_at_precision(0.5), last.found_at_precision(1.0 / 7.0)], [0, 1]);
    }

    /// Three tokens in four are original, so the label has an entropy of 2·ln 2 - 3/4·ln 3 = 0.5623 nats. Two
    /// batches of other sizes and base rates merge to the ratio of all their tokens.
    #[test]
    fn the_loss_over_the_entropy_of_the_label_by_hand() {
        let batch = |loss: f64, replaced: f64, n: f64| {
            let mut metrics = Metrics::default();
            metrics.add(DETECTION_LOSS, loss, n);
            metrics.add(REPLACED_SHARE, replaced, n);
            metrics
        };
        let entropy = 2.0 * 2f64.ln() - 0.75 * 3f64.ln();
        let mut merged = batch(1.0, 0.0, 4.0);
        assert_eq!(merged.value(DETECTION_LOSS_RATIO), None, "a label without entropy");
        merged.merge(&batch(5.0, 4.0, 12.0));
        let ratio = merged.value(DETECTION_LOSS_RATIO).unwrap();
        assert!((ratio - 6.0 / 16.0 / entropy).abs() < 1e-12, "{ratio}");
        let constant = batch(16.0 * entropy, 4.0, 16.0).value(DETECTION_LOSS_RATIO).unwrap();
        assert!((constant - 1.0).abs() < 1e-12, "{constant}");
    }
}
