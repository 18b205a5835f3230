//! What runs CUDA kernels and multiplies matrices for them.
//!
//! An operation declares its kernels once, with the types of their arguments (`kernels!`), and calls them
//! through the trait [`Backend`]: how many threads, which buffers, in which order. There are two backends.
//! [`CudaBackend`] is a CUDA device (`cuda.rs`); a build without the feature `cuda` has a stand-in of the
//! same name that has no values (`no_cuda.rs`), so an operation needs no `cfg` and its calls are type-checked
//! in every build. `CpuEmulator` (`emulator.rs`, in tests) compiles the kernels' own source as C++ and runs
//! it thread by thread, so a Linux computer without a GPU tests everything but the device.
//!
//! This module must never know an operation: operations import it, not the other way round.
//!
//! No kernel lets two threads add to one number: sums are made in parts of a fixed size and added up in
//! order, so a device gives the same bits every time.

pub mod cuda_type;
#[cfg(all(test, target_os = "linux"))]
pub mod emulator;
mod forward_cache;
mod interface;
pub mod kernels;
pub mod launch;
pub mod primitives;
pub mod source;
#[cfg(test)]
mod tests;

#[cfg(feature = "cuda")]
#[path = "cuda.rs"]
mod device;
#[cfg(not(feature = "cuda"))]
#[path = "no_cuda.rs"]
mod device;

use candle_core::{DType, Result, Shape, Tensor, bail};

pub use cuda_type::{CudaType, DeviceRepr};
#[cfg(all(test, feature = "cuda"))]
pub use device::compile;
pub use device::{CudaBackend, storage_ptr, with_ptrs, with_u32_ptr};
pub use forward_cache::ForwardCache;
pub use interface::{Backend, Gemm};
pub(crate) use kernels::kernels;
pub use launch::{Call, DevicePtr};
pub use source::{COMMON, File};

/// Whether an operation has a fused kernel for a tensor: f32 on the CPU or on a CUDA device.
pub fn fused(tensor: &Tensor) -> bool {
    let device = tensor.device();
    tensor.dtype() == DType::F32 && (device.is_cpu() || device.is_cuda())
}

/// Checks that a tensor that a kernel reads by address has the shape `expected`.
pub fn expect_shape(what: &str, got: &Shape, expected: &[usize]) -> Result<()> {
    if got.dims() == expected {
        return Ok(());
    }
    bail!("{what} has shape {:?}, but {expected:?} is needed", got.dims())
}
