//! The quantities of single trials, and their cells over seeds.
//!
//! A task's score is the median over fine-tuning seeds, in which an undefined score, such as the correlation
//! of a constant prediction with the labels, counts as 0: the prediction says nothing. It is counted, and
//! every table names it. Must never: mix trials of two points. Next: `statistics.rs`, `controls.rs`.

use polars::prelude::DataFrame;

use super::frame::PlanFrames;
use super::plan_records::PlanRecords;
use super::quantity::{Quantity, QuantityKind, held_out_columns, is_in_the_mean};
use super::query::{first_integer, first_number, first_text, groups, has, numbers};
use super::spread::Spread;
use crate::error::Result;
use crate::experiment::{ExperimentSpec, Trial};
use crate::records::median;

/// What is summarised: the plan with its records.
pub struct Measurements<'a> {
    /// The experiment with its profile and overrides applied.
    pub experiment: &'a ExperimentSpec,
    /// The trials of the sweep.
    pub trials: &'a [Trial],
    /// The finished trials of the sweep as frames.
    pub frames: &'a PlanFrames,
    /// The control trials.
    pub controls: &'a [Trial],
    /// Their records.
    pub control_records: &'a PlanRecords<'a>,
    /// The finished ones as frames.
    pub control_frames: &'a PlanFrames,
}

/// One quantity at one point of the sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Pre-training seed and value, in the plan's order; None if the trial does not have it.
    pub seeds: Vec<(u64, Option<f64>)>,
    /// Summary over the seeds that have a value.
    pub spread: Option<Spread>,
    /// Runs whose score is undefined and counts as 0.
    pub n_undefined: usize,
}

impl Cell {
    /// Summarises the values of seeds.
    pub fn of(values: &[(u64, Measured)]) -> Self {
        let defined: Vec<f64> = values.iter().filter_map(|(_, measured)| measured.value).collect();
        Self {
            seeds: values.iter().map(|(seed, measured)| (*seed, measured.value)).collect(),
            spread: Spread::of(&defined),
            n_undefined: values.iter().map(|(_, measured)| measured.n_undefined).sum(),
        }
    }

    /// The value of a seed.
    pub fn of_seed(&self, seed: u64) -> Option<f64> {
        self.seeds.iter().find(|(own, _)| *own == seed)?.1
    }
}

/// One cell per quantity from the values of some trials.
pub fn cells(trials: &[&TrialValues], n_quantities: usize) -> Vec<Cell> {
    let cell = |quantity: usize| {
        let values = trials.iter().filter_map(|trial| Some((trial.seed, *trial.values.get(quantity)?)));
        let values: Vec<(u64, Measured)> = values.collect();
        // A quantity that no trial has is an empty cell, not one of missing values.
        let is_absent = values.iter().all(|(_, measured)| *measured == Measured::default());
        if is_absent { Cell::default() } else { Cell::of(&values) }
    };
    (0..n_quantities).map(cell).collect()
}

/// The mean of numbers; None if there are none or one is missing.
pub fn mean_of(values: &[Option<f64>]) -> Option<f64> {
    let values: Vec<f64> = values.iter().copied().collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// One quantity of one trial.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// The value; None if the trial does not have it.
    pub value: Option<f64>,
    /// Runs behind it whose score is undefined and counts as 0.
    pub n_undefined: usize,
}

impl Measured {
    fn some(value: f64) -> Self {
        Self { value: Some(value), n_undefined: 0 }
    }
}

/// The quantities of one trial.
pub struct TrialValues {
    /// The trial's id.
    pub id: String,
    /// Its pre-training seed.
    pub seed: u64,
    /// Its point of the sweep; None for a control.
    pub point: Option<usize>,
    /// One value per quantity.
    pub values: Vec<Measured>,
}

/// The quantities of every finished trial, in the plan's order.
pub fn trial_values(frames: &PlanFrames, quantities: &[Quantity]) -> Result<Vec<TrialValues>> {
    let tasks = groups(&frames.scores, &["order", "task"])?;
    let measures = groups(&frames.measures, &["order", "measure"])?;
    let mut all = Vec::new();
    for trial in groups(&frames.trials, &["order"])? {
        let order = first_integer(&trial, "order")?;
        let mut values = vec![Measured::default(); quantities.len()];
        for runs in &tasks {
            if first_integer(runs, "order")? == order {
                let word = first_text(runs, "task")?;
                put(&mut values, quantities, &word, of_runs(&numbers(runs, "value")?));
            }
        }
        for rows in &measures {
            if first_integer(rows, "order")? == order {
                let name = first_text(rows, "measure")?;
                let is_probe = name.starts_with("probe.");
                let measured = match first_number(rows, "value")? {
                    // A probe that answers one class has no correlation.
                    None if is_probe => Measured { value: Some(0.0), n_undefined: 1 },
                    value => Measured { value, n_undefined: 0 },
                };
                put(&mut values, quantities, &name, measured);
            }
        }
        for (place, quantity) in values.iter_mut().zip(quantities) {
            if let QuantityKind::HeldOut(name) = &quantity.kind
                && let Some(value) = held_out(&trial, name)?
            {
                *place = Measured::some(value * quantity.factor());
            }
        }
        if let Some(place) = quantities.iter().position(|quantity| quantity.kind == QuantityKind::Mean) {
            let mean = mean_over_tasks(&values, quantities);
            values.get_mut(place).into_iter().for_each(|value| *value = mean);
        }
        let point = numbers(&trial, "point_index")?.into_iter().flatten().next();
        all.push(TrialValues {
            id: first_text(&trial, "trial")?,
            seed: first_integer(&trial, "seed")?,
            point: point.map(|point| point as usize),
            values,
        });
    }
    Ok(all)
}

/// Sets the value of a quantity by its name.
fn put(values: &mut [Measured], quantities: &[Quantity], name: &str, measured: Measured) {
    let place = quantities.iter().position(|quantity| quantity.name == name);
    if let Some(value) = place.and_then(|place| values.get_mut(place)) {
        *value = measured;
    }
}

/// The median of fine-tuning runs, of which the undefined ones count as 0.
fn of_runs(values: &[Option<f64>]) -> Measured {
    let counted: Vec<f64> = values.iter().map(|value| value.unwrap_or_default()).collect();
    Measured { value: median(&counted), n_undefined: values.iter().filter(|value| value.is_none()).count() }
}

/// The value of a trial on held-out text.
fn held_out(trial: &DataFrame, name: &str) -> Result<Option<f64>> {
    for column in held_out_columns(name) {
        if has(trial, &column)
            && let Some(value) = first_number(trial, &column)?
        {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The mean over the tasks, if the trial has all of them.
fn mean_over_tasks(values: &[Measured], quantities: &[Quantity]) -> Measured {
    let of_tasks = || values.iter().zip(quantities).filter(|(_, quantity)| is_in_the_mean(quantity));
    let scores: Vec<Option<f64>> = of_tasks().map(|(measured, _)| measured.value).collect();
    Measured {
        value: mean_of(&scores),
        n_undefined: of_tasks().map(|(measured, _)| measured.n_undefined).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undefined_run_counts_as_zero() {
        // It moves the median of three to the lower of the others.
        assert_eq!(of_runs(&[None, Some(4.0), Some(6.0)]), Measured { value: Some(4.0), n_undefined: 1 });
        assert_eq!(of_runs(&[]), Measured::default());
        assert_eq!(mean_of(&[Some(1.0), None]), None);
    }
}
