//! The statistics that callers read.

use candle_core::Tensor;

/// Statistics of rows of logits, on the logits' device: reading them there waits for it.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Cross-entropy of every row's target, without a gradient. `[M]`, f32
    pub losses: Tensor,
    /// The most probable class of every row, the first of equals. `[M]`, u32
    pub best: Tensor,
    /// Mean entropy of the rows, in nats. [], f32
    pub entropy: Tensor,
    /// A sample of every row, where a sampler was given. `[M]`, u32
    pub samples: Option<Tensor>,
}
