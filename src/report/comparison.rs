//! Two trials beside each other: the settings that differ, and every value that both have.
//!
//! Where both points have more seeds, differences are taken seed by seed. Must never: judge. Next:
//! `inference.rs`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::inference::Estimate;
use crate::error::{Error, Result};
use crate::records::{TrialRecord, TrialRecords, flatten, values_of};

/// Two trials beside each other.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Keys of the specification that differ.
    pub settings: Vec<ComparedSetting>,
    /// What was measured, in the order of the names.
    pub values: Vec<ComparedValue>,
    /// Seeds that both points have, in order.
    pub seeds: Vec<u64>,
}

/// A key of the specification that differs.
#[derive(Debug, PartialEq, Serialize)]
pub struct ComparedSetting {
    /// Dotted path, as in `train.steps`.
    pub key: String,
    /// Value of the first trial; None if it has no such key.
    pub first: Option<Value>,
    /// Value of the second trial.
    pub second: Option<Value>,
}

/// One value of both trials.
#[derive(Debug, PartialEq, Serialize)]
pub struct ComparedValue {
    /// A task (median over its fine-tuning runs, × 100), a measure, or `held_out.NAME`.
    pub name: String,
    /// Value of the first trial; None if it has none.
    pub first: Option<f64>,
    /// Value of the second trial.
    pub second: Option<f64>,
    /// Mean over the shared seeds of second - first; None if no seed has both.
    pub mean_difference: Option<f64>,
    /// 95 % interval of that mean by Student's t; None below two seeds.
    pub interval: Option<(f64, f64)>,
    /// Seeds in the mean.
    pub n: usize,
}

/// Compares two trials. `first_seeds` and `second_seeds` are the trials of their points, with all seeds.
///
/// # Errors
/// Only a bug causes one: a record that was read cannot be written.
pub fn compare(
    first: &TrialRecords,
    second: &TrialRecords,
    first_seeds: &[TrialRecords],
    second_seeds: &[TrialRecords],
) -> Result<Comparison> {
    let by_seed = |trials: &[TrialRecords]| -> BTreeMap<u64, BTreeMap<String, f64>> {
        let done = trials.iter().filter_map(|records| Some((records, records.outcome.as_ref()?)));
        done.map(|(records, outcome)| (records.trial.spec.seed, values_of(outcome))).collect()
    };
    let (firsts, seconds) = (by_seed(first_seeds), by_seed(second_seeds));
    let of = |records: &TrialRecords| records.outcome.as_ref().map(values_of).unwrap_or_default();
    let (own_first, own_second) = (of(first), of(second));
    let mut names: Vec<&String> = own_first.keys().chain(own_second.keys()).collect();
    names.sort();
    names.dedup();
    let compared = |name: &String| {
        let pairs = firsts.iter().filter_map(|(seed, values)| {
            Some(seconds.get(seed)?.get(name.as_str())? - values.get(name.as_str())?)
        });
        let differences: Vec<f64> = pairs.collect();
        let estimate = Estimate::paired(&differences);
        ComparedValue {
            name: name.clone(),
            first: own_first.get(name.as_str()).copied(),
            second: own_second.get(name.as_str()).copied(),
            mean_difference: estimate.as_ref().map(|estimate| estimate.effect),
            interval: estimate.as_ref().and_then(Estimate::interval),
            n: differences.len(),
        }
    };
    Ok(Comparison {
        settings: settings(&first.trial, &second.trial)?,
        values: names.into_iter().map(compared).collect(),
        seeds: firsts.keys().filter(|seed| seconds.contains_key(seed)).copied().collect(),
    })
}

/// The keys of two specifications that differ, in the order of the first, then those of the second alone.
fn settings(first: &TrialRecord, second: &TrialRecord) -> Result<Vec<ComparedSetting>> {
    let keys = |record: &TrialRecord| -> Result<Vec<(String, Value)>> {
        let spec = serde_json::to_value(&record.spec)
            .map_err(|error| Error::internal("a record cannot be written as JSON").because(error))?;
        let mut keys = Vec::new();
        flatten("", spec, &mut keys);
        Ok(keys)
    };
    let (firsts, seconds) = (keys(first)?, keys(second)?);
    let value = |keys: &[(String, Value)], key: &str| {
        keys.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone())
    };
    let only_second = seconds.iter().filter(|(key, _)| value(&firsts, key).is_none());
    let all = firsts.iter().chain(only_second).map(|(key, _)| ComparedSetting {
        key: key.clone(),
        first: value(&firsts, key),
        second: value(&seconds, key),
    });
    Ok(all.filter(|setting| setting.first != setting.second).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{a_trial, a_trial_record, an_outcome};

    fn records(seed: u64, steps: u64, auc: f64) -> TrialRecords {
        let mut trial = a_trial_record(&a_trial(seed).id);
        trial.spec.seed = seed;
        trial.spec.train.steps = steps;
        let mut outcome = an_outcome(&trial.id);
        outcome.validation = [("disc_auc".to_string(), auc)].into();
        TrialRecords { trial, outcome: Some(outcome), events: Vec::new() }
    }

    #[test]
    fn differences_are_taken_seed_by_seed() {
        let first = [records(1, 100, 0.5), records(2, 100, 0.6), records(3, 100, 0.9)];
        let second = [records(1, 200, 0.7), records(2, 200, 0.7)];
        let found = compare(&first[0], &second[0], &first, &second).unwrap();
        assert_eq!(found.seeds, [1, 2]);
        let [steps] = found.settings.as_slice() else { panic!("{:?}", found.settings) };
        assert_eq!(
            (steps.key.as_str(), &steps.first, &steps.second),
            ("train.steps", &Some(Value::from(100)), &Some(Value::from(200)))
        );
        let auc = found.values.iter().find(|value| value.name == "held_out.disc_auc").unwrap();
        assert_eq!((auc.first, auc.second, auc.n), (Some(0.5), Some(0.7), 2));
        // The differences are .2 and .1: mean .15, standard error .05, t(1) = 12.706.
        assert!((auc.mean_difference.unwrap() - 0.15).abs() < 1e-12);
        let (low, high) = auc.interval.unwrap();
        assert!(
            (low - (0.15 - 0.05 * 12.7062)).abs() < 1e-4 && (high - (0.15 + 0.05 * 12.7062)).abs() < 1e-4
        );
    }
}
