//! Cross-entropy from candle's primitives.

use candle_core::{D, Result, Tensor};

/// The mean from candle's primitives.
pub fn reference(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    row_reference(logits, targets)?.mean_all()
}

/// Every row from candle's primitives.
pub fn row_reference(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let max = logits.max_keepdim(D::Minus1)?.detach();
    let sums = logits.broadcast_sub(&max)?.exp()?.sum_keepdim(D::Minus1)?;
    let targets = Tensor::from_slice(targets, (targets.len(), 1), logits.device())?;
    ((sums.log()? + max)? - logits.gather(&targets, D::Minus1)?)?.squeeze(1)
}
