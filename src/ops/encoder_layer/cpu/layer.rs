//! A layer on the CPU, its weights, and what the forward pass keeps.

use candle_core::{Result, Tensor};

use crate::ops::attention::config::AttentionConfig;
use crate::ops::cpu::buffers::Buffer;
use crate::ops::cpu::host;
use crate::ops::encoder_layer::config::{LayerParameters, LayerSettings};
use crate::ops::layer_norm::config::LayerNormConfig;

/// A layer of a batch.
pub struct CpuLayer<'a> {
    pub parameters: &'a LayerParameters,
    pub attention: AttentionConfig,
    pub attention_norm: LayerNormConfig,
    pub output_norm: LayerNormConfig,
    /// H.
    pub hidden: usize,
    /// F.
    pub ffn: usize,
}

impl<'a> CpuLayer<'a> {
    /// A layer of width `hidden`.
    pub fn new(parameters: &'a LayerParameters, settings: &LayerSettings, hidden: usize) -> Self {
        let [attention_norm, output_norm] = settings.norms();
        let (attention, ffn) = (settings.attention(), parameters.ffn());
        Self { parameters, attention, attention_norm, output_norm, hidden, ffn }
    }
}

/// The numbers of [`LayerParameters`].
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    pub qkv: [&'a [f32]; 2],
    pub attention_output: [&'a [f32]; 2],
    pub attention_norm: &'a [f32],
    pub intermediate: [&'a [f32]; 2],
    pub output: [&'a [f32]; 2],
    pub output_norm: &'a [f32],
}

impl Weights<'_> {
    /// Calls `body` with the numbers of all parameters.
    pub fn with<R>(parameters: &LayerParameters, body: impl FnOnce(Weights<'_>) -> Result<R>) -> Result<R> {
        let read = parameters.all().map(Tensor::storage_and_layout);
        let at = |index: usize| host::values(&read[index].0, read[index].1);
        body(Weights {
            qkv: [at(0)?, at(1)?],
            attention_output: [at(2)?, at(3)?],
            attention_norm: at(4)?,
            intermediate: [at(5)?, at(6)?],
            output: [at(7)?, at(8)?],
            output_norm: at(9)?,
        })
    }
}

/// What the backward pass reads of the forward pass, N rows each.
#[derive(Debug)]
pub struct Activations {
    /// `[N, 3H]`.
    pub qkv: Buffer,
    /// The output of the attention heads, `[N, H]`.
    pub context: Buffer,
    /// The attention's output before dropout, `[N, H]`.
    pub attended: Buffer,
    /// After the first LayerNorm, `[N, H]`.
    pub middle: Buffer,
    /// Before GELU, `[N, F]`.
    pub inner: Buffer,
    /// The layer's output before dropout, `[N, H]`.
    pub output: Buffer,
}
