//! Opens a task of GLUE: its examples to train on and to score on, and the splits that are only predicted.

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, EvaluateSpec, TaskName, TaskSource};
use crate::formats::parquet::{FileOrigin, ParquetFile};
use crate::hub::{DataEnv, HubFiles};
use crate::tasks::layout::{files_of_both, is_of_split, patterns};
use crate::tasks::table::task_info;
use crate::text::synthetic::{TaskSplit, task_frame};

use super::examples::{GlueExample, Labels, examples, read_file};
use super::splits::{ExtraSplit, open_splits};

/// A task with its labelled examples.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskData {
    /// The task.
    pub task: TaskName,
    /// Examples to train on, in the order of the files.
    pub train: Vec<GlueExample>,
    /// Examples to score on, in the order of the files.
    pub validation: Vec<GlueExample>,
    /// Commit of the repository, or `built-in`.
    pub revision: String,
    /// Whether the examples are the built-in language's.
    pub synthetic: bool,
    /// Number of rows without a text that were left out.
    pub n_left_out: usize,
    /// Other splits that the fine-tuned models predict.
    pub splits: Vec<ExtraSplit>,
}

impl TaskData {
    /// A hash of the examples to train on and to score on. It shows when a file changes and its revision does
    /// not.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (number, examples) in [&self.train, &self.validation].into_iter().enumerate() {
            for GlueExample { idx, text_a, text_b, label } in examples {
                let line = serde_json::json!([number, idx, text_a, text_b, label]);
                hasher.update(line.to_string().as_bytes());
            }
        }
        hasher.finalize().to_hex()[..16].to_string()
    }
}

/// Opens a task.
///
/// # Errors
/// Files are not available or damaged; a column is missing; an example has no text or an impossible label.
/// The message names file and row.
pub fn open_task(
    evaluate: &EvaluateSpec,
    task: TaskName,
    data: &DataSpec,
    env: &DataEnv,
) -> Result<TaskData> {
    let mut opened = read_task(&evaluate.source, task, data, env)?;
    if let TaskSource::Hub { repo, .. } = &evaluate.source {
        // By commit, so that all splits are of one version even if the branch moves meanwhile.
        opened.splits = open_splits(repo, &opened.revision, task, evaluate.predict_test, env)?;
    }
    for (split, n) in [(TRAIN, opened.train.len()), (VALIDATION, opened.validation.len())] {
        if n == 0 {
            let what = format!("task {task} (revision {}) has no {split} examples", opened.revision);
            let hint = "check the task's files, or remove it from evaluate.tasks";
            return Err(Error::new(ErrorKind::Data, what, hint));
        }
    }
    Ok(opened)
}

fn read_task(source: &TaskSource, task: TaskName, data: &DataSpec, env: &DataEnv) -> Result<TaskData> {
    match source {
        TaskSource::Language { train_examples, validation_examples } => {
            let seed = if let DataSpec::Language { seed, .. } = data { *seed } else { 0 };
            let split = |split, n, name: &str| {
                let frame = task_frame(task, split, n, seed)?;
                let file = format!("the built-in {task} {name} examples");
                examples(&frame, &task_info(task), Labels::Known, &file, 0)
            };
            Ok(TaskData {
                task,
                train: split(TaskSplit::Train, *train_examples, "training")?,
                validation: split(TaskSplit::Validation, *validation_examples, "validation")?,
                revision: "built-in".into(),
                synthetic: true,
                n_left_out: 0,
                splits: Vec::new(),
            })
        }
        TaskSource::Hub { repo, revision } => {
            let files = task_files(repo, revision, task, env)?;
            let mut n_rows = 0;
            let mut split = |name| {
                let mut all = Vec::new();
                let patterns = split_patterns(task, name);
                for (_, path) in files.paths.iter().filter(|(file, _)| is_of_split(&patterns, file)) {
                    n_rows += ParquetFile::open(path, FileOrigin::Hub)?.n_rows();
                    all.extend(read_file(path, &task_info(task), Labels::Known)?);
                }
                Ok::<_, Error>(all)
            };
            let (train, validation) = (split(TRAIN)?, split(VALIDATION)?);
            Ok(TaskData {
                task,
                n_left_out: n_rows - train.len() - validation.len(),
                train,
                validation,
                revision: files.revision.clone(),
                synthetic: false,
                splits: Vec::new(),
            })
        }
    }
}

pub(super) const TRAIN: &str = "train";
pub(super) const VALIDATION: &str = "validation";

/// The files of the training split and the validation split of a task, found or downloaded.
pub(crate) fn task_files(repo: &str, revision: &str, task: TaskName, env: &DataEnv) -> Result<HubFiles> {
    let splits = [TRAIN, VALIDATION].map(|split| split_patterns(task, split));
    files_of_both(repo, revision, [&splits[0], &splits[1]], env)
}

pub(super) fn split_patterns(task: TaskName, split: &str) -> Vec<String> {
    let info = task_info(task);
    let split = if split == VALIDATION { info.validation.unwrap_or(split) } else { split };
    patterns(&format!("{}/{split}", info.folder))
}
