//! Shapes of the discriminator and the generator (ELECTRA, Table 6; google-research/electra).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::papers::PublishedSize;

/// Named shapes. Other keys can change any number of a shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelSize {
    /// 4 layers of width 128, 2 heads: ours, for tests and small machines.
    #[default]
    Tiny,
    /// 12 layers of width 256, 4 heads, embeddings of width 128 (ELECTRA-Small).
    Small,
    /// 12 layers of width 768, 12 heads (ELECTRA-Base).
    Base,
    /// 24 layers of width 1024, 16 heads (ELECTRA-Large).
    Large,
}

impl From<PublishedSize> for ModelSize {
    fn from(size: PublishedSize) -> Self {
        match size {
            PublishedSize::Small => Self::Small,
            PublishedSize::Base => Self::Base,
            PublishedSize::Large => Self::Large,
        }
    }
}

/// The parameters that generator and discriminator share. Their heads are never shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Nothing (DeBERTaV3's "no embedding sharing", NES).
    None,
    /// Word, position and token type embeddings with their LayerNorm (the paper's choice; DeBERTaV3's
    /// "embedding sharing", ES, whose code shares only the word and position tables).
    #[default]
    Embeddings,
    /// The whole encoder: one network with two heads, which needs `model.generator_ratio: 1` (ELECTRA,
    /// section 3.2). Each of its two passes per step has its own dropout masks.
    All,
    /// Gradient-disentangled embedding sharing (DeBERTaV3, He et al. 2021, section 3.3): the discriminator's
    /// word and position tables are the generator's, without gradient, plus differences that start at zero
    /// and that only the discriminator's loss trains. Weight decay applies to the differences. Token type
    /// table and LayerNorm are not shared, as in DeBERTa's code. There, a step updates the generator and then
    /// the discriminator, which already reads the new tables, and each has its own gradient norm for
    /// clipping. Here, one loss updates both at once: the discriminator reads the tables from before the
    /// step, and the norm is that of all gradients. The gradients are otherwise the same, since no parameter
    /// is trained by both losses.
    Gdes,
}

/// Standard deviation of the initial weights in the released code of BERT and ELECTRA.
pub const INITIALIZER_RANGE: f64 = 0.02;

/// Generator and discriminator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSpec {
    /// Named shape of the discriminator.
    pub size: ModelSize,
    /// Width, in place of the named shape's.
    #[schemars(range(min = 1, max = 16384))]
    pub hidden: Option<usize>,
    /// Number of layers, in place of the named shape's.
    #[schemars(range(min = 1, max = 256))]
    pub layers: Option<usize>,
    /// Attention heads, in place of max(1, hidden / 64).
    #[schemars(range(min = 1, max = 256))]
    pub heads: Option<usize>,
    /// Width of the feed-forward layer, in place of 4 × hidden.
    #[schemars(range(min = 1, max = 65536))]
    pub ffn: Option<usize>,
    /// Width of the embeddings, in place of the named shape's.
    #[schemars(range(min = 1, max = 16384))]
    pub embedding: Option<usize>,
    /// Generator width as a share of the discriminator's. Scales width, heads and feed-forward layer, not
    /// depth (`generator_layers`).
    #[schemars(range(min = 0.01, max = 4.0))]
    pub generator_ratio: f64,
    /// Generator layers, in place of the discriminator's number.
    #[schemars(range(min = 1, max = 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator_layers: Option<usize>,
    /// The parameters that generator and discriminator share.
    pub sharing: Sharing,
    /// Dropout on embeddings and residual branches.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub dropout: f64,
    /// Dropout on attention probabilities.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub attention_dropout: f64,
    /// Standard deviation of the initial weights of embeddings, layers and pre-training heads: a normal
    /// distribution truncated at two standard deviations. The released code has 0.02 at every width, so the
    /// layers of a narrow network are small beside the residual stream; 0.55 / √width scales like BERT-base's
    /// 0.02 at width 768.
    #[schemars(range(min = 0.0001, max = 1.0))]
    #[serde(skip_serializing_if = "is_default_range")]
    pub initializer_range: f64,
    /// Length of the position table, which is the longest sequence in tokens.
    #[schemars(range(min = 8, max = 8192))]
    pub positions: usize,
}

/// The default is not serialised, so that the ids of trials from before this key existed do not change.
fn is_default_range(range: &f64) -> bool {
    *range == INITIALIZER_RANGE
}

impl Default for ModelSpec {
    fn default() -> Self {
        Self {
            size: ModelSize::Tiny,
            hidden: None,
            layers: None,
            heads: None,
            ffn: None,
            embedding: None,
            generator_ratio: 0.25,
            generator_layers: None,
            sharing: Sharing::Embeddings,
            dropout: 0.1,
            attention_dropout: 0.1,
            initializer_range: INITIALIZER_RANGE,
            positions: 512,
        }
    }
}

/// The shape of an encoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderShape {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Width of the feed-forward layer.
    pub ffn: usize,
    /// Width of the embeddings, projected to `hidden` where the two differ.
    pub embedding: usize,
    /// Length of the position table.
    pub positions: usize,
    /// Token types: segment A and segment B.
    pub types: usize,
    /// Added to the variance in every LayerNorm.
    pub norm_epsilon: f64,
}

impl EncoderShape {
    /// The shape that a head sees of two encoders side by side.
    pub fn side_by_side(self) -> Self {
        Self { hidden: 2 * self.hidden, ..self }
    }
}

/// Heads for a width: each 64 wide, at least one (google-research/electra, `max(1, hidden // 64)`).
fn heads_for(hidden: usize) -> usize {
    (hidden / 64).max(1)
}

impl ModelSpec {
    /// Shape of the discriminator, or of the only encoder of an objective without a discriminator.
    pub fn discriminator(&self) -> EncoderShape {
        let (hidden, layers, embedding) = match self.size {
            ModelSize::Tiny => (128, 4, 128),
            ModelSize::Small => (256, 12, 128),
            ModelSize::Base => (768, 12, 768),
            ModelSize::Large => (1024, 24, 1024),
        };
        let hidden = self.hidden.unwrap_or(hidden);
        EncoderShape {
            hidden,
            layers: self.layers.unwrap_or(layers),
            heads: self.heads.unwrap_or_else(|| heads_for(hidden)),
            ffn: self.ffn.unwrap_or(4 * hidden),
            embedding: self.embedding.unwrap_or(embedding),
            positions: self.positions,
            types: 2,
            norm_epsilon: 1e-12,
        }
    }

    /// The model of an untrained control: the same encoder, with a generator of its shape, which any encoder
    /// may have.
    pub fn untrained(&self) -> Self {
        let Self { sharing, generator_layers, .. } = Self::default();
        Self { generator_ratio: 1.0, generator_layers, sharing, ..self.clone() }
    }

    /// Shape of the generator: width `round(hidden × ratio)`, the same embeddings, and the same depth unless
    /// given. Heads and feed-forward layer follow from the width as for the discriminator, or scale with the
    /// ratio if they are given.
    pub fn generator(&self) -> EncoderShape {
        let full = self.discriminator();
        let hidden = ((full.hidden as f64 * self.generator_ratio).round_ties_even() as usize).max(1);
        let scaled = |n: usize| ((n as f64 * self.generator_ratio).round_ties_even() as usize).max(1);
        let heads = self.heads.map_or_else(|| heads_for(hidden), scaled);
        let layers = self.generator_layers.unwrap_or(full.layers);
        EncoderShape { hidden, layers, heads, ffn: self.ffn.map_or(4 * hidden, scaled), ..full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generator_shapes_of_the_paper() {
        let width = |size, ratio| {
            let shape = ModelSpec { size, generator_ratio: ratio, ..Default::default() }.generator();
            (shape.hidden, shape.heads, shape.ffn, shape.layers)
        };
        assert_eq!(width(ModelSize::Small, 0.25), (64, 1, 256, 12));
        // Narrower than one head of 64.
        assert_eq!(width(ModelSize::Tiny, 0.25), (32, 1, 128, 4));
        assert_eq!(width(ModelSize::Base, 0.33333), (256, 4, 1024, 12));
        assert_eq!(width(ModelSize::Large, 0.25), (256, 4, 1024, 24));
    }

    /// COCO-LM's generator is as wide as the encoder, with fewer layers. The default is not serialised.
    #[test]
    fn a_generator_of_its_own_depth() {
        let given = ModelSpec { generator_ratio: 1.0, generator_layers: Some(2), ..Default::default() };
        let (full, shape) = (given.discriminator(), given.generator());
        assert_eq!(shape, EncoderShape { layers: 2, ..full });
        let text = |spec| serde_json::to_string(spec).unwrap();
        assert!(text(&given).contains(r#""generator_layers":2"#));
        assert!(!text(&ModelSpec::default()).contains("generator_layers"));
    }

    /// The released code's debug configuration is 144 wide: two heads of 72, not 144 / 64 of 64.
    #[test]
    fn heads_divide_a_width_that_is_no_multiple_of_64() {
        let shape = ModelSpec { hidden: Some(144), ..Default::default() }.discriminator();
        assert_eq!((shape.heads, shape.hidden % shape.heads, shape.ffn), (2, 0, 576));
    }

    /// BERT and ELECTRA add 1e-12, not candle's default.
    #[test]
    fn every_shape_has_electras_epsilon() {
        for size in [ModelSize::Tiny, ModelSize::Small, ModelSize::Base, ModelSize::Large] {
            let spec = ModelSpec { size, ..Default::default() };
            assert_eq!((spec.discriminator().norm_epsilon, spec.generator().norm_epsilon), (1e-12, 1e-12));
        }
    }

    #[test]
    fn a_full_size_generator_has_the_discriminators_shape() {
        let given = ModelSpec { hidden: Some(96), heads: Some(6), ffn: Some(200), ..Default::default() };
        for spec in [ModelSpec::default(), given] {
            let full = ModelSpec { generator_ratio: 1.0, ..spec.clone() };
            assert_eq!(full.generator(), full.discriminator());
            let half = ModelSpec { generator_ratio: 0.5, ..spec }.generator();
            assert_eq!(
                (2 * half.hidden, 2 * half.ffn),
                (full.discriminator().hidden, full.discriminator().ffn)
            );
        }
    }
}
