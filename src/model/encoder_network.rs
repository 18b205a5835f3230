//! The encoder that is fine-tuned: its shape, its parameters and their names.

use crate::error::Result;
use crate::experiment::{EncoderShape, ModelSpec};
use crate::nn::{Builder, DropoutRates, Embeddings, Encoder};

/// Whether a parameter belongs to the encoder that is fine-tuned.
pub fn is_encoder_parameter(name: &str) -> bool {
    name.starts_with("embeddings.") || name.starts_with("encoder.")
}

/// What defines an encoder: its shape, its dropout and its vocabulary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderNetwork {
    /// Numbers and sizes of the layers.
    pub shape: EncoderShape,
    /// Dropout.
    pub rates: DropoutRates,
    /// Number of entries in the vocabulary.
    pub vocab: usize,
}

impl EncoderNetwork {
    /// The encoder of a specification that is fine-tuned.
    pub fn of_spec(spec: &ModelSpec, vocab: usize) -> Self {
        let rates = DropoutRates { hidden: spec.dropout, attention: spec.attention_dropout };
        Self { shape: spec.discriminator(), rates, vocab }
    }

    /// The encoder of its generator.
    pub fn generator_of_spec(spec: &ModelSpec, vocab: usize) -> Self {
        Self { shape: spec.generator(), ..Self::of_spec(spec, vocab) }
    }
}

/// Makes the encoder that is fine-tuned, and its embeddings, under the names that it has in every objective.
pub fn encoder(builder: &mut Builder<'_>, network: &EncoderNetwork) -> Result<(Embeddings, Encoder)> {
    let EncoderNetwork { ref shape, rates, vocab } = *network;
    let embeddings = Embeddings::new(builder.within("embeddings"), shape, vocab, rates.hidden)?;
    let encoder = Encoder::new(builder.within("encoder"), embeddings.clone(), shape, rates)?;
    Ok((embeddings, encoder))
}
