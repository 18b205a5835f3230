//! What a part of a batch adds to the means over the whole: its own means, in proportion.
//!
//! Gradients that are summed over the parts are then those of the whole batch, but for the order of their additions.
//! Must never: change a number of a whole batch. Next: `train/step.rs`, which cuts batches.

use candle_core::Tensor;

use super::masking::Masked;
use crate::data::Batch;
use crate::fault::Result;

/// Of a mean over `n` of `whole` things.
pub fn share(mean: &Tensor, n: usize, whole: usize) -> Result<Tensor> {
    if n == whole {
        return Ok(mean.clone());
    }
    Ok((mean * (n as f64 / whole as f64))?)
}

/// Of a mean over the slots.
pub fn of_slots(mean: &Tensor, masked: &Masked) -> Result<Tensor> {
    share(mean, masked.positions.len(), masked.whole.all)
}

/// Of a mean over all tokens.
pub fn of_tokens(mean: &Tensor, batch: &Batch) -> Result<Tensor> {
    share(mean, batch.n_tokens(), batch.whole().n_tokens())
}
