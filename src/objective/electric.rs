//! Electric (Clark et al. 2020b, arXiv 2012.08561): an energy for every token, by noise-contrastive estimation.
//!
//! With e^-E the unnormalised probability of a token in its context and q that of a noise distribution, of which k of n
//! tokens are drawn, a token is noise with probability k·q / ((n - k)·e^-E + k·q) = sigmoid(E + log q + log(k / (n - k)))
//! (§2.2 and algorithm 1). The loss is the binary cross-entropy of that over all tokens; q is a constant to it. q sees
//! the text, the energies the text with the noise in it. q learns by cross-entropy at every token that could be noise
//! (§2.3). Next: `rtd.rs`, which leaves q out and calls a draw that is the original an original.

use candle_core::{Device, Tensor};

use super::deferred_metrics::DeferredMetrics;
use super::detection::measure_detection;
use super::masking::Masker;
use super::metrics::area_under_curve;
use super::mlm::{Prediction, measure_hits};
use super::proposals::Replacements;
use super::{Losses, Objective, StepContext, batch_share, integers, tokens};
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::model;
use crate::nn::Parameters;
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::ops::cross_entropy::row_cross_entropy;
use crate::ops::gather::gather;
use crate::text::Batch;

/// Numbers of the objective.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// Of the energies' loss beside the cloze model's.
    pub discriminator: f64,
    /// k / n: share of the tokens that is noise.
    pub fraction: f64,
}

/// A cloze model, and an encoder that learns energies against it.
pub struct Electric {
    network: model::Electric,
    parameters: Parameters,
    masker: Masker,
    weights: Weights,
}

impl Electric {
    /// Makes both networks in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: Weights,
    ) -> Result<Self> {
        let network = model::Electric::new(&mut parameters, model, masker.vocab_size())?;
        Ok(Self { network, parameters, masker, weights })
    }
}

/// Logits [T] that tokens are noise, from their energies [T] and their log q: E + log q + log(k / (n - k)).
fn noise_logits(energies: &Tensor, log_q: &[f32], fraction: f64) -> Result<Tensor> {
    let odds = (fraction / (1.0 - fraction)).ln() as f32;
    let shifts: Vec<f32> = log_q.iter().map(|log_q| log_q + odds).collect();
    let shifts = Tensor::from_vec(shifts, log_q.len(), energies.device())?;
    Ok((energies + shifts.to_dtype(energies.dtype())?)?)
}

/// Values without their gradient.
fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.detach().to_device(&Device::Cpu)?.to_vec1()?)
}

impl Objective for Electric {
    fn losses(&self, batch: &Batch, at: StepContext) -> Result<Losses> {
        let model::Electric { generator, discriminator } = &self.network;
        let Weights { discriminator: weight, fraction } = self.weights;
        let masked = self.masker.mask(batch, at.seed, at.draw());
        let hidden = generator.forward(&tokens(batch, batch.ids.clone()), at.mode(batch))?;
        let nll = generator.head.losses(&hidden, &batch.ids.as_slice().into())?.losses;
        let learnt: Vec<u32> =
            (0u32..).zip(&batch.ids).filter(|(_, id)| self.masker.may_mask(**id)).map(|(at, _)| at).collect();
        let n_learnt = batch.whole().ids.iter().filter(|id| self.masker.may_mask(**id)).count();
        let cloze_loss = gather(&nll.unsqueeze(1)?, &learnt)?.mean_all()?;

        let known = gather(&hidden.detach(), &masked.positions)?;
        let logits = generator.head.forward(&known)?.detach();
        let predicted = Prediction::of_logits(&logits, &masked, Some(at.sampler(1.0, &masked)))?;
        let device = self.parameters.device();
        let read = Replacements::new(batch, &masked.positions, predicted.samples()?, device)?;
        // What follows is computed here: it waits for the device.
        let samples: &Vec<u32> = &predicted.samples()?.to_vec1()?;
        let drawn = numbers(&row_cross_entropy(&logits, &samples.as_slice().into())?)?;
        let mut log_q: Vec<f32> = numbers(&nll)?.iter().map(|surprise| -surprise).collect();
        let mut noise = vec![0f32; batch.n_tokens()];
        for (&position, surprise) in masked.positions.iter().zip(drawn) {
            log_q[position as usize] = -surprise;
            noise[position as usize] = 1.0;
        }
        let energies = discriminator.forward(&read.tokens, at.mode(batch))?;
        let noise_logits = noise_logits(&energies, &log_q, fraction)?;
        let noise = Tensor::from_vec(noise, batch.n_tokens(), device)?;
        let nce_loss = binary_cross_entropy(&noise_logits, &noise)?;
        let cloze_share = batch_share::scale_to_full_batch(&cloze_loss, learnt.len(), n_learnt)?;
        let total = (cloze_share + (batch_share::scale_token_mean(&nce_loss, batch)? * weight)?)?;

        let mut metrics = DeferredMetrics::default();
        predicted.measure(&masked.originals, &mut metrics)?;
        measure_hits("sample_accuracy", predicted.samples()?, &masked.originals, &mut metrics)?;
        metrics.loss("cloze_loss", &cloze_loss, learnt.len() as f64)?;
        metrics.loss("nce_loss", &nce_loss, batch.n_tokens() as f64)?;
        metrics.total(&total, batch)?;
        // Whatever was drawn counts as replaced, also where it is the original: that is what is learnt.
        measure_detection(&noise_logits, &noise, &mut metrics)?;
        metrics.defer(&[&energies, &noise], |read, metrics| {
            let (energies, noise): (Vec<f32>, Vec<f32>) = (read[0].to_vec1()?, read[1].to_vec1()?);
            if let Some(area) = area_under_curve(&energies, |i| noise[i] > 0.5) {
                metrics.mean("energy_auc", area, 1.0);
            }
            Ok(())
        })?;
        let trace = at.trace(|| {
            Ok(vec![
                ("masked_positions", integers(&masked.positions)?),
                ("originals", integers(&masked.originals)?),
                ("samples", integers(samples)?),
                ("discriminator_input", integers(&read.ids()?)?),
                ("discriminator_logits", noise_logits.detach()),
                ("log_q", Tensor::from_vec(log_q, batch.n_tokens(), &Device::Cpu)?),
            ])
        })?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    /// One token in five is noise, so k / (n - k) = 1/4. A token of the text with e^-E = 1/2 and q = 1/4 is noise with
    /// probability (1/4·1/4) / (1/2 + 1/4·1/4) = 1/9 and costs ln(9/8); one of the noise with e^-E = 1/10 and q = 4/5
    /// with probability (1/4·4/5) / (1/10 + 1/4·4/5) = 2/3 and costs ln(3/2). The gradient to each energy is that
    /// probability less the label, over two tokens: noise has its energy raised.
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
