//! What a masked language model predicts at the masking slots, and its loss.
//!
//! Only the hidden states at the slots reach the vocabulary. Must never: know what the predictions are used
//! for. Next: `mlm.rs`, `proposals.rs`.

use candle_core::Tensor;

use super::deferred_metrics::DeferredMetrics;
use super::masking::Masked;
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
        let SoftmaxStats { loss, best, entropy, samples } = stats;
        Self { logits, loss, best, samples, entropy }
    }

    /// The drawn tokens. `[M]`, u32
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

    /// The tensors that a trace of the step shows of mask and prediction.
    pub fn trace(&self, masked: &Masked) -> Result<StepTrace> {
        let mut trace = masked.trace()?;
        trace.extend(self.logits.iter().map(|logits| ("generator_logits", logits.clone())));
        trace.push(("mlm_loss", self.loss.detach()));
        Ok(trace)
    }
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
