//! Differentiable operations that candle lacks, does slowly, or whose gradients it drops silently.
//!
//! One folder (or file, where it is short) per operation:
//!
//! - `mod.rs`: the contract (formula, shapes, cost), the public function, and the one candle operation with
//!   `cpu_fwd`, `cuda_fwd` and `bwd`;
//! - `config.rs`, `key.rs` and the like: types that the other files share;
//! - `cpu.rs`: the fused CPU kernel;
//! - `cuda.rs`: the calls of the CUDA kernels, over any [`backend::Backend`], and the passes on candle's CUDA
//!   tensors;
//! - `kernel.cu`: the CUDA kernels;
//! - `reference.rs`: the composed reference made of candle's differentiable primitives (in `encoder_layer/`,
//!   of the other operations here);
//! - `tests.rs`: the CPU kernel against the reference, the reference against finite differences in f64, and
//!   the CUDA kernels, run by the emulator, against the CPU.
//!
//! The public function runs the fused kernels for f32 on the CPU or on a CUDA device and the reference
//! elsewhere, so a caller never asks where it runs. `backend/` runs CUDA kernels and knows no operation,
//! `cpu/` is what the CPU kernels share, and `gradients/` accumulates the gradients of parameters.
//!
//! Every kernel gives the same bits whatever the number of threads: rows are independent, and sums over rows
//! are taken in fixed blocks, in order (`cpu/rows.rs`).
//!
//! Shapes in the docs: N tokens of a ragged batch (sequences end to end, no padding), H width, I and O in and
//! out features, V vocabulary, M masked positions, B sequences, E embedding size.

pub mod adam;
pub mod attention;
pub mod backend;
pub mod binary_cross_entropy;
pub mod corruption;
mod cpu;
pub mod cross_entropy;
pub mod dropout;
pub mod embedding;
pub mod encoder_layer;
pub mod entropy;
#[cfg(test)]
#[path = "../../docs/examples/op.rs"]
mod example;
pub mod fused_linear_cross_entropy;
pub mod fused_linear_softmax_stats;
pub mod gather;
pub mod gelu;
pub mod gradients;
pub mod layer_norm;
pub mod linear;
mod row_stats;
pub mod sampling;
pub mod softmax_stats;

#[cfg(all(test, feature = "cuda"))]
mod cuda_tests;
#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
pub(crate) mod testing;
