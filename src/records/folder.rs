//! A trial's folder, `results/<experiment>/<trial-id>/`: the only code that reads and writes its JSON
//! records.
//!
//! ```text
//! trial.json      the specification and its provenance
//! metrics.jsonl   one line per logged step (see `events.rs`)
//! checkpoints/    step-000000500.safetensors, …, final.safetensors
//! predictions/    one file per task and fine-tuning seed; SQuAD has a folder; one file of scores per set of
//!                 minimal pairs and scorer
//! finetuned/      one file of weights per task and fine-tuning seed: kept if the specification asks for it,
//!                 and while other tasks start from it; `.unfinished` is the state of a run that was stopped
//! throughput.json the number of steps that a budget in seconds was measured to buy; once called pace.json
//! outcome.json    written last: its existence means that the trial is done
//! failure.json    why the trial stopped
//! .lock           locked by the process that runs the trial
//! ```
//!
//! The operating system owns the lock and releases it when the process ends, however it ends. Must never:
//! write into a folder that another process has locked, or write a record in place.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::checkpoints::{FINAL, file_name, steps};
use super::events::read_events;
use super::lock::{FolderLock, LOCK_FILE, is_locked};
use super::pair_scores::{PairScore, read_pair_scores, to_csv};
use super::schema::{Event, Failure, Outcome, Predictions, RECORD_VERSION, TrialRecord};
use super::state::TrialState;
use crate::disk::{TEMPORARY_PREFIX, create_folder, storage_error, write_whole};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{TaskName, TrialId, is_name};
use crate::formats::shards;

/// Folder of the predictions.
const PREDICTIONS: &str = "predictions";
/// Folder of the fine-tuned weights.
const FINETUNED: &str = "finetuned";

const TRIAL: &str = "trial.json";
const OUTCOME: &str = "outcome.json";
const FAILURE: &str = "failure.json";

/// All records of a trial that has begun.
pub struct TrialRecords {
    /// `trial.json`.
    pub trial: TrialRecord,
    /// `outcome.json`; None if the trial is not done.
    pub outcome: Option<Outcome>,
    /// The lines of `metrics.jsonl`; empty if the file is missing.
    pub events: Vec<Event>,
}

/// The folder of one trial. Making the value does not touch the disk.
#[derive(Clone, Debug)]
pub struct TrialFolder {
    path: PathBuf,
    id: TrialId,
}

impl TrialFolder {
    /// The folder of trial `id`, below `results/<experiment>`.
    pub fn new(results: &Path, experiment: &str, id: &TrialId) -> Self {
        Self::within(&results.join(experiment), id)
    }

    /// The folder of trial `id` in the folder of an experiment.
    pub fn within(experiment: &Path, id: &TrialId) -> Self {
        Self { path: experiment.join(&id.0), id: id.clone() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The trial that it belongs to.
    pub fn id(&self) -> &TrialId {
        &self.id
    }

    /// The file of metrics.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The folder of checkpoints; it may not exist yet.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The checkpoint after `step` steps. It is written under another name and renamed: a file of this name
    /// is whole.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(file_name(step))
    }

    /// Step of the newest whole checkpoint.
    pub fn last_checkpoint(&self) -> Option<u64> {
        steps(&self.checkpoints()).last().copied()
    }

    /// The predictions of a fine-tuned model, if they were saved.
    pub fn predictions(&self, task: TaskName, finetune_seed: u64) -> Result<Option<Predictions>> {
        self.read(&format!("{}.json", Self::predictions_name(task, finetune_seed)))
    }

    /// Path of a fine-tuning run's predictions in the folder: a folder for SQuAD, else a file without its
    /// ending.
    pub(crate) fn predictions_name(task: TaskName, finetune_seed: u64) -> String {
        format!("{PREDICTIONS}/{task}-{finetune_seed}")
    }

    /// The file of a fine-tuned model's weights.
    pub fn finetuned(&self, task: TaskName, finetune_seed: u64) -> PathBuf {
        self.path.join(FINETUNED).join(format!("{task}-{finetune_seed}.safetensors"))
    }

    /// The file of the state of a fine-tuning run that is not finished.
    pub fn unfinished(&self, task: TaskName, finetune_seed: u64) -> PathBuf {
        self.path.join(FINETUNED).join(format!("{task}-{finetune_seed}.unfinished.safetensors"))
    }

    /// The owner in the files of a fine-tuning run's weights.
    pub fn owner_of_finetuned(&self, task: TaskName, finetune_seed: u64) -> String {
        format!("{} {task}-{finetune_seed}", self.id)
    }

    /// Saves the predictions of a fine-tuned model, before they are scored.
    pub fn write_predictions(&self, predictions: &Predictions) -> Result<()> {
        create_folder(&self.path.join(PREDICTIONS))?;
        let name = Self::predictions_name(predictions.task, predictions.finetune_seed);
        self.write(&format!("{name}.json"), predictions)
    }

    /// The file of the scores of a set of minimal pairs by one scorer.
    pub fn pair_scores_file(&self, set: &str, scorer: &str) -> PathBuf {
        self.path.join(PREDICTIONS).join(format!("pairs-{set}-{scorer}.csv"))
    }

    /// Saves the scores of a set of minimal pairs by one scorer, before they become a measure.
    ///
    /// # Errors
    /// A score is not finite, or the file cannot be written.
    pub fn write_pair_scores(&self, set: &str, scorer: &str, scores: &[PairScore]) -> Result<()> {
        let text = to_csv(set, scorer, scores)?;
        create_folder(&self.path.join(PREDICTIONS))?;
        write_whole(&self.pair_scores_file(set, scorer), text.as_bytes())
    }

    /// The saved scores of a set of `n_pairs` minimal pairs by one scorer.
    ///
    /// # Errors
    /// The file is missing or damaged, lacks a pair, or holds the scores of another set or scorer.
    pub fn pair_scores(&self, set: &str, scorer: &str, n_pairs: usize) -> Result<Vec<PairScore>> {
        let path = self.pair_scores_file(set, scorer);
        let mut read = read_pair_scores(&path)
            .map_err(|error| Error::new(ErrorKind::Storage, error.message, self.hint()))?;
        let damaged =
            |what: String| Error::new(ErrorKind::Storage, format!("{} {what}", path.display()), self.hint());
        let scores = match (read.pop(), read.is_empty()) {
            (Some(only), true) if only.set == set && only.scorer == scorer => only.scores,
            _ => return Err(damaged(format!("has not the scores of {set} by {scorer} alone"))),
        };
        // A file that was cut at the end of a line reads well, and its mean would be of fewer pairs.
        if !scores.iter().map(|score| score.pair).eq(0..n_pairs as u64) {
            let found = scores.len();
            return Err(damaged(format!(
                "has {found} pairs, and not 0 to {} in order",
                n_pairs.saturating_sub(1)
            )));
        }
        Ok(scores)
    }

    /// Makes the folder, locks it for this process, and deletes files that a killed process had half written.
    ///
    /// # Errors
    /// Another process has the folder locked.
    pub fn lock(&self) -> Result<FolderLock> {
        create_folder(&self.path)?;
        let lock = FolderLock::acquire(&self.path)?;
        let predictions = self.path.join(PREDICTIONS);
        // SQuAD has one folder of answers per fine-tuning run.
        let inside =
            std::fs::read_dir(&predictions).into_iter().flatten().flatten().map(|entry| entry.path());
        let folders = [self.path.clone(), self.checkpoints(), self.path.join(FINETUNED), predictions.clone()];
        for folder in folders.into_iter().chain(inside).filter(|folder| folder.is_dir()) {
            remove_where(&folder, |name| name.starts_with(TEMPORARY_PREFIX))?;
        }
        Ok(lock)
    }

    /// Deletes everything that an earlier run left.
    pub fn discard(&self, _lock: &FolderLock) -> Result<()> {
        remove_where(&self.path, |name| name != LOCK_FILE)
    }

    /// Deletes the folder with everything in it.
    ///
    /// # Errors
    /// Another process runs the trial, or a file cannot be deleted.
    pub fn delete(&self) -> Result<()> {
        let lock = FolderLock::acquire(&self.path)?;
        self.discard(&lock)?;
        drop(lock);
        std::fs::remove_dir_all(&self.path).map_err(|error| storage_error(&self.path, "delete", &error))
    }

    /// How far the trial is.
    pub fn state(&self) -> Result<TrialState> {
        if self.outcome()?.is_some() {
            return Ok(TrialState::Done);
        }
        if is_locked(&self.path) {
            return Ok(TrialState::Running);
        }
        if let Some(failure) = self.failure()? {
            return Ok(TrialState::Failed { message: failure.message });
        }
        if shards::exists(&self.checkpoints().join(FINAL)) {
            return Ok(TrialState::Pretrained);
        }
        Ok(match self.last_checkpoint() {
            Some(step) => TrialState::Partial { step },
            None if self.path.join(TRIAL).exists() => TrialState::Partial { step: 0 },
            None => TrialState::New,
        })
    }

    /// How far the trial is; [`TrialState::Damaged`] if a record cannot be read.
    pub fn state_or_damage(&self) -> TrialState {
        self.state().unwrap_or_else(|error| TrialState::Damaged { message: error.to_string() })
    }

    /// `trial.json`; None if the trial has not begun.
    ///
    /// # Errors
    /// The file cannot be read, belongs to another trial, has a name that cannot be a folder's, or is missing
    /// although the trial is done.
    pub fn trial(&self) -> Result<Option<TrialRecord>> {
        let record: Option<TrialRecord> = self.read(TRIAL)?;
        match &record {
            Some(record) => {
                self.check_owner(TRIAL, &record.id)?;
                self.check_names(record)?;
            }
            None if self.path.join(OUTCOME).exists() => {
                return Err(Error::new(
                    ErrorKind::Storage,
                    format!("{} has an {OUTCOME} but no {TRIAL}", self.path.display()),
                    self.hint(),
                ));
            }
            None => {}
        }
        Ok(record)
    }

    /// `outcome.json`; None if the trial is not done.
    ///
    /// # Errors
    /// The file cannot be read, or belongs to another trial.
    pub fn outcome(&self) -> Result<Option<Outcome>> {
        let outcome: Option<Outcome> = self.read(OUTCOME)?;
        if let Some(outcome) = &outcome {
            self.check_owner(OUTCOME, &outcome.id)?;
        }
        Ok(outcome)
    }

    /// All records of the trial; None if it has not begun.
    pub fn records(&self) -> Result<Option<TrialRecords>> {
        let Some(trial) = self.trial()? else { return Ok(None) };
        Ok(Some(TrialRecords { trial, outcome: self.outcome()?, events: self.events()? }))
    }

    fn check_owner(&self, name: &str, id: &TrialId) -> Result<()> {
        if *id == self.id {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Storage,
            format!(
                "{} is the record of trial {id}: the folder was copied or renamed",
                self.path.join(name).display()
            ),
            "give the folder its own name back, or run the trial again with --force",
        ))
    }

    /// Names in a record become folders of reports: those of others' results must not lead out of them.
    fn check_names(&self, record: &TrialRecord) -> Result<()> {
        for (key, name) in [("experiment", &record.experiment), ("profile", &record.profile)] {
            if !is_name(name) {
                let what = format!(
                    "{} has the {key} \"{name}\", which cannot name a folder",
                    self.path.join(TRIAL).display()
                );
                return Err(Error::new(ErrorKind::Storage, what, self.hint()));
            }
        }
        Ok(())
    }

    fn hint(&self) -> String {
        format!("restore the file, or run the trial again with `run --force --only {}`", self.id)
    }

    /// `failure.json`; None if the trial has not failed.
    pub fn failure(&self) -> Result<Option<Failure>> {
        self.read(FAILURE)
    }

    /// The lines of `metrics.jsonl`.
    pub fn events(&self) -> Result<Vec<Event>> {
        read_events(&self.metrics())
    }

    /// Writes `trial.json`.
    pub fn write_trial(&self, record: &TrialRecord) -> Result<()> {
        self.write(TRIAL, record)
    }

    /// Writes `outcome.json`, which ends the trial.
    pub fn write_outcome(&self, outcome: &Outcome) -> Result<()> {
        // JSON writes such a number as null, which no reader accepts. An error is better than a broken
        // record.
        match outcome.validation.iter().find(|(_, value)| !value.is_finite()) {
            Some((name, value)) => Err(Error::internal(format!("{name} of the outcome is {value}"))),
            None => self.write(OUTCOME, outcome),
        }
    }

    /// Writes `failure.json`.
    pub fn write_failure(&self, failure: &Failure) -> Result<()> {
        self.write(FAILURE, failure)
    }

    /// Deletes the record of an earlier failure.
    pub fn clear_failure(&self) -> Result<()> {
        remove_where(&self.path, |name| name == FAILURE)
    }

    pub(crate) fn write(&self, name: &str, record: &impl Serialize) -> Result<()> {
        let path = self.path.join(name);
        let mut text =
            serde_json::to_string_pretty(record).map_err(|error| Error::storage(&path, "write", error))?;
        text.push('\n');
        write_whole(&path, text.as_bytes())
    }

    pub(crate) fn read<R: DeserializeOwned>(&self, name: &str) -> Result<Option<R>> {
        let path = self.path.join(name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(storage_error(&path, "read", &error)),
        };
        let damaged = |error: serde_json::Error| {
            Error::new(
                ErrorKind::Storage,
                format!("{} is not a record of electra-lab", path.display()),
                self.hint(),
            )
            .because(error)
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        let version = value.get("record_version").and_then(Value::as_u64).unwrap_or(0);
        if version > u64::from(RECORD_VERSION) {
            return Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "{} has record version {version}, and this electra-lab reads up to {RECORD_VERSION}",
                    path.display()
                ),
                "update electra-lab, or use another folder with --results",
            ));
        }
        serde_json::from_value(value).map(Some).map_err(damaged)
    }
}

/// Deletes the entries of a folder whose names fulfil a condition.
fn remove_where(folder: &Path, chosen: impl Fn(&str) -> bool) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>())
        .map_err(|error| storage_error(folder, "list", &error))?;
    for entry in entries.iter().filter(|entry| entry.file_name().to_str().is_some_and(&chosen)) {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }
            .map_err(|error| storage_error(&path, "delete", &error))?;
    }
    Ok(())
}

mod splits;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{a_trial_record, an_outcome};

    fn a_folder() -> (tempfile::TempDir, TrialFolder) {
        let results = tempfile::tempdir().unwrap();
        let folder = TrialFolder::new(results.path(), "gen_ratio", &TrialId("0123456789ab".into()));
        (results, folder)
    }

    fn a_failure(message: &str) -> Failure {
        Failure { record_version: RECORD_VERSION, message: message.into(), at: "2026-01-01T00:00:00Z".into() }
    }

    #[test]
    fn a_trial_goes_through_its_states() {
        let (_results, folder) = a_folder();
        assert_eq!(folder.state().unwrap(), TrialState::New);
        let lock = folder.lock().unwrap();
        assert_eq!(folder.state().unwrap(), TrialState::Running);
        folder.write_trial(&a_trial_record(&folder.id)).unwrap();
        drop(lock);
        assert_eq!(folder.state().unwrap(), TrialState::Partial { step: 0 });
        for step in [500, 1000] {
            std::fs::create_dir_all(folder.checkpoint(step)).unwrap();
        }
        // Not whole, so not counted.
        std::fs::create_dir_all(folder.checkpoints().join(".writing-step-000001500")).unwrap();
        assert_eq!(folder.state().unwrap(), TrialState::Partial { step: 1000 });
        std::fs::write(folder.checkpoints().join(FINAL), "").unwrap();
        assert_eq!(folder.state().unwrap(), TrialState::Pretrained);
        folder.write_failure(&a_failure("the loss is NaN")).unwrap();
        assert_eq!(folder.state().unwrap(), TrialState::Failed { message: "the loss is NaN".into() });
        folder.clear_failure().unwrap();
        folder.write_outcome(&an_outcome(&folder.id)).unwrap();
        assert_eq!(folder.state().unwrap(), TrialState::Done);
        assert_eq!(folder.outcome().unwrap(), Some(an_outcome(&folder.id)));
    }

    #[test]
    fn locking_removes_what_a_killed_process_was_writing() {
        let (_results, folder) = a_folder();
        drop(folder.lock().unwrap());
        let answers = folder.path().join("predictions/squad2-1");
        std::fs::create_dir_all(&answers).unwrap();
        std::fs::write(answers.join("nbest.json"), "{}").unwrap();
        let stale = [folder.path().join(".writing-abc"), answers.join(".writing-def")];
        stale.iter().for_each(|stale| std::fs::write(stale, "half").unwrap());
        let _lock = folder.lock().unwrap();
        assert!(stale.iter().all(|stale| !stale.exists()) && answers.join("nbest.json").exists());
    }

    #[test]
    fn discarding_leaves_only_the_lock() {
        let (_results, folder) = a_folder();
        let lock = folder.lock().unwrap();
        folder.write_outcome(&an_outcome(&folder.id)).unwrap();
        std::fs::create_dir_all(folder.checkpoint(3)).unwrap();
        folder.discard(&lock).unwrap();
        assert_eq!(folder.state().unwrap(), TrialState::Running);
        assert!(folder.lock().is_err(), "still locked");
        drop(lock);
        assert_eq!(folder.state().unwrap(), TrialState::New);
    }

    #[test]
    fn a_newer_record_is_refused() {
        let (_results, folder) = a_folder();
        let _lock = folder.lock().unwrap();
        std::fs::write(folder.path().join("outcome.json"), r#"{"record_version": 99, "new": 1}"#).unwrap();
        let error = folder.state().unwrap_err();
        assert!(
            error.message.ends_with("has record version 99, and this electra-lab reads up to 1"),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_record_is_named() {
        let (_results, folder) = a_folder();
        let _lock = folder.lock().unwrap();
        std::fs::write(folder.path().join("outcome.json"), "{\"record_ver").unwrap();
        let error = folder.state().unwrap_err();
        assert!(error.message.contains("outcome.json is not a record of electra-lab: "), "{error}");
        assert!(error.hint.contains("--force"));
    }

    #[test]
    fn a_name_that_leads_out_of_a_folder_is_refused() {
        let (_results, folder) = a_folder();
        let _lock = folder.lock().unwrap();
        let record = a_trial_record(&folder.id);
        folder.write_trial(&record).unwrap();
        folder.trial().unwrap();
        for name in ["../../escaped", "/tmp/absolute", "..", "", "a/b"] {
            folder.write_trial(&TrialRecord { profile: name.into(), ..record.clone() }).unwrap();
            let error = folder.trial().unwrap_err();
            assert!(error.message.ends_with("which cannot name a folder"), "{error}");
            folder.write_trial(&TrialRecord { experiment: name.into(), ..record.clone() }).unwrap();
            assert!(folder.trial().unwrap_err().message.contains("trial.json has the experiment"), "{name}");
        }
    }

    #[test]
    fn the_outcome_of_another_trial_is_not_taken() {
        let (_results, folder) = a_folder();
        let _lock = folder.lock().unwrap();
        folder.write_outcome(&an_outcome(&TrialId("another".into()))).unwrap();
        let error = folder.state().unwrap_err();
        assert!(error.message.contains("outcome.json is the record of trial another"), "{error}");
    }

    #[test]
    fn an_outcome_needs_the_record_of_its_trial() {
        let (_results, folder) = a_folder();
        assert!(folder.records().unwrap().is_none());
        let _lock = folder.lock().unwrap();
        folder.write_outcome(&an_outcome(&folder.id)).unwrap();
        let error = folder.records().err().unwrap();
        assert!(error.message.ends_with("0123456789ab has an outcome.json but no trial.json"), "{error}");
        folder.write_trial(&a_trial_record(&TrialId("another".into()))).unwrap();
        let error = folder.records().err().unwrap();
        assert!(error.message.contains("trial.json is the record of trial another"), "{error}");
        folder.write_trial(&a_trial_record(&folder.id)).unwrap();
        let records = folder.records().unwrap().unwrap();
        assert_eq!((records.outcome, records.events.len()), (Some(an_outcome(&folder.id)), 0));
    }

    #[test]
    fn scores_of_pairs_are_those_of_their_file() {
        let (_results, folder) = a_folder();
        let _lock = folder.lock().unwrap();
        let score = |pair| PairScore {
            paradigm: "adjunct_island".into(),
            phenomenon: "island_effects".into(),
            pair,
            good: -1.0 / 3.0,
            bad: -2.0,
            n_good: 5,
            n_bad: 5,
        };
        let scores = vec![score(0), score(1)];
        folder.write_pair_scores("blimp", "disc_sum", &scores).unwrap();
        assert_eq!(folder.pair_scores("blimp", "disc_sum", 2).unwrap(), scores);
        let (file, other) =
            (folder.pair_scores_file("blimp", "disc_sum"), folder.pair_scores_file("blimp", "pll"));
        assert!(file.ends_with("predictions/pairs-blimp-disc_sum.csv"));
        std::fs::rename(&file, &other).unwrap();
        let error = folder.pair_scores("blimp", "pll", 2).unwrap_err();
        assert!(error.message.ends_with("has not the scores of blimp by pll alone"), "{error}");
        assert!(folder.pair_scores("blimp", "disc_sum", 2).unwrap_err().hint.contains("--force"));
        // A line is gone from the end, from the middle, or a set has other pairs than were scored.
        for (numbers, n_pairs) in [(vec![0, 1], 3), (vec![0, 2], 3), (vec![0, 2], 2), (vec![0, 1], 1)] {
            let scores: Vec<PairScore> = numbers.into_iter().map(score).collect();
            folder.write_pair_scores("blimp", "disc_sum", &scores).unwrap();
            let error = folder.pair_scores("blimp", "disc_sum", n_pairs).unwrap_err();
            let expected = format!("disc_sum.csv has 2 pairs, and not 0 to {} in order", n_pairs - 1);
            assert!(error.message.ends_with(&expected) && error.hint.contains("--force"), "{error}");
        }
    }

    #[test]
    fn an_outcome_that_json_cannot_hold_is_not_written() {
        let (_results, folder) = a_folder();
        let _lock = folder.lock().unwrap();
        let mut outcome = an_outcome(&folder.id);
        outcome.validation.insert("loss".into(), f64::NAN);
        assert_eq!(folder.write_outcome(&outcome).unwrap_err().message, "loss of the outcome is NaN");
        assert_eq!(folder.outcome().unwrap(), None);
    }
}
