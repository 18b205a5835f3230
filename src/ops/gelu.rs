//! The exact GELU: y = x · Φ(x), Φ the standard normal distribution function by erf (not the tanh
//! approximation; google-research/electra, modeling.gelu). Any shape.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{fused, host, rows, vector};

const BLOCK: usize = 1024;

/// GELU, element by element.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
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

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = host::slice(storage, layout)?;
        let mut y = vec![0f32; x.len()];
        rows::for_each_block(&mut y, BLOCK, |row, y| {
            let x = &x[row * BLOCK..];
            vector::vectorized(|| {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x * distribution(x);
                }
            });
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        const DENSITY: f32 = 0.398_942_3; // 1 / √(2π)
        let dx = host::with(x, |x| {
            host::with(grad, |grad| {
                let mut dx = vec![0f32; x.len()];
                rows::for_each_block(&mut dx, BLOCK, |row, dx| {
                    let (x, grad) = (&x[row * BLOCK..], &grad[row * BLOCK..]);
                    vector::vectorized(|| {
                        for ((dx, &x), &grad) in dx.iter_mut().zip(x).zip(grad) {
                            let density = DENSITY * vector::exp(-0.5 * x * x);
                            *dx = grad * (distribution(x) + x * density);
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
