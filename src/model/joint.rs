//! Networks that are trained together: ELECTRA's pair, the pair with a baseline, and a generator with an
//! encoder that restores what it replaced.

use super::heads::{Baseline, CopyGate, DiscriminatorHead, MaskedLmHead};
use super::sharing::MainEncoder;
use super::single::{Discriminator, MaskedLm};
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::nn::Parameters;

/// Generator and discriminator.
#[derive(Clone, Debug)]
pub struct Electra {
    /// The small masked language model that proposes replacements.
    pub generator: MaskedLm,
    /// The encoder that predicts which tokens were replaced.
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
    /// Generator and discriminator.
    pub electra: Electra,
    /// Predicts the reward from the generator's hidden states.
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

/// A generator, and the encoder that restores the tokens that it replaced (ELECTRA §3.5; COCO-LM §4).
#[derive(Clone, Debug)]
pub struct Restorer {
    /// The small masked language model that proposes replacements.
    pub generator: MaskedLm,
    /// Predicts the originals. Its output is tied to the word embeddings that it reads.
    pub restorer: MaskedLm,
    /// Predicts whether a token is copied, if the objective has a gate.
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
    use crate::model::encoder_network::is_encoder_parameter;
    use crate::nn::{Encoder, Mode, Tokens};
    use crate::ops::embedding::Indices;

    const VOCAB: usize = 30_522;

    fn count(parameters: &Parameters, wanted: impl Fn(&str) -> bool) -> u64 {
        let chosen = parameters.iter().filter(|parameter| wanted(&parameter.name));
        chosen.map(|parameter| parameter.var.elem_count() as u64).sum()
    }

    /// Parameter counts of ELECTRA-Small, with a generator of a quarter of the width and of the full width.
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

    /// Trap 24 of `tests/suite/traps.rs`: weight decay applies to weights and tables, but neither to
    /// LayerNorm nor to biases.
    #[test]
    fn only_weights_and_tables_decay() {
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
    fn shared_parameters_are_made_once() {
        let made = |sharing| {
            let spec = ModelSpec { sharing, generator_ratio: 1.0, ..Default::default() };
            let mut parameters = Parameters::new(1, &Device::Cpu);
            Electra::new(&mut parameters, &spec, 1000).unwrap();
            parameters
        };
        let [none, shared, all, gdes] =
            [Sharing::None, Sharing::Embeddings, Sharing::All, Sharing::Gdes].map(made);
        // Word, position and type tables and the LayerNorm, once more; differences have the size of the
        // tables.
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

    /// With `sharing: all` both networks are one encoder: without dropout they give the same hidden states,
    /// with dropout different ones.
    #[test]
    fn the_two_passes_of_a_shared_encoder_have_dropout_of_their_own() {
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
            input_ids: ids.as_slice().into(),
            position_ids: ids.into(),
            token_type_ids: vec![0; 12].into(),
            device_ids: None,
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
}
