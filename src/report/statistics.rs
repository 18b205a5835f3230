//! From records to numbers with their spread.
//!
//! Protocol: a trial's score on a task is the median over its fine-tuning seeds (ELECTRA §3.1); the mean over
//! tasks is taken within a trial; pre-training seeds are then summarised by mean, sample standard deviation
//! and, from three seeds on, a bootstrap interval. An undefined score is counted and never taken for a number.
//!
//! Must never: read a file. Next: `verdict.rs`, `table.rs`.

use super::axes::{Axes, Point};
use super::records::{DoneTrial, Records};
use crate::experiment::{GlueMean, ReportSpec, TaskName, Trial};
use crate::rng::{Purpose, Stream};

const N_RESAMPLES: usize = 10_000;
/// Values on held-out text that the tables show.
const HELD_OUT: [HeldOut; 3] = [
    HeldOut { name: "loss", label: "held-out loss", short: "loss", factor: 1.0 },
    HeldOut { name: "mlm_accuracy", label: "held-out mlm accuracy, %", short: "mlm %", factor: 100.0 },
    HeldOut { name: "disc_accuracy", label: "held-out disc accuracy, %", short: "disc %", factor: 100.0 },
];

/// A value on held-out text, and how it is shown.
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
    /// Bootstrap 95 % interval of the mean (percentiles of 10,000 resamples); absent below three measurements.
    pub interval: Option<(f64, f64)>,
}

impl Spread {
    /// Summarises measurements; None of none.
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

/// The percentile interval of a statistic, from three values on. Every quantity is resampled with the same random
/// numbers, so that an interval does not depend on what else is in the report.
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

/// The median; of an even number of values the mean of the two in the middle. None of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted.get(sorted.len() / 2 - 1).map(|lower| (lower + upper) / 2.0)
}

/// A measured quantity: a column of the summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// What is measured.
    pub kind: QuantityKind,
    /// As a person reads it, with its unit.
    pub label: String,
    /// The same in a word or two, for a terminal.
    pub short: String,
    /// What always answering the majority class scores, where the trials agree on it.
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

/// One quantity at one point of the sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Pre-training seed and value, in the plan's order; None where the value is undefined.
    pub seeds: Vec<(u64, Option<f64>)>,
    /// Over the seeds whose value is defined.
    pub spread: Option<Spread>,
    /// Fine-tuning runs (of the mean: trials) whose value is undefined.
    pub n_undefined: usize,
}

/// All that is said about one point of the sweep.
pub struct PointSummary {
    /// One cell a quantity of [`Summary::quantities`].
    pub cells: Vec<Cell>,
    /// Finished trials.
    pub n_done: usize,
    /// Planned trials.
    pub n_trials: usize,
    /// Mean pre-training FLOPs of the finished trials, by the exact counter; None of none.
    pub flops: Option<f64>,
    /// The same by the paper's counter; None where a record is older than it.
    pub flops_paper: Option<f64>,
}

/// The numbers of a report.
pub struct Summary {
    /// Columns: tasks in GLUE's order, their mean, held-out values.
    pub quantities: Vec<Quantity>,
    /// Index of the quantity on the y axis; None where no task was evaluated.
    pub y: Option<usize>,
    /// One entry a point of [`Axes::points`].
    pub points: Vec<PointSummary>,
    /// Whether any number comes from the built-in language.
    pub synthetic: bool,
}

/// Summarises the finished trials.
pub fn summarise(report: &ReportSpec, axes: &Axes, trials: &[Trial], records: &Records) -> Summary {
    let quantities = quantities(records);
    let tasks: Vec<TaskName> = in_the_mean(&quantities).filter_map(task_of).collect();
    let points = axes
        .points
        .iter()
        .map(|point| {
            let members = members(point, trials, records);
            let cells = quantities.iter().map(|quantity| cell(&quantity.kind, &tasks, &members)).collect();
            let mean = |flops: Option<Vec<f64>>| Some(Spread::of(&flops?)?.mean);
            PointSummary {
                cells,
                n_done: members.len(),
                n_trials: point.trials.len(),
                flops: mean(Some(members.iter().map(|done| done.outcome.flops).collect())),
                flops_paper: mean(members.iter().map(|done| done.outcome.flops_paper).collect()),
            }
        })
        .collect();
    let wanted = |quantity: &Quantity| match &quantity.kind {
        QuantityKind::Task(task) => {
            report.y == task.as_str() || (tasks.len() == 1 && report.y == "glue.mean")
        }
        QuantityKind::Mean => report.y == "glue.mean",
        QuantityKind::HeldOut(_) => false,
    };
    let y = quantities.iter().position(wanted);
    let synthetic = quantities.iter().any(|quantity| quantity.synthetic);
    Summary { quantities, y, points, synthetic }
}

/// The finished trials of a point, in the plan's order.
pub(super) fn members<'a>(point: &Point, trials: &[Trial], records: &'a Records) -> Vec<&'a DoneTrial<'a>> {
    let planned = point.trials.iter().filter_map(|index| trials.get(*index));
    planned.filter_map(|trial| records.done.iter().find(|done| done.trial.id == trial.id)).collect()
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

fn quantities(records: &Records) -> Vec<Quantity> {
    let all_scores = || records.done.iter().flat_map(|done| &done.outcome.scores);
    let mut quantities = Vec::new();
    for task in TaskName::ALL {
        let Some(first) = all_scores().find(|score| score.task == task) else { continue };
        let majorities: Vec<f64> =
            all_scores().filter(|score| score.task == task).map(|score| score.majority).collect();
        let agreed = majorities.iter().all(|majority| (majority - first.majority).abs() < 0.005);
        quantities.push(Quantity {
            kind: QuantityKind::Task(task),
            label: format!("{task} ({})", first.metric),
            short: task.to_string(),
            majority: agreed.then_some(first.majority),
            synthetic: all_scores().any(|score| score.task == task && score.synthetic),
        });
    }
    quantities.extend(mean(&quantities));
    let corpus_synthetic = records.done.iter().any(|done| done.record.provenance.corpus.synthetic);
    for HeldOut { name, label, short, .. } in HELD_OUT {
        if records.done.iter().any(|done| done.outcome.validation.contains_key(name)) {
            quantities.push(Quantity {
                kind: QuantityKind::HeldOut(name),
                label: label.into(),
                short: short.into(),
                majority: None,
                synthetic: corpus_synthetic,
            });
        }
    }
    quantities
}

/// The mean of the tasks, where there is more than one. GLUE's name is kept for its own examples.
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

fn cell(kind: &QuantityKind, tasks: &[TaskName], members: &[&DoneTrial]) -> Cell {
    let mut cell = Cell::default();
    for done in members {
        let (value, n_undefined) = match kind {
            QuantityKind::Task(task) => match task_value(done, *task) {
                Some(measured) => measured,
                None => continue,
            },
            QuantityKind::Mean => {
                let values: Option<Vec<f64>> =
                    tasks.iter().map(|task| task_value(done, *task).and_then(|(value, _)| value)).collect();
                let mean = values.map(|values| values.iter().sum::<f64>() / values.len() as f64);
                (mean, usize::from(mean.is_none()))
            }
            QuantityKind::HeldOut(name) => match done.outcome.validation.get(*name) {
                Some(value) => (Some(value * held_out_factor(name)), 0),
                None => continue,
            },
        };
        cell.seeds.push((done.trial.spec.seed, value));
        cell.n_undefined += n_undefined;
    }
    let defined: Vec<f64> = cell.seeds.iter().filter_map(|(_, value)| *value).collect();
    cell.spread = Spread::of(&defined);
    cell
}

/// Shares are shown as percentages.
fn held_out_factor(name: &str) -> f64 {
    HELD_OUT.iter().find(|known| known.name == name).map_or(1.0, |known| known.factor)
}

/// The median over fine-tuning seeds whose score is defined, and how many are not; None where the trial did
/// not evaluate the task.
fn task_value(done: &DoneTrial, task: TaskName) -> Option<(Option<f64>, usize)> {
    let scores: Vec<Option<f64>> =
        done.outcome.scores.iter().filter(|score| score.task == task).map(|score| score.value).collect();
    let defined: Vec<f64> = scores.iter().flatten().copied().collect();
    (!scores.is_empty()).then(|| (median(&defined), scores.len() - defined.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{Fixture, outcome};
    use crate::report::records;

    fn summary(fixture: &Fixture) -> Summary {
        let records = records::read(&fixture.results(), &fixture.trials);
        let report = &fixture.experiment.report;
        summarise(report, &Axes::new(report, &fixture.trials), &fixture.trials, &records)
    }

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
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
        let summary = summary(&fixture);
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
        let summary = summary(&fixture);
        let cola = summary.cell(0, 0).unwrap();
        assert_eq!((cola.n_undefined, cola.spread.as_ref().unwrap().n), (3, 1));
        let mean = summary.cell(0, 2).unwrap();
        assert_eq!((mean.n_undefined, mean.seeds[0].1), (1, None));
        assert!(mean.spread.as_ref().unwrap().mean > 40.0);
    }
}
