//! COCO-LM (Meng et al. 2021, arXiv 2102.08473, §4): correcting and contrasting.
//!
//! A generator is trained and sampled as in replaced-token detection. The encoder reads the samples. Corrective
//! language modelling (§4.1): a copy gate D learns at every token whether it is the original, L_copy, and a softmax learns
//! the originals at the masked positions, L_LM = -log(1[kept]·D + (1 - D)·softmax) with D a constant; L_CLM =
//! λ_copy·L_copy + L_LM. Sequence contrastive learning (§4.2): `contrast.rs`. All losses are summed with the generator's.
//! No gradient of the encoder's losses reaches the generator but through embeddings that they share.
//! Next: `restore.rs`, ELECTRA's All-Tokens MLM, where the gate learns from the softmax's loss.

use candle_core::{Device, Tensor};

use super::contrast::{contrast, push_crops};
use super::deferred_metrics::DeferredMetrics;
use super::detection::{measure_detection, measure_replaced};
use super::masking::{Masked, Masker};
use super::proposals::{Proposer, Replacements, Sampling};
use super::restore::copy_losses;
use super::{Losses, Objective, StepContext, batch_share, integers, tokens};
use crate::error::{Error, Result};
use crate::experiment::{Correction, ModelSpec};
use crate::model::{CopyGate, MaskedLm, Restorer};
use crate::nn::Parameters;
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::ops::cross_entropy::row_cross_entropy;
use crate::ops::gather::gather;
use crate::ops::sampling::most_probable;
use crate::text::Batch;

/// Numbers of the objective.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// Of corrective language modelling; nothing corrects at 0.
    pub clm: f64,
    /// λ_copy: of the gate's loss within it.
    pub copy: f64,
    /// What the softmax is trained on.
    pub correction: Correction,
    /// Of the contrastive loss; there is no second view at 0.
    pub scl: f64,
    /// τ: divides the cosines.
    pub scl_temperature: f64,
    /// Share of a text that its second view keeps.
    pub crop: f64,
    /// How the generator is sampled.
    pub sampling: Sampling,
}

/// A generator, and the encoder that corrects and contrasts.
pub struct CorrectAndContrast {
    generator: Proposer,
    main: MaskedLm,
    gate: CopyGate,
    parameters: Parameters,
    masker: Masker,
    weights: Weights,
}

/// What the encoder read.
struct Corrupted {
    /// [T]
    ids: Vec<u32>,
    /// 1 where a token differs from the original, else 0. [T]
    replaced: Tensor,
}

impl CorrectAndContrast {
    /// Makes both networks in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: Weights,
    ) -> Result<Self> {
        let Restorer { generator, restorer: main, gate } =
            Restorer::new(&mut parameters, model, masker.vocab_size(), true)?;
        let Some(gate) = gate else { return Err(Error::internal("a network was made without its gate")) };
        Ok(Self { generator: Proposer::Network(generator), main, gate, parameters, masker, weights })
    }

    /// L_copy and L_LM of hidden states [T, H].
    fn correct(
        &self,
        hidden: &Tensor,
        masked: &Masked,
        corrupted: &Corrupted,
        metrics: &mut DeferredMetrics,
    ) -> Result<[Tensor; 2]> {
        let Corrupted { ids, replaced } = corrupted;
        let gate = self.gate.forward(hidden)?;
        let kept = (1.0 - replaced)?;
        let copy_loss = binary_cross_entropy(&gate, &kept)?;

        let rows = integers(&masked.positions)?.to_device(hidden.device())?;
        let logits = self.main.head.forward(&gather(hidden, &masked.positions)?)?;
        let nll = row_cross_entropy(&logits, &masked.originals.as_slice().into())?;
        let gate_there = gate.index_select(&rows, 0)?;
        let kept_there = kept.index_select(&rows, 0)?;
        let each = correction_losses(self.weights.correction, &gate_there, &nll, &kept_there)?;
        let lm_loss = each.mean_all()?;

        // What is not copied is taken for replaced.
        measure_detection(&gate.neg()?, replaced, metrics)?;
        let copies: Vec<f32> = gate_there.detach().to_device(&Device::Cpu)?.to_vec1()?;
        let best = most_probable(&logits)?;
        let slots = masked.positions.iter().zip(&masked.originals).zip(copies.iter().zip(&best));
        let right = slots.filter(|((position, original), (copy, best))| {
            let written = if **copy > 0.0 { ids[**position as usize] } else { **best };
            written == **original
        });
        let (n, n_tokens) = (masked.originals.len() as f64, ids.len() as f64);
        metrics.add("restore_accuracy", right.count() as f64, n);
        metrics.loss("copy_loss", &copy_loss, n_tokens)?;
        metrics.loss("lm_loss", &lm_loss, n)?;
        // The softmax alone, as in replace_mlm: the same whatever L_LM makes of it.
        metrics.loss("restore_loss", &nll.detach().mean_all()?, n)?;
        Ok([copy_loss, lm_loss])
    }

    /// L_SCL of hidden states of which the first of every sequence is a view's vector.
    fn contrast(&self, hidden: &Tensor, views: &Batch, metrics: &mut DeferredMetrics) -> Result<Tensor> {
        let first: Vec<u32> = views.offsets.iter().take(views.n_sequences()).map(|&at| at as u32).collect();
        let contrasted = contrast(&gather(hidden, &first)?, self.weights.scl_temperature)?;
        let n = first.len() as f64;
        metrics.loss("contrast_loss", &contrasted.loss, n)?;
        metrics.add("contrast_accuracy", contrasted.hits as f64, n);
        Ok(contrasted.loss)
    }
}

/// L_LM of each slot, from the gate's logits [M], the softmax's -log p [M] of the original and 1 where the token read
/// is the original, else 0 [M]. The gate gets no gradient.
fn correction_losses(correction: Correction, gate: &Tensor, nll: &Tensor, kept: &Tensor) -> Result<Tensor> {
    let gate = gate.detach();
    match correction {
        Correction::Paper => copy_losses(&gate, nll, kept),
        // 1 - D = sigmoid(-z) = 1 / (1 + e^z).
        Correction::ReleasedCode => Ok((nll / (gate.exp()? + 1.0)?)?),
    }
}

impl Objective for CorrectAndContrast {
    fn losses(&self, batch: &Batch, at: StepContext) -> Result<Losses> {
        let weights = self.weights;
        let masked = self.masker.mask(batch, at.seed, at.draw());
        let proposals = self.generator.propose(batch, &masked, weights.sampling, at, at.mode(batch))?;
        let Some(generator_loss) = proposals.loss() else {
            return Err(Error::internal("a generator without a network corrects nothing"));
        };
        let device = self.parameters.device();
        let read = Replacements::new(batch, &masked.positions, &proposals.samples, device)?;
        // The second views are sequences of the host, and so is all of the batch.
        let corrupted = Corrupted { ids: read.ids()?, replaced: read.replaced };
        // Both views in one pass: they are sequences like any others.
        let mut views = batch.clone();
        views.ids.clone_from(&corrupted.ids);
        if weights.scl > 0.0 {
            push_crops(&mut views, batch, weights.crop, at);
        }
        let hidden = self.main.encoder.forward(&tokens(&views, views.ids.clone()), at.mode(&views))?;

        let mut metrics = DeferredMetrics::default();
        let mut total = batch_share::scale_slot_mean(generator_loss, &masked)?;
        if weights.clm > 0.0 {
            let texts = hidden.narrow(0, 0, batch.n_tokens())?;
            let [copy, lm] = self.correct(&texts, &masked, &corrupted, &mut metrics)?;
            let copy = batch_share::scale_token_mean(&copy, batch)?;
            let loss = ((copy * weights.copy)? + batch_share::scale_slot_mean(&lm, &masked)?)?;
            total = (total + (loss * weights.clm)?)?;
        } else {
            measure_replaced(&corrupted.replaced, &mut metrics)?;
        }
        if weights.scl > 0.0 {
            let loss = self.contrast(&hidden, &views, &mut metrics)?;
            total = (total + (loss * weights.scl)?)?;
        }
        proposals.measure(&masked, &mut metrics)?;
        metrics.total(&total, batch)?;
        let trace = at.trace(|| {
            let mut trace = proposals.trace(&masked)?;
            trace.push(("restorer_input", integers(&corrupted.ids)?));
            Ok(trace)
        })?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Without correction its heads are made, so that a model's shape does not depend on a weight, and stand still.
    fn trains(&self, _step: u64, parameter: &str) -> bool {
        let corrects = ["mlm_head.", "copy_gate."].iter().any(|part| parameter.starts_with(part));
        self.weights.clm > 0.0 || !corrects
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    /// A gate of 3/4 and a softmax that gives the original 1/5. By the paper a kept token costs
    /// -ln(3/4 + 1/4·1/5) = -ln 0.8 and a replaced one -ln(1/4·1/5) = ln 20; by the released code both cost 1/4·ln 5.
    #[test]
    fn corrections_by_hand() {
        let gate = Var::new(&[3f32.ln(), 3f32.ln()], &Device::Cpu).unwrap();
        let nll = Var::new(&[5f32.ln(), 5f32.ln()], &Device::Cpu).unwrap();
        let kept = Tensor::new(&[1f32, 0.0], &Device::Cpu).unwrap();
        // The gradients are to -ln p: of the kept token 1/4·1/5 / 0.8 = 1/16, of the replaced one 1.
        for (correction, losses, gradients) in [
            (Correction::Paper, [-(0.8f32).ln(), 20f32.ln()], [0.0625, 1.0]),
            (Correction::ReleasedCode, [0.25 * 5f32.ln(); 2], [0.25; 2]),
        ] {
            let each = correction_losses(correction, &gate, &nll, &kept).unwrap();
            let store = each.sum_all().unwrap().backward().unwrap();
            let values = |tensor: &Tensor| tensor.to_vec1::<f32>().unwrap();
            let found = [(values(&each), losses), (values(store.get(&nll).unwrap()), gradients)];
            for (found, expected) in found {
                let close =
                    found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6);
                assert!(close, "{correction:?}: {found:?} against {expected:?}");
            }
            assert!(store.get(&gate).is_none(), "the gate is a constant to the softmax's loss");
        }
    }
}
