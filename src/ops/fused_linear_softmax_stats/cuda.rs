//! The operation on a CUDA device, made of the kernels of others.

use candle_core::{CudaStorage, Layout, Result, Tensor};

use crate::ops::backend::{Backend, CudaBackend, DevicePtr, expect_shape, storage_ptr, with_ptrs};
use crate::ops::cross_entropy::cuda::{self as cross_entropy, backward_inplace, losses};
use crate::ops::gradients::InputGrads;
use crate::ops::linear::cuda::{LinearInputs, backward_from, linear};
use crate::ops::row_stats::cuda::RowStats;
use crate::ops::row_stats::{Outputs, Sampler};
use crate::precision::Precision;

/// What the forward pass leaves for the backward pass.
pub struct Forward<B: Backend> {
    /// Taken by the backward pass, which writes over them.
    logits: Option<B::Buffer<f32>>,
    of_rows: cross_entropy::Forward<B>,
}

fn logits<B: Backend>(
    backend: &B,
    inputs: LinearInputs<'_>,
    bias: DevicePtr<'_, f32>,
) -> Result<B::Buffer<f32>> {
    let [n, classes, _] = inputs.sizes;
    let logits = backend.alloc(n * classes)?;
    linear(backend, inputs, bias, backend.ptr(&logits))?;
    Ok(logits)
}

/// The mean loss and the statistics.
pub fn forward(
    [(x, x_layout), (weight, weight_layout), (bias, bias_layout)]: [(&CudaStorage, &Layout); 3],
    targets: &[u32],
    sampler: Option<Sampler>,
    precision: Precision,
) -> Result<(CudaStorage, Outputs, Forward<CudaBackend>)> {
    let backend = CudaBackend::of_storage(x)?;
    let ((n, i), classes) = (x_layout.shape().dims2()?, bias_layout.shape().elem_count());
    expect_shape("an output matrix", weight_layout.shape(), &[classes, i])?;
    let (x, weight) = (storage_ptr(x, x_layout)?, storage_ptr(weight, weight_layout)?);
    let inputs = LinearInputs { x, weight, sizes: [n, classes, i], precision };
    let logits = logits(&backend, inputs, storage_ptr(bias, bias_layout)?)?;
    let stats = RowStats::new(&backend, backend.ptr(&logits), [n, classes], sampler)?;
    let targets = backend.upload(targets)?;
    let (log_sums, at_targets) = (backend.ptr(&stats.log_sums), backend.ptr(&targets));
    let losses = losses(&backend, backend.ptr(&logits), [n, classes], log_sums, at_targets)?;
    let (log_sums, outputs) = stats.outputs(&backend, backend.tensor(losses.rows, n), sampler.is_some())?;
    let of_rows = cross_entropy::Forward { log_sums, targets };
    Ok((backend.storage(losses.mean), outputs, Forward { logits: Some(logits), of_rows }))
}

/// The gradients of x, weight and bias.
pub fn backward(
    backend: &CudaBackend,
    forward: &mut Forward<CudaBackend>,
    [x, weight, bias]: [&Tensor; 3],
    grad: &Tensor,
    precision: Precision,
) -> Result<InputGrads> {
    let ((n, i), classes) = (x.dims2()?, weight.dim(0)?);
    let d_logits = match forward.logits.take() {
        Some(logits) => logits,
        // A second backward pass: the first has written over them.
        None => with_ptrs([x, weight, bias], |[x, weight, bias]| {
            logits(backend, LinearInputs { x, weight, sizes: [n, classes, i], precision }, bias)
        })?,
    };
    with_ptrs([&grad.contiguous()?], |[grad]| {
        let inputs = forward.of_rows.inputs(backend, grad, false);
        backward_inplace(backend, backend.ptr(&d_logits), [n, classes], inputs)
    })?;
    backward_from(backend, [x, weight, bias], backend.ptr(&d_logits), precision)
}
