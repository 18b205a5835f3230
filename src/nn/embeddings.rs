//! The embedding block: word + position + type → LayerNorm → dropout, all at the embedding size.
//!
//! Sharing it between generator and discriminator shares all four: the tables and the LayerNorm
//! (google-research/electra's variable scope `electra/embeddings`).

use std::sync::Arc;

use candle_core::Tensor;

use super::{Builder, Init, Mode, Norm};
use crate::fault::Result;
use crate::ops::dropout::dropout;
use crate::ops::embedding::{Indices, embedding};
use crate::spec::EncoderShape;

/// A ragged batch of tokens as the network reads it.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Rows of the embedding tables, N each.
    pub indices: Indices,
    /// First token of every sequence and, last, N.
    pub offsets: Arc<[usize]>,
}

impl Tokens {
    /// The same places with other words (N of them).
    pub fn with_words(&self, words: Vec<u32>) -> Self {
        let indices = Indices { words: words.into(), ..self.indices.clone() };
        Self { indices, offsets: self.offsets.clone() }
    }
}

/// Word, position and type embeddings with their LayerNorm.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// Word table [V, E], which is also the output matrix of the masked-language-model head.
    pub word: Tensor,
    position: Tensor,
    kind: Tensor,
    norm: Norm,
    dropout: f64,
}

impl Embeddings {
    /// Tables for `vocab` words at the shape's embedding size.
    pub fn new(mut builder: Builder<'_>, shape: &EncoderShape, vocab: usize, dropout: f64) -> Result<Self> {
        let mut table = |name: &str, rows| {
            builder.within(name).parameter("weight", &[rows, shape.embedding], Init::TruncatedNormal)
        };
        Ok(Self {
            word: table("word", vocab)?,
            position: table("position", shape.positions)?,
            kind: table("type", shape.types)?,
            norm: Norm::new(builder.within("norm"), shape.embedding, shape.norm_epsilon)?,
            dropout,
        })
    }

    /// Embeds N tokens: [N, E]. `site` is the dropout site of the encoder that reads them.
    pub fn forward(&self, tokens: &Tokens, site: u64, mode: Mode) -> Result<Tensor> {
        let sum = embedding(&self.word, &self.position, &self.kind, &tokens.indices)?;
        Ok(dropout(&self.norm.forward(&sum)?, mode.dropout(site, self.dropout))?)
    }
}
