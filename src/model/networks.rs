//! The networks of the objectives: ELECTRA's pair, a single masked language model, and a generator with an encoder
//! that restores what it replaced.

use candle_core::Tensor;

use super::heads::{Baseline, CopyGate, DiscriminatorHead, MaskedLmHead};
use super::sharing::MainEncoder;
use crate::error::Result;
use crate::experiment::{EncoderShape, ModelSpec};
use crate::nn::{Builder, Embeddings, Encoder, Mode, Parameters, Rates, Tokens};

/// Whether a parameter belongs to the encoder that is fine-tuned.
pub fn is_encoder_parameter(name: &str) -> bool {
    name.starts_with("embeddings.") || name.starts_with("encoder.")
}

/// What makes an encoder: its shape, its dropout and its vocabulary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderNetwork {
    /// Shape.
    pub shape: EncoderShape,
    /// Dropout.
    pub rates: Rates,
    /// Entries of the vocabulary.
    pub vocab: usize,
}

impl EncoderNetwork {
    /// The encoder of a specification that is fine-tuned.
    pub fn of_spec(spec: &ModelSpec, vocab: usize) -> Self {
        let rates = Rates { hidden: spec.dropout, attention: spec.attention_dropout };
        Self { shape: spec.discriminator(), rates, vocab }
    }

    /// The generator beside it.
    pub fn generator_of_spec(spec: &ModelSpec, vocab: usize) -> Self {
        Self { shape: spec.generator(), ..Self::of_spec(spec, vocab) }
    }
}

/// The encoder that is fine-tuned, with its embeddings, under the names that every objective gives it.
pub fn encoder(builder: &mut Builder<'_>, network: &EncoderNetwork) -> Result<(Embeddings, Encoder)> {
    let EncoderNetwork { ref shape, rates, vocab } = *network;
    let embeddings = Embeddings::new(builder.within("embeddings"), shape, vocab, rates.hidden)?;
    let encoder = Encoder::new(builder.within("encoder"), embeddings.clone(), shape, rates)?;
    Ok((embeddings, encoder))
}

/// One encoder with a masked-language-model head: ELECTRA's generator, or BERT's objective at the
/// discriminator's size.
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

/// The encoder that tells replaced tokens from original ones, and is fine-tuned.
#[derive(Clone, Debug)]
pub struct Discriminator {
    /// The encoder.
    pub encoder: Encoder,
    /// Its output for every token.
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

    /// N tokens → logits [N]; positive means replaced.
    pub fn forward(&self, tokens: &Tokens, mode: Mode) -> Result<Tensor> {
        self.head.forward(&self.encoder.forward(tokens, mode)?)
    }
}

/// Generator and discriminator.
#[derive(Clone, Debug)]
pub struct Electra {
    /// The small masked language model that proposes replacements.
    pub generator: MaskedLm,
    /// Tells which tokens were replaced.
    pub discriminator: Discriminator,
}

impl Electra {
    /// Makes all parameters in `parameters`.
    pub fn new(parameters: &mut Parameters, spec: &ModelSpec, vocab: usize) -> Result<Self> {
        let mut builder = parameters.builder();
        let main = MainEncoder::new(&mut builder, spec, vocab)?;
        let generator = main.generator(builder.within("generator"), spec, vocab)?;
        let hidden = spec.discriminator().hidden;
        let head = DiscriminatorHead::new(builder.within("discriminator_head"), hidden)?;
        Ok(Self { generator, discriminator: Discriminator { encoder: main.encoder, head } })
    }
}

/// Generator and discriminator with the baseline of the generator's reward.
#[derive(Clone, Debug)]
pub struct AdversarialElectra {
    /// The two networks.
    pub electra: Electra,
    /// Expects the reward from the generator's hidden states.
    pub baseline: Baseline,
}

impl AdversarialElectra {
    /// Makes all parameters in `parameters`.
    pub fn new(parameters: &mut Parameters, spec: &ModelSpec, vocab: usize) -> Result<Self> {
        let electra = Electra::new(parameters, spec, vocab)?;
        let baseline = Baseline::new(parameters.builder().within("baseline"), spec.generator().hidden)?;
        Ok(Self { electra, baseline })
    }
}

/// A generator, and the encoder that restores the tokens that it replaced (ELECTRA §3.4; COCO-LM §4).
#[derive(Clone, Debug)]
pub struct Restorer {
    /// The small masked language model that proposes replacements.
    pub generator: MaskedLm,
    /// Predicts the originals; its output is tied to the word embeddings that it reads.
    pub restorer: MaskedLm,
    /// Whether a token is copied, where there is a gate.
    pub gate: Option<CopyGate>,
}

impl Restorer {
    /// Makes all parameters in `parameters`.
    pub fn new(parameters: &mut Parameters, spec: &ModelSpec, vocab: usize, has_gate: bool) -> Result<Self> {
        let mut builder = parameters.builder();
        let (main, shape) = (MainEncoder::new(&mut builder, spec, vocab)?, spec.discriminator());
        let head = MaskedLmHead::new(builder.within("mlm_head"), &shape, main.embeddings.word_table()?)?;
        let generator = main.generator(builder.within("generator"), spec, vocab)?;
        let gate = has_gate.then(|| CopyGate::new(builder.within("copy_gate"), shape.hidden));
        Ok(Self { generator, restorer: MaskedLm { encoder: main.encoder, head }, gate: gate.transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::experiment::{ModelSize, Sharing};

    const VOCAB: usize = 30_522;

    fn count(parameters: &Parameters, wanted: impl Fn(&str) -> bool) -> u64 {
        let chosen = parameters.iter().filter(|parameter| wanted(&parameter.name));
        chosen.map(|parameter| parameter.var.elem_count() as u64).sum()
    }

    /// Facts, section 1.1: parameter counts of the released shapes.
    #[test]
    fn parameter_counts_of_electra_small() {
        for (ratio, generator, head, joint) in
            [(0.25, 608_064, 39_098, 14_196_219), (1.0, 9_510_144, 63_674, 23_122_875)]
        {
            let spec = ModelSpec { size: ModelSize::Small, generator_ratio: ratio, ..Default::default() };
            let mut parameters = Parameters::new(1, &Device::Cpu);
            Electra::new(&mut parameters, &spec, VOCAB).unwrap();
            assert_eq!(count(&parameters, is_encoder_parameter), 13_483_008);
            assert_eq!(count(&parameters, |name| name.starts_with("discriminator_head")), 66_049);
            assert_eq!(count(&parameters, |name| name.starts_with("generator.encoder")), generator);
            assert_eq!(count(&parameters, |name| name.starts_with("generator.mlm_head")), head);
            assert_eq!(parameters.count(), joint);
        }
    }

    /// Facts, trap 24: weight decay on weights and tables, on neither LayerNorm nor bias.
    #[test]
    fn what_decays() {
        for sharing in [Sharing::None, Sharing::Embeddings, Sharing::Gdes] {
            let spec = ModelSpec { layers: Some(1), hidden: Some(64), sharing, ..Default::default() };
            let mut parameters = Parameters::new(1, &Device::Cpu);
            Electra::new(&mut parameters, &spec, 50).unwrap();
            for parameter in parameters.iter() {
                let leaf = parameter.name.rsplit('.').next().unwrap();
                assert!(["weight", "delta", "bias", "weight_and_bias"].contains(&leaf), "{}", parameter.name);
                assert_eq!(parameter.decays, ["weight", "delta"].contains(&leaf), "{}", parameter.name);
            }
        }
    }

    #[test]
    fn what_is_shared_is_made_once() {
        let made = |sharing| {
            let spec = ModelSpec { sharing, generator_ratio: 1.0, ..Default::default() };
            let mut parameters = Parameters::new(1, &Device::Cpu);
            Electra::new(&mut parameters, &spec, 1000).unwrap();
            parameters
        };
        let [none, shared, all, gdes] =
            [Sharing::None, Sharing::Embeddings, Sharing::All, Sharing::Gdes].map(made);
        // Word, position and type tables and the LayerNorm once more, be they tables or differences from them.
        assert_eq!(none.count() - shared.count(), (1000 + 512 + 2 + 2) * 128);
        assert_eq!(gdes.count(), none.count());
        let encoder = count(&shared, |name| name.starts_with("encoder."));
        assert_eq!(shared.count() - all.count(), encoder);
        assert!(
            all.iter()
                .all(|p| !p.name.starts_with("generator.") || p.name.starts_with("generator.mlm_head."))
        );
        let differences: Vec<&str> =
            gdes.iter().map(|p| p.name.as_str()).filter(|name| name.ends_with("delta")).collect();
        assert_eq!(differences, ["embeddings.word.delta", "embeddings.position.delta"]);
    }
}
