//! Dropout on a CUDA device, and what other operations' kernels need to drop elements.

use candle_core::{CudaStorage, Layout, Result, Shape, Tensor};

use super::key::{self, DropoutKey};
use crate::ops::backend::{
    Backend, COMMON, CudaBackend, CudaType, DevicePtr, DeviceRepr, File, kernels, storage_ptr, with_ptrs,
};

/// The device functions that compute a mask.
pub const DROPOUT: File = ("dropout/dropout.cuh", include_str!("dropout.cuh"));

kernels! {
    "dropout": [COMMON, DROPOUT, ("dropout/kernel.cu", include_str!("kernel.cu"))];
    fn dropout_apply(x: [f32], y: [mut f32], n: u64, dropout: DropoutSite);
}

/// A dropout site, as the kernels take it (`dropout.cuh`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DropoutSite {
    key: [u32; 2],
    site: [u32; 2],
    threshold: u32,
    scale: f32,
    first: u64,
}

// SAFETY: numbers.
unsafe impl DeviceRepr for DropoutSite {}
// SAFETY: `struct Dropout` of `dropout.cuh` has the same fields.
unsafe impl CudaType for DropoutSite {
    const NAME: &'static str = "Dropout";
}

impl DropoutSite {
    /// The site of `key`, where each token has `per_token` elements; without a key nothing is dropped.
    pub fn new(key: Option<DropoutKey>, per_token: usize) -> Self {
        match key {
            Some(dropout) => Self {
                key: dropout.key.0,
                site: [dropout.site as u32, (dropout.site >> 32) as u32],
                threshold: dropout.threshold().into(),
                scale: dropout.scale(),
                first: dropout.first_element(per_token) as u64,
            },
            None => Self { key: [0; 2], site: [0; 2], threshold: 0, scale: 1.0, first: 0 },
        }
    }

    /// Whether nothing is dropped.
    pub fn is_off(&self) -> bool {
        self.threshold == 0
    }
}

/// y = x ∘ mask, of `n` numbers.
pub fn dropout<B: Backend>(
    backend: &B,
    x: DevicePtr<'_, f32>,
    y: DevicePtr<'_, f32>,
    n: usize,
    site: DropoutSite,
) -> Result<()> {
    // SAFETY: x and y have n numbers each.
    unsafe { backend.launch(dropout_apply(x, y, n as u64, site).over(n)) }
}

fn site(key: DropoutKey, shape: &Shape) -> DropoutSite {
    DropoutSite::new(Some(key), key::width(shape))
}

/// Dropout of a tensor.
pub fn forward(x: &CudaStorage, layout: &Layout, key: DropoutKey) -> Result<(CudaStorage, Shape)> {
    let (backend, n) = (CudaBackend::of_storage(x)?, layout.shape().elem_count());
    let y = backend.alloc(n)?;
    dropout(&backend, storage_ptr(x, layout)?, backend.ptr(&y), n, site(key, layout.shape()))?;
    Ok((backend.storage(y), layout.shape().clone()))
}

/// The gradient of x.
pub fn backward(backend: &CudaBackend, x: &Tensor, grad: &Tensor, key: DropoutKey) -> Result<Tensor> {
    let n = x.elem_count();
    let dx = backend.alloc(n)?;
    with_ptrs([&grad.contiguous()?], |[grad]| {
        dropout(backend, grad, backend.ptr(&dx), n, site(key, x.shape()))
    })?;
    Ok(backend.tensor(dx, x.shape()))
}
