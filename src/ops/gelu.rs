//! The exact GELU: y = x · Φ(x), Φ the standard normal distribution function by erf (not the tanh
//! approximation; google-research/electra, modeling.gelu). Any shape.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{fused, host, rows, vector};

const BLOCK: usize = 1024;

/// GELU, element by element.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(x) {
        return super::gpu::tensors::elementwise::gelu(x);
    }
    if fused(x) { x.contiguous()?.apply_op1(Gelu) } else { reference(x) }
}

/// The same from candle's primitives.
pub fn reference(x: &Tensor) -> Result<Tensor> {
    x.gelu_erf()
}

struct Gelu;

#[inline(always)]
fn distribution(x: f32) -> f32 {
    0.5 + 0.5 * vector::erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

const DENSITY: f32 = 0.398_942_3; // 1 / √(2π)

/// Φ(x) + x·φ(x), the derivative, of an x whose Φ is known.
#[inline(always)]
fn slope(x: f32, distribution: f32) -> f32 {
    distribution + x * (DENSITY * vector::exp(-0.5 * x * x))
}

/// y = gelu(x).
pub(super) fn apply(x: &[f32], y: &mut [f32]) {
    vector::vectorized!(|| {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * distribution(x);
        }
    });
}

/// y = gelu(x) again, and the gradient of y turned into that of x.
pub(super) fn apply_and_turn(x: &[f32], y: &mut [f32], gradient: &mut [f32]) {
    vector::vectorized!(|| {
        for ((y, gradient), &x) in y.iter_mut().zip(gradient).zip(x) {
            let distribution = distribution(x);
            *y = x * distribution;
            *gradient *= slope(x, distribution);
        }
    });
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = host::slice(storage, layout)?;
        let mut y = vec![0f32; x.len()];
        rows::for_each_block(&mut y, BLOCK, |row, y| {
            apply(&x[row * BLOCK..], y);
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dx = host::with(x, |x| {
            host::with(grad, |grad| {
                let mut dx = vec![0f32; x.len()];
                rows::for_each_block(&mut dx, BLOCK, |row, dx| {
                    let (x, grad) = (&x[row * BLOCK..], &grad[row * BLOCK..]);
                    vector::vectorized!(|| {
                        for ((dx, &x), &grad) in dx.iter_mut().zip(x).zip(grad) {
                            *dx = grad * slope(x, distribution(x));
                        }
                    });
                });
                Ok(dx)
            })
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn fused_agrees_with_the_reference() {
        let x = (testing::tensor(&[70, 300], 1) * 2.0).unwrap();
        testing::compare(&[x], |t| gelu(&t[0]), |t| reference(&t[0]));
    }
}
