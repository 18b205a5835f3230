//! The gates of an experiment: what must hold before it may conclude.
//!
//! A gate that cannot be evaluated does not hold. Must never: let a missing number pass. Next: `verdict.rs`.

use polars::prelude::DataFrame;

use super::axes::Axes;
use super::frame::PlanFrames;
use super::inference::Estimate;
use super::quantity::{Quantity, position};
use super::query::{first_text, groups, numbers, texts};
use super::spread::Spread;
use super::statistics::{Summary, point_of};
use super::values::Cell;
use crate::error::Result;
use crate::experiment::{GateSpec, Reference};

/// A gate with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The condition in words.
    pub condition: String,
    /// Why it does not hold, one sentence per point or run; empty if it holds.
    pub failures: Vec<String>,
    /// The numbers behind it, one entry per point, where it holds.
    pub evidence: Vec<String>,
}

impl Gate {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Evaluates every gate.
///
/// # Errors
/// A frame lacks the columns of `records/frame.rs`.
pub fn evaluate(
    gates: &[GateSpec],
    axes: &Axes,
    summary: &Summary,
    frames: &PlanFrames,
) -> Result<Vec<Gate>> {
    let evaluate = |gate: &GateSpec| match gate.collapsed {
        Some(_) => collapsed(gate, axes, frames),
        None => Ok(measured(gate, axes, summary)),
    };
    gates.iter().map(evaluate).collect()
}

/// What a gate demands of one point.
enum Demand {
    Above(Reference),
    Below(Reference),
    AtLeast(f64),
    AtMost(f64),
}

fn demand(gate: &GateSpec) -> Option<Demand> {
    let above = gate.above.map(Demand::Above);
    let below = gate.below.map(Demand::Below);
    above.or(below).or(gate.at_least.map(Demand::AtLeast)).or(gate.at_most.map(Demand::AtMost))
}

impl Demand {
    fn words(&self) -> String {
        match self {
            Self::Above(reference) => format!("above {}", reference.label()),
            Self::Below(reference) => format!("below {}", reference.label()),
            Self::AtLeast(bound) => format!("at least {bound}"),
            Self::AtMost(bound) => format!("at most {bound}"),
        }
    }
}

fn measured(gate: &GateSpec, axes: &Axes, summary: &Summary) -> Gate {
    let Some(demand) = demand(gate) else {
        return Gate {
            condition: "no condition".into(),
            failures: vec!["it has no condition".into()],
            evidence: vec![],
        };
    };
    let condition = format!("{} {}{}", gate.measure, demand.words(), place(gate));
    let failed = |why: String| Gate { condition: condition.clone(), failures: vec![why], evidence: vec![] };
    let Some(index) = position(&summary.quantities, &gate.measure) else {
        return failed(format!("no finished trial has {}", gate.measure));
    };
    let Some(quantity) = summary.quantities.get(index) else { return failed("no such measure".into()) };
    let selected = axes.selected(&gate.at);
    if selected.is_empty() {
        return failed("no point of this sweep is selected".into());
    }
    if let Some(missing) = axes.without_a_point(&gate.at) {
        return failed(format!("no point of this sweep has {missing}"));
    }
    let (mut failures, mut evidence) = (Vec::new(), Vec::new());
    let mut n_measured = 0;
    for point in selected {
        let name = axes.points.get(point).map(|point| axes.point_name(point)).unwrap_or_default();
        let cell = summary.cell(point, index).filter(|cell| cell.spread.is_some());
        // A point may not have the measure, such as an AUC where nothing is detected; one of them must.
        let Some(cell) = cell else { continue };
        n_measured += 1;
        match of_point(&demand, cell, (point, index), summary, quantity) {
            Ok(words) => evidence.push(format!("{name}: {words}")),
            Err(words) => failures.push(format!("{name}: {words}")),
        }
    }
    if n_measured == 0 && failures.is_empty() {
        failures.push(format!("no finished trial has {}", gate.measure));
    }
    Gate { condition, failures, evidence }
}

fn place(gate: &GateSpec) -> String {
    let words: Vec<String> = gate.at.iter().map(|(path, value)| format!("{path} = {value}")).collect();
    if words.is_empty() { String::new() } else { format!(" at {}", words.join(", ")) }
}

/// Whether a point meets a demand, with its numbers in words.
fn of_point(
    demand: &Demand,
    cell: &Cell,
    (point, index): (usize, usize),
    summary: &Summary,
    quantity: &Quantity,
) -> std::result::Result<String, String> {
    let decimals = quantity.decimals();
    let (reference, is_above) = match demand {
        Demand::AtLeast(bound) => return bounded(cell, decimals, |mean| mean >= *bound),
        Demand::AtMost(bound) => return bounded(cell, decimals, |mean| mean <= *bound),
        Demand::Above(reference) => (*reference, true),
        Demand::Below(reference) => (*reference, false),
    };
    let differences = differences(cell, reference, (point, index), summary)?;
    let Some(estimate) = Estimate::paired(&differences) else { return Err("no seed has both values".into()) };
    let n = differences.len();
    let effect = format!("{:+.decimals$} from {}", estimate.effect, reference.label());
    let Some((low, high)) = estimate.interval() else {
        return Err(format!("{effect}, n = {n}, without a spread"));
    };
    let words = format!("{effect}, 95 % interval [{low:+.decimals$}, {high:+.decimals$}], n = {n}");
    if if is_above { low > 0.0 } else { high < 0.0 } { Ok(words) } else { Err(words) }
}

fn bounded(
    cell: &Cell,
    decimals: usize,
    is_met: impl Fn(f64) -> bool,
) -> std::result::Result<String, String> {
    let Some(Spread { n, mean, .. }) = &cell.spread else { return Err("it has no value".into()) };
    let words = format!("{mean:.decimals$}, n = {n}");
    if is_met(*mean) { Ok(words) } else { Err(words) }
}

/// The differences of a point's seeds from a reference: seed by seed from the untrained encoder, else from
/// one value.
fn differences(
    cell: &Cell,
    reference: Reference,
    (point, index): (usize, usize),
    summary: &Summary,
) -> std::result::Result<Vec<f64>, String> {
    let controls = &summary.controls;
    if reference == Reference::Untrained {
        // The seeds that are there might be the good ones.
        let (n_done, n_controls) = controls.untrained_progress(&[point]);
        if n_done < n_controls {
            return Err(format!("{n_done} of {n_controls} untrained controls done"));
        }
        let untrained = controls.untrained_of(point, index);
        let difference = |(seed, value): &(u64, Option<f64>)| Some((*value)? - untrained?.of_seed(*seed)?);
        let found: Vec<f64> = cell.seeds.iter().filter_map(difference).collect();
        return if found.is_empty() {
            Err("the untrained encoder was not measured".into())
        } else {
            Ok(found)
        };
    }
    match controls.baseline(reference, point, index) {
        None => Err(format!("{} was not measured", reference.label())),
        Some(baseline) => Ok(cell.seeds.iter().filter_map(|(_, value)| Some((*value)? - baseline)).collect()),
    }
}

/// The gate against fine-tuning runs that predict one class only.
fn collapsed(gate: &GateSpec, axes: &Axes, frames: &PlanFrames) -> Result<Gate> {
    let condition = format!("no fine-tuning run predicts one class only{}", place(gate));
    let selected = axes.selected(&gate.at);
    let mut failures = Vec::new();
    let mut n_runs = 0;
    for runs in groups(&frames.scores, &["point_index", "order", "task"])? {
        let point = point_of(&runs)?;
        if !selected.contains(&point) {
            continue;
        }
        n_runs += runs.height();
        let n = collapsed_runs(&runs)?;
        if n > 0 {
            let name = axes.points.get(point).map(|point| axes.point_name(point)).unwrap_or_default();
            let (task, seed) = (first_text(&runs, "task")?, first_text(&runs, "seed")?);
            failures.push(format!("{name}, seed {seed}: {n} of {} runs on {task}", runs.height()));
        }
    }
    if let Some(missing) = axes.without_a_point(&gate.at) {
        failures.push(format!("no point of this sweep has {missing}"));
    }
    if n_runs == 0 {
        failures.push("no fine-tuning run is finished".into());
    }
    Ok(Gate { condition, failures, evidence: vec![format!("{n_runs} runs")] })
}

/// How many of some runs of one task predict one class only. A record from before this was written is judged
/// by its score: it is undefined, it is that of the majority class, or, of two classes, that of the other
/// one.
fn collapsed_runs(runs: &DataFrame) -> Result<usize> {
    // Accuracies of tasks with two classes: the other class has the rest.
    const TWO_CLASSES: [&str; 6] = ["sst2", "mrpc", "rte", "qnli", "qqp", "wnli"];
    let same = |one: f64, other: f64| (one - other).abs() < 0.005;
    let tasks = texts(runs, "task")?;
    let constant = numbers(runs, "is_constant")?;
    let (values, majorities) = (numbers(runs, "value")?, numbers(runs, "majority")?);
    let has_collapsed = |run: &usize| {
        if let Some(constant) = constant[*run] {
            return constant > 0.5;
        }
        let (Some(value), Some(majority)) = (values[*run], majorities[*run]) else { return true };
        let is_binary = tasks[*run].as_deref().is_some_and(|task| TWO_CLASSES.contains(&task));
        same(value, majority) || (is_binary && same(value, 100.0 - majority))
    };
    Ok((0..runs.height()).filter(has_collapsed).count())
}
