//! Reads SQuAD's questions with their gold answers, and files of predicted answers.
//!
//! The data set is the official JSON (1.1 or 2.0) or the hub's Parquet. Answers and probabilities are one
//! JSON object, from question ids to texts or numbers. Contexts are not read: scoring does not need them.
//! Must never: change the order of a file, which decides between equal thresholds. Next:
//! `tasks/metrics/squad.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs;
use std::path::Path;

use polars::prelude::{DataFrame, DataType, Series};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::formats::git_lfs::refuse_pointer;
use crate::formats::parquet::{FileOrigin, ParquetFile, is_parquet, text_column};
use crate::formats::without_byte_order_mark;

/// The id and the gold answers of a question; without gold answers it cannot be answered from its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquadQuestion {
    /// The data set's id.
    pub id: String,
    /// The gold answers.
    pub answers: Vec<String>,
}

#[derive(Deserialize)]
struct JsonDataset {
    data: Vec<JsonArticle>,
}

#[derive(Deserialize)]
struct JsonArticle {
    paragraphs: Vec<JsonParagraph>,
}

#[derive(Deserialize)]
struct JsonParagraph {
    qas: Vec<JsonQuestion>,
}

#[derive(Deserialize)]
struct JsonQuestion {
    id: String,
    answers: Vec<JsonAnswer>,
}

#[derive(Deserialize)]
struct JsonAnswer {
    text: String,
}

/// The questions of a data set, in the order of the file.
///
/// # Errors
/// The file cannot be read or is not SQuAD, or an id occurs twice.
pub fn squad_questions(path: &Path) -> Result<Vec<SquadQuestion>> {
    let questions = if is_parquet(path) { read_parquet(path)? } else { read_json(path)? };
    let mut ids = BTreeSet::new();
    match questions.iter().find(|question| !ids.insert(&question.id)) {
        Some(twice) => Err(Error::new(
            ErrorKind::Data,
            format!("{} has the question {} twice", path.display(), twice.id),
            "keep one of the two: predictions are identified by id",
        )),
        None => Ok(questions),
    }
}

fn read_json(path: &Path) -> Result<Vec<SquadQuestion>> {
    let dataset: JsonDataset = read(
        path,
        "a SQuAD data set",
        "the format is described at https://rajpurkar.github.io/SQuAD-explorer",
    )?;
    let paragraphs = dataset.data.into_iter().flat_map(|article| article.paragraphs);
    let questions = paragraphs.flat_map(|paragraph| paragraph.qas).map(|question| SquadQuestion {
        id: question.id,
        answers: question.answers.into_iter().map(|answer| answer.text).collect(),
    });
    Ok(questions.collect())
}

fn read_parquet(path: &Path) -> Result<Vec<SquadQuestion>> {
    let file = ParquetFile::open(path, FileOrigin::Local)?;
    let name = path.display().to_string();
    let mut questions = Vec::new();
    for rows in file.slices() {
        let frame = file.read(&["id", "answers"], rows.clone())?;
        let ids = text_column(&frame, "id", &name)?;
        for (row, (id, answers)) in ids.into_iter().zip(answer_texts(&frame, &name)?).enumerate() {
            let id = id.ok_or_else(|| {
                let what = format!("row {} of {name} has no id", rows.start + row);
                Error::new(ErrorKind::Data, what, "give every question an id")
            })?;
            questions.push(SquadQuestion { id, answers });
        }
    }
    Ok(questions)
}

/// The lists `answers.text`, row by row.
pub(crate) fn answer_texts(frame: &DataFrame, file: &str) -> Result<Vec<Vec<String>>> {
    let wrong = |reason: &dyn Display| {
        Error::new(
            ErrorKind::Data,
            format!("column \"answers\" of {file} has no list of strings \"text\""),
            "use files with SQuAD's columns, such as those of rajpurkar/squad_v2",
        )
        .because(reason)
    };
    let texts = |list: Series| {
        // An empty list may have no type.
        let list = list.cast(&DataType::String).map_err(|error| wrong(&error))?;
        let texts = list.str().map_err(|error| wrong(&error))?;
        let text = |text: Option<&str>| text.map(str::to_string).ok_or_else(|| wrong(&"an answer is null"));
        texts.iter().map(text).collect()
    };
    answer_lists(frame, "text", &wrong)?.into_iter().map(|list| list.map_or(Ok(Vec::new()), texts)).collect()
}

/// The values of a field of `answers`, row by row; None for a null. The column is a struct of lists, as in
/// rajpurkar/squad, or a list of structs, as in SQuAD's own JSON.
pub(crate) fn answer_lists(
    frame: &DataFrame,
    field: &str,
    wrong: &impl Fn(&dyn Display) -> Error,
) -> Result<Vec<Option<Series>>> {
    let answers = frame.column("answers").map_err(|error| wrong(&error))?;
    let answers = answers.as_materialized_series();
    if let DataType::List(_) = answers.dtype() {
        let lists = answers.list().map_err(|error| wrong(&error))?;
        let of_row = |row| {
            let list: Option<Series> = lists.get_as_series(row);
            let values = |list: Series| list.struct_().and_then(|list| list.field_by_name(field));
            list.map(values).transpose().map_err(|error| wrong(&error))
        };
        return (0..lists.len()).map(of_row).collect();
    }
    let answers = answers.struct_().map_err(|error| wrong(&error))?;
    let values = answers.field_by_name(field).map_err(|error| wrong(&error))?;
    let lists = values.list().map_err(|error| wrong(&error))?;
    Ok((0..lists.len()).map(|row| lists.get_as_series(row)).collect())
}

/// Predicted answers by question id: `{"56ddde…": "Norsemen", "5ad39d…": ""}`.
///
/// # Errors
/// The file cannot be read or is not an object, or a prediction is not a text.
pub fn squad_answers(path: &Path) -> Result<BTreeMap<String, String>> {
    let map: Map<String, Value> = read(path, "an object from question ids to answers", OBJECT)?;
    map.into_iter()
        .map(|(id, value)| match value {
            Value::String(text) => Ok((id, text)),
            other => {
                Err(wrong_value(path, &id, &other, "an answer", "write it in quotes; \"\" for no answer"))
            }
        })
        .collect()
}

/// Probabilities of no answer (or any other scale) by question id, in the order of the file.
///
/// # Errors
/// The file cannot be read or is not an object, or a value is not a number.
pub fn squad_no_answer(path: &Path) -> Result<Vec<(String, f64)>> {
    let map: Map<String, Value> = read(path, "an object from question ids to numbers", OBJECT)?;
    map.into_iter()
        .map(|(id, value)| match value.as_f64() {
            Some(number) => Ok((id, number)),
            None => Err(wrong_value(path, &id, &value, "a number", "write a finite number without quotes")),
        })
        .collect()
}

const OBJECT: &str = "write one JSON object with one entry per question; JSON has no NaN and Infinity";

fn wrong_value(path: &Path, id: &str, value: &Value, wanted: &str, hint: &str) -> Error {
    let what = format!("{}: question {id} has {value}, which is not {wanted}", path.display());
    Error::new(ErrorKind::Data, what, hint)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path, wanted: &str, hint: &str) -> Result<T> {
    let bytes = fs::read(path).map_err(|error| {
        let what = format!("cannot open {}", path.display());
        Error::new(ErrorKind::Data, what, "check the path and its permissions").because(error)
    })?;
    refuse_pointer(path, &bytes)?;
    serde_json::from_slice(without_byte_order_mark(&bytes)).map_err(|error| {
        Error::new(ErrorKind::Data, format!("{} is not {wanted}", path.display()), hint).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::parquet::tests::write;
    use crate::text::synthetic::{TaskSplit, squad_frame};

    fn file(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    const DATASET: &str = r#"{"version": "v2.0", "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": [
        {"id": "q1", "question": "?", "answers": [{"text": "a cat", "answer_start": 0}, {"text": "cat", "answer_start": 2}]},
        {"id": "q2", "question": "?", "answers": [], "is_impossible": true, "plausible_answers": []}]}]}]}"#;

    #[test]
    fn the_official_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let questions = squad_questions(&file(folder.path(), "d.json", DATASET)).unwrap();
        let shown: Vec<(&str, usize)> = questions.iter().map(|q| (q.id.as_str(), q.answers.len())).collect();
        assert_eq!(shown, [("q1", 2), ("q2", 0)]);
        let predicted = file(folder.path(), "p.json", r#"{"q2": "", "q1": "caf\u00e9"}"#);
        assert_eq!(squad_answers(&predicted).unwrap()["q1"], "café");
        // The order of the file is kept. If an id occurs twice, it has its last value at its first position.
        let no_answer = file(folder.path(), "n.json", r#"{"q2": 1, "q1": -2.5, "q2": 3e0}"#);
        assert_eq!(squad_no_answer(&no_answer).unwrap(), [("q2".to_string(), 3.0), ("q1".to_string(), -2.5)]);
    }

    #[test]
    fn the_hubs_parquet_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("validation.parquet");
        write(&path, squad_frame(TaskSplit::Validation, 30, 1).unwrap());
        let questions = squad_questions(&path).unwrap();
        assert_eq!(questions.len(), 30);
        assert_eq!(questions[4].id, "language-1-validation-4");
        let n_answered = questions.iter().filter(|question| question.answers.len() == 1).count();
        assert!((12..28).contains(&n_answered), "{n_answered}");
        assert!(questions.iter().flat_map(|question| &question.answers).all(|text| !text.is_empty()));
    }

    #[test]
    fn errors_name_the_file_and_the_question() {
        let folder = tempfile::tempdir().unwrap();
        let show = |error: Error| error.to_string().replace(&folder.path().display().to_string(), "DIR");
        let questions = |text: &str| show(squad_questions(&file(folder.path(), "d.json", text)).unwrap_err());
        insta::assert_snapshot!(questions(r#"{"data": [{"paragraphs": [{"context": "c"}]}]}"#), @r"
        DIR/d.json is not a SQuAD data set: missing field `qas` at line 1 column 42
        hint: the format is described at https://rajpurkar.github.io/SQuAD-explorer
        ");
        insta::assert_snapshot!(questions(&DATASET.replace("q2", "q1")), @r"
        DIR/d.json has the question q1 twice
        hint: keep one of the two: predictions are identified by id
        ");
        insta::assert_snapshot!(questions("{"), @r"
        DIR/d.json is not a SQuAD data set: EOF while parsing an object at line 1 column 1
        hint: the format is described at https://rajpurkar.github.io/SQuAD-explorer
        ");
        let answers = file(folder.path(), "p.json", r#"{"q1": ["cat"]}"#);
        insta::assert_snapshot!(show(squad_answers(&answers).unwrap_err()), @r#"
        DIR/p.json: question q1 has ["cat"], which is not an answer
        hint: write it in quotes; "" for no answer
        "#);
        let no_answer = file(folder.path(), "n.json", r#"{"q1": "0.5"}"#);
        insta::assert_snapshot!(show(squad_no_answer(&no_answer).unwrap_err()), @r#"
        DIR/n.json: question q1 has "0.5", which is not a number
        hint: write a finite number without quotes
        "#);
        let no_answer = file(folder.path(), "n.json", r#"{"q1": NaN}"#);
        insta::assert_snapshot!(show(squad_no_answer(&no_answer).unwrap_err()), @r"
        DIR/n.json is not an object from question ids to numbers: expected value at line 1 column 8
        hint: write one JSON object with one entry per question; JSON has no NaN and Infinity
        ");
        let path = folder.path().join("a.parquet");
        write(&path, polars::prelude::df!("id" => ["a"], "answers" => ["b"]).unwrap());
        insta::assert_snapshot!(show(squad_questions(&path).unwrap_err()), @r#"
        column "answers" of DIR/a.parquet has no list of strings "text": invalid series dtype: expected `Struct`, got `str` for series with name `answers`
        hint: use files with SQuAD's columns, such as those of rajpurkar/squad_v2
        "#);
        insta::assert_snapshot!(show(squad_questions(Path::new("DIR/none.json")).unwrap_err()), @r"
        cannot open DIR/none.json: No such file or directory (os error 2)
        hint: check the path and its permissions
        ");
    }

    #[test]
    #[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
    fn real_squad() {
        let hub = crate::hub::test_hub();
        let config =
            crate::hub::HubConfig { cache: Some(hub), offline: true, ..crate::hub::HubConfig::default() };
        let hub = crate::hub::Hub::new(config);
        for (repo, n, n_unanswerable) in
            [("rajpurkar/squad_v2-subset", 6078, 3168), ("rajpurkar/squad-subset", 1190, 0)]
        {
            let files =
                hub.files(crate::hub::RepoKind::Dataset, repo, "main", "*/validation-*.parquet").unwrap();
            let questions = squad_questions(&files.paths[0].1).unwrap();
            let empty = questions.iter().filter(|question| question.answers.is_empty()).count();
            assert_eq!((questions.len(), empty), (n, n_unanswerable), "{repo}");
        }
    }
}
