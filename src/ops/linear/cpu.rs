//! The dense layer on the CPU.

use std::ops::Range;

use candle_core::{CpuStorage, Layout, Result, Tensor};
use rayon::prelude::*;

use crate::ops::cpu::matmul::{Target, View, multiply, multiply_add, multiply_into, transpose};
use crate::ops::cpu::{host, rows, vector};
use crate::ops::gradients::{InputGrads, accumulate_grad, accumulate_grad_or_return};

/// The numbers that a dense layer reads.
#[derive(Clone, Copy)]
pub struct LinearInputs<'a> {
    /// `[N, I]`.
    pub x: &'a [f32],
    /// `[O, I]`.
    pub weight: View<'a>,
    /// `[O]`.
    pub bias: &'a [f32],
    /// I.
    pub width: usize,
}

impl<'a> LinearInputs<'a> {
    /// Those of x, weight and bias as candle passes them to an operation.
    pub fn of([x, weight, bias]: [(&'a CpuStorage, &Layout); 3]) -> Result<Self> {
        let (o, width) = weight.1.shape().dims2()?;
        let slice = |(storage, layout): (&'a CpuStorage, &Layout)| host::slice(storage, layout);
        let weight = View::dense(slice(weight)?, o, width);
        Ok(Self { x: slice(x)?, weight, bias: slice(bias)?, width })
    }

    /// Calls `body` with those of tensors.
    pub fn with<R>(
        [x, weight, bias]: [&Tensor; 3],
        body: impl FnOnce(LinearInputs<'_>) -> Result<R>,
    ) -> Result<R> {
        let (o, width) = weight.dims2()?;
        host::with(x, |x| {
            host::with(weight, |weight| {
                let weight = View::dense(weight, o, width);
                host::with(bias, |bias| body(LinearInputs { x, weight, bias, width }))
            })
        })
    }

    /// N.
    pub fn rows(&self) -> usize {
        self.x.len() / self.width
    }

    /// Some rows of x.
    pub fn x_rows(&self, rows: Range<usize>) -> View<'a> {
        View::dense(&self.x[rows.start * self.width..rows.end * self.width], rows.len(), self.width)
    }

    /// x · wᵀ + b of some rows.
    pub fn forward(&self, rows: Range<usize>) -> Vec<f32> {
        let mut y = self.bias.repeat(rows.len());
        multiply_add(&mut y, self.x_rows(rows), self.weight.transposed(), true);
        y
    }

    /// Writes x · wᵀ + b of all rows over `out`, row-major.
    pub fn forward_into(&self, out: &mut [f32]) {
        out.par_chunks_exact_mut(self.bias.len()).for_each(|row| row.copy_from_slice(self.bias));
        multiply_add(out, self.x_rows(0..self.rows()), self.weight.transposed(), true);
    }
}

/// The gradients of x `[N, I]`, weight `[O, I]` and bias `[O]`, from that of the output `[N, O]`.
pub fn backward(x: &Tensor, weight: &Tensor, bias: &Tensor, grad: &[f32]) -> Result<InputGrads> {
    let ((n, i), (o, _)) = (x.dims2()?, weight.dims2()?);
    let g = View::dense(grad, n, o);
    let dx = host::with(weight, |weight| Ok(multiply(g, View::dense(weight, o, i))))?;
    let dw = host::with(x, |x| {
        let x = View::dense(x, n, i);
        let accumulated = n > 0 && accumulate_weight_grad(weight, g, x);
        Ok((!accumulated).then(|| multiply(g.transposed(), x)))
    })?;
    Ok((
        Some(Tensor::from_vec(dx, (n, i), x.device())?),
        dw.map(|dw| Tensor::from_vec(dw, (o, i), x.device())).transpose()?,
        accumulate_grad_or_return(bias, column_sums(grad, n, o))?,
    ))
}

/// Adds the product of its output's gradient `[N, O]` and its input `[N, I]`, N > 0, to the gradient of a
/// weight `[O, I]`; false as in [`accumulate_grad`].
pub fn accumulate_weight_grad(weight: &Tensor, grad: View<'_>, input: View<'_>) -> bool {
    accumulate_grad(weight, |out| weight_grad(grad, input, out))
}

/// Writes gradᵀ · input over `out`. The product rearranges its left factor in small pieces, so the left
/// factor is the narrower one of the two.
pub fn weight_grad(grad: View<'_>, input: View<'_>, out: &mut [f32]) {
    let (o, i) = (grad.columns(), input.columns());
    if i < o {
        transpose(&multiply(input.transposed(), grad), o, out);
    } else {
        multiply_into(Target::new(out, i), 1.0, grad.transposed(), input, true);
    }
}

/// Sums of the columns of a row-major [n, width] matrix.
pub fn column_sums(values: &[f32], n: usize, width: usize) -> Vec<f32> {
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
