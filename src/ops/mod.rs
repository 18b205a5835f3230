//! Differentiable operations that candle lacks, does slowly, or whose gradients it drops silently.
//!
//! One file an operation, each with the same parts: the contract (formula, shapes, cost), the fused CPU kernel
//! forward and backward, the composed `reference` made of candle's differentiable primitives, and tests that
//! hold one against the other and the reference against finite differences in f64.
//!
//! The public function of each file picks the fused kernel for f32 on the CPU or on a CUDA device (`gpu/`) and the reference
//! everywhere else, so a caller never asks where it runs.
//!
//! Every kernel gives the same bits whatever the number of threads: rows are independent, and sums over rows
//! are taken in fixed blocks, in order ([`rows`]).
//!
//! Shape suffixes: N tokens of a ragged batch (sequences end to end, no padding), H width, I and O in and out
//! features, V vocabulary, M masked positions, B sequences, E embedding size.

pub mod adam;
pub mod attention;
pub mod binary_cross_entropy;
mod buffers;
pub mod corruption;
pub mod cross_entropy;
pub mod dropout;
pub mod embedding;
pub mod encoder_layer;
pub mod entropy;
pub mod gather;
pub mod gelu;
#[cfg(any(test, feature = "cuda"))]
pub mod gpu;
pub mod gradients;
mod host;
pub mod host_gradient;
pub mod linear;
mod matmul;
pub mod norm;
mod precision;
pub mod projected_cross_entropy;
pub mod projected_readings;
pub mod readings;
mod rows;
pub mod sampling;
mod vector;

#[cfg(test)]
pub(crate) mod testing;

use candle_core::{DType, Tensor};

pub use precision::Precision;

/// Whether the fused CPU kernels apply.
fn fused(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}
