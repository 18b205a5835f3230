//! Generators: they propose the tokens that replace the originals, for a discriminator or a restoring encoder
//! to read.
//!
//! A network's samples are constants: what reads them sends no gradient to the generator, except through
//! parameters that both share. Must never: know what is learnt from the replacements. Next: `rtd.rs`,
//! `restore.rs`, `two_stage.rs`, `adversarial.rs`.

use candle_core::{Device, Tensor};

use super::bigram_generator::BigramGenerator;
use super::deferred_metrics::DeferredMetrics;
use super::detection::is_replaced;
use super::frequencies::Frequencies;
use super::masking::Masked;
use super::prediction::{Prediction, hidden_at_slots, measure_hits, predict};
use super::step::{StepContext, StepTrace, u32_tensor};
use super::tokens::tokens;
use crate::error::Result;
use crate::model::MaskedLm;
use crate::nn::{Mode, Tokens};
use crate::ops::corruption::{Corrupted, corrupt};
use crate::ops::sampling::{Sampler, sample};
use crate::text::Batch;

/// How much a generator's logits are lowered at the original (google-research/electra, `disallow_correct`),
/// for temperatures up to 1. Above 1 it grows with the temperature, so that the original is never drawn.
const DISALLOWED: f64 = 1000.0;

/// How samples are drawn from a generator.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Divides the logits.
    pub temperature: Temperature,
    /// Whether the original is left out.
    pub disallow_correct: bool,
}

impl Sampling {
    /// Samples at one temperature; the original may be drawn.
    pub fn at(temperature: f64) -> Self {
        Self { temperature: Temperature::constant(temperature), disallow_correct: false }
    }
}

/// A temperature that changes by the same factor at every step.
#[derive(Clone, Copy, Debug)]
pub struct Temperature {
    /// Temperature at step `first_step` and before it.
    pub first: f64,
    /// Temperature at step `last_step` and after it, and of held-out text.
    pub last: f64,
    /// The step at which it begins to change.
    pub first_step: u64,
    /// The step at which it stops.
    pub last_step: u64,
}

impl Temperature {
    /// The same temperature at every step.
    pub const fn constant(temperature: f64) -> Self {
        Self { first: temperature, last: temperature, first_step: 0, last_step: 0 }
    }

    fn at(&self, context: StepContext) -> f64 {
        if !context.training || self.first == self.last || context.step >= self.last_step {
            return self.last;
        }
        let done = context.step.saturating_sub(self.first_step) as f64;
        let share = done / (self.last_step - self.first_step) as f64;
        self.first * (self.last / self.first).powf(share)
    }
}

/// The source of the proposed tokens.
pub enum Proposer {
    /// A masked language model.
    Network(MaskedLm),
    /// A table, the same for every position.
    Table(Frequencies),
    /// A table for every pair of neighbours.
    Bigram(BigramGenerator),
}

/// Proposed tokens.
pub struct Proposals {
    /// One per slot. `[M]`, u32
    pub samples: Tensor,
    /// What a network predicted.
    predicted: Option<Prediction>,
    /// Mean entropy of what a table draws from, in nats.
    entropy: Option<f64>,
}

impl Proposer {
    /// The network, if it is one.
    pub fn network(&self) -> Option<&MaskedLm> {
        match self {
            Self::Network(network) => Some(network),
            Self::Table(_) | Self::Bigram(_) => None,
        }
    }

    /// Proposes a token for every slot.
    pub fn propose(
        &self,
        batch: &Batch,
        masked: &Masked,
        sampling: Sampling,
        context: StepContext,
        mode: Mode,
    ) -> Result<Proposals> {
        let network = match self {
            Self::Network(network) => network,
            Self::Table(table) => {
                let samples = u32_tensor(&table.sample(masked, sampling.disallow_correct, context))?;
                return Ok(Proposals { samples, predicted: None, entropy: Some(table.entropy()) });
            }
            Self::Bigram(generator) => {
                let drawn = generator.sample(masked, sampling.disallow_correct, context);
                let samples = u32_tensor(&drawn.samples)?;
                return Ok(Proposals { samples, predicted: None, entropy: Some(drawn.entropy) });
            }
        };
        let input = tokens(batch, masked.input_ids.clone());
        let sampler = context.sampler(sampling.temperature.at(context), masked.first_slot);
        if sampling.disallow_correct {
            let logits = network.head.forward(&hidden_at_slots(network, &input, masked, mode)?)?;
            let samples = sample_others(&logits, &masked.originals, sampler)?;
            let predicted = Prediction::of_logits(&logits, masked, None)?;
            return Ok(Proposals { samples, predicted: Some(predicted), entropy: None });
        }
        let predicted = predict(network, &input, masked, Some(sampler), mode, context.trace)?;
        Ok(Proposals { samples: predicted.samples()?.clone(), predicted: Some(predicted), entropy: None })
    }
}

/// Samples of logits `[M, V]` other than the originals. `[M]`, u32
fn sample_others(logits: &Tensor, originals: &[u32], sampler: Sampler) -> Result<Tensor> {
    let logits = logits.detach();
    let (rows, device) = (originals.len(), logits.device());
    let columns = Tensor::from_slice(originals, (rows, 1), device)?;
    let lowered = -DISALLOWED * sampler.temperature.max(1.0);
    let lowered = Tensor::full(lowered as f32, (rows, 1), device)?.to_dtype(logits.dtype())?;
    Ok(sample(&logits.scatter_add(&columns, &lowered, 1)?, sampler)?)
}

impl Proposals {
    /// The generator's own loss, if it is a network.
    pub fn loss(&self) -> Option<&Tensor> {
        self.predicted.as_ref().map(|prediction| &prediction.loss)
    }

    /// Adds `sample_accuracy`, the share of slots whose sample is the original, and `generator_entropy`
    /// (nats). A network also adds what [`Prediction::measure`] does.
    pub fn measure(&self, masked: &Masked, metrics: &mut DeferredMetrics) -> Result<()> {
        let n = masked.originals.len() as f64;
        measure_hits("sample_accuracy", &self.samples, &masked.originals, metrics)?;
        if let Some(entropy) = self.entropy {
            metrics.mean("generator_entropy", entropy, n);
        }
        if let Some(prediction) = &self.predicted {
            prediction.measure(masked, metrics)?;
        }
        Ok(())
    }

    /// The tensors that a trace of the step shows of mask and generator.
    pub fn trace(&self, masked: &Masked) -> Result<StepTrace> {
        let mut trace = match &self.predicted {
            Some(prediction) => prediction.trace(masked)?,
            None => masked.trace()?,
        };
        trace.push(("samples", self.samples.clone()));
        Ok(trace)
    }
}

/// What the next network reads: the original tokens with the samples `[M]`, u32, at the masked positions.
pub struct Replacements {
    /// The batch with the samples in it.
    pub tokens: Tokens,
    /// 1 for every token that now differs from the original, otherwise 0; on the networks' device. `[T]`
    pub replaced: Tensor,
    corrupted: Corrupted,
}

impl Replacements {
    /// Puts samples into a batch for a network on `device`.
    pub fn new(batch: &Batch, positions: &[u32], samples: &Tensor, device: &Device) -> Result<Self> {
        let corrupted = corrupt(&batch.input_ids, positions, samples, device)?;
        let mut tokens = tokens(batch, corrupted.input_ids.clone());
        tokens.indices.device_ids.clone_from(&corrupted.device_ids);
        Ok(Self { tokens, replaced: corrupted.replaced.clone(), corrupted })
    }

    /// The tokens with the samples, `[T]`. Waits for the device that drew them.
    pub fn ids(&self) -> Result<Vec<u32>> {
        Ok(self.corrupted.ids()?)
    }

    /// 1 for each token that differs from the original, otherwise 0, as u32 of a trace. `[T]`
    fn labels(&self) -> Result<Tensor> {
        let labels: Vec<u32> = self.flags()?.into_iter().map(u32::from).collect();
        u32_tensor(&labels)
    }

    /// The tensors that a trace of the step shows of detection: the tokens read, their labels, the logits
    /// `[T]` for "replaced", and their loss [].
    pub fn trace_detection(&self, logits: &Tensor, loss: &Tensor) -> Result<StepTrace> {
        Ok(vec![
            ("discriminator_input", u32_tensor(&self.ids()?)?),
            ("labels", self.labels()?),
            ("discriminator_logits", logits.detach()),
            ("rtd_loss", loss.detach()),
        ])
    }

    /// Whether each token differs from the original, `[T]`. Waits for the device that drew them.
    pub fn flags(&self) -> Result<Vec<bool>> {
        is_replaced(&self.replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 4 to 1 over steps 10 to 20: 2 in the middle. Held-out text has the last temperature.
    #[test]
    fn a_temperature_changes_by_the_same_factor_at_every_step() {
        let falling = Temperature { first: 4.0, last: 1.0, first_step: 10, last_step: 20 };
        let at = |step, training| falling.at(StepContext { seed: 1, step, training, trace: false });
        for (step, expected) in [(0, 4.0), (10, 4.0), (15, 2.0), (20, 1.0), (30, 1.0)] {
            assert!((at(step, true) - expected).abs() < 1e-12, "{step}: {}", at(step, true));
        }
        assert!((at(12, true) / at(11, true) - at(19, true) / at(18, true)).abs() < 1e-12);
        assert_eq!(at(0, false), 1.0);
    }
    use crate::ops::softmax_stats::softmax_stats;

    /// The original has nearly all of the probability. It is not drawn even at a temperature that flattens a
    /// logit of 1000.
    #[test]
    fn a_disallowed_original_is_never_drawn() {
        let logits = Tensor::new(&[[0f32, 12.0, 1.0, 0.5]], &Device::Cpu).unwrap();
        for temperature in [0.5, 1.0, 100.0] {
            let mut drawn = [0; 4];
            for step in 0..300 {
                let samples =
                    sample_others(&logits, &[1], Sampler { temperature, seed: 1, step, first: 0 }).unwrap();
                drawn[samples.to_vec1::<u32>().unwrap()[0] as usize] += 1;
                let best: Vec<u32> = softmax_stats(&logits, &[1], None).unwrap().best.to_vec1().unwrap();
                assert_eq!(best, [1], "the prediction itself is not changed");
            }
            assert!(drawn[1] == 0 && drawn[0] > 0 && drawn[2] > 0, "{drawn:?} at {temperature}");
        }
    }
}
