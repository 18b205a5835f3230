//! What a generator and the encoder beside it have in common: the one place that turns `model.sharing` into networks.
//!
//! Parameters that are shared exist once, under the names of the encoder that is fine-tuned; what the generator has to
//! itself begins with `generator.`. Next: `nn/embeddings.rs` for tables that are differences from others.

use super::{EncoderNetwork, MaskedLm, MaskedLmHead, encoder};
use crate::fault::{Fault, Result};
use crate::nn::{Builder, Embeddings, Encoder};
use crate::spec::{ModelSpec, Sharing};

/// The encoder that is fine-tuned, where a generator stands beside it.
pub struct MainEncoder {
    /// Its embeddings.
    pub embeddings: Embeddings,
    /// Itself.
    pub encoder: Encoder,
    /// The generator's embeddings, where the main ones are differences from them.
    base: Option<Embeddings>,
}

impl MainEncoder {
    /// Makes its parameters at the root, and before them those of the generator that it cannot do without.
    pub fn new(builder: &mut Builder<'_>, spec: &ModelSpec, vocab: usize) -> Result<Self> {
        let network = EncoderNetwork::of_spec(spec, vocab);
        if spec.sharing != Sharing::Gdes {
            let (embeddings, encoder) = encoder(builder, &network)?;
            return Ok(Self { embeddings, encoder, base: None });
        }
        let EncoderNetwork { shape, rates, .. } = network;
        let base = own_embeddings(&mut builder.within("generator"), spec, vocab)?;
        let embeddings = base.disentangled(builder.within("embeddings"), &shape)?;
        let encoder = Encoder::new(builder.within("encoder"), embeddings.clone(), &shape, rates)?;
        Ok(Self { embeddings, encoder, base: Some(base) })
    }

    /// The generator beside it, with an output over the vocabulary that is always its own.
    pub fn generator(&self, mut part: Builder<'_>, spec: &ModelSpec, vocab: usize) -> Result<MaskedLm> {
        let EncoderNetwork { shape, rates, .. } = EncoderNetwork::generator_of_spec(spec, vocab);
        let embeddings = self.of_generator(&mut part, spec, vocab)?;
        let head = MaskedLmHead::new(part.within("mlm_head"), &shape, embeddings.word_table()?)?;
        let encoder = match spec.sharing {
            Sharing::All => self.encoder.with_own_dropout(&mut part),
            _ => Encoder::new(part.within("encoder"), embeddings, &shape, rates)?,
        };
        Ok(MaskedLm { encoder, head })
    }

    /// The embeddings that the generator reads; its own are made in `part`.
    pub fn of_generator(&self, part: &mut Builder<'_>, spec: &ModelSpec, vocab: usize) -> Result<Embeddings> {
        match spec.sharing {
            Sharing::None => own_embeddings(part, spec, vocab),
            Sharing::Embeddings | Sharing::All => Ok(self.embeddings.clone()),
            Sharing::Gdes => {
                self.base.clone().ok_or_else(|| Fault::internal("differences from no embeddings"))
            }
        }
    }
}

/// Embeddings of the generator alone, under `generator.embeddings`.
fn own_embeddings(part: &mut Builder<'_>, spec: &ModelSpec, vocab: usize) -> Result<Embeddings> {
    let EncoderNetwork { shape, rates, .. } = EncoderNetwork::generator_of_spec(spec, vocab);
    Embeddings::new(part.within("embeddings"), &shape, vocab, rates.hidden)
}
