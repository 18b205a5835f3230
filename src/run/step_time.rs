//! The steps that a trial takes, whatever its budget counts.
//!
//! A budget in seconds is made a number of steps before the first of them, by timing a few steps on networks that are thrown
//! away; from then on the trial is as reproducible as any other. `pace.json` keeps what was found, so that a resumed trial has the
//! same schedule. Must never: train what the trial keeps. Next: `flops/budget.rs` for budgets that need no clock.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::context::TrialContext;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Budget, ObjectiveSpec, TrialSpec};
use crate::flops;
use crate::objective::{DeferredMetrics, Vocabulary, build};
use crate::records::RECORD_VERSION;
use crate::text::Corpus;
use crate::train::{Optimizer, Stepper};

/// The file of the pace.
pub const PACE: &str = "pace.json";

/// Steps that come first and are not timed: pages are touched and threads started there.
const UNTIMED: u64 = 2;
/// Steps that are timed.
const TIMED: u64 = 18;

/// `pace.json`: the steps that a budget in seconds was found to buy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// Format version.
    pub record_version: u32,
    /// Seconds of a step: the mean of those that were timed.
    pub step_s: f64,
    /// Steps of the schedule.
    pub steps: u64,
}

/// The trial with its budget as steps.
///
/// Errors: a budget that buys fewer steps than the warm-up has, or than its stages need.
pub fn with_known_steps(
    spec: &TrialSpec,
    context: &TrialContext,
    vocabulary: &Vocabulary,
    corpus: &Corpus,
) -> Result<TrialSpec> {
    let steps = match flops::resolved_steps(spec, vocabulary.size) {
        Some(steps) => steps,
        None => match context.folder.read::<StepTime>(PACE)? {
            Some(pace) => pace.steps,
            None => {
                context.sink.phase("timing steps");
                let pace = measure(spec, context, vocabulary, corpus)?;
                context.folder.write(PACE, &pace)?;
                pace.steps
            }
        },
    };
    check_steps(spec, steps)?;
    Ok(spec.with_steps(steps))
}

/// Whether a number of steps is enough for the trial's schedule.
pub fn check_steps(spec: &TrialSpec, steps: u64) -> Result<()> {
    let train = &spec.train;
    let (bought, raise) = match (train.budget.unit(), train.budget) {
        (None, Budget::Steps) => return Ok(()),
        (None, _) => (
            format!("train.steps = {} of replaced-token detection buys {steps} steps", train.steps),
            "raise train.steps",
        ),
        (Some(unit), _) => {
            let amount = train.amount.unwrap_or_default();
            (format!("train.amount = {amount} {unit} buys {steps} steps"), "raise train.amount")
        }
    };
    let is_staged = matches!(spec.objective, ObjectiveSpec::TwoStage { .. });
    if is_staged && spec.objective.generator_steps(steps) == 0 {
        let what = format!("{bought}, which leaves none for one of the two stages");
        return Err(Error::new(ErrorKind::Spec, what, raise));
    }
    let shortest = spec.objective.shortest_schedule(steps);
    if train.warmup > shortest {
        let part =
            if shortest < steps { format!(", {shortest} in the shorter stage") } else { String::new() };
        let what = format!("{bought}{part}, and train.warmup has {}", train.warmup);
        return Err(Error::new(ErrorKind::Spec, what, format!("{raise}, or lower train.warmup")));
    }
    Ok(())
}

fn measure(
    spec: &TrialSpec,
    context: &TrialContext,
    vocabulary: &Vocabulary,
    corpus: &Corpus,
) -> Result<StepTime> {
    // A short run of the whole schedule: where stages cost differently, each has its share of the time.
    let n_steps = UNTIMED + TIMED;
    let trial = spec.with_steps(n_steps);
    let objective = build(&trial, vocabulary, &context.device)?;
    let mut optimizer = Optimizer::new((&trial.train).into(), objective.parameters())?;
    let (seed, objective) = (trial.seed, objective.as_ref());
    let stepper = Stepper { seed, spec: &trial.train, n_steps, objective, trace: false };
    let (mut began, mut unread) = (Instant::now(), Vec::new());
    for step in 0..n_steps {
        context.stop.check()?;
        if step == UNTIMED {
            began = Instant::now();
        }
        let batch = corpus.batch_at(seed, step, trial.train.batch);
        unread.push(stepper.step(&mut optimizer, step, batch)?.metrics()?);
        // A device is asked for a step before it has taken it; what it measured is read, as in training.
        if [UNTIMED, n_steps].contains(&(step + 1)) {
            DeferredMetrics::resolve_all(std::mem::take(&mut unread))?;
        }
    }
    let step_s = began.elapsed().as_secs_f64() / TIMED as f64;
    let steps = (spec.train.amount.unwrap_or_default() / step_s).floor().max(1.0) as u64;
    Ok(StepTime { record_version: RECORD_VERSION, step_s, steps })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::ModelSpec;
    use crate::records::Silent;
    use crate::records::folder::TrialFolder;
    use crate::run::fixture::{a_context, a_trial, an_env};
    use crate::run::interrupt::StopFlag;
    use crate::run::trial::vocabulary;
    use crate::text::{open_corpus, open_tokenizer};

    /// A budget in seconds is measured once and then kept; the trial that comes of it counts steps.
    #[test]
    fn seconds_become_steps_once() {
        let mut spec = a_trial(1).spec;
        spec.model =
            ModelSpec { layers: Some(1), hidden: Some(16), embedding: Some(8), ..Default::default() };
        (spec.train.batch, spec.train.seq_len, spec.train.warmup) = (2, 16, 1);
        (spec.train.budget, spec.train.amount) = (Budget::Seconds, Some(1e4));
        let (env, stop, results) = (an_env(), StopFlag::default(), tempfile::tempdir().unwrap());
        let folder = TrialFolder::new(results.path(), "test", &spec.id());
        let _lock = folder.lock().unwrap();
        let context = a_context(&folder, &env, &stop);
        let tokenizer = open_tokenizer(&spec.data, &env, &Silent).unwrap();
        let corpus = open_corpus(&spec.data, 16, &env, context.sink).unwrap();
        let words = vocabulary(&spec, &tokenizer, &corpus);
        let counted = || with_known_steps(&spec, &context, &words, &corpus).unwrap();
        let first = counted();
        assert_eq!((first.train.budget, first.train.amount), (Budget::Steps, None));
        let pace: StepTime = folder.read(PACE).unwrap().unwrap();
        assert_eq!(first.train.steps, pace.steps);
        assert!(((1e4 / pace.step_s).floor() - pace.steps as f64).abs() < 1.0 && pace.steps > 1);
        folder.write(PACE, &StepTime { steps: 77, ..pace }).unwrap();
        assert_eq!(counted().train.steps, 77);
    }

    #[test]
    fn a_budget_that_buys_too_little_says_so() {
        let mut spec = a_trial(1).spec;
        (spec.train.budget, spec.train.amount) = (Budget::Tokens, Some(8192.0));
        let told = |spec: &TrialSpec| {
            let steps = flops::resolved_steps(spec, 100).unwrap();
            check_steps(spec, steps).unwrap_err().to_string()
        };
        insta::assert_snapshot!(told(&spec), @r"
        train.amount = 8192 tokens buys 2 steps, and train.warmup has 100
        hint: raise train.amount, or lower train.warmup
        ");
        spec.objective = serde_json::from_str(r#"{"kind": "two_stage"}"#).unwrap();
        (spec.train.warmup, spec.train.amount) = (2, Some(12288.0));
        insta::assert_snapshot!(told(&spec), @r"
        train.amount = 12288 tokens buys 3 steps, 1 in the shorter stage, and train.warmup has 2
        hint: raise train.amount, or lower train.warmup
        ");
        (spec.train.warmup, spec.train.amount) = (0, Some(10.0));
        insta::assert_snapshot!(told(&spec), @r"
        train.amount = 10 tokens buys 1 steps, which leaves none for one of the two stages
        hint: raise train.amount
        ");
    }
}
