//! What a run would do and cost: state, parameters, FLOPs, tokens and time of each trial.
//!
//! Parameters are exact; FLOPs are given by both counters; time is an estimate from the exact counter, and
//! the plan says what it is based on. A plan needs neither the text nor the network: where a tokenizer or a
//! published checkpoint is not on this machine, what depends on it is unknown, and a remark says so. Must
//! never: write anything, or download.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::published_model::PublishedModel;
use crate::error::{ErrorKind, Result};
use crate::experiment::{Budget, Control, Experiment, Trial, TrialSpec};
use crate::flops;
use crate::hub::{DataEnv, model_folder};
use crate::records::folder::TrialFolder;
use crate::records::state::TrialState;
use crate::records::{DataProvenance, Outcome};
use crate::text::known_vocab_size;

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
    /// Estimated seconds of the work that remains, without the trials whose time is not known.
    pub left_s: f64,
    /// What the estimate is based on, in words.
    pub basis: String,
    /// What the plan does not know and why, and what share of a text its packing keeps, in words.
    pub remarks: Vec<String>,
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
    /// Parameters that pre-training updates; absent where the size of the vocabulary is not known.
    pub n_parameters: Option<u64>,
    /// Optimizer steps of pre-training; absent for a budget in seconds, and for one in FLOPs where the size
    /// of the vocabulary is not known.
    pub steps: Option<u64>,
    /// Tokens at most: steps × batch × longest sequence; 0 where the steps are not known.
    pub tokens: u64,
    /// Training FLOPs of pre-training, by the exact counter for full sequences; absent where they are not
    /// known.
    pub flops: Option<f64>,
    /// Training FLOPs of pre-training, by the paper's counter.
    pub flops_paper: Option<f64>,
    /// Steps that another trial of the plan takes on the same schedule, from which this one continues.
    pub shared_steps: u64,
    /// Estimated seconds of the work that remains; absent where the FLOPs are not known.
    pub left_s: Option<f64>,
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

/// The planned trial with what its pre-training costs, as far as it is known without the vocabulary's size.
fn with_cost(planned: PlannedTrial, spec: &TrialSpec, vocab: Option<usize>) -> PlannedTrial {
    let scheduled = match (vocab, spec.train.budget) {
        (Some(vocab), _) => flops::resolved_steps(spec, vocab),
        // These do not depend on the vocabulary.
        (None, Budget::Steps | Budget::Tokens) => flops::resolved_steps(spec, 1),
        (None, _) => None,
    };
    let steps = scheduled.map(|scheduled| spec.train.last_step(scheduled));
    let planned = PlannedTrial {
        n_parameters: vocab.map(|vocab| flops::n_parameters(spec, vocab)),
        steps,
        tokens: steps.unwrap_or(0) * (spec.train.batch * spec.train.seq_len) as u64,
        ..planned
    };
    let (Some(vocab), Some(scheduled), Some(steps)) = (vocab, scheduled, steps) else { return planned };
    PlannedTrial {
        flops: Some(steps as f64 * flops::train_flops_per_step(spec, vocab, scheduled)),
        flops_paper: Some(flops::paper::train_flops_until(spec, vocab, steps, scheduled)),
        ..planned
    }
}

/// Makes the plan of an experiment whose results are in `results`.
pub fn plan_experiment(experiment: &Experiment, results: &Path) -> Result<Plan> {
    plan(experiment, results, &DataEnv::new(true)?)
}

fn plan(experiment: &Experiment, results: &Path, env: &DataEnv) -> Result<Plan> {
    let planned_trials: Vec<Trial> = experiment.all_trials().cloned().collect();
    let mut trials = Vec::with_capacity(planned_trials.len());
    let mut finished = Vec::new();
    let mut remarks = Vec::new();
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
            n_parameters: None,
            steps: None,
            tokens: 0,
            flops: None,
            flops_paper: None,
            shared_steps: 0,
            left_s: None,
        };
        trials.push(with_known_cost(planned, &trial.spec, env, &mut remarks)?);
        if let Ok(Some(record)) = folder.trial() {
            note(&mut remarks, kept_share(&record.provenance.corpus, trial.spec.train.seq_len));
        }
    }
    share_steps(&mut trials, &planned_trials);
    let rate = Rate::of(&finished, gemm_rate)?;
    for (planned, trial) in trials.iter_mut().zip(&planned_trials) {
        planned.left_s = rate.left_s(planned, &trial.spec);
    }
    // A trial that two points of the sweep name runs once.
    let mut seen = std::collections::BTreeSet::new();
    let runs: Vec<&PlannedTrial> = trials.iter().filter(|trial| seen.insert(&trial.id)).collect();
    let unshared = |flops: fn(&PlannedTrial) -> Option<f64>| -> f64 {
        runs.iter().map(|trial| flops(trial).unwrap_or(0.0) * trial.unshared_fraction()).sum()
    };
    Ok(Plan {
        experiment: experiment.spec.name.clone(),
        profile: experiment.profile.clone(),
        total_tokens: runs
            .iter()
            .map(|trial| (trial.tokens as f64 * trial.unshared_fraction()).round() as u64)
            .sum(),
        total_flops: unshared(|trial| trial.flops),
        total_flops_paper: unshared(|trial| trial.flops_paper),
        left_s: runs.iter().filter_map(|trial| trial.left_s).sum(),
        basis: rate.basis(),
        remarks,
        finetuning: finetuning(experiment),
        trials,
    })
}

/// The planned trial with what is known of its cost; a remark says what is not.
fn with_known_cost(
    planned: PlannedTrial,
    spec: &TrialSpec,
    env: &DataEnv,
    remarks: &mut Vec<String>,
) -> Result<PlannedTrial> {
    let untrained = |planned: PlannedTrial, n_parameters| PlannedTrial {
        n_parameters,
        steps: Some(0),
        flops: Some(0.0),
        flops_paper: Some(0.0),
        ..planned
    };
    // Counts have no weights.
    if spec.control == Some(Control::TextModels) {
        return Ok(untrained(planned, Some(0)));
    }
    if let Some(published) = &spec.published {
        let opened = PublishedModel::open(published, env).and_then(|model| {
            model.tokenizer()?;
            Ok(model)
        });
        let n_parameters = match opened {
            Ok(model) => {
                model.check_positions(&spec.evaluate)?;
                Some(model.n_parameters)
            }
            Err(error) => {
                let what = format!("the parameters of {} are unknown: {}", published.model, error.message);
                note(remarks, Some(what));
                None
            }
        };
        return Ok(untrained(planned, n_parameters));
    }
    for (key, published) in spec.init.checkpoints() {
        if let Err(error) = model_folder(&published.model, &published.revision, env) {
            let what = format!(
                "base.init.{key} = {} was not compared with base.model: {}",
                published.model, error.message
            );
            note(remarks, Some(what));
        }
    }
    let vocab = known_vocab_size(&spec.data, env);
    if let Err(error) = &vocab {
        let tokenizer = spec.data.tokenizer_name();
        let unknown = "parameters, FLOPs and time of its trials are unknown and not in the sums";
        let what = match error.kind {
            ErrorKind::Network => format!(
                "the tokenizer {tokenizer} is not on this machine: {unknown}; `electra-lab fetch` downloads it"
            ),
            _ => format!("the tokenizer {tokenizer} cannot be used: {}; {unknown}", error.message),
        };
        note(remarks, Some(what));
    }
    Ok(with_cost(planned, spec, vocab.ok()))
}

fn note(remarks: &mut Vec<String>, remark: Option<String>) {
    if let Some(remark) = remark.filter(|remark| !remarks.contains(remark)) {
        remarks.push(remark);
    }
}

/// What share of a text's tokens a finished or started trial found in its packed examples.
fn kept_share(data: &DataProvenance, seq_len: usize) -> Option<String> {
    let share = 100.0 * data.kept_share?;
    Some(format!("packing keeps {share:.1} % of the tokens of {} at length {seq_len}", data.source))
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

    /// Seconds of the work that remains; None where the FLOPs are needed and not known.
    fn left_s(&self, planned: &PlannedTrial, spec: &TrialSpec) -> Option<f64> {
        let share = match &planned.status {
            TrialState::Done => return Some(0.0),
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
            None if spec.train.budget != Budget::Seconds => return None,
            None => spec.train.amount.unwrap_or_default() * spec.train.stop_at,
            Some(_) if step_s.is_empty() => planned.flops? / self.flops_per_s,
            Some(steps) => steps as f64 * step_s.iter().sum::<f64>() / step_s.len() as f64,
        };
        Some(share * pretrain_s + self.finetune_s.unwrap_or(0.0))
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
        assert_eq!(done.left_s, Some(0.0));
        // 1000 steps took 100 s, and fine-tuning 20 s.
        assert_eq!(alike.left_s, Some(120.0));
        assert!((other.left_s.unwrap() - (other.flops.unwrap() / 1e10 + 20.0)).abs() < 1e-9);
        assert_eq!(alike.tokens, 1000 * 32 * 128);
        let vocab = crate::text::synthetic::vocabulary().len();
        let by_paper = flops::paper::train_flops(&experiment.trials[1].spec, vocab, 1000);
        assert_eq!(alike.flops_paper, Some(by_paper));
        let all_by_paper: f64 = plan.trials.iter().filter_map(|trial| trial.flops_paper).sum();
        assert_eq!(plan.total_flops_paper, all_by_paper);
        assert_eq!(plan.left_s, alike.left_s.unwrap() + other.left_s.unwrap());
        assert!(plan.remarks.is_empty(), "{:?}", plan.remarks);

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
            n_parameters: Some(1),
            steps: Some(100),
            tokens: 1,
            flops: Some(1e10),
            flops_paper: Some(1e10),
            shared_steps: 0,
            left_s: None,
        };
        let left_s = |status| rate.left_s(&planned(status), &trial.spec).unwrap();
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
        let left_s = |index: usize| plan.trials[index].left_s.unwrap();
        assert!((left_s(0) - left_s(3) / 2.0).abs() < 1e-9);
    }

    /// A trial on a text that is not on this machine, with this budget.
    fn trial_on(tokenizer: &str, train: &str) -> Trial {
        let mut trial = a_trial(1);
        let data = format!(r#"{{"kind": "hub", "repo": "no/text", "tokenizer": {tokenizer}}}"#);
        trial.spec.data = serde_json::from_str(&data).unwrap();
        trial.spec.train = serde_json::from_str(train).unwrap();
        Trial { id: trial.spec.id(), ..trial }
    }

    /// With empty caches and no network there is no error: a vocabulary of the text has the size that the
    /// file says; that of a tokenizer of the hub is unknown, and so is what depends on it.
    #[test]
    fn a_plan_needs_neither_text_nor_network() {
        let results = tempfile::tempdir().unwrap();
        let env = DataEnv::at(results.path());
        let (own, hub) = (r#"{"kind": "own", "size": 1024}"#, r#"{"kind": "hub"}"#);
        let steps = r#"{"steps": 1000}"#;
        let trials = vec![
            trial_on(own, steps),
            trial_on(hub, steps),
            trial_on(hub, r#"{"budget": "flops", "amount": 1e12}"#),
        ];
        let experiment = an_experiment_of(trials);
        let plan = plan(&experiment, results.path(), &env).unwrap();
        let [own, by_steps, by_flops] = &plan.trials[..] else { panic!("three trials") };
        assert_eq!(own.n_parameters, Some(flops::n_parameters(&experiment.trials[0].spec, 1024)));
        assert!(own.flops.is_some() && own.left_s.is_some());
        assert_eq!((by_steps.steps, by_steps.tokens), (Some(1000), own.tokens));
        assert_eq!((by_steps.n_parameters, by_steps.flops, by_steps.left_s), (None, None, None));
        assert_eq!((by_flops.steps, by_flops.tokens, by_flops.left_s), (None, 0, None));
        assert_eq!((plan.total_flops, plan.left_s), (own.flops.unwrap(), own.left_s.unwrap()));
        insta::assert_snapshot!(plan.remarks.join("\n"), @"the tokenizer google-bert/bert-base-uncased is not on this machine: parameters, FLOPs and time of its trials are unknown and not in the sums; `electra-lab fetch` downloads it");
        assert_eq!(std::fs::read_dir(results.path()).unwrap().count(), 0, "something was written");
    }

    #[test]
    fn a_published_checkpoint_that_is_not_here_has_unknown_parameters() {
        let results = tempfile::tempdir().unwrap();
        let mut trial = a_trial(1);
        trial.spec.published = Some(serde_json::from_str(r#"{"model": "no/model"}"#).unwrap());
        let experiment = an_experiment_of(vec![Trial { id: trial.spec.id(), ..trial }]);
        let plan = plan(&experiment, results.path(), &DataEnv::at(results.path())).unwrap();
        assert_eq!((plan.trials[0].n_parameters, plan.trials[0].steps), (None, Some(0)));
        assert!(
            plan.remarks[0].starts_with("the parameters of no/model are unknown: "),
            "{:?}",
            plan.remarks
        );
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
