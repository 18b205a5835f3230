//! GELU on a CUDA device.

use candle_core::{CudaStorage, Layout, Result, Shape, Tensor};

use crate::ops::backend::{Backend, COMMON, CudaBackend, DevicePtr, kernels, storage_ptr, with_ptrs};

kernels! {
    "gelu": [COMMON, ("gelu/kernel.cu", include_str!("kernel.cu"))];
    fn gelu_forward(x: [f32], y: [mut f32], n: u64);
    fn gelu_backward(x: [f32], dy: [f32], dx: [mut f32], n: u64);
}

/// y = gelu(x), of `n` numbers.
pub fn gelu<B: Backend>(backend: &B, x: DevicePtr<'_, f32>, y: DevicePtr<'_, f32>, n: usize) -> Result<()> {
    // SAFETY: x and y have n numbers each.
    unsafe { backend.launch(gelu_forward(x, y, n as u64).over(n)) }
}

/// dx = dy ∘ gelu'(x), of `n` numbers; dx may be dy.
pub fn gelu_grad<B: Backend>(
    backend: &B,
    x: DevicePtr<'_, f32>,
    dy: DevicePtr<'_, f32>,
    dx: DevicePtr<'_, f32>,
    n: usize,
) -> Result<()> {
    // SAFETY: the three have n numbers each.
    unsafe { backend.launch(gelu_backward(x, dy, dx, n as u64).over(n)) }
}

/// gelu(x) of a tensor.
pub fn forward(x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
    let (backend, n) = (CudaBackend::of_storage(x)?, layout.shape().elem_count());
    let y = backend.alloc(n)?;
    gelu(&backend, storage_ptr(x, layout)?, backend.ptr(&y), n)?;
    Ok((backend.storage(y), layout.shape().clone()))
}

/// The gradient of x.
pub fn backward(backend: &CudaBackend, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let n = x.elem_count();
    let dx = backend.alloc(n)?;
    with_ptrs([x, &grad.contiguous()?], |[x, grad]| gelu_grad(backend, x, grad, backend.ptr(&dx), n))?;
    Ok(backend.tensor(dx, x.shape()))
}
