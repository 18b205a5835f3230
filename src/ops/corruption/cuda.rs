//! Replaces tokens by samples on the CUDA device that drew them.

use candle_core::{Result, Tensor};

use crate::ops::backend::{Backend, COMMON, CudaBackend, DevicePtr, kernels, with_u32_ptr};
use crate::ops::embedding::DeviceIds;

kernels! {
    "corruption": [COMMON, ("corruption/kernel.cu", include_str!("kernel.cu"))];
    fn put_samples(
        input_ids: [u32], positions: [u32], samples: [u32], m: u32, now: [mut u32], replaced: [mut f32], n: u32,
    );
}

/// Puts samples at their positions, M of each, the positions ascending, among `input_ids`, N of them. Writes
/// the ids over the first of `to` `[N]` and, over the second `[N]`, whether they differ from the originals.
pub fn place_samples<B: Backend>(
    backend: &B,
    (input_ids, n): (DevicePtr<'_, u32>, usize),
    ([positions, samples], m): ([DevicePtr<'_, u32>; 2], usize),
    (now, replaced): (DevicePtr<'_, u32>, DevicePtr<'_, f32>),
) -> Result<()> {
    let call = put_samples(input_ids, positions, samples, m as u32, now, replaced, n as u32);
    // SAFETY: there are as many ids and samples as the sizes say, and memory for what is written.
    unsafe { backend.launch(call.over(n)) }
}

/// The ids with `samples`, a tensor on a CUDA device, at `positions`, and whether each differs from the
/// original. `[N]`, f32
pub fn corrupt(input_ids: &[u32], positions: &[u32], samples: &Tensor) -> Result<(DeviceIds, Tensor)> {
    let (backend, samples) = (CudaBackend::of_tensor(samples)?, samples.contiguous()?);
    let (n, m) = (input_ids.len(), positions.len());
    let (ids_there, positions_there) = (backend.upload(input_ids)?, backend.upload(positions)?);
    let (now, replaced) = (backend.alloc(n)?, backend.alloc(n)?);
    with_u32_ptr(&samples, |samples| {
        let slots = ([backend.ptr(&positions_there), samples], m);
        let to = (backend.ptr(&now), backend.ptr(&replaced));
        place_samples(&backend, (backend.ptr(&ids_there), n), slots, to)
    })?;
    let mut sampled_positions = positions.to_vec();
    sampled_positions.dedup();
    let now = backend.tensor_u32(now, n);
    let device_ids = DeviceIds { input_ids: now, sampled_positions: sampled_positions.into() };
    Ok((device_ids, backend.tensor(replaced, n)))
}
