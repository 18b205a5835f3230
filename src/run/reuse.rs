//! Taking over what another trial has already trained.
//!
//! Two trials that differ only in how far they go on the same schedule, or only in what they are evaluated on, share their
//! pre-training: the longer goes on from where the shorter stopped, and a trial that stands in several experiments is trained
//! once. The numbers are those of a trial that began at its first step, since a step depends on the seed and its number
//! alone. Taken are checkpoint and metrics; of the very same trial its predictions and outcome too.
//!
//! Must never: change the other trial's folder, or take from code, a device or text that gives other numbers.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::context::TrialContext;
use super::store::TrialFolder;
use crate::disk::{create_folder, storage_fault, write_whole};
use crate::fault::Result;
use crate::spec::{Budget, Trial, TrialId, TrialSpec};
use crate::track::{Outcome, Provenance, TrialRecord, truncate_after};
use crate::train::{FINAL, file_name};

/// A trial to take from.
pub struct Donor {
    /// `experiment/id`.
    pub name: String,
    folder: TrialFolder,
    last_step: u64,
}

impl Donor {
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
            // Whatever cannot be read is no donor; who owns it will hear of it.
            let Some(record) = folder.trial().ok().flatten() else { continue };
            if folder.path() == context.folder.path() || !fits(&record, spec, provenance) {
                continue;
            }
            let last_step = record.spec.train.last_step(n_steps);
            let goes_further = best.as_ref().is_none_or(|best| last_step > best.last_step);
            if last_step <= wanted && goes_further && has_final(&folder) {
                let name = format!("{}/{}", record.experiment, record.id);
                best = Some(Self { name, folder, last_step });
            }
        }
        best
    }

    /// Copies checkpoint and metrics into the trial's folder.
    pub fn give(&self, spec: &TrialSpec, n_steps: u64, context: &TrialContext) -> Result<()> {
        truncate_after(&context.folder.metrics(), 0)?;
        append(&self.folder.metrics(), &context.folder.metrics())?;
        let is_all = self.last_step == spec.train.last_step(n_steps);
        let name = if is_all { FINAL.into() } else { file_name(self.last_step) };
        create_folder(&context.folder.checkpoints())?;
        copy(&self.folder.checkpoints().join(FINAL), &context.folder.checkpoints().join(name))
    }

    /// If it is the very same trial and done: copies what its fine-tuning left, and returns its outcome.
    pub fn give_outcome(&self, trial: &Trial, context: &TrialContext) -> Result<Option<Outcome>> {
        let is_same = self.folder.trial()?.is_some_and(|record| record.spec == trial.spec);
        let Some(outcome) = self.folder.outcome()?.filter(|_| is_same) else { return Ok(None) };
        for name in ["predictions", "finetuned"] {
            copy_folder(&self.folder.path().join(name), &context.folder.path().join(name))?;
        }
        Ok(Some(outcome))
    }
}

fn has_final(folder: &TrialFolder) -> bool {
    folder.checkpoints().join(FINAL).is_file()
}

/// Whether a trial's pre-training is `spec`'s, or a part of it, made from the same text by code that gives the same numbers.
fn fits(record: &TrialRecord, spec: &TrialSpec, provenance: &Provenance) -> bool {
    record.spec.pretrains_like(spec)
        // The id of its specification by today's code is its own only if that code gives the same numbers.
        && record.spec.id() == record.id
        && record.provenance.corpus == provenance.corpus
        && record.provenance.device == provenance.device
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
    let bytes = std::fs::read(from).map_err(|error| storage_fault(from, "read", &error))?;
    write_whole(to, &bytes)
}

/// Copies a folder's files, and those of its folders; a folder that is not there is an empty one.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    create_folder(to)?;
    for entry in std::fs::read_dir(from).map_err(|error| storage_fault(from, "list", &error))?.flatten() {
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
        .map_err(|error| storage_fault(to, "write", &error))?;
    std::io::copy(&mut lines, &mut file)
        .and_then(|_| file.flush())
        .map_err(|error| storage_fault(to, "write", &error))
}
