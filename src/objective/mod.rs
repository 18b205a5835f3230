//! Pre-training objectives: from a batch of tokens to a loss to minimise and measures to report.
//!
//! One file an objective. [`build`] alone turns the specification's word into one of them.

mod masking;
mod measures;
mod mlm;
mod rtd;

use candle_core::{Device, Tensor};

pub use masking::Vocabulary;
pub use measures::{Measures, exact};

use crate::data::Batch;
use crate::fault::Result;
use crate::nn::{Mode, Parameters, Tokens};
use crate::ops::embedding::Indices;
use crate::spec::{ObjectiveSpec, TrialSpec};

/// Where in a run a batch is: addresses every random number that it draws.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Seed of the trial.
    pub seed: u64,
    /// Training step, or number of the held-out batch.
    pub step: u64,
    /// Training (dropout on) or held-out evaluation (dropout off, masks and samples of their own).
    pub training: bool,
}

impl Moment {
    fn mode(self) -> Mode {
        if self.training { Mode::train(self.seed, self.step) } else { Mode::evaluate() }
    }

    /// Step under which masks and samples are drawn: held-out batches have steps that no training reaches, and
    /// the same ones at every evaluation.
    fn draw(self) -> u64 {
        if self.training { self.step } else { (1 << 62) + self.step }
    }
}

/// What a batch gives.
pub struct Losses {
    /// Scalar to minimise.
    pub total: Tensor,
    /// Means over the batch, mergeable across batches.
    pub measures: Measures,
}

/// A pre-training objective with the network it trains.
pub trait Objective: Send {
    /// Loss and measures of a batch.
    fn losses(&self, batch: &Batch, at: Moment) -> Result<Losses>;
    /// Everything that is trained.
    fn parameters(&self) -> &Parameters;
}

/// The objective of a trial, with freshly initialised networks on `device`.
pub fn build(spec: &TrialSpec, vocabulary: &Vocabulary, device: &Device) -> Result<Box<dyn Objective>> {
    let parameters = Parameters::new(spec.seed, device);
    Ok(match &spec.objective {
        ObjectiveSpec::Rtd { disc_weight, mask_fraction, temperature } => {
            let weights = rtd::Weights {
                discriminator: *disc_weight,
                mask_fraction: *mask_fraction,
                temperature: *temperature,
            };
            Box::new(rtd::ReplacedTokenDetection::new(parameters, &spec.model, vocabulary, weights)?)
        }
        ObjectiveSpec::Mlm { mask_fraction } => {
            Box::new(mlm::MaskedLanguageModelling::new(parameters, &spec.model, vocabulary, *mask_fraction)?)
        }
    })
}

/// The batch as a network reads it, with `words` in place of its ids.
pub fn tokens(batch: &Batch, words: Vec<u32>) -> Tokens {
    Tokens {
        indices: Indices {
            words: words.into(),
            positions: batch.positions().into(),
            kinds: batch.types.as_slice().into(),
        },
        offsets: batch.offsets.as_slice().into(),
    }
}
