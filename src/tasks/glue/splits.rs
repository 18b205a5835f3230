//! The splits that a fine-tuned model predicts in addition to the one that it is scored on: the mismatched
//! half of MNLI's validation split, and for the leaderboard the test splits and AX, whose labels are hidden.
//!
//! Must never: leave out a row. Next: `leaderboard.rs` writes the predictions of the test splits for a
//! submission.

use super::examples::{GlueExample, Labels, read_file};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TaskName;
use crate::hub::{DataEnv, HubFiles, RepoKind};
use crate::tasks::layout::{files_if_any, patterns};
use crate::tasks::table::{TASKS, task_info};

/// Examples that are predicted and not trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraSplit {
    /// Its name in the names of prediction files.
    pub name: &'static str,
    /// All its rows, in the order of the files.
    pub examples: Vec<GlueExample>,
}

/// The files of a split, and whether they have labels.
struct SplitFiles {
    name: &'static str,
    /// Beginning of the names of its files.
    prefix: String,
    labels: Labels,
}

/// The extra splits of a task: validation splits of rows that share its model, then the test splits if they
/// are wanted.
fn extra_splits(task: TaskName, predict_test: bool) -> Vec<SplitFiles> {
    let rows = || TASKS.iter().filter(move |row| row.task == task);
    let validation = rows().filter(|row| !row.has_training_split()).filter_map(|row| {
        let name = row.validation?;
        Some(SplitFiles { name, prefix: format!("{}/{name}", row.folder), labels: Labels::Known })
    });
    let test = rows().filter(|_| predict_test).filter_map(|row| row.test);
    let test =
        test.map(|test| SplitFiles { name: test.name, prefix: test.files.into(), labels: Labels::Hidden });
    validation.chain(test).collect()
}

/// The files of a task's extra splits. The mismatched validation split is left out if the repository has
/// none.
pub(crate) fn split_files(
    repo: &str,
    revision: &str,
    task: TaskName,
    predict_test: bool,
    env: &DataEnv,
) -> Result<Vec<(&'static str, HubFiles)>> {
    let mut found = Vec::new();
    for split in extra_splits(task, predict_test) {
        let patterns = patterns(&split.prefix);
        let files = match (files_if_any(repo, revision, &patterns, env)?, split.labels) {
            // The error names the usual layout and the files that are there.
            (None, Labels::Hidden) => {
                let usual = patterns.first().map_or("", String::as_str);
                Some(env.hub.files(RepoKind::Dataset, repo, revision, usual)?)
            }
            (files, _) => files,
        };
        found.extend(files.map(|files| (split.name, files)));
    }
    Ok(found)
}

/// Reads a task's extra splits.
///
/// # Errors
/// Those of the task's other splits; a test split is wanted and missing.
pub(super) fn open_splits(
    repo: &str,
    revision: &str,
    task: TaskName,
    predict_test: bool,
    env: &DataEnv,
) -> Result<Vec<ExtraSplit>> {
    let wanted = extra_splits(task, predict_test);
    let mut splits = Vec::new();
    for (name, files) in split_files(repo, revision, task, predict_test, env)? {
        let labels =
            wanted.iter().find(|split| split.name == name).map_or(Labels::Hidden, |split| split.labels);
        let mut examples = Vec::new();
        for path in files.into_paths() {
            examples.extend(read_file(&path, &task_info(task), labels)?);
        }
        if examples.is_empty() {
            let what = format!("the split {name} of task {task} (revision {revision}) has no examples");
            return Err(Error::new(ErrorKind::Data, what, "check the split's files"));
        }
        splits.push(ExtraSplit { name, examples });
    }
    Ok(splits)
}

#[cfg(test)]
mod tests;
