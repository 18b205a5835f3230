//! One optimizer step, from a batch to updated parameters: what the loop repeats and what a trace takes apart.
//!
//! Must never: depend on anything but its arguments and the optimizer's moments. Next: `pretrain.rs`.

use super::optimizer::{Norm, Optimizer};
use super::schedule::Schedule;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TrainSpec;
use crate::nn::Parameter;
use crate::objective::{DeferredMetrics, Losses, Objective, StepContext, number};
use crate::text::Batch;

/// What every step of a run has in common.
#[derive(Clone, Copy)]
pub struct Stepper<'a> {
    /// Seed of the trial.
    pub seed: u64,
    /// Rates.
    pub spec: &'a TrainSpec,
    /// Steps of the whole run, over which the rate decays.
    pub n_steps: u64,
    /// What is trained.
    pub objective: &'a dyn Objective,
    /// Whether somebody looks at the parts of the losses. The batch is then not cut, whatever `micro_batch` says.
    pub trace: bool,
}

/// What a step did.
pub struct Step {
    /// Of the batch, before the update.
    pub losses: Losses,
    /// Learning rate.
    pub rate: f64,
    /// Global norm of the gradients.
    pub norm: Norm,
}

impl Step {
    /// What the metrics tell of the step.
    ///
    /// Errors, where they are known or when they become so: a norm that is not finite.
    pub fn metrics(self) -> Result<DeferredMetrics> {
        let mut metrics = self.losses.metrics;
        self.norm.measure(&mut metrics)?;
        metrics.mean("learning_rate", self.rate, 1.0);
        Ok(metrics)
    }
}

impl Stepper<'_> {
    /// Takes step `step`, counted from 0, on `batch`. The first step of a later stage begins it: that depends on the
    /// step's number alone, so a run that stops just before, at or after it goes on as if it had not.
    ///
    /// Does not wait for a device: there the metrics are still to be read.
    ///
    /// Errors: a loss or gradients that are not finite; nothing is updated then. Of a device that is an error of reading the metrics, or
    /// of the norm's.
    pub fn step(&self, optimizer: &mut Optimizer, step: u64, batch: Batch) -> Result<Step> {
        let (objective, parameters) = (self.objective, self.objective.parameters());
        let span = objective.span(step, self.n_steps);
        if step == span.first && step > 0 {
            objective.begin_stage()?;
            optimizer.restart(parameters)?;
        }
        let losses = self.backward(optimizer, step, batch)?;
        let TrainSpec { learning_rate, warmup, .. } = *self.spec;
        let total = span.schedule_steps;
        let rate =
            Schedule { peak: learning_rate, warmup, total }.rate(step.saturating_sub(span.schedule_first));
        let trained = |parameter: &Parameter| objective.trains(step, &parameter.name);
        let norm = optimizer.update_of(parameters, trained, |_| rate)?;
        Ok(Step { losses, rate, norm })
    }

    /// The gradients of a batch, a part of it after the other. Their losses add up to the batch's; the total has no gradient.
    fn backward(&self, optimizer: &mut Optimizer, step: u64, batch: Batch) -> Result<Losses> {
        let at = StepContext { seed: self.seed, step, training: true, trace: self.trace };
        let most = self.spec.micro_batch.filter(|_| !self.trace).unwrap_or(usize::MAX);
        let mut whole: Option<Losses> = None;
        optimizer.clear();
        for part in batch.micro_batches(most) {
            let Losses { total, mut metrics, trace } = self.objective.losses(&part, at)?;
            metrics.defer(&[&total], move |read, _| match number(&read[0])?.is_finite() {
                true => Ok(()),
                false => Err(diverged(&format!("at step {step} the loss is"))),
            })?;
            optimizer.accumulate(&total)?;
            let total = total.detach();
            whole = Some(match whole {
                None => Losses { total, metrics, trace },
                Some(mut sum) => {
                    sum.metrics.merge(metrics);
                    Losses { total: (sum.total + total)?, ..sum }
                }
            });
        }
        whole.ok_or_else(|| Error::internal("a batch had no trace"))
    }
}

/// Training that left the finite numbers: `what` ends in "is".
pub fn diverged(what: &str) -> Error {
    let hint = "lower base.train.learning_rate or lengthen base.train.warmup";
    Error::new(ErrorKind::Training, format!("{what} not a finite number"), hint)
}
