//! What a run would do and cost: state, parameters, FLOPs, tokens and time of each trial.
//!
//! Parameters are exact; FLOPs are given by both counters; time is an estimate from the exact counter, and
//! the plan says what it is based on. Must never: write anything but caches.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::prepare::Texts;
use super::published_model::PublishedModel;
use crate::error::Result;
use crate::experiment::{Experiment, Trial, TrialSpec};
use crate::flops;
use crate::hub::DataEnv;
use crate::records::folder::TrialFolder;
use crate::records::state::TrialState;
use crate::records::{Outcome, Silent};

/// Side of the matrices whose product is timed.
const GEMM_SIDE: usize = 768;
/// How long the product is timed.
const GEMM_FOR: Duration = Duration::from_millis(200);

/// Share of the machine's GEMM rate that training is assumed to reach while no trial is finished.
/// `electra-lab bench step` measures it.
const ASSUMED_SHARE: f64 = 0.3;

/// What a run would do.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Name of the experiment.
    pub experiment: String,
    /// Name of the profile.
    pub profile: String,
    /// One entry per trial.
    pub trials: Vec<PlannedTrial>,
    /// Tokens of all trials; steps that trials share count once, here and in the FLOPs.
    pub total_tokens: u64,
    /// Training FLOPs of all trials, by the exact counter.
    pub total_flops: f64,
    /// Training FLOPs of all trials, by the paper's counter.
    pub total_flops_paper: f64,
    /// Estimated seconds of the work that remains.
    pub left_s: f64,
    /// What the estimate is based on, in words.
    pub basis: String,
    /// The distinct fine-tuning recipes of its trials, in words; empty where no task is evaluated.
    pub finetuning: Vec<String>,
}

/// One trial of a plan.
#[derive(Debug, Serialize)]
pub struct PlannedTrial {
    /// Name of its folder.
    pub id: String,
    /// Its point and seed.
    pub label: String,
    /// Done, partial, new, …
    pub status: TrialState,
    /// Parameters that pre-training updates.
    pub n_parameters: u64,
    /// Optimizer steps of pre-training; absent for a budget in seconds.
    pub steps: Option<u64>,
    /// Tokens at most: steps × batch × longest sequence; 0, like the FLOPs, where the steps are not known.
    pub tokens: u64,
    /// Training FLOPs of pre-training, by the exact counter for full sequences.
    pub flops: f64,
    /// Training FLOPs of pre-training, by the paper's counter.
    pub flops_paper: f64,
    /// Steps that another trial of the plan takes on the same schedule, from which this one continues.
    pub shared_steps: u64,
    /// Estimated seconds of the work that remains.
    pub left_s: f64,
}

impl PlannedTrial {
    /// The share of its steps that no other trial of the plan takes.
    fn unshared_fraction(&self) -> f64 {
        self.share_after(self.shared_steps)
    }

    /// The share of its steps after the first `done`; 1 where their number is not known.
    fn share_after(&self, done: u64) -> f64 {
        self.steps.map_or(1.0, |steps| 1.0 - (done as f64 / steps.max(1) as f64).min(1.0))
    }
}

/// The planned trial with what its pre-training costs.
fn with_cost(planned: PlannedTrial, spec: &TrialSpec, vocab: usize) -> PlannedTrial {
    let planned = PlannedTrial { n_parameters: flops::n_parameters(spec, vocab), ..planned };
    let Some(scheduled) = flops::resolved_steps(spec, vocab) else { return planned };
    let steps = spec.train.last_step(scheduled);
    PlannedTrial {
        steps: Some(steps),
        tokens: steps * (spec.train.batch * spec.train.seq_len) as u64,
        flops: steps as f64 * flops::train_flops_per_step(spec, vocab, scheduled),
        flops_paper: flops::paper::train_flops_until(spec, vocab, steps, scheduled),
        ..planned
    }
}

/// Makes the plan of an experiment whose results are in `results`.
pub fn plan_experiment(experiment: &Experiment, results: &Path, offline: bool) -> Result<Plan> {
    plan(experiment, results, &DataEnv::new(offline)?)
}

fn plan(experiment: &Experiment, results: &Path, env: &DataEnv) -> Result<Plan> {
    let planned_trials: Vec<Trial> = experiment.all_trials().cloned().collect();
    let texts = Texts::new(&planned_trials, env);
    let mut trials = Vec::with_capacity(planned_trials.len());
    let mut finished = Vec::new();
    for trial in &planned_trials {
        let folder = TrialFolder::new(results, &experiment.spec.name, &trial.id);
        // One unreadable trial must not hide the others.
        let status = match folder.outcome().and_then(|outcome| Ok((outcome, folder.state()?))) {
            Ok((outcome, status)) => {
                finished.extend(outcome.map(|outcome| (&trial.spec, outcome)));
                status
            }
            Err(error) => TrialState::Damaged { message: error.to_string() },
        };
        let planned = PlannedTrial {
            id: trial.id.to_string(),
            label: trial.label(),
            status,
            n_parameters: 0,
            steps: None,
            tokens: 0,
            flops: 0.0,
            flops_paper: 0.0,
            shared_steps: 0,
            left_s: 0.0,
        };
        trials.push(match &trial.spec.published {
            Some(published) => {
                let model = PublishedModel::open(published, env)?;
                model.check_positions(&trial.spec.evaluate)?;
                PlannedTrial { n_parameters: model.n_parameters, steps: Some(0), ..planned }
            }
            None => with_cost(planned, &trial.spec, texts.vocab_size(&trial.spec, &Silent)?),
        });
    }
    share_steps(&mut trials, &planned_trials);
    let rate = Rate::of(&finished, gemm_rate)?;
    for (planned, trial) in trials.iter_mut().zip(&planned_trials) {
        planned.left_s = rate.left_s(planned, &trial.spec);
    }
    // A trial that two points of the sweep name runs once.
    let mut seen = std::collections::BTreeSet::new();
    let runs: Vec<&PlannedTrial> = trials.iter().filter(|trial| seen.insert(&trial.id)).collect();
    Ok(Plan {
        experiment: experiment.spec.name.clone(),
        profile: experiment.profile.clone(),
        total_tokens: runs
            .iter()
            .map(|trial| (trial.tokens as f64 * trial.unshared_fraction()).round() as u64)
            .sum(),
        total_flops: runs.iter().map(|trial| trial.flops * trial.unshared_fraction()).sum(),
        total_flops_paper: runs.iter().map(|trial| trial.flops_paper * trial.unshared_fraction()).sum(),
        left_s: runs.iter().map(|trial| trial.left_s).sum(),
        basis: rate.basis(),
        finetuning: finetuning(experiment),
        trials,
    })
}

/// Sets how many steps of each trial another trial of the plan takes on the same schedule, as `reuse.rs`
/// finds them.
fn share_steps(planned: &mut [PlannedTrial], trials: &[Trial]) {
    let steps: Vec<Option<u64>> = planned.iter().map(|planned| planned.steps).collect();
    for (index, (planned, trial)) in planned.iter_mut().zip(trials).enumerate() {
        let Some(own) = planned.steps else { continue };
        let shared = |(other, source): (usize, &Trial)| {
            let reached = steps.get(other).copied().flatten()?;
            let runs_first = reached < own || (reached == own && other < index && source.id != trial.id);
            (runs_first && source.spec.pretrains_like(&trial.spec)).then_some(reached)
        };
        planned.shared_steps = trials.iter().enumerate().filter_map(shared).max().unwrap_or(0);
    }
}

fn finetuning(experiment: &Experiment) -> Vec<String> {
    let mut distinct = Vec::new();
    let evaluated = experiment.trials.iter().map(|trial| &trial.spec.evaluate);
    for evaluate in evaluated.filter(|evaluate| !evaluate.tasks.is_empty()) {
        let text = evaluate.description();
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct
}

/// How fast this machine trains.
struct Rate<'a> {
    finished: &'a [(&'a TrialSpec, Outcome)],
    /// Training FLOPs per second, by the exact counter.
    flops_per_s: f64,
    /// Mean seconds of fine-tuning per trial; None while no trial is finished.
    finetune_s: Option<f64>,
}

impl<'a> Rate<'a> {
    /// From the finished trials, or by `measure` where there are none.
    fn of(finished: &'a [(&'a TrialSpec, Outcome)], measure: impl FnOnce() -> Result<f64>) -> Result<Self> {
        let seconds: f64 = finished.iter().map(|(_, outcome)| outcome.timing.pretrain_s).sum();
        let work: f64 = finished.iter().map(|(_, outcome)| outcome.flops).sum();
        let finetune_s: f64 = finished.iter().map(|(_, outcome)| outcome.timing.finetune_s).sum();
        if seconds > 0.0 && work > 0.0 {
            let finetune_s = Some(finetune_s / finished.len() as f64);
            return Ok(Self { finished, flops_per_s: work / seconds, finetune_s });
        }
        Ok(Self { finished: &[], flops_per_s: measure()? * ASSUMED_SHARE, finetune_s: None })
    }

    fn left_s(&self, planned: &PlannedTrial, spec: &TrialSpec) -> f64 {
        let share = match &planned.status {
            TrialState::Done => return 0.0,
            TrialState::Partial { step } => planned.share_after(*step),
            TrialState::Pretrained => 0.0,
            TrialState::New => planned.unshared_fraction(),
            TrialState::Running | TrialState::Failed { .. } | TrialState::Damaged { .. } => 1.0,
        };
        let step_s: Vec<f64> = self
            .finished
            .iter()
            .filter(|(other, outcome)| has_same_shape(spec, other) && outcome.steps > 0)
            .map(|(_, outcome)| outcome.timing.pretrain_s / outcome.steps as f64)
            .collect();
        let pretrain_s = match planned.steps {
            None => spec.train.amount.unwrap_or_default() * spec.train.stop_at,
            Some(_) if step_s.is_empty() => planned.flops / self.flops_per_s,
            Some(steps) => steps as f64 * step_s.iter().sum::<f64>() / step_s.len() as f64,
        };
        share * pretrain_s + self.finetune_s.unwrap_or(0.0)
    }

    fn basis(&self) -> String {
        let rate = self.flops_per_s / 1e9;
        match self.finished.len() {
            1 => format!("from the finished trial: {rate:.0} GFLOP/s in training, and its fine-tuning"),
            0 => format!(
                "from a matrix product timed on this CPU: {rate:.0} GFLOP/s, {:.0} % of its rate; \
                 fine-tuning comes on top",
                ASSUMED_SHARE * 100.0
            ),
            n => format!("from {n} finished trials: {rate:.0} GFLOP/s in training, and their fine-tuning"),
        }
    }
}

/// Whether a step of one trial costs what a step of the other costs.
fn has_same_shape(one: &TrialSpec, other: &TrialSpec) -> bool {
    one.model == other.model
        && one.objective == other.objective
        && (one.train.batch, one.train.seq_len) == (other.train.batch, other.train.seq_len)
}

/// The best rate of a square f32 matrix product on the CPU, in FLOP/s.
fn gemm_rate() -> Result<f64> {
    let side = GEMM_SIDE;
    let matrix = Tensor::ones((side, side), DType::F32, &Device::Cpu)?;
    let mut best_s = f64::INFINITY;
    let start = Instant::now();
    while start.elapsed() < GEMM_FOR || !best_s.is_finite() {
        let before = Instant::now();
        matrix.matmul(&matrix)?;
        best_s = best_s.min(before.elapsed().as_secs_f64().max(1e-9));
    }
    Ok(2.0 * (side as f64).powi(3) / best_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::run::fixture::{a_trial, a_trial_with_ratio, an_env, an_experiment_of, an_outcome};

    #[test]
    fn finished_trials_set_the_rate() {
        let results = tempfile::tempdir().unwrap();
        let trials = vec![a_trial(1), a_trial(2), a_trial_with_ratio(0.5, 1)];
        let experiment = an_experiment_of(trials);
        let folder = TrialFolder::new(results.path(), "test", &experiment.trials[0].id);
        let _lock = folder.lock().unwrap();
        folder.write_outcome(&an_outcome(&experiment.trials[0].id)).unwrap();
        let plan = plan(&experiment, results.path(), &an_env()).unwrap();
        assert_eq!(plan.basis, "from the finished trial: 10 GFLOP/s in training, and its fine-tuning");
        let [done, alike, other] = &plan.trials[..] else { panic!("three trials") };
        assert_eq!(done.status, TrialState::Done);
        assert_eq!(done.left_s, 0.0);
        // 1000 steps took 100 s, and fine-tuning 20 s.
        assert_eq!(alike.left_s, 120.0);
        assert!((other.left_s - (other.flops / 1e10 + 20.0)).abs() < 1e-9);
        assert_eq!(alike.tokens, 1000 * 32 * 128);
        let vocab = crate::text::synthetic::vocabulary().len();
        assert_eq!(alike.flops_paper, flops::paper::train_flops(&experiment.trials[1].spec, vocab, 1000));
        assert_eq!(plan.total_flops_paper, plan.trials.iter().map(|trial| trial.flops_paper).sum::<f64>());
        assert_eq!(plan.left_s, alike.left_s + other.left_s);

        std::fs::write(folder.path().join("outcome.json"), "{").unwrap();
        let plan = super::plan(&experiment, results.path(), &an_env()).unwrap();
        assert!(matches!(plan.trials[0].status, TrialState::Damaged { .. }), "{:?}", plan.trials[0].status);
        assert_eq!(plan.trials.len(), 3);
    }

    #[test]
    fn a_partial_trial_counts_the_steps_that_remain() {
        let rate = Rate::of(&[], || Ok(1e9 / ASSUMED_SHARE)).unwrap();
        let trial = a_trial(1);
        let planned = |status| PlannedTrial {
            id: String::new(),
            label: String::new(),
            status,
            n_parameters: 1,
            steps: Some(100),
            tokens: 1,
            flops: 1e10,
            flops_paper: 1e10,
            shared_steps: 0,
            left_s: 0.0,
        };
        let left_s = |status| rate.left_s(&planned(status), &trial.spec);
        assert!((left_s(TrialState::New) - 10.0).abs() < 1e-9);
        assert!((left_s(TrialState::Partial { step: 75 }) - 2.5).abs() < 1e-9);
        assert_eq!(left_s(TrialState::Partial { step: 200 }), 0.0);
        assert_eq!(left_s(TrialState::Pretrained), 0.0);
    }

    /// Trials that stop early on the same schedule cost no more than the longest one; another seed shares
    /// nothing.
    #[test]
    fn shared_steps_are_counted_once() {
        let results = tempfile::tempdir().unwrap();
        let part = |stop_at, seed| {
            let mut trial = a_trial(seed);
            trial.spec.train.stop_at = stop_at;
            Trial { id: trial.spec.id(), ..trial }
        };
        let experiment = an_experiment_of(vec![part(1.0, 1), part(0.25, 1), part(0.5, 1), part(1.0, 2)]);
        let plan = plan(&experiment, results.path(), &an_env()).unwrap();
        let shared: Vec<u64> = plan.trials.iter().map(|trial| trial.shared_steps).collect();
        assert_eq!(shared, [500, 0, 250, 0]);
        assert_eq!(plan.total_tokens, 2 * 1000 * 32 * 128);
        assert!((plan.trials[0].left_s - plan.trials[3].left_s / 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_machine_is_timed_only_without_finished_trials() {
        let trial = a_trial(1);
        let finished = [(&trial.spec, an_outcome(&trial.id))];
        let never = || Err(Error::internal("timed"));
        assert!(Rate::of(&finished, never).is_ok());
        assert!(gemm_rate().unwrap() > 1e8);
    }
}
