//! SQuAD's questions with their contexts, to fine-tune on: the hub's Parquet, or the built-in language's.
//!
//! Both go through the same reader, which refuses what no model should be trained on and says where it stands: a text
//! that is empty, an answer that is not where it is said to be. Must never: tokenise or cut. Next: `tasks/squad/`.

use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::{DataFrame, DataType};

use super::files::{SquadQuestion, answer_texts};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, EvaluateSpec, SquadSpec, TaskName, TaskSource};
use crate::formats::parquet::{ParquetFile, text_column};
use crate::hub::pattern;
use crate::hub::{DataEnv, HubFiles, RepoKind};
use crate::text::synthetic::tasks::TaskSplit;
use crate::text::synthetic::tasks::frame::squad_frame;

/// A question about a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquadExample {
    /// The data set's id.
    pub id: String,
    /// The text that answers it, or does not.
    pub context: String,
    /// The question.
    pub question: String,
    /// Right answers; none where the context has none.
    pub answers: Vec<SquadAnswer>,
}

/// A right answer: a part of the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquadAnswer {
    /// Its text.
    pub text: String,
    /// Where it starts in the context, in bytes.
    pub start: usize,
}

impl SquadExample {
    /// What its answers are scored by.
    pub fn gold(&self) -> SquadQuestion {
        let answers = self.answers.iter().map(|answer| answer.text.clone()).collect();
        SquadQuestion { id: self.id.clone(), answers }
    }
}

/// SQuAD 1.1 or 2.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquadData {
    /// Which of the two.
    pub task: TaskName,
    /// Questions to train on, in the files' order.
    pub train: Vec<SquadExample>,
    /// Questions to score on, in the files' order.
    pub validation: Vec<SquadExample>,
    /// Commit of the repository, or `built-in`.
    pub revision: String,
    /// Whether the questions are the built-in language's.
    pub synthetic: bool,
}

impl SquadData {
    /// A hash of the questions that are trained and scored on: a file that changes under an unchanged revision shows.
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

/// The questions of a task.
///
/// # Errors
/// Files cannot be had or are damaged; a column is missing; a question, a context or an answer is impossible. The
/// message names file and row.
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
            let hint = "check the task's files, or take it out of evaluate.tasks";
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
                train: of_the_language(task, TaskSplit::Train, *train_examples, seed)?,
                validation: of_the_language(task, TaskSplit::Validation, *validation_examples, seed)?,
                revision: "built-in".into(),
                synthetic: true,
            })
        }
        TaskSource::Hub { .. } => {
            let files = squad_task_files(&evaluate.squad, task, env)?;
            let split = |name| {
                let mut all = Vec::new();
                let pattern = split_pattern(task, name);
                for (_, path) in files.paths.iter().filter(|(file, _)| pattern::matches(&pattern, file)) {
                    all.extend(read_file(path, task)?);
                }
                told_apart(&all, name, &files.revision)?;
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

/// The first `n` questions of the language; for SQuAD 1.1 of those that have an answer.
fn of_the_language(task: TaskName, split: TaskSplit, n: usize, seed: u64) -> Result<Vec<SquadExample>> {
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
    // By commit: both splits are of one version even if the branch moves in between.
    let validation =
        env.hub.files(RepoKind::Dataset, repo, &train.revision, &split_pattern(task, VALIDATION))?;
    train.paths.extend(validation.paths);
    Ok(train)
}

fn split_pattern(task: TaskName, split: &str) -> String {
    let configuration = if task == TaskName::Squad { "plain_text" } else { "squad_v2" };
    format!("{configuration}/{split}-*.parquet")
}

fn read_file(path: &Path, task: TaskName) -> Result<Vec<SquadExample>> {
    let file = ParquetFile::open(path)?;
    let mut all = Vec::with_capacity(file.n_rows());
    for rows in file.slices() {
        let frame = file.read(&["id", "context", "question", "answers"], rows.clone())?;
        all.extend(examples(&frame, task, &path.display().to_string(), rows.start)?);
    }
    Ok(all)
}

fn told_apart(examples: &[SquadExample], split: &str, revision: &str) -> Result<()> {
    let mut seen = BTreeSet::new();
    match examples.iter().find(|example| !seen.insert(&example.id)) {
        Some(twice) => Err(Error::new(
            ErrorKind::Data,
            format!("the question {} is twice in the {split} split (revision {revision})", twice.id),
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
        let place = Place { file, row: first_row + row };
        let context = place.text(context, "context")?;
        if answers.len() != starts.len() {
            let (n, m) = (answers.len(), starts.len());
            return Err(place.error(format!("has {n} answers and {m} places where they start")));
        }
        if answers.is_empty() && task == TaskName::Squad {
            return Err(place.error("has no answer, which SQuAD 1.1 has for every question".into()));
        }
        let answers = answers.into_iter().zip(starts);
        let answers =
            answers.map(|(text, start)| place.answer(&context, text, start)).collect::<Result<_>>()?;
        all.push(SquadExample {
            id: place.text(id, "id")?,
            question: place.text(question, "question")?,
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

/// Where a question stands, for messages.
struct Place<'a> {
    file: &'a str,
    row: usize,
}

impl Place<'_> {
    fn error(&self, what: String) -> Error {
        Error::new(ErrorKind::Data, format!("row {} of {} {what}", self.row, self.file), HINT)
    }

    fn text(&self, text: Option<String>, column: &str) -> Result<String> {
        match text {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(self.error(format!("has an empty \"{column}\""))),
        }
    }

    /// The answer at code point `start` of the context.
    fn answer(&self, context: &str, text: String, start: i64) -> Result<SquadAnswer> {
        if text.trim().is_empty() {
            return Err(self.error("has an answer without text".into()));
        }
        let n = context.chars().count();
        let byte = usize::try_from(start)
            .ok()
            .and_then(|start| context.char_indices().nth(start))
            .map(|(byte, _)| byte)
            .ok_or_else(|| {
                self.error(format!("has an answer_start of {start}; its context has {n} characters"))
            })?;
        if context.get(byte..).is_some_and(|rest| rest.starts_with(&text)) {
            return Ok(SquadAnswer { text, start: byte });
        }
        let found: String = context.chars().skip(start as usize).take(text.chars().count()).collect();
        Err(self.error(format!("has the answer \"{text}\" where its context has \"{found}\", at {start}")))
    }
}

#[cfg(test)]
mod tests;
