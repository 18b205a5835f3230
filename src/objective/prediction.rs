//! What a masked language model predicts at the masking slots, and its loss.
//!
//! Only the hidden states at the slots reach the vocabulary. Must never: know what the predictions are used
//! for. Next: `mlm.rs`, `proposals.rs`.

use candle_core::Tensor;

use super::deferred_metrics::DeferredMetrics;
use super::masking::Masked;
use super::metrics::Metrics;
use super::step::StepTrace;
use crate::error::{Error, Result};
use crate::model::MaskedLm;
use crate::nn::{Mode, Tokens};
use crate::ops::gather::gather;
use crate::ops::sampling::Sampler;
use crate::ops::softmax_stats::{SoftmaxStats, softmax_stats};

/// What was predicted at the M slots, and the loss.
pub struct Prediction {
    /// `[M, V]`, if a trace wants them or if they exist anyway.
    logits: Option<Tensor>,
    /// Mean cross-entropy over the slots: a position that was drawn twice counts twice. []
    pub loss: Tensor,
    /// Cross-entropy of each slot. `[M]`
    losses: Tensor,
    /// The most probable tokens. `[M]`, u32
    best: Tensor,
    /// Tokens drawn from the softmax, if there is a sampler. `[M]`, u32
    samples: Option<Tensor>,
    /// Mean entropy of the softmax, in nats. []
    entropy: Tensor,
}

impl Prediction {
    /// From logits `[M, V]` at the slots of `masked`.
    pub fn of_logits(logits: &Tensor, masked: &Masked, sampler: Option<Sampler>) -> Result<Self> {
        Ok(Self::new(softmax_stats(logits, &masked.originals, sampler)?, Some(logits.detach())))
    }

    fn new(stats: SoftmaxStats, logits: Option<Tensor>) -> Self {
        let SoftmaxStats { loss, losses, best, entropy, samples } = stats;
        Self { logits, loss, losses, best, samples, entropy }
    }

    /// The drawn tokens. `[M]`, u32
    pub fn samples(&self) -> Result<&Tensor> {
        self.samples.as_ref().ok_or_else(|| Error::internal("samples were asked for and none were drawn"))
    }

    /// Adds `mlm_loss`, `mlm_accuracy` and `generator_entropy` (nats) over all slots, and `masked_loss`
    /// (nats) and `masked_accuracy` over those where the network reads `[MASK]`.
    pub fn measure(&self, masked: &Masked, metrics: &mut DeferredMetrics) -> Result<()> {
        let n = masked.originals.len() as f64;
        metrics.loss("mlm_loss", &self.loss, n)?;
        measure_hits("mlm_accuracy", &self.best, &masked.originals, metrics)?;
        metrics.loss("generator_entropy", &self.entropy, n)?;
        let (originals, is_hidden) = (masked.originals.clone(), masked.is_hidden.clone());
        metrics.defer(&[&self.losses, &self.best], move |resolved, metrics| {
            let (losses, best): (Vec<f32>, Vec<u32>) = (resolved[0].to_vec1()?, resolved[1].to_vec1()?);
            add_hidden(&losses, &best, &originals, &is_hidden, metrics);
            Ok(())
        })
    }

    /// The tensors that a trace of the step shows of mask and prediction.
    pub fn trace(&self, masked: &Masked) -> Result<StepTrace> {
        let mut trace = masked.trace()?;
        trace.extend(self.logits.iter().map(|logits| ("generator_logits", logits.clone())));
        trace.push(("mlm_loss", self.loss.detach()));
        Ok(trace)
    }
}

/// Adds `masked_loss` and `masked_accuracy` of the hidden slots. Slots that keep their token do not count,
/// since copying answers them, and neither do slots with a random token.
fn add_hidden(losses: &[f32], best: &[u32], originals: &[u32], is_hidden: &[bool], metrics: &mut Metrics) {
    let (mut n, mut sum, mut hits) = (0.0, 0.0, 0.0);
    let slots = losses.iter().zip(best).zip(originals).zip(is_hidden);
    for (((loss, best), original), _) in slots.filter(|(_, is_hidden)| **is_hidden) {
        n += 1.0;
        sum += f64::from(*loss);
        hits += f64::from(u8::from(best == original));
    }
    metrics.add("masked_loss", sum, n);
    metrics.add("masked_accuracy", hits, n);
}

/// Adds the share of `predicted` tokens `[M]`, u32, that are the originals.
pub fn measure_hits(
    name: &'static str,
    predicted: &Tensor,
    originals: &[u32],
    metrics: &mut DeferredMetrics,
) -> Result<()> {
    let originals = originals.to_vec();
    metrics.defer(&[predicted], move |resolved, metrics| {
        let predicted: Vec<u32> = resolved[0].to_vec1()?;
        let hits = predicted.iter().zip(&originals).filter(|(predicted, original)| predicted == original);
        metrics.add(name, hits.count() as f64, originals.len() as f64);
        Ok(())
    })
}

/// Reads `input` and predicts what `masked` hides. If a trace is wanted, the logits are computed once more
/// for it: tracing does not change training.
pub fn predict(
    network: &MaskedLm,
    input: &Tokens,
    masked: &Masked,
    sampler: Option<Sampler>,
    mode: Mode,
    trace: bool,
) -> Result<Prediction> {
    let hidden = hidden_at_slots(network, input, masked, mode)?;
    let stats = network.head.softmax_stats(&hidden, &masked.originals, sampler)?;
    let logits = trace.then(|| network.head.forward(&hidden.detach())).transpose()?;
    Ok(Prediction::new(stats, logits.map(|logits| logits.detach())))
}

/// Hidden states of the last layer at the slots of `masked`, `[M, H]`.
pub fn hidden_at_slots(network: &MaskedLm, input: &Tokens, masked: &Masked, mode: Mode) -> Result<Tensor> {
    let hidden = network.encoder.forward(input, mode)?;
    Ok(gather(&hidden, &masked.positions)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of four slots the first and the last hold `[MASK]`: one is predicted rightly, and their mean loss is
    /// (0.5 + 2.5) / 2. In a batch without such a slot the values are undefined.
    #[test]
    fn hidden_slots_by_hand() {
        let mut metrics = Metrics::default();
        let losses = [0.5, 0.01, 7.0, 2.5];
        add_hidden(&losses, &[8, 9, 9, 9], &[8, 9, 6, 5], &[true, false, false, true], &mut metrics);
        assert_eq!((metrics.value("masked_loss"), metrics.value("masked_accuracy")), (Some(1.5), Some(0.5)));
        // Merged with a batch of one slot, each slot counts the same.
        add_hidden(&[6.0], &[1], &[1], &[true], &mut metrics);
        let merged = (metrics.value("masked_loss"), metrics.value("masked_accuracy"));
        assert_eq!(merged, (Some(3.0), Some(2.0 / 3.0)));
        let mut none = Metrics::default();
        add_hidden(&[0.01], &[9], &[9], &[false], &mut none);
        assert!(none.values().is_empty());
    }
}
