//! Pre-training objectives: from a batch of tokens to a loss to minimise and measures to report.
//!
//! One file an objective. [`build`] alone turns the specification's word into one of them.

mod masking;
mod measures;
mod mlm;
mod rtd;

use candle_core::{Device, Tensor};

use masking::Masker;
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

    /// Step under which masks and samples are drawn: held-out batches have steps that no training reaches,
    /// and the same ones at every evaluation.
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
    /// What happened on the way to the loss.
    pub parts: Parts,
}

/// Tensors by name, for whoever checks a step from outside: without gradients, integers as u32. T tokens in
/// the batch, M slots of masking, V entries of the vocabulary:
///
/// - `masked_positions` [M] (indices into the T tokens), `originals` [M], `generator_input` [T],
///   `generator_logits` [M, V], `mlm_loss` [];
/// - of replaced-token detection also `samples` [M], `discriminator_input` [T], `labels` [T] (1 = replaced),
///   `discriminator_logits` [T], `rtd_loss` [].
///
/// The network of masked language modelling goes by the generator's names.
pub type Parts = Vec<(&'static str, Tensor)>;

/// Numbers of a part.
fn integers(values: &[u32]) -> Result<Tensor> {
    Ok(Tensor::from_slice(values, values.len(), &Device::Cpu)?)
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
    let masker = |masking, paper| {
        Masker::new(masking, spec.objective.mask_fraction(), spec.train.seq_len, vocabulary, paper)
    };
    Ok(match &spec.objective {
        ObjectiveSpec::Rtd { disc_weight, temperature, masking, .. } => {
            let weights = rtd::Weights { discriminator: *disc_weight, temperature: *temperature };
            let masker = masker(*masking, rtd::PAPER);
            Box::new(rtd::ReplacedTokenDetection::new(parameters, &spec.model, masker, weights)?)
        }
        ObjectiveSpec::Mlm { masking, .. } => {
            let masker = masker(*masking, mlm::PAPER);
            Box::new(mlm::MaskedLanguageModelling::new(parameters, &spec.model, masker)?)
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
