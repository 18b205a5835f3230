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
        // Some published models have one type for both segments.
        let one_type = (token_type.dim(0)? == 1).then(|| Indices {
            token_type_ids: vec![0; tokens.indices.token_type_ids.len()].into(),
            ..tokens.indices.clone()
        });
        let indices = one_type.as_ref().unwrap_or(&tokens.indices);
        let sum = match &self.base {
            None => embedding(word, position, token_type, indices)?,
            Some(base) => difference_embedding(base, word, position, token_type, indices)?,
        };
        Ok(dropout(&self.norm.forward(&sum)?, mode.dropout(site, self.dropout))?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::super::parameters::Parameters;
    use super::*;

    /// A published model with `type_vocab_size: 1` reads a pair of sentences as one segment.
    #[test]
    fn a_single_type_stands_for_both_segments() {
        let shape = EncoderShape {
            hidden: 4,
            layers: 1,
            heads: 1,
            ffn: 4,
            embedding: 4,
            positions: 8,
            types: 1,
            norm_epsilon: 1e-12,
        };
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let embeddings = Embeddings::new(parameters.builder(), &shape, 9, 0.0).unwrap();
        let values = |token_type_ids: [u32; 3]| -> Vec<f32> {
            let indices = Indices {
                input_ids: vec![2, 5, 3].into(),
                position_ids: vec![0, 1, 2].into(),
                token_type_ids: token_type_ids.to_vec().into(),
                device_ids: None,
            };
            let tokens = Tokens { indices, offsets: vec![0, 3].into() };
            embeddings
                .forward(&tokens, 0, Mode::evaluate())
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap()
        };
        assert_eq!(values([0, 1, 1]), values([0, 0, 0]));
    }
}
