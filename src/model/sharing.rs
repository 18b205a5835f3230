//! Sharing between the generator and the encoder that is fine-tuned: the only code that acts on
//! `model.sharing`.
//!
//! Shared parameters exist once, under the names of the encoder that is fine-tuned. The names of the
//! generator's own parameters begin with `generator.`. Next: `nn/embeddings.rs` for tables that are
//! differences from others.

use super::encoder_network::{EncoderNetwork, encoder, is_encoder_parameter};
use super::heads::MaskedLmHead;
use super::single::MaskedLm;
use crate::error::{Error, Result};
use crate::experiment::{ModelSpec, Sharing};
use crate::nn::{Builder, Embeddings, Encoder};

/// The encoder that is fine-tuned, of a model that also has a generator.
pub struct MainEncoder {
    /// Its embeddings.
    pub embeddings: Embeddings,
    /// The encoder, which reads those embeddings.
    pub encoder: Encoder,
    /// The generator's embeddings, if those of this encoder are differences from them.
    base: Option<Embeddings>,
}

impl MainEncoder {
    /// Makes its parameters, and before them the generator's embeddings if its own are differences from them.
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

    /// Makes the generator. Its head over the vocabulary is never shared.
    pub fn generator(&self, mut part: Builder<'_>, spec: &ModelSpec, vocab: usize) -> Result<MaskedLm> {
        let EncoderNetwork { shape, rates, .. } = EncoderNetwork::generator_of_spec(spec, vocab);
        let embeddings = self.generator_embeddings(&mut part, spec, vocab)?;
        let head = MaskedLmHead::new(part.within("mlm_head"), &shape, embeddings.word_table()?)?;
        let encoder = match spec.sharing {
            Sharing::All => self.encoder.with_own_dropout(&mut part),
            _ => Encoder::new(part.within("encoder"), embeddings, &shape, rates)?,
        };
        Ok(MaskedLm { encoder, head })
    }

    /// The embeddings that the generator reads. If they are its own, they are made in `part`.
    pub fn generator_embeddings(
        &self,
        part: &mut Builder<'_>,
        spec: &ModelSpec,
        vocab: usize,
    ) -> Result<Embeddings> {
        match spec.sharing {
            Sharing::None => own_embeddings(part, spec, vocab),
            Sharing::Embeddings | Sharing::All => Ok(self.embeddings.clone()),
            Sharing::Gdes => {
                self.base.clone().ok_or_else(|| Error::internal("gdes has no embeddings to differ from"))
            }
        }
    }
}

/// The name in a trial's networks of the parameter that a generator alone calls `name`: one of its own, or
/// the one that it shares.
pub fn generator_name(name: &str, sharing: Sharing) -> String {
    let is_shared = match sharing {
        Sharing::None | Sharing::Gdes => false,
        Sharing::Embeddings => name.starts_with("embeddings."),
        Sharing::All => is_encoder_parameter(name),
    };
    if is_shared { name.into() } else { format!("generator.{name}") }
}

/// Makes embeddings of the generator's own, under `generator.embeddings`.
fn own_embeddings(part: &mut Builder<'_>, spec: &ModelSpec, vocab: usize) -> Result<Embeddings> {
    let EncoderNetwork { shape, rates, .. } = EncoderNetwork::generator_of_spec(spec, vocab);
    Embeddings::new(part.within("embeddings"), &shape, vocab, rates.hidden)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::Electra;
    use crate::nn::Parameters;

    #[test]
    fn a_generators_parameters_have_a_name_in_the_pair() {
        for sharing in [Sharing::None, Sharing::Embeddings, Sharing::All, Sharing::Gdes] {
            let model = ModelSpec {
                layers: Some(1),
                hidden: Some(16),
                embedding: Some(8),
                generator_ratio: 1.0,
                sharing,
                ..Default::default()
            };
            let (mut pair, mut alone) = (Parameters::new(1, &Device::Cpu), Parameters::new(1, &Device::Cpu));
            Electra::new(&mut pair, &model, 30).unwrap();
            MaskedLm::new(&mut alone, &EncoderNetwork::generator_of_spec(&model, 30)).unwrap();
            let names: Vec<String> =
                alone.iter().map(|parameter| generator_name(&parameter.name, sharing)).collect();
            for (name, parameter) in names.iter().zip(alone.iter()) {
                let found = pair.iter().find(|other| other.name == *name);
                let found = found.unwrap_or_else(|| panic!("{sharing:?} has no {name}"));
                assert_eq!(found.var.dims(), parameter.var.dims(), "{sharing:?} {name}");
            }
            // None of the generator's own is left out.
            let own = pair.iter().filter(|parameter| parameter.name.starts_with("generator."));
            assert_eq!(own.count(), names.iter().filter(|name| name.starts_with("generator.")).count());
        }
    }

    #[test]
    fn a_difference_table_cannot_be_an_output_matrix() {
        let model = ModelSpec { sharing: Sharing::Gdes, ..Default::default() };
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let main = MainEncoder::new(&mut parameters.builder(), &model, 30).unwrap();
        let error = main.embeddings.word_table().unwrap_err();
        assert!(error.message.contains("only a difference"), "{error}");
    }
}
