//! Gold labels and anyone's predictions for a GLUE task, paired by index.
//!
//! Gold is the hub's Parquet, or a TSV with a header: GLUE's own files for most tasks, or columns `index` and `label`.
//! Predictions are what the leaderboard takes: a TSV with the columns `index` and `prediction`.
//! Must never: pair by position, or drop a row. Next: `tasks/glue/score.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use super::number_column;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::parquet::{Origin, ParquetFile};
use crate::formats::tsv::Tsv;
use crate::tasks::scored_tasks::ScoredTask;
use crate::tasks::table::LabelKind;

const INDEX_COLUMNS: [&str; 2] = ["index", "idx"];
/// By these names GLUE's own files call the label: most tasks, MNLI, STS-B, MRPC, QQP, AX.
const LABEL_COLUMNS: [&str; 6] = ["label", "gold_label", "score", "Quality", "is_duplicate", "Label"];
const PREDICTION_COLUMNS: [&str; 1] = ["prediction"];

/// Labels and predictions, in gold's order: class numbers or scores.
#[derive(Clone, Debug, PartialEq)]
pub struct GluePairs {
    /// Gold labels.
    pub labels: Vec<f64>,
    /// What was predicted for each.
    pub predictions: Vec<f64>,
}

/// A label or prediction, and where it stands.
struct Row {
    place: String,
    index: i64,
    value: f64,
}

/// Reads both files and pairs them. With `by_row`, gold's examples are numbered by their rows from 0 even if the file
/// has indices of its own.
///
/// # Errors
/// A file cannot be read, a column is missing, a label or index is wrong, an index comes twice, gold has no label, or
/// the indices are not the same on both sides. The message names file and row.
pub fn glue_pairs(task: &ScoredTask, gold: &Path, predictions: &Path, by_row: bool) -> Result<GluePairs> {
    let is_parquet = gold.extension().is_some_and(|extension| extension == "parquet");
    let labels =
        if is_parquet { gold_of_parquet(task, gold, by_row)? } else { gold_of_tsv(task, gold, by_row)? };
    if labels.is_empty() {
        let what = format!("{} has no examples", gold.display());
        return Err(Error::new(ErrorKind::Data, what, "name the validation file of the task"));
    }
    let said = predicted(task, predictions)?;
    pair(&labels, &said, gold, predictions)
}

fn pair(labels: &[Row], said: &[Row], gold: &Path, predictions: &Path) -> Result<GluePairs> {
    let known = by_index(labels)?;
    let said = by_index(said)?;
    if let Some(row) = said.values().find(|row| !known.contains_key(&row.index)) {
        let what = format!("{}: index {} is not in {}", row.place, row.index, gold.display());
        let hint = "predict the examples of this gold file, by its index column; --by-row counts its rows from 0 \
                    instead (the hub's MRPC has gaps in its indices)";
        return Err(Error::new(ErrorKind::Data, what, hint));
    }
    if let Some(missing) = labels.iter().find(|row| !said.contains_key(&row.index)) {
        let what = format!(
            "{} predicts {} of the {} examples of {}; the first without prediction is index {}",
            predictions.display(),
            said.len(),
            labels.len(),
            gold.display(),
            missing.index
        );
        return Err(Error::new(ErrorKind::Data, what, "predict every example: no score is taken over fewer"));
    }
    Ok(GluePairs {
        labels: labels.iter().map(|row| row.value).collect(),
        predictions: labels.iter().filter_map(|row| said.get(&row.index)).map(|row| row.value).collect(),
    })
}

fn by_index(rows: &[Row]) -> Result<BTreeMap<i64, &Row>> {
    let mut map: BTreeMap<i64, &Row> = BTreeMap::new();
    for row in rows {
        if let Some(before) = map.insert(row.index, row) {
            let what = format!("{}: index {} again, after {}", row.place, row.index, before.place);
            return Err(Error::new(ErrorKind::Data, what, "give every index once"));
        }
    }
    Ok(map)
}

fn gold_of_parquet(task: &ScoredTask, path: &Path, by_row: bool) -> Result<Vec<Row>> {
    let file = ParquetFile::open_of(path, Origin::Local)?;
    let name = path.display().to_string();
    let mut all = Vec::with_capacity(file.n_rows());
    for rows in file.slices() {
        let frame = file.read(&["label", "idx"], rows.clone())?;
        let labels = number_column(&frame, "label", &name)?;
        let indices = number_column(&frame, "idx", &name)?;
        for (row, (label, idx)) in (rows.start..).zip(labels.into_iter().zip(indices)) {
            let place = format!("{name} row {row}");
            let value = gold_label(task, label.unwrap_or(HIDDEN), &place)?;
            let index = if by_row { row as i64 } else { idx.map_or(row as i64, |idx| idx as i64) };
            all.push(Row { place, index, value });
        }
    }
    Ok(all)
}

fn gold_of_tsv(task: &ScoredTask, path: &Path, by_row: bool) -> Result<Vec<Row>> {
    let table = Tsv::read(path)?;
    let labels = needed(&table, &LABEL_COLUMNS, "labels")?;
    let mut indices = table.column(&INDEX_COLUMNS).filter(|_| !by_row);
    let mut all = Vec::new();
    for (row, (line, cell)) in (0..).zip(labels) {
        let place = format!("{} line {line}", table.file());
        let value = gold_label(task, class_or_number(task, cell, &place)?, &place)?;
        let index = match &mut indices {
            Some(cells) => index_of(cells.next().map_or("", |(_, cell)| cell), &place)?,
            None => row,
        };
        all.push(Row { place, index, value });
    }
    Ok(all)
}

fn predicted(task: &ScoredTask, path: &Path) -> Result<Vec<Row>> {
    let table = Tsv::read(path)?;
    let indices = needed(&table, &INDEX_COLUMNS, "indices")?;
    let predictions = needed(&table, &PREDICTION_COLUMNS, "predictions")?;
    let rows = indices.zip(predictions).map(|((line, index), (_, cell))| {
        let place = format!("{} line {line}", table.file());
        let index = index_of(index, &place)?;
        let value = class_or_number(task, cell, &place)?;
        if value == HIDDEN && matches!(task.labels, LabelKind::Classes(_)) {
            return Err(unknown(task, cell, &place));
        }
        Ok(Row { place, index, value })
    });
    rows.collect()
}

fn needed<'a>(
    table: &'a Tsv,
    names: &[&str],
    what: &str,
) -> Result<impl Iterator<Item = (usize, &'a str)> + use<'a>> {
    table.column(names).ok_or_else(|| {
        let text = format!("{} has no column of {what}; its header is: {}", table.file(), table.header());
        Error::new(ErrorKind::Data, text, format!("name it {}", names.join(" or ")))
    })
}

fn index_of(cell: &str, place: &str) -> Result<i64> {
    cell.parse().map_err(|_| {
        let what = format!("{place}: \"{cell}\" is no index");
        Error::new(ErrorKind::Data, what, "write the example's number in the gold file")
    })
}

/// The label of test splits, whose labels nobody has.
const HIDDEN: f64 = -1.0;

/// A class by its name or number, or a finite number; [`HIDDEN`] passes.
fn class_or_number(task: &ScoredTask, cell: &str, place: &str) -> Result<f64> {
    let value = match task.labels {
        LabelKind::Classes(names) => {
            let number = names.iter().position(|name| *name == cell).map(|class| class as i64);
            let fits = |number: &i64| *number == HIDDEN as i64 || (0..names.len() as i64).contains(number);
            number.or_else(|| cell.parse().ok()).filter(fits).map(|number| number as f64)
        }
        LabelKind::Score { .. } => cell.parse().ok().filter(|number: &f64| number.is_finite()),
    };
    value.ok_or_else(|| unknown(task, cell, place))
}

fn gold_label(task: &ScoredTask, value: f64, place: &str) -> Result<f64> {
    if value == HIDDEN {
        let what = format!("{place} has no label (-1 stands for a hidden one)");
        let hint = "score on the validation split; the labels of test splits are with the leaderboard";
        return Err(Error::new(ErrorKind::Data, what, hint));
    }
    let fits = match task.labels {
        LabelKind::Classes(names) => value.fract() == 0.0 && (0.0..names.len() as f64).contains(&value),
        LabelKind::Score { min, max } => (f64::from(min)..=f64::from(max)).contains(&value),
    };
    if fits { Ok(value) } else { Err(unknown(task, &value.to_string(), place)) }
}

fn unknown(task: &ScoredTask, cell: &str, place: &str) -> Error {
    let allowed = match task.labels {
        LabelKind::Classes(names) => format!("use {}, or their numbers from 0", names.join(", ")),
        LabelKind::Score { min, max } => format!("use a number, in gold from {min} to {max}"),
    };
    Error::new(ErrorKind::Data, format!("{place}: \"{cell}\" is no label of {}", task.word), allowed)
}

#[cfg(test)]
mod tests;
