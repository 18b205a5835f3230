//! Examples as data frames with the hub's columns and types.

use polars::prelude::{
    Column, DataFrame, DataType, IntoColumn, IntoSeries, NamedFrom, Series, StructChunked,
};

use crate::error::{Error, Result};
use crate::experiment::TaskName;

use super::draw::{TaskSplit, drawn_in};
use super::example::TaskExample;
use super::generate::example;
use super::squad;
use super::squad::ReadingExample;

/// The number of SQuAD in the random streams, after GLUE's tasks.
const SQUAD_NUMBER: u64 = 6;

fn frame(height: usize, columns: Vec<Column>) -> Result<DataFrame> {
    DataFrame::new(height, columns)
        .map_err(|error| Error::internal("cannot make a table of the language's task").because(error))
}

fn text_columns(task: TaskName) -> (&'static str, Option<&'static str>) {
    match task {
        TaskName::Cola | TaskName::Sst2 => ("sentence", None),
        TaskName::Mrpc | TaskName::Stsb | TaskName::Rte | TaskName::Wnli => ("sentence1", Some("sentence2")),
        TaskName::Qqp => ("question1", Some("question2")),
        TaskName::Mnli => ("premise", Some("hypothesis")),
        TaskName::Qnli => ("question", Some("sentence")),
        TaskName::Squad | TaskName::Squad2 => ("question", Some("context")),
    }
}

/// The first `n` examples of a split of a task, with the columns and types of `nyu-mll/glue`: the texts,
/// `label` (i64; f32 for stsb) and `idx` (i32).
///
/// # Errors
/// Only by an internal error.
pub fn task_frame(task: TaskName, split: TaskSplit, n: usize, seed: u64) -> Result<DataFrame> {
    let examples: Vec<TaskExample> =
        (0..n).map(|index| example(task, split, seed, index)).collect::<Result<_>>()?;
    let (first, second) = text_columns(task);
    let texts: Vec<&str> = examples.iter().map(|example| example.first.as_str()).collect();
    let mut columns = vec![Column::new(first.into(), texts)];
    if let Some(second) = second {
        let texts: Vec<&str> =
            examples.iter().map(|example| example.second.as_deref().unwrap_or("")).collect();
        columns.push(Column::new(second.into(), texts));
    }
    columns.push(match task {
        TaskName::Stsb => {
            Column::new("label".into(), examples.iter().map(|example| example.label).collect::<Vec<f32>>())
        }
        _ => Column::new(
            "label".into(),
            examples.iter().map(|example| example.label as i64).collect::<Vec<i64>>(),
        ),
    });
    columns.push(Column::new("idx".into(), (0..n as i32).collect::<Vec<i32>>()));
    frame(n, columns)
}

/// The first `n` questions of a split, with the columns and types of `rajpurkar/squad_v2`: id, title,
/// context, question and answers (struct of the lists `text` and `answer_start`, empty where there is no
/// answer).
///
/// # Errors
/// Only by an internal error.
pub fn squad_frame(split: TaskSplit, n: usize, seed: u64) -> Result<DataFrame> {
    let text = |reading: &ReadingExample| [reading.context.as_str(), reading.question.as_str()].join("\n");
    let readings: Vec<ReadingExample> = (0..n)
        .map(|index| drawn_in(split, SQUAD_NUMBER, seed, index, squad::draw, text))
        .collect::<Result<_>>()?;
    let part = match split {
        TaskSplit::Train => "train",
        TaskSplit::Validation => "validation",
    };
    let ids: Vec<String> = (0..n).map(|index| format!("language-{seed}-{part}-{index}")).collect();
    let strings = |name: &str, pick: fn(&ReadingExample) -> &str| {
        Column::new(name.into(), readings.iter().map(pick).collect::<Vec<&str>>())
    };
    let columns = vec![
        Column::new("id".into(), ids),
        strings("title", |reading| reading.title),
        strings("context", |reading| &reading.context),
        strings("question", |reading| &reading.question),
        answers(&readings)?,
    ];
    frame(n, columns)
}

fn answers(readings: &[ReadingExample]) -> Result<Column> {
    let texts: Vec<Series> = readings
        .iter()
        .map(|reading| {
            let texts: Vec<&str> = reading.answer.iter().map(|(text, _)| text.as_str()).collect();
            Series::new("".into(), texts)
        })
        .collect();
    let starts: Vec<Series> = readings
        .iter()
        .map(|reading| {
            Series::new("".into(), reading.answer.iter().map(|(_, start)| *start).collect::<Vec<i32>>())
        })
        .collect();
    let fields = [Series::new("text".into(), texts), Series::new("answer_start".into(), starts)];
    // Without rows, the types of the lists must be set explicitly.
    let typed = |field: Series, inner: DataType| field.cast(&DataType::List(Box::new(inner)));
    let fields = match fields {
        [text, start] => {
            typed(text, DataType::String).and_then(|text| Ok([text, typed(start, DataType::Int32)?]))
        }
    };
    let fields = fields
        .map_err(|error| Error::internal("cannot make lists of the language's answers").because(error))?;
    let answers = StructChunked::from_series("answers".into(), readings.len(), fields.iter())
        .map_err(|error| Error::internal("cannot make a column of the language's answers").because(error))?;
    Ok(answers.into_series().into_column())
}
