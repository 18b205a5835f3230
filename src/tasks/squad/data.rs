//! SQuAD's questions with their contexts to fine-tune on, from the hub's Parquet files or from the built-in
//! language.
//!
//! Both have the same reader. An empty text is an error that names the row. As in the released code, a
//! training question whose answer is not at its position is left out, and counted; of a validation question
//! only the answers' texts count. Must never: tokenise or truncate. Next: `features.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::{DataFrame, DataType, Series};

use super::files::{SquadQuestion, answer_lists, answer_texts};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, EvaluateSpec, SquadSpec, TaskName, TaskSource};
use crate::formats::parquet::{FileOrigin, ParquetFile, text_column};
use crate::hub::{DataEnv, HubFiles};
use crate::tasks::layout::{files_of_both, is_of_split, patterns};
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
    /// Training questions that were left out, since no answer is at its position.
    pub left_out: LeftOut,
}

/// Training questions that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub n: usize,
    /// What is wrong with the first of them.
    pub first: Option<String>,
}

/// A file in which a larger share of the training questions has no answer at its position counts its
/// positions differently, such as in bytes.
const MOST_LEFT_OUT: f64 = 0.1;

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
                left_out: LeftOut::default(),
            })
        }
        TaskSource::Hub { .. } => {
            let files = squad_task_files(&evaluate.squad, task, env)?;
            let mut left_out = LeftOut::default();
            let mut split = |name| {
                let mut all = Vec::new();
                let patterns = split_patterns(task, name);
                for (_, path) in files.paths.iter().filter(|(file, _)| is_of_split(&patterns, file)) {
                    all.extend(read_file(path, task, (name == TRAIN).then_some(&mut left_out))?);
                }
                check_unique_ids(&all, name, &files.revision)?;
                Ok::<_, Error>(all)
            };
            let (train, validation) = (split(TRAIN)?, split(VALIDATION)?);
            check_left_out(&left_out, train.len())?;
            let revision = files.revision.clone();
            Ok(SquadData { task, train, validation, revision, synthetic: false, left_out })
        }
    }
}

/// The first `n` questions of the language; for SQuAD 1.1, only questions with an answer.
fn language_examples(task: TaskName, split: TaskSplit, n: usize, seed: u64) -> Result<Vec<SquadExample>> {
    let mut n_drawn = n;
    loop {
        let frame = squad_frame(split, n_drawn, seed)?;
        let mut all = examples(&frame, TaskName::Squad2, "the built-in questions", 0, None)?;
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
    let splits = [TRAIN, VALIDATION].map(|split| split_patterns(task, split));
    files_of_both(repo, revision, [&splits[0], &splits[1]], env)
}

/// A repository of SQuAD has one task, so a folder for it is not needed.
fn split_patterns(task: TaskName, split: &str) -> Vec<String> {
    let prefixes = [task_info(task).folder, "data", "default"].map(|folder| format!("{folder}/{split}"));
    prefixes.iter().map(String::as_str).chain([split]).flat_map(patterns).collect()
}

/// Stops where so many answers are not at their positions that the positions must be wrong.
fn check_left_out(left_out: &LeftOut, n_kept: usize) -> Result<()> {
    let n = left_out.n + n_kept;
    match &left_out.first {
        Some(first) if left_out.n as f64 > MOST_LEFT_OUT * n as f64 => {
            let what = format!(
                "{} of {n} training questions have no answer at its position; the first: {first}",
                left_out.n
            );
            Err(Error::new(ErrorKind::Data, what, HINT))
        }
        _ => Ok(()),
    }
}

/// The questions of a file; those of the training split (with `left_out`) need an answer at its position.
fn read_file(path: &Path, task: TaskName, mut left_out: Option<&mut LeftOut>) -> Result<Vec<SquadExample>> {
    let file = ParquetFile::open(path, FileOrigin::Hub)?;
    let mut all = Vec::new();
    for rows in file.slices() {
        let frame = file.read(&["id", "context", "question", "answers"], rows.clone())?;
        let file = path.display().to_string();
        all.extend(examples(&frame, task, &file, rows.start, left_out.as_deref_mut())?);
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
fn examples(
    frame: &DataFrame,
    task: TaskName,
    file: &str,
    first_row: usize,
    mut left_out: Option<&mut LeftOut>,
) -> Result<Vec<SquadExample>> {
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
        let mut golds = Vec::with_capacity(answers.len());
        let mut wrong = None;
        for (text, start) in answers.into_iter().zip(starts) {
            match byte_of(&location, &context, &text, start)? {
                Ok(start) => golds.push(GoldAnswer { text, start }),
                // Scores do not depend on the position.
                Err(_) if left_out.is_none() => golds.push(GoldAnswer { text, start: 0 }),
                Err(reason) => wrong = wrong.or(Some(reason)),
            }
        }
        if let (true, Some(reason), Some(left_out)) = (golds.is_empty(), wrong, left_out.as_deref_mut()) {
            left_out.n += 1;
            left_out.first.get_or_insert_with(|| location.error(&reason).message);
            continue;
        }
        let answers = golds;
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
    let starts = |list: Series| {
        let list = list.strict_cast(&DataType::Int64).map_err(|error| wrong(&error))?;
        let starts = list.i64().map_err(|error| wrong(&error))?;
        starts.iter().map(|start| start.ok_or_else(|| wrong(&"a start is null"))).collect()
    };
    let lists = answer_lists(frame, "answer_start", &wrong)?;
    lists.into_iter().map(|list| list.map_or(Ok(Vec::new()), starts)).collect()
}

/// Where the answer at code point `start` of the context starts, in bytes; or why it is not there.
///
/// # Errors
/// The answer is empty.
fn byte_of(
    location: &RowLocation,
    context: &str,
    text: &str,
    start: i64,
) -> Result<std::result::Result<usize, String>> {
    if text.trim().is_empty() {
        return Err(location.error("has an empty answer"));
    }
    let position = usize::try_from(start).ok().and_then(|start| context.char_indices().nth(start));
    let Some((byte, _)) = position else {
        let n = context.chars().count();
        return Ok(Err(format!("has an answer_start of {start}; its context has {n} characters")));
    };
    if context.get(byte..).is_some_and(|rest| rest.starts_with(text)) {
        return Ok(Ok(byte));
    }
    let found: String = context.chars().skip(start as usize).take(text.chars().count()).collect();
    Ok(Err(format!("has the answer \"{text}\" where its context has \"{found}\", at {start}")))
}

#[cfg(test)]
mod tests;
