//! Restoring what a generator replaced (ELECTRA §3.4): Replace MLM and All-Tokens MLM.
//!
//! A generator is trained and sampled as in replaced-token detection. An encoder reads the samples and
//! predicts the originals. In Replace MLM it does so at the masked positions, by cross-entropy over the
//! vocabulary. In All-Tokens MLM it does so at every token with a copy gate, whose sigmoid is D:
//!
//! ```text
//! p = D·1[token read] + (1 - D)·softmax
//! ```
//!
//! The generator's loss and the encoder's weighted loss are summed. Next: `proposals.rs`.

use candle_core::Tensor;

use super::batch_share;
use super::deferred_metrics::DeferredMetrics;
use super::detection::{measure_detection, measure_replaced};
use super::interface::Objective;
use super::masking::{Masked, Masker};
use super::proposals::{Proposer, Replacements, Sampling};
use super::scoring::{MaskedScorer, OnePassScorer, TokenScorers};
use super::step::{Losses, StepContext, f32_values, u32_tensor};
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
pub struct RestoreWeights {
    /// Weight of the restoring encoder's loss. The generator's loss has weight 1.
    pub restorer: f64,
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
    weights: RestoreWeights,
}

/// What the encoder restored.
struct Restored {
    /// Scalar.
    loss: Tensor,
    /// The token that it would write at each slot. `[M]`
    written: Vec<u32>,
}

impl TokenRestoration {
    /// Makes both networks in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: RestoreWeights,
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
        replacements: &Replacements,
    ) -> Result<(Restored, Tensor)> {
        let softmax = self.restorer.head.losses(hidden, &batch.input_ids.as_slice().into())?;
        let gate = gate.forward(hidden)?;
        let kept = (1.0 - &replacements.replaced)?;
        let loss = copy_losses(&gate, &softmax.losses, &kept)?.mean_all()?;
        // What the encoder would write is decided on the host, so this waits for the device.
        let corrupted_ids = replacements.ids()?;
        let gate_logits = f32_values(&gate)?;
        let write = |&position: &u32| {
            let i = position as usize;
            if gate_logits[i] > 0.0 { corrupted_ids[i] } else { softmax.best[i] }
        };
        Ok((Restored { loss, written: masked.positions.iter().map(write).collect() }, gate))
    }
}

/// -log(D·kept + (1 - D)·softmax) of every token `[T]`.
///
/// `gate` are the gate's logits z `[T]`, `nll` the softmax's -log p `[T]` of the original, and `kept` is 1
/// where the token read is the original, otherwise 0 `[T]`. log D is -softplus(-z), and log(1 - D) is
/// -softplus(z). So the loss is softplus(z) - log p, minus softplus(z - log p) where the token was kept.
pub fn copy_losses(gate: &Tensor, nll: &Tensor, kept: &Tensor) -> Result<Tensor> {
    let copied = (softplus(&(gate + nll)?)? * kept.to_dtype(gate.dtype())?)?;
    Ok(((softplus(gate)? + nll)? - copied)?)
}

/// log(1 + e^x), stable at both ends.
fn softplus(x: &Tensor) -> Result<Tensor> {
    Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}

impl Objective for TokenRestoration {
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let mode = context.mode(batch);
        let proposals = self.generator.propose(batch, masked, self.weights.sampling, context, mode)?;
        let Some(generator_loss) = proposals.loss() else {
            return Err(Error::internal("restoring needs a generator network"));
        };
        let device = self.parameters.device();
        let replacements = Replacements::new(batch, &masked.positions, &proposals.samples, device)?;
        let hidden = self.restorer.encoder.forward(&replacements.tokens, mode)?;

        let mut metrics = DeferredMetrics::default();
        let restored = match &self.gate {
            None => {
                measure_replaced(&replacements.replaced, &mut metrics)?;
                self.restore_slots(&hidden, masked)?
            }
            Some(gate) => {
                let (restored, gate) = self.restore_all(gate, &hidden, batch, masked, &replacements)?;
                // A token that the gate does not copy counts as detected.
                measure_detection(&gate.neg()?, &replacements.replaced, &mut metrics)?;
                restored
            }
        };
        let restored_share = match self.weights.all_tokens {
            true => batch_share::scale_token_mean(&restored.loss, batch)?,
            false => batch_share::scale_slot_mean(&restored.loss, masked)?,
        };
        let total = (batch_share::scale_slot_mean(generator_loss, masked)?
            + (restored_share * self.weights.restorer)?)?;

        proposals.measure(masked, &mut metrics)?;
        let n = masked.originals.len() as f64;
        let hits = restored.written.iter().zip(&masked.originals).filter(|(one, other)| one == other);
        metrics.add("restore_accuracy", hits.count() as f64, n);
        let weight = if self.weights.all_tokens { batch.n_tokens() as f64 } else { n };
        metrics.loss("restore_loss", &restored.loss, weight)?;
        metrics.total_loss(&total, batch)?;
        let trace = context.trace(|| {
            let mut trace = proposals.trace(masked)?;
            trace.push(("restorer_input", u32_tensor(&replacements.ids()?)?));
            trace.push(("restore_loss", restored.loss.detach()));
            Ok(trace)
        })?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scorers(&self) -> TokenScorers<'_> {
        let one_pass = vec![OnePassScorer::restorer(&self.restorer, self.gate.as_ref())];
        TokenScorers {
            one_pass,
            masked: self.generator.network().map(MaskedScorer::generator).into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// The gate is 3/4 and the softmax gives the original 1/5. A kept token has probability 3/4 + 1/4·1/5, a
    /// replaced one 1/4·1/5.
    #[test]
    fn copy_losses_by_hand() {
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
