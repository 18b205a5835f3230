//! What a generator and the encoder beside it have in common: the one place that turns `model.sharing` into networks.
//!
//! Parameters that are shared exist once, under the names of the encoder that is fine-tuned; what the generator has to
//! itself begins with `generator.`. Next: `nn/embeddings.rs` for tables that are differences from others.

use super::heads::MaskedLmHead;
use super::networks::{EncoderNetwork, MaskedLm, encoder};
use crate::error::{Error, Result};
use crate::experiment::{ModelSpec, Sharing};
use crate::nn::{Builder, Embeddings, Encoder};

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
                self.base.clone().ok_or_else(|| Error::internal("differences from no embeddings"))
            }
        }
    }
}

/// Embeddings of the generator alone, under `generator.embeddings`.
fn own_embeddings(part: &mut Builder<'_>, spec: &ModelSpec, vocab: usize) -> Result<Embeddings> {
    let EncoderNetwork { shape, rates, .. } = EncoderNetwork::generator_of_spec(spec, vocab);
    Embeddings::new(part.within("embeddings"), &shape, vocab, rates.hidden)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::networks::Electra;
    use crate::nn::{Mode, Parameters, Tokens};
    use crate::ops::embedding::Indices;

    /// One network: the same hidden states without dropout, others with it.
    #[test]
    fn the_two_passes_of_one_encoder_drop_different_numbers() {
        let model = ModelSpec {
            hidden: Some(16),
            layers: Some(1),
            heads: Some(2),
            generator_ratio: 1.0,
            sharing: Sharing::All,
            ..Default::default()
        };
        let Electra { generator, discriminator } =
            Electra::new(&mut Parameters::new(1, &Device::Cpu), &model, 30).unwrap();
        let ids: Vec<u32> = (0..12).collect();
        let indices = Indices {
            words: ids.as_slice().into(),
            positions: ids.into(),
            kinds: vec![0; 12].into(),
            drawn: None,
        };
        let tokens = Tokens { indices, offsets: vec![0, 12].into() };
        let hidden = |encoder: &Encoder, mode| -> Vec<f32> {
            encoder.forward(&tokens, mode).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        let both = |mode| (hidden(&generator.encoder, mode), hidden(&discriminator.encoder, mode));
        let (one, other) = both(Mode::evaluate());
        assert_eq!(one, other);
        let (one, other) = both(Mode::train(1, 5));
        assert_ne!(one, other);
    }

    #[test]
    fn a_difference_is_no_output_matrix() {
        let model = ModelSpec { sharing: Sharing::Gdes, ..Default::default() };
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let main = MainEncoder::new(&mut parameters.builder(), &model, 30).unwrap();
        let error = main.embeddings.word_table().unwrap_err();
        assert!(error.message.contains("a difference of word tables"), "{error}");
    }
}
