//! Finds the measured point of every published row.

use serde_json::Value;

use super::comparable;
use super::comparison::PaperComparison;
use super::row::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{GlueMean, PaperSpec, Trial, same_value, value_label};
use crate::papers::{MeanOver, PaperNumbers, PaperRow, PaperTable};
use crate::report::axes::{Axes, last_word};
use crate::report::plan_records::PlanRecords;
use crate::report::statistics::Summary;

/// Compares the paper's rows with the points of a sweep; None if no row has a point.
///
/// # Errors
/// A table or a row that is not published, which a checked experiment does not name.
pub fn compare<'a>(
    paper: &PaperSpec,
    axes: &Axes,
    summary: &'a Summary,
    trials: &[Trial],
    records: &PlanRecords,
) -> Result<Option<PaperComparison<'a>>> {
    let numbers = PaperNumbers::published()?;
    let table = numbers.table(&paper.table).ok_or_else(|| unknown("table", &paper.table))?;
    let Some((quantity, column)) = compared(table, summary) else { return Ok(None) };
    let Some(described) = summary.quantities.get(quantity) else { return Ok(None) };
    let tasks = summary.tasks_of_the_mean();
    let paths = block_paths(paper, trials);
    let mut comparison = PaperComparison {
        table,
        label: &described.label,
        blocks: Vec::new(),
        reasons: Vec::new(),
        absent: Vec::new(),
    };
    for (name, at) in &paper.rows {
        let row = table.row(name).ok_or_else(|| unknown("row", name))?;
        let value = published(table, row, column, &tasks);
        let mut is_absent = true;
        for (index, point) in axes.points.iter().enumerate() {
            let Some(trial) = point.trials.first().and_then(|first| trials.get(*first)) else { continue };
            if !is_at(at, trial) {
                continue;
            }
            is_absent = false;
            let Some(cell) = summary.cell(index, quantity) else { continue };
            let done = records.of_point(point).next();
            let setting = comparable::Setting { numbers, table, row, column, tasks: &tasks };
            let reason = comparable::reason(&setting, described, value, trial, done);
            let reason = reason.map(|reason| comparison.reason(reason));
            let row = Row { paper: row, point: name_of_point(at), value, rank: None, cell, reason };
            comparison.push(name_of_block(&paths, trial), row);
        }
        if is_absent {
            comparison.absent.push(name.clone());
        }
    }
    for block in &mut comparison.blocks {
        block.judge(table);
    }
    comparison.correct();
    Ok((!comparison.blocks.is_empty()).then_some(comparison))
}

fn unknown(what: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::Spec,
        format!("expect.paper names the {what} `{name}`, which is not among the published numbers"),
        "use a table and rows of src/papers/numbers.yaml",
    )
}

/// Index and column of the quantity that is compared: the report's y axis if the table has such a column,
/// else the first column that was measured.
fn compared(table: &PaperTable, summary: &Summary) -> Option<(usize, &'static str)> {
    let found = |index: usize| {
        let column = summary.quantities.get(index)?.published_column()?;
        table.has_column(column).then_some((index, column))
    };
    summary.y.and_then(found).or_else(|| (0..summary.quantities.len()).find_map(found))
}

/// The published value of a row. If the measured mean is over fewer tasks than the paper's, it is the row's
/// mean over the same tasks, as far as the row has them.
fn published(table: &PaperTable, row: &PaperRow, column: &str, tasks: &[&str]) -> Option<f64> {
    if column == "mean" && table.mean_over == Some(MeanOver::EightTasks) {
        let of_ours = |task: &str, _: &str| tasks.contains(&task).then(|| table.value(row, task)).flatten();
        let mean = GlueMean::Paper.of(of_ours).filter(|mean| mean.n_tasks == tasks.len() && mean.n_tasks < 8);
        if let Some(mean) = mean {
            return Some(mean.value);
        }
    }
    table.value(row, column)
}

/// Whether a trial's point has some values.
fn is_at(at: &Value, trial: &Trial) -> bool {
    at.as_object().is_some_and(|selector| trial.point.is_selected_by(selector))
}

/// The swept paths that split the comparison into one block per value: no row names them, and points with the
/// same values of the named paths differ in them. A path that changes together with the named ones does not
/// split.
pub(super) fn block_paths<'t>(paper: &PaperSpec, trials: &'t [Trial]) -> Vec<&'t str> {
    let is_named = |path: &str| paper.rows.values().any(|at| at.get(path).is_some());
    let alike = |a: &'t Trial, b: &'t Trial, path: &str| match (a.point.value(path), b.point.value(path)) {
        (Some(a), Some(b)) => same_value(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    let paths = trials.first().into_iter().flat_map(|trial| trial.point.paths());
    let (named, others): (Vec<&str>, Vec<&str>) = paths.partition(|path| is_named(path));
    let splits = |path: &&str| {
        let same_row = |a: &'t Trial, b: &'t Trial| named.iter().all(|path| alike(a, b, path));
        trials.iter().any(|a| trials.iter().any(|b| same_row(a, b) && !alike(a, b, path)))
    };
    others.into_iter().filter(splits).collect()
}

/// The setting that the points of a block share.
fn name_of_block(paths: &[&str], trial: &Trial) -> String {
    let words = trial.point.iter().filter(|(path, _)| paths.contains(&path.as_str()));
    let words: Vec<String> =
        words.map(|(path, value)| format!("{} {}", last_word(path), value_label(value))).collect();
    words.join(", ")
}

/// The name of the point that stands for a row: its values.
fn name_of_point(at: &Value) -> String {
    let values = at.as_object().into_iter().flatten().map(|(_, value)| value);
    let words: Vec<String> = values.map(value_label).collect();
    if words.is_empty() { "base configuration".into() } else { words.join(", ") }
}
