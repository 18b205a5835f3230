//! The embedding block: word + position + type → LayerNorm → dropout, all at the embedding size.
//!
//! Sharing it between generator and discriminator shares all four: the tables and the LayerNorm
//! (google-research/electra's variable scope `electra/embeddings`). Word and position tables may also be kept as
//! differences from another network's, which are read and not trained: gradient-disentangled sharing. Next:
//! `model/sharing.rs`.

use std::sync::Arc;

use candle_core::Tensor;

use super::layers::{Mode, Norm};
use super::parameters::{Builder, Init};
use crate::error::{Error, Result};
use crate::experiment::EncoderShape;
use crate::ops::dropout::dropout;
use crate::ops::embedding::{Base, Indices, difference_embedding, embedding};

/// Last part of the name of a table that is a difference from another one.
pub const DIFFERENCE: &str = "delta";

/// A ragged batch of tokens as the network reads it.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Rows of the embedding tables, N each.
    pub indices: Indices,
    /// First token of every sequence and, last, N.
    pub offsets: Arc<[usize]>,
}

/// Word, position and type embeddings with their LayerNorm.
#[derive(Clone, Debug)]
pub struct Embeddings {
    word: Tensor,
    position: Tensor,
    /// What `word` and `position` are differences from.
    base: Option<Base>,
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
            base: None,
            kind: table("type", shape.types)?,
            norm: Norm::new(builder.within("norm"), shape.embedding, shape.norm_epsilon)?,
            dropout,
        })
    }

    /// Embeddings of another network whose word and position tables are these plus differences of its own, which
    /// begin at zero; what trains them leaves these alone. Type table and LayerNorm are its own.
    ///
    /// Errors: these are differences themselves.
    pub fn disentangled(&self, mut builder: Builder<'_>, shape: &EncoderShape) -> Result<Self> {
        let word = self.word_table()?;
        let mut difference = |name: &str, table: &Tensor| {
            builder.within(name).parameter(DIFFERENCE, table.dims(), Init::Difference)
        };
        Ok(Self {
            word: difference("word", word)?,
            position: difference("position", &self.position)?,
            base: Some(Base::new(word, &self.position)),
            kind: builder.within("type").parameter(
                "weight",
                &[shape.types, shape.embedding],
                Init::TruncatedNormal,
            )?,
            norm: Norm::new(builder.within("norm"), shape.embedding, shape.norm_epsilon)?,
            dropout: self.dropout,
        })
    }

    /// The word table [V, E], which is also the output matrix of the masked-language-model head.
    ///
    /// Errors: it is kept as a difference from another table.
    pub fn word_table(&self) -> Result<&Tensor> {
        match self.base {
            None => Ok(&self.word),
            Some(_) => Err(Error::internal("a difference of word tables was asked for as a table")),
        }
    }

    /// Embeds N tokens: [N, E]. `site` is the dropout site of the encoder that reads them.
    pub fn forward(&self, tokens: &Tokens, site: u64, mode: Mode) -> Result<Tensor> {
        let Self { word, position, kind, .. } = self;
        let sum = match &self.base {
            None => embedding(word, position, kind, &tokens.indices)?,
            Some(base) => difference_embedding(base, word, position, kind, &tokens.indices)?,
        };
        Ok(dropout(&self.norm.forward(&sum)?, mode.dropout(site, self.dropout))?)
    }
}

/// The table `<place>.weight` of a network that keeps it as its difference from the generator's:
/// `generator.<place>.weight` + `<place>.delta`, to the bit what the network reads. None where `find` does not know both.
pub fn difference_table(name: &str, find: impl Fn(&str) -> Option<Tensor>) -> Result<Option<Tensor>> {
    let Some(place) = name.strip_suffix(".weight") else { return Ok(None) };
    let base = find(&format!("generator.{name}"));
    Ok(match (base, find(&format!("{place}.{DIFFERENCE}"))) {
        (Some(base), Some(difference)) => Some((base + difference)?),
        _ => None,
    })
}
