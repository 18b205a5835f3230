//! Pre-training objectives: from a batch of tokens to a loss to minimise and metrics to report.
//!
//! One file an objective. [`build`] alone turns the specification's word into one of them.

mod adversarial;
mod batch_share;
mod coco_lm;
mod contrast;
mod deferred_metrics;
mod detection;
mod electric;
mod frequencies;
mod masking;
mod metrics;
mod mlm;
mod proposals;
mod restore;
mod rtd;
#[cfg(test)]
mod tests;
mod two_stage;

use std::sync::Arc;

use candle_core::{Device, Tensor};

use adversarial::Adversarial;
use coco_lm::CorrectAndContrast;
pub use deferred_metrics::{DeferredMetrics, number};
use electric::Electric;
use frequencies::Frequencies;
pub use masking::Vocabulary;
use masking::{Masked, Masker};
pub use metrics::{Metrics, exact};
use mlm::MaskedLanguageModelling;
use proposals::Sampling;
use restore::TokenRestoration;
use rtd::ReplacedTokenDetection;
use two_stage::TwoStage;

use crate::error::Result;
use crate::experiment::{GeneratorKind, MainTask, Masking, ObjectiveSpec, TrialSpec};
use crate::nn::{Mode, Parameters, Tokens};
use crate::ops::dropout::Place;
use crate::ops::embedding::Indices;
use crate::ops::sampling::Sampler;
use crate::text::Batch;

/// Where in a run a batch is: addresses every random number that it draws.
#[derive(Clone, Copy, Debug)]
pub struct StepContext {
    /// Seed of the trial.
    pub seed: u64,
    /// Training step, or number of the held-out batch.
    pub step: u64,
    /// Training (dropout on) or held-out evaluation (dropout off, masks and samples of their own).
    pub training: bool,
    /// Whether somebody looks at the parts of the step.
    pub trace: bool,
}

impl StepContext {
    fn mode(self, batch: &Batch) -> Mode {
        if !self.training {
            return Mode::evaluate();
        }
        let place = Place { first_token: batch.first_token(), longest: batch.whole().longest() };
        Mode::train(self.seed, self.step).at(place)
    }

    /// Step under which masks and samples are drawn: held-out batches have steps that no training reaches,
    /// and the same ones at every evaluation.
    fn draw(self) -> u64 {
        if self.training { self.step } else { (1 << 62) + self.step }
    }

    /// The parts of the step, if anybody looks at them.
    fn trace(self, make: impl FnOnce() -> Result<StepTrace>) -> Result<StepTrace> {
        if self.trace { make() } else { Ok(StepTrace::new()) }
    }

    /// Draws tokens for the slots of `masked` from a softmax at a temperature.
    fn sampler(self, temperature: f64, masked: &Masked) -> Sampler {
        Sampler { temperature, seed: self.seed, step: self.draw(), first: masked.before as u64 }
    }
}

/// What a batch gives.
pub struct Losses {
    /// Scalar to minimise; of a part of a batch what it adds to the whole's.
    pub total: Tensor,
    /// Means over the batch, mergeable across batches.
    pub metrics: DeferredMetrics,
    /// What happened on the way to the loss; none unless they were asked for.
    pub trace: StepTrace,
}

/// Tensors by name, for whoever checks a step from outside: without gradients, integers as u32. T tokens in
/// the batch, M slots of masking, V entries of the vocabulary:
///
/// - `masked_positions` [M] (indices into the T tokens), `originals` [M], `generator_input` [T],
///   `generator_logits` [M, V], `mlm_loss` [];
/// - of replaced-token detection also `samples` [M], `discriminator_input` [T], `labels` [T] (1 = replaced),
///   `discriminator_logits` [T], `rtd_loss` [];
/// - of the adversarial generator those but `labels`, and `rewards` [M] and `advantages` [M];
/// - of two stages those of masked language modelling while the generator learns, later also `discriminator_input` and
///   `rtd_loss`;
/// - of the objectives that restore tokens `samples` [M], `restorer_input` [T], `restore_loss` [];
/// - of coco_lm those but `restore_loss`;
/// - of electric `masked_positions`, `originals`, `samples`, `discriminator_input`, `discriminator_logits` and `log_q`
///   [T] alone.
///
/// The network of masked language modelling goes by the generator's names. A generator without a network has
/// neither logits nor a loss.
pub type StepTrace = Vec<(&'static str, Tensor)>;

/// Numbers of a part.
fn integers(values: &[u32]) -> Result<Tensor> {
    Ok(Tensor::from_slice(values, values.len(), &Device::Cpu)?)
}

/// A pre-training objective with the network it trains.
pub trait Objective: Send {
    /// Loss and metrics of a batch.
    fn losses(&self, batch: &Batch, at: StepContext) -> Result<Losses>;
    /// Everything that is trained, by some step.
    fn parameters(&self) -> &Parameters;
    /// The stage that step `step` of `n_steps` belongs to.
    fn span(&self, _step: u64, n_steps: u64) -> Span {
        Span { first: 0, schedule_first: 0, schedule_steps: n_steps }
    }
    /// Prepares the networks for a stage after the first; called before the stage's first step, which also has fresh
    /// moments. Must depend on the parameters alone.
    fn begin_stage(&self) -> Result<()> {
        Ok(())
    }
    /// Whether step `step` trains the parameter of this name. One that is trained must get a gradient.
    fn trains(&self, _step: u64, _parameter: &str) -> bool {
        true
    }
}

/// A stage of training. Most objectives have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first step.
    pub first: u64,
    /// Step from which its learning-rate schedule counts.
    pub schedule_first: u64,
    /// Steps of that schedule.
    pub schedule_steps: u64,
}

/// The objective of a trial, with freshly initialised networks on `device`.
pub fn build(spec: &TrialSpec, vocabulary: &Vocabulary, device: &Device) -> Result<Box<dyn Objective>> {
    let parameters = Parameters::new(spec.seed, device)
        .with_initializer_range(spec.model.initializer_range)
        .with_precision(spec.train.precision);
    let masker = |masking, paper| {
        Masker::new(masking, spec.objective.mask_fraction(), spec.train.seq_len, vocabulary, paper)
    };
    let all_masked = |masking| masker(masking, rtd::PAPER);
    let model = &spec.model;
    Ok(match spec.objective {
        ObjectiveSpec::Rtd { disc_weight, temperature, masking, generator, disallow_correct, .. } => {
            let sampling = Sampling { temperature, disallow_correct };
            let weights = rtd::Weights { discriminator: disc_weight, sampling, masked_only: false };
            let table = match generator {
                GeneratorKind::Network => None,
                GeneratorKind::Unigram => Some(Frequencies::unigram(vocabulary, temperature)?),
                GeneratorKind::Uniform => Some(Frequencies::uniform(vocabulary)),
            };
            Box::new(ReplacedTokenDetection::new(parameters, model, all_masked(masking), weights, table)?)
        }
        ObjectiveSpec::Electra15 { disc_weight, temperature, masking, .. } => {
            let sampling = Sampling { temperature, disallow_correct: false };
            let weights = rtd::Weights { discriminator: disc_weight, sampling, masked_only: true };
            Box::new(ReplacedTokenDetection::new(parameters, model, all_masked(masking), weights, None)?)
        }
        ObjectiveSpec::ReplaceMlm { restore_weight, temperature, masking, .. }
        | ObjectiveSpec::AllTokensMlm { restore_weight, temperature, masking, .. } => {
            let sampling = Sampling { temperature, disallow_correct: false };
            let all_tokens = spec.objective.main_task() == MainTask::RestoreAll;
            let weights = restore::Weights { restoring: restore_weight, sampling, all_tokens };
            Box::new(TokenRestoration::new(parameters, model, all_masked(masking), weights)?)
        }
        ObjectiveSpec::TwoStage { temperature, masking, initialise, schedule, .. } => {
            let n_generator = spec.objective.generator_steps(spec.train.steps);
            let sampling = Sampling { temperature, disallow_correct: false };
            let plan = two_stage::Plan { n_generator, initialise, schedule, sampling };
            Box::new(TwoStage::new(parameters, model, all_masked(masking), plan)?)
        }
        ObjectiveSpec::Adversarial {
            disc_weight,
            policy_weight,
            baseline_weight,
            mle_weight,
            entropy_bonus,
            ..
        } => {
            let weights = adversarial::Weights {
                discriminator: disc_weight,
                policy: policy_weight,
                baseline: baseline_weight,
                likelihood: mle_weight,
                entropy: entropy_bonus,
            };
            // A position drawn twice would read the mean of two samples: its reward would be neither's.
            Box::new(Adversarial::new(parameters, model, all_masked(Masking::Paper), weights)?)
        }
        ObjectiveSpec::CocoLm {
            clm_weight,
            copy_weight,
            correction,
            scl_weight,
            scl_temperature,
            crop,
            temperature,
            ..
        } => {
            let weights = coco_lm::Weights {
                clm: clm_weight,
                copy: copy_weight,
                correction,
                scl: scl_weight,
                scl_temperature,
                crop,
                sampling: Sampling { temperature, disallow_correct: false },
            };
            Box::new(CorrectAndContrast::new(parameters, model, all_masked(Masking::Paper), weights)?)
        }
        ObjectiveSpec::Electric { disc_weight, mask_fraction } => {
            let weights = electric::Weights { discriminator: disc_weight, fraction: mask_fraction };
            // A position drawn twice would read the mean of two samples, which q did not give.
            Box::new(Electric::new(parameters, model, all_masked(Masking::Paper), weights)?)
        }
        ObjectiveSpec::Mlm { masking, .. } => {
            Box::new(MaskedLanguageModelling::new(parameters, model, masker(masking, mlm::PAPER))?)
        }
    })
}

/// The batch as a network reads it, with `words` in place of its ids.
pub fn tokens(batch: &Batch, words: impl Into<Arc<[u32]>>) -> Tokens {
    Tokens {
        indices: Indices {
            words: words.into(),
            positions: batch.positions().into(),
            kinds: batch.types.as_slice().into(),
            drawn: None,
        },
        offsets: batch.offsets.as_slice().into(),
    }
}
