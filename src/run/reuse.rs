//! Reuse of pre-training that another trial has already done.
//!
//! Two trials share their pre-training if they differ only in how far they go on the same schedule, or only
//! in their evaluation: the longer one continues from where the shorter one stopped, and a trial of several
//! experiments is trained once. The numbers are those of a trial that began at its first step, since a step
//! depends only on the seed and its number. Checkpoint and metrics are copied (the curve has the source's
//! cadence, and one more line where the source stopped); from an identical trial, scored on the same
//! examples, also predictions and outcome.
//!
//! Must never: change the other trial's folder, or reuse anything made by code, on a device, from a text or
//! from initial weights that give other numbers. Two GPUs of one machine count as the same device.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::context::TrialContext;
use crate::disk::{create_folder, storage_error, write_whole};
use crate::error::Result;
use crate::experiment::{Budget, TrialId, TrialSpec};
use crate::records::checkpoints::{FINAL, file_name};
use crate::records::folder::TrialFolder;
use crate::records::{Outcome, Provenance, TrialRecord, truncate_after};
use crate::train::Checkpoint;

/// A trial whose pre-training another one can use.
pub struct PretrainingSource {
    /// `experiment/id`.
    pub name: String,
    folder: TrialFolder,
    last_step: u64,
    /// Whether it is the same trial, scored on the same examples.
    is_identical: bool,
}

impl PretrainingSource {
    /// The trial in the results folder that went furthest on the pre-training of `spec`, scheduled for
    /// `n_steps`; None where the trial's own folder has a checkpoint, or no other trial shares its
    /// pre-training.
    pub fn find(
        spec: &TrialSpec,
        n_steps: u64,
        provenance: &Provenance,
        context: &TrialContext,
    ) -> Option<Self> {
        // A budget in seconds gives another number of steps each time it is measured.
        let begun = context.folder.last_checkpoint().is_some() || has_final(context.folder);
        if !context.reuse || begun || spec.train.budget == Budget::Seconds {
            return None;
        }
        let wanted = spec.train.last_step(n_steps);
        let results = context.folder.path().parent()?.parent()?;
        let mut best: Option<Self> = None;
        for folder in trial_folders(results) {
            // Skip unreadable trials here; their own run reports the error.
            let Some(record) = folder.trial().ok().flatten() else { continue };
            if folder.path() == context.folder.path() || !fits(&record, spec, provenance) {
                continue;
            }
            let last_step = record.spec.train.last_step(n_steps);
            let is_identical = is_identical(&record, spec, provenance);
            let is_better = best
                .as_ref()
                .is_none_or(|best| (last_step, is_identical) > (best.last_step, best.is_identical));
            if last_step <= wanted && is_better && is_whole(&folder, &spec.pretraining_id()) {
                let name = format!("{}/{}", record.experiment, record.id);
                best = Some(Self { name, folder, last_step, is_identical });
            }
        }
        best
    }

    /// Copies checkpoint and metrics into the trial's folder.
    pub fn copy_into(&self, spec: &TrialSpec, n_steps: u64, context: &TrialContext) -> Result<()> {
        truncate_after(&context.folder.metrics(), 0)?;
        append(&self.folder.metrics(), &context.folder.metrics())?;
        let is_all = self.last_step == spec.train.last_step(n_steps);
        let name = if is_all { FINAL.into() } else { file_name(self.last_step) };
        create_folder(&context.folder.checkpoints())?;
        let (from, to) = (self.folder.checkpoints().join(FINAL), context.folder.checkpoints().join(name));
        Checkpoint::copy(&from, &to, copy)
    }

    /// Copies the predictions and fine-tuned weights and returns the outcome, if the source is identical and
    /// done.
    pub fn copy_outcome(&self, context: &TrialContext) -> Result<Option<Outcome>> {
        let Some(outcome) = self.folder.outcome()?.filter(|_| self.is_identical) else { return Ok(None) };
        for name in ["predictions", "finetuned"] {
            copy_folder(&self.folder.path().join(name), &context.folder.path().join(name))?;
        }
        Ok(Some(outcome))
    }
}

fn has_final(folder: &TrialFolder) -> bool {
    Checkpoint::is_there(&folder.checkpoints().join(FINAL))
}

/// Whether the final checkpoint can be read: a damaged one is not reused, and its own run reports the error.
fn is_whole(folder: &TrialFolder, owner: &str) -> bool {
    Checkpoint::read(&folder.checkpoints().join(FINAL), owner).is_ok()
}

/// Whether a trial's pre-training is that of `spec`, or a part of it, on the same text, by code that gives
/// the same numbers.
fn fits(record: &TrialRecord, spec: &TrialSpec, provenance: &Provenance) -> bool {
    record.spec.pretrains_like(spec)
        // Today's code gives the specification the same id only if it gives the same numbers.
        && record.spec.id() == record.id
        && record.provenance.corpus.is_same_text(&provenance.corpus)
        && provenance.changed_init(&record.provenance).is_none()
        // Another device or micro-batch rounds differently.
        && record.parts().iter().all(|part| {
            part.device == provenance.device && part.micro_batch == spec.train.micro_batch
        })
        && record.provenance.simd == provenance.simd
}

/// Whether its scores are those of `spec` too: the same evaluation of the same examples.
fn is_identical(record: &TrialRecord, spec: &TrialSpec, provenance: &Provenance) -> bool {
    record.spec == *spec
        && record.provenance.tasks_revision == provenance.tasks_revision
        && record.provenance.task_hashes == provenance.task_hashes
}

/// The folders `<results>/<experiment>/<id>`, in the order of their names.
fn trial_folders(results: &Path) -> Vec<TrialFolder> {
    let entries = |folder: &Path| -> Vec<(PathBuf, String)> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut named: Vec<(PathBuf, String)> =
            entries.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?))).collect();
        named.sort();
        named
    };
    let of = |(path, experiment): (PathBuf, String)| -> Vec<TrialFolder> {
        let ids = entries(&path).into_iter().map(|(_, id)| TrialId(id));
        ids.map(|id| TrialFolder::new(results, &experiment, &id)).collect()
    };
    entries(results).into_iter().flat_map(of).collect()
}

/// Copies a file so that it appears whole or not at all. A hard link takes no space and is safe, since no
/// file of a trial is ever written in place; where the disk has no hard links the bytes are copied.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let bytes = std::fs::read(from).map_err(|error| storage_error(from, "read", &error))?;
    write_whole(to, &bytes)
}

/// Copies a folder with all below it; a missing folder counts as an empty one.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    create_folder(to)?;
    let unlisted = |error: std::io::Error| storage_error(from, "list", &error);
    for entry in std::fs::read_dir(from).map_err(unlisted)? {
        let entry = entry.map_err(unlisted)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy_folder(&from, &to)? } else { copy(&from, &to)? }
    }
    Ok(())
}

/// Appends one file's lines to another, which may be open for appending.
fn append(from: &Path, to: &Path) -> Result<()> {
    let Ok(mut lines) = File::open(from) else { return Ok(()) };
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(to)
        .map_err(|error| storage_error(to, "write", &error))?;
    std::io::copy(&mut lines, &mut file)
        .and_then(|_| file.sync_all())
        .map_err(|error| storage_error(to, "write", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{a_trial, a_trial_record};

    /// The same checkpoint by name with other weights.
    #[test]
    fn other_initial_weights_are_not_reused() {
        let mut spec = a_trial(1).spec;
        spec.init = serde_json::from_str(r#"{"discriminator": {"model": "a/b"}}"#).unwrap();
        let mut record = a_trial_record(&spec.id());
        record.spec = spec.clone();
        let with = |hash: &str| {
            let weights =
                crate::records::WeightsProvenance { weights_hash: hash.into(), ..Default::default() };
            Provenance { init: [("discriminator".into(), weights)].into(), ..Provenance::default() }
        };
        record.provenance = with("abc");
        assert!(fits(&record, &spec, &with("abc")));
        assert!(!fits(&record, &spec, &with("def")));
    }

    /// A source differs in nothing that changes pre-training, an identical trial in nothing that changes a
    /// score.
    #[test]
    fn only_the_same_pretraining_is_reused() {
        let spec = a_trial(1).spec;
        let is_allowed = |change: &dyn Fn(&mut TrialRecord)| {
            let mut record = a_trial_record(&spec.id());
            change(&mut record);
            let nothing = Provenance::default();
            (fits(&record, &spec, &nothing), is_identical(&record, &spec, &nothing))
        };
        let with_spec = |change: &dyn Fn(&mut TrialSpec)| {
            is_allowed(&|record| {
                change(&mut record.spec);
                record.id = record.spec.id();
            })
        };
        assert_eq!(is_allowed(&|_| {}), (true, true));
        assert_eq!(with_spec(&|spec| spec.train.stop_at = 0.5), (true, false));
        assert_eq!(with_spec(&|spec| spec.evaluate.finetune.epochs = 9.0), (true, false));
        assert_eq!(is_allowed(&|record| record.provenance.tasks_revision = "b".into()), (true, false));
        let hashed =
            |record: &mut TrialRecord| drop(record.provenance.task_hashes.insert("rte".into(), "0".into()));
        assert_eq!(is_allowed(&hashed), (true, false));

        // The id of another version of the numerics.
        assert!(!is_allowed(&|record| record.id = TrialId("0123456789ab".into())).0);
        assert!(!is_allowed(&|record| record.provenance.device = "cuda:0".into()).0);
        assert!(!is_allowed(&|record| record.provenance.simd = "avx2".into()).0);
        assert!(!is_allowed(&|record| record.provenance.corpus.corpus_hash = "0".into()).0);
        let checkpoint = || crate::experiment::PublishedSpec { model: "a/b".into(), revision: "main".into() };
        assert!(!with_spec(&|spec| spec.init.discriminator = Some(checkpoint())).0);
        assert!(!with_spec(&|spec| spec.seed = 2).0);
        assert!(!with_spec(&|spec| spec.train.steps = 2000).0);
        assert!(!with_spec(&|spec| spec.model.generator_ratio = 0.5).0);
    }
}
