//! What the CPU kernels share: SIMD loops, matrix products, rows in fixed blocks, reused buffers, and slices
//! of tensors.

pub mod buffers;
pub mod host;
pub mod matmul;
pub mod rows;
pub mod vector;
