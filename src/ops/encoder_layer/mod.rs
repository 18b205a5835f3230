//! A whole transformer layer (post-LayerNorm, as BERT's) as one operation.
//!
//! x `[N, H]` → y `[N, H]`, with F features between W1 and W2:
//!
//! ```text
//! a = attention(x · Wqkvᵀ + b) · Woᵀ + b
//! h = norm(x + dropout(a))
//! y = norm(h + dropout(gelu(h · W1ᵀ + b) · W2ᵀ + b))
//! ```
//!
//! Cost: 2·N·H·(4·H + 2·F) FLOPs and attention's forward, twice that and attention's backward.
//!
//! The arithmetic is that of `linear`, `attention`, `layer_norm` and `gelu` one after the other. On the CPU
//! the bits are the same too, and a test compares them.
//!
//! There are two versions of the passes. On a device (`cuda.rs`, over any
//! [`Backend`](super::backend::Backend)) a kernel runs over the whole batch, one after the other. On the CPU
//! (`cpu/`) a thread takes some sequences through the whole layer while they are in its cache; GELU's output
//! is computed again instead of being kept, nothing is cleared, and no gradient is added to zeros. One
//! version over the trait could not express that order of work: a backend's calls see whole buffers, the
//! CPU's threads see pieces of them, and cutting the batch differently would change speed (pieces) or bits
//! (blocks of sums).
//!
//! candle sees x and y only. The gradients of the parameters go to the [`gradients`](super::gradients) of the
//! pass, so the operation is used only where all of them are variables, and a backward pass that does not
//! accumulate gradients there is an error.

pub mod config;
mod cpu;
pub mod cuda;
mod reference;
#[cfg(test)]
mod tests;
mod unfused;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::attention::cuda::WIDEST_HEAD;
use super::backend::{CudaBackend, ForwardCache, fused};
use super::cpu::host;
pub use config::{Dense, LayerParameters, LayerSettings};
use cpu::{Activations, CpuLayer, Weights};
pub use reference::reference;
#[cfg(test)]
pub use unfused::with_unfused_layers;

/// Numbers in the output of a product that is too small to be cut.
const FEW: usize = 256;

/// The layer.
pub fn encoder_layer(x: &Tensor, parameters: &LayerParameters, settings: &LayerSettings) -> Result<Tensor> {
    if !takes(x, parameters, settings)? {
        return reference(x, parameters, settings);
    }
    let name = "encoder-layer";
    x.contiguous()?.apply_op1(EncoderLayer {
        parameters: parameters.clone(),
        settings: settings.clone(),
        cpu: ForwardCache::new(name),
        cuda: ForwardCache::new(name),
    })
}

/// Whether the operation takes a layer: all parameters are variables, and its size suits the kernels.
fn takes(x: &Tensor, parameters: &LayerParameters, settings: &LayerSettings) -> Result<bool> {
    let (n, hidden) = x.dims2()?;
    let suits = match host::holds(x) {
        // For outputs of a few numbers the matrix product sums in another order, which depends on the
        // weight's layout.
        true => n * hidden.min(parameters.ffn()) > FEW,
        false => hidden / settings.heads <= WIDEST_HEAD,
    };
    let own = |tensor: &Tensor| tensor.is_variable() && fused(tensor);
    Ok(fused(x) && suits && parameters.all().into_iter().all(own) && !unfused::is_asked_for())
}

struct EncoderLayer {
    parameters: LayerParameters,
    settings: LayerSettings,
    cpu: ForwardCache<Activations>,
    cuda: ForwardCache<cuda::Forward<CudaBackend>>,
}

impl EncoderLayer {
    fn on_cpu(&self, hidden: usize) -> CpuLayer<'_> {
        CpuLayer::new(&self.parameters, &self.settings, hidden)
    }
}

impl CustomOp1 for EncoderLayer {
    fn name(&self) -> &'static str {
        "encoder-layer"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, hidden) = layout.shape().dims2()?;
        let x = host::slice(x, layout)?;
        let layer = self.on_cpu(hidden);
        let (y, activations) = Weights::with(&self.parameters, |weights| Ok(layer.forward(x, weights)))?;
        self.cpu.store(activations)?;
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (y, forward) = cuda::forward(&self.parameters, &self.settings, x, layout)?;
        self.cuda.store(forward)?;
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        if let Some(backend) = CudaBackend::of(x)? {
            return self
                .cuda
                .with(|forward| cuda::backward(&backend, &self.parameters, forward, x, grad))
                .map(Some);
        }
        let layer = self.on_cpu(x.dim(1)?);
        let dx = self.cpu.with(|activations| {
            Weights::with(&self.parameters, |weights| {
                host::with(x, |x| host::with(grad, |grad| layer.backward(x, activations, weights, grad)))
            })
        })?;
        Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
    }
}
