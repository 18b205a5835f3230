//! Named weighted means that can be merged across batches: the values of `metrics.jsonl`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

    /// The means. Names whose weights sum to 0 are absent.
    pub fn values(&self) -> BTreeMap<String, f64> {
        let defined = self.0.iter().filter(|(_, entry)| entry.weight > 0.0);
        defined.map(|(name, entry)| (name.clone(), entry.sum / entry.weight)).collect()
    }

    /// One mean; None if the name is unknown or its weights sum to 0.
    #[cfg(test)]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.0.get(name).filter(|entry| entry.weight > 0.0).map(|entry| entry.sum / entry.weight)
    }
}

/// Area under the ROC curve: the probability that a random positive scores higher than a random negative,
/// with ties counted half. Computed by ranks; None unless both classes occur.
pub fn area_under_curve(scores: &[f32], positive: impl Fn(usize) -> bool) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut rank_sum, mut n_positive) = (0.0, 0usize);
    let mut start = 0;
    while start < order.len() {
        let tied = order[start..].iter().take_while(|&&i| scores[i] == scores[order[start]]).count().max(1);
        let rank = start as f64 + (tied as f64 + 1.0) / 2.0;
        let positives = order[start..start + tied].iter().filter(|&&i| positive(i)).count();
        rank_sum += rank * positives as f64;
        n_positive += positives;
        start += tied;
    }
    let (p, n) = (n_positive as f64, (scores.len() - n_positive) as f64);
    (p > 0.0 && n > 0.0).then(|| (rank_sum - p * (p + 1.0) / 2.0) / (p * n))
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
    fn area_by_hand() {
        let labels = [false, false, true, true];
        // The example of scikit-learn's roc_auc_score: 0.75.
        assert_eq!(area_under_curve(&[0.1, 0.4, 0.35, 0.8], |i| labels[i]), Some(0.75));
        assert_eq!(area_under_curve(&[1.0; 4], |i| labels[i]), Some(0.5));
        assert_eq!(area_under_curve(&[1.0; 4], |_| true), None);
    }
}
