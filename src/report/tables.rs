//! The tables of a report: scores over the sweep, tasks, trials.
//!
//! Must never: compute a number, or show a mean without its n. Next: `page.rs`.

use super::axes::{Axes, labels, last_word};
use super::records::{DoneTrial, Records};
use super::runs::{Figures, Runs, head};
use super::statistics::{Cell, QuantityKind, Spread, Summary};
use super::table::Table;
use crate::experiment::TaskName;
use crate::records::Score;

/// The summary: a row a point of the sweep, a column a quantity; `runs` name the head that the scores are of.
pub fn scores(axes: &Axes, summary: &Summary, runs: &[Runs]) -> Table {
    let mut header = vec![x_name(axes)];
    let with_head = !runs.is_empty();
    let head_of = |point: &str| {
        distinct(runs.iter().filter(|runs| runs.point == point).map(|runs| runs.head.to_string()))
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

/// The scores in the width of a terminal: one decimal, short names, no held-out loss.
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

/// The fine-tuning runs behind the scores: a row a trial and task.
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
            one.head.into(),
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

/// `71.20 ± 0.84 (3)`, with what is undefined counted.
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

/// What each trial cost.
pub fn trials(records: &Records) -> Table {
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
    let mut table = Table::new(header.map(String::from).to_vec(), 2);
    for done in &records.done {
        let outcome = &done.outcome;
        let point: Vec<String> = done
            .trial
            .point
            .iter()
            .map(|(path, value)| format!("{path}={}", labels(std::slice::from_ref(value)).concat()))
            .collect();
        table.row(vec![
            format!("`{}`", done.trial.id),
            if point.is_empty() { "base configuration".into() } else { point.join(" ") },
            done.trial.spec.seed.to_string(),
            outcome.steps.to_string(),
            outcome.tokens.to_string(),
            format!("{:.3e}", outcome.flops),
            outcome.flops_paper.map_or_else(|| "–".into(), |flops| format!("{flops:.3e}")),
            outcome.n_parameters.to_string(),
            format!("{:.1}", outcome.timing.pretrain_s),
            format!("{:.1}", outcome.timing.finetune_s),
        ]);
    }
    table
}

/// What each task was: where its examples come from and how many there are.
pub fn tasks(summary: &Summary, records: &Records) -> Table {
    let header =
        ["task", "head", "examples", "revision", "fine-tuning runs", "training examples", "scored examples"];
    let mut table = Table::new(header.map(String::from).to_vec(), 4);
    for quantity in &summary.quantities {
        let QuantityKind::Task(task) = quantity.kind else { continue };
        let scores = || {
            let of = |done| scores_of(done, task).map(move |score| (done, score));
            records.done.iter().flat_map(of)
        };
        table.row(vec![
            quantity.label.clone(),
            distinct(scores().map(|(done, _)| head(done, task).to_string())),
            if quantity.synthetic { "built-in language" } else { "hub" }.into(),
            distinct(scores().map(|(done, _)| done.record.provenance.tasks_revision.clone())),
            scores().count().to_string(),
            distinct(scores().map(|(_, score)| score.n_train.to_string())),
            distinct(scores().map(|(_, score)| score.n_examples.to_string())),
        ]);
    }
    table
}

/// How the finished trials were fine-tuned, each distinct recipe once with the trials that used it.
pub fn recipes(records: &Records) -> Vec<String> {
    let mut distinct: Vec<(String, usize)> = Vec::new();
    for done in records.done.iter().filter(|done| !done.outcome.scores.is_empty()) {
        let text = done.trial.spec.evaluate.description();
        match distinct.iter_mut().find(|(known, _)| *known == text) {
            Some((_, n)) => *n += 1,
            None => distinct.push((text, 1)),
        }
    }
    let n_kinds = distinct.len();
    let line = |(text, n): (String, usize)| if n_kinds == 1 { text } else { format!("{text} ({n} trials)") };
    distinct.into_iter().map(line).collect()
}

fn scores_of<'a>(done: &'a DoneTrial, task: TaskName) -> impl Iterator<Item = &'a Score> {
    done.outcome.scores.iter().filter(move |score| score.task == task)
}

/// The values that occur, in the order in which they first do.
fn distinct(values: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen.join(" or ")
}
