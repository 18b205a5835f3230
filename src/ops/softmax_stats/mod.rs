//! The loss and the softmax statistics of rows of logits, in one pass over each row while it is in the cache.
//!
//! logits `[M, V]`, targets of M rows → the mean cross-entropy and that of each row, the most probable class
//! of each row, the mean entropy and, where a sampler is given, a sample of each row. The same bits as
//! `cross_entropy`, `most_probable`, `sample` and `entropy` one after the other, which read the logits five
//! times and compute every exponential four times. The loss is differentiable.

use candle_core::{Result, Tensor};

use super::backend::CudaBackend;
use super::cpu::host;
use super::cross_entropy::{self, cross_entropy, cross_entropy_with_log_sums, row_cross_entropy};
use super::entropy::entropy;
use super::row_stats::cpu::{RowStats, classes_tensor};
use super::row_stats::{Outputs, Sampler, cuda};
use super::sampling::{most_probable, sample};

/// Loss, statistics and samples of rows of logits, on the logits' device: reading them there waits for it.
pub struct SoftmaxStats {
    /// Mean cross-entropy of the targets, differentiable. []
    pub loss: Tensor,
    /// Cross-entropy of every row's target, without a gradient. `[M]`, f32
    pub losses: Tensor,
    /// The most probable class of every row, the first of equals. `[M]`, u32
    pub best: Tensor,
    /// Mean entropy of the rows, in nats. [], f32
    pub entropy: Tensor,
    /// A sample of every row, where a sampler was given. `[M]`, u32
    pub samples: Option<Tensor>,
}

impl SoftmaxStats {
    /// The statistics with their loss.
    pub fn new(loss: Tensor, Outputs { losses, best, entropy, samples }: Outputs) -> Self {
        Self { loss, losses, best, entropy, samples }
    }
}

/// The statistics of rows of logits, each with its target class.
pub fn softmax_stats(logits: &Tensor, targets: &[u32], sampler: Option<Sampler>) -> Result<SoftmaxStats> {
    let (rows, classes) = logits.dims2()?;
    cross_entropy::check(rows, classes, targets)?;
    if let Some(backend) = CudaBackend::of(logits)? {
        let logits = logits.contiguous()?;
        let stats = cuda::read(&backend, &logits, sampler)?;
        let losses = row_cross_entropy(&logits.detach(), &targets.into())?;
        let (_, outputs) = stats.outputs(&backend, losses, sampler.is_some())?;
        return Ok(SoftmaxStats::new(cross_entropy(&logits, &targets.into())?, outputs));
    }
    if !host::holds(logits) {
        return reference(logits, targets, sampler);
    }
    let logits = logits.contiguous()?;
    let (stats, outputs) = host::with(&logits, |logits| {
        let stats = RowStats::new(logits, classes, sampler);
        let outputs = stats.outputs(cross_entropy::cpu::losses(logits, classes, targets, &stats.log_sums))?;
        Ok((stats, outputs))
    })?;
    let loss = cross_entropy_with_log_sums(&logits, &targets.into(), stats.log_sums)?;
    Ok(SoftmaxStats::new(loss, outputs))
}

/// The same from other operations, one after the other.
pub fn reference(logits: &Tensor, targets: &[u32], sampler: Option<Sampler>) -> Result<SoftmaxStats> {
    Ok(SoftmaxStats {
        loss: cross_entropy(logits, &targets.into())?,
        losses: row_cross_entropy(&logits.detach(), &targets.into())?.to_dtype(candle_core::DType::F32)?,
        best: classes_tensor(&most_probable(logits)?)?,
        entropy: entropy(&logits.detach())?.to_dtype(candle_core::DType::F32)?,
        samples: sampler.map(|sampler| sample(logits, sampler)).transpose()?,
    })
}

#[cfg(test)]
mod tests;
