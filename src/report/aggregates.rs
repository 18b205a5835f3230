//! Aggregates over several tasks: the interquartile mean, and the probability of improvement, with stratified
//! bootstraps (Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice").
//!
//! They need several tasks and [`FEWEST_SEEDS`] seeds. A stratified bootstrap resamples the seeds of every
//! task by itself. Of few seeds its percentiles are too narrow to be called an interval with a coverage, so
//! they are called what they are. Must never: decide a verdict. Next: `page.rs`.

use super::axes::Axes;
use super::contrast::{Side, Tested};
use super::quantity::{QuantityKind, is_in_the_mean};
use super::statistics::Summary;
use super::table::Table;
use crate::rng::{Purpose, Stream};

/// Seeds that an aggregate needs, at least.
pub const FEWEST_SEEDS: usize = 5;
const N_RESAMPLES: usize = 2000;

/// What the columns mean, for the page that shows them.
pub const RULE: &str = "Over all tasks and seeds of a point, from 5 seeds on. A score is scaled so that 0 is the majority \
class and 100 is perfect. IQM: the interquartile mean, without the lowest and highest quarter of the scores. P(improvement): \
the probability that a random seed of the first side scores above a random seed of the second on a random task, or on the \
one task of the contrast; a tie counts one half. Contrasts on other measures have none. Brackets: 2.5 to 97.5 % of 2,000 \
stratified bootstraps, which resample the seeds task by task; with few seeds they cover less than 95 %.";

/// The scores of one side: one list per task, one value per seed.
type Scores = Vec<Vec<f64>>;

/// The interquartile mean: the mean without the lowest and the highest quarter of all values, each rounded
/// down to whole values. None without values.
pub fn interquartile_mean(scores: &[Vec<f64>]) -> Option<f64> {
    let mut all: Vec<f64> = scores.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let cut = all.len() / 4;
    let middle = all.get(cut..all.len() - cut)?;
    (!middle.is_empty()).then(|| middle.iter().sum::<f64>() / middle.len() as f64)
}

/// The probability that a value of the first side is above one of the second, averaged over tasks; a tie
/// counts one half. None unless both have the same tasks with values.
pub fn probability_of_improvement(first: &[Vec<f64>], second: &[Vec<f64>]) -> Option<f64> {
    let of_task = |(first, second): (&Vec<f64>, &Vec<f64>)| {
        let n_pairs = first.len() * second.len();
        let wins = first.iter().flat_map(|one| second.iter().map(move |other| one - other));
        let points: f64 = wins.map(|gap| if gap == 0.0 { 0.5 } else { f64::from(u8::from(gap > 0.0)) }).sum();
        (n_pairs > 0).then(|| points / n_pairs as f64)
    };
    let of_tasks: Vec<f64> = first.iter().zip(second).map(of_task).collect::<Option<_>>()?;
    let is_complete = first.len() == second.len() && !of_tasks.is_empty();
    is_complete.then(|| of_tasks.iter().sum::<f64>() / of_tasks.len() as f64)
}

/// 2.5 and 97.5 % of a statistic over stratified bootstraps of its sides. The random numbers are the same for
/// every statistic, so that a report does not depend on what else is in it.
pub fn stratified_bootstrap(
    sides: &[&Scores],
    statistic: impl Fn(&[Scores]) -> Option<f64>,
) -> Option<(f64, f64)> {
    let mut stream = Stream::new(0, Purpose::Bootstrap, 1, 0);
    let mut task = |values: &Vec<f64>| -> Vec<f64> {
        values.iter().filter_map(|_| stream.choose(values)).copied().collect()
    };
    let mut draw =
        || -> Vec<Scores> { sides.iter().map(|side| side.iter().map(&mut task).collect()).collect() };
    let mut drawn: Vec<f64> = (0..N_RESAMPLES).filter_map(|_| statistic(&draw())).collect();
    drawn.sort_by(f64::total_cmp);
    Some((*drawn.get(drawn.len() / 40)?, *drawn.get(drawn.len().checked_sub(1 + drawn.len() / 40)?)?))
}

/// The aggregates of every point and contrast as a table; None if there are too few tasks or seeds.
pub fn table(axes: &Axes, summary: &Summary, contrasts: &[Tested]) -> Option<Table> {
    let mut table = Table::aligned([("of", true), ("seeds", false), ("aggregate", true), ("value", false)]);
    let shown = |value: f64, ends: Option<(f64, f64)>, decimals: usize| {
        let ends = ends.map(|(low, high)| format!(" [{low:.decimals$}, {high:.decimals$}]"));
        format!("{value:.decimals$}{}", ends.unwrap_or_default())
    };
    for (index, point) in axes.points.iter().enumerate() {
        let Some(scores) = scores_of(&[index], None, summary) else { continue };
        let Some(iqm) = interquartile_mean(&scores) else { continue };
        let ends = stratified_bootstrap(&[&scores], |sides| interquartile_mean(sides.first()?));
        let n = scores.first().map_or(0, Vec::len);
        table.row(vec![axes.point_name(point), n.to_string(), "IQM".into(), shown(iqm, ends, 2)]);
    }
    for contrast in contrasts {
        let [first, second] = &contrast.planned.sides[..] else { continue };
        // Minimal pairs, a probe or held-out text say nothing about the tasks.
        let (only, name) = match contrast.planned.quantity.and_then(|index| summary.quantities.get(index)) {
            Some(quantity) if quantity.kind == QuantityKind::Mean => (None, "P(improvement)".to_string()),
            Some(quantity) if quantity.task().is_some() => {
                (contrast.planned.quantity, format!("P(improvement) on {}", quantity.short))
            }
            _ => continue,
        };
        let of = |side: &Side| match side.is_untrained || side.missing.is_some() {
            true => None,
            false => scores_of(&side.points, only, summary),
        };
        let Some((a, b)) = of(first).zip(of(second)) else { continue };
        let Some(probability) = probability_of_improvement(&a, &b) else { continue };
        let ends = stratified_bootstrap(&[&a, &b], |sides| match sides {
            [a, b] => probability_of_improvement(a, b),
            _ => None,
        });
        let n = a.first().map_or(0, Vec::len);
        let cells = [contrast.planned.name.clone(), n.to_string(), name];
        table.row(cells.into_iter().chain([shown(probability, ends, 2)]).collect());
    }
    (!table.is_empty()).then_some(table)
}

/// The scaled scores of some points: for every task of the mean, or `only` for one, one value per seed, the
/// mean over the points. None if there are too few tasks or seeds, or if a task has no majority class.
fn scores_of(points: &[usize], only: Option<usize>, summary: &Summary) -> Option<Scores> {
    let tasks = summary.quantities.iter().enumerate().filter(|(index, quantity)| match only {
        Some(only) => *index == only,
        None => is_in_the_mean(quantity),
    });
    let of_task = |(index, majority): (usize, Option<f64>)| -> Option<Vec<f64>> {
        let majority = majority.filter(|majority| *majority < 100.0)?;
        let cells = points.iter().map(|point| summary.cell(*point, index)).collect::<Option<Vec<_>>>()?;
        let of_seed = |seed: u64| -> Option<f64> {
            let values: Option<Vec<f64>> = cells.iter().map(|cell| cell.of_seed(seed)).collect();
            let mean = values?.iter().sum::<f64>() / cells.len() as f64;
            Some(100.0 * (mean - majority) / (100.0 - majority))
        };
        let seeds = cells.first()?.seeds.iter().map(|(seed, _)| *seed);
        Some(seeds.filter_map(of_seed).collect())
    };
    let scores: Scores =
        tasks.map(|(index, quantity)| of_task((index, quantity.majority))).collect::<Option<_>>()?;
    let has_several = summary.tasks_of_the_mean().len() > 1;
    let is_enough =
        has_several && !scores.is_empty() && scores.iter().all(|values| values.len() >= FEWEST_SEEDS);
    is_enough.then_some(scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Fixture;

    /// By rliable's definition (scipy's mean without a quarter at either end): of 1 to 10 the two lowest and
    /// the two highest go, of five values one at either end.
    #[test]
    fn the_interquartile_mean_by_hand() {
        let scores = vec![vec![10.0, 1.0, 2.0, 9.0, 5.0], vec![3.0, 8.0, 4.0, 7.0, 6.0]];
        assert_eq!(interquartile_mean(&scores), Some(5.5));
        assert_eq!(interquartile_mean(&[vec![100.0, 1.0, 2.0, 3.0, -50.0]]), Some(2.0));
        assert_eq!(interquartile_mean(&[vec![1.0, 2.0, 6.0]]), Some(3.0));
        assert_eq!(interquartile_mean(&[]), None);
    }

    /// By rliable's definition, the Mann-Whitney statistic over the number of pairs: of 1, 2, 3 against 2, 2,
    /// 0 the wins are 1, 1 + ½ + ½ and 3 of 9; of a task with equal values one half.
    #[test]
    fn the_probability_of_improvement_by_hand() {
        let first = vec![vec![1.0, 2.0, 3.0], vec![4.0, 4.0, 4.0]];
        let second = vec![vec![2.0, 2.0, 0.0], vec![4.0, 4.0, 4.0]];
        let expected = (6.0 / 9.0 + 0.5) / 2.0;
        assert!((probability_of_improvement(&first, &second).unwrap() - expected).abs() < 1e-12);
        let turned = probability_of_improvement(&second, &first).unwrap();
        assert!((turned + expected - 1.0).abs() < 1e-12, "{turned}");
        assert_eq!(probability_of_improvement(&first, &second[..1]), None);
    }

    /// A bootstrap of one task resamples its own seeds alone: with equal seeds in each task nothing moves.
    #[test]
    fn a_stratified_bootstrap_stays_within_its_tasks() {
        let constant = vec![vec![1.0; 5], vec![9.0; 5]];
        let mean = |sides: &[Scores]| {
            let all: Vec<f64> = sides.first()?.iter().flatten().copied().collect();
            Some(all.iter().sum::<f64>() / all.len() as f64)
        };
        assert_eq!(stratified_bootstrap(&[&constant], mean), Some((5.0, 5.0)));
        let varied = vec![vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![9.0; 5]];
        let (low, high) = stratified_bootstrap(&[&varied], mean).unwrap();
        // Half of the standard error of one task: √2 / √5 / 2 = 0.316, times 1.96.
        assert!((low - (6.0 - 0.62)).abs() < 0.1 && (high - (6.0 + 0.62)).abs() < 0.1, "{low} {high}");
    }

    /// A contrast on another measure has no probability of improvement; one on a task has that task's alone.
    #[test]
    fn a_probability_of_improvement_is_of_the_contrasts_own_measure() {
        let mut fixture = Fixture::with_controls_of(&[1, 2, 3, 4, 5]);
        let of = |fixture: &Fixture| {
            let table = table(&fixture.axes(), &fixture.summary(), &fixture.verdict().contrasts);
            table.unwrap().to_markdown()
        };
        let at = |ratio: f64| serde_json::json!({ "model.generator_ratio": ratio });
        let contrast = |measure: &str| crate::experiment::ContrastSpec {
            name: "the claim".into(),
            measure: Some(measure.into()),
            better: at(0.25).as_object().cloned().unwrap(),
            than: at(1.0),
            by_more_than: None,
            smallest_effect: None,
        };
        for (measure, is_of_tasks) in [
            ("glue.mean", true),
            ("cola", true),
            ("pairs.language.disc_sum", false),
            ("probe.cola", false),
            ("held_out.disc_auc", false),
        ] {
            fixture.experiment.expect.contrasts = vec![contrast(measure)];
            let text = of(&fixture);
            assert_eq!(text.contains("P(improvement)"), is_of_tasks, "{measure}: {text}");
            assert_eq!(text.contains("P(improvement) on cola"), measure == "cola", "{measure}: {text}");
        }
        // The scores of one task, not of all of them.
        let summary = fixture.summary();
        let cola = summary.quantities.iter().position(|one| one.name == "cola");
        let scores = scores_of(&[0], cola, &summary).unwrap();
        assert_eq!(scores, scores_of(&[0], None, &summary).unwrap()[..1]);
    }

    #[test]
    fn aggregates_need_five_seeds() {
        let of = |n: u64| {
            let fixture = Fixture::sweep(&[0.25, 1.0], &(1..=n).collect::<Vec<_>>());
            table(&fixture.axes(), &fixture.summary(), &fixture.verdict().contrasts)
        };
        assert!(of(4).is_none());
        let text = of(5).unwrap().to_markdown();
        assert!(text.contains("| 0.25 ") && text.contains("| IQM "), "{text}");
        assert!(text.contains("| P(improvement) |    1.00 [1.00, 1.00] |"), "{text}");
    }
}
