//! The embedding block: word + position + type → LayerNorm → dropout, all at the embedding size.
//!
//! Generator and discriminator may share the whole block: three tables and the LayerNorm
//! (google-research/electra's variable scope `electra/embeddings`). Word and position tables may also be
//! differences from another network's tables, which are then read but not trained: gradient-disentangled
//! sharing. Next: `model/sharing.rs`.

use std::sync::Arc;

use candle_core::Tensor;

use super::difference_table::DIFFERENCE;
use super::layers::{LayerNorm, Mode};
use super::parameters::{Builder, Init};
use crate::error::{Error, Result};
use crate::experiment::EncoderShape;
use crate::ops::dropout::dropout;
use crate::ops::embedding::{BaseTables, Indices, difference_embedding, embedding};

/// A ragged batch of tokens as the network reads it.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Rows of the embedding tables, N per table.
    pub indices: Indices,
    /// Index of the first token of every sequence, and N at the end.
    pub offsets: Arc<[usize]>,
}

/// Word, position and type embeddings with their LayerNorm.
#[derive(Clone, Debug)]
pub struct Embeddings {
    word: Tensor,
    position: Tensor,
    /// The tables that `word` and `position` are differences from.
    base: Option<BaseTables>,
    token_type: Tensor,
    norm: LayerNorm,
    dropout: f64,
}

impl Embeddings {
    /// Tables for `vocab` tokens at the shape's embedding size.
    pub fn new(mut builder: Builder<'_>, shape: &EncoderShape, vocab: usize, dropout: f64) -> Result<Self> {
        let mut table = |name: &str, rows| {
            builder.within(name).parameter("weight", &[rows, shape.embedding], Init::TruncatedNormal)
        };
        Ok(Self {
            word: table("word", vocab)?,
            position: table("position", shape.positions)?,
            base: None,
            token_type: table("type", shape.types)?,
            norm: LayerNorm::new(builder.within("norm"), shape.embedding, shape.norm_epsilon)?,
            dropout,
        })
    }

    /// Embeddings of another network, whose word and position tables are these plus differences of its own
    /// that start at zero. Training them does not change these tables. The type table and the LayerNorm are
    /// its own.
    ///
    /// # Errors
    /// These tables are differences themselves.
    pub fn disentangled(&self, mut builder: Builder<'_>, shape: &EncoderShape) -> Result<Self> {
        let word = self.word_table()?;
        let mut difference = |name: &str, table: &Tensor| {
            builder.within(name).parameter(DIFFERENCE, table.dims(), Init::Difference)
        };
        Ok(Self {
            word: difference("word", word)?,
            position: difference("position", &self.position)?,
            base: Some(BaseTables::new(word, &self.position)),
            token_type: builder.within("type").parameter(
                "weight",
                &[shape.types, shape.embedding],
                Init::TruncatedNormal,
            )?,
            norm: LayerNorm::new(builder.within("norm"), shape.embedding, shape.norm_epsilon)?,
            dropout: self.dropout,
        })
    }

    /// The word table `[V, E]`, which is also the output matrix of the masked-language-model head.
    ///
    /// # Errors
    /// The table is a difference from another one.
    pub fn word_table(&self) -> Result<&Tensor> {
        match self.base {
            None => Ok(&self.word),
            Some(_) => Err(Error::internal("the word table is only a difference from another table")),
        }
    }

    /// Embeds N tokens as `[N, E]`. `site` is the dropout site of the encoder that reads them.
    pub fn forward(&self, tokens: &Tokens, site: u64, mode: Mode) -> Result<Tensor> {
        let Self { word, position, token_type, .. } = self;
        let sum = match &self.base {
            None => embedding(word, position, token_type, &tokens.indices)?,
            Some(base) => difference_embedding(base, word, position, token_type, &tokens.indices)?,
        };
        Ok(dropout(&self.norm.forward(&sum)?, mode.dropout(site, self.dropout))?)
    }
}
