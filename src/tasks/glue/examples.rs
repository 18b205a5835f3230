//! Reads examples of GLUE's tasks from the hub's Parquet files, or from the built-in language's frames.
//!
//! Both have the same columns and the same reader. An example without a text, or with an impossible label, is
//! an error that names its row. Must never: shuffle, tokenise or truncate the examples.

use std::path::Path;

use polars::prelude::DataFrame;

use crate::error::Result;
use crate::formats::parquet::{FileOrigin, ParquetFile, number_column, text_column};
use crate::formats::whole_number;
use crate::tasks::row_location::RowLocation;
use crate::tasks::table::{LabelKind, TaskInfo};

/// An example of a task of GLUE.
#[derive(Clone, Debug, PartialEq)]
pub struct GlueExample {
    /// Its number in the task's own numbering.
    pub idx: i64,
    /// First text.
    pub text_a: String,
    /// Second text, for tasks on pairs.
    pub text_b: Option<String>,
    /// Class index or score.
    pub label: f32,
}

/// The label of every example of a split with hidden labels.
pub const HIDDEN_LABEL: f32 = -1.0;

pub(super) const HINT: &str =
    "use files with GLUE's columns and labels, such as those of nyu-mll/glue; test splits have no labels";

/// Whether the files of a split have its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    /// Every row has a label.
    Known,
    /// Test splits: the label is -1 or null. No row is left out, because the leaderboard counts all of them.
    Hidden,
}

/// The examples of a file, in order.
pub(super) fn read_file(path: &Path, info: &TaskInfo, labels: Labels) -> Result<Vec<GlueExample>> {
    let file = ParquetFile::open(path, FileOrigin::Hub)?;
    let columns: Vec<&str> =
        [Some(info.text_a), info.text_b, Some("label"), Some("idx")].into_iter().flatten().collect();
    let mut all = Vec::new();
    for rows in file.slices() {
        let frame = file.read(&columns, rows.clone())?;
        all.extend(examples(&frame, info, labels, &path.display().to_string(), rows.start)?);
    }
    Ok(all)
}

/// The rows of a frame as examples; `first_row` is the number of its first row in `file`.
pub(super) fn examples(
    frame: &DataFrame,
    info: &TaskInfo,
    labels: Labels,
    file: &str,
    first_row: usize,
) -> Result<Vec<GlueExample>> {
    let texts_a = text_column(frame, info.text_a, file)?;
    let texts_b = info.text_b.map(|column| text_column(frame, column, file)).transpose()?;
    let numbers = number_column(frame, "label", file)?;
    let indices = number_column(frame, "idx", file)?;
    let mut all = Vec::with_capacity(texts_a.len());
    for (row, ((text_a, label), idx)) in texts_a.into_iter().zip(numbers).zip(indices).enumerate() {
        let location = RowLocation { file, row: first_row + row, hint: HINT };
        let lacks_text = |text: Option<&String>| text.is_none_or(|text| text.trim().is_empty());
        let second = texts_b.as_ref().map(|texts| texts.get(row).and_then(Option::as_ref));
        let is_lacking = lacks_text(text_a.as_ref()) || second.is_some_and(lacks_text);
        if info.may_be_empty && is_lacking && labels == Labels::Known {
            continue;
        }
        let text = |text: Option<String>, column| {
            if info.may_be_empty { Ok(text.unwrap_or_default()) } else { location.text(text, column) }
        };
        let text_b = match (&texts_b, info.text_b) {
            (Some(texts), Some(column)) => Some(text(texts.get(row).cloned().flatten(), column)?),
            _ => None,
        };
        let idx = match idx {
            Some(idx) => whole_number(idx)
                .ok_or_else(|| location.error(&format!("has the idx {idx}, which is not a whole number")))?,
            None => location.row as i64,
        };
        let is_hidden = label.is_none_or(|label| label == f64::from(HIDDEN_LABEL));
        all.push(GlueExample {
            idx,
            text_a: text(text_a, info.text_a)?,
            text_b,
            label: match labels {
                Labels::Hidden if is_hidden => HIDDEN_LABEL,
                _ => label_of(&location, label, info.labels)?,
            },
        });
    }
    Ok(all)
}

pub(super) fn label_of(row: &RowLocation, label: Option<f64>, kind: LabelKind) -> Result<f32> {
    let Some(label) = label else { return Err(row.error("has no label")) };
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
        Err(row.error(&format!("has the label {label}, which is not {allowed}")))
    }
}
