//! Restoring what a generator replaced (ELECTRA §3.4): Replace MLM, and All-Tokens MLM.
//!
//! A generator is trained and sampled as in replaced-token detection. An encoder reads the samples and predicts the
//! originals: at the masked positions by cross-entropy over the vocabulary, or, with a copy gate, at every real token
//! by p = D·1[token read] + (1 - D)·softmax, D = sigmoid of the gate. The generator's loss and the encoder's are
//! summed, the latter with a weight. Next: `proposals.rs`.

use candle_core::Tensor;

use super::deferred_metrics::DeferredMetrics;
use super::detection::{measure_detection, measure_replaced};
use super::masking::{Masked, Masker};
use super::proposals::{Proposer, Replacements, Sampling};
use super::{Losses, Objective, StepContext, batch_share, integers};
use crate::error::{Error, Result};
use crate::experiment::ModelSpec;
use crate::model::{CopyGate, MaskedLm, Restorer};
use crate::nn::Parameters;
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::gather::gather;
use crate::ops::sampling::most_probable;
use crate::text::Batch;

/// Numbers of the objective.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// Weight of the encoder's loss beside the generator's.
    pub restoring: f64,
    /// How the generator is sampled.
    pub sampling: Sampling,
    /// Whether every token is predicted, with a copy gate.
    pub all_tokens: bool,
}

/// A generator, and the encoder that restores.
pub struct TokenRestoration {
    generator: Proposer,
    restorer: MaskedLm,
    gate: Option<CopyGate>,
    parameters: Parameters,
    masker: Masker,
    weights: Weights,
}

/// What the encoder made of a batch.
struct Restored {
    /// Scalar.
    loss: Tensor,
    /// What it would write at each slot. [M]
    written: Vec<u32>,
}

impl TokenRestoration {
    /// Makes both networks in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: Weights,
    ) -> Result<Self> {
        let Restorer { generator, restorer, gate } =
            Restorer::new(&mut parameters, model, masker.vocab_size(), weights.all_tokens)?;
        Ok(Self { generator: Proposer::Network(generator), restorer, gate, parameters, masker, weights })
    }

    /// Cross-entropy at the slots.
    fn restore_slots(&self, hidden: &Tensor, masked: &Masked) -> Result<Restored> {
        let logits = self.restorer.head.forward(&gather(hidden, &masked.positions)?)?;
        let loss = cross_entropy(&logits, &masked.originals.as_slice().into())?;
        Ok(Restored { loss, written: most_probable(&logits)? })
    }

    /// Mean over all tokens of -log p of the original, and the gate's logits.
    fn restore_all(
        &self,
        gate: &CopyGate,
        hidden: &Tensor,
        batch: &Batch,
        masked: &Masked,
        read: &Replacements,
    ) -> Result<(Restored, Tensor)> {
        let softmax = self.restorer.head.losses(hidden, &batch.ids.as_slice().into())?;
        let gate = gate.forward(hidden)?;
        let loss = copy_losses(&gate, &softmax.losses, &(1.0 - &read.replaced)?)?.mean_all()?;
        // What would be written is known here: it waits for the device.
        let corrupted = read.ids()?;
        let copies: Vec<f32> = gate.detach().to_device(&candle_core::Device::Cpu)?.to_vec1()?;
        let write = |&position: &u32| {
            let i = position as usize;
            if copies[i] > 0.0 { corrupted[i] } else { softmax.best[i] }
        };
        Ok((Restored { loss, written: masked.positions.iter().map(write).collect() }, gate))
    }
}

/// -log(D·kept + (1 - D)·softmax) of every token, from the gate's logits z [T], the softmax's -log p [T] of the
/// original, and 1 where the token read is the original, else 0 [T]. With log D = -softplus(-z) and log(1 - D) = -softplus(z) it is
/// softplus(z) - log p, less softplus(z - log p) where the token was kept.
pub fn copy_losses(gate: &Tensor, losses: &Tensor, kept: &Tensor) -> Result<Tensor> {
    let copied = (softplus(&(gate + losses)?)? * kept.to_dtype(gate.dtype())?)?;
    Ok(((softplus(gate)? + losses)? - copied)?)
}

/// log(1 + e^x), stable at both ends.
fn softplus(x: &Tensor) -> Result<Tensor> {
    Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}

impl Objective for TokenRestoration {
    fn losses(&self, batch: &Batch, at: StepContext) -> Result<Losses> {
        let masked = self.masker.mask(batch, at.seed, at.draw());
        let proposals = self.generator.propose(batch, &masked, self.weights.sampling, at, at.mode(batch))?;
        let Some(generator_loss) = proposals.loss() else {
            return Err(Error::internal("a generator without a network restores nothing"));
        };
        let device = self.parameters.device();
        let read = Replacements::new(batch, &masked.positions, &proposals.samples, device)?;
        let hidden = self.restorer.encoder.forward(&read.tokens, at.mode(batch))?;

        let mut metrics = DeferredMetrics::default();
        let restored = match &self.gate {
            None => {
                measure_replaced(&read.replaced, &mut metrics)?;
                self.restore_slots(&hidden, &masked)?
            }
            Some(gate) => {
                let (restored, gate) = self.restore_all(gate, &hidden, batch, &masked, &read)?;
                // What is not copied is taken for replaced.
                measure_detection(&gate.neg()?, &read.replaced, &mut metrics)?;
                restored
            }
        };
        let restored_share = match self.weights.all_tokens {
            true => batch_share::scale_token_mean(&restored.loss, batch)?,
            false => batch_share::scale_slot_mean(&restored.loss, &masked)?,
        };
        let total = (batch_share::scale_slot_mean(generator_loss, &masked)?
            + (restored_share * self.weights.restoring)?)?;

        proposals.measure(&masked, &mut metrics)?;
        let n = masked.originals.len() as f64;
        let hits = restored.written.iter().zip(&masked.originals).filter(|(one, other)| one == other);
        metrics.add("restore_accuracy", hits.count() as f64, n);
        let weight = if self.weights.all_tokens { batch.n_tokens() as f64 } else { n };
        metrics.loss("restore_loss", &restored.loss, weight)?;
        metrics.total(&total, batch)?;
        let trace = at.trace(|| {
            let mut trace = proposals.trace(&masked)?;
            trace.push(("restorer_input", integers(&read.ids()?)?));
            trace.push(("restore_loss", restored.loss.detach()));
            Ok(trace)
        })?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// A gate of 3/4 and a softmax that gives the original 1/5: kept 3/4 + 1/4·1/5, replaced 1/4·1/5.
    #[test]
    fn a_copy_by_hand() {
        let gate = Tensor::new(&[3f32.ln(), 3f32.ln()], &Device::Cpu).unwrap();
        let losses = Tensor::new(&[5f32.ln(), 5f32.ln()], &Device::Cpu).unwrap();
        let kept = Tensor::new(&[1f32, 0.0], &Device::Cpu).unwrap();
        let found: Vec<f32> = copy_losses(&gate, &losses, &kept).unwrap().to_vec1().unwrap();
        for (found, expected) in found.iter().zip([-(0.8f32).ln(), 20f32.ln()]) {
            assert!((found - expected).abs() < 1e-6, "{found} against {expected}");
        }
    }

    #[test]
    fn extreme_gates_stay_finite() {
        let gate = Var::new(&[90f32, -90.0, 90.0, -90.0], &Device::Cpu).unwrap();
        let losses = Tensor::new(&[2f32, 2.0, 50.0, 0.0], &Device::Cpu).unwrap();
        let kept = Tensor::new(&[1f32, 1.0, 0.0, 0.0], &Device::Cpu).unwrap();
        let each = copy_losses(&gate, &losses, &kept).unwrap();
        let found: Vec<f32> = each.to_vec1().unwrap();
        assert!((found[0]).abs() < 1e-4 && (found[1] - 2.0).abs() < 1e-4, "{found:?}");
        assert!((found[2] - 140.0).abs() < 1e-3 && found[3].abs() < 1e-4, "{found:?}");
        let gradient: Vec<f32> =
            each.sum_all().unwrap().backward().unwrap().get(&gate).unwrap().to_vec1().unwrap();
        assert!(gradient.iter().all(|value| value.is_finite()) && (gradient[2] - 1.0).abs() < 1e-6);
    }
}
