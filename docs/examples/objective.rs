//! The example objective of docs/extending.md: shuffled-token detection.
//!
//! Compiled and tested as a file of `src/objective/`; the guide quotes it, and a test holds the two together.

use super::batch_share::scale_token_mean;
use super::deferred_metrics::DeferredMetrics;
use super::detection::measure_detection;
use super::interface::Objective;
use super::masking::{Masked, Masker};
use super::proposals::Replacements;
use super::step::{Losses, StepContext, u32_tensor};
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::model::{Discriminator, EncoderNetwork};
use crate::nn::Parameters;
use crate::ops::binary_cross_entropy::binary_cross_entropy;
use crate::text::Batch;

/// One encoder that tells which tokens have moved.
pub struct ShuffledTokenDetection {
    discriminator: Discriminator,
    parameters: Parameters,
    masker: Masker,
}

impl ShuffledTokenDetection {
    /// Makes the network in `parameters`.
    pub fn new(mut parameters: Parameters, model: &ModelSpec, masker: Masker) -> Result<Self> {
        let network = EncoderNetwork::of_spec(model, masker.vocab_size());
        let discriminator = Discriminator::new(&mut parameters, &network)?;
        Ok(Self { discriminator, parameters, masker })
    }
}

/// The chosen tokens of each sequence, each at the next chosen position, the last one at the first. [M]
fn rotated(masked: &Masked, batch: &Batch) -> Vec<u32> {
    let mut moved = Vec::with_capacity(masked.originals.len());
    for bounds in batch.offsets.windows(2) {
        let slot_at =
            |token: usize| masked.positions.partition_point(|&position| (position as usize) < token);
        let own = &masked.originals[slot_at(bounds[0])..slot_at(bounds[1])];
        moved.extend(own.last());
        moved.extend(own.split_last().map_or(&[][..], |(_, others)| others));
    }
    moved
}

impl Objective for ShuffledTokenDetection {
    fn masker(&self) -> &Masker {
        &self.masker
    }

    fn masked_losses(&self, batch: &Batch, masked: &Masked, context: StepContext) -> Result<Losses> {
        let moved = u32_tensor(&rotated(masked, batch))?;
        let input = Replacements::new(batch, &masked.positions, &moved, self.parameters.device())?;
        let logits = self.discriminator.forward(&input.tokens, context.mode(batch))?;
        let loss = binary_cross_entropy(&logits, &input.replaced)?;
        let total = scale_token_mean(&loss, batch)?;

        let mut metrics = DeferredMetrics::default();
        metrics.loss("shuffle_loss", &loss, batch.n_tokens() as f64)?;
        metrics.total_loss(&total, batch)?;
        measure_detection(&logits, &input.replaced, &mut metrics)?;
        Ok(Losses { total, metrics, trace: Vec::new() })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

mod tests {
    use candle_core::Device;

    use super::*;
    use crate::experiment::Masking;
    use crate::objective::masking::MaskProbabilities;
    use crate::objective::masking::tests::vocabulary;

    const CONTEXT: StepContext = StepContext { seed: 1, step: 5, training: true, trace: false };

    fn objective() -> ShuffledTokenDetection {
        let model = ModelSpec { hidden: Some(8), layers: Some(2), embedding: Some(4), ..Default::default() };
        let hide_all = MaskProbabilities { mask: 1.0, random: 0.0 };
        let masker = Masker::new(Masking::Paper, 0.4, 128, &vocabulary(30), hide_all);
        ShuffledTokenDetection::new(Parameters::new(1, &Device::Cpu), &model, masker).unwrap()
    }

    fn batch() -> Batch {
        let mut batch = Batch::new();
        batch.push(&[2, 10, 11, 12, 13, 14, 15, 3], &[0; 8]);
        batch.push(&[2, 20, 21, 22, 23, 3], &[0; 6]);
        batch
    }

    #[test]
    fn tokens_move_within_their_sequence() {
        let (objective, batch) = (objective(), batch());
        let masked = objective.masker.mask(&batch, 1, 5);
        let (mut moved, mut originals) = (rotated(&masked, &batch), masked.originals.clone());
        assert_eq!(moved.len(), 5, "3 of 8 tokens and 2 of 6");
        assert!(moved.iter().zip(&originals).all(|(moved, original)| moved != original));
        for tokens in [&mut moved, &mut originals] {
            tokens[..3].sort_unstable();
            tokens[3..].sort_unstable();
        }
        assert_eq!(moved, originals);
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        let objective = objective();
        let grads = objective.parameters().gradients(&objective.losses(&batch(), CONTEXT).unwrap().total);
        for parameter in objective.parameters().iter() {
            let grad = grads.get(&parameter.name).unwrap_or_else(|| panic!("{} has none", parameter.name));
            let largest = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(largest > 0.0, "{} has a zero gradient", parameter.name);
        }
    }

    #[test]
    fn micro_batches_add_up_to_the_full_batch() {
        let objective = objective();
        let masked = objective.mask(&batch(), CONTEXT);
        let total = |batch: &Batch, masked: &Masked| {
            objective.masked_losses(batch, masked, CONTEXT).unwrap().total.to_scalar::<f32>().unwrap()
        };
        let micro_batches = batch().micro_batches(1);
        let sum: f32 = micro_batches.iter().map(|part| total(part, &masked.of_micro_batch(part))).sum();
        assert!((sum - total(&batch(), &masked)).abs() < 1e-6);
    }
}
