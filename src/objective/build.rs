//! From the objective of a specification to its behaviour: the only match on [`ObjectiveSpec`] that makes
//! objectives.

use candle_core::Device;

use super::adversarial::{Adversarial, AdversarialWeights};
use super::coco_lm::{CocoLm, CocoLmWeights};
use super::electric::{Electric, ElectricWeights};
use super::frequencies::Frequencies;
use super::interface::Objective;
use super::masking::{MaskProbabilities, Masker, Vocabulary};
use super::mlm::{self, MaskedLanguageModelling};
use super::proposals::Sampling;
use super::restore::{RestoreWeights, Restored, TokenRestoration};
use super::rtd::{self, Judged, ReplacedTokenDetection, RtdWeights};
use super::two_stage::{StagePlan, TwoStage};
use crate::error::Result;
use crate::experiment::{GeneratorKind, Masking, ObjectiveSpec, TrialSpec};
use crate::nn::Parameters;

/// The objective of a trial, with freshly initialised networks on `device`.
///
/// # Errors
/// The generator is `unigram`, and the text has no token that may be drawn; the device cannot hold the
/// networks.
pub fn build(spec: &TrialSpec, vocabulary: &Vocabulary, device: &Device) -> Result<Box<dyn Objective>> {
    let parameters = Parameters::new(spec.seed, device)
        .with_initializer_range(spec.model.initializer_range)
        .with_precision(spec.train.precision);
    let masker = |masking, probabilities: MaskProbabilities| {
        Masker::new(masking, spec.objective.mask_fraction(), spec.train.seq_len, vocabulary, probabilities)
    };
    let all_masked = |masking| masker(masking, rtd::PAPER);
    let model = &spec.model;
    Ok(match spec.objective {
        ObjectiveSpec::Rtd { disc_weight, temperature, masking, generator, disallow_correct, .. } => {
            let sampling = Sampling { temperature, disallow_correct };
            let weights = RtdWeights { discriminator: disc_weight, sampling, judged: Judged::AllTokens };
            let table = frequencies(generator, vocabulary, temperature)?;
            Box::new(ReplacedTokenDetection::new(parameters, model, all_masked(masking), weights, table)?)
        }
        ObjectiveSpec::Electra15 { disc_weight, temperature, masking, normalise, .. } => {
            let (sampling, judged) = (Sampling::at(temperature), Judged::Masked(normalise));
            let weights = RtdWeights { discriminator: disc_weight, sampling, judged };
            Box::new(ReplacedTokenDetection::new(parameters, model, all_masked(masking), weights, None)?)
        }
        ObjectiveSpec::ReplaceMlm { restore_weight, temperature, masking, .. } => {
            let weights = restore_weights(restore_weight, temperature, Restored::Masked);
            Box::new(TokenRestoration::new(parameters, model, all_masked(masking), weights)?)
        }
        ObjectiveSpec::AllTokensMlm { restore_weight, temperature, masking, normalise, .. } => {
            let weights = restore_weights(restore_weight, temperature, Restored::AllTokens(normalise));
            Box::new(TokenRestoration::new(parameters, model, all_masked(masking), weights)?)
        }
        ObjectiveSpec::TwoStage { temperature, masking, initialise, schedule, .. } => {
            let n_generator_steps = spec.objective.generator_steps(spec.train.steps);
            let sampling = Sampling::at(temperature);
            let plan = StagePlan { n_generator_steps, initialise, schedule, sampling };
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
            let weights = AdversarialWeights {
                discriminator: disc_weight,
                policy: policy_weight,
                baseline: baseline_weight,
                likelihood: mle_weight,
                entropy: entropy_bonus,
            };
            // At a position that was drawn twice the discriminator would read the mean of two samples, and
            // the reward would belong to neither.
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
            let weights = CocoLmWeights {
                clm: clm_weight,
                copy: copy_weight,
                correction,
                scl: scl_weight,
                scl_temperature,
                crop,
                sampling: Sampling::at(temperature),
            };
            Box::new(CocoLm::new(parameters, model, all_masked(Masking::Paper), weights)?)
        }
        ObjectiveSpec::Electric { disc_weight, mask_fraction } => {
            let weights = ElectricWeights { discriminator: disc_weight, noise_fraction: mask_fraction };
            // At a position that was drawn twice the encoder would read the mean of two samples, whose
            // probability under q is unknown.
            Box::new(Electric::new(parameters, model, all_masked(Masking::Paper), weights)?)
        }
        ObjectiveSpec::Mlm { masking, .. } => {
            Box::new(MaskedLanguageModelling::new(parameters, model, masker(masking, mlm::PAPER))?)
        }
    })
}

fn restore_weights(restorer: f64, temperature: f64, restored: Restored) -> RestoreWeights {
    RestoreWeights { restorer, sampling: Sampling::at(temperature), restored }
}

/// The frequencies that a generator without a network draws from; None if the generator is a network.
fn frequencies(
    generator: GeneratorKind,
    vocabulary: &Vocabulary,
    temperature: f64,
) -> Result<Option<Frequencies>> {
    Ok(match generator {
        GeneratorKind::Network => None,
        GeneratorKind::Unigram => Some(Frequencies::unigram(vocabulary, temperature)?),
        GeneratorKind::Uniform => Some(Frequencies::uniform(vocabulary)),
    })
}
