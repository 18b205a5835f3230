//! Binary cross-entropy on a CUDA device.

use candle_core::{CudaStorage, Layout, Result, Shape, Tensor};

use crate::ops::backend::{Backend, COMMON, CudaBackend, DevicePtr, kernels, storage_ptr, with_ptrs};

kernels! {
    "binary_cross_entropy": [COMMON, ("binary_cross_entropy/kernel.cu", include_str!("kernel.cu"))];
    fn binary_cross_entropy_mean(logits: [f32], labels: [f32], mean: [mut f32], n: u32);
    fn binary_cross_entropy_backward(logits: [f32], labels: [f32], grad: [f32], d_logits: [mut f32], n: u64);
}

/// The mean over `n` logits, `[1]`.
pub fn mean_loss<B: Backend>(
    backend: &B,
    logits: DevicePtr<'_, f32>,
    labels: DevicePtr<'_, f32>,
    n: usize,
) -> Result<B::Buffer<f32>> {
    let mean = backend.alloc(1)?;
    let call = binary_cross_entropy_mean(logits, labels, backend.ptr(&mean), n as u32);
    // SAFETY: there are n logits and labels, and memory for the mean.
    unsafe { backend.launch(call.blocks(1, 512))? };
    Ok(mean)
}

/// The gradient of the logits, `[n]`, from that of the mean, `grad` `[1]`.
pub fn logit_grad<B: Backend>(
    backend: &B,
    logits: DevicePtr<'_, f32>,
    labels: DevicePtr<'_, f32>,
    grad: DevicePtr<'_, f32>,
    n: usize,
) -> Result<B::Buffer<f32>> {
    let d_logits = backend.alloc(n)?;
    let call = binary_cross_entropy_backward(logits, labels, grad, backend.ptr(&d_logits), n as u64);
    // SAFETY: as above.
    unsafe { backend.launch(call.over(n))? };
    Ok(d_logits)
}

/// The mean of tensors.
pub fn forward(logits: &CudaStorage, layout: &Layout, labels: &Tensor) -> Result<(CudaStorage, Shape)> {
    let backend = CudaBackend::of_storage(logits)?;
    let (logits, n) = (storage_ptr(logits, layout)?, labels.elem_count());
    let mean = with_ptrs([labels], |[labels]| mean_loss(&backend, logits, labels, n))?;
    Ok((backend.storage(mean), Shape::from(())))
}

/// The gradient of the logits.
pub fn backward(backend: &CudaBackend, logits: &Tensor, labels: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let n = logits.elem_count();
    let d_logits = with_ptrs([logits, labels, &grad.contiguous()?], |[logits, labels, grad]| {
        logit_grad(backend, logits, labels, grad, n)
    })?;
    Ok(backend.tensor(d_logits, logits.shape()))
}
