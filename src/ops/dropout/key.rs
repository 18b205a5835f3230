//! The address of a dropout mask.

use candle_core::{Result, Shape, Tensor};

use crate::rng::{StreamKey, philox};

/// Elements whose masks are drawn together: eight Philox blocks of eight 16-bit words.
const GROUP: usize = 64;

/// One dropout site of one step: addresses every bit it draws.
#[derive(Clone, Copy, Debug)]
pub struct DropoutKey {
    /// Key of (seed, Dropout, step).
    pub key: StreamKey,
    /// Number of the site in the network.
    pub site: u64,
    /// Probability that an element is zeroed.
    pub probability: f64,
    /// Where the tokens stand in the whole batch.
    pub offset: MicroBatchOffset,
}

/// Where the tokens of a micro-batch stand in the whole batch, whose masks they get. The default is that of a
/// whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MicroBatchOffset {
    /// Tokens of the batch before the first one here.
    pub first_token: usize,
    /// Tokens of the longest sequence of the batch; ignored where a sequence here is longer.
    pub longest: usize,
}

impl DropoutKey {
    /// Elements are kept when their 16 bits are at least this.
    pub fn threshold(&self) -> u16 {
        (self.probability * 65536.0).round().clamp(0.0, 65535.0) as u16
    }

    /// Whether no element is ever dropped.
    pub fn is_off(&self) -> bool {
        self.threshold() == 0
    }

    /// Factor of the elements that are kept.
    pub fn scale(&self) -> f32 {
        (65536.0 / (65536.0 - f64::from(self.threshold()))) as f32
    }

    /// Number of the first element where each token has `per_token` elements.
    pub fn first_element(&self, per_token: usize) -> usize {
        self.offset.first_token * per_token
    }

    /// Writes the factors (0 or the scale) of elements `start..start + mask.len()`, counted in the whole
    /// batch.
    #[inline(always)]
    pub fn fill(&self, start: usize, mask: &mut [f32]) {
        let (threshold, scale) = (self.threshold(), self.scale());
        let end = start + mask.len();
        let mut group = start / GROUP;
        while group * GROUP < end {
            let factors = self.group(group as u64, threshold, scale);
            let from = start.max(group * GROUP);
            let to = end.min((group + 1) * GROUP);
            if to - from == GROUP {
                mask[from - start..to - start].copy_from_slice(&factors);
            } else {
                for element in from..to {
                    mask[element - start] = factors[element - group * GROUP];
                }
            }
            group += 1;
        }
    }

    #[inline(always)]
    fn group(&self, group: u64, threshold: u16, scale: f32) -> [f32; GROUP] {
        let mut words = [[0u32; 8]; 4];
        let site = [self.site as u32, (self.site >> 32) as u32];
        for lane in 0..8 {
            let block = group * 8 + lane as u64;
            let drawn = philox([block as u32, (block >> 32) as u32, site[0], site[1]], self.key.0);
            for (word, value) in words.iter_mut().zip(drawn) {
                word[lane] = value;
            }
        }
        let mut factors = [0f32; GROUP];
        for (word, out) in words.iter().zip(factors.chunks_exact_mut(16)) {
            for lane in 0..8 {
                out[lane] = if word[lane] as u16 >= threshold { scale } else { 0.0 };
                out[lane + 8] = if (word[lane] >> 16) as u16 >= threshold { scale } else { 0.0 };
            }
        }
        factors
    }

    /// The factors of all elements as a tensor, for the reference.
    pub fn mask(&self, shape: &Shape, like: &Tensor) -> Result<Tensor> {
        let mut mask = vec![0f32; shape.elem_count()];
        self.fill(self.first_element(width(shape)), &mut mask);
        Tensor::from_vec(mask, shape, like.device())?.to_dtype(like.dtype())
    }
}

/// Elements of a token: the size of the last dimension.
pub fn width(shape: &Shape) -> usize {
    shape.dims().last().copied().unwrap_or(1)
}
