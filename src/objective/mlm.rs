//! Masked language modelling (ELECTRA §3.5's baseline): some tokens are chosen and hidden, and predicted by
//! cross-entropy at their positions. What hides them is `masking`'s; under the paper's rule BERT's 80, 10 and
//! 10 %.

use candle_core::Tensor;

use super::deferred_metrics::DeferredMetrics;
use super::masking::{MaskProbabilities, Masked, Masker};
use super::{Losses, Objective, StepContext, StepTrace, batch_share, tokens};
use crate::error::{Error, Result};
use crate::experiment::ModelSpec;
use crate::model::{EncoderNetwork, MaskedLm};
use crate::nn::{Mode, Parameters, Tokens};
use crate::ops::gather::gather;
use crate::ops::readings::{Readings, read};
use crate::ops::sampling::Sampler;
use crate::text::Batch;

/// Of the chosen tokens 80 % become [MASK], 10 % a random token, 10 % stay (BERT).
pub const PAPER: MaskProbabilities = MaskProbabilities { mask: 0.8, random: 0.1 };

/// One encoder trained to restore the chosen tokens.
pub struct MaskedLanguageModelling {
    network: MaskedLm,
    parameters: Parameters,
    masker: Masker,
}

impl MaskedLanguageModelling {
    /// Makes the network in `parameters`.
    pub fn new(mut parameters: Parameters, model: &ModelSpec, masker: Masker) -> Result<Self> {
        let network = EncoderNetwork::of_spec(model, masker.vocab_size());
        let network = MaskedLm::new(&mut parameters, &network)?;
        Ok(Self { network, parameters, masker })
    }
}

impl Objective for MaskedLanguageModelling {
    fn losses(&self, batch: &Batch, at: StepContext) -> Result<Losses> {
        let masked = self.masker.mask(batch, at.seed, at.draw());
        let input = tokens(batch, masked.ids.clone());
        let predicted = predict(&self.network, &input, &masked, None, at.mode(batch), at.trace)?;
        let mut metrics = DeferredMetrics::default();
        predicted.measure(&masked.originals, &mut metrics)?;
        let total = batch_share::scale_slot_mean(&predicted.loss, &masked)?;
        metrics.total(&total, batch)?;
        let trace = at.trace(|| predicted.trace(&masked))?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

/// What was predicted at the chosen positions, and its loss.
pub struct Prediction {
    /// [M, V], where they were asked for or are there anyway.
    logits: Option<Tensor>,
    /// Mean cross-entropy over the M slots: a position that was drawn twice counts twice.
    pub loss: Tensor,
    /// The most probable tokens. [M], u32
    pub best: Tensor,
    /// Tokens drawn from the softmax, where there is a sampler. [M], u32
    samples: Option<Tensor>,
    /// Mean entropy of the softmax, in nats. []
    entropy: Tensor,
}

impl Prediction {
    /// Of logits [M, V] at the slots of `masked`.
    pub fn of_logits(logits: &Tensor, masked: &Masked, sampler: Option<Sampler>) -> Result<Self> {
        Ok(Self::new(read(logits, &masked.originals, sampler)?, Some(logits.detach())))
    }

    fn new(readings: Readings, logits: Option<Tensor>) -> Self {
        let Readings { loss, best, entropy, samples } = readings;
        Self { logits, loss, best, samples, entropy }
    }

    /// What was drawn. [M], u32
    pub fn samples(&self) -> Result<&Tensor> {
        self.samples.as_ref().ok_or_else(|| Error::internal("samples were asked for and none were drawn"))
    }

    /// Adds `mlm_loss`, `mlm_accuracy` and `generator_entropy` (nats).
    pub fn measure(&self, originals: &[u32], metrics: &mut DeferredMetrics) -> Result<()> {
        let n = originals.len() as f64;
        metrics.loss("mlm_loss", &self.loss, n)?;
        measure_hits("mlm_accuracy", &self.best, originals, metrics)?;
        metrics.loss("generator_entropy", &self.entropy, n)
    }

    /// The parts of a step that this prediction knows.
    pub fn trace(&self, masked: &Masked) -> Result<StepTrace> {
        let mut trace = masked.trace()?;
        trace.extend(self.logits.iter().map(|logits| ("generator_logits", logits.clone())));
        trace.push(("mlm_loss", self.loss.detach()));
        Ok(trace)
    }
}

/// Adds the share of `words` [M], u32, that are the originals.
pub fn measure_hits(
    name: &'static str,
    words: &Tensor,
    originals: &[u32],
    metrics: &mut DeferredMetrics,
) -> Result<()> {
    let originals = originals.to_vec();
    metrics.defer(&[words], move |read, metrics| {
        let words: Vec<u32> = read[0].to_vec1()?;
        let hits = words.iter().zip(&originals).filter(|(word, original)| word == original).count();
        metrics.add(name, hits as f64, originals.len() as f64);
        Ok(())
    })
}

/// Reads `input` and predicts what `masked` hides; only its slots reach the vocabulary. The logits are computed once more
/// where they are to be among the parts: what is looked at is trained as ever.
pub fn predict(
    network: &MaskedLm,
    input: &Tokens,
    masked: &Masked,
    sampler: Option<Sampler>,
    mode: Mode,
    trace: bool,
) -> Result<Prediction> {
    let hidden = hidden_at_slots(network, input, masked, mode)?;
    let readings = network.head.read(&hidden, &masked.originals, sampler)?;
    let logits = trace.then(|| network.head.forward(&hidden.detach())).transpose()?;
    Ok(Prediction::new(readings, logits.map(|logits| logits.detach())))
}

/// Hidden states of the last layer at the slots of `masked`, [M, H].
pub fn hidden_at_slots(network: &MaskedLm, input: &Tokens, masked: &Masked, mode: Mode) -> Result<Tensor> {
    let hidden = network.encoder.forward(input, mode)?;
    Ok(gather(&hidden, &masked.positions)?)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::experiment::Masking;
    use crate::objective::masking::Slots;
    use crate::objective::masking::tests::vocabulary;

    fn objective(masking: Masking) -> MaskedLanguageModelling {
        let model = ModelSpec { hidden: Some(8), layers: Some(2), embedding: Some(4), ..Default::default() };
        let masker = Masker::new(masking, 0.3, 128, &vocabulary(30), PAPER);
        MaskedLanguageModelling::new(Parameters::new(1, &Device::Cpu), &model, masker).unwrap()
    }

    fn batch() -> Batch {
        let mut batch = Batch::new();
        batch.push(&[2, 9, 11, 7, 3, 20, 21, 3], &[0, 0, 0, 0, 0, 1, 1, 1]);
        batch
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        for masking in [Masking::Paper, Masking::ReleasedCode] {
            let objective = objective(masking);
            let at = StepContext { seed: 1, step: 1, training: true, trace: true };
            let grads = objective.parameters().gradients(&objective.losses(&batch(), at).unwrap().total);
            for parameter in objective.parameters().iter() {
                let grad =
                    grads.get(&parameter.name).unwrap_or_else(|| panic!("{} has none", parameter.name));
                let largest = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(largest > 0.0, "{} has a zero gradient", parameter.name);
            }
        }
    }

    /// Facts, section 2.2: of slots at 2, 2 and 3 the position 2 counts twice.
    #[test]
    fn the_loss_is_a_mean_over_slots() {
        let (objective, batch) = (objective(Masking::ReleasedCode), batch());
        let loss = |positions: &[u32]| {
            let originals = positions.iter().map(|&position| batch.ids[position as usize]).collect();
            let (whole, before, ids) = (Slots::of(positions), 0, batch.ids.clone());
            let masked = Masked { positions: positions.into(), originals, ids, whole, before };
            let input = tokens(&batch, masked.ids.clone());
            let predicted =
                predict(&objective.network, &input, &masked, None, Mode::evaluate(), false).unwrap();
            predicted.loss.to_scalar::<f32>().unwrap()
        };
        let (twice, once) = (loss(&[2]), loss(&[3]));
        assert!((twice - once).abs() > 1e-3, "the two losses must differ for this test to see anything");
        let mean = (2.0 * twice + once) / 3.0;
        assert!((loss(&[2, 2, 3]) - mean).abs() < 1e-5);
    }
}
