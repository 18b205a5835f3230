//! Cross-entropy of rows of logits against one target class each: its mean, or every row's.
//!
//! logits [M, V], targets of M rows in 0..V → log Σ exp(logits) - logits[target], [M], or its mean, a scalar.
//! Probabilities exist one row at a time; the backward pass recomputes them from the kept log-sums.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{fused, host, vector};

/// The mean cross-entropy.
pub fn cross_entropy(logits: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
    check_logits(logits, targets)?;
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(logits) {
        return super::gpu::tensors::readings::cross_entropy(logits, targets, false);
    }
    match fused(logits) {
        true => logits.contiguous()?.apply_op1(CrossEntropy::new(targets, Output::Mean)),
        false => reference(logits, targets),
    }
}

/// The mean of rows whose log Σ exp is known.
pub(super) fn cross_entropy_of(logits: &Tensor, targets: &Arc<[u32]>, log_sums: Vec<f32>) -> Result<Tensor> {
    check_logits(logits, targets)?;
    let mut op = CrossEntropy::new(targets, Output::Mean);
    op.log_sums = OnceLock::from(log_sums);
    logits.apply_op1(op)
}

/// The cross-entropy of every row, [M].
pub fn row_cross_entropy(logits: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
    check_logits(logits, targets)?;
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(logits) {
        return super::gpu::tensors::readings::cross_entropy(logits, targets, true);
    }
    match fused(logits) {
        true => logits.contiguous()?.apply_op1(CrossEntropy::new(targets, Output::Rows)),
        false => row_reference(logits, targets),
    }
}

fn check_logits(logits: &Tensor, targets: &[u32]) -> Result<()> {
    let (rows, classes) = logits.dims2()?;
    check(rows, classes, targets)
}

/// Errors unless there is a target among the classes for every row, and a row.
pub(super) fn check(rows: usize, classes: usize, targets: &[u32]) -> Result<()> {
    if rows == 0 || rows != targets.len() || targets.iter().any(|&target| target as usize >= classes) {
        candle_core::bail!("cross-entropy of {rows} rows of {classes} classes got {} targets", targets.len());
    }
    Ok(())
}

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

/// What the operation returns.
#[derive(Clone, Copy)]
enum Output {
    Mean,
    Rows,
}

struct CrossEntropy {
    targets: Arc<[u32]>,
    output: Output,
    log_sums: OnceLock<Vec<f32>>,
}

impl CrossEntropy {
    fn new(targets: &Arc<[u32]>, output: Output) -> Self {
        Self { targets: targets.clone(), output, log_sums: OnceLock::new() }
    }
}

/// log Σ exp of a row.
pub(super) fn log_sum(row: &[f32]) -> f32 {
    vector::vectorized!(|| {
        let max = vector::max(row);
        max + vector::sum(row.len(), |i| vector::exp(row[i] - max)).ln()
    })
}

/// The loss of every row, in f64.
fn losses(logits: &[f32], classes: usize, targets: &[u32], log_sums: &[f32]) -> impl Iterator<Item = f64> {
    let chosen = logits.chunks_exact(classes).zip(targets).map(|(row, &target)| row[target as usize]);
    log_sums.iter().zip(chosen).map(|(&log_sum, logit)| f64::from(log_sum) - f64::from(logit))
}

/// Their mean.
pub(super) fn mean_loss(logits: &[f32], classes: usize, targets: &[u32], log_sums: &[f32]) -> f32 {
    (losses(logits, classes, targets, log_sums).sum::<f64>() / log_sums.len() as f64) as f32
}

/// Turns a row of logits into the gradient of its loss times `scale`.
pub(super) fn turn_row(row: &mut [f32], log_sum: f32, target: u32, scale: f32) {
    vector::vectorized!(|| {
        for value in row.iter_mut() {
            *value = scale * vector::exp(*value - log_sum);
        }
    });
    row[target as usize] -= scale;
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, classes) = layout.shape().dims2()?;
        let logits = host::slice(storage, layout)?;
        let log_sums = self.log_sums.get_or_init(|| logits.par_chunks_exact(classes).map(log_sum).collect());
        let (values, shape) = match self.output {
            Output::Mean => (vec![mean_loss(logits, classes, &self.targets, log_sums)], Shape::from(())),
            Output::Rows => {
                let losses = losses(logits, classes, &self.targets, log_sums);
                (losses.map(|loss| loss as f32).collect(), Shape::from(log_sums.len()))
            }
        };
        Ok((CpuStorage::F32(values), shape))
    }

    fn bwd(&self, logits: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (rows, classes) = logits.dims2()?;
        let scales = match self.output {
            Output::Mean => vec![grad.to_scalar::<f32>()? / rows as f32; rows],
            Output::Rows => grad.to_vec1::<f32>()?,
        };
        let Some(log_sums) = self.log_sums.get() else {
            candle_core::bail!("the backward pass of a cross-entropy that had no forward pass")
        };
        let mut d_logits = host::with(logits, |logits| Ok(logits.to_vec()))?;
        d_logits.par_chunks_exact_mut(classes).enumerate().for_each(|(i, row)| {
            turn_row(row, log_sums[i], self.targets[i], scales[i]);
        });
        Ok(Some(Tensor::from_vec(d_logits, logits.shape(), logits.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn fused_agrees_with_the_reference() {
        let targets: Arc<[u32]> = vec![0, 3, 50, 7, 7].into();
        let logits = (testing::tensor(&[5, 51], 1) * 3.0).unwrap();
        let inputs = &[logits];
        testing::compare(inputs, |t| cross_entropy(&t[0], &targets), |t| reference(&t[0], &targets));
        testing::compare(inputs, |t| row_cross_entropy(&t[0], &targets), |t| row_reference(&t[0], &targets));
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let logits = Tensor::new(&[[1e4f32, 0.0, -1e4]], &candle_core::Device::Cpu).unwrap();
        let loss =
            |target: u32| cross_entropy(&logits, &vec![target].into()).unwrap().to_scalar::<f32>().unwrap();
        assert_eq!((loss(0), loss(2)), (0.0, 2e4));
    }
}
