//! COCO-LM (Meng et al. 2021, arXiv 2102.08473, §4): corrective language modelling and sequence contrastive
//! learning.
//!
//! A generator is trained and sampled as in replaced-token detection, and the encoder reads the samples.
//!
//! - Corrective language modelling (§4.1) has two losses. A copy gate D learns at every token whether it is
//!   the original (L_copy). A softmax learns the originals at the masked positions (L_LM), with D a constant.
//! - Sequence contrastive learning (§4.2) is in `contrast.rs`.
//!
//! ```text
//! L_LM  = -log(1[kept]·D + (1 - D)·softmax)
//! L_CLM = λ_copy·L_copy + L_LM
//! ```
//!
//! All losses are summed with the generator's. No gradient of the encoder's losses reaches the generator,
//! except through shared embeddings. Next: `restore.rs`, ELECTRA's All-Tokens MLM, where the gate learns from
//! the softmax's loss.

use candle_core::Tensor;

use super::batch_share;
use super::contrast::{contrast, push_crops};
use super::deferred_metrics::DeferredMetrics;
use super::detection::{measure_detection, measure_replaced};
use super::interface::Objective;
use super::masking::{Masked, Masker};
use super::proposals::{Proposer, Replacements, Sampling};
use super::restore::copy_losses;
use super::scoring::{MaskedScorer, OnePassScorer, TokenScorers};
use super::step::{Losses, StepContext, f32_values, u32_tensor};
use super::tokens::tokens;
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
pub struct CocoLmWeights {
    /// Weight of corrective language modelling. At 0 there is none.
    pub clm: f64,
    /// λ_copy: weight of the gate's loss within it.
    pub copy: f64,
    /// Which loss trains the softmax.
    pub correction: Correction,
    /// Weight of the contrastive loss. At 0 there is no second view.
    pub scl: f64,
    /// τ: divides the cosines.
    pub scl_temperature: f64,
    /// Share of a text that its second view keeps.
    pub crop: f64,
    /// How the generator is sampled.
    pub sampling: Sampling,
}

/// A generator, and the encoder that corrects and contrasts.
pub struct CocoLm {
    generator: Proposer,
    main: MaskedLm,
    gate: CopyGate,
    parameters: Parameters,
    masker: Masker,
    weights: CocoLmWeights,
}

/// The texts with the samples in them, as the encoder reads them.
struct CorruptedTexts {
    /// `[T]`
    ids: Vec<u32>,
    /// 1 where a token differs from the original, otherwise 0. `[T]`
    replaced: Tensor,
}

impl CocoLm {
    /// Makes both networks in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        masker: Masker,
        weights: CocoLmWeights,
    ) -> Result<Self> {
        let Restorer { generator, restorer: main, gate } =
            Restorer::new(&mut parameters, model, masker.vocab_size(), true)?;
        let Some(gate) = gate else { return Err(Error::internal("COCO-LM was built without its copy gate")) };
        Ok(Self { generator: Proposer::Network(generator), main, gate, parameters, masker, weights })
    }

    /// L_copy and L_LM of hidden states `[T, H]`.
    fn correct(
        &self,
        hidden: &Tensor,
        masked: &Masked,
        corrupted: &CorruptedTexts,
        metrics: &mut DeferredMetrics,
    ) -> Result<[Tensor; 2]> {
        let CorruptedTexts { ids, replaced } = corrupted;
        let gate = self.gate.forward(hidden)?;
        let kept = (1.0 - replaced)?;
        let copy_loss = binary_cross_entropy(&gate, &kept)?;

        let rows = u32_tensor(&masked.positions)?.to_device(hidden.device())?;
        let logits = self.main.head.forward(&gather(hidden, &masked.positions)?)?;
        let nll = row_cross_entropy(&logits, &masked.originals.as_slice().into())?;
        let gate_at_slots = gate.index_select(&rows, 0)?;
        let kept_at_slots = kept.index_select(&rows, 0)?;
        let each = correction_losses(self.weights.correction, &gate_at_slots, &nll, &kept_at_slots)?;
        let lm_loss = each.mean_all()?;

        // A token that the gate does not copy counts as detected.
        measure_detection(&gate.neg()?, replaced, metrics)?;
        let copies = f32_values(&gate_at_slots)?;
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
        // The loss of the softmax alone, as in replace_mlm, whichever L_LM is trained.
        metrics.loss("restore_loss", &nll.detach().mean_all()?, n)?;
        Ok([copy_loss, lm_loss])
    }

    /// L_SCL of hidden states `[T, H]`. The first one of every sequence is the vector of a view.
    fn contrast(&self, hidden: &Tensor, views: &Batch, metrics: &mut DeferredMetrics) -> Result<Tensor> {
        let first: Vec<u32> =
            views.offsets.iter().take(views.n_sequences()).map(|&start| start as u32).collect();
        let contrasted = contrast(&gather(hidden, &first)?, self.weights.scl_temperature)?;
        let n = first.len() as f64;
        metrics.loss("contrast_loss", &contrasted.loss, n)?;
        metrics.add("contrast_accuracy", contrasted.hits as f64, n);
        Ok(contrasted.loss)
    }
}

/// L_LM of each slot, from the gate's logits `[M]`, the softmax's -log p `[M]` of the original, and `kept`
/// `[M]`: 1 where the token read is the original, otherwise 0. The gate gets no gradient.
fn correction_losses(correction: Correction, gate: &Tensor, nll: &Tensor, kept: &Tensor) -> Result<Tensor> {
    let gate = gate.detach();
    match correction {
        Correction::Paper => copy_losses(&gate, nll, kept),
        // 1 - D = sigmoid(-z) = 1 / (1 + e^z).
        Correction::ReleasedCode => Ok((nll / (gate.exp()? + 1.0)?)?),
    }
}

impl Objective for CocoLm {
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let weights = self.weights;
        let mode = context.mode(batch);
        let proposals = self.generator.propose(batch, masked, weights.sampling, context, mode)?;
        let Some(generator_loss) = proposals.loss() else {
            return Err(Error::internal("COCO-LM needs a generator network"));
        };
        let device = self.parameters.device();
        let replacements = Replacements::new(batch, &masked.positions, &proposals.samples, device)?;
        // Both views are one batch on the host, so this waits for the device that drew the samples.
        let corrupted = CorruptedTexts { ids: replacements.ids()?, replaced: replacements.replaced };
        // Both views in one pass: they are sequences like any others.
        let mut views = batch.clone();
        views.input_ids.clone_from(&corrupted.ids);
        if weights.scl > 0.0 {
            push_crops(&mut views, batch, weights.crop, context);
        }
        let hidden =
            self.main.encoder.forward(&tokens(&views, views.input_ids.clone()), context.mode(&views))?;

        let mut metrics = DeferredMetrics::default();
        let mut total = batch_share::scale_slot_mean(generator_loss, masked)?;
        if weights.clm > 0.0 {
            let texts = hidden.narrow(0, 0, batch.n_tokens())?;
            let [copy, lm] = self.correct(&texts, masked, &corrupted, &mut metrics)?;
            let copy = batch_share::scale_token_mean(&copy, batch)?;
            let loss = ((copy * weights.copy)? + batch_share::scale_slot_mean(&lm, masked)?)?;
            total = (total + (loss * weights.clm)?)?;
        } else {
            measure_replaced(&corrupted.replaced, &mut metrics)?;
        }
        if weights.scl > 0.0 {
            let loss = self.contrast(&hidden, &views, &mut metrics)?;
            total = (total + (loss * weights.scl)?)?;
        }
        proposals.measure(masked, &mut metrics)?;
        metrics.total_loss(&total, batch)?;
        let trace = context.trace(|| {
            let mut trace = proposals.trace(masked)?;
            trace.push(("restorer_input", u32_tensor(&corrupted.ids)?));
            Ok(trace)
        })?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scorers(&self) -> TokenScorers<'_> {
        let one_pass = vec![OnePassScorer::gate(&self.main.encoder, &self.gate)];
        TokenScorers {
            one_pass,
            masked: self.generator.network().map(MaskedScorer::generator).into_iter().collect(),
        }
    }

    /// Without correction its heads still exist, so that a model's shape does not depend on a weight, but
    /// they are not trained.
    fn trains(&self, _step: u64, parameter: &str) -> bool {
        let corrects = ["mlm_head.", "copy_gate."].iter().any(|part| parameter.starts_with(part));
        self.weights.clm > 0.0 || !corrects
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// The gate is 3/4 and the softmax gives the original 1/5. By the released code a kept and a replaced
    /// token both cost 1/4·ln 5. By the paper:
    ///
    /// ```text
    /// kept      -ln(3/4 + 1/4·1/5) = -ln 0.8
    /// replaced  -ln(1/4·1/5) = ln 20
    /// ```
    #[test]
    fn corrections_by_hand() {
        let gate = Var::new(&[3f32.ln(), 3f32.ln()], &Device::Cpu).unwrap();
        let nll = Var::new(&[5f32.ln(), 5f32.ln()], &Device::Cpu).unwrap();
        let kept = Tensor::new(&[1f32, 0.0], &Device::Cpu).unwrap();
        // The gradient with respect to -ln p is 1/4·1/5 / 0.8 = 1/16 for the kept token and 1 for the
        // replaced one.
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
            assert!(store.get(&gate).is_none(), "the gate must be a constant to the softmax's loss");
        }
    }
}
