//! Masked language modelling, the baseline of ELECTRA §3.5: some tokens are hidden and predicted by
//! cross-entropy.
//!
//! `masking.rs` hides them. Under the paper's rule the chosen tokens are treated as in BERT: `[MASK]` for
//! 80 %, a random token for 10 %, no change for 10 %.

use super::batch_share;
use super::deferred_metrics::DeferredMetrics;
use super::interface::Objective;
use super::masking::{MaskProbabilities, Masked, Masker};
use super::prediction::predict;
use super::scoring::{MaskedScorer, TokenScorers};
use super::step::{Losses, StepContext};
use super::tokens::tokens;
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::model::{EncoderNetwork, MaskedLm};
use crate::nn::Parameters;
use crate::text::Batch;

/// Of the chosen tokens 80 % become `[MASK]`, 10 % a random token, and 10 % stay (BERT).
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
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let input = tokens(batch, masked.input_ids.clone());
        let predicted = predict(&self.network, &input, masked, None, context.mode(batch), context.trace)?;
        let mut metrics = DeferredMetrics::default();
        predicted.measure(masked, &mut metrics)?;
        let total = batch_share::scale_slot_mean(&predicted.loss, masked)?;
        metrics.total_loss(&total, batch)?;
        let trace = context.trace(|| predicted.trace(masked))?;
        Ok(Losses { total, metrics, trace })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn scorers(&self) -> TokenScorers<'_> {
        TokenScorers { masked: vec![MaskedScorer::encoder(&self.network)], ..Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::experiment::Masking;
    use crate::nn::Mode;
    use crate::objective::masking::SlotCounts;
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
            let context = StepContext { seed: 1, step: 1, training: true, trace: true };
            let grads = objective.parameters().gradients(&objective.losses(&batch(), context).unwrap().total);
            for parameter in objective.parameters().iter() {
                let grad =
                    grads.get(&parameter.name).unwrap_or_else(|| panic!("{} has none", parameter.name));
                let largest = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(largest > 0.0, "{} has a zero gradient", parameter.name);
            }
        }
    }

    /// With slots at 2, 2 and 3, position 2 counts twice.
    #[test]
    fn the_loss_is_a_mean_over_slots() {
        let (objective, batch) = (objective(Masking::ReleasedCode), batch());
        let loss = |positions: &[u32]| {
            let originals = positions.iter().map(|&position| batch.input_ids[position as usize]).collect();
            let (full_batch, input_ids) = (SlotCounts::of(positions), batch.input_ids.clone());
            let (positions, is_hidden) = (positions.into(), vec![false; positions.len()]);
            let masked = Masked { positions, originals, input_ids, is_hidden, full_batch, first_slot: 0 };
            let input = tokens(&batch, masked.input_ids.clone());
            let predicted =
                predict(&objective.network, &input, &masked, None, Mode::evaluate(), false).unwrap();
            predicted.loss.to_scalar::<f32>().unwrap()
        };
        let (twice, once) = (loss(&[2]), loss(&[3]));
        assert!((twice - once).abs() > 1e-3, "the test needs two different losses");
        let mean = (2.0 * twice + once) / 3.0;
        assert!((loss(&[2, 2, 3]) - mean).abs() < 1e-5);
    }
}
