//! The softmax statistics of rows of logits, in one pass over each row. Not differentiable; `sampling`,
//! `cross_entropy` and `softmax_stats` are built on it.
//!
//! logits `[M, V]` → for each row log Σ exp, the entropy, the most probable class and, where a [`Sampler`] is
//! given, a sample.

pub mod cpu;
pub mod cuda;
pub mod outputs;
pub mod sampler;

pub use outputs::Outputs;
pub use sampler::Sampler;
