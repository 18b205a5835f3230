//! The example task of docs/extending.md: BoolQ.
//!
//! Compiled and tested as a file beside the reader of GLUE's schema; the guide quotes it, and a test holds the two
//! together.

use polars::prelude::df;

use super::examples::{GlueExample, Labels, examples};
use crate::error::Result;
use crate::experiment::TaskName;
use crate::tasks::table::{LabelKind, Metric, TaskInfo};

/// BoolQ (Clark et al., 2019): does the passage answer the question with yes?
fn boolq(task: TaskName) -> TaskInfo {
    TaskInfo {
        name: "boolq",
        task,
        folder: "boolq",
        text_a: "question",
        text_b: Some("passage"),
        labels: LabelKind::Classes(&["false", "true"]),
        metric: Metric::Accuracy,
        other_metrics: &[],
        validation: Some("validation"),
        test: None,
        unordered: false,
        may_be_empty: false,
        is_small: false,
    }
}

/// A new task needs a variant of its own; the example borrows one.
const TASK: TaskName = TaskName::Rte;

fn rows(labels: [i64; 2]) -> Result<Vec<GlueExample>> {
    let frame = df!(
        "question" => ["is the sky blue", "is water dry"],
        "passage" => ["The sky is blue by day.", "Water is wet."],
        "label" => labels,
        "idx" => [0i32, 1],
    );
    examples(&frame.unwrap(), &boolq(TASK), Labels::Known, "boolq/train.parquet", 0)
}

#[test]
fn rows_become_examples() {
    let read = rows([1, 0]).unwrap();
    assert_eq!((read[0].text_a.as_str(), read[0].label), ("is the sky blue", 1.0));
    assert_eq!((read[1].text_b.as_deref(), read[1].label), (Some("Water is wet."), 0.0));
    assert_eq!(boolq(TASK).labels.n_outputs(), 2, "a head for it has an output for each class");
}

#[test]
fn an_impossible_label_is_refused() {
    let error = rows([1, 2]).unwrap_err();
    assert!(error.message.contains("label 2"), "{}", error.message);
}
