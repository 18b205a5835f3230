//! Networks of one encoder and one head: the masked language model and the discriminator.

use candle_core::Tensor;

use super::encoder_network::{EncoderNetwork, encoder};
use super::heads::{DiscriminatorHead, MaskedLmHead};
use crate::error::Result;
use crate::nn::{Encoder, Mode, Parameters, Tokens};

/// An encoder with a masked-language-model head: ELECTRA's generator, or BERT at the discriminator's size.
#[derive(Clone, Debug)]
pub struct MaskedLm {
    /// The encoder.
    pub encoder: Encoder,
    /// Its output over the vocabulary, tied to the word embeddings that the encoder reads.
    pub head: MaskedLmHead,
}

impl MaskedLm {
    /// Makes all parameters in `parameters`, under the names of a model that is fine-tuned.
    pub fn new(parameters: &mut Parameters, network: &EncoderNetwork) -> Result<Self> {
        let mut builder = parameters.builder();
        let (embeddings, encoder) = encoder(&mut builder, network)?;
        let head = MaskedLmHead::new(builder.within("mlm_head"), &network.shape, embeddings.word_table()?)?;
        Ok(Self { encoder, head })
    }
}

/// The encoder that tells replaced tokens from original ones.
#[derive(Clone, Debug)]
pub struct Discriminator {
    /// The encoder.
    pub encoder: Encoder,
    /// Its logit for every token.
    pub head: DiscriminatorHead,
}

impl Discriminator {
    /// Makes all parameters in `parameters`.
    pub fn new(parameters: &mut Parameters, network: &EncoderNetwork) -> Result<Self> {
        let mut builder = parameters.builder();
        let (_, encoder) = encoder(&mut builder, network)?;
        let head = DiscriminatorHead::new(builder.within("discriminator_head"), network.shape.hidden)?;
        Ok(Self { encoder, head })
    }

    /// N tokens → logits `[N]`; positive means replaced.
    pub fn forward(&self, tokens: &Tokens, mode: Mode) -> Result<Tensor> {
        self.head.forward(&self.encoder.forward(tokens, mode)?)
    }
}
