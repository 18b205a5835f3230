//! The transformer encoder: post-LayerNorm BERT blocks on a ragged batch.
//!
//! Hidden states are `[N, H]` for the N tokens of all sequences. `checkpoint/parity.rs` compares them with
//! other implementations of BERT.

use candle_core::Tensor;

use super::embeddings::{Embeddings, Tokens};
use super::layers::{LayerNorm, Linear, Mode};
use super::parameters::{Builder, Init};
use crate::error::Result;
use crate::experiment::EncoderShape;
use crate::ops::attention::AttentionMask;
use crate::ops::encoder_layer::{Dense, LayerParameters, LayerSettings, encoder_layer};
use crate::precision::Precision;

/// Dropout probabilities of an encoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutRates {
    /// On embeddings and residual branches.
    pub hidden: f64,
    /// On attention probabilities.
    pub attention: f64,
}

/// Embeddings, a projection if the widths differ, and the layers.
#[derive(Clone, Debug)]
pub struct Encoder {
    embeddings: Embeddings,
    embedding_site: u64,
    project: Option<Linear>,
    layers: Vec<Layer>,
    mask: AttentionMask,
}

impl Encoder {
    /// An encoder of `shape` over `embeddings`.
    pub fn new(
        mut builder: Builder<'_>,
        embeddings: Embeddings,
        shape: &EncoderShape,
        rates: DropoutRates,
    ) -> Result<Self> {
        let project = (shape.embedding != shape.hidden)
            .then(|| {
                Linear::new(builder.within("embeddings_project"), shape.embedding, shape.hidden, Init::Glorot)
            })
            .transpose()?;
        let embedding_site = builder.site();
        let layers = (0..shape.layers)
            .map(|i| Layer::new(builder.at_depth(i + 1).within(&format!("layer.{i}")), shape, rates))
            .collect::<Result<_>>()?;
        Ok(Self { embeddings, embedding_site, project, layers, mask: AttentionMask::Full })
    }

    /// The same encoder with another attention mask.
    pub fn with_mask(self, mask: AttentionMask) -> Self {
        Self { mask, ..self }
    }

    /// The same parameters for a second pass in the same step, with dropout masks of its own.
    pub fn with_own_dropout(&self, builder: &mut Builder<'_>) -> Self {
        let mut encoder = self.clone();
        encoder.embedding_site = builder.site();
        for layer in &mut encoder.layers {
            layer.sites = [builder.site(), builder.site(), builder.site()];
        }
        encoder
    }

    /// Hidden states of the last layer, `[N, H]`.
    pub fn forward(&self, tokens: &Tokens, mode: Mode) -> Result<Tensor> {
        let mut hidden = self.embed(tokens, mode)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden, tokens, self.mask, mode)?;
        }
        Ok(hidden)
    }

    /// The input of the first layer, then the output of every layer, `[N, H]` each: transformers'
    /// `hidden_states`. The last one is what [`Self::forward`] returns.
    pub fn hidden_states(&self, tokens: &Tokens, mode: Mode) -> Result<Vec<Tensor>> {
        let mut hidden = self.embed(tokens, mode)?;
        let mut states = vec![hidden.clone()];
        for layer in &self.layers {
            hidden = layer.forward(&hidden, tokens, self.mask, mode)?;
            states.push(hidden.clone());
        }
        Ok(states)
    }

    /// The input of the first layer, `[N, H]`: the embeddings, projected if the widths differ.
    fn embed(&self, tokens: &Tokens, mode: Mode) -> Result<Tensor> {
        let embedded = self.embeddings.forward(tokens, self.embedding_site, mode)?;
        match &self.project {
            Some(project) => project.forward(&embedded),
            None => Ok(embedded),
        }
    }
}

/// Self-attention and feed-forward, each followed by a residual connection and a LayerNorm.
#[derive(Clone, Debug)]
struct Layer {
    parameters: LayerParameters,
    heads: usize,
    epsilon: f64,
    rates: DropoutRates,
    sites: [u64; 3],
    precision: Precision,
}

impl Layer {
    fn new(mut builder: Builder<'_>, shape: &EncoderShape, rates: DropoutRates) -> Result<Self> {
        let (hidden, ffn) = (shape.hidden, shape.ffn);
        Ok(Self {
            parameters: LayerParameters {
                qkv: dense(builder.within("attention.qkv"), hidden, 3 * hidden)?,
                attention_output: dense(builder.within("attention.output"), hidden, hidden)?,
                attention_norm: norm(builder.within("attention.norm"), shape)?,
                intermediate: dense(builder.within("intermediate"), hidden, ffn)?,
                output: dense(builder.within("output"), ffn, hidden)?,
                output_norm: norm(builder.within("output.norm"), shape)?,
            },
            heads: shape.heads,
            epsilon: shape.norm_epsilon,
            rates,
            sites: [builder.site(), builder.site(), builder.site()],
            precision: builder.precision(),
        })
    }

    fn forward(&self, x: &Tensor, tokens: &Tokens, mask: AttentionMask, mode: Mode) -> Result<Tensor> {
        let Self { heads, epsilon, rates, sites, precision, .. } = *self;
        let [in_attention, after_attention, after_output] = sites;
        let dropout = [
            mode.dropout(in_attention, rates.attention),
            mode.dropout(after_attention, rates.hidden),
            mode.dropout(after_output, rates.hidden),
        ];
        let settings =
            LayerSettings { offsets: tokens.offsets.clone(), heads, mask, dropout, epsilon, precision };
        Ok(encoder_layer(x, &self.parameters, &settings)?)
    }
}

fn dense(builder: Builder<'_>, input: usize, output: usize) -> Result<Dense> {
    let Linear { weight, bias, .. } = Linear::new(builder, input, output, Init::TruncatedNormal)?;
    Ok([weight, bias])
}

fn norm(builder: Builder<'_>, shape: &EncoderShape) -> Result<Tensor> {
    Ok(LayerNorm::new(builder, shape.hidden, shape.norm_epsilon)?.parameters)
}
