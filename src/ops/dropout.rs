//! Dropout whose mask is recomputed from a counter, never stored.
//!
//! y = x ∘ m with m = 1 / (1 - p) with probability 1 - p and 0 otherwise. The mask of element e is a function
//! of (key, site, e): 16 bits of a Philox word against a threshold, so p is exact to 1/65536 and the scale is
//! that of the probability really used.
//! Cost: one Philox block for eight elements, forward and backward each.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{fused, host, rows, vector};
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
    /// Where the tokens stand whose elements are dropped.
    pub place: Place,
}

/// Where the tokens of a part of a batch stand in the whole, whose masks they get. The default is that of a whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Tokens before its own first.
    pub first_token: usize,
    /// Tokens of the longest sequence, unless its own are longer.
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

    /// Number of the first element where each token has so many.
    pub fn first_element(&self, per_token: usize) -> usize {
        self.place.first_token * per_token
    }

    /// Writes the factors (0 or the scale) of elements `start..start + mask.len()`, counted in the whole batch.
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

/// Elements of a token: what the last dimension holds.
fn width(shape: &Shape) -> usize {
    shape.dims().last().copied().unwrap_or(1)
}

/// Dropout of `x` (any shape, a token a row); the identity when `key` is None or never drops.
pub fn dropout(x: &Tensor, key: Option<DropoutKey>) -> Result<Tensor> {
    match key {
        Some(key) if !key.is_off() => {
            #[cfg(feature = "cuda")]
            if super::gpu::tensors::takes(x) {
                return super::gpu::tensors::elementwise::dropout(x, key);
            }
            if fused(x) { x.contiguous()?.apply_op1(Dropout(key)) } else { reference(x, key) }
        }
        _ => Ok(x.clone()),
    }
}

/// The same from candle's primitives.
pub fn reference(x: &Tensor, key: DropoutKey) -> Result<Tensor> {
    x * key.mask(x.shape(), x)?
}

struct Dropout(DropoutKey);

impl Dropout {
    fn apply(&self, x: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![0f32; x.len()];
        let first = self.0.first_element(width);
        rows::for_each_block(&mut out, 1024, |row, out| {
            let start = row * 1024;
            vector::vectorized!(|| {
                self.0.fill(first + start, out);
                for (y, &x) in out.iter_mut().zip(&x[start..]) {
                    *y *= x;
                }
            });
        });
        out
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = self.apply(host::slice(storage, layout)?, width(layout.shape()));
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dx = host::with(grad, |grad| Ok(self.apply(grad, width(res.shape()))))?;
        Ok(Some(Tensor::from_vec(dx, res.shape(), res.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;
    use crate::rng::Purpose;

    fn key(probability: f64) -> DropoutKey {
        DropoutKey {
            key: StreamKey::new(5, Purpose::Dropout, 1),
            site: 3,
            probability,
            place: Place::default(),
        }
    }

    #[test]
    fn a_part_of_the_tokens_gets_its_part_of_the_mask() {
        let x = testing::tensor(&[370, 59], 1);
        let part = DropoutKey { place: Place { first_token: 101, longest: 0 }, ..key(0.2) };
        let rows = |t: Tensor, first| t.narrow(0, first, 50).unwrap().to_vec2::<f32>().unwrap();
        let whole = rows(dropout(&x, Some(key(0.2))).unwrap(), 101);
        let x = x.narrow(0, 101, 50).unwrap();
        for y in [dropout(&x, Some(part)).unwrap(), reference(&x, part).unwrap()] {
            assert_eq!(rows(y, 0), whole);
        }
    }

    #[test]
    fn any_window_of_the_mask_is_the_same() {
        let mut whole = vec![0f32; 1000];
        key(0.3).fill(0, &mut whole);
        for (start, len) in [(0, 64), (1, 63), (63, 2), (100, 300), (999, 1)] {
            let mut part = vec![9f32; len];
            key(0.3).fill(start, &mut part);
            assert_eq!(part, whole[start..start + len]);
        }
    }

    #[test]
    fn drops_the_asked_share_and_keeps_the_mean() {
        let mut mask = vec![0f32; 1 << 20];
        key(0.1).fill(0, &mut mask);
        let dropped = mask.iter().filter(|&&m| m == 0.0).count() as f64 / mask.len() as f64;
        let mean = mask.iter().map(|&m| f64::from(m)).sum::<f64>() / mask.len() as f64;
        assert!((dropped - 0.1).abs() < 0.0015 && (mean - 1.0).abs() < 0.002, "{dropped} {mean}");
    }

    #[test]
    fn fused_agrees_with_the_reference() {
        let x = testing::tensor(&[370, 59], 1);
        testing::compare(&[x], |t| dropout(&t[0], Some(key(0.2))), |t| reference(&t[0], key(0.2)));
    }
}
