//! What a transformer layer is made of.

use std::sync::Arc;

use candle_core::Tensor;

use crate::ops::attention::AttentionMask;
use crate::ops::attention::config::AttentionConfig;
use crate::ops::dropout::DropoutKey;
use crate::ops::layer_norm::config::LayerNormConfig;
use crate::precision::Precision;

/// Weight `[O, I]` and bias `[O]` of a dense layer.
pub type Dense = [Tensor; 2];

/// The parameters of a layer.
#[derive(Clone, Debug)]
pub struct LayerParameters {
    /// Queries, keys and values: `[3H, H]`.
    pub qkv: Dense,
    /// `[H, H]`.
    pub attention_output: Dense,
    /// γ and β: `[2, H]`.
    pub attention_norm: Tensor,
    /// `[F, H]`.
    pub intermediate: Dense,
    /// `[H, F]`.
    pub output: Dense,
    /// γ and β: `[2, H]`.
    pub output_norm: Tensor,
}

impl LayerParameters {
    /// All ten, in order.
    pub fn all(&self) -> [&Tensor; 10] {
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

    /// F.
    pub fn ffn(&self) -> usize {
        self.intermediate[1].elem_count()
    }
}

/// Everything else that a layer computes with.
#[derive(Clone, Debug)]
pub struct LayerSettings {
    /// First token of each sequence and, last, N.
    pub offsets: Arc<[usize]>,
    /// Attention heads.
    pub heads: usize,
    /// Which tokens attend to which.
    pub mask: AttentionMask,
    /// Dropout of attention probabilities, of the attention's output and of the layer's.
    pub dropout: [Option<DropoutKey>; 3],
    /// Added to the variance under LayerNorm's root.
    pub epsilon: f64,
    /// Of matrix products on a CUDA device.
    pub precision: Precision,
}

impl LayerSettings {
    /// The settings of the attention.
    pub fn attention(&self) -> AttentionConfig {
        AttentionConfig::new(&self.offsets, self.heads, self.mask, self.dropout[0])
    }

    /// The settings of the LayerNorms after the attention and at the end.
    pub fn norms(&self) -> [LayerNormConfig; 2] {
        [1, 2].map(|site| LayerNormConfig::after_residual(self.dropout[site], self.epsilon))
    }
}
