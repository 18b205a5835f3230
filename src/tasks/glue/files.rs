//! Reads gold labels and predictions for a GLUE task, and pairs them by index.
//!
//! Gold labels are the hub's Parquet, or a TSV with a header: GLUE's own files for most tasks, or the columns
//! `index` and `label`. Predictions are in the format of the leaderboard: a TSV with the columns `index` and
//! `prediction`. Must never: pair by position, or drop a row. Next: `score.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TaskName;
use crate::formats::parquet::{FileOrigin, ParquetFile, is_parquet, number_column};
use crate::formats::text_table::TextTable;
use crate::formats::{parse_whole_number, whole_number};
use crate::tasks::table::{LabelKind, TaskInfo};

const INDEX_COLUMNS: [&str; 2] = ["index", "idx"];
/// Names of the label column in GLUE's own files: of most tasks, MNLI, STS-B, MRPC, QQP, AX.
const LABEL_COLUMNS: [&str; 6] = ["label", "gold_label", "score", "Quality", "is_duplicate", "Label"];
const PREDICTION_COLUMNS: [&str; 1] = ["prediction"];

/// The columns of CoLA's own files, which have no header: source, label, the authors' mark, sentence.
const COLA_COLUMNS: [&str; 4] = ["source", "label", "mark", "sentence"];

/// Labels and predictions in the order of the gold file: class numbers or scores.
#[derive(Clone, Debug, PartialEq)]
pub struct GluePairs {
    /// Gold labels.
    pub labels: Vec<f64>,
    /// The prediction for each label.
    pub predictions: Vec<f64>,
}

/// A label or a prediction with its index, and its row in the file.
struct IndexedValue {
    location: String,
    index: i64,
    value: f64,
}

/// Reads both files and pairs them. With `by_row`, the index of a gold label is its row from 0, even if the
/// file has an index column.
///
/// # Errors
/// A file cannot be read, a column is missing, a label or an index is wrong, an index occurs twice, a gold
/// label is hidden, or the two files do not have the same indices. The message names file and row.
pub fn glue_pairs(task: &TaskInfo, gold: &Path, predictions: &Path, by_row: bool) -> Result<GluePairs> {
    let labels = match is_parquet(gold) {
        true => gold_of_parquet(task, gold, by_row)?,
        false => gold_of_tsv(task, gold, by_row)?,
    };
    if labels.is_empty() {
        let what = format!("{} has no examples", gold.display());
        return Err(Error::new(ErrorKind::Data, what, "name the validation file of the task"));
    }
    let predicted = read_predictions(task, predictions)?;
    pair(&labels, &predicted, gold, predictions)
}

fn pair(
    labels: &[IndexedValue],
    predicted: &[IndexedValue],
    gold: &Path,
    predictions: &Path,
) -> Result<GluePairs> {
    let known = by_index(labels)?;
    let predicted = by_index(predicted)?;
    if let Some(row) = predicted.values().find(|row| !known.contains_key(&row.index)) {
        let what = format!("{}: index {} is not in {}", row.location, row.index, gold.display());
        let hint = "predict the examples of this gold file, by its index column; with --by-row the index is the row \
                    from 0 (the hub's MRPC has gaps in its indices)";
        return Err(Error::new(ErrorKind::Data, what, hint));
    }
    if let Some(missing) = labels.iter().find(|row| !predicted.contains_key(&row.index)) {
        let what = format!(
            "{} predicts {} of the {} examples of {}; the first without a prediction is index {}",
            predictions.display(),
            predicted.len(),
            labels.len(),
            gold.display(),
            missing.index
        );
        return Err(Error::new(ErrorKind::Data, what, "predict every example: a score needs all of them"));
    }
    Ok(GluePairs {
        labels: labels.iter().map(|row| row.value).collect(),
        predictions: labels.iter().filter_map(|row| predicted.get(&row.index)).map(|row| row.value).collect(),
    })
}

fn by_index(rows: &[IndexedValue]) -> Result<BTreeMap<i64, &IndexedValue>> {
    let mut map: BTreeMap<i64, &IndexedValue> = BTreeMap::new();
    for row in rows {
        if let Some(before) = map.insert(row.index, row) {
            let what =
                format!("{}: index {} occurs again, after {}", row.location, row.index, before.location);
            return Err(Error::new(ErrorKind::Data, what, "write every index once"));
        }
    }
    Ok(map)
}

fn gold_of_parquet(task: &TaskInfo, path: &Path, by_row: bool) -> Result<Vec<IndexedValue>> {
    let file = ParquetFile::open(path, FileOrigin::Local)?;
    let name = path.display().to_string();
    let mut all = Vec::new();
    for rows in file.slices() {
        let columns = if by_row { &["label"][..] } else { &["label", "idx"] };
        let frame = file.read(columns, rows.clone())?;
        let labels = number_column(&frame, "label", &name)?;
        let indices = match by_row {
            true => vec![None; labels.len()],
            false => number_column(&frame, "idx", &name)?,
        };
        for (row, (label, idx)) in (rows.start..).zip(labels.into_iter().zip(indices)) {
            let location = format!("{name} row {row}");
            let value = gold_label(task, label.unwrap_or(HIDDEN), &location)?;
            let index = match idx {
                Some(idx) => whole_number(idx).ok_or_else(|| not_an_index(&idx.to_string(), &location))?,
                None => row as i64,
            };
            all.push(IndexedValue { location, index, value });
        }
    }
    Ok(all)
}

fn gold_of_tsv(task: &TaskInfo, path: &Path, by_row: bool) -> Result<Vec<IndexedValue>> {
    let mut table = TextTable::tsv(path)?;
    if task.task == TaskName::Cola && is_colas_own(&table) {
        table = table.without_header(COLA_COLUMNS);
    }
    let labels = required_column(&table, &LABEL_COLUMNS, "labels")?;
    let mut indices = table.column(&INDEX_COLUMNS).filter(|_| !by_row);
    let mut all = Vec::new();
    for (row, (line, cell)) in (0..).zip(labels) {
        let location = format!("{} line {line}", table.file());
        let value = gold_label(task, class_or_number(task, cell, &location)?, &location)?;
        let index = match &mut indices {
            Some(cells) => index_of(cells.next().map_or("", |(_, cell)| cell), &location)?,
            None => row,
        };
        all.push(IndexedValue { location, index, value });
    }
    Ok(all)
}

fn read_predictions(task: &TaskInfo, path: &Path) -> Result<Vec<IndexedValue>> {
    let table = TextTable::tsv(path)?;
    let indices = required_column(&table, &INDEX_COLUMNS, "indices")?;
    let predictions = required_column(&table, &PREDICTION_COLUMNS, "predictions")?;
    let rows = indices.zip(predictions).map(|((line, index), (_, cell))| {
        let location = format!("{} line {line}", table.file());
        let index = index_of(index, &location)?;
        let value = class_or_number(task, cell, &location)?;
        if value == HIDDEN && matches!(task.labels, LabelKind::Classes(_)) {
            return Err(unknown_label(task, cell, &location));
        }
        Ok(IndexedValue { location, index, value })
    });
    rows.collect()
}

/// Whether the first line is an example of CoLA's own files: `gj04`, a label, nothing or a mark, a sentence.
fn is_colas_own(table: &TextTable) -> bool {
    matches!(table.first_line(), [_, label, mark, _] if ["0", "1"].contains(&label.as_str()) && mark.trim_start_matches(['*', '?']).is_empty())
}

fn required_column<'a>(
    table: &'a TextTable,
    names: &[&str],
    what: &str,
) -> Result<impl Iterator<Item = (usize, &'a str)> + use<'a>> {
    table.column(names).ok_or_else(|| {
        let text = format!("{} has no column of {what}; its header is: {}", table.file(), table.header());
        Error::new(ErrorKind::Data, text, format!("name it {}", names.join(" or ")))
    })
}

fn index_of(cell: &str, location: &str) -> Result<i64> {
    parse_whole_number(cell).ok_or_else(|| not_an_index(cell, location))
}

fn not_an_index(cell: &str, location: &str) -> Error {
    let what = format!("{location}: \"{cell}\" is not an index");
    Error::new(ErrorKind::Data, what, "write the example's index in the gold file")
}

/// The label of test splits, whose labels are hidden.
const HIDDEN: f64 = -1.0;

/// A class by its name or number, or a finite number; [`HIDDEN`] is accepted.
fn class_or_number(task: &TaskInfo, cell: &str, location: &str) -> Result<f64> {
    let value = match task.labels {
        LabelKind::Classes(names) => {
            let number = names.iter().position(|name| *name == cell).map(|class| class as i64);
            let fits = |number: &i64| *number == HIDDEN as i64 || (0..names.len() as i64).contains(number);
            number.or_else(|| parse_whole_number(cell)).filter(fits).map(|number| number as f64)
        }
        LabelKind::Score { .. } => cell.parse().ok().filter(|number: &f64| number.is_finite()),
    };
    value.ok_or_else(|| unknown_label(task, cell, location))
}

fn gold_label(task: &TaskInfo, value: f64, location: &str) -> Result<f64> {
    if value == HIDDEN {
        let what = format!("{location} has no label (-1 means that it is hidden)");
        let hint = "score on the validation split; only the leaderboard has the labels of test splits";
        return Err(Error::new(ErrorKind::Data, what, hint));
    }
    let fits = match task.labels {
        LabelKind::Classes(names) => value.fract() == 0.0 && (0.0..names.len() as f64).contains(&value),
        LabelKind::Score { min, max } => (f64::from(min)..=f64::from(max)).contains(&value),
    };
    if fits { Ok(value) } else { Err(unknown_label(task, &value.to_string(), location)) }
}

fn unknown_label(task: &TaskInfo, cell: &str, location: &str) -> Error {
    let allowed = match task.labels {
        LabelKind::Classes(names) => format!("use {}, or their numbers from 0", names.join(", ")),
        LabelKind::Score { min, max } => format!("use a number; gold scores are from {min} to {max}"),
    };
    Error::new(ErrorKind::Data, format!("{location}: \"{cell}\" is not a label of {}", task.name), allowed)
}

#[cfg(test)]
mod tests;
