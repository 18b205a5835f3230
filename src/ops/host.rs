//! Plain slices of contiguous f32 tensors in host memory, for the fused kernels.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// The elements of a contiguous f32 storage.
pub fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets().and_then(|(start, end)| values.get(start..end)) {
        Some(slice) => Ok(slice),
        None => bail!("a fused kernel was given a tensor that is not contiguous: {layout:?}"),
    }
}

/// The elements of a contiguous f32 storage, to be overwritten.
pub fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let CpuStorage::F32(values) = storage else { bail!("a fused kernel was given a tensor that is not f32") };
    match layout.contiguous_offsets().and_then(|(start, end)| values.get_mut(start..end)) {
        Some(slice) => Ok(slice),
        None => bail!("a fused kernel was given a tensor that is not contiguous: {layout:?}"),
    }
}

/// Calls `body` with the elements of a CPU tensor.
pub fn with<R>(tensor: &Tensor, body: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => body(slice(storage, layout)?),
        _ => bail!("a fused CPU kernel was given a tensor of another device"),
    }
}
