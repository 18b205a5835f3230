//! Stand-in for the timing of one whole joint step.

use serde::Serialize;

use crate::fault::{Fault, Result};
use crate::spec::ModelSize;

/// What to time.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Named shape.
    pub size: ModelSize,
    /// Sequences a step.
    pub batch: usize,
    /// Tokens a sequence.
    pub seq: usize,
    /// Threads that compute; None takes the machine's.
    pub threads: Option<usize>,
    /// Timed steps.
    pub steps: usize,
    /// Generator width as a share of the discriminator's.
    pub ratio: f64,
}

/// What was timed.
#[derive(Clone, Debug, Serialize)]
pub struct BenchResult {
    /// batch × seq over the median step's seconds.
    pub tokens_per_s_median: f64,
    /// batch × seq over the best step's seconds.
    pub tokens_per_s_best: f64,
    /// Peak resident memory.
    pub peak_rss_mib: u64,
    /// The machine's own rate of a large matrix product.
    pub gemm_gflops: f64,
    /// Share of that rate that the median step reaches.
    pub gemm_share: f64,
}

/// Stand-in.
pub fn step(_options: &BenchOptions) -> Result<BenchResult> {
    Err(Fault::internal("the bench is not built yet"))
}
