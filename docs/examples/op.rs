//! The example operation of docs/extending.md: the squared ReLU.
//!
//! Compiled and tested as a file of `src/ops/`; the guide quotes it, and a test holds the two together.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::backend::fused;
use super::cpu::{host, rows, vector};

const BLOCK: usize = 1024;

/// y = max(x, 0)², element by element (Primer, So et al. 2021). Any shape.
pub fn squared_relu(x: &Tensor) -> Result<Tensor> {
    // It has no CUDA kernel yet, so on a GPU the reference runs.
    let has_kernel = fused(x) && x.device().is_cpu();
    if has_kernel { x.contiguous()?.apply_op1(SquaredRelu) } else { reference(x) }
}

/// The same from candle's primitives.
pub fn reference(x: &Tensor) -> Result<Tensor> {
    x.relu()?.sqr()
}

struct SquaredRelu;

impl CustomOp1 for SquaredRelu {
    fn name(&self) -> &'static str {
        "squared-relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = host::slice(storage, layout)?;
        let mut y = vec![0f32; x.len()];
        rows::for_each_block(&mut y, BLOCK, |row, y| {
            let x = &x[row * BLOCK..];
            vector::vectorized!(|| {
                for (y, &x) in y.iter_mut().zip(x) {
                    let positive = x.max(0.0);
                    *y = positive * positive;
                }
            });
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let derivative = (x.relu()? * 2.0)?;
        Ok(Some((grad * derivative)?))
    }
}

mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn fused_agrees_with_the_reference() {
        let x = (testing::tensor(&[70, 300], 1) * 2.0).unwrap();
        testing::compare(&[x], |t| squared_relu(&t[0]), |t| reference(&t[0]));
    }
}
