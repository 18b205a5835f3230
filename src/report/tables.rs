//! The tables of a report: scores over the sweep, tasks, fine-tuning runs, trials.
//!
//! Must never: compute a number, or show a mean without its n. Next: `page.rs`.

use polars::prelude::DataFrame;

use super::axes::{Axes, last_word};
use super::frame::PlanFrames;
use super::quantity::{Quantity, QuantityKind};
use super::query::{counts, first_text, groups, numbers, rows_where, texts};
use super::runs::{Figures, Runs};
use super::spread::Spread;
use super::statistics::Summary;
use super::table::Table;
use super::values::Cell;
use crate::error::Result;

/// The summary: one row per point of the sweep, then the controls; one column per quantity. `runs` name the
/// heads of the scores.
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
    let interval_of = |cells: &[Cell]| cells.get(summary.y?)?.spread.as_ref()?.interval;
    let with_interval = summary.points.iter().any(|point| interval_of(&point.cells).is_some());
    if with_interval {
        let y = summary.y_quantity().map_or("", |quantity| quantity.label.as_str());
        header.push(format!("95 % interval of the {y}"));
    }
    let mut table = Table::new(header, 1 + usize::from(with_head));
    let mut row = |name: String, head: String, trials: String, cells: &[Cell]| {
        let mut texts = vec![name];
        texts.extend(with_head.then_some(head));
        texts.push(trials);
        texts.extend(
            cells.iter().zip(&summary.quantities).map(|(cell, quantity)| in_cell(cell, quantity.decimals())),
        );
        if with_interval {
            let decimals = summary.y_quantity().map_or(2, Quantity::decimals);
            let text = interval_of(cells).map(|(low, high)| format!("[{low:.decimals$}, {high:.decimals$}]"));
            texts.push(text.unwrap_or_else(|| "–".into()));
        }
        table.row(texts);
    };
    for (point, numbers) in axes.points.iter().zip(&summary.points) {
        let name = axes.point_name(point);
        let head = head_of(&name);
        row(name, head, of_trials(numbers.n_done, numbers.n_trials), &numbers.cells);
    }
    for control in summary.controls.untrained.iter().filter(|control| control.n_done > 0) {
        let trials = of_trials(control.n_done, control.n_trials);
        row(control.name.clone(), String::new(), trials, &control.cells);
    }
    for baseline in &summary.controls.baselines {
        let mut cells = vec![baseline.name.clone(), String::new()];
        cells.extend(with_head.then(String::new));
        let values = baseline.values.iter().zip(&summary.quantities);
        cells.extend(values.map(|(value, quantity)| in_baseline(*value, quantity.decimals())));
        cells.extend(with_interval.then(String::new));
        table.row(cells);
    }
    table
}

fn of_trials(n_done: usize, n_trials: usize) -> String {
    format!("{n_done}/{n_trials}")
}

/// The same in the width of a terminal: one decimal less, short names, and of the measures without
/// fine-tuning those that the claim names, or the first of each kind.
pub fn terminal(axes: &Axes, summary: &Summary) -> Table {
    let shown: Vec<usize> = (0..summary.quantities.len()).filter(|index| is_brief(summary, *index)).collect();
    let quantities = || shown.iter().filter_map(|index| summary.quantities.get(*index));
    let x_name = axes.x_path.as_deref().map_or("point".into(), last_word);
    let mut header = vec![x_name, "trials".into()];
    header.extend(quantities().map(|quantity| quantity.short.clone()));
    let mut table = Table::new(header, 1);
    let decimals = |quantity: usize| summary.quantities.get(quantity).map_or(1, |one| one.decimals() - 1);
    let texts = |cells: &[Cell]| -> Vec<String> {
        let cell = |index: &usize| Some(in_cell(cells.get(*index)?, decimals(*index)));
        shown.iter().filter_map(cell).collect()
    };
    for (point, numbers) in axes.points.iter().zip(&summary.points) {
        let mut cells = vec![axes.point_name(point), of_trials(numbers.n_done, numbers.n_trials)];
        cells.extend(texts(&numbers.cells));
        table.row(cells);
    }
    for control in summary.controls.untrained.iter().filter(|control| control.n_done > 0) {
        let mut cells = vec![control.name.clone(), of_trials(control.n_done, control.n_trials)];
        cells.extend(texts(&control.cells));
        table.row(cells);
    }
    for baseline in &summary.controls.baselines {
        let value =
            |index: &usize| in_baseline(baseline.values.get(*index).copied().flatten(), decimals(*index));
        let values: Vec<String> = shown.iter().map(value).collect();
        if values.iter().any(|value| !value.is_empty()) {
            let mut cells = vec![baseline.name.clone(), String::new()];
            cells.extend(values);
            table.row(cells);
        }
    }
    table
}

/// Whether a quantity is shown in a terminal.
fn is_brief(summary: &Summary, index: usize) -> bool {
    let Some(quantity) = summary.quantities.get(index) else { return false };
    let before = || summary.quantities.iter().take(index);
    match &quantity.kind {
        QuantityKind::Task(_) | QuantityKind::Mean => true,
        QuantityKind::HeldOut(name) => quantity.is_named || name == "masked_accuracy" || name == "disc_auc",
        kind => {
            let same_kind =
                |other: &Quantity| std::mem::discriminant(&other.kind) == std::mem::discriminant(kind);
            quantity.is_named
                || (!before().any(same_kind)
                    && !summary.quantities.iter().any(|other| other.is_named && same_kind(other)))
        }
    }
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

fn in_baseline(value: Option<f64>, decimals: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.decimals$}"))
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
        let Some(task) = quantity.task() else { continue };
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
