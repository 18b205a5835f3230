//! Simulated experiments: verdicts keep their error rate, and the stated number of seeds its power.
//!
//! The numbers are drawn by the addressed generator, so the test gives the same answer every time.

use serde_json::{Value, json};

use crate::experiment::{ContrastSpec, ReportSpec};
use crate::report::axes::Axes;
use crate::report::contrast::{Planned, Tested, Word, evaluate, planned};
use crate::report::fixture::Fixture;
use crate::report::inference::{Estimate, LEVEL, POWER};
use crate::report::statistics::{PointSummary, Summary};
use crate::report::values::{Cell, Measured};
use crate::rng::{Purpose, Stream};

/// The points of the simulated sweep.
const RATIOS: [f64; 5] = [0.125, 0.25, 0.5, 0.75, 1.0];
const N_RUNS: usize = 2000;

/// Three standard deviations of a share of `n` draws.
fn tolerance(share: f64, n: usize) -> f64 {
    3.0 * (share * (1.0 - share) / n as f64).sqrt()
}

/// The plan of a sweep over ratios, with the numbers of no trial.
struct Simulated {
    fixture: Fixture,
    axes: Axes,
    summary: Summary,
}

impl Simulated {
    fn new() -> Self {
        let fixture = Fixture::sweep(&RATIOS, &[1]);
        let (axes, summary) = (fixture.axes(), fixture.summary());
        Self { fixture, axes, summary }
    }

    /// The planned contrasts, whose points do not depend on any number.
    fn planned(&self) -> Vec<Planned> {
        planned(&self.fixture.experiment, &self.axes, &self.summary)
    }

    /// Draws the values of every point and seed: a part that the points of a seed share, the point's mean,
    /// and noise. `is_paired` gives all points the same seeds.
    fn draw(&mut self, run: usize, n_seeds: usize, means: &[f64], is_paired: bool) {
        let mut stream = Stream::new(run as u64, Purpose::Test, n_seeds as u64, u64::from(is_paired));
        let shared: Vec<f64> = (0..n_seeds).map(|_| 2.0 * stream.normal()).collect();
        let y = self.summary.y.unwrap();
        for (point, PointSummary { cells, n_done, n_trials, .. }) in
            self.summary.points.iter_mut().enumerate()
        {
            (*n_done, *n_trials) = (n_seeds, n_seeds);
            let value = |seed: usize| {
                let common = if is_paired { shared[seed] } else { 0.0 };
                let value = means.get(point).copied().unwrap_or_default() + common + stream.normal();
                let name = if is_paired { seed } else { point * n_seeds + seed };
                (name as u64, Measured { value: Some(value), n_undefined: 0 })
            };
            cells[y] = Cell::of(&(0..n_seeds).map(value).collect::<Vec<_>>());
        }
    }

    /// The share of simulated experiments in which some contrast concludes, and in which the first agrees.
    fn shares(&mut self, n_seeds: usize, means: &[f64], is_paired: bool, n_runs: usize) -> (f64, f64) {
        let contrasts = self.planned();
        let (mut concluded, mut agreed) = (0, 0);
        for run in 0..n_runs {
            self.draw(run, n_seeds, means, is_paired);
            let tested: Vec<Tested> = evaluate(contrasts.clone(), &self.summary);
            concluded += usize::from(tested.iter().any(|contrast| contrast.word != Word::Open));
            agreed += usize::from(tested[0].word == Word::Agrees);
        }
        (concluded as f64 / n_runs as f64, agreed as f64 / n_runs as f64)
    }
}

/// Without an effect at most 5 % of experiments conclude anything, however many values are expected and
/// however many seeds there are, with the same seeds on both sides or with others.
#[test]
fn without_an_effect_few_experiments_conclude() {
    let mut simulated = Simulated::new();
    for n_expected in 1..RATIOS.len() {
        simulated.fixture.experiment.expect.best_at =
            RATIOS[..n_expected].iter().map(|ratio| json!(ratio)).collect();
        for n_seeds in 2..=8 {
            for is_paired in [true, false] {
                let (concluded, _) = simulated.shares(n_seeds, &[], is_paired, N_RUNS);
                let most = LEVEL + tolerance(LEVEL, N_RUNS);
                assert!(concluded <= most, "{n_expected} expected, {n_seeds} seeds: {concluded}");
                // The t test of pairs is exact, so it also concludes as often as it may.
                let least = LEVEL - tolerance(LEVEL, N_RUNS);
                assert!(!is_paired || concluded >= least, "{n_expected}, {n_seeds} seeds: {concluded}");
            }
        }
    }
    // If all points are expected there is nothing to compare.
    simulated.fixture.experiment.expect.best_at = RATIOS.iter().map(|ratio| json!(ratio)).collect();
    assert_eq!(simulated.shares(4, &[], true, 10).0, 0.0);
}

/// A family of contrasts, one of them an interaction, concludes falsely as seldom as a single one.
#[test]
fn a_family_keeps_the_error_rate() {
    let mut simulated = Simulated::new();
    let at = |ratio: f64| json!({"model.generator_ratio": ratio});
    let map = |value: Value| value.as_object().cloned().unwrap();
    let contrast = |name: &str, better: f64, than: f64| ContrastSpec {
        name: name.into(),
        measure: None,
        better: map(at(better)),
        than: at(than),
        by_more_than: None,
        smallest_effect: None,
    };
    let interaction = ContrastSpec {
        by_more_than: Some(crate::experiment::PairSpec { better: map(at(0.5)), than: at(0.75) }),
        ..contrast("interaction", 0.25, 1.0)
    };
    simulated.fixture.experiment.expect.contrasts = vec![
        contrast("one", 0.125, 0.25),
        contrast("two", 0.5, 0.75),
        interaction,
        contrast("four", 0.5, 1.0),
    ];
    for n_seeds in 2..=8 {
        let (concluded, _) = simulated.shares(n_seeds, &[], true, N_RUNS);
        assert!(concluded <= LEVEL + tolerance(LEVEL, N_RUNS), "{n_seeds} seeds: {concluded}");
    }
}

/// The number of seeds that an open verdict names finds the effect in 80 % of experiments, and one seed less
/// does not.
#[test]
fn the_stated_number_of_seeds_has_its_power() {
    let mut simulated = Simulated::new();
    simulated.fixture.experiment.report =
        ReportSpec { y: "glue.mean".into(), ..simulated.fixture.experiment.report };
    simulated.fixture.experiment.expect.best_at = vec![json!(0.25)];
    // The expected point against the mean of four others: the difference of a seed has variance 1 + 1 / 4.
    let deviation = 1.25f64.sqrt();
    for effect in [0.9, 1.5, 2.5] {
        let values: Vec<f64> = [-1.0, 1.0].map(|sign| sign * deviation / 2f64.sqrt()).to_vec();
        let measured = Estimate::paired(&values).unwrap();
        let seeds = measured.seeds_to_find(effect, LEVEL).unwrap();
        let mut power = |seeds: usize| {
            let means = [0.0, effect, 0.0, 0.0, 0.0];
            simulated.shares(seeds, &means, true, N_RUNS).1
        };
        let (enough, too_few) = (power(seeds), power(seeds - 1));
        assert!(enough >= POWER - tolerance(POWER, N_RUNS), "{effect}: {seeds} seeds find it in {enough}");
        assert!(
            too_few < POWER + tolerance(POWER, N_RUNS),
            "{effect}: {seeds} - 1 seeds find it in {too_few}"
        );
        let stated = measured.power(effect, LEVEL, seeds);
        assert!((stated - enough).abs() < tolerance(POWER, N_RUNS) + 0.001, "{effect}: {stated}, {enough}");
    }
}

/// The same for sides without shared seeds, by Welch's test.
#[test]
fn welchs_test_has_its_power() {
    let mut simulated = Simulated::new();
    let contrast = ContrastSpec {
        name: "one".into(),
        measure: None,
        better: json!({"model.generator_ratio": 0.25}).as_object().cloned().unwrap(),
        than: json!({"model.generator_ratio": 0.5}),
        by_more_than: None,
        smallest_effect: None,
    };
    simulated.fixture.experiment.expect.contrasts = vec![contrast];
    let values = [-1.0, 1.0].map(|sign| sign / 2f64.sqrt());
    let measured = Estimate::welch(&[(1.0, &values), (-1.0, &values)]).unwrap();
    for effect in [1.0, 2.0] {
        let seeds = measured.seeds_to_find(effect, LEVEL).unwrap();
        let (_, found) = simulated.shares(seeds, &[0.0, effect, 0.0, 0.0, 0.0], false, N_RUNS);
        // Its degrees of freedom are estimated from the seeds, which costs a little power.
        assert!((found - measured.power(effect, LEVEL, seeds)).abs() < 0.04, "{effect}: {seeds}, {found}");
    }
}
