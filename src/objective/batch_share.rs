//! What a part of a batch adds to the means over the whole: its own means, in proportion.
//!
//! Gradients that are summed over the parts are then those of the whole batch, but for the order of their additions.
//! Must never: change a number of a whole batch. Next: `train/step.rs`, which cuts batches.

use candle_core::Tensor;

use super::masking::Masked;
use crate::error::Result;
use crate::text::Batch;

/// Of a mean over `n` of `whole` things.
pub fn scale_to_full_batch(mean: &Tensor, n: usize, whole: usize) -> Result<Tensor> {
    if n == whole {
        return Ok(mean.clone());
    }
    Ok((mean * (n as f64 / whole as f64))?)
}

/// Of a mean over the slots.
pub fn scale_slot_mean(mean: &Tensor, masked: &Masked) -> Result<Tensor> {
    scale_to_full_batch(mean, masked.positions.len(), masked.whole.all)
}

/// Of a mean over all tokens.
pub fn scale_token_mean(mean: &Tensor, batch: &Batch) -> Result<Tensor> {
    scale_to_full_batch(mean, batch.n_tokens(), batch.whole().n_tokens())
}
