//! Reading rows as examples, and errors in them.

use std::path::Path;

use polars::prelude::{DataFrame, df};

use super::data::{TRAIN, VALIDATION, split_patterns};
use super::examples::{HINT, Labels, label_of, read_file};
use super::*;
use crate::experiment::{DataSpec, EvaluateSpec, TaskName, TaskSource};
use crate::formats::parquet::number_column;
use crate::formats::parquet::tests::write;
use crate::hub::{DataEnv, Hub, HubConfig};
use crate::tasks::row_location::RowLocation;
use crate::tasks::table::{LabelKind, task_info};

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
        let evaluate = EvaluateSpec { source: source.clone(), ..Default::default() };
        let data = open_task(&evaluate, task, &DataSpec::default(), &offline(folder.path())).unwrap();
        assert_eq!((data.train.len(), data.validation.len(), data.synthetic), (12, 10, true), "{task}");
        assert_eq!(data.train[0].text_b.is_some(), task_info(task).text_b.is_some());
        assert_ne!(data.train[..10], data.validation[..]);
    }
}

/// The error of a CoLA file with two rows, the second of which is wrong.
fn second_row(sentence: Option<&str>, label: Option<i64>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let frame = df!("sentence" => [Some("Fine."), sentence], "label" => [Some(1), label], "idx" => [0i32, 1]);
    write(&path, frame.unwrap());
    let error = read_file(&path, &task_info(TaskName::Cola), Labels::Known).unwrap_err();
    error.message.replace(&folder.path().display().to_string(), "DIR")
}

#[test]
fn errors_in_a_row_name_it() {
    insta::assert_snapshot!(second_row(Some(" "), Some(1)), @r#"row 1 of DIR/a.parquet has an empty "sentence""#);
    insta::assert_snapshot!(second_row(None, Some(1)), @r#"row 1 of DIR/a.parquet has an empty "sentence""#);
    insta::assert_snapshot!(second_row(Some("x"), None), @"row 1 of DIR/a.parquet has no label");
    insta::assert_snapshot!(
        second_row(Some("x"), Some(-1)),
        @"row 1 of DIR/a.parquet has the label -1, which is not one of 0 to 1"
    );
}

/// Small files with the columns and splits of tasks that are not in the hub cache of the tests.
#[test]
fn tasks_with_other_columns_and_splits() {
    let folder = tempfile::tempdir().unwrap();
    let read = |task: TaskName, frame: DataFrame| {
        let path = folder.path().join(format!("{task}.parquet"));
        write(&path, frame);
        read_file(&path, &task_info(task), Labels::Known)
    };
    let mnli = df!(
        "premise" => ["a", "b"], "hypothesis" => ["c", "d"], "label" => [0i64, 2], "idx" => [0i32, 1]
    );
    let examples = read(TaskName::Mnli, mnli.unwrap()).unwrap();
    assert_eq!((examples[1].text_a.as_str(), examples[1].label), ("b", 2.0));
    assert_eq!(split_patterns(TaskName::Mnli, VALIDATION)[0], "mnli/validation_matched-*.parquet");
    assert_eq!(
        split_patterns(TaskName::Mnli, TRAIN),
        ["mnli/train-*.parquet", "mnli/train/*.parquet", "mnli/train.parquet"]
    );

    // Two training pairs of the hub's QQP lack a question. They are left out, and `idx` still counts them.
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
fn errors_in_labels_and_columns_are_named() {
    let location = RowLocation { file: "a", row: 7, hint: HINT };
    let score = LabelKind::Score { min: 0.0, max: 5.0 };
    assert_eq!(label_of(&location, Some(2.5), score).unwrap(), 2.5);
    assert_eq!(
        label_of(&location, Some(5.5), score).unwrap_err().message,
        "row 7 of a has the label 5.5, which is not a number from 0 to 5"
    );
    assert!(
        label_of(&location, Some(f64::NAN), score).is_err()
            && label_of(&location, Some(0.5), task_info(TaskName::Rte).labels).is_err()
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
    let hub = crate::hub::test_hub();
    let env = offline(&hub);
    let evaluate = EvaluateSpec { source: hub_source(), ..Default::default() };
    let open = |task| open_task(&evaluate, task, &DataSpec::default(), &env);
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
    // The cache has no training file of QNLI: an error that names it, not an empty task.
    let error = open(TaskName::Qnli).unwrap_err();
    assert!(error.message.contains("qnli/train-*.parquet"), "{error}");
}

/// The hub's conversions to Parquet, and repositories with a file per split.
#[test]
fn other_layouts_of_a_repository_are_read() {
    let rte = |n: i64| {
        let numbers: Vec<i64> = (0..n).collect();
        let texts: Vec<String> = numbers.iter().map(|number| format!("It is {number}.")).collect();
        let labels: Vec<bool> = numbers.iter().map(|number| number % 2 == 1).collect();
        df!("sentence1" => &texts, "sentence2" => &texts, "label" => labels, "idx" => numbers).unwrap()
    };
    for [train, validation] in [
        ["rte/train-00000-of-00001.parquet", "rte/validation-00000-of-00001.parquet"],
        ["rte/train/0000.parquet", "rte/validation/0000.parquet"],
        ["rte/train.parquet", "rte/validation.parquet"],
    ] {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("datasets--nyu-mll--glue");
        let commit = "0123456789abcdef0123456789abcdef01234567";
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), commit).unwrap();
        let file = |name: &str, n: i64| {
            let path = repository.join("snapshots").join(commit).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write(&path, rte(n));
        };
        file(train, 6);
        let evaluate = EvaluateSpec { source: hub_source(), ..Default::default() };
        let open = || open_task(&evaluate, TaskName::Rte, &DataSpec::default(), &offline(cache.path()));
        assert!(open().unwrap_err().message.contains("rte/validation"), "{train}");
        file(validation, 4);
        let data = open().unwrap();
        assert_eq!((data.train.len(), data.validation.len()), (6, 4), "{train}");
        let labels: Vec<f32> = data.validation.iter().map(|example| example.label).collect();
        assert_eq!(labels, [0.0, 1.0, 0.0, 1.0]);
    }
}
