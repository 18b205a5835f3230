//! Input and output of an objective in one step.

use candle_core::{Device, Tensor};

use super::deferred_metrics::DeferredMetrics;
use crate::error::Result;
use crate::nn::Mode;
use crate::ops::dropout::MicroBatchOffset;
use crate::ops::sampling::Sampler;
use crate::text::Batch;

/// Added to the number of a held-out batch when its masks and samples are drawn. No training step gets that
/// far.
const FIRST_HELD_OUT: u64 = 1 << 62;

/// Which step of which run a batch belongs to. It addresses every random number that is drawn for the batch.
#[derive(Clone, Copy, Debug)]
pub struct StepContext {
    /// Seed of the trial.
    pub seed: u64,
    /// Number of the training step, or of the held-out batch.
    pub step: u64,
    /// True in training (dropout on), false for held-out text (dropout off, masks and samples of its own).
    pub training: bool,
    /// Whether a [`StepTrace`] is wanted.
    pub trace: bool,
}

impl StepContext {
    /// The dropout of this step for a batch or micro-batch.
    pub(super) fn mode(self, batch: &Batch) -> Mode {
        if !self.training {
            return Mode::evaluate();
        }
        let place =
            MicroBatchOffset { first_token: batch.token_offset(), longest: batch.full_batch().max_len() };
        Mode::train(self.seed, self.step).at(place)
    }

    /// The step number under which masks and samples are drawn. A held-out batch has a number that no
    /// training step reaches, and the same one in every evaluation.
    pub(super) fn sampling_step(self) -> u64 {
        if self.training { self.step } else { FIRST_HELD_OUT + self.step }
    }

    /// The trace that `make` builds, or an empty one if none is wanted.
    pub(super) fn trace(self, make: impl FnOnce() -> Result<StepTrace>) -> Result<StepTrace> {
        if self.trace { make() } else { Ok(StepTrace::new()) }
    }

    /// Draws tokens from a softmax at a temperature, for slots from `first_slot` of the full batch on.
    pub(super) fn sampler(self, temperature: f64, first_slot: usize) -> Sampler {
        Sampler { temperature, seed: self.seed, step: self.sampling_step(), first: first_slot as u64 }
    }
}

/// What an objective computes from a batch or micro-batch.
pub struct Losses {
    /// The scalar to minimise. The totals of all micro-batches sum to the total of the full batch.
    pub total: Tensor,
    /// Means over the batch, which can be merged across batches.
    pub metrics: DeferredMetrics,
    /// Intermediate tensors, if `StepContext::trace` asked for them.
    pub trace: StepTrace,
}

/// Named tensors for checking a step from outside. They have no gradients, and integers are u32. Shapes: T
/// tokens in the batch, M masking slots, V vocabulary entries, T' tokens and 2·B sequences of both views of B
/// texts.
///
/// - `masked_positions` `[M]` (indices into the T tokens), `originals` `[M]`, `generator_input` `[T]`,
///   `generator_logits` `[M, V]` and `mlm_loss` [] from every masked language model;
/// - rtd and electra_15 add `samples` `[M]`, `discriminator_input` `[T]`, `labels` `[T]` (1 = replaced),
///   `discriminator_logits` `[T]` and `rtd_loss` [];
/// - two_stage adds `samples`, and once the generator is trained the rest of what rtd adds;
/// - adversarial adds the same as rtd, `rewards` `[M]`, `advantages` `[M]`, `policy_loss` [] and
///   `baseline_loss` [];
/// - replace_mlm and all_tokens_mlm add `samples` `[M]`, `restorer_input` `[T]` and `restore_loss` [];
///   all_tokens_mlm also `gate_logits` `[T]`;
/// - coco_lm adds `samples` `[M]`, `restorer_input` `[T]`, and both views as `view_ids` [T'], `view_types`
///   [T'] and `view_offsets` [2·B+1]; with correction `gate_logits` `[T]`, `copy_loss` [] and `lm_loss` [],
///   with contrast `contrast_loss` [];
/// - electric has only `masked_positions`, `originals`, `generator_logits`, `samples`, `discriminator_input`,
///   `discriminator_logits`, `log_q` `[T]`, `cloze_loss` [] and `nce_loss` [].
///
/// The network of masked language modelling uses the generator's names. A generator without a network has
/// neither logits nor a loss.
pub type StepTrace = Vec<(&'static str, Tensor)>;

/// Values on the host as a tensor of a trace.
pub(super) fn u32_tensor(values: &[u32]) -> Result<Tensor> {
    Ok(Tensor::from_slice(values, values.len(), &Device::Cpu)?)
}

/// Values `[N]` of a tensor on the host, without their gradient. Waits for the tensor's device.
pub(super) fn f32_values(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.detach().to_device(&Device::Cpu)?.to_vec1()?)
}
