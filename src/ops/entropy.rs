//! Mean entropy of the softmax of rows of logits, in nats.
//!
//! logits `[M, V]` → scalar: mean over rows of -Σ p log p, between 0 and log V. With H a row's entropy, the
//! gradient of logit z is -p (log p + H) / M.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::cpu::{host, vector};

/// The mean entropy.
pub fn entropy(logits: &Tensor) -> Result<Tensor> {
    let (rows, _) = logits.dims2()?;
    if rows == 0 {
        candle_core::bail!("entropy needs at least one row of logits");
    }
    if host::holds(logits) { logits.contiguous()?.apply_op1(Entropy) } else { reference(logits) }
}

/// The same from candle's primitives, which also run on a CUDA device.
pub fn reference(logits: &Tensor) -> Result<Tensor> {
    let max = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&max)?;
    let sums = shifted.exp()?.sum_keepdim(D::Minus1)?;
    let weighted = (shifted.exp()? * shifted)?.sum_keepdim(D::Minus1)?;
    (sums.log()? - (weighted / sums)?)?.mean_all()
}

/// The operation. There is no CUDA kernel: only `adversarial` takes the gradient of an entropy.
struct Entropy;

/// A row's largest logit, log Σ exp(logit - largest), and the entropy.
fn row_entropy(row: &[f32]) -> (f32, f32, f32) {
    vector::vectorized!(|| {
        let max = vector::max(row);
        let sum = vector::sum(row.len(), |i| vector::exp(row[i] - max));
        let weighted = vector::sum(row.len(), |i| vector::exp(row[i] - max) * (row[i] - max));
        (max, sum.ln(), entropy_of(sum, weighted))
    })
}

/// The entropy of a row from Σ exp(z) and Σ exp(z) · z of its logits z, less the largest.
pub fn entropy_of(sum: f32, weighted: f32) -> f32 {
    sum.ln() - weighted / sum
}

impl CustomOp1 for Entropy {
    fn name(&self) -> &'static str {
        "entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, classes) = layout.shape().dims2()?;
        let logits = host::slice(storage, layout)?;
        let entropies: Vec<f32> = logits.par_chunks_exact(classes).map(|row| row_entropy(row).2).collect();
        let total: f64 = entropies.into_iter().map(f64::from).sum();
        Ok((CpuStorage::F32(vec![(total / rows as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (rows, classes) = logits.dims2()?;
        let scale = grad.to_scalar::<f32>()? / rows as f32;
        let mut d_logits = vec![0f32; rows * classes];
        host::with(logits, |logits| {
            let each = d_logits.par_chunks_exact_mut(classes).zip(logits.par_chunks_exact(classes));
            each.for_each(|(d, row)| {
                let (max, log_sum, entropy) = row_entropy(row);
                vector::vectorized!(|| {
                    for (d, &logit) in d.iter_mut().zip(row) {
                        let log_probability = logit - max - log_sum;
                        *d = -scale * vector::exp(log_probability) * (log_probability + entropy);
                    }
                });
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
        let logits = (testing::tensor(&[5, 51], 1) * 2.0).unwrap();
        testing::compare(&[logits], |t| entropy(&t[0]), |t| reference(&t[0]));
    }

    #[test]
    fn even_and_certain_rows_by_hand() {
        let of = |row: &[f32]| {
            let logits = Tensor::from_slice(row, (1, row.len()), &candle_core::Device::Cpu).unwrap();
            entropy(&logits).unwrap().to_scalar::<f32>().unwrap()
        };
        assert!((of(&[3.0; 8]) - 8f32.ln()).abs() < 1e-6);
        assert_eq!(of(&[1e4, 0.0, -1e4]), 0.0);
        // Probabilities 3/4 and 1/4.
        let expected = 4f32.ln() - 0.75 * 3f32.ln();
        assert!((of(&[3f32.ln(), 0.0]) - expected).abs() < 1e-6);
    }
}
