//! From the objective of a specification to its behaviour: the only match on [`ObjectiveSpec`] that makes
//! objectives.

use candle_core::Device;

use super::adversarial::{Adversarial, AdversarialWeights};
use super::bigram_generator::BigramGenerator;
use super::coco_lm::{CocoLm, CocoLmWeights};
use super::electric::{Electric, ElectricWeights};
use super::frequencies::Frequencies;
use super::interface::Objective;
use super::masking::{MaskProbabilities, Masker, Vocabulary};
use super::mlm::{self, MaskedLanguageModelling};
use super::proposals::{Proposer, Sampling, Temperature};
use super::restore::{RestoreWeights, Restored, TokenRestoration};
use super::rtd::{self, Judged, ReplacedTokenDetection, RtdWeights};
use super::script::{Script, ScriptWeights};
use super::two_stage::{StagePlan, TwoStage};
use crate::error::Result;
use crate::experiment::{GeneratorKind, Masking, ObjectiveSpec, TrialSpec};
use crate::nn::Parameters;

/// The objective of a trial, with freshly initialised networks on `device`.
///
/// # Errors
/// The generator is `unigram`, and the text has no token that may be drawn; the device cannot hold the
/// networks.
#[expect(clippy::too_many_lines, reason = "an arm for each objective; the only match that makes them")]
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
        ObjectiveSpec::Rtd {
            disc_weight,
            temperature,
            final_temperature,
            masking,
            generator,
            disallow_correct,
            ..
        } => {
            let changing = changing_temperature(temperature, final_temperature, 0, spec.train.steps);
            let sampling = Sampling { temperature: changing, disallow_correct };
            let weights = RtdWeights { discriminator: disc_weight, sampling, judged: Judged::AllTokens };
            let table = table(generator, vocabulary, temperature)?;
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
        ObjectiveSpec::TwoStage {
            temperature,
            final_temperature,
            masking,
            initialise,
            schedule,
            second_stage,
            disc_weight,
            ..
        } => {
            let n_generator_steps = spec.objective.generator_steps(spec.train.steps);
            let temperature =
                changing_temperature(temperature, final_temperature, n_generator_steps, spec.train.steps);
            let plan = StagePlan {
                n_generator_steps,
                initialise,
                schedule,
                second_stage,
                discriminator_weight: disc_weight,
                sampling: Sampling { temperature, disallow_correct: false },
            };
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
        ObjectiveSpec::Script { critic_weight, temperature, masking, .. } => {
            let weights = ScriptWeights { critic: critic_weight, temperature };
            Box::new(Script::new(parameters, model, all_masked(masking), weights)?)
        }
        ObjectiveSpec::Mlm { masking, .. } => {
            Box::new(MaskedLanguageModelling::new(parameters, model, masker(masking, mlm::PAPER))?)
        }
    })
}

fn restore_weights(restorer: f64, temperature: f64, restored: Restored) -> RestoreWeights {
    RestoreWeights { restorer, sampling: Sampling::at(temperature), restored }
}

/// A temperature from step `first_step` to the last of `n_steps`.
fn changing_temperature(first: f64, last: Option<f64>, first_step: u64, n_steps: u64) -> Temperature {
    Temperature { first, last: last.unwrap_or(first), first_step, last_step: n_steps.saturating_sub(1) }
}

/// A generator without a network; None if the generator is a network.
fn table(generator: GeneratorKind, vocabulary: &Vocabulary, temperature: f64) -> Result<Option<Proposer>> {
    Ok(match generator {
        GeneratorKind::Network => None,
        GeneratorKind::Unigram => Some(Proposer::Table(Frequencies::unigram(vocabulary, temperature)?)),
        GeneratorKind::Uniform => Some(Proposer::Table(Frequencies::uniform(vocabulary))),
        GeneratorKind::Bigram => Some(Proposer::Bigram(BigramGenerator::new(vocabulary, temperature)?)),
    })
}
