//! Electric (Clark et al. 2020b, arXiv 2012.08561): an energy for every token, by noise-contrastive
//! estimation.
//!
//! Let e^-E be the unnormalised probability of a token in its context, and q the probability that a noise
//! distribution gives to it. Of n tokens k are noise. A token is noise with this probability (§2.2 and
//! algorithm 1):
//!
//! ```text
//! k·q / ((n - k)·e^-E + k·q) = sigmoid(E + log q + log(k / (n - k)))
//! ```
//!
//! The loss is the binary cross-entropy of that probability over all tokens, and q is a constant to it. q is
//! computed from the text, the energies from the text with the noise in it. q learns by cross-entropy at
//! every token that could be noise (§2.3). Next: `rtd.rs`, which has no q and labels a sample that equals the
//! original as original.

use candle_core::{Device, Tensor};

use super::batch_share;
use super::deferred_metrics::DeferredMetrics;
use super::detection::measure_detection;
use super::interface::Objective;
use super::masking::{Masked, Masker};
use super::metrics::Ranking;
use super::prediction::{Prediction, measure_hits};
use super::proposals::Replacements;
use super::scoring::{OnePassScorer, TokenScorers};
use super::step::{Losses, StepContext, f32_values, u32_tensor};
use super::tokens::tokens;
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::model::ElectricNetworks;
use crate::nn::Parameters;
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::ops::cross_entropy::row_cross_entropy;
use crate::ops::gather::gather;
use crate::text::Batch;

/// Numbers of the objective.
#[derive(Clone, Copy, Debug)]
pub struct ElectricWeights {
    /// Weight of the energies' loss. The cloze model's loss has weight 1.
    pub discriminator: f64,
    /// k / n: share of the tokens that is noise.
    pub noise_fraction: f64,
}

/// A cloze model, which is the noise distribution, and an encoder that learns energies against it.
pub struct Electric {
    networks: ElectricNetworks,
    parameters: Parameters,
    masker: Masker,
    weights: ElectricWeights,
}

impl Electric {
    /// Makes both networks in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: ElectricWeights,
    ) -> Result<Self> {
        let networks = ElectricNetworks::new(&mut parameters, model, masker.vocab_size())?;
        Ok(Self { networks, parameters, masker, weights })
    }
}

/// Logits `[T]` that tokens are noise, from their energies E `[T]` and their log q:
/// E + log q + log(k / (n - k)).
fn noise_logits(energies: &Tensor, log_q: &[f32], noise_fraction: f64) -> Result<Tensor> {
    let log_odds = (noise_fraction / (1.0 - noise_fraction)).ln() as f32;
    let shifts: Vec<f32> = log_q.iter().map(|log_q| log_q + log_odds).collect();
    let shifts = Tensor::from_vec(shifts, log_q.len(), energies.device())?;
    Ok((energies + shifts.to_dtype(energies.dtype())?)?)
}

impl Objective for Electric {
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let ElectricNetworks { generator, discriminator } = &self.networks;
        let ElectricWeights { discriminator: weight, noise_fraction } = self.weights;
        let hidden = generator.forward(&tokens(batch, batch.input_ids.clone()), context.mode(batch))?;
        let nll = generator.head.losses(&hidden, &batch.input_ids.as_slice().into())?.losses;
        let candidates: Vec<u32> = (0u32..)
            .zip(&batch.input_ids)
            .filter(|(_, id)| self.masker.may_mask(**id))
            .map(|(i, _)| i)
            .collect();
        let n_full = batch.full_batch().input_ids.iter().filter(|id| self.masker.may_mask(**id)).count();
        let cloze_loss = gather(&nll.unsqueeze(1)?, &candidates)?.mean_all()?;

        let hidden_at_slots = gather(&hidden.detach(), &masked.positions)?;
        let logits = generator.head.forward(&hidden_at_slots)?.detach();
        let sampler = context.sampler(1.0, masked.first_slot);
        let predicted = Prediction::of_logits(&logits, masked, Some(sampler))?;
        let device = self.parameters.device();
        let replacements = Replacements::new(batch, &masked.positions, predicted.samples()?, device)?;

        // log q is computed on the host, so this waits for the device.
        let samples: &Vec<u32> = &predicted.samples()?.to_vec1()?;
        let sample_nll = f32_values(&row_cross_entropy(&logits, &samples.as_slice().into())?)?;
        let mut log_q: Vec<f32> = f32_values(&nll)?.iter().map(|nll| -nll).collect();
        let mut noise = vec![0f32; batch.n_tokens()];
        for (&position, nll) in masked.positions.iter().zip(sample_nll) {
            log_q[position as usize] = -nll;
            noise[position as usize] = 1.0;
        }
        let energies = discriminator.forward(&replacements.tokens, context.mode(batch))?;
        let noise_logits = noise_logits(&energies, &log_q, noise_fraction)?;
        let noise = Tensor::from_vec(noise, batch.n_tokens(), device)?;
        let nce_loss = binary_cross_entropy(&noise_logits, &noise)?;
        let cloze_share = batch_share::scale_to_full_batch(&cloze_loss, candidates.len(), n_full)?;
        let total = (cloze_share + (batch_share::scale_token_mean(&nce_loss, batch)? * weight)?)?;

        let mut metrics = DeferredMetrics::default();
        predicted.measure(masked, &mut metrics)?;
        measure_hits("sample_accuracy", predicted.samples()?, &masked.originals, &mut metrics)?;
        metrics.loss("cloze_loss", &cloze_loss, candidates.len() as f64)?;
        metrics.loss("nce_loss", &nce_loss, batch.n_tokens() as f64)?;
        metrics.total_loss(&total, batch)?;
        // Every sample counts as replaced, even one that equals the original: that is what the encoder
        // learns.
        measure_detection(&noise_logits, &noise, &mut metrics)?;
        metrics.defer(&[&energies, &noise], |resolved, metrics| {
            let (energies, noise): (Vec<f32>, Vec<f32>) = (resolved[0].to_vec1()?, resolved[1].to_vec1()?);
            if let Some(area) = Ranking::new(&energies, |i| noise[i] > 0.5).area() {
                metrics.mean("energy_auc", area, 1.0);
            }
            Ok(())
        })?;
        let trace = context.trace(|| {
            Ok(vec![
                ("masked_positions", u32_tensor(&masked.positions)?),
                ("originals", u32_tensor(&masked.originals)?),
                ("samples", u32_tensor(samples)?),
                ("discriminator_input", u32_tensor(&replacements.ids()?)?),
                ("discriminator_logits", noise_logits.detach()),
                ("log_q", Tensor::from_vec(log_q, batch.n_tokens(), &Device::Cpu)?),
            ])
        })?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scorers(&self) -> TokenScorers<'_> {
        let ElectricNetworks { generator, discriminator } = &self.networks;
        let one_pass = vec![OnePassScorer::energy(discriminator), OnePassScorer::towers(generator)];
        TokenScorers { one_pass, ..Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    /// One token in five is noise, so k / (n - k) = 1/4.
    ///
    /// ```text
    /// token       e^-E  q    probability of noise                    cost
    /// of the text  1/2  1/4  (1/4·1/4) / (1/2 + 1/4·1/4)  = 1/9      ln(9/8)
    /// noise       1/10  4/5  (1/4·4/5) / (1/10 + 1/4·4/5) = 2/3      ln(3/2)
    /// ```
    ///
    /// The gradient of each energy is that probability minus the label, divided by the two tokens: training
    /// raises the energy of noise.
    #[test]
    fn noise_contrastive_estimation_by_hand() {
        let energies = Var::new(&[2f32.ln(), 10f32.ln()], &Device::Cpu).unwrap();
        let logits = noise_logits(&energies, &[0.25f32.ln(), 0.8f32.ln()], 0.2).unwrap();
        let noise = Tensor::new(&[0f32, 1.0], &Device::Cpu).unwrap();
        let loss = binary_cross_entropy(&logits, &noise).unwrap();
        let expected = ((9f32 / 8.0).ln() + 1.5f32.ln()) / 2.0;
        assert!((loss.to_scalar::<f32>().unwrap() - expected).abs() < 1e-6);
        let gradient = loss.backward().unwrap().get(&energies).unwrap().to_vec1::<f32>().unwrap();
        for (found, expected) in gradient.iter().zip([1.0 / 18.0, -1.0 / 6.0]) {
            assert!((found - expected).abs() < 1e-6, "{gradient:?}");
        }
    }
}
