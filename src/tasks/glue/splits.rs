//! The splits that a fine-tuned model predicts beside the one that it is scored on: the mismatched half of MNLI's
//! validation, and for the leaderboard the test splits and AX, whose labels are hidden.
//!
//! Must never: leave out a row. Next: `leaderboard.rs` for the files that the test predictions become.

use super::{Example, Labels, read_file};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TaskName;
use crate::hub::{DataEnv, HubFiles, RepoKind};
use crate::tasks::table::task_info;

/// Name of the split that MNLI is scored on too.
pub const MISMATCHED: &str = "validation_mismatched";

/// Examples that are predicted and not trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraSplit {
    /// Its name, in the names of the files of predictions.
    pub name: &'static str,
    /// Its rows, all of them, in the files' order.
    pub examples: Vec<Example>,
}

/// Where a split is.
struct Row {
    name: &'static str,
    /// Folder and beginning of its files' names.
    files: String,
    labels: Labels,
}

fn rows(task: TaskName, predict_test: bool) -> Vec<Row> {
    let row = |name, labels| Row { name, files: format!("{task}/{name}"), labels };
    let mut rows = Vec::new();
    if task == TaskName::Mnli {
        rows.push(row(MISMATCHED, Labels::Known));
    }
    match task {
        _ if !predict_test => {}
        TaskName::Mnli => {
            rows.extend(["test_matched", "test_mismatched"].map(|name| row(name, Labels::Hidden)));
            // The diagnostic set has no training split of its own: MNLI's models answer it.
            rows.push(Row { name: "ax", files: "ax/test".into(), labels: Labels::Hidden });
        }
        _ => rows.push(row("test", Labels::Hidden)),
    }
    rows
}

/// The files of a task's further splits; a mismatched validation split that a repository does not have is left out.
pub(crate) fn split_files(
    repo: &str,
    revision: &str,
    task: TaskName,
    predict_test: bool,
    env: &DataEnv,
) -> Result<Vec<(&'static str, HubFiles)>> {
    let mut found = Vec::new();
    for row in rows(task, predict_test) {
        let pattern = format!("{}-*.parquet", row.files);
        let files = match row.labels {
            Labels::Known => env.hub.files_if_any(RepoKind::Dataset, repo, revision, &pattern)?,
            Labels::Hidden => Some(env.hub.files(RepoKind::Dataset, repo, revision, &pattern)?),
        };
        found.extend(files.map(|files| (row.name, files)));
    }
    Ok(found)
}

/// Reads a task's further splits.
///
/// # Errors
/// As of the task's other splits; a test split that is asked for and not there.
pub(crate) fn open_splits(
    repo: &str,
    revision: &str,
    task: TaskName,
    predict_test: bool,
    env: &DataEnv,
) -> Result<Vec<ExtraSplit>> {
    let rows = rows(task, predict_test);
    let mut splits = Vec::new();
    for (name, files) in split_files(repo, revision, task, predict_test, env)? {
        let labels = rows.iter().find(|row| row.name == name).map_or(Labels::Hidden, |row| row.labels);
        let mut examples = Vec::new();
        for path in files.into_paths() {
            examples.extend(read_file(&path, task_info(task), labels)?);
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
