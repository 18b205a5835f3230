//! What a finished trial measured, as one list of names and values.
//!
//! Must never: average over trials. Next: `report/values.rs` does.

use std::collections::BTreeMap;

use super::median::median;
use super::schema::Outcome;

/// What a trial measured: its tasks, its measures without the controls, and its held-out values.
pub fn values_of(outcome: &Outcome) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let mut runs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for score in &outcome.scores {
        runs.entry(score.task.as_str()).or_default().extend(score.value);
    }
    values.extend(runs.iter().filter_map(|(task, runs)| Some(((*task).to_string(), median(runs)?))));
    let own = outcome.measures.iter().filter(|measure| measure.baseline.is_none());
    values.extend(own.filter_map(|measure| Some((measure.name.clone(), measure.value?))));
    values.extend(outcome.validation.iter().map(|(name, value)| (format!("held_out.{name}"), *value)));
    values
}
