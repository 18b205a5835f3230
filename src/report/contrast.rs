//! The planned contrasts of an experiment, and what the seeds say about each.
//!
//! A contrast is a difference between the points of two sides, averaged within a seed, or a difference of two
//! such differences. `planned` takes them from the experiment; without any, the points where it expects the
//! best mean are held against the others. `evaluate` tests them as one family. Must never: look at a number
//! to choose what is compared. Next: `verdict.rs`.

use serde_json::{Map, Value};

use super::axes::{Axes, last_word};
use super::inference::{Estimate, LEVEL, holm};
use super::quantity::position;
use super::statistics::Summary;
use super::values::Cell;
use crate::experiment::{ContrastSpec, ExperimentSpec, UNTRAINED, matches_value, value_label};

/// What the seeds say about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The difference is as claimed, and its adjusted p is below 0.05.
    Agrees,
    /// The difference is the opposite, and its adjusted p is below 0.05.
    Contradicts,
    /// Anything else.
    Open,
}

impl Word {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Contradicts => "contradicts",
            Self::Open => "open",
        }
    }
}

/// One side of a difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// 1 or -1.
    pub sign: f64,
    /// Points of the sweep.
    pub points: Vec<usize>,
    /// Whether their encoders before training are meant.
    pub is_untrained: bool,
    /// Values that its selector lists and that no point has, in words.
    pub missing: Option<String>,
    /// Its words.
    pub label: String,
}

/// A contrast with its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The claim in a few words.
    pub name: String,
    /// The measure, in the words of `report.y`.
    pub measure: String,
    /// Its index among the quantities; None if no trial has it.
    pub quantity: Option<usize>,
    /// Two sides, or four if a second difference is subtracted.
    pub sides: Vec<Side>,
    /// The smallest difference that matters.
    pub smallest_effect: Option<f64>,
}

/// Why nothing was tested.
#[derive(Clone, Debug, PartialEq)]
pub enum Obstacle {
    /// No trial has the measure.
    NotMeasured,
    /// A side has no point in this sweep.
    NoPoint(String),
    /// A side lists values that no point of this sweep has.
    NoValue(String),
    /// Some trials are not done: finished and planned.
    Unfinished(usize, usize),
    /// Some untrained controls of a side are not done: finished and planned.
    UnfinishedControls(usize, usize),
    /// A side has no seed with a value.
    NoSeed,
    /// A side has a single seed, or no seed differs from another.
    NoSpread,
    /// The sides have the same value on every one of several seeds.
    Tie,
}

impl Obstacle {
    /// Whether other trials of this sweep would remove it. A contrast that the sweep cannot ask is not of the
    /// family that Holm's method corrects for.
    fn is_of_the_trials(&self) -> bool {
        !matches!(self, Self::NoPoint(_) | Self::NoValue(_))
    }
}

/// A contrast with what the seeds say.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// The contrast.
    pub planned: Planned,
    /// The difference, positive if the first side has more; None if a side has no value.
    pub estimate: Option<Estimate>,
    /// p after Holm's correction over the family.
    pub adjusted_p: Option<f64>,
    /// The conclusion.
    pub word: Word,
    /// Why there is none.
    pub obstacle: Option<Obstacle>,
}

impl Tested {
    /// Whether this sweep can ask it, so that it counts in the family.
    pub fn is_of_the_family(&self) -> bool {
        self.obstacle.as_ref().is_none_or(Obstacle::is_of_the_trials)
    }
}

/// The contrasts of an experiment, the primary one first; empty if nothing was claimed.
pub fn planned(experiment: &ExperimentSpec, axes: &Axes, summary: &Summary) -> Vec<Planned> {
    let expect = &experiment.expect;
    if expect.contrasts.is_empty() {
        return of_best_points(experiment, axes, summary);
    }
    let contrast = |spec: &ContrastSpec| {
        let measure = spec.measure.clone().unwrap_or_else(|| experiment.report.y.clone());
        let mut sides = pair(axes, 1.0, &spec.better, &spec.than).to_vec();
        if let Some(second) = &spec.by_more_than {
            sides.extend(pair(axes, -1.0, &second.better, &second.than));
        }
        Planned {
            name: spec.name.clone(),
            quantity: position(&summary.quantities, &measure),
            measure,
            sides,
            smallest_effect: spec.smallest_effect,
        }
    };
    expect.contrasts.iter().map(contrast).collect()
}

/// The two sides of a difference, the first with the given sign.
fn pair(axes: &Axes, sign: f64, better: &Map<String, Value>, than: &Value) -> [Side; 2] {
    let side = |sign: f64, selector: &Map<String, Value>| Side {
        sign,
        points: axes.selected(selector),
        is_untrained: false,
        missing: axes.without_a_point(selector),
        label: in_words(selector),
    };
    let first = side(sign, better);
    let second = match than.as_object() {
        Some(selector) => side(-sign, selector),
        None => Side {
            sign: -sign,
            is_untrained: than == UNTRAINED,
            missing: None,
            label: UNTRAINED.into(),
            points: first.points.clone(),
        },
    };
    [first, second]
}

/// The values of a selector: `rtd, stop at 0.25`.
fn in_words(selector: &Map<String, Value>) -> String {
    let word = |(path, value): (&String, &Value)| {
        let label = match value {
            Value::Array(any) => any.iter().map(value_label).collect::<Vec<_>>().join(" or "),
            one => value_label(one),
        };
        if value.is_string() || path.ends_with(".kind") {
            label
        } else {
            format!("{} {label}", last_word(path))
        }
    };
    let words: Vec<String> = selector.iter().map(word).collect();
    if words.is_empty() { "all points".into() } else { words.join(", ") }
}

/// Whether the expectation names a line of the figure, such as an algorithm over FLOPs, and not a value on
/// its x axis.
pub fn expects_a_line(best_at: &[Value], axes: &Axes) -> bool {
    let named = |values: &[Value]| values.iter().any(|value| is_expected(best_at, value));
    named(&axes.series) && !named(&axes.x_values)
}

fn is_expected(best_at: &[Value], value: &Value) -> bool {
    best_at.iter().any(|wanted| matches_value(wanted, value))
}

/// The expected points against the others: one contrast per line of the figure, or one between the ends of
/// the lines.
fn of_best_points(experiment: &ExperimentSpec, axes: &Axes, summary: &Summary) -> Vec<Planned> {
    let best_at = &experiment.expect.best_at;
    if best_at.is_empty() || axes.x_path.is_none() {
        return Vec::new();
    }
    let labels = best_at.iter().map(value_label).collect::<Vec<_>>().join(", ");
    let contrast = |name: String, points: Vec<(usize, bool)>| {
        let side = |sign: f64, wanted: bool, label: &str| Side {
            sign,
            points: points
                .iter()
                .filter(|(_, expected)| *expected == wanted)
                .map(|(point, _)| *point)
                .collect(),
            is_untrained: false,
            missing: None,
            label: label.into(),
        };
        Planned {
            name,
            measure: experiment.report.y.clone(),
            quantity: summary.y,
            sides: vec![side(1.0, true, &labels), side(-1.0, false, "the other points")],
            smallest_effect: None,
        }
    };
    if expects_a_line(best_at, axes) {
        let ends = axes
            .series
            .iter()
            .enumerate()
            .filter_map(|(line, value)| Some((axes.end_of(line)?, is_expected(best_at, value))));
        return vec![contrast(format!("the end of {labels} above the other ends"), ends.collect())];
    }
    let of_line = |(line, name): (usize, &String)| {
        let points = axes.points.iter().enumerate().filter(|(_, point)| point.line == line);
        let points = points.map(|(index, point)| {
            (index, axes.x_values.get(point.x).is_some_and(|value| is_expected(best_at, value)))
        });
        let at = if name.is_empty() { String::new() } else { format!("{name}: ") };
        contrast(format!("{at}{labels} above the others"), points.collect())
    };
    axes.lines.iter().enumerate().map(of_line).collect()
}

/// Tests a family of contrasts.
pub fn evaluate(planned: Vec<Planned>, summary: &Summary) -> Vec<Tested> {
    let estimates: Vec<(Option<Estimate>, Option<Obstacle>)> =
        planned.iter().map(|contrast| estimate(contrast, summary)).collect();
    let p_of = |(estimate, obstacle): &(Option<Estimate>, Option<Obstacle>)| match obstacle {
        Some(_) => None,
        None => estimate.as_ref()?.p(),
    };
    let is_asked: Vec<bool> = estimates
        .iter()
        .map(|(_, obstacle)| obstacle.as_ref().is_none_or(Obstacle::is_of_the_trials))
        .collect();
    let family = estimates.iter().zip(&is_asked).filter(|(_, is_asked)| **is_asked);
    let mut of_family = holm(&family.map(|(one, _)| p_of(one)).collect::<Vec<_>>()).into_iter();
    let adjusted =
        is_asked.into_iter().map(|is_asked| if is_asked { of_family.next().flatten() } else { None });
    let adjusted: Vec<Option<f64>> = adjusted.collect();
    let tested = |((contrast, (estimate, obstacle)), adjusted_p): ((Planned, _), Option<f64>)| {
        let estimate: Option<Estimate> = estimate;
        let lower_is_better = contrast
            .quantity
            .and_then(|quantity| summary.quantities.get(quantity))
            .is_some_and(|quantity| quantity.lower_is_better());
        let is_clear = adjusted_p.is_some_and(|p| p < LEVEL);
        let is_as_claimed =
            estimate.as_ref().is_some_and(|estimate| (estimate.effect > 0.0) != lower_is_better);
        let word = match (is_clear, is_as_claimed) {
            (true, true) => Word::Agrees,
            (true, false) => Word::Contradicts,
            (false, _) => Word::Open,
        };
        Tested { planned: contrast, estimate, adjusted_p, word, obstacle }
    };
    planned.into_iter().zip(estimates).zip(adjusted).map(tested).collect()
}

/// The difference of a contrast. An obstacle does not hide a difference that some seeds have.
fn estimate(contrast: &Planned, summary: &Summary) -> (Option<Estimate>, Option<Obstacle>) {
    let Some(quantity) = contrast.quantity else { return (None, Some(Obstacle::NotMeasured)) };
    if let Some(empty) = contrast.sides.iter().find(|side| side.points.is_empty()) {
        return (None, Some(Obstacle::NoPoint(empty.label.clone())));
    }
    // The points that are left would be another contrast than the planned one.
    if let Some(missing) = contrast.sides.iter().find_map(|side| side.missing.clone()) {
        return (None, Some(Obstacle::NoValue(missing)));
    }
    let estimate = of_sides(contrast, quantity, summary);
    let (n_done, n_trials) = progress(contrast, summary);
    let (n_controls_done, n_controls) = progress_of_controls(contrast, summary);
    let obstacle = match &estimate {
        _ if n_done < n_trials => Some(Obstacle::Unfinished(n_done, n_trials)),
        _ if n_controls_done < n_controls => Some(Obstacle::UnfinishedControls(n_controls_done, n_controls)),
        None => Some(Obstacle::NoSeed),
        Some(estimate) if estimate.error.is_none() => {
            let is_tie = estimate.fewest() > 1 && estimate.effect.abs() < 1e-9;
            Some(if is_tie { Obstacle::Tie } else { Obstacle::NoSpread })
        }
        Some(_) => None,
    };
    (estimate, obstacle)
}

/// The cells of a side's points; None if one is missing.
fn cells_of<'s>(side: &Side, quantity: usize, summary: &'s Summary) -> Option<Vec<&'s Cell>> {
    let cell = |point: &usize| match side.is_untrained {
        true => summary.controls.untrained_of(*point, quantity),
        false => summary.cell(*point, quantity),
    };
    side.points.iter().map(cell).collect()
}

/// The mean over a side's points of every seed that all of them have.
fn by_seed(cells: &[&Cell]) -> Vec<(u64, f64)> {
    let mean = |seed: u64| {
        let values: Option<Vec<f64>> = cells.iter().map(|cell| cell.of_seed(seed)).collect();
        Some((seed, values?.iter().sum::<f64>() / cells.len() as f64))
    };
    let first = cells.first().map(|cell| cell.seeds.as_slice()).unwrap_or_default();
    first.iter().filter_map(|(seed, _)| mean(*seed)).collect()
}

/// The difference, paired over the seeds that all sides have. If they share fewer than two it is Welch's: a
/// side is one group of seeds, or, if its points share none, one group for each point.
fn of_sides(contrast: &Planned, quantity: usize, summary: &Summary) -> Option<Estimate> {
    let cells: Vec<Vec<&Cell>> =
        contrast.sides.iter().map(|side| cells_of(side, quantity, summary)).collect::<Option<_>>()?;
    let sides: Vec<Vec<(u64, f64)>> = cells.iter().map(|cells| by_seed(cells)).collect();
    let signs = || contrast.sides.iter().map(|side| side.sign);
    let of_seed = |side: &[(u64, f64)], seed: u64| side.iter().find(|(own, _)| *own == seed).map(|(_, v)| *v);
    let difference = |seed: u64| -> Option<f64> {
        sides.iter().zip(signs()).map(|(side, sign)| Some(sign * of_seed(side, seed)?)).sum()
    };
    let shared: Vec<f64> = sides.first()?.iter().filter_map(|(seed, _)| difference(*seed)).collect();
    if shared.len() > 1 {
        return Estimate::paired(&shared);
    }
    let mut groups: Vec<(f64, Vec<f64>)> = Vec::new();
    for ((side, cells), sign) in sides.iter().zip(&cells).zip(signs()) {
        if side.len() > 1 {
            groups.push((sign, side.iter().map(|(_, value)| *value).collect()));
        } else {
            let values = |cell: &&Cell| cell.seeds.iter().filter_map(|(_, value)| *value).collect();
            groups.extend(cells.iter().map(|cell| (sign / cells.len() as f64, values(cell))));
        }
    }
    if groups.iter().all(|(_, values)| values.len() > 1) {
        let groups: Vec<(f64, &[f64])> =
            groups.iter().map(|(weight, values)| (*weight, values.as_slice())).collect();
        return Estimate::welch(&groups);
    }
    Estimate::paired(&shared)
}

/// Finished and planned trials of the points of a contrast.
fn progress(contrast: &Planned, summary: &Summary) -> (usize, usize) {
    let mut points: Vec<usize> = contrast.sides.iter().flat_map(|side| side.points.clone()).collect();
    points.sort_unstable();
    points.dedup();
    let of = points.iter().filter_map(|point| summary.points.get(*point));
    of.fold((0, 0), |(done, all), point| (done + point.n_done, all + point.n_trials))
}

/// Finished and planned control trials of the sides that are meant before training.
fn progress_of_controls(contrast: &Planned, summary: &Summary) -> (usize, usize) {
    let untrained = contrast.sides.iter().filter(|side| side.is_untrained);
    let points: Vec<usize> = untrained.flat_map(|side| side.points.clone()).collect();
    summary.controls.untrained_progress(&points)
}
