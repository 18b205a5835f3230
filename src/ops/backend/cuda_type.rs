//! The types that kernels and Rust share.

/// Marks what may be copied to a CUDA device byte by byte.
#[cfg(feature = "cuda")]
pub use candle_core::cuda_backend::cudarc::driver::DeviceRepr;
#[cfg(not(feature = "cuda"))]
pub use stand_in::DeviceRepr;

#[cfg(not(feature = "cuda"))]
mod stand_in {
    /// cudarc's trait of the same name, in a build without it.
    ///
    /// # Safety
    /// A copy of the bytes is a copy of the value.
    pub unsafe trait DeviceRepr {}
    // SAFETY: numbers.
    unsafe impl DeviceRepr for f32 {}
    // SAFETY: numbers.
    unsafe impl DeviceRepr for f64 {}
    // SAFETY: numbers.
    unsafe impl DeviceRepr for u16 {}
    // SAFETY: numbers.
    unsafe impl DeviceRepr for u32 {}
    // SAFETY: numbers.
    unsafe impl DeviceRepr for u64 {}
}

/// A type that the kernels' sources know under the name [`CudaType::NAME`].
///
/// # Safety
/// It is a number, or a `repr(C)` struct of numbers, that lies in memory as the CUDA type of that name does.
pub unsafe trait CudaType: DeviceRepr + Copy + Send + Sync + 'static {
    /// How the kernels' sources spell it.
    const NAME: &'static str;
}

// SAFETY: the same 32-bit number.
unsafe impl CudaType for f32 {
    const NAME: &'static str = "float";
}
// SAFETY: the same 64-bit number.
unsafe impl CudaType for f64 {
    const NAME: &'static str = "double";
}
// SAFETY: the same 16-bit number.
unsafe impl CudaType for u16 {
    const NAME: &'static str = "unsigned short";
}
// SAFETY: the same 32-bit number.
unsafe impl CudaType for u32 {
    const NAME: &'static str = "unsigned";
}
// SAFETY: the same 64-bit number.
unsafe impl CudaType for u64 {
    const NAME: &'static str = "unsigned long long";
}
