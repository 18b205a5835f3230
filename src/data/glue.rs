//! Examples of the downstream tasks, from GLUE's Parquet schema.
//!
//! The hub's files and the built-in language's frames have the same columns and go through the same reader,
//! which refuses an example that no model should be trained on and says where it stands.
//! Must never: shuffle, tokenise or cut the examples. Next: `task/` fine-tunes on them.

use std::path::Path;

use polars::prelude::{DataFrame, DataType};

use super::hub::{HubFiles, RepoKind};
use super::language::{self, TaskSplit};
use super::parquet::{ParquetFile, text_column};
use super::task_table::{LabelKind, TaskInfo, task_info};
use super::{DataEnv, pattern};
use crate::fault::{Fault, FaultKind, Result};
use crate::spec::{DataSpec, TaskName, TaskSource};

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
}

/// The examples of a task.
///
/// # Errors
/// Files cannot be had or are damaged; a column is missing; an example has no text or an impossible label. The
/// message names file and row.
pub fn open_task(source: &TaskSource, task: TaskName, data: &DataSpec, env: &DataEnv) -> Result<TaskData> {
    let examples = read_task(source, task, data, env)?;
    for (split, n) in [(TRAIN, examples.train.len()), (VALIDATION, examples.validation.len())] {
        if n == 0 {
            let what = format!("task {task} (revision {}) has no {split} examples", examples.revision);
            let hint = "check the task's files, or take it out of evaluate.tasks";
            return Err(Fault::new(FaultKind::Data, what, hint));
        }
    }
    Ok(examples)
}

fn read_task(source: &TaskSource, task: TaskName, data: &DataSpec, env: &DataEnv) -> Result<TaskData> {
    match source {
        TaskSource::Language { train_examples, validation_examples } => {
            let seed = if let DataSpec::Language { seed, .. } = data { *seed } else { 0 };
            let split = |split, n, name: &str| {
                let frame = language::task_frame(task, split, n, seed)?;
                examples(&frame, task_info(task), &format!("the built-in {task} {name} examples"), 0)
            };
            Ok(TaskData {
                task,
                train: split(TaskSplit::Train, *train_examples, "training")?,
                validation: split(TaskSplit::Validation, *validation_examples, "validation")?,
                revision: "built-in".into(),
                synthetic: true,
            })
        }
        TaskSource::Hub { repo, revision } => {
            let files = task_files(repo, revision, task, env)?;
            let split = |name| {
                let mut all = Vec::new();
                let pattern = split_pattern(task, name);
                for (_, path) in files.paths.iter().filter(|(file, _)| pattern::matches(&pattern, file)) {
                    all.extend(read_file(path, task_info(task))?);
                }
                Ok::<_, Fault>(all)
            };
            Ok(TaskData {
                task,
                train: split(TRAIN)?,
                validation: split(VALIDATION)?,
                revision: files.revision.clone(),
                synthetic: false,
            })
        }
    }
}

const TRAIN: &str = "train";
const VALIDATION: &str = "validation";

/// The labelled files of a task, of both splits, found or downloaded.
pub(super) fn task_files(repo: &str, revision: &str, task: TaskName, env: &DataEnv) -> Result<HubFiles> {
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

fn read_file(path: &Path, info: TaskInfo) -> Result<Vec<Example>> {
    let file = ParquetFile::open(path)?;
    let columns: Vec<&str> =
        [Some(info.text_a), info.text_b, Some("label"), Some("idx")].into_iter().flatten().collect();
    let mut all = Vec::new();
    for rows in file.slices() {
        let frame = file.read(&columns, rows.clone())?;
        all.extend(examples(&frame, info, &path.display().to_string(), rows.start)?);
    }
    Ok(all)
}

/// The rows of a frame as examples; `first_row` is the number of its first row in `file`.
fn examples(frame: &DataFrame, info: TaskInfo, file: &str, first_row: usize) -> Result<Vec<Example>> {
    let texts_a = text_column(frame, info.text_a, file)?;
    let texts_b = info.text_b.map(|column| text_column(frame, column, file)).transpose()?;
    let labels = number_column(frame, "label", file)?;
    let indices = number_column(frame, "idx", file)?;
    let mut all = Vec::with_capacity(texts_a.len());
    for (row, ((text_a, label), idx)) in texts_a.into_iter().zip(labels).zip(indices).enumerate() {
        let place = Place { file, row: first_row + row };
        let lacks_text = |text: Option<&String>| text.is_none_or(|text| text.trim().is_empty());
        let second = texts_b.as_ref().map(|texts| texts.get(row).and_then(Option::as_ref));
        if info.may_be_empty && (lacks_text(text_a.as_ref()) || second.is_some_and(lacks_text)) {
            continue;
        }
        let text_b = match (&texts_b, info.text_b) {
            (Some(texts), Some(column)) => Some(place.text(texts.get(row).cloned().flatten(), column)?),
            _ => None,
        };
        all.push(Example {
            idx: idx.map_or(place.row as i64, |idx| idx as i64),
            text_a: place.text(text_a, info.text_a)?,
            text_b,
            label: place.label(label, info.labels)?,
        });
    }
    Ok(all)
}

/// A column of numbers, row by row; None where the file has no value.
pub(super) fn number_column(frame: &DataFrame, column: &str, file: &str) -> Result<Vec<Option<f64>>> {
    let wrong = |found: String| {
        Fault::new(
            FaultKind::Data,
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
    fn fault(&self, what: String) -> Fault {
        Fault::new(
            FaultKind::Data,
            format!("row {} of {} {what}", self.row, self.file),
            "use files with GLUE's columns and labels, such as those of nyu-mll/glue; test splits have no labels",
        )
    }

    fn text(&self, text: Option<String>, column: &str) -> Result<String> {
        match text {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.fault(format!("has an empty \"{column}\""))),
        }
    }

    fn label(&self, label: Option<f64>, kind: LabelKind) -> Result<f32> {
        let Some(label) = label else { return Err(self.fault("has no label".into())) };
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
            Err(self.fault(format!("has the label {label}, which is not {allowed}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::parquet::tests::write;
    use crate::data::{Hub, HubConfig};
    use polars::prelude::df;

    fn offline(cache: &Path) -> DataEnv {
        let config = HubConfig { cache: Some(cache.to_path_buf()), offline: true, ..HubConfig::default() };
        DataEnv { hub: Hub::new(config), cache: cache.to_path_buf() }
    }

    fn hub_source() -> TaskSource {
        TaskSource::Hub { repo: "nyu-mll/glue".into(), revision: "main".into() }
    }

    #[test]
    fn every_task_of_the_language_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let source = TaskSource::Language { train_examples: 12, validation_examples: 10 };
        for task in TaskName::IN_THE_LANGUAGE {
            let data = open_task(&source, task, &DataSpec::default(), &offline(folder.path())).unwrap();
            assert_eq!((data.train.len(), data.validation.len(), data.synthetic), (12, 10, true), "{task}");
            assert_eq!(data.train[0].text_b.is_some(), task_info(task).text_b.is_some());
            assert_ne!(data.train[..10], data.validation[..]);
        }
    }

    /// Messages for a two-row CoLA file whose second row is bad.
    fn second_row(sentence: Option<&str>, label: Option<i64>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let frame =
            df!("sentence" => [Some("Fine."), sentence], "label" => [Some(1), label], "idx" => [0i32, 1]);
        write(&path, frame.unwrap());
        let fault = read_file(&path, task_info(TaskName::Cola)).unwrap_err();
        fault.message.replace(&folder.path().display().to_string(), "DIR")
    }

    #[test]
    fn bad_rows_are_named() {
        insta::assert_snapshot!(second_row(Some(" "), Some(1)), @r#"row 1 of DIR/a.parquet has an empty "sentence""#);
        insta::assert_snapshot!(second_row(None, Some(1)), @r#"row 1 of DIR/a.parquet has an empty "sentence""#);
        insta::assert_snapshot!(second_row(Some("x"), None), @"row 1 of DIR/a.parquet has no label");
        insta::assert_snapshot!(
            second_row(Some("x"), Some(-1)),
            @"row 1 of DIR/a.parquet has the label -1, which is not one of 0 to 1"
        );
    }

    /// Small files with the columns and splits of the tasks that the tests' hub does not have.
    #[test]
    fn tasks_with_other_columns_and_splits() {
        let folder = tempfile::tempdir().unwrap();
        let read = |task: TaskName, frame: DataFrame| {
            let path = folder.path().join(format!("{task}.parquet"));
            write(&path, frame);
            read_file(&path, task_info(task))
        };
        let mnli = df!(
            "premise" => ["a", "b"], "hypothesis" => ["c", "d"], "label" => [0i64, 2], "idx" => [0i32, 1]
        );
        let examples = read(TaskName::Mnli, mnli.unwrap()).unwrap();
        assert_eq!((examples[1].text_a.as_str(), examples[1].label), ("b", 2.0));
        assert_eq!(split_pattern(TaskName::Mnli, VALIDATION), "mnli/validation_matched-*.parquet");
        assert_eq!(split_pattern(TaskName::Mnli, TRAIN), "mnli/train-*.parquet");

        // Two training pairs of the hub's QQP lack a question: they are left out, and idx still counts them.
        let qqp = df!(
            "question1" => ["a", "b", "c"], "question2" => [Some("d"), Some(""), None],
            "label" => [1i64, 0, 0], "idx" => [0i32, 1, 2]
        );
        let examples = read(TaskName::Qqp, qqp.unwrap()).unwrap();
        assert_eq!(examples.iter().map(|example| example.idx).collect::<Vec<_>>(), [0]);
        let wnli = df!(
            "sentence1" => ["a"], "sentence2" => [""], "label" => [1i64], "idx" => [0i32]
        );
        assert!(read(TaskName::Wnli, wnli.unwrap()).unwrap_err().message.contains("empty \"sentence2\""));
    }

    #[test]
    fn bad_columns_are_named() {
        let place = Place { file: "a", row: 7 };
        let score = LabelKind::Score { min: 0.0, max: 5.0 };
        assert_eq!(place.label(Some(2.5), score).unwrap(), 2.5);
        assert_eq!(
            place.label(Some(5.5), score).unwrap_err().message,
            "row 7 of a has the label 5.5, which is not a number from 0 to 5"
        );
        assert!(
            place.label(Some(f64::NAN), score).is_err()
                && place.label(Some(0.5), task_info(TaskName::Rte).labels).is_err()
        );
        let words = df!("label" => ["yes"]).unwrap();
        assert_eq!(
            number_column(&words, "label", "a.parquet").unwrap_err().message,
            "column \"label\" of a.parquet holds str, not numbers"
        );
    }

    #[test]
    #[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
    fn real_glue() {
        let hub = crate::data::test_hub();
        let env = offline(&hub);
        let open = |task| open_task(&hub_source(), task, &DataSpec::default(), &env);
        let sizes = [
            (TaskName::Cola, 8551, 1043),
            (TaskName::Sst2, 67349, 872),
            (TaskName::Mrpc, 3668, 408),
            (TaskName::Stsb, 5749, 1500),
            (TaskName::Rte, 2490, 277),
            (TaskName::Wnli, 635, 71),
        ];
        for (task, n_train, n_validation) in sizes {
            let data = open(task).unwrap();
            assert_eq!((data.train.len(), data.validation.len()), (n_train, n_validation), "{task}");
        }
        let cola = open(TaskName::Cola).unwrap();
        assert_eq!(cola.revision, "50ad87383b957449816dc6fc9d7a16dfe6fdfe89");
        let first = &cola.validation[0];
        assert_eq!(
            (first.text_a.as_str(), first.label),
            ("The sailors rode the breeze clear of the rocks.", 1.0)
        );
        // The cache holds no QNLI training file: a clear refusal, not an empty task.
        let fault = open(TaskName::Qnli).unwrap_err();
        assert!(fault.message.contains("qnli/train-*.parquet"), "{fault}");
    }
}
