//! One optimizer step, from a batch to updated parameters: what the loop repeats and what a trace takes apart.
//!
//! Must never: depend on anything but its arguments and the optimizer's moments. Next: `pretrain.rs`.

use super::{Optimizer, Schedule};
use crate::data::Batch;
use crate::fault::{Fault, FaultKind, Result};
use crate::objective::{Losses, Moment, Objective};
use crate::spec::TrainSpec;

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
}

/// What a step did.
pub struct Step {
    /// Of the batch, before the update.
    pub losses: Losses,
    /// Learning rate.
    pub rate: f64,
    /// Global norm of the gradients.
    pub norm: f64,
}

impl Stepper<'_> {
    /// Takes step `step`, counted from 0, on `batch`.
    ///
    /// Errors: a loss or gradients that are not finite; nothing is updated then.
    pub fn step(&self, optimizer: &mut Optimizer, step: u64, batch: &Batch) -> Result<Step> {
        let at = Moment { seed: self.seed, step, training: true };
        let losses = self.objective.losses(batch, at)?;
        if losses.measures.value("loss").is_some_and(|loss| !loss.is_finite()) {
            return Err(diverged(&format!("at step {step} the loss is")));
        }
        let TrainSpec { learning_rate, warmup, .. } = *self.spec;
        let rate = Schedule { peak: learning_rate, warmup, total: self.n_steps }.rate(step);
        let norm = optimizer.step(self.objective.parameters(), &losses.total, |_| rate)?;
        Ok(Step { losses, rate, norm })
    }
}

/// Training that left the finite numbers: `what` ends in "is".
pub fn diverged(what: &str) -> Fault {
    let hint = "lower base.train.learning_rate or lengthen base.train.warmup";
    Fault::new(FaultKind::Training, format!("{what} not a finite number"), hint)
}
