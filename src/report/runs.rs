//! The fine-tuning runs behind every score: their median, spread and intervals, per trial and task.
//!
//! The reported figure of a task is the median over its fine-tuning runs (ELECTRA §3.1). The best run shows
//! only as an end of the range. A run whose score is undefined predicts nothing and counts as 0. Two
//! intervals answer two questions: how far the median would move with other fine-tuning seeds, and how far
//! the median run's score would move with other examples. Must never: mix the runs of two pre-training seeds.
//! Next: `tables.rs`.

use polars::prelude::DataFrame;

use super::axes::Axes;
use super::frame::PlanFrames;
use super::quantity::task_named;
use super::query::{first_integer, first_text, groups, integers, numbers};
use super::spread::{Spread, interval_of_median};
use super::statistics::point_of;
use crate::error::Result;
use crate::experiment::TaskName;
use crate::records::{median, median_run};

/// The fine-tuning runs of one trial on one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Runs {
    /// The point of the sweep, by name.
    pub point: String,
    /// The task.
    pub task: TaskName,
    /// The head that the runs were fine-tuned with.
    pub head: String,
    /// Pre-training seed.
    pub seed: u64,
    /// Runs whose score is undefined and counts as 0.
    pub n_undefined: usize,
    /// Figures of the runs.
    pub figures: Option<Figures>,
}

/// Figures of runs, × 100.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Number of runs.
    pub n: usize,
    /// Their median.
    pub median: f64,
    /// Sample standard deviation; absent for one run.
    pub sd: Option<f64>,
    /// Lowest and highest.
    pub range: (f64, f64),
    /// 95 % interval of the median over the runs, by the ranks of the runs; absent below six.
    pub over_seeds: Option<(f64, f64)>,
    /// Bootstrap 95 % interval of the median run over the examples; absent if the record has none.
    pub over_examples: Option<[f64; 2]>,
}

/// The runs of every finished trial, by point, task and pre-training seed.
pub fn of(axes: &Axes, frames: &PlanFrames) -> Result<Vec<Runs>> {
    let mut all = Vec::new();
    for runs in groups(&frames.scores, &["point_index", "order", "task"])? {
        let point = point_of(&runs)?;
        let task = task_named(&first_text(&runs, "task")?);
        let Some((task, at)) = task.zip(axes.points.get(point)) else { continue };
        let place = TaskName::ALL.iter().position(|known| *known == task);
        all.push((
            (point, place, first_integer(&runs, "order")?),
            summarised(axes.point_name(at), task, &runs)?,
        ));
    }
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, runs)| runs).collect())
}

/// Summarises the runs of one trial on one task.
fn summarised(point: String, task: TaskName, runs: &DataFrame) -> Result<Runs> {
    let scores = numbers(runs, "value")?;
    let values: Vec<f64> = scores.iter().map(|score| score.unwrap_or_default()).collect();
    let seeds = integers(runs, "finetune_seed")?;
    let median_run = median_run(0..values.len(), |run| Some((*values.get(run)?, *seeds.get(run)?)));
    let end = |column: &str| -> Result<Option<f64>> {
        let ends = numbers(runs, column)?;
        Ok(median_run.and_then(|run| ends.get(run).copied().flatten()))
    };
    let over_examples = end("examples_low")?.zip(end("examples_high")?).map(|(low, high)| [low, high]);
    Ok(Runs {
        point,
        task,
        head: first_text(runs, "head")?,
        seed: first_integer(runs, "seed")?,
        n_undefined: scores.iter().filter(|score| score.is_none()).count(),
        figures: figures(&values, over_examples),
    })
}

fn figures(values: &[f64], over_examples: Option<[f64; 2]>) -> Option<Figures> {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(Figures {
        n: values.len(),
        median: median(values)?,
        sd: Spread::of(values)?.sd,
        range: (lowest, highest),
        over_seeds: interval_of_median(values),
        over_examples,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{Fixture, outcome};

    /// Of 60, 62, 64, 70 and 70.5: deviations from the mean 65.3 are -5.3, -3.3, -1.3, 4.7 and 5.2, the sum
    /// of their squares is 89.8, and 89.8 / 4 = 22.45.
    #[test]
    fn figures_by_hand() {
        let values = [70.5, 60.0, 64.0, 62.0, 70.0];
        let figures = figures(&values, Some([55.0, 75.0])).unwrap();
        assert_eq!((figures.n, figures.median, figures.range), (5, 64.0, (60.0, 70.5)));
        assert!((figures.sd.unwrap() - 22.45f64.sqrt()).abs() < 1e-12);
        assert_eq!(figures.over_seeds, None);
    }

    #[test]
    fn fewer_runs_say_less() {
        let one = figures(&[61.0], None).unwrap();
        assert_eq!((one.median, one.sd, one.range, one.over_seeds), (61.0, None, (61.0, 61.0), None));
        let two = figures(&[61.0, 63.0], None).unwrap();
        assert_eq!((two.median, two.sd, two.over_seeds), (62.0, Some(2.0f64.sqrt()), None));
        assert_eq!(figures(&[], None), None);
    }

    /// Two runs of four are undefined and count as 0, so the lower one of the two in the middle is undefined.
    #[test]
    fn undefined_runs_count_as_zero_and_the_median_run_is_a_run() {
        let fixture = Fixture::new();
        let mut first = outcome(&fixture.trials[0]);
        let (mut lost, mut kept) = (first.scores[0].clone(), first.scores[2].clone());
        (lost.value, lost.interval) = (None, None);
        (kept.value, kept.interval, kept.finetune_seed) = (Some(90.0), Some([88.0, 91.0]), 9);
        first.scores = vec![lost.clone(), first.scores[1].clone(), lost, kept];
        fixture.write(&fixture.trials[0], &first);
        let runs: Vec<Runs> = of(&fixture.axes(), &fixture.frames())
            .unwrap()
            .into_iter()
            .filter(|runs| runs.task == TaskName::Rte)
            .collect();
        let figures = runs[0].figures.as_ref().unwrap();
        let middle = first.scores[1].value.unwrap();
        assert_eq!((runs[0].n_undefined, figures.n), (2, 4));
        assert_eq!((figures.median, figures.range), (middle / 2.0, (0.0, 90.0)));
        assert_eq!(figures.over_examples, None);
        // The other pre-training seed has a row of its own.
        assert_eq!((runs[1].seed, runs[1].figures.as_ref().unwrap().n), (2, 3));
    }
}
