//! Plain slices of contiguous f32 tensors in host memory, for the fused kernels.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Storage, Tensor, bail};

/// Whether a tensor holds f32 numbers in host memory.
pub fn holds(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}

/// The elements of a contiguous f32 storage.
pub fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets().and_then(|(start, end)| values.get(start..end)) {
        Some(slice) => Ok(slice),
        None => bail!("a CPU kernel needs contiguous tensors; this one has the layout {layout:?}"),
    }
}

/// The elements of a contiguous f32 storage, to be overwritten.
pub fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let CpuStorage::F32(values) = storage else { bail!("a CPU kernel needs f32 tensors") };
    match layout.contiguous_offsets().and_then(|(start, end)| values.get_mut(start..end)) {
        Some(slice) => Ok(slice),
        None => bail!("a CPU kernel needs contiguous tensors; this one has the layout {layout:?}"),
    }
}

/// The elements of what [`Tensor::storage_and_layout`] gives of a contiguous CPU tensor.
pub fn values<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match storage {
        Storage::Cpu(storage) => slice(storage, layout),
        _ => bail!("a CPU kernel needs tensors in host memory; this one lies elsewhere"),
    }
}

/// Calls `body` with the elements of a CPU tensor.
pub fn with<R>(tensor: &Tensor, body: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    body(values(&storage, layout)?)
}

/// Calls `body` with the elements of a contiguous CPU tensor, to be changed in place.
pub fn with_mut(tensor: &Tensor, body: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<()> {
    tensor.inplace_op1(&InPlace(RefCell::new(Some(body))))
}

/// A body to be called once.
struct InPlace<F>(RefCell<Option<F>>);

impl<F: FnOnce(&mut [f32]) -> Result<()>> InplaceOp1 for InPlace<F> {
    fn name(&self) -> &'static str {
        "in-place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let values = slice_mut(storage, layout)?;
        self.0.take().map_or(Ok(()), |body| body(values))
    }
}
