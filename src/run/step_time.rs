//! The number of steps of a trial, whatever its budget counts.
//!
//! A budget in seconds becomes a number of steps before the first of them, by timing a few steps on networks
//! that are thrown away; from then on the trial is as reproducible as any other. `throughput.json` keeps that
//! number, so that a resumed trial has the same schedule. Must never: train a network that the trial keeps.
//! Next: `flops/budget.rs` for budgets that need no clock.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::context::TrialContext;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Budget, TrialSpec};
use crate::flops;
use crate::objective::{DeferredMetrics, Vocabulary, build};
use crate::records::RECORD_VERSION;
use crate::records::folder::TrialFolder;
use crate::text::Corpus;
use crate::train::{Optimizer, Stepper};

/// The file that keeps the number of steps.
const THROUGHPUT: &str = "throughput.json";
/// Its name in folders of earlier versions.
const OLD_THROUGHPUT: &str = "pace.json";

/// Steps before the clock starts: they touch pages and start threads.
const UNTIMED: u64 = 2;
/// Steps that are timed.
const TIMED: u64 = 18;

/// `throughput.json`: how many steps a budget in seconds buys on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// Format version.
    pub record_version: u32,
    /// Seconds per step: the mean of the timed ones.
    pub step_s: f64,
    /// Steps of the schedule.
    pub steps: u64,
}

impl StepTime {
    /// What was measured for a trial, if it was; folders of earlier versions call the file `pace.json`.
    pub fn read(folder: &TrialFolder) -> Result<Option<Self>> {
        match folder.read(THROUGHPUT)? {
            Some(measured) => Ok(Some(measured)),
            None => folder.read(OLD_THROUGHPUT),
        }
    }
}

/// The trial with its budget as steps.
///
/// # Errors
/// The budget buys fewer steps than the warm-up has, or than its stages need.
pub fn with_known_steps(
    spec: &TrialSpec,
    context: &TrialContext,
    vocabulary: &Vocabulary,
    corpus: &Corpus,
) -> Result<TrialSpec> {
    let steps = match flops::resolved_steps(spec, vocabulary.size) {
        Some(steps) => steps,
        None => match StepTime::read(context.folder)? {
            Some(known) => known.steps,
            None => {
                context.sink.phase("timing steps");
                let measured = measure(spec, context, vocabulary, corpus)?;
                context.folder.write(THROUGHPUT, &measured)?;
                measured.steps
            }
        },
    };
    check_steps(spec, steps)?;
    Ok(spec.with_steps(steps))
}

/// Errors where a number of steps is too small for the trial's schedule.
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
    let is_staged = spec.objective.has_stages();
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
    let (mut began, mut pending) = (Instant::now(), Vec::new());
    for step in 0..n_steps {
        context.stop.check()?;
        if step == UNTIMED {
            began = Instant::now();
        }
        let batch = corpus.batch_at(seed, step, trial.train.batch);
        pending.push(stepper.step(&mut optimizer, step, batch)?.metrics()?);
        // A device computes behind the host: reading the metrics waits for it, as in training.
        if [UNTIMED, n_steps].contains(&(step + 1)) {
            DeferredMetrics::resolve_all(std::mem::take(&mut pending))?;
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
    use crate::run::fixture::{a_context, a_trial, prepared};
    use crate::run::interrupt::StopFlag;

    /// A trial with a budget in seconds is timed once; from then on it counts steps.
    #[test]
    fn seconds_become_steps_once() {
        let mut trial = a_trial(1);
        let spec = &mut trial.spec;
        spec.model =
            ModelSpec { layers: Some(1), hidden: Some(16), embedding: Some(8), ..Default::default() };
        (spec.train.batch, spec.train.seq_len, spec.train.warmup) = (2, 16, 1);
        (spec.train.budget, spec.train.amount) = (Budget::Seconds, Some(1e4));
        let (stop, results) = (StopFlag::default(), tempfile::tempdir().unwrap());
        let folder = TrialFolder::new(results.path(), "test", &spec.id());
        let _lock = folder.lock().unwrap();
        let data = prepared(&[&trial]);
        let (spec, context) = (&trial.spec, a_context(&folder, &data, &stop));
        let text = data.text(spec).unwrap();
        let vocabulary = text.vocabulary(&spec.objective);
        let counted = || with_known_steps(spec, &context, &vocabulary, &text.corpus).unwrap();
        let first = counted();
        assert_eq!((first.train.budget, first.train.amount), (Budget::Steps, None));
        let measured: StepTime = folder.read("throughput.json").unwrap().unwrap();
        assert_eq!(first.train.steps, measured.steps);
        assert!(((1e4 / measured.step_s).floor() - measured.steps as f64).abs() < 1.0 && measured.steps > 1);
        folder.write("throughput.json", &StepTime { steps: 77, ..measured }).unwrap();
        assert_eq!(counted().train.steps, 77);

        // A folder of an earlier version keeps its number of steps too.
        std::fs::remove_file(folder.path().join("throughput.json")).unwrap();
        let old = r#"{"record_version": 1, "step_s": 0.5, "steps": 20000}"#;
        std::fs::write(folder.path().join("pace.json"), old).unwrap();
        assert_eq!(counted().train.steps, 20_000);
        assert!(!folder.path().join("throughput.json").exists(), "it was timed again");
    }

    #[test]
    fn a_budget_that_buys_too_few_steps_is_refused() {
        let mut spec = a_trial(1).spec;
        (spec.train.budget, spec.train.amount) = (Budget::Tokens, Some(8192.0));
        let refused = |spec: &TrialSpec| {
            let steps = flops::resolved_steps(spec, 100).unwrap();
            check_steps(spec, steps).unwrap_err().to_string()
        };
        insta::assert_snapshot!(refused(&spec), @r"
        train.amount = 8192 tokens buys 2 steps, and train.warmup has 100
        hint: raise train.amount, or lower train.warmup
        ");
        spec.objective = serde_json::from_str(r#"{"kind": "two_stage"}"#).unwrap();
        (spec.train.warmup, spec.train.amount) = (2, Some(12288.0));
        insta::assert_snapshot!(refused(&spec), @r"
        train.amount = 12288 tokens buys 3 steps, 1 in the shorter stage, and train.warmup has 2
        hint: raise train.amount, or lower train.warmup
        ");
        (spec.train.warmup, spec.train.amount) = (0, Some(10.0));
        insta::assert_snapshot!(refused(&spec), @r"
        train.amount = 10 tokens buys 1 steps, which leaves none for one of the two stages
        hint: raise train.amount
        ");
    }
}
