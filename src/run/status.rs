//! How far an experiment is, read from its folders: while other processes write them, or long after.
//!
//! Must never: need data, a tokenizer, a device or the network.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::step_time::StepTime;
use crate::error::{Error, Result};
use crate::experiment::{Budget, Experiment, Trial, TrialId};
use crate::flops;
use crate::records::folder::TrialFolder;
use crate::records::state::TrialState;
use crate::records::{Event, ExperimentFolder, Split, values_of};

/// How far an experiment is.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the profile.
    pub profile: String,
    /// One entry per trial.
    pub trials: Vec<TrialProgress>,
}

/// How far one trial is.
#[derive(Debug, Serialize)]
pub struct TrialProgress {
    /// Name of its folder.
    pub id: String,
    /// Its point and seed.
    pub label: String,
    /// Done, running, failed (and why), partial or new.
    pub status: TrialState,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole trial; absent where they depend on a vocabulary that is unknown until the trial
    /// begins.
    pub steps: Option<u64>,
    /// Training loss in the last line of metrics.
    pub loss: Option<f64>,
    /// Seconds so far; fine-tuning included once done.
    pub elapsed_s: Option<f64>,
    /// Estimated seconds of pre-training that remain, at the speed so far.
    pub left_s: Option<f64>,
    /// What a finished trial measured; empty until then.
    pub values: BTreeMap<String, f64>,
}

/// Reads how far an experiment's trials are from `results`; a trial whose records cannot be read is
/// `Damaged`.
pub fn experiment_status(experiment: &Experiment, results: &Path) -> Status {
    let row = |trial: &Trial| {
        let folder = TrialFolder::new(results, &experiment.spec.name, &trial.id);
        trial_status(trial, &folder).unwrap_or_else(|error| damaged(trial, &error))
    };
    Status {
        experiment: experiment.spec.name.clone(),
        profile: experiment.profile.clone(),
        trials: experiment.all_trials().map(row).collect(),
    }
}

impl TrialProgress {
    /// The row of a trial of which no number is known.
    fn without_numbers(id: &TrialId, label: String, status: TrialState) -> Self {
        Self {
            id: id.to_string(),
            label,
            status,
            step: 0,
            steps: None,
            loss: None,
            elapsed_s: None,
            left_s: None,
            values: BTreeMap::new(),
        }
    }
}

/// The row of a trial that cannot be read: it must not hide the others.
fn damaged(trial: &Trial, error: &Error) -> TrialProgress {
    TrialProgress::without_numbers(
        &trial.id,
        trial.label(),
        TrialState::Damaged { message: error.to_string() },
    )
}

/// Reads how far every trial below `results` is that is not done, experiment by experiment, whoever asked for
/// it. A trial whose record cannot be read has no label.
///
/// # Errors
/// The folder cannot be listed.
pub fn unfinished(results: &Path) -> Result<Vec<Status>> {
    let mut found: Vec<Status> = Vec::new();
    for experiment in ExperimentFolder::all(results)? {
        for folder in experiment.trials()? {
            let state = folder.state_or_damage();
            if matches!(state, TrialState::Done | TrialState::New) {
                continue;
            }
            let (row, profile) = match folder.trial() {
                Ok(Some(record)) => {
                    let trial = record.trial();
                    let row = trial_status(&trial, &folder).unwrap_or_else(|error| damaged(&trial, &error));
                    (row, record.profile)
                }
                _ => (TrialProgress::without_numbers(folder.id(), "-".into(), state), "unknown".into()),
            };
            let is_its = |one: &&mut Status| one.experiment == experiment.name && one.profile == profile;
            match found.iter_mut().find(is_its) {
                Some(status) => status.trials.push(row),
                None => {
                    found.push(Status { experiment: experiment.name.clone(), profile, trials: vec![row] });
                }
            }
        }
    }
    Ok(found)
}

fn trial_status(trial: &Trial, folder: &TrialFolder) -> Result<TrialProgress> {
    // The state is read first: a trial that ends meanwhile is then shown as running, with its last numbers.
    let state = folder.state()?;
    let events = folder.events()?;
    let latest = events.iter().rfind(|event| event.split == Split::Train);
    let mut row = TrialProgress {
        step: latest.map_or(0, |event| event.step),
        steps: steps_of(trial, folder)?,
        loss: latest.and_then(|event| event.values.get("loss").copied()),
        elapsed_s: latest.map(|event| event.elapsed_s),
        ..TrialProgress::without_numbers(&trial.id, trial.label(), state)
    };
    match row.status {
        TrialState::Done => {
            if let Some(outcome) = folder.outcome()? {
                (row.step, row.steps) = (outcome.steps, Some(outcome.steps));
                row.elapsed_s = Some(outcome.timing.pretrain_s + outcome.timing.finetune_s);
                row.values = values_of(&outcome);
            }
            row.left_s = Some(0.0);
        }
        // Steps after the checkpoint are lost: the trial continues from there.
        TrialState::Partial { step } => {
            row.step = step;
            row.left_s = left_s(latest, step, row.steps);
        }
        TrialState::Pretrained => row.step = row.steps.unwrap_or(row.step),
        TrialState::Running | TrialState::Failed { .. } => row.left_s = left_s(latest, row.step, row.steps),
        TrialState::New | TrialState::Damaged { .. } => {}
    }
    Ok(row)
}

fn steps_of(trial: &Trial, folder: &TrialFolder) -> Result<Option<u64>> {
    if trial.spec.published.is_some() {
        return Ok(Some(0));
    }
    let train = &trial.spec.train;
    let scheduled = match train.budget {
        Budget::Steps => Some(train.steps),
        Budget::Seconds => StepTime::read(folder)?.map(|measured| measured.steps),
        _ => folder
            .trial()?
            .and_then(|record| flops::resolved_steps(&trial.spec, record.provenance.corpus.vocab_size)),
    };
    Ok(scheduled.map(|steps| train.last_step(steps)))
}

fn left_s(latest: Option<&Event>, step: u64, steps: Option<u64>) -> Option<f64> {
    let latest = latest.filter(|event| event.step > 0)?;
    let step_s = latest.elapsed_s / latest.step as f64;
    Some(step_s * steps?.saturating_sub(step) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Failure, Jsonl, RECORD_VERSION, Sink};
    use crate::run::fixture::{a_trial, a_trial_record, an_experiment, an_outcome};

    fn write_events(folder: &TrialFolder, last: u64) {
        let sink = Jsonl::open(&folder.metrics()).unwrap();
        for (split, step) in [(Split::Train, last / 2), (Split::Train, last), (Split::Validation, last)] {
            let values = [("loss".to_string(), 12.5)].into();
            let elapsed_s = step as f64 * 0.5;
            sink.event(&Event { split, step, tokens: step, flops: 0.0, elapsed_s, values });
        }
    }

    #[test]
    fn every_state_shows_its_numbers() {
        let results = tempfile::tempdir().unwrap();
        let experiment = an_experiment(&[1, 2, 3, 4, 5]);
        let folders: Vec<TrialFolder> = experiment
            .trials
            .iter()
            .map(|trial| TrialFolder::new(results.path(), "test", &trial.id))
            .collect();
        for folder in &folders[..4] {
            drop(folder.lock().unwrap());
            folder.write_trial(&a_trial_record(&a_trial(1).id)).unwrap();
            write_events(folder, 400);
        }
        folders[0].write_outcome(&an_outcome(&experiment.trials[0].id)).unwrap();
        let _running = folders[1].lock().unwrap();
        std::fs::create_dir_all(folders[2].checkpoint(300)).unwrap();
        let message = "the loss is NaN\nhint: lower the rate".to_string();
        let failure = Failure { record_version: RECORD_VERSION, message, at: String::new() };
        folders[3].write_failure(&failure).unwrap();

        let status = experiment_status(&experiment, results.path());
        let numbers: Vec<_> = status
            .trials
            .iter()
            .map(|row| (row.step, row.steps, row.loss, row.elapsed_s, row.left_s))
            .collect();
        assert_eq!(
            numbers,
            [
                (1000, Some(1000), Some(12.5), Some(120.0), Some(0.0)),
                (400, Some(1000), Some(12.5), Some(200.0), Some(300.0)),
                (300, Some(1000), Some(12.5), Some(200.0), Some(350.0)),
                (400, Some(1000), Some(12.5), Some(200.0), Some(300.0)),
                (0, Some(1000), None, None, None),
            ]
        );
        assert_eq!(status.trials[1].status, TrialState::Running);
        assert_eq!(status.trials[4].status, TrialState::New);
    }

    #[test]
    fn a_damaged_trial_does_not_hide_the_others() {
        let results = tempfile::tempdir().unwrap();
        let experiment = an_experiment(&[1, 2]);
        let folder = TrialFolder::new(results.path(), "test", &experiment.trials[0].id);
        drop(folder.lock().unwrap());
        std::fs::write(folder.path().join("outcome.json"), "{").unwrap();
        let [broken, whole] = &experiment_status(&experiment, results.path()).trials[..] else {
            panic!("two")
        };
        let TrialState::Damaged { message } = &broken.status else { panic!("{:?}", broken.status) };
        assert!(message.contains("outcome.json is not a record of electra-lab"), "{message}");
        assert!(message.contains("\nhint: "), "{message}");
        assert_eq!(whole.status, TrialState::New);
    }

    #[test]
    fn steps_by_compute_are_known_once_the_vocabulary_is() {
        let results = tempfile::tempdir().unwrap();
        let mut trial = a_trial(1);
        trial.spec.train.budget = Budget::RtdFlops;
        let folder = TrialFolder::new(results.path(), "test", &trial.id);
        assert_eq!(steps_of(&trial, &folder).unwrap(), None);
        drop(folder.lock().unwrap());
        let mut record = a_trial_record(&trial.id);
        record.provenance.corpus.vocab_size = 1000;
        folder.write_trial(&record).unwrap();
        assert_eq!(steps_of(&trial, &folder).unwrap(), flops::resolved_steps(&trial.spec, 1000));
    }
}
