//! Masked language modelling as BERT does it (ELECTRA §3.5's baseline): of the chosen tokens 80 % become
//! [MASK], 10 % a random token, 10 % stay; cross-entropy at the chosen positions.

use candle_core::{Device, Tensor};

use super::masking::{self, Vocabulary};
use super::{Losses, Measures, Moment, Objective, tokens};
use crate::data::Batch;
use crate::fault::Result;
use crate::model::{MaskedLm, rates};
use crate::nn::{Mode, Parameters, Tokens};
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::sampling::most_probable;
use crate::rng::{Purpose, Stream};
use crate::spec::ModelSpec;

/// Streams of corruption follow those of the positions, which are numbered by sequence.
const CORRUPTION: u64 = 1 << 32;

/// One encoder trained to restore the chosen tokens.
pub struct MaskedLanguageModelling {
    network: MaskedLm,
    parameters: Parameters,
    vocabulary: Vocabulary,
    mask_fraction: f64,
}

impl MaskedLanguageModelling {
    /// Makes the network in `parameters`.
    pub fn new(
        mut parameters: Parameters,
        model: &ModelSpec,
        vocabulary: &Vocabulary,
        mask_fraction: f64,
    ) -> Result<Self> {
        let network = MaskedLm::new(&mut parameters, &model.discriminator(), rates(model), vocabulary.size)?;
        Ok(Self { network, parameters, vocabulary: vocabulary.clone(), mask_fraction })
    }

    /// What stands at each chosen position in the input.
    fn corrupted(&self, originals: &[u32], at: Moment) -> Vec<u32> {
        let mut stream = Stream::new(at.seed, Purpose::Mask, at.draw(), CORRUPTION);
        originals
            .iter()
            .map(|&original| {
                let (coin, random) = (stream.uniform(), stream.below(self.vocabulary.size));
                if coin < 0.8 {
                    self.vocabulary.mask
                } else if coin < 0.9 {
                    random as u32
                } else {
                    original
                }
            })
            .collect()
    }
}

impl Objective for MaskedLanguageModelling {
    fn losses(&self, batch: &Batch, at: Moment) -> Result<Losses> {
        let positions = masking::choose(batch, &self.vocabulary, self.mask_fraction, at.seed, at.draw());
        let originals = masking::originals(batch, &positions);
        let input = tokens(batch, masking::replaced(batch, &positions, self.corrupted(&originals, at)));
        let predicted = predict(&self.network, &input, &positions, &originals, at.mode())?;
        let mut measures = Measures::default();
        predicted.measure(&most_probable(&predicted.logits)?, &originals, &mut measures)?;
        let loss = f64::from(predicted.loss.to_scalar::<f32>()?);
        measures.mean("loss", loss, batch.n_sequences() as f64);
        Ok(Losses { total: predicted.loss, measures })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

/// Logits at the chosen positions and their loss.
pub struct Prediction {
    /// [M, V].
    pub logits: Tensor,
    /// Mean cross-entropy over the M positions.
    pub loss: Tensor,
}

impl Prediction {
    /// Adds `mlm_loss` and, with the most probable tokens, `mlm_accuracy`.
    pub fn measure(&self, best: &[u32], originals: &[u32], measures: &mut Measures) -> Result<()> {
        let n = originals.len() as f64;
        let hits = best.iter().zip(originals).filter(|(best, original)| best == original).count();
        measures.mean("mlm_loss", f64::from(self.loss.to_scalar::<f32>()?), n);
        measures.add("mlm_accuracy", hits as f64, n);
        Ok(())
    }
}

/// Reads `input` and predicts the `originals` at `positions`; only those positions reach the vocabulary.
pub fn predict(
    network: &MaskedLm,
    input: &Tokens,
    positions: &[u32],
    originals: &[u32],
    mode: Mode,
) -> Result<Prediction> {
    let hidden = network.encoder.forward(input, mode)?;
    let rows = Tensor::from_slice(positions, positions.len(), &Device::Cpu)?.to_device(hidden.device())?;
    let logits = network.head.forward(&hidden.index_select(&rows, 0)?)?;
    let loss = cross_entropy(&logits, &originals.into())?;
    Ok(Prediction { logits, loss })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::masking::tests::vocabulary;

    #[test]
    fn every_parameter_gets_a_gradient() {
        let model = ModelSpec { hidden: Some(8), layers: Some(2), embedding: Some(4), ..Default::default() };
        let parameters = Parameters::new(1, &Device::Cpu);
        let objective = MaskedLanguageModelling::new(parameters, &model, &vocabulary(30), 0.3).unwrap();
        let mut batch = Batch::new();
        batch.push(&[2, 9, 11, 7, 3, 20, 21, 3], &[0, 0, 0, 0, 0, 1, 1, 1]);
        let at = Moment { seed: 1, step: 1, training: true };
        let grads = objective.losses(&batch, at).unwrap().total.backward().unwrap();
        for parameter in objective.parameters().iter() {
            let grad = grads.get(&parameter.var).unwrap_or_else(|| panic!("{} has none", parameter.name));
            let largest = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(largest > 0.0, "{} has a zero gradient", parameter.name);
        }
    }

    /// Shares of BERT's corruption, over 20,000 tokens.
    #[test]
    fn eighty_ten_ten() {
        let model = ModelSpec { hidden: Some(8), layers: Some(1), embedding: Some(8), ..Default::default() };
        let objective =
            MaskedLanguageModelling::new(Parameters::new(1, &Device::Cpu), &model, &vocabulary(1000), 0.15)
                .unwrap();
        let originals = vec![7u32; 20_000];
        let corrupted = objective.corrupted(&originals, Moment { seed: 1, step: 1, training: true });
        let share = |wanted: &dyn Fn(u32) -> bool| {
            corrupted.iter().filter(|&&id| wanted(id)).count() as f64 / corrupted.len() as f64
        };
        let (mask, kept) = (share(&|id| id == 4), share(&|id| id == 7));
        assert!((mask - 0.8).abs() < 0.01 && (kept - 0.1).abs() < 0.01, "{mask} {kept}");
    }
}
