//! The paper's numbers beside the measured ones.
//!
//! `comparable` says which of them may be compared in absolute value, `agreement` whether their orders agree, `show` makes
//! tables and sentences of it. Must never: compare a value without its configuration. Next: `agreement.rs`.

mod agreement;
mod comparable;
mod show;

use serde_json::Value;

use super::axes::{Axes, labels, last_word, matches_expected, same_value};
use super::records::Records;
use super::statistics::{Cell, QuantityKind, Summary, members};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{GlueMean, PaperSpec, Trial};
use crate::papers::{MeanOver, PaperNumbers, PaperRow, PaperTable};

use agreement::{Agreement, Pair};

pub use show::{page, rows as rows_table, sentences, to_csv};

/// A published table beside what was measured.
pub struct PaperComparison<'a> {
    table: &'static PaperTable,
    /// Label of the quantity that is compared.
    label: &'a str,
    /// One comparison a value of what is swept beside the rows' paths.
    blocks: Vec<Block<'a>>,
    /// Why values cannot be compared, each distinct reason once.
    reasons: Vec<String>,
    /// Rows of the experiment that have no point in this sweep.
    absent: Vec<String>,
}

/// Points that differ in nothing but which row they are.
struct Block<'a> {
    /// What they have in common; empty where there is one block.
    name: String,
    rows: Vec<Row<'a>>,
    agreement: Option<Agreement>,
    pairs: Vec<Pair>,
}

/// One row of the paper with the point that stands for it.
struct Row<'a> {
    paper: &'static PaperRow,
    point: String,
    /// The published value of the quantity, × 100.
    value: Option<f64>,
    /// Rank in the paper, 0 the best; equals share one.
    rank: Option<usize>,
    cell: &'a Cell,
    /// Index into the reasons; None where the value is comparable as it is.
    reason: Option<usize>,
}

/// Puts the paper's rows beside the points of a sweep.
///
/// # Errors
/// A table or a row that is not published, which a checked experiment does not name.
pub fn beside<'a>(
    paper: &PaperSpec,
    axes: &Axes,
    summary: &'a Summary,
    trials: &[Trial],
    records: &Records,
) -> Result<Option<PaperComparison<'a>>> {
    let numbers = PaperNumbers::published()?;
    let table = numbers.table(&paper.table).ok_or_else(|| unknown("table", &paper.table))?;
    let Some((quantity, column)) = compared(table, summary) else { return Ok(None) };
    let Some(described) = summary.quantities.get(quantity) else { return Ok(None) };
    let tasks = summary.tasks_of_the_mean();
    let paths = block_paths(paper, trials);
    let mut beside = PaperComparison {
        table,
        label: &described.label,
        blocks: Vec::new(),
        reasons: Vec::new(),
        absent: Vec::new(),
    };
    for (name, at) in &paper.rows {
        let row = table.row(name).ok_or_else(|| unknown("row", name))?;
        let value = published(table, row, &column, &tasks);
        let mut is_absent = true;
        for (index, point) in axes.points.iter().enumerate() {
            let Some(trial) = point.trials.first().and_then(|first| trials.get(*first)) else { continue };
            if !is_at(at, trial) {
                continue;
            }
            is_absent = false;
            let (Some(cell), done) = (summary.cell(index, quantity), members(point, trials, records)) else {
                continue;
            };
            let setting = comparable::Setting { numbers, table, row, column: &column, tasks: &tasks };
            let reason = comparable::reason(&setting, described, value, trial, done.first().copied());
            let reason = reason.map(|reason| beside.reason(reason));
            let row = Row { paper: row, point: name_of_point(at), value, rank: None, cell, reason };
            beside.push(name_of_block(&paths, trial), row);
        }
        if is_absent {
            beside.absent.push(name.clone());
        }
    }
    for block in &mut beside.blocks {
        block.judge(table);
    }
    Ok((!beside.blocks.is_empty()).then_some(beside))
}

fn unknown(what: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::Spec,
        format!("expect.paper names the {what} `{name}`, which is not published"),
        "compare it with src/papers/numbers.yaml",
    )
}

impl<'a> PaperComparison<'a> {
    fn reason(&mut self, reason: String) -> usize {
        self.reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        })
    }

    fn push(&mut self, name: String, row: Row<'a>) {
        match self.blocks.iter_mut().find(|block| block.name == name) {
            Some(block) => block.rows.push(row),
            None => self.blocks.push(Block { name, rows: vec![row], agreement: None, pairs: Vec::new() }),
        }
    }
}

impl Block<'_> {
    /// Ranks the rows as the paper does, and compares the measured order with that.
    fn judge(&mut self, table: &PaperTable) {
        let places: Vec<Option<f64>> = match self.rows.iter().all(|row| row.value.is_some()) {
            true => self.rows.iter().map(|row| row.value.map(|value| -value)).collect(),
            false => {
                let place = |row: &Row| table.place_in_order(row.paper).map(|place| place as f64);
                self.rows.iter().map(place).collect()
            }
        };
        for (row, place) in self.rows.iter_mut().zip(&places) {
            let before = |place: f64| places.iter().flatten().filter(|other| **other < place).count();
            row.rank = place.map(before);
        }
        let ranked: Vec<&Row> = self.rows.iter().filter(|row| row.rank.is_some()).collect();
        let entries: Vec<agreement::Entry> = ranked
            .iter()
            .filter_map(|row| Some(agreement::Entry { rank: row.rank?, seeds: &row.cell.seeds }))
            .collect();
        self.agreement = Agreement::of(&entries);
        self.pairs = agreement::pairs(&ranked);
    }
}

/// The quantity that is compared, and the column that it is: the report's y axis where the table has it, else the first
/// column that was measured.
fn compared(table: &PaperTable, summary: &Summary) -> Option<(usize, String)> {
    let column = |quantity: &QuantityKind| match quantity {
        QuantityKind::Task(task) => task.as_str().to_string(),
        QuantityKind::Mean => "mean".to_string(),
        QuantityKind::HeldOut(name) => name.to_string(),
    };
    let found = |index: usize| {
        let column = column(&summary.quantities.get(index)?.kind);
        table.has_column(&column).then_some((index, column))
    };
    summary.y.and_then(found).or_else(|| (0..summary.quantities.len()).find_map(found))
}

/// What is published of a row: of a mean over fewer tasks than the paper's, the mean of the same tasks where the row has
/// them.
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

/// Whether a trial lies at swept paths and values.
fn is_at(at: &Value, trial: &Trial) -> bool {
    let wanted = at.as_object();
    wanted.is_some_and(|wanted| {
        wanted.iter().all(|(path, value)| {
            trial.point.iter().any(|(swept, actual)| swept == path && matches_expected(value, actual))
        })
    })
}

/// The swept paths that make a comparison each of their values: no row names them, and points with the same values of the
/// named paths differ in them. A path that moves together with the named ones is none.
fn block_paths<'t>(paper: &PaperSpec, trials: &'t [Trial]) -> Vec<&'t str> {
    let is_named = |path: &str| paper.rows.values().any(|at| at.get(path).is_some());
    let value = |trial: &'t Trial, path: &str| {
        trial.point.iter().find(|(swept, _)| swept == path).map(|(_, value)| value)
    };
    let alike = |a: &'t Trial, b: &'t Trial, path: &str| match (value(a, path), value(b, path)) {
        (Some(a), Some(b)) => same_value(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    let paths = trials.first().into_iter().flat_map(|trial| &trial.point).map(|(path, _)| path.as_str());
    let (named, others): (Vec<&str>, Vec<&str>) = paths.partition(|path| is_named(path));
    let splits = |path: &&str| {
        let same_row = |a: &'t Trial, b: &'t Trial| named.iter().all(|path| alike(a, b, path));
        trials.iter().any(|a| trials.iter().any(|b| same_row(a, b) && !alike(a, b, path)))
    };
    others.into_iter().filter(splits).collect()
}

/// What the points of a comparison have in common.
fn name_of_block(paths: &[&str], trial: &Trial) -> String {
    let words = trial.point.iter().filter(|(path, _)| paths.contains(&path.as_str()));
    let words: Vec<String> = words
        .map(|(path, value)| format!("{} {}", last_word(path), labels(std::slice::from_ref(value)).concat()))
        .collect();
    words.join(", ")
}

/// The values that make a point a row's.
fn name_of_point(at: &Value) -> String {
    let values = at.as_object().into_iter().flatten().map(|(_, value)| value);
    let words: Vec<String> = values.map(|value| labels(std::slice::from_ref(value)).concat()).collect();
    if words.is_empty() { "base configuration".into() } else { words.join(", ") }
}

#[cfg(test)]
mod tests;
