//! Cross-entropy on a CUDA device.

use candle_core::{CudaStorage, Layout, Result, Tensor};

use crate::ops::backend::{Backend, COMMON, CudaBackend, DevicePtr, kernels, storage_ptr, with_ptrs};
use crate::ops::row_stats::cuda::RowStats;

kernels! {
    "cross_entropy": [COMMON, ("cross_entropy/kernel.cu", include_str!("kernel.cu"))];
    fn row_losses(
        logits: [f32], classes: u32, log_sums: [f32], targets: [u32], losses: [mut f32], mean: [mut f32],
        rows: u32,
    );
    fn cross_entropy_backward_inplace(
        logits: [mut f32], classes: u32, log_sums: [f32], targets: [u32], grad: [f32], per_row: u32,
        divisor: f32,
    );
}

/// Threads of a row's gradient.
const THREADS: u32 = 256;

/// Cross-entropies.
pub struct Losses<B: Backend> {
    /// Of every row. `[M]`
    pub rows: B::Buffer<f32>,
    /// Their mean. `[1]`
    pub mean: B::Buffer<f32>,
}

/// The cross-entropies of rows of logits.
pub fn losses<B: Backend>(
    backend: &B,
    logits: DevicePtr<'_, f32>,
    [rows, classes]: [usize; 2],
    log_sums: DevicePtr<'_, f32>,
    targets: DevicePtr<'_, u32>,
) -> Result<Losses<B>> {
    let losses = Losses { rows: backend.alloc(rows)?, mean: backend.alloc(1)? };
    let (at_rows, at_mean) = (backend.ptr(&losses.rows), backend.ptr(&losses.mean));
    let call = row_losses(logits, classes as u32, log_sums, targets, at_rows, at_mean, rows as u32);
    // SAFETY: the logits have the given sizes, and the targets are classes, one per row.
    unsafe { backend.launch(call.blocks(1, 512))? };
    Ok(losses)
}

/// What a gradient of cross-entropies is made of, apart from the logits.
#[derive(Clone, Copy)]
pub struct BackwardInputs<'a> {
    /// log Σ exp of every row. `[M]`
    pub log_sums: DevicePtr<'a, f32>,
    /// Target classes. `[M]`
    pub targets: DevicePtr<'a, u32>,
    /// Gradient of the mean, `[1]`, or of every row's loss, `[M]`.
    pub grad: DevicePtr<'a, f32>,
    /// Whether `grad` is that of every row's loss.
    pub per_row: bool,
}

/// Turns logits, in place, into the gradient of their cross-entropies.
pub fn backward_inplace<B: Backend>(
    backend: &B,
    logits: DevicePtr<'_, f32>,
    [rows, classes]: [usize; 2],
    inputs: BackwardInputs<'_>,
) -> Result<()> {
    let BackwardInputs { log_sums, targets, grad, per_row } = inputs;
    let (divisor, per_row) = (if per_row { 1.0 } else { rows as f32 }, u32::from(per_row));
    let classes = classes as u32;
    let call = cross_entropy_backward_inplace(logits, classes, log_sums, targets, grad, per_row, divisor);
    // SAFETY: as for `losses`.
    unsafe { backend.launch(call.blocks(rows, THREADS)) }
}

/// What the forward pass leaves for the backward pass.
pub struct Forward<B: Backend> {
    /// log Σ exp of every row. `[M]`
    pub log_sums: B::Buffer<f32>,
    /// Target classes. `[M]`
    pub targets: B::Buffer<u32>,
}

impl<B: Backend> Forward<B> {
    /// With the gradient of the losses.
    pub fn inputs<'a>(&'a self, backend: &B, grad: DevicePtr<'a, f32>, per_row: bool) -> BackwardInputs<'a> {
        let (log_sums, targets) = (backend.ptr(&self.log_sums), backend.ptr(&self.targets));
        BackwardInputs { log_sums, targets, grad, per_row }
    }
}

/// The cross-entropies of a tensor of logits.
pub fn forward(
    logits: &CudaStorage,
    layout: &Layout,
    targets: &[u32],
) -> Result<(CudaBackend, Losses<CudaBackend>, Forward<CudaBackend>)> {
    let backend = CudaBackend::of_storage(logits)?;
    let (n, classes) = layout.shape().dims2()?;
    let logits = storage_ptr(logits, layout)?;
    let stats = RowStats::new(&backend, logits, [n, classes], None)?;
    let forward = Forward { log_sums: stats.log_sums, targets: backend.upload(targets)? };
    let (log_sums, targets) = (backend.ptr(&forward.log_sums), backend.ptr(&forward.targets));
    let losses = losses(&backend, logits, [n, classes], log_sums, targets)?;
    Ok((backend, losses, forward))
}

/// The gradient of the logits.
pub fn backward(
    backend: &CudaBackend,
    forward: &Forward<CudaBackend>,
    logits: &Tensor,
    grad: &Tensor,
    per_row: bool,
) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    let d_logits = logits.copy()?;
    with_ptrs([&d_logits, &grad.contiguous()?], |[d_logits, grad]| {
        backward_inplace(backend, d_logits, [n, classes], forward.inputs(backend, grad, per_row))
    })?;
    Ok(d_logits)
}
