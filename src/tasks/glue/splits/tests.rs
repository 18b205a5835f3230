//! Splits of small files in the hub's layout.

use std::path::Path;

use polars::prelude::{DataFrame, df};

use super::*;
use crate::experiment::{DataSpec, EvaluateSpec, TaskSource};
use crate::formats::parquet::tests::write;
use crate::hub::{Hub, HubConfig};
use crate::tasks::glue::{HIDDEN_LABEL, open_task};

const COMMIT: &str = "2222222222222222222222222222222222222222";

/// A hub cache with one data set, `o/glue`, that holds the given files.
fn cache(files: &[(&str, DataFrame)]) -> (tempfile::TempDir, DataEnv) {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("datasets--o--glue");
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(repository.join("refs/main"), COMMIT).unwrap();
    for (name, frame) in files {
        let path = repository.join("snapshots").join(COMMIT).join(format!("{name}-00000-of-00001.parquet"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, frame.clone());
    }
    let config =
        HubConfig { cache: Some(folder.path().to_path_buf()), offline: true, ..HubConfig::default() };
    let env = DataEnv { hub: Hub::new(config), cache: folder.path().to_path_buf() };
    (folder, env)
}

fn evaluate(predict_test: bool) -> EvaluateSpec {
    let source = TaskSource::Hub { repo: "o/glue".into(), revision: "main".into() };
    EvaluateSpec { source, predict_test, ..Default::default() }
}

fn shown(error: &Error, folder: &Path) -> String {
    error.to_string().replace(&folder.display().to_string(), "CACHE")
}

fn pairs(label: i64) -> DataFrame {
    df!("premise" => ["a", "b"], "hypothesis" => ["c", "d"], "label" => [label, label], "idx" => [0i32, 1])
        .unwrap()
}

#[test]
fn mnli_has_four_extra_splits_and_one_without_the_test_splits() {
    let (folder, env) = cache(&[
        ("mnli/train", pairs(0)),
        ("mnli/validation_matched", pairs(1)),
        ("mnli/validation_mismatched", pairs(2)),
        ("mnli/test_matched", pairs(-1)),
        ("mnli/test_mismatched", pairs(-1)),
        ("ax/test", pairs(-1)),
    ]);
    let open = |predict_test| {
        let data = open_task(&evaluate(predict_test), TaskName::Mnli, &DataSpec::default(), &env).unwrap();
        assert_eq!((data.train.len(), data.validation[0].label), (2, 1.0));
        data.splits
    };
    let labels = |splits: &[ExtraSplit]| -> Vec<(&str, f32)> {
        splits.iter().map(|split| (split.name, split.examples[1].label)).collect()
    };
    assert_eq!(labels(&open(false)), [("validation_mismatched", 2.0)]);
    assert_eq!(
        labels(&open(true)),
        [
            ("validation_mismatched", 2.0),
            ("test_matched", HIDDEN_LABEL),
            ("test_mismatched", HIDDEN_LABEL),
            ("ax", HIDDEN_LABEL)
        ]
    );
    // A repository may lack the mismatched split, but not a test split that is wanted.
    let snapshot = folder.path().join("datasets--o--glue/snapshots").join(COMMIT);
    std::fs::remove_file(snapshot.join("mnli/validation_mismatched-00000-of-00001.parquet")).unwrap();
    assert_eq!(open(false), []);
    std::fs::remove_dir_all(snapshot.join("ax")).unwrap();
    let error = open_task(&evaluate(true), TaskName::Mnli, &DataSpec::default(), &env).unwrap_err();
    assert!(error.message.contains("ax/test-*.parquet"), "{error}");
}

/// The hub's QQP has rows without a text: they are left out of the training split, but not of the test split.
#[test]
fn test_rows_are_never_left_out() {
    let questions = |label: Option<i64>| {
        df!("question1" => ["a", "b", "c"], "question2" => [Some("d"), Some(""), None],
            "label" => [label.or(Some(1)), label, label], "idx" => [0i32, 1, 2])
        .unwrap()
    };
    let files = [
        ("qqp/train", questions(Some(0))),
        ("qqp/validation", questions(Some(1))),
        ("qqp/test", questions(None)),
    ];
    let (_folder, env) = cache(&files);
    let data = open_task(&evaluate(true), TaskName::Qqp, &DataSpec::default(), &env).unwrap();
    assert_eq!((data.train.len(), data.validation.len(), data.n_left_out), (1, 1, 4));
    let test = &data.splits[0].examples;
    let read: Vec<(i64, Option<&str>, f32)> =
        test.iter().map(|example| (example.idx, example.text_b.as_deref(), example.label)).collect();
    assert_eq!(read, [(0, Some("d"), 1.0), (1, Some(""), HIDDEN_LABEL), (2, Some(""), HIDDEN_LABEL)]);
}

#[test]
fn errors_in_a_split_name_file_and_row() {
    let sentences = |texts: [&str; 2], label: i64| {
        df!("sentence" => texts, "label" => [label, label], "idx" => [0i32, 1]).unwrap()
    };
    let error = |test: DataFrame| {
        let files = [
            ("cola/train", sentences(["a", "b"], 1)),
            ("cola/validation", sentences(["c", "d"], 0)),
            ("cola/test", test),
        ];
        let (folder, env) = cache(&files);
        let error = open_task(&evaluate(true), TaskName::Cola, &DataSpec::default(), &env).unwrap_err();
        shown(&error, folder.path())
    };
    insta::assert_snapshot!(error(sentences(["x", " "], -1)), @r#"
    row 1 of CACHE/datasets--o--glue/snapshots/2222222222222222222222222222222222222222/cola/test-00000-of-00001.parquet has an empty "sentence"
    hint: use files with GLUE's columns and labels, such as those of nyu-mll/glue; test splits have no labels
    "#);
    insta::assert_snapshot!(error(sentences(["x", "y"], 7)), @r"
    row 0 of CACHE/datasets--o--glue/snapshots/2222222222222222222222222222222222222222/cola/test-00000-of-00001.parquet has the label 7, which is not one of 0 to 1
    hint: use files with GLUE's columns and labels, such as those of nyu-mll/glue; test splits have no labels
    ");
}

/// The hash changes with the examples, even if the revision does not.
#[test]
fn a_changed_file_has_another_hash() {
    let hash = |label| {
        let files = [("mnli/train", pairs(label)), ("mnli/validation_matched", pairs(1))];
        let (_folder, env) = cache(&files);
        open_task(&evaluate(false), TaskName::Mnli, &DataSpec::default(), &env).unwrap().hash()
    };
    assert_eq!(hash(0), hash(0));
    assert_ne!(hash(0), hash(2));
}

/// A file that was truncated while it was copied.
#[test]
fn a_truncated_file_is_named() {
    let (folder, env) = cache(&[("mnli/train", pairs(0)), ("mnli/validation_matched", pairs(1))]);
    let name = format!("datasets--o--glue/snapshots/{COMMIT}/mnli/train-00000-of-00001.parquet");
    let path = folder.path().join(name);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = open_task(&evaluate(false), TaskName::Mnli, &DataSpec::default(), &env).unwrap_err();
    insta::assert_snapshot!(shown(&error, folder.path()), @r"
    CACHE/datasets--o--glue/snapshots/2222222222222222222222222222222222222222/mnli/train-00000-of-00001.parquet is a Parquet file whose end is missing
    hint: delete the file and run `electra-lab fetch` to download it again
    ");
}
