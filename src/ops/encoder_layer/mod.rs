//! A whole transformer layer (post-LayerNorm, as BERT's) as one operation.
//!
//! a = attention(x · Wqkvᵀ + b) · Woᵀ + b, h = norm(x + dropout(a)), y = norm(h + dropout(gelu(h · W1ᵀ + b) · W2ᵀ + b)).
//! x [N, H] → y [N, H]; F features between W1 and W2.
//!
//! The same arithmetic as `linear`, `attention`, `norm` and `gelu` one after the other, and the same bits: a test holds
//! it to them. What changes is the order of the work. A thread takes some sequences through the whole layer
//! while they are in its cache, instead of every operation passing over the whole batch; GELU's output is computed
//! again instead of being kept; nothing is cleared, and no gradient is added to zeros.
//!
//! candle sees x and y alone. The gradients of the parameters go to the place that `gradients.rs` has for them, so the operation
//! is taken only where all of them are parameters, and a backward pass that does not collect gradients there is
//! an error.
//! Cost: 2·N·H·(4·H + 2·F) FLOPs and attention's forward, twice that and attention's backward.

mod backward;
mod chunks;
mod forward;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::attention::{Attention, Reach, attention};
use super::dropout::DropoutKey;
use super::gelu::gelu;
use super::linear::linear;
use super::norm::{Norm, residual_norm};
use super::{Precision, fused, host};
use forward::Kept;

/// Weight [O, I] and bias [O] of a dense layer.
pub type Dense = [Tensor; 2];

/// The parameters of a layer.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Queries, keys and values: [3H, H].
    pub qkv: Dense,
    /// [H, H].
    pub attention_output: Dense,
    /// γ and β: [2, H].
    pub attention_norm: Tensor,
    /// [F, H].
    pub intermediate: Dense,
    /// [H, F].
    pub output: Dense,
    /// γ and β: [2, H].
    pub output_norm: Tensor,
}

/// What else a layer computes with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// First token of each sequence and, last, N.
    pub offsets: Arc<[usize]>,
    /// Attention heads.
    pub heads: usize,
    /// What a token sees.
    pub reach: Reach,
    /// Dropout of attention probabilities, of the attention's output and of the layer's.
    pub dropout: [Option<DropoutKey>; 3],
    /// Added to the variance under LayerNorm's root.
    pub epsilon: f64,
    /// Of matrix products on a CUDA device.
    pub precision: Precision,
}

/// Numbers in the output of a product that is too small to be cut.
const FEW: usize = 256;

/// The layer.
pub fn encoder_layer(x: &Tensor, parameters: &Parameters, settings: &Settings) -> Result<Tensor> {
    let (n, hidden) = x.dims2()?;
    let ffn = parameters.intermediate[1].elem_count();
    #[cfg(feature = "cuda")]
    if gpu_takes(x, parameters, settings) {
        return super::gpu::tensors::layer::encoder_layer(x, parameters, settings);
    }
    let own = fused(x) && parameters.all().iter().all(|tensor| tensor.is_variable() && fused(tensor));
    // For outputs of a few numbers the matrix product sums in another order, which depends on how the weight lies.
    if own && n * hidden.min(ffn) > FEW && !taken_apart() {
        let Settings { offsets, heads, reach, dropout, epsilon, .. } = settings;
        let [in_attention, after_attention, after_output] = *dropout;
        x.contiguous()?.apply_op1(EncoderLayer {
            parameters: parameters.clone(),
            attention: Attention::new(offsets, *heads, *reach, in_attention),
            attention_norm: Norm::behind(after_attention, *epsilon),
            output_norm: Norm::behind(after_output, *epsilon),
            hidden,
            ffn,
            kept: Mutex::new(None),
        })
    } else {
        reference(x, parameters, settings)
    }
}

/// Whether the kernels take the whole layer, on a CUDA device.
#[cfg(feature = "cuda")]
fn gpu_takes(x: &Tensor, parameters: &Parameters, settings: &Settings) -> bool {
    use super::gpu::{attention::WIDEST_HEAD, tensors::takes};
    let narrow = x.dims2().is_ok_and(|(_, hidden)| hidden / settings.heads <= WIDEST_HEAD);
    let own = |tensor: &Tensor| tensor.is_variable() && takes(tensor);
    takes(x) && narrow && parameters.all().into_iter().all(own) && !taken_apart()
}

#[cfg(not(test))]
fn taken_apart() -> bool {
    false
}

#[cfg(test)]
pub use tests::{taken_apart, with_layers_taken_apart};

/// The same from the operations of this folder, each over the whole batch.
pub fn reference(x: &Tensor, parameters: &Parameters, settings: &Settings) -> Result<Tensor> {
    let dense = |x: &Tensor, [weight, bias]: &Dense| linear(x, weight, bias, settings.precision);
    let [in_attention, after_attention, after_output] = settings.dropout;
    let qkv = dense(x, &parameters.qkv)?;
    let context = attention(&qkv, &settings.offsets, settings.heads, settings.reach, in_attention)?;
    let attended = dense(&context, &parameters.attention_output)?;
    let x = residual_norm(&attended, x, &parameters.attention_norm, after_attention, settings.epsilon)?;
    let inner = gelu(&dense(&x, &parameters.intermediate)?)?;
    let inner = dense(&inner, &parameters.output)?;
    residual_norm(&inner, &x, &parameters.output_norm, after_output, settings.epsilon)
}

impl Parameters {
    /// In order.
    pub(super) fn all(&self) -> [&Tensor; 10] {
        let Self { qkv, attention_output, attention_norm, intermediate, output, output_norm } = self;
        [
            &qkv[0],
            &qkv[1],
            &attention_output[0],
            &attention_output[1],
            attention_norm,
            &intermediate[0],
            &intermediate[1],
            &output[0],
            &output[1],
            output_norm,
        ]
    }

    /// Calls `body` with the numbers of all.
    fn with<R>(&self, body: impl FnOnce(Numbers<'_>) -> Result<R>) -> Result<R> {
        let read = self.all().map(Tensor::storage_and_layout);
        let at = |place: usize| host::values(&read[place].0, read[place].1);
        body(Numbers {
            qkv: [at(0)?, at(1)?],
            attention_output: [at(2)?, at(3)?],
            attention_norm: at(4)?,
            intermediate: [at(5)?, at(6)?],
            output: [at(7)?, at(8)?],
            output_norm: at(9)?,
        })
    }
}

/// The numbers of [`Parameters`].
#[derive(Clone, Copy)]
struct Numbers<'a> {
    qkv: [&'a [f32]; 2],
    attention_output: [&'a [f32]; 2],
    attention_norm: &'a [f32],
    intermediate: [&'a [f32]; 2],
    output: [&'a [f32]; 2],
    output_norm: &'a [f32],
}

struct EncoderLayer {
    parameters: Parameters,
    attention: Attention,
    attention_norm: Norm,
    output_norm: Norm,
    hidden: usize,
    ffn: usize,
    /// What the forward pass leaves for the backward pass.
    kept: Mutex<Option<Kept>>,
}

impl CustomOp1 for EncoderLayer {
    fn name(&self) -> &'static str {
        "encoder-layer"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = host::slice(storage, layout)?;
        let (y, kept) = self.parameters.with(|numbers| Ok(self.forward(x, numbers)))?;
        match self.kept.lock() {
            Ok(mut slot) => *slot = Some(kept),
            Err(_) => bail!("another thread failed inside an encoder layer"),
        }
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let Ok(kept) = self.kept.lock() else { bail!("another thread failed inside an encoder layer") };
        let Some(kept) = &*kept else {
            bail!("an encoder layer's backward pass came before its forward pass")
        };
        let dx = self.parameters.with(|numbers| {
            host::with(x, |x| host::with(grad, |grad| self.backward(x, kept, numbers, grad)))
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
