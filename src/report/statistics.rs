//! From frames of records to numbers with their spread.
//!
//! Protocol: a trial's score on a task is the median over its fine-tuning seeds (ELECTRA §3.1). The mean over
//! tasks is taken within a trial. Pre-training seeds are then summarised by mean, sample standard deviation
//! and, from three seeds on, a bootstrap interval. An undefined score is counted, and is never taken for a
//! number.
//!
//! Must never: read a file. Next: `verdict.rs`, `tables.rs`.

use polars::prelude::DataFrame;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::axes::Axes;
use super::frame::PlanFrames;
use super::query::{
    all_numbers, first_integer, first_number, first_text, groups, has, integers, numbers, rows_where,
};
use crate::error::Result;
use crate::experiment::{GlueMean, ReportSpec, TaskName};
use crate::records::frame::{column, frame_of};
use crate::records::median;
use crate::rng::{Purpose, Stream};

const N_RESAMPLES: usize = 10_000;
/// The values on held-out text that the tables show.
const HELD_OUT: [HeldOut; 3] = [
    HeldOut { name: "loss", label: "held-out loss", short: "loss", factor: 1.0 },
    HeldOut { name: "mlm_accuracy", label: "held-out mlm accuracy, %", short: "mlm %", factor: 100.0 },
    HeldOut { name: "disc_accuracy", label: "held-out disc accuracy, %", short: "disc %", factor: 100.0 },
];

/// A value on held-out text: its name in the records, its labels, and the factor that it is shown with.
struct HeldOut {
    name: &'static str,
    label: &'static str,
    short: &'static str,
    factor: f64,
}

/// Several measurements of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Measurements.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); absent for one measurement.
    pub sd: Option<f64>,
    /// Bootstrap 95 % interval of the mean (percentiles of 10,000 resamples); absent below three
    /// measurements.
    pub interval: Option<(f64, f64)>,
}

impl Spread {
    /// Summarises measurements; None without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        let mean_of = |drawn: &[f64]| Some(drawn.iter().sum::<f64>() / drawn.len() as f64);
        Some(Self { n, mean, sd, interval: bootstrap(values, mean_of) })
    }
}

/// The bootstrap percentile interval of a statistic, from three values on. Every quantity is resampled with
/// the same random numbers, so that an interval does not depend on what else is in the report.
pub(super) fn bootstrap<T: Copy>(
    values: &[T],
    statistic: impl Fn(&[T]) -> Option<f64>,
) -> Option<(f64, f64)> {
    if values.len() < 3 {
        return None;
    }
    let mut stream = Stream::new(0, Purpose::Bootstrap, 0, 0);
    let draw = |_| {
        let drawn: Vec<T> = values.iter().filter_map(|_| stream.choose(values)).copied().collect();
        statistic(&drawn)
    };
    let mut drawn: Vec<f64> = (0..N_RESAMPLES).filter_map(draw).collect();
    drawn.sort_by(f64::total_cmp);
    Some((*drawn.get(N_RESAMPLES / 40)?, *drawn.get(N_RESAMPLES - 1 - N_RESAMPLES / 40)?))
}

/// Two-sided 95 % point of Student's t distribution.
pub(super) fn student_t(degrees: usize) -> f64 {
    // Without a degree of freedom there is no distribution, and every difference is within the spread.
    StudentsT::new(0.0, 1.0, degrees as f64).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975))
}

/// A measured quantity: a column of the summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// What is measured.
    pub kind: QuantityKind,
    /// Label with the unit.
    pub label: String,
    /// Label in one or two words, for a terminal.
    pub short: String,
    /// The score of always answering the majority class; None if the trials differ in it.
    pub majority: Option<f64>,
    /// Whether the examples or the text are the built-in language's.
    pub synthetic: bool,
}

/// What a column measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantityKind {
    /// A task's score × 100.
    Task(TaskName),
    /// Mean of the task scores.
    Mean,
    /// A value on held-out pre-training text.
    HeldOut(&'static str),
}

impl QuantityKind {
    /// The word of the quantity in the frame, and as a column of published numbers.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Task(task) => task.as_str(),
            Self::Mean => "mean",
            Self::HeldOut(name) => name,
        }
    }
}

/// One quantity at one point of the sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Pre-training seed and value, in the plan's order; None if the value is undefined.
    pub seeds: Vec<(u64, Option<f64>)>,
    /// Summary over the seeds whose value is defined.
    pub spread: Option<Spread>,
    /// Fine-tuning runs (for the mean: trials) whose value is undefined.
    pub n_undefined: usize,
}

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
    /// Columns: tasks in GLUE's order, their mean, held-out values.
    pub quantities: Vec<Quantity>,
    /// Index of the quantity on the y axis; None if no task was evaluated.
    pub y: Option<usize>,
    /// One entry per point of [`Axes::points`].
    pub points: Vec<PointSummary>,
    /// Whether any number comes from the built-in language.
    pub synthetic: bool,
}

/// Summarises the finished trials.
///
/// # Errors
/// A frame lacks the columns of `records/frame.rs`.
pub fn summarise(report: &ReportSpec, axes: &Axes, frames: &PlanFrames) -> Result<Summary> {
    let quantities = quantities(frames)?;
    let tasks: Vec<TaskName> = in_the_mean(&quantities).filter_map(task_of).collect();
    let wanted = |quantity: &Quantity| match &quantity.kind {
        QuantityKind::Task(task) => {
            report.y == task.as_str() || (tasks.len() == 1 && report.y == "glue.mean")
        }
        QuantityKind::Mean => report.y == "glue.mean",
        QuantityKind::HeldOut(_) => false,
    };
    let y = quantities.iter().position(wanted);
    let synthetic = quantities.iter().any(|quantity| quantity.synthetic);
    let mut points: Vec<PointSummary> = axes
        .points
        .iter()
        .map(|point| PointSummary {
            cells: vec![Cell::default(); quantities.len()],
            n_done: 0,
            n_trials: point.trials.len(),
            flops: None,
            flops_paper: None,
        })
        .collect();
    for trials in groups(&frames.trials, &["point_index"])? {
        let Some(point) = points.get_mut(point_of(&trials)?) else { continue };
        point.n_done = trials.height();
        point.flops = mean_of(&numbers(&trials, "outcome.flops")?);
        point.flops_paper = mean_of(&numbers(&trials, "outcome.flops_paper")?);
    }
    for group in groups(&measured(frames, &tasks)?, &["point_index", "quantity"])? {
        let word = first_text(&group, "quantity")?;
        let quantity = quantities.iter().position(|quantity| quantity.kind.word() == word);
        let place = points
            .get_mut(point_of(&group)?)
            .zip(quantity)
            .and_then(|(point, quantity)| point.cells.get_mut(quantity));
        if let Some(place) = place {
            *place = cell(&group)?;
        }
    }
    Ok(Summary { quantities, y, points, synthetic })
}

/// The point of the sweep that the rows of a group belong to.
pub fn point_of(group: &DataFrame) -> Result<usize> {
    Ok(first_integer(group, "point_index")? as usize)
}

/// The mean of numbers; None if there are none or one is missing.
fn mean_of(values: &[Option<f64>]) -> Option<f64> {
    let values: Vec<f64> = values.iter().copied().collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The column of a value on held-out text.
fn held_out_column(name: &str) -> String {
    format!("outcome.validation.{name}")
}

/// The values on held-out text that some trial has.
fn measured_held_out(frames: &PlanFrames) -> impl Iterator<Item = HeldOut> {
    HELD_OUT.into_iter().filter(|value| has(&frames.trials, &held_out_column(value.name)))
}

/// One value of one quantity for one trial.
struct Measured {
    order: u64,
    point: u64,
    seed: u64,
    quantity: &'static str,
    value: Option<f64>,
    n_undefined: u64,
}

impl Measured {
    /// A value of the trial that the first row of a group belongs to.
    fn of(group: &DataFrame, quantity: &'static str, value: Option<f64>, n_undefined: usize) -> Result<Self> {
        Ok(Self {
            order: first_integer(group, "order")?,
            point: first_integer(group, "point_index")?,
            seed: first_integer(group, "seed")?,
            quantity,
            value,
            n_undefined: n_undefined as u64,
        })
    }
}

/// One row per trial and quantity: tasks, their mean, and values on held-out text.
fn measured(frames: &PlanFrames, tasks: &[TaskName]) -> Result<DataFrame> {
    let mut rows = Vec::new();
    for runs in groups(&frames.scores, &["order", "task"])? {
        let values = numbers(&runs, "value")?;
        let defined: Vec<f64> = values.iter().flatten().copied().collect();
        let Some(task) = task_named(&first_text(&runs, "task")?) else { continue };
        rows.push(Measured::of(&runs, task.as_str(), median(&defined), values.len() - defined.len())?);
    }
    if tasks.len() > 1 {
        for trial in groups(&frames.trials, &["order"])? {
            let order = first_integer(&trial, "order")?;
            let of_task = |task: &TaskName| {
                let is_it = |row: &&Measured| row.order == order && row.quantity == task.as_str();
                rows.iter().find(is_it).and_then(|row| row.value)
            };
            let mean = mean_of(&tasks.iter().map(of_task).collect::<Vec<_>>());
            rows.push(Measured::of(&trial, "mean", mean, usize::from(mean.is_none()))?);
        }
    }
    for HeldOut { name, factor, .. } in measured_held_out(frames) {
        for trial in groups(&frames.trials, &["order"])? {
            if let Some(value) = first_number(&trial, &held_out_column(name))? {
                rows.push(Measured::of(&trial, name, Some(value * factor), 0)?);
            }
        }
    }
    let columns = vec![
        column("order", &rows, |row| row.order),
        column("point_index", &rows, |row| row.point),
        column("seed", &rows, |row| row.seed),
        column("quantity", &rows, |row| row.quantity),
        column("value", &rows, |row| row.value),
        column("n_undefined", &rows, |row| row.n_undefined),
    ];
    frame_of(rows.len(), columns)
}

/// The cell of a point and a quantity, from one row per trial.
fn cell(trials: &DataFrame) -> Result<Cell> {
    let values = numbers(trials, "value")?;
    let defined: Vec<f64> = values.iter().flatten().copied().collect();
    Ok(Cell {
        seeds: integers(trials, "seed")?.into_iter().zip(values).collect(),
        spread: Spread::of(&defined),
        n_undefined: integers(trials, "n_undefined")?.into_iter().sum::<u64>() as usize,
    })
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
        in_the_mean(&self.quantities).filter_map(task_of).map(TaskName::as_str).collect()
    }

    /// The cell of a point and a quantity.
    pub fn cell(&self, point: usize, quantity: usize) -> Option<&Cell> {
        self.points.get(point)?.cells.get(quantity)
    }
}

/// The tasks that the mean is over.
fn in_the_mean(quantities: &[Quantity]) -> impl Iterator<Item = &Quantity> {
    quantities.iter().filter(|one| task_of(one).is_some_and(|task| GlueMean::Paper.includes(task.as_str())))
}

fn task_of(quantity: &Quantity) -> Option<TaskName> {
    match quantity.kind {
        QuantityKind::Task(task) => Some(task),
        _ => None,
    }
}

/// The task of a word.
pub fn task_named(word: &str) -> Option<TaskName> {
    TaskName::ALL.into_iter().find(|task| task.as_str() == word)
}

/// What was measured: tasks in GLUE's order, their mean, values on held-out text.
fn quantities(frames: &PlanFrames) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for task in TaskName::ALL {
        let runs = rows_where(&frames.scores, "task", task.as_str())?;
        let majorities = all_numbers(&runs, "majority")?;
        let Some(first) = majorities.first() else { continue };
        let agreed = majorities.iter().all(|majority| (majority - first).abs() < 0.005);
        quantities.push(Quantity {
            kind: QuantityKind::Task(task),
            label: format!("{task} ({})", first_text(&runs, "measure")?),
            short: task.to_string(),
            majority: agreed.then_some(*first),
            synthetic: is_any(&runs, "synthetic")?,
        });
    }
    quantities.extend(mean(&quantities));
    let corpus_synthetic = is_any(&frames.trials, "provenance.corpus.synthetic")?;
    quantities.extend(measured_held_out(frames).map(|HeldOut { name, label, short, .. }| Quantity {
        kind: QuantityKind::HeldOut(name),
        label: label.into(),
        short: short.into(),
        majority: None,
        synthetic: corpus_synthetic,
    }));
    Ok(quantities)
}

/// Whether a column of truth values has a true one.
fn is_any(frame: &DataFrame, column: &str) -> Result<bool> {
    Ok(numbers(frame, column)?.contains(&Some(1.0)))
}

/// The mean of the tasks, if there is more than one. Only GLUE's own examples may be called GLUE.
fn mean(quantities: &[Quantity]) -> Option<Quantity> {
    let tasks: Vec<&Quantity> = in_the_mean(quantities).collect();
    let words: Vec<&str> = tasks.iter().filter_map(|task| task_of(task)).map(TaskName::as_str).collect();
    let synthetic = tasks.iter().any(|task| task.synthetic);
    let majority: Option<f64> = tasks.iter().map(|task| task.majority).sum();
    (tasks.len() > 1).then(|| Quantity {
        kind: QuantityKind::Mean,
        label: if synthetic { GlueMean::label_of_tasks(&words) } else { GlueMean::Paper.label(&words) },
        short: "mean".into(),
        majority: majority.map(|sum| sum / tasks.len() as f64),
        synthetic,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{Fixture, outcome};

    #[test]
    fn students_t_has_the_values_of_the_printed_tables() {
        let printed =
            [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)];
        for (degrees, value) in printed {
            assert!((student_t(degrees) - value).abs() < 5e-4, "{degrees}: {}", student_t(degrees));
        }
        // With one degree it is Cauchy's distribution: tan(0.475 π).
        // With two it is 0.95 / √(2 · 0.975 · 0.025).
        assert!((student_t(1) - (0.475 * std::f64::consts::PI).tan()).abs() < 1e-10);
        assert!((student_t(2) - 0.95 / (2.0f64 * 0.975 * 0.025).sqrt()).abs() < 1e-10);
        assert_eq!(student_t(0), f64::INFINITY);
    }

    #[test]
    fn spread_uses_n_minus_one_and_says_less_of_fewer() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[5.0]), Some(Spread { n: 1, mean: 5.0, sd: None, interval: None }));
        let two = Spread::of(&[1.0, 3.0]).unwrap();
        assert_eq!((two.mean, two.sd, two.interval), (2.0, Some(2.0f64.sqrt()), None));
        let many = Spread::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]).unwrap();
        let (low, high) = many.interval.unwrap();
        // The normal approximation with the population's deviation: 5 ± 1.96 × 2.582 / 3.
        assert!((low - 3.31).abs() < 0.15 && (high - 6.69).abs() < 0.15, "{low} {high}");
    }

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
    fn undefined_scores_are_counted_and_never_zero() {
        let fixture = Fixture::new();
        let mut first = outcome(&fixture.trials[0]);
        for score in first.scores.iter_mut().filter(|score| score.task == TaskName::Cola) {
            score.value = None;
        }
        fixture.write(&fixture.trials[0], &first);
        let summary = fixture.summary();
        let cola = summary.cell(0, 0).unwrap();
        assert_eq!((cola.n_undefined, cola.spread.as_ref().unwrap().n), (3, 1));
        let mean = summary.cell(0, 2).unwrap();
        assert_eq!((mean.n_undefined, mean.seeds[0].1), (1, None));
        assert!(mean.spread.as_ref().unwrap().mean > 40.0);
    }
}
