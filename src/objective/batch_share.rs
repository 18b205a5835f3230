//! How the mean of a micro-batch counts within the mean of the full batch: in proportion to its items.
//!
//! The gradients that are summed over micro-batches are then those of the full batch, except for rounding.
//! Must never: change a number of a full batch. Next: `train/step.rs`, which cuts batches.

use candle_core::Tensor;

use super::masking::Masked;
use crate::error::Result;
use crate::text::Batch;

/// Scales a mean over `n` items of a micro-batch by n / `n_full`, so that the micro-batches sum to the mean
/// over the `n_full` items of the full batch, or to their sum divided by another number `n_full`.
pub fn scale_to_full_batch(mean: &Tensor, n: usize, n_full: usize) -> Result<Tensor> {
    if n == n_full {
        return Ok(mean.clone());
    }
    Ok((mean * (n as f64 / n_full as f64))?)
}

/// Scales a mean over the masking slots.
pub fn scale_slot_mean(mean: &Tensor, masked: &Masked) -> Result<Tensor> {
    scale_to_full_batch(mean, masked.positions.len(), masked.full_batch.all)
}

/// Scales a mean over all tokens.
pub fn scale_token_mean(mean: &Tensor, batch: &Batch) -> Result<Tensor> {
    scale_to_full_batch(mean, batch.n_tokens(), batch.full_batch().n_tokens())
}
