//! The fused operations on a GPU: kernels in CUDA (`source/`), and what is asked of them.
//!
//! `launch.rs` is a kernel's call as a value, `machine.rs` what computes it: a CUDA device (`cuda.rs`), or, in tests, this
//! computer, which runs the kernels from their own source, thread by thread (`emulate.rs`). Everything between (how
//! many threads, which buffers, in which order) is written once for both, so a machine without a GPU tests all of it
//! but the device. One file an operation, each held to the CPU kernel by its tests.
//!
//! No kernel lets two threads add to one number: sums are made in parts of a fixed size and added up in order, so a device gives
//! the same bits every time.

pub mod adam;
pub mod attention;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod dense;
pub mod detection;
pub mod elementwise;
pub mod embedding;
#[cfg(all(test, target_os = "linux"))]
pub mod emulate;
pub mod kernels;
pub mod launch;
pub mod layer;
pub mod machine;
pub mod norm;
pub mod readings;
#[cfg(feature = "cuda")]
pub mod tensors;
#[cfg(all(test, target_os = "linux"))]
mod tests;

pub use machine::Machine;
