//! Taking over what another trial has already trained.
//!
//! Two trials that differ only in how far they go on the same schedule, or only in what they are evaluated on, share their
//! pre-training: the longer goes on from where the shorter stopped, and a trial that stands in several experiments is trained
//! once. The numbers are those of a trial that began at its first step, since a step depends on the seed and its number
//! alone. Taken are checkpoint and metrics (the curve has the source's cadence, and one more line where it stopped); of the very
//! same trial, scored on the very same examples, its predictions and outcome too.
//!
//! Must never: change the other trial's folder, or take from code, a device or text that gives other numbers. Two GPUs of one
//! machine pass for the same device.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::context::TrialContext;
use crate::disk::{create_folder, storage_error, write_whole};
use crate::error::Result;
use crate::experiment::{Budget, TrialId, TrialSpec};
use crate::records::checkpoints::{FINAL, file_name};
use crate::records::folder::TrialFolder;
use crate::records::{Outcome, Provenance, TrialRecord, truncate_after};
use crate::train::Checkpoint;

/// A trial to take from.
pub struct PretrainingSource {
    /// `experiment/id`.
    pub name: String,
    folder: TrialFolder,
    last_step: u64,
    /// Whether it is the very same trial, scored on the same examples.
    is_identical: bool,
}

impl PretrainingSource {
    /// The trial in these results that went furthest on the way of `spec`, scheduled for `n_steps`; None where `spec`'s own
    /// folder has a checkpoint, or nobody went that way.
    pub fn find(
        spec: &TrialSpec,
        n_steps: u64,
        provenance: &Provenance,
        context: &TrialContext,
    ) -> Option<Self> {
        // A budget in seconds is another number of steps each time it is measured.
        let begun = context.folder.last_checkpoint().is_some() || has_final(context.folder);
        if !context.reuse || begun || spec.train.budget == Budget::Seconds {
            return None;
        }
        let wanted = spec.train.last_step(n_steps);
        let results = context.folder.path().parent()?.parent()?;
        let mut best: Option<Self> = None;
        for folder in trial_folders(results) {
            // Whatever cannot be read is no source; who owns it will hear of it.
            let Some(record) = folder.trial().ok().flatten() else { continue };
            if folder.path() == context.folder.path() || !fits(&record, spec, provenance) {
                continue;
            }
            let last_step = record.spec.train.last_step(n_steps);
            let is_identical = is_identical(&record, spec, provenance);
            let is_better = best
                .as_ref()
                .is_none_or(|best| (last_step, is_identical) > (best.last_step, best.is_identical));
            if last_step <= wanted && is_better && is_whole(&folder) {
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

    /// If it is the very same trial and done: copies what its fine-tuning left, and returns its outcome.
    pub fn give_outcome(&self, context: &TrialContext) -> Result<Option<Outcome>> {
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

/// Whether what the trial has trained can be read: a damaged file is nobody's beginning, and its owner will hear of it.
fn is_whole(folder: &TrialFolder) -> bool {
    Checkpoint::read(&folder.checkpoints().join(FINAL)).is_ok()
}

/// Whether a trial's pre-training is `spec`'s, or a part of it, made from the same text by code that gives the same numbers.
fn fits(record: &TrialRecord, spec: &TrialSpec, provenance: &Provenance) -> bool {
    record.spec.pretrains_like(spec)
        // The id of its specification by today's code is its own only if that code gives the same numbers.
        && record.spec.id() == record.id
        && record.provenance.corpus == provenance.corpus
        // Another device and other parts of a batch round otherwise.
        && record.parts().iter().all(|part| {
            part.device == provenance.device && part.micro_batch == spec.train.micro_batch
        })
        && record.provenance.simd == provenance.simd
}

/// Whether its scores are `spec`'s too: the same evaluation of the same examples.
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

/// Copies a file so that it appears whole or not at all. No file of a trial is ever written in place, so a second name for the same
/// bytes does as well and takes no space; where the disk has no such names the bytes are written again.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let bytes = std::fs::read(from).map_err(|error| storage_error(from, "read", &error))?;
    write_whole(to, &bytes)
}

/// Copies a folder's files, and those of its folders; a folder that is not there is an empty one.
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

/// Adds one file's lines to another, which may be open for appending.
fn append(from: &Path, to: &Path) -> Result<()> {
    let Ok(mut lines) = File::open(from) else { return Ok(()) };
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(to)
        .map_err(|error| storage_error(to, "write", &error))?;
    std::io::copy(&mut lines, &mut file)
        .and_then(|_| file.flush())
        .map_err(|error| storage_error(to, "write", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{a_trial, a_trial_record};

    /// A source differs in nothing that changes a number of pre-training, a twin in nothing that changes a score.
    #[test]
    fn who_may_give() {
        let spec = a_trial(1).spec;
        let allows = |change: &dyn Fn(&mut TrialRecord)| {
            let mut record = a_trial_record(&spec.id());
            change(&mut record);
            let nothing = Provenance::default();
            (fits(&record, &spec, &nothing), is_identical(&record, &spec, &nothing))
        };
        let with_spec = |change: &dyn Fn(&mut TrialSpec)| {
            allows(&|record| {
                change(&mut record.spec);
                record.id = record.spec.id();
            })
        };
        assert_eq!(allows(&|_| {}), (true, true));
        assert_eq!(with_spec(&|spec| spec.train.stop_at = 0.5), (true, false));
        assert_eq!(with_spec(&|spec| spec.evaluate.finetune.epochs = 9.0), (true, false));
        assert_eq!(allows(&|record| record.provenance.tasks_revision = "b".into()), (true, false));
        let hashed =
            |record: &mut TrialRecord| drop(record.provenance.task_hashes.insert("rte".into(), "0".into()));
        assert_eq!(allows(&hashed), (true, false));

        // The id of another version of the numerics.
        assert!(!allows(&|record| record.id = TrialId("0123456789ab".into())).0);
        assert!(!allows(&|record| record.provenance.device = "cuda:0".into()).0);
        assert!(!allows(&|record| record.provenance.simd = "avx2".into()).0);
        assert!(!allows(&|record| record.provenance.corpus.corpus_hash = "0".into()).0);
        assert!(!with_spec(&|spec| spec.seed = 2).0);
        assert!(!with_spec(&|spec| spec.train.steps = 2000).0);
        assert!(!with_spec(&|spec| spec.model.generator_ratio = 0.5).0);
    }
}
