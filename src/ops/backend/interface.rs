//! What a backend does.

use candle_core::Result;

use super::cuda_type::CudaType;
use super::launch::{DevicePtr, Launch};
use crate::precision::Precision;

/// c = a · b, or c += a · b; all are dense and row-major.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a> {
    /// `[m, k]`, or `[k, m]` where it is read transposed.
    pub a: DevicePtr<'a, f32>,
    /// Whether `a` is read transposed.
    pub a_transposed: bool,
    /// `[k, n]`, or `[n, k]` where it is read transposed.
    pub b: DevicePtr<'a, f32>,
    /// Whether `b` is read transposed.
    pub b_transposed: bool,
    /// `[m, n]`.
    pub c: DevicePtr<'a, f32>,
    /// m, n and k.
    pub sizes: [usize; 3],
    /// Whether the product is added to what `c` holds.
    pub add: bool,
    /// Rounding of `a` and `b`.
    pub precision: Precision,
}

/// A device that runs kernels in the order in which they are launched.
pub trait Backend {
    /// Numbers in the device's memory.
    type Buffer<T: CudaType>;

    /// Memory for `n` numbers. It must be written before it is read.
    fn alloc<T: CudaType>(&self, n: usize) -> Result<Self::Buffer<T>>;
    /// `n` zeros.
    fn zeros(&self, n: usize) -> Result<Self::Buffer<f32>>;
    /// A copy of `values` in the device's memory.
    fn upload<T: CudaType>(&self, values: &[T]) -> Result<Self::Buffer<T>>;
    /// The address of a buffer.
    fn ptr<'a, T: CudaType>(&self, buffer: &'a Self::Buffer<T>) -> DevicePtr<'a, T>;
    /// Runs a kernel.
    ///
    /// # Safety
    /// The kernel stays within the buffers that its arguments point to, and nothing else reads or writes what
    /// it writes.
    unsafe fn launch(&self, launch: Launch<'_>) -> Result<()>;
    /// Multiplies matrices.
    ///
    /// # Safety
    /// As for [`Backend::launch`].
    unsafe fn gemm(&self, gemm: Gemm<'_>) -> Result<()>;
}
