//! Electric's networks (Clark et al. 2020b, §2.3): a cloze model of two towers, and the encoder that computes
//! energies.
//!
//! One tower reads from left to right and one from right to left. The context of a token is the left tower's
//! state at its left neighbour, concatenated with the right tower's state at its right neighbour, so that no
//! token sees itself.

use candle_core::Tensor;

use super::encoder_network::EncoderNetwork;
use super::heads::{DiscriminatorHead, MaskedLmHead};
use super::sharing::MainEncoder;
use super::single::Discriminator;
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::nn::{Builder, Encoder, Mode, Parameters, Tokens};
use crate::ops::attention::AttentionMask;
use crate::ops::gather::gather;

/// Predicts every token from all others, in one pass.
#[derive(Clone, Debug)]
pub struct TwoTowers {
    left: Encoder,
    right: Encoder,
    /// Its output over the vocabulary, tied to the word embeddings that both towers read.
    pub head: MaskedLmHead,
}

impl TwoTowers {
    fn new(mut part: Builder<'_>, spec: &ModelSpec, vocab: usize, main: &MainEncoder) -> Result<Self> {
        let EncoderNetwork { shape, rates, .. } = EncoderNetwork::generator_of_spec(spec, vocab);
        let embeddings = main.generator_embeddings(&mut part, spec, vocab)?;
        let word = embeddings.word_table()?;
        let head = MaskedLmHead::new(part.within("mlm_head"), &shape.side_by_side(), word)?;
        let left = Encoder::new(part.within("left.encoder"), embeddings.clone(), &shape, rates)?;
        let right = Encoder::new(part.within("right.encoder"), embeddings, &shape, rates)?;
        Ok(Self {
            left: left.with_mask(AttentionMask::Causal),
            right: right.with_mask(AttentionMask::ReverseCausal),
            head,
        })
    }

    /// The context of each of N tokens: [N, 2·H] for towers of width H. At the ends of a sequence, where a
    /// token has no neighbour on one side, that half is zeros.
    pub fn forward(&self, tokens: &Tokens, mode: Mode) -> Result<Tensor> {
        let (before, behind) = neighbours(&tokens.offsets);
        let left = rows_or_zeros(&self.left.forward(tokens, mode)?, &before)?;
        let right = rows_or_zeros(&self.right.forward(tokens, mode)?, &behind)?;
        Ok(Tensor::cat(&[left, right], 1)?)
    }
}

/// The left and the right neighbour of each of N tokens. N stands for no neighbour.
fn neighbours(offsets: &[usize]) -> (Vec<u32>, Vec<u32>) {
    let none = offsets.last().copied().unwrap_or(0);
    let tokens = || {
        offsets
            .windows(2)
            .flat_map(|bounds| (bounds[0]..bounds[1]).map(|token| (token, bounds[0], bounds[1])))
    };
    let before = tokens().map(|(token, start, _)| if token == start { none } else { token - 1 } as u32);
    let behind = tokens().map(|(token, _, end)| if token + 1 == end { none } else { token + 1 } as u32);
    (before.collect(), behind.collect())
}

/// Rows of hidden `[N, H]`; row N is zeros.
fn rows_or_zeros(hidden: &Tensor, rows: &[u32]) -> Result<Tensor> {
    let (_, width) = hidden.dims2()?;
    let zeros = Tensor::zeros((1, width), hidden.dtype(), hidden.device())?;
    Ok(gather(&Tensor::cat(&[hidden, &zeros], 0)?, rows)?)
}

/// The noise distribution and the encoder that learns to tell text from noise.
#[derive(Clone, Debug)]
pub struct ElectricNetworks {
    /// The noise distribution.
    pub generator: TwoTowers,
    /// The encoder whose logit is the energy of a token.
    pub discriminator: Discriminator,
}

impl ElectricNetworks {
    /// Makes all parameters in `parameters`.
    pub fn new(parameters: &mut Parameters, spec: &ModelSpec, vocab: usize) -> Result<Self> {
        let mut builder = parameters.builder();
        let main = MainEncoder::new(&mut builder, spec, vocab)?;
        let generator = TwoTowers::new(builder.within("generator"), spec, vocab, &main)?;
        let hidden = spec.discriminator().hidden;
        let head = DiscriminatorHead::new(builder.within("discriminator_head"), hidden)?;
        Ok(Self { generator, discriminator: Discriminator { encoder: main.encoder, head } })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ops::embedding::Indices;

    #[test]
    fn neighbours_stay_in_their_sequence() {
        let (before, behind) = neighbours(&[0, 3, 3, 5]);
        assert_eq!((before, behind), (vec![5, 0, 1, 5, 3], vec![1, 2, 5, 4, 5]));
    }

    /// Another token at position 2 changes the context of every other token of its sequence, and nothing
    /// else.
    #[test]
    fn no_token_sees_itself() {
        let spec = ModelSpec { layers: Some(2), hidden: Some(16), heads: Some(2), ..Default::default() };
        let spec = ModelSpec { embedding: Some(8), generator_ratio: 0.5, ..spec };
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let towers = ElectricNetworks::new(&mut parameters, &spec, 30).unwrap().generator;
        let context = |ids: [u32; 8]| {
            let positions: Vec<u32> = vec![0, 1, 2, 3, 4, 0, 1, 2];
            let indices = Indices {
                input_ids: ids.to_vec().into(),
                position_ids: positions.into(),
                token_type_ids: vec![0; 8].into(),
                device_ids: None,
            };
            let tokens = Tokens { indices, offsets: vec![0, 5, 8].into() };
            towers.forward(&tokens, Mode::evaluate()).unwrap().to_vec2::<f32>().unwrap()
        };
        let (one, other) = (context([2, 9, 10, 11, 3, 2, 20, 3]), context([2, 9, 25, 11, 3, 2, 20, 3]));
        let differs: Vec<usize> = (0..8).filter(|&i| one[i] != other[i]).collect();
        assert_eq!(differs, [0, 1, 3, 4]);
        // The left half of token 1 sees [CLS] alone, its right half the changed token.
        assert_eq!((&one[1][..8], one[1][8..] != other[1][8..]), (&other[1][..8], true));
        assert!(one[0][..8].iter().chain(&one[4][8..]).all(|&value| value == 0.0));
    }
}
