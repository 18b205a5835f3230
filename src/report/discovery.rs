//! The experiments, profiles and trials of a results folder, as their records name them.
//!
//! A results folder may hold several plans: the same experiment with another `--set`, or of an older version.
//! This file separates trials that do not belong in one table. Must never: read a number. Next:
//! `cli/report_all.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::experiment::{SweepPoint, Trial, TrialId, TrialSpec};
use crate::records::{ExperimentFolder, TrialRecord};

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
    /// Its trials: those that were run for this experiment first, the latest of them at the head.
    trials: Vec<DiscoveredTrial>,
}

struct DiscoveredTrial {
    trial: Trial,
    /// Whether it was run for this experiment. A trial of two experiments is run for one and copied for the
    /// other.
    is_own: bool,
    started_at: String,
}

/// Every experiment below `results` that has a trial, in the order of their names.
///
/// # Errors
/// A folder cannot be listed. Damaged records are errors of their experiment instead.
pub fn find(results: &Path) -> Result<Vec<DiscoveredExperiment>> {
    let mut experiments = Vec::new();
    for folder in ExperimentFolder::all(results)? {
        let mut found =
            DiscoveredExperiment { name: folder.name.clone(), profiles: Vec::new(), errors: Vec::new() };
        for trial in folder.trials()? {
            match trial.trial() {
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

impl DiscoveredExperiment {
    fn add(&mut self, record: TrialRecord) {
        let trial = record.trial();
        let name = record.profile;
        let place = self.profiles.iter().position(|profile| profile.name == name).unwrap_or_else(|| {
            self.profiles.push(DiscoveredProfile { name, trials: Vec::new() });
            self.profiles.len() - 1
        });
        let is_own = record.experiment == self.name;
        if let Some(profile) = self.profiles.get_mut(place) {
            profile.trials.push(DiscoveredTrial { trial, is_own, started_at: record.provenance.started_at });
            profile.trials.sort_by(|one, other| {
                let later = other.is_own.cmp(&one.is_own).then(other.started_at.cmp(&one.started_at));
                later.then(one.trial.id.cmp(&other.trial.id))
            });
        }
    }
}

impl DiscoveredProfile {
    /// How many trials it has.
    pub fn n_trials(&self) -> usize {
        self.trials.len()
    }

    /// Whether all of its trials are among these.
    pub fn is_within(&self, ids: &BTreeSet<TrialId>) -> bool {
        self.trials.iter().all(|found| ids.contains(&found.trial.id))
    }

    /// How many of a plan's trials it has.
    pub fn n_of<'p>(&self, plan: impl IntoIterator<Item = &'p Trial>) -> usize {
        let plan: Vec<&Trial> = plan.into_iter().collect();
        self.trials.iter().filter(|found| plan.iter().any(|trial| trial.id == found.trial.id)).count()
    }

    /// The trials that make one plan with the trial that was started last: the same swept paths, the same
    /// other settings, and no point and seed twice. They are sorted by the values of their points, numbers in
    /// ascending order, and by seed.
    pub fn latest(&self) -> Vec<Trial> {
        let mut kept: Vec<Trial> = Vec::new();
        let points = self.trials.iter().filter(|found| found.trial.spec.control.is_none());
        for DiscoveredTrial { trial, .. } in points {
            let first = kept.first();
            let Some(trial) = first.map_or(Some(trial.clone()), |first| at_paths_of(first, trial)) else {
                continue;
            };
            let fits = first.is_none_or(|first| belong_together(first, &trial));
            // Two trials of one point differ in nothing but the seed: else a mean would be over two models.
            let clashes = |known: &Trial| known.point == trial.point && !is_another_seed(known, &trial);
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

/// The trial with its point on the swept paths of another, since its record may be of another experiment's
/// sweep. None if its specification has no such paths.
fn at_paths_of(other: &Trial, trial: &Trial) -> Option<Trial> {
    if other.point.paths().eq(trial.point.paths()) {
        return Some(trial.clone());
    }
    let spec = serde_json::to_value(&trial.spec).ok()?;
    let value = |path: &str| path.split('.').try_fold(&spec, |section, key| section.get(key)).cloned();
    let point = other.point.paths().map(|path| Some((path.to_string(), value(path)?)));
    Some(Trial { point: point.collect::<Option<SweepPoint>>()?, ..trial.clone() })
}

fn is_another_seed(one: &Trial, other: &Trial) -> bool {
    let seed = one.spec.seed;
    seed != other.spec.seed && one.spec == TrialSpec { seed, ..other.spec.clone() }
}

/// Whether two trials can be points of one sweep: text, length and tasks are the same unless they are swept.
/// Models and objectives may differ, since a swept value can change others with it.
fn belong_together(one: &Trial, other: &Trial) -> bool {
    let settings = |trial: &Trial| {
        let (train, evaluate) = (&trial.spec.train, &trial.spec.evaluate);
        let all = json!({
            "data": trial.spec.data,
            "published": trial.spec.published,
            "init": trial.spec.init,
            "train.steps": train.steps,
            "train.batch": train.batch,
            "train.seq_len": train.seq_len,
            "evaluate.source": evaluate.source,
            "evaluate.tasks": evaluate.tasks,
            "evaluate.finetune.max_train_examples": evaluate.finetune.max_train_examples,
        });
        let is_swept = |key: &str| trial.point.paths().any(|path| path.starts_with(key));
        let kept = all.as_object().into_iter().flatten().filter(|(key, _)| !is_swept(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<(String, Value)>>()
    };
    settings(one) == settings(other)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::fixture::{Fixture, outcome};

    #[test]
    fn trials_are_found_by_their_records_and_damage_is_reported() {
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
        let messages: String = damaged.errors.iter().map(|error| error.message.clone() + "\n").collect();
        for words in [
            "trial.json is not a record",
            "has an outcome.json but no trial.json",
            "0123456789ab/trial.json is the record of",
        ] {
            assert!(messages.contains(words), "{messages}");
        }
    }

    /// A newer run of one point with more steps belongs to another plan: its point and seed are not shown
    /// twice.
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

    /// A folder that was copied from another experiment names its point by that experiment's sweep.
    #[test]
    fn a_copied_trial_finds_its_place() {
        let fixture = Fixture::sweep(&[0.25], &[1, 2]);
        let mut copied = fixture.trials[0].clone();
        let at = |path: &str, value: Value| SweepPoint::from_iter([(path.to_string(), value)]);
        copied.point = at("objective.kind", json!("rtd"));
        fixture.write(&copied, &outcome(&copied));
        let found = find(fixture.results().parent().unwrap()).unwrap();
        let latest = found[0].profiles[0].latest();
        assert_eq!(latest.len(), 2);
        assert_eq!(latest[0].point, latest[1].point);
        let other = Trial { point: at("model.size", json!("tiny")), ..copied.clone() };
        assert_eq!(at_paths_of(&other, &copied).unwrap().point, other.point);
        let unknown = Trial { point: at("model.no", json!(1)), ..copied.clone() };
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
