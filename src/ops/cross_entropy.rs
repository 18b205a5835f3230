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
    check(logits, targets)?;
    match fused(logits) {
        true => logits.contiguous()?.apply_op1(CrossEntropy::new(targets, Output::Mean)),
        false => reference(logits, targets),
    }
}

/// The mean of rows whose log Σ exp is known.
pub(super) fn cross_entropy_of(logits: &Tensor, targets: &Arc<[u32]>, log_sums: Vec<f32>) -> Result<Tensor> {
    check(logits, targets)?;
    let mut op = CrossEntropy::new(targets, Output::Mean);
    op.log_sums = OnceLock::from(log_sums);
    logits.apply_op1(op)
}

/// The cross-entropy of every row, [M].
pub fn row_cross_entropy(logits: &Tensor, targets: &Arc<[u32]>) -> Result<Tensor> {
    check(logits, targets)?;
    match fused(logits) {
        true => logits.contiguous()?.apply_op1(CrossEntropy::new(targets, Output::Rows)),
        false => row_reference(logits, targets),
    }
}

fn check(logits: &Tensor, targets: &[u32]) -> Result<()> {
    let (rows, classes) = logits.dims2()?;
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

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, classes) = layout.shape().dims2()?;
        let logits = host::slice(storage, layout)?;
        let log_sums = self.log_sums.get_or_init(|| logits.par_chunks_exact(classes).map(log_sum).collect());
        let losses = log_sums
            .iter()
            .zip(logits.chunks_exact(classes))
            .zip(self.targets.iter())
            .map(|((&log_sum, row), &target)| f64::from(log_sum) - f64::from(row[target as usize]));
        let n = log_sums.len();
        let (values, shape) = match self.output {
            Output::Mean => (vec![(losses.sum::<f64>() / n as f64) as f32], Shape::from(())),
            Output::Rows => (losses.map(|loss| loss as f32).collect(), Shape::from(n)),
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
        let mut d_logits = vec![0f32; rows * classes];
        host::with(logits, |logits| {
            d_logits.par_chunks_exact_mut(classes).enumerate().for_each(|(i, d)| {
                let (row, scale, log_sum) = (&logits[i * classes..(i + 1) * classes], scales[i], log_sums[i]);
                vector::vectorized!(|| {
                    for (d, &logit) in d.iter_mut().zip(row) {
                        *d = scale * vector::exp(logit - log_sum);
                    }
                });
                d[self.targets[i] as usize] -= scale;
            });
            Ok(())
        })?;
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
