//! Softmax statistics on a CUDA device.

use candle_core::{Result, Tensor, bail};

use super::outputs::Outputs;
use super::sampler::Sampler;
use crate::ops::backend::{Backend, COMMON, CudaBackend, DevicePtr, kernels, with_ptrs};
use crate::rng::{Purpose, StreamKey};

kernels! {
    "row_stats": [COMMON, ("row_stats/kernel.cu", include_str!("kernel.cu"))];
    fn softmax_stats(
        logits: [f32], classes: u32, sharpness: f32, key0: u32, key1: u32, first: u64, log_sums: [mut f32],
        entropies: [mut f32], best: [mut u32], samples: [mut u32],
    );
}

/// Threads that read a row.
const THREADS: u32 = 256;
/// Classes that a row may have at most (`kernel.cu`).
pub const MOST_CLASSES: usize = 256 * 4096;

/// The statistics of every row of logits `[M, V]`.
pub struct RowStats<B: Backend> {
    /// log Σ exp. `[M]`
    pub log_sums: B::Buffer<f32>,
    /// Entropies, in nats. `[M]`
    pub entropies: B::Buffer<f32>,
    /// The first most probable class. `[M]`
    pub best: B::Buffer<u32>,
    /// A sample, where a sampler was given; else undefined. `[M]`
    pub samples: B::Buffer<u32>,
}

impl<B: Backend> RowStats<B> {
    /// Reads `logits` [`rows`, `classes`].
    ///
    /// # Errors
    /// There are too many classes.
    pub fn new(
        backend: &B,
        logits: DevicePtr<'_, f32>,
        [rows, classes]: [usize; 2],
        sampler: Option<Sampler>,
    ) -> Result<Self> {
        if classes > MOST_CLASSES {
            bail!("the softmax kernel takes rows of at most {MOST_CLASSES} classes, not {classes}");
        }
        let stats = Self {
            log_sums: backend.alloc(rows)?,
            entropies: backend.alloc(rows)?,
            best: backend.alloc(rows)?,
            samples: backend.alloc(rows)?,
        };
        let sharpness = sampler.map_or(0.0, |sampler| 1.0 / sampler.temperature as f32);
        let StreamKey([key0, key1]) =
            sampler.map_or(StreamKey([0; 2]), |s| StreamKey::new(s.seed, Purpose::Sample, s.step));
        let call = softmax_stats(
            logits,
            classes as u32,
            sharpness,
            key0,
            key1,
            sampler.map_or(0, |sampler| sampler.first),
            backend.ptr(&stats.log_sums),
            backend.ptr(&stats.entropies),
            backend.ptr(&stats.best),
            backend.ptr(&stats.samples),
        );
        // SAFETY: the logits have the given sizes, and there is memory for the statistics of every row.
        unsafe { backend.launch(call.blocks(rows, THREADS))? };
        Ok(stats)
    }
}

impl RowStats<CudaBackend> {
    /// The statistics that callers read, with the cross-entropies `[M]` of the rows' targets; the samples
    /// only where there was a sampler.
    pub fn outputs(self, backend: &CudaBackend, losses: Tensor, sampled: bool) -> Result<LogSumsAndOutputs> {
        let Self { log_sums, entropies, best, samples } = self;
        let rows = losses.dim(0)?;
        let samples = sampled.then(|| backend.tensor_u32(samples, rows));
        let entropy = backend.tensor(entropies, rows).mean_all()?;
        Ok((log_sums, Outputs { losses, best: backend.tensor_u32(best, rows), entropy, samples }))
    }
}

/// log Σ exp of every row, and the other statistics.
pub type LogSumsAndOutputs = (<CudaBackend as Backend>::Buffer<f32>, Outputs);

/// The statistics of a contiguous tensor of logits.
pub fn read(
    backend: &CudaBackend,
    logits: &Tensor,
    sampler: Option<Sampler>,
) -> Result<RowStats<CudaBackend>> {
    let sizes = logits.dims2()?;
    with_ptrs([logits], |[logits]| RowStats::new(backend, logits, sizes.into(), sampler))
}
