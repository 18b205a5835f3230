//! Properties of every task: columns, balance, disjoint splits, answers at their positions.

use std::collections::BTreeSet;

use polars::prelude::{DataFrame, DataType, ParquetReader, SerReader};

use super::{TaskSplit, squad_frame, task_frame};
use crate::experiment::TaskName;

fn schema(frame: &DataFrame) -> String {
    let columns = frame.columns().iter().map(|column| format!("{}: {:?}", column.name(), column.dtype()));
    columns.collect::<Vec<_>>().join(", ")
}

fn texts(frame: &DataFrame) -> Vec<String> {
    let mut rows = vec![String::new(); frame.height()];
    for column in frame.columns().iter().filter(|column| column.dtype() == &DataType::String) {
        for (row, text) in rows.iter_mut().zip(column.str().unwrap().iter()) {
            row.push('\n');
            row.push_str(text.unwrap());
        }
    }
    rows
}

fn labels(frame: &DataFrame) -> Vec<f32> {
    let column = frame.column("label").unwrap().cast(&DataType::Float32).unwrap();
    column.f32().unwrap().iter().flatten().collect()
}

#[test]
fn columns_are_those_of_the_hub() {
    let lines: Vec<String> = TaskName::IN_THE_LANGUAGE
        .into_iter()
        .map(|task| format!("{task}: {}", schema(&task_frame(task, TaskSplit::Train, 3, 0).unwrap())))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
        cola: sentence: String, label: Int64, idx: Int32
        sst2: sentence: String, label: Int64, idx: Int32
        mrpc: sentence1: String, sentence2: String, label: Int64, idx: Int32
        stsb: sentence1: String, sentence2: String, label: Float32, idx: Int32
        qnli: question: String, sentence: String, label: Int64, idx: Int32
        rte: sentence1: String, sentence2: String, label: Int64, idx: Int32
        ");
    insta::assert_snapshot!(schema(&squad_frame(TaskSplit::Train, 3, 0).unwrap()), @"id: String, title: String, context: String, question: String, answers: Struct({'text': List(String), 'answer_start': List(Int32)})");
}

/// Compares the columns with those of the real files.
#[test]
#[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
fn columns_are_those_of_the_real_files() {
    let hub = crate::hub::test_hub();
    let read = |repo: &str, file: String| {
        let folder = hub.join(repo);
        let commit = std::fs::read_to_string(folder.join("refs/main")).unwrap();
        let path = folder.join("snapshots").join(commit.trim()).join(file);
        ParquetReader::new(std::fs::File::open(path).unwrap()).with_slice(Some((0, 5))).finish().unwrap()
    };
    for task in TaskName::IN_THE_LANGUAGE {
        let real = read("datasets--nyu-mll--glue", format!("{task}/validation-00000-of-00001.parquet"));
        let ours = task_frame(task, TaskSplit::Validation, 5, 0).unwrap();
        assert_eq!(schema(&ours), schema(&real), "{task}");
    }
    let real =
        read("datasets--rajpurkar--squad_v2-subset", "squad_v2/validation-00000-of-00001.parquet".into());
    assert_eq!(schema(&squad_frame(TaskSplit::Validation, 5, 0).unwrap()), schema(&real));
    assert_eq!(schema(&squad_frame(TaskSplit::Validation, 0, 0).unwrap()), schema(&real));
}

#[test]
fn first_examples_do_not_change() {
    let mut lines = Vec::new();
    for task in TaskName::IN_THE_LANGUAGE {
        let frame = task_frame(task, TaskSplit::Validation, 2, 0).unwrap();
        for (text, label) in texts(&frame).iter().zip(labels(&frame)) {
            lines.push(format!("{task} {label}:{}", text.replace('\n', " | ")));
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @"
        cola 0: | this week, rosa has the novels in the bookshop read.
        cola 0: | the sailor is loading heavy the barrel at the lighthouse.
        sst2 0: | these hunters despised the dreadful bush.
        sst2 1: | rosa thought that the show was truly great.
        mrpc 1: | now, felix is planting the ripe potatoes. | the ripe potatoes are being planted by felix now.
        mrpc 1: | those millers led the fat goats last week. | the fat goats were led by those millers last week.
        stsb 1.75: | this morning, some clever chefs dropped the pot in the bakery. | some clever chefs washed the warm cheese in the barn this morning.
        stsb 2.25: | the pot is wiped by these tall bakers in the bakery every morning. | the ballads are wiped by the trapper in the bakery every morning.
        qnli 0: | what will that teacher find in the bookshop? | that teacher from the city will find the kites in the bookshop.
        qnli 1: | where do the teachers throw a small doll? | this student wrote the novels last night.
        rte 1: | the colour of peter's goose is white, and the colour of his saw is black. | peter has painted his saw yellow.
        rte 0: | felix keeps a goat as a pet, and he has bought a flute. | felix has a goat at home.
        ");
}

#[test]
fn labels_are_balanced() {
    for (task, share) in [
        (TaskName::Cola, 0.6),
        (TaskName::Sst2, 0.5),
        (TaskName::Mrpc, 0.6),
        (TaskName::Qnli, 0.5),
        (TaskName::Rte, 0.5),
    ] {
        for split in [TaskSplit::Train, TaskSplit::Validation] {
            let labels = labels(&task_frame(task, split, 2000, 0).unwrap());
            assert!(labels.iter().all(|label| [0.0, 1.0].contains(label)));
            let ones = labels.iter().sum::<f32>() / labels.len() as f32;
            assert!((ones - share).abs() < 0.05, "{task} {split:?}: {ones}");
        }
    }
    let scores = labels(&task_frame(TaskName::Stsb, TaskSplit::Train, 2000, 0).unwrap());
    assert!(scores.iter().all(|score| (0.0..=5.0).contains(score)));
    for low in 0..5 {
        let share =
            scores.iter().filter(|score| (score.floor() as i32).min(4) == low).count() as f32 / 2000.0;
        assert!(share > 0.1, "only {share} of the scores are about {low}");
    }
}

#[test]
fn splits_never_share_an_example() {
    for task in TaskName::IN_THE_LANGUAGE {
        let of = |split, seed| -> BTreeSet<String> {
            texts(&task_frame(task, split, 1000, seed).unwrap()).into_iter().collect()
        };
        let train = of(TaskSplit::Train, 0);
        assert!(train.len() > 800, "{task} repeats itself: {} of 1000", train.len());
        for seed in [0, 1] {
            assert!(train.is_disjoint(&of(TaskSplit::Validation, seed)), "{task}");
        }
    }
    let of = |split| -> BTreeSet<String> {
        let frame = squad_frame(split, 500, 0).unwrap();
        frame.column("context").unwrap().str().unwrap().iter().flatten().map(str::to_string).collect()
    };
    assert!(of(TaskSplit::Train).is_disjoint(&of(TaskSplit::Validation)));
}

#[test]
fn examples_do_not_depend_on_their_number() {
    for task in TaskName::IN_THE_LANGUAGE {
        let few = task_frame(task, TaskSplit::Train, 20, 3).unwrap();
        let many = task_frame(task, TaskSplit::Train, 60, 3).unwrap();
        assert!(few.equals(&many.head(Some(20))), "{task}");
        assert!(!few.equals(&task_frame(task, TaskSplit::Train, 20, 4).unwrap()), "{task}");
    }
}

#[test]
fn answers_are_at_their_positions() {
    let frame = squad_frame(TaskSplit::Train, 600, 0).unwrap();
    let contexts = frame.column("context").unwrap().str().unwrap();
    let answers = frame.column("answers").unwrap().struct_().unwrap();
    let (texts_column, starts) =
        (answers.field_by_name("text").unwrap(), answers.field_by_name("answer_start").unwrap());
    let mut n_without = 0;
    for row in 0..frame.height() {
        let texts = texts_column.list().unwrap().get_as_series(row).unwrap();
        let starts = starts.list().unwrap().get_as_series(row).unwrap();
        assert_eq!(texts.len(), starts.len());
        n_without += usize::from(texts.is_empty());
        for (text, start) in texts.str().unwrap().iter().zip(starts.i32().unwrap().iter()) {
            let context: Vec<char> = contexts.get(row).unwrap().chars().collect();
            let there: String = context[start.unwrap() as usize..].iter().collect();
            assert!(there.starts_with(text.unwrap()), "row {row}: {there}");
        }
    }
    assert!((150..250).contains(&n_without), "{n_without} of 600 have no answer");
}
