//! Cross-entropy of rows of logits against one target class each: its mean, or every row's.
//!
//! logits `[M, V]`, targets of M rows in 0..V → losses `[M]`, or their mean, a scalar:
//!
//! ```text
//! loss = log Σ exp(logits) - logits[target]
//! ```
//!
//! Probabilities exist one row at a time; the backward pass recomputes them from the kept log-sums.

pub mod cpu;
pub mod cuda;
mod reference;

use std::sync::Arc;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::backend::{CudaBackend, ForwardCache, fused};
use super::cpu::host;
pub use reference::{reference, row_reference};

/// The mean cross-entropy.
pub fn cross_entropy(logits: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
    check_logits(logits, targets)?;
    match fused(logits) {
        true => logits.contiguous()?.apply_op1(CrossEntropy::new(targets, Reduction::Mean)),
        false => reference(logits, targets),
    }
}

/// The mean cross-entropy of contiguous logits in host memory whose log Σ exp are known.
pub fn cross_entropy_with_log_sums(
    logits: &Tensor,
    targets: &Arc<[u32]>,
    log_sums: Vec<f32>,
) -> Result<Tensor> {
    check_logits(logits, targets)?;
    let op = CrossEntropy::new(targets, Reduction::Mean);
    op.log_sums.store(log_sums)?;
    logits.apply_op1(op)
}

/// The cross-entropy of every row, `[M]`.
pub fn row_cross_entropy(logits: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
    check_logits(logits, targets)?;
    match fused(logits) {
        true => logits.contiguous()?.apply_op1(CrossEntropy::new(targets, Reduction::None)),
        false => row_reference(logits, targets),
    }
}

fn check_logits(logits: &Tensor, targets: &[u32]) -> Result<()> {
    let (rows, classes) = logits.dims2()?;
    check(rows, classes, targets)
}

/// Checks that there is at least one row, and that the target of each is one of the classes.
pub fn check(rows: usize, classes: usize, targets: &[u32]) -> Result<()> {
    if rows == 0 || rows != targets.len() || targets.iter().any(|&target| target as usize >= classes) {
        bail!("cross-entropy of {rows} rows of {classes} classes got {} targets", targets.len());
    }
    Ok(())
}

/// What the operation returns.
#[derive(Clone, Copy)]
enum Reduction {
    /// The mean over the rows.
    Mean,
    /// The loss of every row.
    None,
}

struct CrossEntropy {
    targets: Arc<[u32]>,
    reduction: Reduction,
    /// log Σ exp of every row, on the CPU.
    log_sums: ForwardCache<Vec<f32>>,
    /// The same on a CUDA device.
    cuda: ForwardCache<cuda::Forward<CudaBackend>>,
}

impl CrossEntropy {
    fn new(targets: &Arc<[u32]>, reduction: Reduction) -> Self {
        let name = "cross-entropy";
        let (log_sums, cuda) = (ForwardCache::new(name), ForwardCache::new(name));
        Self { targets: targets.clone(), reduction, log_sums, cuda }
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, classes) = layout.shape().dims2()?;
        let logits = host::slice(logits, layout)?;
        let log_sums = match self.log_sums.take()? {
            Some(known) => known,
            None => cpu::log_sums(logits, classes),
        };
        let output = match self.reduction {
            Reduction::Mean => {
                (vec![cpu::mean_loss(logits, classes, &self.targets, &log_sums)], Shape::from(()))
            }
            Reduction::None => {
                let losses = cpu::losses(logits, classes, &self.targets, &log_sums);
                (losses.map(|loss| loss as f32).collect(), Shape::from(log_sums.len()))
            }
        };
        self.log_sums.store(log_sums)?;
        Ok((CpuStorage::F32(output.0), output.1))
    }

    fn cuda_fwd(&self, logits: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (backend, losses, forward) = cuda::forward(logits, layout, &self.targets)?;
        self.cuda.store(forward)?;
        Ok(match self.reduction {
            Reduction::None => (backend.storage(losses.rows), Shape::from(self.targets.len())),
            Reduction::Mean => (backend.storage(losses.mean), Shape::from(())),
        })
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        if let Some(backend) = CudaBackend::of(logits)? {
            let per_row = matches!(self.reduction, Reduction::None);
            return self
                .cuda
                .with(|forward| cuda::backward(&backend, forward, logits, grad, per_row))
                .map(Some);
        }
        let (rows, classes) = logits.dims2()?;
        let scales = match self.reduction {
            Reduction::Mean => vec![grad.to_scalar::<f32>()? / rows as f32; rows],
            Reduction::None => grad.to_vec1::<f32>()?,
        };
        let mut d_logits = host::with(logits, |logits| Ok(logits.to_vec()))?;
        self.log_sums.with(|log_sums| {
            cpu::backward_inplace(&mut d_logits, classes, log_sums, &self.targets, &scales);
            Ok(())
        })?;
        Tensor::from_vec(d_logits, logits.shape(), logits.device()).map(Some)
    }
}

#[cfg(test)]
mod tests;
