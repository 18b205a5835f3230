//! Dropout whose mask is recomputed from a counter, never stored.
//!
//! y = x ∘ m with m = 1 / (1 - p) with probability 1 - p and 0 otherwise. The mask of element e is a function
//! of (key, site, e): 16 bits of a Philox word against a threshold, so p is exact to 1/65536 and the scale is
//! that of the probability really used.
//! Cost: one Philox block for eight elements, forward and backward each.

pub mod cuda;
pub mod key;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::backend::{CudaBackend, fused};
use super::cpu::{host, rows, vector};
pub use key::{DropoutKey, MicroBatchOffset};

/// Dropout of `x` (any shape, one token per row); the identity when `key` is None or never drops.
pub fn dropout(x: &Tensor, key: Option<DropoutKey>) -> Result<Tensor> {
    match key {
        Some(key) if key.is_off() => Ok(x.clone()),
        Some(key) if fused(x) => x.contiguous()?.apply_op1(Dropout(key)),
        Some(key) => reference(x, key),
        None => Ok(x.clone()),
    }
}

/// The same from candle's primitives.
pub fn reference(x: &Tensor, key: DropoutKey) -> Result<Tensor> {
    x * key.mask(x.shape(), x)?
}

struct Dropout(DropoutKey);

impl Dropout {
    /// Forward and backward: both multiply by the mask.
    fn apply_on_cpu(&self, x: &[f32], shape: &Shape) -> Vec<f32> {
        let mut out = vec![0f32; x.len()];
        let first = self.0.first_element(key::width(shape));
        rows::for_each_block(&mut out, 1024, |row, out| {
            let start = row * 1024;
            vector::vectorized!(|| {
                self.0.fill(first + start, out);
                for (y, &x) in out.iter_mut().zip(&x[start..]) {
                    *y *= x;
                }
            });
        });
        out
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = self.apply_on_cpu(host::slice(x, layout)?, layout.shape());
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(x, layout, self.0)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        if let Some(backend) = CudaBackend::of(x)? {
            return cuda::backward(&backend, x, grad, self.0).map(Some);
        }
        let dx = host::with(grad, |grad| Ok(self.apply_on_cpu(grad, x.shape())))?;
        Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
    }
}

#[cfg(test)]
mod tests;
