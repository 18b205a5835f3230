//! One optimizer step, from a batch to updated parameters. The loop repeats it and a trace takes it apart.
//!
//! Must never: depend on anything but its arguments and the optimizer's moments. Next: `pretrain.rs`.

use super::optimizer::{GradientNorm, Optimizer};
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
    /// Learning rate, warm-up and size of a micro-batch.
    pub spec: &'a TrainSpec,
    /// Steps of the full run, over which the rate decays.
    pub n_steps: u64,
    /// The objective that is trained.
    pub objective: &'a dyn Objective,
    /// Whether the losses come with a trace. The batch is then not cut into micro-batches.
    pub trace: bool,
}

/// The result of a step.
pub struct Step {
    /// Losses of the batch before the update.
    pub losses: Losses,
    /// Learning rate.
    pub rate: f64,
    /// Global norm of the gradients.
    pub norm: GradientNorm,
}

impl Step {
    /// All metrics of the step.
    ///
    /// # Errors
    /// The gradient norm is not finite, now or when the metrics are resolved.
    pub fn metrics(self) -> Result<DeferredMetrics> {
        let mut metrics = self.losses.metrics;
        self.norm.measure(&mut metrics)?;
        metrics.mean("learning_rate", self.rate, 1.0);
        Ok(metrics)
    }
}

impl Stepper<'_> {
    /// Takes step `step`, counted from 0, on `batch`. The first step of a later stage begins the stage. This
    /// depends on the number of the step alone, so a run that stops before, at or after it resumes with the
    /// same numbers.
    ///
    /// Does not wait for a device: metrics there stay pending.
    ///
    /// # Errors
    /// The loss or a gradient is not finite. Nothing is updated then. On a device the error
    /// appears when the metrics or the norm are resolved.
    pub fn step(&self, optimizer: &mut Optimizer, step: u64, batch: Batch) -> Result<Step> {
        let (objective, parameters) = (self.objective, self.objective.parameters());
        let stage = objective.stage(step, self.n_steps);
        if step == stage.first && step > 0 {
            objective.begin_stage()?;
            optimizer.restart(parameters)?;
        }
        let losses = self.backward(optimizer, step, batch)?;
        let TrainSpec { learning_rate, warmup, .. } = *self.spec;
        let schedule = Schedule { peak: learning_rate, warmup, total: stage.schedule_steps };
        let rate = schedule.rate(step.saturating_sub(stage.schedule_first));
        let trained = |parameter: &Parameter| objective.trains(step, &parameter.name);
        let norm = optimizer.update_of(parameters, trained, |_| rate)?;
        Ok(Step { losses, rate, norm })
    }

    /// Masks a batch and accumulates the gradients of its micro-batches. Their losses sum to the batch's
    /// loss, which is returned without its gradient.
    fn backward(&self, optimizer: &mut Optimizer, step: u64, batch: Batch) -> Result<Losses> {
        let context = StepContext { seed: self.seed, step, training: true, trace: self.trace };
        let max_sequences = self.spec.micro_batch.filter(|_| !self.trace).unwrap_or(usize::MAX);
        let masked = self.objective.mask(&batch, context);
        let mut sum: Option<Losses> = None;
        optimizer.clear();
        for micro_batch in batch.micro_batches(max_sequences) {
            let masked = masked.of_micro_batch(&micro_batch);
            let Losses { total, mut metrics, trace } =
                self.objective.masked_losses(&micro_batch, &masked, context)?;
            metrics.defer(&[&total], move |tensors, _| match number(&tensors[0])?.is_finite() {
                true => Ok(()),
                false => Err(diverged(&format!("the loss of step {step}"))),
            })?;
            optimizer.accumulate(&total)?;
            let total = total.detach();
            sum = Some(match sum {
                None => Losses { total, metrics, trace },
                Some(mut sum) => {
                    sum.metrics.merge(metrics);
                    Losses { total: (sum.total + total)?, ..sum }
                }
            });
        }
        sum.ok_or_else(|| Error::internal("a batch was cut into no micro-batches"))
    }
}

/// The error that `what` is not a finite number any more.
pub fn diverged(what: &str) -> Error {
    let hint = "lower base.train.learning_rate or lengthen base.train.warmup";
    Error::new(ErrorKind::Training, format!("training diverged: {what} is not a finite number"), hint)
}
