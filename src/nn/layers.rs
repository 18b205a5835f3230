//! The smallest parts: a dense layer, a LayerNorm, and the switch of dropout.

use candle_core::Tensor;

use super::parameters::{Builder, Init};
use crate::error::Result;
use crate::ops::dropout::{DropoutKey, MicroBatchOffset};
use crate::ops::layer_norm::layer_norm;
use crate::ops::linear;
use crate::precision::Precision;
use crate::rng::{Purpose, StreamKey};

/// Training (dropout on, keyed by seed and step) or evaluation (dropout off).
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    key: Option<StreamKey>,
    offset: MicroBatchOffset,
}

impl Mode {
    /// Training: dropout is drawn for this seed and step.
    pub fn train(seed: u64, step: u64) -> Self {
        Self { key: Some(StreamKey::new(seed, Purpose::Dropout, step)), offset: MicroBatchOffset::default() }
    }

    /// Evaluation: no dropout.
    pub fn evaluate() -> Self {
        Self { key: None, offset: MicroBatchOffset::default() }
    }

    /// The same for a micro-batch, which gets its part of the full batch's dropout.
    pub fn at(self, offset: MicroBatchOffset) -> Self {
        Self { offset, ..self }
    }

    /// The dropout key of a site; None in evaluation.
    pub fn dropout(self, site: u64, probability: f64) -> Option<DropoutKey> {
        let offset = self.offset;
        self.key.map(|key| DropoutKey { key, site, probability, offset })
    }
}

/// y = x · wᵀ + b.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[O, I]`.
    pub weight: Tensor,
    /// `[O]`.
    pub bias: Tensor,
    /// Precision of the product on a CUDA device.
    pub precision: Precision,
}

impl Linear {
    /// A layer from `input` to `output` features with a zero bias.
    pub fn new(mut builder: Builder<'_>, input: usize, output: usize, init: Init) -> Result<Self> {
        Ok(Self {
            weight: builder.parameter("weight", &[output, input], init)?,
            bias: builder.parameter("bias", &[output], Init::Zeros)?,
            precision: builder.precision(),
        })
    }

    /// x `[N, I]` → `[N, O]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(linear::linear(x, &self.weight, &self.bias, self.precision)?)
    }
}

/// LayerNorm with γ and β as the two rows of one parameter.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// `[2, H]`.
    pub parameters: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    /// γ = 1 and β = 0 for `width` features. `epsilon` is added to the variance.
    pub fn new(mut builder: Builder<'_>, width: usize, epsilon: f64) -> Result<Self> {
        Ok(Self { parameters: builder.parameter("weight_and_bias", &[2, width], Init::LayerNorm)?, epsilon })
    }

    /// x `[N, H]` → `[N, H]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(layer_norm(x, &self.parameters, self.epsilon)?)
    }
}
