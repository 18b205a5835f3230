//! The interface of an objective: what the training loop and the tools know of it.
//!
//! Must never: know one objective from another. Next: `build.rs`, which makes them; `train/step.rs`, which
//! calls them.

use super::masking::{Masked, Masker};
use super::scoring::TokenScorers;
use super::step::{Losses, StepContext};
use crate::error::Result;
use crate::nn::Parameters;
use crate::text::Batch;

/// A pre-training objective with the networks that it trains.
pub trait Objective: Send {
    /// The rule that chooses tokens and hides them.
    fn masker(&self) -> &Masker;

    /// Masks a full batch. A step does this once, before it cuts the batch into micro-batches.
    fn mask(&self, batch: &Batch, context: StepContext) -> Masked {
        self.masker().mask(batch, context.seed, context.sampling_step())
    }

    /// Loss and metrics of a masked batch, or of a micro-batch with its part of the full batch's mask.
    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses>;

    /// Masks a full batch and computes its loss and metrics.
    fn losses(&self, batch: &Batch, context: StepContext) -> Result<Losses> {
        self.masked_losses(batch, &self.mask(batch, context), context)
    }

    /// The networks that score the tokens of a text. None by default.
    fn scorers(&self) -> TokenScorers<'_> {
        TokenScorers::default()
    }

    /// Every parameter that is trained at some step.
    fn parameters(&self) -> &Parameters;

    /// The stage that step `step` of `n_steps` belongs to. Most objectives have one stage.
    fn stage(&self, _step: u64, n_steps: u64) -> StageSpan {
        StageSpan { first: 0, schedule_first: 0, schedule_steps: n_steps }
    }

    /// Prepares the networks for a stage after the first. It is called before the first step of the stage,
    /// when the moments are zero again, and must depend on the parameters alone.
    fn begin_stage(&self) -> Result<()> {
        Ok(())
    }

    /// Whether step `step` trains the parameter of this name. A parameter that is trained must get a
    /// gradient.
    fn trains(&self, _step: u64, _parameter: &str) -> bool {
        true
    }
}

/// The steps of one stage of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageSpan {
    /// First step of the stage.
    pub first: u64,
    /// Step from which its learning-rate schedule counts.
    pub schedule_first: u64,
    /// Number of steps in that schedule.
    pub schedule_steps: u64,
}
