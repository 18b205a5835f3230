//! Examples of the downstream tasks, from GLUE's Parquet schema.
//!
//! The hub's files and the built-in language's frames have the same columns and go through the same reader,
//! which refuses an example that no model should be trained on and says where it stands.
//! Must never: shuffle, tokenise or cut the examples. Next: `task/` fine-tunes on them.

pub mod files;
pub mod leaderboard;
pub mod score;
pub mod splits;

use std::path::Path;

use polars::prelude::{DataFrame, DataType};

use super::table::{LabelKind, TaskInfo, task_info};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, EvaluateSpec, TaskName, TaskSource};
use crate::formats::parquet::{ParquetFile, text_column};
use crate::hub::pattern;
use crate::hub::{DataEnv, HubFiles, RepoKind};
use crate::text::synthetic;
use crate::text::synthetic::tasks::TaskSplit;
use splits::{ExtraSplit, open_splits};

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its number in the task's own count.
    pub idx: i64,
    /// First text.
    pub text_a: String,
    /// Second text, of pairs.
    pub text_b: Option<String>,
    /// Class index or score.
    pub label: f32,
}

/// What a label is of a split whose labels nobody has.
pub const HIDDEN_LABEL: f32 = -1.0;

/// A task with its labelled examples.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskData {
    /// The task.
    pub task: TaskName,
    /// Examples to train on, in the files' order.
    pub train: Vec<Example>,
    /// Examples to score on, in the files' order.
    pub validation: Vec<Example>,
    /// Commit of the repository, or `built-in`.
    pub revision: String,
    /// Whether the examples are the built-in language's.
    pub synthetic: bool,
    /// Rows without a text that were left out, of tasks that are known to have some.
    pub n_left_out: usize,
    /// Other splits that the fine-tuned models predict.
    pub splits: Vec<ExtraSplit>,
}

impl TaskData {
    /// A hash of the examples that are trained and scored on: a file that changes under an unchanged revision shows.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (number, examples) in [&self.train, &self.validation].into_iter().enumerate() {
            for Example { idx, text_a, text_b, label } in examples {
                let line = serde_json::json!([number, idx, text_a, text_b, label]);
                hasher.update(line.to_string().as_bytes());
            }
        }
        hasher.finalize().to_hex()[..16].to_string()
    }
}

/// The examples of a task.
///
/// # Errors
/// Files cannot be had or are damaged; a column is missing; an example has no text or an impossible label. The
/// message names file and row.
pub fn open_task(
    evaluate: &EvaluateSpec,
    task: TaskName,
    data: &DataSpec,
    env: &DataEnv,
) -> Result<TaskData> {
    let mut examples = read_task(&evaluate.source, task, data, env)?;
    if let TaskSource::Hub { repo, .. } = &evaluate.source {
        // By commit: all splits are of one version even if the branch moves in between.
        examples.splits = open_splits(repo, &examples.revision, task, evaluate.predict_test, env)?;
    }
    for (split, n) in [(TRAIN, examples.train.len()), (VALIDATION, examples.validation.len())] {
        if n == 0 {
            let what = format!("task {task} (revision {}) has no {split} examples", examples.revision);
            let hint = "check the task's files, or take it out of evaluate.tasks";
            return Err(Error::new(ErrorKind::Data, what, hint));
        }
    }
    Ok(examples)
}

fn read_task(source: &TaskSource, task: TaskName, data: &DataSpec, env: &DataEnv) -> Result<TaskData> {
    match source {
        TaskSource::Language { train_examples, validation_examples } => {
            let seed = if let DataSpec::Language { seed, .. } = data { *seed } else { 0 };
            let split = |split, n, name: &str| {
                let frame = synthetic::task_frame(task, split, n, seed)?;
                let file = format!("the built-in {task} {name} examples");
                examples(&frame, task_info(task), Labels::Known, &file, 0)
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
                let pattern = split_pattern(task, name);
                for (_, path) in files.paths.iter().filter(|(file, _)| pattern::matches(&pattern, file)) {
                    n_rows += ParquetFile::open(path)?.n_rows();
                    all.extend(read_file(path, task_info(task), Labels::Known)?);
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

const TRAIN: &str = "train";
const VALIDATION: &str = "validation";

/// The labelled files of a task, of both splits, found or downloaded.
pub(crate) fn task_files(repo: &str, revision: &str, task: TaskName, env: &DataEnv) -> Result<HubFiles> {
    let mut train = env.hub.files(RepoKind::Dataset, repo, revision, &split_pattern(task, TRAIN))?;
    // By commit: both splits are of one version even if the branch moves in between.
    let validation =
        env.hub.files(RepoKind::Dataset, repo, &train.revision, &split_pattern(task, VALIDATION))?;
    train.paths.extend(validation.paths);
    Ok(train)
}

fn split_pattern(task: TaskName, split: &str) -> String {
    let split = if split == VALIDATION { task_info(task).validation } else { split };
    format!("{task}/{split}-*.parquet")
}

/// Whether the labels of a split are in its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// Every row has one.
    Known,
    /// Test splits: -1, or nothing. No row is left out either, since whoever has the labels counts them all.
    Hidden,
}

/// The examples of a file in its order.
pub(crate) fn read_file(path: &Path, info: TaskInfo, kind: Labels) -> Result<Vec<Example>> {
    let file = ParquetFile::open(path)?;
    let columns: Vec<&str> =
        [Some(info.text_a), info.text_b, Some("label"), Some("idx")].into_iter().flatten().collect();
    let mut all = Vec::new();
    for rows in file.slices() {
        let frame = file.read(&columns, rows.clone())?;
        all.extend(examples(&frame, info, kind, &path.display().to_string(), rows.start)?);
    }
    Ok(all)
}

/// The rows of a frame as examples; `first_row` is the number of its first row in `file`.
fn examples(
    frame: &DataFrame,
    info: TaskInfo,
    kind: Labels,
    file: &str,
    first_row: usize,
) -> Result<Vec<Example>> {
    let texts_a = text_column(frame, info.text_a, file)?;
    let texts_b = info.text_b.map(|column| text_column(frame, column, file)).transpose()?;
    let labels = number_column(frame, "label", file)?;
    let indices = number_column(frame, "idx", file)?;
    let mut all = Vec::with_capacity(texts_a.len());
    for (row, ((text_a, label), idx)) in texts_a.into_iter().zip(labels).zip(indices).enumerate() {
        let place = Place { file, row: first_row + row };
        let lacks_text = |text: Option<&String>| text.is_none_or(|text| text.trim().is_empty());
        let second = texts_b.as_ref().map(|texts| texts.get(row).and_then(Option::as_ref));
        let is_lacking = lacks_text(text_a.as_ref()) || second.is_some_and(lacks_text);
        if info.may_be_empty && is_lacking && kind == Labels::Known {
            continue;
        }
        let text = |text: Option<String>, column| {
            if info.may_be_empty { Ok(text.unwrap_or_default()) } else { place.text(text, column) }
        };
        let text_b = match (&texts_b, info.text_b) {
            (Some(texts), Some(column)) => Some(text(texts.get(row).cloned().flatten(), column)?),
            _ => None,
        };
        let is_hidden = label.is_none_or(|label| label == f64::from(HIDDEN_LABEL));
        all.push(Example {
            idx: idx.map_or(place.row as i64, |idx| idx as i64),
            text_a: text(text_a, info.text_a)?,
            text_b,
            label: match kind {
                Labels::Hidden if is_hidden => HIDDEN_LABEL,
                _ => place.label(label, info.labels)?,
            },
        });
    }
    Ok(all)
}

/// A column of numbers, row by row; None where the file has no value.
pub(crate) fn number_column(frame: &DataFrame, column: &str, file: &str) -> Result<Vec<Option<f64>>> {
    let wrong = |found: String| {
        Error::new(
            ErrorKind::Data,
            format!("column \"{column}\" of {file} holds {found}, not numbers"),
            "use files with GLUE's columns, such as those of nyu-mll/glue",
        )
    };
    let values = frame.column(column).map_err(|error| wrong("nothing".into()).because(error))?;
    if !values.dtype().is_primitive_numeric() {
        return Err(wrong(values.dtype().to_string()));
    }
    let values =
        values.cast(&DataType::Float64).map_err(|error| wrong(values.dtype().to_string()).because(error))?;
    let values = values.f64().map_err(|error| wrong(values.dtype().to_string()).because(error))?;
    Ok(values.iter().collect())
}

/// Where an example stands, for messages.
struct Place<'a> {
    file: &'a str,
    row: usize,
}

impl Place<'_> {
    fn error(&self, what: String) -> Error {
        Error::new(
            ErrorKind::Data,
            format!("row {} of {} {what}", self.row, self.file),
            "use files with GLUE's columns and labels, such as those of nyu-mll/glue; test splits have no labels",
        )
    }

    fn text(&self, text: Option<String>, column: &str) -> Result<String> {
        match text {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.error(format!("has an empty \"{column}\""))),
        }
    }

    fn label(&self, label: Option<f64>, kind: LabelKind) -> Result<f32> {
        let Some(label) = label else { return Err(self.error("has no label".into())) };
        let (fits, allowed) = match kind {
            LabelKind::Classes(classes) => {
                let n = classes.len();
                (label.fract() == 0.0 && (0.0..n as f64).contains(&label), format!("one of 0 to {}", n - 1))
            }
            LabelKind::Score { min, max } => {
                ((f64::from(min)..=f64::from(max)).contains(&label), format!("a number from {min} to {max}"))
            }
        };
        if fits {
            Ok(label as f32)
        } else {
            Err(self.error(format!("has the label {label}, which is not {allowed}")))
        }
    }
}

#[cfg(test)]
mod tests;
