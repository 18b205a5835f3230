//! What lies in a results folder: every trial with its state, size and age, whoever asked for it.
//!
//! Must never: write. Next: `folder.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::folder::TrialFolder;
use super::results::ExperimentFolder;
use super::state::TrialState;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TrialId;

/// A trial that has begun.
#[derive(Clone, Debug)]
pub struct InventoryEntry {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the trial's folder.
    pub id: TrialId,
    /// Profile that it ran under; None if its record cannot be read.
    pub profile: Option<String>,
    /// Its point and seed, as in `model.generator_ratio=0.25 seed=1`; None if its record cannot be read.
    pub label: Option<String>,
    /// How far it is.
    pub state: TrialState,
    /// Bytes of all its files.
    pub bytes: u64,
    /// When the newest of its files was written; None where the file system does not say.
    pub changed: Option<DateTime<Utc>>,
    /// Its folder.
    pub folder: TrialFolder,
}

/// The trials below `results`, experiment by experiment; of the named experiments alone, if there are any.
/// A trial whose records cannot be read is in it, as damaged.
///
/// # Errors
/// A folder cannot be listed, or a named experiment has none.
pub fn inventory(results: &Path, experiments: &[String]) -> Result<Vec<InventoryEntry>> {
    let found = ExperimentFolder::all(results)?;
    let known: BTreeSet<&str> = found.iter().map(|experiment| experiment.name.as_str()).collect();
    if let Some(missing) = experiments.iter().find(|name| !known.contains(name.as_str())) {
        let names: Vec<&str> = known.into_iter().collect();
        return Err(Error::new(
            ErrorKind::Data,
            format!("{} has no experiment {missing}", results.display()),
            match names.is_empty() {
                true => "run an experiment first, or name the folder of its results with --results".into(),
                false => format!("it has {}; --results names another folder", names.join(", ")),
            },
        ));
    }
    let mut entries = Vec::new();
    for experiment in found {
        if !experiments.is_empty() && !experiments.contains(&experiment.name) {
            continue;
        }
        for folder in experiment.trials()? {
            entries.extend(inventory_entry(&experiment.name, folder));
        }
    }
    Ok(entries)
}

/// The entry of a folder of an experiment; None if it is not a trial's.
pub fn inventory_entry(experiment: &str, folder: TrialFolder) -> Option<InventoryEntry> {
    let state = folder.state_or_damage();
    if state == TrialState::New {
        return None;
    }
    let (profile, label) = match folder.trial() {
        Ok(Some(record)) => {
            let label = record.trial().label();
            (Some(record.profile), Some(label))
        }
        _ => (None, None),
    };
    let (bytes, changed) = size_and_age(folder.path());
    let (experiment, id) = (experiment.to_string(), folder.id().clone());
    Some(InventoryEntry { experiment, id, profile, label, state, bytes, changed, folder })
}

/// Bytes of all files below a folder, and when the newest was written. What vanishes meanwhile, or cannot be
/// read, counts nothing. Links are not followed.
pub fn size_and_age(folder: &Path) -> (u64, Option<DateTime<Utc>>) {
    let mut total = (0, None);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let (bytes, changed) = match metadata.is_dir() {
            true => size_and_age(&entry.path()),
            false => (metadata.len(), metadata.modified().ok().map(DateTime::from)),
        };
        total = (total.0 + bytes, total.1.max(changed));
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{a_trial, a_trial_record, an_outcome};

    #[test]
    fn every_trial_is_listed_with_its_state_and_size() {
        let results = tempfile::tempdir().unwrap();
        let id = a_trial(1).id;
        for (experiment, done) in [("first", true), ("second", false)] {
            let folder = TrialFolder::new(results.path(), experiment, &id);
            drop(folder.lock().unwrap());
            folder.write_trial(&a_trial_record(&id)).unwrap();
            if done {
                folder.write_outcome(&an_outcome(&id)).unwrap();
            }
        }
        std::fs::create_dir_all(results.path().join("first/no-trial")).unwrap();
        let damaged = results.path().join("second/0123456789ab");
        std::fs::create_dir_all(&damaged).unwrap();
        std::fs::write(damaged.join("outcome.json"), "{").unwrap();

        let all = inventory(results.path(), &[]).unwrap();
        let mut rows: Vec<(&str, &str)> =
            all.iter().map(|entry| (entry.experiment.as_str(), entry.state.word())).collect();
        rows.sort_unstable();
        assert_eq!(rows, [("first", "done"), ("second", "damaged"), ("second", "partial")]);
        let file = |name: &str| std::fs::metadata(all[0].folder.path().join(name)).unwrap().len();
        assert_eq!(all[0].bytes, file("trial.json") + file("outcome.json") + file(".lock"));
        assert!(all[0].label.as_ref().unwrap().ends_with("seed=1"));

        let error = inventory(results.path(), &["third".into()]).unwrap_err();
        insta::assert_snapshot!(error.hint, @"it has first, second; --results names another folder");
        assert_eq!(inventory(results.path(), &["first".into()]).unwrap().len(), 1);
    }
}
