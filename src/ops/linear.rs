//! A dense layer: y = x · wᵀ + b.
//!
//! x [N, I], w [O, I], b [O] → y [N, O]. Cost: 2·N·I·O FLOPs forward, twice that backward.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::gradients::{deposit, hand_over};
use super::matmul::{Target, View, multiply, multiply_add, multiply_into, transpose};
use super::{Precision, fused, host, rows, vector};

/// The dense layer; `precision` is that of a CUDA device.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, precision: Precision) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(x) {
        return super::gpu::tensors::linear::linear(x, weight, bias, precision);
    }
    #[cfg(not(feature = "cuda"))]
    let _ = precision;
    if fused(x) { x.contiguous()?.apply_op3(weight, bias, Linear) } else { reference(x, weight, bias) }
}

/// The same from candle's primitives.
pub fn reference(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}

struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let operands = Operands::of([(x, x_layout), (weight, weight_layout), (bias, bias_layout)])?;
        let (n, o) = (operands.rows(), operands.bias.len());
        let y = dense(View::dense(operands.x, n, operands.width), operands.weight, operands.bias, n);
        Ok((CpuStorage::F32(y), Shape::from((n, o))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<Gradients> {
        host::with(grad, |grad| dense_gradients(x, weight, bias, grad))
    }
}

/// The numbers that a dense layer reads.
pub(super) struct Operands<'a> {
    /// [N, I].
    pub x: &'a [f32],
    /// [O, I].
    pub weight: View<'a>,
    /// [O].
    pub bias: &'a [f32],
    /// I.
    pub width: usize,
}

impl<'a> Operands<'a> {
    /// Of x, weight and bias as candle hands them to an operation.
    pub fn of([x, weight, bias]: [(&'a CpuStorage, &Layout); 3]) -> Result<Self> {
        let (classes, width) = weight.1.shape().dims2()?;
        let slice = |(storage, layout): (&'a CpuStorage, &Layout)| host::slice(storage, layout);
        Ok(Self {
            x: slice(x)?,
            weight: View::dense(slice(weight)?, classes, width),
            bias: slice(bias)?,
            width,
        })
    }

    /// Calls `body` with those of tensors.
    pub fn with<R>(
        [x, weight, bias]: [&Tensor; 3],
        body: impl FnOnce(Operands<'_>) -> Result<R>,
    ) -> Result<R> {
        let (classes, width) = weight.dims2()?;
        host::with(x, |x| {
            host::with(weight, |weight| {
                let weight = View::dense(weight, classes, width);
                host::with(bias, |bias| body(Operands { x, weight, bias, width }))
            })
        })
    }

    /// N.
    pub fn rows(&self) -> usize {
        self.x.len() / self.width
    }
}

/// Of x, weight and bias, less what has a place of its own.
pub(super) type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

/// The gradients of x [N, I], weight [O, I] and bias [O], from that of the output [N, O].
pub(super) fn dense_gradients(x: &Tensor, weight: &Tensor, bias: &Tensor, grad: &[f32]) -> Result<Gradients> {
    let ((n, i), (o, _)) = (x.dims2()?, weight.dims2()?);
    let g = View::dense(grad, n, o);
    let dx = host::with(weight, |weight| Ok(multiply(g, View::dense(weight, o, i))))?;
    let dw = host::with(x, |x| {
        let x = View::dense(x, n, i);
        let collected = n > 0 && deposit_weight(weight, g, x);
        Ok((!collected).then(|| multiply(g.transposed(), x)))
    })?;
    Ok((
        Some(Tensor::from_vec(dx, (n, i), x.device())?),
        dw.map(|dw| Tensor::from_vec(dw, (o, i), x.device())).transpose()?,
        hand_over(bias, column_sums(grad, n, o))?,
    ))
}

/// x · wᵀ + b of `n` rows x.
pub(super) fn dense(x: View<'_>, weight: View<'_>, bias: &[f32], n: usize) -> Vec<f32> {
    let mut y = bias.repeat(n);
    multiply_add(&mut y, x, weight.transposed(), true);
    y
}

/// Writes x · wᵀ + b over `out`, row-major.
pub(super) fn dense_into(out: &mut [f32], x: View<'_>, weight: View<'_>, bias: &[f32]) {
    out.par_chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
    multiply_add(out, x, weight.transposed(), true);
}

/// Adds to the gradient of a weight [O, I] what its output's gradient [N, O] and its input [N, I], N > 0, give; false as
/// in [`deposit`].
pub(super) fn deposit_weight(weight: &Tensor, grad: View<'_>, input: View<'_>) -> bool {
    deposit(weight, |out| weight_gradient(grad, input, out))
}

/// gradᵀ · input. The product rearranges its left factor in small pieces, so that is the narrower one of the two.
fn weight_gradient(grad: View<'_>, input: View<'_>, out: &mut [f32]) {
    let (o, i) = (grad.columns(), input.columns());
    if i < o {
        transpose(&multiply(input.transposed(), grad), o, out);
    } else {
        multiply_into(Target::new(out, i), 1.0, grad.transposed(), input, true);
    }
}

/// Sums of the columns of a row-major [n, width] matrix.
pub(super) fn column_sums(values: &[f32], n: usize, width: usize) -> Vec<f32> {
    rows::sum_blocks(n, width, width, |first, n_rows, sums| {
        vector::vectorized!(|| {
            for row in values[first * width..(first + n_rows) * width].chunks_exact(width) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn either_order_of_the_factors_gives_the_same_bits() {
        for (n, o, i) in [(1500, 40, 24), (70, 300, 128), (9, 17, 16), (3, 5, 2), (1100, 70, 1)] {
            let (grad, input) = (testing::numbers(n * o, 1), testing::numbers(n * i, 2));
            let (grad, input) = (View::dense(&grad, n, o), View::dense(&input, n, i));
            let mut out = vec![0.0; o * i];
            weight_gradient(grad, input, &mut out);
            assert!(out == multiply(grad.transposed(), input), "{n} rows, {o}×{i}");
        }
    }

    #[test]
    fn fused_agrees_with_the_reference() {
        let inputs =
            [testing::tensor(&[2000, 24], 1), testing::tensor(&[40, 24], 2), testing::tensor(&[40], 3)];
        testing::compare(
            &inputs,
            |t| linear(&t[0], &t[1], &t[2], Precision::F32),
            |t| reference(&t[0], &t[1], &t[2]),
        );
    }
}
