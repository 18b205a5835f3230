//! An adversarial generator (ELECTRA, appendix F): trained by REINFORCE to maximise the discriminator's loss.
//!
//! Let D be the probability of "original" that the discriminator gives to the sample x̂ at a masked position,
//! and h the generator's hidden state there:
//!
//! ```text
//! reward     R = -log D if x̂ is the original, otherwise -log(1 - D)
//! baseline   b = -log sigmoid(wᵀh)
//! generator  maximises the mean over masked positions of (R - b)·log p(x̂)
//! ```
//!
//! The reward is the discriminator's loss at the position. The baseline learns e^-R by cross-entropy. Reward
//! and baseline are constants to the generator, and no gradient of one network's loss reaches the other
//! network, except through shared embeddings. Next: `rtd.rs`, whose generator maximises likelihood.

use candle_core::{Device, Tensor};

use super::batch_share;
use super::deferred_metrics::DeferredMetrics;
use super::detection::{measure_detection, softplus};
use super::interface::Objective;
use super::masking::{Masked, Masker};
use super::prediction::{Prediction, hidden_at_slots, measure_hits};
use super::proposals::Replacements;
use super::scoring::{MaskedScorer, OnePassScorer, TokenScorers};
use super::step::{Losses, StepContext, f32_values, u32_tensor};
use super::tokens::tokens;
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::model::{AdversarialElectra, Electra};
use crate::nn::Parameters;
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::ops::cross_entropy::row_cross_entropy;
use crate::ops::entropy::entropy;
use crate::text::Batch;

/// Weights of the summed losses.
#[derive(Clone, Copy, Debug)]
pub struct AdversarialWeights {
    /// Weight of the discriminator's loss.
    pub discriminator: f64,
    /// Weight of the generator's policy gradient.
    pub policy: f64,
    /// Weight of the baseline's loss.
    pub baseline: f64,
    /// Weight of the generator's masked-language-model loss.
    pub likelihood: f64,
    /// Weight of the generator's entropy, which is maximised.
    pub entropy: f64,
}

/// Generator and discriminator, trained against each other.
pub struct Adversarial {
    network: AdversarialElectra,
    parameters: Parameters,
    masker: Masker,
    weights: AdversarialWeights,
}

impl Adversarial {
    /// Makes both networks and the baseline in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: AdversarialWeights,
    ) -> Result<Self> {
        let network = AdversarialElectra::new(&mut parameters, model, masker.vocab_size())?;
        Ok(Self { network, parameters, masker, weights })
    }
}

/// The discriminator's loss at a position, from its logit that the token was replaced.
fn reward(logit: f32, replaced: bool) -> f64 {
    let logit = f64::from(logit);
    softplus(if replaced { -logit } else { logit })
}

/// Mean of -(R - b)·log p(sample): minimising it maximises the reward. Takes logits `[M, V]`, M samples and M
/// advantages R - b.
fn policy_loss(logits: &Tensor, samples: &[u32], advantages: &[f32]) -> Result<Tensor> {
    let nll = row_cross_entropy(logits, &samples.into())?;
    let advantages = Tensor::from_slice(advantages, advantages.len(), logits.device())?;
    Ok((nll * advantages.to_dtype(logits.dtype())?)?.mean_all()?)
}

impl Objective for Adversarial {
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let AdversarialElectra { electra: Electra { generator, discriminator }, baseline } = &self.network;
        let weights = self.weights;
        let input = tokens(batch, masked.input_ids.clone());
        let hidden = hidden_at_slots(generator, &input, masked, context.mode(batch))?;
        let generator_logits = generator.head.forward(&hidden)?;
        let sampler = context.sampler(1.0, masked.first_slot);
        let predicted = Prediction::of_logits(&generator_logits, masked, Some(sampler))?;
        let device = self.parameters.device();
        let replacements = Replacements::new(batch, &masked.positions, predicted.samples()?, device)?;
        let logits = discriminator.forward(&replacements.tokens, context.mode(batch))?;
        let rtd_loss = binary_cross_entropy(&logits, &replacements.replaced)?;

        // The rewards are computed on the host, so this waits for the device.
        let samples: &Vec<u32> = &predicted.samples()?.to_vec1()?;
        let replaced = replacements.flags()?;
        let expected = baseline.forward(&hidden.detach())?;
        let (disc_logits, baseline_logits) = (f32_values(&logits)?, f32_values(&expected)?);
        let reward_at = |&position: &u32| reward(disc_logits[position as usize], replaced[position as usize]);
        let rewards: Vec<f64> = masked.positions.iter().map(reward_at).collect();
        let baselines: Vec<f64> = baseline_logits.iter().map(|&logit| softplus(-f64::from(logit))).collect();
        let advantages: Vec<f32> = rewards.iter().zip(&baselines).map(|(r, b)| (r - b) as f32).collect();
        let targets: Vec<f32> = rewards.iter().map(|reward| (-reward).exp() as f32).collect();
        let policy = policy_loss(&generator_logits, samples, &advantages)?;
        let targets = Tensor::from_slice(&targets, targets.len(), device)?;
        let baseline_loss = binary_cross_entropy(&expected, &targets)?;

        let mut total = (batch_share::scale_token_mean(&rtd_loss, batch)? * weights.discriminator)?;
        let of_slots = |mean: &Tensor| batch_share::scale_slot_mean(mean, masked);
        total = (total + (of_slots(&policy)? * weights.policy)?)?;
        total = (total + (of_slots(&baseline_loss)? * weights.baseline)?)?;
        if weights.likelihood > 0.0 {
            total = (total + (of_slots(&predicted.loss)? * weights.likelihood)?)?;
        }
        if weights.entropy > 0.0 {
            total = (total - (of_slots(&entropy(&generator_logits)?)? * weights.entropy)?)?;
        }

        let mut metrics = DeferredMetrics::default();
        predicted.measure(masked, &mut metrics)?;
        let n = rewards.len() as f64;
        measure_hits("sample_accuracy", predicted.samples()?, &masked.originals, &mut metrics)?;
        metrics.add("reward", rewards.iter().sum(), n);
        metrics.add("baseline", baselines.iter().sum(), n);
        metrics.loss("baseline_loss", &baseline_loss, n)?;
        metrics.loss("policy_loss", &policy, n)?;
        metrics.loss("rtd_loss", &rtd_loss, replaced.len() as f64)?;
        metrics.total_loss(&total, batch)?;
        measure_detection(&logits, &replacements.replaced, &mut metrics)?;
        let trace = context.trace(|| {
            let rewards: Vec<f32> = rewards.iter().map(|&reward| reward as f32).collect();
            let mut trace = predicted.trace(masked)?;
            trace.push(("samples", u32_tensor(samples)?));
            trace.extend(replacements.trace_detection(&logits, &rtd_loss)?);
            trace.extend([
                ("policy_loss", policy.detach()),
                ("baseline_loss", baseline_loss.detach()),
                ("rewards", Tensor::from_vec(rewards, masked.positions.len(), &Device::Cpu)?),
                ("advantages", Tensor::from_vec(advantages, masked.positions.len(), &Device::Cpu)?),
            ]);
            Ok(trace)
        })?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scorers(&self) -> TokenScorers<'_> {
        let Electra { generator, discriminator } = &self.network.electra;
        TokenScorers {
            one_pass: vec![OnePassScorer::discriminator(discriminator)],
            masked: vec![MaskedScorer::generator(generator)],
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    /// A logit of ln 3 gives "replaced" a probability of 3/4, so D = 1/4.
    #[test]
    fn rewards_by_hand() {
        let logit = 3f32.ln();
        assert!((reward(logit, false) - 4f64.ln()).abs() < 1e-6, "-log D of an original");
        assert!((reward(logit, true) - (4f64 / 3.0).ln()).abs() < 1e-6, "-log(1 - D) of a replacement");
        assert!(reward(-200.0, true) == 200.0 && reward(-200.0, false) < 1e-80);
    }

    /// Two slots over two tokens of probabilities 3/4 and 1/4. The samples are the first token with advantage
    /// 2 and the second with advantage -1. The loss is (-2·ln 3/4 + ln 1/4) / 2, and the gradient of each
    /// logit is advantage·(p - sampled) / 2.
    #[test]
    fn the_policy_gradient_by_hand() {
        let logits = Var::new(&[[3f32.ln(), 0.0], [3f32.ln(), 0.0]], &Device::Cpu).unwrap();
        let loss = policy_loss(&logits, &[0, 1], &[2.0, -1.0]).unwrap();
        let expected = (-2.0 * 0.75f32.ln() + 0.25f32.ln()) / 2.0;
        assert!((loss.to_scalar::<f32>().unwrap() - expected).abs() < 1e-6);
        let gradient = loss.backward().unwrap().get(&logits).unwrap().to_vec2::<f32>().unwrap();
        let expected = [[2.0 * -0.25, 2.0 * 0.25], [-0.75, 0.75]];
        for (row, expected) in gradient.iter().zip(expected) {
            for (value, expected) in row.iter().zip(expected) {
                assert!((value - expected / 2.0).abs() < 1e-6, "{gradient:?}");
            }
        }
    }
}
