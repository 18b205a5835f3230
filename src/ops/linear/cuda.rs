//! The dense layer on a CUDA device.

use candle_core::{CudaStorage, Layout, Result, Shape, Tensor};

use crate::ops::backend::primitives::{broadcast_rows, sum_columns};
use crate::ops::backend::{Backend, CudaBackend, DevicePtr, Gemm, expect_shape, storage_ptr, with_ptrs};
use crate::ops::gradients::{InputGrads, cuda::accumulate_grad_or_return};
use crate::precision::Precision;

/// The input and the weight of a dense layer.
#[derive(Clone, Copy)]
pub struct LinearInputs<'a> {
    /// `[N, I]`.
    pub x: DevicePtr<'a, f32>,
    /// `[O, I]`.
    pub weight: DevicePtr<'a, f32>,
    /// N, O and I.
    pub sizes: [usize; 3],
    /// Rounding of the factors.
    pub precision: Precision,
}

/// Writes x · wᵀ + bias over `y` `[N, O]`.
pub fn linear<B: Backend>(
    backend: &B,
    inputs: LinearInputs<'_>,
    bias: DevicePtr<'_, f32>,
    y: DevicePtr<'_, f32>,
) -> Result<()> {
    let LinearInputs { x, weight, sizes, precision } = inputs;
    let [n, o, _] = sizes;
    broadcast_rows(backend, bias, o, y, n)?;
    let (a_transposed, b_transposed) = (false, true);
    let gemm = Gemm { a: x, a_transposed, b: weight, b_transposed, c: y, sizes, add: true, precision };
    // SAFETY: `LinearInputs` has the sizes, and y has memory for N rows of O.
    unsafe { backend.gemm(gemm) }
}

/// Writes the gradient of x, `dy` `[N, O]` · w, over `dx` `[N, I]`, or adds it to what `dx` holds.
pub fn input_grad<B: Backend>(
    backend: &B,
    inputs: LinearInputs<'_>,
    dy: DevicePtr<'_, f32>,
    dx: DevicePtr<'_, f32>,
    add: bool,
) -> Result<()> {
    let LinearInputs { weight, sizes: [n, o, i], precision, .. } = inputs;
    let (a_transposed, b_transposed, sizes) = (false, false, [n, i, o]);
    let gemm = Gemm { a: dy, a_transposed, b: weight, b_transposed, c: dx, sizes, add, precision };
    // SAFETY: `LinearInputs` has the sizes, and dx has as many numbers as x.
    unsafe { backend.gemm(gemm) }
}

/// The gradients of weight `[O, I]` and bias `[O]`.
pub fn parameter_grads<B: Backend>(
    backend: &B,
    inputs: LinearInputs<'_>,
    dy: DevicePtr<'_, f32>,
) -> Result<[B::Buffer<f32>; 2]> {
    let LinearInputs { x, sizes: [n, o, i], precision, .. } = inputs;
    let weight = backend.alloc(o * i)?;
    let (a_transposed, b_transposed, sizes) = (true, false, [o, i, n]);
    let c = backend.ptr(&weight);
    let gemm = Gemm { a: dy, a_transposed, b: x, b_transposed, c, sizes, add: false, precision };
    // SAFETY: `LinearInputs` has the sizes; the weight's gradient was allocated for them.
    unsafe { backend.gemm(gemm)? };
    Ok([weight, sum_columns(backend, dy, n, o)?])
}

/// The dense layer of tensors.
pub fn forward(inputs: [(&CudaStorage, &Layout); 3], precision: Precision) -> Result<(CudaStorage, Shape)> {
    let [(x, x_layout), (weight, weight_layout), (bias, bias_layout)] = inputs;
    let backend = CudaBackend::of_storage(x)?;
    let ((n, i), o) = (x_layout.shape().dims2()?, bias_layout.shape().elem_count());
    expect_shape("the weight of a dense layer", weight_layout.shape(), &[o, i])?;
    let (x, weight) = (storage_ptr(x, x_layout)?, storage_ptr(weight, weight_layout)?);
    let y = backend.alloc(n * o)?;
    let inputs = LinearInputs { x, weight, sizes: [n, o, i], precision };
    linear(&backend, inputs, storage_ptr(bias, bias_layout)?, backend.ptr(&y))?;
    Ok((backend.storage(y), Shape::from((n, o))))
}

/// The gradients of x, weight and bias, from that of the output.
pub fn backward(
    backend: &CudaBackend,
    inputs: [&Tensor; 3],
    grad: &Tensor,
    precision: Precision,
) -> Result<InputGrads> {
    with_ptrs([&grad.contiguous()?], |[grad]| backward_from(backend, inputs, grad, precision))
}

/// The same from the address of the output's gradient `[N, O]`.
pub fn backward_from(
    backend: &CudaBackend,
    [x, weight, bias]: [&Tensor; 3],
    grad: DevicePtr<'_, f32>,
    precision: Precision,
) -> Result<InputGrads> {
    let ((n, i), o) = (x.dims2()?, weight.dim(0)?);
    let dx = backend.alloc(n * i)?;
    let [dw, db] = with_ptrs([x, weight], |[x, weight]| {
        let inputs = LinearInputs { x, weight, sizes: [n, o, i], precision };
        input_grad(backend, inputs, grad, backend.ptr(&dx), false)?;
        parameter_grads(backend, inputs, grad)
    })?;
    Ok((
        Some(backend.tensor(dx, x.shape())),
        accumulate_grad_or_return(weight, backend.tensor(dw, weight.shape()))?,
        accumulate_grad_or_return(bias, backend.tensor(db, bias.shape()))?,
    ))
}
