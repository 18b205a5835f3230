//! `electra-lab rm`: deletes trials.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::HumanBytes;

use super::experiment_arguments::ResultsArgument;
use super::table::{numbers, or_dash, table, words};
use super::{exit, output};
use crate::error::Result;
use crate::experiment::load;
use crate::records::{InventoryEntry, inventory, inventory_entry};
use crate::tools::find_trial;

/// Help of `rm`.
pub const ABOUT: &str = "Deletes trials with all their files. Without --yes it only lists what it would delete.\n\n\
    Example:\n  electra-lab rm 3f2a 41c0 --yes\n  electra-lab rm --orphans experiments/gen_ratio.yaml";

/// Arguments of `rm`.
#[derive(Args, Debug)]
pub struct RmArguments {
    /// Trials: their ids, the starts of their ids, or their folders
    #[arg(value_name = "TRIAL", required_unless_present = "orphans")]
    trials: Vec<String>,

    /// Trials of this experiment that no profile of the file asks for, such as those of an earlier version of
    /// it or of a --set; repeatable
    #[arg(long, value_name = "EXPERIMENT")]
    orphans: Vec<PathBuf>,

    /// Deletes them [default: lists them]
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    results: ResultsArgument,
}

/// Lists or deletes the trials and returns the exit code: that of the first trial that could not be deleted.
pub fn rm(arguments: &RmArguments) -> Result<u8> {
    let results = &arguments.results.results;
    let mut chosen: Vec<InventoryEntry> = Vec::new();
    for word in &arguments.trials {
        let folder = find_trial(results, word)?;
        let experiment = folder.path().parent().and_then(Path::file_name).unwrap_or_default();
        chosen.extend(inventory_entry(&experiment.to_string_lossy(), folder.clone()));
    }
    for file in &arguments.orphans {
        chosen.extend(orphans(file, results)?);
    }
    let mut seen = BTreeSet::new();
    chosen.retain(|entry| seen.insert(whole(entry.folder.path())));
    let bytes: u64 = chosen.iter().map(|entry| entry.bytes).sum();
    let n = chosen.len();
    let trials = if n == 1 { "trial" } else { "trials" };
    if n == 0 {
        output::data("nothing to delete: every trial is asked for\n")?;
        return Ok(exit::OK);
    }
    if !arguments.yes {
        output::data(&listed(&chosen))?;
        output::note(&format!("{n} {trials}, {}: nothing is deleted without --yes", HumanBytes(bytes)));
        return Ok(exit::OK);
    }
    let mut code = exit::OK;
    for entry in &chosen {
        match entry.folder.delete() {
            Ok(()) => output::data(&format!("deleted {}\n", entry.folder.path().display()))?,
            Err(error) => {
                output::error(&error);
                code = if code == exit::OK { exit::of_kind(error.kind) } else { code };
            }
        }
    }
    Ok(code)
}

/// The trials of an experiment that none of its profiles asks for.
fn orphans(file: &Path, results: &Path) -> Result<Vec<InventoryEntry>> {
    let first = load(file, None, &[])?;
    let mut wanted = BTreeSet::new();
    for profile in &first.profiles {
        let experiment = load(file, Some(profile), &[])?;
        wanted.extend(experiment.all_trials().map(|trial| trial.id.clone()));
    }
    let entries = inventory(results, std::slice::from_ref(&first.spec.name))?;
    Ok(entries.into_iter().filter(|entry| !wanted.contains(&entry.id)).collect())
}

/// A path by which two names of one folder are equal.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

fn listed(entries: &[InventoryEntry]) -> String {
    let row = |entry: &InventoryEntry| {
        [
            entry.folder.path().display().to_string(),
            entry.state.word().into(),
            HumanBytes(entry.bytes).to_string(),
            or_dash(entry.label.clone()),
        ]
    };
    let rows: Vec<[String; 4]> = entries.iter().map(row).collect();
    table(&[words("folder"), words("state"), numbers("size"), words("point")], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::records::TrialFolder;
    use crate::run::fixture::a_trial_record;

    #[test]
    fn orphans_are_the_trials_that_no_profile_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let (file, results) = (folder.path().join("mine.yaml"), folder.path().join("results"));
        std::fs::write(
            &file,
            "name: mine\nabout: Does it?\nseeds: [1]\nevaluate: {tasks: [cola], finetune_seeds: 1}\n\
             base: {train: {warmup: 5}}\nsweep: {train.steps: [10]}\nreport: {y: glue.mean}\n\
             profiles: {first: {}, second: {seeds: [2]}}\n",
        )
        .unwrap();
        let of =
            |sets: &[String], profile: &str| load(&file, Some(profile), sets).unwrap().trials[0].id.clone();
        let (first, second) = (of(&[], "first"), of(&[], "second"));
        let changed = of(&["sweep.train.steps=[20]".into()], "first");
        let folders: Vec<TrialFolder> =
            [&first, &second, &changed].map(|id| TrialFolder::new(&results, "mine", id)).into();
        for folder in &folders {
            drop(folder.lock().unwrap());
            folder.write_trial(&a_trial_record(folder.id())).unwrap();
        }
        let found = orphans(&file, &results).unwrap();
        let ids: Vec<_> = found.iter().map(|entry| entry.id.clone()).collect();
        assert_eq!(ids, [changed]);

        let lock = folders[2].lock().unwrap();
        assert_eq!(found[0].folder.delete().unwrap_err().kind, ErrorKind::Busy);
        assert!(folders[2].trial().unwrap().is_some());
        drop(lock);
        found[0].folder.delete().unwrap();
        assert!(!folders[2].path().exists() && folders[0].path().exists());
    }
}
