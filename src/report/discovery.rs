//! What lies in results/: which experiments, profiles and trials, by the records themselves.
//!
//! A results folder may hold more than one plan: the same experiment with other `--set`s, or by an older version. Trials
//! that cannot stand in one table are told apart here. Must never: read a number. Next: `cli/report_all.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::axes::same_value;
use super::records::{corrupt, read_record};
use crate::error::{Error, Result};
use crate::experiment::{Trial, TrialSpec};
use crate::records::TrialRecord;

/// An experiment with results.
pub struct DiscoveredExperiment {
    /// Name of its folder.
    pub name: String,
    /// Its profiles, in the order of their names.
    pub profiles: Vec<DiscoveredProfile>,
    /// Trial folders whose records cannot be read.
    pub errors: Vec<Error>,
}

/// The trials of a profile.
pub struct DiscoveredProfile {
    /// Its name.
    pub name: String,
    /// Its trials: those that were run for this experiment first, and of these the last that was started.
    trials: Vec<FoundTrial>,
}

struct FoundTrial {
    trial: Trial,
    /// Whether it was run for this experiment; a trial of two experiments is run once and its folder copied.
    is_own: bool,
    started_at: String,
}

/// Every experiment below `results` that has a trial, in the order of their names.
///
/// # Errors
/// A folder that cannot be listed. What is wrong within an experiment is told with it.
pub fn find(results: &Path) -> Result<Vec<DiscoveredExperiment>> {
    let mut experiments = Vec::new();
    for folder in folders(results)? {
        let mut found =
            DiscoveredExperiment { name: name_of(&folder), profiles: Vec::new(), errors: Vec::new() };
        for trial_folder in folders(&folder)? {
            match read_trial(&trial_folder) {
                Ok(Some(record)) => found.add(record),
                Ok(None) => {}
                Err(error) => found.errors.push(error),
            }
        }
        found.profiles.sort_by(|one, other| one.name.cmp(&other.name));
        if !found.profiles.is_empty() || !found.errors.is_empty() {
            experiments.push(found);
        }
    }
    Ok(experiments)
}

/// The folders in a folder, by name.
fn folders(within: &Path) -> Result<Vec<PathBuf>> {
    let unlisted = |error| Error::storage(within, "list", error);
    let mut found = Vec::new();
    for entry in fs::read_dir(within).map_err(unlisted)? {
        let path = entry.map_err(unlisted)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The record of a trial's folder; None of a folder that is no trial's, or whose trial has not begun.
fn read_trial(folder: &Path) -> Result<Option<TrialRecord>> {
    let path = folder.join("trial.json");
    let Some(record) = read_record::<TrialRecord>(&path)? else {
        return match folder.join("outcome.json").exists() {
            true => Err(corrupt(&path, None, "is missing beside outcome.json, so nothing says what was run")),
            false => Ok(None),
        };
    };
    if record.id.0 != name_of(folder) {
        let what = format!("is the record of trial {}, in the folder {}", record.id, name_of(folder));
        return Err(corrupt(&path, None, &what));
    }
    Ok(Some(record))
}

impl DiscoveredExperiment {
    fn add(&mut self, record: TrialRecord) {
        let name = record.profile;
        let place = self.profiles.iter().position(|profile| profile.name == name).unwrap_or_else(|| {
            self.profiles.push(DiscoveredProfile { name, trials: Vec::new() });
            self.profiles.len() - 1
        });
        let trial = Trial { id: record.id, point: record.point, spec: record.spec };
        let is_own = record.experiment == self.name;
        if let Some(profile) = self.profiles.get_mut(place) {
            profile.trials.push(FoundTrial { trial, is_own, started_at: record.provenance.started_at });
            profile.trials.sort_by(|one, other| {
                let later = other.is_own.cmp(&one.is_own).then(other.started_at.cmp(&one.started_at));
                later.then(one.trial.id.cmp(&other.trial.id))
            });
        }
    }
}

impl DiscoveredProfile {
    /// All trials.
    pub fn n_trials(&self) -> usize {
        self.trials.len()
    }

    /// How many of a plan's trials are here.
    pub fn n_of(&self, plan: &[Trial]) -> usize {
        self.trials.iter().filter(|found| plan.iter().any(|trial| trial.id == found.trial.id)).count()
    }

    /// The trials that belong together with the one that was started last: the same swept paths, the same settings beside
    /// them, and no point and seed twice. By the values of their points, numbers in ascending order, and by seed.
    pub fn latest(&self) -> Vec<Trial> {
        let mut kept: Vec<Trial> = Vec::new();
        for FoundTrial { trial, .. } in &self.trials {
            let first = kept.first();
            let Some(trial) = first.map_or(Some(trial.clone()), |first| at_paths_of(first, trial)) else {
                continue;
            };
            let fits = first.is_none_or(|first| belong_together(first, &trial));
            // Another seed of a point is the same trial but for the seed: else a mean would be over two models.
            let clashes = |known: &Trial| same_point(known, &trial) && !is_another_seed(known, &trial);
            if fits && !kept.iter().any(clashes) {
                kept.push(trial);
            }
        }
        let numbers = |trial: &Trial| -> Vec<f64> {
            trial.point.iter().map(|(_, value)| value.as_f64().unwrap_or_default()).collect()
        };
        let words =
            |trial: &Trial| trial.point.iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>();
        kept.sort_by(|one, other| {
            let by_number = numbers(one).partial_cmp(&numbers(other)).unwrap_or(std::cmp::Ordering::Equal);
            by_number.then_with(|| words(one).cmp(&words(other))).then(one.spec.seed.cmp(&other.spec.seed))
        });
        kept
    }
}

/// The trial with its point told by the swept paths of another: its record may name the sweep of another experiment. None
/// where it has no such values.
fn at_paths_of(other: &Trial, trial: &Trial) -> Option<Trial> {
    let paths = |trial: &Trial| trial.point.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    if paths(other) == paths(trial) {
        return Some(trial.clone());
    }
    let spec = serde_json::to_value(&trial.spec).ok()?;
    let value = |path: &String| path.split('.').try_fold(&spec, |section, key| section.get(key)).cloned();
    let point = paths(other).into_iter().map(|path| Some((path.clone(), value(&path)?)));
    Some(Trial { point: point.collect::<Option<Vec<_>>>()?, ..trial.clone() })
}

fn same_point(one: &Trial, other: &Trial) -> bool {
    one.point.len() == other.point.len()
        && one.point.iter().zip(&other.point).all(|(a, b)| a.0 == b.0 && same_value(&a.1, &b.1))
}

fn is_another_seed(one: &Trial, other: &Trial) -> bool {
    let seed = one.spec.seed;
    seed != other.spec.seed && one.spec == TrialSpec { seed, ..other.spec.clone() }
}

/// Whether two trials can be points of one sweep: what is not swept of text, length and tasks is the same. Shapes and objectives may differ, since a swept word can bring others along.
fn belong_together(one: &Trial, other: &Trial) -> bool {
    let settings = |trial: &Trial| {
        let (train, evaluate) = (&trial.spec.train, &trial.spec.evaluate);
        let all = json!({
            "data": trial.spec.data,
            "published": trial.spec.published,
            "train.steps": train.steps,
            "train.batch": train.batch,
            "train.seq_len": train.seq_len,
            "evaluate.source": evaluate.source,
            "evaluate.tasks": evaluate.tasks,
            "evaluate.finetune.max_train_examples": evaluate.finetune.max_train_examples,
        });
        let is_swept = |key: &str| trial.point.iter().any(|(path, _)| path.starts_with(key));
        let kept = all.as_object().into_iter().flatten().filter(|(key, _)| !is_swept(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<(String, Value)>>()
    };
    settings(one) == settings(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{Fixture, outcome};

    #[test]
    fn trials_are_found_by_their_records_and_damage_is_told() {
        let fixture = Fixture::new();
        let results = fixture.results();
        // The fixture's trials lie directly in results/: one experiment, named by the folder above.
        let found = find(results.parent().unwrap()).unwrap();
        assert_eq!((found.len(), found[0].name.as_str()), (1, "results"));
        let profile = &found[0].profiles[0];
        assert_eq!(
            (profile.name.as_str(), profile.n_trials(), profile.n_of(&fixture.trials)),
            ("quick", 6, 6)
        );
        let ids = |trials: &[Trial]| trials.iter().map(|trial| trial.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&profile.latest()), ids(&fixture.trials));

        let folder = |index: usize| results.join(&fixture.trials[index].id.0);
        fs::write(folder(0).join("trial.json"), "{").unwrap();
        fs::remove_file(folder(1).join("trial.json")).unwrap();
        fs::rename(folder(2), results.join("0123456789ab")).unwrap();
        let damaged = find(results.parent().unwrap()).unwrap().remove(0);
        assert_eq!((damaged.errors.len(), damaged.profiles[0].n_trials()), (3, 3));
        let told: String = damaged.errors.iter().map(|error| error.message.clone() + "\n").collect();
        for words in
            ["trial.json:1: cannot be read", "missing beside outcome.json", "in the folder 0123456789ab"]
        {
            assert!(told.contains(words), "{told}");
        }
    }

    /// A newer run of one point with more steps is another plan; its point and seed are not shown twice.
    #[test]
    fn other_settings_are_left_out() {
        let fixture = Fixture::sweep(&[0.25, 1.0], &[1]);
        let mut longer = fixture.trials[0].clone();
        longer.spec.train.steps = 900;
        longer.id = longer.spec.id();
        fixture.write(&longer, &outcome(&longer));
        let path = fixture.results().join(&longer.id.0).join("trial.json");
        let text = fs::read_to_string(&path).unwrap().replace("2026-01-01", "2026-02-01");
        fs::write(&path, text).unwrap();
        let found = find(fixture.results().parent().unwrap()).unwrap();
        let latest = found[0].profiles[0].latest();
        assert_eq!((latest.len(), &latest[0].id), (1, &longer.id));
    }

    /// A folder that was copied from another experiment's results tells its point by another sweep.
    #[test]
    fn a_copied_trial_finds_its_place() {
        let fixture = Fixture::sweep(&[0.25], &[1, 2]);
        let mut copied = fixture.trials[0].clone();
        copied.point = vec![("objective.kind".into(), json!("rtd"))];
        fixture.write(&copied, &outcome(&copied));
        let found = find(fixture.results().parent().unwrap()).unwrap();
        let latest = found[0].profiles[0].latest();
        assert_eq!(latest.len(), 2);
        assert!(same_point(&latest[0], &latest[1]), "{:?} and {:?}", latest[0].point, latest[1].point);
        let other = Trial { point: vec![("model.size".into(), json!("tiny"))], ..copied.clone() };
        assert_eq!(at_paths_of(&other, &copied).unwrap().point, other.point);
        let unknown = Trial { point: vec![("model.no".into(), json!(1))], ..copied.clone() };
        assert!(at_paths_of(&unknown, &copied).is_none());
    }

    #[test]
    fn a_folder_without_trials_is_no_experiment() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("notes/empty")).unwrap();
        assert!(find(folder.path()).unwrap().is_empty());
        assert!(find(&folder.path().join("missing")).is_err());
    }
}
