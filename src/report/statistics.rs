//! From frames of records to numbers with their spread.
//!
//! Protocol: a trial's score on a task is the median over its fine-tuning seeds (ELECTRA §3.1). The mean over
//! tasks is taken within a trial. Pre-training seeds are then summarised by mean, sample standard deviation
//! and, from two seeds on, a 95 % interval of the mean by Student's t. An undefined score, such as the
//! correlation of a constant prediction with the labels, counts as 0: the prediction says nothing. It is
//! counted, and every table names it.
//!
//! Must never: read a file. Next: `controls.rs`, `verdict.rs`, `tables.rs`.

use polars::prelude::DataFrame;

use super::axes::{Axes, Point};
use super::controls::{self, Controls};
use super::quantity::{Quantity, is_in_the_mean, position, quantities};
use super::query::{first_integer, groups, numbers};
use super::values::{Cell, Measurements, TrialValues, cells, mean_of, trial_values};
use crate::error::Result;
use crate::experiment::TaskName;

/// The numbers of one point of the sweep.
pub struct PointSummary {
    /// One cell per quantity of [`Summary::quantities`].
    pub cells: Vec<Cell>,
    /// Finished trials.
    pub n_done: usize,
    /// Planned trials.
    pub n_trials: usize,
    /// Mean pre-training FLOPs of the finished trials, by the exact counter; None if no trial is finished.
    pub flops: Option<f64>,
    /// The same by the paper's counter; None if a record is older than the counter.
    pub flops_paper: Option<f64>,
}

/// The numbers of a report.
pub struct Summary {
    /// Columns: tasks in GLUE's order, their mean, measures without fine-tuning, held-out values.
    pub quantities: Vec<Quantity>,
    /// Index of the quantity on the y axis; None if it was not measured.
    pub y: Option<usize>,
    /// One entry per point of [`Axes::points`].
    pub points: Vec<PointSummary>,
    /// What stands beside the points.
    pub controls: Controls,
    /// Whether any number comes from the built-in language.
    pub synthetic: bool,
}

/// Summarises the finished trials.
///
/// # Errors
/// A frame lacks the columns of `records/frame.rs`.
pub fn summarise(axes: &Axes, measurements: &Measurements) -> Result<Summary> {
    let frames = measurements.frames;
    let quantities = quantities(measurements.experiment, frames)?;
    let y = position(&quantities, &measurements.experiment.report.y);
    let trials = trial_values(frames, &quantities)?;
    let mut points: Vec<PointSummary> = axes
        .points
        .iter()
        .enumerate()
        .map(|(index, point)| of_point(index, point, &trials, &quantities))
        .collect();
    for trials in groups(&frames.trials, &["point_index"])? {
        let Some(point) = points.get_mut(point_of(&trials)?) else { continue };
        point.flops = mean_of(&numbers(&trials, "outcome.flops")?);
        point.flops_paper = mean_of(&numbers(&trials, "outcome.flops_paper")?);
    }
    let controls = controls::of(axes, measurements, &quantities)?;
    let synthetic = quantities.iter().any(|quantity| quantity.synthetic);
    Ok(Summary { quantities, y, points, controls, synthetic })
}

fn of_point(index: usize, point: &Point, trials: &[TrialValues], quantities: &[Quantity]) -> PointSummary {
    let of_point: Vec<&TrialValues> = trials.iter().filter(|trial| trial.point == Some(index)).collect();
    PointSummary {
        cells: cells(&of_point, quantities.len()),
        n_done: of_point.len(),
        n_trials: point.trials.len(),
        flops: None,
        flops_paper: None,
    }
}

/// The point of the sweep that the rows of a group belong to.
pub fn point_of(group: &DataFrame) -> Result<usize> {
    Ok(first_integer(group, "point_index")? as usize)
}

impl Summary {
    /// The quantity on the y axis.
    pub fn y_quantity(&self) -> Option<&Quantity> {
        self.quantities.get(self.y?)
    }

    /// The y axis' cell of a point.
    pub fn y_cell(&self, point: usize) -> Option<&Cell> {
        self.cell(point, self.y?)
    }

    /// The tasks that the mean is over, in GLUE's order.
    pub fn tasks_of_the_mean(&self) -> Vec<&'static str> {
        let tasks = self.quantities.iter().filter(|one| is_in_the_mean(one)).filter_map(Quantity::task);
        tasks.map(TaskName::as_str).collect()
    }

    /// The cell of a point and a quantity.
    pub fn cell(&self, point: usize, quantity: usize) -> Option<&Cell> {
        self.points.get(point)?.cells.get(quantity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{Fixture, outcome};

    #[test]
    fn a_task_takes_the_median_and_the_mean_is_taken_within_a_trial() {
        let fixture = Fixture::new();
        let summary = fixture.summary();
        let labels: Vec<&str> = summary.quantities.iter().map(|quantity| quantity.label.as_str()).collect();
        assert_eq!(labels[..3], ["cola (matthews)", "rte (accuracy)", "mean of cola, rte"]);
        let first = outcome(&fixture.trials[0]);
        let of = |index: usize| first.scores[index].value.unwrap();
        // Scores 0 to 2 are rte's and rise with the fine-tuning seed, 3 to 5 are cola's.
        assert_eq!(summary.cell(0, 0).unwrap().seeds[0], (1, Some(of(4))));
        assert_eq!(summary.cell(0, 2).unwrap().seeds[0], (1, Some((of(4) + of(1)) / 2.0)));
        assert_eq!(summary.quantities[2].majority, Some(26.25));
        assert_eq!(summary.y, Some(2));
    }

    #[test]
    fn undefined_scores_count_as_zero_and_are_counted() {
        let fixture = Fixture::new();
        let mut first = outcome(&fixture.trials[0]);
        for score in first.scores.iter_mut().filter(|score| score.task == TaskName::Cola) {
            score.value = None;
        }
        fixture.write(&fixture.trials[0], &first);
        let summary = fixture.summary();
        let cola = summary.cell(0, 0).unwrap();
        assert_eq!((cola.n_undefined, cola.seeds[0].1, cola.spread.as_ref().unwrap().n), (3, Some(0.0), 2));
        let mean = summary.cell(0, 2).unwrap();
        assert_eq!((mean.n_undefined, mean.seeds[0].1), (3, Some(first.scores[1].value.unwrap() / 2.0)));
    }

    #[test]
    fn measures_and_held_out_values_are_columns() {
        let fixture = Fixture::with_controls();
        let summary = fixture.summary();
        let names: Vec<&str> = summary.quantities.iter().map(|quantity| quantity.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "cola",
                "rte",
                "glue.mean",
                "pairs.language.disc_sum",
                "probe.cola",
                "held_out.masked_accuracy",
                "held_out.disc_auc"
            ]
        );
        let pairs = &summary.quantities[3];
        assert_eq!((pairs.chance, pairs.majority, pairs.synthetic), (Some(50.0), None, true));
        // Old records have the accuracy under another name; accuracies are × 100, an AUC is not.
        let recorded = outcome(&fixture.trials[0]).validation;
        assert_eq!(summary.cell(0, 5).unwrap().seeds[0].1, Some(100.0 * recorded["mlm_accuracy"]));
        assert_eq!(summary.cell(0, 6).unwrap().seeds[0].1, Some(recorded["disc_auc"]));
    }
}
