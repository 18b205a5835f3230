//! Multi-head self-attention within each sequence of a ragged batch.
//!
//! qkv `[N, 3H]` (queries, keys and values of all heads side by side) → `[N, H]`. Per sequence and head:
//!
//! ```text
//! d = H / heads
//! P = softmax(Q·Kᵀ / √d)
//! output = dropout(P) · V
//! ```
//!
//! Tokens attend to their own sequence only, to all of it or to one side ([`AttentionMask`]), so there is no
//! padding. Probabilities are recomputed in the backward pass, never stored. Cost: 4·T²·H FLOPs for a
//! sequence of T tokens forward, 10·T²·H backward; masked scores are computed and thrown away.

pub mod config;
pub mod cpu;
pub mod cuda;
mod reference;

use std::sync::Arc;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::backend::{CudaBackend, ForwardCache, fused};
use super::cpu::host;
use super::dropout::DropoutKey;
use config::AttentionConfig;
pub use config::AttentionMask;
pub use reference::reference;

/// Attention of every sequence; `offsets` has the first token of each and, last, N.
pub fn attention(
    qkv: &Tensor,
    offsets: &Arc<[usize]>,
    heads: usize,
    mask: AttentionMask,
    key: Option<DropoutKey>,
) -> Result<Tensor> {
    let config = AttentionConfig::new(offsets, heads, mask, key);
    let head_width = qkv.dim(1)? / 3 / heads;
    if fused(qkv) && (host::holds(qkv) || head_width <= cuda::WIDEST_HEAD) {
        qkv.contiguous()?.apply_op1(Attention { config, cuda: ForwardCache::new("attention") })
    } else {
        reference(qkv, offsets, heads, mask, config.key)
    }
}

struct Attention {
    config: AttentionConfig,
    /// What the forward pass on a CUDA device leaves; the CPU computes it again.
    cuda: ForwardCache<cuda::Forward<CudaBackend>>,
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, width) = layout.shape().dims2()?;
        let output = cpu::forward(&self.config, host::slice(qkv, layout)?, width / 3);
        Ok((CpuStorage::F32(output), Shape::from((n, width / 3))))
    }

    fn cuda_fwd(&self, qkv: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (output, shape, forward) = cuda::forward(&self.config, qkv, layout)?;
        self.cuda.store(forward)?;
        Ok((output, shape))
    }

    fn bwd(&self, qkv: &Tensor, output: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        if let Some(backend) = CudaBackend::of(qkv)? {
            return self.cuda.with(|forward| cuda::backward(&backend, forward, qkv, output, grad)).map(Some);
        }
        let (n, width) = qkv.dims2()?;
        let d_qkv = host::with(qkv, |qkv| {
            host::with(grad, |grad| Ok(cpu::backward(&self.config, qkv, grad, width / 3)))
        })?;
        Tensor::from_vec(d_qkv, (n, width), qkv.device()).map(Some)
    }
}

#[cfg(test)]
mod tests;
