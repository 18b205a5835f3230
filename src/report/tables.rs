//! The tables of a report: scores over the sweep, tasks, fine-tuning runs, trials.
//!
//! Must never: compute a number, or show a mean without its n. Next: `page.rs`.

use polars::prelude::DataFrame;

use super::axes::{Axes, last_word};
use super::frame::PlanFrames;
use super::query::{counts, first_text, groups, numbers, rows_where, texts};
use super::runs::{Figures, Runs};
use super::statistics::{Cell, QuantityKind, Spread, Summary};
use super::table::Table;
use crate::error::Result;

/// The summary: one row per point of the sweep, one column per quantity. `runs` name the heads of the scores.
pub fn scores(axes: &Axes, summary: &Summary, runs: &[Runs]) -> Table {
    let mut header = vec![x_name(axes)];
    let with_head = !runs.is_empty();
    let head_of = |point: &str| {
        let mut heads: Vec<&str> = Vec::new();
        for run in runs.iter().filter(|run| run.point == point) {
            if !heads.contains(&run.head.as_str()) {
                heads.push(&run.head);
            }
        }
        heads.join(" or ")
    };
    header.extend(with_head.then(|| "head".into()));
    header.push("trials".into());
    header.extend(summary.quantities.iter().map(|quantity| quantity.label.clone()));
    let with_interval = (0..axes.points.len()).any(|point| interval(summary, point).is_some());
    if with_interval {
        let y = summary.y_quantity().map_or("", |quantity| quantity.label.as_str());
        header.push(format!("95 % interval of the {y}"));
    }
    let mut table = Table::new(header, 1 + usize::from(with_head));
    for (index, (point, numbers)) in axes.points.iter().zip(&summary.points).enumerate() {
        let name = axes.point_name(point);
        let head = with_head.then(|| head_of(&name));
        let mut cells = vec![name];
        cells.extend(head);
        cells.push(format!("{}/{}", numbers.n_done, numbers.n_trials));
        cells.extend(numbers.cells.iter().map(|cell| in_cell(cell, 2)));
        if with_interval {
            let text = interval(summary, index).map(|(low, high)| format!("[{low:.2}, {high:.2}]"));
            cells.push(text.unwrap_or_else(|| "–".into()));
        }
        table.row(cells);
    }
    if summary.quantities.iter().any(|quantity| quantity.majority.is_some()) {
        let mut cells = vec!["majority class".to_string(), String::new()];
        cells.extend(with_head.then(String::new));
        cells.extend(summary.quantities.iter().map(|quantity| majority(quantity.majority, 2)));
        if with_interval {
            cells.push(String::new());
        }
        table.row(cells);
    }
    table
}

/// The same in the width of a terminal: one decimal, short names, no held-out loss.
pub fn terminal(axes: &Axes, summary: &Summary) -> Table {
    let shown: Vec<usize> = (0..summary.quantities.len())
        .filter(|index| {
            summary
                .quantities
                .get(*index)
                .is_some_and(|quantity| quantity.kind != QuantityKind::HeldOut("loss"))
        })
        .collect();
    let quantities = || shown.iter().filter_map(|index| summary.quantities.get(*index));
    let x_name = axes.x_path.as_deref().map_or("point".into(), last_word);
    let mut header = vec![x_name, "trials".into()];
    header.extend(quantities().map(|quantity| quantity.short.clone()));
    let mut table = Table::new(header, 1);
    for (index, (point, numbers)) in axes.points.iter().zip(&summary.points).enumerate() {
        let mut cells = vec![axes.point_name(point), format!("{}/{}", numbers.n_done, numbers.n_trials)];
        cells.extend(shown.iter().filter_map(|quantity| Some(in_cell(summary.cell(index, *quantity)?, 1))));
        table.row(cells);
    }
    if quantities().any(|quantity| quantity.majority.is_some()) {
        let mut cells = vec!["majority class".to_string(), String::new()];
        cells.extend(quantities().map(|quantity| majority(quantity.majority, 1)));
        table.row(cells);
    }
    table
}

fn x_name(axes: &Axes) -> String {
    axes.x_path.clone().unwrap_or_else(|| "point".into())
}

/// The fine-tuning runs behind the scores: one row per trial and task.
pub fn runs(axes: &Axes, runs: &[Runs]) -> Table {
    let mut header = vec![x_name(axes)];
    header.extend(
        [
            "task",
            "head",
            "seed",
            "runs",
            "median",
            "sd",
            "min to max",
            "95 % over fine-tuning seeds",
            "95 % over examples",
        ]
        .map(String::from),
    );
    let mut table = Table::new(header, 3);
    for one in runs {
        let figure = |text: &dyn Fn(&Figures) -> Option<String>| {
            one.figures.as_ref().and_then(text).unwrap_or_else(|| "–".into())
        };
        let n = one.figures.as_ref().map_or(0, |figures| figures.n);
        let undefined = match one.n_undefined {
            0 => String::new(),
            n => format!(", {n} undefined"),
        };
        let ends = |low: f64, high: f64| format!("[{low:.2}, {high:.2}]");
        table.row(vec![
            one.point.clone(),
            one.task.to_string(),
            one.head.clone(),
            one.seed.to_string(),
            format!("{n}{undefined}"),
            figure(&|figures| Some(format!("{:.2}", figures.median))),
            figure(&|figures| figures.sd.map(|sd| format!("{sd:.2}"))),
            figure(&|figures| Some(format!("{:.2} to {:.2}", figures.range.0, figures.range.1))),
            figure(&|figures| figures.over_seeds.map(|(low, high)| ends(low, high))),
            figure(&|figures| figures.over_examples.map(|[low, high]| ends(low, high))),
        ]);
    }
    table
}

fn majority(value: Option<f64>, decimals: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.decimals$}"))
}

fn interval(summary: &Summary, point: usize) -> Option<(f64, f64)> {
    summary.y_cell(point)?.spread.as_ref()?.interval
}

/// `71.20 ± 0.84 (3)`, with the number of undefined values.
fn in_cell(cell: &Cell, decimals: usize) -> String {
    let undefined = match cell.n_undefined {
        0 => String::new(),
        n => format!(", {n} undefined"),
    };
    match &cell.spread {
        Some(Spread { n, mean, sd: Some(sd), .. }) => {
            format!("{mean:.decimals$} ± {sd:.decimals$} ({n}){undefined}")
        }
        Some(Spread { n, mean, sd: None, .. }) => format!("{mean:.decimals$} ({n}){undefined}"),
        None if cell.n_undefined > 0 => format!("undefined ({} of {})", cell.n_undefined, cell.n_undefined),
        None => "–".into(),
    }
}

/// The cost of each trial.
pub fn trials(frames: &PlanFrames) -> Result<Table> {
    let header = [
        "trial",
        "point",
        "seed",
        "steps",
        "tokens",
        "FLOPs (exact)",
        "FLOPs (paper)",
        "parameters",
        "pre-train s",
        "fine-tune s",
    ];
    let trials = &frames.trials;
    let text = |column: &str| -> Result<Vec<String>> {
        Ok(texts(trials, column)?.into_iter().map(Option::unwrap_or_default).collect())
    };
    let number = |column: &str, shown: fn(f64) -> String| -> Result<Vec<String>> {
        let values = numbers(trials, column)?.into_iter();
        Ok(values.map(|value| value.map_or_else(|| "–".into(), shown)).collect())
    };
    let columns = [
        text("trial")?.into_iter().map(|id| format!("`{id}`")).collect(),
        text("point")?,
        text("seed")?,
        text("outcome.steps")?,
        text("outcome.tokens")?,
        number("outcome.flops", |flops| format!("{flops:.3e}"))?,
        number("outcome.flops_paper", |flops| format!("{flops:.3e}"))?,
        text("outcome.n_parameters")?,
        number("outcome.timing.pretrain_s", |seconds| format!("{seconds:.1}"))?,
        number("outcome.timing.finetune_s", |seconds| format!("{seconds:.1}"))?,
    ];
    Ok(Table::of_columns(header.map(String::from).to_vec(), 2, &columns))
}

/// What each task was: where its examples come from, and how many there are.
pub fn tasks(summary: &Summary, frames: &PlanFrames) -> Result<Table> {
    let header =
        ["task", "head", "examples", "revision", "fine-tuning runs", "training examples", "scored examples"];
    let mut table = Table::new(header.map(String::from).to_vec(), 4);
    for quantity in &summary.quantities {
        let QuantityKind::Task(task) = quantity.kind else { continue };
        let runs = rows_where(&frames.scores, "task", task.as_str())?;
        table.row(vec![
            quantity.label.clone(),
            distinct(&runs, "head")?,
            if quantity.synthetic { "built-in language" } else { "hub" }.into(),
            distinct(&runs, "provenance.tasks_revision")?,
            runs.height().to_string(),
            distinct(&runs, "n_train")?,
            distinct(&runs, "n_examples")?,
        ]);
    }
    Ok(table)
}

/// How the finished trials were fine-tuned: each distinct recipe once, with the number of trials that used
/// it.
pub fn recipes(frames: &PlanFrames) -> Result<Vec<String>> {
    let mut recipes: Vec<(String, usize)> = Vec::new();
    for runs in groups(&frames.scores, &["recipe"])? {
        recipes.push((first_text(&runs, "recipe")?, groups(&runs, &["order"])?.len()));
    }
    let n_kinds = recipes.len();
    let line = |(text, n): (String, usize)| if n_kinds == 1 { text } else { format!("{text} ({n} trials)") };
    Ok(recipes.into_iter().map(line).collect())
}

/// The values of a column, in the order in which they first occur.
fn distinct(frame: &DataFrame, column: &str) -> Result<String> {
    let values: Vec<String> = counts(frame, column)?.into_iter().filter_map(|(value, _)| value).collect();
    Ok(values.join(" or "))
}
