//! SQuAD's questions with their contexts to fine-tune on, from the hub's Parquet files or from the built-in
//! language.
//!
//! Both have the same reader. An empty text, or an answer that is not at its position, is an error that names
//! the row. Must never: tokenise or truncate. Next: `features.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::{DataFrame, DataType};

use super::files::{SquadQuestion, answer_texts};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, EvaluateSpec, SquadSpec, TaskName, TaskSource};
use crate::formats::parquet::{FileOrigin, ParquetFile, text_column};
use crate::hub::{self, DataEnv, HubFiles, RepoKind};
use crate::tasks::row_location::RowLocation;
use crate::tasks::table::task_info;
use crate::text::synthetic::{TaskSplit, squad_frame};

/// A question about a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquadExample {
    /// The data set's id.
    pub id: String,
    /// The text that may contain the answer.
    pub context: String,
    /// The question.
    pub question: String,
    /// The gold answers; empty if the context has none.
    pub answers: Vec<GoldAnswer>,
}

/// A gold answer: a part of the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldAnswer {
    /// Its text.
    pub text: String,
    /// Where it starts in the context, in bytes.
    pub start: usize,
}

impl SquadExample {
    /// The id and the gold answers, for scoring.
    pub fn gold(&self) -> SquadQuestion {
        let answers = self.answers.iter().map(|answer| answer.text.clone()).collect();
        SquadQuestion { id: self.id.clone(), answers }
    }
}

/// The questions of SQuAD 1.1 or 2.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquadData {
    /// SQuAD 1.1 or 2.0.
    pub task: TaskName,
    /// Questions to train on, in the order of the files.
    pub train: Vec<SquadExample>,
    /// Questions to score on, in the order of the files.
    pub validation: Vec<SquadExample>,
    /// Commit of the repository, or `built-in`.
    pub revision: String,
    /// Whether the questions are from the built-in language.
    pub synthetic: bool,
}

impl SquadData {
    /// A hash of the questions to train on and to score on. It shows when a file changes and its revision
    /// does not.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (number, questions) in [&self.train, &self.validation].into_iter().enumerate() {
            for SquadExample { id, context, question, answers } in questions {
                let answers: Vec<(&str, usize)> =
                    answers.iter().map(|answer| (answer.text.as_str(), answer.start)).collect();
                let line = serde_json::json!([number, id, context, question, answers]);
                hasher.update(line.to_string().as_bytes());
            }
        }
        hasher.finalize().to_hex()[..16].to_string()
    }
}

const TRAIN: &str = "train";
const VALIDATION: &str = "validation";

/// Opens SQuAD 1.1 or 2.0.
///
/// # Errors
/// Files are not available or damaged; a column is missing; a question, a context or an answer is invalid.
/// The message names file and row.
pub fn open_squad(
    evaluate: &EvaluateSpec,
    task: TaskName,
    data: &DataSpec,
    env: &DataEnv,
) -> Result<SquadData> {
    let mut all = read_task(evaluate, task, data, env)?;
    for (name, questions) in [(TRAIN, &all.train), (VALIDATION, &all.validation)] {
        if questions.is_empty() {
            let what = format!("task {task} (revision {}) has no {name} questions", all.revision);
            let hint = "check the task's files, or remove it from evaluate.tasks";
            return Err(Error::new(ErrorKind::Data, what, hint));
        }
    }
    all.validation.truncate(evaluate.squad.max_validation_examples.unwrap_or(usize::MAX));
    Ok(all)
}

fn read_task(evaluate: &EvaluateSpec, task: TaskName, data: &DataSpec, env: &DataEnv) -> Result<SquadData> {
    match &evaluate.source {
        TaskSource::Language { train_examples, validation_examples } => {
            let seed = if let DataSpec::Language { seed, .. } = data { *seed } else { 0 };
            Ok(SquadData {
                task,
                train: language_examples(task, TaskSplit::Train, *train_examples, seed)?,
                validation: language_examples(task, TaskSplit::Validation, *validation_examples, seed)?,
                revision: "built-in".into(),
                synthetic: true,
            })
        }
        TaskSource::Hub { .. } => {
            let files = squad_task_files(&evaluate.squad, task, env)?;
            let split = |name| {
                let mut all = Vec::new();
                let pattern = split_pattern(task, name);
                for (_, path) in files.paths.iter().filter(|(file, _)| hub::matches(&pattern, file)) {
                    all.extend(read_file(path, task)?);
                }
                check_unique_ids(&all, name, &files.revision)?;
                Ok::<_, Error>(all)
            };
            Ok(SquadData {
                task,
                train: split(TRAIN)?,
                validation: split(VALIDATION)?,
                revision: files.revision.clone(),
                synthetic: false,
            })
        }
    }
}

/// The first `n` questions of the language; for SQuAD 1.1, only questions with an answer.
fn language_examples(task: TaskName, split: TaskSplit, n: usize, seed: u64) -> Result<Vec<SquadExample>> {
    let mut n_drawn = n;
    loop {
        let frame = squad_frame(split, n_drawn, seed)?;
        let mut all = examples(&frame, TaskName::Squad2, "the built-in questions", 0)?;
        all.retain(|example| task == TaskName::Squad2 || !example.answers.is_empty());
        if all.len() >= n {
            all.truncate(n);
            return Ok(all);
        }
        n_drawn *= 2;
    }
}

/// The files of both splits of a task, found or downloaded.
pub(crate) fn squad_task_files(spec: &SquadSpec, task: TaskName, env: &DataEnv) -> Result<HubFiles> {
    let (repo, revision) = spec.repository(task);
    let mut train = env.hub.files(RepoKind::Dataset, repo, revision, &split_pattern(task, TRAIN))?;
    // By commit, so that both splits are of one version even if the branch moves meanwhile.
    let validation =
        env.hub.files(RepoKind::Dataset, repo, &train.revision, &split_pattern(task, VALIDATION))?;
    train.paths.extend(validation.paths);
    Ok(train)
}

fn split_pattern(task: TaskName, split: &str) -> String {
    format!("{}/{split}-*.parquet", task_info(task).folder)
}

fn read_file(path: &Path, task: TaskName) -> Result<Vec<SquadExample>> {
    let file = ParquetFile::open(path, FileOrigin::Hub)?;
    let mut all = Vec::with_capacity(file.n_rows());
    for rows in file.slices() {
        let frame = file.read(&["id", "context", "question", "answers"], rows.clone())?;
        all.extend(examples(&frame, task, &path.display().to_string(), rows.start)?);
    }
    Ok(all)
}

fn check_unique_ids(examples: &[SquadExample], split: &str, revision: &str) -> Result<()> {
    let mut ids = BTreeSet::new();
    match examples.iter().find(|example| !ids.insert(&example.id)) {
        Some(twice) => Err(Error::new(
            ErrorKind::Data,
            format!("the question {} occurs twice in the {split} split (revision {revision})", twice.id),
            HINT,
        )),
        None => Ok(()),
    }
}

const HINT: &str =
    "use files with SQuAD's columns and rows, such as those of rajpurkar/squad or rajpurkar/squad_v2";

/// The rows of a frame; `first_row` is the number of its first row in `file`.
fn examples(frame: &DataFrame, task: TaskName, file: &str, first_row: usize) -> Result<Vec<SquadExample>> {
    let columns = ["id", "context", "question"].map(|column| text_column(frame, column, file));
    let [ids, contexts, questions] = columns;
    let texts = ids?.into_iter().zip(contexts?).zip(questions?);
    let answers = answer_texts(frame, file)?.into_iter().zip(answer_starts(frame, file)?);
    let mut all = Vec::with_capacity(frame.height());
    for (row, (((id, context), question), (answers, starts))) in texts.zip(answers).enumerate() {
        let location = RowLocation { file, row: first_row + row, hint: HINT };
        let context = location.text(context, "context")?;
        if answers.len() != starts.len() {
            let (n, m) = (answers.len(), starts.len());
            return Err(location.error(&format!("has {n} answers and {m} values of answer_start")));
        }
        if answers.is_empty() && task == TaskName::Squad {
            return Err(location.error("has no answer, but every question of SQuAD 1.1 has one"));
        }
        let answers = answers.into_iter().zip(starts);
        let answers = answers
            .map(|(text, start)| gold_answer(&location, &context, text, start))
            .collect::<Result<_>>()?;
        all.push(SquadExample {
            id: location.text(id, "id")?,
            question: location.text(question, "question")?,
            context,
            answers,
        });
    }
    Ok(all)
}

/// The lists `answers.answer_start`, row by row, in Unicode code points of the context.
fn answer_starts(frame: &DataFrame, file: &str) -> Result<Vec<Vec<i64>>> {
    let wrong = |reason: &dyn std::fmt::Display| {
        let what = format!("column \"answers\" of {file} has no list of numbers \"answer_start\"");
        Error::new(ErrorKind::Data, what, HINT).because(reason)
    };
    let answers = frame.column("answers").map_err(|error| wrong(&error))?;
    let answers = answers.struct_().map_err(|error| wrong(&error))?;
    let starts = answers.field_by_name("answer_start").map_err(|error| wrong(&error))?;
    let lists = starts.list().map_err(|error| wrong(&error))?;
    let mut all = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let Some(list) = lists.get_as_series(row) else {
            all.push(Vec::new());
            continue;
        };
        let list = list.strict_cast(&DataType::Int64).map_err(|error| wrong(&error))?;
        let starts = list.i64().map_err(|error| wrong(&error))?;
        all.push(starts.iter().flatten().collect());
    }
    Ok(all)
}

/// The answer at code point `start` of the context.
fn gold_answer(location: &RowLocation, context: &str, text: String, start: i64) -> Result<GoldAnswer> {
    if text.trim().is_empty() {
        return Err(location.error("has an empty answer"));
    }
    let n = context.chars().count();
    let byte = usize::try_from(start)
        .ok()
        .and_then(|start| context.char_indices().nth(start))
        .map(|(byte, _)| byte)
        .ok_or_else(|| {
            location.error(&format!("has an answer_start of {start}; its context has {n} characters"))
        })?;
    if context.get(byte..).is_some_and(|rest| rest.starts_with(&text)) {
        return Ok(GoldAnswer { text, start: byte });
    }
    let found: String = context.chars().skip(start as usize).take(text.chars().count()).collect();
    Err(location.error(&format!("has the answer \"{text}\" where its context has \"{found}\", at {start}")))
}

#[cfg(test)]
mod tests;
